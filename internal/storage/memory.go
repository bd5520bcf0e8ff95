package storage

import (
	"slices"
	"strings"
	"sync"
)

// Memory is a DB that forgets everything when it is dropped. It is safe for concurrent use.
type Memory struct {
	mu sync.RWMutex
	m  map[string][]byte
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{m: map[string][]byte{}} }

// Get implements DB.
func (s *Memory) Get(key string) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.m[key]), nil
}

// Scan implements DB.
func (s *Memory) Scan(prefix string, fn func(key string, value []byte) error) error {
	s.mu.RLock()
	var keys []string
	for k := range s.m {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	values := make([][]byte, len(keys))
	for i, k := range keys {
		values[i] = slices.Clone(s.m[k])
	}
	s.mu.RUnlock()
	for i, k := range keys {
		if err := fn(k, values[i]); err != nil {
			return err
		}
	}
	return nil
}

// Apply implements DB.
func (s *Memory) Apply(b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range b.ops {
		if o.delete {
			delete(s.m, o.key)
			continue
		}
		v := slices.Clone(o.value)
		if v == nil {
			v = []byte{}
		}
		s.m[o.key] = v
	}
	return nil
}

// Close implements DB.
func (s *Memory) Close() error { return nil }
