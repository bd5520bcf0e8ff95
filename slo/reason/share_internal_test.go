package reason

import (
	"math"
	"math/big"
	"testing"
)

// TestTail holds the test to the binomial tail of the conditional test, summed in rational numbers.
func TestTail(t *testing.T) {
	for _, tc := range []struct{ count, total, before, beforeTotal int64 }{
		{20, 100, 40, 2000}, {24, 230, 100, 5000}, {20, 20, 0, 200}, {30, 200, 5, 300}, {95, 100, 400, 1000}, {200, 1000, 60, 1000}, {21, 50, 180, 1000},
	} {
		q := big.NewRat(tc.total, tc.total+tc.beforeTotal)
		p := new(big.Rat).Sub(big.NewRat(1, 1), q)
		n, sum := tc.count+tc.before, new(big.Rat)
		for k := tc.count; k <= n; k++ {
			term := new(big.Rat).SetInt(new(big.Int).Binomial(n, k))
			term.Mul(term, power(q, k)).Mul(term, power(p, n-k))
			sum.Add(sum, term)
		}
		want, _ := sum.Float64()
		for _, f := range []float64{1 - 1e-6, 1 + 1e-6} {
			if got := tailBelow(want*f, float64(tc.count), float64(tc.total), float64(tc.before), float64(tc.beforeTotal)); got != (f > 1) {
				t.Errorf("%+v: below %g is %v, and it is %g", tc, want*f, got, want)
			}
		}
	}
	if tailBelow(0.9, 20, 1000, 1000, 1000) || tailBelow(math.SmallestNonzeroFloat64, 20, 100, 10, 1000) {
		t.Error("what is expected is improbable")
	}
}

func power(x *big.Rat, n int64) *big.Rat {
	e := big.NewInt(n)
	return new(big.Rat).SetFrac(new(big.Int).Exp(x.Num(), e, nil), new(big.Int).Exp(x.Denom(), e, nil))
}
