// Package storage keeps bytes under keys, durably and all-or-nothing. It knows nothing of what the
// bytes mean: who owns the data owns its encoding. [Open] gives the embedded engine, [NewMemory]
// one that forgets; both pass the same conformance test.
package storage

import "errors"

// Errors a caller may want to tell apart.
var (
	// ErrLocked: another process has the store open.
	ErrLocked = errors.New("store is in use by another process")
	// ErrCorrupted: the store's bytes are not what was written.
	ErrCorrupted = errors.New("store is damaged")
)

// DB is a flat, ordered map from keys to values.
type DB interface {
	// Get returns the value under key, or nil when there is none. The caller owns the result.
	Get(key string) ([]byte, error)
	// Scan calls fn for every key with the prefix, in order, until fn fails. The value is valid
	// only during the call.
	Scan(prefix string, fn func(key string, value []byte) error) error
	// Apply performs every write of the batch or none, and returns after they are on disk.
	Apply(b *Batch) error
	Close() error
}

// Batch is a set of writes that happen together. The zero value is empty and ready for use. A
// later write of a key replaces an earlier one.
type Batch struct {
	ops []op
}

type op struct {
	key    string
	value  []byte
	delete bool
}

// Set stores value under key. The batch keeps value until it is applied.
func (b *Batch) Set(key string, value []byte) { b.ops = append(b.ops, op{key: key, value: value}) }

// Delete removes key if it is there.
func (b *Batch) Delete(key string) { b.ops = append(b.ops, op{key: key, delete: true}) }

// Len is the number of writes in the batch.
func (b *Batch) Len() int { return len(b.ops) }
