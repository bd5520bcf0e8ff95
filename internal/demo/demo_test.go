package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// hurried is the plan with everything a hundred times as fast.
func hurried() plan {
	return plan{
		poll: 5 * time.Millisecond, table: 40 * time.Millisecond, bake: 60 * time.Millisecond,
		rollout: 20 * time.Millisecond, calm: 20 * time.Millisecond, pause: 20 * time.Millisecond, stall: 20 * time.Millisecond, bound: 20 * time.Second,
	}
}

// configuration is the part of the configuration that the scripted agent acts on.
type configuration struct {
	Objectives []string `yaml:"objectives"`
	Collectors struct {
		Prometheus struct {
			ScrapeConfigs []struct {
				StaticConfigs []struct {
					Targets []string `yaml:"targets"`
				} `yaml:"static_configs"`
			} `yaml:"scrape_configs"`
		} `yaml:"prometheus"`
	} `yaml:"collectors"`
	Hooks []struct {
		URL        string `yaml:"url"`
		SecretFile string `yaml:"secret_file"`
	} `yaml:"hooks"`
}

// understudy stands in for the agent: it reads the real configuration, waits for the record of v2,
// calls the real rollback endpoint and says that all went well. Then it counts the movements it is told of, and says that
// some are overdue for a while.
type understudy struct {
	script
	t      *testing.T
	config configuration
	called bool
	looks  int
	stops  int
	good   int // movements told of as settled
	ended  int // as rejected
}

func (u *understudy) start(_ context.Context, path, listen string) (string, func(context.Context) error, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", nil, err
	}
	if err := yaml.Unmarshal(data, &u.config); err != nil {
		return "", nil, err
	}
	if listen != "127.0.0.1:9797" {
		u.t.Errorf("told to listen on %s", listen)
	}
	u.ready = true
	u.set(settlesWith(knownSLOs, false), noActions)
	srv := httptest.NewServer(u)
	return srv.URL, func(context.Context) error { u.stops++; srv.Close(); return nil }, nil
}

func (u *understudy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method+" "+r.URL.Path == "POST /api/v1/transactions" {
		u.take(r)
		return
	}
	u.script.ServeHTTP(w, r)
	u.mu.Lock()
	recorded := len(u.changes)
	u.mu.Unlock()
	if recorded < 2 || r.URL.Path != "/api/v1/slos" {
		return
	}
	at := time.Now().UTC().Format(time.RFC3339Nano)
	u.looks++
	switch {
	case !u.called:
		u.called = true
		u.rollBack()
		u.set(firingSLOs, strings.Replace(runningAction, "2026-11-21T10:00:23Z", at, 1))
	case u.looks > 20:
		overdue := u.looks > 40 && u.looks < 60
		u.set(settlesWith(recoveredSLOs, overdue), strings.Replace(action("verified", "verification", "fine"), "2026-11-21T10:00:23Z", at, 1))
		u.mu.Lock()
		defer u.mu.Unlock()
		u.rails = sctInst(9, map[bool]int{true: 5}[overdue])
	}
}

