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
	flagDated                       // its receipt was told, and is not only guessed from a later state
)

// classes are the numbers of classes in records: their order is on disk.
func classes() []reason.Class {
	return []reason.Class{"", reason.Good, reason.TechnicalOwn, reason.TechnicalPeer, reason.TechnicalScheme, reason.TechnicalUnknown, reason.Format, reason.Duplicate,
		reason.Routing, reason.CutOff, reason.Liquidity, reason.Business, reason.Fraud, reason.Compliance, reason.Ambiguous, reason.InDoubt, reason.Info, Late}
}

// abandonAfter is when what never settled is given up: longer than any budget looks back.
const abandonAfter = 400 * 24 * time.Hour

// earlyWait is at least how long the beginning of a movement is waited for whose end was told first.
const earlyWait = 2 * time.Second

// writer makes one transaction of the journal out of events and deadlines. Nothing it does shows before the
// transaction is on disk.
type writer struct {
	*Tracker
	rules *ruleset
	tx    *journal.Tx
	nowMs int64

	inserted int
}

// move is a change of the book that is made once it is on disk.
type move struct {
	record journal.Record
	n      int64
}

func (w *writer) find(i *identity) (journal.Slot, bool, error) {
	for _, r := range i.refs[:i.n] {
		if s, found, err := w.tx.Find(r); found || err != nil {
			return s, found, err
		}
	}
	if i.endToEnd != "" {
		for days := int64(1); days <= endToEndDays; days++ {
			if s, found, err := w.tx.Find(w.hash.earlier(i, days)); found || err != nil {
				return s, found, err
			}
		}
	}
	return 0, false, nil
}

// apply takes one event in, and reports whether it said anything new.
func (w *writer) apply(e *told) (bool, error) {
	slot, found, err := w.find(&e.identity)
	if err != nil {
		return false, err
	}
	if !found {
		return true, w.begin(e)
	}
	r, err := w.tx.Read(slot)
	if err != nil {
		return false, err
	}
	before := r
	changed, err := w.advance(e, &r)
	if !changed || err != nil {
		return changed, err
	}
	return true, w.update(slot, &before, &r)
}

func (w *writer) insert(r *journal.Record) error {
	if _, err := w.tx.Insert(*r); err != nil {
		return err
	}
	w.inserted++
	w.moves = append(w.moves, move{*r, 1})
	return nil
}

func (w *writer) update(s journal.Slot, before, after *journal.Record) error {
	w.moves = append(w.moves, move{*before, -1}, move{*after, 1})
	return w.tx.Update(s, *after)
}

// begin makes a record of a movement that nothing was known of.
func (w *writer) begin(e *told) error {
	if w.journal.Len()+w.inserted >= w.rules.Config.MaxRecords {
		return journal.ErrFull // before anything is counted
	}
	if w.nowMs-e.atMs > w.rules.Config.ClosedRetention.Milliseconds() {
		return errStale
	}
	r := journal.Record{Refs: e.refs, Parent: e.parent, State: e.state, Seen: 1 << e.state, Peer: w.dict.peer(e.peer), ReceivedMs: e.atMs, ChangedMs: e.atMs}
	if err := w.tell(e, &r, false); err != nil {
		return err
	}
	w.suspect(e)
	switch kind := e.rail.kind(e.state); {
	case e.external:
		if err := w.outside(e, &r); err != nil {
			return err
		}
		r.Flags |= flagOutside
		r.TimerMs = w.nowMs + e.rail.within.Milliseconds()
	case kind == rail.Return:
		if err := w.countReturn(e, &r); err != nil {
			return err
		}
		w.close(&r)
	case kind == rail.Open || kind == rail.InDoubt:
		w.receive(e, &r)
	default:
		w.judge(e, &r)
		w.wait(&r)
	}
	return w.insert(&r)
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
	if r.Amount.IsZero() && e.currency != "" {
		l.Currency, r.Amount = e.currency, e.amount
		r.Value = w.values.value(w.rules.Rules, e.amount, e.currency, floorDiv(r.ReceivedMs, 86_400_000))
	}
	number, err := w.dict.lane(l)
	r.Lane = number
	return err
}

// receive notes that a movement has begun, which decides when it is due.
func (w *writer) receive(e *told, r *journal.Record) {
	r.State, r.ReceivedMs, r.ChangedMs = e.state, e.atMs, e.atMs
	r.Flags |= flagDated
	w.date(e, r)
	w.doubt(e, r)
}

