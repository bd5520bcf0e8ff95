package golden_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/assayer-io/assayer/internal/testkit/golden"
)

// teller keeps what a test is told.
type teller struct {
	testing.TB
	told string
}

func (t *teller) Helper()                           {}
func (t *teller) Errorf(format string, args ...any) { t.told = fmt.Sprintf(format, args...) }

func TestWant(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "file")
	golden.Want(t, true, file, []byte("a\nb\n"))
	if data, err := os.ReadFile(file); err != nil || string(data) != "a\nb\n" {
		t.Fatalf("written is %q, %v", data, err)
	}
	for got, want := range map[string]string{
		"a\nb\n":    "",
		"a\nc\n":    file + `:2 is "b", got "c" (make golden rewrites it)`,
		"a\nb":      file + `:3 is "", got "the end" (make golden rewrites it)`,
		"a\nb\n\nc": file + `:4 is "the end", got "c" (make golden rewrites it)`,
	} {
		told := &teller{TB: t}
		if golden.Want(told, false, file, []byte(got)); told.told != want {
			t.Errorf("%q: told %q, want %q", got, told.told, want)
		}
	}
}
