package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Tx is a set of changes that happen together. It belongs to one goroutine. The journal takes one at a time.
type Tx struct {
	j    *Journal
	done bool
}

// work is the state of the transaction that is open. There is one for each journal, used again and again.
type work struct {
	buf     []byte   // the frame to be: room for the header, and the records changed
	meta    []byte   // named values changed, as in a frame
	places  table    // of changed slots: which record of buf
	asked   asked    // the last look into places
	got     got      // the last look into the slots
	refs    refTable // that change owner
	fresh   []Slot   // slots taken
	deleted []Slot

	free, high Slot   // as of slotTable, with this transaction's own
	live       int    // change in the number of records
	metaGrowth int    // at most
	err        error  // of SetMeta
	touched    uint64 // of no use, but the compiler does not know that
}

// asked is which record of buf a slot is, -1 for none: what is done to a slot asks that several times.
type asked struct {
	slot  Slot
	place int
}

// got is what a slot held before the transaction.
type got struct {
	slot  Slot
	image []byte
}

// refChange is the slot that a ref leads to before and after a transaction, 0 for none.
type refChange struct {
	hash     uint64
	ref      Ref
	old, new Slot
}

// refTable finds changes by ref: open addressing, never more than half full, emptied only as a whole.
type refTable struct {
	cells   []uint32 // place in changes + 1
	changes []refChange
}

// find is the change of ref, nil if it has none. It is valid until the next one is added.
func (t *refTable) find(ref Ref, hash uint64) *refChange {
	if len(t.changes) == 0 {
		return nil
	}
	mask := len(t.cells) - 1
	for i := int(uint32(hash)) & mask; t.cells[i] != 0; i = (i + 1) & mask {
		if c := &t.changes[t.cells[i]-1]; c.ref == ref {
			return c
		}
	}
	return nil
}

// add enters a change; there must be none of its ref.
func (t *refTable) add(c refChange) {
	t.changes = append(t.changes, c)
	if 2*len(t.changes) <= len(t.cells) {
		t.place(len(t.changes) - 1)
		return
	}
	t.cells = make([]uint32, max(fewCells, 2*len(t.cells)))
	for i := range t.changes {
		t.place(i)
	}
}

func (t *refTable) place(n int) {
	mask := len(t.cells) - 1
	i := int(uint32(t.changes[n].hash)) & mask
	for t.cells[i] != 0 {
		i = (i + 1) & mask
	}
	t.cells[i] = uint32(n + 1)
}

func (t *refTable) clear() {
	clear(t.cells)
	t.changes = t.changes[:0]
}

// fewCells is the size that the tables of a transaction begin with.
const fewCells = 1024

// sparse reports whether a table is too large for what is in it: it is made anew then, so that no small transaction that
// follows a large one has as much to clear. Else it is used again, and need not grow.
func sparse(used, cells int) bool { return cells > fewCells && used < cells/16 }

func (w *work) reset(t *slotTable) {
	w.buf = append(w.buf[:0], make([]byte, frameHeader)...)
	w.meta, w.fresh, w.deleted = w.meta[:0], w.fresh[:0], w.deleted[:0]
	if sparse(len(w.places.blocks), len(w.places.cells)) {
		w.places = table{}
	}
	if sparse(len(w.refs.changes), len(w.refs.cells)) {
		w.refs = refTable{}
	}
	w.places.clear()
	w.refs.clear()
	w.asked, w.got = asked{}, got{}
	w.free, w.high, w.live, w.metaGrowth, w.err = t.free, t.high, 0, 0, nil
}

func (w *work) records() int { return w.places.used }

// Begin starts a transaction, when the one before has ended: Commit or Discard must be called, or the journal
// stands still.
func (j *Journal) Begin() *Tx {
	j.writer.Lock()
	j.work.reset(&j.slotTable)
	return &Tx{j: j}
}

// Discard ends the transaction without changing anything. After Commit it does nothing.
func (t *Tx) Discard() {
	if !t.done {
		t.done = true
		t.j.writer.Unlock()
	}
}

var errDone = errors.New("the transaction has ended")

// Find returns the slot of the record that has ref. It sees the transaction's own changes.
func (t *Tx) Find(ref Ref) (Slot, bool, error) {
	if t.done {
		return 0, false, errDone
	}
	s, err := t.owner(ref)
	return s, s != 0, err
}

// Expect says that refs will be looked for. It changes nothing but that Find is faster.
func (t *Tx) Expect(refs []Ref) {
	if t.done {
		return
	}
	for _, ref := range refs {
		t.j.work.touched += t.j.index.touch(ref.hash())
	}
}

