package transactions

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/journal"
)

// TestDatesOfNeighbours dates movements of every rail that were received close to each other, around changes of the day,
// cut-offs and changes of clocks, and holds each to what it is due by itself.
func TestDatesOfNeighbours(t *testing.T) {
	rules := newRig(t, nil).Tracker.rules.Load()
	rails := make([]*railState, 0, len(rules.rails))
	for _, rs := range rules.rails {
		rails = append(rails, rs)
	}
	slices.SortFunc(rails, func(a, b *railState) int { return cmp.Compare(a.Name, b.Name) })
	rnd := rand.New(rand.NewPCG(1, 1))
	w := &writer{}
	changes, last := 0, int64(-1)
	for n := range 1400 {
		// Every quarter of an hour of a fortnight with a change of clocks, a weekend and a holiday, more or less.
		around := time.Date(2026, 3, 25, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * 15 * time.Minute).UnixMilli()
		for _, rs := range rails {
			for range 6 {
				r := journal.Record{ReceivedMs: around - 1200 + rnd.Int64N(2400)}
				if rnd.IntN(8) == 0 {
					r.ReceivedMs = around
				}
				if rnd.IntN(4) == 0 {
					w.date(rails[rnd.IntN(len(rails))], &journal.Record{ReceivedMs: r.ReceivedMs})
				}
				w.date(rs, &r)
				due, err := rs.Due(time.UnixMilli(r.ReceivedMs), rs.calendar, rs.settles...)
				if err != nil {
					if r.DeadlineMs != 0 || r.Day != 0 {
						t.Fatalf("%s has no deadline, and %d was given one", rs.Name, r.ReceivedMs)
					}
					continue
				}
				day := dayNumber(due.Day)
				if r.DeadlineMs != due.At.UnixMilli() || int64(r.Day) != day {
					t.Fatalf("%s, received %v: due %v on day %d, want %v on day %d", rs.Name, time.UnixMilli(r.ReceivedMs).UTC(), time.UnixMilli(r.DeadlineMs).UTC(), r.Day, due.At.UTC(), day)
				}
				if day != last {
					changes, last = changes+1, day
				}
			}
		}
	}
	if changes < 500 {
		t.Errorf("the day changed only %d times: not what this test is about", changes)
	}
}
