package hooks_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo/policy"
	"github.com/assayer-io/assayer/slo/spec"
)

// demand is a verdict on the incident's objective that holds since the world's present.
func (w *world) demand(then spec.Consequence) policy.Verdict {
	since := w.now
	v := policy.Verdict{Policy: "card", Rule: string(then), Objective: "card-auth-availability", Service: "card-auth", Then: then, Active: true, Since: &since,
		Why: "20 % of the budget is left"}
	if then == spec.CallHook {
		v.Hook = "card-rollback"
	}
	return v
}

// policyOnly is a hook that no tier calls.
func policyOnly() hooks.Policy {
	p := auto()
	p.Tiers = []string{"none"}
	return p
}

func TestPolicyCallsTheHookOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, policyOnly())
		w.incident(1)
		w.run(5 * time.Minute)
		w.wantCalls(0)
		calls := w.demand(spec.CallHook)
		other := calls
		other.Objective = "card-late"
		gone := calls
		gone.Active = false
		w.q.Follow([]policy.Verdict{other, gone, w.demand(spec.Freeze)})
		w.run(time.Minute)
		w.wantCalls(0)
		w.q.Follow([]policy.Verdict{calls})
		w.run(3 * time.Hour)
		w.wantCalls(1)
		a := w.want(hooks.Verified, 1)[0]
		if a.Policy != "card/hook" || a.Tier != "page-1h" || a.ToRevision != "v41" || !strings.HasPrefix(a.Reasons[0], "policy card/hook calls since ") {
			t.Errorf("action is %+v", a)
		}
		want := []string{"hook_action_intent", "hook_action_result", "hook_action_verified"}
		if got := w.log.types(); !slices.Equal(got, want) {
			t.Errorf("audited %v, want %v", got, want)
		}
	})
}

// TestPolicyPassesNoGuard: what holds or denies a firing tier does so to a policy.
func TestPolicyPassesNoGuard(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*hooks.Policy)
		before func(*world)
		rule   string
	}{
		"another objective": {change: func(p *hooks.Policy) { p.Objectives = []string{"sepa-*"} }},
		"mode observe":      {change: func(p *hooks.Policy) { p.Mode = hooks.Observe }},
		"paused": {before: func(w *world) {
			if err := w.q.Pause("ops", "market close"); err != nil {
				w.t.Error(err)
			}
		}, rule: "paused"},
		"after a restart":     {change: func(p *hooks.Policy) { p.ResumeOnStart = false }, rule: "start_paused"},
		"rolled back by hand": {before: func(w *world) { w.record("card-auth", hooks.KindRollback, "v41") }, rule: "change_after_burn"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := policyOnly()
				if tt.change != nil {
					tt.change(&p)
				}
				w := newWorld(t, p)
				w.incident(1)
				w.run(5 * time.Minute)
				if tt.before != nil {
					tt.before(w)
				}
				w.q.Follow([]policy.Verdict{w.demand(spec.CallHook)})
				w.run(time.Hour)
				w.wantCalls(0)
				back := append(w.in(hooks.Held), w.in(hooks.Denied)...)
				if tt.rule != "" && !slices.ContainsFunc(back, func(a hooks.Action) bool { return slices.Contains(a.Rules, tt.rule) }) {
					t.Errorf("nothing was held back by %s: %s", tt.rule, w.describe())
				}
			})
		})
	}
}

func TestPolicyMakesAutoAsk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.incident(1)
		w.q.Follow([]policy.Verdict{w.demand(spec.DemandApproval)})
		w.run(2 * time.Minute)
		w.wantCalls(0)
		a := w.want(hooks.WaitingApproval, 1)[0]
		if want := "card-rollback has to ask: policy card/approval demands approval: 20 % of the budget is left"; !slices.Contains(a.Reasons, want) {
			t.Errorf("reasons are %q, want %q among them", a.Reasons, want)
		}
		if err := w.q.Approve(t.Context(), a.ID, "ops"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.wantCalls(1)
		w.run(time.Hour)
		w.want(hooks.Verified, 1)
	})
}

// TestDemandBetweenDecisionAndRestart: what was to be sent without asking is dropped once a policy demands it.
func TestDemandBetweenDecisionAndRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.runner.before = func(hooks.Action) { w.kill() } // the call is under way when the agent dies
		w.incident(1)
		w.run(2 * time.Minute)
		w.runner.before = nil
		sent := w.runner.count()
		w.boot()
		w.q.Follow([]policy.Verdict{w.demand(spec.DemandApproval)})
		w.run(10 * time.Minute)
		w.wantCalls(sent)
		if a := w.want(hooks.Failed, 1)[0]; !strings.Contains(a.Error, "policy card/approval demands approval") {
			t.Errorf("ended by %q", a.Error)
		}
	})
}

// TestWaitingActionGoesWithItsPolicy: once the policy no longer calls, there is nothing to approve.
func TestWaitingActionGoesWithItsPolicy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := policyOnly()
		p.Mode = hooks.Approve
		w := newWorld(t, p)
		w.incident(1)
		w.run(2 * time.Minute)
		w.q.Follow([]policy.Verdict{w.demand(spec.CallHook)})
		w.run(time.Minute)
		w.want(hooks.WaitingApproval, 1)
		w.q.Follow(nil)
		w.run(step)
		if a := w.want(hooks.Superseded, 1)[0]; a.Error != "policy card/hook no longer calls card-rollback" {
			t.Errorf("ended by %q", a.Error)
		}
	})
}
