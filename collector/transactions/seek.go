package transactions

import (
	"errors"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/rail"
)

// Which record an event is about.

// find looks for a movement that e is about; otherDay says that only an end-to-end id of another day led to it.
func (w *writer) find(i *identity) (s journal.Slot, found, otherDay bool, err error) {
	for _, r := range i.refs[:i.n] {
		if s, found, err = w.tx.Find(r); found || err != nil {
			return s, found, false, err
		}
	}
	if i.endToEnd == "" {
		return 0, false, false, nil
	}
	for days := int64(1); days <= endToEndDays; days++ {
		if s, found, err = w.tx.Find(w.hash.earlier(i, days)); found || err != nil {
			return s, found, true, err
		}
	}
	// What was told first may be of a later day, but for days that have not come.
	for ahead := min(endToEndDays, floorDiv(w.nowMs+maxAhead.Milliseconds(), dayMs)-i.day); ahead > 0; ahead-- {
		if s, found, err = w.tx.Find(w.hash.earlier(i, -ahead)); found || err != nil {
			return s, found, true, err
		}
	}
	return 0, false, false, nil
}

// look is Find for what an event mentions besides its own movement: of a damaged record nothing is known.
func (w *writer) look(ref journal.Ref) (journal.Slot, bool, error) {
	s, found, err := w.tx.Find(ref)
	if w.damaged(err) {
		return 0, false, nil
	}
	return s, found, err
}

// damaged reports whether err says that a record is damaged, and notes which.
func (w *writer) damaged(err error) bool {
	damage, is := errors.AsType[*journal.DamagedError](err)
	if is {
		if _, known := w.hurt[damage.Slot]; !known {
			w.log.Error("a movement cannot be read and is not followed any more", "err", err)
		}
		w.hurt[damage.Slot] = struct{}{}
	}
	return is
}

// seek finds and reads the movement that e is about. A movement is one leg: what has the same identifiers and goes
// the other way, as the two halves of a payment between customers of ours do, is another one, with refs of its own.
func (w *writer) seek(e *told) (s journal.Slot, r journal.Record, found bool, err error) {
	s, r, found, err = w.leg(e)
	other := found && w.opposite(e, &r) || !found && w.dict.bothWays(e.rail.Name) // else there is no second one
	if err != nil || !other || e.direction == "" {
		return s, r, found, err
	}
	plain := e.identity
	w.hash.toLeg(&e.identity, e.direction)
	s, r, there, err := w.leg(e)
	if !there && !found { // neither is known: the first has the plain refs
		e.identity = plain
	}
	return s, r, there, err
}

func (w *writer) leg(e *told) (s journal.Slot, r journal.Record, found bool, err error) {
	s, found, otherDay, err := w.find(&e.identity)
	if !found || err != nil {
		return s, r, false, err
	}
	r, err = w.tx.Read(s)
	// What begins again on another day, with the same end-to-end id, is another movement.
	again := otherDay && !e.external && r.Seen&e.rail.first&(1<<e.state) != 0 && e.day != floorDiv(r.ReceivedMs, dayMs)
	return s, r, !again, err
}

// opposite reports whether e is of a movement that goes the other way than r. That a movement is returned is told of
// itself.
func (w *writer) opposite(e *told, r *journal.Record) bool {
	direction := w.dict.lanes[r.Lane].Direction
	return direction != "" && e.direction != direction && e.rail.kind(e.state) != rail.Return
}
