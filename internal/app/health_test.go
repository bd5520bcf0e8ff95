package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/health"
)

// inTheWayOfTheAuditLog is where each append puts its head first; a folder there makes them fail.
const inTheWayOfTheAuditLog = "data/audit.jsonl.head.tmp"

// problem gives the message of a condition that shows, "" when it does not.
func (s site) problem(a *app.App, name health.Name, subject string) string {
	s.t.Helper()
	var answer struct {
		Problems []health.Problem `json:"problems"`
	}
	if err := json.Unmarshal([]byte(s.get(a, "/api/v1/health", http.StatusOK)), &answer); err != nil {
		s.t.Fatal(err)
	}
	for _, p := range answer.Problems {
		if p.Name == name && p.Subject == subject {
			return p.Message
		}
	}
	return ""
}

func (s site) post(a *app.App, path, body string, want int) {
	s.t.Helper()
	res, err := http.Post("http://"+a.Addr()+path, "application/json", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != want {
		s.t.Errorf("%s answers %d, want %d: %s", path, res.StatusCode, want, s.body(res))
	}
}

func TestAuditLogThatCannotBeWrittenIsSaidUntilItCan(t *testing.T) {
	s := newSite(t)
	var ahead atomic.Int64
	opts := s.options()
	opts.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	a := s.startWith(opts)
	inTheWay := filepath.Join(s.dir, inTheWayOfTheAuditLog)
	block := func() {
		t.Helper()
		if err := os.Mkdir(inTheWay, 0o700); err != nil {
			t.Fatal(err)
		}
		s.post(a, "/api/v1/actions/resume", `{"by": "anna"}`, http.StatusInternalServerError)
		if s.problem(a, health.AuditNotWritable, "") == "" {
			t.Error("health says nothing")
		}
	}
	clear := func() {
		t.Helper()
		if err := os.Remove(inTheWay); err != nil {
			t.Fatal(err)
		}
	}
	block()
	clear()
	s.post(a, "/api/v1/actions/resume", `{"by": "anna"}`, http.StatusOK)
	if got := s.problem(a, health.AuditNotWritable, ""); got != "" {
		t.Errorf("health still says: %s", got)
	}
	block() // and now without anybody who has something to write
	clear()
	ahead.Store(int64(time.Minute))
	s.eventually("the audit log to be found writable", func() bool { return s.problem(a, health.AuditNotWritable, "") == "" })
}

// TestLifeIsAudited: a gap between entries is explained by the agent's stop and start.
func TestLifeIsAudited(t *testing.T) {
	s := newSite(t)
	for range 2 {
		a := s.startWith(s.options())
		s.post(a, "/api/v1/changes", `{"service": "shop", "revision": "v42", "author": "anna", "id": "d-1", "at": "2026-11-21T10:00:00Z"}`, http.StatusCreated)
		if err := a.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	_, err := audit.VerifyFile(filepath.Join(s.dir, "data", "audit.jsonl"), audit.VerifyOptions{Each: func(e audit.Entry) error {
		got = append(got, fmt.Sprintf("%s %s %s %s", e.Type, e.Category, e.Risk, e.Actor))
		return nil
	}})
	want := []string{
		"agent_start MEDIUM LOW agent", "change_recorded MEDIUM LOW anna", "agent_stop MEDIUM LOW agent", "audit_checkpoint MEDIUM LOW agent",
		"agent_start MEDIUM LOW agent", "agent_stop MEDIUM LOW agent", "audit_checkpoint MEDIUM LOW agent", // the change was known
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("audited %q, %v", got, err)
	}
}

// TestHookThatFailsIsSaid: until somebody sees to it.
func TestHookThatFailsIsSaid(t *testing.T) {
	s := newSite(t)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(receiver.Close)
	s.write("assayer.yaml", fmt.Sprintf(agentFile, s.shop.Listener.Addr())+fmt.Sprintf(
		"hooks: [{name: undo, kind: webhook, mode: auto, resume_on_start: true, require_change: false, objectives: [sales], url: %q, secret: s}]\n", receiver.URL))
	a := s.start()
	s.baseline()
	s.shop.good.Add(100)
	s.wantEvents(a, "sales", 100, 0)
	s.eventually("the failed action", func() bool {
		s.shop.bad.Add(50)
		return s.problem(a, health.HookFailing, "undo") != ""
	})
	if got := s.problem(a, health.HookFailing, "undo"); !strings.Contains(got, "answered 403") {
		t.Errorf("health says %q", got)
	}
	s.post(a, "/api/v1/actions/resume", `{"by": "anna"}`, http.StatusOK)
	s.eventually("health to be quiet", func() bool { return s.problem(a, health.HookFailing, "undo") == "" })
}

// TestMissingBucketOfARemovedObjective: what nobody watches any more is no problem.
func TestMissingBucketOfARemovedObjective(t *testing.T) {
	s := newSite(t)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, "# TYPE pay_seconds histogram\npay_seconds_bucket{le=\"1\"} 5\npay_seconds_bucket{le=\"+Inf\"} 5\npay_seconds_sum 1\npay_seconds_count 5\n")
	}))
	t.Cleanup(shop.Close)
	s.write("assayer.yaml", fmt.Sprintf(agentFile, shop.Listener.Addr()))
	fast := strings.NewReplacer("bad: ", "good:", `sales_total{ok="no"}`, `pay_seconds_bucket{le="0.7"}`, "sales_total", "pay_seconds_count").Replace(objective("fast", 0.9))
	s.write("slo/fast.yaml", fast)
	a := s.start()
	s.eventually("the missing bucket", func() bool { return s.problem(a, health.Mismeasured, "fast") != "" })
	if err := os.Remove(filepath.Join(s.dir, "slo/fast.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually("health to be quiet", func() bool { return s.problem(a, health.Mismeasured, "fast") == "" })
}

// TestOverrunsOfATarget: looks left out are held against a target for four of its intervals.
func TestOverrunsOfATarget(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	w := app.NewWatch(func() time.Time { return now })
	look := func(skipped uint64, after time.Duration) []health.Problem {
		now = now.Add(after)
		w.Targets(collector.TargetStatus{Target: "a", Interval: 15 * time.Second, Totals: collector.Totals{Skipped: skipped}},
			collector.TargetStatus{Target: "b", Interval: 15 * time.Second})
		return w.Problems()
	}
	for range 20 { // every other look is left out for ten minutes
		look(uint64(now.Sub(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC))/(30*time.Second)), 30*time.Second)
	}
	got := look(20, 0)
	if len(got) != 1 || got[0].Name != health.ScrapeOverrun || got[0].Subject != "a" || !strings.Contains(got[0].Message, "20 looks") {
		t.Errorf("got %+v", got)
	}
	if got := look(20, 59*time.Second); len(got) != 1 {
		t.Errorf("after 59 s: %+v", got)
	}
	if got := look(20, time.Second); len(got) != 0 {
		t.Errorf("after a minute without another: %+v", got)
	}
	if got := look(21, time.Hour); len(got) != 0 {
		t.Errorf("one look in an hour: %+v", got)
	}
	if got := look(21, time.Minute); len(got) != 0 {
		t.Errorf("a minute after one look in an hour: %+v", got)
	}
}

