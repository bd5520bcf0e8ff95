package servers

import (
	"os"
	"os/exec"
	"testing"
)

// Promtool runs promtool with args in dir and returns what it says and whether it is content.
func Promtool(t testing.TB, dir string, args ...string) (string, bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), find(t, "prometheus", "promtool"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOGC=400") // a quarter less of the processor for twice the 50 MB
	out, err := cmd.CombinedOutput()
	if _, ended := err.(*exec.ExitError); err != nil && !ended { //nolint:errorlint // Run wraps nothing
		t.Fatalf("running promtool: %v", err)
	}
	return string(out), err == nil
}
