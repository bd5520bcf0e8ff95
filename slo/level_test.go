package slo

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// plain is a level that keeps each bucket as it is, for ever.
type plain struct {
	widthMs int64
	from    int64 // index of ends[0]
	ends    []counts
}

func (p *plain) advance(t int64, cum counts) {
	for p.from+int64(len(p.ends)) < floorDiv(t-1, p.widthMs) {
		p.ends = append(p.ends, cum)
	}
}

func (p *plain) book(from, to int64, d counts) {
	for i := range p.ends {
		switch end := (p.from + int64(i) + 1) * p.widthMs; {
		case end >= to:
			p.ends[i] = p.ends[i].plus(d)
		case end > from:
			p.ends[i] = p.ends[i].plus(d.part(end-from, to-from))
		}
	}
}

func (p *plain) rewind(t int64) {
	if n := floorDiv(t-1, p.widthMs) - p.from; n < int64(len(p.ends)) {
		p.ends = p.ends[:max(0, n)]
	}
}

// stow stores a level and reads it back, as a restart does.
func stow(t *testing.T, l *level) {
	t.Helper()
	next := level{widthMs: l.widthMs, keep: l.keep, first: l.first, open: l.open, dirtyFrom: noneDirty}
	from, end := chunks(l.first, l.open)
	next.sealed = unknownChunks(end - from)
	for c := from; c < end; c++ {
		var err error
		if next.sealed[c-from], err = readChunk(l.encodeChunk(c)); err != nil {
			t.Fatal(err)
		}
	}
	next.complete()
	*l = next
}

// TestLevelEqualsPlainBuckets: whatever is booked, late or not, whole or not, over whatever stretch,
// and however often the level is stored and read back, it holds what plain buckets would.
func TestLevelEqualsPlainBuckets(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 9))
		start := int64(1_800_000_000_000) + rng.Int64N(1_000_000)
		now := start
		l := &level{widthMs: []int64{50, 5000, 60_000}[seed%3], keep: 100 + rng.IntN(200), dirtyFrom: noneDirty}
		l.restart(l.bucketOf(now))
		first := l.first // as long as it has not forgotten it
		p := &plain{widthMs: l.widthMs, from: first - 500}
		var cum counts
		book := func(from, to int64, d counts) {
			if early := l.bucketOf(from); early < first {
				if l.first <= first {
					l.reach(early)
				}
				first = early
			}
			l.addSpread(from, to, d)
			p.book(from, to, d)
			cum = cum.plus(d)
		}
		amount := func() float64 {
			switch n := rng.IntN(40); {
			case n == 0 && seed%2 == 1:
				return rng.Float64()
			case n == 1:
				return float64(rng.Int64N(1 << 40))
			case n == 2:
				return -1
			case n < 15:
				return 0
			}
			return float64(rng.IntN(5))
		}
		for i := range 3000 {
			step := rng.Int64N(3 * l.widthMs)
			if rng.IntN(300) == 0 {
				step = rng.Int64N(400) * l.widthMs
			}
			now += step
			l.advance(now, cum)
			p.advance(now, cum)
			d := counts{amount(), amount(), amount(), rng.Int64N(2) * step, step}
			switch rng.IntN(20) {
			case 0:
				book(now-rng.Int64N(300*l.widthMs), now, d)
			case 1:
				to := now - rng.Int64N(150*l.widthMs)
				book(to-rng.Int64N(150*l.widthMs), to, d)
			case 2:
				late := now - rng.Int64N(150*l.widthMs)
				book(late, late, d)
			case 3:
			default:
				book(now, now, d)
			}
			if seed%2 == 0 && rng.IntN(500) == 0 {
				now = max(start, now-rng.Int64N(100*l.widthMs))
				l.rewind(now)
				p.rewind(now)
			}
			if rng.IntN(100) == 0 {
				stow(t, l)
			}
			if i%50 == 0 {
				equal(t, seed, l, p)
			}
		}
		equal(t, seed, l, p)
		if kept := l.open - l.first; seed%2 == 1 && kept < int64(l.keep) {
			t.Errorf("seed %d: only %d of %d buckets kept", seed, kept, l.keep)
		}
	}
}

