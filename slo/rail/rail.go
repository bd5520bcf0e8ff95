// Package rail describes the systems that move money: the states a movement goes through, when it has to have
// arrived, and what is usually promised about it. It is data with dates and sources, read from YAML, and
// functions of their arguments.
//
//	sct-inst, received 2026-11-21T10:00:00Z            → due 2026-11-21T10:00:10Z
//	sct, received 2026-12-24T15:30:00Z (after cut-off) → day 2026-12-28, due 2026-12-29T17:00:00Z
//	ach, received 2026-11-20T14:00:00Z                 → day 2026-11-20, due 2026-11-20T18:00:00Z, cycle same-day-1
//
// The rails that are built in are the files of the folder presets. A user's own have the same form.
package rail

import (
	"time"

	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/reason"
)

// Rail is one way of moving money.
type Rail struct {
	Name      string // sct-inst
	Title     string // SEPA Instant Credit Transfer
	Calendar  string // of its business days: target, fed, uk, nyse, 24x7, or a user's own
	States    []State
	Deadline  Deadline
	InDoubt   time.Duration // how long a movement may be in doubt before that is bad; 0: until its deadline
	Role      string        // ours unless a source says otherwise, see reason.Context
	RoleIn    string        // ours in movements that come in; empty: Role
	Scheme    string        // of reason codes whose event names none: iso20022
	List      string        // likewise: status
	Buckets   []float64     // bounds of the settlement time's histogram, seconds, ascending
	Capped    string        // amount above which the capped value of one movement does not grow, major units of the reporting currency; empty: none
	Limits    []Limit
	Proposals []Proposal
	Signals   []Signal
	Dashboard Dashboard
	ValidFrom calendar.Date // as of which its limits are known to hold
	File      string
	Line      int
}

// State is one state of a rail's movements.
type State struct {
	Name string
	// Rank orders states: a movement only goes up. Terminal states have the highest.
	Rank int
	Kind Kind
	// Class is that of a failure told without a reason; empty: technical_unknown.
	Class reason.Class
}

// Kind is what a state says about the outcome.
type Kind string

// The kinds of states.
const (
	Open      Kind = "open"
	InDoubt   Kind = "in_doubt"  // open, and nobody knows
	Success   Kind = "success"   // terminal
	Failure   Kind = "failure"   // terminal; whose it is the reason says
	Cancelled Kind = "cancelled" // terminal, on the customer's wish: excluded
	Return    Kind = "return"    // a new movement that brings a settled one back; it changes nothing of the old one
)

// The states every rail knows.
const (
	StateReceived  = "received"
	StateAccepted  = "accepted"
	StateSent      = "sent"
	StateSettled   = "settled"
	StateRejected  = "rejected"
	StateReturned  = "returned"
	StateCancelled = "cancelled"
	StateInDoubt   = "in_doubt"
)

// Deadline says when a movement has to have settled. Exactly one of Within, EndOfDay, Windows and Confirmations is set.
type Deadline struct {
	Within        time.Duration // after receipt
	EndOfDay      *EndOfDay
	Windows       []Window       // of a day, ascending by CutOff: who makes one is due at its At
	Confirmations *Confirmations // of a chain
	// CutOff names the cut-off after which a receipt counts as the next business day's, with EndOfDay: the
	// calendar's of that name, else CutOffAt. Empty: the day's end in the calendar's zone.
	CutOff   string
	CutOffAt int // wall-clock minutes after midnight; 0: only the calendar knows it
	// Settles names a second calendar: the day on which a movement settles has to be a business day of both.
	// Used with EndOfDay and Windows; empty: none.
	Settles string
}

// EndOfDay is due at a wall-clock time of the business day that is Days after that of the receipt.
type EndOfDay struct {
	Days   int
	Minute int // wall-clock minutes after midnight in the calendar's zone; 1440 is the day's end
}

// Window is one clearing window of each business day: wall-clock minutes after midnight in the calendar's zone.
type Window struct {
	Name   string
	CutOff int // receipts up to this minute make it; may pass 1440
	At     int // settled by; may pass 1440
	Days   int // At is of the business day that is so many after; 0: the same
}

// Confirmations is due after so many blocks, each of which may take BlockTime, and Grace on top.
type Confirmations struct {
	Blocks    int
	BlockTime time.Duration
	Grace     time.Duration
}

// Due is when one movement has to have settled.
type Due struct {
	At    time.Time
	Day   calendar.Date // business day of the window or cut-off, else the calendar's day at receipt: FedNow's begins at 19:00 the evening before
	Cycle string        // name of the window or cut-off it has to make; may be empty
}

// Limit is a figure of somebody else's, with where and when it was written.
type Limit struct {
	Name   string // settlement, enquiry, downtime
	Value  string // 10s, 99.5%, 17:00 Europe/Berlin
	Text   string
	Source string
	AsOf   calendar.Date
	Until  calendar.Date // zero: no end known
}

// Proposal is an objective that a golden-signals document of this rail has unless it writes the signal itself.
type Proposal struct {
	Name      string  // errors, value, capped-value, latency, traffic, saturation
	Signal    string  // errors, latency, traffic, saturation; errors of value and capped-value too
	Objective float64 // ratio
	Window    string  // 30d; a rolling window
	Below     float64 // of latency: seconds, one of Buckets; of saturation: what the gauge has to stay below
	Gauge     string  // of saturation: drain_ratio, in_doubt, open or overdue
	AtLeast   float64 // of traffic: the share of what is expected, a ratio
	Weight    string  // empty: count; value, capped
	Text      string
}

// Signal says in words what to watch of one golden signal, beside what the agent measures itself.
type Signal struct {
	Name string // latency, traffic, errors, saturation
	Text string
}

// Dashboard says how to show a rail.
type Dashboard struct {
	Order    int    // rails of a lower one come first
	TimeUnit string // of settlement times: ms, s, m, h or d
	RateUnit string // of traffic, per: s, m, h or d
}
