package prometheus

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

// load reads a section as the agent does.
func load(t testing.TB, section string) (Config, error) {
	t.Helper()
	docs, problems := strictyaml.Parse("assayer.yaml", []byte(section), 1<<20)
	cfg := Default()
	for _, d := range docs {
		problems = append(problems, d.Decode(&cfg)...)
	}
	return cfg, problems.Err()
}

func mustLoad(t testing.TB, section string) Config {
	t.Helper()
	cfg, err := load(t, section)
	if err != nil {
		t.Fatalf("section refused: %v", err)
	}
	return cfg
}

// wantNames wants every series of the given names.
func wantNames(names ...string) collector.Interest {
	in := collector.Interest{Names: map[string]struct{}{}, Match: func(labels.Labels) bool { return true }}
	for _, n := range names {
		in.Names[n] = struct{}{}
	}
	return in
}

// running is a provider at work.
type running struct {
	*Provider
	t       testing.TB
	updates chan []collector.Job
}

// launch runs a provider of section until the test ends.
func launch(t testing.TB, section string, in collector.Interest) *running {
	t.Helper()
	p, err := New(mustLoad(t, section), Deps{Version: "1.2.3", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	p.SetInterest(in)
	r := &running{Provider: p, t: t, updates: make(chan []collector.Job, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx, func(jobs []collector.Job) { r.updates <- jobs }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// until waits for an update that ok accepts and returns its jobs, ordered by target.
func (r *running) until(what string, ok func([]collector.Job) bool) []collector.Job {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case jobs := <-r.updates:
			if ok(jobs) {
				slices.SortFunc(jobs, func(a, b collector.Job) int { return strings.Compare(string(a.Target), string(b.Target)) })
				return jobs
			}
		case <-deadline:
			r.t.Fatalf("no update with %s", what)
		}
	}
}

func (r *running) jobs(n int) []collector.Job {
	r.t.Helper()
	return r.until(fmt.Sprintf("%d jobs", n), func(jobs []collector.Job) bool { return len(jobs) == n })
}

// scrape does one cycle of a job.
func scrape(t testing.TB, j collector.Job) collector.Cycle {
	t.Helper()
	return scrapeAt(t, j, time.Now(), 10*time.Second)
}

func scrapeAt(t testing.TB, j collector.Job, at time.Time, timeout time.Duration) (out collector.Cycle) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), timeout, fmt.Errorf("%w after %s", collector.ErrTimeout, timeout))
	defer cancel()
	calls := 0
	j.Source.Collect(ctx, at, func(c collector.Cycle) {
		calls++
		out = c
		out.Samples = slices.Clone(c.Samples)
	})
	if calls != 1 {
		t.Errorf("emit called %d times", calls)
	}
	if out.Err != nil && len(out.Samples) > 0 {
		t.Errorf("a failed cycle carries %d samples", len(out.Samples))
	}
	return out
}

// lines shows samples as a reader would write them, sorted, without the target's own labels.
func lines(c collector.Cycle) []string {
	var out []string
	for _, s := range c.Samples {
		lb := labels.NewBuilder(s.Series.Labels).Del("job", "instance", "__name__")
		line := s.Series.Labels.Get("__name__") + lb.Labels().String() + fmt.Sprintf(" %g", s.Value)
		if s.AtMs != 0 {
			line += fmt.Sprintf(" @%d", s.AtMs)
		}
		out = append(out, strings.ReplaceAll(line, "{}", ""))
	}
	slices.Sort(out)
	return out
}

func expect(t testing.TB, c collector.Cycle, want ...string) {
	t.Helper()
	slices.Sort(want)
	if c.Err != nil {
		t.Fatalf("cycle failed: %v", c.Err)
	}
	if got := lines(c); !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func expectFailure(t testing.TB, c collector.Cycle, want string) {
	t.Helper()
	if c.Err == nil {
		t.Fatalf("cycle succeeded with %v, want an error about %q", lines(c), want)
	}
	if !strings.Contains(c.Err.Error(), want) {
		t.Errorf("error %q, want something about %q", c.Err, want)
	}
}

const (
	typeText = "text/plain; version=0.0.4"
	typeOM   = "application/openmetrics-text; version=1.0.0"
)

// serve answers every request with body.
func serve(t testing.TB, contentType, body string) *httptest.Server {
	t.Helper()
	return serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		_, _ = io.WriteString(w, body)
	})
}

func serveFunc(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// section writes a scrape config for one server; more are lines of the config.
func section(s *httptest.Server, more ...string) string {
	_, address, _ := strings.Cut(s.URL, "://")
	out := "scrape_configs:\n- job_name: test\n  static_configs: [{targets: ['" + address + "']}]\n"
	for _, m := range more {
		out += "  " + strings.ReplaceAll(m, "\n", "\n  ") + "\n"
	}
	return out
}

// once scrapes a server once.
func once(t testing.TB, s *httptest.Server, in collector.Interest, more ...string) collector.Cycle {
	t.Helper()
	return scrape(t, launch(t, section(s, more...), in).jobs(1)[0])
}
