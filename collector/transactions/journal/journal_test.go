package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// filled is a journal of n records, in transactions of 100, each with a ref and a timer.
func filled(t *testing.T, dir string, n int) *Journal {
	t.Helper()
	j, err := Open(dir, Options{})
	check(t, err)
	insert(t, j, n)
	return j
}

func insert(t *testing.T, j *Journal, n int) {
	t.Helper()
	for i := 0; i < n; {
		tx := j.Begin()
		for range min(100, n-i) {
			_, err := tx.Insert(Record{Refs: [3]Ref{testRef(i)}, Value: int64(i), TimerMs: int64(1000 + i)})
			check(t, err)
			i++
		}
		tx.SetMeta("records", fmt.Append(nil, i))
		check(t, tx.Commit())
	}
}

func TestFullTellsSo(t *testing.T) {
	j, err := Open(t.TempDir(), Options{MaxRecords: 3})
	check(t, err)
	tx := j.Begin()
	var slots []Slot
	for i := range 3 {
		s, err := tx.Insert(Record{Refs: [3]Ref{testRef(i)}})
		check(t, err)
		slots = append(slots, s)
	}
	_, err = tx.Insert(Record{})
	wantError(t, err, ErrFull)
	check(t, tx.Commit()) // what fitted stays
	tx = j.Begin()
	check(t, tx.Delete(slots[1]))
	check(t, tx.Commit())
	tx = j.Begin()
	s, err := tx.Insert(Record{})
	check(t, err)
	if s != slots[1] {
		t.Errorf("new record in slot %d, want that of the deleted one, %d", s, slots[1])
	}
	_, err = tx.Insert(Record{})
	wantError(t, err, ErrFull)
	tx.Discard()
	check(t, j.Close())
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(dir, Options{})
	check(t, err)
	_, err = Open(dir, Options{})
	wantError(t, err, ErrLocked)
	wantError(t, Restore(dir, bytes.NewReader(nil)), ErrLocked)
	check(t, j.Close())
	check(t, j.Close()) // again does nothing
	j, err = Open(dir, Options{})
	check(t, err)
	check(t, j.Close())
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "journal")
	check(t, filled(t, dir, 1).Close())
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		check(t, err)
		info, err := d.Info()
		check(t, err)
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return nil
	}))
}

func TestAfterTheEnd(t *testing.T) {
	j := filled(t, t.TempDir(), 5)
	tx := j.Begin()
	tx.Discard()
	_, err := tx.Insert(Record{})
	wantError(t, err, errDone)
	wantError(t, tx.Commit(), errDone)
	check(t, j.Close())
	tx = j.Begin()
	_, _, err = tx.Find(testRef(1))
	check(t, err)
	tx.SetMeta("k", nil)
	wantError(t, tx.Commit(), fs.ErrClosed)
	wantError(t, j.Backup(&bytes.Buffer{}), fs.ErrClosed)
	if j.Len() != 0 || j.Meta("records") != nil || len(j.Due(math.MaxInt64, 9)) != 0 {
		t.Error("a closed journal still tells of records")
	}
}

func TestTooMuch(t *testing.T) {
	j, err := open(newMemoryDisk(), Options{})
	check(t, err)
	tx := j.Begin()
	for range maxTxRecords {
		if _, err := tx.Insert(Record{}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = tx.Insert(Record{})
	wantError(t, err, ErrTooMuch)
	check(t, tx.Update(1, Record{Value: 7}))
	check(t, tx.Commit())
	commit := func(key string, value []byte) error {
		tx := j.Begin()
		tx.SetMeta(key, value)
		return tx.Commit()
	}
	wantError(t, commit(strings.Repeat("k", maxKey+1), []byte("v")), ErrTooMuch)
	wantError(t, commit("k", make([]byte, maxValue+1)), ErrTooMuch)
	n := 0
	for err = error(nil); err == nil; n++ {
		err = commit(fmt.Sprint("k", n), make([]byte, maxValue))
	}
	if wantError(t, err, ErrTooMuch); n != 32 { // 31 and what they are called by make nearly 32 MiB
		t.Errorf("the value number %d is refused", n)
	}
	check(t, commit("k1", make([]byte, maxValue))) // replacing one is no growth
	check(t, commit("k1", nil))
	check(t, commit("new", make([]byte, maxValue)))
	check(t, j.Close())
}

// TestManyAtOneInstant has 200,000 timers at the same millisecond, and one before and one after.
func TestManyAtOneInstant(t *testing.T) {
	const n, instant = 200_000, 1_800_000_000_123
	j, err := open(newMemoryDisk(), Options{CheckpointBytes: 16 << 20})
	check(t, err)
	for i := 0; i < n; {
		tx := j.Begin()
		for range 20_000 {
			if _, err := tx.Insert(Record{TimerMs: instant}); err != nil {
				t.Fatal(err)
			}
			i++
		}
		check(t, tx.Commit())
	}
	tx := j.Begin()
	last, err := tx.Insert(Record{TimerMs: instant + 1})
	check(t, err)
	first, err := tx.Insert(Record{TimerMs: instant - 1})
	check(t, err)
	check(t, tx.Commit())
	if got := j.Due(instant-1, n); !slices.Equal(got, []Slot{first}) {
		t.Fatalf("due before the instant: %v", got)
	}
	fired := make([]int, n+3)
	for due := j.Due(instant, 20_000); len(due) > 0; due = j.Due(instant, 20_000) {
		tx := j.Begin()
		for _, s := range due {
			fired[s]++
			if err := tx.Update(s, Record{}); err != nil {
				t.Fatal(err)
			}
		}
		check(t, tx.Commit())
	}
	for s := Slot(1); s <= n+2; s++ {
		if want := 1; (s == last) == (fired[s] == want) {
			t.Fatalf("slot %d fired %d times", s, fired[s])
		}
	}
	if ms, ok := j.NextTimer(); ms != instant+1 || !ok {
		t.Errorf("next timer %d %t", ms, ok)
	}
	check(t, j.Close())
}

// TestReadersBesideCommits is for the race detector; what readers see is whole transactions.
func TestReadersBesideCommits(t *testing.T) {
	j, err := open(newMemoryDisk(), Options{CheckpointBytes: 20_000, waitingMax: 12})
	check(t, err)
	insert(t, j, 100)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				n := 0
				if err := j.Scan(func(_ Slot, r Record) error { n++; return nil }); err != nil || n != 100 {
					t.Errorf("scan: %d records, %v", n, err)
				}
				if due := j.Due(math.MaxInt64, 1000); len(due) != 100 || j.Len() != 100 {
					t.Errorf("%d timers, %d records", len(due), j.Len())
				}
				if _, ok := j.NextTimer(); !ok || j.Meta("records") == nil {
					t.Error("no timer or no value")
				}
				var b bytes.Buffer
				if err := j.Backup(&b); err != nil {
					t.Error(err)
				}
				runtime.Gosched()
			}
		})
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range 2000 {
		tx := j.Begin()
		s, ok, err := tx.Find(testRef(1 + rnd.IntN(99)))
		if check(t, err); !ok {
			t.Fatal("a record is lost")
		}
		r, err := tx.Read(s)
		check(t, err)
		check(t, tx.Delete(s))
		r.TimerMs = 1 + rnd.Int64N(1e9)
		_, err = tx.Insert(r)
		check(t, err)
		tx.SetMeta("records", fmt.Append(nil, i))
		check(t, tx.Commit())
	}
	close(done)
	readers.Wait()
	check(t, j.Close())
}

