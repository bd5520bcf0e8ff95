package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
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
	db, err := openFile(path)
	if err == nil {
		return Repaired{}, db.Close()
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
	defer fresh.Close()
	res := salvage(old, fresh)
	res.Old = old
	return res, nil
}

// salvage copies every readable value of the damaged file into fresh. Branches of the tree that
// cannot be walked are given up; it never fails.
func salvage(old string, fresh *Bolt) (res Repaired) {
	var batch Batch
	flush := func() {
		if fresh.Apply(&batch) != nil {
			res.Kept -= batch.Len()
			res.Lost = -1
		}
		batch = Batch{}
	}
	err := guard(func() error {
		// Not read-only: opening for reading refuses exactly the files that need this.
		db, err := bbolt.Open(old, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType, PreLoadFreelist: false})
		if err != nil {
			return err
		}
		defer func() { _ = guard(db.Close) }()
		return db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketName())
			if b == nil {
				return ErrCorrupted
			}
			c := b.Cursor()
			for k, v := c.First(); k != nil; k, v = c.Next() {
				plain, err := unseal(string(k), v)
				if err != nil {
					res.Lost++
					continue
				}
				batch.Set(string(k), append([]byte{}, plain...))
				res.Kept++
				if batch.Len() >= repairBatch {
					flush()
				}
			}
			return nil
		})
	})
	if err != nil {
		res.Lost = -1
	}
	flush()
	return res
}
