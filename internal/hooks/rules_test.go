package hooks_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
)

func TestBadDeployIsRolledBackOnceAndVerified(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.incident(1)
		deployed := w.now
		w.run(3 * time.Hour)
		w.wantCalls(1)
		a := w.want(hooks.Verified, 1)[0]
		if a.ToRevision != "v41" || a.Change.Revision != "v42" || a.Mode != hooks.Auto || a.Attempts != 1 {
			t.Errorf("action is %+v", a)
		}
		// A total outage spends 2 % of a month's budget in 52 s; the call follows at that evaluation.
		if took := a.CalledAt.Sub(deployed); took > time.Minute {
			t.Errorf("called %s after the deployment", took)
		}
		if early := w.log.find("hook_action_verified")[0]; early.Category != audit.CategoryHigh || !strings.Contains(early.Description, "roll card-auth back from v42 to v41") {
			t.Errorf("verification is audited as %+v", early)
		}
		want := []string{"hook_action_intent", "hook_action_result", "hook_action_verified"}
		if got := w.log.types(); !slices.Equal(got, want) {
			t.Errorf("audited %v, want %v", got, want)
		}
	})
}

// Rule 1: off by default; auto waits for people after a restart.
func TestDefaultsChangeNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := hooks.DefaultPolicy()
		p.Name, p.Kind, p.Objectives = "card-rollback", "webhook", []string{"card-*"}
		w := newWorld(t, p)
		w.incident(1)
		w.run(2 * time.Hour)
		w.wantCalls(0)
		if a := w.want(hooks.Observed, 1)[0]; a.ToRevision != "v41" {
			t.Errorf("would have gone to %s", a.ToRevision)
		}
		if got := w.log.find("hook_observed"); len(got) != 1 || !strings.Contains(got[0].Description, "would roll card-auth back") {
			t.Errorf("audited %v", got)
		}
	})
}

func TestAutoWaitsAfterRestartUntilResumed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := auto()
		p.ResumeOnStart = false
		w := newWorld(t, p)
		if err := w.q.Resume("ops"); err != nil {
			t.Fatal(err)
		}
		w.incident(1)
		w.run(30 * time.Second) // burning, not yet firing
		w.kill()
		w.boot()
		w.run(5 * time.Minute)
		w.wantCalls(0)
		if held := w.want(hooks.Held, 1)[0]; !slices.Contains(held.Rules, "start_paused") {
			t.Errorf("held by %v", held.Rules)
		}
		if got := w.q.Condition().Waiting; !slices.Equal(got, []string{"card-rollback"}) {
			t.Errorf("waiting hooks are %v", got)
		}
		if err := w.q.Resume("ops"); err != nil {
			t.Fatal(err)
		}
		w.run(time.Minute)
		w.wantCalls(1)
	})
}

// Rule 2: no data is never evidence. The same trace acts when the telemetry is whole.
func TestNoDataIsNeverEvidence(t *testing.T) {
	for name, mangle := range map[string]func(*slo.Status){
		"unknown":          func(s *slo.Status) { s.State, s.Observed = slo.Unknown, false },
		"no state":         func(s *slo.Status) { s.State = "" },
		"coverage 70 %":    func(s *slo.Status) { s.Coverage = 0.7 },
		"coverage NaN":     func(s *slo.Status) { s.Coverage = nan },
		"burn rates NaN":   func(s *slo.Status) { s.Tiers[0].LongBurnRate, s.Tiers[0].ShortBurnRate = nan, nan },
		"burn rates Inf":   func(s *slo.Status) { s.Tiers[0].LongBurnRate = math.Inf(1) },
		"stale by an hour": func(s *slo.Status) { s.At = s.At.Add(-time.Hour) },
		"an hour ahead":    func(s *slo.Status) { s.At = s.At.Add(time.Hour) },
		"firing in future": func(s *slo.Status) {
			if s.Tiers[0].Since != nil {
				later := s.Tiers[0].Since.Add(time.Hour)
				s.Tiers[0].Since = &later
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, auto())
				w.incident(1)
				w.mangle = mangle
				w.run(20 * time.Minute)
				w.wantCalls(0)
				if got := len(w.in(hooks.Held)) + len(w.in(hooks.Denied)); got == 0 || got > 2 {
					t.Errorf("%d records in 20 minutes: %s", got, w.describe())
				}
				// The data comes back and shows the same burn. Where it had shown when that began, the
				// hook now acts; else it cannot know what came first.
				w.mangle = nil
				w.run(time.Minute)
				w.wantCalls(map[string]int{"coverage 70 %": 1, "coverage NaN": 1, "burn rates Inf": 1, "firing in future": 1}[name])
			})
		})
	}
}

