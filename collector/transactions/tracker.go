package transactions

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/money"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/reason"
)

// Deps are what a tracker is wired to.
type Deps struct {
	Journal *journal.Journal // the tracker is the only one that writes it, and does not close it
	Rules   Rules
	Now     func() time.Time
	Log     *slog.Logger
}

// Tracker follows movements. It is the Sink of all sources.
type Tracker struct {
	journal *journal.Journal
	now     func() time.Time
	log     *slog.Logger
	hash    hasher
	rules   atomic.Pointer[ruleset]
	queue   chan *request
	waiting atomic.Int64 // events in the queue
	held    atomic.Int64 // sources that have not caught up
	wake    chan struct{}
	stopped chan struct{}    // closed when nothing is written any more
	told    [3]atomic.Uint64 // events accepted, told before, rejected
	used    sync.Pool        // of []told, all of it empty

	mu        sync.Mutex // guards what follows, which only the writer changes, and what is on disk of it is what shows
	dict      *dict
	totals    *totals
	book      *book
	cycles    *cycles
	values    valuer
	unmapped  unmapped
	shares    *reason.Shares
	suspects  suspects
	positions map[string]string
	createdMs int64
	hurt      map[journal.Slot]struct{} // records that could not be read

	flying *writer // the group on its way to the disk, nil: none; Run's alone
	spare  *writer // to be used again
}

// request is one batch on its way to the disk.
type request struct {
	events   []told
	source   string
	position string
	receipt  Receipt
	full     bool // some of it begins movements that cannot be kept
	err      error
	done     chan struct{}
}

// moves reports whether the position of the source moves with it.
func (r *request) moves() bool { return r.source != "" && r.position != "" && !r.full }

const (
	maxQueued    = 1024   // batches
	maxWaiting   = 65_536 // events in them
	maxGroup     = 8192   // events of one transaction of the journal, unless one batch has more
	maxFired     = 4096   // deadlines of one
	retryFailed  = time.Second
	secretKey    = "secret"
	createdKey   = "created"
	refsKey      = "refs" // how refs are made: see hasher.oneBlock
	refsOneBlock = "one block"
	positionsKey = "position/"
)

// New makes a tracker over what the journal holds. That takes a look at each record: some seconds for ten million.
func New(d Deps) (*Tracker, error) {
	t := &Tracker{
		journal: d.Journal, now: d.Now, log: d.Log, queue: make(chan *request, maxQueued), wake: make(chan struct{}, 1), stopped: make(chan struct{}), book: newBook(),
		values: valuer{fixed: map[string]*big.Rat{}, dirty: map[string]string{}}, unmapped: unmapped{of: map[reason.Key]*UnmappedCode{}},
		shares: reason.NewShares(), suspects: suspects{at: map[journal.Ref]int64{}}, positions: map[string]string{}, hurt: map[journal.Slot]struct{}{},
	}
	if err := t.restore(); err != nil {
		return nil, err
	}
	if err := t.SetRules(d.Rules); err != nil {
		return nil, err
	}
	err := t.journal.Scan(func(_ journal.Slot, r journal.Record) error {
		m := move{stake: stakeOf(&r)}
		m.add(1, r.Amount)
		t.book.put(&m)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the journal of transactions: %w", err)
	}
	return t, nil
}

func (t *Tracker) restore() (err error) {
	if t.dict, err = newDict(t.journal); err != nil {
		return err
	}
	if t.totals, err = newTotals(t.journal); err != nil {
		return err
	}
	if t.cycles, err = newCycles(t.journal); err != nil {
		return err
	}
	if err := t.journal.ScanMeta(positionsKey, func(key string, value []byte) error {
		t.positions[key[len(positionsKey):]] = string(value)
		return nil
	}); err != nil {
		return err
	}
	if err := t.journal.ScanMeta("rate/", func(key string, value []byte) error {
		r, ok := new(big.Rat).SetString(string(value))
		if !ok {
			return fmt.Errorf("reading %s: got %q, which is no number", key, value)
		}
		t.values.fixed[key] = r
		return nil
	}); err != nil {
		return err
	}
	return t.keepSecret()
}

// keepSecret reads the secret that identifiers are hashed with, or makes it.
func (t *Tracker) keepSecret() error {
	if copy(t.hash.secret[:], t.journal.Meta(secretKey)) == len(t.hash.secret) {
		switch refs := string(t.journal.Meta(refsKey)); refs {
		case refsOneBlock, "":
			t.hash.oneBlock = refs != ""
		default:
			return fmt.Errorf("reading how identifiers are hashed: got %q: state was written by a newer version of assayer", refs)
		}
		_, err := fmt.Sscan(string(t.journal.Meta(createdKey)), &t.createdMs)
		return err
	}
	if _, err := rand.Read(t.hash.secret[:]); err != nil {
		return fmt.Errorf("making the secret for identifiers: %w", err)
	}
	t.hash.oneBlock = true
	t.createdMs = t.now().UnixMilli()
	tx := t.journal.Begin()
	tx.SetMeta(secretKey, t.hash.secret[:])
	tx.SetMeta(refsKey, []byte(refsOneBlock))
	tx.SetMeta(createdKey, fmt.Append(nil, t.createdMs))
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("keeping the secret for identifiers: %w", err)
	}
	return nil
}

