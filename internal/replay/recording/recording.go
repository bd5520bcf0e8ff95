// Package recording turns recorded samples into the looks at targets that brought them, in order of
// time. Samples come from parts: a [Spool], which takes them in any order and keeps them compressed
// in a temporary file, or anything else that holds series in chunks. A [Reader] merges parts and never
// holds more than one chunk of a series in memory.
//
//	card/10.0.0.7:9090 at 10:00:15Z every 15s: card_auth_total{outcome="technical"} 3, …
//	card/10.0.0.7:9090 at 10:00:30Z every 15s: failed
//	card/10.0.0.7:9090 at 10:00:45Z: gone
package recording

import (
	"context"
	"errors"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tombstones"

	"github.com/assayer-io/assayer/collector"
)

// Up is the series by which a Prometheus records whether it reached a target.
const Up = "up"

// MaxSeries bounds the series of one recording that are read.
const MaxSeries = 500_000

// ErrTooManySeries: the objectives select more series than can be read together.
var ErrTooManySeries = errors.New("the objectives select too many series")

// Wanted says which series of a recording are read: those of interest and every up.
type Wanted struct{ collector.Interest }

// Name reports whether a series of that metric name may be wanted.
func (w Wanted) Name(name string) bool {
	if w.AllNames || name == Up {
		return true
	}
	_, ok := w.Names[name]
	return ok
}

// Series reports whether a series is wanted.
func (w Wanted) Series(ls labels.Labels) bool {
	return ls.Get(labels.MetricName) == Up || w.Match != nil && w.Match(ls)
}

// Part is a stretch of a recording. Parts of one recording may overlap and hold the same series.
type Part interface {
	// Bounds are the times of the first and the last sample, in Unix milliseconds.
	Bounds() (from, to int64)
	// Series calls yield with every wanted series and a reference to it, in any order.
	Series(ctx context.Context, yield func(ls labels.Labels, ref uint64) error) error
	// Chunks gives the chunks of one series by the time they begin, and what was deleted of them.
	Chunks(ref uint64) ([]Chunk, tombstones.Intervals, error)
	// Open gives the samples of one chunk, in order of time. It may use last, an iterator that is done with.
	Open(c Chunk, last chunkenc.Iterator) (chunkenc.Iterator, error)
	Close() error
}

// Chunk is where a run of samples of one series is found.
type Chunk struct {
	Ref      uint64 // means something to its part only
	Min, Max int64  // times of its first and last sample, in Unix milliseconds
}
