// Package journal keeps the movements of money that are open or were closed lately: fixed-size records on disk,
// durable and all-or-nothing, found by the hash of what identifies them, woken by a timer each. It knows
// nothing of rails or events.
//
//	tx := j.Begin()
//	defer tx.Discard()
//	slot, found, err := tx.Find(ref) // sees what this transaction did
//	err = tx.Update(slot, record)
//	tx.SetMeta("position/kafka", offset)
//	err = tx.Commit() // nil: on disk, all of it
//
//	flight, err := tx.Launch() // the same in two steps: the next transaction is built on this one meanwhile
//	err = flight.Wait()
//
//	for _, slot := range j.Due(now, 1000) { … } // earliest timers first
//
// # The journal
//
// One folder, for one process at a time:
//
//	lock   held while the journal is open
//	slots  record n at byte 128·n, with a CRC-32C that covers its place; slot 0 is the file's name and version
//	log-7  frames: one a transaction, with the whole content of each record changed; the first has all named values
//
// and spare-log, which was a log and is written over by the next: to replace bytes is twice as fast as to add some.
//
// A commit appends one frame to the log and syncs it. While that goes on the next transaction may be made, and sees
// what it changed, but nothing more is written before it is on disk: of the log only the last frame can be unsure, and
// no slot is ever ahead of the log. The changed records go to their slots later, many at once and in order. When
// the log is 64 MiB long a new one begins, and beside the commits that go on the slots are synced, after which the
// log before is not needed any more.
//
// Opening plays the logs into the slots: each slot that may have been torn by a crash is whole in one of them. Then
// one pass over the slots builds what is in memory: of each record with one ref and a timer about 25 bytes, outside
// of the heap that Go's collector looks after, and nothing that grows with how far apart the timers are. Records
// are read with pread; what was read lately is the page cache's to keep.
//
// What was not synced can be there or not, in parts and in any order, when power fails. The end of a log that is no
// whole frame is a commit that nobody was told had happened, and is left out. Whole frames after one that is not
// cannot come from a crash: that, a checksum that is wrong, and another number of records than the log says are
// ErrCorrupted with file and byte. Nothing is repaired by guess; Restore a Backup.
//
// When a write fails, as on a full disk, that transaction fails, the log is cut back to its last frame, and the next
// may succeed. When a sync fails nobody knows what is on disk: the journal takes nothing more, says why, and has
// to be opened anew.
package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/assayer-io/assayer/slo/money"
)

// Ref is the keyed hash of one thing that identifies a movement. The zero Ref is none.
type Ref [12]byte

// Slot is where a record is kept. It stays the same until the record is deleted. 0 is none.
type Slot uint32

// Record is one movement as kept.
type Record struct {
	Refs       [3]Ref // what it is found by; zero ones are not used
	Parent     Ref    // of the movement that this one brings back; zero: none
	Lane       uint16 // the caller's: rail, direction, currency
	State      uint8  // the caller's
	Class      uint8  // the caller's
	Flags      uint16 // the caller's
	Seen       uint32 // the caller's: states told so far
	Peer       uint32 // the caller's
	Day        int32  // the caller's: business day or cycle
	Amount     money.Minor
	Value      int64 // the caller's: minor units of the reporting currency, or negative
	ReceivedMs int64 // Unix milliseconds, as all times
	DeadlineMs int64
	ChangedMs  int64
	TimerMs    int64 // when Due has it; 0: never
}

// Errors a caller may want to tell apart.
var (
	ErrLocked    = errors.New("journal is in use by another process")
	ErrCorrupted = errors.New("journal is damaged")
	ErrFull      = errors.New("journal is full")
	// ErrTaken: a ref leads to another record already.
	ErrTaken = errors.New("ref belongs to another record")
	// ErrNoRecord: the slot is free.
	ErrNoRecord = errors.New("no record there")
	// ErrTooMuch: a transaction changes more than 65,536 records, or named values are larger than allowed.
	ErrTooMuch = errors.New("more than the journal takes")
)

