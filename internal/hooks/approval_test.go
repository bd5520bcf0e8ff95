package hooks_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
)

func asking(t *testing.T) (*world, *objective, hooks.Action) {
	p := auto()
	p.Mode = hooks.Approve
	w := newWorld(t, p)
	o := w.incident(1)
	w.run(2 * time.Minute)
	w.wantCalls(0)
	return w, o, w.want(hooks.WaitingApproval, 1)[0]
}

func TestApprovedActionRunsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, _, a := asking(t)
		w.run(5 * time.Minute)
		if err := w.q.Approve(t.Context(), a.ID, "ops"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.wantCalls(1)
		if err := w.q.Approve(t.Context(), a.ID, "ops"); !errors.Is(err, hooks.ErrNotWaiting) {
			t.Errorf("approving twice gave %v", err)
		}
		w.run(30 * time.Minute)
		w.wantCalls(1)
		if got := w.want(hooks.Verified, 1)[0]; got.DecidedBy != "ops" || got.Mode != hooks.Approve {
			t.Errorf("action is %+v", got)
		}
		want := []string{"hook_approval_requested", "hook_approved", "hook_action_intent", "hook_action_result", "hook_action_verified"}
		if got := w.log.types(); !slices.Equal(got, want) {
			t.Errorf("audited %v, want %v", got, want)
		}
		if e := w.log.find("hook_approved")[0]; e.Actor != "ops" {
			t.Errorf("approved by %q in the audit log", e.Actor)
		}
		for _, once := range []string{"action waits for approval", "action called", "action helped"} {
			if n := strings.Count(w.said.String(), once); n != 1 {
				t.Errorf("%q is logged %d times, want once:\n%s", once, n, w.said)
			}
		}
	})
}

func TestApprovalSurvivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, _, a := asking(t)
		w.kill()
		w.boot()
		w.run(step)
		if err := w.q.Approve(t.Context(), a.ID, "ops"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.wantCalls(1)
	})
}

func TestApprovalIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		meanwhile func(w *world, o *objective)
		who       string
		want      error
		says      string
		state     hooks.State
	}{
		"by nobody":                  {nil, "", hooks.ErrNameRequired, "", hooks.WaitingApproval},
		"by the author":              {nil, "dev", hooks.ErrOwnChange, "", hooks.WaitingApproval},
		"too late":                   {func(w *world, _ *objective) { w.now = w.now.Add(15 * time.Minute) }, "ops", hooks.ErrNotWaiting, "expired", hooks.Expired},
		"too late, with evaluations": {func(w *world, _ *objective) { w.run(15 * time.Minute) }, "ops", hooks.ErrNotWaiting, "expired", hooks.Expired},
		"after a newer change": {func(w *world, _ *objective) { w.record("card-auth", hooks.KindDeploy, "v43") },
			"ops", hooks.ErrSuperseded, "deploy v43", hooks.Superseded},
		"after the burn": {func(w *world, o *objective) { burning(o, 0); w.run(10 * time.Minute) },
			"ops", hooks.ErrNotWaiting, "superseded", hooks.Superseded},
		"while paused": {func(w *world, _ *objective) { _ = w.q.Pause("ops", "close") }, "ops", hooks.ErrPaused, "close", hooks.WaitingApproval},
		"while blind": {func(w *world, _ *objective) {
			w.mangle = func(s *slo.Status) { s.State, s.Observed = slo.Unknown, false }
			w.run(step)
		}, "ops", hooks.ErrHeldBack, "no data is never evidence", hooks.WaitingApproval},
		"after a rejection": {func(w *world, _ *objective) { _ = w.q.Reject(w.in(hooks.WaitingApproval)[0].ID, "lead") }, "ops", hooks.ErrNotWaiting, "rejected", hooks.Rejected},
		"hook observes now": {func(w *world, _ *objective) {
			p := w.policies[0]
			p.Mode = hooks.Observe
			_ = w.q.Reload([]hooks.Policy{p}, nil)
		}, "ops", hooks.ErrSuperseded, "now in mode observe", hooks.Superseded},
		"hook was removed":      {func(w *world, _ *objective) { _ = w.q.Reload(nil, nil); _ = w.step() }, "ops", hooks.ErrNotWaiting, "superseded", hooks.Superseded},
		"objective was removed": {func(w *world, _ *objective) { w.objectives = w.objectives[1:]; _ = w.step() }, "ops", hooks.ErrNotWaiting, "superseded", hooks.Superseded},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, o, a := asking(t)
				if tt.meanwhile != nil {
					tt.meanwhile(w, o)
				}
				err := w.q.Approve(t.Context(), a.ID, tt.who)
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %v, want %v saying %q", err, tt.want, tt.says)
				}
				w.want(tt.state, 1)
				synctest.Wait()
				w.wantCalls(0)
				w.run(2 * time.Hour) // nor is it asked again in the same burn
				w.wantCalls(0)
				if n := len(w.in(hooks.WaitingApproval)); n != 0 {
					t.Errorf("%d actions wait: %s", n, w.describe())
				}
			})
		})
	}
}

