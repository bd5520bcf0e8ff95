package promtool

import (
	"errors"
	"math"
	"time"
)

// counts are the events of one step, the time between two evaluations, or of a window.
type counts struct{ bad, total float64 }

// leg is what decides whether one alert fires: both windows burn at threshold or above, and chance does not explain it.
type leg struct {
	long, short int     // windows, in steps
	threshold   float64 // ratio of bad events: factor × allowed
	healthy     float64 // ratio of bad events that chance is held against
	limit       float64 // logarithm of the probability below which chance is ruled out
	keep        int     // steps that it goes on firing when its condition has gone
}

// Decisions that hang by a hair are none that a test can hold rules to: rounding, or how exactly the chance is computed,
// could tip them.
const (
	nearRatio = 1e-7 // relative distance of a ratio from the threshold
	nearTail  = 0.3  // distance of the logarithm of a probability from the limit
)

var errTooClose = errors.New("the data of a test come too close to a limit")

// timeline says for each step whether the leg fires at its end. The first step, 0, is the first evaluation.
func (l leg) timeline(steps []counts) ([]bool, error) {
	sums := make([]counts, len(steps)+1)
	for i, c := range steps {
		sums[i+1] = counts{sums[i].bad + c.bad, sums[i].total + c.total}
	}
	window := func(i, n int) counts {
		from, to := sums[max(0, i+1-n)], sums[i+1]
		return counts{to.bad - from.bad, to.total - from.total}
	}
	out, until := make([]bool, len(steps)), -1
	for i := range steps {
		fires, err := l.met(window(i, l.long), window(i, l.short))
		if err != nil {
			return nil, err
		}
		if fires {
			until = i + l.keep
		}
		out[i] = i <= until
	}
	return out, nil
}

// met reports whether the leg's condition holds for what its windows count.
func (l leg) met(long, short counts) (bool, error) {
	for _, c := range []counts{long, short} {
		if c.total == 0 {
			return false, nil
		}
		ratio := c.bad / c.total
		if l.threshold > 0 && math.Abs(ratio/l.threshold-1) < nearRatio {
			return false, errTooClose
		}
		if ratio < l.threshold {
			return false, nil
		}
	}
	a, err := l.beyondChance(long)
	if err != nil || a {
		return a, err
	}
	return l.beyondChance(short)
}

// beyondChance reports whether so many bad events are improbable where a share of healthy is bad.
func (l leg) beyondChance(c counts) (bool, error) {
	tail := logTail(c.bad, c.total*l.healthy)
	if math.Abs(tail-l.limit) < nearTail {
		return false, errTooClose
	}
	return tail < l.limit, nil
}

// logTail is an upper bound, within a factor of two where it is small, of the logarithm of the probability that at
// least k events happen when λ are due: the first term of the tail of the Poisson distribution times the geometric
// series that bounds the others. 0 where it bounds nothing.
func logTail(k, λ float64) float64 {
	k = math.Floor(k + 1e-9)
	switch {
	case k < 1 || k <= λ:
		return 0
	case λ <= 0:
		return math.Inf(-1)
	}
	lg, _ := math.Lgamma(k + 1)
	return k*math.Log(λ) - λ - lg - math.Log(1-λ/(k+1))
}

// steps is how many evaluations in steps of one a window holds: those whose samples lie in the last w.
func stepsOf(w, step time.Duration) int { return int((w + step - 1) / step) }
