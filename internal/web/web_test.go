package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/problem"
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

func TestForeignPagesCannotPost(t *testing.T) {
	f := newFixture()
	h := f.server(t)
	for _, path := range []string{"/-/reload", "/api/v1/changes", "/api/v1/actions/a2/approve", "/api/v1/actions/pause"} {
		for name, edit := range map[string]func(*http.Request){
			"fetch metadata": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"other origin":   func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		} {
			resp, body := ask(t, h, "POST", path, `{"by": "anna"}`, edit)
			if resp.StatusCode != http.StatusForbidden || errorOf(t, body) == "" {
				t.Errorf("%s by %s: %d %s", path, name, resp.StatusCode, body)
			}
		}
	}
	if len(f.calls) > 0 {
		t.Errorf("another site's page had an effect: %v", f.calls)
	}
	own := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }
	if resp, body := ask(t, h, "POST", "/api/v1/actions/pause", `{"by": "anna"}`, own); resp.StatusCode != 200 {
		t.Errorf("the agent's own page was refused: %d %s", resp.StatusCode, body)
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

func TestDecisions(t *testing.T) {
	login := func(user string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, "secret") }
	}
	for name, tc := range map[string]struct {
		path, body string
		edit       []func(*http.Request)
		status     int
		call, err  string
	}{
		"approve":                  {"a2/approve", `{"by": " anna "}`, nil, 200, "approve a2 anna", ""},
		"approve as who logged in": {"a2/approve", ``, []func(*http.Request){login("bo")}, 200, "approve a2 bo", ""},
		"login beats the body":     {"a2/approve", `{"by": "eve"}`, []func(*http.Request){login("bo")}, 200, "approve a2 bo", ""},
		"reject":                   {"a2/reject", `{"by": "anna", "reason": ""}`, nil, 200, "reject a2 anna", ""},
		"pause":                    {"pause", `{"by": "anna", "reason": "drill"}`, nil, 200, "pause anna drill", ""},
		"resume":                   {"resume", `{"by": "anna"}`, nil, 200, "resume anna", ""},
		"nobody":                   {"a2/approve", ``, nil, 400, "", "by: missing"},
		"a blank name":             {"a2/approve", `{"by": "  "}`, nil, 400, "", "by: missing"},
		"a name with a line break": {"a2/approve", `{"by": "anna\nbo"}`, nil, 400, "", "control characters"},
		"a name without end":       {"pause", `{"by": "` + strings.Repeat("a", 101) + `"}`, nil, 400, "", "at most 100"},
		"an unknown field":         {"a2/approve", `{"by": "anna", "force": true}`, nil, 400, "", "force"},
		"two values":               {"a2/approve", `{"by": "anna"} {}`, nil, 400, "", "one JSON"},
		"no JSON":                  {"a2/approve", `by=anna`, nil, 400, "", "one JSON object"},
		"a huge body":              {"a2/approve", `{"by": "` + strings.Repeat("a", 70_000) + `"}`, nil, 413, "", "larger than"},
		"an unknown action":        {"a9/approve", `{"by": "anna"}`, nil, 404, "approve a9 anna", "no such action; /api/v1/actions"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture()
			resp, body := ask(t, f.server(t), "POST", "/api/v1/actions/"+tc.path, tc.body, tc.edit...)
			if resp.StatusCode != tc.status || strings.Join(f.calls, ";") != tc.call {
				t.Errorf("%d %s, calls %q, want %d and %q", resp.StatusCode, body, f.calls, tc.status, tc.call)
			}
			if tc.err != "" && !strings.Contains(errorOf(t, body), tc.err) {
				t.Errorf("error %s, want %q in it", body, tc.err)
			}
		})
	}
}

func TestRefusedDecisions(t *testing.T) {
	for _, path := range []string{"a2/approve", "a2/reject", "pause", "resume"} {
		for err, status := range map[error]int{
			hooks.ErrNotWaiting: 409, hooks.ErrSuperseded: 409, hooks.ErrHeldBack: 409, hooks.ErrPaused: 409,
			hooks.ErrNameRequired: 400, hooks.ErrOwnChange: 403, errors.New("the audit log cannot be written"): 500,
		} {
			f := newFixture()
			f.fail = fmt.Errorf("wrapped: %w", err)
			resp, body := ask(t, f.server(t), "POST", "/api/v1/actions/"+path, `{"by": "anna"}`)
			if resp.StatusCode != status || !strings.Contains(errorOf(t, body), err.Error()+"; /api/v1/actions shows") {
				t.Errorf("%s, %v: %d %s, want %d", path, err, resp.StatusCode, body, status)
			}
		}
	}
}

