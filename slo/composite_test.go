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
		spec.CountBad:    fmt.Sprint(0.31), // cash: 555 s of 1200 s bad, 0.2 of the rest: 0.57; (0.1 + 2 × 0.57 + 0) ÷ 4
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

// countedBad are members that count as bad while they are unknown.
func countedBad(delay time.Duration, names ...string) []spec.Member {
	var out []spec.Member
	for _, n := range names {
		out = append(out, spec.Member{Objective: n, Weight: 1, WhenUnknown: spec.CountBad, MaxDelay: delay})
	}
	return out
}

func TestWorstOfRemembersAMemberWithoutEvents(t *testing.T) {
	f := newFeeder(t, step("auth"), step("cash"), composite(spec.WorstOf, countedBad(0, "auth", "cash")...))
	for i := range 20 { // nothing ever feeds auth
		f.step(time.Duration(i)*interval, "cash", 99*float64(i), float64(i))
		f.whole(time.Duration(i) * interval)
	}
	s := f.whole(19 * interval)
	if got, _ := s.ErrorRatios.Get("30d"); got != 1 || s.Members[0].Counted != "bad" || s.Members[0].ErrorRatio != 1 {
		t.Errorf("error ratio %v, want 1; members %+v", got, s.Members)
	}
}

// TestRestartIsNoOutageOfMembers: right after a start no target has been asked yet.
func TestRestartIsNoOutageOfMembers(t *testing.T) {
	for _, method := range []spec.CompositeMethod{spec.Weighted, spec.WorstOf, spec.Journey} {
		all := []spec.Objective{step("auth"), step("cash"), composite(method, countedBad(0, "auth", "cash")...)}
		all[2].Target = 0.999
		f := newFeeder(t, all...)
		if s := f.whole(0); len(s.Firing) > 0 || s.State != slo.Unknown {
			t.Errorf("%s: at the first start: %s %v", method, s.State, s.Firing)
		}
		n := 0.0
		d := time.Duration(0)
		for ; d < 3*time.Hour; d += interval {
			n += 10
			f.step(d, "auth", n, 0)
			f.step(d, "cash", n, 0)
			f.whole(d)
		}
		g := f.restarted(d+interval, all...)
		if s := g.whole(d + interval); len(s.Firing) > 0 || s.State == slo.Exhausted {
			t.Errorf("%s: at a restart: %v %s %s", method, s.Firing, s.State, s.Reason)
		}
		// Cash never answers again: bad since the restart, 30 minutes of a good three and a half hours.
		for d += interval; d < 3*time.Hour+30*time.Minute+2*interval; d += interval {
			n += 10
			g.step(d, "auth", n, 0)
			g.whole(d)
		}
		s := g.whole(d)
		if got, want := s.Members[1].ErrorRatio, 30.0/210; math.Abs(got-want) > 0.01 || s.Members[1].Counted != "bad" || len(s.Firing) == 0 {
			t.Errorf("%s: cash %+v, want a ratio of %v; firing %v", method, s.Members[1], want, s.Firing)
		}
		// It was known to be gone before the next restart, so it still is, since then.
		h := g.restarted(d+interval, all...)
		if r := h.whole(d + interval); math.Abs(r.Members[1].ErrorRatio-s.Members[1].ErrorRatio) > 0.01 || r.Members[1].Counted != "bad" {
			t.Errorf("%s: after another restart %+v, before %+v", method, r.Members[1], s.Members[1])
		}
	}
}

// TestMemberCountsAsBadSinceItIsUnknown, not over the time before, when it was measured.
func TestMemberCountsAsBadSinceItIsUnknown(t *testing.T) {
	for method, want := range map[spec.CompositeMethod]float64{
		spec.Weighted: (0.02 + 0.02*0.8 + 0.2) / 2, // auth fails 2 % of 12 minutes of every hour, cash of the others
		spec.WorstOf:  0.02*0.8 + 0.2,
		spec.Journey:  (0.02+0.02*0.8)*0.8 + 0.2, // what entered is counted all the time, what cash lost for 144 minutes
	} {
		f := newFeeder(t, step("auth"), step("cash"), composite(method, countedBad(5*time.Minute, "auth", "cash")...))
		end := 3 * time.Hour
		gone := 2*time.Hour + 24*time.Minute - 3*interval // unknown at the third look that is missing: 36 of 180 minutes
		for d := time.Duration(0); d <= end; d += interval {
			n := float64(d / interval)
			f.step(d, "auth", 98*n, 2*n)
			if d <= gone {
				f.step(d, "cash", 98*n, 2*n)
			}
			s := f.whole(d)
			if d == gone+10*time.Minute && s.ErrorBudget.RemainingRatio < 0 {
				t.Errorf("%s: after ten minutes of silence nothing of the month is left: %v", method, s.ErrorBudget.RemainingRatio)
			}
		}
		s := f.whole(end)
		if got, _ := s.ErrorRatios.Get("30d"); math.Abs(got-want) > 0.002 {
			t.Errorf("%s: error ratio %v, want %v; %+v", method, got, want, s.Members)
		}
		if got, _ := s.ErrorRatios.Get("5m"); math.Abs(got-map[bool]float64{true: 0.51, false: 1}[method == spec.Weighted]) > 1e-9 {
			t.Errorf("%s: error ratio over 5m %v", method, got)
		}
		f.SetExclusions([]slo.Exclusion{exclude(gone, end, "cash")})
		if got := f.whole(end).Members[1].ErrorRatio; math.Abs(got-0.02) > 1e-9 {
			t.Errorf("%s: its silence is excluded, yet its ratio is %v, want 0.02", method, got)
		}
	}
}

