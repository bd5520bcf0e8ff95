package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
)

// backupRecords is how many records are in one frame of a backup.
const backupRecords = 4096

// Backup writes a copy of what is committed now, as frames of log 0, for Restore. Commits wait until it is done.
func (j *Journal) Backup(w io.Writer) error {
	j.writer.Lock()
	defer j.writer.Unlock()
	if err := j.backup(w); err != nil {
		return fmt.Errorf("backing up the journal: %w", err)
	}
	return nil
}

func (j *Journal) backup(w io.Writer) error {
	if err := j.landed(); err != nil {
		return err
	}
	f := frame{kind: kindBase, live: uint32(j.live), high: j.high}
	buf := make([]byte, frameHeader, frameHeader+backupRecords*entryLen+frameAlign)
	for key, value := range j.meta {
		buf = appendMeta(buf, key, value)
	}
	var failed error
	write := func(next uint32) {
		if failed == nil {
			_, failed = w.Write(f.seal(buf))
		}
		f.seq, f.kind, f.entries, buf = f.seq+1, next, 0, buf[:frameHeader]
	}
	write(kindChange)
	err := j.eachImage(j.high, func(s Slot, image []byte) {
		if !inUse(image) {
			return
		}
		buf = appendEntry(buf, s, image)
		if f.entries++; f.entries == backupRecords {
			write(kindChange)
		}
	})
	write(kindEnd)
	write(kindEnd)
	return errors.Join(err, failed)
}

// Restore makes a journal in folder dir, which must not hold one, from what Backup wrote. When it is interrupted,
// Open says that the journal is damaged; remove it and begin anew.
func Restore(dir string, r io.Reader) error {
	d, err := openFolder(dir)
	if err == nil {
		err = errors.Join(restore(d, r), d.Close())
	}
	if err != nil {
		return fmt.Errorf("restoring the journal in %s: %w", dir, err)
	}
	return nil
}

func restore(d disk, r io.Reader) error {
	names, err := d.Names()
	if err != nil {
		return err
	}
	if names = slices.DeleteFunc(names, func(name string) bool { return name == lockName }); len(names) > 0 {
		return fmt.Errorf("the folder has to be empty, but holds %s", names[0])
	}
	j := newJournal(d, Options{})
	if j.slots, err = openSlots(d, true); err == nil {
		err = j.restoreFrames(bufio.NewReaderSize(r, readAhead))
	}
	if err == nil {
		err = j.slots.f.Sync()
	}
	if err == nil {
		j.redo, err = j.beginLog(1)
	}
	return errors.Join(err, j.free())
}

// restoreFrames plays a backup into the slots.
func (j *Journal) restoreFrames(r io.Reader) error {
	var buf []byte
	records := 0
	for seq := uint64(0); ; seq++ {
		f, err := readFrame(r, buf)
		switch {
		case errors.Is(err, errNoFrame):
			return fmt.Errorf("%w: the backup ends early, after %d of %d records", ErrCorrupted, records, j.live)
		case err != nil:
			return fmt.Errorf("%w: frame %d of the backup: %w", ErrCorrupted, seq, err)
		case f.log != 0 || f.seq != seq || (f.kind == kindBase) != (seq == 0):
			return fmt.Errorf("%w: frame %d of the backup is out of place", ErrCorrupted, seq)
		}
		if err := j.redoFrame(&f); err != nil {
			return err
		}
		if records += f.entries; f.kind == kindEnd {
			break
		}
		buf = f.payload
	}
	if records != j.live {
		return fmt.Errorf("%w: the backup has %d records, and says %d", ErrCorrupted, records, j.live)
	}
	return j.slots.flush()
}
