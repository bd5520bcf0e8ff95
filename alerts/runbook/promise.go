package runbook

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

// percent writes a ratio: 99.95 %.
func percent(ratio float64) string {
	return strconv.FormatFloat(math.Round(ratio*1e10)/1e8, 'f', -1, 64) + " %"
}

func windowWords(w *spec.Window) string {
	switch {
	case w.Rolling:
		return "any " + burnrate.Text(w.Length)
	case w.Count > 1:
		return fmt.Sprintf("each %d %ss", w.Count, w.Unit)
	}
	return "each " + string(w.Unit)
}

// promise says in words what is promised and how it is counted.
func (p *page) promise() {
	o := &p.Objective
	p.section("What is promised")
	counted := "events are good"
	switch {
	case o.Composite != nil:
		counted = "what its members count, taken together, is good"
	case o.Method != spec.Occurrences:
		counted = fmt.Sprintf("time slices of %s are good", burnrate.Text(o.Slice))
	case o.Weight != nil:
		counted = "the money moved is moved well"
	}
	p.line("**At least %s of %s over %s.**", percent(o.Target), counted, windowWords(&o.Window))
	p.line("Its error budget is the other %s%s.", percent(1-o.Target), p.outageWords())
	if o.Weight != nil {
		p.line("Budgets count money: what fails weighs its amount in %s.", text(o.Weight.Currency))
	}
	if o.Method == spec.RatioTimeslices && o.SliceTarget > 0 {
		p.line("A slice is good when at least %s of its events are.", percent(o.SliceTarget))
	}
	if g := o.GroupBy; g != nil {
		p.line("There is one budget for the whole and one for each %s, at most %d.", text(strings.Join(g.Labels, ", ")), g.Max)
	}
	p.line("\n%s", indicatorWords(o))
	if o.Calendar != nil {
		p.calendar(o.Calendar)
	}
}

// outageWords is how long everything may fail at even traffic.
func (p *page) outageWords() string {
	o := &p.Objective
	length := time.Duration((1 - o.Target) * float64(o.Window.Length)).Round(time.Second)
	if length <= 0 {
		return ": nothing may fail"
	}
	return ", as much as " + burnrate.Text(length) + " of total outage at even traffic"
}

func indicatorWords(o *alerts.Objective) string {
	switch i := &o.Indicator; {
	case o.Composite != nil:
		var members []string
		for _, m := range o.Composite.Members {
			members = append(members, code(m.Objective))
		}
		how := map[spec.CompositeMethod]string{
			spec.Weighted: "the mean of its members by weight", spec.WorstOf: "the worst of its members", spec.Journey: "its members as steps of one journey",
		}[o.Composite.Method]
		return "It is made of other objectives, " + how + ": " + strings.Join(members, ", ") + ". Go to their runbooks: what burns, burns there."
	case i.Ratio != nil && i.Ratio.Latency:
		return "Good is what was answered within the limit, by the buckets of a histogram; total is everything that was."
	case i.Ratio != nil:
		return "Good and bad events are counted by counters."
	case i.Histogram != nil:
		return "Good is every observation of the histogram that kept below " + code(number(i.Histogram.Below)) + ", in the histogram's own unit."
	case i.Threshold != nil:
		return fmt.Sprintf("A sample of the gauge is good when it is %s %s.", opWords(i.Threshold.Op), code(number(i.Threshold.Value)))
	case i.Traffic != nil && i.Traffic.AtLeastPerSecond > 0:
		return "A slice is good when at least " + code(number(i.Traffic.AtLeastPerSecond)) + " events a second came in it."
	case i.Traffic != nil:
		return "A slice is good when at least " + percent(i.Traffic.AtLeastOfExpected) + " of the events came in it that the same hours of days before lead to expect."
	case i.RawRatio != nil && i.RawRatio.Success:
		return "Each sample of a gauge is itself a share of good events."
	case i.RawRatio != nil:
		return "Each sample of a gauge is itself a share of bad events."
	case i.Presence != nil:
		return "A slice is good when the series was there."
	}
	return ""
}

