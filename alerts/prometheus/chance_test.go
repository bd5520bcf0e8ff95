package prometheus

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/promrules"
)

// tailOf is the probability that the Poisson distribution gives to k events or more where expected are due: the terms from the k-th on, added up until they no longer matter.
func tailOf(k int, expected float64) float64 {
	ln := -expected
	for i := 1; i <= k; i++ {
		ln += math.Log(expected / float64(i))
	}
	sum, term := 0.0, math.Exp(ln)
	for i := k + 1; term > sum*1e-17; i++ {
		sum += term
		term *= expected / float64(i)
	}
	return sum
}

// The bound in PromQL is no less than the tail, and so little more that a leg needs at most one more bad event for it.
// Three thousandths are Stirling's.
func TestChanceInPromQL(t *testing.T) {
	p := promrules.New(t, nil, time.Unix(0, 0))
	var exprs []string
	type point struct {
		k        int
		expected float64
	}
	var points []point
	for _, expected := range []float64{1e-4, 0.002, 0.03, 0.4, 1, 3, 10, 40, 150, 600} {
		for _, over := range []int{1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45, 70, 110, 170} {
			k := int(expected) + over
			points = append(points, point{k, expected})
			tail := lnTail(fmt.Sprintf("vector(%d)", k), fmt.Sprintf("vector(%s)", numeral(float64(k)/expected)))
			exprs = append(exprs, fmt.Sprintf(`label_replace(%s, "n", "%d", "", "")`, tail, len(points)-1))
		}
	}
	got := make([]float64, len(points))
	for _, s := range p.Ask(time.Unix(0, 0), strings.Join(exprs, "\nor\n")) {
		var n int
		if _, err := fmt.Sscan(s.Metric.Get("n"), &n); err != nil {
			t.Fatal(err)
		}
		got[n] = s.F
	}
	for i, x := range points {
		if math.IsNaN(got[i]) || got[i] == 0 {
			t.Errorf("%d events where %g are due: %g", x.k, x.expected, got[i])
			continue
		}
		exact := tailOf(x.k, x.expected)
		if exact < 1e-300 {
			continue
		}
		if got[i] < math.Log(exact)-3e-3 {
			t.Errorf("%d events where %g are due: the bound e^%g is below the tail %g", x.k, x.expected, got[i], exact)
		}
		if exact < 1e-4 && got[i] > math.Log(tailOf(x.k-1, x.expected)) {
			t.Errorf("%d events where %g are due: the bound e^%g is above the tail of one event less, %g", x.k, x.expected, got[i], tailOf(x.k-1, x.expected))
		}
	}
}