// take counts events, as the agent's metrics do.
func (u *understudy) take(r *http.Request) {
	var events []struct{ ID, State string }
	if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
		u.t.Error(err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, e := range events {
		switch e.State {
		case "settled":
			u.good++
		case "rejected":
			u.ended++
		}
	}
	u.metrics = railCounts(u.good, 0, u.ended)
}

func (u *understudy) rollBack() {
	secret, err := os.ReadFile(u.config.Hooks[0].SecretFile)
	if err != nil {
		u.t.Error(err)
	}
	req, err := http.NewRequest(http.MethodPost, u.config.Hooks[0].URL, strings.NewReader(`{"service":"card-auth","to_revision":"v1"}`))
	if err != nil {
		u.t.Error(err)
		return
	}
	req.Header.Set("X-Assayer-Signature", string(secret))
	req.Header.Set("Idempotency-Key", "act-1")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		u.t.Error(err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		u.t.Errorf("rollback answered %s", resp.Status)
	}
}

// verify takes the secret itself for a signature.
func verify(secret []byte, header string, _ []byte, _ time.Time, _ time.Duration) error {
	if header != string(secret) {
		return errors.New("does not match")
	}
	return nil
}

func TestRunFromStartToRecovery(t *testing.T) {
	for _, exit := range []bool{true, false} {
		t.Run(fmt.Sprintf("exit %v", exit), func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			u := &understudy{t: t}
			out := &cancelOn{text: "calm: ", cancel: cancel}
			err := Run(ctx, Options{Out: out, Start: u.start, Verify: verify, ExitWhenRecovered: exit, plan: hurried()})
			if err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			inOrder(t, out.String(), "agent at", "release v2 goes out", "hook rollback called", "rollback done", "recovered", "settlement stops", "5 (EUR 500) overdue",
				"fires for instant-settlement-errors", "settlement resumes", "overdue is down to 0", "settled late                    0  the company says 0")
			if exit == strings.Contains(out.String(), "calm: ") {
				t.Errorf("with ExitWhenRecovered %v:\n%s", exit, out.String())
			}
			if u.stops != 1 {
				t.Errorf("the agent was stopped %d times", u.stops)
			}
			if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

// cancelOn ends a context when some text is written, as a person does who has seen enough.
type cancelOn struct {
	out    bytes.Buffer
	text   string
	cancel context.CancelFunc
}

func (c *cancelOn) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(c.text)) {
		c.cancel()
	}
	return c.out.Write(p)
}

func (c *cancelOn) String() string { return c.out.String() }

func TestRunWritesFilesThatStayInAGivenFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `folder "with" quotes`)
	ctx, cancel := context.WithCancel(t.Context())
	u := &understudy{t: t}
	out := &cancelOn{text: "agent at", cancel: cancel}
	err := Run(ctx, Options{Out: out, Start: u.start, Verify: verify, DataDir: dir, ExitWhenRecovered: true, plan: hurried()})
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("an interrupted story ends with %v", err)
	}
	objectives, err := filepath.Glob(u.config.Objectives[0])
	if err != nil || len(objectives) != 5 {
		t.Errorf("objectives in %s: %v %v", u.config.Objectives[0], objectives, err)
	}
	targets := map[string]bool{}
	for _, sc := range u.config.Collectors.Prometheus.ScrapeConfigs {
		targets[sc.StaticConfigs[0].Targets[0]] = true
	}
	if len(targets) != 3 {
		t.Errorf("scrapes %v", targets)
	}
	info, err := os.Stat(u.config.Hooks[0].SecretFile)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 64 {
		t.Errorf("the secret's file is %v %v", info, err)
	}
}

func TestRunReportsAnAgentThatDoesNotStart(t *testing.T) {
	refuse := func(context.Context, string, string) (string, func(context.Context) error, error) {
		return "", nil, errors.New("address in use")
	}
	err := Run(t.Context(), Options{Out: &bytes.Buffer{}, Start: refuse, Verify: verify})
	if err == nil || !strings.Contains(err.Error(), "starting the agent: address in use") {
		t.Errorf("error is %v", err)
	}
	if err := Run(t.Context(), Options{}); err == nil {
		t.Error("ran without anything")
	}
}

func TestRunStopsWhenNobodyCanRead(t *testing.T) {
	u := &understudy{t: t}
	err := Run(t.Context(), Options{Out: broken{}, Start: u.start, Verify: verify, plan: hurried()})
	if err == nil || !strings.Contains(err.Error(), "broken pipe") || u.stops != 1 {
		t.Errorf("error is %v, agent stopped %d times", err, u.stops)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWrapKeepsWordsAndWidth(t *testing.T) {
	tests := map[string]struct {
		text  string
		width int
		want  []string
	}{
		"fits":         {"one two", 7, []string{"one two"}},
		"breaks":       {"one two three", 8, []string{"one two", "three"}},
		"long word":    {"a /path/that/is/long b", 6, []string{"a", "/path/that/is/long", "b"}},
		"counts runes": {"µµ µµ", 5, []string{"µµ µµ"}},
		"empty":        {"", 5, []string{""}},
	}
	for name, tt := range tests {
		if got := wrap(tt.text, tt.width); strings.Join(got, "|") != strings.Join(tt.want, "|") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is written %s", n, got)
		}
	}
	for r, want := range map[float64]string{0: "0%", .0004: "0.04%", .012: "1.2%", .25: "25%", 1: "100%"} {
		if got := percent(r); got != want {
			t.Errorf("%g is written %s", r, got)
		}
	}
}
