package slo

import (
	"math"
	"slices"
)

// level keeps the cumulative counts at the end of each closed bucket of one width: whole chunks of
// them encoded, the last few as they are.
type level struct {
	widthMs int64
	keep    int      // closed buckets to keep; up to a chunk more are
	first   int64    // index of the oldest closed bucket; bucket i spans (i × width, (i+1) × width]
	open    int64    // index of the open bucket
	sealed  []chunk  // from the one that holds first to the one before the open bucket's
	tail    []counts // the closed buckets of the open one's chunk, at most chunkBuckets - 1

	dirtyFrom int64        // lowest index changed since the last checkpoint; noneDirty when none
	held      []bucketSpan // where the store may hold buckets of this level
	before    struct {
		held      []bucketSpan
		dirtyFrom int64
	} // as they were before the checkpoint under way
}

// bucketSpan is a range of buckets, [from, to).
type bucketSpan struct{ from, to int64 }

const noneDirty = math.MaxInt64

// undo takes back that a checkpoint stored the level: the store may hold what it held before, what
// it was to hold after, or both.
func (l *level) undo() {
	l.held = merge(append(l.held, l.before.held...))
	l.dirtyFrom = min(l.dirtyFrom, l.before.dirtyFrom)
}

// merge joins spans that overlap or touch and drops empty ones.
func merge(spans []bucketSpan) []bucketSpan {
	slices.SortFunc(spans, func(a, b bucketSpan) int { return int(min(1, max(-1, a.from-b.from))) })
	var out []bucketSpan
	for _, s := range spans {
		switch last := len(out) - 1; {
		case s.from >= s.to:
		case last >= 0 && s.from <= out[last].to:
			out[last].to = max(out[last].to, s.to)
		default:
			out = append(out, s)
		}
	}
	return out
}

// bucketOf returns the index of the bucket that holds instant t: edges belong to the bucket they end.
func (l *level) bucketOf(t int64) int64 { return floorDiv(t-1, l.widthMs) }

// restart forgets everything; bucket i is the open one.
func (l *level) restart(i int64) {
	l.first, l.open, l.sealed, l.tail = i, i, nil, l.tail[:0]
}

// reach puts buckets from i on before those there are, in which nothing had happened yet.
func (l *level) reach(i int64) {
	was := *l
	if i = max(i, l.open-int64(l.keep)); i >= l.first {
		return
	}
	l.tail = nil
	l.restart(i)
	l.dirtyFrom = min(l.dirtyFrom, i)
	for l.open < was.first {
		l.close(counts{})
	}
	for l.open < was.open {
		l.close(was.at(l.open))
	}
}

// close closes the open bucket with cum, the counts at its end.
func (l *level) close(cum counts) {
	if l.tail == nil {
		l.tail = make([]counts, 0, chunkBuckets)
	}
	l.tail = append(l.tail, cum)
	l.open++
	if l.open%chunkBuckets == 0 {
		l.seal(encodeChunk(chunkBuckets-len(l.tail), l.tail))
		l.tail = l.tail[:0]
	}
}

// seal appends a chunk, making room for never more than there will be: an objective's buckets are
// nearly all the memory it takes.
func (l *level) seal(c chunk) {
	if n := len(l.sealed); n == cap(l.sealed) {
		room := min(n+n/4+2, l.keep/chunkBuckets+3)
		l.sealed = append(make([]chunk, 0, max(n+1, room)), l.sealed...)
	}
	l.sealed = append(l.sealed, c)
}

// advance closes buckets until the open one holds t; nothing happened in them after cum.
func (l *level) advance(t int64, cum counts) {
	open := l.bucketOf(t)
	if open <= l.open {
		return
	}
	if open-l.open > int64(l.keep) { // everything kept will be equal; do not walk a year in seconds
		l.restart(open - int64(l.keep))
	}
	l.dirtyFrom = min(l.dirtyFrom, l.open)
	for l.open < open {
		if len(l.tail) == 0 && l.open%chunkBuckets == 0 && open-l.open >= chunkBuckets {
			l.seal(chunk{base: cum, exact: !cum.whole()})
			l.open += chunkBuckets
			continue
		}
		l.close(cum)
	}
	l.forget()
}

// forget drops the chunks that lie wholly before the buckets to keep.
func (l *level) forget() {
	drop := min(chunkOf(l.open-int64(l.keep))-chunkOf(l.first), int64(len(l.sealed)))
	if drop <= 0 {
		return
	}
	l.sealed = slices.Delete(l.sealed, 0, int(drop))
	l.first = (chunkOf(l.first) + drop) * chunkBuckets
}

// rewind opens the bucket that holds t again and forgets those after it.
func (l *level) rewind(t int64) {
	open := l.bucketOf(t)
	switch {
	case open >= l.open:
		return
	case open <= l.first:
		l.restart(open)
		return
	}
	if i := chunkOf(open) - chunkOf(l.first); i < int64(len(l.sealed)) {
		start := max(l.first, chunkOf(open)*chunkBuckets)
		var all [chunkBuckets]counts
		l.sealed[i].decode(&all)
		l.tail = append(make([]counts, 0, chunkBuckets), all[start-chunkOf(start)*chunkBuckets:][:open-start]...)
		l.sealed = slices.Delete(l.sealed, int(i), len(l.sealed))
	} else {
		l.tail = l.tail[:len(l.tail)-int(l.open-open)]
	}
	l.open = open
}

// addSpread adds d, spread evenly over (from, to], to the closed buckets; from == to books it all
// at that instant.
func (l *level) addSpread(from, to int64, d counts) {
	i := max(l.first, l.bucketOf(min(from+1, to)))
	if i >= l.open {
		return
	}
	l.dirtyFrom = min(l.dirtyFrom, i)
	all := l.bucketOf(to) // from here on each bucket gets all of it
	due := func(i int64) counts {
		if i >= all {
			return d
		}
		return d.part((i+1)*l.widthMs-from, to-from)
	}
	for c := chunkOf(i); c < chunkOf(l.open); c++ {
		k := &l.sealed[c-chunkOf(l.first)]
		if c*chunkBuckets < max(i, all) || !k.shift(d) {
			k.edit(func(place int) counts {
				if b := c*chunkBuckets + int64(place); b >= i {
					return due(b)
				}
				return counts{}
			})
		}
	}
	start := l.open - int64(len(l.tail))
	for b := max(i, start); b < l.open; b++ {
		l.tail[b-start] = l.tail[b-start].plus(due(b))
	}
}

// at returns the counts at the end of closed bucket i, which must be one.
func (l *level) at(i int64) counts {
	if start := l.open - int64(len(l.tail)); i >= start {
		return l.tail[i-start]
	}
	return l.sealed[chunkOf(i)-chunkOf(l.first)].at(int(i - chunkOf(i)*chunkBuckets))
}

// startOf returns the cumulative counts at the start of the bucket that holds the first instant
// after edge, and whether this level still knows them.
func (l *level) startOf(edge int64) (counts, bool) {
	i := floorDiv(edge, l.widthMs) - 1                         // the last bucket that lies wholly at or before edge
	if i < max(l.first, l.open-int64(l.keep)) || i >= l.open { // older ones may be there still, or not
		return counts{}, false
	}
	return l.at(i), true
}