// Options of a journal. The zero value is ready for use.
type Options struct {
	// MaxRecords is how many records there may be; 0: 20,000,000.
	MaxRecords int
	// CheckpointBytes is after how long a log the slots are made lasting and a new log begins; 0: 64 MiB.
	// About twice as much is read again after a crash.
	CheckpointBytes int64
	// Log is told what was mended; nil: nobody.
	Log *slog.Logger
	// BeforeSync is called before a transaction is made lasting, and fails that with its error: for tests of what is
	// told before something is on disk. nil: nothing is called.
	BeforeSync func() error

	// For tests, unless they are 0, instead of what suits CheckpointBytes and of waitingMax.
	zerosAhead, waitingMax int
}

const (
	defaultMaxRecords      = 20_000_000
	defaultCheckpointBytes = 64 << 20
)

// Journal is an open journal. Begin and what comes of it is for one goroutine at a time, all else for any.
type Journal struct {
	disk            disk
	log             *slog.Logger
	maxRecords      int
	checkpointBytes int64
	zerosAhead      int // of each log
	waitingMax      int // how many records wait in memory for their slot to be written, unless one transaction has more
	beforeSync      func() error

	writer  sync.Mutex // held by the transaction that is open
	work    work
	redo    *redoLog
	fail    error      // why nothing can be committed any more
	last    *Flight    // of the last commit
	syncing chan error // gives the result of the checkpoint under way; nil: none is
	spare   int64      // bytes of the spare log, 0: there is none; the checkpoint's while one is under way

	mu sync.RWMutex // what is committed, if only on its way; the writer, who alone changes it, reads it without
	slotTable
	slots   *slotFile
	index   index
	meta    map[string][]byte
	metaLen int
	seq     uint64 // of the last frame
	live    int
}

// Open opens the journal in folder dir, and makes one there if there is none. It fails with ErrLocked or, naming
// file and place, ErrCorrupted. The end of a log that a crash left half written is cut off: nobody was told
// that it had been kept.
func Open(dir string, o Options) (*Journal, error) {
	d, err := openFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("opening journal: %w", err)
	}
	j, err := open(d, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening journal in %s: %w", dir, err), d.Close())
	}
	if d.threads != nil {
		j.log.Info("the kernel does not sync the log of movements beside the agent; threads do, which takes more of the processor", "dir", dir, "err", d.threads)
	}
	return j, nil
}

// open is Open on any disk.
func open(d disk, o Options) (*Journal, error) {
	j := newJournal(d, o)
	if err := j.recover(); err != nil {
		return nil, errors.Join(err, j.free())
	}
	return j, nil
}

func newJournal(d disk, o Options) *Journal {
	j := &Journal{
		disk: d, log: o.Log, maxRecords: o.MaxRecords, checkpointBytes: o.CheckpointBytes, zerosAhead: o.zerosAhead, waitingMax: o.waitingMax, beforeSync: o.BeforeSync,
		meta: map[string][]byte{}, slotTable: newSlotTable(), last: &Flight{done: make(chan struct{})},
	}
	close(j.last.done)
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	if j.maxRecords <= 0 {
		j.maxRecords = defaultMaxRecords
	}
	if j.checkpointBytes <= 0 {
		j.checkpointBytes = defaultCheckpointBytes
	}
	if j.waitingMax == 0 {
		j.waitingMax = waitingMax
	}
	if j.zerosAhead == 0 {
		j.zerosAhead = int(min(zerosAhead, j.checkpointBytes))
	}
	return j
}

