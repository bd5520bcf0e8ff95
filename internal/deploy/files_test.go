package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/directory"
	"github.com/assayer-io/assayer/internal/testkit/applied"
)

// set makes generated files of paths and texts.
func set(texts map[string]string) []artifact.File {
	var out []artifact.File
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		out = append(out, artifact.File{Path: path, Kind: artifact.Rules, Data: []byte(texts[path])})
	}
	return out
}

func target(t *testing.T, dir string) *directory.Target {
	t.Helper()
	one, err := directory.New(directory.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func plan(t *testing.T, one deploy.Target, files []artifact.File) deploy.Plan {
	t.Helper()
	p, err := deploy.Make(t.Context(), "out", one, files)
	if err != nil {
		t.Fatal(err)
	}
	p.Explain()
	return p
}

func apply(t *testing.T, one deploy.Target, files []artifact.File) {
	t.Helper()
	if err := deploy.Apply(t.Context(), one, plan(t, one, files), deploy.ApplyOptions{PruneAll: true}); err != nil {
		t.Fatal(err)
	}
}

// ops lists a plan's steps that are not unchanged as "create a".
func ops(p deploy.Plan) []string {
	out := []string{}
	for _, s := range p.Steps {
		if s.Op != deploy.Unchanged {
			out = append(out, string(s.Op)+" "+s.Name)
		}
	}
	return out
}

func wantOps(t *testing.T, p deploy.Plan, want ...string) {
	t.Helper()
	if got := ops(p); !slices.Equal(got, want) {
		t.Errorf("plan is %q, want %q", got, want)
	}
	if p.Drifted() != (len(want) > 0 || p.Pending != "") {
		t.Errorf("drifted is %v with %q", p.Drifted(), want)
	}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFolderFollowsWhatIsGenerated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	one := target(t, dir)
	first := set(map[string]string{"a.yaml": "1\n", "sub/b.yaml": "2\n", "sub/deep/c.md": "3\n"})
	wantOps(t, plan(t, one, first), "create a.yaml", "create sub/b.yaml", "create sub/deep/c.md")
	apply(t, one, first)
	wantOps(t, plan(t, one, first))
	put(t, dir, "theirs.yaml", "x\n")
	if err := os.Chmod(filepath.Join(dir, "a.yaml"), 0o604); err != nil {
		t.Fatal(err)
	}

	second := set(map[string]string{"a.yaml": "one\n", "sub/b.yaml": "2\n"})
	p := plan(t, one, second)
	wantOps(t, p, "update a.yaml", "delete sub/deep/c.md")
	if want := "--- deployed/a.yaml\n+++ generated/a.yaml\n@@ -1,1 +1,1 @@\n-1\n+one\n"; p.Steps[0].Diff != want {
		t.Errorf("difference is\n%s\nwant\n%s", p.Steps[0].Diff, want)
	}
	apply(t, one, second)
	applied.WantTree(t, dir, map[string]string{"a.yaml": "one\n", "sub/b.yaml": "2\n", "theirs.yaml": "x\n"})
	if info, err := os.Stat(filepath.Join(dir, "a.yaml")); err != nil || info.Mode().Perm() != 0o604 {
		t.Errorf("mode is %v, %v, want that of before", info.Mode(), err)
	}
	apply(t, one, nil)
	applied.WantTree(t, dir, map[string]string{"theirs.yaml": "x\n"})
}

// A file of the same name that is not ours is never touched, and neither is anything else then.
func TestConflictChangesNothing(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "b", "theirs\n")
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	one := target(t, dir)
	p := plan(t, one, set(map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}))
	wantOps(t, p, "create a", "conflict b", "conflict c", "conflict d")
	err := deploy.Apply(t.Context(), one, p, deploy.ApplyOptions{})
	var refused *deploy.RefusedError
	if !errors.As(err, &refused) || len(refused.Reasons) != 3 || !strings.Contains(err.Error(), "nothing was changed") || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("error is %v", err)
	}
	if got := plan(t, one, nil); len(got.Steps) != 0 {
		t.Errorf("what is not ours is in the plan: %v", ops(got))
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a was written")
	}
}

