package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/assayer-io/assayer/internal/storage"
)

// FuzzOpen opens arbitrary files: each is either refused as damaged or opens; repairing a refused
// one always leaves a store that opens.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	db, err := storage.Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	var b storage.Batch
	b.Set("key", []byte("value"))
	if err := errors.Join(db.Apply(&b), db.Close()); err != nil {
		f.Fatal(err)
	}
	sound, err := os.ReadFile(filepath.Join(dir, "assayer.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sound)
	f.Add([]byte{})
	f.Add([]byte("not a store"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "assayer.db"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := storage.Open(dir)
		if err != nil {
			if !errors.Is(err, storage.ErrCorrupted) {
				t.Fatalf("got %v, want ErrCorrupted", err)
			}
			if _, err := storage.Repair(dir, 1); err != nil {
				t.Fatal(err)
			}
			if db, err = storage.Open(dir); err != nil {
				t.Fatalf("after repair: %v", err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
