package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
)

func TestMain(m *testing.M) {
	// The default HTTP client of these tests keeps connections to agents that are gone.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// shop is a target with two counters.
type shop struct {
	*httptest.Server
	good, bad, looks atomic.Int64
}

func newShop(t *testing.T) *shop {
	s := &shop{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.looks.Add(1)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(w, "# TYPE sales_total counter\nsales_total{ok=\"yes\"} %d\nsales_total{ok=\"no\"} %d\n", s.good.Load(), s.bad.Load())
	}))
	t.Cleanup(s.Close)
	return s
}

const agentFile = `
global: {scrape_interval: 50ms, scrape_timeout: 50ms, evaluation_interval: 20ms}
storage: {path: data, checkpoint_interval: 50ms}
objectives: ["slo/*.yaml"]
burn_alerts: [{long: 10s, short: 1s, budget: 10%%, severity: page}]
collectors:
  prometheus:
    scrape_configs:
      - job_name: shop
        static_configs: [{targets: ["%s"]}]
`

func objective(name string, target float64) string {
	return fmt.Sprintf(`
apiVersion: openslo/v1
kind: SLO
metadata: {name: %s}
spec:
  service: shop
  budgetingMethod: Occurrences
  indicator:
    metadata: {name: %s}
    spec:
      ratioMetric:
        counter: true
        bad:   {metricSource: {type: Prometheus, spec: {query: 'sales_total{ok="no"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'sales_total'}}}
  timeWindow: [{duration: 1h, isRolling: true}]
  objectives: [{target: %v}]
`, name, name, target)
}

// site is a folder with a configuration that watches a shop.
type site struct {
	t    *testing.T
	dir  string
	shop *shop
}

func newSite(t *testing.T) site {
	s := site{t, t.TempDir(), newShop(t)}
	s.write("assayer.yaml", fmt.Sprintf(agentFile, s.shop.Listener.Addr()))
	s.write("slo/sales.yaml", objective("sales", 0.99))
	return s
}

func (s site) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s site) options() app.Options {
	return app.Options{ConfigPath: filepath.Join(s.dir, "assayer.yaml"), ListenAddress: "127.0.0.1:0"}
}

// start runs an agent until the test ends.
func (s site) start() *app.App {
	s.t.Helper()
	return s.startWith(s.options())
}

func (s site) startWith(opts app.Options) *app.App {
	s.t.Helper()
	a, err := app.New(s.t.Context(), opts)
	if err != nil {
		s.t.Fatal(err)
	}
	a.Start(s.t.Context())
	s.t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(s.t.Context())); err != nil {
			s.t.Error(err)
		}
	})
	return a
}

func (s site) statuses(a *app.App) map[string]slo.Status {
	s.t.Helper()
	var answer struct {
		SLOs []slo.Status `json:"slos"`
	}
	if err := json.Unmarshal([]byte(s.get(a, "/api/v1/slos", http.StatusOK)), &answer); err != nil {
		s.t.Fatal(err)
	}
	out := map[string]slo.Status{}
	for _, st := range answer.SLOs {
		out[st.Name] = st
	}
	return out
}

