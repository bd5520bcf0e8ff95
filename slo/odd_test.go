package slo_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

func TestAmountsBeyondWhatAFloatCountsSingly(t *testing.T) {
	o := ratio(0.99)
	o.Weight = &spec.Weight{Currency: "IDR", MinorUnit: 100}
	f := newFeeder(t, o)
	const day = 24e12 // rupiah of one day in a national instant payment system
	n := 0.0
	for i := range 6 * 24 {
		d := time.Duration(i) * time.Hour
		f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: time.Hour, Samples: []collector.Sample{{Series: goodSeries, Value: n}, {Series: badSeries, Value: 0}}})
		n += day / 24
		if s := f.status(d); f.Rejected().Implausible > 0 {
			t.Fatalf("after %v: rejected %+v state %s %s %s", d, f.Rejected(), s.State, s.Reason, s.Problem)
		}
	}
}

func TestBucketsReadAMomentApart(t *testing.T) {
	f := newFeeder(t, below(2))
	f.classic(0, 0, 0, 0)
	f.classic(interval, 9, 9, 10)     // +Inf counted already, le=2 not yet
	f.classic(2*interval, 20, 20, 20) // all are below 2
	f.wantEvents(2*interval, 20, 0)
}

func TestBucketMissingOnce(t *testing.T) {
	f := newFeeder(t, below(1.5))
	b := func(le string, v float64) collector.Sample {
		return collector.Sample{Series: series("__name__", "h_bucket", "le", le), Value: v}
	}
	f.cycle(0, b("1", 0), b("2", 0), b("4", 0), b("+Inf", 0))
	f.cycle(interval, b("1", 1e6), b("2", 1e6), b("4", 2e6), b("+Inf", 2e6))
	f.cycle(2*interval, b("1", 1e6+100), b("2", math.NaN()), b("4", 2e6+100), b("+Inf", 2e6+100))
	f.cycle(3*interval, b("1", 1e6+200), b("2", 1e6+200), b("4", 2e6+200), b("+Inf", 2e6+200))
	f.wantEvents(3*interval, 1e6+200, 1e6)
}

func TestTwoHistogramsOnOneTarget(t *testing.T) {
	look := func(f feeder, d time.Duration, order []string, n float64, brk string) {
		var s []collector.Sample
		for _, p := range order {
			for _, le := range []string{"1", "2", "+Inf"} {
				if p == brk && le == "+Inf" {
					continue
				}
				s = append(s, collector.Sample{Series: series("__name__", "h_bucket", "path", p, "le", le), Value: n})
			}
		}
		f.cycle(d, s...)
	}
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		f := newFeeder(t, below(2))
		look(f, 0, order, 0, "")
		look(f, interval, order, 10, "b")
		s := f.status(interval)
		if s.Problem == "" {
			t.Errorf("order %v: nothing is said of b", order)
		}
		look(f, 2*interval, order, 20, "")
		f.wantEvents(2*interval, 40, 0)
	}
}

func TestNativeResetHiddenByTheCount(t *testing.T) {
	f := newFeeder(t, below(4))
	f.native(0, histogram.UnknownCounterReset, 0, 0, 0)
	f.native(interval, histogram.UnknownCounterReset, 10, 0, 0)
	f.native(2*interval, histogram.UnknownCounterReset, 0, 0, 50) // restarted: buckets fell, the count did not
	f.wantEvents(2*interval, 10, 50)
	f = newFeeder(t, below(4))
	f.native(0, histogram.UnknownCounterReset, 0, 0, 0)
	f.native(interval, histogram.UnknownCounterReset, 10, 0, 0)
	f.native(2*interval, histogram.CounterReset, 20, 0, 0) // the exporter says so itself
	f.wantEvents(2*interval, 30, 0)
}

func TestNativeMergesDuringARestart(t *testing.T) {
	o := below(2)
	f := newFeeder(t, o)
	look := func(f feeder, d time.Duration, schema int32, off int32, counts ...float64) {
		h := &histogram.FloatHistogram{Schema: schema, PositiveSpans: []histogram.Span{{Offset: off, Length: uint32(len(counts))}}, PositiveBuckets: counts}
		for _, c := range counts {
			h.Count += c
		}
		f.cycle(d, collector.Sample{Series: series("__name__", "h"), Value: h.Count, Histogram: h})
	}
	look(f, 0, 0, 1, 1e6, 1000)        // (1,2] a million fast ones, (2,4] a thousand slow ones
	look(f, interval, 0, 1, 1e6, 1000) // nothing new
	g := f.restarted(interval, o)
	look(g, 2*interval, -1, 1, 1e6+1000+100) // (1,4]: a hundred more, all fast
	s := g.status(2 * interval)
	look(f, 2*interval, -1, 1, 1e6+1000+100)
	if s.Events != f.status(2*interval).Events {
		t.Error("differ")
	}
}

