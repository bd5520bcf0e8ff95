package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"go.etcd.io/bbolt"
)

// ErrNotEmpty: there is a store already.
var ErrNotEmpty = errors.New("there is a store already")

// Snapshot writes the store, as it is at one moment, to where begin says; begin gets the number of
// bytes. Reads and writes go on meanwhile, and the file grows by what is written until it returns.
func (s *Bolt) Snapshot(begin func(size int64) (io.Writer, error)) error {
	err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			w, err := begin(tx.Size())
			if err != nil {
				return err
			}
			_, err = tx.WriteTo(w)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("reading a snapshot of %s: %w", s.path, err)
	}
	return nil
}

// Replacing says how Replace treats the store that is there.
type Replacing struct {
	Force bool  // set a store that holds something aside instead of refusing
	Stamp int64 // Unix seconds, for the name of what is set aside
	// Also, unless nil, runs when the new store is in place and before anybody can open it: for what belongs to it.
	Also func() error
}

// Replace puts the store that fill writes, which is one that Snapshot gave, into directory dir. All of
// it is written and read again before the store that is there is touched, and a crash leaves the one
// or the other. It returns where the store that was there is kept now, "" if there was none, and an
// error that wraps ErrLocked while an agent has it, ErrNotEmpty when it holds something and Force is
// not set, and ErrCorrupted when what fill wrote is no sound store.
func Replace(dir string, how Replacing, fill func(io.Writer) error) (old string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("creating data directory: %w", err)
	}
	lock, err := lockDir(dir) // until all is done, nobody opens the store
	if err != nil {
		return "", fmt.Errorf("locking data directory: %w", err)
	}
	defer lock.Close()
	path := filepath.Join(dir, fileName)
	there, err := holdsAnything(path)
	switch {
	case errors.Is(err, ErrLocked):
		return "", fmt.Errorf("replacing %s: %w: stop the agent first", path, err)
	case err != nil:
		return "", fmt.Errorf("replacing %s: %w", path, err)
	case there && !how.Force:
		return "", fmt.Errorf("replacing %s: %w", path, ErrNotEmpty)
	}
	fresh := path + ".restoring"
	defer os.Remove(fresh)
	if err := WriteWhole(fresh, fill); err != nil {
		return "", fmt.Errorf("writing %s: %w", fresh, err)
	}
	if err := verify(fresh); err != nil {
		return "", fmt.Errorf("checking %s: %w", fresh, err)
	}
	if there {
		// A second name, not another one: there is no moment without a store.
		old = SetAside(dir, how.Stamp)
		if err := os.Link(path, old); err != nil {
			return "", fmt.Errorf("keeping the store that is there: %w", err)
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		return old, fmt.Errorf("putting the new store in place: %w", err)
	}
	if err := lock.Sync(); err != nil || how.Also == nil {
		return old, err
	}
	return old, how.Also()
}

// SetAside is where Replace keeps the store that was in directory dir.
func SetAside(dir string, stamp int64) string {
	return fmt.Sprintf("%s.replaced-%d", filepath.Join(dir, fileName), stamp)
}

// lockDir waits until this process alone opens or replaces stores in dir.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// holdsAnything reports whether there is a file at path that is more than a sound store without values.
func holdsAnything(path string) (bool, error) {
	holds := false
	err := inspect(path, func(f *os.File, size int64) error {
		m, unreadable := readMeta(f)
		w := walker{f: f, size: size, meta: m, visited: map[uint64]bool{}, each: func(_, _ []byte) { holds = true }}
		// What is damaged, or something else, is not to be thrown away.
		holds = unreadable != nil || w.tree(m.root, nil, true, 0) != nil || holds
		return nil //nolint:nilerr // that nothing can be read is the result
	})
	return holds, err
}

// WriteWhole makes a file, readable by its owner alone, that is on disk when it returns.
func WriteWhole(path string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
