package slo

import (
	"math"
	"slices"
)

// A burn rate of a few events says little: at ten requests an hour one failure burns a budget of 0.1 % a
// hundred times too fast. So a tier fires only on errors that chance does not explain.

const (
	// maxTail is the probability above which errors are put down to chance, and maxTailOfWindow what all of a
	// budget window's events may add up to: the more events there are, the more often chance gets a try.
	maxTail         = 1e-4
	maxTailOfWindow = 0.02

	// maxRuns is how many of the latest looks with failures are looked at for the run of events that is the
	// hardest to explain. A window holds what happened before an outage too, which makes it less clear.
	maxRuns = 12

	// minFailedLooks is how many looks must have brought failures before a tier fires on amounts of money.
	// How many payments an amount stands for is not known, so that chance cannot be told by its size.
	minFailedLooks = 3
)

// run is the stretch from one look that brought failures until now.
type run struct {
	AtMs int64   `json:"at"`
	Good float64 `json:"good"` // counted before that look
	Bad  float64 `json:"bad"`
}

// noteFailure remembers that a look, or a slice, brings failures, before they are booked.
func (o *objective) noteFailure(at int64) {
	if n := len(o.runs); n > 0 && o.runs[n-1].AtMs >= at {
		return
	}
	o.runs = append(o.runs, run{at, o.ledger.cum.good, o.ledger.cum.bad})
	if len(o.runs) > maxRuns {
		o.runs = append(o.runs[:0], o.runs[1:]...)
	}
}

// noteTraffic remembers how many events a whole budget window has at the present rate.
func (o *objective) noteTraffic(budget measure) {
	if known := float64(budget.lengthMs) * budget.filled; known > 0 {
		o.windowEvents = budget.total() * float64(o.Window.Length.Milliseconds()) / known
	}
}

// significant reports whether the errors of a window are more than chance where a share of allowed of
// the events may fail, for a tier with the given factor: those of the whole window, or of some run of
// events at its end.
func (o *objective) significant(m measure, allowed, factor float64) bool {
	switch {
	case o.Composite != nil:
		return m.sure
	case o.Weight != nil:
		failed := 0
		for _, r := range o.runs {
			if r.AtMs > m.untilMs-m.lengthMs && !slices.ContainsFunc(m.spans, func(s span) bool { return s.from < r.AtMs && r.AtMs <= s.to }) {
				failed++
			}
		}
		return m.bad > 0 && failed >= minFailedLooks
	}
	// A tier that fires at the even burn could never be sure of that; it is held against half of it.
	healthy := allowed * min(1, factor/2)
	tail := min(maxTail, maxTailOfWindow/max(1, o.windowEvents))
	if improbable(m.bad, m.total()*healthy, tail) {
		return true
	}
	for i := len(o.runs) - 1; i >= 0 && o.runs[i].AtMs > m.untilMs-m.lengthMs; i-- {
		r := o.runs[i]
		c := o.overlaid(m.spans, mark{r.AtMs - 1, counts{good: r.Good, bad: r.Bad}}, mark{m.untilMs, o.ledger.cum})
		if improbable(c.bad, (c.good+c.bad)*healthy, tail) {
			return true
		}
	}
	return false
}

// improbable reports whether at least bad events have a probability below tail when `expected` are due:
// the upper tail of the Poisson distribution.
func improbable(bad, expected, tail float64) bool {
	k := math.Floor(bad + 1e-9)
	switch {
	case k < 1 || k <= expected:
		return false
	case expected <= 0:
		return true
	}
	lg, _ := math.Lgamma(k + 1)
	term := math.Exp(k*math.Log(expected) - expected - lg)
	// Terms fall at least as fast as a geometric series with this ratio, which bounds the rest.
	if term/(1-expected/(k+1)) < tail {
		return true
	}
	for sum := 0.0; ; k++ {
		sum += term
		if sum >= tail {
			return false
		}
		term *= expected / (k + 1)
		if term/(1-expected/(k+2)) < tail-sum {
			return true
		}
	}
}
