package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/internal/cli"
	"github.com/assayer-io/assayer/internal/storage"
)

// fillStore makes a store of some megabytes that says which one it is.
func fillStore(t *testing.T, dir, which string) {
	t.Helper()
	db, err := storage.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.NewChaCha8([32]byte{1})
	var b storage.Batch
	b.Set("which", []byte(which))
	for i := range 2000 {
		v := make([]byte, 2000)
		_, _ = rng.Read(v) // never fails
		b.Set(fmt.Sprint("key", i), v)
	}
	if err := db.Apply(&b); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(filepath.Join(dir, "transactions"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tx := j.Begin()
	tx.SetMeta("which", []byte(which))
	for i := range 2000 {
		if _, err := tx.Insert(journal.Record{Refs: [3]journal.Ref{{byte(i), byte(i >> 8), 1}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tx.Commit(), j.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestRestoreKilled kills a restore at many moments: there is always a whole store and a whole journal of
// transactions, the old ones or the new ones, and never a new journal with an old store, whose counts would
// be ahead of it.
func TestRestoreKilled(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"new", "old"} {
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), fmt.Appendf(nil, "storage: {path: %s}\n", name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fillStore(t, filepath.Join(dir, "new"), "new")
	var out bytes.Buffer
	file := filepath.Join(dir, "file.backup")
	if code := cli.Run(t.Context(), []string{"backup", "--config", filepath.Join(dir, "new.yaml"), "--out", file}, cli.Streams{Out: &out, Err: &out}); code != 0 {
		t.Fatal(out.String())
	}
	original, data := filepath.Join(dir, "original"), filepath.Join(dir, "old")
	fillStore(t, original, "old")
	lay := func() {
		if err := errors.Join(os.RemoveAll(data), os.CopyFS(data, os.DirFS(original))); err != nil {
			t.Fatal(err)
		}
	}
	lay()
	began := time.Now()
	if out, err := exec.CommandContext(t.Context(), "assayer", "restore", "--force", "--config", filepath.Join(dir, "old.yaml"), file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	takes := time.Since(began)
	if got := whichStore(t, data); got != "new" {
		t.Fatalf("restored, the store says %q", got)
	}
	kept := map[string]int{}
	const kills = 12
	for i := range kills {
		lay()
		cmd := exec.CommandContext(t.Context(), "assayer", "restore", "--force", "--config", filepath.Join(dir, "old.yaml"), file)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(takes * time.Duration(i+1) / kills)
		_ = cmd.Process.Kill() // it may have ended
		ended := cmd.Wait()
		got, movements := whichStore(t, data), whichJournal(t, data)
		kept[got]++
		if got != "old" && got != "new" || ended == nil && movements != "new" || movements != got && movements != "old" {
			t.Errorf("killed after %d of %d parts of its time (%v), the store says %q, the journal %q", i+1, kills, ended, got, movements)
		}
	}
	if kept["old"] == 0 {
		t.Errorf("no kill came before the end: %v", kept)
	}
}

func whichJournal(t *testing.T, dir string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "transactions")); err != nil {
		t.Fatal(err) // opening would make an empty one
	}
	j, err := journal.Open(filepath.Join(dir, "transactions"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if j.Len() != 2000 {
		t.Errorf("%d movements of 2000", j.Len())
	}
	return string(j.Meta("which"))
}

func whichStore(t *testing.T, dir string) string {
	t.Helper()
	db, err := storage.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n := 0
	if err := db.Scan("key", func(string, []byte) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	v, err := db.Get("which")
	if err != nil || n != 2000 {
		t.Errorf("%d values of 2000: %v", n, err)
	}
	return string(v)
}
