package hooks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assayer-io/assayer/internal/hooks"
)

// Rule 7: caps.
func TestManyServicesAtOnceAreASharedCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		for i := range 50 {
			w.record(fmt.Sprintf("svc%d", i), hooks.KindDeploy, "v1")
			w.add(fmt.Sprintf("svc%d-availability", i), fmt.Sprintf("svc%d", i))
		}
		w.run(time.Hour)
		for i, o := range w.objectives {
			w.record(fmt.Sprintf("svc%d", i), hooks.KindDeploy, "v2")
			burning(o, 0.5)
		}
		w.run(10 * time.Minute)
		w.wantCalls(0)
		for _, a := range w.want(hooks.Held, 50) {
			if !slices.Equal(a.Rules, []string{"shared_cause"}) {
				t.Fatalf("held by %v", a.Rules)
			}
		}
	})
}

func TestObjectivesOfOneServiceAreNoSharedCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		for _, n := range []string{"card-auth-latency", "card-auth-traffic", "card-auth-saturation"} {
			w.add(n, "card-auth")
		}
		o := w.incident(0.5)
		for _, other := range w.objectives[:3] {
			other.errors = o.errors
		}
		w.run(40 * time.Minute)
		w.wantCalls(1)
		w.want(hooks.Verified, 1)
	})
}

func TestCap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		for i := range 20 {
			w.record(fmt.Sprintf("svc%d", i), hooks.KindDeploy, "v1")
			w.add(fmt.Sprintf("svc%d-availability", i), fmt.Sprintf("svc%d", i))
		}
		w.run(time.Hour)
		for i, o := range w.objectives {
			w.deployBad(o, "v2", 1)
			w.run(150 * time.Second)
			if i >= 3 { // people repair what the hook may not
				burning(o, 0)
			}
		}
		w.wantCalls(3)
		denied := map[string]bool{}
		for _, a := range w.in(hooks.Denied) {
			if slices.Contains(a.Rules, "cap") {
				denied[a.Service] = true
			}
		}
		if len(denied) != 17 {
			t.Errorf("%d services were denied by the cap, want 17: %s", len(denied), w.describe())
		}
	})
}

func TestCooldown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := auto()
		p.Cooldown = 3 * time.Hour
		w := newWorld(t, p)
		o := w.incident(0.5)
		w.run(30 * time.Minute)
		w.wantCalls(1)
		w.record("card-auth", hooks.KindRollback, "v41")
		w.run(90 * time.Minute)
		w.deployBad(o, "v43", 0.5)
		w.kill()
		w.boot() // the cooldown survives
		w.run(3 * time.Minute)
		w.wantCalls(1)
		denied := w.in(hooks.Denied)
		if len(denied) == 0 || !slices.Equal(denied[0].Rules, []string{"cooldown"}) {
			t.Errorf("got %s", w.describe())
		}
	})
}

// Rule 9: the kill switch works between the decision and the call.
func TestPauseBetweenDecisionAndCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, release := blocked(t)
		if err := w.q.Pause("ops", "market close"); err != nil {
			t.Fatal(err)
		}
		release()
		w.wantCalls(4)
		a := w.want(hooks.Superseded, 1)[0]
		if !strings.Contains(a.Error, "market close") {
			t.Errorf("superseded because %q", a.Error)
		}
		w.kill()
		w.boot() // the pause survives
		if p := w.q.Condition().Paused; p == nil || p.By != "ops" {
			t.Errorf("after a restart the pause is %v", p)
		}
		w.run(10 * time.Minute)
		w.wantCalls(4)
	})
}

// Rule 10: a newer change wins.
func TestNewerChangeBetweenDecisionAndCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, release := blocked(t)
		w.record("svc4", hooks.KindDeploy, "v3-hotfix")
		release()
		w.wantCalls(4)
		if a := w.want(hooks.Superseded, 1)[0]; a.Service != "svc4" || !strings.Contains(a.Error, "v3-hotfix") {
			t.Errorf("superseded: %+v", a)
		}
		if len(w.log.find("hook_superseded")) != 1 {
			t.Errorf("audited %v", w.log.types())
		}
	})
}