// owner is the slot that ref leads to, 0 for none.
func (t *Tx) owner(ref Ref) (Slot, error) {
	if ref == (Ref{}) {
		return 0, nil
	}
	hash := ref.hash()
	if c := t.j.work.refs.find(ref, hash); c != nil {
		return c.new, nil
	}
	p, print := t.j.index.part(hash)
	for s, i := p.next(print, p.home(print)); s != 0; s, i = p.next(print, i) {
		image, err := t.before(s)
		if err != nil {
			return 0, err
		}
		for k := range (Record{}).Refs {
			if refAt(image, k) == ref {
				return s, nil
			}
		}
	}
	return 0, nil
}

// content is the content of s as the transaction sees it, valid until the next call.
func (t *Tx) content(s Slot) ([]byte, error) {
	w := &t.j.work
	if t.done {
		return nil, errDone
	}
	if s == 0 || s > w.high {
		return nil, fmt.Errorf("slot %d: %w", s, ErrNoRecord)
	}
	image := w.changed(s)
	if image == nil {
		var err error
		if image, err = t.before(s); err != nil {
			return nil, err
		}
	}
	if !inUse(image) {
		return nil, fmt.Errorf("slot %d: %w", s, ErrNoRecord)
	}
	return image, nil
}

// before is the content of s without the transaction, valid until the next call.
func (t *Tx) before(s Slot) ([]byte, error) {
	g := &t.j.work.got
	if g.slot != s || s == 0 {
		image, err := t.j.slots.get(s)
		if err != nil {
			g.slot = 0
			return nil, err
		}
		*g = got{s, image}
	}
	return g.image, nil
}

// changed is the content that the transaction gives s, nil if it does not touch it.
func (w *work) changed(s Slot) []byte {
	if w.asked.slot != s {
		place, ok := w.places.get(s)
		if !ok {
			place = -1
		}
		w.asked = asked{s, place}
	}
	if w.asked.place < 0 {
		return nil
	}
	return w.buf[frameHeader+w.asked.place*entryLen+4:][:slotSize]
}

// change is changed, for writing to. It is zeros when the transaction did not touch s before.
func (w *work) change(s Slot) []byte {
	if image := w.changed(s); image != nil {
		return image
	}
	w.asked = asked{s, w.places.used}
	w.places.put(s, w.places.used)
	w.buf = appendEntry(w.buf, s, nil)
	return w.buf[len(w.buf)-slotSize:]
}

// Read returns the record in slot s as the transaction sees it, or ErrNoRecord.
func (t *Tx) Read(s Slot) (Record, error) {
	var r Record
	image, err := t.content(s)
	if err == nil {
		r.decode(image)
	}
	return r, err
}

// Insert keeps a new record and returns where. After an error the transaction is as before: ErrFull when there
// is no slot, ErrTaken when another record has one of the refs, ErrTooMuch.
func (t *Tx) Insert(r Record) (Slot, error) {
	w := &t.j.work
	switch {
	case t.done:
		return 0, errDone
	case w.records() >= maxTxRecords:
		return 0, ErrTooMuch
	case t.j.live+w.live >= t.j.maxRecords:
		return 0, ErrFull
	}
	s := w.free
	if s == 0 {
		if s = w.high + 1; s > maxSlots {
			return 0, ErrFull
		}
	}
	if err := t.setRefs(s, nil, &r); err != nil {
		return 0, err
	}
	if s == w.free {
		w.free = Slot(t.j.link(s))
	} else {
		w.high = s
	}
	w.fresh = append(w.fresh, s)
	w.live++
	r.encode(s, w.change(s))
	return s, nil
}

// Update replaces the record in slot s; its refs may change too. After an error the transaction is as before:
// ErrNoRecord, ErrTaken as of Insert, ErrTooMuch.
func (t *Tx) Update(s Slot, r Record) error {
	image, err := t.content(s)
	if err != nil {
		return err
	}
	w := &t.j.work
	if w.records() >= maxTxRecords && w.changed(s) == nil {
		return ErrTooMuch
	}
	if [3 * refSize]byte(image[4:]) != r.refBytes() {
		var old Record
		old.decode(image)
		if err := t.setRefs(s, &old, &r); err != nil {
			return err
		}
	}
	r.encode(s, w.change(s))
	return nil
}

