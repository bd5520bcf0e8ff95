package hooks_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/policy"
)

// acting is an input for which every rule agrees.
func acting() hooks.Input {
	now := start.Add(5 * time.Hour)
	since := now.Add(-10 * time.Second)
	s := slo.Status{
		Name: "card-auth-availability", Service: "card-auth", Observed: true, State: slo.Burning, At: now, Coverage: 1, Firing: []string{"page-1h"},
		Tiers: []slo.TierStatus{{Name: "page-1h", Severity: burnrate.Page, LongWindow: "1h", ShortWindow: "5m", Factor: 14.4,
			LongBurnRate: 21.31, ShortBurnRate: 180, Firing: true, Since: &since}},
	}
	return hooks.Input{
		Policy: auto(), Status: s, All: []slo.Status{s, {Name: "b", Service: "b", Observed: true, State: slo.OK}, {Name: "c", Service: "c", Observed: true, State: slo.OK}},
		Changes: []hooks.Change{
			{ID: "1", Service: "card-auth", Kind: hooks.KindDeploy, Revision: "v41", At: now.Add(-4 * time.Hour)},
			{ID: "2", Service: "card-auth", Kind: hooks.KindDeploy, Revision: "v42", At: now.Add(-time.Minute)},
		},
		Baked: []hooks.Baked{
			{Revision: "v41", Family: hooks.KindDeploy, ChangeID: "1", Since: now.Add(-4 * time.Hour), Healthy: 3 * time.Hour},
			{Revision: "v42", Family: hooks.KindDeploy, ChangeID: "2", Since: now.Add(-time.Minute)},
		},
		BurnBegan: now.Add(-30 * time.Second),
		Now:       now,
	}
}

func TestDecideGivesItsReasonsWithNumbers(t *testing.T) {
	d := hooks.Decide(acting())
	want := []string{
		"page-1h fires since 2026-11-21T12:59:50Z: 21.3× over 1h and 180× over 5m, limit 14.4×",
		"deploy v42 at 2026-11-21T12:59:00Z came 30s before the burn began at 2026-11-21T12:59:30Z",
		"v41 is recorded good: it met its objectives for 3h0m0s, 10m0s is needed",
	}
	if d.Verdict != hooks.Act || d.ToRevision != "v41" || !slices.Equal(d.Reasons, want) {
		t.Errorf("got %s to %q because\n%s", d.Verdict, d.ToRevision, strings.Join(d.Reasons, "\n"))
	}
}

