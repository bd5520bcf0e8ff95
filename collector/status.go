package collector

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Stats is what one look saw besides the samples it hands over.
type Stats struct {
	Seen    int   // samples the target exposed, wanted or not, as far as the protocol lets the source count them
	Bytes   int64 // size of the answer after decompression
	Dropped Drops
}

// Drops counts wanted samples that were not handed over, by reason.
type Drops struct {
	NotFinite   uint64 // NaN, an infinity, a staleness marker, or a native histogram that is not valid
	OutOfBounds uint64 // an explicit timestamp too far from the look
	Duplicate   uint64 // a later sample of a series that the same answer already had
}

// Totals counts cycles of one provider since the runner was made, removed targets included.
type Totals struct {
	OK      uint64 // the target was seen
	Failed  uint64 // the look failed
	Skipped uint64 // the look was due while the one before was still under way
	Dropped Drops
}

// TargetStatus is the last that is known of one target.
type TargetStatus struct {
	Provider string // name given to Runner.Run
	Target   Target
	Labels   labels.Labels
	URL      string
	Interval time.Duration
	Timeout  time.Duration

	Up           bool          // the last look succeeded; false before the first
	LastAt       time.Time     // when the last look began; zero before the first
	LastDuration time.Duration // how long the last look took, hand-over not counted
	LastError    string        // why the last look failed; empty: it did not

	SeriesMatched int   // samples the last successful look handed over
	SamplesSeen   int   // Stats.Seen of the last successful look
	Bytes         int64 // Stats.Bytes of the last successful look
	Totals        Totals
}

// record takes over the outcome of one look.
func (s *TargetStatus) record(c Cycle, took time.Duration) {
	s.LastAt, s.LastDuration = c.At, took
	s.Up, s.LastError = c.Err == nil, ""
	if c.Err != nil {
		s.LastError = c.Err.Error()
	} else {
		s.SeriesMatched, s.SamplesSeen, s.Bytes = len(c.Samples), c.Stats.Seen, c.Stats.Bytes
	}
	s.Totals.record(c)
}

func (t *Totals) record(c Cycle) {
	if c.Err != nil {
		t.Failed++
		return
	}
	t.OK++
	t.Dropped.NotFinite += c.Stats.Dropped.NotFinite
	t.Dropped.OutOfBounds += c.Stats.Dropped.OutOfBounds
	t.Dropped.Duplicate += c.Stats.Dropped.Duplicate
}

// Targets returns the status of every target now being looked at, ordered by provider and target.
func (r *Runner) Targets() []TargetStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]TargetStatus, 0, len(r.workers))
	for _, w := range r.workers {
		if !w.removed {
			out = append(out, w.status)
		}
	}
	slices.SortFunc(out, func(a, b TargetStatus) int {
		if c := strings.Compare(a.Provider, b.Provider); c != 0 {
			return c
		}
		return strings.Compare(string(a.Target), string(b.Target))
	})
	return out
}

// Totals returns the counts of every provider that ever ran, by its name.
func (r *Runner) Totals() map[string]Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]Totals, len(r.totals))
	for name, t := range r.totals {
		out[name] = *t
	}
	return out
}
