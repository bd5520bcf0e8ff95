package journal

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	logPrefix = "log-"
	newLog    = "new-log"   // becomes log-N once its first frame is on disk
	spareLog  = "spare-log" // was a log and is not needed any more: the next is written over it
)

func logName(number uint64) string { return logPrefix + strconv.FormatUint(number, 10) }

// logNumber is the number of the log called so.
func logNumber(name string) (number uint64, ok bool) {
	digits, ok := strings.CutPrefix(name, logPrefix)
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, ok && err == nil && logName(number) == name
}

// redoLog is the log that takes frames.
type redoLog struct {
	f      file
	number uint64
	first  uint64 // number of its first frame
	end    int64  // of the last whole frame
	size   int64  // of the file: the rest is zeros written ahead, or what an earlier log left
	ahead  int    // how many zeros to write at once
	zeros  []byte
}

// zerosAhead is how much is written behind the frames at once, at most: a frame that only replaces what is there is on
// disk twice as fast, since the file system has nothing to note about the file.
const zerosAhead = 1 << 20

// largeFrame: a frame of more than this part of the zeros is written without them. To write it twice would cost more than
// what the file system has to note.
const largeFrame = 16

// createLog begins a log with its first frame, built in buf behind room for the header, and returns once it would
// be found after a crash. If it cannot know that, the error is an unsureError. It is written over the spare log, if there
// is one of spare bytes, and else a new file.
func createLog(d disk, base frame, buf []byte, spare int64) (*redoLog, error) {
	name, create := newLog, true
	if spare > 0 {
		name, create = spareLog, false
	}
	f, err := d.Open(name, create)
	if err != nil {
		return nil, err
	}
	buf = base.seal(buf)
	if _, err = f.WriteAt(buf, 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		if err = d.Rename(name, logName(base.log)); err == nil {
			err = d.Sync()
		}
		if err != nil {
			err = unsureError{err}
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	end := int64(len(buf))
	return &redoLog{f: f, number: base.log, first: base.seq, end: end, size: max(end, spare)}, nil
}

// unsureError: what is on disk is not known.
type unsureError struct{ error }

func (e unsureError) Unwrap() error { return e.error }

// append writes a sealed frame, which sync makes lasting. After an error the frame is not there; if that cannot be made
// sure, the error is an unsureError.
func (l *redoLog) append(buf []byte) error {
	end := l.end + int64(len(buf))
	var err error
	if len(buf) <= l.ahead/largeFrame {
		err = l.writeAhead(end)
	}
	if err == nil {
		_, err = l.f.WriteAt(buf, l.end)
	}
	if err != nil {
		err = fmt.Errorf("writing %s: %w", logName(l.number), err)
		return l.cutBack(err)
	}
	l.end, l.size = end, max(l.size, end)
	return nil
}

// sync returns at once. It calls done when all frames are on disk, and else with an unsureError: the system may hold pages
// for written that are not.
func (l *redoLog) sync(done func(error)) {
	syncBeside(l.f, func(err error) {
		if err != nil {
			err = unsureError{fmt.Errorf("syncing %s: %w", logName(l.number), err)}
		}
		done(err)
	})
}

// writeAhead puts zeros behind where the frame will end, if they are used up.
func (l *redoLog) writeAhead(end int64) error {
	if end <= l.size {
		return nil
	}
	if l.zeros == nil {
		l.zeros = make([]byte, l.ahead)
	}
	n, err := l.f.WriteAt(l.zeros, end)
	if err != nil && n == 0 {
		return err
	}
	l.size = end + int64(n) // a disk about to be full: the frame may still fit
	return nil
}

// cutBack takes away what may have been written of a frame, and returns why it was not written.
func (l *redoLog) cutBack(why error) error {
	err := l.f.Truncate(l.end)
	if err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		return unsureError{errors.Join(why, fmt.Errorf("cutting %s back: %w", logName(l.number), err))}
	}
	l.size = l.end
	return why
}
