package backup_test

import (
	"archive/tar"
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

	"github.com/klauspost/compress/zstd"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/internal/backup"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo/money"
)

// movements makes a journal of n movements beside the store in dir; which tells it from others.
func movements(t testing.TB, dir string, n int, which string) {
	t.Helper()
	j, err := journal.Open(backup.JournalDir(dir), journal.Options{})
	must(t, err)
	tx := j.Begin()
	tx.SetMeta("which", []byte(which))
	for i := range n {
		r := journal.Record{Refs: [3]journal.Ref{{byte(i), byte(i >> 8), 1}}, Lane: 3, ReceivedMs: int64(i), DeadlineMs: int64(i + 5), TimerMs: int64(n - i)}
		r.Amount, err = money.ParseMinor(fmt.Sprint(i), 2)
		must(t, err)
		_, err := tx.Insert(r)
		must(t, err)
	}
	must(t, tx.Commit())
	must(t, j.Close())
}

// journalIn is all that the journal beside the store in dir holds.
func journalIn(t testing.TB, dir string) string {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{})
	must(t, err)
	defer j.Close()
	var out strings.Builder
	must(t, j.ScanMeta("", func(k string, v []byte) error { fmt.Fprintf(&out, "%s=%s\n", k, v); return nil }))
	must(t, j.Scan(func(s journal.Slot, r journal.Record) error { fmt.Fprintln(&out, s, r); return nil }))
	fmt.Fprintln(&out, j.Due(1<<60, 1<<20))
	return out.String()
}

func TestJournalGoesWithTheStore(t *testing.T) {
	from, to := place(t, 30), filepath.Join(t.TempDir(), "new")
	movements(t, from, 9000, "the backup's")
	want, path := journalIn(t, backup.JournalDir(from)), file(t, write(t, from))
	res, err := backup.Restore(path, target(to, false), nil)
	must(t, err)
	if res.Movements != 9000 || res.OldJournal != "" || res.Journal != filepath.Join(to, "transactions") {
		t.Errorf("restored: %+v", res)
	}
	if content(t, to) != content(t, from) || journalIn(t, res.Journal) != want {
		t.Error("what was restored is something else")
	}
	left, err := os.ReadDir(to)
	must(t, err)
	if len(left) != 5 { // the store, the journal, the audit log, its head and its public key
		t.Errorf("left behind: %v", left)
	}
	if left, err := filepath.Glob(filepath.Join(from, ".backing-up-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind by the backup: %v, %v", left, err)
	}
}

func TestJournalThatIsThereIsKept(t *testing.T) {
	from, to := place(t, 30), t.TempDir() // an empty store would be replaced without asking; the journal is not
	movements(t, from, 40, "the backup's")
	movements(t, to, 7, "the agent's")
	was, want, path := journalIn(t, backup.JournalDir(to)), journalIn(t, backup.JournalDir(from)), file(t, write(t, from))
	if _, err := backup.Restore(path, target(to, false), nil); !errors.Is(err, storage.ErrNotEmpty) || journalIn(t, backup.JournalDir(to)) != was {
		t.Fatalf("without force: %v, want ErrNotEmpty and the journal untouched", err)
	}
	res, err := backup.Restore(path, target(to, true), nil)
	must(t, err)
	if got := journalIn(t, backup.JournalDir(to)); got != want {
		t.Errorf("restored:\n%s", got)
	}
	if got := journalIn(t, res.OldJournal); got != was || filepath.Base(res.OldJournal) != "transactions.replaced-42" {
		t.Errorf("kept as %s:\n%s", res.OldJournal, got)
	}
	again, err := backup.Restore(path, target(to, true), nil)
	must(t, err)
	if again.OldJournal == res.OldJournal || journalIn(t, res.OldJournal) != was {
		t.Errorf("a second restore in the same second kept it as %s", again.OldJournal)
	}
}

