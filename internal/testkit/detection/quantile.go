package detection

import (
	"math"
	"slices"
	"time"
)

// never stands for an incident that was not found: it is slower than any that was.
const never = time.Duration(math.MaxInt64)

// quantile is the smallest value that at least a share q of all values do not exceed; 0 of none.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// falseRateBound is the rule of three: after n trials without a single failure, failures are rarer than
// this with 95 % confidence, since 0.95 = 1 − e^−3.
func falseRateBound(n int) float64 { return 3 / float64(n) }
