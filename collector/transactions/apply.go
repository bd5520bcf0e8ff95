package transactions

import (
	"math"
	"strconv"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/reason"
)

// Flags of records. Their values are on disk.
const (
	flagClosed   uint16 = 1 << iota // a terminal state was told, and the outcome is counted
	flagOverdue                     // its deadline has fired: it was counted as bad
	flagInDoubt                     // nobody knows what became of it
	flagOutside                     // only the other side has told of it
	flagMatched                     // the other side has told of it too
	flagAwaiting                    // settled, and the other side has not told of it yet
	flagBreak                       // counted as a break
	flagEarly                       // how it ended was told before that it began
	flagOwnBad                      // of how it ended: burns the own budget
	flagEndBad                      // likewise: burns the end-to-end budget
	flagDated                       // something before its end was told, and ReceivedMs is when
	flagDeadline                    // its deadline was told, and is not the rail's
	flagTheirs                      // its amount is the other side's
	flagItem                        // counted as an item of reconciliation
	flagParties                     // was held against others, to find what is paid twice
	flagClaim                       // no movement, but the other side's word that the one of Parent has settled
)

// classes are the numbers of classes in records: their order is on disk.
func classes() [18]reason.Class {
	return [...]reason.Class{"", reason.Good, reason.TechnicalOwn, reason.TechnicalPeer, reason.TechnicalScheme, reason.TechnicalUnknown, reason.Format, reason.Duplicate,
		reason.Routing, reason.CutOff, reason.Liquidity, reason.Business, reason.Fraud, reason.Compliance, reason.Ambiguous, reason.InDoubt, reason.Info, Late}
}

// abandonAfter is when what never settled is given up: longer than any budget looks back.
const abandonAfter = 400 * 24 * time.Hour

const dayMs = 86_400_000

// earlyWait is at least how long the beginning of a movement is waited for whose end was told first.
const earlyWait = 2 * time.Second

// apply takes one event in, and reports whether it said anything new.
func (w *writer) apply(e *told) (bool, error) {
	slot, r, found, err := w.seek(e)
	if w.damaged(err) {
		return false, errDamaged
	}
	if err != nil {
		return false, err
	}
	if err := w.findOriginal(e); err != nil {
		return false, err
	}
	if !found {
		return true, w.begin(e)
	}
	slot, r, joined, err := w.join(e, slot, r)
	if err != nil {
		return false, err
	}
	before := r
	changed, err := w.advance(e, &r)
	if !changed || err != nil {
		return changed || joined, err
	}
	return true, w.update(slot, &before, &r)
}

func (w *writer) insert(r *journal.Record) error {
	if _, err := w.tx.Insert(*r); err != nil {
		return err
	}
	w.inserted++
	w.move(stakeOf(r), 1, r.Amount)
	return nil
}