// TestBackupWithoutJournal: of an agent without one, or from before there were any.
func TestBackupWithoutJournal(t *testing.T) {
	from, to := place(t, 30), place(t, 20)
	movements(t, to, 7, "the agent's")
	was, data := journalIn(t, backup.JournalDir(to)), write(t, from)
	if !bytes.HasPrefix(data, []byte("assayer-backup 1\n")) {
		t.Errorf("begins %.20q: readers of format 1 must go on reading it", data)
	}
	res, err := backup.Restore(file(t, data), target(to, true), nil)
	must(t, err)
	if res.Journal != "" || res.OldJournal != "" || content(t, to) != content(t, from) || journalIn(t, backup.JournalDir(to)) != was {
		t.Errorf("restored: %+v; the journal must be left as it is", res)
	}
}

// TestDamagedJournalIsRefused harms what the archive holds of the journal, under a checksum that is right: nothing
// is touched.
func TestDamagedJournalIsRefused(t *testing.T) {
	from, to := place(t, 3), place(t, 4)
	movements(t, from, 200, "the backup's")
	movements(t, to, 7, "the agent's")
	before, was := content(t, to), journalIn(t, backup.JournalDir(to))
	sound := write(t, from)
	rng := rand.New(rand.NewPCG(3, 1))
	change := map[string]func(p *part) []part{
		"gone":    func(*part) []part { return nil },
		"renamed": func(p *part) []part { return []part{{"transaction", p.data}} },
		"empty":   func(p *part) []part { return []part{{p.name, nil}} },
	}
	for i := range 20 {
		change[fmt.Sprint("cut ", i)] = func(p *part) []part { return []part{{p.name, p.data[:rng.IntN(len(p.data))]}} }
		change[fmt.Sprint("bit ", i)] = func(p *part) []part {
			data := bytes.Clone(p.data)
			at := rng.IntN(len(data))
			for data[at] == 0 { // may be padding, which says nothing
				at = rng.IntN(len(data))
			}
			data[at] ^= 1 << rng.IntN(8)
			return []part{{p.name, data}}
		}
	}
	for name, harm := range change {
		_, err := backup.Restore(file(t, repack(t, sound, harm)), target(to, true), nil)
		if !errors.Is(err, backup.ErrBroken) {
			t.Errorf("%s: %v, want ErrBroken", name, err)
		}
	}
	if content(t, to) != before || journalIn(t, backup.JournalDir(to)) != was {
		t.Error("what was there was touched")
	}
	if _, err := backup.Restore(file(t, repack(t, sound, func(p *part) []part { return []part{*p} })), target(to, true), nil); err != nil {
		t.Errorf("packed again without harm: %v", err)
	}
}

// part is one of an archive.
type part struct {
	name string
	data []byte
}

// repack changes the part of a backup that is the journal.
func repack(t testing.TB, data []byte, change func(*part) []part) []byte {
	t.Helper()
	data = data[:len(data)-sha256.Size]
	begins := bytes.IndexByte(data, '\n') + 1
	begins += bytes.IndexByte(data[begins:], '\n') + 1
	z, err := zstd.NewReader(bytes.NewReader(data[begins:]))
	must(t, err)
	defer z.Close()
	out := bytes.NewBuffer(bytes.Clone(data[:begins]))
	packed, err := zstd.NewWriter(out)
	must(t, err)
	in, archive := tar.NewReader(z), tar.NewWriter(packed)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		content, err := io.ReadAll(in)
		must(t, err)
		parts := []part{{h.Name, content}}
		if h.Name == "transactions" {
			parts = change(&parts[0])
		}
		for _, p := range parts {
			must(t, archive.WriteHeader(&tar.Header{Name: p.name, Mode: 0o600, Size: int64(len(p.data))}))
			_, err := archive.Write(p.data)
			must(t, err)
		}
	}
	must(t, archive.Close())
	must(t, packed.Close())
	sum := sha256.Sum256(out.Bytes())
	return append(out.Bytes(), sum[:]...)
}
