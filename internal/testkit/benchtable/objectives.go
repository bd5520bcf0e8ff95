package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

const wanted = "bench_requests_total" // the metric that all objectives read

// settings are one agent's files.
type settings struct {
	scrape, evaluation time.Duration
	objectives         int
	addresses          []string
	compress           bool
	hook               string // URL; "" configures none
}

// objectivesPerFile keeps files of objectives below what the agent reads.
const objectivesPerFile = 1000

// write puts the files into dir: an objective for each of the services s0, s1, …
func (s settings) write(dir string) error {
	agent := fmt.Sprintf(`
global: {scrape_interval: %s, evaluation_interval: %s}
storage: {path: data}
objectives: ["slo*.yaml"]
collectors:
  prometheus:
    scrape_configs:
      - job_name: bench
        scrape_timeout: %[1]s
        enable_compression: %[3]t
        static_configs: [{targets: ["%[4]s"]}]
audit: {path: data/audit.jsonl}
`, s.scrape, s.evaluation, s.compress, strings.Join(s.addresses, `", "`))
	if s.hook != "" {
		agent += fmt.Sprintf(`
hooks:
  - {name: bench, kind: webhook, url: %q, secret: for-the-benchmark-only, mode: auto, objectives: ["s0-*"], require_change: false, resume_on_start: true}
`, s.hook)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "assayer.yaml"), []byte(agent), 0o600); err != nil {
		return err
	}
	for from := 0; from < s.objectives; from += objectivesPerFile {
		var objectives strings.Builder
		for i := from; i < min(from+objectivesPerFile, s.objectives); i++ {
			fmt.Fprintf(&objectives, `---
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: s%[1]d}
spec:
  errors: {bad: '%[2]s{service="s%[1]d",code="500"}', total: '%[2]s{service="s%[1]d"}', objective: 99.9%%}
`, i, wanted)
		}
		name := fmt.Sprintf("slo%03d.yaml", from/objectivesPerFile) // read in this order
		if err := os.WriteFile(filepath.Join(dir, name), []byte(objectives.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// rate is how many good events a second each service has.
const rate = 10

// seed gives the agent of dir a store with the given history, as if another target, gone now, had
// fed it until this moment; counted says what services had counted when. The real engine writes it,
// fed in steps of an hour far back, then ten minutes, a minute and at last five seconds, which are
// the steps in which the ledger keeps them. Many objectives go through several engines, side by side.
func seed(dir string, history time.Duration, counted func(i int, at time.Time) (good, bad int64)) error {
	set, problems := spec.LoadGlobs([]string{"slo*.yaml"}, dir, spec.Options{ScrapeInterval: time.Second})
	if err := problems.Err(); err != nil {
		return err
	}
	db, err := storage.Open(filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	defer db.Close()
	now := time.Now()
	var wg sync.WaitGroup
	var storing sync.Mutex
	var failed error
	running := make(chan struct{}, runtime.GOMAXPROCS(0))
	for from := 0; from < len(set.Objectives); from += objectivesPerFile {
		part := set.Objectives[from:min(from+objectivesPerFile, len(set.Objectives))]
		running <- struct{}{}
		wg.Go(func() {
			defer func() { <-running }()
			all, err := seeded(part, from, now.Add(-history), now, counted)
			storing.Lock()
			defer storing.Unlock()
			if err == nil {
				err = all.save(db)
			}
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	return failed
}

// seeded returns what an engine with these objectives stores after the time from begin to now; first
// is the number of the first one's service.
func seeded(objectives []spec.Objective, first int, begin, now time.Time, counted func(i int, at time.Time) (good, bad int64)) (store, error) {
	var samples []collector.Sample
	for i := range objectives {
		for _, code := range []string{"200", "500"} {
			ls := labels.FromStrings("__name__", wanted, "service", "s"+strconv.Itoa(first+i), "code", code)
			samples = append(samples, collector.Sample{Series: collector.NewSeries(ls)})
		}
	}
	e := slo.New(slo.Options{Retention: retention})
	if err := e.Apply(objectives, begin, nil); err != nil {
		return nil, err
	}
	for at := begin; at.Before(now); {
		step := time.Hour
		for _, finer := range []struct{ within, step time.Duration }{{140 * time.Hour, 10 * time.Minute}, {14 * time.Hour, time.Minute}, {70 * time.Minute, 5 * time.Second}} {
			if now.Sub(at) < finer.within {
				step = finer.step
			}
		}
		at = at.Add(step)
		for i := range objectives {
			good, bad := counted(first+i, at)
			samples[2*i].Value, samples[2*i+1].Value = float64(good), float64(bad)
		}
		e.Observe(collector.Cycle{Target: "history", At: at, Interval: step, Samples: samples})
	}
	e.Observe(collector.Cycle{Target: "history", Gone: true})
	all := store{}
	return all, e.Checkpoint(all)
}

// healthy is a history in which nothing ever failed.
func healthy(history time.Duration) func(int, time.Time) (good, bad int64) {
	begin := time.Now().Add(-history)
	return func(_ int, at time.Time) (int64, int64) { return int64(rate * at.Sub(begin).Seconds()), 0 }
}

// store collects a checkpoint that is too large to be written at once.
type store map[string][]byte

func (s store) Set(key string, value []byte) { s[key] = value }

func (s store) Delete(key string) { delete(s, key) }

// save writes everything in order of keys, a part at a time.
func (s store) save(db storage.DB) error {
	for keys := range slices.Chunk(slices.Sorted(maps.Keys(s)), 50_000) {
		var b storage.Batch
		for _, key := range keys {
			b.Set(key, s[key])
		}
		if err := db.Apply(&b); err != nil {
			return err
		}
	}
	return nil
}

// services is a target with a good and a bad series for each of n services.
func services(n int) *target {
	return newTarget(func(look int64) []byte { return servicesBody(n, look) }, nil)
}

func servicesBody(n int, look int64) []byte {
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "%s{service=\"s%d\",code=\"200\"} %d\n%[1]s{service=\"s%[2]d\",code=\"500\"} %[4]d\n", wanted, i, look*5*rate, look/1000)
	}
	return b
}

const (
	month     = 30 * 24 * time.Hour  // the history that agents are given
	retention = 400 * 24 * time.Hour // the agent's default
)

// manyObjectives watches agents with one objective, with many, and with many that have a history,
// side by side.
func manyObjectives(ctx context.Context, p plan, dir string, t *table) error {
	info, err := os.Stat(p.binary)
	if err != nil {
		return fmt.Errorf("%w: build the agent first", err)
	}
	many := strconv.Itoa(p.count) + " objectives"
	var agents []*agent
	for i, c := range []struct {
		objectives int
		history    time.Duration
	}{{1, 0}, {p.count, 0}, {p.count, month}} {
		at := services(c.objectives)
		defer at.server.Close()
		sub := filepath.Join(dir, "many"+strconv.Itoa(i))
		s := settings{scrape: 5 * time.Second, evaluation: 5 * time.Second, objectives: c.objectives, addresses: []string{at.address()}}
		if err := s.write(sub); err != nil {
			return err
		}
		if c.history > 0 {
			if err := seed(sub, c.history, healthy(c.history)); err != nil {
				return fmt.Errorf("writing history: %w", err)
			}
		}
		a, err := restarted(ctx, p.binary, sub)
		if err != nil {
			return err
		}
		defer a.stop()
		if err := at.await(ctx, 2); err != nil { // settled: every series has been seen and sorted out
			return err
		}
		a.objectives = c.objectives
		agents = append(agents, a)
	}
	var before, after [3]time.Duration
	for _, moment := range []*[3]time.Duration{&before, &after} {
		if moment == &after {
			if err := wait(ctx, p.watch); err != nil {
				return err
			}
		}
		for i, a := range agents {
			if moment[i], err = a.cpu(); err != nil {
				return err
			}
		}
	}
	t.head("The agent as a process, scraping and evaluating every 5 s")
	t.row("binary", bytesText(float64(info.Size())), "", "")
	for i, what := range []string{"1 objective", many, many + ", 30 days of history"} {
		if err := agents[i].rows(t, what, (after[i]-before[i]).Seconds()/p.watch.Seconds()); err != nil {
			return err
		}
	}
	return nil
}

// rows adds what the agent took; cpu is the share of a core.
func (a *agent) rows(t *table, what string, cpu float64) error {
	memory, err := a.resident()
	if err != nil {
		return err
	}
	used := fmt.Sprintf("%.1f %% of a core", 100*cpu)
	if a.objectives > 1 {
		used += fmt.Sprintf(", %.2f ms an objective in 30 s", 30e3*cpu/float64(a.objectives))
	}
	t.row("start until ready, "+what, milliseconds(a.ready), "", "")
	t.row("resident memory, "+what, memory, "", "")
	t.row("CPU, "+what, used, "", "")
	return nil
}

// restarted starts the agent three times on the same data and leaves the last running, with the
// median of the times until ready.
func restarted(ctx context.Context, binary, dir string) (*agent, error) {
	var ready []float64
	for {
		a, err := start(ctx, binary, dir)
		if err != nil {
			return nil, err
		}
		if ready = append(ready, float64(a.ready)); len(ready) == 3 {
			a.ready = time.Duration(median(ready))
			return a, nil
		}
		a.stop()
	}
}

// receiver is a hook's receiver that tells when it was called.
func receiver(called chan<- time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case called <- time.Now():
		default: // only the first call is timed
		}
		w.WriteHeader(http.StatusOK)
	})
}

// restarts times the start of an agent with very many objectives and a month of history.
func restarts(ctx context.Context, p plan, dir string, t *table) error {
	dir = filepath.Join(dir, "restart")
	at := services(1)
	defer at.server.Close()
	s := settings{scrape: 5 * time.Second, evaluation: 5 * time.Second, objectives: p.huge, addresses: []string{at.address()}}
	if err := s.write(dir); err != nil {
		return err
	}
	if err := seed(dir, month, healthy(month)); err != nil {
		return fmt.Errorf("writing history: %w", err)
	}
	runtime.GC() // the history took much memory, which the agent may need
	debug.FreeOSMemory()
	var all []float64
	for range 3 {
		a, err := start(ctx, p.binary, dir)
		if err != nil {
			return err
		}
		memory, err := a.resident()
		a.stop()
		if err != nil {
			return err
		}
		if all = append(all, a.ready.Seconds()); len(all) == 3 {
			t.head("Restart with " + thousands(p.huge) + " objectives and 30 days of history")
			t.row("from the start of the process until ready", fmt.Sprintf("%.2f s, median of 3", median(all)),
				fmt.Sprintf("%.2f s to %.2f s", slices.Min(all), slices.Max(all)), "")
			t.row("resident memory when ready", memory, "", "")
		}
	}
	return nil
}
