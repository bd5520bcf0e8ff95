// Package spec holds objectives, business calendars and budget policies as people write them, and reads them
// from OpenSLO v1 documents and from those of our own kinds. It needs no agent and does no arithmetic.
package spec

import (
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/calendar"
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
	Indicator   Indicator          // empty when Composite is set
	Composite   *Composite         // nil unless the objective is made of others
	Weight      *Weight            // nil: every event, or slice, counts once
	GroupBy     *GroupBy           // nil: one budget for all series together
	Calendar    *calendar.Business // nil: every moment counts; else what lies outside is excluded
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

// Indicator is what is measured. Exactly one field beside Name is set.
type Indicator struct {
	Name      string
	Ratio     *Ratio
	Histogram *Histogram
	Threshold *Threshold
	Traffic   *Traffic
	RawRatio  *RawRatio
	Presence  *Presence
}

// kinds is how many fields beside Name are set: 1, or 0 where the indicator has mistakes.
func (i *Indicator) kinds() int {
	n := 0
	for _, set := range []bool{i.Ratio != nil, i.Histogram != nil, i.Threshold != nil, i.Traffic != nil, i.RawRatio != nil, i.Presence != nil} {
		if set {
			n++
		}
	}
	return n
}

// Selectors lists everything that has to be collected for o, in a fixed order. A composite has none. That
// of a histogram stands for series of its name with and without the suffixes _bucket and _count.
func (o *Objective) Selectors() []*Selector {
	var all []*Selector
	switch i := &o.Indicator; {
	case i.Ratio != nil:
		all = append(all, i.Ratio.Good, i.Ratio.Bad, i.Ratio.Total, i.Ratio.Excluded)
	case i.Histogram != nil:
		all = append(all, &i.Histogram.Query)
	case i.Threshold != nil:
		all = append(all, &i.Threshold.Query)
	case i.Traffic != nil:
		all = append(all, &i.Traffic.Total)
	case i.RawRatio != nil:
		all = append(all, &i.RawRatio.Query, i.RawRatio.Events)
	case i.Presence != nil:
		all = append(all, &i.Presence.Query)
	}
	if o.Weight != nil {
		all = append(all, o.Weight.By)
	}
	return slices.DeleteFunc(all, func(s *Selector) bool { return s == nil })
}

// Ratio counts events with counters. Total is nil when both Good and Bad are set; otherwise Total
// and exactly one of Good and Bad are set. Excluded may always be set and is only reported.
type Ratio struct {
	Good, Bad, Total, Excluded *Selector
	// Latency marks a classic histogram: Good selects one _bucket by its le, Total the _count. A
	// target that has the _count without that bucket is then a mistake, not a run of failures.
	Latency bool
}

// Histogram counts the observations of a histogram that kept below a limit as good and the others as
// bad. Targets may expose it as a classic histogram (series with _bucket and _count), as a native one,
// or as both, of which the native one is read.
type Histogram struct {
	Query Selector // names the histogram without a suffix
	Below float64  // in the histogram's own unit; between two bounds it is interpolated
}

// RawRatio judges samples of a gauge that is itself a ratio from 0 to 1. By Occurrences every sample is
// one event, partly good and partly bad, so that time is averaged and not traffic, unless Events
// says how many events each sample stands for.
type RawRatio struct {
	Query   Selector
	Success bool      // the ratio is of good events, not of bad ones
	Events  *Selector // nil, or a counter: a sample speaks for its increase since the look before
}

// Presence judges slices: good when a series was there, bad when targets that have shown it before
// answered without it.
type Presence struct {
	Query Selector
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

// Weight makes budgets count money. Without By, what the indicator's counters count are amounts;
// with it, each slice weighs what this counter of amounts grew by in it.
type Weight struct {
	Currency  string  // ISO 4217, such as EUR
	MinorUnit float64 // minor units to one unit of the counters: 1 for cents, 100 for euros
	By        *Selector
}

// GroupBy asks for one budget for each combination of values of some labels, beside that for all.
type GroupBy struct {
	Labels  []string      // sorted
	Max     int           // groups beyond this many are only counted in the whole
	Expires time.Duration // a group that is not seen for so long is forgotten
}

// Composite judges other objectives together, over its own window and target.
type Composite struct {
	Method  CompositeMethod
	Members []Member
}

// CompositeMethod says how the members' error ratios become one.
type CompositeMethod string

// Weighted is the mean by weight; WorstOf the largest; Journey takes the members as steps that one
// event passes in turn, so that what any of them fails is lost to what entered the first.
const (
	Weighted CompositeMethod = "weighted"
	WorstOf  CompositeMethod = "worst"
	Journey  CompositeMethod = "journey"
)

// Member is one part of a composite objective.
type Member struct {
	Objective string // name of another objective, which is no composite
	Weight    float64
	// WhenUnknown says what a member counts as that is unknown for longer than MaxDelay.
	WhenUnknown UnknownPolicy
	MaxDelay    time.Duration
}

// UnknownPolicy is what becomes of a member of which too little is known.
type UnknownPolicy string

// What an unknown member may do to the whole.
const (
	MakeUnknown UnknownPolicy = "unknown" // the composite is unknown too
	Ignore      UnknownPolicy = "ignore"  // it is left out and the others' weights count
	CountGood   UnknownPolicy = "good"
	CountBad    UnknownPolicy = "bad"
)

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
