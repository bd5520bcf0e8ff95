package slo_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo"
)

// The engine against Prometheus' own arithmetic. `increase(x[W] anchored)` subtracts the last sample at or
// before now − W from the last one at or before now, adds up resets and extrapolates nothing: with far
// edges on the ledger's buckets that is the engine's window, to the event. Where the two differ:
//
//   - Births. What a series shows on its first sample is no increase to Prometheus, whenever it happened. To
//     the engine it is, on a target that was watched before.
//   - Absence. Prometheus looks back from now − W for the lookback time, five minutes; a series that has no
//     sample there begins anew with its first sample in the window, and what it grew by until then is
//     lost. The engine remembers the last value for a day.
//   - Gaps. Prometheus books what a gap brought at its end; the engine spreads it over the gap, be it that the
//     target was not seen or only the series. What a process has counted since it restarted is no older than
//     the last look that did not find it.

const lookback = 5 * time.Minute

// recording holds samples as Prometheus would have scraped them.
type recording struct {
	order  []string
	series map[string]*recorded
}

type recorded struct {
	labels []string
	at     []int64
	values []float64
	born   bool // on a target that was looked at before
}

func newRecording() *recording { return &recording{series: map[string]*recorded{}} }

func (r *recording) add(target string, s *collector.Series, at int64, v float64, watched bool) {
	key := target + s.Labels.String()
	one := r.series[key]
	if one == nil {
		if value.IsStaleNaN(v) {
			return
		}
		one = &recorded{born: watched}
		s.Labels.Range(func(l labels.Label) { one.labels = append(one.labels, l.Name, l.Value) })
		one.labels = append(one.labels, "instance", target)
		r.series[key] = one
		r.order = append(r.order, key)
	}
	one.at, one.values = append(one.at, at), append(one.values, v)
}

// Querier makes a recording a storage for PromQL.
func (r *recording) Querier(mint, maxt int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		set := &listed{next: -1}
		for _, key := range r.order {
			s := r.series[key]
			ls := labels.FromStrings(s.labels...)
			if !matchAll(matchers, ls) {
				continue
			}
			from, to := 0, len(s.at)
			for from < to && s.at[from] < mint {
				from++
			}
			for to > from && s.at[to-1] > maxt {
				to--
			}
			var points []chunks.Sample
			for i := from; i < to; i++ {
				points = append(points, point{s.at[i], s.values[i]})
			}
			set.all = append(set.all, storage.NewListSeries(ls, points))
		}
		return set
	}}, nil
}

// point is one sample of a float series.
type point struct {
	t int64
	f float64
}

func (p point) T() int64                    { return p.t }
func (point) ST() int64                     { return 0 }
func (p point) F() float64                  { return p.f }
func (point) H() *histogram.Histogram       { return nil }
func (point) FH() *histogram.FloatHistogram { return nil }
func (point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample         { return p }

func matchAll(matchers []*labels.Matcher, ls labels.Labels) bool {
	for _, m := range matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// listed is a set of series in memory.
type listed struct {
	all  []storage.Series
	next int
}

func (l *listed) Next() bool                        { l.next++; return l.next < len(l.all) }
func (l *listed) At() storage.Series                { return l.all[l.next] }
func (l *listed) Err() error                        { return nil }
func (l *listed) Warnings() annotations.Annotations { return nil }

// prometheus evaluates expressions as the newest Prometheus does, with its experimental range selectors.
type prometheus struct {
	t      *testing.T
	engine *promql.Engine
	data   *recording
}

func newPrometheus(t *testing.T, data *recording) prometheus {
	t.Helper()
	return prometheus{t, promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1 << 24, Timeout: time.Minute, LookbackDelta: lookback,
		Parser: parser.NewParser(parser.Options{EnableExtendedRangeSelectors: true}),
	}), data}
}

// ask returns the sum of an expression over all series; 0 if there is none.
func (p prometheus) ask(at time.Time, expr string) float64 {
	p.t.Helper()
	q, err := p.engine.NewInstantQuery(p.t.Context(), p.data, nil, "sum("+expr+")", at)
	must(p.t, err)
	defer q.Close()
	v, err := q.Exec(context.WithoutCancel(p.t.Context())).Vector()
	must(p.t, err)
	if len(v) == 0 {
		return 0
	}
	return v[0].F
}

