package slo_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

// with is the objective "pay" over another indicator.
func with(i spec.Indicator) spec.Objective {
	o := ratio(0.99)
	o.Indicator = i
	return o
}

// sliced is the same, judged by slices of a minute.
func sliced(i spec.Indicator, m spec.Method, sliceTarget float64) spec.Objective {
	o := with(i)
	o.Method, o.Slice, o.SliceTarget = m, time.Minute, sliceTarget
	return o
}

func below(limit float64) spec.Objective {
	return with(spec.Indicator{Histogram: &spec.Histogram{Query: *sel("__name__", "h"), Below: limit}})
}

// classic is one look at a histogram with the given cumulative counts for bounds 1, 2 and +Inf.
func (f feeder) classic(d time.Duration, one, two, inf float64) {
	var s []collector.Sample
	for i, le := range []string{"1", "2", "+Inf"} {
		s = append(s, collector.Sample{Series: series("__name__", "h_bucket", "le", le), Value: []float64{one, two, inf}[i]})
	}
	f.cycle(d, s...)
}

func TestClassicHistogramBetweenItsBounds(t *testing.T) {
	for _, tt := range []struct{ limit, good float64 }{
		{2, 60},    // a bound: exact
		{1.5, 50},  // half of the 20 between 1 and 2
		{1.33, 46}, // 46.6, whole events only
		{0.5, 20},  // half of the 40 below 1
	} {
		f := newFeeder(t, below(tt.limit))
		f.classic(0, 1000, 1000, 1000)
		f.classic(interval, 1040, 1060, 1100)
		f.wantEvents(interval, tt.good, 100-tt.good)
		f.classic(2*interval, 0, 0, 7) // restarted: seven slow ones
		f.wantEvents(2*interval, tt.good, 107-tt.good)
	}
}

// restarted is the engine after a checkpoint and a restart at moment d.
func (f feeder) restarted(d time.Duration, objectives ...spec.Objective) feeder {
	f.t.Helper()
	db := storage.NewMemory()
	var b storage.Batch
	must(f.t, f.Checkpoint(&b))
	must(f.t, db.Apply(&b))
	f.Settle(nil)
	again := slo.New(slo.Options{})
	must(f.t, again.Apply(objectives, at(d), db.Scan))
	return feeder{again, f.t}
}

func TestHistogramIsRestored(t *testing.T) {
	o := below(1.5)
	f := newFeeder(t, o)
	f.classic(0, 0, 0, 0)
	f.classic(interval, 4, 8, 10)
	g := f.restarted(interval, o)
	g.classic(2*interval, 8, 16, 20)
	g.wantEvents(2*interval, 12, 8)
}

func TestHistogramThatCannotTellMakesUnknown(t *testing.T) {
	f := newFeeder(t, below(3))
	f.classic(0, 0, 0, 0)
	f.classic(interval, 10, 10, 20)
	s := f.status(interval)
	if s.State != slo.Unknown || !strings.Contains(s.Problem, "no bucket at or above 3") {
		t.Errorf("state %s, problem %q", s.State, s.Problem)
	}
}

// native is one look at a native histogram: counts of the buckets (1, 2], (2, 4] and so on of schema 0.
func (f feeder) native(d time.Duration, hint histogram.CounterResetHint, counts ...float64) {
	h := &histogram.FloatHistogram{Schema: 0, CounterResetHint: hint, PositiveSpans: []histogram.Span{{Offset: 1, Length: uint32(len(counts))}}, PositiveBuckets: counts}
	for _, c := range counts {
		h.Count += c
	}
	f.cycle(d, collector.Sample{Series: series("__name__", "h"), Value: h.Count, Histogram: h})
}

func TestNativeHistogram(t *testing.T) {
	f := newFeeder(t, below(4))
	f.native(0, histogram.UnknownCounterReset, 100, 100, 100)
	f.native(interval, histogram.UnknownCounterReset, 110, 120, 130)
	f.wantEvents(interval, 30, 30)
	f.native(2*interval, histogram.UnknownCounterReset, 1, 2, 3) // restarted
	f.wantEvents(2*interval, 33, 33)
	// The geometric middle of (2, 4] is √8: half of that bucket's ten are below.
	f = newFeeder(t, below(math.Sqrt(8)))
	f.native(0, histogram.UnknownCounterReset, 0, 0, 0)
	f.native(interval, histogram.UnknownCounterReset, 10, 10, 10)
	f.wantEvents(interval, 15, 15)
}

