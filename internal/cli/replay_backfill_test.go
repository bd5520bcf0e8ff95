package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/cli"
	"github.com/assayer-io/assayer/internal/testkit/servers"
	"github.com/assayer-io/assayer/slo"
)

const backfillAgent = `
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 100ms}
storage: {path: data, checkpoint_interval: 200ms}
objectives: ["slo/*.yaml"]
burn_alerts: [{long: 20m, short: 2m, budget: 10%%, severity: page}]
collectors:
  prometheus:
    scrape_configs:
    - {job_name: shop, static_configs: [{targets: ['%s']}]}
`

const backfillSLO = `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: %[1]s}
spec:
  window: 6h
  errors: {bad: '%[1]s_total{ok="no"}', total: '%[1]s_total', objective: 90%%}
`

// backfillRecording is an hour of looks each half minute, up to a minute ago: of 120 increases of ten
// events each, the first twelve are of failures.
func backfillRecording(now time.Time, instance string) string {
	var yes, no, up strings.Builder
	y, n := 5000, 70
	for i := range 121 {
		at := now.Add(-time.Hour - time.Minute + time.Duration(i)*30*time.Second).Unix()
		switch {
		case i == 0:
		case i <= 12:
			n += 10
		default:
			y += 10
		}
		labels := fmt.Sprintf(`job="shop",instance="%s"`, instance)
		fmt.Fprintf(&yes, "sales_total{ok=\"yes\",%s} %d %d\n", labels, y, at)
		fmt.Fprintf(&no, "sales_total{ok=\"no\",%s} %d %d\n", labels, n, at)
		fmt.Fprintf(&up, "up{%s} 1 %d\n", labels, at)
	}
	return "# TYPE sales counter\n" + yes.String() + no.String() + "# TYPE up gauge\n" + up.String() + "# EOF\n"
}

// TestBackfill: a new agent that is filled from a recording shows its history at once, goes on from there, and
// counts nothing of what its target had counted before the first look, although the target says since when it
// has. What the agent has counted itself is never touched.
func TestBackfill(t *testing.T) {
	var looks, sold atomic.Int64
	now := time.Now()
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		looks.Add(1)
		w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0")
		created := now.Add(-10 * time.Minute).Unix() // after the recording began
		fmt.Fprintf(w, "# TYPE sales counter\nsales_total{ok=\"yes\"} %d\nsales_created{ok=\"yes\"} %d\nsales_total{ok=\"no\"} 190\nsales_created{ok=\"no\"} %d\n# EOF\n", 6080+sold.Load(), created, created)
	}))
	defer shop.Close()
	dir := t.TempDir()
	address := shop.Listener.Addr().String()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := write("assayer.yaml", fmt.Sprintf(backfillAgent, address))
	write("slo/sales.yaml", fmt.Sprintf(backfillSLO, "sales"))
	recording := write("recording.om", backfillRecording(now, address))
	fill := func(code int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if got := cli.Run(t.Context(), append([]string{"replay", "--backfill", "--from-openmetrics", recording}, args...), cli.Streams{In: &out, Out: &out, Err: &out}); got != code {
			t.Fatalf("exit code %d, want %d:\n%s", got, code, &out)
		}
		return out.String()
	}
	fill(1)                                          // no agent to fill
	fill(1, "--config", config, "--objectives", "x") // not the agent's own
	if out := fill(0, "--config", config); !strings.Contains(out, "\nfilled: sales-errors\n") || strings.Contains(out, "left as they are") {
		t.Errorf("it says\n%s", out)
	}
	if out := fill(1, "--config", config); !strings.Contains(out, "the agent has counts of every objective: sales-errors") {
		t.Errorf("a second time it says\n%s", out)
	}
	a, err := app.New(t.Context(), app.Options{ConfigPath: config, ListenAddress: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	a.Start(t.Context())
	status := func() slo.Status {
		res, err := http.Get("http://" + a.Addr() + "/api/v1/slos/sales-errors")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var s slo.Status
		if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	until := func(what string, good func(slo.Status) bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := servers.Poll(ctx, func(context.Context) error {
			if s := status(); !good(s) {
				return fmt.Errorf("%s: got %+v", what, s.Events)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	n := looks.Load()
	until("the history, and nothing twice", func(s slo.Status) bool {
		return looks.Load() >= n+5 && s.Events.Good == 1080 && s.Events.Bad == 120
	})
	sold.Store(7)
	until("what happens now", func(s slo.Status) bool { return s.Events.Good == 1087 && s.Events.Bad == 120 })
	if s := status(); s.Filled < 0.16 || s.Filled > 0.18 || s.Coverage > 0.99 || s.Coverage < 0.97 {
		t.Errorf("filled %v, want an hour of six; covered %v, want all but the minute since the recording's end", s.Filled, s.Coverage)
	}
	if out := fill(1, "--config", config); !strings.Contains(out, "stop the agent first") {
		t.Errorf("beside a running agent it says\n%s", out)
	}
	log, err := os.ReadFile(filepath.Join(dir, "data", "audit.jsonl"))
	if err != nil || strings.Count(string(log), `"ledger_backfilled"`) != 1 {
		t.Errorf("the audit log (%v) has\n%s", err, log)
	}
}
