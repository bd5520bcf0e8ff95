package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
)

// What the parts are in the running agent.
var (
	_ Actions = (*hooks.Queue)(nil)
	_ Changes = (*hooks.ChangeLog)(nil)
	_ Health  = (*health.Tracker)(nil)
)

// ask sends one request; edit may change it before.
func ask(t testing.TB, h http.Handler, method, path, body string, edit ...func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for _, e := range edit {
		e(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(text)
}

// errorOf is the text of {"error": "…"}, or a failure.
func errorOf(t *testing.T, body string) string {
	t.Helper()
	var answer map[string]string
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer) != 1 || answer["error"] == "" {
		t.Fatalf("answer %q is not {\"error\": …}", body)
	}
	return answer["error"]
}

func TestRoutes(t *testing.T) {
	h := newFixture().server(t)
	for _, tc := range []struct {
		method, path string
		status       int
		kind, body   string // media type, and what the body contains
	}{
		{"GET", "/", 200, "text/html", "<h1"},
		{"HEAD", "/", 200, "text/html", ""},
		{"GET", "/fragment", 200, "text/html", "<main"},
		{"GET", "/slo/card-auth-availability", 200, "text/html", "<h1>card-auth-availability</h1>"},
		{"GET", "/slo/card-auth-availability/fragment", 200, "text/html", "<main"},
		{"GET", "/slo/none", 404, "text/html", "no such objective"},
		{"GET", "/slo/none/fragment", 404, "text/html", "no such objective"},
		{"GET", "/static/app.000000000000.css", 404, "text/html", "load the page again"},
		{"GET", "/nowhere", 404, "text/html", "does not exist"},
		{"GET", "/metrics", 200, "text/plain", "assayer_build_info"},
		{"GET", "/-/healthy", 200, "text/plain", "alive"},
		{"GET", "/-/ready", 200, "text/plain", "ready"},
		{"GET", "/api/v1/slos", 200, "application/json", `"slos":[`},
		{"GET", "/api/v1/slos/card-auth-availability", 200, "application/json", `"name":"card-auth-availability"`},
		{"GET", "/api/v1/slos/none", 404, "application/json", "/api/v1/slos lists"},
		{"GET", "/api/v1/slos/none/history", 404, "application/json", "/api/v1/slos lists"},
		{"GET", "/api/v1/changes", 200, "application/json", `"changes":[`},
		{"GET", "/api/v1/actions", 200, "application/json", `"paused":false`},
		{"GET", "/api/v1/targets", 200, "application/json", `"error":"connection refused"`},
		{"GET", "/api/v1/health", 200, "application/json", `"ready":true`},
		{"GET", "/api/v1/none", 404, "application/json", "start at /api/v1/slos"},
		{"POST", "/", 405, "application/json", "use GET"},
		{"POST", "/api/v1/slos", 405, "application/json", "use GET"},
		{"DELETE", "/api/v1/changes", 405, "application/json", "use GET or POST"},
		{"GET", "/-/reload", 405, "application/json", "use POST"},
		{"GET", "/api/v1/actions/a2/approve", 405, "application/json", "use POST"},
		{"POST", "/-/reload", 200, "application/json", "reloaded"},
	} {
		resp, body := ask(t, h, tc.method, tc.path, "")
		if resp.StatusCode != tc.status || !strings.HasPrefix(resp.Header.Get("Content-Type"), tc.kind) && tc.kind != "text/plain" || !strings.Contains(body, tc.body) {
			t.Errorf("%s %s: %d %s %.300q, want %d %s with %q", tc.method, tc.path, resp.StatusCode, resp.Header.Get("Content-Type"), body, tc.status, tc.kind, tc.body)
		}
		if tc.status == 405 && resp.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow header", tc.method, tc.path)
		}
	}
}

func TestReady(t *testing.T) {
	f := newFixture()
	f.ready = false
	resp, body := ask(t, f.server(t), "GET", "/-/ready", "")
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "/api/v1/health") {
		t.Errorf("not ready: %d %q", resp.StatusCode, body)
	}
}

