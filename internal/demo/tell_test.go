package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/paysim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// script is an agent that says what the test tells it to say.
type script struct {
	mu      sync.Mutex
	ready   bool
	slos    string
	actions string
	rails   string
	metrics string
	changes []hooks.Change
}

func (s *script) set(slos, actions string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slos, s.actions = slos, actions
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /-/ready":
		if !s.ready {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		}
	case "GET /api/v1/slos":
		_, _ = w.Write([]byte(s.slos))
	case "GET /api/v1/actions":
		_, _ = w.Write([]byte(s.actions))
	case "GET /api/v1/transactions":
		_, _ = w.Write([]byte(`{"rails":[` + s.rails + `]}`))
	case "GET /metrics":
		_, _ = w.Write([]byte(s.metrics))
	case "POST /api/v1/changes":
		var c hooks.Change
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.changes = append(s.changes, c)
		w.WriteHeader(http.StatusCreated)
	default:
		http.NotFound(w, r)
	}
}

const (
	healthySLOs = `{"slos":[{"name":"card-auth-errors","service":"card-auth","objective":0.95,"window":"30s","state":"unknown",
		"reason":"watched for 20s of 30s","filled_ratio":0.005,"events":{"good":800,"bad":0,"excluded":0,"pending":0},
		"error_budget":{"remaining_ratio":1,"exhausts_at":null},"burn_rates":{"30s":0},"error_ratios":{},"firing":[],
		"tiers":[{"name":"page-5s","severity":"page","firing":false,"since":null}]}]}`
	knownSLOs = `{"slos":[{"name":"card-auth-errors","service":"card-auth","objective":0.95,"window":"30s","state":"ok",
		"reason":"100 % of the budget left","filled_ratio":0.9,"error_budget":{"remaining_ratio":1},"firing":[],
		"tiers":[{"name":"page-5s","severity":"page","firing":false,"since":null}]}]}`
	firingSLOs = `{"slos":[{"name":"card-auth-errors","service":"card-auth","objective":0.95,"window":"30s","state":"burning",
		"reason":"burns","filled_ratio":0.01,"events":{"good":900,"bad":40,"excluded":0,"pending":0},
		"error_budget":{"remaining_ratio":0.6,"exhausts_at":"2026-11-21T10:00:25Z"},"burn_rates":{"30s":4},"error_ratios":{},"firing":["page-5s"],
		"tiers":[{"name":"page-5s","severity":"page","firing":true,"since":"2026-11-21T10:00:22Z","short_burn_rate":5,
		"why":"budget burns at 2.5× over 5s and 5× over 4s, limit 1.2×"}]}]}`
	recoveredSLOs = `{"slos":[{"name":"card-auth-errors","service":"card-auth","objective":0.95,"window":"30s","state":"ok",
		"reason":"36 % of the budget left","filled_ratio":0.01,"events":{"good":1500,"bad":60,"excluded":0,"pending":0},
		"error_budget":{"remaining_ratio":0.36,"exhausts_at":null},"burn_rates":{"30s":4},"error_ratios":{},"firing":[],
		"tiers":[{"name":"page-5s","severity":"page","firing":false,"since":null,"short_burn_rate":0}]}]}`
	noActions     = `{"actions":[]}`
	runningAction = `{"actions":[{"id":"act-1","hook":"rollback","kind":"webhook","state":"running","objective":"card-auth-errors",
		"service":"card-auth","tier":"page-5s","reasons":["page-5s fires since 10:00:22","v1 is recorded good"],"to_revision":"v1","created_at":"2026-11-21T10:00:23Z"}]}`
)

// settlesWith adds the objective of settlement to an answer, firing or not.
func settlesWith(slos string, firing bool) string {
	return strings.Replace(slos, `[{"name"`, fmt.Sprintf(`[{"name":"instant-settlement-errors","service":"instant-transfer","objective":0.999,"window":"30s","state":"ok",
		"error_budget":{"remaining_ratio":-99},"tiers":[{"name":"page-5s","severity":"page","firing":%v,"why":"100 of 100 events bad"}]},{"name"`, firing), 1)
}