// beyond is by how much the engine's count of one series in (at − w, at] goes beyond Prometheus'. All of it comes
// from the first sample in the window: whatever came later is the same to both.
func (r *recording) beyond(s *recorded, at time.Time, w time.Duration) float64 {
	edge, now := at.Add(-w).UnixMilli(), at.UnixMilli()
	last, lastAt := math.NaN(), int64(0)
	for i, v := range s.values {
		switch {
		case value.IsStaleNaN(v) || s.at[i] > now:
			continue
		case s.at[i] <= edge:
			last, lastAt = v, s.at[i]
			continue
		case math.IsNaN(last) && s.born:
			return v
		case math.IsNaN(last):
			return 0 // a baseline to both
		}
		grown := v - last
		if v < last {
			grown = v
		}
		engine, prometheus := grown, grown
		if lastAt <= edge-lookback.Milliseconds() {
			prometheus = 0
		}
		if gap := s.at[i] - lastAt; v >= last && 2*gap > 5*interval.Milliseconds() { // it was away: spread in whole events
			engine -= math.Floor(grown * float64(edge-lastAt) / float64(gap))
		}
		return engine - prometheus
	}
	return 0
}

func (r *recording) beyondOf(match *labels.Matcher, at time.Time, w time.Duration) float64 {
	sum := 0.0
	for _, s := range r.series {
		if match == nil || match.Matches(labels.FromStrings(s.labels...).Get(match.Name)) {
			sum += r.beyond(s, at, w)
		}
	}
	return sum
}

// shop is a few targets that work, restart and fail to answer now and then, but never for so long that it
// would be a gap.
type shop struct {
	rng     *rand.Rand
	good    []float64
	bad     []float64 // −1: no failure yet since it started
	missed  []bool
	watched []bool
}

func newShop(seed uint64, n int) *shop {
	return &shop{rng: rand.New(rand.NewPCG(seed, 23)), good: make([]float64, n), bad: make([]float64, n), missed: make([]bool, n), watched: make([]bool, n)}
}

// look lets target i work until d and be looked at by both.
func (sh *shop) look(i int, d time.Duration, f feeder, data *recording) {
	r := sh.rng
	if r.IntN(200) == 0 { // it restarts, and has no failures to show at first
		sh.good[i], sh.bad[i] = float64(r.IntN(50)), -1
	}
	sh.good[i] += float64(r.IntN(300) * r.IntN(2))
	if sh.bad[i] >= 0 || r.IntN(60) == 0 {
		sh.bad[i] = max(0, sh.bad[i]) + float64(r.IntN(4))
	}
	target, when := collector.Target(fmt.Sprint("t", i)), at(d).Add(time.Duration(137*i)*time.Millisecond)
	c := collector.Cycle{Target: target, At: when, Interval: interval}
	series := map[*collector.Series]float64{goodSeries: sh.good[i], badSeries: sh.bad[i]}
	if sh.missed[i] = !sh.missed[i] && r.IntN(50) == 0; sh.missed[i] {
		c.Err = context.DeadlineExceeded
		f.Observe(c)
		for s := range series {
			data.add(string(target), s, when.UnixMilli(), math.Float64frombits(value.StaleNaN), false)
		}
		return
	}
	for s, v := range series {
		if v < 0 {
			continue
		}
		c.Samples = append(c.Samples, collector.Sample{Series: s, Value: v})
		data.add(string(target), s, when.UnixMilli(), v, sh.watched[i])
	}
	sh.watched[i] = true
	f.Observe(c)
}

