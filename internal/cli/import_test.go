package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/cli"
)

// TestImportTellsNotMoreThanPeopleRead: of many losses the first thousand are printed and the rest is counted, and the
// report for programs has all of them.
func TestImportTellsNotMoreThanPeopleRead(t *testing.T) {
	for losses, more := range map[int]string{1000: "", 1003: "assayer: and 3 more; --json lists all\n"} {
		dir := t.TempDir()
		var file strings.Builder
		file.WriteString("version: prometheus/v1\nservice: shop\nslos:\n")
		for i := range losses { // an alert of another name is one loss each
			fmt.Fprintf(&file, "- {name: s%04d, objective: 99, sli: {events: {error_query: 'sum(rate(e%[1]d[{{.window}}]))', total_query: 'sum(rate(t%[1]d[{{.window}}]))'}}, alerting: {name: Other}}\n", i)
		}
		name := filepath.Join(dir, "sloth.yaml")
		if err := os.WriteFile(name, []byte(file.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		run := func(args ...string) (out, told string) {
			t.Helper()
			var stdout, stderr bytes.Buffer
			if code := cli.Run(t.Context(), append([]string{"import", name}, args...), cli.Streams{In: &stdout, Out: &stdout, Err: &stderr}); code != 0 {
				t.Fatalf("exit code %d:\n%s", code, &stderr)
			}
			return stdout.String(), stderr.String()
		}
		_, told := run()
		lines := strings.SplitAfter(told, "\n") // behind the last is nothing
		if len(lines) <= 1000 || !strings.Contains(lines[999], ": warning: slos[999].") || strings.Join(lines[1000:], "") != more {
			t.Errorf("of %d losses %d lines are printed, and at the end %q", losses, len(lines)-1, lines[max(0, len(lines)-3):])
		}
		out, told := run("--json", "--out", filepath.Join(dir, "slo"))
		var report struct{ Losses []any }
		if err := json.Unmarshal([]byte(out), &report); err != nil || len(report.Losses) != losses || told != "" {
			t.Errorf("reported are %d of %d losses, %v; told is %q", len(report.Losses), losses, err, told)
		}
	}
}
