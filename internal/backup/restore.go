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

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/storage"
)

// Target is where a backup is put back to.
type Target struct {
	StoreDir string
	AuditLog string // path of the agent's own; the backup's is put beside it
	Force    bool   // set a store that holds something aside instead of refusing
	Stamp    int64  // Unix seconds, for the names of what is set aside or put beside
}

// Restored tells what a restore did.
type Restored struct {
	Header
	OldStore string // where the store that was there is kept; "": there was none
	AuditLog string // where the backup's audit log is; "": it has none
	Entries  uint64 // of the audit log
}

// Restore puts the backup at path back: the store in the place of the one that is there, the audit log
// beside the agent's own, so that no evidence is ever replaced. Everything is checked before anything
// is touched: the checksum, the chain and the signatures of the audit log, every page of the store.
// Errors are those of Check and of storage.Replace, and *audit.BrokenError.
func Restore(path string, to Target, progress func(done, whole int64)) (Restored, error) {
	f, err := os.Open(path)
	if err != nil {
		return Restored{}, fmt.Errorf("opening the backup: %w", err)
	}
	defer f.Close()
	header, content, err := check(f, progress)
	if err != nil {
		return Restored{}, fmt.Errorf("checking %s: %w", path, err)
	}
	for to.taken() {
		to.Stamp++
	}
	r := Restored{Header: header}
	z, err := zstd.NewReader(content, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
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
	for _, path := range []string{to.besideLog() + ".head", to.besideLog(), storage.SetAside(to.StoreDir, to.Stamp)} {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	return false
}

// besideLog is where the backup's audit log is put.
func (to *Target) besideLog() string { return fmt.Sprintf("%s.restored-%d", to.AuditLog, to.Stamp) }

// maxWindow bounds the memory that reading a backup takes.
const maxWindow = 64 << 20

// unpack reads the archive: first the audit log with what belongs to it, then the store.
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
			r.OldStore, err = storage.Replace(to.StoreDir, storage.Replacing{Force: to.Force, Stamp: to.Stamp}, func(w io.Writer) error {
				_, err := io.Copy(w, archive)
				return err
			})
			if err != nil {
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
