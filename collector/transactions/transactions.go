// Package transactions follows each movement of money from receipt to settlement, over minutes or days and
// through restarts, and turns what became of it into counters that objectives read like any other series:
//
//	assayer_transactions_total{rail="sct-inst",direction="out",class="good",outcome="good",end_to_end="good"} 998
//	assayer_transactions_total{rail="sct-inst",direction="out",class="late",outcome="bad",end_to_end="bad"} 2
//	assayer_transactions_overdue{rail="sct-inst"} 1
//
// One folder below this one is one way in (collector/transactions/kafka, …) or one format, but for
// journal, which keeps the movements on disk. What identifies a payment or a person is hashed with a key of
// this agent's when it comes in: it is never a label, never logged and never stored as it was.
package transactions

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/assayer-io/assayer/slo/reason"
)

// Event is one thing that was told about one movement of money.
type Event struct {
	// What identifies the movement, at least one of them; looked up in this order.
	UETR       string // UUID of the whole chain of payments, any case: a movement is one on one rail in one direction
	ID         string // the teller's own; one that is a UUID counts as UETR
	EndToEndID string // unique only within a rail and a day; NOTPROVIDED counts as none
	Reference  string // the scheme's or clearing system's

	Rail         string
	State        string // one of the rail's
	At           time.Time
	Amount       string // decimal, in units of Currency; empty: not told
	Currency     string // ISO 4217, or an asset of the configuration
	Reason       reason.Key
	Direction    string // in, out; empty: not told
	Role         string // ours, see reason.Context; empty: the rail's
	Counterparty string // BIC, bank code or venue: an institution, never a person
	// Parties tells payer and payee apart from others, in any form: it is hashed at once, and two movements of
	// the same amount between the same parties are suspected of being one paid twice. Empty: not told.
	Parties  string
	Deadline time.Time // overrides the rail's, of several the latest; zero: the rail's
	// Original identifies, in the same way, the movement that this one returns or recalls.
	Original *Event
	// External is set when the other side of a reconciliation tells it: a statement, a clearing report. It is
	// held against what we knew and opens nothing.
	External bool
}

// Batch is what a source hands over at once: all of it is taken or none.
type Batch struct {
	Events []Event
	// Source and Position say up to where the source has been read; kept with the events, and given back by
	// Sink.Position after a restart. Source is the source's configured name; empty: no position.
	Source   string
	Position string
	// Read, unless it is nil, is called once the batch is taken and Events are not needed any more, which is before they
	// are on disk. It is not called with every error.
	Read func()
}

// Receipt says what became of a batch.
type Receipt struct {
	Accepted   int // changed something
	Duplicates int // told before; changed nothing
	// Rejected are events that cannot be used, by their index in the batch. The others are taken all the same.
	Rejected []Rejection
}

// Rejection is one event that cannot be used, and why. The reason names no identifier.
type Rejection struct {
	Index int
	Err   error
}

// Errors of a sink.
var (
	// ErrBusy: too much is waiting; try again later.
	ErrBusy = errors.New("transactions: too many events are waiting")
	// ErrStopping: the agent is stopping. What it was told may or may not be on disk; tell it again.
	ErrStopping = errors.New("transactions: the agent is stopping")
	// ErrFull: no more movements can be kept. What the batch told of others was taken, and its position was not:
	// hand all of it over again later.
	ErrFull = errors.New("transactions: the journal holds as many open movements as it may")
)

// Sink takes events in.
type Sink interface {
	// Put returns without an error once everything accepted is on disk. Handing the same events over again is
	// harmless. It does not keep b.Events. It waits for its turn unless the queue is full: then ErrBusy, with nothing taken.
	Put(ctx context.Context, b Batch) (Receipt, error)
	// Position is that of the last batch of the source that was put; empty: none.
	Position(source string) string
}

// Source brings events from one place.
type Source interface {
	// Run hands events to sink, in the order of their place, until ctx ends or it cannot go on. It retries
	// what can be retried, with bounded waits, and moves its position only with what was put. It calls
	// caughtUp once, when what was there at its start has been put: deadlines do not fire before.
	Run(ctx context.Context, sink Sink, caughtUp func()) error
}

// Decoder reads events of one format. It calls emit for each, in order, stops at emit's first error and gives
// it back. A mistake in the input is an error that names the place; what came before it was emitted. Memory
// is bounded whatever the input.
type Decoder func(r io.Reader, emit func(Event) error) error
