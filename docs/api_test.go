package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/exclusions"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/hooks/webhook"
	"github.com/assayer-io/assayer/internal/web"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/policy"
)

// samples are the types behind the JSON blocks. That of health has none and is held against a
// running agent.
func samples() map[string]any {
	type condition struct {
		Paused    bool            `json:"paused"`
		Condition hooks.Condition `json:"condition"`
	}
	return map[string]any{
		"slo": &slo.Status{}, "change": &hooks.Change{}, "payload": &webhook.Payload{}, "audit": &audit.Entry{}, "condition": &condition{},
		"targets": &struct {
			Targets []web.Target `json:"targets"`
		}{},
		"exclusion": &exclusions.Entry{},
		"policies": &struct {
			Policies []policy.Verdict `json:"policies"`
		}{},
		"history": &struct {
			Name   string      `json:"name"`
			Window string      `json:"window"`
			From   time.Time   `json:"from"`
			To     time.Time   `json:"to"`
			Points []slo.Point `json:"points"`
		}{},
		"actions": &struct {
			condition
			Actions []hooks.Action `json:"actions"`
		}{},
	}
}

func sampleKinds() []string { return append(slices.Sorted(maps.Keys(samples())), "health") }

// TestSamples reads every sample into its type and writes it again: nothing may be unknown and
// nothing may be missing.
func TestSamples(t *testing.T) {
	for kind, into := range samples() {
		for _, f := range fences(t, "json", kind) {
			dec := json.NewDecoder(strings.NewReader(f.text))
			dec.DisallowUnknownFields()
			if err := dec.Decode(into); err != nil {
				t.Errorf("%s: sample %s: %v", f.page, kind, err)
				continue
			}
			again, err := json.Marshal(into)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := anything(t, again), anything(t, []byte(f.text)); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: sample %s is\n%v\nthe code writes\n%v", f.page, kind, want, got)
			}
		}
	}
}

