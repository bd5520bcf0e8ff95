package slo_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

func exclude(from, to time.Duration, patterns ...string) slo.Exclusion {
	return slo.Exclusion{ID: from.String(), Objectives: patterns, From: at(from), To: at(to)}
}

// outage runs two days of 100 good events a look with an hour of failures at the 30th hour.
func outage(t *testing.T, objectives ...spec.Objective) feeder {
	f := newFeeder(t, objectives...)
	var n [2]float64
	f.run(0, 30*time.Hour, &n, 100, 0)
	f.run(30*time.Hour, 31*time.Hour, &n, 40, 60)
	f.run(31*time.Hour, 48*time.Hour, &n, 100, 0)
	return f
}

func TestExclusionsAndTheirRemoval(t *testing.T) {
	f := outage(t, ratio(0.999))
	now := 48 * time.Hour
	before := f.status(now)
	history, err := f.History("pay", "1h", at(0), at(now), 50)
	must(t, err)
	// Overlapping exclusions count once; those of others not at all.
	f.SetExclusions([]slo.Exclusion{exclude(30*time.Hour, 30*time.Hour+40*time.Minute, "p*"), exclude(30*time.Hour+20*time.Minute, 31*time.Hour, "pay"), exclude(0, 10*time.Hour, "other")})
	s := f.status(now)
	looks := 240.0
	// The look at 30:00:00 belongs to the hour before it, the one at 31:00:00 to the excluded hour.
	if want := 60.0; s.Events.Bad != want {
		t.Errorf("bad %v, want %v", s.Events.Bad, want)
	}
	if got, want := s.Events.Excluded, looks*100; got != want || s.Events.Good+s.Events.Bad+s.Events.Excluded != before.Events.Good+before.Events.Bad {
		t.Errorf("excluded %v, want %v; %+v against %+v", got, want, s.Events, before.Events)
	}
	f.SetExclusions([]slo.Exclusion{{ID: "1", Objectives: []string{"pay"}, From: at(time.Hour), To: at(40 * time.Hour), Correction: &slo.Correction{Good: 100, Bad: -100}}})
	s = f.status(now)
	if s.Events.Bad != before.Events.Bad-100 || s.Events.Good != before.Events.Good+100 {
		t.Errorf("corrected %+v, before %+v", s.Events, before.Events)
	}
	f.SetExclusions(nil)
	again, err := f.History("pay", "1h", at(0), at(now), 50)
	must(t, err)
	if got := f.status(now); !reflect.DeepEqual(got, before) || !reflect.DeepEqual(again, history) {
		t.Errorf("after the removal\n%+v, before\n%+v", got, before)
	}
}

func TestExclusionStaysExactWhenBucketsCoarsen(t *testing.T) {
	f := outage(t, ratio(0.999))
	x := exclude(30*time.Hour+7*time.Minute+10*time.Second, 30*time.Hour+11*time.Minute+50*time.Second, "pay")
	f.SetExclusions([]slo.Exclusion{x})
	excluded := f.status(48 * time.Hour).Events.Excluded
	var n [2]float64
	n[0], n[1] = 30*240*100+240*40+17*240*100, 240*60
	for d := 48 * time.Hour; d <= 20*24*time.Hour; d += interval { // the minutes of the outage are hours by now
		n[0]++
		f.tx(d, n[0], n[1])
	}
	if got := f.status(20 * 24 * time.Hour).Events.Excluded; got != excluded {
		t.Errorf("excluded %v, at first %v", got, excluded)
	}
	g := f.restarted(20*24*time.Hour, ratio(0.999))
	g.SetExclusions([]slo.Exclusion{x})
	if got := g.status(20 * 24 * time.Hour).Events.Excluded; got != excluded {
		t.Errorf("after a restart excluded %v, at first %v", got, excluded)
	}
}

