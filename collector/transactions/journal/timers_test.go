package journal

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// timersAndWant is a table of timers beside a plain list of what must be in it.
type timersAndWant struct {
	slotTable
	want map[Slot]int64
}

func (t *timersAndWant) set(s Slot, ms int64) {
	if t.setTimer(s, ms); ms > 0 {
		t.want[s] = ms
	} else {
		delete(t.want, s)
	}
}

// hold compares table and list, and holds the queues to the memory that they may take.
func (t *timersAndWant) hold(tb testing.TB) {
	tb.Helper()
	first := int64(0)
	for _, ms := range t.want {
		if first == 0 || ms < first {
			first = ms
		}
	}
	if got, ok := t.first(); got != first || ok != (first > 0) {
		tb.Fatalf("the first timer: got %d %t, want %d", got, ok, first)
	}
	got := t.due(maxTimer, math.MaxInt)
	if !slices.IsSortedFunc(got, func(a, b Slot) int { return cmp.Compare(t.want[a], t.want[b]) }) {
		tb.Fatal("what is due is not in order")
	}
	slices.Sort(got)
	if want := slices.Sorted(maps.Keys(t.want)); !slices.Equal(got, want) {
		tb.Fatalf("%d timers are found, want %d", len(got), len(want))
	}
	for i := range t.queues {
		q := &t.queues[i]
		if entries := q.tail - q.head; entries > 2*q.live+pieceLen || entries < q.live || (len(q.entries.pieces)-2)*pieceLen > entries {
			tb.Fatalf("queue %d: %d entries of %d timers in %d pieces", i, entries, q.live, len(q.entries.pieces))
		}
	}
}

// TestTimersPutOff lets time pass over many timers that are put off, each perhaps several times, by a few usual times or by
// any, and holds what is due against a list of them all.
func TestTimersPutOff(t *testing.T) {
	const slots = 600_000
	usual := []int64{10, 1_000, 2_000, 2_000, 2_000, 2_000, 30_000, 1_000_000, 1_000_000, 1_000_000}
	rnd := rand.New(rand.NewPCG(1, 2))
	table := timersAndWant{newSlotTable(), map[Slot]int64{}}
	defer table.close()
	table.grow(slots)
	now, fired := int64(1), 0
	for s := Slot(1); s < slots; s++ {
		if s%8 == 0 {
			now++
		}
		table.set(s, now+5)
		some := s - Slot(rnd.IntN(int(min(s, 100_000))))
		switch by := usual[rnd.IntN(len(usual))]; rnd.IntN(20) {
		case 0:
			table.set(some, 0)
		case 1:
			if s > slots*2/3 {
				table.set(some, now+rnd.Int64N(100_000))
			}
		case 2:
			if ms := table.want[some]; ms > 0 {
				table.set(some, ms)
			}
		default:
			table.set(s, now+by)
		}
		if s%10 > 0 {
			continue
		}
		for _, due := range table.due(now, slots) {
			if table.want[due] > now || table.want[due] == 0 {
				t.Fatalf("slot %d is due at %d, and its timer is %d", due, now, table.want[due])
			}
			fired++
			table.set(due, 0)
		}
		if s%40_000 == 0 {
			table.hold(t)
		}
		for i := range table.queues {
			if live := table.queues[i].live; s == slots*2/3 && live < 300 {
				t.Errorf("queue %d has only %d timers: not what this test is about", i, live)
			}
		}
	}
	if fired < slots/20 {
		t.Fatalf("only %d timers fired", fired)
	}
	table.hold(t)
	// What is ahead in the queues stays, most behind it goes.
	for n, s := range table.due(maxTimer, slots) {
		if n > 20_000 && n%50 > 0 {
			table.set(s, 0)
		}
	}
	table.hold(t)
	for _, s := range table.due(maxTimer, slots) {
		table.set(s, 0)
	}
	table.hold(t)
	// Queues that have run empty take any time.
	for i := range int64(queueCount) {
		s := Slot(i + 1)
		table.set(s, 1)
		table.set(s, now+queueCount-i)
	}
	if table.hold(t); table.count > 0 {
		t.Errorf("%d of %d timers are not in the empty queues", table.count, queueCount)
	}
}
