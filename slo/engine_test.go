package slo_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// epoch is a whole multiple of every bucket width, so that window edges in these tests are exact.
var epoch = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func at(d time.Duration) time.Time { return epoch.Add(d) }

// sel makes a selector from label pairs, the first being the metric's name.
func sel(pairs ...string) *spec.Selector {
	s := &spec.Selector{Text: fmt.Sprint(pairs)}
	for i := 0; i < len(pairs); i += 2 {
		s.Matchers = append(s.Matchers, labels.MustNewMatcher(labels.MatchEqual, pairs[i], pairs[i+1]))
	}
	return s
}

func rolling(text string, d time.Duration) spec.Window {
	return spec.Window{Text: text, Length: d, Rolling: true}
}

// ratio is an objective over bad ÷ total of the metric "tx".
func ratio(target float64) spec.Objective {
	return spec.Objective{
		Name: "pay", Service: "pay", Target: target, Method: spec.Occurrences, Window: rolling("30d", 30*24*time.Hour),
		Indicator: spec.Indicator{Ratio: &spec.Ratio{Bad: sel("__name__", "tx", "outcome", "bad"), Total: sel("__name__", "tx")}},
	}
}

func ratioSet() []spec.Objective { return []spec.Objective{ratio(0.999)} }

func series(pairs ...string) *collector.Series {
	return collector.NewSeries(labels.FromStrings(pairs...))
}

var (
	goodSeries = series("__name__", "tx", "outcome", "good")
	badSeries  = series("__name__", "tx", "outcome", "bad")
)

// feeder drives one engine the way an agent would, with one target scraped every 15 s.
type feeder struct {
	*slo.Engine
	t *testing.T
}

const interval = 15 * time.Second

func newFeeder(t *testing.T, objectives ...spec.Objective) feeder {
	e := slo.New(slo.Options{})
	must(t, e.Apply(objectives, epoch, nil))
	return feeder{e, t}
}

func (f feeder) cycle(d time.Duration, samples ...collector.Sample) {
	f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: interval, Samples: samples})
}

// tx is one cycle exposing the two counters; a negative value leaves the series out.
func (f feeder) tx(d time.Duration, good, bad float64) {
	var s []collector.Sample
	if good >= 0 {
		s = append(s, collector.Sample{Series: goodSeries, Value: good})
	}
	if bad >= 0 {
		s = append(s, collector.Sample{Series: badSeries, Value: bad})
	}
	f.cycle(d, s...)
}

func (f feeder) status(d time.Duration) slo.Status {
	f.t.Helper()
	all := f.Evaluate(at(d))
	if len(all) != 1 {
		f.t.Fatalf("got %d statuses, want 1", len(all))
	}
	return all[0]
}

func (f feeder) wantEvents(d time.Duration, good, bad float64) slo.Status {
	f.t.Helper()
	s := f.status(d)
	if s.Events.Good != good || s.Events.Bad != bad {
		f.t.Errorf("at %v: got good %v bad %v, want %v and %v", d, s.Events.Good, s.Events.Bad, good, bad)
	}
	return s
}

func TestIncrease(t *testing.T) {
	type look struct{ good, bad float64 }
	tests := map[string]struct {
		looks     []look
		good, bad float64
	}{
		"first look is a baseline":                   {[]look{{1000, 5}}, 0, 0},
		"growth between looks counts":                {[]look{{1000, 5}, {1010, 7}}, 10, 2},
		"a drop is a reset and counts from zero":     {[]look{{1000, 5}, {1010, 5}, {30, 1}}, 40, 1},
		"a series born later counts from zero":       {[]look{{1000, -1}, {1010, 1}}, 10, 1},
		"a series that comes back counts its growth": {[]look{{1000, 5}, {1000, -1}, {1000, 8}}, 0, 3},
		"standing still counts nothing":              {[]look{{1000, 5}, {1000, 5}, {1000, 5}}, 0, 0},
		"a reset to zero and on":                     {[]look{{10, 0}, {0, 0}, {4, 1}}, 4, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFeeder(t, ratio(0.99))
			for i, l := range tt.looks {
				f.tx(time.Duration(i)*interval, l.good, l.bad)
			}
			f.wantEvents(time.Minute, tt.good, tt.bad)
		})
	}
}

