package transactions

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/money"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/reason"
)

// Rules are what the tracker goes by. They are replaced as a whole by a reload and never changed.
type Rules struct {
	Rails     map[string]*rail.Rail
	Calendars map[string]*calendar.Business // by name; of every rail that names one
	Reasons   *reason.Table
	Rates     *Rates
	Reporting string         // currency; empty: amounts keep their own
	Assets    map[string]int // digits after the point, beside ISO 4217's
	Config    Config
}

// maxStates is how many states of one rail can be told apart in a record.
const maxStates = 32

// digits gives those of a currency or asset.
func (r *Rules) digits(currency string) (int, bool) {
	if d, ok := r.Assets[currency]; ok {
		return d, true
	}
	return money.MinorDigits(currency)
}

// unusable is a mistake in an event that shows only when it is held against what is known.
type unusable struct{ text string }

func (u *unusable) Error() string { return u.text }

// Mistakes in events. They name no identifier.
var (
	errNoIdentity  = errors.New("has none of id, uetr, end_to_end_id and reference")
	errNoTime      = errors.New("at: is missing")
	errFuture      = errors.New("at: is more than 5 minutes ahead of this agent's clock")
	errLongAgo     = errors.New("at: is more than 400 days ago")
	errStale       = error(&unusable{"at: is longer ago than closed_retention, and nothing is known of the movement: it could have been counted already"})
	errDamaged     = error(&unusable{"what is known of the movement is damaged on this agent's disk; restore a backup and tell it again"})
	errNoCurrency  = errors.New("amount.currency: is missing")
	errUnknownRail = errors.New("rail: is not known")
	errManyLanes   = error(&unusable{"currency: more combinations of rail, direction and currency than can be kept"})
)

// maxAhead is how far an event's time may lie ahead: clocks differ, and one that is a day off must not
// keep a deadline from passing.
const maxAhead = 5 * time.Minute

// told is an event after all that can be done to it without looking at what is known already.
type told struct {
	identity

	index      int // in its batch
	rail       *railState
	state      uint8 // in rail.states
	atMs       int64
	amount     money.Minor
	currency   string // empty: no amount
	key        reason.Key
	direction  string
	role       string
	peer       string
	deadlineMs int64
	parent     journal.Ref
	original   *identity // what parent is of; nil: none
	parties    journal.Ref
	external   bool
	again      *retold // of a record that becomes part of another; nil: an event
}

// reader checks events and hashes what identifies them. It keeps what was looked up for the event before: those that come
// together are mostly of one rail, one currency, one counterparty.
type reader struct {
	rules            *ruleset
	hash             *hasher
	earliest, latest time.Time // bounds of their times

	railName, stateName string
	rail                *railState
	state               uint8
	currency            string
	digits              int
	counterparty, peer  string
}

func (t *Tracker) newReader() reader {
	now := t.now()
	return reader{rules: t.rules.Load(), hash: &t.hash, earliest: now.Add(-abandonAfter), latest: now.Add(maxAhead)}
}

// read reads e into out, which is empty. After an error what is in out means nothing.
func (r *reader) read(e *Event, out *told) error {
	if err := r.readState(e); err != nil {
		return err
	}
	if r.counterparty != e.Counterparty {
		r.counterparty, r.peer = e.Counterparty, institution(e.Counterparty)
	}
	out.rail, out.state, out.direction, out.role, out.peer, out.external = r.rail, r.state, e.Direction, e.Role, r.peer, e.External
	switch {
	case e.At.IsZero():
		return errNoTime
	case e.At.After(r.latest):
		return errFuture
	case e.At.Before(r.earliest):
		return errLongAgo
	}
	out.atMs = e.At.UnixMilli()
	if e.Direction != "" && e.Direction != "in" && e.Direction != "out" {
		return fmt.Errorf("direction: got %q, allowed: in, out", clip(e.Direction))
	}
	if r.hash.identify(e, r.rail, &out.identity); out.n == 0 {
		return errNoIdentity
	}
	if err := r.readAmount(e, out); err != nil {
		return err
	}
	if !e.Deadline.IsZero() {
		out.deadlineMs = e.Deadline.UnixMilli()
	}
	if e.Original != nil {
		original, id := *e.Original, identity{}
		original.Rail, original.At = e.Rail, e.At
		if r.hash.identify(&original, r.rail, &id); id.n > 0 {
			out.parent, out.original = id.refs[0], &id
		}
	}
	if e.Parties != "" {
		out.parties = r.hash.ref(kindParties, e.Rail, e.Parties+"\x00"+e.Amount+"\x00"+e.Currency+"\x00"+e.Direction)
	}
	out.key = out.rail.reasonKey(e.Reason, out.rail.kind(out.state))
	return nil
}

