package deploy_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/deploy"
)

// writeAll writes files with a text each, that of their names.
func writeAll(t *testing.T, dir string, replace bool, names ...string) error {
	t.Helper()
	f := deploy.Files{Dir: dir}
	objects, err := f.Objects(names, func(i int) []byte { return []byte(names[i]) })
	if err != nil {
		t.Fatal(err)
	}
	return f.WriteAll(objects, replace)
}

// within lists the folder's files with their texts.
func within(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all = append(all, d.Name()+"="+string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func TestAllFilesAreWrittenOrNone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if err := writeAll(t, dir, false, "a", "b/c"); err != nil || within(t, dir) != "a=a c=b/c" {
		t.Fatalf("%v: there is %s", err, within(t, dir))
	}
	for name, c := range map[string]struct {
		replace bool
		names   []string
		exists  bool
	}{
		"one is there":              {false, []string{"d", "a"}, true},
		"a folder is there":         {true, []string{"d", "b"}, false},
		"the last cannot be made":   {true, []string{"d", "a", strings.Repeat("x", 300)}, false},
		"its folder cannot be made": {true, []string{"d", "a/e"}, false},
	} {
		if err := os.WriteFile(filepath.Join(dir, "a"), []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := writeAll(t, dir, c.replace, c.names...)
		if got := within(t, dir); err == nil || errors.Is(err, fs.ErrExist) != c.exists || got != "a=kept c=b/c" {
			t.Errorf("%s: %v: there is %s", name, err, got)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeAll(t, dir, true, "a", "d"); err != nil || within(t, dir) != "a=a c=b/c d=d" {
		t.Errorf("%v: there is %s", err, within(t, dir))
	}
	if info, err := os.Stat(filepath.Join(dir, "a")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v, and was 0600", info.Mode(), err)
	}
}

// A link beside the place of a file, where something half written could go, is not written through.
func TestLinksAreNotFollowed(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.half", "b"} {
		if err := os.Symlink(other, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeAll(t, dir, true, "a"); err != nil {
		t.Error(err)
	}
	if err := writeAll(t, dir, true, "b"); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("over a link: %v", err)
	}
	if data, err := os.ReadFile(other); err != nil || string(data) != "kept" {
		t.Errorf("what the link leads to is %q, %v", data, err)
	}
}
