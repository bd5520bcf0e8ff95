package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	slotsName   = "slots"
	slotsHeader = "assayer journal, slots of 128 bytes, version 1\n" // at the place of slot 0, which is none
)

// waitingMax is how many records wait in memory for their slot to be written: those of one transaction at the
// least. Later changes of the same record, and neighbours, then cost one write together.
const waitingMax = 1 << 16

// slotFile is the slots on disk, and in front of it what is in a log already and not yet written there.
// read and readNow may run beside each other; everything else is the committer's.
type slotFile struct {
	f     file
	end   int64 // how long the file is at least
	found table // where in images a waiting slot is
	slots []Slot
	// images are the contents of slots, in the same order.
	images []byte
	pages  pages
	order  []uint64 // scratch
	run    []byte   // scratch
}

// pages keep some blocks of the file that were read lately: a system call for each record costs more than all
// else, and records that came together are often asked for together.
type pages struct {
	number [pagesKept]Slot // first slot / pageSlots + 1, 0 for none
	data   []byte
}

const (
	pageSlots = 32
	pagesKept = 512
)

// page is the content of s on disk, not checked, valid until the next call.
func (w *slotFile) page(s Slot) ([]byte, error) {
	p := &w.pages
	if p.data == nil {
		p.data = make([]byte, pagesKept*pageSlots*slotSize)
	}
	number := s / pageSlots
	i := int(number % pagesKept)
	page := p.data[i*pageSlots*slotSize:][:pageSlots*slotSize]
	if p.number[i] != number+1 {
		p.number[i] = 0
		if err := w.read(number*pageSlots, page); err != nil {
			return nil, err
		}
		p.number[i] = number + 1
	}
	return page[s%pageSlots*slotSize:][:slotSize], nil
}

// forget drops the pages of slots that are written to.
func (p *pages) forget(first, last Slot) {
	for number := first / pageSlots; number <= last/pageSlots; number++ {
		if i := int(number % pagesKept); p.number[i] == number+1 {
			p.number[i] = 0
		}
	}
}

// table finds places by slot: open addressing, never more than half full, emptied only as a whole.
type table struct {
	cells []uint64 // slot, and place + 1
	used  int
}

func (t *table) cell(s Slot) int {
	mask := len(t.cells) - 1
	i := (int(uint32(s>>3)*0x9e3779b1>>8)<<3 | int(s&7)) & mask // eight neighbours in one line of the cache
	for t.cells[i] != 0 && Slot(t.cells[i]>>32) != s {
		i = (i + 1) & mask
	}
	return i
}

func (t *table) get(s Slot) (place int, ok bool) {
	if t.used == 0 {
		return 0, false
	}
	c := t.cells[t.cell(s)]
	return int(uint32(c)) - 1, c != 0
}

// put enters s at place; it must not be there yet.
func (t *table) put(s Slot, place int) {
	if 2*(t.used+1) > len(t.cells) {
		old := t.cells
		t.cells = make([]uint64, max(fewCells, 2*len(old)))
		for _, c := range old {
			if c != 0 {
				t.cells[t.cell(Slot(c>>32))] = c
			}
		}
	}
	t.cells[t.cell(s)] = uint64(s)<<32 | uint64(place+1)
	t.used++
}

func (t *table) clear() {
	clear(t.cells)
	t.used = 0
}

func (w *slotFile) waiting() int { return len(w.slots) }

// put makes image the content of s, in memory. There must be room.
func (w *slotFile) put(s Slot, image []byte) {
	if place, ok := w.found.get(s); ok {
		copy(w.images[place*slotSize:], image)
		return
	}
	w.found.put(s, len(w.slots))
	w.slots = append(w.slots, s)
	w.images = append(w.images, image...)
}

// get is the content of s, valid until the next call. Free slots are zeros.
func (w *slotFile) get(s Slot) ([]byte, error) {
	if place, ok := w.found.get(s); ok {
		return w.images[place*slotSize:][:slotSize], nil
	}
	image, err := w.page(s)
	if err != nil {
		return nil, err
	}
	return image, w.check(s, image)
}

// check is checkImage with the place.
func (w *slotFile) check(s Slot, image []byte) error {
	if err := checkImage(s, image); err != nil {
		return fmt.Errorf("%s, byte %d: %w", slotsName, int64(s)*slotSize, err)
	}
	return nil
}

