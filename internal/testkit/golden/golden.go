// Package golden holds what a test made to a file in testdata, so that a review shows what a change does to it.
//
//	var update = flag.Bool("update", false, "rewrite the golden files") // make golden finds packages by this line
//
//	golden.Want(t, *update, "testdata/agent/rules.yaml", got)
//	testdata/agent/rules.yaml:12 is "for: 2m", got "for: 3m" (make golden rewrites it)
package golden

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Want compares what was made with a file, which is written anew if update.
func Want(t testing.TB, update bool, file string, got []byte) {
	t.Helper()
	if update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, got, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	have, lines := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	n := 0
	for n < len(have) && n < len(lines) && bytes.Equal(have[n], lines[n]) {
		n++
	}
	at := func(all [][]byte) []byte {
		if n == len(all) {
			return []byte("the end")
		}
		return all[n]
	}
	t.Errorf("%s:%d is %.500q, got %.500q (make golden rewrites it)", file, n+1, at(lines), at(have))
}