// TestCalendarsThatEnd: what is known of the calendars of the United Kingdom and of TARGET ends with 2027. That is told
// from 60 days before on, of calendars that an objective or a rail with movements uses.
func TestCalendarsThatEnd(t *testing.T) {
	s := newBank(t, "/nowhere/switch.ndjson")
	s.write("slo.yaml", strings.Replace(settledInTime, "metadata: {name: settled}", "metadata: {name: settled, annotations: {assayer.dev/calendar: uk}}", 1))
	var ahead atomic.Int64
	to := func(at time.Time) { ahead.Store(int64(time.Until(at))) }
	to(time.Date(2027, 10, 31, 12, 0, 0, 0, time.UTC)) // 61 days before
	opts := s.options()
	opts.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())).UTC() }
	a := s.startWith(opts)
	s.tell(a, `{"id":"p1","rail":"t2","state":"received","at":"2027-10-31T10:00:00Z","deadline":"2099-01-01T00:00:00Z"}`)
	s.eventually("the first evaluation", func() bool { return s.problem(a, health.Starting, "") == "" })
	for _, name := range []string{"uk", "target"} {
		if got := s.problem(a, health.CalendarEnds, name); got != "" {
			t.Errorf("61 days before the end of %s: %s", name, got)
		}
	}
	to(time.Date(2027, 11, 1, 12, 0, 0, 0, time.UTC))
	for _, name := range []string{"uk", "target"} {
		s.eventually("the end of "+name+" to be told", func() bool {
			return strings.Contains(s.problem(a, health.CalendarEnds, name), "the built-in calendar "+name+" is known until 2027-12-31")
		})
	}
	if got := s.problem(a, health.CalendarEnds, "nyse"); got != "" {
		t.Errorf("of a calendar that nothing uses: %s", got)
	}
}

// TestNothingToldYetOnARail: an objective on a rail says that nothing was told of it, and not that nothing was scraped.
func TestNothingToldYetOnARail(t *testing.T) {
	s := newBank(t, "/nowhere/switch.ndjson")
	s.write("slo.yaml", strings.ReplaceAll(settledInTime, `{outcome=`, `{rail="fps",outcome=`))
	a := s.start()
	s.eventually("the reason to be told", func() bool {
		return strings.Contains(s.statuses(a)["settled"].Reason, "no movement has been told of on rail fps yet")
	})
}
