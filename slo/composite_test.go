package slo_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// step is an objective over good and bad events of one metric.
func step(name string) spec.Objective {
	o := ratio(0.99)
	o.Name = name
	o.Indicator.Ratio = &spec.Ratio{Good: sel("__name__", name, "outcome", "good"), Bad: sel("__name__", name, "outcome", "bad")}
	return o
}

func composite(method spec.CompositeMethod, members ...spec.Member) spec.Objective {
	return spec.Objective{Name: "whole", Service: "whole", Target: 0.9, Method: spec.Occurrences, Window: rolling("30d", 30*24*time.Hour),
		Composite: &spec.Composite{Method: method, Members: members}}
}

// atm is an engine with three steps of one journey, each on a target of its own, and the whole.
func atm(t *testing.T, method spec.CompositeMethod, policy spec.UnknownPolicy, delay time.Duration) feeder {
	member := func(name string, weight float64) spec.Member {
		return spec.Member{Objective: name, Weight: weight, WhenUnknown: policy, MaxDelay: delay}
	}
	return newFeeder(t, step("auth"), step("cash"), step("post"), composite(method, member("auth", 1), member("cash", 2), member("post", 1)))
}

func (f feeder) step(d time.Duration, name string, good, bad float64) {
	f.Observe(collector.Cycle{Target: collector.Target(name), At: at(d), Interval: interval, Samples: []collector.Sample{
		{Series: series("__name__", name, "outcome", "good"), Value: good}, {Series: series("__name__", name, "outcome", "bad"), Value: bad},
	}})
}

func (f feeder) whole(d time.Duration) slo.Status {
	f.t.Helper()
	for _, s := range f.Evaluate(at(d)) {
		if s.Name == "whole" {
			return s
		}
	}
	f.t.Fatal("no status of the whole")
	return slo.Status{}
}

func TestComposites(t *testing.T) {
	for method, want := range map[spec.CompositeMethod]float64{
		spec.Weighted: (1*0.1 + 2*0.2 + 1*0) / 4,
		spec.WorstOf:  0.2,
		spec.Journey:  (10.0 + 18) / 100, // 100 entered, 10 and then 18 were lost
	} {
		f := atm(t, method, spec.MakeUnknown, 0)
		for _, name := range []string{"auth", "cash", "post"} {
			f.step(0, name, 0, 0)
		}
		f.step(interval, "auth", 90, 10)
		f.step(interval, "cash", 72, 18)
		f.step(interval, "post", 72, 0)
		s := f.whole(interval)
		if got, _ := s.ErrorRatios.Get("30d"); math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: error ratio %v, want %v", method, got, want)
		}
		if got, want := s.ErrorBudget.RemainingRatio, 1-want/0.1; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: remaining %v, want %v", method, got, want)
		}
		if len(s.Members) != 3 || s.Members[1].Counted != "measured" || math.Abs(s.Members[1].ErrorRatio-0.2) > 1e-12 {
			t.Errorf("%s: members %+v", method, s.Members)
		}
		past, err := f.History("whole", "5m", at(0), at(2*interval), 2)
		must(t, err)
		if math.Abs(past[1].BurnRate-want/0.1) > 1e-9 {
			t.Errorf("%s: history says %+v, want a burn rate of %v", method, past[1], want/0.1)
		}
	}
}