func (s site) get(a *app.App, path string, want int) string {
	s.t.Helper()
	res, err := http.Get("http://" + a.Addr() + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body := s.body(res)
	if res.StatusCode != want {
		s.t.Fatalf("%s: got %d, want %d: %s", path, res.StatusCode, want, body)
	}
	return body
}

func (s site) body(res *http.Response) string {
	s.t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

// eventually waits until ok, as long as a slow machine may need.
func (s site) eventually(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.After(30 * time.Second)
	for ticker := time.NewTicker(10 * time.Millisecond); !ok(); {
		select {
		case <-deadline:
			s.t.Fatalf("waited in vain: %s", what)
		case <-ticker.C:
		}
	}
}

// baseline waits until the agent has looked at the shop and taken it in.
func (s site) baseline() {
	s.t.Helper()
	n := s.shop.looks.Load()
	s.eventually("two looks at the shop", func() bool { return s.shop.looks.Load() >= n+2 })
}

func (s site) wantEvents(a *app.App, name string, good, bad float64) {
	s.t.Helper()
	var got slo.Events
	defer func() { s.t.Logf("%s: the last seen was %+v", name, got) }()
	s.eventually(fmt.Sprintf("%s to count %v good and %v bad", name, good, bad), func() bool {
		got = s.statuses(a)[name].Events
		return got.Good >= good && got.Bad >= bad
	})
	if got.Good != good || got.Bad != bad {
		s.t.Errorf("%s: got %+v, want %v good and %v bad", name, got, good, bad)
	}
}

func TestLife(t *testing.T) {
	s := newSite(t)
	s.shop.good.Store(1000) // from before anybody watched
	a, err := app.New(t.Context(), s.options())
	if err != nil {
		t.Fatal(err)
	}
	a.Start(t.Context())
	a.Start(t.Context())
	s.baseline()
	s.shop.good.Add(98)
	s.shop.bad.Add(2)
	s.wantEvents(a, "sales", 98, 2)
	s.get(a, "/-/ready", http.StatusOK)
	s.eventually("/metrics to tell of the two bad events, once they are durable", func() bool {
		return strings.Contains(s.get(a, "/metrics", http.StatusOK), `assayer_sli_events_total{outcome="bad",service="shop",slo="sales"} 2`)
	})
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Errorf("stopping twice: %v", err)
	}
	s.shop.good.Add(50) // while nobody watches
	a = s.start()
	s.baseline()
	s.wantEvents(a, "sales", 148, 2)
	report, err := audit.VerifyFile(filepath.Join(s.dir, "data", "audit.jsonl"), audit.VerifyOptions{})
	if err != nil {
		t.Errorf("audit log after a stop: %+v, %v", report, err)
	}
}

// TestExternalURLIsServedOnLoopback: a reverse proxy on this machine passes on the name people ask for.
func TestExternalURLIsServedOnLoopback(t *testing.T) {
	s := newSite(t)
	s.write("assayer.yaml", fmt.Sprintf(agentFile, s.shop.Listener.Addr())+"web: {external_url: 'https://assayer.bank.example/'}\n")
	a := s.start()
	for host, want := range map[string]int{"assayer.bank.example": http.StatusOK, "evil.example": http.StatusForbidden} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Addr()+"/api/v1/slos", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("host %s is answered %d, want %d", host, res.StatusCode, want)
		}
	}
}

func TestSecondAgentOnTheSameDirectory(t *testing.T) {
	s := newSite(t)
	s.start()
	if _, err := app.New(t.Context(), s.options()); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
}

func TestTakenAddressLetsGoOfEverything(t *testing.T) {
	s, other := newSite(t), newSite(t)
	taken := other.start()
	opts := s.options()
	opts.ListenAddress = taken.Addr()
	if _, err := app.New(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "--web.listen-address") {
		t.Errorf("got %v, want an error that names the flag", err)
	}
	s.start() // the store's lock is free again
}

func TestDamagedStore(t *testing.T) {
	s := newSite(t)
	a, err := app.New(t.Context(), s.options())
	if err != nil {
		t.Fatal(err)
	}
	a.Start(t.Context())
	s.baseline()
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.dir, "data", "assayer.db")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	clear(data[8192:]) // all but the two headers
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := app.New(t.Context(), s.options()); !errors.Is(err, storage.ErrCorrupted) || !strings.Contains(err.Error(), "--repair") {
		t.Fatalf("got %v, want ErrCorrupted that names --repair", err)
	}
	opts := s.options()
	opts.Repair = true
	a, err = app.New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	kept, err := filepath.Glob(file + ".damaged-*")
	if err != nil || len(kept) != 1 {
		t.Errorf("damaged file was not kept: %v %v", kept, err)
	}
}