func TestExclusionOfAComposite(t *testing.T) {
	member := func(n string) spec.Member { return spec.Member{Objective: n, Weight: 1, WhenUnknown: spec.MakeUnknown} }
	all := []spec.Objective{step("auth"), step("cash"), composite(spec.Weighted, member("auth"), member("cash"))}
	f := newFeeder(t, all...)
	x := []slo.Exclusion{exclude(time.Hour+10*time.Minute+10*time.Second, 2*time.Hour+20*time.Second, "whole"), exclude(time.Hour, time.Hour+30*time.Minute, "auth")}
	f.SetExclusions(x)
	const looks = 7 * 24 * 240 // a week, so that the buckets of the first hours are the coarsest
	good, bad := 0.0, 0.0
	for i := range looks {
		if d := time.Duration(i) * interval; d > time.Hour+10*time.Minute && d <= 2*time.Hour+20*time.Second {
			bad += 50
		} else {
			good += 50
		}
		f.step(time.Duration(i)*interval, "auth", good, bad)
		f.step(time.Duration(i)*interval, "cash", good, bad)
	}
	end := (looks - 1) * interval
	// Looks from 1:10:15 to 2:00:15 failed, all of them in the excluded time.
	check := func(f feeder, end time.Duration, when string) {
		t.Helper()
		if s := f.whole(end); s.Events.Bad != 0 || !s.Observed || s.State == slo.Exhausted {
			t.Errorf("%s: excluded, yet %+v %s", when, s.Events, s.State)
		}
		if cash := f.named(end, "cash"); cash.Events.Bad != bad || cash.Events.Excluded != 0 {
			t.Errorf("%s: the member itself is not excluded: %+v", when, cash.Events)
		}
		past, err := f.History("whole", "1h", at(2*time.Hour), at(3*time.Hour), 2)
		must(t, err)
		if past[0].BurnRate != 0 {
			t.Errorf("%s: history burns at %v", when, past[0].BurnRate)
		}
	}
	check(f, end, "now")
	g := f.restarted(end, all...)
	g.SetExclusions(x)
	g.step(end+interval, "auth", good, bad)
	g.step(end+interval, "cash", good, bad)
	check(g, end+interval, "after a restart")
	g.SetExclusions(nil)
	if s := g.whole(end + interval); s.Events.Bad == 0 {
		t.Errorf("the exclusion is removed, and nothing came back: %+v", s)
	}
}

func (f feeder) named(d time.Duration, name string) slo.Status {
	f.t.Helper()
	for _, s := range f.Evaluate(at(d)) {
		if s.Name == name {
			return s
		}
	}
	f.t.Fatalf("no status of %s", name)
	return slo.Status{}
}

// TestCompositeCalendarWindowIsExact: in a zone with half hours no month begins at a bucket's edge.
func TestCompositeCalendarWindowIsExact(t *testing.T) {
	ist := time.FixedZone("IST", 5*3600+1800)
	member := func(n string) spec.Member { return spec.Member{Objective: n, Weight: 1, WhenUnknown: spec.MakeUnknown} }
	c := composite(spec.Weighted, member("auth"), member("cash"))
	c.Window = spec.Window{Text: "1M", Length: 30 * 24 * time.Hour, Unit: spec.Month, Count: 1, Anchor: time.Date(2026, 1, 1, 0, 0, 0, 0, ist), Location: ist}
	all := []spec.Objective{step("auth"), step("cash"), c}
	f := newFeeder(t, all...)
	g, b := 0.0, 0.0
	const day = 24 * time.Hour
	feed := func(start, end time.Duration) {
		for d := start - 2*time.Hour; d <= end; d += interval {
			g += 10
			if d > start-20*time.Minute && d <= start {
				b += 10
			}
			f.step(d, "auth", g, b)
			f.step(d, "cash", g, b)
			if d%time.Hour == 0 {
				f.whole(d)
			}
		}
		if s := f.whole(end); s.Events.Bad != 0 {
			t.Errorf("%v: %v bad of the month before", at(end), s.Events.Bad)
		}
	}
	for _, month := range []time.Month{4, 5, 6} { // the members' own windows do not need them
		start := time.Date(2026, month, 1, 0, 0, 0, 0, ist).Sub(epoch)
		feed(start, start+7*day) // when the buckets around the beginning are the coarsest
		f = f.restarted(start+7*day, all...)
	}
}

// TestUnknownMemberWhenTheClockIsSetBack: it is unknown since the moment to which the clock was set.
func TestUnknownMemberWhenTheClockIsSetBack(t *testing.T) {
	f := newFeeder(t, step("auth"), step("cash"), composite(spec.Weighted, countedBad(5*time.Minute, "auth", "cash")...))
	for d := time.Duration(0); d <= 3*time.Hour; d += interval {
		f.step(d, "auth", d.Seconds(), 0)
		if d <= 2*time.Hour {
			f.step(d, "cash", d.Seconds(), 0)
		}
		f.whole(d)
	}
	f.whole(time.Hour) // two hours back, one before cash was lost
	if s := f.whole(time.Hour + 6*time.Minute); s.Members[1].Counted != "bad" || math.Abs(s.Members[1].ErrorRatio-6.0/66) > 1e-9 {
		t.Errorf("%+v, want it bad for 6 of 66 minutes", s.Members[1])
	}
}
