package slo

import (
	"maps"
	"slices"

	"github.com/assayer-io/assayer/slo/spec"
)

// slicer cuts time into slices and makes each one event of the objective, once it is over. A slice
// that was not observed well enough is no event at all.
type slicer struct {
	widthMs int64
	open    map[int64]*slice // by index; slice i spans (i × width, (i+1) × width]
	closed  int64            // every slice below this index has been judged
	hours   map[int64]*hour  // by hours since the epoch; only for traffic against expectation
}

// slice is what was seen of one slice so far.
type slice struct {
	Good      float64 `json:"g,omitempty"`
	Bad       float64 `json:"b,omitempty"`
	Total     float64 `json:"t,omitempty"` // traffic
	Samples   float64 `json:"n,omitempty"` // of gauges
	Fine      float64 `json:"f,omitempty"` // of those, within the limit
	CoveredMs int64   `json:"c,omitempty"` // target-milliseconds looked at
	OwedMs    int64   `json:"o,omitempty"` // target-milliseconds that should have been
}

// hour is the traffic of one hour, as far as it was observed.
type hour struct {
	Count float64 `json:"n"`
	Ms    int64   `json:"ms"`
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

// each calls fn for every slice that is still open and overlaps (from, to], with the overlap.
func (s *slicer) each(from, to int64, fn func(sl *slice, overlapMs int64)) {
	for t := max(from, s.closed*s.widthMs); t < to; {
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
func (s *slicer) book(inc *increment, c counts) {
	if inc.hasTotal && c.good == 0 && c.bad == 0 {
		whole := max(1, inc.to-inc.from)
		s.each(inc.from, inc.to, func(sl *slice, ms int64) { sl.Total += inc.total * float64(ms) / float64(whole) })
		return
	}
	if inc.from != inc.to {
		return
	}
	if sl := s.at(inc.to); sl != nil {
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

func (s *slicer) judge(o *spec.Objective, i int64, sl *slice) (counts, bool) {
	whole := float64(sl.CoveredMs) >= minSliceCoverage*float64(max(s.widthMs, sl.OwedMs))
	switch {
	case o.Indicator.Threshold != nil:
		return verdict(sl.Fine >= o.SliceTarget*sl.Samples), sl.Samples > 0
	case o.Indicator.Traffic != nil:
		if !whole {
			return counts{}, false
		}
		return s.judgeTraffic(o.Indicator.Traffic, i, sl), true
	case sl.CoveredMs == 0:
		return counts{}, false
	}
	total := sl.Good + sl.Bad
	if total <= 0 {
		return verdict(true), true
	}
	good := min(1, max(0, sl.Good/total))
	if o.Method == spec.RatioTimeslices {
		return counts{good: good, bad: 1 - good}, true
	}
	return verdict(good >= o.SliceTarget), true
}

func verdict(good bool) counts {
	if good {
		return counts{good: 1}
	}
	return counts{bad: 1}
}

// judgeTraffic compares the slice's rate with its floor. As long as no earlier day says what to
// expect, nothing is promised and the slice is excluded.
func (s *slicer) judgeTraffic(t *spec.Traffic, i int64, sl *slice) counts {
	seconds := float64(s.widthMs) / 1000
	if t.AtLeastPerSecond > 0 {
		return verdict(sl.Total/seconds >= t.AtLeastPerSecond)
	}
	h := floorDiv(i*s.widthMs, msPerHour)
	expected, ok := s.expected(h)
	s.learn(h, sl.Total)
	if !ok {
		return counts{excluded: 1}
	}
	return verdict(sl.Total/seconds >= t.AtLeastOfExpected*expected)
}

const (
	msPerHour    = 3_600_000
	learnDays    = 7
	minHourKnown = msPerHour / 2 // an hour counts as known when half of it was observed
)

// expected is the mean rate, in events a second, of the same hour on the preceding days.
func (s *slicer) expected(h int64) (float64, bool) {
	var sum float64
	var ms int64
	for d := int64(1); d <= learnDays; d++ {
		if known := s.hours[h-24*d]; known != nil && known.Ms >= minHourKnown {
			sum += known.Count
			ms += known.Ms
		}
	}
	if ms == 0 {
		return 0, false
	}
	return sum / (float64(ms) / 1000), true
}

func (s *slicer) learn(h int64, n float64) {
	if s.hours[h] == nil {
		s.hours[h] = &hour{}
		maps.DeleteFunc(s.hours, func(old int64, _ *hour) bool { return old < h-24*(learnDays+1) })
	}
	s.hours[h].Count += n
	s.hours[h].Ms += s.widthMs
}
