package slo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// Awkward moments: clocks that are wrong, processes that change their names, series that vanish,
// values that cannot be, restarts in the worst place.

const day = 24 * time.Hour

// hourly is the usual objective with a budget of an hour, which tests can fill.
func hourly() spec.Objective {
	o := ratio(0.999)
	o.Window = rolling("1h", time.Hour)
	return o
}

func TestStartTimestampsFromAClockAheadCountOnce(t *testing.T) {
	f := newFeeder(t, ratio(0.99))
	f.cycle(0, collector.Sample{Series: goodSeries, Value: 1000})
	created := at(50 * time.Second).UnixMilli() // born at 10 s; its clock is 40 s ahead
	for i := 1; i <= 5; i++ {
		f.cycle(time.Duration(i)*interval, collector.Sample{Series: goodSeries, Value: 1000}, collector.Sample{Series: badSeries, Value: 100, FromMs: created})
	}
	if got := f.status(5 * interval).Events.Bad; got != 100 {
		t.Errorf("got %v bad, 100 happened", got)
	}
}

func TestDowntimeLongerThanADay(t *testing.T) {
	db := storage.NewMemory()
	f := newFeeder(t, ratioSet()...)
	var n float64
	look := func(f feeder, d time.Duration, v float64) {
		f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: 5 * time.Minute, Samples: []collector.Sample{{Series: goodSeries, Value: v}}})
	}
	for d := time.Duration(0); d <= 31*day; d += 5 * time.Minute {
		n += 100
		look(f, d, n)
	}
	checkpoint(t, f.Engine, db)
	before := f.status(31 * day).Totals.Good
	f = restart(t, db, at(41*day))
	f.Evaluate(at(41 * day)) // an agent evaluates before its first look
	look(f, 41*day, n+100_000)
	look(f, 41*day+5*time.Minute, n+100_001)
	s := f.status(41*day + 5*time.Minute)
	if s.Coverage > 0.7 || s.State != slo.Unknown {
		t.Errorf("10 of 30 days were not seen: coverage %v, %s", s.Coverage, s.State)
	}
	checkpoint(t, f.Engine, db)
	if got := f.status(41*day+6*time.Minute).Totals.Good - before; got != 100_001 {
		t.Errorf("counted %v of the 100001 events of the downtime and after", got)
	}
}

// TestOneProcessCountsOnce: a process that is known under another name, or again after a while, is
// not counted from its birth a second time.
func TestOneProcessCountsOnce(t *testing.T) {
	from := at(time.Second).UnixMilli()
	hour := func(f feeder) (v float64) {
		for d := interval; d <= time.Hour; d += interval {
			v += 10
			f.Observe(collector.Cycle{Target: "a", Process: "http://10.0.0.1/metrics", At: at(d), Interval: interval, Samples: []collector.Sample{{Series: goodSeries, Value: v, FromMs: from}}})
		}
		return v
	}
	again := func(f feeder, name collector.Target, d time.Duration, v float64) {
		f.Observe(collector.Cycle{Target: name, Process: "http://10.0.0.1/metrics", At: at(d), Interval: interval, Samples: []collector.Sample{{Series: goodSeries, Value: v, FromMs: from}}})
	}
	t.Run("its labels changed", func(t *testing.T) {
		f := newFeeder(t, ratio(0.99))
		v := hour(f)
		f.Observe(collector.Cycle{Target: "a", At: at(time.Hour), Gone: true})
		again(f, "a2", time.Hour+interval, v)
		f.wantEvents(time.Hour+interval, v, 0)
	})
	t.Run("the agent was down for 30 hours", func(t *testing.T) {
		db := storage.NewMemory()
		f := newFeeder(t, ratioSet()...)
		v := hour(f)
		checkpoint(t, f.Engine, db)
		f = restart(t, db, at(31*time.Hour))
		f.Evaluate(at(31 * time.Hour))
		again(f, "a", 31*time.Hour, v+50)
		f.wantEvents(31*time.Hour, v+50, 0)
	})
	t.Run("the objective was taken out and put back", func(t *testing.T) {
		db := storage.NewMemory()
		f := newFeeder(t, ratioSet()...)
		v := hour(f)
		checkpoint(t, f.Engine, db)
		must(t, f.Apply(nil, at(time.Hour), db.Scan))
		checkpoint(t, f.Engine, db)
		f.Observe(collector.Cycle{Target: "a", At: at(time.Hour + interval), Interval: interval})
		must(t, f.Apply(ratioSet(), at(time.Hour+time.Minute), db.Scan))
		again(f, "a", time.Hour+2*time.Minute, v)
		f.wantEvents(time.Hour+2*time.Minute, v, 0)
	})
}