func TestPlannedMaintenanceIsNotMissed(t *testing.T) {
	f := newFeeder(t, ratio(0.99))
	f.SetExclusions([]slo.Exclusion{exclude(2*time.Hour, 4*time.Hour, "pay")})
	var n [2]float64
	f.run(0, 2*time.Hour, &n, 10, 0)
	f.run(4*time.Hour, 6*time.Hour, &n, 10, 0) // down for two hours
	s := f.status(6 * time.Hour)
	if s.Coverage < 0.998 { // but for the two ends of the gap, less than an interval each
		t.Errorf("coverage %v: the maintenance is held against it", s.Coverage)
	}
	f.SetExclusions(nil)
	if s := f.status(6 * time.Hour); math.Abs(s.Coverage-2.0/3) > 0.01 {
		t.Errorf("coverage %v without the exclusion, want two thirds", s.Coverage)
	}
}

func TestTierAgainstWhatIsLeft(t *testing.T) {
	// 20 % of what is left in an hour: of a whole budget of 30 days that is 144 times the even burn.
	left := slo.TierRule{Severity: burnrate.Ticket, Long: time.Hour, Short: 5 * time.Minute, BudgetRatio: 0.2, OfRemaining: true}
	e := slo.New(slo.Options{Tiers: []slo.TierRule{left}})
	must(t, e.Apply([]spec.Objective{ratio(0.99)}, epoch, nil))
	f := feeder{e, t}
	var n [2]float64
	f.run(0, 24*time.Hour, &n, 100, 0)
	if s := f.status(24 * time.Hour); s.Tiers[0].Factor != 144 || s.Tiers[0].Name != "ticket-1h-left" {
		t.Errorf("tier %+v", s.Tiers[0])
	}
	f.run(24*time.Hour, 30*time.Hour, &n, 97, 3) // 3× burn for 6 of 30 hours: 40 % of the budget of these events is left
	s := f.status(30 * time.Hour)
	if want := 144 * 0.4; math.Abs(s.Tiers[0].Factor-want) > 0.5 || len(s.Firing) != 0 {
		t.Errorf("limit %v, want %v; firing %v", s.Tiers[0].Factor, want, s.Firing)
	}
	f.run(30*time.Hour, 40*time.Hour, &n, 97, 3) // spent: anything above the even burn is too much
	s = f.status(40 * time.Hour)
	if s.Tiers[0].Factor != 1 || s.Tiers[0].FactorText != "144" || len(s.Firing) != 1 {
		t.Errorf("limit %v, label %s, firing %v: %s", s.Tiers[0].Factor, s.Tiers[0].FactorText, s.Firing, s.Tiers[0].Why)
	}
}

func (f feeder) minutely(d time.Duration, good, bad float64) {
	f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: time.Minute, Samples: []collector.Sample{{Series: goodSeries, Value: good}, {Series: badSeries, Value: bad}}})
}

// TestExcludedOutageLeavesTheWindowExcluded: while the window's far edge passes an excluded outage of
// 40 minutes, a month later, the bucket that the edge is rounded to does not bring it back.
func TestExcludedOutageLeavesTheWindowExcluded(t *testing.T) {
	f := newFeeder(t, ratio(0.9995))
	const day = 24 * time.Hour
	from, end := 30*time.Hour, 30*time.Hour+40*time.Minute
	f.SetExclusions([]slo.Exclusion{exclude(from, end, "pay")})
	g, b := 0.0, 0.0
	for d := time.Duration(0); d <= 30*day+32*time.Hour; d += time.Minute {
		if d > from && d <= end {
			b += 100
		} else {
			g += 100
		}
		f.minutely(d, g, b)
		if d > 30*day+29*time.Hour {
			if s := f.status(d); s.Events.Bad != 0 || s.State == slo.Exhausted {
				t.Fatalf("%v after it: %+v, %s: %s", d-end, s.Events, s.State, s.Reason)
			}
		}
	}
	past, err := f.History("pay", "20m", at(from), at(from+2*time.Hour), 121)
	must(t, err)
	for _, p := range past {
		if p.BurnRate != 0 {
			t.Errorf("history: burns at %v at %v", p.BurnRate, p.At)
		}
	}
}

