package slo

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/assayer-io/assayer/slo/spec"
)

// slicer cuts time into slices and makes each one event of the objective, once it is over. A slice
// that was not observed well enough is no event at all.
type slicer struct {
	widthMs int64
	open    map[int64]*slice // by index; slice i spans (i × width, (i+1) × width]
	closed  int64            // every slice below this index has been judged
	hours   map[int64]*hour  // by hours since the epoch; only for traffic against expectation
	newest  int64            // the hour that is still being learnt

	hoursChanged, hoursStoring bool // one was begun since the last checkpoint; in the one under way
}

// slice is what was seen of one slice so far.
type slice struct {
	Good      float64 `json:"g,omitempty"`
	Bad       float64 `json:"b,omitempty"`
	Total     float64 `json:"t,omitempty"` // traffic
	Weight    float64 `json:"w,omitempty"` // minor units moved
	Samples   float64 `json:"n,omitempty"` // of gauges
	Fine      float64 `json:"f,omitempty"` // of those, within the limit
	CoveredMs int64   `json:"c,omitempty"` // target-milliseconds looked at
	OwedMs    int64   `json:"o,omitempty"` // target-milliseconds that should have been
}

func newSlicer(o spec.Objective) *slicer {
	s := &slicer{widthMs: o.Slice.Milliseconds(), open: map[int64]*slice{}}
	if t := o.Indicator.Traffic; t != nil && t.AtLeastOfExpected > 0 {
		s.hours = map[int64]*hour{}
	}
	return s
}

// at returns the open slice that holds instant t, or nil when it has been judged already.
func (s *slicer) at(t int64) *slice {
	i := floorDiv(t-1, s.widthMs)
	if i < s.closed {
		return nil
	}
	if s.open[i] == nil {
		s.open[i] = &slice{}
	}
	return s.open[i]
}

// maxOpenSlices bounds what one stretch may open. Only a gap can be longer, or a clock that jumped by
// years, and nobody saw the slices it is about.
const maxOpenSlices = 10_000

// each calls fn for every slice that is still open and overlaps (from, to], with the overlap; of a very
// long stretch, for the last maxOpenSlices.
func (s *slicer) each(from, to int64, fn func(sl *slice, overlapMs int64)) {
	for t := max(from, s.closed*s.widthMs, to-maxOpenSlices*s.widthMs); t < to; {
		end := min(to, (floorDiv(t, s.widthMs)+1)*s.widthMs)
		if sl := s.at(end); sl != nil {
			fn(sl, end-t)
		}
		t = end
	}
}

// cover books that a target owed looks from `from` to `to`, and whether it was observed.
func (s *slicer) cover(from, to int64, observed bool) {
	s.each(from, to, func(sl *slice, ms int64) {
		sl.OwedMs += ms
		if observed {
			sl.CoveredMs += ms
		}
	})
}

// rewind makes the slicer go on from t, to which the clock has been set back.
func (s *slicer) rewind(t int64) {
	now := floorDiv(t, s.widthMs)
	s.closed = min(s.closed, now)
	maps.DeleteFunc(s.open, func(i int64, _ *slice) bool { return i > now })
}

// book puts one increment into its slice. Events of a gap belong to slices that nobody saw and are
// left out; traffic is spread over its stretch, because slices are short.
func (s *slicer) book(inc *increment, c counts, traffic bool) {
	if traffic {
		whole := max(1, inc.to-inc.from)
		s.each(inc.from, inc.to, func(sl *slice, ms int64) {
			sl.Total += inc.total * float64(ms) / float64(whole)
			sl.Weight += inc.weight * float64(ms) / float64(whole)
		})
		return
	}
	if inc.from != inc.to {
		return
	}
	if sl := s.at(inc.to); sl != nil {
		sl.Weight += inc.weight
		sl.Good += c.good
		sl.Bad += c.bad
		sl.Samples += inc.gauge
		sl.Fine += inc.fine
	}
}

