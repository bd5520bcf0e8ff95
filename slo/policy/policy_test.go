package policy_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/policy"
	"github.com/assayer-io/assayer/slo/spec"
)

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// status is one of an objective whose whole window has been watched.
func status(name string, left float64) slo.Status {
	return slo.Status{Name: name, Service: "shop", State: slo.OK, Observed: true, Filled: 1, Reason: "watched",
		ErrorBudget: slo.Budget{RemainingRatio: left}, BurnRates: slo.WindowValues{{Window: "1h", Value: 2}}}
}

func blind(s slo.Status) slo.Status {
	s.State, s.Observed, s.Reason = slo.Unknown, false, "no target in discovery feeds it"
	return s
}

func one(rule spec.PolicyRule) []spec.BudgetPolicy {
	if rule.Name == "" {
		rule.Name = "freeze"
	}
	if rule.Then == "" {
		rule.Then = spec.Freeze
	}
	return []spec.BudgetPolicy{{Name: "card", Objectives: []string{"card-*"}, Rules: []spec.PolicyRule{rule}}}
}

func freeze(wait, clear time.Duration) []spec.BudgetPolicy {
	return one(spec.PolicyRule{RemainingBelow: new(0.25), Until: new(0.35), For: wait, ClearFor: clear})
}

// TestStory walks a rule through a burn and its recovery, minute by minute.
func TestStory(t *testing.T) {
	e := policy.New(freeze(2*time.Minute, 3*time.Minute))
	for _, step := range []struct {
		minute int
		left   float64
		seen   bool
		active bool
		why    string
	}{
		{0, 0.6, true, false, "60 % of the budget is left; the policy freezes changes below 25 % for 2m"},
		{1, 0.231, true, false, "23.1 % of the budget is left; the policy freezes changes below 25 % for 2m, which is met since 2026-11-21T10:01:00Z"},
		{2, 0.26, true, false, "26 % of the budget is left; the policy freezes changes below 25 % for 2m"}, // a break: it counts anew
		{3, 0.2, true, false, "20 % of the budget is left; the policy freezes changes below 25 % for 2m, which is met since 2026-11-21T10:03:00Z"},
		{4, 0.1, false, false, "10 % of the budget is left; the policy freezes changes below 25 % for 2m; that cannot be known now, so everything stays as it was: no target in discovery feeds it"},
		{5, 0.2, true, false, "20 % of the budget is left; the policy freezes changes below 25 % for 2m, which is met since 2026-11-21T10:04:00Z"}, // the blind minute does not count
		{6, 0.2, true, true, "20 % of the budget is left; the policy freezes changes below 25 % for 2m and ends at 35 % for 3m"},
		{7, 0.34, true, true, "34 % of the budget is left; the policy freezes changes below 25 % for 2m and ends at 35 % for 3m"},
		{8, 0.35, true, true, "35 % of the budget is left; the policy freezes changes below 25 % for 2m and ends at 35 % for 3m, which is so since 2026-11-21T10:08:00Z"},
		{11, 1, false, true, "100 % of the budget is left; the policy freezes changes below 25 % for 2m and ends at 35 % for 3m; that cannot be known now, so everything stays as it was: no target in discovery feeds it"},
		{12, 0.5, true, true, "50 % of the budget is left; the policy freezes changes below 25 % for 2m and ends at 35 % for 3m, which is so since 2026-11-21T10:11:00Z"},
		{14, 0.5, true, false, "50 % of the budget is left; the policy freezes changes below 25 % for 2m"},
	} {
		s := status("card-auth", step.left)
		if !step.seen {
			s = blind(s)
		}
		got := e.Evaluate([]slo.Status{s}, start.Add(time.Duration(step.minute)*time.Minute))
		if len(got) != 1 || got[0].Active != step.active || got[0].Why != step.why || got[0].Held == step.seen {
			t.Errorf("minute %d: got %+v, want active %v: %s", step.minute, got, step.active, step.why)
		}
	}
}