// TestExcludedFailuresAreNoEvidence: ten requests an hour, and one of them fails by chance half an hour
// after a maintenance in which a hundred did.
func TestExcludedFailuresAreNoEvidence(t *testing.T) {
	for _, excluded := range []bool{true, false} {
		f := newFeeder(t, ratio(0.999))
		if excluded {
			f.SetExclusions([]slo.Exclusion{exclude(100*time.Hour, 100*time.Hour+10*time.Minute, "pay")})
		}
		g, b, fired := 0.0, 0.0, false
		for d := time.Duration(0); d < 101*time.Hour; d += interval {
			if d%(6*time.Minute) == 0 {
				g++
			}
			if d > 100*time.Hour && d <= 100*time.Hour+5*time.Minute {
				b += 5
			}
			if d == 100*time.Hour+30*time.Minute {
				b++
			}
			f.tx(d, g, b)
			if d >= 100*time.Hour+30*time.Minute {
				s := f.status(d)
				budgetTiers := s.Tiers[:len(s.Tiers)-1]
				fired = fired || slices.ContainsFunc(budgetTiers, func(t slo.TierStatus) bool { return t.Firing })
			}
		}
		if fired == excluded {
			t.Errorf("maintenance excluded: %v; a tier fires after one more failure: %v", excluded, fired)
		}
	}
}

// TestCorrectionTakesNoMoreThanThereIs: the window has lost the first of the two hours that were corrected.
func TestCorrectionTakesNoMoreThanThereIs(t *testing.T) {
	o := ratio(0.99)
	o.Window = rolling("6h", 6*time.Hour)
	f := newFeeder(t, o)
	var n [2]float64
	f.run(0, time.Hour+interval, &n, 10, 0)
	f.run(time.Hour+interval, 3*time.Hour+interval, &n, 0, 10)
	f.run(3*time.Hour+interval, 8*time.Hour+interval, &n, 10, 0)
	// Six hours hold 14400 events, of which 2400 are bad; the correction was made for 4800.
	for _, tc := range []struct {
		slo.Correction
		good, bad, excluded float64
	}{
		{slo.Correction{Good: 4800, Bad: -4800}, 14400, 0, 0},
		{slo.Correction{Bad: -4800}, 12000, 0, 0},
		{slo.Correction{Bad: -4800, Excluded: 4800}, 12000, 0, 2400},
		{slo.Correction{Bad: -2000, Good: 2000}, 14000, 400, 0},
		{slo.Correction{Excluded: -10, Bad: 10}, 12000, 2400, 0},
		{slo.Correction{Good: 7, Bad: 5, Excluded: 3}, 12007, 2405, 3},
	} {
		f.SetExclusions([]slo.Exclusion{{ID: "1", Objectives: []string{"pay"}, From: at(time.Hour), To: at(3 * time.Hour), Correction: &tc.Correction}})
		if s := f.status(8 * time.Hour); s.Events.Good != tc.good || s.Events.Bad != tc.bad || s.Events.Excluded != tc.excluded {
			t.Errorf("%+v makes %+v, want %v good, %v bad, %v excluded", tc.Correction, s.Events, tc.good, tc.bad, tc.excluded)
		}
	}
	// What one adds, another can take away, whatever their order.
	for _, ids := range [][2]string{{"1", "2"}, {"2", "1"}} {
		add := slo.Exclusion{ID: ids[0], Objectives: []string{"pay"}, From: at(time.Hour), To: at(3 * time.Hour), Correction: &slo.Correction{Bad: 100}}
		take := slo.Exclusion{ID: ids[1], Objectives: []string{"pay"}, From: at(time.Hour), To: at(3 * time.Hour), Correction: &slo.Correction{Bad: -2500}}
		both := []slo.Exclusion{add, take}
		slices.SortFunc(both, func(a, b slo.Exclusion) int { return strings.Compare(a.ID, b.ID) })
		f.SetExclusions(both)
		if s := f.status(8 * time.Hour); s.Events.Bad != 0 || s.Events.Good != 12000 {
			t.Errorf("both corrections make %+v", s.Events)
		}
	}
}
