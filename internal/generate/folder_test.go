package generate_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/directory"
	"github.com/assayer-io/assayer/internal/generate"
)

// What was written into a folder and is read from there is what was generated, each file of its own kind: what is
// deployed from a folder is what is deployed without one.
func TestFolderIsReadAsItWasGenerated(t *testing.T) {
	kinds := map[artifact.Kind]bool{}
	for _, form := range generate.Forms() {
		for _, without := range []generate.Part{generate.RuleTests, generate.GrafanaRules} {
			t.Run(fmt.Sprintf("%s without %s", form, without), func(t *testing.T) {
				out := made(t, func(c *generate.Config) {
					c.Form, c.Parts = form, slices.DeleteFunc(generate.Parts(), func(p generate.Part) bool { return p == without })
				})
				dir := t.TempDir()
				to, err := directory.New(directory.Config{Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				plan, err := deploy.Make(t.Context(), "out", to, out.Files)
				if err == nil {
					err = deploy.Apply(t.Context(), to, plan, deploy.ApplyOptions{})
				}
				if err != nil {
					t.Fatal(err)
				}
				read, err := deploy.ReadFolder(dir)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := byPath(read), byPath(out.Files); !maps.Equal(got, want) {
					for path, one := range want {
						if got[path] != one {
							t.Errorf("%s is %.60q, want %.60q", path, got[path], one)
						}
					}
					t.Errorf("%d files became %d", len(want), len(got))
				}
				for _, f := range out.Files {
					kinds[f.Kind] = true
				}
			})
		}
	}
	if len(kinds) != 11 {
		t.Errorf("only these kinds were made: %v", slices.Sorted(maps.Keys(kinds)))
	}
}

func byPath(files []artifact.File) map[string]string {
	out := map[string]string{}
	for _, f := range files {
		out[f.Path] = string(f.Kind) + " " + string(f.Data)
	}
	return out
}