// TestConditions: every kind of condition, at and around its limits, first when nothing holds, then when it does.
func TestConditions(t *testing.T) {
	burn := func(rate float64) slo.Status {
		s := status("card-auth", 0.5)
		s.BurnRates[0].Value = rate
		return s
	}
	fires := func(names ...string) slo.Status {
		s := status("card-auth", 0.5)
		for _, n := range names {
			s.Tiers = append(s.Tiers, slo.TierStatus{Name: n, Severity: burnrate.Severity(n[:4]), Firing: true})
		}
		s.Tiers = append(s.Tiers, slo.TierStatus{Name: "page-6h", Severity: "page"})
		return s
	}
	left := func(f float64) slo.Status { return status("card-auth", f) }
	tests := map[string]struct {
		rule                      spec.PolicyRule
		quiet, begins, stays, end slo.Status
		why                       string // while it holds
	}{
		"remaining":           {spec.PolicyRule{RemainingBelow: new(0.25)}, left(0.25), left(0.249), left(0.249), left(0.25), "24.9 % of the budget is left; the policy freezes changes below 25 % and ends at 25 %"},
		"remaining below all": {spec.PolicyRule{RemainingBelow: new(1.0)}, left(1), left(0.99), left(0.99), left(1), "99 % of the budget is left; the policy freezes changes below 100 % and ends at 100 %"},
		"overspent":           {spec.PolicyRule{RemainingBelow: new(-1.0), Until: new(0.0)}, left(-1), left(-1.5), left(-0.1), left(0), "-150 % of the budget is left; the policy freezes changes below -100 % and ends at 0 %"},
		"until on wrong side": {spec.PolicyRule{RemainingBelow: new(0.25), Until: new(0.1)}, left(0.3), left(0.2), left(0.2), left(0.25), "20 % of the budget is left; the policy freezes changes below 25 % and ends at 25 %"},
		"exhausted":           {spec.PolicyRule{Exhausted: true}, left(0.001), left(0), left(-1), left(0.001), "0 % of the budget is left; the policy freezes changes at 0 % and ends above 0 %"},
		"exhausted, until":    {spec.PolicyRule{Exhausted: true, Until: new(0.2)}, left(0.1), left(-3), left(0.1), left(0.2), "-300 % of the budget is left; the policy freezes changes at 0 % and ends at 20 %"},
		"burn":                {spec.PolicyRule{BurnAbove: 6, Over: time.Hour}, burn(6), burn(6.5), burn(6.5), burn(6), "the burn rate over 1h is 6.5×; the policy freezes changes above 6× and ends at 6×"},
		"burn, until":         {spec.PolicyRule{BurnAbove: 6, Over: time.Hour, Until: new(1.0)}, burn(6), burn(7), burn(1.1), burn(1), "the burn rate over 1h is 7×; the policy freezes changes above 6× and ends at 1×"},
		"tier":                {spec.PolicyRule{Firing: "page-1h"}, fires("page-2h"), fires("page-1h"), fires("page-1h"), fires(), "page-1h fires; the policy freezes changes while page-1h fires and ends when it does not"},
		"severity":            {spec.PolicyRule{Firing: "page"}, fires("tick-1d"), fires("page-1h", "page-2h"), fires("page-2h"), fires("tick-1d"), "page-1h and page-2h fire; the policy freezes changes while page fires and ends when it does not"},
		"any":                 {spec.PolicyRule{Firing: "any"}, fires(), fires("tick-1d"), fires("page-1h"), fires(), "tick-1d fires; the policy freezes changes while any burn alert fires and ends when none does"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := policy.New(one(tt.rule))
			for i, step := range []struct {
				s    slo.Status
				want bool
			}{{tt.quiet, false}, {tt.begins, true}, {tt.stays, true}, {tt.end, false}, {tt.begins, true}} {
				got := e.Evaluate([]slo.Status{step.s}, start.Add(time.Duration(i)*time.Second))[0]
				if got.Active != step.want {
					t.Errorf("step %d: got %+v, want active %v", i, got, step.want)
				}
				if i == 1 && got.Why != tt.why {
					t.Errorf("got  %s\nwant %s", got.Why, tt.why)
				}
			}
		})
	}
}

