// Package backup writes an agent's data into one file, and puts it back. The file:
//
//	assayer-backup 2
//	{"created":"2026-11-21T10:00:00Z","agent_version":"1.4.0"}
//	…                    a tar archive, zstd-compressed: audit.jsonl, .head and .pub, assayer.db, transactions
//	…                    32 bytes: the SHA-256 of all before
//
// The store is a snapshot of one moment, taken while the agent goes on; the audit log is whole lines
// up to about then. The log's private key is never in it. The journal of transactions is of a moment after the
// store's, so that its counters are never behind what the store has counted of them. Without one, the file
// is of format 1, which has all but that.
package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/internal/audit"
)

// Header is what a backup says of itself.
type Header struct {
	Created      time.Time `json:"created"`
	AgentVersion string    `json:"agent_version"`
}

// Errors a caller may want to tell apart.
var (
	// ErrBroken: the file is no backup, or not all of one, or was changed.
	ErrBroken = errors.New("it is not a whole backup")
	// ErrVersion: a newer version wrote the backup.
	ErrVersion = errors.New("the backup was written by a newer version of assayer")
)

const (
	magic     = "assayer-backup "
	version   = 2    // the newest; 1 has no journal of transactions
	maxHeader = 4096 // bytes of the first two lines

	storeName   = "assayer.db"
	auditName   = "audit.jsonl"
	journalName = "transactions"
)

// JournalDir is where the journal of transactions lies, beside the store in directory storeDir.
func JournalDir(storeDir string) string { return filepath.Join(storeDir, journalName) }

// sidecars are the files that belong to an audit log and may leave the machine, by their endings.
func sidecars() []string { return []string{".head", ".pub"} }

// Store is what gives a snapshot; a *storage.Bolt.
type Store interface {
	Snapshot(begin func(size int64) (io.Writer, error)) error
}

// From is what a backup is made of.
type From struct {
	Store    Store
	AuditLog string           // path; it need not exist
	Journal  *journal.Journal // of transactions; nil: there is none
	Spool    string           // directory with room for a copy of the journal while it is sent
}

