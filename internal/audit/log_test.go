package audit_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
)

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// clock moves a second at each look.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	return c.now
}

func entry(what string) audit.Entry {
	return audit.Entry{
		Category: audit.CategoryHigh, Type: "hook_action_intent", Description: what, AffectedSystems: []string{"card-auth"},
		Risk: audit.RiskHigh, Outcome: audit.Partial, ResourcesUsed: []string{"webhook"}, ValidationRequired: true,
		Evidence: json.RawMessage(`{"id": "x", "n": 12345678901234567890}`),
	}
}

func open(t *testing.T, path string, every int) *audit.Log {
	t.Helper()
	l, err := audit.Open(path, audit.Options{AgentID: "pay-1", Now: (&clock{now: start}).Now, CheckpointEvery: every})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func appendTo(t *testing.T, l *audit.Log, what ...string) {
	t.Helper()
	for _, w := range what {
		if err := l.Append(entry(w)); err != nil {
			t.Fatal(err)
		}
	}
}

// written makes a closed log with n entries of ours.
func written(t *testing.T, n, every int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path, every)
	for i := range n {
		appendTo(t, l, fmt.Sprintf("entry %d", i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLineHasTheFieldsInTheOrderPromised(t *testing.T) {
	path := written(t, 1, 100)
	line, _, _ := strings.Cut(read(t, path), "\n")
	want := []string{"agent_id", "timestamp", "action_category", "action_type", "description", "affected_systems", "risk_level",
		"compliance_flags", "success_status", "duration_seconds", "resources_used", "impact_assessment", "validation_required",
		"seq", "prev_hash", "hash", "actor", "evidence"}
	dec := json.NewDecoder(strings.NewReader(line))
	var got []string
	depth, key := 0, true
	for tok, err := dec.Token(); err == nil; tok, err = dec.Token() {
		switch d, ok := tok.(json.Delim); {
		case ok && (d == '{' || d == '['):
			depth++
			key = depth == 1
			continue
		case ok:
			depth--
		case depth == 1 && key:
			got = append(got, tok.(string))
			key = false
			continue
		}
		key = depth == 1
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("fields are %v\nwant %v", got, want)
	}
	// The hash by the documented recipe, with a regular expression instead of our encoder.
	m := regexp.MustCompile(`"hash":"([0-9a-f]{64})"`).FindStringSubmatch(line)
	sum := sha256.Sum256([]byte(strings.Replace(line, m[0], `"hash":""`, 1)))
	if m[1] != hex.EncodeToString(sum[:]) {
		t.Errorf("hash is %s, the line gives %x", m[1], sum)
	}
	if !strings.Contains(line, `"n":12345678901234567890`) || !strings.Contains(line, `"compliance_flags":[]`) || !strings.Contains(line, `"actor":"agent"`) {
		t.Errorf("line is %s", line)
	}
}

// Bytes that are no UTF-8 (the name of a file in an error, for one) are no reason to call a log tampered with.
func TestWhatIsNoUTF8IsWrittenAsSomethingThatIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := audit.Open(path, audit.Options{AgentID: "pay\xff", Now: (&clock{now: start}).Now})
	if err != nil {
		t.Fatal(err)
	}
	systems := []string{"card\xc3auth"}
	e := audit.Entry{Category: audit.CategoryHigh, Type: "test", Risk: audit.RiskLow, Outcome: audit.Success,
		Description: "configuration refused: caf\xe9.yaml", AffectedSystems: systems, ComplianceFlags: []string{"\x80"},
		ResourcesUsed: []string{"a", "\xf0\x9f"}, ImpactAssessment: "\xff", Actor: "\xfeanna", Evidence: json.RawMessage("{\"got\": \"\xff\"}")}
	if err := errors.Join(l.Append(e), l.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := audit.VerifyFile(path, audit.VerifyOptions{Each: func(e audit.Entry) error {
		if e.Seq == 1 && (e.Description != "configuration refused: caf\uFFFD.yaml" || e.AffectedSystems[0] != "card\uFFFDauth" || e.Actor != "\uFFFDanna" || string(e.Evidence) != "{\"got\":\"\uFFFD\"}") {
			t.Errorf("read back %+v, evidence %s", e, e.Evidence)
		}
		return nil
	}})
	if err != nil || r.Entries != 2 {
		t.Errorf("got %+v, %v", r, err)
	}
	if systems[0] != "card\xc3auth" {
		t.Error("the caller's list was changed")
	}
	open(t, path, 0) // the next start goes on
}

// FuzzAppend holds that whatever is accepted verifies, and that the log can be opened again.
func FuzzAppend(f *testing.F) {
	f.Add("a", "b", "c", "{}")
	f.Add("caf\xe9", "\u2028<>&\x00\"\\", "\xed\xa0\x80", `{"a": "\ud800", "n": 1e400}`)
	f.Add("\xff", "", "\xf0\x9f", "{\"a\xff\": [1, \"\xfe\u2029\"]}")
	f.Add(" ", "\n", "\ufeff", "null")
	f.Add("x", "y", "z", "\"\xff\"")
	f.Fuzz(func(t *testing.T, what, who, system, evidence string) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		l := open(t, path, 2)
		e := entry("x" + what)
		e.Actor, e.ImpactAssessment, e.Evidence = who, what, json.RawMessage(evidence)
		e.AffectedSystems, e.ResourcesUsed, e.ComplianceFlags = []string{system, what}, []string{who}, []string{evidence}
		accepted := l.Append(e) == nil
		appendTo(t, l, system+".")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if accepted != json.Valid(bytes.ToValidUTF8([]byte(cmp.Or(evidence, "{}")), []byte("?"))) {
			t.Errorf("evidence %q accepted: %v", evidence, accepted)
		}
		if _, err := audit.VerifyFile(path, audit.VerifyOptions{}); err != nil {
			t.Error(err)
		}
		open(t, path, 2)
	})
}

func TestVerifyFileReports(t *testing.T) {
	path := written(t, 25, 10)
	var seen []string
	r, err := audit.VerifyFile(path, audit.VerifyOptions{Each: func(e audit.Entry) error {
		seen = append(seen, e.Type)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	// Checkpoints follow 10 entries each, counting from the checkpoint before, and one comes on Close.
	if r.Entries != 28 || r.Checkpoints != 3 || !r.Signed || r.Unsigned != 0 || r.Head.Seq != 28 || len(seen) != 28 {
		t.Errorf("report is %+v with %d entries seen", r, len(seen))
	}
	if r.First != start.Add(2*time.Second) || !r.Last.After(r.First) {
		t.Errorf("first %v, last %v", r.First, r.Last)
	}
}

func TestChainGoesOnAfterRestart(t *testing.T) {
	path := written(t, 3, 100)
	for range 3 {
		l := open(t, path, 100)
		appendTo(t, l, "again")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r, err := audit.VerifyFile(path, audit.VerifyOptions{})
	if err != nil || r.Entries != 10 || r.Checkpoints != 4 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestLongLogIsContinuedFromItsTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path, 100)
	big := entry("big")
	big.ImpactAssessment = strings.Repeat("x", 700<<10)
	for range 5 {
		if err := l.Append(big); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	l = open(t, path, 100)
	appendTo(t, l, "after")
	l.Close()
	if r, err := audit.VerifyFile(path, audit.VerifyOptions{}); err != nil || r.Entries != 8 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestOneWriterOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path, 100)
	opts := audit.Options{AgentID: "other", Now: time.Now}
	if _, err := audit.Open(path, opts); !errors.Is(err, audit.ErrLocked) {
		t.Errorf("second writer got %v", err)
	}
	l.Close()
	again, err := audit.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if err := l.Append(entry("late")); !errors.Is(err, audit.ErrClosed) {
		t.Errorf("appending after Close gave %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("closing twice gave %v", err)
	}
}

func TestAppendRefusesWhatIsNotAnEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path, 100)
	for name, tt := range map[string]struct {
		change func(*audit.Entry)
		want   string
	}{
		"category":    {func(e *audit.Entry) { e.Category = "LOW" }, "allowed: CRITICAL, HIGH, MEDIUM"},
		"risk":        {func(e *audit.Entry) { e.Risk = "" }, "allowed: LOW, MEDIUM, HIGH, CRITICAL"},
		"outcome":     {func(e *audit.Entry) { e.Outcome = "success" }, "allowed: SUCCESS, FAILURE, PARTIAL"},
		"type":        {func(e *audit.Entry) { e.Type = "Hook Action" }, "action_type"},
		"description": {func(e *audit.Entry) { e.Description = "" }, "description"},
		"duration":    {func(e *audit.Entry) { e.DurationSeconds = -1 }, "duration_seconds"},
		"evidence":    {func(e *audit.Entry) { e.Evidence = json.RawMessage(`{"a":`) }, "encoding entry"},
		"size":        {func(e *audit.Entry) { e.ImpactAssessment = strings.Repeat("x", audit.MaxLineBytes) }, "over the limit"},
	} {
		e := entry(name)
		tt.change(&e)
		// The good entry before it must not be written either.
		if err := l.Append(entry("good"), e); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want it to say %q", name, err, tt.want)
		}
	}
	if got := read(t, path); got != "" {
		t.Errorf("the log holds %s", got)
	}
}

func TestFullDiskLeavesWholeLinesOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path, 100)
	appendTo(t, l, "one")
	before := read(t, path)
	for room := range 40 {
		l.FaultyFile(room*20, nil)
		if err := l.Append(entry("does not fit"), entry("nor does this")); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Fatalf("room for %d bytes: got %v", room*20, err)
		}
		if got := read(t, path); got != before {
			t.Fatalf("room for %d bytes: the log now holds %q", room*20, got)
		}
		l.Repaired()
	}
	appendTo(t, l, "two")
	l.Close()
	if r, err := audit.VerifyFile(path, audit.VerifyOptions{}); err != nil || r.Entries != 3 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestHeadThatCannotBeWrittenUndoesTheEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path, 100)
	appendTo(t, l, "one")
	before := read(t, path)
	if err := os.Mkdir(path+".head.tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(entry("two")); err == nil || read(t, path) != before {
		t.Errorf("got %v; log %q", err, read(t, path))
	}
	if err := os.Remove(path + ".head.tmp"); err != nil {
		t.Fatal(err)
	}
	appendTo(t, l, "two")
	if r, err := audit.VerifyFile(path, audit.VerifyOptions{}); err != nil || r.Entries != 2 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestNothingIsWrittenAfterAFailedUndo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path, 100)
	appendTo(t, l, "one")
	l.FaultyFile(10, errors.New("device gone"))
	for range 2 {
		if err := l.Append(entry("two")); err == nil || !strings.Contains(err.Error(), "device gone") {
			t.Errorf("got %v", err)
		}
	}
	l.Close()
	// The next start finds ten bytes of a line and moves them aside.
	again := open(t, path, 100)
	again.Close()
	if torn := read(t, path+".torn"); torn != `{"agent_id` {
		t.Errorf("moved aside: %q", torn)
	}
}