// TestEngineEqualsAnchoredIncrease compares each window, minute by minute, with what is known to differ taken
// out to the event.
func TestEngineEqualsAnchoredIncrease(t *testing.T) {
	windows := map[string]time.Duration{"5m": 5 * time.Minute, "30m": 30 * time.Minute, "1h": time.Hour, "2h": 2 * time.Hour, "6h": 6 * time.Hour}
	failed := labels.MustNewMatcher(labels.MatchEqual, "outcome", "bad")
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			f, data, sh := newFeeder(t, ratio(0.999)), newRecording(), newShop(seed, 3)
			for i := range sh.bad {
				sh.bad[i] = float64(sh.rng.IntN(3)) - 1
			}
			prom := newPrometheus(t, data)
			differed := 0
			for d := time.Duration(0); d <= 9*time.Hour; d += interval {
				if d > 0 && d%(11*time.Minute) == 0 {
					s := f.status(d)
					for text, w := range windows {
						more := data.beyondOf(nil, at(d), w)
						all := prom.ask(at(d), fmt.Sprintf("increase(tx[%s] anchored)", text)) + more
						moreBad := data.beyondOf(failed, at(d), w)
						bad := prom.ask(at(d), fmt.Sprintf(`increase(tx{outcome="bad"}[%s] anchored)`, text)) + moreBad
						if more != 0 {
							differed++
						}
						wantWindow(t, s, f, text, d, bad, all)
					}
				}
				for i := range sh.good {
					sh.look(i, d+time.Millisecond, f, data)
				}
			}
			if differed == 0 {
				t.Error("no series was born in any window: that births differ was not shown")
			}
		})
	}
}

func wantWindow(t *testing.T, s slo.Status, f feeder, text string, d time.Duration, bad, all float64) {
	t.Helper()
	want := 0.0
	if all > 0 {
		want = bad / all
	}
	points, err := f.History("pay", text, at(d-time.Second), at(d), 2)
	must(t, err)
	if got, _ := s.ErrorRatios.Get(text); got != want || points[1].Events != all {
		t.Fatalf("%s at %v: the engine has ratio %v of %v events, Prometheus %v bad of %v", text, at(d), got, points[1].Events, bad, all)
	}
}

// TestGapsDifferFromAnchoredIncrease: ten events a look, an outage of the network, all its events at the next
// look. Prometheus has them all in the last minute, or, once the outage is longer than its lookback time,
// none of them in a window that begins in it; the engine has the share of the outage that lies in
// the window. Over a window that holds the whole outage both agree.
func TestGapsDifferFromAnchoredIncrease(t *testing.T) {
	tests := map[string]struct {
		outage               time.Duration
		inTwoMinutes, inHour float64 // Prometheus
		engineInTwoMinutes   float64
	}{
		// Back at 34 min, now 35 min, and four looks since: 40 events. The outage brought 160, of which the engine has
		// the quarter that lies after 33 min.
		"four minutes": {outage: 4 * time.Minute, inTwoMinutes: 40 + 160, inHour: 1400, engineInTwoMinutes: 40 + 40},
		// It brought 800. Prometheus finds no sample from (28 min, 33 min] to subtract.
		"twenty minutes": {outage: 20 * time.Minute, inTwoMinutes: 40, inHour: 1400, engineInTwoMinutes: 40 + 40},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, data := newFeeder(t, ratio(0.999)), newRecording()
			now := 35 * time.Minute
			for d := time.Duration(0); d <= now; d += interval {
				if d > 34*time.Minute-tt.outage && d < 34*time.Minute {
					f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: interval, Err: context.DeadlineExceeded})
					continue
				}
				v := float64(10 * (d / interval))
				f.tx(d, v, -1)
				data.add("a", goodSeries, at(d).UnixMilli(), v, d > 0)
			}
			prom := newPrometheus(t, data)
			if got := prom.ask(at(now), "increase(tx[2m] anchored)"); got != tt.inTwoMinutes {
				t.Errorf("Prometheus counts %v in two minutes, want %v", got, tt.inTwoMinutes)
			}
			if got := prom.ask(at(now), "increase(tx[1h] anchored)"); got != tt.inHour {
				t.Errorf("Prometheus counts %v in an hour, want %v", got, tt.inHour)
			}
			for text, want := range map[string]float64{"2m": tt.engineInTwoMinutes, "1h": tt.inHour} {
				points, err := f.History("pay", text, at(now-time.Second), at(now), 2)
				must(t, err)
				if points[1].Events != want {
					t.Errorf("the engine counts %v in %s, want %v", points[1].Events, text, want)
				}
			}
		})
	}
}
