package journal

import (
	"math/rand/v2"
	"testing"
)

// TestPlacesOfSlots holds a table against a map: slots that follow each other, as new ones do, slots that lie anywhere, and
// more and less of them from one use to the next.
func TestPlacesOfSlots(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	table, high := table{}, Slot(1)
	for use := range 40 {
		want := map[Slot]int{}
		put := func(s Slot) {
			if _, known := want[s]; !known {
				table.put(s, len(want))
				want[s] = len(want)
			}
		}
		for range rnd.IntN(1 << (1 + use%14)) {
			put(high)
			high++
			if use%3 == 0 {
				put(Slot(rnd.Uint32N(maxSlots)))
			}
		}
		for s, place := range want {
			if got, ok := table.get(s); !ok || got != place {
				t.Fatalf("use %d: slot %d: got %d %t, want %d", use, s, got, ok, place)
			}
			for _, other := range []Slot{s ^ 1, s + blockSlots, s ^ 1<<30} {
				if _, known := want[other]; !known {
					if got, ok := table.get(other); ok {
						t.Fatalf("use %d: slot %d is at %d, and was never put", use, other, got)
					}
				}
			}
		}
		if table.used != len(want) {
			t.Fatalf("use %d: %d places, want %d", use, table.used, len(want))
		}
		table.clear()
	}
}
