package audit_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/audit"
)

func TestAnyChangedByteIsFound(t *testing.T) {
	path := written(t, 2, 2)
	whole := []byte(read(t, path))
	pub, err := audit.ReadPublicKey(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range whole {
		for _, with := range []byte{whole[i] ^ 0x20, '\n', byte(rng.IntN(256))} {
			if with == whole[i] {
				continue
			}
			changed := bytes.Clone(whole)
			changed[i] = with
			_, err := audit.Verify(bytes.NewReader(changed), pub)
			line := 1 + bytes.Count(whole[:i], []byte("\n"))
			var broken *audit.BrokenError
			if !errors.As(err, &broken) || broken.Line != line {
				t.Fatalf("byte %d (line %d) %q to %q: got %v", i, line, whole[i], with, err)
			}
		}
	}
}

func TestAnyInsertedOrRemovedByteIsFound(t *testing.T) {
	path := written(t, 1, 100)
	whole := read(t, path)
	for i := range whole {
		for _, changed := range []string{whole[:i] + whole[i+1:], whole[:i] + " " + whole[i:], whole[:i] + whole[i:i+1] + whole[i:]} {
			if _, err := audit.Verify(strings.NewReader(changed), nil); err == nil {
				t.Fatalf("at byte %d: nothing was noticed", i)
			}
		}
	}
}

func TestAnyRemovedSwappedOrRepeatedLineIsFound(t *testing.T) {
	path := written(t, 9, 4)
	lines := strings.SplitAfter(strings.TrimSuffix(read(t, path), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	check := func(what string, changed []string, wantLine int) {
		t.Helper()
		put(t, path, strings.Join(changed, ""))
		_, err := audit.VerifyFile(path, audit.VerifyOptions{})
		var broken *audit.BrokenError
		if !errors.As(err, &broken) || broken.Line != wantLine {
			t.Errorf("%s: got %v, want a break at line %d", what, err, wantLine)
		}
	}
	for i := range lines {
		without := append(append([]string{}, lines[:i]...), lines[i+1:]...)
		check("removed", without, i+1)
		repeated := append(append([]string{}, lines[:i+1]...), lines[i:]...)
		check("repeated", repeated, i+2)
		for j := i + 1; j < len(lines); j++ {
			swapped := append([]string{}, lines...)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			check("swapped", swapped, i+1)
		}
	}
	for keep := range lines {
		check("cut", lines[:keep], keep+1)
	}
}

func TestHistoryWrittenAnewIsFound(t *testing.T) {
	path := written(t, 5, 2)
	// Somebody without the key writes a log that is perfect in itself, with a key of their own.
	forged := written(t, 5, 2)
	put(t, path, read(t, forged))
	if _, err := audit.VerifyFile(path, audit.VerifyOptions{}); err == nil {
		t.Error("a forged log passed")
	}
	pub, err := audit.ReadPublicKey(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Verify(strings.NewReader(read(t, forged)), pub); err == nil || !strings.Contains(err.Error(), "line 3: checkpoint 3 is not signed") {
		t.Errorf("forged checkpoint: got %v", err)
	}
	// They replace every file beside the log too; the public key or head kept elsewhere tells.
	if _, err := audit.VerifyFile(forged, audit.VerifyOptions{PublicKey: pub}); err == nil {
		t.Error("a forged log passed against the real key")
	}
	head := audit.Head{Seq: 2, Hash: strings.Repeat("a", 64)}
	if _, err := audit.VerifyFile(forged, audit.VerifyOptions{Expect: &head}); err == nil || !strings.Contains(err.Error(), "line 2: entry 2 is not the one that was known") {
		t.Errorf("forged log against a head kept elsewhere: got %v", err)
	}
}

func TestExpectedHead(t *testing.T) {
	path := written(t, 3, 100)
	r, err := audit.VerifyFile(path, audit.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.VerifyFile(path, audit.VerifyOptions{Expect: &r.Head}); err != nil {
		t.Errorf("its own head: %v", err)
	}
	later := audit.Head{Seq: r.Head.Seq + 3, Hash: r.Head.Hash}
	if _, err := audit.VerifyFile(path, audit.VerifyOptions{Expect: &later}); err == nil || !strings.Contains(err.Error(), "there were 7 entries, the file ends after 4") {
		t.Errorf("a later head: %v", err)
	}
}

func TestCopyWithoutItsSidecars(t *testing.T) {
	path := written(t, 3, 100)
	alone := filepath.Join(t.TempDir(), "copy.jsonl")
	put(t, alone, read(t, path))
	if _, err := audit.VerifyFile(alone, audit.VerifyOptions{}); err == nil {
		t.Error("passed without its public key")
	}
	put(t, alone+".pub", read(t, path+".pub"))
	if _, err := audit.VerifyFile(alone, audit.VerifyOptions{}); err == nil || !strings.Contains(err.Error(), ".head is missing") {
		t.Errorf("without its head: %v", err)
	}
	r, err := audit.VerifyFile(alone, audit.VerifyOptions{ChainOnly: true})
	if err != nil || r.Signed || r.Entries != 4 {
		t.Errorf("chain only: %+v, %v", r, err)
	}
}

func TestAnyChangedByteOfTheHeadIsFound(t *testing.T) {
	path := written(t, 3, 100)
	head := read(t, path+".head")
	for i := range strings.TrimSuffix(head, "\n") {
		changed := []byte(head)
		changed[i] ^= 1
		put(t, path+".head", string(changed))
		if _, err := audit.VerifyFile(path, audit.VerifyOptions{}); err == nil {
			t.Errorf("byte %d: %s passed", i, changed)
		}
	}
}

func TestLineWithoutEndIsBounded(t *testing.T) {
	_, err := audit.Verify(strings.NewReader(strings.Repeat("x", 3*audit.MaxLineBytes)), nil)
	if err == nil || !strings.Contains(err.Error(), "line 1: the line is longer than") {
		t.Errorf("got %v", err)
	}
}

// FuzzVerify holds that nothing passes but whole prefixes of the log.
func FuzzVerify(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	l, err := audit.Open(path, audit.Options{AgentID: "pay-1", Now: (&clock{now: start}).Now, CheckpointEvery: 2})
	if err != nil {
		f.Fatal(err)
	}
	for _, what := range []string{"a", "b\u2028<>&", "c\xff"} {
		if err := l.Append(entry(what)); err != nil {
			f.Fatal(err)
		}
	}
	l.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	pub, err := audit.ReadPublicKey(path + ".pub")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, 0, []byte{})
	f.Add([]byte(""), 10, []byte("x"))
	f.Add([]byte("{}\n"), 0, []byte("\n"))
	f.Add([]byte("null\n"), 300, []byte{0})
	f.Add(whole[:len(whole)/2], 5, []byte(`"seq":1`))
	f.Fuzz(func(t *testing.T, raw []byte, at int, with []byte) {
		// What comes in as it stands, and the real log with bytes replaced.
		changed := bytes.Clone(whole)
		if at >= 0 && at < len(changed) {
			copy(changed[at:], with)
		}
		for _, log := range [][]byte{raw, changed} {
			r, err := audit.Verify(bytes.NewReader(log), pub)
			if err == nil && !bytes.HasPrefix(whole, log) && r.Checkpoints > 0 {
				t.Fatalf("passed: %s", log)
			}
			if err == nil && int(r.Entries) != bytes.Count(log, []byte("\n")) {
				t.Fatalf("%d entries reported in %s", r.Entries, log)
			}
		}
	})
}
