package backup

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/storage"
)

// Target is where a backup is put back to.
type Target struct {
	StoreDir string
	AuditLog string // path of the agent's own; the backup's is put beside it
	Force    bool   // set a store and a journal that hold something aside instead of refusing
	Stamp    int64  // Unix seconds, for the names of what is set aside or put beside
}

// Restored tells what a restore did.
type Restored struct {
	Header
	OldStore   string // where the store that was there is kept; "": there was none
	AuditLog   string // where the backup's audit log is; "": it has none
	Entries    uint64 // of the audit log
	Journal    string // where the journal of transactions is; "": the backup has none
	OldJournal string // where the one that was there is kept; "": there was none, or it was left alone
	Movements  int    // in the journal
}

// Restore puts the backup at path back: the store and the journal of transactions in the place of those that are
// there, the audit log beside the agent's own, so that no evidence is ever replaced. A backup without a
// journal leaves alone the one that is there. Everything is checked before anything is touched: the
// checksum, the chain and the signatures of the audit log, every page of the store, every record of the
// journal. Errors are those of Check and of storage.Replace, and *audit.BrokenError.
func Restore(path string, to Target, progress func(done, whole int64)) (Restored, error) {
	f, err := os.Open(path)
	if err != nil {
		return Restored{}, fmt.Errorf("opening the backup: %w", err)
	}
	defer f.Close()
	found, err := check(f, progress)
	if err != nil {
		return Restored{}, fmt.Errorf("checking %s: %w", path, err)
	}
	for to.taken() {
		to.Stamp++
	}
	r := Restored{Header: found.Header}
	if found.format > 1 {
		r.Journal = JournalDir(to.StoreDir)
		if !to.Force && holdsFiles(r.Journal) {
			return r, fmt.Errorf("replacing %s: %w", r.Journal, storage.ErrNotEmpty)
		}
	}
	z, err := zstd.NewReader(found.archive, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return r, fmt.Errorf("reading %s: %w", path, err)
	}
	defer z.Close()
	// Beside the store: the agent's audit log may not be on the machine yet, nor its folder.
	if err := os.MkdirAll(to.StoreDir, 0o700); err != nil {
		return r, fmt.Errorf("creating data directory: %w", err)
	}
	temp, err := os.MkdirTemp(to.StoreDir, ".restoring-")
	if err != nil {
		return r, fmt.Errorf("unpacking %s: %w", path, err)
	}
	defer os.RemoveAll(temp)
	if err := r.unpack(tar.NewReader(z), temp, to); err != nil {
		return r, fmt.Errorf("restoring %s: %w", path, err)
	}
	return r, nil
}

// taken reports whether an earlier restore used the names that this one would.
func (to *Target) taken() bool {
	for _, path := range []string{to.besideLog() + ".head", to.besideLog(), storage.SetAside(to.StoreDir, to.Stamp), to.oldJournal()} {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	return false
}

// besideLog is where the backup's audit log is put.
func (to *Target) besideLog() string { return fmt.Sprintf("%s.restored-%d", to.AuditLog, to.Stamp) }

// oldJournal is where the journal that was there is kept.
func (to *Target) oldJournal() string {
	return fmt.Sprintf("%s.replaced-%d", JournalDir(to.StoreDir), to.Stamp)
}

// maxWindow bounds the memory that reading a backup takes.
const maxWindow = 64 << 20

// unpack reads the archive: first the audit log with what belongs to it, then the store, then the journal.
func (r *Restored) unpack(archive *tar.Reader, temp string, to Target) error {
	log := filepath.Join(temp, auditName)
	allowed := []string{auditName}
	for _, ending := range sidecars() {
		allowed = append(allowed, auditName+ending)
	}
	for {
		part, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: it holds no store", ErrBroken)
		case err != nil:
			return fmt.Errorf("%w: %w", ErrBroken, err)
		case part.Name == storeName:
			if err := r.checkAudit(log); err != nil {
				return err
			}
			if err := r.replace(archive, temp, to); err != nil {
				return err
			}
			return r.placeAudit(log, to)
		case !slices.Contains(allowed, part.Name):
			return fmt.Errorf("%w: it holds %q, which this version does not know", ErrBroken, part.Name)
		}
		if err := writeNew(filepath.Join(temp, part.Name), archive); err != nil {
			return fmt.Errorf("unpacking: %w", err)
		}
	}
}