// sctInst is how the agent says that the rail stands.
func sctInst(open, overdue int) string {
	return fmt.Sprintf(`{"rail":"swift","open":{"count":9}},{"rail":"sct-inst","open":{"count":%d,"values":{"EUR":%d}},"overdue":{"count":%d,"values":{"EUR":%d}},"oldest_open_age_seconds":7.4}`,
		open, open*10_000, overdue, overdue*10_000)
}

func action(state, field, text string) string {
	a := strings.Replace(runningAction, `"state":"running"`, `"state":"`+state+`"`, 1)
	return strings.Replace(a, `"hook"`, `"`+field+`":"`+text+`","hook"`, 1)
}

// till is a company with steady business: 40 card payments a second, of which 4 are declined and,
// while v2 runs, 10 fail.
type till struct {
	revision  string
	card      paysim.Tally
	transfers paysim.Tally
	stopped   []bool // what was asked of settlement
}

func newTill() *till {
	return &till{revision: "v1", transfers: paysim.Tally{
		Service: "instant-transfer", Outcomes: map[string]int64{}, AmountMinor: map[string]map[string]int64{"accepted": {"EUR": 0}},
	}, card: paysim.Tally{
		Service: "card-auth", Outcomes: map[string]int64{},
		AmountMinor: map[string]map[string]int64{"approved": {"EUR": 0}, "technical": {"EUR": 0}},
	}}
}

func (c *till) second() {
	c.card.Outcomes["business"] += 4
	good := int64(36)
	if c.revision == "v2" {
		good -= 10
		c.card.Outcomes["technical"] += 10
		c.card.AmountMinor["technical"]["EUR"] += 10 * 1234
	}
	c.card.Outcomes["approved"] += good
	c.card.AmountMinor["approved"]["EUR"] += good * 5000
	c.transfers.Outcomes["accepted"] += 20
	c.transfers.AmountMinor["accepted"]["EUR"] += 20 * 10_000
}

func (c *till) Truth() []paysim.Tally {
	all := []paysim.Tally{c.card, c.transfers}
	for i := range all {
		amounts := map[string]map[string]int64{}
		for outcome, minor := range all[i].AmountMinor {
			amounts[outcome] = maps.Clone(minor)
		}
		all[i].Outcomes, all[i].AmountMinor = maps.Clone(all[i].Outcomes), amounts
	}
	return all
}

func (c *till) SetFaults(service string, f paysim.Faults) error {
	if service != "instant-transfer" {
		return errors.New("no such service")
	}
	c.stopped = append(c.stopped, f.SettlementStop)
	return nil
}

func (c *till) Services() []paysim.Service {
	return []paysim.Service{{Name: "card-auth", Revisions: slices.Repeat([]string{c.revision}, 4)}}
}

func (c *till) Deploy(_ string, rev paysim.Revision) error { c.revision = rev.Name; return nil }

// stage is a teller with everything around it in the test's hands.
type stage struct {
	*teller
	t     *testing.T
	now   time.Time
	agent *script
	till  *till
	out   bytes.Buffer
}

func newStage(t *testing.T, opts Options) *stage {
	t.Helper()
	s := &stage{t: t, now: began, agent: &script{ready: true}, till: newTill()}
	s.agent.set(healthySLOs, noActions)
	srv := httptest.NewServer(s.agent)
	client := &http.Client{}
	t.Cleanup(func() { client.CloseIdleConnections(); srv.Close() })
	opts.plan = defaultPlan()
	s.teller = &teller{
		opts: opts, company: s.till, agent: &agent{base: srv.URL, client: client},
		screen: &screen{out: &s.out, color: opts.Color, live: opts.Live, width: 80, start: began},
		files:  files{dir: "/demo"}, told: map[string]bool{},
	}
	return s
}

