package slo

import (
	"fmt"
	"time"

	"github.com/assayer-io/assayer/slo/spec"
)

// memberNow is one member of a composite objective at one evaluation.
type memberNow struct {
	spec.Member
	obj     *objective // nil: there is none of this name
	counted string     // measured, or what it is taken as
	why     string     // it is unknown
	spans   []span     // what is excluded of it here: for itself, and for the composite
	errors  float64    // its error ratio over the window measured last, as it is counted
}

// measured is what a member is counted as whose figures are known; else the name of a policy.
const (
	measured = "measured"
	ignored  = "ignored"
)

// members finds the members of a composite and what each is counted as; nil for all others.
func (e *Engine) members(o *objective, now int64) []memberNow {
	if o.Composite == nil {
		return nil
	}
	if o.period != nil && !o.period.Start(time.UnixMilli(now)).Equal(o.period.Start(time.UnixMilli(o.periodMs))) {
		o.periodMs = now
		e.overlay()
	}
	start := e.startMs(o)
	out := make([]memberNow, len(o.Composite.Members))
	for i, m := range o.Composite.Members {
		delay := m.MaxDelay.Milliseconds()
		n := memberNow{Member: m, obj: e.byName[m.Objective], counted: measured}
		if n.obj != nil {
			n.spans = n.obj.exclusion.with(&o.exclusion)
			if m.WhenUnknown == spec.CountBad && !n.obj.met {
				delay = max(delay, start)
			}
		}
		switch {
		case n.obj == nil:
			n.why = "there is no such objective"
		case n.obj.blindMs != 0 && now-n.obj.blindMs >= delay:
			n.why = n.obj.blindWhy
			n.obj.met = true
		}
		if n.why != "" {
			if n.counted = string(m.WhenUnknown); m.WhenUnknown == spec.Ignore {
				n.counted = ignored
			}
		}
		out[i] = n
	}
	return out
}

// startMs is how long the targets of a composite's members have at least, when the agent starts, before
// one that was not seen yet counts as bad: two intervals of the slowest.
func (e *Engine) startMs(o *objective) int64 {
	var pace int64
	for _, m := range o.Composite.Members {
		if obj := e.byName[m.Objective]; obj != nil {
			pace = max(pace, obj.paceMs)
		}
	}
	if pace == 0 {
		pace = unseenPaceMs
	}
	return 2 * pace
}

// unseenPaceMs stands for the interval of targets of which none was ever seen.
const unseenPaceMs = 60_000

// periodStarts are the starts of the calendar periods around the present one, which a composite's
// members have to know exactly; nil for others.
func (o *objective) periodStarts() []int64 {
	if o.period == nil || o.Composite == nil {
		return nil
	}
	this := o.period.Start(time.UnixMilli(o.periodMs))
	next := o.period.Next(this)
	var out []int64
	for _, t := range []time.Time{o.period.Start(this.Add(-time.Millisecond)), this, next, o.period.Next(next)} {
		out = append(out, t.UnixMilli())
	}
	return out
}

// measureAll counts one window of o, from its members if it is made of some.
func (o *objective) measureAll(members []memberNow, edge, now int64, feeds map[*objective]*feed) measure {
	if o.Composite == nil {
		return o.measure(edge, now, feeds[o].late())
	}
	return o.combine(members, now-edge, func(n *memberNow) (measure, float64) { return n.measure(edge, now, feeds) })
}

// measure counts the window (edge, now] of a member, which is one that there is. A member that counts as
// bad is measured until it became unknown; lost is the share of the time watched in the window, as far as
// it is owed and not excluded, that has passed since.
func (n *memberNow) measure(edge, now int64, feeds map[*objective]*feed) (m measure, lost float64) {
	if n.counted != string(spec.CountBad) {
		return n.obj.measureBut(n.spans, edge, now, feeds[n.obj].late()), 0
	}
	began := n.obj.blindMs
	if s := n.obj.ledger.startMs; s != 0 {
		began = min(began, s)
	}
	began = max(began, edge)
	blind := min(max(n.obj.blindMs, edge), now)
	m = n.obj.measureBut(n.spans, edge, blind, nil)
	m.filled = min(1, max(0, float64(now-began)/float64(now-edge)))
	if watched := n.obj.owedOpen(n.spans, began, now); watched > 0 {
		lost = float64(n.obj.owedOpen(n.spans, blind, now)) / float64(watched)
	}
	return m, lost
}

// ratio is the error ratio of a member as it is counted.
func (n *memberNow) ratio(m measure, lost float64) float64 {
	if n.counted == string(spec.CountGood) {
		return 0
	}
	return lost + (1-lost)*m.ratio()
}