// commit writes the open transaction to the log, makes it visible and sends it on its way to the disk. All that can
// fail but that way comes before it is in the log.
func (j *Journal) commit() error {
	w := &j.work
	if err := j.landed(); err != nil {
		return err
	}
	if !j.metaFits() {
		return fmt.Errorf("named values together: %w", ErrTooMuch)
	}
	if len(j.syncing) > 0 { // a checkpoint has ended
		if err := j.checkpointed(); err != nil {
			return err
		}
	}
	if err := j.slots.reserve(w.high); err != nil {
		return err
	}
	if j.slots.waiting()+w.records() > j.waitingMax {
		if err := j.flushBeside(); err != nil {
			return err
		}
	}
	if j.redo.end >= j.checkpointBytes {
		if err := j.checkpoint(); err != nil {
			return err
		}
	}
	f := frame{
		log: j.redo.number, seq: j.seq + 1, kind: kindChange,
		live: uint32(j.live + w.live), high: w.high, entries: w.records(),
	}
	w.buf = append(w.buf, w.meta...)
	size := len(w.buf)
	w.buf = f.seal(w.buf)
	f.payload = w.buf[frameHeader:size]
	if err := j.redo.append(w.buf); err != nil {
		return j.unsure(err)
	}
	flight := &Flight{done: make(chan struct{})}
	j.send(flight)
	j.last = flight
	j.mu.Lock()
	defer j.mu.Unlock()
	j.apply(&f)
	return nil
}

// send begins to make lasting what is in the log. The flight has landed once that is done.
func (j *Journal) send(flight *Flight) {
	log := j.redo
	landed := func(err error) {
		flight.err = err
		close(flight.done)
	}
	if j.beforeSync == nil {
		log.sync(landed)
		return
	}
	go func() {
		if err := j.beforeSync(); err != nil {
			landed(unsureError{err})
			return
		}
		log.sync(landed)
	}()
}

// landed waits until what was committed last is on disk. It returns why the journal takes nothing more, if it does not.
func (j *Journal) landed() error {
	if err := j.last.Wait(); err != nil && j.fail == nil {
		_ = j.unsure(err) // it is in j.fail
	}
	return j.fail
}

// unsure ends the journal's usefulness if err says that what is on disk is not known.
func (j *Journal) unsure(err error) error {
	if errors.As(err, new(unsureError)) {
		j.fail = fmt.Errorf("journal takes nothing more until it is opened again: %w", err)
	}
	return err
}

// apply makes the transaction, now in the log as f, what later ones see.
func (j *Journal) apply(f *frame) {
	w := &j.work
	j.grow(w.high)
	j.slotTable.free = w.free
	for _, s := range w.fresh {
		j.setLink(s, 0)
	}
	for i := range f.entries {
		s, image := f.entry(i)
		j.slots.put(s, image)
		j.setTimer(s, timerAt(image))
	}
	for _, s := range w.deleted {
		j.slotTable.release(s)
	}
	for rest := w.refs.changes; len(rest) > 0; {
		some := rest[:min(len(rest), touchedAtOnce)]
		rest = rest[len(some):]
		for i := range some {
			w.touched += j.index.touch(some[i].hash)
		}
		for i := range some {
			j.applyRef(&some[i])
		}
	}
	j.applyMeta(f)
	j.seq, j.live = f.seq, int(f.live)
}

// touchedAtOnce is how many places of the index are asked of main memory together: few enough to be there still when
// they are written to.
const touchedAtOnce = 128

// applyRef makes a ref lead elsewhere.
func (j *Journal) applyRef(c *refChange) {
	if c.old == c.new {
		return
	}
	if c.old != 0 {
		j.index.remove(c.hash, c.old)
	}
	if c.new != 0 {
		j.index.add(c.hash, c.new)
	}
}

// applyMeta takes over the named values of a frame that has been checked.
func (j *Journal) applyMeta(f *frame) {
	_ = f.meta(func(key string, value []byte) {
		old, ok := j.meta[key]
		if ok {
			j.metaLen -= metaSize(key, old)
		}
		if value == nil {
			delete(j.meta, key)
			return
		}
		j.metaLen += metaSize(key, value)
		j.meta[key] = append(old[:0], value...)
	})
}