// TestLookThatBeganBeforeAReload: it could not have brought the series of a new objective, so the
// next look is their first.
func TestLookThatBeganBeforeAReload(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	f.tx(0, 10, 0)
	old := f.Interest()
	other := ratio(0.999)
	other.Name = "other"
	other.Indicator = spec.Indicator{Ratio: &spec.Ratio{Bad: sel("__name__", "pay", "outcome", "bad"), Total: sel("__name__", "pay")}}
	must(t, f.Apply([]spec.Objective{ratio(0.999), other}, at(10*time.Second), nil))
	all := []collector.Sample{{Series: goodSeries, Value: 20}, {Series: series("__name__", "pay", "outcome", "good"), Value: 1e6}, {Series: series("__name__", "pay", "outcome", "bad"), Value: 5e4}}
	f.Observe(collector.Cycle{Target: "a", At: at(interval), Interval: interval, Epoch: old.Epoch, Samples: all[:1]})
	f.Observe(collector.Cycle{Target: "a", At: at(2 * interval), Interval: interval, Epoch: f.Interest().Epoch, Samples: all})
	for _, s := range f.Evaluate(at(2 * interval)) {
		if s.Name == "other" && s.Events != (slo.Events{}) {
			t.Errorf("its first look counted %+v", s.Events)
		}
	}
}

func TestObjectivePutBackGoesOnFromWhatItHad(t *testing.T) {
	db := storage.NewMemory()
	f := newFeeder(t, ratioSet()...)
	f.tx(0, 0, 0)
	f.tx(interval, 1000, 100)
	checkpoint(t, f.Engine, db)
	must(t, f.Apply(nil, at(time.Hour), db.Scan))
	checkpoint(t, f.Engine, db)
	must(t, f.Apply(ratioSet(), at(time.Hour+interval), db.Scan))
	f.tx(time.Hour+2*interval, 2000, 200) // a baseline: nobody watched for it
	checkpoint(t, f.Engine, db)
	f.tx(time.Hour+3*interval, 2001, 200)
	f.wantEvents(time.Hour+3*interval, 1001, 100)
}

func TestApplyThatFailsChangesNothing(t *testing.T) {
	f := newFeeder(t, ratioSet()...)
	f.tx(0, 0, 0)
	f.tx(interval, 10, 1)
	other := ratio(0.9)
	other.Name = "other"
	broken := func(string, func(string, []byte) error) error { return errors.New("unreadable") }
	if err := f.Apply([]spec.Objective{other}, at(interval), broken); err == nil {
		t.Fatal("an unreadable store was no error")
	}
	f.tx(2*interval, 20, 1)
	f.wantEvents(2*interval, 20, 1)
}

func TestClockSetBack(t *testing.T) {
	f := newFeeder(t, hourly())
	n := [2]float64{}
	f.run(0, 2*time.Hour, &n, 10, 0)
	f.status(2 * time.Hour)
	for d := time.Hour; d < 90*time.Minute; d += interval { // an hour less, and everything fails
		n[1] += 10
		f.tx(d, n[0], n[1])
		f.status(d)
	}
	s := f.status(90 * time.Minute)
	if len(s.Firing) == 0 || s.State == slo.OK {
		t.Errorf("30 minutes of total outage after the clock was set back: %s (%s)", s.State, s.Reason)
	}
	if got, _ := s.ErrorRatios.Get("6m"); got != 1 {
		t.Errorf("error ratio over 6m is %v, everything fails", got)
	}
}

