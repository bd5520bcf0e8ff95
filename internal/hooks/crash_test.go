package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
)

// Rule 8: the agent is killed at each point of the journal; the receiver sees one idempotency key,
// and cooldown and caps hold afterwards.
func TestKilledAtAnyPoint(t *testing.T) {
	for name, tt := range map[string]struct {
		kill  func(w *world)
		calls int // that reach the receiver, before and after the restart
	}{
		"before the intent": {func(w *world) {
			for w.runner.count() == 0 && !slices.Contains(w.log.types(), "hook_action_intent") {
				w.db.mu.Lock()
				w.db.failAt = 2 // the burn's beginning is stored, or the intent is not
				w.db.mu.Unlock()
				if err := w.step(); err != nil {
					break
				}
			}
			w.kill()
		}, 1},
		"between intent and call": {func(w *world) {
			ctx, cancel := context.WithCancel(w.t.Context())
			w.runner.before = func(hooks.Action) { <-ctx.Done() }
			w.run(2 * time.Minute)
			w.kill()
			w.runner.err = errors.New("connection reset") // what the dead agent's call ends with
			cancel()
			synctest.Wait()
			w.runner.calls, w.runner.err, w.runner.before = nil, nil, nil // it never left
		}, 1},
		"after the call, before its result": {func(w *world) {
			dying := w
			w.runner.after = func(hooks.Action) { dying.kill() }
			for w.runner.count() == 0 {
				if err := w.step(); err != nil && !errors.Is(err, errDead) {
					w.t.Fatal(err)
				}
			}
			w.runner.after = nil
		}, 2},
		"after the result": {func(w *world) {
			w.run(2 * time.Minute)
			w.want(hooks.Verifying, 1)
			w.kill()
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, auto())
				w.incident(1)
				tt.kill(w)
				w.boot()
				w.run(30 * time.Minute)
				w.wantCalls(tt.calls)
				if ids := w.runner.ids(); len(ids) != 1 {
					t.Errorf("the receiver saw the keys %v", ids)
				}
				w.want(hooks.Verified, 1)
				// The cooldown is counted from before the kill.
				w.record("card-auth", hooks.KindRollback, "v41")
				w.run(15 * time.Minute)
				w.deployBad(w.objectives[0], "v43", 1)
				w.run(2 * time.Minute)
				if a := w.in(hooks.Denied); len(a) == 0 || !slices.Contains(a[len(a)-1].Rules, "cooldown") {
					t.Errorf("after the restart: %s", w.describe())
				}
			})
		})
	}
}

// Nothing goes out that the policy now in force would not let go out, whatever was decided before.
func TestNothingIsSentAgainThatTheHookMayNoLongerDo(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(w *world)
		says   string
	}{
		"observes":           {func(w *world) { w.policies[0].Mode = hooks.Observe }, "now in mode observe"},
		"recommends":         {func(w *world) { w.policies[0].Mode = hooks.Recommend }, "now in mode recommend"},
		"asks":               {func(w *world) { w.policies[0].Mode = hooks.Approve }, "nobody approved it"},
		"another objective":  {func(w *world) { w.policies[0].Objectives = []string{"other"} }, "no longer has the objective card-auth-availability"},
		"another tier":       {func(w *world) { w.policies[0].Tiers = []string{"page-6h"} }, "no longer answers page-1h"},
		"removed":            {func(w *world) { w.policies = nil }, "the hook was removed"},
		"removed by reload":  {func(w *world) { w.boot(); _ = w.q.Reload(nil, nil) }, "the hook was removed"},
		"observes by reload": {func(w *world) { w.boot(); p := auto(); p.Mode = hooks.Observe; _ = w.q.Reload([]hooks.Policy{p}, nil) }, "now in mode observe"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, auto())
				w.incident(1)
				w.runner.useless = true
				w.runner.after = func(hooks.Action) { w.kill() }
				for w.runner.count() == 0 {
					_ = w.step()
				}
				w.runner.after = nil
				tt.change(w)
				if !strings.Contains(name, "reload") {
					w.boot()
				}
				w.run(10 * time.Minute)
				w.wantCalls(1)
				if a := w.want(hooks.Failed, 1)[0]; !strings.Contains(a.Error, "outcome unknown after restart; not sent again: ") || !strings.Contains(a.Error, tt.says) {
					t.Errorf("failed with %q", a.Error)
				}
			})
		})
	}
}

