package journal

import (
	"math"
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
		if table.clear(); len(table.blocks) > 0 {
			t.Fatalf("use %d: %d blocks are left", use, len(table.blocks))
		}
	}
}

// Whatever is there, what is not there is not found: at each number of blocks, and so when the table is as full as it gets.
func TestPlacesThatAreNot(t *testing.T) {
	table := table{}
	for n := range 5000 {
		table.put(Slot(n*blockSlots), n)
		if n > 40 && n&(n+1) > 2 && n&(n-1) > 2 {
			continue
		}
		for i := range n + 1 {
			if place, ok := table.get(Slot(i * blockSlots)); !ok || place != i {
				t.Fatalf("%d blocks: slot %d: got %d %t, want %d", n+1, i*blockSlots, place, ok, i)
			}
			for _, absent := range []int{i*blockSlots + 1, (n + 1 + i) * blockSlots} {
				if place, ok := table.get(Slot(absent)); ok {
					t.Fatalf("%d blocks: slot %d is at %d, and was never put", n+1, absent, place)
				}
			}
		}
	}
	table.clear()
	table.put(maxSlots, math.MaxUint32-1)
	if place, ok := table.get(maxSlots); !ok || place != math.MaxUint32-1 {
		t.Fatalf("the last slot: got %d %t", place, ok)
	}
}
