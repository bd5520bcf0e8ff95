package journal

import (
	"errors"
	"fmt"
)

// spareMost is how many times as long as it should be a log is kept to be written over, at most.
const spareMost = 2

// flush writes what waits into the slots file.
func (j *Journal) flush() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.slots.flush()
}

// flushBeside begins to write what waits into the slots file, once what waited before is there.
func (j *Journal) flushBeside() error {
	if j.slots.leaves != nil {
		if err := j.slots.settled(); err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.slots.leaves != nil {
		j.slots.arrived()
	}
	j.slots.leave()
	j.slots.flushBeside()
	return nil
}

// checkpoint begins a new log and, beside the commits that go on, makes the slots lasting, after which the log
// before is not needed any more. While the one before is under way it does nothing, until the log is so long
// that it is better to wait.
func (j *Journal) checkpoint() error {
	const patience = 4
	if j.syncing != nil {
		if j.redo.end < patience*j.checkpointBytes {
			return nil
		}
		if err := j.checkpointed(); err != nil {
			return err
		}
	}
	old, err := j.switchLog()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	j.syncing = done
	go func() { done <- j.retire(old, true) }()
	return nil
}

// checkpointed waits for the checkpoint under way, if there is one.
func (j *Journal) checkpointed() error {
	if j.syncing == nil {
		return nil
	}
	err := <-j.syncing
	j.syncing = nil
	if err != nil {
		// The system may hold slots for written that are not; the log that has them is still there.
		return j.unsure(unsureError{fmt.Errorf("making a checkpoint: %w", err)})
	}
	return nil
}

// checkpointNow leaves one log with nothing in it but named values.
func (j *Journal) checkpointNow() error {
	if err := j.checkpointed(); err != nil || j.seq == j.redo.first {
		return err
	}
	if j.spare > 0 { // what is left when the journal is closed is short
		if err := j.disk.Remove(spareLog); err != nil {
			return err
		}
		j.spare = 0
	}
	old, err := j.switchLog()
	if err != nil {
		return err
	}
	if err := j.retire(old, false); err != nil {
		return j.unsure(unsureError{err})
	}
	return nil
}

// switchLog writes what waits into the slots file, begins a new log and returns the one before.
func (j *Journal) switchLog() (*redoLog, error) {
	if err := j.flush(); err != nil {
		return nil, err
	}
	fresh, err := j.beginLog(j.redo.number + 1)
	if err != nil {
		return nil, j.unsure(err)
	}
	old := j.redo
	j.redo = fresh
	return old, nil
}

// beginLog makes a log whose first frame has all named values.
func (j *Journal) beginLog(number uint64) (*redoLog, error) {
	buf := make([]byte, frameHeader, frameHeader+j.metaLen+frameAlign)
	for key, value := range j.meta {
		buf = appendMeta(buf, key, value)
	}
	base := frame{log: number, seq: j.seq + 1, kind: kindBase, live: uint32(j.live), high: j.high}
	l, err := createLog(j.disk, base, buf, j.spare)
	j.spare = 0 // taken, or not to be relied on
	if err != nil {
		return nil, fmt.Errorf("beginning %s: %w", logName(number), err)
	}
	l.ahead = j.zerosAhead
	j.seq++
	return l, nil
}

// retire makes the slots lasting, after which the log that held them is not needed any more: it becomes the spare one, or
// is removed. Its removal need not last: if the log comes back after a crash, recover plays it again before those that
// follow. But one that is to be written over must not come back, with other frames in it, under its old name.
func (j *Journal) retire(old *redoLog, keep bool) error {
	if err := j.slots.f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("syncing %s: %w", slotsName, err), old.f.Close())
	}
	if err := old.f.Close(); err != nil {
		return err
	}
	if !keep || old.end > spareMost*j.checkpointBytes {
		return j.disk.Remove(logName(old.number))
	}
	if err := j.disk.Rename(logName(old.number), spareLog); err != nil {
		return j.disk.Remove(logName(old.number)) // there may be no room for another name
	}
	if err := j.disk.Sync(); err != nil {
		return err
	}
	j.spare = old.size
	return nil
}