func TestCompositeMembersThatAreUnknown(t *testing.T) {
	for policy, want := range map[spec.UnknownPolicy]string{
		spec.MakeUnknown: "unknown",
		spec.Ignore:      fmt.Sprint(0.05), // (0.1 + 0) ÷ 2
		spec.CountGood:   fmt.Sprint(0.025),
		spec.CountBad:    fmt.Sprint(0.525), // (0.1 + 2 + 0) ÷ 4
	} {
		f := atm(t, spec.Weighted, policy, 5*time.Minute)
		bad := 0.0
		for d := time.Duration(0); d <= 20*time.Minute; d += interval {
			bad += 10
			f.step(d, "auth", 9*bad, bad)
			f.step(d, "post", bad, 0)
			if d <= 10*time.Minute {
				f.step(d, "cash", 8*bad, 2*bad)
			}
			s := f.whole(d)
			if d == 14*time.Minute && s.Members[1].Counted != "measured" { // unknown since 10 m 45 s, late is not lost yet
				t.Errorf("%s: after %v counted as %s", policy, d, s.Members[1].Counted)
			}
		}
		s := f.whole(20 * time.Minute)
		got, _ := s.ErrorRatios.Get("30d")
		answer := fmt.Sprint(math.Round(got*1e9) / 1e9)
		if !s.Observed {
			answer = string(s.State)
		}
		if answer != want {
			t.Errorf("%s: got %s (%s), want %s", policy, answer, s.Reason, want)
		}
		if policy == spec.MakeUnknown && !strings.Contains(s.Reason, "its member cash is unknown") {
			t.Errorf("reason %q", s.Reason)
		}
	}
}

func TestCompositeBurnsAndKeepsFiringAfterARestart(t *testing.T) {
	member := func(name string) spec.Member {
		return spec.Member{Objective: name, Weight: 1, WhenUnknown: spec.MakeUnknown}
	}
	whole := composite(spec.WorstOf, member("auth"), member("cash"), member("post"))
	whole.Target = 0.99
	f := newFeeder(t, step("auth"), step("cash"), step("post"), whole)
	n := 0.0
	for d := time.Duration(0); d <= 3*time.Hour; d += interval {
		n += 100
		for _, name := range []string{"auth", "cash", "post"} {
			f.step(d, name, n, n/2)
		}
	}
	s := f.whole(3 * time.Hour)
	if len(s.Firing) == 0 {
		t.Fatalf("nothing fires: %+v", s.Tiers)
	}
	db := storage.NewMemory()
	checkpoint(t, f.Engine, db)
	again := slo.New(slo.Options{})
	must(t, again.Apply([]spec.Objective{step("auth"), step("cash"), step("post"), whole}, at(3*time.Hour), db.Scan))
	r := feeder{again, t}.whole(3 * time.Hour)
	if fmt.Sprint(r.Firing) != fmt.Sprint(s.Firing) || !r.Tiers[0].Since.Equal(*s.Tiers[0].Since) {
		t.Errorf("after a restart %v since %v fire, want %v since %v", r.Firing, r.Tiers[0].Since, s.Firing, s.Tiers[0].Since)
	}
}

func TestCompositeOfEventsAndMoneyTellsChanceByEach(t *testing.T) {
	money := step("cash")
	money.Weight = &spec.Weight{Currency: "EUR", MinorUnit: 100}
	member := func(name string) spec.Member {
		return spec.Member{Objective: name, Weight: 1, WhenUnknown: spec.MakeUnknown}
	}
	whole := composite(spec.WorstOf, member("auth"), member("cash"))
	whole.Target = 0.999
	f := newFeeder(t, step("auth"), money, whole)
	for i := range 3 * 240 {
		d := time.Duration(i) * interval
		bad := 0.0
		if i > 700 {
			bad = 1 // one request of few, while millions are moved
		}
		f.step(d, "auth", float64(i/24), bad)
		f.step(d, "cash", 1e6*float64(i), 0)
	}
	s := f.whole(719 * interval)
	if s.Events.Bad != 1 || s.Events.Good != 29 || len(s.Firing) != 0 {
		t.Errorf("one failure of thirty requests: %+v, firing %v: %s", s.Events, s.Firing, s.Tiers[0].Why)
	}
	for i := 720; i < 760; i++ {
		d := time.Duration(i) * interval
		f.step(d, "auth", 29, 1+float64(i-719))
		f.step(d, "cash", 1e6*float64(i), 0)
	}
	if s := f.whole(759 * interval); len(s.Firing) == 0 {
		t.Errorf("forty failures in a row: nothing fires: %s", s.Tiers[0].Why)
	}
}