func TestClockOnceAYearAhead(t *testing.T) {
	f := newFeeder(t, hourly())
	n := [2]float64{}
	f.run(0, 2*time.Hour, &n, 10, 0)
	f.tx(365*day, n[0], n[1])
	f.status(365 * day)
	for d := 2 * time.Hour; d < 6*time.Hour; d += interval {
		n[1] += 10
		f.tx(d, n[0], n[1])
		f.status(d)
	}
	s := f.status(6 * time.Hour)
	if got, _ := s.ErrorRatios.Get("6m"); got != 1 || len(s.Firing) == 0 {
		t.Errorf("4 h of total outage after a wild clock: error ratio %v, %s (%s)", got, s.State, s.Reason)
	}
}

func TestWildValuesAreNotCounted(t *testing.T) {
	t.Run("an underflown counter", func(t *testing.T) {
		f := newFeeder(t, hourly())
		n := [2]float64{}
		f.run(0, time.Hour, &n, 10, 0)
		f.tx(time.Hour, n[0], math.MaxUint64)
		f.tx(time.Hour+interval, n[0], 0)
		n[1] = 0
		f.run(time.Hour+2*interval, 5*time.Hour, &n, 10, 0)
		f.run(5*time.Hour, 8*time.Hour, &n, 0, 10)
		s := f.status(8*time.Hour - interval)
		if s.Events.Good != 0 || s.Events.Bad < 2400 || s.Events.Bad > 2440 { // the far edge is rounded outwards
			t.Errorf("3 h of total outage: %+v in the last one, 2400 failed", s.Events)
		}
		if f.Rejected().Implausible == 0 {
			t.Error("the wild sample was not counted as rejected")
		}
	})
	t.Run("numbers at the end of the range", func(t *testing.T) {
		f := newFeeder(t, ratio(0.999))
		for i, v := range []float64{0, 1.7e308, 0, 1.7e308, 5} {
			f.tx(time.Duration(i)*interval, 10, v)
		}
		_, err := json.Marshal(f.status(5 * interval))
		must(t, err)
		p, err := f.History("pay", "5m", at(0), at(5*interval), 10)
		must(t, err)
		_, err = json.Marshal(p)
		must(t, err)
		var b storage.Batch
		must(t, f.Checkpoint(&b))
	})
	t.Run("a first sample that cannot be used is no birth", func(t *testing.T) {
		for name, first := range map[string]collector.Cycle{
			"negative":              {Samples: []collector.Sample{{Series: badSeries, Value: -1}}},
			"NaN":                   {Samples: []collector.Sample{{Series: badSeries, Value: math.NaN()}}},
			"dropped by its source": {Unusable: []*collector.Series{badSeries}},
		} {
			db := storage.NewMemory()
			f := newFeeder(t, ratioSet()...)
			f.cycle(0, collector.Sample{Series: goodSeries, Value: 5})
			first.Target, first.At, first.Interval = "a", at(interval), interval
			first.Samples = append(first.Samples, collector.Sample{Series: goodSeries, Value: 5})
			f.Observe(first)
			if !f.Urgent() {
				t.Errorf("%s: a crash would forget that the series was there", name)
			}
			checkpoint(t, f.Engine, db)
			f = restart(t, db, at(interval))
			f.cycle(2*interval, collector.Sample{Series: goodSeries, Value: 5}, collector.Sample{Series: badSeries, Value: 1000})
			f.cycle(3*interval, collector.Sample{Series: goodSeries, Value: 5}, collector.Sample{Series: badSeries, Value: 1001})
			if got := f.status(3 * interval).Events.Bad; got != 1 {
				t.Errorf("%s: got %v bad, want 1", name, got)
			}
		}
	})
}

