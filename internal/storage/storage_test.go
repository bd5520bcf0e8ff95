package storage_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/storage"
)

func open(t *testing.T, dir string) *storage.Bolt {
	t.Helper()
	db, err := storage.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func apply(t *testing.T, db storage.DB, kv ...string) {
	t.Helper()
	var b storage.Batch
	for i := 0; i < len(kv); i += 2 {
		b.Set(kv[i], []byte(kv[i+1]))
	}
	if err := db.Apply(&b); err != nil {
		t.Fatal(err)
	}
}

func dump(t *testing.T, db storage.DB, prefix string) string {
	t.Helper()
	var out []string
	if err := db.Scan(prefix, func(k string, v []byte) error {
		out = append(out, k+"="+string(v))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

// TestDB is what "implements DB" means; both engines pass it.
func TestDB(t *testing.T) {
	for name, db := range map[string]storage.DB{"memory": storage.NewMemory(), "bolt": open(t, t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			apply(t, db, "b", "2", "a", "1", "aa", "3", "empty", "")
			if got := dump(t, db, ""); got != "a=1 aa=3 b=2 empty=" {
				t.Errorf("scan in order: %s", got)
			}
			if got := dump(t, db, "a"); got != "a=1 aa=3" {
				t.Errorf("scan of a prefix: %s", got)
			}
			var b storage.Batch
			b.Set("a", []byte("x"))
			b.Delete("a")
			b.Delete("never there")
			b.Delete("b")
			b.Set("b", []byte("new"))
			if err := db.Apply(&b); err != nil {
				t.Fatal(err)
			}
			if got := dump(t, db, ""); got != "aa=3 b=new empty=" {
				t.Errorf("later writes replace earlier ones: %s", got)
			}
			if v, err := db.Get("a"); v != nil || err != nil {
				t.Errorf("deleted key: got %q, %v", v, err)
			}
			if v, err := db.Get("empty"); v == nil || len(v) != 0 || err != nil {
				t.Errorf("empty value: got %v, %v", v, err)
			}
			stop := errors.New("stop")
			if err := db.Scan("", func(string, []byte) error { return stop }); !errors.Is(err, stop) {
				t.Errorf("scan stopped with %v", err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReopenKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	apply(t, db, "k", "v")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir)
	defer db.Close()
	if got := dump(t, db, ""); got != "k=v" {
		t.Errorf("got %s", got)
	}
}

func TestSecondProcessIsLockedOut(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	defer db.Close()
	if _, err := storage.Open(dir); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
}

func TestDirectoryThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Open(filepath.Join(file, "data")); err == nil || !strings.Contains(err.Error(), "creating data directory") {
		t.Errorf("got %v", err)
	}
}

// damaged fills a store, closes it and lets harm change its bytes.
func damaged(t *testing.T, harm func([]byte) []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	db := open(t, dir)
	for i := range 20 {
		var b storage.Batch
		for j := range 50 {
			b.Set(fmt.Sprintf("key-%04d", 50*i+j), fmt.Appendf(nil, "value-%04d-%s", 50*i+j, strings.Repeat("x", 100)))
		}
		if err := db.Apply(&b); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "assayer.db")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, harm(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDamageIsRefusedAndRepaired(t *testing.T) {
	tests := map[string]struct {
		harm     func([]byte) []byte
		keepsAny bool
	}{
		"a value changed": {func(b []byte) []byte {
			i := strings.Index(string(b), "value-0500")
			for ; i >= 0 && i < len(b); i++ { // every copy: old pages hold earlier ones
				n := strings.Index(string(b[i:]), "value-0500")
				if n < 0 {
					break
				}
				i += n
				b[i+20] ^= 1
			}
			return b
		}, true},
		"cut in half":         {func(b []byte) []byte { return b[:len(b)/2] }, false},
		"both headers zeroed": {func(b []byte) []byte { clear(b[:8192]); return b }, false},
		"emptied":             {func([]byte) []byte { return nil }, false},
		"not a store":         {func([]byte) []byte { return []byte(strings.Repeat("hello ", 10_000)) }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := damaged(t, tt.harm)
			_, err := storage.Open(dir)
			if !errors.Is(err, storage.ErrCorrupted) || !strings.Contains(err.Error(), "--repair") {
				t.Fatalf("opening: got %v, want ErrCorrupted that names --repair", err)
			}
			res, err := storage.Repair(dir, 42)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(res.Old); err != nil || !strings.HasSuffix(res.Old, ".damaged-42") {
				t.Errorf("damaged file: %q, %v", res.Old, err)
			}
			db := open(t, dir)
			defer db.Close()
			n := 0
			if err := db.Scan("key-", func(k string, v []byte) error {
				n++
				if want := "value-" + strings.TrimPrefix(k, "key-"); !strings.HasPrefix(string(v), want) {
					t.Errorf("%s holds %.20s", k, v)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if n != res.Kept {
				t.Errorf("says it kept %d, the store holds %d", res.Kept, n)
			}
			if tt.keepsAny && n != 999 {
				t.Errorf("kept %d of 1000 values, want 999", n)
			}
		})
	}
}

func TestRepairLeavesASoundStoreAlone(t *testing.T) {
	dir := damaged(t, func(b []byte) []byte { return b })
	res, err := storage.Repair(dir, 42)
	if err != nil || res != (storage.Repaired{}) {
		t.Errorf("got %+v, %v", res, err)
	}
}

// TestAnyFlippedByteIsNoticedOrHarmless flips bytes all over the file. Whatever then opens must
// hold exactly what was written.
func TestAnyFlippedByteIsNoticedOrHarmless(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 60 {
		dir := damaged(t, func(b []byte) []byte {
			for range 3 {
				b[rng.IntN(len(b))] ^= byte(1 + rng.IntN(255))
			}
			return b
		})
		db, err := storage.Open(dir)
		if err != nil {
			if !errors.Is(err, storage.ErrCorrupted) {
				t.Fatalf("got %v, want ErrCorrupted", err)
			}
			refused++
			continue
		}
		n := 0
		if err := db.Scan("", func(k string, v []byte) error {
			n++
			if want := "value-" + strings.TrimPrefix(k, "key-"); !strings.HasPrefix(string(v), want) || len(v) != 111 {
				t.Errorf("%s holds %.20s", k, v)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if n != 1000 {
			t.Errorf("opened without complaint and holds %d of 1000 values", n)
		}
		db.Close()
	}
	if refused == 0 {
		t.Error("no damage was ever noticed")
	}
}
