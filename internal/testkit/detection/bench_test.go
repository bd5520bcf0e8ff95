package detection

import (
	"fmt"
	"testing"

	"github.com/assayer-io/assayer/internal/testkit/traces"
)

// BenchmarkHealthyMonth is one of the 4,000 runs of the full report: 86,400 looks through the engine
// and the workbook's rules.
func BenchmarkHealthyMonth(b *testing.B) {
	for _, perHour := range healthyRates() {
		b.Run(fmt.Sprintf("rate=%v", perHour), func(b *testing.B) {
			n := 0
			for b.Loop() {
				trace := traces.Healthy(traces.Tuning().Seed(n), perHour, healthyBurn)
				if _, err := run(b.Context(), &trace, false); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}
