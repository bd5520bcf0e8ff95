// Package spec holds objectives and indicators as people write them, and reads them from OpenSLO v1
// documents and from the GoldenSignals short form. It needs no agent and does no arithmetic.
package spec

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Objective is one promise: a share of good events (or slices) over a window. An SLO document
// with several objectives yields several of these.
type Objective struct {
	Name        string // unique in the agent; a DNS label
	DisplayName string
	Service     string
	Description string
	Labels      map[string]string
	Annotations map[string]string

	Target      float64       // ratio in [0, 1]
	Method      Method        // how events are counted
	Slice       time.Duration // length of a time slice; only for the two slice methods
	SliceTarget float64       // ratio of good events that makes a slice good, in (0, 1]
	Window      Window
	Indicator   Indicator
	// MinTierWindow leaves out burn tiers of the built-in table whose short window is shorter: it would
	// hold too few looks. 0 keeps them all. Who knows how often targets are looked at sets it.
	MinTierWindow time.Duration

	File string // where it was written, for messages
	Line int
}

// Method is OpenSLO's budgetingMethod.
type Method string

// The three methods of OpenSLO v1.
const (
	Occurrences     Method = "Occurrences"     // every event counts once
	Timeslices      Method = "Timeslices"      // every slice counts once, good or bad
	RatioTimeslices Method = "RatioTimeslices" // every slice counts once, by its own ratio of good events
)

// CalendarUnit is the period of a calendar-aligned window.
type CalendarUnit string

// The periods a calendar-aligned window may have.
const (
	Day     CalendarUnit = "day"
	Week    CalendarUnit = "week" // from the weekday of the window's start time, Monday if none is given
	Month   CalendarUnit = "month"
	Quarter CalendarUnit = "quarter"
	Year    CalendarUnit = "year"
)

// Window is the time over which an objective's budget is kept.
type Window struct {
	Text     string        // as written: 30d, 1M
	Length   time.Duration // rolling: exact; calendar: nominal (30 d a month, 90 d a quarter, 365 d a year)
	Rolling  bool
	Unit     CalendarUnit   // calendar-aligned only
	Count    int            // calendar-aligned only: number of units in a period, at least 1
	Anchor   time.Time      // calendar-aligned only: start of some period, in Location
	Location *time.Location // calendar-aligned only
}

// Indicator is what is measured. Exactly one of Ratio, Threshold and Traffic is set.
type Indicator struct {
	Name      string
	Ratio     *Ratio
	Threshold *Threshold
	Traffic   *Traffic
}

// Ratio counts events with counters. Total is nil when both Good and Bad are set; otherwise Total
// and exactly one of Good and Bad are set. Excluded may always be set and is only reported.
type Ratio struct {
	Good, Bad, Total, Excluded *Selector
	// Latency marks a classic histogram: Good selects one _bucket by its le, Total the _count. A
	// target that has the _count without that bucket is then a mistake, not a run of failures.
	Latency bool
}

// Threshold judges samples of gauges: good when `sample Op Value` holds.
type Threshold struct {
	Query Selector
	Op    Op
	Value float64
}

// Op is OpenSLO's comparison.
type Op string

// The comparisons of OpenSLO v1.
const (
	LessThan       Op = "lt"
	LessOrEqual    Op = "lte"
	GreaterThan    Op = "gt"
	GreaterOrEqual Op = "gte"
)

// Holds reports whether `value op limit`; NaN never holds.
func (op Op) Holds(value, limit float64) bool {
	switch op {
	case LessThan:
		return value < limit
	case LessOrEqual:
		return value <= limit
	case GreaterThan:
		return value > limit
	case GreaterOrEqual:
		return value >= limit
	}
	return false
}

// Traffic is a floor under a counter's rate, judged slice by slice. Exactly one of the two limits
// is positive.
type Traffic struct {
	Total             Selector
	AtLeastPerSecond  float64 // events a second
	AtLeastOfExpected float64 // ratio of what the same hour of the preceding days brought
}

// Selector is a plain PromQL series selector, matched against collected samples.
type Selector struct {
	Text     string // as written
	Matchers []*labels.Matcher
}

// Matches reports whether every matcher accepts ls. A matcher on `le` or `quantile` with plain
// equality compares numbers, so that le="2" selects what a target spells le="2.0".
func (s *Selector) Matches(ls labels.Labels) bool {
	for _, m := range s.Matchers {
		if !matches(m, ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// MetricName is the name the selector fixes, or "" when it fixes none.
func (s *Selector) MetricName() string {
	for _, m := range s.Matchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}
