package storage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Repaired tells what a repair did.
type Repaired struct {
	Kept int    // values copied into the new file
	Lost int    // values that were there but could not be trusted; -1: more than can be counted
	Old  string // where the damaged file now is
}

// repairBatch bounds how much is written in one transaction of the new file.
const repairBatch = 10_000

// Repair rebuilds a damaged store from what can still be read. The damaged file is kept under
// another name (suffix .damaged-<unix seconds given by stamp>); nothing is ever deleted. A store
// that is not damaged is left alone.
func Repair(dir string, stamp int64) (Repaired, error) {
	path := filepath.Join(dir, fileName)
	err := verify(path)
	if err == nil {
		return Repaired{}, nil
	}
	if !errors.Is(err, ErrCorrupted) {
		return Repaired{}, fmt.Errorf("opening %s: %w", path, err)
	}
	old := fmt.Sprintf("%s.damaged-%d", path, stamp)
	if err := os.Rename(path, old); err != nil {
		return Repaired{}, fmt.Errorf("setting the damaged store aside: %w", err)
	}
	fresh, err := Open(dir)
	if err != nil {
		return Repaired{}, fmt.Errorf("creating a new store: %w", err)
	}
	res, err := salvage(old, fresh)
	res.Old = old
	return res, errors.Join(err, fresh.Close())
}

// salvage copies every value of the damaged file that can be reached and whose checksum holds.
func salvage(old string, fresh *Bolt) (Repaired, error) {
	var res Repaired
	var batch Batch
	var failed error
	flush := func() {
		if failed == nil && batch.Len() > 0 {
			failed = fresh.Apply(&batch)
		}
		batch = Batch{}
	}
	err := inspect(old, func(f *os.File, size int64) error {
		m, unreadable := readMeta(f)
		if unreadable != nil { // no header tells which pages are current; older ones would count twice
			res.Lost = -1
			return nil //nolint:nilerr // that nothing can be read is the result
		}
		w := walker{f: f, size: size, meta: m, visited: map[uint64]bool{}, tolerate: true}
		bad := 0
		w.each = func(key, sealed []byte) {
			plain, damaged := unseal(string(key), sealed)
			if damaged != nil {
				bad++
				return
			}
			batch.Set(string(key), bytes.Clone(plain))
			res.Kept++
			if batch.Len() >= repairBatch {
				flush()
			}
		}
		res.Lost = bad
		if w.tree(m.root, nil, true, 0) != nil || w.lost > 0 {
			res.Lost = -1
		}
		return nil
	})
	flush()
	return res, errors.Join(err, failed)
}
