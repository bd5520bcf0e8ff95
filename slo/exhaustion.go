package slo

import (
	"math"
	"time"
)

// exhaustion extrapolates the burn of the shortest long window to the moment at which the budget is
// spent, with the bounds that the number of errors behind that burn allows. A moment is left out when
// the budget outlasts its own window at that rate, or is spent already.
func (o *objective) exhaustion(b *Budget, measures []measure, now int64) {
	if len(o.tiers) == 0 || b.RemainingRatio <= 0 {
		return
	}
	m := measures[o.tiers[0].long]
	left := b.RemainingRatio * float64(o.Window.Length.Milliseconds())
	at := func(burn float64) *time.Time {
		if burn <= 0 || left/burn > float64(o.Window.Length.Milliseconds()) {
			return nil
		}
		t := time.UnixMilli(now + int64(left/burn)).UTC()
		if o.period != nil && !t.Before(o.period.Next(time.UnixMilli(now))) { // a new budget has begun by then
			return nil
		}
		return &t
	}
	burn := o.burn(m)
	b.ExhaustsAt = at(burn)
	if m.bad < 1 || o.Weight != nil || b.ExhaustsAt == nil { // amounts of money are no count of events
		return
	}
	low, high := poissonBounds(m.bad)
	b.ExhaustsEarliest, b.ExhaustsLatest = at(burn*high/m.bad), at(burn*low/m.bad)
}

// poissonBounds holds, with 95 % confidence, the expectation of a Poisson count that came out as k >= 1:
// Garwood's exact bounds by the Wilson–Hilferty approximation of the chi-squared quantile. The upper one is
// within 0.2 % of them; the lower one is half of it for one event and within 2 % from four events on.
func poissonBounds(k float64) (low, high float64) {
	const z = 1.959963984540054 // 97.5 % quantile of the normal distribution
	quantile := func(k, z float64) float64 {
		return k * math.Pow(max(0, 1-1/(9*k)+z/(3*math.Sqrt(k))), 3)
	}
	return quantile(k, -z), quantile(k+1, z)
}
