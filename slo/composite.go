package slo

import (
	"fmt"

	"github.com/assayer-io/assayer/slo/spec"
)

// memberNow is one member of a composite objective at one evaluation.
type memberNow struct {
	spec.Member
	obj     *objective // nil: there is none of this name
	counted string     // measured, or what it is taken as
	why     string     // it is unknown
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
	out := make([]memberNow, len(o.Composite.Members))
	for i, m := range o.Composite.Members {
		n := memberNow{Member: m, obj: e.byName[m.Objective], counted: measured}
		switch {
		case n.obj == nil:
			n.why = "there is no such objective"
		case n.obj.blindMs != 0 && now-n.obj.blindMs >= m.MaxDelay.Milliseconds():
			n.why = n.obj.blindWhy
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

// measureAll counts one window of o, from its members if it is made of some.
func (o *objective) measureAll(members []memberNow, edge, now int64, feeds map[*objective]*feed) measure {
	if o.Composite == nil {
		return o.measure(edge, now, feeds[o].late())
	}
	return o.combine(members, now-edge, func(m *objective) measure { return m.measure(edge, now, feeds[m].late()) })
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
func (o *objective) combine(members []memberNow, lengthMs int64, of func(*objective) measure) measure {
	out := measure{lengthMs: lengthMs, coverage: 1, filled: 1}
	var all tally
	for _, n := range members {
		if n.counted == ignored || n.counted == string(spec.MakeUnknown) {
			continue
		}
		m := measure{coverage: 1, filled: 1}
		if n.obj != nil {
			m = of(n.obj)
		}
		out.excluded += m.excluded
		if n.counted == measured {
			out.coverage, out.filled = min(out.coverage, m.coverage), min(out.filled, m.filled)
		}
		all.add(n, m)
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
	allLost       bool
}

func (t *tally) add(n memberNow, m measure) {
	ratio, bad := m.ratio(), m.bad
	switch n.counted {
	case string(spec.CountGood):
		ratio, bad = 0, 0
	case string(spec.CountBad):
		ratio, t.allLost = 1, true
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
	if ratio > t.worst || t.worstTotal == 0 {
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
	case method == spec.Journey && t.allLost:
		return 1
	case method == spec.Journey:
		if total := max(t.entered, t.lost); total > 0 {
			return t.lost / total
		}
		return 0
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

// memberStatuses tells what each member brought to the composite over its budget's window.
func (o *objective) memberStatuses(members []memberNow, edge, now int64, feeds map[*objective]*feed) []MemberStatus {
	out := make([]MemberStatus, len(members))
	for i, n := range members {
		s := MemberStatus{Objective: n.Objective, Weight: n.Weight, State: Unknown, Counted: n.counted}
		if n.obj != nil {
			s.ErrorRatio = n.obj.measure(edge, now, feeds[n.obj].late()).ratio()
			s.State = n.obj.state
		}
		switch n.counted {
		case string(spec.CountGood):
			s.ErrorRatio = 0
		case string(spec.CountBad):
			s.ErrorRatio = 1
		}
		out[i] = s
	}
	return out
}
