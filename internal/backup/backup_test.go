package backup_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/backup"
	"github.com/assayer-io/assayer/internal/storage"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var created = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// place is a data directory with a store and an audit log.
func place(t testing.TB, values int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	db, err := storage.Open(dir)
	must(t, err)
	var b storage.Batch
	for i := range values {
		b.Set(fmt.Sprintf("key-%05d", i), bytes.Repeat([]byte{byte(i)}, 500))
	}
	must(t, db.Apply(&b))
	must(t, db.Close())
	log, err := audit.Open(filepath.Join(dir, "audit.jsonl"), audit.Options{AgentID: "a", Now: func() time.Time { return created }})
	must(t, err)
	for range 5 {
		must(t, log.Append(audit.Entry{Category: audit.CategoryMedium, Type: "test", Risk: audit.RiskLow, Outcome: audit.Success, Description: "x"}))
	}
	must(t, log.Close())
	return dir
}

func write(t testing.TB, dir string) []byte {
	t.Helper()
	db, err := storage.Open(dir)
	must(t, err)
	defer db.Close()
	var out bytes.Buffer
	from := backup.From{Store: db, AuditLog: filepath.Join(dir, "audit.jsonl"), Spool: dir}
	if _, err := os.Stat(backup.JournalDir(dir)); err == nil {
		from.Journal, err = journal.Open(backup.JournalDir(dir), journal.Options{})
		must(t, err)
		defer from.Journal.Close()
	}
	must(t, backup.Write(&out, backup.Header{Created: created, AgentVersion: "1.2.3"}, from, nil))
	return out.Bytes()
}

func file(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup")
	must(t, os.WriteFile(path, data, 0o600))
	return path
}

func content(t testing.TB, dir string) string {
	t.Helper()
	db, err := storage.Open(dir)
	must(t, err)
	defer db.Close()
	var out strings.Builder
	must(t, db.Scan("", func(k string, v []byte) error { fmt.Fprintf(&out, "%s=%x ", k, v); return nil }))
	return out.String()
}

func target(dir string, force bool) backup.Target {
	return backup.Target{StoreDir: dir, AuditLog: filepath.Join(dir, "audit.jsonl"), Force: force, Stamp: 42}
}

func TestRoundTrip(t *testing.T) {
	from, to := place(t, 2000), filepath.Join(t.TempDir(), "new", "data")
	path := file(t, write(t, from))
	h, err := backup.Check(path, nil)
	if err != nil || h.AgentVersion != "1.2.3" || !h.Created.Equal(created) {
		t.Fatalf("checked: %+v, %v", h, err)
	}
	res, err := backup.Restore(path, target(to, false), nil)
	must(t, err)
	if got, want := content(t, to), content(t, from); got != want {
		t.Error("the restored store holds something else")
	}
	if report, err := audit.VerifyFile(res.AuditLog, audit.VerifyOptions{}); err != nil || report.Entries != res.Entries || !report.Signed || report.Entries < 5 {
		t.Errorf("restored audit log: %+v, %v", report, err)
	}
	left, err := os.ReadDir(to)
	must(t, err)
	if len(left) != 4 { // the store, the audit log, its head and its public key
		t.Errorf("left behind: %v", left)
	}
	if bytes.Contains(write(t, from), []byte("PRIVATE KEY")) {
		t.Error("the backup holds a private key")
	}
}

func TestWhatIsThereIsKept(t *testing.T) {
	from, to := place(t, 10), place(t, 20)
	before, path := content(t, to), file(t, write(t, from))
	if _, err := backup.Restore(path, target(to, false), nil); !errors.Is(err, storage.ErrNotEmpty) || content(t, to) != before {
		t.Fatalf("without force: %v, want ErrNotEmpty and the store untouched", err)
	}
	db, err := storage.Open(to)
	must(t, err)
	if _, err := backup.Restore(path, target(to, true), nil); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("while an agent has the store: %v, want ErrLocked", err)
	}
	must(t, db.Close())
	res, err := backup.Restore(path, target(to, true), nil)
	must(t, err)
	if content(t, to) != content(t, from) {
		t.Error("the restored store holds something else")
	}
	must(t, os.Rename(res.OldStore, filepath.Join(to, "assayer.db")))
	if content(t, to) != before {
		t.Error("the store that was there is not what was kept")
	}
	if _, err := audit.VerifyFile(filepath.Join(to, "audit.jsonl"), audit.VerifyOptions{}); err != nil {
		t.Errorf("the agent's own audit log: %v", err)
	}
	empty := t.TempDir()
	db, err = storage.Open(empty)
	must(t, err)
	must(t, db.Close())
	if _, err := backup.Restore(path, target(empty, false), nil); err != nil {
		t.Errorf("in the place of a store that holds nothing: %v", err)
	}
}

