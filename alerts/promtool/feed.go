package promtool

import (
	"math"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/spec"
)

// source is one counter of the raw series of an objective and which events it counts.
type source struct {
	labels    labels.Labels
	good, bad bool
}

// unit is what happens in one unit of time.
type unit struct {
	bad, total float64
	down       bool // the target does not answer
	restart    bool // its counters begin anew
}

// plan is what happens in a test.
type plan struct {
	units []unit // the first, 0, is the first look: its events are a baseline
	born  bool   // counters of failures alone appear with the first one
	first int    // the step at which the target is seen for the first time
	agent []float64
}

// add appends n steps alike and returns the plan.
func (p *plan) add(n int, bad, total float64) *plan {
	for range n {
		p.units = append(p.units, unit{bad: bad, total: total})
	}
	return p
}

// down is for how many units targets are gone at the end.
func (p *plan) down() (n int) {
	for i := len(p.units) - 1; i >= 0 && p.units[i].down; i-- {
		n++
	}
	return n
}

// pause takes the events out of the units at whose ends evaluations are.
func (p *plan) pause(every int) {
	for i := 0; i < len(p.units); i += every {
		p.units[i].bad, p.units[i].total = 0, 0
	}
}

// counts are the events that rules can see of each unit. Raw series make something of the first look, and of a target
// that has been gone for less than lookback units: nothing happened. Records begin with unit 1.
func (p *plan) counts(raw bool, lookback int) []counts {
	out, last := make([]counts, len(p.units)), p.first
	for i, u := range p.units {
		switch {
		case i < p.first, i == 0 && !raw:
		case u.down:
			if raw && i-last < lookback {
				out[i].seen = 1
			}
		case i == p.first:
			out[i].seen = 1
			last = i
		default:
			out[i] = counts{u.bad, u.total, 1}
			last = i
		}
	}
	return out
}

// samples are the values of one counter at the end of each step.
func (p *plan) samples(s source) []float64 {
	out, sum := make([]float64, len(p.units)), 0.0
	seen := !p.born || !s.bad || s.good
	for i, st := range p.units {
		if st.restart {
			sum = 0
		}
		if s.bad {
			sum += st.bad
		}
		if s.good {
			sum += st.total - st.bad
		}
		seen = seen || st.bad > 0
		switch {
		case i < p.first, !seen, st.down && i > 0 && p.units[i-1].down:
			out[i] = missing()
		case st.down:
			out[i] = stale()
		default:
			out[i] = sum
		}
	}
	return out
}

// up are the values of the series up of the target.
func (p *plan) up() []float64 {
	out := make([]float64, len(p.units))
	for i, s := range p.units {
		switch {
		case i < p.first:
			out[i] = missing()
		case !s.down:
			out[i] = 1
		}
	}
	return out
}

// held tells for each unit whether the agent holds alerts back: nil if there is none.
func (p *plan) held() []bool {
	if p.agent == nil {
		return nil
	}
	out, last := make([]bool, len(p.units)), false
	for i, v := range p.agent {
		if !math.IsNaN(v) {
			last = v == 1
		}
		out[i] = last
	}
	return out
}

// addSources makes up the series that feed an objective, of one target of its own and, if there are groups, of one.
func (s *subject) addSources(scrape time.Duration) {
	switch i := &s.Indicator; {
	case s.Method == spec.Occurrences && i.Ratio != nil:
		s.sources = sourcesOf(i.Ratio)
	case s.Method == spec.Occurrences && i.Histogram != nil:
		s.sources = sourcesOfHistogram(i.Histogram)
	default:
		s.levels = levelsOf(s.Objective, scrape)
	}
	var all []*labels.Labels
	for i := range s.sources {
		all = append(all, &s.sources[i].labels)
	}
	for i := range s.levels {
		all = append(all, &s.levels[i].labels)
	}
	target := map[string]string{"job": "assayer-test", "instance": s.Name}
	for _, ls := range all {
		for label := range target {
			if v := ls.Get(label); v != "" {
				target[label] = v
			}
		}
	}
	s.up = labels.NewBuilder(labels.FromMap(target)).Set(labels.MetricName, "up").Labels()
	for _, ls := range all {
		b := labels.NewBuilder(*ls)
		for label, v := range target {
			b.Set(label, v)
		}
		var group []string
		if s.GroupBy != nil {
			for _, label := range s.GroupBy.Labels {
				if ls.Get(label) == "" {
					b.Set(label, "g")
				}
				group = append(group, label+"="+b.Get(label))
			}
		}
		s.group = strings.Join(group, ",")
		*ls = b.Labels()
	}
}

// sourcesOfHistogram are the count and the buckets of a classic histogram.
func sourcesOfHistogram(h *spec.Histogram) []source {
	base, ok := labelsFor([]*spec.Selector{&h.Query}, nil)
	if !ok {
		return nil
	}
	name := h.Query.MetricName()
	with := func(suffix, le string) labels.Labels {
		return labels.NewBuilder(base).Set(labels.MetricName, name+suffix).Set(labels.BucketLabel, le).Labels()
	}
	return []source{
		{with("_bucket", number(h.Below)), true, false}, {with("_bucket", "+Inf"), true, true}, {with("_count", ""), true, true},
	}
}

// selects reports whether a selector of an objective is for a series. That of a histogram names it without suffix.
func selects(s *spec.Selector, ls labels.Labels) bool {
	if s.Matches(ls) {
		return true
	}
	name := strings.TrimSuffix(strings.TrimSuffix(ls.Get(labels.MetricName), "_bucket"), "_count")
	return s.Matches(labels.NewBuilder(ls).Set(labels.MetricName, name).Labels())
}

// sourcesOf makes up series that an indicator of counters selects; none if there seem to be none.
func sourcesOf(r *spec.Ratio) []source {
	x := r.Excluded
	pick := func(match, avoid []*spec.Selector) (labels.Labels, bool) { return labelsFor(match, append(avoid, x)) }
	list := func(s ...*spec.Selector) []*spec.Selector { return s }
	one, bad := r.Good, false
	if one == nil {
		one, bad = r.Bad, true
	}
	if r.Total == nil {
		good, ok1 := pick(list(r.Good), list(r.Bad))
		failed, ok2 := pick(list(r.Bad), list(r.Good))
		if !ok1 || !ok2 {
			return nil
		}
		return []source{{good, true, false}, {failed, false, true}}
	}
	others, ok := pick(list(r.Total), list(one))
	if !ok {
		return nil
	}
	// Either all events are counted in the total, and again in the other counter, or each in one counter only.
	if both, ok := pick(list(one, r.Total), nil); ok {
		return []source{{both, !bad, bad}, {others, bad, !bad}}
	}
	apart, ok := pick(list(one), list(r.Total))
	if !ok {
		return nil
	}
	return []source{{apart, !bad, bad}, {others, true, true}}
}
