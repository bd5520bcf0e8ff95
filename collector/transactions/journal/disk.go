package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// disk is one folder: what the journal needs of a file system, and the seam at which tests pull the plug.
type disk interface {
	// Open opens a file for reading and writing, and makes it if create is set.
	Open(name string, create bool) (file, error)
	Rename(from, to string) error
	Remove(name string) error
	Names() ([]string, error)
	// Sync makes lasting which files there are.
	Sync() error
	// Close gives up the lock.
	Close() error
}

// file is one open file. What was written lasts once Sync returned nil.
type file interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	// Reserve makes the file at least size bytes long, with room on the disk where the system can promise it.
	Reserve(size int64) error
	Truncate(size int64) error
	Sync() error
	Close() error
}

const lockName = "lock"

// folder is a disk of the operating system's.
type folder struct {
	dir    string
	lock   *os.File
	kernel *kernelSync // nil: see threads
	// threads says why the kernel does not sync and threads of our own do.
	threads error
}

// openFolder makes dir if need be, for the owner alone, and locks it: ErrLocked when somebody else has it.
func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", f.Name(), err), f.Close())
	}
	d := &folder{dir: dir, lock: f}
	d.kernel, d.threads = newKernelSync(f)
	return d, nil
}

func (d *folder) Open(name string, create bool) (file, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(filepath.Join(d.dir, name), flags, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f, d.kernel}, nil
}

func (d *folder) Rename(from, to string) error {
	return os.Rename(filepath.Join(d.dir, from), filepath.Join(d.dir, to))
}

func (d *folder) Remove(name string) error { return os.Remove(filepath.Join(d.dir, name)) }

func (d *folder) Names() ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func (d *folder) Sync() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *folder) Close() error { return errors.Join(d.kernel.close(), d.lock.Close()) }

type osFile struct {
	*os.File
	kernel *kernelSync // or nil
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Reserve(size int64) error {
	has, err := f.Size()
	if err != nil || has >= size {
		return err
	}
	return reserve(f.File, has, size)
}

func (f osFile) Sync() error { return syncData(f.File) }

// syncBeside begins to sync f and returns; done is called with what Sync would return, on a goroutine of its own.
func syncBeside(f file, done func(error)) {
	if own, ok := f.(osFile); ok && own.kernel.begin(own.File) {
		go func() { done(own.kernel.wait(own.Name())) }()
		return
	}
	go func() { done(f.Sync()) }()
}