func TestNativeHistogramThatMergesItsBuckets(t *testing.T) {
	f := newFeeder(t, below(4))
	fine := func(d time.Duration, schema int32, spans []histogram.Span, counts ...float64) {
		h := &histogram.FloatHistogram{Schema: schema, PositiveSpans: spans, PositiveBuckets: counts}
		for _, c := range counts {
			h.Count += c
		}
		f.cycle(d, collector.Sample{Series: series("__name__", "h"), Value: h.Count, Histogram: h})
	}
	// Schema 0 has (2, 4] and (4, 8]; schema -1 joins (1, 4] and (4, 16].
	fine(0, 0, []histogram.Span{{Offset: 2, Length: 2}}, 1000, 1000)
	fine(interval, -1, []histogram.Span{{Offset: 1, Length: 2}}, 1010, 1003)
	f.wantEvents(interval, 10, 3)
}

func TestGaugeHistogramNeedsSlices(t *testing.T) {
	f := newFeeder(t, below(4))
	f.native(0, histogram.GaugeType, 1, 1, 1)
	if s := f.status(0); !strings.Contains(s.Problem, "gauge histogram") {
		t.Errorf("problem %q", s.Problem)
	}
	f = newFeeder(t, sliced(below(4).Indicator, spec.Timeslices, 0.9))
	for d := time.Duration(0); d <= 4*time.Minute; d += interval {
		late := 0.0
		if d > time.Minute && d <= 2*time.Minute {
			late = 50
		}
		f.native(d, histogram.GaugeType, 50, 50, late)
	}
	f.wantEvents(4*time.Minute, 2, 1) // the slices that ended by then, less the two intervals that may still come
}

func TestRawRatio(t *testing.T) {
	raw := spec.Indicator{RawRatio: &spec.RawRatio{Query: *sel("__name__", "success_ratio"), Success: true}}
	gauge := func(v float64) collector.Sample {
		return collector.Sample{Series: series("__name__", "success_ratio"), Value: v}
	}
	f := newFeeder(t, with(raw))
	f.cycle(0, gauge(1))
	f.cycle(interval, gauge(0.75))
	f.wantEvents(interval, 1.75, 0.25)
	f.cycle(2*interval, gauge(1.5)) // not a ratio
	if s := f.wantEvents(2*interval, 1.75, 0.25); f.Rejected().Implausible != 1 {
		t.Errorf("rejected %+v, %+v", f.Rejected(), s)
	}
	// With a counter beside it, it speaks for that many events: 2 of 8 failed, then 30 of 40.
	raw.RawRatio.Success, raw.RawRatio.Events = false, sel("__name__", "calls")
	f = newFeeder(t, with(raw))
	calls := func(v float64) collector.Sample {
		return collector.Sample{Series: series("__name__", "calls"), Value: v}
	}
	f.cycle(0, gauge(0.5), calls(100))
	f.cycle(interval, gauge(0.25), calls(108))
	f.wantEvents(interval, 6, 2)
	f.cycle(2*interval, gauge(0.75), calls(148))
	f.wantEvents(2*interval, 16, 32)
	// One in two thousand fails, a hundred events a look: rests of events add up.
	f = newFeeder(t, with(raw))
	for d := time.Duration(0); d <= 200*interval; d += interval {
		f.cycle(d, gauge(0.0005), calls(100*float64(d/interval)))
	}
	f.wantEvents(200*interval, 19990, 10)
	// By slices, every slice by the mean of its samples.
	raw.RawRatio.Success, raw.RawRatio.Events = true, nil
	f = newFeeder(t, sliced(raw, spec.RatioTimeslices, 0))
	for d := interval; d <= 3*time.Minute; d += interval {
		f.cycle(d, gauge(map[bool]float64{true: 0.5, false: 1}[d <= time.Minute]))
	}
	f.wantEvents(3*time.Minute, 1.5, 0.5)
	// Slices that all fail just what may fail leave nothing, and not a crumb of it.
	o := sliced(raw, spec.RatioTimeslices, 0)
	o.Target = 0.9
	f = newFeeder(t, o)
	for d := interval; d <= 12*time.Minute; d += interval {
		f.cycle(d, gauge(0.9))
	}
	if s := f.status(12 * time.Minute); s.ErrorBudget.RemainingRatio != 0 || s.State != slo.Exhausted {
		t.Errorf("%+v left, %s", s.ErrorBudget.RemainingRatio, s.State)
	}
}