// TestHeldWhileNothingIsKnown: neither begin nor end.
func TestHeldWhileNothingIsKnown(t *testing.T) {
	noRate := status("card-auth", 0.5)
	e := policy.New(one(spec.PolicyRule{BurnAbove: 1, Over: 30 * time.Minute}))
	if v := e.Evaluate([]slo.Status{noRate}, start)[0]; v.Active || !v.Held {
		t.Errorf("a rule about a window that is not there: %+v", v)
	}
	e = policy.New(freeze(0, 0))
	if v := e.Evaluate([]slo.Status{blind(status("card-auth", -1))}, start)[0]; v.Active || !v.Held {
		t.Errorf("began blind: %+v", v)
	}
	e.Evaluate([]slo.Status{status("card-auth", 0.1)}, start)
	if v := e.Evaluate([]slo.Status{blind(status("card-auth", 1))}, start)[0]; !v.Active || !v.Held {
		t.Errorf("ended blind: %+v", v)
	}
	anew := status("card-auth", 1) // a ledger that begins anew, as after a change of the indicator
	anew.State, anew.Filled = slo.Unknown, 0.01
	if v := e.Evaluate([]slo.Status{anew}, start)[0]; !v.Active || !v.Held {
		t.Errorf("ended on a hundredth of the window: %+v", v)
	}
	if v := e.Evaluate([]slo.Status{status("card-auth", 1)}, start)[0]; v.Active || v.Held {
		t.Errorf("did not end: %+v", v)
	}
}

