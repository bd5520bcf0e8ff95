package slo

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// counts are cumulative since the ledger began. Good and bad may be off by an event for one scrape
// in opposite directions while a target updates two counters one after the other; their sum is not.
type counts struct {
	good, bad, excluded float64
	coveredMs           int64 // target-milliseconds observed
	expectedMs          int64 // target-milliseconds that should have been
}

func (c counts) plus(d counts) counts {
	return counts{c.good + d.good, c.bad + d.bad, c.excluded + d.excluded, c.coveredMs + d.coveredMs, c.expectedMs + d.expectedMs}
}

func (c counts) minus(d counts) counts {
	return counts{c.good - d.good, c.bad - d.bad, c.excluded - d.excluded, c.coveredMs - d.coveredMs, c.expectedMs - d.expectedMs}
}

// part is the share of c that falls into the first `done` of `whole` milliseconds when c is spread
// evenly; whole events stay whole.
func (c counts) part(done, whole int64) counts {
	return counts{
		share(c.good, done, whole), share(c.bad, done, whole), share(c.excluded, done, whole),
		int64(share(float64(c.coveredMs), done, whole)), int64(share(float64(c.expectedMs), done, whole)),
	}
}

// maxExact is the largest integer up to which float64 counts every event.
const maxExact = 1 << 53

// share returns n × done ÷ whole, rounded towards zero exactly when n is a whole number.
func share(n float64, done, whole int64) float64 {
	switch {
	case done <= 0 || whole <= 0:
		return 0
	case done >= whole:
		return n
	case n < 0:
		return -share(-n, done, whole)
	case n != math.Trunc(n) || n > maxExact:
		return n * (float64(done) / float64(whole))
	}
	hi, lo := bits.Mul64(uint64(n), uint64(done))
	q, _ := bits.Div64(hi, lo, uint64(whole)) // hi < whole because n < 2^53 and done < whole < 2^63
	return float64(q)
}

// mark holds the cumulative counts at one exact instant, the start of a calendar period.
type mark struct {
	at  int64
	cum counts
}

// book books d, spread evenly over (from, to], as far as it lies at or before the mark.
func (m *mark) book(from, to int64, d counts) {
	switch {
	case m.at >= to:
		m.cum = m.cum.plus(d)
	case m.at > from:
		m.cum = m.cum.plus(d.part(m.at-from, to-from))
	}
}

// ledger keeps one objective's cumulative counts at several resolutions.
type ledger struct {
	startMs int64 // when watching began; 0: not yet
	firstMs int64 // since when counts are known; before startMs if some look told of what was before the first
	nowMs   int64 // the latest instant booked or advanced to
	cum     counts
	levels  []level
	marks   []mark // oldest first, at most maxMarks
	pins    pins
	nextMs  int64 // start of the next calendar period; 0: rolling
	// following gives the start of the period after the one that begins at a given instant; nil
	// for rolling windows.
	following func(int64) int64
	changed   bool // since the last checkpoint
}

const maxMarks = 3

const levelCount = 4

// Levels: each is twelve, ten and six times coarser than the one before (5 s, 1 min, 10 min, 1 h)
// and keeps enough buckets that no window spans fewer than about seventy of them.
func newLedger(finest time.Duration, keep time.Duration) *ledger {
	lg := &ledger{}
	width := finest.Milliseconds()
	for _, factor := range [levelCount]int64{1, 12, 10, 6} {
		width *= factor
		lg.levels = append(lg.levels, level{widthMs: width, keep: 800, dirtyFrom: noneDirty})
	}
	last := &lg.levels[len(lg.levels)-1]
	last.widthMs = coarsest(last.widthMs, keep.Milliseconds())
	last.keep = int(max(800, keep.Milliseconds()/last.widthMs+2))
	return lg
}

// coarsest is the width of the coarsest level: the usual one, or as many times as much as it takes
// to reach back for keep with the buckets there may be.
func coarsest(usual, keep int64) int64 {
	return usual * max(1, (keep+usual*maxCoarseBuckets-1)/(usual*maxCoarseBuckets))
}

// maxCoarseBuckets bounds the memory of the coarsest level.
const maxCoarseBuckets = 20_000

// Resolution is by how much a window of length w may reach further back than asked, given the
// ledger's finest bucket and how far back it keeps: the width of the finest level that still holds
// the window's far edge.
func Resolution(w, finest, keep time.Duration) time.Duration {
	width := finest
	for _, factor := range []time.Duration{1, 12, 10, 6} {
		width *= factor
		if w+width <= 800*width {
			return width
		}
	}
	return time.Duration(coarsest(width.Milliseconds(), keep.Milliseconds())) * time.Millisecond
}

// finestBucket is the ledger's finest width for an objective whose shortest window is w: a
// sixtieth, so that a far edge is never off by more than 1.7 %, between 50 ms and 10 s.
func finestBucket(w time.Duration) time.Duration {
	steps := []time.Duration{10 * time.Second, 5 * time.Second, 2 * time.Second, time.Second, 500 * time.Millisecond, 200 * time.Millisecond, 100 * time.Millisecond}
	for _, s := range steps {
		if w >= 60*s {
			return s
		}
	}
	return 50 * time.Millisecond
}