func TestBrokenConfigurationIsToldWhole(t *testing.T) {
	s := newSite(t)
	s.write("assayer.yaml", "global: {scrape_intervall: 5s, evaluation_interval: soon}\n")
	_, err := app.New(t.Context(), s.options())
	for _, want := range []string{"scrape_intervall", "scrape_interval", "evaluation_interval", "soon", "assayer.yaml:1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}

func TestCrossChecks(t *testing.T) {
	s := newSite(t)
	s.write("slo/sales.yaml", strings.ReplaceAll(objective("sales", 0.99), "sales_total{ok=\"no\"}", "sales_total{job=\"other\"}"))
	s.write("assayer.yaml", strings.Replace(fmt.Sprintf(agentFile, "127.0.0.1:1"), "job_name: shop", "job_name: shop\n        scrape_interval: 400ms", 1))
	_, problems := app.Load(app.LoadOptions{Path: filepath.Join(s.dir, "assayer.yaml")})
	text := problems.Error()
	for _, want := range []string{"warning: sales: no configured collector", `sales_total{job=\"other\"}`, "error: sales: burn alert page-10s looks at 1s, which holds fewer than 4 looks"} {
		if !strings.Contains(text, want) {
			t.Errorf("problems lack %q:\n%s", want, text)
		}
	}
}

// TestBadEventsAreJudgedAtOnce: with an evaluation interval of an hour, only bad events can have
// brought about the evaluation that shows them.
func TestBadEventsAreJudgedAtOnce(t *testing.T) {
	s := newSite(t)
	s.write("assayer.yaml", strings.Replace(fmt.Sprintf(agentFile, s.shop.Listener.Addr()), "evaluation_interval: 20ms", "evaluation_interval: 1h", 1))
	a := s.start()
	s.baseline()
	s.shop.good.Add(5)
	s.shop.bad.Add(1)
	s.wantEvents(a, "sales", 5, 1)
}

func TestStoreThatFailsIsSaidAndNothingIsLost(t *testing.T) {
	s := newSite(t)
	a := s.start()
	s.baseline()
	app.BreakStore(a, true)
	s.shop.good.Add(7)
	s.wantEvents(a, "sales", 7, 0) // counting goes on in memory
	app.BreakStore(a, false)
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := s.start()
	s.baseline()
	s.wantEvents(b, "sales", 7, 0)
}

func TestCrossChecksOfTiersAndTargets(t *testing.T) {
	const plain = "objectives: [slo.yaml]\ncollectors: {prometheus: {scrape_configs: [{job_name: shop, static_configs: [{targets: ['a:1'], labels: {env: test}}]}]}}\n"
	for name, tt := range map[string]struct {
		change func(objective string) string
		want   string // a part of the problems; "" when there are none
		errors int
	}{
		"fits": {func(o string) string { return strings.Replace(o, "1h", "30d", 1) }, "", 0},
		"a day, looked at four times a minute": {func(o string) string { return strings.Replace(o, "1h", "1d", 1) },
			"burn alert page-2m looks at 10s, which holds fewer than 4 looks at one every 15s and is left out", 0},
		"an hour, in which no tier fits": {func(o string) string { return strings.Replace(o, "1h", "10m", 1) }, "burn_alerts of your own", 1},
		"more than an outage": {func(o string) string { return strings.Replace(strings.Replace(o, "1h", "365d", 1), "0.99", "0.9", 1) },
			"burn alert page-1h can never fire: it asks for 175.2 times the even burn, and a total outage is 10 times", 0},
		"another instance": {func(o string) string {
			return strings.ReplaceAll(strings.Replace(o, "1h", "30d", 1), "sales_total", `sales_total{instance="b:1"}`)
		}, "no configured collector", 0},
		"its own env": {func(o string) string {
			return strings.ReplaceAll(strings.Replace(o, "1h", "30d", 1), `{query: 'sales_total'}`, `{query: 'sales_total{env="test",other="x"}'}`)
		}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := site{t: t, dir: t.TempDir()}
			s.write("assayer.yaml", plain)
			o := tt.change(objective("sales", 0.99))
			if strings.Contains(o, `instance="b:1"}{`) {
				o = strings.ReplaceAll(o, `{instance="b:1"}{`, `{instance="b:1",`)
			}
			s.write("slo.yaml", o)
			_, problems := app.Load(app.LoadOptions{Path: filepath.Join(s.dir, "assayer.yaml")})
			if problems.Errors() != tt.errors || (tt.want == "") != (len(problems) == 0) || !strings.Contains(problems.Error(), tt.want) {
				t.Errorf("want %d errors and %q:\n%v", tt.errors, tt.want, problems)
			}
		})
	}
}

// TestBrokenWebConfigFileStartsNothing: an agent that listens and serves nobody, or everybody, is
// worse than none.
func TestBrokenWebConfigFileStartsNothing(t *testing.T) {
	for text, want := range map[string]string{
		"basic_auth_users: {anna: secret}\n":               "bcrypt",
		"tls_server_config: {cert_file: a, key_file: b}\n": "a",
		"tls_server_confg: {cert_file: a.crt}\n":           "tls_server_confg",
	} {
		s := newSite(t)
		s.write("web.yaml", text)
		opts := s.options()
		opts.WebConfigFile = filepath.Join(s.dir, "web.yaml")
		if _, err := app.New(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "--web.config.file") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want an error that names the flag and %q", text, err, want)
		}
		if _, err := os.Stat(filepath.Join(s.dir, "data")); !os.IsNotExist(err) {
			t.Errorf("%q: something was started: %v", text, err)
		}
	}
}

// TestOnlyWellFormedMetricsAreExposed: some of them carry names and values that linters refuse.
func TestOnlyWellFormedMetricsAreExposed(t *testing.T) {
	s := newSite(t)
	a := s.start()
	s.baseline()
	m := s.get(a, "/metrics", http.StatusOK)
	problems, err := promlint.New(strings.NewReader(m)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if strings.Contains(m, " NaN\n") || strings.Contains(m, "prometheus_sd") {
		t.Error("metrics hold NaN or those of service discovery")
	}
}
