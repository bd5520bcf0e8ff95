package demo

import (
	"bytes"
	"context"
	"encoding/json"
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

func action(state, field, text string) string {
	a := strings.Replace(runningAction, `"state":"running"`, `"state":"`+state+`"`, 1)
	return strings.Replace(a, `"hook"`, `"`+field+`":"`+text+`","hook"`, 1)
}

// till is a company with steady business: 40 card payments a second, of which 4 are declined and,
// while v2 runs, 10 fail.
type till struct {
	revision string
	card     paysim.Tally
}

func newTill() *till {
	return &till{revision: "v1", card: paysim.Tally{
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
}

func (c *till) Truth() []paysim.Tally {
	t := c.card
	t.Outcomes = maps.Clone(t.Outcomes)
	t.AmountMinor = map[string]map[string]int64{}
	for outcome, amounts := range c.card.AmountMinor {
		t.AmountMinor[outcome] = maps.Clone(amounts)
	}
	return []paysim.Tally{t}
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

// wholeStory plays a run in which all goes well.
func (s *stage) wholeStory() {
	s.t.Helper()
	s.until20()
	s.mustPlay(2)
	s.agent.set(firingSLOs, noActions)
	s.mustPlay(1)
	s.agent.set(firingSLOs, runningAction)
	s.mustPlay(1)
	s.till.revision = "v1"
	s.mustPlay(2)
	s.agent.set(firingSLOs, action("verified", "verification", "0 of 200 events bad since the action."))
	s.mustPlay(2)
	s.agent.set(recoveredSLOs, action("verified", "verification", "0 of 200 events bad since the action."))
	s.mustPlay(1)
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
		"payments                    1,160",                                        // 29 s × 40
		"customers' declines           116  among them",                            // 29 s × 4
		"money at risk             EUR 863  70 card payments",                      // 70 × 12.34
		"/metrics", "/demo/data/audit.jsonl", "assayer audit verify /demo/data/audit.jsonl",
		"[ 59.0s] calm: 40 payments/s, EUR 1,800/s, 0 alerts firing",
	)
	if strings.Contains(s.out.String(), "\x1b") {
		t.Error("escape codes without a terminal")
	}
	for line := range strings.Lines(s.out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
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
	// Blank, heading, one service, budget and address make 5 lines.
	if !strings.Contains(out, "\x1b[5A\x1b[J") {
		t.Errorf("the status block is not redrawn:\n%q", out)
	}
	inOrder(t, out, "budget of card-auth: [█", "Ctrl-C ends")
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