// readState finds the rail and the state of e.
func (r *reader) readState(e *Event) error {
	if r.rail != nil && r.railName == e.Rail && r.stateName == e.State {
		return nil
	}
	rail, known := r.rules.rails[e.Rail]
	if !known {
		return fmt.Errorf("%w, got %q, allowed: %s", errUnknownRail, clip(e.Rail), strings.Join(slices.Sorted(maps.Keys(r.rules.rails)), ", "))
	}
	state, known := rail.byName[e.State]
	if !known {
		return fmt.Errorf("state: is none of rail %s, got %q, allowed: %s", e.Rail, clip(e.State), strings.Join(rail.names(), ", "))
	}
	r.railName, r.stateName, r.rail, r.state = e.Rail, e.State, rail, state
	return nil
}

func (r *reader) readAmount(e *Event, out *told) error {
	if e.Amount == "" {
		return nil
	}
	if e.Currency == "" {
		return errNoCurrency
	}
	if r.currency != e.Currency {
		digits, known := r.rules.digits(e.Currency)
		if !known {
			return fmt.Errorf("amount.currency: is neither of ISO 4217 nor among collectors.transactions.assets, got %q", clip(e.Currency))
		}
		r.currency, r.digits = e.Currency, digits
	}
	var err error
	if out.amount, err = money.ParseMinor(e.Amount, r.digits); err != nil {
		return fmt.Errorf("amount.value: %w", err)
	}
	out.currency = e.Currency
	return nil
}

// clip is what a message shows of what was told: nothing that could identify a payment or a person, in case a
// teller has put that in the wrong place.
func clip(s string) string {
	digits := 0
	for _, c := range s {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case c <= ' ' || c > '~':
			return "(not shown)"
		}
	}
	if len(s) > 32 || digits > 5 {
		return "(not shown)"
	}
	return s
}

// institution is a counterparty's name as it is kept: letters, digits and -_.:/ only, and neither like an account
// number of an IBAN's form nor a long number. Another counts as not told.
func institution(s string) string {
	digits := 0
	for _, c := range []byte(s) {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.IndexByte("-_.:/", c) >= 0:
		default:
			return ""
		}
	}
	if len(s) > 64 || digits > 11 {
		return ""
	}
	return s
}

// ruleset is Rules with what the tracker looks up for each event.
type ruleset struct {
	*Rules
	rails map[string]*railState
}

// railState is one rail in use.
type railState struct {
	*rail.Rail
	calendar *calendar.Business
	settles  []*calendar.Business // the deadline's second one, or none
	states   []rail.State         // by the number that records keep
	byName   map[string]uint8
	first    uint32 // bits of the states that a movement begins with: those of the lowest rank
	capped   int64  // minor units of the reporting currency; 0: no cap
	within   time.Duration
	uuidKey  [32]byte // see hasher
}

func (r *railState) names() []string { return slices.Sorted(maps.Keys(r.byName)) }

// reasonKey fills in what the rail says of codes whose event names only the code.
func (r *railState) reasonKey(k reason.Key, kind rail.Kind) reason.Key {
	if k.Code == "" {
		return reason.Key{}
	}
	if k.Scheme == "" {
		k.Scheme = r.Scheme
		if k.List == "" {
			k.List = r.List
			if kind == rail.Return {
				k.List = "return"
			}
		}
	}
	return k
}

// kind is that of a state by its number; of one that the rail no longer has, open.
func (r *railState) kind(state uint8) rail.Kind {
	if int(state) >= len(r.states) || r.states[state].Kind == "" {
		return rail.Open
	}
	return r.states[state].Kind
}

func (r *railState) rank(state uint8) int {
	if int(state) >= len(r.states) {
		return 0
	}
	return r.states[state].Rank
}
