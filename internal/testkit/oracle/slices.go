package oracle

import (
	"math/big"
	"slices"
)

// span is one slice of time with what was seen in it.
type span struct {
	good, bad big.Int
	seenMs    int64
}

// judgeSlices replaces the bookings of events by one booking for each slice that is over: two and a
// half intervals of the slowest target ago at least.
func (p *Past) judgeSlices() {
	width := p.objective.SliceMs
	all := map[int64]*span{}
	at := func(i int64) *span {
		if all[i] == nil {
			all[i] = &span{}
		}
		return all[i]
	}
	var kept []booking
	for _, b := range p.bookings {
		if b.from == b.to { // what a gap brought belongs to no slice
			s := at(index(b.to, width))
			s.good.Add(&s.good, b.good)
			s.bad.Add(&s.bad, b.bad)
		}
		if b.absent.Sign() != 0 {
			kept = append(kept, booking{from: b.from, to: b.to, good: new(big.Int), bad: new(big.Int), absent: b.absent})
		}
	}
	for _, w := range p.owed {
		for i := index(w.from+1, width); w.seen && i <= index(w.to, width); i++ {
			at(i).seenMs += min(w.to, (i+1)*width) - max(w.from, i*width)
		}
	}
	var order []int64
	for i := range all {
		if (i+1)*width <= p.nowMs-p.slowestMs*5/2 {
			order = append(order, i)
		}
	}
	slices.Sort(order)
	for _, i := range order {
		if b, ok := p.objective.judge(all[i]); ok {
			b.from, b.to = (i+1)*width, (i+1)*width
			kept = append(kept, b)
		}
	}
	p.bookings = kept
}

// index is the slice (i × width, (i+1) × width] that holds t.
func index(t, width int64) int64 { return (t+width-1)/width - 1 }

func (o Objective) judge(s *span) (booking, bool) {
	b := booking{good: new(big.Int), bad: new(big.Int), absent: new(big.Int)}
	all := new(big.Int).Add(&s.good, &s.bad)
	if o.gauge() {
		if all.Sign() == 0 {
			return b, false
		}
	} else if s.seenMs == 0 {
		return b, false
	}
	share := big.NewRat(1, 1)
	if all.Sign() > 0 {
		share.SetFrac(&s.good, all)
		if share.Sign() < 0 {
			share.SetInt64(0)
		} else if share.Cmp(big.NewRat(1, 1)) > 0 {
			share.SetInt64(1)
		}
	}
	switch {
	case o.Kind == RatioSlices && all.Sign() > 0:
		b.goodPart, b.badPart = share, new(big.Rat).Sub(big.NewRat(1, 1), share)
	case share.Cmp(o.SliceTarget) >= 0:
		b.good.SetInt64(1)
	default:
		b.bad.SetInt64(1)
	}
	return b, true
}
