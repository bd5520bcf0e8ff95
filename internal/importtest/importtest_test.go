package importtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestRepository holds this repository to every rule.
func TestRepository(t *testing.T) {
	repository, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatalf("reading the repository: %v", err)
	}
	if len(repository.files) < 10 {
		t.Fatalf("found %d Go files, so this is not the repository", len(repository.files))
	}
	for _, breach := range repository.breaches() {
		t.Error(breach)
	}
}

// TestPlantedBreaches proves that each rule can fail, and that it finds nothing else.
func TestPlantedBreaches(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("found no planted trees (%v)", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			fsys, want := fstest.MapFS{}, ""
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				fsys[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			planted, err := load(fsys)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(planted.breaches(), "\n") + "\n"
			if got = strings.TrimPrefix(got, "\n"); got != want {
				t.Errorf("breaches found:\n%swant:\n%s", got, want)
			}
		})
	}
}
