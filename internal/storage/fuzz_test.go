package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzWalk reads arbitrary bytes as a store's file: any damage is an error, never a crash, and the
// tolerant walk never gives out a value whose checksum does not hold.
func FuzzWalk(f *testing.F) {
	dir := f.TempDir()
	db, err := Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	var b Batch
	for _, k := range []string{"a", "b", "c"} {
		b.Set(k, bytes.Repeat([]byte(k), 1500))
	}
	if err := errors.Join(db.Apply(&b), db.Close()); err != nil {
		f.Fatal(err)
	}
	sound, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		f.Fatal(err)
	}
	sound = bytes.Clone(sound)
	f.Add(sound, uint16(0), byte(0))
	f.Add(sound, uint16(9000), byte(1))
	f.Fuzz(func(t *testing.T, data []byte, at uint16, flip byte) {
		data = bytes.Clone(data)
		if int(at) < len(data) {
			data[at] ^= flip
		}
		r := bytes.NewReader(data)
		m, err := readMeta(r)
		if err != nil {
			return
		}
		kept := 0
		w := walker{f: r, size: r.Size(), meta: m, visited: map[uint64]bool{}, tolerate: true}
		w.each = func(key, sealed []byte) {
			if plain, err := unseal(string(key), sealed); err == nil && bytes.Equal(data, sound) && len(plain) == 1500 {
				kept++
			}
		}
		err = errors.Join(w.tree(m.root, nil, true, 0), w.free())
		if bytes.Equal(data, sound) && (err != nil || w.lost != 0 || kept != 3) {
			t.Fatalf("a sound file: %v, lost %d, kept %d", err, w.lost, kept)
		}
	})
}