// An action that waited for its turn when the agent stopped was never called, and nobody says otherwise.
func TestStopBeforeTheCallBegan(t *testing.T) {
	for name, tt := range map[string]struct {
		meanwhile func(w *world)
		calls     int
		state     hooks.State
	}{
		"it still fits":   {func(*world) {}, 1, hooks.Verified},
		"a newer change":  {func(w *world) { w.record("svc4", hooks.KindDeploy, "v3") }, 0, hooks.Superseded},
		"the hook is off": {func(w *world) { w.policies[0].Mode = hooks.Observe; w.boot() }, 0, hooks.Superseded},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, release := blocked(t)
				w.runner.idempotent = false
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				stopped := make(chan error)
				go func() { stopped <- w.q.Stop(ctx) }()
				synctest.Wait()
				release()
				if err := <-stopped; !errors.Is(err, context.Canceled) {
					t.Errorf("Stop gave %v", err)
				}
				w.wantCalls(0)
				w.boot()
				tt.meanwhile(w)
				w.run(30 * time.Minute)
				w.wantCalls(tt.calls)
				for _, a := range w.q.List() {
					unknown := strings.Contains(a.Error, "outcome unknown")
					if a.Service == "svc4" && a.StartedAt != nil && (a.State != tt.state || unknown || a.Resends > 0) {
						t.Errorf("svc4: %s %q, sent again %d times", a.State, a.Error, a.Resends)
					}
					if a.Service != "svc4" && a.State == hooks.Failed && !unknown {
						t.Errorf("%s: %q", a.Service, a.Error)
					}
				}
				w.want(hooks.Failed, 4)
			})
		})
	}
}

func TestKilledWhileCallingWhatCannotBeSentTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.runner.idempotent = false
		w.incident(1)
		w.runner.after = func(hooks.Action) { w.kill() }
		for w.runner.count() == 0 {
			_ = w.step()
		}
		w.boot()
		w.run(time.Hour)
		w.wantCalls(1)
		a := w.want(hooks.Failed, 1)[0]
		if !strings.Contains(a.Error, "outcome unknown after restart") {
			t.Errorf("failed with %q", a.Error)
		}
		if got := w.q.Troubles(); len(got) != 1 || got[0].Failed != "action "+a.ID+" on card-auth: "+a.Error {
			t.Errorf("troubles %+v", got)
		}
	})
}

func TestActionIsNotSentAgainWhenItNoLongerFits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		o := w.incident(1)
		w.runner.after = func(hooks.Action) { w.kill() }
		for w.runner.count() == 0 {
			_ = w.step()
		}
		w.runner.after = nil
		burning(o, 0)
		for range 40 { // ten minutes without an agent; the burn ends
			w.now = w.now.Add(step)
			o.tick(w.now)
			o.status(w.now)
		}
		w.boot()
		w.run(time.Hour)
		w.wantCalls(1)
		if a := w.want(hooks.Failed, 1)[0]; !strings.Contains(a.Error, "page-1h no longer fires") {
			t.Errorf("failed with %q", a.Error)
		}
	})
}

func TestCrashLoopDoesNotSendForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.runner.useless = true
		w.incident(1)
		for range 10 {
			w.runner.after = func(hooks.Action) { w.kill() }
			for range 40 {
				_ = w.step()
			}
			w.boot()
		}
		w.runner.after = nil
		w.run(time.Hour)
		w.wantCalls(4) // once and three times again
		w.want(hooks.Failed, 1)
	})
}

func TestStopLeavesACutCallToTheNextStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.incident(1)
		gate := make(chan struct{})
		w.runner.before = func(hooks.Action) { <-gate }
		w.run(2 * time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error)
		go func() { stopped <- w.q.Stop(ctx) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate)
		if err := <-stopped; !errors.Is(err, context.Canceled) {
			t.Errorf("Stop gave %v", err)
		}
		w.wantCalls(0)
		w.runner.before = nil
		w.boot()
		w.run(30 * time.Minute)
		w.wantCalls(1)
		w.want(hooks.Verified, 1)
	})
}

// What cannot be audited does not run.
func TestNoAuditNoAction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.incident(1)
		setErr(w.log, errors.New("no space left on device"))
		failed := 0
		for range 20 {
			if err := w.step(); err != nil {
				failed++
				if !strings.Contains(err.Error(), "auditing: no space left on device") {
					t.Fatal(err)
				}
			}
		}
		w.wantCalls(0)
		if failed == 0 || len(w.q.List()) != 0 {
			t.Errorf("%d errors; actions: %s", failed, w.describe())
		}
		setErr(w.log, nil)
		w.run(step)
		w.wantCalls(1)
	})
}

// Without a note that the call begins, nobody would know after a crash that it may have gone out.
func TestNoNoteOfTheCallNoCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.incident(1)
		for len(w.log.find("hook_action_intent")) == 0 {
			w.db.mu.Lock()
			w.db.failAt = 2 // the intent is the first
			w.db.mu.Unlock()
			if err := w.step(); err != nil {
				t.Fatal(err)
			}
		}
		w.wantCalls(0)
		w.run(step)
		w.wantCalls(1)
		if got := w.log.types(); !slices.Equal(got, []string{"hook_action_intent", "hook_action_result"}) {
			t.Errorf("audited %v", got)
		}
	})
}

func TestNoJournalNoAction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.incident(1)
		w.run(30 * time.Second)
		w.db.die()
		for range 8 {
			_ = w.step()
		}
		w.wantCalls(0)
		if len(w.q.List()) != 0 {
			t.Errorf("actions: %s", w.describe())
		}
	})
}