func TestPresence(t *testing.T) {
	o := sliced(spec.Indicator{Presence: &spec.Presence{Query: *sel("__name__", "batch_last_run")}}, spec.Timeslices, 1)
	f := newFeeder(t, o)
	there := collector.Sample{Series: series("__name__", "batch_last_run"), Value: 1}
	for d := interval; d <= 10*time.Minute; d += interval {
		switch {
		case d > 8*time.Minute: // nobody looks: nothing is known
		case d > 4*time.Minute && d <= 6*time.Minute:
			f.cycle(d)
		default:
			f.cycle(d, there)
		}
	}
	f.wantEvents(10*time.Minute, 6, 2)
}

func TestAmountsCountInMinorUnits(t *testing.T) {
	o := ratio(0.99)
	o.Weight = &spec.Weight{Currency: "EUR", MinorUnit: 100}
	f := newFeeder(t, o)
	f.tx(0, 0.1, 0.2)
	f.tx(interval, 1000.29, 0.2)
	f.tx(2*interval, 1000.3, 12.55)
	s := f.wantEvents(2*interval, 100020, 1235)
	if s.Currency != "EUR" || len(s.Tiers) != 4 { // amounts are no events, so there is no fast tier
		t.Errorf("currency %q, tiers %d", s.Currency, len(s.Tiers))
	}
}

func TestOneLargePaymentIsNoReasonToPage(t *testing.T) {
	o := ratio(0.99)
	o.Weight = &spec.Weight{Currency: "EUR", MinorUnit: 100}
	f := newFeeder(t, o)
	var n [2]float64
	f.run(0, 3*time.Hour, &n, 10, 0)
	// However large it is, one look with failures is chance, and so are two.
	for i := range 4 {
		d := 3*time.Hour + time.Duration(i)*interval
		f.run(d, d+interval, &n, 10, 5000)
		s := f.status(d)
		if fires, want := len(s.Firing) > 0, i >= 2; fires != want {
			t.Errorf("look %d: fires %v, want %v (%s)", i+1, fires, want, s.Tiers[0].Why)
		}
		if !strings.Contains(s.Tiers[0].Why, "minor units of EUR") {
			t.Errorf("look %d: %s", i+1, s.Tiers[0].Why)
		}
	}
	g := f.restarted(3*time.Hour+4*interval, o)
	n[0] += 10
	g.tx(3*time.Hour+4*interval, n[0], n[1])
	if s := g.status(3*time.Hour + 4*interval); len(s.Firing) == 0 {
		t.Errorf("after a restart nothing fires: %s", s.Tiers[0].Why)
	}
}

func TestSlicesWeighTheMoneyThatMoved(t *testing.T) {
	o := sliced(spec.Indicator{Threshold: &spec.Threshold{Query: *sel("__name__", "queue"), Op: spec.LessThan, Value: 10}}, spec.Timeslices, 1)
	o.Weight = &spec.Weight{Currency: "JPY", MinorUnit: 1, By: sel("__name__", "moved")}
	f := newFeeder(t, o)
	moved := 0.0
	for d := interval; d <= 5*time.Minute; d += interval {
		queue := 5.0
		if d > time.Minute && d <= 2*time.Minute {
			queue, moved = 50, moved+1000
		} else {
			moved++
		}
		f.cycle(d, collector.Sample{Series: series("__name__", "queue"), Value: queue}, collector.Sample{Series: series("__name__", "moved"), Value: moved})
	}
	// Slices (0, 1 m] less the baseline, (1 m, 2 m] with 4,000 yen, (2 m, 3 m], (3 m, 4 m].
	f.wantEvents(5*time.Minute, 3+4+4, 4000)
}

func grouped(max int) spec.Objective {
	o := ratio(0.99)
	o.GroupBy = &spec.GroupBy{Labels: []string{"region"}, Max: max, Expires: 6 * time.Hour}
	return o
}

func region(name, outcome string, v float64) collector.Sample {
	return collector.Sample{Series: series("__name__", "tx", "outcome", outcome, "region", name), Value: v}
}