func equal(t *testing.T, seed uint64, l *level, p *plain) {
	t.Helper()
	if want := p.from + int64(len(p.ends)); l.open != want {
		t.Fatalf("seed %d: bucket %d is open, want %d", seed, l.open, want)
	}
	if kept := l.open - l.first; kept >= int64(l.keep+chunkBuckets) {
		t.Fatalf("seed %d: %d buckets kept, want fewer than %d and a chunk", seed, kept, l.keep)
	}
	for i := max(l.first, p.from); i < l.open; i++ {
		if got, want := l.at(i), p.ends[i-p.from]; got != want {
			t.Fatalf("seed %d: bucket %d of [%d, %d) holds %+v, want %+v", seed, i, l.first, l.open, got, want)
		}
	}
}

// TestIdleTimeCostsNothing: buckets in which nothing happened take no bytes, those in which the same
// happened again and again a few for all of them.
func TestIdleTimeCostsNothing(t *testing.T) {
	l := &level{widthMs: 1000, keep: 800}
	l.restart(0)
	bytes := func() (n int) {
		for _, c := range l.sealed {
			n += cap(c.body)
		}
		return n
	}
	l.advance(500_000, counts{good: 5})
	if n := bytes(); n != 0 {
		t.Errorf("500 idle buckets take %d bytes", n)
	}
	l.restart(0)
	for i := range int64(512) {
		l.advance(i*1000+1, counts{good: float64(10 * i), coveredMs: 1000 * i, expectedMs: 1000 * i})
	}
	if n := bytes(); n > 16*8 {
		t.Errorf("512 equal buckets take %d bytes", n)
	}
}

// TestLateBookingLeavesLaterChunksAlone: only what was booked into is encoded again, so that a gap or
// a late slice costs the same however much came after it.
func TestLateBookingLeavesLaterChunksAlone(t *testing.T) {
	l := &level{widthMs: 1000, keep: 800}
	l.restart(0)
	for i := range int64(700) {
		l.advance(i*1000+1, counts{good: float64(i * i % 97)})
	}
	before := make([]*byte, len(l.sealed))
	for i, c := range l.sealed {
		before[i] = &c.body[0]
	}
	l.addSpread(5_500, 5_500, counts{good: 3})
	for i, c := range l.sealed[1:] {
		if &c.body[0] != before[i+1] {
			t.Fatalf("chunk %d was encoded again", i+1)
		}
	}
}

// FuzzChunk: a stored chunk of any version is refused or read, every bucket of it is the same whichever
// way it is looked up, and it is written so that it is read the same again.
func FuzzChunk(f *testing.F) {
	old := []byte{3}
	var v counts
	for _, c := range []counts{{good: 1}, {good: 5, bad: 1, coveredMs: 9, expectedMs: 9}, {good: 5.5, bad: 1}, {good: 7}} {
		old = c.appendTo(old, v)
		v = c
	}
	f.Add(old)
	c := encodeChunk(1, []counts{{good: 1}, {good: 2, coveredMs: 5, expectedMs: 5}, {good: 3, coveredMs: 10, expectedMs: 10}, {good: 3, coveredMs: 10, expectedMs: 10}, {good: 0.5, bad: 1 << 60}})
	f.Add(c.encode())
	f.Add([]byte{chunkHead | 3, 0})
	f.Add([]byte{40, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := readChunk(b)
		if err != nil {
			if future := len(b) > 1 && b[0] > chunkHead|chunkVersion; future != errors.Is(err, ErrVersion) {
				t.Errorf("future version %v: %v", future, err)
			}
			return
		}
		again, err := readChunk(c.encode())
		if err != nil {
			t.Fatal(err)
		}
		var all, other [chunkBuckets]counts
		c.decode(&all)
		again.decode(&other)
		for i := range all {
			if all[i] != other[i] {
				t.Fatalf("place %d: %+v, read again %+v", i, all[i], other[i])
			}
			if at := c.at(i); at != all[i] && at.whole() {
				t.Fatalf("place %d: %+v looked up, %+v decoded", i, at, all[i])
			}
		}
		c.edit(func(int) counts { return counts{good: 1} })
		c.shift(counts{good: 1, coveredMs: time.Hour.Milliseconds()})
	})
}

// TestGapOfYearsOpensFewSlices: a clock that jumps ahead must not fill the memory with slices that nobody
// saw.
func TestGapOfYearsOpensFewSlices(t *testing.T) {
	s := &slicer{widthMs: 1000, open: map[int64]*slice{}}
	s.cover(1_700_000_000_000, 1_900_000_000_000, false)
	if n := len(s.open); n > maxOpenSlices+1 {
		t.Errorf("%d slices are open", n)
	}
}
