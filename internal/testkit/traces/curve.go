package traces

import (
	"math"
	"time"
)

// Point is a value at a moment since the trace began.
type Point struct {
	At    time.Duration
	Value float64
}

// Curve is a piecewise linear function of time: points in order, two at one moment make a step.
// Before the first and after the last point it keeps their value; an empty curve is 0.
type Curve []Point

// Constant is a curve that never moves.
func Constant(v float64) Curve { return Curve{{0, v}} }

// Pulse is base everywhere but on (from, to], where it is v.
func Pulse(base float64, from, to time.Duration, v float64) Curve {
	return Curve{{0, base}, {from, base}, {from, v}, {to, v}, {to, base}}
}

// Ramp rises from base at from to v at to and falls back to base there.
func Ramp(base float64, from, to time.Duration, v float64) Curve {
	return Curve{{0, base}, {from, base}, {to, v}, {to, base}}
}

// Wave repeats pulses of Value: each Period begins with one that lasts Duty of it.
type Wave struct {
	Period      time.Duration
	Duty, Value float64
}

// Square is a wave between from and to, and base everywhere else.
func Square(base float64, from, to time.Duration, w Wave) Curve {
	c := Curve{{0, base}}
	for at := from; at < to; at += w.Period {
		end := at + time.Duration(w.Duty*float64(w.Period))
		c = append(c, Point{at, base}, Point{at, w.Value}, Point{end, w.Value}, Point{end, base})
	}
	return c
}

// cursor reads a curve forwards. Times are milliseconds.
type cursor struct {
	curve Curve
	at    int
}

func ms(d time.Duration) int64 { return d.Milliseconds() }

// seek moves to the piece that begins at or before t.
func (c *cursor) seek(t int64) {
	for c.at+1 < len(c.curve) && ms(c.curve[c.at+1].At) <= t {
		c.at++
	}
}

// until is where the present piece ends.
func (c *cursor) until() int64 {
	if c.at+1 < len(c.curve) {
		return ms(c.curve[c.at+1].At)
	}
	return math.MaxInt64
}

// value is the present piece's at moment t, which may be a fraction of a millisecond.
func (c *cursor) value(t float64) float64 {
	if len(c.curve) == 0 {
		return 0
	}
	p := c.curve[c.at]
	if c.at+1 == len(c.curve) || c.curve[c.at+1].Value == p.Value || t <= float64(ms(p.At)) {
		return p.Value
	}
	q := c.curve[c.at+1]
	return p.Value + (q.Value-p.Value)*(t-float64(ms(p.At)))/float64(ms(q.At)-ms(p.At))
}

// means are expected numbers of events by outcome.
type means struct{ good, bad, excluded float64 }

// flow integrates a service's traffic by outcome.
type flow struct {
	traffic, errors, declines cursor
	skew                      float64 // by how much more this target errs than its service
}

func newFlow(t *Trace, skew float64) flow {
	return flow{cursor{curve: t.Traffic}, cursor{curve: t.Errors}, cursor{curve: t.Declines}, skew}
}

// take returns the events expected in (from, to], in milliseconds, of the whole service. Pieces are
// cubic polynomials of time at most, for which Simpson's rule is exact.
func (f *flow) take(from, to int64) means {
	var m means
	for x := from; x < to; {
		f.traffic.seek(x)
		f.errors.seek(x)
		f.declines.seek(x)
		end := min(to, f.traffic.until(), f.errors.until(), f.declines.until())
		a, mid, b := f.rates(float64(x)), f.rates(float64(x+end)/2), f.rates(float64(end))
		sixth := float64(end-x) / 6000 // of a second's worth
		m.good += (a.good + 4*mid.good + b.good) * sixth
		m.bad += (a.bad + 4*mid.bad + b.bad) * sixth
		m.excluded += (a.excluded + 4*mid.excluded + b.excluded) * sixth
		x = end
	}
	return m
}

// rates are events a second at moment t.
func (f *flow) rates(t float64) means {
	all, declined, failed := f.traffic.value(t), f.declines.value(t), min(1, f.skew*f.errors.value(t))
	counted := all * (1 - declined)
	return means{counted * (1 - failed), counted * failed, all * declined}
}