// Delete takes the record out of slot s. The slot is used again from the next transaction on.
func (t *Tx) Delete(s Slot) error {
	image, err := t.content(s)
	if err != nil {
		return err
	}
	w := &t.j.work
	if w.records() >= maxTxRecords && w.changed(s) == nil {
		return ErrTooMuch
	}
	var old Record
	old.decode(image)
	if err := t.setRefs(s, &old, &Record{}); err != nil {
		return err
	}
	clear(w.change(s))
	w.deleted = append(w.deleted, s)
	w.live--
	return nil
}

// Shelve takes away the timer of a record that is damaged, until the journal is opened again: Due gives it no more. It
// is no change of the transaction.
func (t *Tx) Shelve(s Slot) {
	t.j.mu.Lock()
	defer t.j.mu.Unlock()
	t.j.setTimer(s, 0)
}

// setRefs gives slot s the refs of r in place of those of old, or changes nothing.
func (t *Tx) setRefs(s Slot, old, r *Record) error {
	var owners [len(r.Refs)]Slot
	for i, ref := range r.Refs {
		if ref == (Ref{}) || old.has(ref) {
			continue
		}
		var err error
		if owners[i], err = t.owner(ref); err != nil {
			return err
		}
		if owners[i] != 0 && owners[i] != s {
			return fmt.Errorf("slot %d: %w", owners[i], ErrTaken)
		}
	}
	for i, ref := range r.Refs {
		if ref != (Ref{}) && !old.has(ref) {
			t.j.work.setRef(ref, owners[i], s)
		}
	}
	if old == nil {
		return nil
	}
	for _, ref := range old.Refs {
		if ref != (Ref{}) && !r.has(ref) {
			t.j.work.setRef(ref, s, 0)
		}
	}
	return nil
}

// setRef notes that ref, which so far leads to owner, will lead to s.
func (w *work) setRef(ref Ref, owner, s Slot) {
	hash := ref.hash()
	if c := w.refs.find(ref, hash); c != nil {
		c.new = s
		return
	}
	w.refs.add(refChange{hash: hash, ref: ref, old: owner, new: s})
}

// SetMeta keeps a small value, such as a counter or a position, under a name; nil takes the name away. A name has
// at most 1 KiB, a value 1 MiB and all together 32 MiB: beyond, Commit fails.
func (t *Tx) SetMeta(key string, value []byte) {
	w := &t.j.work
	switch {
	case t.done:
	case len(key) > maxKey || len(value) > maxValue:
		w.err = fmt.Errorf("named value %.40q of %d bytes: %w", key, len(value), ErrTooMuch)
	default:
		w.meta = appendMeta(w.meta, key, value)
		if value != nil {
			w.metaGrowth += metaSize(key, value)
		}
	}
}

// metaSize is what a named value takes in a frame, at most.
func metaSize(key string, value []byte) int {
	return 2*binary.MaxVarintLen16 + 2 + len(key) + len(value)
}

// Commit makes the changes lasting, and ends the transaction. It returns nil once they, and all that the transaction
// has seen, are on disk. A full disk fails one transaction, of which nothing is visible or comes back after a restart;
// when a sync fails it cannot be known what is on disk, and all later ones fail too, saying why, until the journal
// is opened anew.
func (t *Tx) Commit() error {
	flight, err := t.Launch()
	if err != nil {
		return err
	}
	return flight.Wait()
}

// Launch is Commit that does not wait for the disk. The transaction has ended, and Wait of what is returned tells
// whether it is kept. Until then what it changed is seen already, by later transactions and by the journal's other
// methods, so whoever answers for it waits first. The next transaction can be begun, and when it ends waits for this
// one: two are never on their way, and it fails if this one does. After an error of Launch itself it is as if the
// transaction had not been.
func (t *Tx) Launch() (*Flight, error) {
	if t.done {
		return nil, errDone
	}
	defer t.Discard()
	w := &t.j.work
	if w.err != nil {
		return nil, fmt.Errorf("committing to the journal: %w", w.err)
	}
	if w.records() == 0 && len(w.meta) == 0 {
		return t.j.last, nil // what it has seen may be on its way
	}
	if err := t.j.commit(); err != nil {
		return nil, fmt.Errorf("committing to the journal: %w", err)
	}
	return t.j.last, nil
}

// Flight is a transaction on its way to the disk.
type Flight struct {
	done chan struct{} // closed when it is known how that went
	err  error
}

// Done is closed once Wait does not wait.
func (f *Flight) Done() <-chan struct{} { return f.done }

// Wait returns nil once the transaction is on disk. After an error it may be there or not, and the journal takes
// nothing more until it is opened anew.
func (f *Flight) Wait() error {
	<-f.done
	if f.err != nil {
		return fmt.Errorf("committing to the journal: %w", f.err)
	}
	return nil
}
