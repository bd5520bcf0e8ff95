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

// backfilled is a shop, an agent that is to watch it, and a recording of what the shop counted before.
type backfilled struct {
	t           *testing.T
	dir         string
	config      string
	recording   string
	looks, sold atomic.Int64
}

func newBackfilled(t *testing.T) *backfilled {
	t.Helper()
	b := &backfilled{t: t, dir: t.TempDir()}
	now := time.Now()
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b.looks.Add(1)
		w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0")
		created := now.Add(-10 * time.Minute).Unix() // after the recording began
		fmt.Fprintf(w, "# TYPE sales counter\nsales_total{ok=\"yes\"} %d\nsales_created{ok=\"yes\"} %d\nsales_total{ok=\"no\"} 190\nsales_created{ok=\"no\"} %d\n# EOF\n", 6080+b.sold.Load(), created, created)
	}))
	t.Cleanup(shop.Close)
	address := shop.Listener.Addr().String()
	b.config = b.write("assayer.yaml", fmt.Sprintf(backfillAgent, address))
	b.write("slo/sales.yaml", fmt.Sprintf(backfillSLO, "sales"))
	b.recording = b.write("recording.om", backfillRecording(now, address))
	return b
}

func (b *backfilled) write(name, text string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// fill fills the agent from the recording, wants an exit code and gives what was printed.
func (b *backfilled) fill(code int, args ...string) string {
	b.t.Helper()
	var out bytes.Buffer
	if got := cli.Run(b.t.Context(), append([]string{"replay", "--backfill", "--from-openmetrics", b.recording}, args...), cli.Streams{In: &out, Out: &out, Err: &out}); got != code {
		b.t.Fatalf("exit code %d, want %d:\n%s", got, code, &out)
	}
	return out.String()
}

func (b *backfilled) start() *app.App {
	b.t.Helper()
	a, err := app.New(b.t.Context(), app.Options{ConfigPath: b.config, ListenAddress: "127.0.0.1:0"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(b.t.Context())); err != nil {
			b.t.Error(err)
		}
	})
	a.Start(b.t.Context())
	return a
}

func (b *backfilled) status(a *app.App) (s slo.Status) {
	b.t.Helper()
	res, err := http.Get("http://" + a.Addr() + "/api/v1/slos/sales-errors")
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *backfilled) until(a *app.App, what string, good func(slo.Status) bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	err := servers.Poll(ctx, func(context.Context) error {
		if s := b.status(a); !good(s) {
			return fmt.Errorf("%s: got %+v", what, s.Events)
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestBackfill: a new agent that is filled from a recording shows its history at once, goes on from there, and
// counts nothing of what its target had counted before the first look, although the target says since when it
// has. What the agent has counted itself is never touched.
func TestBackfill(t *testing.T) {
	b := newBackfilled(t)
	b.fill(1)                                            // no agent to fill
	b.fill(1, "--config", b.config, "--objectives", "x") // not the agent's own
	if out := b.fill(0, "--config", b.config); !strings.Contains(out, "\nfilled: sales-errors\n") || strings.Contains(out, "left as they are") {
		t.Errorf("it says\n%s", out)
	}
	if out := b.fill(1, "--config", b.config); !strings.Contains(out, "the agent has counts of every objective: sales-errors") {
		t.Errorf("a second time it says\n%s", out)
	}
	a := b.start()
	n := b.looks.Load()
	b.until(a, "the history, and nothing twice", func(s slo.Status) bool {
		return b.looks.Load() >= n+5 && s.Events.Good == 1080 && s.Events.Bad == 120
	})
	b.sold.Store(7)
	b.until(a, "what happens now", func(s slo.Status) bool { return s.Events.Good == 1087 && s.Events.Bad == 120 })
	if s := b.status(a); s.Filled < 0.16 || s.Filled > 0.18 || s.Coverage > 0.99 || s.Coverage < 0.97 {
		t.Errorf("filled %v, want an hour of six; covered %v, want all but the minute since the recording's end", s.Filled, s.Coverage)
	}
	if out := b.fill(1, "--config", b.config); !strings.Contains(out, "stop the agent first") {
		t.Errorf("beside a running agent it says\n%s", out)
	}
	log, err := os.ReadFile(filepath.Join(b.dir, "data", "audit.jsonl"))
	if err != nil || strings.Count(string(log), `"ledger_backfilled"`) != 1 {
		t.Errorf("the audit log (%v) has\n%s", err, log)
	}
}