// Rule 9, by the configuration: a hook that is switched off between decision and call makes no call.
func TestHookSwitchedOffBetweenDecisionAndCall(t *testing.T) {
	for says, change := range map[string]func(p *hooks.Policy){
		"now in mode observe":                           func(p *hooks.Policy) { p.Mode = hooks.Observe },
		"no longer has the objective svc4-availability": func(p *hooks.Policy) { p.Objectives = []string{"svc0-*"} },
		"now in mode approve, and nobody approved it":   func(p *hooks.Policy) { p.Mode = hooks.Approve },
		"now in mode recommend":                         func(p *hooks.Policy) { p.Mode = hooks.Recommend },
		"no longer answers page-1h":                     func(p *hooks.Policy) { p.Tiers = []string{"page-6h"} },
		"the hook was removed":                          func(p *hooks.Policy) { p.Name, p.Objectives = "another", []string{"other"} },
	} {
		t.Run(says, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, release := blocked(t)
				p := w.policies[0]
				change(&p)
				if err := w.q.Reload([]hooks.Policy{p}, map[string]hooks.Runner{p.Name: w.runner}); err != nil {
					t.Fatal(err)
				}
				release()
				for _, a := range w.q.List() {
					if a.Service == "svc4" && a.StartedAt != nil && (a.State != hooks.Superseded || !strings.Contains(a.Error, says)) {
						t.Errorf("%s because %q", a.State, a.Error)
					}
				}
				if slices.ContainsFunc(w.runner.calls, func(a hooks.Action) bool { return a.Service == "svc4" }) {
					t.Error("it was called")
				}
			})
		})
	}
}

// However long an action waits for its turn, it has not been called and is not said to be.
func TestWaitingForATurnIsNoTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, release := blocked(t)
		<-time.After(10 * time.Minute) // twice what a call may take
		release()
		w.want(hooks.Failed, 4)
		if a := w.want(hooks.Verifying, 1)[0]; a.Service != "svc4" || a.Resends != 0 || a.Attempts != 1 {
			t.Errorf("%+v", a)
		}
		if got := w.log.find("hook_action_resent"); len(got) > 0 {
			t.Errorf("audited %+v", got)
		}
	})
}

// blocked gives a world in which four calls are stuck and a fifth action, on svc4, waits for its turn.
func blocked(t *testing.T) (w *world, release func()) {
	p := auto()
	p.MaxActions, p.MaxBurningRatio = 10, 1
	w = newWorld(t, p)
	for i := range 5 {
		w.record(fmt.Sprintf("svc%d", i), hooks.KindDeploy, "v1")
		w.add(fmt.Sprintf("svc%d-availability", i), fmt.Sprintf("svc%d", i))
	}
	w.run(time.Hour)
	gate := make(chan struct{})
	w.runner.before = func(hooks.Action) { <-gate }
	for i, o := range w.objectives {
		if i == 4 {
			w.run(2 * time.Minute) // the others are under way by then
		}
		w.deployBad(o, "v2", 0.5)
	}
	w.run(2 * time.Minute)
	w.want(hooks.Running, 5)
	return w, func() {
		close(gate)
		synctest.Wait()
		w.run(step)
	}
}

func TestPauseHoldsAndResumeLetsGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		if err := w.q.Pause("ops", "market close"); err != nil {
			t.Fatal(err)
		}
		w.incident(0.5)
		w.run(5 * time.Minute)
		w.wantCalls(0)
		if a := w.want(hooks.Held, 1)[0]; !strings.Contains(a.Reasons[0], "paused: by ops since 2026-11-21T08:00:00Z: market close") {
			t.Errorf("held because %v", a.Reasons)
		}
		if err := w.q.Resume("ops"); err != nil {
			t.Fatal(err)
		}
		w.run(step)
		w.wantCalls(1)
		for _, bad := range [][2]string{{"", "why"}, {"who", ""}, {"who\n", "why"}} {
			if err := w.q.Pause(bad[0], bad[1]); err == nil {
				t.Errorf("pausing as %q because %q passed", bad[0], bad[1])
			}
		}
	})
}
