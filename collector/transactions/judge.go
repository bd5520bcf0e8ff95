package transactions

import (
	"slices"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/reason"
)

// sentBack takes in that a movement was returned, or that it returns another one: then it is nothing else.
func (w *writer) sentBack(e *told, r *journal.Record) error {
	own := e.parent != (journal.Ref{}) && !slices.Contains(r.Refs[:], e.parent)
	if own && r.Parent == (journal.Ref{}) {
		r.Parent = e.parent
	}
	if err := w.countReturn(e, r); err != nil {
		return err
	}
	if own && r.Flags&(flagClosed|flagOverdue) == 0 {
		r.State, r.ChangedMs = e.state, e.atMs
		w.close(r)
	}
	return nil
}

// findOriginal finds the movement that e brings back by whatever e names it by. By an end-to-end id alone, which
// says nothing of the day, it is the only one of the rail that has it, as far back as movements are known.
func (w *writer) findOriginal(e *told) error {
	if e.original == nil {
		return nil
	}
	for _, ref := range e.original.refs[:e.original.n] {
		if _, found, err := w.look(ref); found || err != nil {
			e.parent = ref
			return err
		}
	}
	if e.original.endToEnd == "" {
		return nil
	}
	var only journal.Slot
	parent, back := e.parent, w.rules.Config.ClosedRetention.Milliseconds()/dayMs+1
	for days := int64(1); days <= back; days++ {
		ref := w.hash.earlier(e.original, days)
		slot, found, err := w.look(ref)
		switch {
		case err != nil:
			return err
		case !found:
		case only != 0 && slot != only:
			return nil
		default:
			only, parent = slot, ref
		}
	}
	e.parent = parent
	return nil
}

func terminal(k rail.Kind) bool {
	return k == rail.Success || k == rail.Failure || k == rail.Cancelled
}

// know adds what else a movement can be found by, unless another one is found by it. An end-to-end id counts on
// the movement's own day alone.
func (w *writer) know(e *told, r *journal.Record) error {
	otherDay := e.endToEnd != "" && e.day != floorDiv(r.ReceivedMs, dayMs)
	for n, ref := range e.refs[:e.n] {
		free := slices.Index(r.Refs[:], journal.Ref{})
		if free < 0 || otherDay && n == e.endToEndAt || slices.Contains(r.Refs[:], ref) {
			continue
		}
		_, taken, err := w.look(ref)
		if err != nil {
			return err
		}
		if !taken {
			r.Refs[free] = ref
		}
	}
	if r.Peer == 0 {
		r.Peer = w.dict.peer(e.peer)
	}
	return nil
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
			break
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
		w.unknown = append(w.unknown, reason.Key{Scheme: clip(e.key.Scheme), List: clip(e.key.List), Code: clip(e.key.Code)})
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
		w.totals.add(counterKey{Family: metricname.TransactionsLateConfirm, Rail: rs.Name}, w.nowMs)
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
	switch {
	case rs.within == 0:
	case class == reason.Good:
		w.expect(rs, r)
	case r.Flags&flagMatched != 0: // the other side says that it has settled
		w.breaks(rs, r)
	}
}

// close ends a movement, which is kept for a while.
func (w *writer) close(r *journal.Record) {
	r.Flags = r.Flags&^(flagInDoubt|flagEarly) | flagClosed
	w.keepClosed(r)
}