func TestExportedTotalsNeverFall(t *testing.T) {
	db := storage.NewMemory()
	f := newFeeder(t, ratioSet()...)
	f.tx(0, 0, 0)
	f.tx(interval, 100, 0)
	checkpoint(t, f.Engine, db)
	if got := f.status(interval).Totals.Good; got != 100 {
		t.Fatalf("totals say %v after a checkpoint, want 100", got)
	}
	f.tx(2*interval, 200, 0)
	before := f.status(2 * interval).Totals // what somebody scraped
	f = restart(t, db, at(3*interval))      // killed
	if after := f.status(3 * interval).Totals; after.Good < before.Good {
		t.Errorf("fell from %v to %v", before.Good, after.Good)
	}
}

func TestSeriesDownForADayIsNotBornAgain(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	look := func(d time.Duration, v float64) { // its timestamps are two seconds old
		f.cycle(d, collector.Sample{Series: goodSeries, Value: v, AtMs: at(d - 2*time.Second).UnixMilli()})
	}
	look(0, 1e6)
	look(interval, 1e6+10)
	for d := 2 * interval; d < 26*time.Hour; d += interval {
		f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: interval, Err: errors.New("down")})
		if d%time.Minute == 0 {
			f.status(d)
		}
	}
	look(26*time.Hour, 1e6+20)
	f.wantEvents(26*time.Hour, 20, 0)
}

// TestShortTierKeepsALongWindow: a fine ledger reaches back as far as the window does.
func TestShortTierKeepsALongWindow(t *testing.T) {
	tiers := []slo.TierRule{{Severity: "page", Long: 10 * time.Minute, Short: 4 * time.Second, BudgetRatio: 0.1}}
	e := slo.New(slo.Options{Retention: 400 * day, Tiers: tiers})
	must(t, e.Apply(ratioSet(), epoch, nil))
	f := feeder{e, t}
	for d := time.Duration(0); d <= 35*day; d += time.Hour {
		v := 0.0
		if d >= 20*day {
			v = 1000
		}
		f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: time.Hour, Samples: []collector.Sample{{Series: badSeries, Value: v}}})
	}
	f.wantEvents(35*day, 0, 1000)
}