func TestScanStopsAtTheCallersError(t *testing.T) {
	j := filled(t, t.TempDir(), 5)
	stop := errors.New("enough")
	calls := 0
	wantError(t, j.Scan(func(Slot, Record) error { calls++; return stop }), stop)
	wantError(t, j.ScanMeta("rec", func(string, []byte) error { calls++; return stop }), stop)
	check(t, j.ScanMeta("other", func(string, []byte) error { calls++; return stop }))
	if calls != 2 {
		t.Errorf("%d calls, want 2", calls)
	}
	check(t, j.Close())
}

func TestRestoreRefuses(t *testing.T) {
	j := filled(t, t.TempDir(), 10_000)
	var b bytes.Buffer
	check(t, j.Backup(&b))
	check(t, j.Close())
	whole := b.Bytes()
	for cut := 0; cut < len(whole)-frameAlign; cut += 7_777 {
		wantError(t, restore(newMemoryDisk(), bytes.NewReader(whole[:cut])), ErrCorrupted)
	}
	for at := 100; at < len(whole); at += 7_777 {
		damaged := slices.Clone(whole)
		damaged[at] ^= 4
		if err := restore(newMemoryDisk(), bytes.NewReader(damaged)); err != nil {
			wantError(t, err, ErrCorrupted)
		} else if at%frameAlign < 12 {
			t.Errorf("damage at byte %d is not noticed", at)
		}
	}
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "x"), nil, 0o600))
	if err := Restore(dir, bytes.NewReader(whole)); err == nil || !strings.Contains(err.Error(), "holds x") {
		t.Errorf("into a folder that is used: %v", err)
	}
}

// Every ref of a transaction is found, and no other, however many it has.
func TestTransactionsOfManyRefs(t *testing.T) {
	for _, n := range []int{1, touchedAtOnce - 1, touchedAtOnce, touchedAtOnce + 1, 2 * touchedAtOnce, 2*touchedAtOnce + 1, 1000} {
		ref := func(i int) Ref { return Ref{byte(i), byte(i >> 8), 1} }
		const moved = 5000
		j, err := open(newMemoryDisk(), Options{})
		check(t, err)
		slots := make([]Slot, n)
		expect := func(there, away int) {
			t.Helper()
			tx := j.Begin()
			defer tx.Discard()
			for i := range n {
				if s, found, err := tx.Find(ref(there + i)); s != slots[i] || !found || err != nil {
					t.Fatalf("%d of %d: slot %d, %t, %v; want slot %d", i, n, s, found, err, slots[i])
				}
				if s, found, err := tx.Find(ref(away + i)); found || err != nil {
					t.Fatalf("%d of %d: in slot %d, and nothing has that ref; %v", i, n, s, err)
				}
			}
		}
		tx := j.Begin()
		for i := range n {
			slots[i], err = tx.Insert(Record{Refs: [3]Ref{ref(i)}})
			check(t, err)
		}
		check(t, tx.Commit())
		expect(0, moved)
		tx = j.Begin()
		for i := range n {
			check(t, tx.Update(slots[i], Record{Refs: [3]Ref{ref(moved + i)}}))
		}
		check(t, tx.Commit())
		expect(moved, 0)
		check(t, j.Close())
	}
}
