package promtool

import (
	"math"
	"time"
)

// counts are the events of one unit of time, or of a window.
type counts struct {
	bad, total float64
	seen       float64 // units of which it is known what happened: 0 or 1 of a unit
}

func (c counts) plus(d counts) counts {
	return counts{c.bad + d.bad, c.total + d.total, c.seen + d.seen}
}

// leg is what decides whether one alert fires: both windows burn at the factor or above, and chance does not explain it.
// Windows are in units, the time between two counts.
type leg struct {
	long, short int
	others      []int // windows no longer than long that may show that errors are no chance, too
	factor      float64
	allowed     float64 // ratio of bad events; 0: none
	budget      int     // the objective's own window
	weighted    bool    // what is counted are amounts, which chance says nothing about
	slow        int     // units between two records of what a budget window holds
	every       int     // units between two evaluations
	lag         int     // evaluations by which the long window is known late
	keep        int     // evaluations that it goes on firing when its condition has gone
}

// verdict is what is known of a leg at one moment. What hangs by a hair is unclear: rounding, or how exactly chance is
// computed, could tip it, and no test can hold rules to it.
type verdict int8

const (
	silent verdict = iota
	unclear
	fires
)

const (
	nearRatio = 1e-7 // relative distance of a burn rate from the factor
	nearTail  = 0.5  // distance of the logarithm of a probability from the limit

	// As in package slo: a leg fires on errors whose probability is below maxTail, or below what gives all events of a
	// budget window together maxTailOfWindow.
	maxTail         = 1e-4
	maxTailOfWindow = 0.02
)

// and is the conjunction: silent if one is, unclear if one is.
func (v verdict) and(w verdict) verdict { return min(v, w) }

// timeline says for each evaluation whether the leg fires. The first is at the end of unit 0. held tells for each unit
// whether the agent holds alerts back; nil: never.
func (l leg) timeline(units []counts, held []bool) []verdict {
	sums := make([]counts, len(units)+1)
	for i, c := range units {
		sums[i+1] = sums[i].plus(c)
	}
	bads := make([]int, len(units)+1)
	for i, c := range units {
		bads[i+1] = bads[i]
		if c.bad > 0 {
			bads[i+1]++
		}
	}
	window := func(i, n int) counts {
		from, to := sums[max(0, i+1-n)], sums[max(0, i+1)]
		return counts{to.bad - from.bad, to.total - from.total, to.seen - from.seen}
	}
	var out []verdict
	for i := 0; i < len(units); i += l.every {
		long, short := window(i-l.lag*l.every, l.long), window(i, l.short)
		v := l.burns(long, l.long).and(l.burns(short, l.short))
		switch {
		case v == silent:
		case held != nil && held[i]:
			v = silent
		case l.weighted:
			v = v.and(enough(bads[i+1] - bads[max(0, i+1-l.long)]))
		case l.allowed > 0:
			low, high := l.limits(sums, i)
			// A leg that fires at the even burn could never be sure of that; it is held against half of it.
			half := min(1, l.factor/2)
			proof := max(l.beyondChance(long, l.long, half, low, high), l.beyondChance(short, l.short, half, low, high))
			for _, n := range l.others {
				proof = max(proof, l.beyondChance(window(i, n), n, 1, low, high))
			}
			v = v.and(proof)
		}
		out = append(out, v)
	}
	return kept(out, l.keep)
}

// kept lets an alert fire for n evaluations more.
func kept(met []verdict, n int) []verdict {
	out := make([]verdict, len(met))
	for i := range met {
		for j := max(0, i-n); j <= i; j++ {
			out[i] = max(out[i], met[j])
		}
	}
	return out
}

// enough holds where failures came in three units: of amounts of money nobody knows how many payments they are. How
// many lie in the window is not known better than by one, since versions of Prometheus differ in its left end.
func enough(units int) verdict {
	switch {
	case units >= 4:
		return fires
	case units == 3:
		return unclear
	}
	return silent
}

// burns reports whether a window of n units burns at the factor. What was not seen of it is taken as good. An objective
// that allows no bad event has a budget of one.
func (l leg) burns(c counts, n int) verdict {
	if c.total <= 0 && l.allowed > 0 {
		return silent
	}
	rate := max(c.bad, 0) * min(1, c.seen/float64(n))
	if l.allowed > 0 {
		rate /= c.total * l.allowed
	} else {
		rate *= float64(l.budget) / float64(n)
	}
	switch {
	case math.Abs(rate/l.factor-1) < nearRatio:
		return unclear
	case rate < l.factor:
		return silent
	}
	return fires
}

// limits bound the logarithm of the probability below which errors are no chance, at unit i: the more events a budget
// window has, the lower. How many it has is known from records that are a little old.
func (l leg) limits(sums []counts, i int) (low, high float64) {
	low, high = 0, math.Inf(-1)
	for _, at := range []int{i / l.slow * l.slow, max(0, i-1) / l.slow * l.slow, max(0, i-l.slow) / l.slow * l.slow} {
		for _, first := range []int{0, 1} { // whether unit 0 made a record, of nothing
			events := 0.0
			if n := at/l.slow + first; n > 0 {
				events = sums[at+1].total / float64(n) * float64(l.budget) / float64(l.slow)
			}
			limit := -math.Log(max(1/maxTail, events/maxTailOfWindow))
			low, high = min(low, limit), max(high, limit)
		}
	}
	return low - nearTail, high + nearTail
}

// beyondChance reports whether so many bad events in a window of n units are improbable where so many times a share of
// allowed is bad. What was not seen of the window is taken as like the rest.
func (l leg) beyondChance(c counts, n int, times, low, high float64) verdict {
	switch tail := logTail(c.bad, c.total*l.allowed*times/min(1, c.seen/float64(n))); {
	case tail < low:
		return fires
	case tail > high:
		return silent
	}
	return unclear
}

// logTail is an upper bound, within a factor of two where it is small, of the logarithm of the probability that at
// least k events happen when due are expected: the first term of the tail of the Poisson distribution times the
// geometric series that bounds the others. 0 where it bounds nothing.
func logTail(k, due float64) float64 {
	k = math.Floor(k + 1e-9)
	switch {
	case k < 1 || k <= due:
		return 0
	case due <= 0:
		return math.Inf(-1)
	}
	lg, _ := math.Lgamma(k + 1)
	return k*math.Log(due) - due - lg - math.Log(1-due/(k+1))
}

// threshold is the ratio of bad events at which the leg burns at its factor.
func (l leg) threshold() float64 { return l.factor * l.allowed }

// stepsOf is how many steps a window takes, in whole ones.
func stepsOf(w, step time.Duration) int { return int((w + step - 1) / step) }
