package transactions

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkPut opens and settles movements, by so many senders at once with 100 events a batch, each on disk
// before it is answered.
func BenchmarkPut(b *testing.B) {
	for _, senders := range []int{1, 16} {
		b.Run(fmt.Sprint(senders, " senders"), func(b *testing.B) {
			r := newRig(b, func(rules *Rules) { rules.Reporting = "EUR" })
			r.now = time.Now
			ctx, cancel := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			wg.Go(func() { _ = r.Run(ctx) })
			var next atomic.Int64
			b.ResetTimer()
			var clients sync.WaitGroup
			for range senders {
				clients.Go(func() {
					events := make([]Event, 0, 100)
					for {
						first := next.Add(50)
						if first > int64(b.N) {
							return
						}
						for _, state := range []string{"received", "settled"} {
							for i := range int64(50) {
								events = append(events, Event{ID: fmt.Sprint("payment-", first+i), Rail: "sct-inst", State: state, At: time.Now(), Amount: "12.34", Currency: "EUR", Direction: "out", Counterparty: "DEUTDEFF"})
							}
							if state == "settled" {
								if _, err := r.Put(ctx, Batch{Events: events}); err != nil {
									b.Error(err)
								}
								events = events[:0]
							}
						}
					}
				})
			}
			clients.Wait()
			b.ReportMetric(2*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			cancel()
			wg.Wait()
		})
	}
}