// What is not there is not served: a node agent has no hooks.
func TestLeftOutParts(t *testing.T) {
	f := newFixture()
	s, err := New(Deps{Objectives: f, Health: fakeHealth{f}, Now: f.deps().Now, More: map[string]http.Handler{
		"/api/v1/gate": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "gate") }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/metrics", "/-/reload", "/api/v1/changes", "/api/v1/actions"} {
		if resp, _ := ask(t, s.Handler(), "GET", path, ""); resp.StatusCode != 404 {
			t.Errorf("%s: %d, want 404", path, resp.StatusCode)
		}
	}
	_, page := ask(t, s.Handler(), "GET", "/", "")
	if strings.Contains(page, `id="actions"`) || strings.Contains(page, "Targets up") {
		t.Error("the page shows actions or targets of an agent that has none")
	}
	resp, body := ask(t, s.Handler(), "GET", "/api/v1/gate", "")
	if body != "gate" || resp.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("an added route: %q, guarded %v", body, resp.Header)
	}
	if _, err := New(Deps{}); err == nil {
		t.Error("a server without objectives was made")
	}
}

func TestHeaders(t *testing.T) {
	h := newFixture().server(t)
	for _, path := range []string{"/", "/slo/none", "/api/v1/slos", "/metrics", "/-/healthy", "/api/v1/none"} {
		resp, _ := ask(t, h, "GET", path, "")
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
				"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cross-Origin-Embedder-Policy": "require-corp",
			"Cache-Control":                "no-store",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestHostCheck(t *testing.T) {
	f := newFixture()
	d := f.deps()
	d.Hosts = []string{"slo.bank.example"}
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	on := func(local string) func(*http.Request) {
		return func(r *http.Request) {
			addr, err := net.ResolveTCPAddr("tcp", local)
			if err != nil {
				t.Fatal(err)
			}
			*r = *r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(addr)))
		}
	}
	for _, tc := range []struct {
		local, host string
		status      int
	}{
		{"127.0.0.1:9797", "localhost:9797", 200},
		{"127.0.0.1:9797", "LOCALHOST", 200},
		{"127.0.0.1:9797", "127.0.0.1:9797", 200},
		{"[::1]:9797", "[::1]:9797", 200},
		{"[::1]:9797", "[::1]", 200},
		{"127.0.0.1:9797", "slo.bank.example", 200},
		{"127.0.0.1:9797", "evil.example:9797", 403},
		{"127.0.0.1:9797", "localhost.evil.example", 403},
		{"127.0.0.1:9797", "192.0.2.7:9797", 403},
		{"127.0.0.1:9797", "", 403},
		{"[::1]:9797", "evil.example", 403},
		{"192.0.2.7:9797", "assayer.svc:9797", 200},
	} {
		resp, _ := ask(t, s.Handler(), "GET", "/api/v1/slos", "", on(tc.local), func(r *http.Request) { r.Host = tc.host })
		if resp.StatusCode != tc.status {
			t.Errorf("on %s for host %q: %d, want %d", tc.local, tc.host, resp.StatusCode, tc.status)
		}
	}
}

// The same over a real connection, where net/http fills in the local address.
func TestHostCheckOverTCP(t *testing.T) {
	s, err := New(newFixture().deps())
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewUnstartedServer(nil)
	ts.Config = s.HTTPServer()
	ts.Start()
	defer ts.Close()
	for host, want := range map[string]int{"": 200, "rebound.example": 403} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ts.URL+"/-/healthy", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := ts.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("host %q: %d, want %d", host, resp.StatusCode, want)
		}
	}
	if c := ts.Config; c.ReadHeaderTimeout == 0 || c.ReadTimeout == 0 || c.WriteTimeout == 0 || c.IdleTimeout == 0 || c.MaxHeaderBytes == 0 {
		t.Errorf("a bound is missing: %+v", c)
	}
}

