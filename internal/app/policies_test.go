package app_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo/policy"
)

const salesPolicy = `
apiVersion: assayer.dev/v1
kind: BudgetPolicy
metadata: {name: sales}
spec:
  objectives: ["sal*"]
  rules:
    - {name: ask, when: {remainingBelow: 50%}, until: {remainingAbove: 70%}, then: approval, message: "MESSAGE"}
    - {name: undo, when: {remainingBelow: 30%}, until: {remainingAbove: 60%}, then: hook, hook: undo}
`

// policies gives the agent's verdicts by rule.
func (s site) policies(a *app.App) map[string]policy.Verdict {
	s.t.Helper()
	var answer struct {
		Policies []policy.Verdict `json:"policies"`
	}
	if err := json.Unmarshal([]byte(s.get(a, "/api/v1/policies", http.StatusOK)), &answer); err != nil {
		s.t.Fatal(err)
	}
	out := map[string]policy.Verdict{}
	for _, v := range answer.Policies {
		out[v.Rule] = v
	}
	return out
}

func (s site) actions(a *app.App, state hooks.State) []hooks.Action {
	s.t.Helper()
	var answer struct {
		Actions []hooks.Action `json:"actions"`
	}
	if err := json.Unmarshal([]byte(s.get(a, "/api/v1/actions", http.StatusOK)), &answer); err != nil {
		s.t.Fatal(err)
	}
	var out []hooks.Action
	for _, action := range answer.Actions {
		if action.State == state {
			out = append(out, action)
		}
	}
	return out
}

// audited counts the entries of each type in the audit log.
func (s site) audited() map[string]int {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "data", "audit.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]int{}
	for line := range strings.Lines(string(data)) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatal(err)
		}
		out[e.Type+" "+string(e.Category)]++
	}
	return out
}

// goodUntil sells well until so much of the budget of 1 % is left.
func (s site) goodUntil(left float64) {
	bad := float64(s.shop.bad.Load())
	s.shop.good.Store(int64(bad/(0.01*(1-left)) - bad))
}

// failing lets sales fail until the function it returns is called.
func (s site) failing() (stop func()) {
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for ticker := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-done:
				return
			case <-ticker.C:
				s.shop.bad.Add(1)
			}
		}
	}()
	return func() { close(done); <-gone }
}

// policed is a site with the policy, whose hook counts its calls.
func policed(t *testing.T) (s site, calls *atomic.Int64) {
	t.Helper()
	s, calls = newSite(t), new(atomic.Int64)
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(receiver.Close)
	agent := strings.Replace(agentFile, "scrape_interval: 50ms, scrape_timeout: 50ms", "scrape_interval: 200ms, scrape_timeout: 200ms, min_coverage_ratio: 0.5", 1)
	s.write("assayer.yaml", fmt.Sprintf(agent, s.shop.Listener.Addr())+fmt.Sprintf(
		"hooks: [{name: undo, min_coverage_ratio: 0.5, kind: webhook, mode: auto, resume_on_start: true, require_change: false, tiers: [none], objectives: [sales], url: %q, secret: s}]\n", receiver.URL))
	s.write("slo/policy.yaml", salesPolicy)
	return s, calls
}

// asked waits until the hook asks, which it does because of both rules, and the metrics say so.
func (s site) asked(a *app.App) hooks.Action {
	s.t.Helper()
	s.eventually("the policy to call the hook, which asks", func() bool { return len(s.actions(a, hooks.WaitingApproval)) == 1 })
	asks := s.actions(a, hooks.WaitingApproval)[0]
	if reasons := strings.Join(asks.Reasons, "\n"); asks.Policy != "sales/undo" || !strings.Contains(reasons, "undo has to ask: policy sales/ask demands approval: ") {
		s.t.Errorf("action is %+v", asks)
	}
	metrics := s.get(a, "/metrics", http.StatusOK)
	for _, want := range []string{`assayer_policy_active{policy="sales",rule="ask",service="shop",slo="sales",then="approval"} 1`, `rule="undo",service="shop",slo="sales",then="hook"} 1`} {
		if !strings.Contains(metrics, want) {
			s.t.Errorf("metrics lack %s", want)
		}
	}
	return asks
}

func (s site) approve(a *app.App, id string) {
	s.t.Helper()
	s.eventually("the approval to be taken", func() bool { // on a slow machine a moment may be blind
		status, answer := s.send(a, http.MethodPost, "/api/v1/actions/"+id+"/approve", `{"by": "anna"}`)
		return status == http.StatusOK || status == http.StatusConflict && strings.Contains(answer, "does not wait")
	})
}