func TestNewRefusesToGoWithout(t *testing.T) {
	db := storage.NewMemory()
	now := func() time.Time { return start }
	changes, err := hooks.NewChangeLog(db, &auditor{}, now)
	if err != nil {
		t.Fatal(err)
	}
	valid := func() hooks.Deps {
		return hooks.Deps{DB: db, Audit: &auditor{}, Changes: changes, Now: now, Logger: slog.New(slog.DiscardHandler),
			Policies: []hooks.Policy{auto()}, Actions: map[string]hooks.Runner{"card-rollback": &runner{}}}
	}
	if _, err := hooks.New(valid()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*hooks.Deps){
		"audit log": func(d *hooks.Deps) { d.Audit = nil },
		"store":     func(d *hooks.Deps) { d.DB = nil },
		"changes":   func(d *hooks.Deps) { d.Changes = nil },
		"action":    func(d *hooks.Deps) { d.Actions = nil },
		"policy":    func(d *hooks.Deps) { d.Policies[0].Objectives = nil },
		"one name":  func(d *hooks.Deps) { d.Policies = append(d.Policies, auto()) },
	} {
		d := valid()
		change(&d)
		if _, err := hooks.New(d); err == nil {
			t.Errorf("went without a proper %s", name)
		}
	}
}

func TestUnreadablePauseCountsAsAPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		var b storage.Batch
		b.Set("hooks/pause", []byte("{"))
		if err := w.store.Apply(&b); err != nil {
			t.Fatal(err)
		}
		w.boot()
		w.incident(1)
		w.run(5 * time.Minute)
		w.wantCalls(0)
		if p := w.q.Condition().Paused; p == nil || !strings.Contains(p.Why, "cannot be read") {
			t.Errorf("pause is %v", p)
		}
	})
}

// A storm of denials is kept bounded and does not push out what was really done.
func TestJournalIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := auto()
		p.Cooldown = 24 * time.Hour
		w := newWorld(t, p)
		w.incident(1)
		w.run(time.Hour)
		w.wantCalls(1)
		for i := range 1100 { // as many episodes, none with a change
			w.now = w.now.Add(step)
			since := w.now
			s := slo.Status{Name: fmt.Sprintf("svc%d-x", i), Service: "svc", Observed: true, State: slo.Burning, At: w.now, Coverage: 1, Firing: []string{"page-1h"},
				Tiers: []slo.TierStatus{{Name: "page-1h", Severity: "page", ShortWindow: "5m", Factor: 14.4, LongBurnRate: 20, ShortBurnRate: 20, Firing: true, Since: &since}}}
			if err := w.q.Consider(t.Context(), []slo.Status{s}); err != nil {
				t.Fatal(err)
			}
		}
		w.want(hooks.Verified, 1)
		w.want(hooks.Denied, 1000)
		stored := 0
		if err := w.store.Scan("hooks/", func(string, []byte) error { stored++; return nil }); err != nil {
			t.Fatal(err)
		}
		if stored > 1010 {
			t.Errorf("%d keys in the store", stored)
		}
		w.kill()
		w.boot()
		if got := w.q.List(); len(got) != 1001 || got[len(got)-1].State != hooks.Verified {
			t.Errorf("%d actions after a restart, the oldest %s", len(got), got[len(got)-1].State)
		}
	})
}

func TestCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.incident(1)
		w.run(30 * time.Minute)
		for _, c := range w.q.Counts() {
			want := uint64(0)
			if c.Result == hooks.Verified {
				want = 1
			}
			if c.Actions != want || c.Hook != "card-rollback" || c.Kind != "webhook" {
				t.Errorf("got %+v, want %d", c, want)
			}
		}
		if got := len(w.q.Counts()); got != len(hooks.FinalStates()) {
			t.Errorf("%d values for one hook", got)
		}
	})
}

func TestReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, auto())
		w.incident(1)
		if err := w.q.Reload([]hooks.Policy{{Name: "X"}}, nil); err == nil {
			t.Error("a broken policy passed")
		}
		if err := w.q.Reload(nil, nil); err != nil {
			t.Fatal(err)
		}
		w.run(5 * time.Minute)
		w.wantCalls(0)
		if err := w.q.Reload(w.policies, map[string]hooks.Runner{"card-rollback": w.runner}); err != nil {
			t.Fatal(err)
		}
		w.run(step)
		w.wantCalls(1)
	})
}

// The real audit log takes what the queue writes, and it verifies.
func TestEntriesAreAcceptedByTheAuditLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	bubble(t, func(t *testing.T) {
		log, err := audit.Open(path, audit.Options{AgentID: "pay-1", Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, auto())
		w.runner.useless = true
		w.incident(1)
		w.run(time.Hour)
		w.kill()
		w.boot()
		if err := log.Append(w.log.entries...); err != nil {
			t.Error(err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	r, err := audit.VerifyFile(path, audit.VerifyOptions{})
	if err != nil || r.Entries != 5 { // intent, result, unverified, demoted, checkpoint
		t.Errorf("got %+v, %v", r, err)
	}
}