func TestStartTimestamps(t *testing.T) {
	sample := func(v float64, from time.Duration) collector.Sample {
		return collector.Sample{Series: goodSeries, Value: v, FromMs: at(from).UnixMilli()}
	}
	t.Run("on a first look a counter that began after watching counts from zero", func(t *testing.T) {
		f := newFeeder(t, ratio(0.99))
		f.cycle(time.Hour, sample(50, 59*time.Minute+50*time.Second))
		f.wantEvents(time.Hour, 50, 0)
	})
	t.Run("on a first look a counter that began before watching is a baseline", func(t *testing.T) {
		f := newFeeder(t, ratio(0.99))
		f.cycle(time.Hour, sample(50, -time.Minute))
		f.wantEvents(time.Hour, 0, 0)
	})
	t.Run("a reset that overtook the old value is still seen", func(t *testing.T) {
		f := newFeeder(t, ratio(0.99))
		f.cycle(0, sample(50, -time.Minute))
		f.cycle(interval, sample(60, interval-time.Second))
		f.wantEvents(time.Minute, 60, 0)
	})
}

func TestGapIsSpreadAndLowersCoverage(t *testing.T) {
	f := newFeeder(t, ratio(0.99))
	for i := range 41 { // ten minutes of 4 good a look
		f.tx(time.Duration(i)*interval, float64(4*i), 0)
	}
	// Nothing for 50 minutes; meanwhile 1200 good and 600 bad happened.
	f.tx(time.Hour, 160+1200, 600)
	s := f.wantEvents(time.Hour, 160+1200, 600)
	// Spread evenly over 3000 s, five minutes hold a tenth: 120 good and 60 bad.
	if got, _ := s.BurnRates.Get("5m"); math.Abs(got-60.0/180/0.01) > 1e-9 {
		t.Errorf("burn over 5m: got %v, want %v", got, 60.0/180/0.01)
	}
	if want := 600.0 / 3600; math.Abs(s.Coverage-want) > 1e-9 {
		t.Errorf("coverage: got %v, want %v", s.Coverage, want)
	}
	if s.State != slo.Unknown || len(s.Firing) != 0 {
		t.Errorf("got %s %v, want unknown and nothing firing", s.State, s.Firing)
	}
}

func TestWindowEdges(t *testing.T) {
	f := newFeeder(t, ratio(0.99))
	f.tx(0, 0, 0)
	f.tx(interval, 0, 7) // at 15 s
	for i := 2; i <= 40; i++ {
		f.tx(time.Duration(i)*interval, float64(i), 7)
	}
	burn := func(d time.Duration) float64 {
		b, _ := f.status(d).BurnRates.Get("5m")
		return b
	}
	if burn(5*time.Minute+14*time.Second+999*time.Millisecond) == 0 {
		t.Error("an event 1 ms inside the window is not counted")
	}
	// The event lies in the 5 s bucket that ends at 15 s; an edge at 15 s excludes it exactly.
	if got := burn(5*time.Minute + 15*time.Second); got != 0 {
		t.Errorf("an event exactly at the far edge counts: burn %v", got)
	}
}

func TestResolutionBoundsTheFarEdge(t *testing.T) {
	for _, w := range []time.Duration{5 * time.Minute, time.Hour, 6 * time.Hour, 3 * 24 * time.Hour, 30 * 24 * time.Hour, 400 * 24 * time.Hour} {
		if r := slo.Resolution(w, 5*time.Second, w); float64(r) > 0.017*float64(w) {
			t.Errorf("window %v may be off by %v, more than 1.7 %%", w, r)
		}
	}
}