func TestGroupsBelongToTheirParentsPolicies(t *testing.T) {
	e := policy.New([]spec.BudgetPolicy{
		{Name: "all", Objectives: []string{"card-auth"}, Rules: []spec.PolicyRule{{Name: "r", Exhausted: true, Then: spec.NotifyPage}}},
		{Name: "eu", Objectives: []string{"*[region=eu]"}, Rules: []spec.PolicyRule{{Name: "r", Exhausted: true, Then: spec.NotifyPage}}},
	})
	var statuses []slo.Status
	for _, region := range []string{"us", "eu"} {
		s := status("card-auth[region="+region+"]", 1)
		s.Parent, s.Group = "card-auth", map[string]string{"region": region}
		statuses = append(statuses, s)
	}
	statuses = append(statuses, status("card-auth", 1), status("sepa", 1))
	var got []string
	for _, v := range e.Evaluate(statuses, start) {
		got = append(got, v.Name()+" "+v.Objective)
		if whole := v.Objective == "card-auth"; whole != (v.Parent == "") || whole != (v.Group["region"] == "") {
			t.Errorf("got %+v", v)
		}
	}
	want := []string{"all/r card-auth", "all/r card-auth[region=eu]", "all/r card-auth[region=us]", "eu/r card-auth[region=eu]"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestApplyKeepsUnchangedRules: another message changes nothing, another condition begins anew.
func TestApplyKeepsUnchangedRules(t *testing.T) {
	e := policy.New(freeze(time.Minute, 0))
	low := []slo.Status{status("card-auth", 0.1)}
	e.Evaluate(low, start)
	e.Evaluate(low, start.Add(time.Minute))
	again := freeze(time.Minute, 0)
	again[0].Rules[0].Message = "wait"
	e.Apply(again)
	if v := e.Evaluate(low, start.Add(2*time.Minute))[0]; !v.Active || !v.Since.Equal(start.Add(time.Minute)) || v.Message != "wait" {
		t.Errorf("an unchanged rule lost its state: %+v", v)
	}
	e.Apply(freeze(2*time.Minute, 0))
	if v := e.Evaluate(low, start.Add(3*time.Minute))[0]; v.Active {
		t.Errorf("a changed rule kept its state: %+v", v)
	}
	e.Apply(nil)
	if v := e.Evaluate(low, start.Add(4*time.Minute)); v == nil || len(v) != 0 {
		t.Errorf("got %+v", v)
	}
}

// randomRule has limits and waits where chance puts them.
func randomRule(rng *rand.Rand) spec.PolicyRule {
	below := rng.Float64()
	r := spec.PolicyRule{RemainingBelow: &below, For: time.Duration(rng.IntN(5)) * time.Minute, ClearFor: time.Duration(rng.IntN(5)) * time.Minute}
	if rng.IntN(3) > 0 {
		r.Until = new(below + (1-below)*rng.Float64())
	}
	return r
}

// TestHysteresis holds random walks to what the contract says of any of them: a change has its evidence
// for the whole of the wait, enough evidence brings it about, and between the limits nothing changes.
func TestHysteresis(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		rule := randomRule(rng)
		until := *rule.RemainingBelow
		if rule.Until != nil {
			until = *rule.Until
		}
		e := policy.New(one(rule))
		active, left := false, 1.0
		low, high := time.Duration(0), time.Duration(0) // how long it was seen there without a break
		for i := range 300 {
			left = min(max(left+rng.NormFloat64()/8, -0.5), 1)
			s := status("card-auth", left)
			seen := rng.IntN(6) > 0
			if !seen {
				s = blind(s)
			}
			// A minute counts if it ends with the figure there, and neither its end nor its begin is blind.
			count := func(there bool, d time.Duration) time.Duration {
				switch {
				case !seen:
					return d
				case !there:
					return -1
				case d < 0:
					return 0
				}
				return d + time.Minute
			}
			if i == 0 {
				low, high = -1, -1
			}
			low, high = count(left < *rule.RemainingBelow, low), count(left >= until, high)
			v := e.Evaluate([]slo.Status{s}, start.Add(time.Duration(i)*time.Minute))[0]
			want := active
			switch {
			case seen && !active && low >= rule.For:
				want, high = true, -1
			case seen && active && high >= rule.ClearFor:
				want, low = false, -1
			}
			if v.Active != want {
				t.Fatalf("seed %d, minute %d, left %g, seen %v: active %v, want %v (below %g for %v, until %g for %v; low %v, high %v): %s", seed, i, left, seen,
					v.Active, want, *rule.RemainingBelow, rule.For, until, rule.ClearFor, low, high, v.Why)
			}
			between := left >= *rule.RemainingBelow && left < until
			if between && v.Active != active {
				t.Fatalf("seed %d: changed to %v between the limits", seed, v.Active)
			}
			active = v.Active
		}
	}
}

// TestOrderAndRestart: neither the order of anything nor a restart changes a verdict.
func TestOrderAndRestart(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 4))
		var policies []spec.BudgetPolicy
		for p := range 3 {
			var rules []spec.PolicyRule
			for r := range 2 {
				rule := randomRule(rng)
				rule.Name, rule.Then = fmt.Sprint("r", r), spec.NotifyTicket
				rules = append(rules, rule)
			}
			policies = append(policies, spec.BudgetPolicy{Name: fmt.Sprint("p", p), Objectives: []string{"o*"}, Rules: rules})
		}
		plain, other := policy.New(policies), policy.New(policies)
		for i := range 60 {
			var statuses []slo.Status
			for o := range 5 {
				s := status(fmt.Sprint("o", o), rng.Float64())
				if rng.IntN(8) == 0 {
					s = blind(s)
				}
				statuses = append(statuses, s)
			}
			now := start.Add(time.Duration(i) * time.Minute)
			want := plain.Evaluate(statuses, now)
			rng.Shuffle(len(statuses), func(i, j int) { statuses[i], statuses[j] = statuses[j], statuses[i] })
			if got := other.Evaluate(statuses, now); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, minute %d:\n%+v\n%+v", seed, i, got, want)
			}
			if rng.IntN(4) > 0 || slices.ContainsFunc(statuses, func(s slo.Status) bool { return !s.Observed }) {
				continue // how long it was blind before is not known after a restart
			}
			data, err := other.Checkpoint()
			if err != nil {
				t.Fatal(err)
			}
			shuffled := slices.Clone(policies)
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			other = policy.New(shuffled)
			if err := other.Restore(data); err != nil {
				t.Fatal(err)
			}
			held := slices.DeleteFunc(slices.Clone(want), func(v policy.Verdict) bool { return !v.Active })
			if got := other.Active(); !slices.EqualFunc(got, held, func(a, b policy.Verdict) bool {
				return a.Name() == b.Name() && a.Objective == b.Objective && a.Since.Equal(*b.Since) && a.Then == b.Then
			}) {
				t.Fatalf("seed %d, minute %d: restored\n%+v\nwant\n%+v", seed, i, got, held)
			}
			other.Evaluate(statuses, now) // the agent's first look, at once
		}
	}
}