// TestBudgetPolicies is the whole story: a budget falls below two limits, a hook has to ask because of the first and
// is called once because of the second, a reload and a restart change nothing, and each ends only past its own limit.
func TestBudgetPolicies(t *testing.T) {
	s, calls := policed(t)
	said := &said{}
	opts := s.options()
	opts.Log = slog.New(slog.NewTextHandler(said, nil))
	a := s.startWith(opts)
	s.baseline()
	s.shop.good.Add(10_000)
	s.wantEvents(a, "sales", 10_000, 0)
	s.shop.bad.Add(60) // 100 are allowed of 10,000
	s.eventually("the policy to demand approval", func() bool { return s.policies(a)["ask"].Active })
	if v := s.policies(a)["undo"]; v.Active {
		t.Errorf("called too early: %+v", v)
	}
	began := *s.policies(a)["ask"].Since

	stop := s.failing()
	asks := s.asked(a)
	if calls.Load() != 0 {
		t.Error("the hook was called before anybody approved")
	}
	s.write("slo/policy.yaml", strings.Replace(salesPolicy, "MESSAGE", "Ask the owner.", 1))
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually("the new message", func() bool { return s.policies(a)["ask"].Message == "Ask the owner." })
	s.approve(a, asks.ID)
	s.eventually("the call", func() bool { return calls.Load() == 1 })
	stop()
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	a = s.startWith(opts)
	s.baseline()
	s.eventually("verdicts after the restart", func() bool { return len(s.policies(a)) == 2 })
	if v := s.policies(a)["ask"]; !v.Active || !v.Since.Equal(began) {
		t.Errorf("after the restart: %+v, want it active since %v", v, began)
	}
	s.goodUntil(0.65)
	s.eventually("the hook's rule to end", func() bool { return !s.policies(a)["undo"].Active })
	if v := s.policies(a)["ask"]; !v.Active {
		t.Errorf("ended at 65 %%, before its limit: %+v", v)
	}
	s.goodUntil(0.8)
	s.eventually("the other rule to end", func() bool { return !s.policies(a)["ask"].Active })
	if n := calls.Load(); n != 1 {
		t.Errorf("the hook was called %d times, want once", n)
	}
	s.eventually("the log to tell", func() bool { return said.count("budget policy ended") == 2 })
	if n := said.count("budget policy holds"); n != 2 {
		t.Errorf("the log tells %d times of what holds, want 2", n)
	}
	s.eventually("the audit log to tell", func() bool {
		got := s.audited()
		return got["policy_active HIGH"] == 2 && got["policy_ended HIGH"] == 2 && got["hook_action_intent HIGH"] == 1
	})
}

// said is a log that an agent writes while a test reads it.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), what)
}

// TestPolicyThatCannotBeStoredIsInForce: what holds is in force, whatever the disk says.
func TestPolicyThatCannotBeStoredIsInForce(t *testing.T) {
	s := newSite(t)
	s.write("slo/policy.yaml", "apiVersion: assayer.dev/v1\nkind: BudgetPolicy\nmetadata: {name: sales}\nspec: {objectives: [sales], rules: [{name: freeze, when: {exhausted: true}, then: freeze}]}\n")
	a := s.start()
	s.baseline()
	app.BreakStore(a, true)
	t.Cleanup(func() { app.BreakStore(a, false) })
	s.shop.bad.Add(10)
	s.eventually("the freeze", func() bool { return s.policies(a)["freeze"].Active })
	s.eventually("its audit entry", func() bool { return s.audited()["policy_active HIGH"] == 1 })
	if page := s.get(a, "/", http.StatusOK); !strings.Contains(page, "changes are frozen") {
		t.Error("the page does not show it")
	}
}

// TestPolicyChecks: what a rule can never do is told before it is in force.
func TestPolicyChecks(t *testing.T) {
	s := newSite(t)
	s.write("assayer.yaml", fmt.Sprintf(agentFile, s.shop.Listener.Addr())+"hooks: [{name: undo, kind: webhook, objectives: [sales], url: 'http://127.0.0.1:1/', secret: s}]\n")
	s.write("slo/other.yaml", strings.Replace(objective("other", 0.5), "duration: 1h", "duration: 6h", 1))
	s.write("slo/policy.yaml", `
apiVersion: assayer.dev/v1
kind: BudgetPolicy
metadata: {name: all}
spec:
  objectives: ["*"]
  rules:
    - {name: fast, when: {burnAbove: 6, over: 6h}, then: page}
    - {name: slow, when: {burnAbove: 6, over: 3d}, then: page}
    - {name: fine, when: {burnAbove: 6, over: 10s}, then: page}
    - {name: undo, when: {exhausted: true}, then: hook, hook: undo}
`)
	_, problems := app.Load(app.LoadOptions{Path: filepath.Join(s.dir, "assayer.yaml")})
	var got []string
	for _, p := range problems {
		if filepath.Base(p.File) == "policy.yaml" {
			p.File = filepath.Base(p.File)
			got = append(got, p.String())
		}
	}
	want := []string{
		`policy.yaml:8:47: warning: spec.rules[0].when.over: objective sales has no burn rate over this window, got "6h", allowed: 1s, 10s, 1h`,
		`policy.yaml:9:47: error: spec.rules[1].when.over: objective other has no burn rate over this window, got "3d", allowed: 1s, 10s, 6h`,
		`policy.yaml:11:63: warning: spec.rules[3].hook: the hook is never called for objective other, got "undo", allowed: a hook among whose objectives it is`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