// late is the last looks of targets that are silent; f may be nil.
func (f *feed) late() []int64 {
	if f == nil {
		return nil
	}
	return f.overdue
}

// combine makes one measure of what each member measures. Its error ratio is what the method makes of
// theirs; its events are those of the members that count events, as amounts of money cannot be added to
// them. It is no chance when it is none in one of the members.
func (o *objective) combine(members []memberNow, lengthMs int64, of func(*memberNow) (measure, float64)) measure {
	out := measure{lengthMs: lengthMs, coverage: 1, filled: 1}
	var all tally
	for i := range members {
		n := &members[i]
		m, lost := measure{coverage: 1, filled: 1}, 1.0
		if n.obj != nil {
			m, lost = of(n)
		}
		n.errors = n.ratio(m, lost)
		if n.counted == ignored || n.counted == string(spec.MakeUnknown) {
			continue
		}
		out.excluded += m.excluded
		if n.counted == measured {
			out.coverage = min(out.coverage, m.coverage)
		}
		if n.counted != string(spec.CountGood) {
			out.filled = min(out.filled, m.filled)
		}
		all.add(n, m, lost)
		out.sure = out.sure || n.counted == string(spec.CountBad) || n.counted == measured && n.obj.significant(m, o.allowed(), 2)
	}
	ratio, total := all.ratio(o.Composite.Method), all.events(o.Composite.Method)
	out.bad = ratio * total
	out.good = total - out.bad
	return out
}

// tally adds up what members measure.
type tally struct {
	total         float64 // events of all members that count events
	worstTotal    float64 // events, or amounts, of the worst member
	weights, sum  float64 // of weights, and of weights times error ratios
	worst         float64 // error ratio
	entered, lost float64 // of a journey: events of the first member, and those that some member failed
	members       int
	gone          float64 // of a journey: the share of time in which all was lost, as some member counts as bad
}

func (t *tally) add(n *memberNow, m measure, lost float64) {
	ratio, bad := n.ratio(m, lost), m.bad
	switch n.counted {
	case string(spec.CountGood):
		bad = 0
	case string(spec.CountBad):
		t.gone = max(t.gone, lost)
	}
	if t.members == 0 {
		t.entered = m.total()
	}
	t.members++
	if n.obj != nil && n.obj.Weight == nil {
		t.total += m.total()
	}
	t.weights += n.Weight
	t.sum += n.Weight * ratio
	if ratio > t.worst || ratio == t.worst && t.worstTotal == 0 {
		t.worst, t.worstTotal = ratio, m.total()
	}
	t.lost += bad
}

// events is how many events the error ratio is one of: where something failed, at least one.
func (t *tally) events(method spec.CompositeMethod) float64 {
	n := t.total
	switch method {
	case spec.Journey:
		n = max(t.entered, t.lost)
	case spec.WorstOf:
		n = t.worstTotal
	}
	if t.ratio(method) > 0 {
		n = max(n, 1)
	}
	return n
}

// ratio is the error ratio of the whole.
func (t *tally) ratio(method spec.CompositeMethod) float64 {
	switch {
	case t.members == 0:
		return 0
	case method == spec.WorstOf:
		return t.worst
	case method == spec.Journey:
		if total := max(t.entered, t.lost); total > 0 {
			return t.gone + (1-t.gone)*t.lost/total
		}
		return t.gone
	case t.weights <= 0:
		return 0
	}
	return t.sum / t.weights
}

// blindComposite says in one sentence why a composite cannot be judged now, or "".
func (e *Engine) blindComposite(members []memberNow, budget measure) string {
	counted := 0
	for _, n := range members {
		switch n.counted {
		case string(spec.MakeUnknown):
			return fmt.Sprintf("its member %s is unknown: %s", n.Objective, n.why)
		case ignored:
		default:
			counted++
		}
	}
	switch {
	case counted == 0:
		return "every member is unknown"
	case budget.coverage < e.opts.MinCoverage:
		return fmt.Sprintf("only %s of the time watched was observed, %s is needed", percent(budget.coverage), percent(e.opts.MinCoverage))
	}
	return ""
}

// memberStatuses tells what each member brought to the composite over the window measured last, which is its
// budget's.
func memberStatuses(members []memberNow) []MemberStatus {
	out := make([]MemberStatus, len(members))
	for i, n := range members {
		s := MemberStatus{Objective: n.Objective, Weight: n.Weight, State: Unknown, Counted: n.counted}
		if n.obj != nil {
			s.ErrorRatio, s.State = n.errors, n.obj.state
		} else if n.counted == string(spec.CountBad) {
			s.ErrorRatio = 1
		}
		out[i] = s
	}
	return out
}
