//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
	"github.com/assayer-io/assayer/slo"
)

const replaySLO = `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: sales}
spec:
  errors: {bad: 'sales_total{ok="no"}', total: 'sales_total', objective: 90%}
`

// replayed runs assayer replay and gives its one objective.
func replayed(t *testing.T, args ...string) (s slo.Status) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"replay", "--json"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		exit, _ := errors.AsType[*exec.ExitError](err)
		t.Fatalf("assayer replay %s: %v\n%s", strings.Join(args, " "), err, exit.Stderr)
	}
	var answer struct {
		Objectives []slo.Status `json:"objectives"`
	}
	if err := json.Unmarshal(out, &answer); err != nil || len(answer.Objectives) != 1 {
		t.Fatalf("assayer replay %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return answer.Objectives[0]
}

func inJSON(t *testing.T, s slo.Status) string {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestReplayOfPrometheus replays what a real Prometheus has recorded, from its write-ahead log while it runs,
// over its API, and after promtool has made blocks of it: each time the counts are those of the shop itself.
func TestReplayOfPrometheus(t *testing.T) {
	var looks atomic.Int64
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := looks.Add(1)
		fmt.Fprintf(w, "# TYPE sales_total counter\nsales_total{ok=\"yes\"} %d\nsales_total{ok=\"no\"} %d\n", 1000+9*n, 50+n)
	}))
	defer shop.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "slo.yaml")
	if err := os.WriteFile(file, []byte(replaySLO), 0o600); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	p := servers.StartPrometheusIn(t, dir, `
global: {scrape_interval: 250ms, scrape_timeout: 250ms}
scrape_configs: [{job_name: shop, static_configs: [{targets: ['`+shop.Listener.Addr().String()+`']}]}]
`)
	eventually(t, func(context.Context) error {
		if n := looks.Load(); n < 41 {
			return fmt.Errorf("%d looks so far", n)
		}
		return nil
	})
	end := time.Now()
	want := func(what string, s slo.Status) {
		t.Helper()
		// Of the looks one, the first, is a baseline; one may have come while the end was being read.
		n := s.Events.Bad
		if n < 39 || n > 60 || s.Events.Good != 9*n || s.ErrorBudget.RemainingRatio > 0.001 || s.Coverage != 1 {
			t.Errorf("%s: %+v, %v of the budget left, %v covered", what, s.Events, s.ErrorBudget.RemainingRatio, s.Coverage)
		}
	}
	unix := func(at time.Time) string { return fmt.Sprintf("%d.%03d", at.UnixMilli()/1000, at.UnixMilli()%1000) }
	from := []string{"--objectives", file, "--start", unix(begun.Add(-time.Minute)), "--end", unix(end)}
	data := filepath.Join(dir, "data")
	head := replayed(t, append(from, "--from-tsdb", data)...)
	want("the head", head)
	api := replayed(t, append(from, "--from-prometheus", "http://"+p.Address)...)
	want("the API", api)
	if a, b := inJSON(t, head), inJSON(t, api); a != b {
		t.Errorf("the head gives\n%s\nthe API gives\n%s", a, b)
	}
	if code := send(t, http.MethodPost, p.URL("/-/quit"), ""); code != http.StatusOK {
		t.Errorf("quitting is answered %d", code)
	}
	text := filepath.Join(dir, "recording.om")
	var lines strings.Builder
	lines.WriteString("# TYPE sales counter\n")
	for i, at := 0, begun; i < 41; i, at = i+1, at.Add(250*time.Millisecond) {
		fmt.Fprintf(&lines, "sales_total{ok=\"yes\",job=\"shop\",instance=\"i\"} %d %s\n", 9*i, unix(at))
		fmt.Fprintf(&lines, "sales_total{ok=\"no\",job=\"shop\",instance=\"i\"} %d %s\n", i, unix(at))
	}
	lines.WriteString("# EOF\n")
	if err := os.WriteFile(text, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := filepath.Join(dir, "blocks")
	if out, err := exec.CommandContext(t.Context(), "promtool", "tsdb", "create-blocks-from", "openmetrics", text, blocks).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	block := replayed(t, "--objectives", file, "--from-tsdb", blocks)
	want("blocks", block)
	if a, b := inJSON(t, block), inJSON(t, replayed(t, "--objectives", file, "--from-openmetrics", text)); a != b {
		t.Errorf("the block gives\n%s\nthe text gives\n%s", a, b)
	}
}
