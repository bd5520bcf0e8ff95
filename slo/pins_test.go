package slo

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo/spec"
)

// booked is one booking as the tests remember it; upTo counts it with big integers.
type booked struct{ from, to, n int64 }

func sumUpTo(bookings []booked, t int64) int64 {
	var sum int64
	for _, b := range bookings {
		switch {
		case t >= b.to:
			sum += b.n
		case t > b.from:
			part := new(big.Int).Mul(big.NewInt(b.n), big.NewInt(t-b.from))
			sum += part.Quo(part, big.NewInt(b.to-b.from)).Int64()
		}
	}
	return sum
}

// TestPinsStayExact pins instants that lie on no bucket's edge before time passes them; whatever is
// booked late, over however long a stretch, their counts are those of the bookings themselves, even
// long after the buckets around them are gone, and across a restart.
func TestPinsStayExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	lg := newLedger(5*time.Second, 35*24*time.Hour)
	now := int64(1_800_000_000_123)
	lg.begin(now, now)
	var at []int64
	for i := range 50 {
		at = append(at, now+int64(i)*777_777+rng.Int64N(700_000))
	}
	lg.setPins(at)
	var bookings []booked
	for range 5000 {
		now += rng.Int64N(15_000)
		b := booked{now, now, rng.Int64N(1000)}
		switch rng.IntN(10) {
		case 0: // late
			b.to = max(lg.startMs, now-rng.Int64N(600_000))
			b.from = b.to
		case 1: // a gap
			b.from = max(lg.startMs, now-rng.Int64N(7_200_000))
		}
		bookings = append(bookings, b)
		lg.spread(b.from, b.to, counts{good: float64(b.n)})
		if rng.IntN(500) == 0 {
			var p pins
			if err := p.decode(lg.pins.encode()); err != nil {
				t.Fatal(err)
			}
			lg.pins = p
		}
	}
	check := func(when string) {
		t.Helper()
		for _, p := range at {
			if got, want := lg.upTo(p).good, sumUpTo(bookings, p); got != float64(want) {
				t.Fatalf("%s: pin %d holds %v, the bookings make %d", when, p, got, want)
			}
		}
	}
	check("now")
	lg.setPins(append([]int64{at[0] - 1, now + 5}, at...))
	lg.advance(now + 100*24*3_600_000)
	check("a hundred days later")
	lg.setPins(at[:10])
	if n := len(lg.pins.at); n != 10 {
		t.Errorf("%d pins kept of the 10 that are wanted", n)
	}
	at = at[:10]
	check("after others were dropped")
}

// TestPinOfThePast takes what the buckets know, once.
func TestPinOfThePast(t *testing.T) {
	lg := newLedger(5*time.Second, 35*24*time.Hour)
	lg.begin(1_000_000, 1_000_000)
	lg.add(1_002_000, counts{good: 3})
	lg.add(1_007_000, counts{good: 4})
	lg.advance(1_100_000)
	lg.setPins([]int64{999_000, 1_008_000})
	if before, in := lg.upTo(999_000).good, lg.upTo(1_008_000).good; before != 0 || in != 3 {
		t.Errorf("before the ledger %v, want 0; inside a bucket %v, want the 3 before it", before, in)
	}
	lg.advance(1_100_000 + 400*24*3_600_000)
	lg.add(1_008_000, counts{good: 10})
	if got := lg.upTo(1_008_000).good; got != 13 {
		t.Errorf("after a late booking of 10: %v, want 13", got)
	}
}