// SetRules replaces what the tracker goes by, or on an error leaves everything as it was. Deadlines of open
// movements stay what they were when the movements were received.
func (t *Tracker) SetRules(r Rules) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := &ruleset{Rules: &r, rails: map[string]*railState{}}
	for name, one := range r.Rails {
		rs, err := t.useRail(&r, one)
		if err != nil {
			return err
		}
		next.rails[name] = rs
	}
	t.rules.Store(next)
	t.totals.forget()
	return nil
}

func (t *Tracker) useRail(r *Rules, one *rail.Rail) (*railState, error) {
	rs := &railState{Rail: one, calendar: r.Calendars[one.Calendar], within: r.Config.Reconcile[one.Name], uuidKey: t.hash.uuidKey(one.Name)}
	if second := r.Calendars[one.Deadline.Settles]; second != nil {
		rs.settles = []*calendar.Business{second}
	}
	var err error
	if rs.states, rs.byName, err = t.dict.number(one); err != nil {
		return nil, err
	}
	lowest := slices.MinFunc(one.States, func(a, b rail.State) int { return a.Rank - b.Rank }).Rank
	for _, s := range one.States {
		if s.Rank == lowest {
			rs.first |= 1 << rs.byName[s.Name]
		}
	}
	if digits, known := r.digits(r.Reporting); known && one.Capped != "" {
		capped, err := money.ParseMinor(one.Capped, digits)
		if err != nil {
			return nil, fmt.Errorf("rail %s: capped: %w", one.Name, err)
		}
		rs.capped = whole(capped.Int())
	}
	return rs, nil
}

// railOf is the rail of a record; of one that is no longer configured, what is known of it without.
func (w *writer) railOf(r *journal.Record) *railState {
	name := w.dict.lanes[r.Lane].Rail
	if rs := w.rules.rails[name]; rs != nil {
		return rs
	}
	return &railState{Rail: &rail.Rail{Name: name}}
}

// Position is that of the last batch of the source that was put.
func (t *Tracker) Position(source string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.positions[source]
}

// Put implements Sink.
func (t *Tracker) Put(ctx context.Context, b Batch) (Receipt, error) {
	n := int64(len(b.Events))
	if t.waiting.Add(n) > max(maxWaiting, n) {
		t.waiting.Add(-n)
		return Receipt{}, ErrBusy
	}
	defer t.waiting.Add(-n)
	r := &request{source: b.Source, position: b.Position, done: make(chan struct{})}
	if r.events, _ = t.used.Get().([]told); cap(r.events) < len(b.Events) {
		r.events = make([]told, 0, n)
	}
	in := t.newReader()
	for i := range b.Events {
		last := len(r.events)
		r.events = r.events[:last+1] // there is room for all, and it is empty
		e := &r.events[last]
		if err := in.read(&b.Events[i], e); err != nil {
			r.receipt.Rejected = append(r.receipt.Rejected, Rejection{i, err})
			*e, r.events = told{}, r.events[:last]
			continue
		}
		e.index = i
	}
	select {
	case t.queue <- r:
	default:
		return Receipt{}, ErrBusy
	}
	if b.Read != nil {
		b.Read()
	}
	select {
	case <-r.done:
	case <-t.stopped:
		return Receipt{}, ErrStopping
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("waiting for transactions to be written: %w", context.Cause(ctx))
	}
	if clear(r.events); cap(r.events) <= maxGroup {
		t.used.Put(r.events[:0]) //nolint:staticcheck // a slice's header is little beside what is in it
	}
	if r.err == nil {
		t.told[0].Add(uint64(r.receipt.Accepted))
		t.told[1].Add(uint64(r.receipt.Duplicates))
		t.told[2].Add(uint64(len(r.receipt.Rejected)))
	}
	return r.receipt, r.err
}

// Damaged is how many movements could not be read since the start, and are not followed any more.
func (t *Tracker) Damaged() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.hurt)
}

// Stopped is closed once nothing is taken in any more.
func (t *Tracker) Stopped() <-chan struct{} { return t.stopped }

// Hold keeps deadlines from firing until release is called, or until the agent gives up waiting: a source has
// yet to hand over what happened while the agent was down.
func (t *Tracker) Hold() (release func()) {
	t.held.Add(1)
	var once sync.Once
	return func() {
		once.Do(func() {
			t.held.Add(-1)
			t.poke()
		})
	}
}

func (t *Tracker) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Run takes in what is put and fires deadlines, until ctx ends. It returns an error when the journal can no
// longer be written. There must be only one Run.
func (t *Tracker) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	giveUp := t.now().Add(t.rules.Load().Config.CatchUpTimeout)
	for {
		var first *request
		select {
		case <-ctx.Done():
			t.land()
			close(t.stopped)
			return nil
		case <-t.flying.landed():
			t.land()
			continue
		case first = <-t.queue:
		case <-timer.C:
		case <-t.wake:
		}
		failed := t.write(first, t.held.Load() == 0 || !t.now().Before(giveUp))
		wait := retryFailed
		if failed == nil {
			wait = t.untilNext(giveUp)
		} else {
			t.log.Error("transactions are not written", "err", failed)
		}
		timer.Reset(wait)
	}
}

// untilNext is how long nothing has to fire.
func (t *Tracker) untilNext(giveUp time.Time) time.Duration {
	const rest = time.Minute
	now := t.now()
	at, any := t.journal.NextTimer()
	if !any {
		return rest
	}
	wait := time.UnixMilli(at).Sub(now)
	if t.held.Load() > 0 {
		wait = max(wait, giveUp.Sub(now))
	}
	return min(rest, max(0, wait))
}