// TestNotSeenIsNotOK goes through the ways in which a target can answer and yet show nothing.
func TestNotSeenIsNotOK(t *testing.T) {
	latency := hourly()
	latency.Indicator = spec.Indicator{Ratio: &spec.Ratio{Good: sel("__name__", "h_bucket", "le", "1"), Total: sel("__name__", "h_count"), Latency: true}}
	gauge := spec.Objective{Name: "g", Target: 0.9, Method: spec.Timeslices, Slice: time.Minute, SliceTarget: 1, Window: rolling("1h", time.Hour),
		Indicator: spec.Indicator{Threshold: &spec.Threshold{Query: *sel("__name__", "g"), Op: spec.LessThan, Value: 1}}}
	count, bucket := series("__name__", "h_count"), series("__name__", "h_bucket", "le", "1")
	histogram := func(f feeder, d time.Duration, name string, whole bool) {
		samples := []collector.Sample{{Series: count, Value: float64(d / interval)}}
		if whole {
			samples = append(samples, collector.Sample{Series: bucket, Value: float64(d / interval)})
		}
		f.Observe(collector.Cycle{Target: collector.Target(name), At: at(d), Interval: interval, Samples: samples})
	}
	for name, tt := range map[string]struct {
		objective spec.Objective
		look      func(f feeder, d time.Duration)
	}{
		"the series are gone": {hourly(), func(f feeder, d time.Duration) {
			if d < 2*time.Hour {
				f.tx(d, float64(d/interval), 0)
			} else {
				f.cycle(d)
			}
		}},
		"its counters are not numbers": {hourly(), func(f feeder, d time.Duration) {
			if d < 2*time.Hour {
				f.tx(d, float64(d/interval), 0)
			} else {
				f.cycle(d, collector.Sample{Series: goodSeries, Value: math.NaN()}, collector.Sample{Series: badSeries, Value: -1})
			}
		}},
		"failures alone are not numbers": {hourly(), func(f feeder, d time.Duration) {
			f.cycle(d, collector.Sample{Series: goodSeries, Value: float64(d / interval)}, collector.Sample{Series: badSeries, Value: math.NaN()})
		}},
		"its source drops every sample": {hourly(), func(f feeder, d time.Duration) {
			f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: interval, Unusable: []*collector.Series{goodSeries}})
		}},
		"its timestamps stand still": {hourly(), func(f feeder, d time.Duration) {
			f.cycle(d, collector.Sample{Series: goodSeries, Value: float64(min(d, time.Hour) / interval), AtMs: at(min(d, time.Hour)).UnixMilli() + 1})
		}},
		"a gauge is not a number": {gauge, func(f feeder, d time.Duration) {
			f.cycle(d, collector.Sample{Series: series("__name__", "g"), Value: math.NaN()})
		}},
		"one of two lacks the bucket":   {latency, func(f feeder, d time.Duration) { histogram(f, d, "broken", false); histogram(f, d, "whole", true) }},
		"the same, the other way round": {latency, func(f feeder, d time.Duration) { histogram(f, d, "whole", true); histogram(f, d, "broken", false) }},
		"most of the job never answered": {hourly(), func(f feeder, d time.Duration) {
			f.Observe(collector.Cycle{Target: "up", Group: "job", At: at(d), Interval: interval, Samples: []collector.Sample{{Series: goodSeries, Value: float64(d / interval)}}})
			for i := range 9 {
				f.Observe(collector.Cycle{Target: collector.Target(fmt.Sprint("down", i)), Group: "job", At: at(d), Interval: interval, Err: errors.New("refused")})
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFeeder(t, tt.objective)
			for d := time.Duration(0); d <= 4*time.Hour; d += interval {
				tt.look(f, d)
			}
			if s := f.status(4 * time.Hour); s.State != slo.Unknown || s.Observed {
				t.Errorf("%s, observed %v, coverage %v (%s)", s.State, s.Observed, s.Coverage, s.Reason)
			}
		})
	}
}

// TestExporterThatRepeatsItsSamples: one that has new numbers once a minute and is scraped four times
// as often is observed all the time.
func TestExporterThatRepeatsItsSamples(t *testing.T) {
	f := newFeeder(t, hourly())
	for d := time.Duration(0); d <= 2*time.Hour; d += interval {
		minute := d.Truncate(time.Minute)
		f.cycle(d, collector.Sample{Series: goodSeries, Value: float64(minute / interval), AtMs: at(minute).UnixMilli() + 1})
	}
	if s := f.status(2 * time.Hour); s.State != slo.OK || s.Coverage != 1 || s.Events.Good == 0 {
		t.Errorf("%s, coverage %v, %+v (%s)", s.State, s.Coverage, s.Events, s.Reason)
	}
}

func TestFailuresAndEventsOnDifferentTargets(t *testing.T) {
	f := newFeeder(t, hourly())
	for d := time.Duration(0); d <= time.Hour; d += interval {
		n := float64(d / interval)
		f.Observe(collector.Cycle{Target: "gateway", At: at(d), Interval: interval, Samples: []collector.Sample{{Series: badSeries, Value: 0}}})
		f.Observe(collector.Cycle{Target: "ledger", At: at(d), Interval: interval, Samples: []collector.Sample{{Series: goodSeries, Value: 10 * n}}})
	}
	if s := f.status(time.Hour); s.State != slo.OK || s.Coverage != 1 {
		t.Errorf("%s, coverage %v (%s)", s.State, s.Coverage, s.Reason)
	}
}

