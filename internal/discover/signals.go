package discover

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

// Names of the signals, as the short form has them.
const (
	errorsSignal     = "errors"
	latencySignal    = "latency"
	trafficSignal    = "traffic"
	saturationSignal = "saturation"
)

// Signal is one signal of a proposal.
type Signal struct {
	Kind      string
	why       []string // paragraphs of the comment above
	fields    []field
	other     []string         // lines of YAML or text to stand below, commented out
	selectors []*spec.Selector // every one of them matches something
	mayMiss   *spec.Selector   // matches nothing before the first failure; nil: there is none such
	refused   string           // why there is no such signal though its series are there
}

// field is one key with the YAML text of its value.
type field struct{ key, value string }

// selector makes a selector of the service's own series.
func (s *Service) selector(name string, ms ...*labels.Matcher) *spec.Selector {
	all := append([]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name)}, s.scope...)
	all = append(all, ms...)
	var parts []string
	for _, m := range all[1:] {
		parts = append(parts, m.String())
	}
	text := name
	if !model.LegacyValidation.IsValidMetricName(name) {
		parts, text = append([]string{strconv.Quote(name)}, parts...), ""
	}
	if len(parts) > 0 {
		text += "{" + strings.Join(parts, ",") + "}"
	}
	return &spec.Selector{Text: text, Matchers: all}
}

// scoped is a selector of a table with the service's own matchers.
func (s *Service) scoped(sel *spec.Selector) *spec.Selector {
	if sel == nil {
		return nil
	}
	return s.selector(sel.MetricName(), nameless(sel.Matchers)...)
}

// oneOf matches a label that has one of the values.
func oneOf(label string, values []string, not bool) *labels.Matcher {
	kind, text := labels.MatchEqual, values[0]
	if len(values) > 1 {
		kind, text = labels.MatchRegexp, ""
		for i, v := range values {
			if i > 0 {
				text += "|"
			}
			text += regexp.QuoteMeta(v)
		}
	}
	if not {
		kind = map[labels.MatchType]labels.MatchType{labels.MatchEqual: labels.MatchNotEqual, labels.MatchRegexp: labels.MatchNotRegexp}[kind]
	}
	return labels.MustNewMatcher(kind, label, text)
}

// failed matches the outcome's failures.
func (o *outcome) failed() *labels.Matcher {
	names, numbers := grpcFailures()
	switch o.spelled {
	case httpCodes:
		return labels.MustNewMatcher(labels.MatchRegexp, o.label, "5..")
	case httpClasses:
		for v := range o.values {
			if strings.HasSuffix(v, "XX") {
				return labels.MustNewMatcher(labels.MatchEqual, o.label, "5XX")
			}
		}
		return labels.MustNewMatcher(labels.MatchEqual, o.label, "5xx")
	case grpcCodes:
		return oneOf(o.label, names, false)
	case grpcNumbers:
		return oneOf(o.label, numbers, false)
	}
	return oneOf(o.label, o.bad, false)
}

// ladder are the objectives proposed, strictest first.
func ladder() []float64 {
	return []float64{0.9999, 0.9995, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5}
}

// margin is how many times what is seen a proposed budget allows, so that it is not spent from the start.
const margin = 2

// enough is how many observations can speak against a limit that is usual: of fewer, a single long one is more than
// the 1 % that most objectives allow.
const enough = 100

// within is the strictest objective up to most whose budget is at least twice what is bad; false: there is none.
func within(most, bad, total float64) (float64, bool) {
	for _, o := range ladder() {
		if o <= most+1e-12 && (total <= 0 || margin*bad/total <= 1-o+1e-12) {
			return o, true
		}
	}
	return 0, false
}

// legs are what errors are told by: total and one of good and bad, or those two. excluded may be there.
type legs struct{ good, bad, total, excluded *spec.Selector }

// errors is the signal of a share of bad events. most bounds the objective.
func (s *Service) errors(why string, l legs, most float64) (Signal, bool) {
	sig := Signal{Kind: errorsSignal, why: []string{why}}
	leg := func(key string, sel *spec.Selector) counted {
		if sel == nil {
			return counted{}
		}
		sig.fields = append(sig.fields, field{key, quote(sel.Text)})
		c := s.count(sel)
		if c.series > 0 {
			sig.selectors = append(sig.selectors, sel)
		}
		return c
	}
	g, b, t := leg("good", l.good), leg("bad", l.bad), leg("total", l.total)
	leg("excluded", l.excluded)
	all, failed := t, b
	switch {
	case l.total == nil:
		all = counted{min(g.series, b.series), g.now + b.now, g.ever + b.ever, 0, 0}
	case l.bad == nil:
		failed = counted{g.series, max(0, t.now-g.now), max(0, t.ever-g.ever), 0, 0}
	}
	if all.series == 0 || l.bad == nil && g.series == 0 {
		return sig, false
	}
	if l.bad != nil && b.series == 0 {
		sig.mayMiss = l.bad
		sig.why = append(sig.why, "No series of bad events is there yet: it appears with the first failure.")
	}
	live := s.Watched > 0 && all.now > 0
	part, of := failed.ever, all.ever
	if live {
		part, of = failed.now, all.now
	}
	objective, ok := within(most, part, of)
	if !ok {
		sig.refused = "too much is bad for any objective that is usual. " + s.figure(live, part, of, "bad")
		return sig, false
	}
	sig.why = append(sig.why, s.figure(live, part, of, "bad")+tooBad(objective, most))
	sig.fields = append(sig.fields, field{"objective", percent(objective)})
	return sig, true
}

