package parallel_test

import (
	"sync/atomic"
	"testing"

	"github.com/assayer-io/assayer/internal/parallel"
)

// Every piece is done, once, before Do returns.
func TestDo(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		times := make([]atomic.Int32, n)
		parallel.Do(n, func(i int) { times[i].Add(1) })
		for i := range times {
			if got := times[i].Load(); got != 1 {
				t.Errorf("of %d, piece %d was done %d times", n, i, got)
			}
		}
	}
}
