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
	for _, o := range e.objectives {
		o.exclude(e.exclusions)
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

// exclude puts those of all exclusions that concern o in force.
func (o *objective) exclude(all []Exclusion) {
	if all == nil {
		return
	}
	var edges []int64
	o.exclusion = overlay{}
	for i := range all {
		x := &all[i]
		if !x.concerns(o) {
			continue
		}
		from, to := x.From.UnixMilli(), x.To.UnixMilli()
		if x.Correction != nil {
			o.exclusion.corrections = append(o.exclusion.corrections, correction{to, counts{good: x.Correction.Good, bad: x.Correction.Bad, excluded: x.Correction.Excluded}})
		} else if from < to {
			o.exclusion.spans = append(o.exclusion.spans, span{from, to})
		}
	}
	o.exclusion.merge()
	for _, s := range o.exclusion.spans {
		edges = append(edges, s.from, s.to)
	}
	o.ledger.setPins(edges)
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

// between counts (from, to], the far edge rounded outwards to a bucket, with exclusions and corrections.
func (o *objective) between(from, to int64) counts {
	upTo := func(t int64) counts {
		if t >= o.ledger.nowMs {
			return o.ledger.cum
		}
		return o.ledger.upTo(t)
	}
	c := upTo(to).minus(o.ledger.upTo(from))
	for _, s := range o.exclusion.spans {
		start, end := max(s.from, from), min(s.to, to)
		if start >= end {
			continue
		}
		d := upTo(end).minus(o.ledger.upTo(start))
		c = c.minus(d)
		c.excluded += d.good + d.bad + d.excluded
	}
	for _, k := range o.exclusion.corrections {
		if k.at > from && k.at <= to {
			c = c.plus(k.counts)
		}
	}
	return c
}