func TestHandEdits(t *testing.T) {
	dir := t.TempDir()
	one := target(t, dir)
	files := set(map[string]string{"a": "1\n", "b": "2\n"})
	apply(t, one, files)
	put(t, dir, "a", "edited\n")
	p := plan(t, one, files)
	wantOps(t, p, "update a")
	if s := p.Steps[0]; !s.Edited || !strings.Contains(s.Why, "since it was last applied") {
		t.Errorf("step is %+v, want to be told of the edit", s)
	}
	err := deploy.Apply(t.Context(), one, p, deploy.ApplyOptions{KeepEdits: true})
	if err == nil || applied.Tree(t, dir)["a"] != "edited\n" {
		t.Errorf("with edits kept: %v, %q", err, applied.Tree(t, dir))
	}
	put(t, dir, "a", "again\n")
	if err := deploy.Apply(t.Context(), one, p, deploy.ApplyOptions{}); !errors.Is(err, deploy.ErrChanged) {
		t.Errorf("changed after the plan: %v", err)
	}
	if got := applied.Tree(t, dir)["a"]; got != "again\n" {
		t.Errorf("the file is %q", got)
	}
	p = plan(t, one, files)
	if p.Pending == "" {
		t.Error("an apply that failed is not told of")
	}
	apply(t, one, files)
	applied.WantTree(t, dir, map[string]string{"a": "1\n", "b": "2\n"})
	// What was generated anew without an edit is no edit.
	if p := plan(t, one, set(map[string]string{"a": "new\n", "b": "2\n"})); p.Steps[0].Edited {
		t.Error("a newer version of ours is called an edit")
	}
	put(t, dir, "b", "edited\n")
	if p := plan(t, one, nil); !p.Steps[1].Edited {
		t.Error("that what is pruned was edited is not told")
	}
}