// names joins what Evaluate says of each objective.
func (f feeder) names(d time.Duration) string {
	var out []string
	for _, s := range f.Evaluate(at(d)) {
		out = append(out, fmt.Sprintf("%s %v/%v", s.Name, s.Events.Good, s.Events.Bad))
	}
	return strings.Join(out, ", ")
}

func TestGroupsHaveBudgetsOfTheirOwn(t *testing.T) {
	f := newFeeder(t, grouped(2))
	f.cycle(0, region("eu", "good", 100))
	f.cycle(interval, region("eu", "good", 110), region("eu", "bad", 1), region("us", "good", 5)) // us is born: from zero
	if got, want := f.names(interval), "pay 15/1, pay[region=eu] 10/1, pay[region=us] 5/0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	f.cycle(2*interval, region("eu", "good", 110), region("us", "good", 5), region("ap", "bad", 7)) // one too many
	if got, want := f.names(2*interval), "pay 15/8, pay[region=eu] 10/1, pay[region=us] 5/0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// Before us was born nothing happened in it; what happened in eu before the first look is not known.
	if s := f.Evaluate(at(2 * interval)); s[2].Filled != s[0].Filled || s[0].Filled == 0 {
		t.Errorf("us is known for %v, the whole for %v", s[2].Filled, s[0].Filled)
	}
	if s := f.Evaluate(at(2 * interval)); !strings.Contains(s[0].Problem, "more groups") || s[1].Parent != "pay" || s[1].Group["region"] != "eu" {
		t.Errorf("got %+v", s[:2])
	}
	g := f.restarted(2*interval, grouped(2))
	g.cycle(3*interval, region("eu", "good", 111), region("us", "good", 6))
	if got, want := g.names(3*interval), "pay 17/8, pay[region=eu] 11/1, pay[region=us] 6/0"; got != want {
		t.Errorf("restored: got %s, want %s", got, want)
	}
	// us vanishes; six hours later it is forgotten, and there is room for another.
	for d := 4 * interval; d <= 8*time.Hour; d += interval {
		g.cycle(d, region("eu", "good", 111))
		if d%(10*time.Minute) == 0 {
			g.Evaluate(at(d))
		}
	}
	g.cycle(8*time.Hour+interval, region("eu", "good", 111), region("sa", "good", 3))
	if got, want := g.names(8*time.Hour+interval), "pay 20/8, pay[region=eu] 11/1, pay[region=sa] 3/0"; got != want {
		t.Errorf("later: got %s, want %s", got, want)
	}
	g = g.restarted(8*time.Hour+interval, grouped(2))
	if got, want := g.names(8*time.Hour+interval), "pay 20/8, pay[region=eu] 11/1, pay[region=sa] 3/0"; got != want {
		t.Errorf("restored again: got %s, want %s", got, want)
	}
}

func office(t *testing.T) *calendar.Business {
	b := &calendar.Business{Name: "office", Location: time.UTC}
	for day := time.Monday; day <= time.Friday; day++ {
		b.Week[day] = []calendar.Session{{From: 9 * 60, To: 17 * 60}}
	}
	must(t, b.Validate())
	return b
}

func TestOutsideTheCalendarIsExcluded(t *testing.T) {
	o := ratio(0.99)
	o.Calendar = office(t)
	f := newFeeder(t, o)
	n := 0.0
	for d := 8 * time.Hour; d <= 18*time.Hour; d += interval { // a Monday
		n++
		f.tx(d, n, 0)
	}
	s := f.wantEvents(18*time.Hour, 8*240, 0)
	if s.Events.Excluded != 480 || s.Coverage != 1 {
		t.Errorf("excluded %v, coverage %v", s.Events.Excluded, s.Coverage)
	}
	// Over the night the agent is down. A gap is spread evenly over 15 hours until 09:00 and one of business.
	f.tx(24*time.Hour+10*time.Hour, n+1600, 0)
	s = f.wantEvents(34*time.Hour, 8*240+100, 0)
	if s.Events.Excluded != 480+1500 {
		t.Errorf("excluded %v", s.Events.Excluded)
	}
	if want := 8.0 / 9; math.Abs(s.Coverage-want) > 1e-9 { // of nine hours of business one was not observed
		t.Errorf("coverage %v, want %v", s.Coverage, want)
	}
}
