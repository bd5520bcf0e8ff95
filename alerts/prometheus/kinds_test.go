package prometheus_test

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/spec"
)

// kinds are objectives of every kind on what counter shows.
func kinds(t *testing.T) map[string]alerts.Objective {
	out := map[string]alerts.Objective{}
	add := func(name string, i spec.Indicator, change func(o *spec.Objective)) {
		o := objective(name, 0.99, i)
		if change != nil {
			change(&o.Objective)
		}
		out[name] = o
	}
	slices := func(m spec.Method, target float64) func(*spec.Objective) {
		return func(o *spec.Objective) { o.Method, o.Slice, o.SliceTarget = m, time.Minute, target }
	}
	query := func(text string) spec.Selector { return *sel(t, text) }
	latency := spec.Indicator{Ratio: &spec.Ratio{Good: sel(t, `tx_seconds_bucket{le="0.5"}`), Total: sel(t, "tx_seconds_count"), Latency: true}}
	limit := spec.Indicator{Threshold: &spec.Threshold{Query: query("tx_queue"), Op: spec.LessThan, Value: 8}}
	told := spec.Indicator{RawRatio: &spec.RawRatio{Query: query("tx_success_ratio"), Success: true}}
	counters := ratio(t, "", `tx_total{outcome="bad"}`, "tx_total")
	add("latency", latency, nil)
	add("histogram", spec.Indicator{Histogram: &spec.Histogram{Query: query("tx_seconds"), Below: 0.5}}, nil)
	add("money", ratio(t, "", `tx_euros_total{outcome="bad"}`, "tx_euros_total"), func(o *spec.Objective) { o.Weight = &spec.Weight{Currency: "EUR", MinorUnit: 100} })
	add("limit", limit, nil)
	add("told", told, nil)
	add("told-of-events", spec.Indicator{RawRatio: &spec.RawRatio{Query: query("tx_success_ratio"), Success: true, Events: sel(t, "tx_events_total")}}, nil)
	add("limit-slices", limit, slices(spec.Timeslices, 0.9))
	add("limit-ratio-slices", limit, slices(spec.RatioTimeslices, 0))
	add("told-slices", told, slices(spec.Timeslices, 0.95))
	add("ratio-slices", counters, slices(spec.Timeslices, 0.95))
	add("ratio-ratio-slices", counters, slices(spec.RatioTimeslices, 0))
	add("latency-slices", latency, slices(spec.Timeslices, 0.9))
	add("presence", spec.Indicator{Presence: &spec.Presence{Query: query("tx_leader")}}, slices(spec.Timeslices, 0))
	add("floor", spec.Indicator{Traffic: &spec.Traffic{Total: query("tx_total"), AtLeastPerSecond: 0.7}}, slices(spec.Timeslices, 0))
	return out
}

// sell is one event as every kind of objective sees it.
func (w *world) sell(p *process) {
	add := func(p *process, n float64, name string, pairs ...string) {
		key := labels.MetricName + "|" + name
		for _, x := range pairs {
			key += "|" + x
		}
		p.counters[key] += n
	}
	bad := w.rng.IntN(25) == 0
	outcome, fast := "good", 1.0
	if bad {
		outcome, fast = "bad", 0
	}
	add(p, 1, "tx_total", "outcome", outcome)
	add(p, 0.1, "tx_euros_total", "outcome", outcome)
	add(p, fast, "tx_seconds_bucket", "le", "0.50")
	add(p, 1, "tx_seconds_bucket", "le", "+Inf")
	add(p, 1, "tx_seconds_count")
	add(p, 1, "tx_events_total")
	p.counters[labels.MetricName+"|tx_queue"] = float64(w.rng.IntN(9))
	p.counters[labels.MetricName+"|tx_success_ratio"] = 1 - float64(w.rng.IntN(3))/16
	if p.counters[labels.MetricName+"|tx_total|outcome|good"] < 600 {
		p.counters[labels.MetricName+"|tx_leader"] = 1
	} else {
		delete(p.counters, labels.MetricName+"|tx_leader")
	}
}

// What rules count of each kind of indicator is what the engine counts. A slice that is still open, or was judged
// before the rules began, is of no account; events that a ratio speaks for are whole to the engine and shared to rules.
func TestEveryKindCountsAsTheEngineDoes(t *testing.T) {
	all := kinds(t)
	var objs []alerts.Objective
	for _, o := range all {
		objs = append(objs, o)
	}
	w := newWorld(t, 5, 15*time.Second, objs...)
	w.calm = true
	// One process begins before what it counts, and is scraped at whole minutes and a little later.
	w.targets = []*process{{name: "pod-0", counters: map[string]float64{}}, {name: "pod-1", counters: map[string]float64{}}}
	const rounds = 360
	w.live(begin(), rounds, w.sell)
	end := begin().Add(rounds * w.every)
	for _, p := range w.targets { // what nobody scrapes any more is not counted twice
		p.down = 8
	}
	w.live(end, 8, func(*process) {})
	end = end.Add(3 * time.Minute)
	w.p.Until(end)
	engine, native := w.counted(end), w.recorded()
	for name, o := range all {
		want, got := engine[name], native[name]
		bad, total := 0.0, 0.0
		switch {
		case o.Indicator.Traffic != nil: // the engine spreads what came between two looks over both of their slices
			bad, total = 5, 1
		case o.Method != spec.Occurrences:
			bad, total = 1, 1
		case o.Indicator.RawRatio != nil:
			bad = 1
		}
		if math.Abs(got[0]-want[0]) > bad || math.Abs(got[1]-want[1]) > total || want[0] == 0 {
			t.Errorf("%s: the rules count %v bad and all, the engine %v", name, got, want)
		}
	}
}