// An apply that ends after any number of changes, as when it is killed, is completed by the next one. Whatever was
// changed since by others stays theirs.
func TestHalfApplied(t *testing.T) {
	old := set(map[string]string{"gone": "0", "same": "s", "upd1": "1", "upd2": "2"})
	now := set(map[string]string{"new1": "a", "new2": "b", "same": "s", "upd1": "11", "upd2": "22"})
	want := map[string]string{"new1": "a", "new2": "b", "same": "s", "upd1": "11", "upd2": "22"}
	for k := range 6 {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			dir := t.TempDir()
			one := target(t, dir)
			apply(t, one, old)
			p := plan(t, one, now)
			session, err := one.Begin(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := one.Begin(t.Context(), p); err == nil || !strings.Contains(err.Error(), "another apply") {
				t.Errorf("two applies at a time: %v", err)
			}
			if under := plan(t, one, now); !under.Busy || under.Pending != "an apply is under way" {
				t.Errorf("under way it is called %t, %q", under.Busy, under.Pending)
			}
			done := 0
			for _, s := range p.Steps {
				if s.Changes() && done < k {
					done++
					if err := session.Do(t.Context(), s); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := session.End(); err != nil { // without a Commit
				t.Fatal(err)
			}
			put(t, dir, ".upd1.assayer-tmp-ABC", "half")
			p = plan(t, one, now)
			if !p.Drifted() || p.Busy || p.Pending != "an apply was interrupted before it had ended" {
				t.Error("half of an apply is not told of")
			}
			for _, s := range p.Steps {
				if s.Edited || s.Op == deploy.Conflict {
					t.Errorf("%s %s: %s", s.Op, s.Name, s.Why)
				}
			}
			apply(t, one, now)
			applied.WantTree(t, dir, want)
			wantOps(t, plan(t, one, now))
		})
	}
}

func TestFilesMadeByOthersAfterAKillAreTheirs(t *testing.T) {
	dir := t.TempDir()
	one := target(t, dir)
	apply(t, one, set(map[string]string{"gone": "0"}))
	now := set(map[string]string{"new": "a"})
	session, err := one.Begin(t.Context(), plan(t, one, now))
	if err != nil {
		t.Fatal(err)
	}
	if err := session.End(); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "new", "theirs")
	put(t, dir, "gone", "theirs too")
	wantOps(t, plan(t, one, now), "conflict new")
	if err := os.Remove(filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	apply(t, one, now)
	applied.WantTree(t, dir, map[string]string{"new": "a", "gone": "theirs too"})
}

// What of ours somebody deleted, and somebody else made anew when it was no longer wanted, is not ours.
func TestForgetsWhatIsGone(t *testing.T) {
	dir := t.TempDir()
	one := target(t, dir)
	apply(t, one, set(map[string]string{"a": "1", "b": "2"}))
	if err := os.Remove(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	apply(t, one, set(map[string]string{"a": "one"}))
	put(t, dir, "b", "theirs")
	wantOps(t, plan(t, one, set(map[string]string{"a": "one"})))
}

func TestNamesThatLeadOut(t *testing.T) {
	one := target(t, t.TempDir())
	for _, name := range []string{"", ".", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "./a", "a\nb", "a\x00b", deploy.ManifestName, "sub/" + deploy.ManifestName, ".a.assayer-tmp-x", strings.Repeat("a", 2000)} {
		if _, err := deploy.Make(t.Context(), "out", one, []artifact.File{{Path: name}}); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
	for _, names := range [][]string{{"a", "a"}, {"a", "a/b"}, {"x/y", "x/y/z/w"}} {
		var files []artifact.File
		for _, n := range names {
			files = append(files, artifact.File{Path: n})
		}
		if _, err := deploy.Make(t.Context(), "out", one, files); err == nil {
			t.Errorf("%q are taken together", names)
		}
	}
	apply(t, one, []artifact.File{{Path: `quotes "and' spaces`, Data: []byte("x")}, {Path: strings.Repeat("n", 250), Data: []byte("y")}})
}

func TestLinksAreNotFollowedOut(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	put(t, outside, "a", "theirs")
	if err := os.Symlink(outside, filepath.Join(dir, "sub")); err != nil {
		t.Fatal(err)
	}
	one := target(t, dir)
	_, err := deploy.Make(t.Context(), "out", one, set(map[string]string{"sub/a": "1"}))
	if err == nil {
		p := deploy.Compare("out", []deploy.Object{{Kind: deploy.KindFile, Name: "sub/a", Text: []byte("1")}}, deploy.State{})
		err = deploy.Apply(t.Context(), one, p, deploy.ApplyOptions{})
	}
	if err == nil || applied.Tree(t, outside)["a"] != "theirs" {
		t.Errorf("error is %v, outside is %v", err, applied.Tree(t, outside))
	}
	// A link in the place of a file of ours is not ours, and what it points at is not read.
	dir = t.TempDir()
	one = target(t, dir)
	apply(t, one, set(map[string]string{"a": "1"}))
	if err := errors.Join(os.Remove(filepath.Join(dir, "a")), os.Symlink(filepath.Join(outside, "a"), filepath.Join(dir, "a"))); err != nil {
		t.Fatal(err)
	}
	wantOps(t, plan(t, one, set(map[string]string{"a": "1"})), "conflict a")
	if p := plan(t, one, nil); len(p.Steps) != 0 {
		t.Errorf("a link would be deleted: %v", ops(p))
	}
}

func TestBrokenManifest(t *testing.T) {
	for _, text := range []string{"", "{", "[]", `{"version": 2}`, `{"version": 1, "files": {"../x": {"sha256": ""}}}`, `{"version": 1, "more": 1}`} {
		dir := t.TempDir()
		put(t, dir, deploy.ManifestName, text)
		put(t, dir, "a", "theirs")
		one := target(t, dir)
		if _, err := deploy.Make(t.Context(), "out", one, set(map[string]string{"a": "1"})); err == nil || !strings.Contains(err.Error(), deploy.ManifestName) {
			t.Errorf("manifest %q: %v", text, err)
		}
	}
}

// A cancelled apply stops between two changes.
func TestApplyIsCancelled(t *testing.T) {
	dir := t.TempDir()
	one := target(t, dir)
	files := set(map[string]string{"a": "1", "b": "2", "c": "3"})
	ctx, cancel := context.WithCancel(t.Context())
	err := deploy.Apply(ctx, one, plan(t, one, files), deploy.ApplyOptions{Progress: func(done, all int, _ *deploy.Step) {
		if all != 3 {
			t.Errorf("%d of %d", done, all)
		}
		if done == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "after 2 of 3") {
		t.Errorf("error is %v", err)
	}
	applied.WantTree(t, dir, map[string]string{"a": "1", "b": "2"})
	apply(t, one, files)
	applied.WantTree(t, dir, map[string]string{"a": "1", "b": "2", "c": "3"})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version": 1, "pending": true, "files": {"a": {"sha256": "x", "next": ""}}}`))
	f.Add([]byte(`{"version": 1, "files": {"/etc/passwd": {}}}`))
	f.Add([]byte(`{"version": 1, "files": {"..": {}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, deploy.ManifestName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := deploy.Files{Dir: dir}.Deployed(nil)
		if err == nil && len(s.Found) > 0 {
			t.Errorf("an empty folder has %v", s.Found)
		}
	})
}

// Whatever an apply that was killed seems to have kept is an error or taken up; it never leads out of the folder.
func FuzzUndo(f *testing.F) {
	f.Add([]byte(`{"version": 1, "manifest": null, "files": {"a": {"data": "eA==", "mode": 420, "uid": -1, "gid": -1, "made": [""]}}}`))
	f.Add([]byte(`{"version": 1, "files": {"../x": {"data": ""}}}`))
	f.Add([]byte(`{"version": 1, "files": {".assayer-undo.json": {"data": null, "made": ["x"]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		outside := t.TempDir()
		files := deploy.Files{Dir: filepath.Join(outside, "in"), Undo: true}
		put(t, files.Dir, deploy.ManifestName, `{"version": 1, "pending": true, "files": {}}`)
		put(t, files.Dir, ".assayer-undo.json", string(data))
		wanted, err := files.Objects([]string{"b"}, func(int) []byte { return []byte("new") })
		if err != nil {
			t.Fatal(err)
		}
		state, err := files.Deployed(wanted)
		if err != nil {
			t.Fatal(err)
		}
		session, err := files.Begin(deploy.Compare("out", wanted, state))
		if err != nil {
			return
		}
		why := errors.New("refused")
		if err := session.TakeBack(t.Context(), why, func(context.Context) error { return nil }); !errors.Is(err, why) {
			t.Error(err)
		}
		if err := session.End(); err != nil {
			t.Error(err)
		}
		if list, err := os.ReadDir(outside); err != nil || len(list) != 1 {
			t.Errorf("beside the folder are %v, %v", list, err)
		}
	})
}

// A plan that was made before another apply would make that one's files those of nobody.
func TestPlanOfBeforeAnotherApply(t *testing.T) {
	for _, first := range []map[string]string{nil, {"old": "0"}} {
		dir := t.TempDir()
		one := target(t, dir)
		if first != nil {
			apply(t, one, set(first))
		}
		stale := plan(t, one, set(map[string]string{"a": "1"}))
		apply(t, one, set(map[string]string{"b": "2", "c": "3"}))
		err := deploy.Apply(t.Context(), one, stale, deploy.ApplyOptions{})
		if !errors.Is(err, deploy.ErrChanged) || !strings.Contains(err.Error(), "another apply has worked here since this one was planned") {
			t.Errorf("error is %v", err)
		}
		applied.WantTree(t, dir, map[string]string{"b": "2", "c": "3"})
		wantOps(t, plan(t, one, set(map[string]string{"a": "1"})), "create a", "delete b", "delete c")
	}
}

// A file that is as it was generated is no conflict, such as when the manifest was lost: it becomes ours as it is.
func TestFilesThatAreAsGeneratedBecomeOurs(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a", "1\n")
	before, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	one := target(t, dir)
	files := set(map[string]string{"a": "1\n", "b": "2\n"})
	wantOps(t, plan(t, one, files), "adopt a", "create b")
	apply(t, one, files)
	wantOps(t, plan(t, one, files))
	if after, err := os.Stat(filepath.Join(dir, "a")); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was written anew, %v", err)
	}
	wantOps(t, plan(t, one, set(map[string]string{"a": "one\n", "b": "2\n"})), "update a")
	if err := os.Remove(filepath.Join(dir, deploy.ManifestName)); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "b", "edited\n")
	p := plan(t, one, files)
	wantOps(t, p, "adopt a", "conflict b")
	put(t, dir, "b", "2\n")
	p = plan(t, one, files)
	wantOps(t, p, "adopt a", "adopt b")
	put(t, dir, "b", "edited meanwhile\n")
	if err := deploy.Apply(t.Context(), one, p, deploy.ApplyOptions{}); !errors.Is(err, deploy.ErrChanged) {
		t.Errorf("changed after the plan: %v", err)
	}
	wantOps(t, plan(t, one, files), "conflict b")
	put(t, dir, "b", "2\n")
	apply(t, one, files)
	apply(t, one, nil)
	applied.WantTree(t, dir, map[string]string{})
}