func TestSummaryInsteadOfHistogram(t *testing.T) {
	f := newFeeder(t, below(2))
	for d := time.Duration(0); d <= time.Hour; d += interval {
		f.cycle(d, collector.Sample{Series: series("__name__", "h", "quantile", "0.5"), Value: 99})
	}
	s := f.status(time.Hour)
	if s.Observed {
		t.Errorf("observed, though there is no histogram: %s %q %q %+v", s.State, s.Reason, s.Problem, s.Events)
	}
}

func TestRawRatiosSpeakForTheEventsOfTheirLabels(t *testing.T) {
	o := with(spec.Indicator{RawRatio: &spec.RawRatio{Query: *sel("__name__", "success_ratio"), Success: true, Events: sel("__name__", "calls")}})
	o.GroupBy = &spec.GroupBy{Labels: []string{"region"}, Max: 5, Expires: time.Hour}
	f := newFeeder(t, o)
	look := func(d time.Duration, eu, us float64) {
		f.cycle(d, collector.Sample{Series: series("__name__", "success_ratio", "region", "eu"), Value: 1}, collector.Sample{Series: series("__name__", "success_ratio", "region", "us"), Value: 0},
			collector.Sample{Series: series("__name__", "calls", "region", "eu"), Value: eu}, collector.Sample{Series: series("__name__", "calls", "region", "us"), Value: us})
	}
	look(0, 0, 0)
	look(interval, 1000, 2)
	if got, want := f.names(interval), "pay 1000/2, pay[region=eu] 1000/0, pay[region=us] 0/2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWeightInALookWithoutEvents(t *testing.T) {
	o := sliced(ratio(0.99).Indicator, spec.Timeslices, 0.9)
	o.Weight = &spec.Weight{Currency: "EUR", MinorUnit: 1, By: sel("__name__", "moved")}
	f := newFeeder(t, o)
	look := func(d time.Duration, n, moved float64) {
		f.cycle(d, collector.Sample{Series: goodSeries, Value: n}, collector.Sample{Series: badSeries, Value: 0}, collector.Sample{Series: series("__name__", "moved"), Value: moved})
	}
	look(0, 0, 0)
	look(interval, 10, 0) // the total is counted when a payment begins, the amount when it is done
	look(2*interval, 10, 1000)
	for d := 3 * interval; d < 5*time.Minute; d += interval {
		look(d, 10, 1000)
	}
	f.wantEvents(5*time.Minute, 1000, 0)
}

func TestTrafficWeighed(t *testing.T) {
	o := sliced(spec.Indicator{Traffic: &spec.Traffic{Total: *sel("__name__", "tx"), AtLeastPerSecond: 1}}, spec.Timeslices, 1)
	o.Weight = &spec.Weight{Currency: "EUR", MinorUnit: 1, By: sel("__name__", "moved")}
	f := newFeeder(t, o)
	for d := time.Duration(0); d < 5*time.Minute; d += interval {
		f.cycle(d, collector.Sample{Series: goodSeries, Value: 100 * d.Seconds()}, collector.Sample{Series: series("__name__", "moved"), Value: 10 * d.Seconds()})
	}
	s := f.status(5 * time.Minute)
	if s.Events.Good == 0 {
		t.Errorf("%+v", s.Events)
	}
}

func TestExhaustionEndsWithThePeriod(t *testing.T) {
	o := ratio(0.99)
	o.Window = spec.Window{Text: "1M", Length: 30 * 24 * time.Hour, Unit: spec.Month, Count: 1, Anchor: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Location: time.UTC}
	f := newFeeder(t, o)
	var n [2]float64
	start := 27 * 24 * time.Hour // 29 March
	f.run(start, start+10*time.Hour, &n, 1000, 0)
	f.run(start+10*time.Hour, start+12*time.Hour, &n, 980, 20)
	s := f.status(start + 12*time.Hour - interval)
	if e := s.ErrorBudget.ExhaustsAt; e != nil && e.After(time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("exhausts at %v, after the budget is new", e)
	}
}

func TestCoverageOfAGapInACalendar(t *testing.T) {
	o := ratio(0.99)
	o.Calendar = office(t)
	o.Window = rolling("12h", 12*time.Hour)
	f := newFeeder(t, o)
	n := 0.0
	for d := 8 * time.Hour; d <= 17*time.Hour; d += interval {
		n++
		f.tx(d, n, 0)
	}
	// down from Monday 17:00 to Tuesday 13:00; asked Tuesday 13:00 for the last 12 h, of which 4 h were owed, none seen
	for d := 37 * time.Hour; d < 37*time.Hour+interval; d += interval {
		n++
		f.tx(d, n, 0)
	}
	var s slo.Status
	for d := 37*time.Hour + interval; d < 38*time.Hour; d += interval {
		n++
		f.tx(d, n, 0)
	}
	s = f.status(38*time.Hour - interval)
	if math.Abs(s.Coverage-0.2) > 0.001 { // of five hours one was observed
		t.Errorf("coverage %v, want 0.2", s.Coverage)
	}
}