func TestCalendarPeriodBeginsObserved(t *testing.T) {
	o := ratio(0.999)
	o.Window = spec.Window{Text: "1d", Length: day, Unit: spec.Day, Count: 1, Anchor: epoch}
	f := newFeeder(t, o)
	n := [2]float64{}
	f.run(0, day, &n, 10, 0)
	for _, d := range []time.Duration{day - time.Second, day, day + 5*time.Second} {
		if s := f.status(d); !s.Observed {
			t.Errorf("at %v: %s", d, s.Reason)
		}
	}
}

func TestCalendarWindowRestoredBeforeItsFirstEvent(t *testing.T) {
	o := ratio(0.999)
	o.Window = spec.Window{Text: "1d", Length: day, Unit: spec.Day, Count: 1, Anchor: epoch}
	db := storage.NewMemory()
	e := slo.New(slo.Options{})
	must(t, e.Apply([]spec.Objective{o}, at(time.Hour), db.Scan))
	checkpoint(t, e, db)
	e = slo.New(slo.Options{})
	must(t, e.Apply([]spec.Objective{o}, at(2*time.Hour), db.Scan))
	f := feeder{e, t}
	from := at(3*time.Hour - 10*time.Second).UnixMilli()
	f.cycle(3*time.Hour, collector.Sample{Series: badSeries, Value: 50, FromMs: from})
	f.cycle(3*time.Hour+interval, collector.Sample{Series: badSeries, Value: 60, FromMs: from})
	f.wantEvents(3*time.Hour+2*interval, 0, 60)
}

func TestTrafficFloorWhilePodsComeAndGo(t *testing.T) {
	o := spec.Objective{Name: "tr", Service: "s", Target: 0.99, Method: spec.Timeslices, Slice: time.Minute, SliceTarget: 1, Window: rolling("1h", time.Hour),
		Indicator: spec.Indicator{Traffic: &spec.Traffic{Total: *sel("__name__", "tx", "outcome", "good"), AtLeastPerSecond: 1}}}
	f := newFeeder(t, o)
	v := 0.0
	for d := time.Duration(0); d <= 2*time.Hour; d += interval {
		v += 15 // one a second
		f.cycle(d, collector.Sample{Series: goodSeries, Value: v})
		pod := int(d / time.Minute)
		f.Observe(collector.Cycle{Target: collector.Target(fmt.Sprint("pod", pod)), At: at(d), Interval: interval, Samples: []collector.Sample{{Series: goodSeries, Value: 1}}})
		if d%time.Minute == 0 {
			f.Observe(collector.Cycle{Target: collector.Target(fmt.Sprint("pod", pod-1)), At: at(d), Gone: true})
		}
		f.status(d)
	}
	if s := f.status(2 * time.Hour); s.Events.Good < 55 || s.Events.Bad > 0 {
		t.Errorf("an hour of enough traffic: %+v slices (%s)", s.Events, s.Reason)
	}
}

func TestLookOfAMomentLateIsNoGap(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	f.tx(0, 0, 0)
	for i := 1; i < 100; i++ { // every second look fails, and each is a millisecond later
		f.tx(time.Duration(i)*(2*interval+time.Millisecond), float64(i), 0)
	}
	if s := f.status(198 * interval); s.Coverage != 1 {
		t.Errorf("coverage %v", s.Coverage)
	}
}

func TestShorterIntervalIsNoGap(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	look := func(d, every time.Duration) {
		f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: every, Samples: []collector.Sample{{Series: goodSeries, Value: d.Seconds()}}})
	}
	for d := time.Duration(0); d <= 10*time.Minute; d += time.Minute {
		look(d, time.Minute)
	}
	look(11*time.Minute, 5*time.Second)
	if s := f.status(11 * time.Minute); s.Coverage != 1 {
		t.Errorf("coverage %v", s.Coverage)
	}
}