// TestDamageIsRefused cuts and changes a backup at many places: nothing is touched.
func TestDamageIsRefused(t *testing.T) {
	sound := write(t, place(t, 300))
	to := place(t, 3)
	before := content(t, to)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 60 {
		data := bytes.Clone(sound)
		if i%2 == 0 {
			data = data[:rng.IntN(len(data))]
		} else {
			data[rng.IntN(len(data))] ^= byte(1 + rng.IntN(255))
		}
		if _, err := backup.Restore(file(t, data), target(to, true), nil); err == nil {
			t.Fatalf("case %d of %d bytes was restored", i, len(data))
		}
	}
	if content(t, to) != before {
		t.Error("the store was touched")
	}
	newer := bytes.Replace(sound, []byte("assayer-backup 1"), []byte("assayer-backup 3"), 1)
	if _, err := backup.Check(file(t, newer), nil); !errors.Is(err, backup.ErrVersion) {
		t.Errorf("a newer format: %v, want ErrVersion", err)
	}
}

// TestBrokenContentIsRefused: a checksum says that the bytes are those written, not that they were right.
func TestBrokenContentIsRefused(t *testing.T) {
	to := place(t, 3)
	before := content(t, to)
	for name, harm := range map[string]func(dir string){
		"audit": func(dir string) {
			change(t, filepath.Join(dir, "audit.jsonl"), `"description":"x"`, `"description":"y"`)
		},
		"head": func(dir string) { change(t, filepath.Join(dir, "audit.jsonl.head"), `"seq":`, `"seq":1`) },
	} {
		from := place(t, 50)
		harm(from)
		if _, err := backup.Restore(file(t, write(t, from)), target(to, true), nil); err == nil || content(t, to) != before {
			t.Errorf("%s: %v", name, err)
		}
	}
	var broken bytes.Buffer
	must(t, backup.Write(&broken, backup.Header{}, backup.From{Store: rotten{}, AuditLog: filepath.Join(t.TempDir(), "none")}, nil))
	if _, err := backup.Restore(file(t, broken.Bytes()), target(to, true), nil); !errors.Is(err, storage.ErrCorrupted) || content(t, to) != before {
		t.Errorf("pages that are none: %v, want ErrCorrupted", err)
	}
}

func change(t *testing.T, path, old, next string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(strings.Replace(string(data), old, next, 1)), 0o600))
}

// FuzzRestore reads arbitrary bytes, with a checksum that is right, as a backup: they are refused, and
// what is there is never touched.
func FuzzRestore(f *testing.F) {
	sound := write(f, place(f, 3))
	f.Add(sound[:len(sound)-sha256.Size])
	f.Add([]byte("assayer-backup 1\n{}\n"))
	f.Add([]byte("assayer-backup 99\n"))
	f.Add([]byte("assayer-backup 1\n" + strings.Repeat("x", 5000)))
	withJournal := place(f, 3)
	movements(f, withJournal, 3, "the backup's")
	sound = write(f, withJournal)
	f.Add(sound[:len(sound)-sha256.Size])
	to := place(f, 3)
	store := func(t testing.TB) []byte {
		data, err := os.ReadFile(filepath.Join(to, "assayer.db"))
		must(t, err)
		return data
	}
	before := store(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		sum := sha256.Sum256(data)
		_, err := backup.Restore(file(t, append(bytes.Clone(data), sum[:]...)), target(to, false), nil)
		if err == nil || !bytes.Equal(store(t), before) {
			t.Errorf("restored over a store without force: %v", err)
		}
	})
}

// rotten is a store whose file is none.
type rotten struct{}

func (rotten) Snapshot(begin func(size int64) (io.Writer, error)) error {
	w, err := begin(9000)
	if err == nil {
		_, err = w.Write(make([]byte, 9000))
	}
	return err
}
