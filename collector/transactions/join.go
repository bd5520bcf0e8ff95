package transactions

import (
	"math/bits"
	"slices"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/reason"
)

// Two records can turn out to be one movement: one told under one identifier, the other under another, and then an
// event has both. They become one if no more than one was counted: the other's events are taken in again, which
// counts what the natural order would have. If both were, that they were counted twice is a conflict.

// retold is what a record knows beyond an event, when its events are taken in again.
type retold struct {
	verdict reason.Verdict
	claimMs int64 // when the other side's word becomes a break
}

// join finds other records that e shows to be of the movement in slot s, and makes one of them. It gives the one
// that e is to be taken into.
func (w *writer) join(e *told, s journal.Slot, r journal.Record) (journal.Slot, journal.Record, bool, error) {
	joined := false
	for n := 0; n < e.n && !w.full(); n++ {
		ref := w.refOn(e, n, &r)
		if slices.Contains(r.Refs[:], ref) {
			continue
		}
		other, found, err := w.look(ref)
		if err != nil {
			return s, r, joined, err
		}
		if !found || other == s {
			continue
		}
		o, err := w.tx.Read(other)
		if err != nil {
			return s, r, joined, err
		}
		if !w.same(e, &r, &o) {
			continue
		}
		if isCounted(&r) && isCounted(&o) {
			w.totals.add(counterKey{Family: metricname.TransactionsConflicts, Rail: e.rail.Name}, w.nowMs)
			continue
		}
		if isCounted(&o) { // that one stays, this one goes
			s, r, other, o = other, o, s, r
		}
		if r, err = w.merge(e.rail, s, r, other, o); err != nil {
			return s, r, joined, err
		}
		joined = true
	}
	return s, r, joined, nil
}

// refOn is e's ref of that index as r is found by it: an end-to-end id on the movement's own day.
func (w *writer) refOn(e *told, n int, r *journal.Record) journal.Ref {
	days := e.day - floorDiv(r.ReceivedMs, dayMs)
	if e.endToEnd == "" || n != e.endToEndAt || days == 0 {
		return e.refs[n]
	}
	return w.hash.earlier(&e.identity, days)
}

// isCounted reports whether a movement is counted already, be it as late.
func isCounted(r *journal.Record) bool { return r.Flags&(flagClosed|flagOverdue) != 0 }

// same reports whether o can be nothing else than r: all that it is known by is in e, nothing else that was told of
// the two differs, and one record can hold what both are known by.
func (w *writer) same(e *told, r, o *journal.Record) bool {
	all := slices.DeleteFunc(slices.Clone(r.Refs[:]), none)
	for _, ref := range o.Refs {
		if none(ref) {
			continue
		}
		named := false
		for n := range e.n {
			named = named || w.refOn(e, n, o) == ref
		}
		if !named {
			return false
		}
		all = append(all, ref)
	}
	one, two := w.dict.lanes[r.Lane], w.dict.lanes[o.Lane]
	room := len(w.dict.lanes)+4 <= maxLanes // for what the one that comes of it may be counted under
	differ := one.Direction != "" && two.Direction != "" && one.Direction != two.Direction ||
		!r.Amount.IsZero() && !o.Amount.IsZero() && (r.Amount != o.Amount || one.Currency != two.Currency)
	return room && len(all) <= len(r.Refs) && !differ && r.Parent == o.Parent && w.returns(e.rail, r) == w.returns(e.rail, o)
}

func none(r journal.Ref) bool { return r == journal.Ref{} }

// returns reports whether all that is known of a movement is that it was sent back, or that it sends another back.
func (w *writer) returns(rs *railState, r *journal.Record) bool {
	return r.Flags&flagClosed != 0 && rs.kind(r.State) == rail.Return
}

// merge takes what was told of o, which is not counted yet, into r, and removes o.
func (w *writer) merge(rs *railState, s journal.Slot, r journal.Record, other journal.Slot, o journal.Record) (journal.Record, error) {
	claimMs, err := w.unclaim(&o)
	if err != nil {
		return r, err
	}
	again := w.events(rs, &o, claimMs)
	if err := w.remove(other, &o); err != nil {
		return r, err
	}
	before := r
	for _, ref := range o.Refs {
		if free := slices.IndexFunc(r.Refs[:], none); free >= 0 && !none(ref) {
			r.Refs[free] = ref
		}
	}
	for i := range again {
		if _, err := w.advance(&again[i], &r); err != nil {
			return r, err
		}
	}
	if o.Flags&flagOutside == 0 {
		r.Seen |= o.Seen
		r.Flags |= o.Flags & flagBreak
	}
	r.Flags |= o.Flags & (flagItem | flagParties)
	if r.Peer == 0 {
		r.Peer = o.Peer
	}
	return r, w.update(s, &before, &r)
}

// events are what a record that is not counted stands for: when it was received, where it is, and the other side's.
// claimMs is when the other side's word would have become a break.
func (w *writer) events(rs *railState, o *journal.Record, claimMs int64) (all []told) {
	l := w.dict.lanes[o.Lane]
	if o.Flags&(flagOutside|flagBreak) == flagOutside {
		claimMs = o.TimerMs
	}
	plain := told{rail: rs, direction: l.Direction, again: &retold{verdict: verdictOf(o), claimMs: max(claimMs, w.nowMs)}}
	ours := plain
	if o.Flags&flagTheirs == 0 {
		ours.amount, ours.currency = o.Amount, l.Currency
	}
	if o.Flags&flagDeadline != 0 {
		ours.deadlineMs = o.DeadlineMs
	}
	if o.Flags&flagDated != 0 {
		begun := ours
		begun.state, begun.atMs = w.firstSeen(rs, o), o.ReceivedMs
		all = append(all, begun)
	}
	if o.Flags&flagOutside == 0 && (len(all) == 0 || all[0].state != o.State) {
		ours.state, ours.atMs = o.State, o.ChangedMs
		all = append(all, ours)
	}
	if o.Flags&flagMatched != 0 && rs.within > 0 {
		theirs := plain
		theirs.external, theirs.state, theirs.atMs = true, o.State, o.ChangedMs
		if o.Flags&flagTheirs != 0 {
			theirs.amount, theirs.currency = o.Amount, l.Currency
		}
		all = append(all, theirs)
	}
	return all
}

// firstSeen is the state that a movement was received in, of those that were told.
func (w *writer) firstSeen(rs *railState, o *journal.Record) uint8 {
	first := o.State
	for seen := o.Seen; seen != 0; seen &= seen - 1 {
		state := uint8(bits.TrailingZeros32(seen))
		if kind := rs.kind(state); !terminal(kind) && kind != rail.Return && (terminal(rs.kind(first)) || rs.rank(state) < rs.rank(first)) {
			first = state
		}
	}
	return first
}

// verdictOf is what was noted of how a movement ended.
func verdictOf(r *journal.Record) reason.Verdict {
	v := reason.Verdict{Class: classes()[r.Class], Own: reason.No, EndToEnd: reason.No}
	if r.Flags&flagOwnBad != 0 {
		v.Own = reason.Yes
	}
	if r.Flags&flagEndBad != 0 {
		v.EndToEnd = reason.Yes
	}
	return v
}