func TestBudgetOfExtremeObjectives(t *testing.T) {
	tests := []struct {
		target, good, bad, remaining float64
		state                        slo.State
	}{
		{0.9995, 998, 2, -3, slo.Exhausted}, // the example of the design
		{0.99, 990, 10, 0, slo.Exhausted},
		{0.99, 1000, 0, 1, slo.Unknown},
		{1, 1000, 0, 1, slo.Unknown},
		{1, 999, 1, 0, slo.Exhausted},
		{0, 0, 1000, 0, slo.Exhausted},
		{0, 500, 500, 0.5, slo.Unknown},
	}
	for _, tt := range tests {
		f := newFeeder(t, ratio(tt.target))
		f.tx(0, 0, 0)
		f.tx(interval, tt.good, tt.bad)
		s := f.wantEvents(2*interval, tt.good, tt.bad)
		if math.Abs(s.ErrorBudget.RemainingRatio-tt.remaining) > 1e-9 {
			t.Errorf("objective %v: remaining %v, want %v", tt.target, s.ErrorBudget.RemainingRatio, tt.remaining)
		}
		if s.State != tt.state {
			t.Errorf("objective %v: state %s (%s), want %s", tt.target, s.State, s.Reason, tt.state)
		}
		for _, b := range s.BurnRates {
			if math.IsNaN(b.Value) || math.IsInf(b.Value, 0) {
				t.Errorf("objective %v: burn over %s is %v", tt.target, b.Window, b.Value)
			}
		}
	}
}

// run feeds looks from `from` to `to`, each adding good and bad, on top of the counters in n.
func (f feeder) run(from, to time.Duration, n *[2]float64, good, bad float64) {
	for d := from; d < to; d += interval {
		n[0] += good
		n[1] += bad
		f.tx(d, n[0], n[1])
	}
}

func TestTotalOutageFiresAtTheComputedMinute(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	var n [2]float64
	f.run(0, 3*time.Hour, &n, 100, 0)
	// 14.4 × 0.001 of an hour of even traffic is 51.84 s: the fourth bad look, at 60 s. The fast tier
	// wants log(172,800 rounds × 10,000) = 21.3 of evidence, at most 60 % of it from one look: the second.
	fired := map[string]time.Duration{}
	for d := 3 * time.Hour; d < 3*time.Hour+5*time.Minute; d += interval {
		f.run(d, d+interval, &n, 0, 100)
		for _, tier := range f.status(d).Firing {
			if fired[tier] == 0 {
				fired[tier] = d - 3*time.Hour + interval
			}
		}
	}
	if fired["page-1h"] != time.Minute || fired["page-fast"] != 30*time.Second {
		t.Errorf("fired after %v of outage, want page-1h after 1m and page-fast after 30s", fired)
	}
}

func TestFreshAgentFindsAnOutageJustAsFast(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	var n [2]float64
	f.tx(0, 0, 0)
	for d := interval; d <= 5*time.Minute; d += interval {
		f.run(d, d+interval, &n, 0, 100)
		s := f.status(d)
		if firing := slices.Contains(s.Firing, "page-1h"); firing != (d >= time.Minute) {
			t.Errorf("after %v: firing %v (%s)", d, s.Firing, s.Tiers[0].Why)
		}
		if firing := slices.Contains(s.Firing, "page-fast"); firing != (d >= 2*interval) {
			t.Errorf("after %v: firing %v", d, s.Firing)
		}
	}
}

func TestFastTierEndsSoonAndLeavesBlipsAlone(t *testing.T) {
	for _, tt := range []struct {
		name      string
		bad, good []float64 // of each look, of about fifteen events
		fires     []bool
	}{
		// Evidence of an event at 99.9 %: +5.19 if it failed, −2.30 if not; limit 21.3, 12.8 at most a look.
		{"one look of failures", []float64{15, 0, 0}, []float64{0, 15, 15}, []bool{false, false, false}},
		{"outage and its end", []float64{15, 15, 15, 0, 0, 0}, []float64{0, 0, 0, 5, 5, 5}, []bool{false, true, true, true, true, false}},
		{"half of it fails", []float64{7, 7, 7}, []float64{8, 8, 8}, []bool{false, true, true}},
		{"a tenth of it fails", []float64{2, 2, 2, 2}, []float64{18, 18, 18, 18}, []bool{false, false, false, false}},
	} {
		f := newFeeder(t, ratio(0.999))
		var n [2]float64
		f.run(0, 3*time.Hour, &n, 15, 0)
		for i := range tt.bad {
			d := 3*time.Hour + time.Duration(i)*interval
			f.run(d, d+interval, &n, tt.good[i], tt.bad[i])
			if fires := slices.Contains(f.status(d).Firing, "page-fast"); fires != tt.fires[i] {
				t.Errorf("%s: look %d fires %v, want %v (%+v)", tt.name, i+1, fires, tt.fires[i], f.status(d).Tiers[len(f.status(d).Tiers)-1])
			}
		}
	}
}

