package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	slotsName   = "slots"
	slotsHeader = "assayer journal, slots of 128 bytes, version 1\n" // at the place of slot 0, which is none
)

// slotFile is the slots on disk, and in front of it what is in a log already and not yet written there.
// read and readNow may run beside each other and beside the writing of what leaves; everything else is the committer's.
type slotFile struct {
	f       file
	end     int64 // how long the file is at least
	waits   *batch
	leaves  *batch     // being written beside the commits, nil: nothing is. What waits came after it.
	written chan error // gives how that went; nil: it is known, and has to be tried again
	spare   *batch     // to be used again, or nil
	pages   pages
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

// forget drops the page of a slot that was written to.
func (p *pages) forget(s Slot) {
	number := s / pageSlots
	if i := int(number % pagesKept); p.number[i] == number+1 {
		p.number[i] = 0
	}
}

func (w *slotFile) waiting() int { return len(w.waits.slots) }

// put makes image the content of s, in memory. There must be room.
func (w *slotFile) put(s Slot, image []byte) { w.waits.put(s, image) }

// get is the content of s, valid until the next call. Free slots are zeros.
func (w *slotFile) get(s Slot) ([]byte, error) {
	if image := w.waits.get(s); image != nil {
		return image, nil
	}
	if w.leaves != nil {
		if image := w.leaves.get(s); image != nil {
			return image, nil
		}
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
func (w *slotFile) read(s Slot, buf []byte) error { return readSlots(w.f, s, buf) }

func readSlots(f file, s Slot, buf []byte) error {
	n, err := f.ReadAt(buf, int64(s)*slotSize)
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
	for _, b := range []*batch{w.leaves, w.waits} {
		if b == nil || len(b.slots) == 0 {
			continue
		}
		for i := range len(buf) / slotSize {
			if image := b.get(s + Slot(i)); image != nil {
				copy(buf[i*slotSize:], image)
			}
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

// flush writes all that waits into the file, not yet lasting. After an error what was not written still waits.
func (w *slotFile) flush() error {
	if err := w.flushed(); err != nil {
		return err
	}
	w.leave()
	return w.flushed()
}

// leave makes what waits leave: nothing may be leaving.
func (w *slotFile) leave() {
	if w.spare == nil {
		w.spare = &batch{}
	}
	w.leaves, w.waits, w.spare = w.waits, w.spare, nil
}

// flushBeside begins to write what leaves, beside the commits that go on.
func (w *slotFile) flushBeside() {
	b, done := w.leaves, make(chan error, 1)
	w.written = done
	go func() { done <- b.write(w.f) }()
}

// flushed returns once what leaves is in the file, if anything does. After an error it still leaves.
func (w *slotFile) flushed() error {
	if w.leaves == nil {
		return nil
	}
	if err := w.settled(); err != nil {
		return err
	}
	w.arrived()
	return nil
}

// settled waits for what leaves to be written.
func (w *slotFile) settled() error {
	if w.written == nil {
		return w.leaves.write(w.f)
	}
	err := <-w.written
	w.written = nil
	return err
}

// arrived forgets what has left.
func (w *slotFile) arrived() {
	for _, s := range w.leaves.slots {
		w.pages.forget(s)
	}
	w.leaves.clear()
	w.leaves, w.spare = nil, w.leaves
}

// close closes the file, when nothing is written to it any more.
func (w *slotFile) close() error {
	if w.written != nil {
		<-w.written //nolint:errcheck // what is in no slot is in a log
		w.written = nil
	}
	return w.f.Close()
}

// openSlots opens the file or, if create is set, makes a new one.
func openSlots(d disk, create bool) (*slotFile, error) {
	f, err := d.Open(slotsName, create)
	if err != nil {
		return nil, err
	}
	w := &slotFile{f: f, waits: &batch{}}
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
