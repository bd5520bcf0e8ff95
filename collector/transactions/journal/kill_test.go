package journal

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// childDir, in the environment, makes the test binary the process that TestKill kills.
const childDir = "ASSAYER_TEST_JOURNAL_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, commitForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const killOpen = 50 // records that stay open at a time

// commitForever opens three records a transaction, settles those that are killOpen old, and prints the number of
// each transaction once it is kept.
func commitForever(dir string) error {
	j, err := Open(dir, killOptions())
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(string(j.Meta("n")))
	for n++; ; n++ {
		tx := j.Begin()
		for i := range 3 {
			if _, err := tx.Insert(Record{Refs: [3]Ref{killRef(n, i)}, State: 1, Value: int64(n), TimerMs: int64(n)}); err != nil {
				return err
			}
		}
		for i := range 3 {
			s, ok, err := tx.Find(killRef(n-killOpen, i))
			if err != nil || n > killOpen && !ok {
				return fmt.Errorf("transaction %d: record of %d: %t %w", n, n-killOpen, ok, err)
			}
			if !ok {
				continue
			}
			if err := tx.Update(s, Record{State: 2, Value: int64(n - killOpen)}); err != nil {
				return err
			}
		}
		tx.SetMeta("n", strconv.AppendInt(nil, int64(n), 10))
		if err := tx.Commit(); err != nil {
			return err
		}
		if _, err := fmt.Println(n); err != nil {
			return err
		}
	}
}

func killOptions() Options { return Options{CheckpointBytes: 1 << 18, waitingMax: 200} }

func killRef(n, i int) Ref { return testRef(max(0, n)*3 + i*min(1, max(0, n))) }

// TestKill kills a process that commits without pause, eight times, each after a random number of transactions.
// Everything that it was told was kept is there, once, and nothing by halves.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(2, 2))
	for round := range 8 {
		acked := killChild(t, dir, 1+rnd.IntN(400))
		j, err := Open(dir, killOptions())
		check(t, err)
		n, err := strconv.Atoi(string(j.Meta("n")))
		check(t, err)
		if n < acked {
			t.Fatalf("round %d: %d transactions are there, %d were acknowledged", round, n, acked)
		}
		count := map[int64]int{}
		check(t, j.Scan(func(_ Slot, r Record) error {
			if want := r.Value > int64(n-killOpen); want != (r.State == 1) || want != (r.TimerMs == r.Value) {
				return fmt.Errorf("record of transaction %d of %d: %+v", r.Value, n, r)
			}
			count[r.Value]++
			return nil
		}))
		for v := 1; v <= n; v++ {
			if count[int64(v)] != 3 {
				t.Fatalf("round %d: transaction %d of %d has %d records", round, v, n, count[int64(v)])
			}
		}
		if len(count) != n || j.Len() != 3*n || len(j.Due(1<<40, 1<<20)) != 3*min(n, killOpen) {
			t.Fatalf("round %d: %d records of %d transactions, %d due; want %d transactions", round, j.Len(), len(count), len(j.Due(1<<40, 1<<20)), n)
		}
		check(t, j.Close())
	}
}

// killChild runs commitForever and kills it once so many transactions were acknowledged; it returns the last one
// that was.
func killChild(t *testing.T, dir string, after int) (acked int) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	var complaint strings.Builder
	child.Stderr = &complaint
	out, err := child.StdoutPipe()
	check(t, err)
	check(t, child.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		acked, err = strconv.Atoi(lines.Text())
		check(t, err)
		if after--; after == 0 {
			check(t, child.Process.Kill())
		}
	}
	if err := child.Wait(); !errors.As(err, new(*exec.ExitError)) || complaint.Len() > 0 {
		t.Fatalf("the child ended by itself: %v %s", err, &complaint)
	}
	return acked
}
