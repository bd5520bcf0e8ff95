// Package applied looks at folders that were deployed to, and kills applies in the middle. For that a test's own binary
// runs again, whose TestMain applies instead of testing when the environment says so:
//
//	if dir := os.Getenv(toVariable); dir != "" {
//		err := applied.Apply(ctx, target, files, applied.Tell) // prints "done 0", "done 1", …
//		…
//	}
package applied

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
)

// Apply makes a plan and carries it out. It tells how many changes are made, before the first and after each.
func Apply(ctx context.Context, one deploy.Target, files []artifact.File, told func(done int)) error {
	p, err := deploy.Make(ctx, "out", one, files)
	if err != nil {
		return err
	}
	return deploy.Apply(ctx, one, p, deploy.ApplyOptions{Progress: func(done, _ int, _ *deploy.Step) { told(done) }})
}

const done = "done "

// Tell prints how many changes are made, for Kill.
func Tell(changes int) { fmt.Println(done + fmt.Sprint(changes)) }

// Kill runs this test's binary again with more in its environment, and kills it when it has told of so many changes and
// ready has returned; nil: nothing more is waited for.
func Kill(t *testing.T, after int, ready func(), environment ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), environment...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	reached := false
	for lines := bufio.NewScanner(out); !reached && lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), done) {
			t.Errorf("it says %q", lines.Text())
		}
		reached = lines.Text() == done+fmt.Sprint(after)
	}
	if !reached {
		t.Errorf("it ended before change %d", after)
	} else if ready != nil {
		ready()
	}
	_ = cmd.Process.Kill() // it may have ended
	_ = cmd.Wait()         // with the signal
}

// Tree reads a folder, without the manifest.
func Tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == deploy.ManifestName {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// WantTree compares a folder, without the manifest, with files by their names.
func WantTree(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	if got := Tree(t, dir); !maps.Equal(got, want) {
		t.Errorf("the folder holds %.2000q, want %.2000q", got, want)
	}
}