// date decides when a movement is due, and when that fires: not before whoever tells of its settlement has had
// the time to.
func (w *writer) date(e *told, r *journal.Record) {
	due, err := e.rail.Due(time.UnixMilli(r.ReceivedMs), e.rail.calendar, e.rail.settles...)
	if err == nil {
		r.DeadlineMs, r.Day = due.At.UnixMilli(), int32(dayNumber(due.Day))
	}
	if e.deadlineMs > 0 {
		r.DeadlineMs = e.deadlineMs
	}
	w.arm(r)
}

func (w *writer) arm(r *journal.Record) {
	delay := w.rules.Config.ConfirmationDelay.Milliseconds()
	if r.DeadlineMs == 0 { // a rail without deadlines
		r.TimerMs = w.nowMs + abandonAfter.Milliseconds()
		return
	}
	r.TimerMs = max(r.DeadlineMs, w.nowMs) + delay
}

// doubt notes whether anybody knows what became of a movement.
func (w *writer) doubt(e *told, r *journal.Record) {
	r.Flags &^= flagInDoubt
	if e.rail.kind(r.State) != rail.InDoubt {
		return
	}
	r.Flags |= flagInDoubt
	if limit := e.atMs + e.rail.InDoubt.Milliseconds(); e.rail.InDoubt > 0 && r.Flags&flagOverdue == 0 && (r.DeadlineMs == 0 || limit < r.DeadlineMs) {
		r.DeadlineMs = limit
		w.arm(r)
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
		return true, w.outside(e, r)
	case r.Flags&flagOutside != 0:
		return true, w.fromOutside(e, r)
	case r.Seen&bit != 0:
		return false, nil
	}
	r.Seen |= bit
	w.know(e, r)
	if err := w.tell(e, r, true); err != nil {
		return false, err
	}
	switch ended := r.Flags&(flagClosed|flagEarly) != 0; {
	case kind == rail.Return:
		return true, w.countReturn(e, r)
	case ended && terminal(kind):
		w.totals.add(counterKey{Family: metricname.TransactionsConflicts, Rail: e.rail.Name}, 1, w.nowMs)
	case r.Flags&flagEarly != 0:
		r.ReceivedMs = e.atMs
		r.Flags = r.Flags&^flagEarly | flagDated
		w.date(e, r)
		w.conclude(e.rail, r)
	case ended:
	case terminal(kind):
		r.State, r.ChangedMs = e.state, e.atMs
		w.judge(e, r)
		w.conclude(e.rail, r)
	case e.rail.rank(e.state) > e.rail.rank(r.State):
		r.State, r.ChangedMs = e.state, e.atMs
		if e.deadlineMs > 0 && r.Flags&flagOverdue == 0 {
			r.DeadlineMs = e.deadlineMs
			w.arm(r)
		}
		w.doubt(e, r)
	case e.atMs < r.ReceivedMs: // it began earlier than what was told first
		r.ReceivedMs = e.atMs
		if r.Flags&flagOverdue == 0 {
			w.date(e, r)
		}
	}
	return true, nil
}

func terminal(k rail.Kind) bool {
	return k == rail.Success || k == rail.Failure || k == rail.Cancelled
}

// know adds what else a movement can be found by. An end-to-end id counts on the movement's own day alone.
func (w *writer) know(e *told, r *journal.Record) {
	otherDay := e.endToEnd != "" && e.day != floorDiv(r.ReceivedMs, 86_400_000)
	for n, ref := range e.refs[:e.n] {
		if otherDay && n == e.endToEndAt {
			continue
		}
		for i, have := range r.Refs {
			if have == ref {
				break
			}
			if have == (journal.Ref{}) {
				r.Refs[i] = ref
				break
			}
		}
	}
	if r.Peer == 0 {
		r.Peer = w.dict.peer(e.peer)
	}
}

// judge notes whose fault a terminal state is.
func (w *writer) judge(e *told, r *journal.Record) {
	v := w.verdict(e)
	r.Flags &^= flagOwnBad | flagEndBad
	if v.Own == reason.Yes {
		r.Flags |= flagOwnBad
	}
	if v.EndToEnd == reason.Yes {
		r.Flags |= flagEndBad
	}
	for i, c := range classes() {
		if c == v.Class {
			r.Class = uint8(i)
		}
	}
}

