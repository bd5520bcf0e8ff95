package spec

import (
	"time"

	"github.com/assayer-io/assayer/internal/strictyaml"
)

// BudgetPolicy says what follows from how much of a budget is left or how fast it burns.
type BudgetPolicy struct {
	Name        string
	Description string
	Labels      map[string]string
	Objectives  []string // names, with * for any letters; at least one
	Rules       []PolicyRule

	File string // where it was written, for messages
	Line int
}

// PolicyRule is one consequence with its condition. Exactly one of RemainingBelow, BurnAbove, Firing and
// Exhausted is set.
type PolicyRule struct {
	Name string // unique in its policy; a DNS label

	RemainingBelow *float64 // share of the budget left, at most 1; may be negative
	BurnAbove      float64  // burn rate over Over; 0: not a condition
	Over           time.Duration
	Firing         string // a tier such as page-1h, a severity such as page, or any
	Exhausted      bool

	// Hysteresis: the rule holds until its figure is past Until (the budget left, or the burn rate; the
	// condition's own limit if nil) for the time ClearFor, and begins once it is met for the time For.
	Until         *float64
	For, ClearFor time.Duration

	Then    Consequence
	Hook    string // which hook to call, for Then == CallHook
	Message string // for people

	At strictyaml.Node // where it is written, for messages
}

// Consequence is what follows when a rule holds.
type Consequence string

// The consequences a rule may have.
const (
	Freeze         Consequence = "freeze"   // no changes but fixes, security and rollbacks
	DemandApproval Consequence = "approval" // changes and actions need a person's yes
	NotifyPage     Consequence = "page"
	NotifyTicket   Consequence = "ticket"
	CallHook       Consequence = "hook"
)