// TestBurnWhoseBeginningWasNotSeenIsLeftToPeople: a tier may begin while too little is observed. That calls no
// hook, then or later.
func TestBurnWhoseBeginningWasNotSeenIsLeftToPeople(t *testing.T) {
	const blind, later = "the tier begins while blind", "it begins once enough is seen"
	for name, rule := range map[string]string{blind: "change_after_burn", later: "order_unknown"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, auto())
				o := w.add("card-auth-availability", "card-auth")
				w.record("card-auth", hooks.KindDeploy, "v41")
				w.run(time.Hour)
				w.mangle = func(s *slo.Status) { s.State, s.Observed = slo.Unknown, false }
				o.errors = func(time.Time) float64 { return 0.5 }
				w.run(10 * time.Minute)
				w.record("card-auth", hooks.KindDeploy, "v42") // while blind, after the burn began
				w.run(time.Minute)
				w.wantCalls(0)
				if len(w.all[0].Firing) == 0 {
					t.Fatal("nothing fires while blind")
				}
				w.mangle = nil
				for i := range o.since {
					if name == later {
						o.since[i] = nil
					}
				}
				w.run(time.Hour)
				w.wantCalls(0)
				all := w.q.List()
				if !slices.ContainsFunc(all, func(a hooks.Action) bool { return slices.Contains(a.Rules, rule) }) {
					t.Errorf("got %s", w.describe())
				}
			})
		})
	}
}

// Rule 3: only after a recorded change of this service that came before the burn.
func TestDeployCorrelation(t *testing.T) {
	for name, tt := range map[string]struct {
		story func(w *world, o *objective)
		calls int
		rule  string
		says  string
	}{
		"no change for two hours": {func(w *world, o *objective) { burning(o, 0.5) }, 0, "no_change", "over the limit of 1h0m0s"},
		"burn five minutes before the deployment": {func(w *world, o *objective) {
			burning(o, 0.01) // at once, but the tier fires only later
			w.run(5 * time.Minute)
			w.record("card-auth", hooks.KindDeploy, "v42")
			burning(o, 0.5)
		}, 0, "change_after_burn", "before the newest change, deploy v42"},
		"deployment, then burn": {func(w *world, o *objective) { w.deployBad(o, "v42", 0.5) }, 1, "", ""},
		"another service's deployment": {func(w *world, o *objective) {
			w.record("ledger", hooks.KindDeploy, "l7")
			burning(o, 0.5)
		}, 0, "no_change", "other services changed: ledger l7"},
		"a rollback by people": {func(w *world, o *objective) {
			w.record("card-auth", hooks.KindRollback, "v40")
			burning(o, 0.5)
		}, 0, "undo_of_undo", "never undone"},
		"a flag, with no good flag before it": {func(w *world, o *objective) {
			w.record("card-auth", hooks.KindFlag, "new-router=on")
			burning(o, 0.5)
		}, 0, "no_good_revision", "no revision of card-auth before new-router=on"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, auto())
				o := w.add("card-auth-availability", "card-auth")
				w.add("ledger-availability", "ledger")
				w.record("card-auth", hooks.KindDeploy, "v41")
				w.run(2 * time.Hour)
				tt.story(w, o)
				w.run(30 * time.Minute)
				w.wantCalls(tt.calls)
				if tt.rule == "" {
					return
				}
				denied := w.in(hooks.Denied)
				if len(denied) == 0 || !slices.Contains(denied[0].Rules, tt.rule) || !strings.Contains(strings.Join(denied[0].Reasons, "; "), tt.says) {
					t.Errorf("got %s", w.describe())
				}
				if len(denied) > 2 { // once for each tier
					t.Errorf("denied %d times: %s", len(denied), w.describe())
				}
			})
		})
	}
}

func TestChangeNotRequired(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := auto()
		p.RequireChange = false
		w := newWorld(t, p)
		o := w.add("card-auth-availability", "card-auth")
		w.run(time.Hour)
		w.runner.useless = true
		burning(o, 0.5)
		w.run(12 * time.Hour)
		w.wantCalls(1) // even far beyond the cooldown: the burn never ended
		if a := w.want(hooks.Unverified, 1)[0]; a.Change != nil || a.ToRevision != "" {
			t.Errorf("action is %+v", a)
		}
	})
}

func burning(o *objective, ratio float64) { o.errors = func(time.Time) float64 { return ratio } }

// Rule 4: the target is a revision recorded good, never merely the previous one.
func TestTargetIsTheLastGoodRevision(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		o := w.add("card-auth-availability", "card-auth")
		w.record("card-auth", hooks.KindDeploy, "rev1")
		w.run(2 * time.Hour)
		w.record("card-auth", hooks.KindDeploy, "rev2")
		w.run(5 * time.Minute) // half its bake
		w.deployBad(o, "rev3", 0.5)
		w.run(30 * time.Minute)
		if a := w.want(hooks.Verified, 1)[0]; a.ToRevision != "rev1" {
			t.Fatalf("went to %s, want rev1", a.ToRevision)
		}
		// The deployment system reports what it did; rev1 then burns for a reason of its own.
		w.record("card-auth", hooks.KindRollback, "rev1")
		w.run(2 * time.Hour)
		burning(o, 0.5)
		w.run(2 * time.Hour)
		w.wantCalls(1)
	})
}