func (w *writer) verdict(e *told) reason.Verdict {
	switch e.rail.kind(e.state) {
	case rail.Success:
		return reason.Verdict{Class: reason.Good, Own: reason.No, EndToEnd: reason.No}
	case rail.Cancelled:
		return reason.Verdict{Class: reason.Business, Own: reason.No, EndToEnd: reason.No}
	}
	return w.failure(e)
}

// failure classifies a failed movement. One without a reason counts as bad: who does not say why is not
// believed to have had a good reason.
func (w *writer) failure(e *told) reason.Verdict {
	if e.key.Code == "" {
		class := e.rail.states[e.state].Class
		if class == "" {
			class = reason.TechnicalUnknown
		}
		burn := reason.Yes
		if class == reason.Business || class == reason.Fraud || class == reason.Compliance {
			burn = reason.No
		}
		return reason.Verdict{Class: class, Own: burn, EndToEnd: burn, Known: true}
	}
	role := e.role
	if role == "" {
		role = e.rail.RoleOf(e.direction)
	}
	v := w.rules.Reasons.Classify(e.key, reason.Context{Role: role, Direction: e.direction})
	if !v.Known {
		w.unmapped.saw(e.key, w.nowMs)
	}
	return v
}

// conclude counts how a movement ended, unless its deadline has done so already, and closes it.
func (w *writer) conclude(rs *railState, r *journal.Record) {
	class := classes()[r.Class]
	inTime := r.DeadlineMs == 0 || r.ChangedMs <= r.DeadlineMs
	overdue := r.Flags&flagOverdue != 0
	switch {
	case overdue && class == reason.Good && inTime:
		w.totals.add(counterKey{Family: metricname.TransactionsLateConfirm, Rail: rs.Name}, 1, w.nowMs)
	case overdue:
	case class == reason.Good && !inTime:
		w.count(rs, r, Late, Bad, Bad)
	default:
		own, end := reason.No, reason.No
		if r.Flags&flagOwnBad != 0 {
			own = reason.Yes
		}
		if r.Flags&flagEndBad != 0 {
			end = reason.Yes
		}
		w.count(rs, r, class, outcomeOf(class, own), outcomeOf(class, end))
	}
	if class == reason.Good {
		w.settled(rs, r)
	}
	w.close(r)
	if class == reason.Good && rs.within > 0 {
		w.expect(rs, r)
	}
}

// close ends a movement, which is kept for a while.
func (w *writer) close(r *journal.Record) {
	r.Flags = r.Flags&^(flagInDoubt|flagEarly) | flagClosed
	r.TimerMs = w.nowMs + w.rules.Config.ClosedRetention.Milliseconds()
}

// settled counts how long a settlement took.
func (w *writer) settled(rs *railState, r *journal.Record) {
	w.finished = append(w.finished, rs.Name)
	if r.Flags&flagDated == 0 {
		return
	}
	took := max(0, r.ChangedMs-r.ReceivedMs)
	le := math.Inf(1)
	for _, bound := range rs.Buckets {
		if float64(took) <= bound*1000 {
			le = bound
			break
		}
	}
	w.totals.add(counterKey{Family: familySettlementBucket, Rail: rs.Name, Le: leText(le)}, 1, w.nowMs)
	w.totals.add(counterKey{Family: familySettlementMs, Rail: rs.Name}, uint64(took), w.nowMs)
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
	case r.Flags&flagAwaiting != 0 || r.Flags&(flagOutside|flagBreak) == flagOutside:
		w.breaks(rs, &r)
	case r.Flags&(flagClosed|flagOutside) != 0:
		w.moves = append(w.moves, move{before, -1})
		return w.tx.Delete(slot)
	case r.Flags&flagEarly != 0:
		r.Flags &^= flagEarly
		w.conclude(rs, &r)
	case r.Flags&flagOverdue != 0 || r.DeadlineMs == 0:
		w.totals.add(counterKey{Family: metricname.TransactionsAbandoned, Rail: rs.Name}, 1, w.nowMs)
		w.close(&r)
	default:
		class := Late
		if r.Flags&flagInDoubt != 0 {
			class = reason.InDoubt
		}
		w.count(rs, &r, class, Bad, Bad)
		r.Flags |= flagOverdue
		r.TimerMs = w.nowMs + abandonAfter.Milliseconds()
	}
	return w.update(slot, &before, &r)
}
