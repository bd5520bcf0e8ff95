package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// fileName is the one file of a store inside its directory.
const fileName = "assayer.db"

// lockWait bounds how long Open waits for another process to let go.
const lockWait = time.Second

func bucketName() []byte { return []byte("v1") }

// Bolt is the embedded engine: one B+tree file, every Apply one fsynced transaction. Each value
// carries a CRC-32C, because the tree itself checks only its own pages' shape.
type Bolt struct {
	db   *bbolt.DB
	path string
}

// Open opens or creates the store in directory dir. It returns an error that wraps [ErrLocked]
// when another process has it and [ErrCorrupted] when the file is damaged.
func Open(dir string) (*Bolt, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating data directory: %w", err)
	}
	path := filepath.Join(dir, fileName)
	db, err := openFile(path)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout), errors.Is(err, ErrLocked):
		return nil, fmt.Errorf("opening %s: %w: is another assayer running on this directory?", path, ErrLocked)
	case errors.Is(err, ErrCorrupted):
		return nil, fmt.Errorf("opening %s: %w; run again with --repair to keep what is readable (the damaged file is kept beside it), or move the file away to start empty", path, err)
	case err != nil:
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return &Bolt{db: db, path: path}, nil
}

func openFile(path string) (*bbolt.DB, error) {
	lock, err := lockDir(filepath.Dir(path)) // two processes may be starting, or one replaces the store
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := verify(path); err != nil {
		return nil, err
	}
	if err := createFile(path, lock); err != nil {
		return nil, fmt.Errorf("creating it: %w", err)
	}
	return bbolt.Open(path, 0o600, options())
}

func options() *bbolt.Options {
	return &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType}
}

// createFile makes an empty store unless there is one. It comes into being whole, by a rename, so that
// a file of no bytes is never a store that was just being made: it is one that lost everything.
func createFile(path string, dir *os.File) error {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	half := path + ".new"
	if err := os.Remove(half); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(half, 0o600, options())
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketName())
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Rename(half, path); err != nil {
		return err
	}
	return dir.Sync()
}

// guard turns a panic of the tree, or a memory fault on its mapped file, into ErrCorrupted, for
// damage that happens while the store is open.
func guard(fn func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupted, r)
		}
	}()
	return fn()
}

// Get implements DB.
func (s *Bolt) Get(key string) (value []byte, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			sealed := tx.Bucket(bucketName()).Get([]byte(key))
			if sealed == nil {
				return nil
			}
			v, err := unseal(key, sealed)
			value = append([]byte{}, v...)
			return err
		})
	})
	return value, err
}

// Scan implements DB. fn must not call back into the store.
func (s *Bolt) Scan(prefix string, fn func(key string, value []byte) error) error {
	return guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket(bucketName()).Cursor()
			for k, sealed := c.Seek([]byte(prefix)); k != nil && len(k) >= len(prefix) && string(k[:len(prefix)]) == prefix; k, sealed = c.Next() {
				v, err := unseal(string(k), sealed)
				if err != nil {
					return err
				}
				if err := fn(string(k), v); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// Apply implements DB. When it fails, for instance on a full disk, nothing of the batch is kept.
func (s *Bolt) Apply(b *Batch) error {
	// In order of keys, since in any other order each write of a large batch moves what was written
	// before it. Writes of one key keep their order.
	ops := slices.Clone(b.ops)
	slices.SortStableFunc(ops, func(a, b op) int { return strings.Compare(a.key, b.key) })
	err := guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket(bucketName())
			for _, o := range ops {
				if o.delete {
					if err := bucket.Delete([]byte(o.key)); err != nil {
						return err
					}
					continue
				}
				if err := bucket.Put([]byte(o.key), seal(o.key, o.value)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("writing %s: %w", s.path, err)
	}
	return nil
}

// Close implements DB.
func (s *Bolt) Close() error { return s.db.Close() }

// seal puts a checksum over key and value in front of value.
func seal(key string, value []byte) []byte {
	out := make([]byte, 4, 4+len(value))
	binary.LittleEndian.PutUint32(out, checksum(key, value))
	return append(out, value...)
}

func unseal(key string, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 || binary.LittleEndian.Uint32(sealed) != checksum(key, sealed[4:]) {
		return nil, fmt.Errorf("%w: checksum of value %q does not match", ErrCorrupted, key)
	}
	return sealed[4:], nil
}

func checksum(key string, value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum([]byte(key), table), table, value)
}