func opWords(op spec.Op) string {
	return map[spec.Op]string{spec.LessThan: "below", spec.LessOrEqual: "at most", spec.GreaterThan: "above", spec.GreaterOrEqual: "at least"}[op]
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// calendar says when business is done; days of the same hours stand together.
func (p *page) calendar(c *calendar.Business) {
	p.line("\nOnly business time of the calendar %s counts, in %s:\n", code(c.Name), text(c.Location.String()))
	hours := func(day int) string {
		var out []string
		for _, s := range c.Week[day%7] {
			out = append(out, s.String())
		}
		if len(out) == 0 {
			return "closed"
		}
		return strings.Join(out, ", ")
	}
	for day := 1; day <= 7; {
		last := day
		for last < 7 && hours(last+1) == hours(day) {
			last++
		}
		name := time.Weekday(day % 7).String()
		if last > day {
			name += " to " + time.Weekday(last%7).String()
		}
		p.line("- %s: %s", name, hours(day))
		day = last + 1
	}
	if n := len(c.Holidays); n > 0 {
		p.line("- holidays, closed or of other hours, are known from %s to %s", c.Holidays[0].Date, c.Holidays[n-1].Date)
	}
	for _, cut := range c.CutOffs {
		p.line("- cut-off %s at %s", text(cut.Name), clock(cut.Minute))
	}
}

// clock writes minutes after midnight of the business day.
func clock(minute int) string {
	s := calendar.Session{From: minute, To: minute + 1}.String()
	at, _, _ := strings.Cut(s, "-")
	switch {
	case minute < 0:
		return at + " the evening before"
	case minute > 1440:
		return at + " the day after"
	}
	return at
}

// legs is the table of limits.
func (p *page) legs() {
	o := &p.Objective
	p.section("When it alerts")
	p.line("Each leg is an alert %s with its name as the label `tier`. It fires while both its windows are past the limit and the errors are too many", code(alerts.BudgetBurn))
	p.line("for chance, and ends once the short window is below it.\n")
	p.line("| leg | urgency | fires when both windows have at least | windows | budget spent by then | a total outage fires in |\n|---|---|---|---|---|---|")
	// The tier without windows is no rival to the others in urgency.
	windowed := slices.DeleteFunc(slices.Clone(o.Tiers), func(t burnrate.Tier) bool { return t.Name == alerts.FastTier })
	for _, t := range windowed {
		limit, outage := legWords(t, o.Target)
		p.line("| %s | %s | %s | %s, %s | %s | %s |", cell(t.Name), burnrate.UrgencyOf(t, windowed), limit,
			burnrate.Text(t.Long), burnrate.Text(t.Short), percent(math.Round(t.BudgetRatio*1e4)/1e4), outage)
	}
	if hasFast(o) {
		p.line("\nThe agent adds %s, critical, which needs no window: a total outage, or nearly so, fires it within three looks at an event a second or more.", code(alerts.FastTier))
	}
	p.line("\n%s says that nothing of the budget is left, %s that too little is seen to judge, which is no all-clear.", code(alerts.BudgetExhausted), code(alerts.Unobserved))
	for _, r := range p.Refused {
		if r.Objective != o.Name {
			continue
		}
		what := "No rule on raw series takes over when no agent is there"
		if r.Leg != "" {
			what = "Without an agent " + code(r.Leg) + " is not watched"
		}
		p.line("%s: %s.", what, text(strings.TrimSuffix(r.Reason, ".")))
	}
}

// hasFast reports whether the engine gives o the fast tier, unless it is told to have none: to what counts events, of
// which no more than a fifth may fail.
func hasFast(o *alerts.Objective) bool {
	i := &o.Indicator
	return o.Method == spec.Occurrences && o.Weight == nil && o.Composite == nil && i.Threshold == nil && i.RawRatio == nil && 1-o.Target <= 0.2
}

// legWords are the limit of a leg as errors, and how long after its beginning a total outage of what was healthy fires it at
// even traffic: the bad share of the long window is then t ÷ long, so t = factor × (1 − target) × long.
func legWords(t burnrate.Tier, target float64) (limit, outage string) {
	bad := t.Factor * (1 - target)
	limit = fmt.Sprintf("%s bad, %s times the even rate", percent(math.Round(bad*1e6)/1e6), t.FactorText())
	if t.OfRemaining {
		limit += "; less as the budget shrinks"
	}
	if bad > 1 {
		return limit, "never: even a total outage burns slower"
	}
	after := time.Duration(bad * float64(t.Long)).Round(time.Second)
	if after <= 0 {
		return limit, "the next evaluation"
	}
	return limit, burnrate.Text(after)
}