// The shape others rely on, written out: one overspent objective as the manual shows it.
func TestObjectiveJSON(t *testing.T) {
	const want = `{"slos": [{"name": "card-auth-availability", "service": "card-auth", "objective": 0.9995, "window": "30d",
	  "state": "exhausted", "events": {"good": 998, "bad": 2, "excluded": 0, "pending": 0},
	  "error_budget": {"remaining_ratio": -3.0, "exhausts_at": null},
	  "burn_rates": {"5m": 0.0, "30m": 0.0, "1h": 4.0, "2h": 4.0, "6h": 4.0, "1d": 4.0, "3d": 4.0, "30d": 4.0},
	  "coverage_ratio": 1.0, "firing": []}]}`
	f := newFixture()
	st := slo.Status{Name: "card-auth-availability", Service: "card-auth", Objective: 0.9995, Window: "30d", State: slo.Exhausted,
		Events: slo.Events{Good: 998, Bad: 2}, ErrorBudget: slo.Budget{RemainingRatio: -3}, Coverage: 1}
	for i, w := range []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"} {
		st.BurnRates = append(st.BurnRates, slo.WindowValue{Window: w, Value: []float64{0, 0, 4, 4, 4, 4, 4, 4}[i]})
	}
	f.statuses = []slo.Status{st}
	_, body := ask(t, f.server(t), "GET", "/api/v1/slos", "")
	var wantDoc, gotDoc struct {
		SLOs []map[string]any `json:"slos"`
	}
	if err := errors.Join(json.Unmarshal([]byte(want), &wantDoc), json.Unmarshal([]byte(body), &gotDoc)); err != nil || len(gotDoc.SLOs) != 1 {
		t.Fatalf("%v in %s", err, body)
	}
	for field, value := range wantDoc.SLOs[0] {
		w, _ := json.Marshal(value)
		g, err := json.Marshal(gotDoc.SLOs[0][field])
		if err != nil || string(w) != string(g) {
			t.Errorf("%s is %s, want %s", field, g, w)
		}
	}
	if !strings.Contains(body, `"burn_rates":{"5m":0,"30m":0,"1h":4,"2h":4,`) {
		t.Errorf("burn rates are not in order, shortest window first: %s", body)
	}
}

func TestListsAreNeverNull(t *testing.T) {
	f := &fixture{ready: true}
	d := f.deps()
	d.Targets = func() []Target { return nil }
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/api/v1/slos": `{"slos":[]}`, "/api/v1/changes": `{"changes":[]}`,
		"/api/v1/actions": `{"actions":[],"condition":{"paused":null,"waiting":null,"demoted":null},"paused":false}`, "/api/v1/targets": `{"targets":[]}`,
	} {
		if _, body := ask(t, s.Handler(), "GET", path, ""); strings.TrimSpace(body) != want {
			t.Errorf("%s: %s, want %s", path, body, want)
		}
	}
}

func TestHistory(t *testing.T) {
	h := newFixture().server(t)
	const base = "/api/v1/slos/card-auth-availability/history"
	_, body := ask(t, h, "GET", base+"?window=6h&from=2026-11-21T04:00:00Z&to=1795255200&points=7", "")
	var got struct {
		Name, Window string
		Points       []slo.Point
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	// 1795255200 is 2026-11-21T10:00:00Z: six hours, seven points, one each hour.
	if got.Window != "6h" || len(got.Points) != 7 || stamp(got.Points[1].At) != "2026-11-21T05:00:00Z" || stamp(got.Points[6].At) != "2026-11-21T10:00:00Z" {
		t.Errorf("history: %s", body)
	}
	if _, body := ask(t, h, "GET", base, ""); !strings.Contains(body, `"window":"1h"`) {
		t.Errorf("without a window: %.200s", body)
	}
	for query, want := range map[string]string{
		"window=7m":         "allowed: 5m, 30m, 1h, 2h, 6h, 1d, 3d, 30d",
		"from=yesterday":    "RFC 3339",
		"to=soon":           "RFC 3339",
		"from=NaN":          "RFC 3339",
		"points=1":          "from 2 to 1000",
		"points=1001":       "from 2 to 1000",
		"points=many":       "from 2 to 1000",
		"from=2&to=1":       "from must lie before to",
		"from=0&to=2000000": "",
		"from=0":            "at most 800 days",
	} {
		resp, body := ask(t, h, "GET", base+"?"+query, "")
		if want == "" {
			if resp.StatusCode != 200 {
				t.Errorf("%s: %d %s", query, resp.StatusCode, body)
			}
			continue
		}
		if resp.StatusCode != 400 || !strings.Contains(errorOf(t, body), want) {
			t.Errorf("%s: %d %s, want 400 with %q", query, resp.StatusCode, body, want)
		}
	}
}

func FuzzHistoryQuery(f *testing.F) {
	for _, seed := range []string{"", "window=1h", "from=0&to=1", "from=2026-11-21T10:00:00Z", "points=2", "from=-1e300&to=1e300", "to=99999999999"} {
		f.Add(seed)
	}
	h := newFixture().server(f)
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/slos/card-auth-availability/history", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
	})
}
