package prometheus

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/spec"
)

// What native rules record, by Prometheus' convention level:metric:operation. All of it has the labels slo and
// service; of groups also group.
const (
	// NativeObjectiveRatio is the target, 0 to 1. It alone has the label team, if the objective has one.
	NativeObjectiveRatio = "slo:objective:ratio"
	// NativeBudgetRemaining is what is left of the budget: 1 untouched, 0 spent, negative overspent.
	NativeBudgetRemaining = "slo:error_budget_remaining:ratio"
	// NativeChanceLimit is the logarithm of the probability below which errors are no longer put down to chance.
	NativeChanceLimit = "slo:chance_limit:ln"
	// NativeTargetUp holds the targets of a service that were scraped before the present tile began. Of the labels
	// above it has service alone, beside those of up.
	NativeTargetUp = "slo:target_up:max5m"
)

// NativeBadEvents names the record of bad events in a window, minor units of its currency for an objective that counts
// money: slo:bad_events:sum1h. The tile, of one interval of evaluation, is called so too: slo:bad_events:sum30s.
func NativeBadEvents(window time.Duration) string {
	return "slo:bad_events:sum" + burnrate.Text(window)
}

// NativeTotalEvents names the record of all events in a window, which may be less than none bad and good together
// for a moment: a process updates its counters one after the other.
func NativeTotalEvents(window time.Duration) string {
	return "slo:total_events:sum" + burnrate.Text(window)
}

// NativeBurnRate names the record of how many times faster than allowed a window burned the budget, what was not
// observed of it taken as good. Absent where there were no events.
func NativeBurnRate(window time.Duration) string {
	return nativeBurnRate + burnrate.Text(window)
}

// NativeBeyondChance names the record that is there while the bad events of a window are more than chance: by how much,
// as the logarithm of a probability.
func NativeBeyondChance(window time.Duration) string {
	return "slo:beyond_chance:ln" + burnrate.Text(window)
}

// NativeWindowFilled names the record of the share of a budget window for which events were counted.
func NativeWindowFilled(window time.Duration) string {
	return "slo:window_filled:ratio" + burnrate.Text(window)
}

// NativeFiring names the record of where raw series call for an alert, whatever the agent says, with the labels of the
// alert: slo:firing:ErrorBudgetBurn.
func NativeFiring(alert string) string { return "slo:firing:" + alert }

// slowTile names the tile of which windows of days are summed: slo:bad_events:tile5m.
func slowTile(metric string, slow time.Duration) string {
	return "slo:" + metric + ":tile" + burnrate.Text(slow)
}

const nativeBurnRate = "slo:burn_rate:ratio"

const (
	badEvents   = "bad_events"
	totalEvents = "total_events"
)

type tier = burnrate.Tier

// selector is one of PromQL: name{a="b"}. MatchEqual on le, or quantile, takes every spelling of the number, as the
// agent does.
func selector(name string, matchers ...*labels.Matcher) string {
	var b strings.Builder
	plainName := legacyName(strings.ReplaceAll(name, ":", "_"))
	for _, m := range matchers {
		plainName = plainName && m.Name != labels.MetricName
	}
	if plainName {
		b.WriteString(name)
	} else {
		matchers = append([]*labels.Matcher{equal(labels.MetricName, name)}, matchers...)
	}
	if len(matchers) == 0 {
		return b.String()
	}
	b.WriteByte('{')
	for i, m := range matchers {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(m.Name)
		if pattern := Spellings(m); pattern != "" {
			b.WriteString("=~")
			b.WriteString(strconv.Quote(pattern))
			continue
		}
		b.WriteString(m.Type.String())
		b.WriteString(strconv.Quote(m.Value))
	}
	b.WriteByte('}')
	return b.String()
}

func equal(name, value string) *labels.Matcher {
	return &labels.Matcher{Type: labels.MatchEqual, Name: name, Value: value}
}

// Spellings is a pattern for all the ways in which exporters write the number that m asks for, or "" when it asks for
// something else: 2 is 2, 2.0 and 2e+00.
func Spellings(m *labels.Matcher) string {
	if m.Type != labels.MatchEqual || m.Name != labels.BucketLabel && m.Name != "quantile" {
		return ""
	}
	v, err := strconv.ParseFloat(m.Value, 64)
	if err != nil || v-v != 0 { // infinities are +Inf to all
		return ""
	}
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(v, 'f', -1, 64), ".")
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, 64), "e")
	dot := `(\.` + fraction + `0*)`
	if fraction == "" {
		dot = `(\.0*)?`
	}
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	mantissa = strings.TrimSuffix(strings.Replace(mantissa, ".", `\.`, 1), "0")
	if before, is := strings.CutSuffix(mantissa, `\.`); is {
		mantissa = before + `(\.0*)?`
	} else {
		mantissa += "0*"
	}
	sign, digits := exponent[:1], strings.TrimLeft(exponent[1:], "0")
	if sign == "+" {
		sign = `\+?`
	}
	return whole + dot + "|" + mantissa + "[eE]" + sign + "0*" + digits
}

// raw is the text of a selector of raw series, its metric's name with a suffix, with further matchers.
func raw(s *spec.Selector, suffix string, more ...*labels.Matcher) string {
	matchers := make([]*labels.Matcher, 0, len(s.Matchers)+len(more))
	for _, m := range s.Matchers {
		if m.Name != labels.MetricName || m.Type != labels.MatchEqual {
			matchers = append(matchers, m)
		}
	}
	return selector(s.MetricName()+suffix, append(matchers, more...)...)
}

// of is a selector of what is recorded of n.
func (n *nativeObjective) of(name string, more ...*labels.Matcher) string {
	return selector(name, append([]*labels.Matcher{equal(metricname.SLO, n.Name), equal(metricname.Service, n.Service)}, more...)...)
}

// numeral spells a float the way PromQL reads it back to the bit.
func numeral(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
