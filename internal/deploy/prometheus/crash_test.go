package prometheus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/prometheus"
	"github.com/assayer-io/assayer/internal/testkit/applied"
)

const toVariable, urlVariable = "ASSAYER_TEST_APPLY_TO", "ASSAYER_TEST_APPLY_URL"

// TestMain applies, in a process of its own, when it is told to; it says how far it is.
func TestMain(m *testing.M) {
	dir := os.Getenv(toVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	c := prometheus.Default()
	c.Dir, c.Server.URL, c.Settle = dir, os.Getenv(urlVariable), time.Minute
	one, err := prometheus.New(c)
	if err == nil {
		err = applied.Apply(context.Background(), one, version("new"), applied.Tell)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// version is a set of rule files: a and b are of every version, the third is of this one alone. A new one has what the
// server may refuse.
func version(name string) []artifact.File {
	var out []artifact.File
	for _, file := range []string{"a", "b", name} {
		text := fmt.Sprintf("groups: [{name: %s, rules: [{alert: %s, expr: 'vector(%d)'}]}]\n", file, strings.ReplaceAll(name, "new", "REFUSE"), len(name))
		out = append(out, artifact.File{Path: "rules/" + file + ".yaml", Kind: artifact.Rules, Data: []byte(text)})
	}
	return out
}

func contents(files []artifact.File) map[string]string {
	out := map[string]string{}
	for _, f := range files {
		out[filepath.Base(f.Path)] = string(f.Data)
	}
	return out
}

// inForce gives a server that runs the old version.
func inForce(t *testing.T) (*server, *prometheus.Target) {
	t.Helper()
	s := serve(t, t.TempDir())
	one := target(t, s)
	if err := apply(t, one, version("old")); err != nil {
		t.Fatal(err)
	}
	return s, one
}

// killed starts an apply of the new version and kills it when it has made so many of its four changes; after the fourth,
// while it waits for the server to have them in force.
func killed(t *testing.T, s *server, after int) {
	t.Helper()
	asked := make(chan struct{}, 1)
	s.set(func() { s.asked = asked })
	applied.Kill(t, after, func() {
		if after == 4 {
			<-asked
		}
	}, toVariable+"="+s.dir, urlVariable+"="+s.url)
	s.set(func() { s.asked = nil })
}

// An apply that was killed in the middle, at any point, is completed by the next one; and when the server refuses what it
// had put there, the next one puts back what was in force before it.
func TestKilledApplyIsCompletedOrUndone(t *testing.T) {
	for after := range 5 {
		for name, refuse := range map[string]string{"completed": "", "undone": "bad rule"} {
			t.Run(fmt.Sprint(name, " after ", after), func(t *testing.T) {
				t.Parallel() // they wait
				s, one := inForce(t)
				s.set(func() { s.refuse = refuse })
				killed(t, s, after)
				if p := plan(t, one, version("new")); p.Pending == "" {
					t.Errorf("nothing is told of it: %+v", p)
				}
				err := apply(t, one, version("new"))
				if refuse == "" {
					if err != nil || plan(t, one, version("new")).Drifted() {
						t.Errorf("the next apply: %v", err)
					}
					applied.WantTree(t, s.dir, contents(version("new")))
					return
				}
				if err == nil || !strings.Contains(err.Error(), "bad rule; put back as before, and reloaded: a.yaml, b.yaml, new.yaml, old.yaml") {
					t.Errorf("error is %v", err)
				}
				applied.WantTree(t, s.dir, contents(version("old")))
				if p := plan(t, one, version("old")); p.Drifted() {
					t.Errorf("left is %+v", p)
				}
			})
		}
	}
}

// What is put back has the bits that it had.
func TestUndoGivesBitsBack(t *testing.T) {
	s, one := inForce(t)
	bits := map[string]os.FileMode{"a.yaml": 0o640, "old.yaml": 0o600}
	for name, mode := range bits {
		if err := os.Chmod(filepath.Join(s.dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	s.set(func() { s.refuse = "bad rule" })
	if err := apply(t, one, version("new")); err == nil || !strings.Contains(err.Error(), "put back as before, and reloaded") {
		t.Errorf("error is %v", err)
	}
	for name, mode := range bits {
		info, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has %v, want %v", name, info.Mode(), mode)
		}
	}
}

// What somebody has edited after the kill is theirs, and so is what they edit while it is waited for the server.
func TestUndoLeavesWhatOthersChanged(t *testing.T) {
	s, one := inForce(t)
	killed(t, s, 3)
	edited := "groups: [{name: a, rules: [{alert: edited, expr: up}]}]\n"
	if err := os.WriteFile(filepath.Join(s.dir, "a.yaml"), []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.refuse = "bad rule" })
	// It overwrites the edit, as the plan says; undone, the edit is there again.
	err := apply(t, one, version("new"))
	if err == nil || !strings.Contains(err.Error(), "put back as before") {
		t.Errorf("error is %v", err)
	}
	want := contents(version("old"))
	want["a.yaml"] = edited
	applied.WantTree(t, s.dir, want)

	s.set(func() {
		s.onReload = func() {
			if err := os.WriteFile(filepath.Join(s.dir, "b.yaml"), []byte("groups: []\n"), 0o600); err != nil {
				t.Error(err)
			}
			s.onReload = nil
		}
	})
	err = apply(t, one, version("new"))
	if err == nil || !strings.Contains(err.Error(), "b.yaml: changed by somebody else meanwhile and left so; put back as before, and reloaded: a.yaml, new.yaml, old.yaml") {
		t.Errorf("error is %v", err)
	}
	want["b.yaml"] = "groups: []\n"
	applied.WantTree(t, s.dir, want)
}

// An apply that stops between two files leaves none of them: a server that starts again must find what it ran.
func TestStoppedApplyIsUndone(t *testing.T) {
	for name, stop := range map[string]func(dir string, cancel func()) error{
		"by the operator": func(_ string, cancel func()) error { cancel(); return nil },
		"by an edit": func(dir string, _ func()) error {
			return os.WriteFile(filepath.Join(dir, "b.yaml"), []byte("groups: []\n"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, one := inForce(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := applied.Apply(ctx, one, version("new"), func(done int) {
				if done == 1 {
					if err := stop(s.dir, cancel); err != nil {
						t.Error(err)
					}
				}
			})
			if !errors.Is(err, context.Canceled) && !errors.Is(err, deploy.ErrChanged) || !strings.Contains(err.Error(), "after 1 of 4 changes:") || !strings.Contains(err.Error(), "put back as before, and reloaded: a.yaml") {
				t.Errorf("error is %v", err)
			}
			want := contents(version("old"))
			if name == "by an edit" {
				want["b.yaml"] = "groups: []\n"
			}
			applied.WantTree(t, s.dir, want)
			if p := plan(t, one, version("old")); p.Pending != "" {
				t.Errorf("left is %+v", p)
			}
		})
	}
}

// Nothing is said to be put back when nothing had been changed.
func TestNothingToPutBack(t *testing.T) {
	s, one := inForce(t)
	theirs := filepath.Join(s.dir, "theirs.yaml")
	if err := os.WriteFile(theirs, []byte("groups: [{name: x, rules: [{alert: REFUSE, expr: up}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.groups, s.refuse = nil, "bad rule" })
	err := apply(t, one, version("old"))
	if err == nil || !strings.Contains(err.Error(), "bad rule; no file had been changed, so none was put back") {
		t.Errorf("error is %v", err)
	}
}