// play lets whole seconds pass, with one look at the end of each.
func (s *stage) play(seconds int) error {
	s.t.Helper()
	for range seconds {
		s.now = s.now.Add(time.Second)
		s.till.second()
		if err := s.step(context.Background(), s.now); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) mustPlay(seconds int) {
	s.t.Helper()
	if err := s.play(seconds); err != nil {
		s.t.Fatalf("after %s: %v\n%s", s.now.Sub(began), err, s.out.String())
	}
}

// until20 plays to second 20: ready at 1 s, known at 12 s, and the release goes out at 17 s.
func (s *stage) until20() {
	s.t.Helper()
	s.mustPlay(11)
	s.agent.set(knownSLOs, noActions)
	s.mustPlay(9)
}

// verified is how the agent answers once its action has helped.
var verified = action("verified", "verification", "0 of 200 events bad since the action.")

// toRecovery plays the first half of a run in which all goes well, to second 29.
func (s *stage) toRecovery() {
	s.t.Helper()
	s.until20()
	s.mustPlay(2)
	s.agent.set(firingSLOs, noActions)
	s.mustPlay(1)
	s.agent.set(firingSLOs, runningAction)
	s.mustPlay(1)
	s.till.revision = "v1"
	s.mustPlay(2)
	s.agent.set(firingSLOs, verified)
	s.mustPlay(2)
	s.agent.set(settlesWith(recoveredSLOs, false), verified)
	s.mustPlay(1)
}

// wholeStory plays on: settlement stops at 32 s, the first deadline passes at 43 s, that fires at 45 s, settlement goes on
// at 50 s, nothing is overdue at 52 s, and both sides agree at 54 s.
func (s *stage) wholeStory() {
	s.t.Helper()
	s.toRecovery()
	s.agent.rails = sctInst(30, 0)
	s.mustPlay(3)
	s.agent.rails = sctInst(200, 0)
	s.mustPlay(10)
	s.agent.rails = sctInst(250, 20)
	s.mustPlay(2)
	s.agent.rails = sctInst(300, 60)
	s.agent.set(settlesWith(recoveredSLOs, true), verified)
	s.mustPlay(6)
	s.agent.rails = sctInst(200, 80)
	s.mustPlay(1)
	s.agent.rails = sctInst(30, 0)
	s.mustPlay(1)
	s.till.transfers.Settled = paysim.Settled{InTime: 900, Late: 110, LateMinor: 1_100_000, Declined: 12}
	s.agent.set(settlesWith(recoveredSLOs, false), verified)
	s.agent.metrics = railCounts(899, 110, 12)
	s.mustPlay(1)
	s.agent.metrics = railCounts(900, 110, 12)
	s.mustPlay(1)
}

// railCounts is an exposition with so many movements settled in time, late and declined.
func railCounts(good, late, declined int) string {
	const line = "assayer_transactions_total{class=%q,direction=\"out\",end_to_end=%q,outcome=%q,rail=%q} %d\n"
	return fmt.Sprintf(line+line+line+line, "good", "good", "good", "sct-inst", good, "late", "bad", "bad", "sct-inst", late,
		"business", "excluded", "excluded", "sct-inst", declined, "good", "good", "good", "swift", 7)
}

func inOrder(t *testing.T, out string, want ...string) {
	t.Helper()
	rest := out
	for _, w := range want {
		i := strings.Index(rest, w)
		if i < 0 {
			t.Fatalf("no %q, or not in this place, in\n%s", w, out)
		}
		rest = rest[i+len(w):]
	}
}

func TestStoryIsToldInOrderWithItsNumbers(t *testing.T) {
	s := newStage(t, Options{})
	s.wholeStory()
	s.mustPlay(31)
	inOrder(t, s.out.String(),
		"[  1.0s] agent at http://127.0.0.1:", "open it\n",
		"[  1.0s] recorded: card-auth runs release v1",
		"[  7.0s] money moves:",
		"card-auth                40.0      1,800       90%       10%        0%\n",
		"[ 12.0s] the agent has seen a whole window: card-auth-errors is ok. 100 % of",
		"[ 17.0s] card-auth: release v2 goes out.",
		"[ 19.0s] errors rise: 10% of card payments fail, 5.0% may", // 2 × 10 of the last 5 s' 200
		"budget of card-auth: [....................] 0% spent\n",
		"[ 23.0s] budget of card-auth: [########............] 40% spent, gone in 2.0 s",
		"[ 23.0s] page-5s fires 5.0 s after the release. budget burns at 2.5× over 5s",
		"[ 24.0s] hook rollback called: v2 back to v1, action act-1\n[ 24.0s]   because v1 is recorded good\n",
		"rollback done: 4 of 4 instances run v1 again",
		"verified on data from after the action: 0 of 200 events bad",
		"[ 29.0s] recovered, 12.0 s after the release",
		"detected after              5.0 s  by page-5s",
		"acted after                 6.0 s  hook rollback, v2 to v1",
		"recovered after            12.0 s",
		"budget spent                  64%  all of it within 6.0 s if nobody acts", // 30 s ÷ 5
		"faults counted                 60  card-auth itself says 70",              // 7 s of v2 × 10
		"payments                    1,740",                                        // 29 s × 60
		"customers' declines           116  among them",                            // 29 s × 4
		"money at risk             EUR 863  70 card payments",                      // 70 × 12.34
		"[ 32.0s] instant-transfer: settlement stops.",
		"[ 35.0s] 20/s accepted, 0% fail; open 200, overdue 0, oldest 7 s\n",
		"[ 43.0s] 11.0 s after the stop the first deadlines pass: 20 (EUR 2,000) overdue.",
		"[ 45.0s] page-5s fires for instant-settlement-errors 2.0 s after the first\n         deadline. 100 of 100 events bad",
		"the service's own error rate is 0% all the while",
		"[ 50.0s] settlement resumes; 60 (EUR 6,000) overdue",
		"[ 52.0s] overdue is down to 0, 2.0 s after settlement resumed",
		"[ 54.0s] settled, 22.0 s after the stop",
		"overdue after              11.0 s  10.0 s allowed",
		"detected after              2.0 s  from the first deadline, by page-5s",
		"errors meanwhile               0%",
		"overdue at once                80  EUR 8,000",
		"budget spent            100 times  that of instant-settlement-errors",
		"settled in time               900  the company says 900",
		"settled late                  110  the company says 110, worth EUR 11,000",
		"declined                       12  the company says 12",
		"/metrics", "/demo/data/audit.jsonl", "assayer audit verify /demo/data/audit.jsonl",
		"[ 84.0s] calm: 60 payments/s, EUR 3,800/s, 0 alerts firing",
	)
	if strings.Contains(s.out.String(), "\x1b") {
		t.Error("escape codes without a terminal")
	}
	for line := range strings.Lines(s.out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if got := s.till.stopped; !slices.Equal(got, []bool{true, false}) {
		t.Errorf("settlement was stopped and let go on: %v", got)
	}
	if got := s.agent.changes; len(got) != 2 || got[0].Revision != "v1" || got[1].Revision != "v2" ||
		got[1].Service != "card-auth" || got[1].Kind != "deploy" || !got[1].At.Equal(began.Add(17*time.Second)) {
		t.Errorf("recorded changes are %+v", got)
	}
}

func TestTerminalHasColoursAndAStatusBlock(t *testing.T) {
	s := newStage(t, Options{Color: true, Live: true})
	s.wholeStory()
	out := s.out.String()
	inOrder(t, out, "\x1b[1magent at", "\x1b[31merrors rise", "\x1b[32mrecovered")
	// Blank, heading, two services, budget and address make 6 lines, and settlement is one more once the agent knows of it.
	if !strings.Contains(out, "\x1b[6A\x1b[J") || !strings.Contains(out, "\x1b[7A\x1b[J") {
		t.Errorf("the status block is not redrawn:\n%q", out)
	}
	inOrder(t, out, "budget of card-auth: [█", "Ctrl-C ends", "settlement of sct-inst: open 250 (EUR 25,000), overdue 20 (EUR 2,000)", "\x1b[32moverdue is down to 0")
}

func TestHookThatHoldsBackIsToldOnceAndFailsTheDemo(t *testing.T) {
	s := newStage(t, Options{})
	s.until20()
	denied := strings.Replace(action("denied", "mode", "auto"), `"v1 is recorded good"`, `"no good revision is known"`, 1)
	s.agent.set(firingSLOs, denied)
	err := s.play(200)
	if err == nil || !strings.Contains(err.Error(), "no recovery within 3m0s") || !strings.Contains(err.Error(), "no good revision is known") ||
		!strings.Contains(err.Error(), "page-5s fired") {
		t.Errorf("error is %v", err)
	}
	if n := strings.Count(strings.Join(strings.Fields(s.out.String()), " "), "no good revision is known"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

func TestRollbackThatDoesNotHelpFailsTheDemo(t *testing.T) {
	s := newStage(t, Options{})
	s.until20()
	s.agent.set(firingSLOs, action("unverified", "verification", "still burning at 20×"))
	if err := s.play(1); err == nil || !strings.Contains(err.Error(), "still burning at 20×") {
		t.Errorf("error is %v", err)
	}
}

func TestAgentThatIsNeverReadyFailsTheDemo(t *testing.T) {
	s := newStage(t, Options{})
	s.agent.ready = false
	if err := s.play(40); err == nil || !strings.Contains(err.Error(), "not ready after 30s") || !strings.Contains(err.Error(), "not yet") {
		t.Errorf("error is %v", err)
	}
}

func TestAgentThatFallsSilentFailsTheDemo(t *testing.T) {
	s := newStage(t, Options{})
	s.until20()
	s.agent.set("{", noActions)
	if err := s.play(200); err == nil || !strings.Contains(err.Error(), "decoding /api/v1/slos") {
		t.Errorf("error is %v", err)
	}
}

// A page from before the release, or an old action of a kept folder, is not part of the story.
func TestWhatWasBeforeTheReleaseIsNotTheStory(t *testing.T) {
	s := newStage(t, Options{})
	old := strings.Replace(action("verified", "verification", "old"), "10:00:23Z", "09:00:00Z", 1)
	s.until20()
	s.agent.set(knownSLOs, old)
	s.mustPlay(10)
	if strings.Contains(s.out.String(), "hook rollback called") || strings.Contains(s.out.String(), "verified") {
		t.Errorf("tells of an old action:\n%s", s.out.String())
	}
}

func TestFilesAreNamedOnlyWhileTheyAreThere(t *testing.T) {
	for name, tc := range map[string]struct {
		temporary, exit      bool
		checkable, mentioned bool // assayer audit verify, --data
	}{
		"kept":                        {false, true, true, false},
		"kept, runs on":               {false, false, true, false},
		"temporary, runs on":          {true, false, true, true},
		"temporary, ends with itself": {true, true, false, true},
	} {
		said := strings.Join((&teller{opts: Options{ExitWhenRecovered: tc.exit}, files: files{dir: "/demo", temporary: tc.temporary}}).filesLeft(), "\n")
		if got := strings.Contains(said, "assayer audit verify /demo/data/audit.jsonl"); got != tc.checkable || strings.Contains(said, "/demo") != tc.checkable {
			t.Errorf("%s: names files that can be looked at %v, want %v:\n%s", name, got, tc.checkable, said)
		}
		if got := strings.Contains(said, "--data DIR"); got != tc.mentioned {
			t.Errorf("%s: says how to keep them %v, want %v:\n%s", name, got, tc.mentioned, said)
		}
	}
}
