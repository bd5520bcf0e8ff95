package slo_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
)

// trace is a random history of several targets: births, resets, gaps, restarts, idle stretches.
type trace struct {
	rng     *rand.Rand
	counter []map[string]int64
	down    []int // looks still to miss
}

func newTrace(seed uint64, targets int) *trace {
	tr := &trace{rng: rand.New(rand.NewPCG(seed, 1))}
	for range targets {
		tr.counter = append(tr.counter, map[string]int64{"good": tr.rng.Int64N(1e6)})
		tr.down = append(tr.down, 0)
	}
	return tr
}

// step advances target i to instant d and returns the cycle that a scrape then sees.
func (tr *trace) step(i int, d time.Duration) collector.Cycle {
	r, counters := tr.rng, tr.counter[i]
	c := collector.Cycle{Target: collector.Target(fmt.Sprint("t", i)), At: at(d), Interval: interval}
	if r.IntN(3) > 0 {
		counters["good"] += r.Int64N(200)
	}
	if _, born := counters["bad"]; born || r.IntN(20) == 0 {
		counters["bad"] += r.Int64N(5)
	}
	if r.IntN(100) == 0 { // the process restarts: counters begin again, some labels are not back yet
		counters["good"] = r.Int64N(50)
		delete(counters, "bad")
	}
	if tr.down[i] == 0 && r.IntN(60) == 0 {
		tr.down[i] = 1 + r.IntN(200)
	}
	if tr.down[i] > 0 {
		tr.down[i]--
		c.Err = errors.New("down")
		return c
	}
	for name, s := range map[string]*collector.Series{"good": goodSeries, "bad": badSeries} {
		if v, ok := counters[name]; ok {
			c.Samples = append(c.Samples, collector.Sample{Series: s, Value: float64(v)})
		}
	}
	return c
}

// TestRestartEqualsOracle kills the engine at random moments. What it had not yet written is lost;
// the counters themselves ran on, so only the moment at which events are booked may differ: the
// counts over the whole history must not.
func TestRestartEqualsOracle(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			tr := newTrace(seed+100, 2)
			for i := range tr.counter { // born before the first look, and never restarting between looks
				tr.counter[i]["bad"] = 3
			}
			db := storage.NewMemory()
			f := newFeeder(t, ratio(0.999))
			want := map[string]int64{}
			base := []map[string]int64{nil, nil}
			for d := time.Duration(0); d <= 6*time.Hour; d += interval {
				for i, c := range tr.counter {
					c["good"] += tr.rng.Int64N(100)
					c["bad"] += tr.rng.Int64N(3)
					if base[i] == nil {
						base[i] = map[string]int64{"good": c["good"], "bad": c["bad"]}
					}
					f.Observe(collector.Cycle{Target: collector.Target(fmt.Sprint("t", i)), At: at(d), Interval: interval, Samples: []collector.Sample{
						{Series: goodSeries, Value: float64(c["good"])}, {Series: badSeries, Value: float64(c["bad"])}}})
				}
				if tr.rng.IntN(4) == 0 || d == 0 {
					checkpoint(t, f.Engine, db)
				}
				if tr.rng.IntN(40) == 0 {
					f = restart(t, db, at(d))
				}
			}
			for i, c := range tr.counter {
				want["good"] += c["good"] - base[i]["good"]
				want["bad"] += c["bad"] - base[i]["bad"]
			}
			f.wantEvents(6*time.Hour, float64(want["good"]), float64(want["bad"]))
		})
	}
}

func checkpoint(t *testing.T, e *slo.Engine, db storage.DB) {
	t.Helper()
	var b storage.Batch
	if err := e.Checkpoint(&b); err != nil {
		t.Fatal(err)
	}
	must(t, db.Apply(&b))
	e.Settle(nil)
}

func restart(t *testing.T, db storage.DB, now time.Time) feeder {
	t.Helper()
	e := slo.New(slo.Options{})
	must(t, e.Apply(ratioSet(), now, db.Scan))
	return feeder{e, t}
}

// TestCheckpointIsComplete: an engine restored after every checkpoint answers exactly like one that
// was never stopped.
func TestCheckpointIsComplete(t *testing.T) {
	for seed := range uint64(4) {
		tr := newTrace(seed+200, 3)
		db := storage.NewMemory()
		live := newFeeder(t, ratioSet()...)
		stopped := newFeeder(t, ratioSet()...)
		for d := time.Duration(0); d <= 30*time.Hour; d += interval {
			for i := range tr.counter {
				c := tr.step(i, d)
				live.Observe(c)
				stopped.Observe(c)
			}
			if d%(7*time.Minute) != 0 {
				continue
			}
			a, b := live.status(d), stopped.status(d)
			if fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", b) && a.State != slo.Unknown {
				t.Fatalf("seed %d at %v:\nnever stopped %+v\nrestored      %+v", seed, d, a, b)
			}
			if d%(21*time.Minute) == 0 {
				checkpoint(t, stopped.Engine, db)
				stopped = restart(t, db, at(d))
			}
		}
		// The set of targets that owe looks is known again once each has been tried; by now it is.
		if a, b := live.status(31*time.Hour), stopped.status(31*time.Hour); a.Events != b.Events || fmt.Sprint(a.BurnRates) != fmt.Sprint(b.BurnRates) {
			t.Errorf("seed %d: never stopped %+v, restored %+v", seed, a.BurnRates, b.BurnRates)
		}
	}
}

// TestCheckpointsLeaveNothingBehind: what the store holds is bounded by what the ledger keeps,
// however long it runs, and survives a change of the burn windows.
func TestCheckpointsLeaveNothingBehind(t *testing.T) {
	db := storage.NewMemory()
	f := newFeeder(t, ratio(0.999))
	most := 0
	for d := time.Duration(0); d <= 40*time.Hour; d += interval {
		f.tx(d, float64(10*d/interval), 0)
		if d%(10*time.Minute) == 0 {
			checkpoint(t, f.Engine, db)
			if n := stored(t, db); n > most {
				most = n
			}
		}
	}
	if limit := 4 * 40; most > limit { // four levels of at most 1,000 buckets, 32 to a value, and heads
		t.Errorf("store grew to %d keys, want at most %d", most, limit)
	}
	before := f.status(40 * time.Hour)
	e := slo.New(slo.Options{Tiers: []slo.TierRule{{Severity: "page", Long: 10 * time.Minute, Short: 30 * time.Second, BudgetRatio: 0.1}}})
	must(t, e.Apply(ratioSet(), at(40*time.Hour), db.Scan))
	if after := e.Evaluate(at(40 * time.Hour)); after[0].Events != before.Events {
		t.Errorf("with other windows: %+v, before %+v", after[0].Events, before.Events)
	}
	e.Observe(collector.Cycle{Target: "a", At: at(40*time.Hour + interval), Interval: interval, Samples: []collector.Sample{{Series: goodSeries, Value: 1e6}}})
	checkpoint(t, e, db)
	for range 2 { // what a first restore finds to be stale is gone after the next checkpoint
		e = slo.New(slo.Options{Tiers: []slo.TierRule{{Severity: "page", Long: 10 * time.Minute, Short: 30 * time.Second, BudgetRatio: 0.1}}})
		must(t, e.Apply(ratioSet(), at(41*time.Hour), db.Scan))
		checkpoint(t, e, db)
	}
	if n := stored(t, db); n > 4*40 {
		t.Errorf("after a change of windows the store holds %d keys", n)
	}
}

func stored(t *testing.T, db storage.DB) int {
	t.Helper()
	n := 0
	if err := db.Scan("slo/", func(string, []byte) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}
