package convert

import (
	"maps"
	"slices"
	"strings"
)

// part says what of a selector's series a term counts.
type part string

const (
	events     part = "events"         // what counters grew by
	inHist     part = "histogram"      // observations of a native histogram
	belowLimit part = "below"          // those of them that kept below a limit
	sampleSum  part = "sum of samples" // of a gauge
	samples    part = "samples"
)

// term is something that is counted.
type term struct {
	selector string
	part     part
	below    float64
}

// counted is a sum of terms, each so many times, and of a constant: what a query that can be streamed comes to.
type counted struct {
	terms    map[term]float64
	constant float64
	// form is how its series are added up and over which time: terms of different forms cannot be mixed.
	form form
}

type form struct {
	span   string // rate, increase, or nothing
	groups string // of an aggregation: by and the labels, with commas; else "series", or "selector" for a bare one
}

const (
	bareForm   = "selector"
	seriesForm = "series"
	byForm     = "by "
)

func constant(v float64) *counted { return &counted{constant: v} }

func one(t term, f form) *counted { return &counted{terms: map[term]float64{t: 1}, form: f} }

func (c *counted) isConstant() bool { return len(c.terms) == 0 }
func (c *counted) isZero() bool     { return len(c.terms) == 0 && c.constant == 0 }

// only returns the single term, counted once, or false.
func (c *counted) only() (term, bool) {
	if len(c.terms) != 1 || c.constant != 0 {
		return term{}, false
	}
	for t, n := range c.terms {
		return t, n == 1
	}
	return term{}, false
}

func (c *counted) scaled(by float64) *counted {
	out := &counted{terms: map[term]float64{}, constant: c.constant * by, form: c.form}
	for t, n := range c.terms {
		if by != 0 {
			out.terms[t] = n * by
		}
	}
	return out
}

// plus adds two sums of one form.
func (c *counted) plus(d *counted) (*counted, *reason) {
	if !c.isConstant() && !d.isConstant() && c.form != d.form {
		return nil, &reason{UnlikeLegs, "adds up " + c.form.String() + " and " + d.form.String()}
	}
	out := &counted{terms: map[term]float64{}, constant: c.constant + d.constant, form: c.form}
	if c.isConstant() {
		out.form = d.form
	}
	maps.Copy(out.terms, c.terms)
	for t, n := range d.terms {
		if out.terms[t] += n; out.terms[t] == 0 {
			delete(out.terms, t)
		}
	}
	return out, nil
}

func (c *counted) same(d *counted) bool {
	return c.constant == d.constant && maps.Equal(c.terms, d.terms) && (c.form == d.form || c.isConstant())
}

// sorted lists the terms in a fixed order.
func (c *counted) sorted() []term {
	return slices.SortedFunc(maps.Keys(c.terms), func(a, b term) int {
		return strings.Compare(a.selector+"\x00"+string(a.part), b.selector+"\x00"+string(b.part))
	})
}

func (f form) String() string {
	over := f.groups
	switch {
	case over == byForm:
		over = "all series together"
	case over == seriesForm || over == bareForm:
		over = "each series"
	}
	if f.span != "" {
		over += " as a " + f.span
	}
	return over
}

// labels are what the sum is grouped by.
func (f form) labels() []string {
	list, ok := strings.CutPrefix(f.groups, byForm)
	if !ok || list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// quotient is a sum, or one divided by another.
type quotient struct {
	top, bottom *counted // bottom is nil if nothing is divided
}

func whole(c *counted) quotient { return quotient{top: c} }

// bare lists the selectors of whose counts no increase is taken: what they give is counted as it is.
func (q quotient) bare() []string {
	if q.bottom == nil || q.bottom.form.span != "" {
		return nil
	}
	var all []string
	for _, t := range append(q.top.sorted(), q.bottom.sorted()...) {
		if t.part != sampleSum && t.part != samples {
			all = append(all, t.selector)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (q quotient) number() (float64, bool) {
	return q.top.constant, q.bottom == nil && q.top.isConstant()
}

func (q quotient) plus(r quotient) (quotient, *reason) {
	switch n, isNumber := r.number(); {
	case q.bottom != nil && isNumber:
		top, why := q.top.plus(q.bottom.scaled(n))
		return quotient{top, q.bottom}, why
	case q.bottom == nil && r.bottom == nil:
		top, why := q.top.plus(r.top)
		return whole(top), why
	case q.bottom != nil && r.bottom != nil && q.bottom.same(r.bottom):
		top, why := q.top.plus(r.top)
		return quotient{top, q.bottom}, why
	case q.bottom == nil && q.top.isConstant():
		return r.plus(q)
	}
	return quotient{}, polled("adds up ratios of different things")
}

func (q quotient) times(r quotient) (quotient, *reason) {
	if n, ok := r.number(); ok {
		return quotient{q.top.scaled(n), q.bottom}, nil
	}
	if _, ok := q.number(); ok {
		return r.times(q)
	}
	switch {
	case q.bottom != nil && r.bottom == nil && q.bottom.same(r.top):
		return whole(q.top), nil
	case r.bottom != nil && q.bottom == nil && r.bottom.same(q.top):
		return whole(r.top), nil
	}
	return quotient{}, polled("multiplies what is counted")
}

func (q quotient) dividedBy(r quotient) (quotient, *reason) {
	if n, ok := r.number(); ok && n != 0 {
		return quotient{q.top.scaled(1 / n), q.bottom}, nil
	}
	if q.bottom != nil || r.bottom != nil || q.top.isConstant() || r.top.isConstant() {
		return quotient{}, polled("divides ratios or numbers")
	}
	if q.top.form != r.top.form {
		return quotient{}, &reason{UnlikeLegs, "divides " + q.top.form.String() + " by " + r.top.form.String()}
	}
	return quotient{q.top, r.top}, nil
}

func polled(what string) *reason {
	return &reason{NeedsPolling, what + ", which only polling PromQL could do, and this version does not have it"}
}