func TestRevisionThatWasRolledBackIsNoTarget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		o := w.add("card-auth-availability", "card-auth")
		w.record("card-auth", hooks.KindDeploy, "rev1")
		w.run(time.Hour)
		w.record("card-auth", hooks.KindDeploy, "rev2") // bakes, then leaks
		w.run(40 * time.Minute)
		w.record("card-auth", hooks.KindRollback, "rev1") // people saw it first
		w.run(5 * time.Hour)
		w.deployBad(o, "rev3", 0.5)
		w.run(30 * time.Minute)
		if a := w.want(hooks.Verified, 1)[0]; a.ToRevision != "rev1" {
			t.Fatalf("went to %s, want rev1", a.ToRevision)
		}
		// Without a report of the rollback the log still has rev3 in place, and it looks healthy.
		w.run(3 * time.Hour)
		w.deployBad(o, "rev4", 0.5)
		w.run(30 * time.Minute)
		if a := w.want(hooks.Verified, 2)[1]; a.ToRevision != "rev1" {
			t.Errorf("went to %s, want rev1", a.ToRevision)
		}
	})
}

func TestNoGoodRevisionNoAction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		o := w.add("card-auth-availability", "card-auth")
		w.run(2 * time.Hour)
		w.record("card-auth", hooks.KindDeploy, "v1")
		w.run(5 * time.Minute)
		w.deployBad(o, "v2", 0.5)
		w.run(30 * time.Minute)
		w.wantCalls(0)
		if a := w.in(hooks.Denied)[0]; !slices.Contains(a.Rules, "no_good_revision") {
			t.Errorf("got %s", w.describe())
		}
	})
}

// Rule 6 and 25: verify, stop, ask from then on.
func TestActionThatDoesNotHelpIsTheOnlyOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.runner.useless = true
		o := w.incident(1)
		w.run(24 * time.Hour)
		w.wantCalls(1)
		a := w.want(hooks.Unverified, 1)[0]
		if e := w.log.find("hook_action_unverified"); len(e) != 1 || e[0].Category != audit.CategoryCritical || e[0].Risk != audit.RiskCritical || !e[0].ValidationRequired {
			t.Errorf("audited %+v", e)
		}
		if !strings.Contains(a.Verification, "no recovery was seen within 20m0s") {
			t.Errorf("verification says %q", a.Verification)
		}
		if w.q.Condition().Demoted["card-rollback"] == "" {
			t.Error("the hook was not demoted")
		}
		// The next incident is proposed, not done; approved and helped, the hook has its mode back.
		w.runner.useless = false
		burning(o, 0)
		w.run(12 * time.Hour)
		w.record("card-auth", hooks.KindRollback, "v41")
		w.run(time.Hour)
		w.kill()
		w.boot() // the demotion survives
		w.run(time.Hour)
		w.deployBad(o, "v43", 0.5)
		w.run(2 * time.Minute)
		w.wantCalls(1)
		waiting := w.want(hooks.WaitingApproval, 1)[0]
		if err := w.q.Approve(t.Context(), waiting.ID, "ops"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.run(30 * time.Minute)
		w.wantCalls(2)
		if got := w.want(hooks.Verified, 1)[0]; got.DecidedBy != "ops" {
			t.Errorf("decided by %q", got.DecidedBy)
		}
		if len(w.q.Condition().Demoted) != 0 || len(w.log.find("hook_promoted")) != 1 {
			t.Error("the hook is still demoted")
		}
	})
}

func TestSilenceAfterTheCallIsNotRecovery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		o := w.incident(0.5)
		w.run(2 * time.Minute)
		w.wantCalls(1)
		// From now on nothing is served at all: no errors, no good events, burn rates sink to 0.
		frozen := 0.0
		w.mangle = func(s *slo.Status) {
			if frozen == 0 {
				frozen = s.Counted.Good
			}
			s.Counted.Good = frozen
		}
		burning(o, 0)
		w.run(time.Hour)
		w.want(hooks.Unverified, 1)
	})
}

func TestVerificationUsesOnlyDataFromAfterTheCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.incident(0.5)
		w.run(2 * time.Minute)
		called := *w.want(hooks.Verifying, 1)[0].CalledAt
		for w.in(hooks.Verified) == nil {
			w.run(step)
		}
		if took := w.now.Sub(called); took < 5*time.Minute || took > 6*time.Minute {
			t.Errorf("verified %s after the call, want the short window of 5m", took)
		}
	})
}