func TestRestoreRefusesWhatItCannotRead(t *testing.T) {
	for _, data := range []string{"", "[]", `{"version": 2}`,
		`{"states": [{"policy": "card", "rule": "freeze", "objective": "o", "condition": CONDITION, "active": true}]}`,
		`{"states": [{"policy": "card", "rule": "freeze", "objective": "o", "condition": CONDITION, "since": "2026-11-21T10:00:00Z"}]}`} {
		e := policy.New(freeze(0, 0))
		e.Evaluate([]slo.Status{status("card-auth", 0.1)}, start)
		before, err := e.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Restore([]byte(withCondition(t, data, before))); err == nil {
			t.Errorf("%s was taken", data)
		}
		if after, err := e.Checkpoint(); err != nil || string(after) != string(before) {
			t.Errorf("%s changed the state", data)
		}
	}
}

// withCondition puts the condition that a checkpoint holds into data.
func withCondition(t *testing.T, data string, checkpoint []byte) string {
	t.Helper()
	var have struct {
		States []struct {
			Condition json.RawMessage `json:"condition"`
		} `json:"states"`
	}
	if err := json.Unmarshal(checkpoint, &have); err != nil || len(have.States) == 0 {
		t.Fatalf("%v: %s", err, checkpoint)
	}
	before, after, found := strings.Cut(data, "CONDITION")
	if !found {
		return data
	}
	return before + string(have.States[0].Condition) + after
}

// TestClockSetBack: what began in the future began now.
func TestClockSetBack(t *testing.T) {
	e := policy.New(freeze(0, time.Minute))
	low := []slo.Status{status("card-auth", 0.1)}
	e.Evaluate(low, start.Add(time.Hour))
	if v := e.Evaluate(low, start)[0]; !v.Active || v.Since.After(start) {
		t.Errorf("got %+v", v)
	}
}

// FuzzRestore: whatever is restored, what comes back is readable, stable and free of the future.
func FuzzRestore(f *testing.F) {
	e := policy.New(freeze(time.Minute, time.Minute))
	for i := range 3 {
		e.Evaluate([]slo.Status{status("card-auth", 0.1), status("card-late", 0.1*float64(i))}, start.Add(time.Duration(i)*time.Minute))
	}
	seed, err := e.Checkpoint()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed, 0.3)
	f.Add([]byte(`{"version": 1, "states": [{}]}`), -1.0)
	f.Fuzz(func(t *testing.T, data []byte, left float64) {
		e := policy.New(freeze(time.Minute, time.Minute))
		if e.Restore(data) != nil {
			return
		}
		now := start.Add(time.Hour)
		verdicts := e.Evaluate([]slo.Status{status("card-auth", left)}, now)
		for _, v := range verdicts {
			if v.Active != (v.Since != nil) || v.Since != nil && v.Since.After(now) || v.PendingSince != nil && v.PendingSince.After(now) {
				t.Errorf("%s\ngives %+v", data, v)
			}
		}
		written, err := e.Checkpoint()
		if err != nil {
			return // a year that JSON cannot spell
		}
		again := policy.New(freeze(time.Minute, time.Minute))
		if err := again.Restore(written); err != nil {
			t.Errorf("%s cannot be read back: %v", written, err)
		}
		if twice, err := again.Checkpoint(); err != nil || string(twice) != string(written) {
			t.Errorf("%s becomes %s", written, twice)
		}
	})
}

// BenchmarkEvaluate is a thousand objectives under four rules each, nearly all of them well.
func BenchmarkEvaluate(b *testing.B) {
	policies := []spec.BudgetPolicy{{Name: "all", Objectives: []string{"card-*"}}}
	for i := range 4 {
		policies[0].Rules = append(policies[0].Rules, spec.PolicyRule{Name: fmt.Sprint("r", i), RemainingBelow: new(0.2 * float64(i)), Then: spec.Freeze})
	}
	var statuses []slo.Status
	for i := range 1000 {
		statuses = append(statuses, status(fmt.Sprintf("card-%04d", i), 0.5+float64(i)/2000))
	}
	e := policy.New(policies)
	b.ReportAllocs()
	for b.Loop() {
		e.Evaluate(statuses, start)
	}
}