func (w *writer) update(s journal.Slot, before, after *journal.Record) error {
	if err := w.tx.Update(s, *after); err != nil {
		return err
	}
	if was, is := stakeOf(before), stakeOf(after); was != is || before.Amount != after.Amount {
		w.move(was, -1, before.Amount)
		w.move(is, 1, after.Amount)
	}
	if after.Flags&flagMatched != 0 && after.Flags&^before.Flags&flagClosed != 0 {
		if _, err := w.unclaim(after); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) remove(s journal.Slot, r *journal.Record) error {
	w.move(stakeOf(r), -1, r.Amount)
	return w.tx.Delete(s)
}

// full reports whether no more records can be kept. It is asked before anything is counted.
func (w *writer) full() bool { return w.journal.Len()+w.inserted >= w.rules.Config.MaxRecords }

// begin makes a record of a movement that nothing was known of.
func (w *writer) begin(e *told) error {
	if w.full() {
		return journal.ErrFull
	}
	if w.nowMs-e.atMs >= w.rules.Config.ClosedRetention.Milliseconds() {
		return errStale
	}
	if e.external && e.rail.within == 0 {
		return notReconciled(e.rail)
	}
	r := journal.Record{Refs: e.refs, Parent: e.parent, State: e.state, Peer: w.dict.peer(e.peer), ReceivedMs: e.atMs, ChangedMs: e.atMs}
	if err := w.tell(e, &r, false); err != nil {
		return err
	}
	if e.external {
		w.outside(e, &r)
		r.Flags |= flagOutside
		r.TimerMs = w.nowMs + e.rail.within.Milliseconds()
		return w.insert(&r)
	}
	if err := w.start(e, &r); err != nil {
		return err
	}
	return w.insert(&r)
}

// start takes in the first that our own side tells of a movement.
func (w *writer) start(e *told, r *journal.Record) error {
	r.State, r.ReceivedMs, r.ChangedMs = e.state, e.atMs, e.atMs
	r.Seen |= 1 << e.state
	w.setDeadline(e, r)
	switch kind := e.rail.kind(e.state); {
	case kind == rail.Return:
		if err := w.countReturn(e, r); err != nil {
			return err
		}
		w.close(r)
	case terminal(kind):
		w.judge(e, r)
		w.wait(r)
	default:
		r.Flags |= flagDated
		w.date(e.rail, r)
		w.doubt(e.rail, r)
		w.arm(e.rail, r)
	}
	return nil
}

// tell adds what an event says of amount and direction to what is known.
func (w *writer) tell(e *told, r *journal.Record, known bool) error {
	l := lane{Rail: e.rail.Name}
	if known {
		l = w.dict.lanes[r.Lane]
	}
	if l.Direction == "" {
		l.Direction = e.direction
	}
	if e.currency != "" {
		w.tellAmount(e, r, &l)
	}
	if e.parties != (journal.Ref{}) && r.Flags&flagParties == 0 && !e.external {
		r.Flags |= flagParties
		w.suspect(e)
	}
	number, err := w.dict.lane(l)
	r.Lane = number
	return err
}

// tellAmount notes an amount. Our own comes before the other side's, which it is held against.
func (w *writer) tellAmount(e *told, r *journal.Record, l *lane) {
	theirs := r.Flags&flagTheirs != 0 && !e.external
	if !theirs && !r.Amount.IsZero() {
		return
	}
	if theirs && (r.Amount != e.amount || l.Currency != e.currency) {
		w.item(e.rail, r, Bad)
		r.Flags |= flagBreak
	}
	r.Flags &^= flagTheirs
	if e.external {
		r.Flags |= flagTheirs
	}
	l.Currency, r.Amount = e.currency, e.amount
	w.value(r, e.currency)
}

// value notes what the amount is worth on the day of the receipt.
func (w *writer) value(r *journal.Record, currency string) {
	if !r.Amount.IsZero() {
		r.Value = w.values.value(w.rules.Rules, r.Amount, currency, floorDiv(r.ReceivedMs, dayMs))
	}
}

// setDeadline notes a deadline that is told. Of several the latest holds, in whichever order they come.
func (w *writer) setDeadline(e *told, r *journal.Record) {
	if e.deadlineMs > 0 && (r.Flags&flagDeadline == 0 || e.deadlineMs > r.DeadlineMs) {
		r.DeadlineMs = e.deadlineMs
		r.Flags |= flagDeadline
	}
}

// dated is what date said last: movements that come together are mostly of one rail and one second.
type dated struct {
	rail       *railState
	receivedMs int64
	dueMs      int64
	day        int32
	err        error // the rail has no deadlines
}

// date decides, by when a movement was received, which day it belongs to and when it is due.
func (w *writer) date(rs *railState, r *journal.Record) {
	d := &w.dated
	// Business days begin and end at whole seconds, and what is due so long after its receipt moves with that.
	alike := d.receivedMs == r.ReceivedMs || rs.Wait() > 0 && floorDiv(d.receivedMs, 1000) == floorDiv(r.ReceivedMs, 1000)
	if d.rail != rs || !alike {
		due, err := rs.Due(time.UnixMilli(r.ReceivedMs), rs.calendar, rs.settles...)
		*d = dated{rs, r.ReceivedMs, due.At.UnixMilli(), int32(dayNumber(due.Day)), err}
	}
	if d.err != nil {
		return
	}
	if r.Day = d.day; r.Flags&flagDeadline == 0 {
		r.DeadlineMs = d.dueMs + r.ReceivedMs - d.receivedMs
	}
}

// arm sets when a movement counts as bad: not before whoever tells of its settlement has had the time to.
func (w *writer) arm(rs *railState, r *journal.Record) {
	limit := rs.limit(r)
	if limit == 0 {
		r.TimerMs = w.nowMs + abandonAfter.Milliseconds()
		return
	}
	r.TimerMs = max(limit, w.nowMs) + w.rules.Config.ConfirmationDelay.Milliseconds()
}

// limit is until when a movement has to end, or somebody to know what became of it; 0: there is no such time.
func (r *railState) limit(m *journal.Record) int64 {
	if m.Flags&flagInDoubt != 0 && r.InDoubt > 0 {
		if limit := m.ChangedMs + r.InDoubt.Milliseconds(); m.DeadlineMs == 0 || limit < m.DeadlineMs {
			return limit
		}
	}
	return m.DeadlineMs
}

// doubt notes whether anybody knows what became of a movement.
func (w *writer) doubt(rs *railState, r *journal.Record) {
	r.Flags &^= flagInDoubt
	if rs.kind(r.State) == rail.InDoubt {
		r.Flags |= flagInDoubt
	}
}

// wait keeps a movement whose end was told first until its beginning is, for a while.
func (w *writer) wait(r *journal.Record) {
	r.Flags |= flagEarly
	r.TimerMs = w.nowMs + max(w.rules.Config.ConfirmationDelay, earlyWait).Milliseconds()
}

// advance takes an event of a known movement in, and reports whether it said anything new.
func (w *writer) advance(e *told, r *journal.Record) (bool, error) {
	bit := uint32(1) << e.state
	kind := e.rail.kind(e.state)
	switch {
	case e.external:
		if r.Flags&(flagMatched|flagOutside) != 0 {
			return false, nil
		}
		return true, w.matched(e, r)
	case r.Flags&flagOutside == 0 && r.Seen&bit != 0:
		return false, nil
	}
	outside := r.Flags&flagOutside != 0
	if outside && w.full() {
		return false, journal.ErrFull
	}
	begun, same, claimMs := r.Seen&e.rail.first != 0, w.sameAmount(e, r), w.nowMs
	if outside && r.Flags&flagBreak == 0 {
		claimMs = r.TimerMs // so long after the other side told of it
	}
	if err := w.tell(e, r, true); err != nil {
		return false, err
	}
	if outside && same { // if it was late, it is there now
		r.Flags &^= flagBreak
	}
	unknown := outside || kind != rail.Return && w.onlyReturned(e.rail, r)
	r.Seen |= bit
	if err := w.moveOn(e, r, begun, unknown); err != nil {
		return false, err
	}
	if r.Flags&(flagClosed|flagAwaiting) == flagClosed {
		w.keepClosed(r)
	}
	if outside {
		if err := w.claim(e.rail, r, claimMs); err != nil {
			return false, err
		}
	}
	return true, w.know(e, r)
}

// onlyReturned reports whether nothing was told of a movement yet but that it was sent back. What sends another one
// back is that and nothing else.
func (w *writer) onlyReturned(rs *railState, r *journal.Record) bool {
	return r.Flags&flagClosed != 0 && rs.kind(r.State) == rail.Return && r.Parent == (journal.Ref{})
}

// moveOn takes in a state that is new; begun says that the movement's first one was told, unknown that our side has
// told nothing of it.
func (w *writer) moveOn(e *told, r *journal.Record, begun, unknown bool) error {
	switch kind := e.rail.kind(e.state); {
	case unknown:
		r.Flags &^= flagOutside | flagClosed
		r.Parent = e.parent
		if err := w.start(e, r); err != nil {
			return err
		}
		w.value(r, w.dict.lanes[r.Lane].Currency)
	case kind == rail.Return:
		return w.sentBack(e, r)
	case terminal(kind):
		w.end(e, r, begun)
	case r.Flags&flagClosed == 0:
		w.progress(e, r, begun)
	}
	return nil
}

// end takes in how a movement ended; the first end that is told stands. Before its beginning is told it waits for
// that, since what it was due by and how long it took come from there.
func (w *writer) end(e *told, r *journal.Record, begun bool) {
	if r.Flags&(flagClosed|flagEarly) != 0 {
		if was := e.rail.kind(r.State); was != rail.Return && was != e.rail.kind(e.state) {
			w.totals.add(counterKey{Family: metricname.TransactionsConflicts, Rail: e.rail.Name}, w.nowMs)
		}
		return
	}
	if r.Flags&flagOverdue == 0 {
		w.setDeadline(e, r)
	}
	r.State, r.ChangedMs = e.state, e.atMs
	r.Flags &^= flagInDoubt
	w.judge(e, r)
	if !begun && r.Flags&flagOverdue == 0 {
		w.wait(r)
		return
	}
	w.conclude(e.rail, r)
}

// progress takes in a state of a movement on its way. It is received when its first state says, else at the earliest
// moment that is told.
func (w *writer) progress(e *told, r *journal.Record, begun bool) {
	first := e.rail.first&(1<<e.state) != 0
	if r.Flags&flagDated == 0 || first && !begun || first == begun && e.atMs < r.ReceivedMs {
		r.ReceivedMs = e.atMs
		r.Flags |= flagDated
		w.value(r, w.dict.lanes[r.Lane].Currency)
		if r.Flags&flagOverdue == 0 {
			w.date(e.rail, r)
		}
	}
	if r.Flags&flagOverdue == 0 {
		w.setDeadline(e, r)
	}
	if r.Flags&flagEarly != 0 {
		if first {
			w.conclude(e.rail, r)
		}
		return
	}
	if e.rail.rank(e.state) > e.rail.rank(r.State) {
		r.State, r.ChangedMs = e.state, e.atMs
		w.doubt(e.rail, r)
	}
	if r.Flags&flagOverdue == 0 {
		w.arm(e.rail, r)
	}
}

// settled counts how long a settlement took.
func (w *writer) settled(rs *railState, r *journal.Record) {
	w.finish(rs.Name)
	if r.Flags&flagDated == 0 {
		return
	}
	took := max(0, r.ChangedMs-r.ReceivedMs)
	in, le := len(rs.Buckets), math.Inf(1)
	for i, bound := range rs.Buckets {
		if float64(took) <= bound*1000 {
			in, le = i, bound
			break
		}
	}
	c := w.totals.settlements(rs.Name, len(rs.Buckets))
	if c.buckets[in] == nil {
		c.buckets[in] = w.totals.counter(counterKey{Family: familySettlementBucket, Rail: rs.Name, Le: leText(le)}, w.nowMs)
	}
	if c.ms == nil {
		c.ms = w.totals.counter(counterKey{Family: familySettlementMs, Rail: rs.Name}, w.nowMs)
	}
	w.totals.stage(c.buckets[in], sum{lo: 1})
	w.totals.stage(c.ms, sum{lo: uint64(took)})
}

func leText(le float64) string {
	if math.IsInf(le, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(le, 'g', -1, 64)
}

// fire does what a record's timer was set for.
func (w *writer) fire(slot journal.Slot) error {
	r, err := w.tx.Read(slot)
	if err != nil {
		return err
	}
	before := r
	rs := w.railOf(&r)
	switch {
	case r.Flags&flagClaim != 0:
		return w.contest(rs, slot, &r)
	case r.Flags&flagAwaiting != 0 || r.Flags&(flagOutside|flagBreak) == flagOutside:
		w.breaks(rs, &r)
	case r.Flags&(flagClosed|flagOutside) != 0:
		return w.remove(slot, &before)
	case r.Flags&flagEarly != 0:
		r.Flags &^= flagEarly
		w.conclude(rs, &r)
	case r.Flags&flagOverdue != 0 || r.DeadlineMs == 0 && r.Flags&flagInDoubt == 0:
		w.totals.add(counterKey{Family: metricname.TransactionsAbandoned, Rail: rs.Name}, w.nowMs)
		w.close(&r)
	default:
		class := Late
		if r.Flags&flagInDoubt != 0 {
			class = reason.InDoubt
		}
		w.count(rs, &r, class, Bad, Bad)
		r.DeadlineMs = rs.limit(&r)
		r.Flags |= flagOverdue
		r.TimerMs = w.nowMs + abandonAfter.Milliseconds()
	}
	return w.update(slot, &before, &r)
}