func TestDecideRules(t *testing.T) {
	past := func(in hooks.Input, state hooks.State, ago time.Duration) hooks.Action {
		at := in.Now.Add(-ago)
		a := hooks.Action{ID: "a1", Hook: in.Policy.Name, Service: "card-auth", Objective: "card-auth-availability", State: state, CreatedAt: at}
		if state == hooks.Verified || state == hooks.Failed || state == hooks.Unverified || state == hooks.Running || state == hooks.Verifying {
			a.StartedAt = &at
		}
		return a
	}
	for name, tt := range map[string]struct {
		change  func(in *hooks.Input)
		verdict hooks.Verdict
		rules   []string
	}{
		"as it is":      {func(*hooks.Input) {}, hooks.Act, nil},
		"nothing fires": {func(in *hooks.Input) { in.Status.Tiers[0].Firing = false }, hooks.Hold, []string{"not_firing"}},
		"only a ticket": {func(in *hooks.Input) { in.Status.Tiers[0].Severity = burnrate.Ticket }, hooks.Hold, []string{"not_firing"}},
		"a ticket asked": {func(in *hooks.Input) {
			in.Status.Tiers[0].Severity = burnrate.Ticket
			in.Policy.Tiers = []string{"page-*"}
		}, hooks.Act, nil},
		"another tier":      {func(in *hooks.Input) { in.Policy.Tiers = []string{"page-6h"} }, hooks.Hold, []string{"not_firing"}},
		"unknown":           {func(in *hooks.Input) { in.Status.State, in.Status.Observed = slo.Unknown, false }, hooks.Hold, []string{"unknown"}},
		"coverage":          {func(in *hooks.Input) { in.Status.Coverage = 0.89 }, hooks.Hold, []string{"coverage"}},
		"recovering":        {func(in *hooks.Input) { in.Status.Tiers[0].ShortBurnRate = 0.5 }, hooks.Hold, []string{"recovering", "recovering"}},
		"paused":            {func(in *hooks.Input) { in.Paused = "by ops" }, hooks.Hold, []string{"paused"}},
		"start":             {func(in *hooks.Input) { in.StartPaused = true }, hooks.Hold, []string{"start_paused"}},
		"start, approve":    {func(in *hooks.Input) { in.StartPaused = true; in.Policy.Mode = hooks.Approve }, hooks.Act, nil},
		"no change":         {func(in *hooks.Input) { in.Changes = nil }, hooks.Deny, []string{"no_change"}},
		"old change":        {func(in *hooks.Input) { in.Changes = in.Changes[:1] }, hooks.Deny, []string{"no_change"}},
		"change at burn":    {func(in *hooks.Input) { in.Changes[1].At = in.BurnBegan }, hooks.Act, nil},
		"change after burn": {func(in *hooks.Input) { in.Changes[1].At = in.BurnBegan.Add(1) }, hooks.Deny, []string{"change_after_burn"}},
		"change after tier": {func(in *hooks.Input) { in.BurnBegan = in.Now; in.Changes[1].At = in.Now.Add(-9 * time.Second) }, hooks.Deny, []string{"change_after_burn"}},
		"burn not seen":     {func(in *hooks.Input) { in.BurnBegan = time.Time{} }, hooks.Hold, []string{"order_unknown"}},
		"rollback":          {func(in *hooks.Input) { in.Changes[1].Kind = hooks.KindRollback }, hooks.Deny, []string{"undo_of_undo"}},
		"not baked":         {func(in *hooks.Input) { in.Baked[0].Healthy = 10*time.Minute - 1 }, hooks.Deny, []string{"no_good_revision"}},
		"just baked":        {func(in *hooks.Input) { in.Baked[0].Healthy = 10 * time.Minute }, hooks.Act, nil},
		"withdrawn":         {func(in *hooks.Input) { in.Baked[0].Withdrawn = true }, hooks.Deny, []string{"no_good_revision"}},
		"same revision":     {func(in *hooks.Input) { in.Baked[0].Revision = "v42" }, hooks.Deny, []string{"no_good_revision"}},
		"other family":      {func(in *hooks.Input) { in.Baked[0].Family = hooks.KindFlag }, hooks.Deny, []string{"no_good_revision"}},
		"in flight, any hook": {func(in *hooks.Input) {
			a := past(*in, hooks.Verifying, 90*time.Minute)
			a.Hook = "other"
			in.Recent = append(in.Recent, a)
		}, hooks.Hold, []string{"in_flight"}},
		"cooldown":      {func(in *hooks.Input) { in.Recent = append(in.Recent, past(*in, hooks.Verified, 59*time.Minute)) }, hooks.Deny, []string{"cooldown"}},
		"cooldown over": {func(in *hooks.Input) { in.Recent = append(in.Recent, past(*in, hooks.Verified, 61*time.Minute)) }, hooks.Act, nil},
		"cooldown of a failure": {func(in *hooks.Input) { in.Recent = append(in.Recent, past(*in, hooks.Failed, 59*time.Minute)) }, hooks.Deny,
			[]string{"cooldown"}},
		"dry runs cost auto nothing": {func(in *hooks.Input) { in.Recent = append(in.Recent, past(*in, hooks.Observed, time.Second)) }, hooks.Act, nil},
		"dry runs count for a dry run": {func(in *hooks.Input) {
			in.Policy.Mode = hooks.Observe
			in.Recent = append(in.Recent, past(*in, hooks.Observed, 30*time.Minute))
		}, hooks.Deny, []string{"cooldown"}},
		"same burn, rejected": {func(in *hooks.Input) { in.Recent = append(in.Recent, past(*in, hooks.Rejected, 20*time.Second)) }, hooks.Deny,
			[]string{"episode_answered"}},
		"cap": {func(in *hooks.Input) {
			for i := range 3 {
				a := past(*in, hooks.Verified, time.Duration(i+10)*time.Minute)
				a.Service = fmt.Sprint("s", i)
				in.Recent = append(in.Recent, a)
			}
		}, hooks.Deny, []string{"cap"}},
		"same change, other hook": {func(in *hooks.Input) {
			a := past(*in, hooks.Failed, 2*time.Hour)
			a.Hook, a.Change = "other", &in.Changes[1]
			in.Recent = append(in.Recent, a)
		}, hooks.Deny, []string{"change_answered"}},
		"two services burn": {func(in *hooks.Input) { in.All[1].Firing = []string{"page-1h"} }, hooks.Act, nil},
		"three services burn": {func(in *hooks.Input) {
			in.All[1].Firing, in.All[2].Firing = []string{"page-1h"}, []string{"page-1h"}
		}, hooks.Hold, []string{"shared_cause"}},
		"a policy calls":                {called, hooks.Act, nil},
		"a policy that does not hold":   {func(in *hooks.Input) { called(in); in.Called.Active = false }, hooks.Hold, []string{"not_firing"}},
		"a policy calls after the burn": {func(in *hooks.Input) { called(in); in.Status.Tiers[0].ShortBurnRate = 1 }, hooks.Hold, []string{"recovering", "recovering"}},
		"a policy calls blindly":        {func(in *hooks.Input) { called(in); in.Status.Coverage = 0.5 }, hooks.Hold, []string{"coverage"}},
		"a policy calls in the cooldown": {func(in *hooks.Input) {
			called(in)
			in.Recent = append(in.Recent, past(*in, hooks.Verified, 59*time.Minute))
		}, hooks.Deny, []string{"cooldown"}},
		"a policy calls what the tier had": {func(in *hooks.Input) {
			called(in)
			in.Recent = append(in.Recent, past(*in, hooks.Rejected, time.Second))
		}, hooks.Deny, []string{"episode_answered"}},
		"a policy calls without a change": {func(in *hooks.Input) { called(in); in.Changes = nil }, hooks.Deny, []string{"no_change"}},
		"no change needed": {func(in *hooks.Input) {
			in.Policy.RequireChange = false
			in.Changes, in.Baked, in.BurnBegan = nil, nil, time.Time{}
		}, hooks.Act, nil},
	} {
		t.Run(name, func(t *testing.T) {
			in := acting()
			tt.change(&in)
			d := hooks.Decide(in)
			if d.Verdict != tt.verdict || !slices.Equal(d.Rules, tt.rules) {
				t.Errorf("got %s by %v, want %s by %v; %s", d.Verdict, d.Rules, tt.verdict, tt.rules, strings.Join(d.Reasons, "; "))
			}
			if len(d.Reasons) == 0 {
				t.Error("no reason is given")
			}
		})
	}
}