// tooBad says why an objective is below what would be usual.
func tooBad(objective, usual float64) string {
	if objective >= usual-1e-12 {
		return ""
	}
	return " The objective is lower than is usual: the budget of " + percent(usual) + " would be spent already."
}

// figure says what share was seen: between two looks if live, else since the targets started.
func (s *Service) figure(live bool, part, all float64, what string) string {
	when := "since the targets started"
	if live {
		when = "in " + burnrate.Text(s.Watched.Round(100*time.Millisecond))
	}
	if all <= 0 {
		return "Seen " + when + ": no event, so the objective is a guess."
	}
	text := fmt.Sprintf("Seen %s: %s of %s %s (%s %%)", when, number(part), number(all), what, number(100*part/all))
	if live {
		text += fmt.Sprintf(", %s a second", number(all/s.Watched.Seconds()))
	}
	if text += "."; all < 1000 {
		text += " That is too few to tell much."
	}
	return text
}

// number writes a figure with three digits that count, or whole.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// percent writes a ratio as the short form has it.
func percent(ratio float64) string {
	return strconv.FormatFloat(math.Round(ratio*1e8)/1e6, 'f', -1, 64) + "%"
}

// latency is the signal of observations up to a limit. from is the limit that is usual, 0 when none is, and
// most bounds the objective.
func (s *Service) latency(why string, sel *spec.Selector, from, most float64) (Signal, bool) {
	sig := Signal{Kind: latencySignal, why: []string{why}, selectors: []*spec.Selector{sel}}
	live := s.Watched > 0
	bounds, native := s.bounds(sel, live)
	if live && len(bounds) > 0 && bounds[len(bounds)-1].count == 0 {
		live = false
		bounds, native = s.bounds(sel, live)
	}
	finite := slices.DeleteFunc(slices.Clone(bounds), func(b bound) bool { return math.IsInf(b.le, 0) || b.le <= 0 })
	if len(finite) == 0 || !math.IsInf(bounds[len(bounds)-1].le, 1) {
		return sig, false
	}
	all := bounds[len(bounds)-1].count
	at, objective, ok := pickBound(finite, all, from, most)
	if !ok {
		sig.refused = "more than half take longer than the longest bound of " + shown(sel.MetricName())
		return sig, false
	}
	chosen := finite[at]
	if native {
		sig.why = append(sig.why, "It is a native histogram, so any limit is measured well.")
	} else {
		sig.why = append(sig.why, "The limit is a bound of the histogram's own buckets, so counts are exact.")
	}
	sig.why = append(sig.why, s.figure(live, all-chosen.count, all, "longer than "+limitText(sel.MetricName(), chosen.le))+tooBad(objective, most))
	sig.fields = []field{{"histogram", quote(sel.Text)}, {"below", limitText(sel.MetricName(), chosen.le)}, {"objective", percent(objective)}}
	sig.other = otherBounds(sel.MetricName(), finite, at, all)
	return sig, true
}

// bounds are the limits that sel's histogram can be measured at, each with how many observations kept to it:
// those of its buckets, or some of a native one.
func (s *Service) bounds(sel *spec.Selector, live bool) (out []bound, native bool) {
	classic, hs := s.buckets(sel, live)
	if len(hs) > 0 {
		return nativeBounds(hs, sel.MetricName()), true
	}
	return classic, false
}

// pickBound chooses a limit: the first from the usual one on that keeps to the objective with room to spare;
// without a usual one, the next above the one at which that holds first. With too few events to speak
// against the usual one it is that, and without any the first from a second on. When none keeps to it, it is the
// last with the objective that holds.
func pickBound(finite []bound, all, from, most float64) (at int, objective float64, ok bool) {
	last := len(finite) - 1
	if all <= 0 || from > 0 && all < enough {
		if from == 0 {
			from = 1
		}
		at := slices.IndexFunc(finite, func(b bound) bool { return b.le >= from*(1-1e-9) })
		if at < 0 {
			at = last
		}
		return at, most, true
	}
	for i, b := range finite {
		if b.le < from*(1-1e-9) || margin*(all-b.count)/all > 1-most+1e-12 {
			continue
		}
		if from == 0 {
			i = min(i+1, last)
		}
		return i, most, true
	}
	objective, ok = within(most, all-finite[last].count, all)
	return last, objective, ok
}