// Write writes a backup. progress, unless nil, is told how many bytes of how many are done.
func Write(w io.Writer, h Header, from From, progress func(done, whole int64)) error {
	format := version
	if from.Journal == nil {
		format = 1
	}
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	head, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encoding the backup's header: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s%d\n%s\n", magic, format, head); err != nil {
		return err
	}
	z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	archive := tar.NewWriter(z)
	err = writeAudit(archive, from.AuditLog)
	if err == nil {
		err = from.Store.Snapshot(func(size int64) (io.Writer, error) {
			return &counting{w: archive, whole: size, progress: progress}, archive.WriteHeader(&tar.Header{Name: storeName, Mode: 0o600, Size: size})
		})
	}
	if err == nil && from.Journal != nil {
		err = writeJournal(archive, from, progress)
	}
	if err == nil {
		err = archive.Close()
	}
	if err = errors.Join(err, z.Close()); err != nil {
		return err
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

// writeJournal adds the journal of transactions. Movements wait while it is read, so it is read into a file first:
// whoever takes the backup may be slow.
func writeJournal(archive *tar.Writer, from From, progress func(done, whole int64)) (err error) {
	spool, err := os.CreateTemp(from.Spool, ".backing-up-")
	if err != nil {
		return fmt.Errorf("copying the journal of transactions: %w", err)
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	err = os.Remove(spool.Name()) // it goes with its handle, also when the agent is killed
	if err == nil {
		err = from.Journal.Backup(spool)
	}
	if err != nil {
		return fmt.Errorf("copying the journal of transactions: %w", err)
	}
	size, err := spool.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("copying the journal of transactions: %w", err)
	}
	return writePart(archive, journalName, size, io.TeeReader(io.NewSectionReader(spool, 0, size), &counting{w: io.Discard, whole: size, progress: progress}))
}

// counting tells of what passes through it.
type counting struct {
	w           io.Writer
	done, whole int64
	progress    func(done, whole int64)
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.done += int64(n)
	if c.progress != nil {
		c.progress(c.done, c.whole)
	}
	return n, err
}

// writeAudit adds the audit log and what belongs to it. The signed head comes first: what is appended
// meanwhile is then beyond it, never missing.
func writeAudit(archive *tar.Writer, path string) error {
	for _, ending := range sidecars() {
		data, err := os.ReadFile(path + ending)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // no log has begun
		}
		if err == nil {
			err = writePart(archive, auditName+ending, int64(len(data)), bytes.NewReader(data))
		}
		if err != nil {
			return fmt.Errorf("reading the audit log: %w", err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading the audit log: %w", err)
	}
	defer f.Close()
	size, err := wholeLines(f)
	if err == nil {
		err = writePart(archive, auditName, size, io.NewSectionReader(f, 0, size))
	}
	if err != nil {
		return fmt.Errorf("reading the audit log: %w", err)
	}
	return nil
}

func writePart(archive *tar.Writer, name string, size int64, from io.Reader) error {
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(archive, from)
	return err
}

// wholeLines is the number of bytes up to the last line break: an entry may be half written.
func wholeLines(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	end := info.Size()
	start := max(0, end-2*audit.MaxLineBytes)
	tail := make([]byte, end-start)
	if _, err := f.ReadAt(tail, start); err != nil && err != io.EOF {
		return 0, err
	}
	return start + int64(bytes.LastIndexByte(tail, '\n')) + 1, nil
}

// Check reads the backup at path and returns its header. It returns an error that wraps ErrBroken
// unless every byte is as it was written, and ErrVersion for a newer format.
func Check(path string, progress func(done, whole int64)) (Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return Header{}, fmt.Errorf("opening the backup: %w", err)
	}
	defer f.Close()
	found, err := check(f, progress)
	if err != nil {
		return found.Header, fmt.Errorf("checking %s: %w", path, err)
	}
	return found.Header, nil
}

// checked is a backup whose bytes are those that were written.
type checked struct {
	Header
	format  int
	begins  int64             // where the archive lies
	archive *io.SectionReader // compressed
}

func check(f *os.File, progress func(done, whole int64)) (checked, error) {
	info, err := f.Stat()
	if err != nil {
		return checked{}, err
	}
	size := info.Size() - sha256.Size
	found, err := readHeader(io.NewSectionReader(f, 0, max(0, size)))
	if err != nil {
		return found, err
	}
	sum, written := sha256.New(), make([]byte, sha256.Size)
	if _, err := io.Copy(&counting{w: sum, whole: size, progress: progress}, io.NewSectionReader(f, 0, size)); err != nil {
		return found, err
	}
	if _, err := f.ReadAt(written, size); err != nil {
		return found, err
	}
	if !bytes.Equal(sum.Sum(nil), written) {
		return found, fmt.Errorf("%w: its checksum does not match; it was cut short or changed", ErrBroken)
	}
	found.archive = io.NewSectionReader(f, found.begins, size-found.begins)
	return found, nil
}

// readHeader reads the first two lines.
func readHeader(r io.Reader) (found checked, err error) {
	br := bufio.NewReaderSize(io.LimitReader(r, maxHeader), maxHeader)
	first, err := br.ReadString('\n')
	number, ours := strings.CutPrefix(strings.TrimSuffix(first, "\n"), magic)
	v, notNumber := strconv.Atoi(number)
	switch {
	case err != nil || !ours || notNumber != nil || v < 1:
		return found, fmt.Errorf("%w: it does not begin as one", ErrBroken)
	case v > version:
		return found, fmt.Errorf("%w: format %d, this one reads %d", ErrVersion, v, version)
	}
	second, err := br.ReadString('\n')
	if err != nil || json.Unmarshal([]byte(second), &found.Header) != nil {
		return checked{}, fmt.Errorf("%w: its second line is no header", ErrBroken)
	}
	found.format, found.begins = v, int64(len(first)+len(second))
	return found, nil
}
