package slo_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

func TestReconsiderJudgesWhatFailedAndNothingElse(t *testing.T) {
	member := func(name string) spec.Member {
		return spec.Member{Objective: name, Weight: 1, WhenUnknown: spec.MakeUnknown}
	}
	f := newFeeder(t, step("auth"), step("cash"), composite(spec.WorstOf, member("auth")))
	g := newFeeder(t, step("auth"), step("cash"), composite(spec.WorstOf, member("auth")))
	n, bad := 0.0, 0.0
	for d := time.Duration(0); d < 2*time.Hour; d += interval {
		n += 10
		if d > time.Hour {
			bad += 10
		}
		for _, e := range []feeder{f, g} {
			e.step(d, "auth", n, bad)
			e.step(d, "cash", n, 0)
		}
		if d%time.Minute == 0 {
			f.Evaluate(at(d))
			g.Evaluate(at(d))
			continue
		}
		now := at(d + time.Second)
		all, part := f.Evaluate(now), g.Reconsider(now)
		if len(part) != 3 {
			t.Fatalf("got %d statuses", len(part))
		}
		for i, name := range []string{"auth", "cash", "whole"} {
			fresh := name != "cash" && bad > 0
			if fresh != part[i].At.Equal(now) {
				t.Fatalf("%v: %s is judged at %v, now is %v", d, name, part[i].At, now)
			}
			if fresh && !reflect.DeepEqual(part[i], all[i]) {
				t.Fatalf("%v: %s\n%+v, by a whole evaluation\n%+v", d, name, part[i], all[i])
			}
		}
	}
}

func TestScheduleHoldsWholeEvaluationsWhateverFails(t *testing.T) {
	var s slo.Schedule
	start := at(0)
	if !s.Begin(start, 5*time.Second) {
		t.Error("the first evaluation is of everything")
	}
	whole := 0
	for now := start; now.Before(start.Add(time.Minute)); now = now.Add(100 * time.Millisecond) {
		s.Alarm(now) // something fails all the time
		if !s.Next().After(now) && s.Begin(now, 5*time.Second) {
			whole++
		}
	}
	if whole != 11 {
		t.Errorf("%d whole evaluations in a minute less its first moment, want 11", whole)
	}
	if next := s.Next(); next.After(start.Add(time.Minute + slo.AlarmSpacing)) {
		t.Errorf("after an alarm the next is at %v", next)
	}
}
