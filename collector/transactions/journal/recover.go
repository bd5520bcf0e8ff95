package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
)

// readAhead is how much of a file is read at once.
const readAhead = 256 << 10

// recover brings the journal to what was committed last: the logs are played into the slots, the tables in memory
// built from those, and a new log begun.
func (j *Journal) recover() error {
	names, err := j.disk.Names()
	if err != nil {
		return err
	}
	var logs []uint64
	for _, name := range names {
		if n, ok := logNumber(name); ok {
			logs = append(logs, n)
		}
	}
	slices.Sort(logs)
	if len(logs) == 0 {
		return j.create(slices.Contains(names, slotsName))
	}
	if j.slots, err = openSlots(j.disk, false); err != nil {
		return err
	}
	needed := len(logs) - 1 // a log whose removal did not last may be left from before
	for needed > 0 && logs[needed-1] == logs[needed]-1 {
		needed--
	}
	for i, n := range logs[needed:] {
		if err := j.replay(n, i == 0); err != nil {
			return err
		}
	}
	if err := j.slots.flush(); err != nil {
		return err
	}
	if err := j.load(); err != nil {
		return err
	}
	if err := j.slots.f.Sync(); err != nil {
		return err
	}
	// Not written over: nobody knows whether its name before is gone from the disk.
	if slices.Contains(names, spareLog) {
		if err := j.disk.Remove(spareLog); err != nil {
			return err
		}
	}
	if j.redo, err = j.beginLog(logs[len(logs)-1] + 1); err != nil {
		return err
	}
	for _, n := range logs {
		if err := j.disk.Remove(logName(n)); err != nil {
			return err
		}
	}
	return nil
}

// create makes an empty journal. Slots without any log are what a crash at this very place leaves, unless there
// are records among them.
func (j *Journal) create(again bool) error {
	if again {
		old, err := j.disk.Open(slotsName, false)
		if err != nil {
			return err
		}
		size, err := old.Size()
		if err = errors.Join(err, old.Close()); err != nil {
			return err
		}
		if size > slotSize {
			return fmt.Errorf("%w: there is the file %s but none called %s and a number", ErrCorrupted, slotsName, logPrefix)
		}
	}
	var err error
	if j.slots, err = openSlots(j.disk, true); err != nil {
		return err
	}
	j.redo, err = j.beginLog(1)
	return err
}

// replay plays one log, whose frames must go on where those of the one before ended.
func (j *Journal) replay(number uint64, oldest bool) error {
	name := logName(number)
	f, err := j.disk.Open(name, false)
	if err != nil {
		return err
	}
	err = f.Sync() // what a killed process wrote may not be on disk yet, and slots must not be so before
	var size int64
	if err == nil {
		size, err = f.Size()
	}
	if err == nil {
		err = j.replayFrames(f, size, number, oldest)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (j *Journal) replayFrames(f file, size int64, number uint64, oldest bool) error {
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, size), readAhead)
	var at int64
	var buf []byte
	for first := true; ; first = false {
		fr, err := readFrame(r, buf)
		// A frame of an earlier log was there before this one was written over it.
		if errors.Is(err, errNoFrame) || errors.Is(err, errBadFrame) || err == nil && !first && fr.log < number {
			if first {
				return fmt.Errorf("byte 0: %w: the first frame %w", ErrCorrupted, errBadFrame)
			}
			return j.endOfLog(f, number, at, size)
		}
		if err != nil {
			return err
		}
		kind := uint32(kindChange)
		if first {
			kind = kindBase
		}
		if fr.log != number || fr.kind != kind || !(first && oldest) && fr.seq != j.seq+1 {
			return fmt.Errorf("byte %d: %w: found %v, want frame %d of log %d", at, ErrCorrupted, &fr, j.seq+1, number)
		}
		if err := j.redoFrame(&fr); err != nil {
			return err
		}
		at += int64(paddedLen(len(fr.payload)))
		buf = fr.payload
	}
}

// redoFrame plays one frame.
func (j *Journal) redoFrame(f *frame) error {
	if f.kind == kindBase {
		clear(j.meta)
		j.metaLen = 0
	}
	if j.slots.waiting()+f.entries > j.waitingMax {
		if err := j.slots.flush(); err != nil {
			return err
		}
	}
	for i := range f.entries {
		j.slots.put(f.entry(i))
	}
	j.applyMeta(f)
	j.seq, j.live, j.high = f.seq, int(f.live), f.high
	return nil
}

// endOfLog decides whether a log that has no whole frame at a place just ends there, perhaps with a frame that a
// crash left half written, or is damaged: then later frames of it can be found.
func (j *Journal) endOfLog(f file, number uint64, at, size int64) error {
	r := bufio.NewReaderSize(io.NewSectionReader(f, at, size-at), readAhead)
	var block [frameAlign]byte
	for off := at; off < size; off += frameAlign {
		n, err := io.ReadFull(r, block[:])
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		clear(block[n:])
		switch fr, _, _, err := parseHeader(block[:frameHeader]); {
		case err != nil || fr.log != number:
		case fr.seq > j.seq+1:
			return fmt.Errorf("byte %d: %w: frame %d %w, but %v follows", at, ErrCorrupted, j.seq+1, errBadFrame, &fr)
		case off == at:
			j.log.Warn("left out the end of a log: a transaction that nobody was told had been kept", "log", logName(number), "byte", at)
		}
	}
	return nil
}

// load builds the tables in memory from the slots.
func (j *Journal) load() error {
	high, live, last := j.high, 0, Slot(0)
	j.slotTable.grow(high)
	err := j.eachImage(high, func(s Slot, image []byte) {
		if !inUse(image) {
			if last == 0 {
				j.slotTable.free = s
			} else {
				j.setLink(last, uint32(s))
			}
			last = s
			return
		}
		live++
		for i := range (Record{}).Refs {
			if ref := refAt(image, i); ref != (Ref{}) && !sameBefore(image, i) {
				j.index.add(ref.hash(), s)
			}
		}
		if ms := timerAt(image); ms > 0 {
			j.append(s, ms)
		}
	})
	if err != nil {
		return err
	}
	j.order()
	if live != j.live {
		return fmt.Errorf("%s: %w: it has %d records, the log says %d", slotsName, ErrCorrupted, live, j.live)
	}
	return nil
}

// sameBefore reports whether the i-th ref of an image is also one before it.
func sameBefore(image []byte, i int) bool {
	for k := range i {
		if refAt(image, k) == refAt(image, i) {
			return true
		}
	}
	return false
}

// eachImage calls fn for the content, checked, of every slot up to high, free or not. It is valid during the call.
func (j *Journal) eachImage(high Slot, fn func(Slot, []byte)) error {
	buf := make([]byte, min(scanSlots, high)*slotSize)
	for first := Slot(1); first <= high; first += scanSlots {
		n := int(min(scanSlots, high-first+1))
		if err := j.slots.readNow(first, buf[:n*slotSize]); err != nil {
			return err
		}
		for i := range n {
			s, image := first+Slot(i), buf[i*slotSize:][:slotSize]
			if err := j.slots.check(s, image); err != nil {
				return err
			}
			fn(s, image)
		}
	}
	return nil
}
