package transactions

import (
	"errors"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/reason"
)

// What waits is written in groups, each one transaction of the journal. While one is on its way to the disk the next
// is made on top of what it changed; it is answered for, and shows, when it has landed.

// writer makes one group out of events and deadlines. Nothing it does shows before it is on disk.
type writer struct {
	*Tracker
	rules *ruleset
	tx    *journal.Tx
	nowMs int64

	requests []*request
	size     int // events in them
	inserted int

	refs     []journal.Ref // scratch
	moves    []move        // of the book, once it is on disk
	finished []settled
	observed []observed
	unknown  []reason.Key // codes that no pack knows
	dated    dated
	counted  []addition

	flight *journal.Flight // nil: not launched
}

// observed is how some movements of a group ended that are watched together.
type observed struct {
	rail  string
	peer  uint32
	class reason.Class
	n     uint32
}

// observe notes how a movement ended. Those that come together often end alike.
func (w *writer) observe(rail string, peer uint32, class reason.Class) {
	if last := len(w.observed) - 1; last >= 0 {
		if o := &w.observed[last]; o.rail == rail && o.peer == peer && o.class == class {
			o.n++
			return
		}
	}
	w.observed = append(w.observed, observed{rail, peer, class, 1})
}

// settled is how many movements of a rail a group settled.
type settled struct {
	rail string
	n    int64
}

func (w *writer) finish(rail string) {
	if last := len(w.finished) - 1; last >= 0 && w.finished[last].rail == rail {
		w.finished[last].n++
		return
	}
	w.finished = append(w.finished, settled{rail, 1})
}

// landed is closed when the group is on disk, or cannot be any more. No group never is.
func (w *writer) landed() <-chan struct{} {
	if w == nil {
		return nil
	}
	return w.flight.Done()
}

// write makes a group of what waits and of what is due, and sends it on its way. What comes while the group before is
// still on its way goes with it.
func (t *Tracker) write(first *request, fire bool) error {
	w := t.begin()
	err := w.take(first)
	for err == nil {
		next := w.next()
		if next == nil {
			break
		}
		err = w.take(next)
	}
	t.land()
	return w.launch(fire, err)
}

// begin begins a group.
func (t *Tracker) begin() *writer {
	w := t.spare
	if t.spare = nil; w == nil {
		w = &writer{Tracker: t}
	}
	w.rules, w.tx = t.rules.Load(), t.journal.Begin()
	return w
}

// next is a request that can go with the group; nil: it is time to write. Whoever waits for the group before is answered
// as soon as can be, and sends more.
func (w *writer) next() *request {
	select {
	case <-w.flying.landed():
		w.land()
	default:
	}
	if w.size >= maxGroup {
		return nil
	}
	select {
	case r := <-w.queue:
		return r
	default:
	}
	if w.flying == nil {
		return nil
	}
	select {
	case r := <-w.queue:
		return r
	case <-w.flying.landed():
		return nil
	}
}

// take applies the events of a request; nil has none. What cannot be used is told to who put it, and the others go on.
func (w *writer) take(r *request) error {
	if r == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests, w.size, w.nowMs = append(w.requests, r), w.size+len(r.events), w.now().UnixMilli()
	w.refs = w.refs[:0]
	for i := range r.events {
		w.refs = append(w.refs, r.events[i].refs[0])
	}
	w.tx.Expect(w.refs)
	for i := range r.events {
		e := &r.events[i]
		changed, err := w.apply(e)
		switch {
		case err == nil && changed:
			r.receipt.Accepted++
		case err == nil:
			r.receipt.Duplicates++
		case errors.Is(err, journal.ErrFull):
			r.full = true
		case errors.As(err, new(*unusable)):
			r.receipt.Rejected = append(r.receipt.Rejected, Rejection{e.index, err})
		default: // what is wrong is not the event
			return err
		}
	}
	return nil
}

// launch adds what is due and sends the group on its way, the one before having landed. With an error, be it failed
// from before, everything is as if the group had not been, and it is answered.
func (w *writer) launch(fire bool, failed error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nowMs = w.now().UnixMilli()
	err := failed
	if err == nil && fire {
		err = w.fireDue()
	}
	if err == nil {
		err = w.save()
	}
	if err == nil {
		w.flight, err = w.tx.Launch()
	}
	w.suspects.settle(err == nil)
	w.values.settle(err == nil)
	if err != nil {
		w.tx.Discard()
		w.totals.drop()
		w.cycles.drop()
		w.answer(err)
		return err
	}
	w.dict.saved()
	w.counted = w.totals.launch(w.counted)
	w.cycles.launch()
	w.flying = w
	return nil
}

func (w *writer) fireDue() error {
	for _, s := range w.journal.Due(w.nowMs, maxFired) {
		if err := w.fireIfDue(s); err != nil {
			return err
		}
	}
	return nil
}

// fireIfDue leaves alone what an event of the same transaction has settled.
func (w *writer) fireIfDue(s journal.Slot) error {
	r, err := w.tx.Read(s)
	if w.damaged(err) {
		w.tx.Shelve(s)
		return nil
	}
	if err != nil {
		return err
	}
	if r.TimerMs == 0 || r.TimerMs > w.nowMs {
		return nil
	}
	return w.fire(s)
}

// save writes everything beside the records.
func (w *writer) save() error {
	for _, r := range w.requests {
		if r.moves() {
			w.tx.SetMeta(positionsKey+r.source, []byte(r.position))
		}
	}
	w.values.save(w.tx, w.nowMs)
	return errors.Join(w.dict.save(w.tx), w.totals.save(w.tx), w.cycles.save(w.tx))
}

// land waits for the group that is on its way, if there is one, makes it show and answers for it. When the disk did not
// take it nothing shows, and the journal takes nothing more.
func (t *Tracker) land() {
	w := t.flying
	if w == nil {
		return
	}
	err := w.flight.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flying = nil
	if err == nil {
		w.show()
	} else {
		t.log.Error("transactions are not written", "err", err)
	}
	w.answer(err)
}

// show makes what was written visible.
func (w *writer) show() {
	w.totals.land(w.counted)
	w.cycles.land()
	for i := range w.moves {
		w.book.put(&w.moves[i])
	}
	for _, f := range w.finished {
		w.book.finish(f.rail, f.n, w.nowMs)
	}
	for _, o := range w.observed {
		w.shares.Observe(w.nowMs, groupOf(o.rail, w.dict.peerName(o.peer)), o.class, o.n)
	}
	for _, k := range w.unknown {
		w.unmapped.saw(k, w.nowMs)
	}
	for _, r := range w.requests {
		if r.moves() {
			w.positions[r.source] = r.position
		}
	}
}

// answer tells everybody how it went. The writer can be used again.
func (w *writer) answer(err error) {
	for _, r := range w.requests {
		if r.err = err; err == nil && r.full {
			r.err = ErrFull
		}
		close(r.done)
	}
	clear(w.requests)
	w.requests, w.size, w.inserted, w.flight, w.tx = w.requests[:0], 0, 0, nil, nil
	w.moves, w.finished, w.observed, w.unknown, w.counted = w.moves[:0], w.finished[:0], w.observed[:0], w.unknown[:0], w.counted[:0]
	w.spare = w
}