// A crash stops at any byte of a write and leaves the signed head of before.
func TestTornEndIsMovedAsideAtAnyByte(t *testing.T) {
	path := written(t, 2, 100)
	signed, whole := read(t, path+".head"), read(t, path)
	l := open(t, path, 100)
	if err := l.Append(entry("third"), entry("fourth")); err != nil {
		t.Fatal(err)
	}
	grown := read(t, path)
	l.Close()
	third := len(whole) + strings.Index(grown[len(whole):], "\n") + 1
	for cut := len(whole); cut <= len(grown); cut += 23 {
		os.Remove(path + ".torn")
		put(t, path, grown[:cut])
		put(t, path+".head", signed)
		l := open(t, path, 100)
		appendTo(t, l, "after the crash")
		l.Close()
		r, err := audit.VerifyFile(path, audit.VerifyOptions{})
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		repairs := strings.Count(read(t, path), `"action_type":"audit_repair"`)
		switch clean := cut == len(whole); {
		case clean && repairs != 0, !clean && repairs == 0:
			t.Errorf("cut at %d: %d repair entries", cut, repairs)
		case cut > third && r.Entries < 6:
			t.Errorf("cut at %d: the whole third entry was lost: %+v", cut, r)
		}
		aside, _ := os.ReadFile(path + ".torn")
		if want := grown[len(whole):cut]; cut < third && string(aside) != want {
			t.Errorf("cut at %d: %q moved aside, want %q", cut, aside, want)
		}
	}
	// Blocks may reach the disk in any order: zeros where the line should be, its end in place.
	put(t, path, whole+strings.Repeat("\x00", 100)+grown[len(whole)+100:])
	put(t, path+".head", signed)
	open(t, path, 100).Close()
	if _, err := audit.VerifyFile(path, audit.VerifyOptions{}); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesADamagedLogAndSaysWhatToDo(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(t *testing.T, path string)
		want   string
	}{
		"changed entry": {func(t *testing.T, path string) {
			put(t, path, strings.Replace(read(t, path), "entry 1", "entry 9", 1))
		}, "broken at line 2"},
		"cut tail": {func(t *testing.T, path string) {
			lines := strings.SplitAfter(read(t, path), "\n")
			put(t, path, strings.Join(lines[:2], ""))
		}, "the tail was cut off"},
		"emptied": {func(t *testing.T, path string) { put(t, path, "") }, "the tail was cut off"},
		"no head": {func(t *testing.T, path string) { remove(t, path+".head") }, "is missing"},
		"head changed": {func(t *testing.T, path string) {
			put(t, path+".head", strings.Replace(read(t, path+".head"), `"seq":4`, `"seq":3`, 1))
		}, "was changed"},
		"no key":     {func(t *testing.T, path string) { remove(t, path+".key") }, "signing key"},
		"key shared": {func(t *testing.T, path string) { chmod(t, path+".key", 0o644) }, "0600"},
		"other key": {func(t *testing.T, path string) {
			other := written(t, 0, 100)
			put(t, path+".key", read(t, other+".key"))
		}, "not signed by the key"},
	} {
		t.Run(name, func(t *testing.T) {
			path := written(t, 3, 100)
			tt.damage(t, path)
			before, _ := os.ReadFile(path)
			_, err := audit.Open(path, audit.Options{AgentID: "pay-1", Now: time.Now})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want it to say %q", err, tt.want)
			}
			if !strings.Contains(err.Error(), "aside") && name != "key shared" {
				t.Errorf("the error does not say what to do: %v", err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the damaged log was touched")
			}
		})
	}
}

func TestKeyFiles(t *testing.T) {
	path := written(t, 1, 100)
	info, err := os.Stat(path + ".key")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key has mode %v, %v", info.Mode(), err)
	}
	if strings.Contains(read(t, path), strings.Split(read(t, path+".key"), "\n")[1]) {
		t.Error("the log holds the private key")
	}
}

func TestAppendFromMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path, 7)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				if err := l.Append(entry(fmt.Sprintf("%d/%d", i, j))); err != nil {
					t.Error(err)
				}
				l.Head()
			}
		})
	}
	wg.Wait()
	l.Close()
	var ours int
	_, err := audit.VerifyFile(path, audit.VerifyOptions{Each: func(e audit.Entry) error {
		if e.Type == "hook_action_intent" {
			ours++
		}
		return nil
	}})
	if err != nil || ours != 40 {
		t.Errorf("%d entries, %v", ours, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
