package slo_test

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
)

// The oracle: raw samples in, counts out, by the rules of the design read literally and worked out
// with big integers over every sample. It shares nothing with the engine and is slow on purpose.

type raw struct {
	at, value int64 // milliseconds; events
}

type oracleTarget struct {
	looks  []int64 // successful looks
	series map[string][]raw
}

type booking struct {
	from, to, n int64
}

func (o *oracleTarget) bookings(name string, intervalMs int64) []booking {
	var out []booking
	add := func(from, to, n int64) {
		if to-from <= 2*intervalMs {
			from = to
		}
		out = append(out, booking{from, to, n})
	}
	samples := o.series[name]
	for i, s := range samples {
		switch {
		case i > 0 && s.value >= samples[i-1].value:
			add(samples[i-1].at, s.at, s.value-samples[i-1].value)
		case i > 0: // reset
			add(samples[i-1].at, s.at, s.value)
		case s.at > o.looks[0]: // born on a target looked at before
			before := o.looks[0]
			for _, l := range o.looks {
				if l < s.at {
					before = l
				}
			}
			add(before, s.at, s.value)
		}
	}
	return out
}

// in counts what of b lies in (edge, now].
func (b booking) in(edge int64) int64 {
	switch {
	case b.to <= edge:
		return 0
	case b.from >= edge || b.from == b.to:
		return b.n
	}
	before := new(big.Int).Mul(big.NewInt(b.n), big.NewInt(edge-b.from))
	before.Quo(before, big.NewInt(b.to-b.from))
	return b.n - before.Int64()
}

// trace is a random history of several targets: births, resets, gaps, restarts, idle stretches.
type trace struct {
	rng     *rand.Rand
	targets []*oracleTarget
	counter []map[string]int64
	down    []int // looks still to miss
}

func newTrace(seed uint64, targets int) *trace {
	tr := &trace{rng: rand.New(rand.NewPCG(seed, 1))}
	for range targets {
		tr.targets = append(tr.targets, &oracleTarget{series: map[string][]raw{}})
		tr.counter = append(tr.counter, map[string]int64{"good": tr.rng.Int64N(1e6)})
		tr.down = append(tr.down, 0)
	}
	return tr
}

// step advances target i to instant d and returns the cycle that a scrape then sees.
func (tr *trace) step(i int, d time.Duration) collector.Cycle {
	r, counters, o := tr.rng, tr.counter[i], tr.targets[i]
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
	now := c.At.UnixMilli()
	o.looks = append(o.looks, now)
	for name, s := range map[string]*collector.Series{"good": goodSeries, "bad": badSeries} {
		if v, ok := counters[name]; ok {
			o.series[name] = append(o.series[name], raw{now, v})
			c.Samples = append(c.Samples, collector.Sample{Series: s, Value: float64(v)})
		}
	}
	return c
}

// count sums a series over all targets in the window that ends now.
func (tr *trace) count(name string, now time.Time, w time.Duration) int64 {
	var n int64
	for _, o := range tr.targets {
		for _, b := range o.bookings(name, interval.Milliseconds()) {
			n += b.in(now.Add(-w).UnixMilli())
		}
	}
	return n
}

func (tr *trace) check(t *testing.T, s slo.Status, now time.Time) {
	t.Helper()
	windows := map[string]time.Duration{"5m": 5 * time.Minute, "30m": 30 * time.Minute, "1h": time.Hour, "2h": 2 * time.Hour, "6h": 6 * time.Hour, "1d": 24 * time.Hour, "3d": 72 * time.Hour, "30d": 720 * time.Hour}
	for text, w := range windows {
		good, bad := tr.count("good", now, w), tr.count("bad", now, w)
		want := 0.0
		if good+bad > 0 {
			want = float64(bad) / float64(good+bad)
		}
		if got, _ := s.ErrorRatios.Get(text); got != want {
			t.Fatalf("%v, window %s: ratio %v, the oracle counts %d bad of %d = %v", now, text, got, bad, good+bad, want)
		}
		if text == "30d" && (s.Events.Good != float64(good) || s.Events.Bad != float64(bad)) {
			t.Fatalf("%v: good %v bad %v, the oracle counts %d and %d", now, s.Events.Good, s.Events.Bad, good, bad)
		}
	}
}

// TestEngineEqualsOracle compares every window at whole hours, where all bucket edges coincide with
// window edges, bit for bit. Half of the runs are interrupted by restarts that lose everything
// since the last checkpoint, as a killed process does.
func TestEngineEqualsOracle(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			tr := newTrace(seed, 1+int(seed%4))
			f := newFeeder(t, ratio(0.999))
			for d := time.Duration(0); d <= 80*time.Hour; d += interval {
				for i := range tr.targets {
					f.Observe(tr.step(i, d))
				}
				if d%time.Hour == 0 && d > 0 {
					s := f.status(d)
					if d%(5*time.Hour) == 0 {
						tr.check(t, s, at(d))
					}
				}
			}
		})
	}
}

// TestRestartEqualsOracle kills the engine at random moments. What it had not yet written is lost;
// the counters themselves ran on, so only the moment at which events are booked may differ: the
// counts over the whole history must not.
func TestRestartEqualsOracle(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			tr := newTrace(seed+100, 2)
			for i := range tr.targets { // born before the first look, and never restarting between looks
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
			for i := range tr.targets {
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
