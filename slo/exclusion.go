package slo

import (
	"cmp"
	"path"
	"slices"
)

// overlay is what exclusions and corrections change of an objective's counts. The ledger is never
// touched by it, so that removing one gives back every number as it was.
type overlay struct {
	spans       []span // in order, not overlapping
	corrections []correction
}

// span is excluded time, (from, to].
type span struct{ from, to int64 }

type correction struct {
	at int64
	counts
}

// SetExclusions replaces all exclusions and corrections, for every objective. Exclusions may lie in the
// past, as far as the ledger reaches, or in the future. What is removed leaves no trace. Call it before
// the first Apply too: what a checkpoint stored for exclusions is kept until it has been called.
func (e *Engine) SetExclusions(all []Exclusion) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.exclusions = append(make([]Exclusion, 0, len(all)), all...)
	e.overlay()
}

// overlay puts the exclusions in force for every objective.
func (e *Engine) overlay() {
	asked := map[*objective][]int64{}
	for _, o := range e.objectives {
		if o.Composite == nil {
			continue
		}
		o.exclude(e.exclusions)
		for _, m := range o.Composite.Members {
			if obj := e.byName[m.Objective]; obj != nil {
				asked[obj] = append(append(asked[obj], o.exclusion.edges()...), o.periodStarts()...)
			}
		}
	}
	for _, o := range e.objectives {
		if o.Composite == nil {
			o.asked = asked[o]
			o.exclude(e.exclusions)
		}
	}
}

// Concerns reports whether the exclusion is one of the objective of that name. parent is "", or for a
// group that of the whole objective: groups go with their parent, and can be named by themselves.
func (x *Exclusion) Concerns(name, parent string) bool {
	return slices.ContainsFunc(x.Objectives, func(pattern string) bool {
		if parent != "" && pattern == name {
			return true
		}
		matches, _ := path.Match(pattern, cmp.Or(parent, name)) // whoever takes patterns in checks them
		return matches
	})
}

func (x *Exclusion) concerns(o *objective) bool {
	if o.parent == nil {
		return x.Concerns(o.Name, "")
	}
	return x.Concerns(o.Name, o.parent.Name)
}

// exclude puts those of all exclusions that concern o in force. What its composites want to know
// exactly is pinned with the edges of its own; a composite has no ledger to pin anything in.
func (o *objective) exclude(all []Exclusion) {
	edges := slices.Clone(o.asked)
	if all == nil {
		for _, m := range o.ledger.pins.at {
			edges = append(edges, m.at)
		}
	} else {
		o.exclusion = o.overlayOf(all)
		edges = append(edges, o.exclusion.edges()...)
	}
	if o.Composite == nil {
		o.ledger.setPins(edges)
	}
}

// overlayOf is what all exclusions make of the counts of o. A correction of a composite, which has no
// counts, is none.
func (o *objective) overlayOf(all []Exclusion) overlay {
	var v overlay
	for i := range all {
		x := &all[i]
		if !x.concerns(o) {
			continue
		}
		from, to := x.From.UnixMilli(), x.To.UnixMilli()
		if x.Correction != nil {
			v.corrections = append(v.corrections, correction{to, counts{good: x.Correction.Good, bad: x.Correction.Bad, excluded: x.Correction.Excluded}})
		} else if from < to {
			v.spans = append(v.spans, span{from, to})
		}
	}
	v.merge()
	// What takes away comes last, so that it finds what others add.
	slices.SortStableFunc(v.corrections, func(a, b correction) int {
		switch {
		case a.takes() == b.takes():
			return 0
		case b.takes():
			return -1
		}
		return 1
	})
	return v
}

// edges are the instants whose counts must stay exact.
func (v *overlay) edges() []int64 {
	out := make([]int64, 0, 2*len(v.spans))
	for _, s := range v.spans {
		out = append(out, s.from, s.to)
	}
	return out
}

// with is the spans of v and those of w.
func (v *overlay) with(w *overlay) []span {
	if len(w.spans) == 0 {
		return v.spans
	}
	both := overlay{spans: slices.Concat(v.spans, w.spans)}
	both.merge()
	return both.spans
}

// merge puts spans in order and joins those that overlap or touch.
func (v *overlay) merge() {
	slices.SortFunc(v.spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	merged := v.spans[:0]
	for _, s := range v.spans {
		if last := len(merged) - 1; last >= 0 && s.from <= merged[last].to {
			merged[last].to = max(merged[last].to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	v.spans = merged
}

// overlaid is what was counted between two instants, with what lies in spans excluded, and corrected.
func (o *objective) overlaid(spans []span, from, to mark) counts {
	c := to.cum.minus(from.cum)
	i, _ := slices.BinarySearchFunc(spans, from.at+1, func(s span, t int64) int { return cmp.Compare(s.to, t) })
	for _, s := range spans[i:] {
		if s.from >= to.at {
			break
		}
		start, end := from.cum, to.cum
		if s.from > from.at {
			start = o.ledger.lookUpEnd(s.from).cum
		}
		if s.to < to.at {
			end = o.ledger.lookUpEnd(s.to).cum
		}
		d := end.minus(start)
		c = c.minus(d)
		c.excluded += d.good + d.bad + d.excluded
	}
	for _, k := range o.exclusion.corrections {
		if k.at > from.at && k.at <= to.at {
			c = c.corrected(k.counts)
		}
	}
	return c
}

// corrected adds k to c. Where there is less than k takes away, as of an outage of which the window has
// lost a part, it takes what there is, and adds in proportion to what it took.
func (c counts) corrected(k counts) counts {
	var asked, taken float64
	take := func(v, k float64) float64 {
		if k >= 0 {
			return v
		}
		got := min(-k, max(0, v))
		asked, taken = asked-k, taken+got
		return v - got
	}
	c.good, c.bad, c.excluded = take(c.good, k.good), take(c.bad, k.bad), take(c.excluded, k.excluded)
	give := func(v, k float64) float64 {
		switch {
		case k <= 0:
			return v
		case taken < asked:
			k = k * taken / asked
		}
		return v + k
	}
	c.good, c.bad, c.excluded = give(c.good, k.good), give(c.bad, k.bad), give(c.excluded, k.excluded)
	return c
}

// takes reports whether the correction takes events away.
func (k *correction) takes() bool { return k.good < 0 || k.bad < 0 || k.excluded < 0 }