func TestApprovedActionIsAnswered(t *testing.T) {
	f := newFixture()
	_, body := ask(t, f.server(t), "POST", "/api/v1/actions/a2/approve", `{"by": "anna"}`)
	var got hooks.Action
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.ID != "a2" || got.State != hooks.Running || got.DecidedBy != "anna" {
		t.Errorf("answer %s (%v)", body, err)
	}
}

func TestRecordChange(t *testing.T) {
	f := newFixture()
	h := f.server(t)
	resp, body := ask(t, h, "POST", "/api/v1/changes", `{"service": "ledger", "revision": "v7", "summary": "faster close"}`)
	var got hooks.Change
	if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if got.ID == "" || got.Kind != "deploy" || !got.At.Equal(f.now) || got.Service != "ledger" || got.Revision != "v7" {
		t.Errorf("recorded %+v", got)
	}
	_, list := ask(t, h, "GET", "/api/v1/changes?service=ledger", "")
	if !strings.Contains(list, "faster close") || strings.Contains(list, "card-auth") {
		t.Errorf("list of one service: %s", list)
	}
	_, body = ask(t, h, "POST", "/api/v1/changes", `{"service": "ledger", "revision": "v8"}`, func(r *http.Request) { r.SetBasicAuth("pipeline", "x") })
	if !strings.Contains(body, `"author":"pipeline"`) {
		t.Errorf("who logged in is not the author: %s", body)
	}
	long := strings.Repeat("v", 201)
	for body, want := range map[string][]string{
		`{}`:                                {"service: missing", "revision: missing"},
		`{"service": "a", "revision": " "}`: {"revision: missing"},
		`{"service": "a\u0007", "revision": "` + long + `"}`:                              {"control characters", "201 bytes"},
		`{"service": "a", "revision": "b", "kind": "party"}`:                              {"deploy, flag, config, rollback"},
		`{"service": "a", "revision": "b", "at": "2026-11-21T10:05:05Z"}`:                 {"future"},
		`{"service": "a", "revision": "b", "at": "noon"}`:                                 {"noon"},
		`{"service": "a", "revision": "b", "color": "red"}`:                               {"color"},
		`{"service": "a", "revision": "b", "summary": "` + strings.Repeat(long, 6) + `"}`: {"summary"},
		`[]`: {"one JSON object"},
	} {
		resp, text := ask(t, h, "POST", "/api/v1/changes", body)
		for _, w := range want {
			if resp.StatusCode != 400 || !strings.Contains(errorOf(t, text), w) {
				t.Errorf("%.80s: %d %s, want 400 with %q", body, resp.StatusCode, text, w)
			}
		}
	}
	for status, err := range map[int]error{400: problem.List{{Path: "service"}}, 409: hooks.ErrConflict, 500: errors.New("disk full")} {
		f.fail = err
		if resp, _ := ask(t, h, "POST", "/api/v1/changes", `{"service": "a", "revision": "b"}`); resp.StatusCode != status {
			t.Errorf("%v: %d, want %d", err, resp.StatusCode, status)
		}
	}
	if n := len(f.changes); n != 4 {
		t.Errorf("%d changes are recorded, want the 2 of before and 2 more", n)
	}
}

func TestReload(t *testing.T) {
	f := newFixture()
	h := f.server(t)
	f.fail = problem.List{{File: "assayer.yaml", Line: 3, Path: "storage.path", Message: "is missing"}}
	resp, body := ask(t, h, "POST", "/-/reload", "")
	if resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(errorOf(t, body), "assayer.yaml:3") {
		t.Errorf("a mistake in the file: %d %s", resp.StatusCode, body)
	}
	f.fail = errors.New("disk full")
	if resp, _ := ask(t, h, "POST", "/-/reload", ""); resp.StatusCode != 500 {
		t.Errorf("another failure: %d", resp.StatusCode)
	}
	if !slices.Equal(f.calls, []string{"reload", "reload"}) {
		t.Errorf("calls %v", f.calls)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"by": "anna"}`, `{"by": 1}`, `{"service": "a", "revision": "b", "at": "2026-11-21T10:00:00Z"}`, `[`, "\xff", `{"by":"a"}{}`} {
		f.Add(seed)
	}
	fx := newFixture()
	h := fx.server(f)
	f.Fuzz(func(t *testing.T, body string) {
		fx.calls, fx.changes, fx.paused = nil, nil, false
		resp, text := ask(t, h, "POST", "/api/v1/actions/pause", body)
		if (resp.StatusCode == 200) != fx.paused || resp.StatusCode != 200 && errorOf(t, text) == "" {
			t.Errorf("%d %s, paused %v", resp.StatusCode, text, fx.paused)
		}
		resp, text = ask(t, h, "POST", "/api/v1/changes", body)
		if (resp.StatusCode == 201) != (len(fx.changes) == 1) || resp.StatusCode >= 500 {
			t.Errorf("%d %s, %d recorded", resp.StatusCode, text, len(fx.changes))
		}
	})
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