func TestLowTrafficNeedsMoreThanChance(t *testing.T) {
	// Ten requests an hour at 99.9 %: one failure is a burn rate of 100, and chance.
	f := newFeeder(t, ratio(0.999))
	var n [2]float64
	hour := func(h int, bad float64) slo.Status {
		for i := range 240 {
			if i%24 == 0 {
				n[0]++
			}
			if i == 200 {
				n[0] -= bad
				n[1] += bad
			}
			f.tx(time.Duration(h)*time.Hour+time.Duration(i)*interval, n[0], n[1])
		}
		return f.status(time.Duration(h)*time.Hour + 200*interval)
	}
	for h := range 4 {
		hour(h, 0)
	}
	if s := hour(4, 1); len(s.Firing) != 0 {
		t.Errorf("one failure fired %v: %s", s.Firing, s.Tiers[0].Why)
	}
}

func TestUnknownFreezesTiers(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	var n [2]float64
	f.run(0, time.Hour, &n, 100, 0)
	f.run(time.Hour, time.Hour+10*time.Minute, &n, 0, 100)
	f.tx(time.Hour+10*time.Minute, n[0], n[1])
	if s := f.status(time.Hour + 10*time.Minute); len(s.Firing) == 0 {
		t.Fatalf("not firing: %s", s.Reason)
	}
	for d := time.Hour + 10*time.Minute + interval; d < 2*time.Hour; d += interval {
		f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: interval, Err: errors.New("connection refused")})
	}
	s := f.status(2 * time.Hour)
	if s.State != slo.Unknown || len(s.Firing) == 0 {
		t.Errorf("after 50 minutes of silence: %s firing %v; want unknown and still firing", s.State, s.Firing)
	}
}

func TestSilenceIsNoticedWithinTwoIntervals(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	var n [2]float64
	f.run(0, 30*24*time.Hour, &n, 10, 0)
	last := 30*24*time.Hour - interval
	if s := f.status(last + interval); s.State != slo.OK {
		t.Fatalf("healthy month: %s (%s)", s.State, s.Reason)
	}
	if s := f.status(last + 2*interval + time.Millisecond); s.State != slo.Unknown {
		t.Errorf("two intervals without a look: %s", s.State)
	}
}

func TestLatencyWithoutItsBucketIsNoOutage(t *testing.T) {
	o := ratio(0.99)
	o.Indicator.Ratio = &spec.Ratio{Good: sel("__name__", "h_bucket", "le", "2"), Total: sel("__name__", "h_count"), Latency: true}
	count, two, three := series("__name__", "h_count"), series("__name__", "h_bucket", "le", "2.0"), series("__name__", "h_bucket", "le", "3")
	look := func(f feeder, d time.Duration, bucket *collector.Series, good, total float64) {
		f.cycle(d, collector.Sample{Series: count, Value: total}, collector.Sample{Series: bucket, Value: good})
	}
	f := newFeeder(t, o)
	look(f, 0, three, 0, 0)
	look(f, interval, three, 90, 100)
	if s := f.wantEvents(interval, 0, 0); s.State != slo.Unknown {
		t.Errorf("state %s (%s), want unknown", s.State, s.Reason)
	}
	f = newFeeder(t, o)
	look(f, 0, two, 0, 0)
	look(f, interval, two, 90, 100)
	f.wantEvents(interval, 90, 10)
}

func TestGaugeSlices(t *testing.T) {
	o := spec.Objective{
		Name: "sat", Target: 0.99, Method: spec.Timeslices, Slice: time.Minute, SliceTarget: 1, Window: rolling("30d", 30*24*time.Hour),
		Indicator: spec.Indicator{Threshold: &spec.Threshold{Query: *sel("__name__", "g"), Op: spec.LessThan, Value: 0.8}},
	}
	g := series("__name__", "g")
	f := newFeeder(t, o)
	for i := range 41 { // ten minutes; the sample at 3m15s is over the limit
		v := 0.5
		if i == 13 {
			v = 0.9
		}
		f.cycle(time.Duration(i)*interval, collector.Sample{Series: g, Value: v})
	}
	// The look at 0 s ends the slice before; slices end at 0, 1, … 9 m when those to 9m30s are over.
	f.wantEvents(10*time.Minute, 9, 1)
}

