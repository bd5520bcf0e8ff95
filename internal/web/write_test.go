package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/problem"
)

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
		"two objects":              {"a2/approve", `{"by": "anna"}{"a": 1}`, nil, 400, "", "one is allowed"},
		"an object and rubbish":    {"a2/approve", `{"by": "anna"} x`, nil, 400, "", "one is allowed"},
		"a huge tail":              {"a2/approve", `{"by": "anna"}` + strings.Repeat(" ", 70_000), nil, 413, "", "larger than"},
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
	_, body = ask(t, h, "POST", "/api/v1/changes", `{"service": "ledger", "revision": "v9", "author": "dev"}`, func(r *http.Request) { r.SetBasicAuth("pipeline", "x") })
	if !strings.Contains(body, `"author":"dev"`) || f.recordedBy != "pipeline" {
		t.Errorf("recorded by %q: %s", f.recordedBy, body)
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
	if n := len(f.changes); n != 5 {
		t.Errorf("%d changes are recorded, want the 2 of before and 3 more", n)
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

// TestChangeOfAnUnknownServiceIsWarnedOf: it is recorded, since its objectives may come later.
func TestChangeOfAnUnknownServiceIsWarnedOf(t *testing.T) {
	for service, warned := range map[string]bool{"ledger": false, "ledgr": true} {
		resp, body := ask(t, newFixture().server(t), "POST", "/api/v1/changes", `{"service": "`+service+`", "revision": "v7"}`)
		var got struct{ Service, Warning string }
		if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != http.StatusCreated || got.Service != service {
			t.Errorf("%d %s (%v)", resp.StatusCode, body, err)
		}
		if has := strings.Contains(got.Warning, `no objective names the service "`+service+`"`); has != warned || (got.Warning != "") != warned {
			t.Errorf("%s: warning %q", service, got.Warning)
		}
	}
	f := newFixture()
	f.ready, f.statuses = false, nil // right after the start
	if _, body := ask(t, f.server(t), "POST", "/api/v1/changes", `{"service": "ledger", "revision": "v7"}`); strings.Contains(body, "warning") {
		t.Errorf("warned without knowing any objective: %s", body)
	}
}
