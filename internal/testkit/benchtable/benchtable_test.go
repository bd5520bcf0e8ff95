package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/collector/prometheus"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

func TestRoundsAreReadFromWhatGoTestPrints(t *testing.T) {
	r := rounds{}
	for _, ns := range []string{"30", "10", "20"} {
		r.read("goos: linux\ncpu: Benchmark 9000\nBenchmarkA/b=1h0m0s-2   \t 5\t 397052 ns/op\t  " + ns + " ns/sample\t 0.5 B/sample\nPASS\n")
		r.read("BenchmarkFloor-2 5 1 ns/op 10 ns/sample\n")
	}
	l := &lookup{rounds: r}
	if got := l.cost("A/b=1h0m0s", "sample"); got != "20 ns, 0.5 B" {
		t.Errorf("cost is %q", got)
	}
	// 30/10, 10/10, 20/10: the quotients' own median, not the quotient of sorted values.
	if got := l.ratio("A/b=1h0m0s", "Floor", "sample"); got != "2.00 ×" {
		t.Errorf("ratio is %q", got)
	}
	if got := l.ratio("Floor", "A/b=1h0m0s", "sample"); got != "0.50 ×" {
		t.Errorf("ratio is %q", got)
	}
	if got := times(0.04); got != "1/25" {
		t.Errorf("a small ratio is %q", got)
	}
	l.ns("Gone", "sample")
	if want := []string{"Gone ns/sample"}; !slices.Equal(l.missing, want) {
		t.Errorf("missing is %q, want %q", l.missing, want)
	}
}

func TestSeededAgentsKnowTheirWholeWindow(t *testing.T) {
	dir := t.TempDir()
	s := settings{scrape: time.Second, evaluation: time.Second, objectives: 2, addresses: []string{"127.0.0.1:1"}}
	if err := s.write(dir); err != nil {
		t.Fatal(err)
	}
	if err := seed(dir, month, healthy(month)); err != nil {
		t.Fatal(err)
	}
	statuses := restored(t, dir)
	if len(statuses) != 2 {
		t.Fatalf("%d objectives", len(statuses))
	}
	for _, got := range statuses {
		// An hour is the ledger's resolution at the far end of 30 days.
		if want := month.Seconds() * rate; got.Events.Good < want-3600*rate || got.Events.Good > want || got.Events.Bad != 0 {
			t.Errorf("%s has %v, want %g good", got.Name, got.Events, want)
		}
		if got.Filled < 0.99 || got.Coverage < 0.99 {
			t.Errorf("%s is filled %g and covered %g", got.Name, got.Filled, got.Coverage)
		}
	}
}

// ledgerObjectives is how many objectives BenchmarkLedger feeds, with two series each.
const ledgerObjectives = 1000

// BenchmarkLedger follows samples from a target into the ledger: a whole scrape over HTTP, in which
// every series is wanted, and Observe. "textparse" reads the same body with Prometheus' parser and
// takes the labels of each series; "observe" is the last leg alone.
func BenchmarkLedger(b *testing.B) {
	var bodies [64][]byte // made beforehand, so that making them is not measured
	for i := range bodies {
		bodies[i] = servicesBody(ledgerObjectives, int64(i))
	}
	target := newTarget(func(look int64) []byte { return bodies[look%int64(len(bodies))] }, nil)
	b.Cleanup(target.server.Close)
	objectives := loadObjectives(b, ledgerObjectives)
	b.Run("textparse", func(b *testing.B) {
		perSample(b, func(int) { parseAll(b, bodies[1]) })
	})
	b.Run("scrape", func(b *testing.B) {
		e := slo.New(slo.Options{})
		apply(b, e, objectives)
		source := scraped(b, target.server, e.Interest())
		begin := time.Now()
		perSample(b, func(n int) {
			source.Collect(context.Background(), begin.Add(time.Duration(n)*5*time.Second), func(c collector.Cycle) {
				if c.Err != nil || len(c.Samples) != 2*ledgerObjectives {
					b.Fatal(len(c.Samples), c.Err)
				}
				e.Observe(c)
			})
		})
	})
	b.Run("observe", func(b *testing.B) {
		e := slo.New(slo.Options{})
		apply(b, e, objectives)
		var samples []collector.Sample
		begin := time.Now()
		scraped(b, target.server, e.Interest()).Collect(context.Background(), begin, func(c collector.Cycle) { samples = slices.Clone(c.Samples) })
		perSample(b, func(n int) {
			for i := range samples {
				samples[i].Value += float64(1 - i%2)
			}
			e.Observe(collector.Cycle{Target: "a", At: begin.Add(time.Duration(n) * 5 * time.Second), Interval: 5 * time.Second, Samples: samples})
		})
	})
}

func apply(t testing.TB, e *slo.Engine, objectives []spec.Objective) {
	t.Helper()
	if err := e.Apply(objectives, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
}

// perSample runs once for b.Loop with a growing n and reports time and bytes allocated.
func perSample(b *testing.B, once func(n int)) {
	b.Helper()
	once(0) // what is seen for the first time is not what is measured
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	for b.Loop() {
		n++
		once(n)
	}
	runtime.ReadMemStats(&after)
	all := float64(n * 2 * ledgerObjectives)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/all, "ns/sample")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/all, "B/sample")
}

func parseAll(b *testing.B, body []byte) {
	p := textparse.NewPromParser(body, labels.NewSymbolTable(), false)
	var ls labels.Labels
	n := 0
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		if entry == textparse.EntrySeries {
			p.Series()
			p.Labels(&ls)
			n++
		}
	}
	if n != bytes.Count(body, []byte("\n")) {
		b.Fatal(n)
	}
}

// loadObjectives reads n objectives as the agent would.
func loadObjectives(t testing.TB, n int) []spec.Objective {
	t.Helper()
	dir := t.TempDir()
	if err := (settings{scrape: 5 * time.Second, evaluation: 5 * time.Second, objectives: n}).write(dir); err != nil {
		t.Fatal(err)
	}
	set, problems := spec.LoadGlobs([]string{"slo000.yaml"}, dir, spec.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return set.Objectives
}

// scraped returns the source of one target, uncompressed and every 5 s.
func scraped(t testing.TB, server *httptest.Server, in collector.Interest) collector.Source {
	t.Helper()
	docs, problems := strictyaml.Parse("assayer.yaml", []byte(
		"scrape_configs: [{job_name: x, scrape_interval: 5s, scrape_timeout: 5s, enable_compression: false, static_configs: [{targets: ['"+strings.TrimPrefix(server.URL, "http://")+"']}]}]"), 1<<20)
	cfg := prometheus.Default()
	for _, d := range docs {
		problems = append(problems, d.Decode(&cfg)...)
	}
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	p, err := prometheus.New(cfg, prometheus.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	p.SetInterest(in)
	ctx, cancel := context.WithCancel(t.Context())
	found, done := make(chan collector.Source, 1), make(chan error, 1)
	go func() {
		done <- p.Run(ctx, func(jobs []collector.Job) {
			if len(jobs) == 1 {
				select {
				case found <- jobs[0].Source:
				default: // has it already
				}
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return <-found
}

// restored gives the statuses that an agent started in dir would begin with.
func restored(t testing.TB, dir string) []slo.Status {
	t.Helper()
	set, problems := spec.LoadGlobs([]string{"slo000.yaml"}, dir, spec.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	e := slo.New(slo.Options{Retention: retention})
	db, err := storage.Open(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := e.Apply(set.Objectives, time.Now(), db.Scan); err != nil {
		t.Fatal(err)
	}
	return e.Evaluate(time.Now())
}