// close judges every slice that ended at or before limit and gives each event to emit with the
// instant at which its slice ended. overdue holds the last looks of targets that are silent: what they
// owe since then is not booked yet.
func (s *slicer) close(o *spec.Objective, limit int64, overdue []int64, emit func(end int64, c counts)) {
	for _, i := range slices.Sorted(maps.Keys(s.open)) {
		end := (i + 1) * s.widthMs
		if end > limit {
			break
		}
		sl := s.open[i]
		for _, seen := range overdue {
			sl.OwedMs += max(0, end-max(seen, i*s.widthMs))
		}
		if c, ok := s.judge(o, i, sl); ok {
			emit(end, c)
		}
		delete(s.open, i)
		s.closed = i + 1
	}
	s.closed = max(s.closed, floorDiv(limit, s.widthMs))
}

// minSliceCoverage is the share of the target-time owed in a slice, and of its own length, that must
// have been looked at for traffic in it to be judged: a part says nothing about the sum.
const minSliceCoverage = 0.9

// judge turns a slice that is over into counts; false: nothing is known of it.
func (s *slicer) judge(o *spec.Objective, i int64, sl *slice) (counts, bool) {
	whole := float64(sl.CoveredMs) >= minSliceCoverage*float64(max(s.widthMs, sl.OwedMs))
	c, ok := counts{}, false
	switch {
	case s.outside(o, i):
		return counts{excluded: sl.weight(o)}, sl.CoveredMs > 0 || sl.Samples > 0
	case o.Indicator.Presence != nil:
		c, ok = verdict(sl.Samples > 0), sl.Samples > 0 || sl.CoveredMs > 0
	case o.Indicator.Threshold != nil || o.Indicator.RawRatio != nil && o.Indicator.RawRatio.Events == nil:
		if sl.Samples > 0 {
			c, ok = ofRatio(o, sl.Fine/sl.Samples), true
		}
	case o.Indicator.Traffic != nil:
		if whole {
			c, ok = s.judgeTraffic(o, i, sl), true
		}
	case sl.Good+sl.Bad > 0:
		c, ok = ofRatio(o, min(1, max(0, sl.Good/(sl.Good+sl.Bad)))), sl.CoveredMs > 0
	default:
		c, ok = verdict(true), sl.CoveredMs > 0
	}
	return c.weighed(sl.weight(o)), ok
}

// outside reports whether business is closed for more than half of slice i.
func (s *slicer) outside(o *spec.Objective, i int64) bool {
	if o.Calendar == nil {
		return false
	}
	open := o.Calendar.OpenBetween(time.UnixMilli(i*s.widthMs), time.UnixMilli((i+1)*s.widthMs))
	return 2*open.Milliseconds() < s.widthMs
}

// weight is what the slice counts for: once, or the amount of money that moved in it.
func (sl *slice) weight(o *spec.Objective) float64 {
	switch w := o.Weight; {
	case w == nil || o.Indicator.Traffic != nil && w.By == nil:
		return 1
	case w.By == nil:
		return max(0, sl.Good+sl.Bad)
	}
	return math.Round(sl.Weight)
}

// weighed makes one event those of weight w, in whole units.
func (c counts) weighed(w float64) counts {
	if w == 1 {
		return c
	}
	good := math.Round(c.good * w)
	switch {
	case c.excluded > 0:
		return counts{excluded: w}
	case c.good+c.bad == 0:
		return counts{}
	}
	return counts{good: good, bad: w - good}
}

// ofRatio judges a slice by its ratio of good events.
func ofRatio(o *spec.Objective, good float64) counts {
	if o.Method == spec.RatioTimeslices {
		return counts{good: good, bad: 1 - good}
	}
	return verdict(good >= o.SliceTarget)
}

func verdict(good bool) counts {
	if good {
		return counts{good: 1}
	}
	return counts{bad: 1}
}
