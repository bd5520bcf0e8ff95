package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/exclusions"
	"github.com/assayer-io/assayer/slo"
)

// send asks for what may be refused.
func (s site) send(a *app.App, method, path, body string) (status int, answer string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+a.Addr()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, s.body(res)
}

func (s site) exclude(a *app.App, body string) exclusions.Entry {
	s.t.Helper()
	status, answer := s.send(a, http.MethodPost, "/api/v1/exclusions", body)
	var e exclusions.Entry
	if err := json.Unmarshal([]byte(answer), &e); err != nil || status != http.StatusCreated {
		s.t.Fatalf("adding an exclusion: %d %s", status, answer)
	}
	return e
}

func (s site) wantExactly(a *app.App, what string, want slo.Events) {
	s.t.Helper()
	var got slo.Events
	defer func() { s.t.Logf("%s: the last seen was %+v", what, got) }()
	s.eventually(fmt.Sprintf("%s: %+v", what, want), func() bool {
		got = s.statuses(a)["sales"].Events
		return got == want
	})
}

// remove has ben remove an exclusion.
func (s site) remove(a *app.App, id string) {
	s.t.Helper()
	if status, answer := s.send(a, http.MethodDelete, "/api/v1/exclusions/"+id, `{"by": "ben"}`); status != http.StatusOK || !strings.Contains(answer, `"removed_by":"ben"`) {
		s.t.Fatalf("removing: %d %s", status, answer)
	}
}

func (s site) wantLeft(a *app.App, want float64) {
	s.t.Helper()
	if got := s.statuses(a)["sales"].ErrorBudget.RemainingRatio; got != want {
		s.t.Errorf("%v of the budget is left, want %v", got, want)
	}
}

// wantAudited verifies the audit log of an agent that has stopped, and compares what it says of exclusions.
func (s site) wantAudited(want ...string) {
	s.t.Helper()
	var got []string
	if _, err := audit.VerifyFile(filepath.Join(s.dir, "data", "audit.jsonl"), audit.VerifyOptions{Each: func(e audit.Entry) error {
		if strings.HasPrefix(e.Type, "exclusion_") {
			got = append(got, e.Type+" "+e.Actor)
		}
		return nil
	}}); err != nil {
		s.t.Errorf("verifying the audit log: %v", err)
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("audited %q, want %q", got, want)
	}
}

func TestExclusionsMoveNumbersAndGiveThemBack(t *testing.T) {
	s := newSite(t)
	a := s.start()
	s.baseline()
	s.shop.good.Add(96)
	s.shop.bad.Add(4)
	s.wantEvents(a, "sales", 96, 4)
	before := s.statuses(a)["sales"]
	hour := func(from, to time.Duration) string {
		now := time.Now()
		return fmt.Sprintf(`"from": %q, "to": %q`, now.Add(-from).Format(time.RFC3339Nano), now.Add(-to).Format(time.RFC3339Nano))
	}
	outage := s.exclude(a, `{"objectives": ["sal*"], `+hour(time.Hour, -time.Minute)+`, "who": "anna", "why": "data centre move"}`)
	s.wantExactly(a, "all excluded", slo.Events{Excluded: 100})
	s.wantLeft(a, 1)
	if page := s.get(a, "/slo/sales", http.StatusOK); !strings.Contains(page, "Data centre move.") || !strings.Contains(page, outage.ID) {
		t.Error("the page does not say what is excluded")
	}

	// What is in force outlives a restart.
	if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	a = s.start()
	s.wantExactly(a, "still excluded after a restart", slo.Events{Excluded: 100})

	// The same again is the same.
	if again := s.exclude(a, fmt.Sprintf(`{"id": %q, "objectives": ["sal*"], "from": %q, "to": %q, "who": "anna", "why": "data centre move"}`,
		outage.ID, outage.From.Format(time.RFC3339Nano), outage.To.Format(time.RFC3339Nano))); !again.CreatedAt.Equal(outage.CreatedAt) {
		t.Errorf("again: %+v", again)
	}
	if status, answer := s.send(a, http.MethodDelete, "/api/v1/exclusions/"+outage.ID, ""); status != http.StatusBadRequest {
		t.Errorf("removed by nobody: %d %s", status, answer)
	}
	s.remove(a, outage.ID)
	s.wantExactly(a, "as before", before.Events)
	s.wantLeft(a, before.ErrorBudget.RemainingRatio)

	fix := s.exclude(a, `{"objectives": ["sales"], `+hour(time.Minute, 0)+`, "correction": {"good": 4, "bad": -4}, "who": "anna", "why": "retried by hand"}`)
	s.wantExactly(a, "corrected", slo.Events{Good: 100})
	s.remove(a, fix.ID)
	s.wantExactly(a, "as before the correction", before.Events)

	if list := s.get(a, "/api/v1/exclusions?objective=sales", http.StatusOK); strings.Count(list, `"removed_by":"ben"`) != 2 {
		t.Errorf("the record: %s", list)
	}
	if list := s.get(a, "/api/v1/exclusions?objective=other", http.StatusOK); strings.TrimSpace(list) != `{"exclusions":[]}` {
		t.Errorf("of another objective: %s", list)
	}
	if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.wantAudited("exclusion_added anna", "exclusion_removed ben", "exclusion_added anna", "exclusion_removed ben")
}

func TestRefusedExclusions(t *testing.T) {
	s := newSite(t)
	a := s.start()
	s.baseline()
	for body, want := range map[string]string{
		``: `objectives: got \"0 names\"`,
		`{"objectives": ["none"], "from": "2026-11-21T10:00:00Z", "to": "2026-11-21T11:00:00Z", "who": "anna", "why": "x"}`: "means no objective",
		`{"objectives": ["sales"], "from": "2026-11-21T10:00:00Z", "to": "2026-11-21T11:00:00Z", "why": "x"}`:               "who: has no value",
		`{"objectives": ["sales"], "created_at": "2026-11-21T10:00:00Z"}`:                                                   "unknown field",
	} {
		if status, answer := s.send(a, http.MethodPost, "/api/v1/exclusions", body); status != http.StatusBadRequest || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if status, answer := s.send(a, http.MethodDelete, "/api/v1/exclusions/none", `{"by": "ben"}`); status != http.StatusNotFound {
		t.Errorf("removing what is not there: %d %s", status, answer)
	}
	if status, answer := s.send(a, http.MethodPut, "/api/v1/exclusions/none", ``); status != http.StatusMethodNotAllowed || !strings.Contains(answer, "use DELETE") {
		t.Errorf("another method: %d %s", status, answer)
	}
}

func TestWithoutAuditNothingIsExcluded(t *testing.T) {
	s := newSite(t)
	a := s.start()
	s.baseline()
	s.shop.bad.Add(4)
	s.wantEvents(a, "sales", 0, 4)
	inTheWay := filepath.Join(s.dir, inTheWayOfTheAuditLog)
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s.post(a, "/api/v1/exclusions", fmt.Sprintf(`{"objectives": ["sales"], "from": %q, "to": %q, "who": "anna", "why": "x"}`,
		now.Add(-time.Hour).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)), http.StatusInternalServerError)
	s.shop.bad.Add(1)
	s.wantEvents(a, "sales", 0, 5) // evaluated since, and nothing is excluded
	if list := s.get(a, "/api/v1/exclusions", http.StatusOK); strings.TrimSpace(list) != `{"exclusions":[]}` {
		t.Errorf("the record has %s", list)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
}
