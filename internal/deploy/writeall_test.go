package deploy_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/testkit/applied"
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

func TestAllFilesAreWrittenOrNone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if err := writeAll(t, dir, false, "a", "b/c"); err != nil {
		t.Fatal(err)
	}
	applied.WantTree(t, dir, map[string]string{"a": "a", "b/c": "b/c"})
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
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, "a"), []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := writeAll(t, dir, c.replace, c.names...); err == nil || errors.Is(err, fs.ErrExist) != c.exists {
				t.Errorf("error is %v", err)
			}
			applied.WantTree(t, dir, map[string]string{"a": "kept", "b/c": "b/c"})
		})
	}
	if err := os.Chmod(filepath.Join(dir, "a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeAll(t, dir, true, "a", "d"); err != nil {
		t.Error(err)
	}
	applied.WantTree(t, dir, map[string]string{"a": "a", "b/c": "b/c", "d": "d"})
	if info, err := os.Stat(filepath.Join(dir, "a")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v, and was 0600", info.Mode(), err)
	}
}

// A link in the place of a file, or of its folder, is not written through.
func TestLinksAreNotFollowed(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	other := filepath.Join(outside, "other")
	if err := os.WriteFile(other, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(other, filepath.Join(dir, "file")), os.Symlink(outside, filepath.Join(dir, "folder"))); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{"file": "symbolic link", "folder": "symbolic link", "folder/other": "path escapes", "folder/new": "path escapes"} {
		if err := writeAll(t, dir, true, "a", name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	applied.WantTree(t, outside, map[string]string{"other": "kept"})
	if _, err := os.Stat(filepath.Join(dir, "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file beside it: %v", err)
	}
}