func TestDemotedHookAsks(t *testing.T) {
	in := acting()
	in.Demoted = "its action a0 on card-auth did not help"
	if d := hooks.Decide(in); d.Verdict != hooks.Act || d.Mode != hooks.Approve {
		t.Errorf("got %s in mode %s", d.Verdict, d.Mode)
	}
	in.Policy.Mode = hooks.Observe
	if d := hooks.Decide(in); d.Mode != hooks.Observe {
		t.Errorf("a demoted observer is in mode %s", d.Mode)
	}
}

// called makes a budget policy call the hook, and no tier fire.
func called(in *hooks.Input) {
	in.Status.Tiers[0].Firing = false
	in.Called = &policy.Verdict{Policy: "card", Rule: "undo", Active: true, Since: in.Status.Tiers[0].Since, Why: "20 % of the budget is left; the policy calls hook card-rollback below 25 %"}
}

func TestCalledByAPolicy(t *testing.T) {
	in := acting()
	fired := hooks.Decide(in)
	called(&in)
	d := hooks.Decide(in)
	if d.CalledBy != "card/undo" || d.Mode != hooks.Auto || d.Episode == fired.Episode || !strings.Contains(d.Episode, "/policy/card/undo/") {
		t.Errorf("got %+v", d)
	}
	if !strings.HasPrefix(d.Reasons[0], "policy card/undo calls since ") || !strings.Contains(d.Reasons[0], in.Called.Why) {
		t.Errorf("got %q", d.Reasons)
	}
	in.Status.Tiers = nil // by what would anybody see that it helped?
	if d := hooks.Decide(in); d.Verdict != hooks.Hold || d.Episode != "" {
		t.Errorf("without tiers: %+v", d)
	}
}

