//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// patience bounds every wait for something that the agent does once a second.
const patience = 60 * time.Second

// rig is one agent that watches one server through a tap, with an example's configuration.
type rig struct {
	*servers.Agent
	dir    string // holds the agent's configuration and data
	server *servers.Server
	tap    *tap
	before exposition // of the server when the agent began to count
}

// watch starts the agent on a copy of examples/name in which every old of the replacements has
// become its new, and waits until it has a baseline of the server. An empty new stands for the
// address where the agent finds the server.
func watch(t *testing.T, name string, server *servers.Server, replacements map[string]string) *rig {
	t.Helper()
	r := &rig{dir: t.TempDir(), server: server, tap: newTap(t, server.Address)}
	all := map[string]string{"scrape_interval: 15s": "scrape_interval: 1s", "evaluation_interval: 15s": "evaluation_interval: 1s"}
	for was, is := range replacements {
		if is == "" {
			is = r.tap.address
		}
		all[was] = is
	}
	copyExample(t, filepath.Join("..", "examples", name), r.dir, all)
	begin := time.Now()
	r.Agent = servers.StartAssayer(t, binary, r.dir)
	r.tap.awaitScrapes(t, begin, 2) // a second look begins when the first has been taken in
	r.before = read(t, server)
	return r
}

// copyExample copies the YAML files of from to dir, with replacements; each must occur somewhere.
func copyExample(t *testing.T, from, dir string, replacements map[string]string) {
	t.Helper()
	used := map[string]bool{}
	err := filepath.WalkDir(from, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".yaml" {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		text := string(data)
		for was, is := range replacements {
			used[was] = used[was] || strings.Contains(text, was)
			text = strings.ReplaceAll(text, was, is)
		}
		to := filepath.Join(dir, strings.TrimPrefix(name, from))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, []byte(text), 0o600)
	})
	if err != nil {
		t.Fatalf("copying %s: %v", from, err)
	}
	for was := range replacements {
		if !used[was] {
			t.Fatalf("%s no longer contains %q", from, was)
		}
	}
}

// status is what this test reads of the API's answer.
type status struct {
	Name      string    `json:"name"`
	Service   string    `json:"service"`
	Objective float64   `json:"objective"`
	State     string    `json:"state"`
	At        time.Time `json:"at"`
	Events    struct {
		Good float64 `json:"good"`
		Bad  float64 `json:"bad"`
	} `json:"events"`
	ErrorBudget struct {
		RemainingRatio float64 `json:"remaining_ratio"`
	} `json:"error_budget"`
	Coverage float64 `json:"coverage_ratio"`
}