// replace puts the store in place, whose part of the archive has begun, and then the journal. Killed in between, it
// leaves the backup's store with the journal that was there, whose counters have run on since: the store
// takes them as it does those of any target.
func (r *Restored) replace(archive *tar.Reader, temp string, to Target) (err error) {
	how, fresh := storage.Replacing{Force: to.Force, Stamp: to.Stamp}, filepath.Join(temp, journalName)
	if r.Journal != "" {
		how.Also = func() (err error) {
			r.OldJournal, err = placeJournal(fresh, to)
			return err
		}
	}
	r.OldStore, err = storage.Replace(to.StoreDir, how, func(w io.Writer) error {
		if _, err := io.Copy(w, archive); err != nil {
			return err
		}
		return r.unpackJournal(archive, fresh)
	})
	return err
}

// unpackJournal makes a journal in folder dir of what follows the store, and reads all of it again.
func (r *Restored) unpackJournal(archive *tar.Reader, dir string) error {
	part, err := archive.Next()
	switch {
	case errors.Is(err, io.EOF) && r.Journal == "":
		return nil
	case err != nil:
		return fmt.Errorf("%w: after its store: %w", ErrBroken, err)
	case r.Journal == "" || part.Name != journalName:
		return fmt.Errorf("%w: after its store it holds %q", ErrBroken, part.Name)
	}
	if err := journal.Restore(dir, archive); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	r.Movements = j.Len()
	return j.Close()
}

// placeJournal moves the journal in folder fresh to its place, and returns where the one that was there is kept. There
// is no moment without a journal where there was one: an agent would begin an empty one.
func placeJournal(fresh string, to Target) (old string, err error) {
	dir := JournalDir(to.StoreDir)
	if holdsFiles(dir) {
		old = to.oldJournal()
		if err = os.Rename(fresh, old); err == nil {
			err = exchange(old, dir)
		}
	} else {
		err = os.Rename(fresh, dir)
	}
	if err != nil {
		return "", fmt.Errorf("placing the journal of transactions, the store is restored: %w", err)
	}
	parent, err := os.Open(to.StoreDir)
	if err != nil {
		return old, err
	}
	return old, errors.Join(parent.Sync(), parent.Close())
}

// holdsFiles reports whether there is a folder with anything in it.
func holdsFiles(dir string) bool {
	names, err := os.ReadDir(dir)
	return len(names) > 0 || err != nil && !errors.Is(err, os.ErrNotExist)
}

func writeNew(path string, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (r *Restored) checkAudit(log string) error {
	if _, err := os.Stat(log); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	report, err := audit.VerifyFile(log, audit.VerifyOptions{})
	if err != nil {
		return fmt.Errorf("checking its audit log: %w", err)
	}
	r.Entries, r.AuditLog = report.Entries, log
	return nil
}

// placeAudit puts the audit log beside the agent's own.
func (r *Restored) placeAudit(log string, to Target) error {
	if r.AuditLog == "" {
		return nil
	}
	r.AuditLog = to.besideLog()
	if err := os.MkdirAll(filepath.Dir(to.AuditLog), 0o700); err != nil {
		return fmt.Errorf("placing the audit log: %w", err)
	}
	for _, ending := range append(sidecars(), "") { // the log itself last
		from, err := os.Open(log + ending)
		if err == nil {
			err = errors.Join(writeNew(r.AuditLog+ending, from), from.Close())
		}
		if err != nil {
			return fmt.Errorf("placing the audit log, the store is restored: %w", err)
		}
	}
	return nil
}