func TestPolicyDemandsApproval(t *testing.T) {
	in := acting()
	in.Approval = "policy card/ask demands approval: 20 % of the budget is left"
	d := hooks.Decide(in)
	if d.Verdict != hooks.Act || d.Mode != hooks.Approve || !slices.Contains(d.Reasons, "card-rollback has to ask: "+in.Approval) {
		t.Errorf("got %s in mode %s: %q", d.Verdict, d.Mode, d.Reasons)
	}
	in.Policy.Mode = hooks.Observe
	if d := hooks.Decide(in); d.Mode != hooks.Observe {
		t.Errorf("an observer is in mode %s", d.Mode)
	}
}

// FuzzDecide builds inputs from bytes and holds Decide to what must never happen, worked out here
// from the input alone.
func FuzzDecide(f *testing.F) {
	f.Add(uint64(0), uint64(0), uint16(0))
	f.Add(uint64(1), uint64(2), uint16(0xffff))
	for i := range 200 {
		f.Add(uint64(i), uint64(i*7919), uint16(1<<(i%16)))
	}
	f.Fuzz(func(t *testing.T, a, b uint64, faults uint16) {
		in := scramble(rand.New(rand.NewPCG(a, b)), faults)
		d := hooks.Decide(in)
		if again := hooks.Decide(in); !reflect.DeepEqual(d, again) && !hasNaN(in) {
			t.Fatalf("not pure: %+v and %+v", d, again)
		}
		if len(d.Reasons) == 0 {
			t.Fatal("no reason is given")
		}
		if d.Verdict != hooks.Act {
			if len(d.Rules) == 0 {
				t.Fatal("held back by no rule")
			}
			return
		}
		for what, broken := range mustNot(in, d) {
			if broken {
				t.Fatalf("acted though %s: %+v", what, in)
			}
		}
	})
}

func hasNaN(in hooks.Input) bool {
	return math.IsNaN(in.Status.Coverage) || math.IsNaN(in.Status.Tiers[0].LongBurnRate) || math.IsNaN(in.Status.Tiers[0].ShortBurnRate)
}

func mustNot(in hooks.Input, d hooks.Decision) map[string]bool {
	tier := in.Status.Tiers[0]
	if !tier.Firing && in.Called != nil {
		tier.Since = in.Called.Since
	}
	calls, onService, open := 0, false, false
	for _, a := range in.Recent {
		open = open || a.Service == in.Status.Service && !a.State.Final()
		if a.Hook == in.Policy.Name && a.StartedAt != nil && a.State != hooks.Superseded {
			ago := in.Now.Sub(*a.StartedAt)
			if ago < in.Policy.MaxActionsWindow {
				calls++
			}
			onService = onService || a.Service == in.Status.Service && ago < in.Policy.Cooldown
		}
	}
	out := map[string]bool{
		"nothing calls":         !tier.Firing && (in.Called == nil || !in.Called.Active),
		"a policy wants to ask": in.Approval != "" && d.Mode == hooks.Auto,
		"the state is unknown":  in.Status.State == slo.Unknown,
		"coverage is low":       math.IsNaN(in.Status.Coverage) || in.Status.Coverage < in.Policy.MinCoverage,
		"it is paused":          in.Paused != "",
		"it was just started":   in.StartPaused && d.Mode == hooks.Auto,
		"it is demoted":         in.Demoted != "" && d.Mode == hooks.Auto,
		"the cap is reached":    calls >= in.Policy.MaxActions,
		"it cools down":         onService,
		"another is at work":    open,
		"the burn is over":      !(tier.ShortBurnRate > 1),
		"the status is old":     in.Now.Sub(in.Status.At) > 2*time.Minute,
	}
	if !in.Policy.RequireChange {
		return out
	}
	out["no change is known"] = len(in.Changes) == 0 || d.Change == nil
	out["the order is unknown"] = in.BurnBegan.IsZero()
	if len(in.Changes) > 0 {
		last := in.Changes[len(in.Changes)-1]
		out["the burn came first"] = in.BurnBegan.Before(last.At) || tier.Since.Before(last.At)
		out["it undoes an undo"] = last.Kind == hooks.KindRollback
		out["the target is in place"] = d.ToRevision == last.Revision || d.ToRevision == ""
		out["the target is not good"] = !slices.ContainsFunc(in.Baked, func(b hooks.Baked) bool {
			return b.Revision == d.ToRevision && b.Healthy >= in.Policy.Bake && !b.Withdrawn
		})
	}
	return out
}