// gaugeBelow80 counts each sample of the gauge g.
func gaugeBelow80() spec.Objective {
	return spec.Objective{
		Name: "sat", Target: 0.99, Method: spec.Occurrences, Window: rolling("30d", 30*24*time.Hour),
		Indicator: spec.Indicator{Threshold: &spec.Threshold{Query: *sel("__name__", "g"), Op: spec.LessThan, Value: 0.8}},
	}
}

// TestTimestampsFromBeforeTheFirstLook: a window that begins between an old sample and the first look does
// not hold it, whichever target is looked at first.
func TestTimestampsFromBeforeTheFirstLook(t *testing.T) {
	g := series("__name__", "g")
	for name, order := range map[string][]collector.Target{"the old one second": {"new", "old"}, "the old one first": {"old", "new"}} {
		t.Run(name, func(t *testing.T) {
			f := newFeeder(t, gaugeBelow80())
			for _, target := range order {
				s := collector.Sample{Series: g, Value: 0.9}
				if target == "old" {
					s = collector.Sample{Series: g, Value: 0.5, AtMs: at(-50 * time.Minute).UnixMilli()}
				}
				f.Observe(collector.Cycle{Target: target, At: at(0), Interval: interval, Samples: []collector.Sample{s}})
			}
			s := f.wantEvents(time.Minute, 1, 1)
			for window, want := range map[string]float64{"30m": 1, "1h": 0.5} {
				if got, _ := s.ErrorRatios.Get(window); got != want {
					t.Errorf("error ratio over %s is %v, want %v", window, got, want)
				}
			}
		})
	}
}

// TestTimestampsFromBeforeThePeriod: the agent is told of the objective just after midnight in Kolkata, which no
// coarse bucket ends at, and a sample from before midnight belongs to the day before.
func TestTimestampsFromBeforeThePeriod(t *testing.T) {
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	must(t, err)
	midnight := time.Date(2026, 3, 3, 0, 0, 0, 0, kolkata)
	o := gaugeBelow80()
	o.Window = spec.Window{Text: "1d", Length: 24 * time.Hour, Unit: spec.Day, Count: 1, Anchor: time.Date(2026, 1, 1, 0, 0, 0, 0, kolkata), Location: kolkata}
	for _, stamps := range [][]time.Duration{{-time.Minute, time.Minute}, {time.Minute, -time.Minute}} {
		e := slo.New(slo.Options{})
		must(t, e.Apply([]spec.Objective{o}, midnight.Add(time.Minute), nil))
		for i, stamp := range stamps {
			e.Observe(collector.Cycle{Target: collector.Target(fmt.Sprint(i)), At: midnight.Add(time.Duration(2+i) * time.Minute), Interval: time.Minute, Samples: []collector.Sample{
				{Series: series("__name__", "g"), Value: 0.5, AtMs: midnight.Add(stamp).UnixMilli()},
			}})
		}
		for _, hours := range []time.Duration{1, 6, 12, 23} {
			if s := e.Evaluate(midnight.Add(hours * time.Hour))[0]; s.Events.Good != 1 {
				t.Errorf("%v: after %d hours %v samples since midnight, want 1", stamps, hours, s.Events.Good)
			}
		}
	}
}

// TestSlicesOfTargetsThatAreGone: the last slices of a target that has left discovery are judged as soon as
// those of one that stays, even if it was never asked about before.
func TestSlicesOfTargetsThatAreGone(t *testing.T) {
	for _, asked := range []bool{false, true} {
		o := ratio(0.99)
		o.Method, o.Slice, o.SliceTarget = spec.Timeslices, time.Minute, 0.95
		f := newFeeder(t, o)
		var n [2]float64
		f.tx(0, 0, 0)
		f.run(interval, 2*time.Minute+interval, &n, 90, 10)
		if asked {
			f.wantEvents(2*time.Minute, 0, 1)
		}
		f.Observe(collector.Cycle{Target: "a", At: at(2*time.Minute + interval), Gone: true})
		f.wantEvents(2*time.Minute+37*time.Second, 0, 1)
		f.wantEvents(2*time.Minute+38*time.Second, 0, 2)
	}
}

// TestSeriesMissingAfterALongGap: that a series is not there right after the agent was down for a day does not mean
// that it was gone for that day.
func TestSeriesMissingAfterALongGap(t *testing.T) {
	f := newFeeder(t, ratio(0.99))
	f.tx(0, 1e6, 0)
	f.tx(interval, 1e6+10, 0)
	back := 23 * time.Hour
	for d := back; d < back+3*time.Hour; d += interval { // the good events are not exposed
		f.tx(d, -1, 0)
		f.status(d)
	}
	f.tx(back+3*time.Hour, 1e6+500, 0)
	f.wantEvents(back+3*time.Hour, 500, 0)
}