// TestPinsWhenTheClockIsSetBack: an instant that lies in the future again is counted anew.
func TestPinsWhenTheClockIsSetBack(t *testing.T) {
	lg := newLedger(5*time.Second, 35*24*time.Hour)
	lg.begin(1_000_000, 1_000_000)
	lg.setPins([]int64{1_050_000, 1_150_000})
	lg.add(1_010_000, counts{good: 1})
	lg.add(1_110_000, counts{good: 2})
	lg.add(1_210_000, counts{good: 4})
	lg.rewind(1_100_000)
	lg.add(1_120_000, counts{good: 8})
	lg.advance(1_300_000)
	if a, b := lg.upTo(1_050_000).good, lg.upTo(1_150_000).good; a != 1 || b != 15 {
		t.Errorf("before the step %v, want 1; after it %v, want all 15, as what was booked later counts as if it had happened then", a, b)
	}
}

// TestPinsAreRestored: a checkpoint that fails costs no pin, one that succeeds keeps them all, and
// those that are no longer wanted leave the store.
func TestPinsAreRestored(t *testing.T) {
	match := func(pairs ...string) *spec.Selector {
		s := &spec.Selector{Text: pairs[1]}
		for i := 0; i < len(pairs); i += 2 {
			s.Matchers = append(s.Matchers, labels.MustNewMatcher(labels.MatchEqual, pairs[i], pairs[i+1]))
		}
		return s
	}
	objectives := []spec.Objective{{Name: "pay", Target: 0.99, Method: spec.Occurrences, Window: spec.Window{Text: "30d", Length: 720 * time.Hour, Rolling: true},
		Indicator: spec.Indicator{Ratio: &spec.Ratio{Total: match("__name__", "tx"), Bad: match("__name__", "tx", "outcome", "bad")}}}}
	tx := collector.NewSeries(labels.FromStrings("__name__", "tx", "outcome", "good"))
	start := time.UnixMilli(1_800_000_000_000)
	e, db := New(Options{}), storage.NewMemory()
	apply := func() {
		t.Helper()
		if err := e.Apply(objectives, start, db.Scan); err != nil {
			t.Fatal(err)
		}
	}
	look := func(i int) {
		e.Observe(collector.Cycle{Target: "a", At: start.Add(time.Duration(i) * 15 * time.Second), Interval: 15 * time.Second, Samples: []collector.Sample{{Series: tx, Value: float64(7 * i)}}})
	}
	write := func(settle error) {
		t.Helper()
		var b storage.Batch
		if err := e.Checkpoint(&b); err != nil {
			t.Fatal(err)
		}
		if settle == nil {
			if err := db.Apply(&b); err != nil {
				t.Fatal(err)
			}
		}
		e.Settle(settle)
	}
	apply()
	look(0)
	past, future := start.UnixMilli()+31_001, start.UnixMilli()+3_600_001
	e.objectives[0].ledger.setPins([]int64{past, future})
	look(1)
	look(2)
	look(3)
	write(storage.ErrLocked)
	look(4)
	write(nil)
	e = New(Options{})
	apply()
	look(1000)
	if got := e.objectives[0].ledger.upTo(past).good; got != 14 {
		t.Errorf("restored, the pin holds %v, want 14", got)
	}
	e.objectives[0].ledger.setPins(nil)
	write(nil)
	if err := db.Scan(prefixPins, func(k string, _ []byte) error { t.Errorf("%s is left in the store", k); return nil }); err != nil {
		t.Fatal(err)
	}
}

// FuzzPins: stored pins are read or refused, and what was read is written the same again.
func FuzzPins(f *testing.F) {
	p := pins{at: []mark{{5, counts{good: 1}}, {9, counts{good: 3.5, bad: 1, coveredMs: 7, expectedMs: 9}}, {12, counts{}}}, known: 2}
	f.Add(p.encode())
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p, q pins
		if p.decode(b) != nil {
			return
		}
		if err := q.decode(p.encode()); err != nil || len(q.at) != len(p.at) || q.known != p.known {
			t.Errorf("read again: %v", err)
		}
		lg := newLedger(5*time.Second, time.Hour)
		lg.pins = q
		lg.begin(10, 10)
		lg.add(11, counts{good: 1})
		lg.rewind(7)
		lg.upTo(9)
	})
}
