// Package collector says what observing means: a [Source] looks at one target once a cycle and
// hands over a [Cycle], the samples that some objective asked for together with whether the look
// succeeded. The [Runner] owns everything about time: ticker, jitter, timeout and back-pressure.
//
// One folder below this one is one protocol (collector/prometheus, …). Variants never know what an
// objective is; they are told by [Interest] which series matter and may throw the rest away.
package collector

import (
	"context"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// Target identifies where samples come from. It must stay the same across restarts of the agent
// and of the target itself: the engine keeps counter baselines and coverage under it.
type Target string

// Series is one time series as one target exposes it, after relabelling, with its name in
// __name__. It is immutable; a source makes it once and reuses it for as long as it sees it.
type Series struct {
	Labels labels.Labels
	Hash   uint64 // of the label pairs; stable across processes and versions
}

// NewSeries computes the stable hash of ls. The hash is XXH64 over name 0xff value 0xff pairs in
// label order, written here rather than taken from the labels package, which does not promise to
// keep its own from release to release.
func NewSeries(ls labels.Labels) *Series {
	buf := make([]byte, 0, 256)
	ls.Range(func(l labels.Label) {
		buf = append(buf, l.Name...)
		buf = append(buf, 0xff)
		buf = append(buf, l.Value...)
		buf = append(buf, 0xff)
	})
	return &Series{Labels: ls, Hash: xxhash.Sum64(buf)}
}

// Sample is one value of one series.
type Sample struct {
	Series *Series
	Value  float64
	AtMs   int64 // Unix milliseconds of an explicit timestamp; 0: the cycle's own time
	FromMs int64 // Unix milliseconds of the counter's start timestamp; 0: not known
	// Histogram is the whole value of a native histogram, integer ones as floats; Value is then its
	// count. nil for all other samples. It is never changed once it is handed over.
	Histogram *histogram.FloatHistogram
}

// Cycle is what one look at one target brought. A failed look (Err != nil) carries no samples: a
// half-read exposition is never handed on.
type Cycle struct {
	Target   Target
	At       time.Time     // when the look began
	Interval time.Duration // how often this target is meant to be looked at
	Samples  []Sample      // valid only during the call that hands the cycle over
	// Group names targets that are meant to feed the same objectives, such as a job's: one of them
	// that never answers is then missed. "" is a group of its own.
	Group string
	// Process says where the target is reached, whatever its labels: two targets of one process
	// count the same events. "" is not known.
	Process string
	// Epoch is that of the Interest by which the look was made; 0: the present one.
	Epoch int64
	// Unusable holds wanted series that were there without a value that can be used. Valid as long
	// as Samples.
	Unusable []*Series
	Err      error // why the look failed; nil: the target was seen
	Gone     bool  // the target has left discovery and is no longer expected; no samples
	Stats    Stats // for self-monitoring only: nothing is computed from it
}

// Interest tells a source which series some objective reads. The zero value wants nothing.
type Interest struct {
	// Names holds the metric names wanted. A name in it is necessary, not sufficient.
	Names map[string]struct{}
	// AllNames is set when some selector does not fix the name; Names is then not to be used.
	AllNames bool
	// Histograms is set when some selector may read a native histogram, under its plain name. Until
	// then sources need not ask for any.
	Histograms bool
	// Epoch tells interests apart; a source hands it back in each Cycle.
	Epoch int64
	// Match decides for one series; nil matches nothing. It is safe for concurrent use.
	Match func(labels.Labels) bool
}

// Source looks at one target.
type Source interface {
	// Collect does one cycle and calls emit exactly once with it. It honours ctx, which carries
	// the timeout, and never keeps emit.
	Collect(ctx context.Context, at time.Time, emit func(Cycle))
}

// Job is one source with its schedule.
type Job struct {
	Target   Target
	Interval time.Duration
	Timeout  time.Duration
	// Revision changes when the source's settings change, so that the runner replaces it.
	Revision string
	Source   Source
	// Labels say to people which target this is; they may be empty.
	Labels labels.Labels
	URL    string // where the target is reached; becomes Cycle.Process
	Group  string // becomes Cycle.Group
}

// Provider yields the jobs of one configured collector and keeps them current.
type Provider interface {
	// Run calls update with the complete set of jobs each time it changes, until ctx ends.
	Run(ctx context.Context, update func([]Job)) error
	// SetInterest replaces what is wanted; it takes effect from the next cycle on.
	SetInterest(Interest)
}
