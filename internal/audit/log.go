package audit

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	checkpointType  = "audit_checkpoint"
	repairType      = "audit_repair"
	checkpointEvery = 100
)

// ErrClosed: the log was closed.
var ErrClosed = errors.New("audit log is closed")

// Options configure a log.
type Options struct {
	AgentID         string           // required; who writes
	Now             func() time.Time // required
	CheckpointEvery int              // entries between checkpoints; 0 means 100
}

// file is what the log needs of the file it writes.
type file interface {
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Log is an open audit log. It is safe for concurrent use.
type Log struct {
	path string
	opts Options
	key  ed25519.PrivateKey

	mu             sync.Mutex
	f              file  // nil once closed
	size           int64 // of the whole lines
	head           Head
	lastCheckpoint uint64
	broken         error // a write could not be undone; nothing more is written
}

// Append writes entries, in order and all or none, and returns once they are on disk. After an error
// (a full disk, for one) the file ends with the last whole line from before.
func (l *Log) Append(entries ...Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.append(entries); err != nil {
		return fmt.Errorf("writing audit entry: %w", err)
	}
	return nil
}

// Head is the last entry's number and hash.
func (l *Log) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Close writes a checkpoint if anything came after the last one, and lets go of the file. Closing
// twice is fine.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	var err error
	if l.head.Seq > l.lastCheckpoint {
		err = l.write(nil, true)
	}
	err = errors.Join(err, l.f.Close())
	l.f = nil
	if err != nil {
		return fmt.Errorf("closing audit log: %w", err)
	}
	return nil
}

func (l *Log) append(entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	for i := range entries {
		if err := entries[i].validate(); err != nil {
			return err
		}
	}
	return l.write(entries, false)
}

// write appends entries with the checkpoints that fall due among them, and one at the end if the log
// is closing.
func (l *Log) write(entries []Entry, closing bool) error {
	if l.f == nil {
		return ErrClosed
	}
	if l.broken != nil {
		return l.broken
	}
	now := l.opts.Now()
	head, last := l.head, l.lastCheckpoint
	var lines []byte
	add := func(e Entry) error {
		e.AgentID, e.Seq, e.PrevHash = l.opts.AgentID, head.Seq+1, head.Hash
		e.fill(now)
		line, err := e.seal()
		if err != nil {
			return err
		}
		lines = append(lines, line...)
		head = Head{e.Seq, e.Hash}
		return nil
	}
	checkpoint := func() error {
		err := add(checkpointEntry(signHead(l.key, head, now)))
		last = head.Seq
		return err
	}
	for _, e := range entries {
		if err := add(e); err != nil {
			return err
		}
		if head.Seq-last >= uint64(l.opts.CheckpointEvery) {
			if err := checkpoint(); err != nil {
				return err
			}
		}
	}
	if closing {
		if err := checkpoint(); err != nil {
			return err
		}
	}
	if err := l.commit(lines, signHead(l.key, head, now)); err != nil {
		return err
	}
	l.head, l.lastCheckpoint = head, last
	return nil
}

// commit brings lines and the head that covers them to disk, or undoes what it did.
func (l *Log) commit(lines []byte, signed SignedHead) error {
	_, err := l.f.WriteAt(lines, l.size)
	if err == nil {
		err = l.f.Sync()
	}
	if err == nil {
		err = writeHead(l.path, signed)
	}
	if err == nil {
		l.size += int64(len(lines))
		return nil
	}
	undo := l.f.Truncate(l.size)
	if undo == nil {
		undo = l.f.Sync()
	}
	if undo != nil {
		l.broken = fmt.Errorf("an earlier write failed and could not be undone: %w", undo)
	}
	return errors.Join(err, l.broken)
}

func writeHead(path string, h SignedHead) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return replaceFile(path+".head", append(data, '\n'), 0o644)
}

// checkpointEntry is an entry that signs the entry before it.
func checkpointEntry(signed SignedHead) Entry {
	evidence, err := json.Marshal(signed)
	if err != nil {
		evidence = nil // unreachable: a number, texts and a time of our own
	}
	return Entry{
		Category: CategoryMedium, Type: checkpointType, Risk: RiskLow, Outcome: Success,
		Description: fmt.Sprintf("entries up to %d are signed", signed.Seq), Evidence: evidence,
	}
}
