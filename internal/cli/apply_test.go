package cli_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/assayer-io/assayer/internal/testkit/applied"
)

// TestSecondSignal: the first signal ends an apply, which then puts back what was there; while the server does not answer
// to that, the second ends the process.
func TestSecondSignal(t *testing.T) {
	asked := make(chan bool, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"status": "success", "data": {"groups": []}}`)
			return
		}
		asked <- true
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	made, rules := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(made, "a.yaml"), []byte("groups: [{name: a, rules: [{alert: A, expr: up}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "assayer", "apply", "--from", made, "--prometheus-rules-dir", rules, "--prometheus-url", server.URL)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // asked to load the file, then to load what was before
		<-asked
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 { // a signal, no exit code
		t.Errorf("it ended with %v:\n%s", err, &out)
	}
	applied.WantTree(t, rules, map[string]string{})
}