func TestTimeslicesOfARatio(t *testing.T) {
	o := ratio(0.99)
	o.Method, o.Slice, o.SliceTarget = spec.Timeslices, time.Minute, 0.95
	looks := func(o spec.Objective) feeder {
		f := newFeeder(t, o)
		var n [2]float64
		f.tx(0, 0, 0)
		f.run(interval, time.Minute+interval, &n, 100, 0)               // (0, 1m]: good
		f.run(time.Minute+interval, 2*time.Minute+interval, &n, 90, 10) // (1m, 2m]: bad
		f.run(2*time.Minute+interval, 5*time.Minute, &n, 0, 0)          // no events: nothing failed
		return f
	}
	looks(o).wantEvents(4*time.Minute+38*time.Second, 3, 1)
	o.Method = spec.RatioTimeslices
	s := looks(o).status(4*time.Minute + 38*time.Second)
	if math.Abs(s.Events.Bad-0.1) > 1e-9 || math.Abs(s.Events.Good-3.9) > 1e-9 {
		t.Errorf("ratio slices: got %+v, want 3.9 good and 0.1 bad", s.Events)
	}
}

func TestTrafficFloor(t *testing.T) {
	o := spec.Objective{
		Name: "traffic", Target: 0.99, Method: spec.Timeslices, Slice: time.Minute, SliceTarget: 1, Window: rolling("30d", 30*24*time.Hour),
		Indicator: spec.Indicator{Traffic: &spec.Traffic{Total: *sel("__name__", "tx"), AtLeastPerSecond: 5}},
	}
	f := newFeeder(t, o)
	var n [2]float64
	f.tx(0, 0, 0)
	f.run(interval, 3*time.Minute+interval, &n, 75, 0)               // 5 a second
	f.run(3*time.Minute+interval, 5*time.Minute+interval, &n, 74, 0) // just under
	f.wantEvents(5*time.Minute+38*time.Second, 3, 2)
}

func TestTrafficAgainstYesterday(t *testing.T) {
	o := spec.Objective{
		Name: "traffic", Target: 0.99, Method: spec.Timeslices, Slice: time.Minute, SliceTarget: 1, Window: rolling("30d", 30*24*time.Hour),
		Indicator: spec.Indicator{Traffic: &spec.Traffic{Total: *sel("__name__", "tx"), AtLeastOfExpected: 0.5}},
	}
	f := newFeeder(t, o)
	var n [2]float64
	f.tx(0, 0, 0)
	for d := interval; d <= 24*time.Hour; d += interval {
		f.run(d, d+interval, &n, 100, 0)
		if d%time.Minute == 0 {
			f.status(d)
		}
	}
	s := f.status(24*time.Hour + 38*time.Second)
	if s.Events.Good+s.Events.Bad != 0 || s.Events.Excluded != 24*60 {
		t.Fatalf("first day promises nothing: got %+v", s.Events)
	}
	f.run(24*time.Hour+interval, 24*time.Hour+2*time.Minute+interval, &n, 51, 0)               // just above half
	f.run(24*time.Hour+2*time.Minute+interval, 24*time.Hour+5*time.Minute+interval, &n, 49, 0) // just under
	f.wantEvents(24*time.Hour+5*time.Minute+38*time.Second, 2, 3)
}

func TestCalendarWindow(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	o := ratio(0.9)
	o.Window = spec.Window{Text: "1d", Length: 24 * time.Hour, Unit: spec.Day, Count: 1, Anchor: time.Date(2026, 1, 1, 0, 0, 0, 0, berlin), Location: berlin}
	f := newFeeder(t, o)
	// 29 March 2026 has 23 hours in Berlin: it runs from 28 March 23:00Z to 29 March 22:00Z.
	start := time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC).Sub(epoch)
	var n [2]float64
	f.tx(start-time.Hour, 0, 0)
	f.run(start-time.Hour+interval, start+interval, &n, 1, 0) // the last of these ends exactly at the start
	f.run(start+interval, start+23*time.Hour, &n, 2, 1)
	f.wantEvents(start+23*time.Hour-time.Millisecond, 2*(23*240-1), 23*240-1)
	f.run(start+23*time.Hour, start+23*time.Hour+5*interval, &n, 10, 0)
	f.wantEvents(start+23*time.Hour+4*interval, 40, 0)
}