// read reads slots from s on, unchecked and without those that wait. Behind the end of the file are zeros.
func (w *slotFile) read(s Slot, buf []byte) error {
	n, err := w.f.ReadAt(buf, int64(s)*slotSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading slot %d: %w", s, err)
	}
	clear(buf[n:])
	return nil
}

// readNow is read with those that wait.
func (w *slotFile) readNow(s Slot, buf []byte) error {
	if err := w.read(s, buf); err != nil {
		return err
	}
	if w.waiting() == 0 {
		return nil
	}
	for i := range len(buf) / slotSize {
		if place, ok := w.found.get(s + Slot(i)); ok {
			copy(buf[i*slotSize:], w.images[place*slotSize:][:slotSize])
		}
	}
	return nil
}

// reserve makes the file long enough for slots up to high, so that no full disk is met once they are in the log.
func (w *slotFile) reserve(high Slot) error {
	need := (int64(high) + 1) * slotSize
	if need <= w.end {
		return nil
	}
	end := need + min(max(need/8, 256<<10), 64<<20)
	if err := w.f.Reserve(end); err != nil {
		if err := w.f.Reserve(need); err != nil {
			return fmt.Errorf("making room for %d slots: %w", high, err)
		}
		end = need
	}
	w.end = end
	return nil
}

const (
	runGap = 32              // so many slots between two that wait are read and written with them
	runMax = 2048 * slotSize // bytes in one write
)

// flush writes what waits into the file, not yet lasting, in runs as long as can be: a write of 128 bytes costs
// more than all else that is done for a record. After an error all of it still waits.
func (w *slotFile) flush() error {
	w.order = w.order[:0]
	for place, s := range w.slots {
		w.order = append(w.order, uint64(s)<<32|uint64(place))
	}
	slices.Sort(w.order)
	for i := 0; i < len(w.order); {
		first, j := Slot(w.order[i]>>32), i+1
		for j < len(w.order) && Slot(w.order[j]>>32)-Slot(w.order[j-1]>>32) <= runGap && int(Slot(w.order[j]>>32)-first+1)*slotSize <= runMax {
			j++
		}
		if err := w.writeRun(w.order[i:j]); err != nil {
			return err
		}
		i = j
	}
	w.found.clear()
	w.slots, w.images = w.slots[:0], w.images[:0]
	return nil
}

// writeRun writes the slots of order, and those between them as they are, at once.
func (w *slotFile) writeRun(order []uint64) error {
	first, last := Slot(order[0]>>32), Slot(order[len(order)-1]>>32)
	size := int(last-first+1) * slotSize
	if cap(w.run) < size {
		w.run = make([]byte, runMax)
	}
	run := w.run[:size]
	if int(last-first)+1 > len(order) {
		if err := w.read(first, run); err != nil {
			return err
		}
	}
	for _, o := range order {
		place := int(uint32(o))
		copy(run[int(Slot(o>>32)-first)*slotSize:], w.images[place*slotSize:][:slotSize])
	}
	w.pages.forget(first, last)
	if _, err := w.f.WriteAt(run, int64(first)*slotSize); err != nil {
		return fmt.Errorf("writing slots from %d: %w", first, err)
	}
	return nil
}

// openSlots opens the file or, if create is set, makes a new one.
func openSlots(d disk, create bool) (*slotFile, error) {
	f, err := d.Open(slotsName, create)
	if err != nil {
		return nil, err
	}
	w := &slotFile{f: f}
	if err := w.header(create); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

func (w *slotFile) header(create bool) error {
	header := make([]byte, slotSize)
	copy(header, slotsHeader)
	if create {
		if _, err := w.f.WriteAt(header, 0); err != nil {
			return err
		}
		w.end = slotSize
		return w.f.Sync()
	}
	got := make([]byte, slotSize)
	if err := w.read(0, got); err != nil {
		return err
	}
	if !bytes.Equal(got, header) {
		return fmt.Errorf("%s: %w: it does not begin with %q", slotsName, ErrCorrupted, slotsHeader)
	}
	var err error
	w.end, err = w.f.Size()
	return err
}