func TestUnknownActionCannotBeApproved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		if err := w.q.Approve(t.Context(), "nope", "ops"); !errors.Is(err, hooks.ErrNoAction) {
			t.Errorf("got %v", err)
		}
		if err := w.q.Reject("nope", "ops"); !errors.Is(err, hooks.ErrNoAction) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRecommendAsksNobodyAndDoesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := auto()
		p.Mode = hooks.Recommend
		w := newWorld(t, p)
		w.incident(1)
		w.run(3 * time.Hour)
		w.wantCalls(0)
		w.want(hooks.Recommended, 1)
		if got := w.log.types(); !slices.Equal(got, []string{"hook_recommended"}) {
			t.Errorf("audited %v", got)
		}
	})
}

func TestFailedCallIsNotRepeated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.runner.err = errors.New("card-deployer answered 403")
		w.incident(1)
		w.run(6 * time.Hour)
		w.wantCalls(1)
		if a := w.want(hooks.Failed, 1)[0]; a.Error != "card-deployer answered 403" || a.CalledAt != nil {
			t.Errorf("action is %+v", a)
		}
	})
}

// A hook whose last action failed is in trouble until one succeeds or a person sees to it.
func TestTroubles(t *testing.T) {
	for name, tt := range map[string]struct {
		then func(w *world)
		over bool
	}{
		"nothing":             {func(w *world) { w.run(3 * time.Hour) }, false},
		"the next succeeds":   {func(w *world) { w.runner.err = nil; again(w) }, true},
		"the next fails":      {again, false},
		"actions are resumed": {func(w *world) { _ = w.q.Resume("ops") }, true},
		"actions are paused":  {func(w *world) { _ = w.q.Pause("ops", "market close") }, false},
		"hooks are reloaded": {func(w *world) {
			_ = w.q.Reload(w.policies, map[string]hooks.Runner{"card-rollback": w.runner})
		}, true},
		"the next is proposed": {again, false},
		"the next is rejected": {func(w *world) { again(w); _ = w.q.Reject(w.want(hooks.WaitingApproval, 1)[0].ID, "ops") }, true},
		"the next is approved": {func(w *world) {
			gate := make(chan struct{})
			w.t.Cleanup(func() { close(gate) })
			w.runner.before = func(hooks.Action) { <-gate } // it takes its time
			again(w)
			if err := w.q.Approve(w.t.Context(), w.want(hooks.WaitingApproval, 1)[0].ID, "ops"); err != nil {
				w.t.Error(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := auto()
				p.Cooldown = time.Minute
				if strings.Contains(name, "next is") {
					p.Mode = hooks.Approve
				}
				w := newWorld(t, p)
				if got := w.q.Troubles(); len(got) != 1 || got[0] != (hooks.Trouble{Hook: "card-rollback"}) {
					t.Errorf("at the start: %+v", got)
				}
				w.runner.err = errors.New("card-deployer answered 403")
				w.incident(1)
				w.run(3 * time.Minute)
				for _, a := range w.in(hooks.WaitingApproval) {
					_ = w.q.Approve(t.Context(), a.ID, "ops")
					synctest.Wait()
				}
				w.want(hooks.Failed, 1)
				tt.then(w)
				got := w.q.Troubles()[0].Failed
				if (got == "") != tt.over || !tt.over && !strings.HasSuffix(got, " on card-auth: card-deployer answered 403") {
					t.Errorf("in trouble: %q", got)
				}
			})
		})
	}
}

// again has people repair the service and somebody break it once more.
func again(w *world) {
	o := w.objectives[0]
	burning(o, 0)
	w.record("card-auth", hooks.KindRollback, "v41")
	w.run(3 * time.Hour)
	w.deployBad(o, "v43", 1)
	w.run(3 * time.Minute)
}