func anything(t *testing.T, data []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// agent is a running one that has everything a route or a metric may be about: an objective whose
// budget is being spent, and a hook.
type agent struct {
	t   *testing.T
	url string
}

const agentFile = `
global: {scrape_interval: 50ms, evaluation_interval: 20ms, reporting_currency: EUR}
objectives: [slo.yaml]
burn_alerts: [{long: 10s, short: 1s, budget: 10%%, severity: page}]
collectors:
  prometheus:
    scrape_configs:
      - job_name: shop
        static_configs: [{targets: [%q]}]
  transactions: {reconcile: {sct: 1h}}
hooks:
  - {name: tell, kind: webhook, objectives: [sales-*], url: "http://127.0.0.1:1/", secret: none}
deploy:
  - {name: out, kind: directory, dir: out, watch: 1h}
`

const agentObjective = `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: sales}
spec:
  window: 1h
  errors: {bad: 'sales_total{ok="no"}', total: sales_total, objective: 90%}
---
apiVersion: assayer.dev/v1
kind: BudgetPolicy
metadata: {name: sales}
spec: {objectives: [sales-*], rules: [{name: freeze, when: {exhausted: true}, then: freeze}]}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: turnover, annotations: {assayer.dev/currency: EUR}}
spec:
  service: sales
  budgetingMethod: Occurrences
  indicator:
    metadata: {name: turnover}
    spec:
      ratioMetric:
        counter: true
        bad:   {metricSource: {type: Prometheus, spec: {query: 'sales_total{ok="no"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'sales_total'}}}
  timeWindow: [{duration: 1h, isRolling: true}]
  objectives: [{target: 0.9}]
`

func startAgent(t *testing.T) agent {
	t.Helper()
	var looks atomic.Int64
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := looks.Add(1)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(w, "sales_total{ok=\"yes\"} %d\nsales_total{ok=\"no\"} %d\n", 92*n, 8*n)
	}))
	t.Cleanup(shop.Close)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "slo.yaml"), agentObjective)
	write(t, filepath.Join(dir, "assayer.yaml"), fmt.Sprintf(agentFile, shop.Listener.Addr()))
	a, err := app.New(t.Context(), app.Options{ConfigPath: filepath.Join(dir, "assayer.yaml"), ListenAddress: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	a.Start(t.Context())
	agent{t, "http://" + a.Addr()}.tellOfPayments()
	t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return agent{t, "http://" + a.Addr()}
}

func (a agent) ask(method, path, body string) (status int, text string) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

// tellOfPayments gives every metric about movements of money something to say.
func (a agent) tellOfPayments() {
	a.t.Helper()
	now := time.Now().UTC().Format(time.RFC3339)
	var events []string
	for _, e := range [][3]string{{"one", "received", "EUR"}, {"one", "settled", "EUR"}, {"one", "returned", "EUR"}, {"two", "received", "EUR"}, {"three", "received", "CHF"}, {"three", "settled", "CHF"}} {
		events = append(events, fmt.Sprintf(`{"id": %q, "rail": "sct", "state": %q, "at": %q, "amount": {"value": "1.00", "currency": %q}, "direction": "out"}`, e[0], e[1], now, e[2]))
	}
	if status, text := a.ask(http.MethodPost, "/api/v1/transactions", "["+strings.Join(events, ",")+"]"); status != http.StatusOK {
		a.t.Fatalf("telling of payments: %d %s", status, text)
	}
}

// exported waits until the agent has something to say in every metric, and returns its answer.
func (a agent) exported() string {
	a.t.Helper()
	deadline := time.After(30 * time.Second)
	for ticker := time.NewTicker(20 * time.Millisecond); ; {
		if _, text := a.ask(http.MethodGet, "/metrics", ""); strings.Contains(text, "\nassayer_drifted_objects{") && strings.Contains(text, "\nassayer_slo_budget_exhaustion_timestamp_seconds{") && strings.Contains(text, "\nassayer_slo_budget_exhaustion_bound_timestamp_seconds{") {
			return text
		}
		select {
		case <-deadline:
			a.t.Fatal("waited in vain for a budget that will be spent")
		case <-ticker.C:
		}
	}
}

// routesOfCode reads the routes off the places where they are made.
func routesOfCode(t *testing.T) []string {
	t.Helper()
	code := read(t, "../internal/web/web.go")
	var routes []string
	for _, m := range regexp.MustCompile(`(?m)^\t+(get|post)\("([^"]+)"`).FindAllStringSubmatch(code, -1) {
		routes = append(routes, strings.ToUpper(m[1])+" "+strings.TrimSuffix(m[2], "{$}"))
	}
	for _, m := range regexp.MustCompile(`mux\.Handle\("([^"]+)", methods\{(.*)\}\)`).FindAllStringSubmatch(code, -1) {
		for _, method := range submatches(`http\.Method(\w+):`, m[2]) {
			routes = append(routes, strings.ToUpper(method)+" "+m[1])
		}
	}
	for _, path := range submatches(`http\.Handler\{"([^"]+)"`, read(t, "../internal/app/transactions.go")) {
		routes = append(routes, "GET "+path, "POST "+path)
	}
	return routes
}

// TestRoutes compares the table with the code, and asks a running agent for each route.
func TestRoutes(t *testing.T) {
	a := startAgent(t)
	a.exported() // objectives have been judged
	var written []string
	for _, row := range tables(t, "api.md", "routes") {
		route := strings.Trim(row[0], "`")
		written = append(written, route)
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{name}", "sales-errors", "{id}", "none", "{file}", "none").Replace(path)
		body := ""
		if method == http.MethodPost && strings.Contains(path, "actions") || method == http.MethodDelete {
			body = `{"by": "anna", "reason": "a test"}`
		}
		status, text := a.ask(method, path, body)
		if !slices.Contains(submatches(`\b(\d{3})\b`, row[2]), fmt.Sprint(status)) || strings.Contains(text, "nothing is served at") {
			t.Errorf("%s answers %d, the manual has %s: %.200s", route, status, row[2], text)
		}
	}
	wantSame(t, "routes", written, routesOfCode(t))
}

// TestHealthSample compares keys with a real answer.
func TestHealthSample(t *testing.T) {
	_, text := startAgent(t).ask(http.MethodGet, "/api/v1/health", "")
	real, ok := anything(t, []byte(text)).(map[string]any)
	if !ok {
		t.Fatal(text)
	}
	for _, f := range fences(t, "json", "health") {
		sample, _ := anything(t, []byte(f.text)).(map[string]any)
		wantSame(t, "health", slices.Collect(maps.Keys(sample)), slices.Collect(maps.Keys(real)))
	}
}

// TestCurl sends what the manual tells people to send.
func TestCurl(t *testing.T) {
	a := startAgent(t)
	n := 0
	for _, page := range manual() {
		for _, m := range regexp.MustCompile(`curl \S+ http://127\.0\.0\.1:9797(\S+) -d '([^']+)'`).FindAllStringSubmatch(read(t, page), -1) {
			n++
			if status, text := a.ask(http.MethodPost, m[1], m[2]); status/100 != 2 {
				t.Errorf("%s: %s answers %d: %s", page, m[0], status, text)
			}
		}
	}
	if n < 2 {
		t.Errorf("found %d calls of curl", n)
	}
}

var sampleLine = regexp.MustCompile(`(?m)^(assayer_\w+)(?:\{(.*)\})? `)

// TestMetricTables compares names, types and labels with what a running agent exports.
func TestMetricTables(t *testing.T) {
	text := startAgent(t).exported()
	labels := map[string]string{}
	for _, m := range sampleLine.FindAllStringSubmatch(text, -1) {
		name, of := m[1], submatches(`(\w+)="`, m[2])
		if whole := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); strings.Contains(text, "# TYPE "+whole+" histogram\n") {
			name, of = whole, slices.DeleteFunc(of, func(l string) bool { return l == "le" })
		}
		labels[name] = strings.Join(of, ", ")
	}
	var written []string
	for _, row := range tables(t, "api.md", "metrics") {
		name := strings.Trim(row[0], "`")
		written = append(written, name)
		if !strings.Contains(text, "# TYPE "+name+" "+row[1]+"\n") {
			t.Errorf("%s is not a %s", name, row[1])
		}
		own := codes(row[2])
		slices.Sort(own)
		if got := strings.Join(own, ", "); got != labels[name] {
			t.Errorf("%s has labels %s, the manual has %s", name, labels[name], got)
		}
	}
	wantSame(t, "metrics", written, slices.Collect(maps.Keys(labels)))
	wantSame(t, "metric names", submatches(`"(assayer_\w+)"`, sources(t, "slo/metricname", "internal/app")), written)
}

// TestMetricsMentioned looks up every metric that any page names.
func TestMetricsMentioned(t *testing.T) {
	var known []string
	for _, row := range tables(t, "api.md", "metrics") {
		known = append(known, strings.Trim(row[0], "`"))
	}
	for _, page := range everyPage(t) {
		for _, name := range submatches(`\b(assayer_[a-z_]+)`, read(t, page)) {
			if !slices.Contains(known, name) {
				t.Errorf("%s names %s, which is not exported", page, name)
			}
		}
	}
}

// TestHeaders compares the headers of the manual with those of an answer.
func TestHeaders(t *testing.T) {
	a := startAgent(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/api/v1/slos", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page := read(t, "api.md")
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy",
		"Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Cross-Origin-Embedder-Policy", "Cache-Control"} {
		value := res.Header.Get(name)
		inOne, inTwo := "`"+name+": "+value+"`", "`"+name+"` | `"+value+"`"
		if value == "" || !strings.Contains(page, inOne) && !strings.Contains(page, inTwo) {
			t.Errorf("%s is %q, and the manual does not say so", name, value)
		}
	}
	if bytes.Count([]byte(page), []byte("Cross-Origin-")) < 3 {
		t.Error("the manual lacks headers")
	}
}