// metaFits reports whether the named values stay within bounds with the transaction's.
func (j *Journal) metaFits() bool {
	w := &j.work
	if len(w.meta) > maxMeta || j.metaLen+w.metaGrowth <= maxMeta {
		return len(w.meta) <= maxMeta
	}
	after := map[string]int{} // sizes; metaGrowth knows nothing of values that are replaced
	f := frame{payload: w.meta}
	_ = f.meta(func(key string, value []byte) {
		after[key] = 0
		if value != nil {
			after[key] = metaSize(key, value)
		}
	})
	total := j.metaLen
	for key, size := range after {
		if old, ok := j.meta[key]; ok {
			total -= metaSize(key, old)
		}
		total += size
	}
	return total <= maxMeta
}

// Meta returns the committed value under a name, nil if there is none. The caller owns it.
func (j *Journal) Meta(key string) []byte {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return slices.Clone(j.meta[key])
}

// ScanMeta calls fn for every committed value whose name begins with prefix, in the order of their names, until
// fn fails, and returns its error. The value is the callee's.
func (j *Journal) ScanMeta(prefix string, fn func(key string, value []byte) error) error {
	j.mu.RLock()
	found := map[string][]byte{}
	for key, value := range j.meta {
		if strings.HasPrefix(key, prefix) {
			found[key] = slices.Clone(value)
		}
	}
	j.mu.RUnlock()
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if err := fn(key, found[key]); err != nil {
			return err
		}
	}
	return nil
}

// Due returns the slots of at most limit records whose TimerMs is above 0 and not after nowMs, earliest first.
// They stay due until a commit changes their timer. It costs in proportion to what it returns and to how many
// timers before those were put off twice lately.
func (j *Journal) Due(nowMs int64, limit int) []Slot {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.due(nowMs, limit)
}

// NextTimer returns the earliest timer; ok is false when there is none.
func (j *Journal) NextTimer() (ms int64, ok bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.first()
}

// Len is the number of records.
func (j *Journal) Len() int {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.live
}

// scanSlots is how many slots are read at once.
const scanSlots = readAhead / slotSize

// Scan calls fn for every committed record in the order of slots until fn fails, and returns its error. Commits
// go on meanwhile: each record is as it was at some time during the scan.
func (j *Journal) Scan(fn func(Slot, Record) error) error {
	buf := make([]byte, scanSlots*slotSize)
	for first := Slot(1); ; first += scanSlots {
		n, err := j.block(first, buf)
		if err != nil || n == 0 {
			return err
		}
		for i := range n {
			s, image := first+Slot(i), buf[i*slotSize:][:slotSize]
			if err := j.slots.check(s, image); err != nil {
				return err
			}
			if !inUse(image) {
				continue
			}
			var r Record
			r.decode(image)
			if err := fn(s, r); err != nil {
				return err
			}
		}
	}
}

// block reads the slots from first on that there are, at most as many as buf holds, and returns how many.
func (j *Journal) block(first Slot, buf []byte) (int, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if first > j.high {
		return 0, nil
	}
	n := int(min(Slot(len(buf)/slotSize), j.high-first+1))
	return n, j.slots.readNow(first, buf[:n*slotSize])
}

// Close makes a checkpoint, so that nothing has to be read again, and gives the folder free. The transaction that
// is open is waited for.
func (j *Journal) Close() error {
	j.writer.Lock()
	defer j.writer.Unlock()
	if errors.Is(j.fail, fs.ErrClosed) {
		return nil
	}
	err := j.landed()
	if err == nil {
		err = j.checkpointNow()
	} else {
		err = errors.Join(err, j.checkpointed())
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err = errors.Join(err, j.free(), j.disk.Close()); err != nil {
		return fmt.Errorf("closing journal: %w", err)
	}
	return nil
}

// free gives files and memory back.
func (j *Journal) free() error {
	var err error
	if j.redo != nil {
		err = j.redo.f.Close()
	}
	if j.slots != nil {
		err = errors.Join(err, j.slots.close())
	}
	j.index.close()
	j.slotTable.close()
	j.slotTable, j.live = newSlotTable(), 0
	j.meta, j.metaLen = map[string][]byte{}, 0
	j.fail = fs.ErrClosed
	return err
}
