package recording

import (
	"cmp"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tombstones"

	"github.com/assayer-io/assayer/collector"
)

// end is the time of a cursor that has no samples left.
const end = math.MaxInt64

// cursor walks the samples of one series through all parts that hold it, in order of time. Of several
// samples for one moment the first part's counts.
type cursor struct {
	series *collector.Series
	from   int64 // samples before are skipped
	to     int64 // samples after are not there
	places []place
	chunks []opening // of places already reached, by the time they begin
	runs   []run     // being read; more than one where chunks overlap
	spare  chunkenc.Iterator

	// The present sample; at is end when there is none.
	at        int64
	value     float64
	histogram *histogram.FloatHistogram
}

// place is one part that holds a series.
type place struct {
	part Part
	min  int64 // of the part
	ref  uint64
}

// opening is one chunk of a series in one part. There are many of them at once, so they are small.
type opening struct {
	Chunk
	in *origin
}

type origin struct {
	part    Part
	deleted tombstones.Intervals
}

// run is one chunk that is being read.
type run struct {
	it      chunkenc.Iterator
	kind    chunkenc.ValueType
	at      int64
	deleted tombstones.Intervals
}

// stale reports whether the present sample only says that the series has ended.
func (c *cursor) stale() bool {
	if c.histogram != nil {
		return value.IsStaleNaN(c.histogram.Sum)
	}
	return value.IsStaleNaN(c.value)
}

// next moves to the next sample, the first one if it has not been called yet.
func (c *cursor) next() error {
	if err := c.open(); err != nil {
		return err
	}
	if len(c.runs) == 0 {
		c.at = end
		return nil
	}
	first := 0
	for i := range c.runs {
		if c.runs[i].at < c.runs[first].at {
			first = i
		}
	}
	r := &c.runs[first]
	c.at = r.at
	if r.kind == chunkenc.ValFloat {
		_, c.value = r.it.At()
		c.histogram = nil
	} else {
		_, c.histogram = r.it.AtFloatHistogram(nil)
		c.value = c.histogram.Count
	}
	at := c.at
	for i := range slices.Backward(c.runs) { // step may take the run out
		if c.runs[i].at != at {
			continue
		}
		if err := c.step(i); err != nil {
			return err
		}
	}
	return nil
}

// step moves one run on, and drops it at its end.
func (c *cursor) step(i int) error {
	more, err := c.runs[i].next(c.from, c.to)
	if !more {
		c.spare = c.runs[i].it
		c.runs = slices.Delete(c.runs, i, i+1)
	}
	return err
}

// open opens every chunk that may hold the next sample.
func (c *cursor) open() error {
	for {
		soonest := int64(end)
		for i := range c.runs {
			soonest = min(soonest, c.runs[i].at)
		}
		switch {
		case len(c.places) > 0 && c.places[0].min <= min(soonest, c.nextChunk()):
			p := c.places[0]
			c.places = c.places[1:]
			if err := c.reach(p); err != nil {
				return err
			}
		case c.nextChunk() != end && c.nextChunk() <= soonest:
			o := c.chunks[0]
			c.chunks = c.chunks[1:]
			it, err := o.in.part.Open(o.Chunk, c.spare)
			if err != nil {
				return err
			}
			c.spare = nil
			c.runs = append(c.runs, run{it: it, deleted: o.in.deleted})
			if err := c.step(len(c.runs) - 1); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (c *cursor) nextChunk() int64 {
	if len(c.chunks) == 0 {
		return end
	}
	return c.chunks[0].Min
}

// reach lists the chunks of one more part.
func (c *cursor) reach(p place) error {
	found, deleted, err := p.part.Chunks(p.ref)
	if err != nil {
		return err
	}
	n, in := len(c.chunks), &origin{p.part, deleted}
	for _, f := range found {
		if f.Max >= c.from && f.Min <= c.to {
			c.chunks = append(c.chunks, opening{f, in})
		}
	}
	if n > 0 || !slices.IsSortedFunc(c.chunks, byMin) {
		slices.SortStableFunc(c.chunks, byMin)
	}
	return nil
}

func byMin(a, b opening) int { return cmp.Compare(a.Min, b.Min) }

// next moves to the next sample that counts.
func (r *run) next(from, to int64) (more bool, err error) {
	for {
		r.kind = r.it.Next()
		if r.kind == chunkenc.ValNone {
			return false, r.it.Err()
		}
		r.at = r.it.AtT()
		for len(r.deleted) > 0 && r.deleted[0].Maxt < r.at {
			r.deleted = r.deleted[1:]
		}
		switch {
		case r.at > to:
			return false, nil
		case r.at < from, len(r.deleted) > 0 && r.deleted[0].InBounds(r.at):
			continue
		}
		return true, nil
	}
}