// statuses asks the agent for every objective.
func (r *rig) statuses(ctx context.Context) (map[string]status, error) {
	body, err := fetch(ctx, r.URL("/api/v1/slos"))
	if err != nil {
		return nil, err
	}
	var answer struct {
		SLOs []status `json:"slos"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("reading the API's answer: %w", err)
	}
	found := map[string]status{}
	for _, s := range answer.SLOs {
		found[s.Name] = s
	}
	return found, nil
}

// statusesAfter waits for statuses that were evaluated after a moment, all of them.
func (r *rig) statusesAfter(t *testing.T, after time.Time) map[string]status {
	t.Helper()
	var found map[string]status
	eventually(t, func(ctx context.Context) (err error) {
		if found, err = r.statuses(ctx); err != nil {
			return err
		}
		if len(found) == 0 {
			return errors.New("the agent shows no objectives")
		}
		for _, s := range found {
			if !s.At.After(after) {
				return fmt.Errorf("%s was last evaluated at %s", s.Name, s.At)
			}
		}
		return nil
	})
	return found
}

// count says how the server itself counts an objective's events: as a difference of sums of its
// counters between two readings.
type count struct {
	bad, good []term
}

// term is a sum over the lines of an exposition that match, taken times sign.
type term struct {
	sign float64
	line string // a regular expression over name{labels}
}

// mustEqual waits until the server is at rest and the agent has scraped it after that, and then
// compares every objective's counts with the server's own. It returns the server's.
func (r *rig) mustEqual(t *testing.T, counts map[string]count) map[string][2]float64 {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		first := r.difference(t, counts)
		completed := r.tap.awaitScrapes(t, time.Now(), 2)
		found := r.statusesAfter(t, completed)
		if second := r.difference(t, counts); fmt.Sprint(first) != fmt.Sprint(second) {
			if time.Now().After(deadline) {
				t.Fatalf("the server does not come to rest: %v, then %v", first, second)
			}
			continue
		}
		for name, want := range first {
			compare(t, found[name], name, want)
			r.compareMetrics(t, name, want)
		}
		return first
	}
}

// difference returns what the server has counted since the agent's baseline: good, bad.
func (r *rig) difference(t *testing.T, counts map[string]count) map[string][2]float64 {
	t.Helper()
	now := read(t, r.server)
	found := map[string][2]float64{}
	for name, c := range counts {
		found[name] = [2]float64{now.sum(t, c.good) - r.before.sum(t, c.good), now.sum(t, c.bad) - r.before.sum(t, c.bad)}
	}
	return found
}

func compare(t *testing.T, got status, name string, want [2]float64) {
	t.Helper()
	good, bad := want[0], want[1]
	if got.Events.Good != good || got.Events.Bad != bad {
		t.Errorf("%s: the agent counts %v good and %v bad, the server %v and %v", name, got.Events.Good, got.Events.Bad, good, bad)
	}
	remaining := 1.0
	if good+bad > 0 {
		remaining = 1 - bad/((good+bad)*(1-got.Objective))
	}
	if difference := got.ErrorBudget.RemainingRatio - remaining; difference > 1e-9 || difference < -1e-9 {
		t.Errorf("%s: the agent has %v of the budget left, the server's counts make that %v", name, got.ErrorBudget.RemainingRatio, remaining)
	}
}

// compareMetrics holds the agent's own counters, which a fleet sums, to the same numbers. They are
// told once they are durable, which a checkpoint makes them.
func (r *rig) compareMetrics(t *testing.T, name string, want [2]float64) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		body, err := fetch(ctx, r.URL("/metrics"))
		if err != nil {
			return err
		}
		for i, outcome := range []string{"good", "bad"} {
			line := fmt.Sprintf(`assayer_sli_events_total\{.*outcome="%s".*slo="%s".*\}`, outcome, name)
			if got := exposition(body).sum(t, []term{{1, line}}); got != want[i] {
				return fmt.Errorf("%s: the agent's /metrics say %v %s, the server %v", name, got, outcome, want[i])
			}
		}
		return nil
	})
}

// exposition is a /metrics page as text. It is read line by line here, and not with the agent's
// parser, so that a mistake there cannot hide itself.
type exposition string

func read(t *testing.T, s *servers.Server) exposition {
	t.Helper()
	return exposition(get(t, s.URL("/metrics")))
}

// sum adds up the values of the lines whose name and labels match the terms.
func (e exposition) sum(t *testing.T, terms []term) float64 {
	t.Helper()
	total := 0.0
	for _, term := range terms {
		for _, found := range regexp.MustCompile(`(?m)^`+term.line+` (\S+)$`).FindAllStringSubmatch(string(e), -1) {
			value, err := strconv.ParseFloat(found[len(found)-1], 64)
			if err != nil {
				t.Fatalf("reading %q: %v", found[0], err)
			}
			total += term.sign * value
		}
	}
	return total
}

// eventually tries until try returns nil, for as long as patience lasts.
func eventually(t *testing.T, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := servers.Poll(ctx, try); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	body, err := fetch(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func fetch(ctx context.Context, url string) (string, error) {
	code, body, err := call(ctx, http.MethodGet, url, "")
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %s", url, code, body)
	}
	return body, err
}

// send makes one request that must be answered, whatever the answer, and returns its status.
func send(t *testing.T, method, url, body string) int {
	t.Helper()
	code, _, err := call(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func call(ctx context.Context, method, url, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", err
	}
	return resp.StatusCode, string(answer), nil
}