// rebucket gives the ledger the levels of another finest width, filled from what the present ones
// know. It does nothing when they are the same.
func (lg *ledger) rebucket(finest, keep time.Duration) {
	next := newLedger(finest, keep).levels
	last := len(next) - 1
	if next[0].widthMs == lg.levels[0].widthMs && next[last].widthMs == lg.levels[last].widthMs {
		lg.levels[last].keep = next[last].keep
		return
	}
	for i := range next {
		l := &next[i]
		open := l.bucketOf(max(lg.nowMs, 1))
		l.restart(max(l.bucketOf(max(lg.firstMs, 1)), open-int64(l.keep)))
		for l.open < open {
			l.close(lg.upTo((l.open + 1) * l.widthMs))
		}
		l.dirtyFrom, l.held = l.first, lg.levels[i].held
	}
	lg.levels, lg.changed = next, true
}

// begin sets the moment at which watching began, once, and since when counts are known.
func (lg *ledger) begin(first, t int64) {
	if lg.startMs != 0 {
		return
	}
	lg.startMs, lg.firstMs, lg.nowMs = t, first, first-1 // periods that begin before first do so without counts
	for i := range lg.levels {
		lg.levels[i].restart(lg.levels[i].bucketOf(first))
	}
	lg.advance(t)
}

// reach makes counts known since t: a sample may carry an older timestamp than the look that began the ledger.
func (lg *ledger) reach(t int64) {
	if t >= lg.firstMs {
		return
	}
	for i := range lg.levels {
		if l := &lg.levels[i]; l.first <= l.bucketOf(lg.firstMs) { // else it has forgotten how it began
			l.reach(l.bucketOf(t))
		}
	}
	lg.firstMs = t
}

// advance moves the ledger's present to t.
func (lg *ledger) advance(t int64) {
	if t <= lg.nowMs {
		return
	}
	for lg.following != nil && t > lg.nextMs {
		lg.marks = append(lg.marks, mark{lg.nextMs, lg.cum})
		if len(lg.marks) > maxMarks {
			lg.marks = append(lg.marks[:0], lg.marks[1:]...)
		}
		lg.nextMs = lg.following(lg.nextMs)
	}
	lg.pins.pass(t, lg.cum)
	for i := range lg.levels {
		lg.levels[i].advance(t, lg.cum)
	}
	lg.nowMs, lg.changed = t, true
}

// rewind makes the ledger go on from t, to which the clock has been set back. What was booked at later
// times stays counted, as if it had happened now.
func (lg *ledger) rewind(t int64) {
	for i := range lg.levels {
		lg.levels[i].rewind(t)
	}
	lg.marks = slices.DeleteFunc(lg.marks, func(m mark) bool { return m.at > t })
	lg.pins.rewind(t)
	if lg.following != nil {
		lg.nextMs = lg.following(t)
	}
	lg.nowMs, lg.startMs, lg.firstMs, lg.changed = t, min(lg.startMs, t), min(lg.firstMs, t), true
}

// add books d at instant t, which may lie in the past.
func (lg *ledger) add(t int64, d counts) { lg.spread(t, t, d) }

// spread books d evenly over (from, to].
func (lg *ledger) spread(from, to int64, d counts) {
	if d == (counts{}) {
		return
	}
	lg.begin(from, to)
	lg.reach(from)
	lg.advance(to)
	for i := range lg.levels {
		lg.levels[i].addSpread(from, to, d)
	}
	for i := range lg.marks {
		lg.marks[i].book(from, to, d)
	}
	lg.pins.spread(from, to, d)
	lg.cum = lg.cum.plus(d)
	lg.changed = true
}

// upTo returns the cumulative counts at t if it is marked or pinned, else at the bucket edge at or
// before it.
func (lg *ledger) upTo(t int64) counts { return lg.lookUp(t).cum }

// lookUp returns what upTo does, with the instant that these are the counts of.
func (lg *ledger) lookUp(t int64) mark {
	if lg.startMs == 0 || t < lg.firstMs {
		return mark{at: t}
	}
	for _, m := range lg.marks {
		if m.at == t {
			return m
		}
	}
	if c, ok := lg.pins.upTo(t, lg.cum); ok {
		return mark{t, c}
	}
	for i := range lg.levels {
		l := &lg.levels[i]
		edge := floorDiv(t, l.widthMs)
		if edge-1 >= l.open {
			return mark{t, lg.cum} // t lies beyond the open bucket
		}
		if c, ok := l.startOf(t); ok {
			return mark{edge * l.widthMs, c}
		}
		if edge <= l.bucketOf(lg.firstMs) {
			return mark{at: edge * l.widthMs} // the whole life of the ledger lies after this edge
		}
	}
	last := &lg.levels[len(lg.levels)-1]
	if last.first < last.open {
		return mark{(last.first + 1) * last.widthMs, last.at(last.first)} // older than retention
	}
	return mark{at: t}
}

// lookUpEnd is lookUp for the end of a window: from the present on, everything lies before it.
func (lg *ledger) lookUpEnd(t int64) mark {
	if t >= lg.nowMs {
		return mark{t, lg.cum}
	}
	return lg.lookUp(t)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