// nativeBounds are the limits tried on native histograms, which have no bounds that people know: 1, 2.5 and 5 of each decade.
func nativeBounds(hs []span, name string) (out []bound) {
	scale := 1.0
	if strings.Contains(name, "milliseconds") {
		scale = 1000
	}
	at := func(le float64) bound {
		b := bound{le: le}
		for _, h := range hs {
			b.count += h.below(le)
		}
		return b
	}
	for decade := 0.001; decade < 5000; decade *= 10 {
		for _, step := range []float64{1, 2.5, 5} {
			out = append(out, at(rounded(decade*step*scale, 6)))
		}
	}
	return append(out, at(math.Inf(1)))
}

// rounded keeps so many digits that count.
func rounded(v float64, digits int) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil {
		return v
	}
	return r
}

// limitText writes a limit: a duration where the histogram counts seconds and it is whole milliseconds,
// else a number in the histogram's unit.
func limitText(name string, le float64) string {
	ms := le * 1000
	if strings.HasSuffix(name, "_seconds") && ms >= 1 && ms < 1e12 && math.Abs(ms-math.Round(ms)) < 1e-6 {
		return model.Duration(time.Duration(math.Round(ms)) * time.Millisecond).String()
	}
	return strconv.FormatFloat(le, 'f', -1, 64)
}

// otherBounds lists the bounds around the one chosen, with the share of what was seen up to each.
func otherBounds(name string, finite []bound, at int, all float64) []string {
	const around = 4
	var out []string
	for i := max(0, at-around); i < min(len(finite), at+around+1); i++ {
		if i == at {
			continue
		}
		line := "below: " + limitText(name, finite[i].le)
		if all > 0 {
			line += fmt.Sprintf(" # %s %% of those seen", number(100*finite[i].count/all))
		}
		out = append(out, line)
	}
	return out
}

// traffic is the signal of slices with less than half of what is expected.
func (s *Service) traffic(why string, total *spec.Selector) (Signal, bool) {
	sig := Signal{Kind: trafficSignal, why: []string{why}, selectors: []*spec.Selector{total}}
	c := s.count(total)
	if c.series == 0 {
		return sig, false
	}
	sig.why = append(sig.why, "What is expected is learned from the days before, so it says nothing on the first day.")
	if s.Watched > 0 {
		rate := c.now / s.Watched.Seconds()
		sig.why = append(sig.why, fmt.Sprintf("Seen in %s: %s a second.", burnrate.Text(s.Watched.Round(100*time.Millisecond)), number(rate)))
		if rate > 0 {
			sig.other = []string{"atLeast: " + strconv.FormatFloat(rounded(rate/10, 2), 'f', -1, 64) + "/s # in place of atLeast and of: a tenth of what was seen"}
		}
	}
	sig.fields = []field{{"total", quote(total.Text)}, {"atLeast", "50%"}, {"of", "expected"}}
	return sig, true
}

// limits of a gauge: exactly one is set.
type limits struct{ below, above *float64 }

// saturation is the signal of slices in which a gauge keeps to a limit. It is left out when the limit is passed now.
func (s *Service) saturation(why string, gauge *spec.Selector, l limits, objective float64) (Signal, bool) {
	sig := Signal{Kind: saturationSignal, why: []string{why}, selectors: []*spec.Selector{gauge}}
	c := s.count(gauge)
	if c.series == 0 {
		return sig, false
	}
	var limit field
	switch {
	case l.below != nil:
		limit = field{"below", strconv.FormatFloat(*l.below, 'f', -1, 64)}
		sig.why = append(sig.why, fmt.Sprintf("Seen: %s at most, of %s series.", number(c.highest), number(float64(c.series))))
		if c.highest >= *l.below {
			sig.refused = fmt.Sprintf("%s is %s now, which is not below %s", shown(gauge.MetricName()), number(c.highest), number(*l.below))
			return sig, false
		}
	default:
		limit = field{"above", strconv.FormatFloat(*l.above, 'f', -1, 64)}
		sig.why = append(sig.why, fmt.Sprintf("Seen: %s at least, of %s series.", number(c.lowest), number(float64(c.series))))
		if c.lowest <= *l.above {
			sig.refused = fmt.Sprintf("%s is %s now, which is not above %s", shown(gauge.MetricName()), number(c.lowest), number(*l.above))
			return sig, false
		}
	}
	sig.fields = []field{{"gauge", quote(gauge.Text)}, limit, {"objective", percent(objective)}}
	return sig, true
}

// quote writes a text as YAML's single-quoted scalar. Selectors hold no line breaks: they are escaped there.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
