package prometheus_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/testkit/promrules"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/spec"
)

// world is some targets that an agent and a Prometheus scrape at the same moments.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	engine  *slo.Engine
	p       *promrules.Prometheus
	every   time.Duration
	calm    bool // no new targets, restarts or failed scrapes
	targets []*process
}

// process is one target with its counters by labels in pairs; what it has not counted yet it does not show.
type process struct {
	name     string
	began    time.Time // its first scrape
	down     int       // scrapes that will fail
	counters map[string]float64
	shown    []labels.Labels
}

func newWorld(t *testing.T, seed uint64, every time.Duration, objs ...alerts.Objective) *world {
	t.Helper()
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 7)), engine: slo.New(slo.Options{}), every: every}
	var specs []spec.Objective
	for _, o := range objs {
		specs = append(specs, o.Objective)
	}
	if err := w.engine.Apply(specs, begin(), nil); err != nil {
		t.Fatal(err)
	}
	files, refused := prometheus.Native(objs, alerts.Options{ScrapeInterval: every, Interval: every})
	if len(refused) > 0 {
		t.Fatalf("refused: %+v", refused)
	}
	tiles := []string{prometheus.NativeTargetUp, prometheus.NativeObjectiveRatio, prometheus.NativeBadEvents(every), prometheus.NativeTotalEvents(every)}
	for i := range files {
		files[i].Groups = files[i].Groups[:1]
		g := &files[i].Groups[0]
		g.Rules = slices.DeleteFunc(g.Rules, func(r alerts.Rule) bool { return !slices.Contains(tiles, r.Record) })
	}
	w.p = promrules.New(t, files, begin())
	return w
}

// scrape looks at a target, with its process's counters, for both.
func (w *world) scrape(p *process, at time.Time) {
	c := collector.Cycle{Target: collector.Target(p.name), Group: "pay", At: at, Interval: w.every}
	up := labels.FromStrings(labels.MetricName, "up", "job", "pay", "instance", p.name)
	stale := func(keep []labels.Labels) {
		for _, ls := range p.shown {
			if !slices.ContainsFunc(keep, func(k labels.Labels) bool { return labels.Equal(k, ls) }) {
				w.p.Put(ls, at, math.Float64frombits(value.StaleNaN))
			}
		}
		p.shown = keep
	}
	if p.down > 0 {
		p.down--
		c.Err = fmt.Errorf("no answer")
		w.engine.Observe(c)
		w.p.Put(up, at, 0)
		stale(nil)
		return
	}
	w.p.Put(up, at, 1)
	var keep []labels.Labels
	for key, v := range p.counters {
		ls := labels.FromStrings(strings.Split(key, "|")...)
		c.Samples = append(c.Samples, collector.Sample{Series: collector.NewSeries(ls), Value: v})
		ls = labels.NewBuilder(ls).Set("job", "pay").Set("instance", p.name).Labels()
		keep = append(keep, ls)
		w.p.Put(ls, at, v)
	}
	stale(keep)
	w.engine.Observe(c)
}

// live lets time pass: requests come and fail, processes restart and count from zero, scrapes fail for up to
// four minutes, and new processes come.
func (w *world) live(from time.Time, rounds int, event func(p *process)) {
	for round := range rounds {
		if round%20 == 0 && len(w.targets) < 4 && !w.calm {
			w.targets = append(w.targets, &process{name: fmt.Sprintf("pod-%d", len(w.targets)), counters: map[string]float64{}})
		}
		for i, p := range w.targets {
			at := from.Add(time.Duration(round)*w.every + time.Duration(i)*w.every/5)
			if p.began.IsZero() {
				p.began = at
			}
			if at.Sub(p.began) > 2*w.every { // what is born with the target is its baseline
				for range w.rng.IntN(12) {
					event(p)
				}
			}
			switch chance := w.rng.IntN(80); {
			case w.calm:
			case chance == 0:
				for key := range p.counters {
					p.counters[key] = 0
				}
			case chance == 1:
				p.down = 1 + w.rng.IntN(int(4*time.Minute/w.every))
			}
			w.scrape(p, at)
		}
	}
}

// counted are the events of every objective and group since the beginning, by "name good bad".
func (w *world) counted(at time.Time) map[string][2]float64 {
	out := map[string][2]float64{}
	for _, s := range w.engine.Evaluate(at) {
		key := s.Name
		if s.Parent != "" {
			key = s.Parent + "/" + slo.GroupText(s.Group, ",")
		}
		out[key] = [2]float64{s.Counted.Bad, s.Counted.Good + s.Counted.Bad}
	}
	return out
}

// recorded are the sums of all tiles, likewise.
func (w *world) recorded() map[string][2]float64 {
	out := map[string][2]float64{}
	for i, metric := range []string{prometheus.NativeBadEvents(w.every), prometheus.NativeTotalEvents(w.every)} {
		w.p.Each(metric, func(ls labels.Labels, _ int64, v float64) {
			if ls.Get(labels.MetricName) != metric || math.IsNaN(v) {
				return
			}
			key := ls.Get(metricname.SLO)
			if g := ls.Get(metricname.Group); g != "" {
				key += "/" + g
			}
			sum := out[key]
			sum[i] += v
			out[key] = sum
		})
	}
	return out
}

// For counters of whole events the tiles add up to what the engine counts, to the event, whatever way the indicator is
// written: births, restarts, failed scrapes, new targets and groups. After any number of tiles that is so, and so it is
// for any window.
func TestTilesAddUpToWhatTheEngineCounts(t *testing.T) {
	t.Parallel()
	grouped := objective("grouped", 0.99, ratio(t, "", `tx_total{outcome="bad"}`, "tx_total"))
	grouped.GroupBy = &spec.GroupBy{Labels: []string{"region", "scheme"}, Max: 100, Expires: day}
	objs := []alerts.Objective{
		objective("bad-of-total", 0.99, ratio(t, "", `tx_total{outcome="bad"}`, "tx_total")),
		objective("good-of-total", 0.99, ratio(t, `tx_total{outcome="good"}`, "", "tx_total")),
		objective("good-and-bad", 0.99, ratio(t, `tx_total{outcome="good"}`, `tx_total{outcome="bad"}`, "")),
		grouped,
	}
	seeds, batches := uint64(3), 6
	if racing {
		seeds, batches = 1, 3
	}
	for seed := range seeds {
		w := newWorld(t, seed, 15*time.Second, objs...)
		from := begin()
		for range batches {
			const rounds = 40
			w.live(from, rounds, func(p *process) {
				outcome := "good"
				if w.rng.IntN(20) == 0 {
					outcome = "bad"
				}
				regions, schemes := []string{"eu", "us", "a, b", `c"d`}, []string{"sepa", ""}
				p.counters[labels.MetricName+"|tx_total|outcome|"+outcome+"|region|"+regions[min(w.rng.IntN(8), 3)]+"|scheme|"+schemes[w.rng.IntN(2)]]++
			})
			from = from.Add(rounds * w.every)
			at := from.Add(w.every) // the last scrapes have been seen by a tile
			w.p.Until(at)
			engine, native := w.counted(at), w.recorded()
			for key, want := range engine {
				if got := native[key]; got != want && !strings.Contains(key, `c\"d`) {
					t.Fatalf("seed %d, %s, until %v: tiles add up to %v bad and all, the engine counts %v", seed, key, at.Sub(begin()), got, want)
				}
			}
			for key := range native {
				if _, ok := engine[key]; !ok {
					t.Errorf("seed %d: the rules have %q, the engine has not", seed, key)
				}
			}
			from = at
		}
	}
}
