package traces

import (
	"time"
)

// Month is the budget window of every trace's objective.
const Month = 30 * 24 * time.Hour

// Trace is one service, or several alike, over some days. Times count from Begin.
type Trace struct {
	Family, Case string
	Seed         uint64
	Interval     time.Duration // between looks at one target, unless the reader wants another
	Length       time.Duration
	Objective    float64 // ratio of good events promised over a month

	Services int       // each with its own objective and targets
	Targets  int       // of each service; traffic is divided evenly
	Traffic  Curve     // events a second of one service
	Errors   Curve     // share of the events that count which are bad
	Declines Curve     // share of all events that are excluded
	Skew     []float64 // by target: how many times the service's errors it has; nil: as many

	Latency bool      // events are bad because they are slow: exposed as a classic histogram
	Floor   bool      // there is a traffic floor as well
	Resets  []Restart // in order of time
	Faults  []Fault
	Truth   Truth
}

// Begin is the moment at which traces begin, a Monday.
func Begin() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }

// Restart sets the counters of one target of every service to zero.
type Restart struct {
	At     time.Duration
	Target int
}

// Fault is something wrong with the looks at some targets, not with the service.
type Fault struct {
	Kind     FaultKind
	From, To time.Duration
	Share    float64 // of the looks at a target that it befalls, from 0 to 1
	Targets  []int   // empty: all
}

// FaultKind says what befalls a look.
type FaultKind string

// What may befall a look.
const (
	Missing   FaultKind = "missing"   // it fails
	Late      FaultKind = "late"      // it comes up to four fifths of an interval late
	Duplicate FaultKind = "duplicate" // it is handed over twice
	NaN       FaultKind = "NaN"       // its values are not numbers
	Gone      FaultKind = "gone"      // the target has left discovery
)

// Want is what people should hear of an incident.
type Want string

// What people should hear.
const (
	Nothing Want = "nothing"
	Ticket  Want = "ticket"
	Page    Want = "page"
)

// Truth is what really happens.
type Truth struct {
	Onset, End time.Duration // equal: nothing does
	Burned     float64       // share of the month's budget that the incident is expected to burn
	BurnRate   float64       // mean, from onset to end
	Monthly    float64       // events that count of one service in a month
	Want       Want
}

// Worth is the share of the month's budget from which on an incident is worth being woken for: half
// of the 2 % that the SRE workbook, chapter 5, pages at.
const Worth = 0.01

// An incident that burns pageShare of the budget at pageBurn or faster needs a page; a slower one that
// burns ticketShare needs a ticket. The numbers are the workbook's own; they say nothing of windows.
const (
	pageShare, pageBurn = 0.02, 6
	ticketShare         = 0.05
)

// judge derives the truth about an incident from onset to end out of the curves.
func (t *Trace) judge(onset, end time.Duration) {
	whole := newFlow(t, 1)
	w := whole.take(0, ms(t.Length))
	t.Truth = Truth{Onset: onset, End: end, Monthly: (w.good + w.bad) * float64(Month) / float64(t.Length), Want: Nothing}
	if onset == end {
		return
	}
	incident := newFlow(t, 1)
	in := incident.take(ms(onset), ms(end))
	if in.good+in.bad == 0 {
		return
	}
	t.Truth.Burned = in.bad / t.Budget()
	t.Truth.BurnRate = in.bad / (in.good + in.bad) / (1 - t.Objective)
	switch {
	case t.Truth.Burned >= pageShare && t.Truth.BurnRate >= pageBurn:
		t.Truth.Want = Page
	case t.Truth.Burned >= ticketShare:
		t.Truth.Want = Ticket
	}
}

// Budget is how many bad events of one service a month allows.
func (t *Trace) Budget() float64 { return t.Truth.Monthly * (1 - t.Objective) }