func TestLostBucketsNeverCountTwice(t *testing.T) {
	db := storage.NewMemory()
	f := newFeeder(t, ratioSet()...)
	n := [2]float64{}
	f.run(0, 10*time.Hour, &n, 10, 1)
	checkpoint(t, f.Engine, db)
	events := func(f feeder) float64 {
		p, err := f.History("pay", "1h", at(9*time.Hour), at(10*time.Hour), 2)
		must(t, err)
		return p[1].Events
	}
	want := events(f)
	var keys []string
	must(t, db.Scan("slo/c/0/", func(k string, _ []byte) error { keys = append(keys, k); return nil }))
	var b storage.Batch
	for _, k := range keys[:len(keys)-600/32] { // as a repair may leave it
		b.Delete(k)
	}
	must(t, db.Apply(&b))
	f = restart(t, db, at(10*time.Hour))
	if got := events(f); got < want || got > want*1.02 {
		t.Errorf("the last hour held %v events, after the loss of old buckets %v", want, got)
	}
}

// TestFailedCheckpointCostsWhatItDidNotWrite: a full disk must not make the next checkpoint write
// the whole ledger.
func TestFailedCheckpointCostsWhatItDidNotWrite(t *testing.T) {
	db := storage.NewMemory()
	f := newFeeder(t, ratioSet()...)
	n := [2]float64{}
	f.run(0, 40*time.Hour, &n, 10, 0)
	checkpoint(t, f.Engine, db)
	f.run(40*time.Hour, 40*time.Hour+time.Minute, &n, 10, 0)
	var failed storage.Batch
	must(t, f.Checkpoint(&failed))
	f.Settle(errors.New("no space left on device"))
	f.run(40*time.Hour+time.Minute, 40*time.Hour+2*time.Minute, &n, 10, 0)
	var next storage.Batch
	must(t, f.Checkpoint(&next))
	must(t, db.Apply(&next))
	f.Settle(nil)
	if next.Len() > 3*failed.Len() {
		t.Errorf("after one that would have written %d values, the next writes %d", failed.Len(), next.Len())
	}
	want := f.status(40*time.Hour + 2*time.Minute)
	g := restart(t, db, at(40*time.Hour+2*time.Minute))
	if got := g.status(40*time.Hour + 2*time.Minute); got.Events != want.Events || fmt.Sprint(got.BurnRates) != fmt.Sprint(want.BurnRates) {
		t.Errorf("restored %+v, want %+v", got.Events, want.Events)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	o := ratio(0.999)
	o.Window = spec.Window{Text: "1d", Length: day, Unit: spec.Day, Count: 1, Anchor: epoch}
	f := newFeeder(t, o)
	f.tx(0, 1, 1)
	from := time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)
	if _, err := f.History("pay", "1h", from, from.Add(time.Hour), 1000); err == nil {
		t.Error("asked for the year 1 and got an answer")
	}
	if _, err := f.History("pay", "1h", at(-30*365*day), at(-30*365*day+time.Hour), 1000); err != nil {
		t.Error(err) // long before the ledger: empty, and quick
	}
}

// TestFractionsAreRestoredBitForBit: counters may carry fractions, and pass from whole numbers to
// fractions and back.
func TestFractionsAreRestoredBitForBit(t *testing.T) {
	db := storage.NewMemory()
	f := newFeeder(t, ratioSet()...)
	good := 0.0
	for i := range 1000 {
		good += []float64{1, 0.1, 0.9, 1e-9, 1 << 40}[i%5]
		f.tx(time.Duration(i)*interval, good, float64(i/7))
		if i%100 == 99 {
			checkpoint(t, f.Engine, db)
		}
	}
	now := 999 * interval
	past := func(f feeder) string {
		points, err := f.History("pay", "5m", at(0), at(now), 500)
		must(t, err)
		return fmt.Sprint(points, f.status(now).Events, f.status(now).BurnRates)
	}
	want := past(f)
	if got := past(restart(t, db, at(now))); got != want {
		t.Errorf("restored\n%s\nwant\n%s", got, want)
	}
}