// scramble breaks some of what an acting input has in order, as the bits of faults say.
func scramble(r *rand.Rand, faults uint16) hooks.Input {
	in := acting()
	bit := func(i int) bool { return faults&(1<<i) != 0 && r.IntN(4) > 0 }
	around := func(t time.Time) time.Time { return t.Add(time.Duration(r.Int64N(int64(4*time.Hour))) - 2*time.Hour) }
	rates := []float64{0, 0.5, 1, 1.5, 14.4, 1000, math.NaN(), math.Inf(1), -1}
	tier := &in.Status.Tiers[0]
	if bit(0) {
		in.Status.State = []slo.State{slo.Unknown, slo.OK, slo.Exhausted, ""}[r.IntN(4)]
	}
	if bit(1) {
		in.Status.Coverage = []float64{0, 0.5, 0.9, 1, math.NaN()}[r.IntN(5)]
	}
	if bit(2) {
		tier.LongBurnRate, tier.ShortBurnRate = rates[r.IntN(len(rates))], rates[r.IntN(len(rates))]
	}
	if bit(3) {
		tier.Firing = r.IntN(2) == 0
	}
	if bit(4) {
		since := around(*tier.Since)
		tier.Since = &since
	}
	if bit(5) {
		in.BurnBegan = []time.Time{{}, around(in.BurnBegan)}[r.IntN(2)]
	}
	if bit(6) {
		in.Paused, in.StartPaused, in.Demoted = []string{"", "x"}[r.IntN(2)], r.IntN(2) == 0, []string{"", "y"}[r.IntN(2)]
	}
	if bit(7) {
		in.Changes = in.Changes[:r.IntN(3)]
	}
	for i := range in.Changes {
		if bit(8) {
			in.Changes[i].At = around(in.Changes[i].At)
			in.Changes[i].Kind = []string{hooks.KindDeploy, hooks.KindFlag, hooks.KindRollback, hooks.KindConfig}[r.IntN(4)]
		}
	}
	slices.SortFunc(in.Changes, func(a, b hooks.Change) int { return a.At.Compare(b.At) })
	for i := range in.Baked {
		if bit(9) {
			in.Baked[i].Healthy = time.Duration(r.Int64N(int64(20 * time.Minute)))
			in.Baked[i].Withdrawn = r.IntN(2) == 0
			in.Baked[i].Revision = fmt.Sprintf("v4%d", r.IntN(3))
		}
	}
	if bit(10) {
		states := append(hooks.FinalStates(), hooks.Running, hooks.Verifying, hooks.WaitingApproval)
		for range r.IntN(6) {
			at := around(in.Now.Add(-time.Hour))
			a := hooks.Action{ID: fmt.Sprint(r.Uint64()), Hook: []string{"card-rollback", "other"}[r.IntN(2)], CreatedAt: at,
				Service: []string{"card-auth", "ledger"}[r.IntN(2)], Objective: "card-auth-availability", State: states[r.IntN(len(states))]}
			if r.IntN(2) == 0 {
				a.StartedAt = &at
			}
			in.Recent = append(in.Recent, a)
		}
	}
	if bit(11) {
		in.Policy.RequireChange = r.IntN(2) == 0
	}
	if bit(12) {
		in.Policy.Mode = []hooks.Mode{hooks.Observe, hooks.Recommend, hooks.Approve, hooks.Auto}[r.IntN(4)]
	}
	if bit(13) {
		in.Status.At = around(in.Status.At)
	}
	if bit(14) {
		tier.Firing = false
		since := around(in.Now)
		in.Called = &policy.Verdict{Policy: "card", Rule: "undo", Active: r.IntN(4) > 0, Since: &since}
		if r.IntN(8) == 0 {
			in.Called.Since = nil
		}
	}
	if bit(15) {
		in.Approval = "policy card/ask demands approval"
	}
	return in
}

func TestScrambledInputsSometimesAct(t *testing.T) {
	acts := 0
	for i := range uint64(5000) {
		r := rand.New(rand.NewPCG(i, 1))
		if hooks.Decide(scramble(r, uint16(i*2654435761))).Verdict == hooks.Act {
			acts++
		}
	}
	if acts < 100 {
		t.Errorf("only %d of 5000 inputs act, so the property is hardly tested", acts)
	}
}