func TestWatchedPartOfACalendarWindow(t *testing.T) {
	o := ratio(0.9)
	o.Window = spec.Window{Text: "1d", Length: day, Unit: spec.Day, Count: 1, Anchor: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	f := newFeeder(t, o)
	begin := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC).Sub(epoch)
	var n [2]float64
	f.run(begin, begin+time.Hour, &n, 1, 0)
	s := f.status(begin + time.Hour)
	if s.Watched != time.Hour || !strings.Contains(s.Reason, "watched for 1h of 1d") {
		t.Errorf("an hour after noon: watched for %s, %s", s.Watched, s.Reason)
	}
}

func TestObjectiveAddedLaterStartsFromABaseline(t *testing.T) {
	first, second := ratio(0.99), ratio(0.99)
	second.Name = "new"
	second.Indicator = spec.Indicator{Ratio: &spec.Ratio{Bad: sel("__name__", "tx", "outcome", "bad"), Total: sel("__name__", "other")}}
	other := series("__name__", "other")
	e := slo.New(slo.Options{})
	must(t, e.Apply([]spec.Objective{first}, epoch, nil))
	look := func(d time.Duration, tx, bad, oth float64) {
		e.Observe(collector.Cycle{Target: "a", At: at(d), Interval: interval, Samples: []collector.Sample{
			{Series: goodSeries, Value: tx}, {Series: badSeries, Value: bad}, {Series: other, Value: oth}}})
	}
	look(0, 100, 5, 1000)
	look(interval, 110, 6, 1100)
	must(t, e.Apply([]spec.Objective{first, second}, at(interval), nil))
	look(2*interval, 120, 7, 1200)
	look(3*interval, 130, 9, 1250)
	for _, s := range e.Evaluate(at(time.Minute)) {
		want := slo.Events{Good: 30, Bad: 4}
		if s.Name == "new" {
			want = slo.Events{Good: 48, Bad: 2}
		}
		if s.Events != want {
			t.Errorf("%s: got %+v, want %+v", s.Name, s.Events, want)
		}
	}
}

func TestGoneTargetIsNotOwed(t *testing.T) {
	f := newFeeder(t, ratio(0.99))
	var n [2]float64
	f.run(0, time.Hour, &n, 10, 0)
	f.Observe(collector.Cycle{Target: "b", At: at(time.Hour), Interval: interval, Samples: []collector.Sample{{Series: goodSeries, Value: 1}}})
	f.Observe(collector.Cycle{Target: "a", At: at(time.Hour), Gone: true})
	for d := time.Hour + interval; d <= 2*time.Hour; d += interval {
		f.Observe(collector.Cycle{Target: "b", At: at(d), Interval: interval, Samples: []collector.Sample{{Series: goodSeries, Value: d.Seconds()}}})
	}
	if s := f.status(2 * time.Hour); s.Coverage != 1 {
		t.Errorf("coverage %v after a scale-down, want 1", s.Coverage)
	}
}

func TestBadSamplesAreCountedNotUsed(t *testing.T) {
	f := newFeeder(t, ratio(0.99))
	f.tx(0, 10, 0)
	f.cycle(interval, collector.Sample{Series: goodSeries, Value: math.NaN()}, collector.Sample{Series: badSeries, Value: math.Inf(1)})
	f.cycle(2*interval, collector.Sample{Series: goodSeries, Value: -5}, collector.Sample{Series: badSeries, Value: 1, AtMs: at(-time.Hour).UnixMilli()})
	f.tx(3*interval, 14, 1)
	f.wantEvents(time.Minute, 4, 1)
	if r := f.Rejected(); r.NotFinite != 2 || r.Negative != 1 || r.OutOfOrder != 1 {
		t.Errorf("rejected %+v", r)
	}
}
