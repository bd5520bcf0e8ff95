package directory_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/directory"
	"github.com/assayer-io/assayer/internal/testkit/applied"
)

const dirVariable = "ASSAYER_TEST_APPLY_TO"

// TestMain applies, in a process of its own, when it is told to; it says how far it is.
func TestMain(m *testing.M) {
	if dir := os.Getenv(dirVariable); dir != "" {
		if err := applyAll(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const files = 20

// generated are many files, of which those of an older version exist with another content or another name.
func generated(version string) []artifact.File {
	var out []artifact.File
	for i := range files {
		name := fmt.Sprintf("rules/%02d.yaml", i)
		if i%4 == 0 {
			name = fmt.Sprintf("rules/%s-%02d.yaml", version, i)
		}
		out = append(out, artifact.File{Path: name, Data: []byte(strings.Repeat(version+"\n", 5000))})
	}
	return out
}

func applyAll(dir string) error {
	one, err := directory.New(directory.Config{Dir: dir})
	if err != nil {
		return err
	}
	return applied.Apply(context.Background(), one, generated("new"), applied.Tell)
}

// TestKilled kills a process in the middle of an apply. No file is ever half written, and the next apply does the rest.
func TestKilled(t *testing.T) {
	for _, after := range []int{0, 7, 14, 15, 24} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			dir := t.TempDir()
			one, err := directory.New(directory.Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			apply := func(files []artifact.File) {
				t.Helper()
				if err := applied.Apply(t.Context(), one, files, func(int) {}); err != nil {
					t.Fatal(err)
				}
			}
			apply(generated("old"))
			applied.Kill(t, after, nil, dirVariable+"="+dir)
			for name, text := range applied.Tree(t, dir) {
				if !strings.Contains(name, ".assayer-") && text != strings.Repeat("old\n", 5000) && text != strings.Repeat("new\n", 5000) {
					t.Errorf("%s is broken: %d bytes", name, len(text))
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "rules", "theirs.yaml"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			apply(generated("new"))
			want := map[string]string{"rules/theirs.yaml": "x"}
			for _, f := range generated("new") {
				want[f.Path] = string(f.Data)
			}
			applied.WantTree(t, dir, want)
			p, err := deploy.Make(t.Context(), "out", one, generated("new"))
			if err != nil || p.Drifted() {
				t.Errorf("left: %v, %v", p, err)
			}
		})
	}
}

// TestFolderThatWasGenerated: what ReadFolder reads and deploys is what is there, each file for its own destination.
func TestFolderThatWasGenerated(t *testing.T) {
	all, err := deploy.ReadFolder("testdata/tree")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]artifact.Kind{}
	for _, f := range all {
		got[f.Path] = f.Kind
	}
	want := map[string]artifact.Kind{
		"runbooks/a.md": artifact.Runbook, "rules/a.yaml": artifact.Rules, "rule-tests/a.yaml": artifact.RuleTests, "kubernetes/a.yaml": artifact.RuleObjects,
		"kubernetes/map.yaml": artifact.Manifest, "alertmanager/alertmanager.yaml": artifact.Alertmanager, "alertmanager/assayer.tmpl": artifact.AlertTemplate,
		"grafana/rules.yaml": artifact.GrafanaRules, "dashboards/a.json": artifact.Dashboard, "terraform/a.tf.json": artifact.Terraform, "provisioning/a.yaml": artifact.Provisioning,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := deploy.ReadFolder("testdata/none"); err == nil {
		t.Error("a folder that is not there is read")
	}
}

// What may hold secrets is not for everybody to read, unless somebody has made the file so.
func TestModes(t *testing.T) {
	dir := t.TempDir()
	one, err := directory.New(directory.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	modes := func(text string) map[string]os.FileMode {
		t.Helper()
		all := []artifact.File{{Path: "am.yaml", Kind: artifact.Alertmanager, Data: []byte(text)}, {Path: "rules.yaml", Kind: artifact.Rules, Data: []byte(text)}}
		if err := applied.Apply(t.Context(), one, all, func(int) {}); err != nil {
			t.Fatal(err)
		}
		out := map[string]os.FileMode{}
		for _, f := range all {
			info, err := os.Stat(filepath.Join(dir, f.Path))
			if err != nil {
				t.Fatal(err)
			}
			out[f.Path] = info.Mode().Perm()
		}
		return out
	}
	if got, want := modes("a: 1\n"), map[string]os.FileMode{"am.yaml": 0o640, "rules.yaml": 0o644}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := os.Chmod(filepath.Join(dir, "am.yaml"), 0o604); err != nil {
		t.Fatal(err)
	}
	if got, want := modes("a: 2\n"), map[string]os.FileMode{"am.yaml": 0o604, "rules.yaml": 0o644}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestConfigProblems(t *testing.T) {
	if err := (directory.Config{}).Validate(); err == nil || !strings.Contains(err.Error(), "dir") {
		t.Errorf("no folder: %v", err)
	}
	c := directory.Config{Dir: "out"}
	c.SetDirectory("/etc/assayer")
	if c.Place() != "/etc/assayer/out" || c.Validate() != nil {
		t.Errorf("became %+v", c)
	}
}
