package slo

import (
	"math"
	"testing"
)

// The table is Garwood's exact 95 % interval for a Poisson mean, as printed in Johnson & Kotz and
// elsewhere.
func TestPoissonBoundsAgreeWithGarwoodsTable(t *testing.T) {
	for _, tt := range []struct{ k, low, high, within float64 }{
		{1, 0.0253, 5.572, 0.5}, {4, 1.090, 10.242, 0.02}, {10, 4.795, 18.390, 0.005}, {50, 37.11, 65.92, 0.002}, {100, 81.36, 121.63, 0.002},
	} {
		low, high := poissonBounds(tt.k)
		if math.Abs(low-tt.low) > tt.within*tt.low || math.Abs(high-tt.high) > 0.002*tt.high {
			t.Errorf("%v events: got %.4f to %.4f, want %v to %v", tt.k, low, high, tt.low, tt.high)
		}
	}
}
