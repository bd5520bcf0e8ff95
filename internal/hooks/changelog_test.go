package hooks_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
)

type ledger struct {
	t   *testing.T
	db  *mortal
	log auditor
	now time.Time
	*hooks.ChangeLog
	good float64
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{t: t, db: &mortal{DB: storage.NewMemory()}, now: start}
	l.open()
	return l
}

func (l *ledger) open() {
	l.t.Helper()
	var err error
	if l.ChangeLog, err = hooks.NewChangeLog(l.db, &l.log, func() time.Time { return l.now }); err != nil {
		l.t.Fatal(err)
	}
}

func (l *ledger) record(kind, revision string) {
	l.t.Helper()
	if _, err := l.Record(hooks.Change{Service: "card-auth", Kind: kind, Revision: revision}, ""); err != nil {
		l.t.Fatal(err)
	}
}

// observe lets time pass with 10 good events a step and statuses of two objectives.
func (l *ledger) observe(d time.Duration, change func(s *slo.Status)) {
	l.t.Helper()
	for range d / step {
		l.now = l.now.Add(step)
		l.good += 10
		a := slo.Status{Name: "a", Service: "card-auth", Observed: true, State: slo.OK, At: l.now, Counted: slo.Events{Good: l.good}}
		b := a
		b.Name = "b"
		if change != nil {
			change(&b)
		}
		if err := l.Observe([]slo.Status{a, b}, l.now); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *ledger) healthy(revision string) time.Duration {
	l.t.Helper()
	for _, b := range l.Baked("card-auth") {
		if b.Revision == revision {
			return b.Healthy
		}
	}
	l.t.Fatalf("%s is not in %+v", revision, l.Baked("card-auth"))
	return 0
}

func TestRevisionBakesWhileObjectivesAreMet(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(s *slo.Status)
		want   time.Duration
	}{
		"met":      {nil, 20*time.Minute - step},
		"a ticket": {func(s *slo.Status) { s.Tiers = []slo.TierStatus{{Severity: burnrate.Ticket, Firing: true}} }, 20*time.Minute - step},
		"one pages": {func(s *slo.Status) {
			s.State, s.Tiers = slo.Burning, []slo.TierStatus{{Severity: burnrate.Page, Firing: true}}
		}, 0},
		"one unknown": {func(s *slo.Status) { s.State, s.Observed = slo.Unknown, false }, 0},
		// A fresh agent must not wait for a month: what it saw of the revision is what counts.
		"window still filling": {func(s *slo.Status) { s.State = slo.Unknown }, 20*time.Minute - step},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t)
			l.record(hooks.KindDeploy, "v1")
			l.observe(20*time.Minute, tt.change)
			if got := l.healthy("v1"); got != tt.want {
				t.Errorf("healthy for %s, want %s", got, tt.want)
			}
		})
	}
}

func TestServiceWithoutEventsDoesNotBake(t *testing.T) {
	l := newLedger(t)
	l.record(hooks.KindDeploy, "v1")
	l.observe(5*time.Minute, nil)
	for range 40 {
		l.now = l.now.Add(step)
		if err := l.Observe([]slo.Status{{Service: "card-auth", Observed: true, State: slo.OK, Counted: slo.Events{Good: 2 * l.good}}}, l.now); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.healthy("v1"); got != 5*time.Minute-step {
		t.Errorf("healthy for %s though nothing came after 5m", got)
	}
}

func TestBakingStartsAnewAfterABreakAndCountsFromTheChange(t *testing.T) {
	l := newLedger(t)
	l.record(hooks.KindDeploy, "v1")
	l.observe(8*time.Minute, nil)
	l.observe(step, func(s *slo.Status) { s.State, s.Observed = slo.Unknown, false })
	l.observe(8*time.Minute, nil)
	if got := l.healthy("v1"); got >= 10*time.Minute {
		t.Errorf("two runs of 8m were added up to %s", got)
	}
	l.now = l.now.Add(time.Hour) // the agent's machine slept
	l.observe(3*time.Minute, nil)
	if got := l.healthy("v1"); got >= 10*time.Minute {
		t.Errorf("an hour without evaluations counted: %s", got)
	}
	l.record(hooks.KindDeploy, "v2")
	l.observe(3*time.Minute, nil)
	if got := l.healthy("v2"); got != 3*time.Minute {
		t.Errorf("v2 is healthy for %s after 3m in place", got)
	}
}

func TestGoodRevisionSurvivesARestart(t *testing.T) {
	l := newLedger(t)
	l.record(hooks.KindDeploy, "v1")
	l.observe(30*time.Minute, nil)
	before := l.healthy("v1")
	l.open()
	// It is written when it has grown by a tenth, so at most that is lost.
	if got := l.healthy("v1"); got < before*9/10 || got > before {
		t.Errorf("healthy for %s after a restart, %s before", got, before)
	}
	if got := l.List("card-auth"); len(got) != 1 || got[0].Revision != "v1" {
		t.Errorf("changes after a restart: %+v", got)
	}
}

func TestFlagsAndDeploymentsBakeApart(t *testing.T) {
	l := newLedger(t)
	l.record(hooks.KindDeploy, "v1")
	l.now = l.now.Add(time.Second)
	l.record(hooks.KindFlag, "router=old")
	l.observe(20*time.Minute, nil)
	if l.healthy("v1") == 0 || l.healthy("router=old") == 0 {
		t.Errorf("got %+v", l.Baked("card-auth"))
	}
}

func TestRecord(t *testing.T) {
	l := newLedger(t)
	c, err := l.Record(hooks.Change{ID: "d-1", Service: "card-auth", Kind: hooks.KindDeploy, Revision: "v1"}, "")
	if err != nil || !c.At.Equal(start) {
		t.Fatalf("got %+v, %v", c, err)
	}
	l.now = l.now.Add(time.Minute)
	again, err := l.Record(hooks.Change{ID: "d-1", Service: "card-auth", Kind: hooks.KindDeploy, Revision: "v1"}, "")
	if err != nil || again != c || len(l.List("")) != 1 {
		t.Errorf("the same again: %+v, %v, %d kept", again, err, len(l.List("")))
	}
	if _, err := l.Record(hooks.Change{ID: "d-1", Service: "card-auth", Kind: hooks.KindDeploy, Revision: "v2"}, ""); !errors.Is(err, hooks.ErrConflict) {
		t.Errorf("another change with its id: %v", err)
	}
	// One that is told late takes its place in time.
	if _, err := l.Record(hooks.Change{Service: "card-auth", Kind: hooks.KindConfig, Revision: "c1", At: start.Add(-time.Hour)}, ""); err != nil {
		t.Fatal(err)
	}
	if got := l.List("card-auth"); got[0].Revision != "v1" || got[1].Revision != "c1" || got[1].ID == "" {
		t.Errorf("got %+v", got)
	}
}

// Who told the agent of a change, and what, is on record; once, and before anything follows from it.
func TestRecordedChangesAreAudited(t *testing.T) {
	l := newLedger(t)
	v1 := hooks.Change{Service: "card-auth", Kind: hooks.KindDeploy, Revision: "v1", Author: "dev"}
	for _, by := range []string{"", "pipeline", "pipeline"} {
		if _, err := l.Record(v1, by); err != nil {
			t.Fatal(err)
		}
		v1.At = start // the same again from here on
	}
	v2 := hooks.Change{Service: "card-auth", Kind: hooks.KindRollback, Revision: "v0", Author: "dev"}
	if _, err := l.Record(v2, "ops"); err != nil {
		t.Fatal(err)
	}
	got := l.log.find("change_recorded")
	if len(got) != 2 || got[0].Actor != "dev" || got[1].Actor != "ops" || got[1].Description != "rollback v0 of card-auth at 2026-11-21T08:00:00Z" {
		t.Errorf("audited %+v", got)
	}
	setErr(&l.log, errors.New("no space left on device"))
	v3 := hooks.Change{Service: "card-auth", Kind: hooks.KindDeploy, Revision: "v3"}
	if _, err := l.Record(v3, "ops"); err == nil || len(l.List("")) != 2 {
		t.Errorf("recorded without a trace: %v", err)
	}
	setErr(&l.log, nil)
	l.db.failAt = 1
	if _, err := l.Record(v3, "ops"); err == nil || len(l.List("")) != 2 {
		t.Errorf("recorded though the store failed: %v", err)
	}
	got = l.log.find("change_recorded")
	if n := len(got); n != 4 || got[3].Outcome != audit.Failure || !strings.Contains(got[3].Description, "was not recorded: no space left on device") {
		t.Errorf("audited %+v", got)
	}
}

func TestRecordRefuses(t *testing.T) {
	l := newLedger(t)
	for path, c := range map[string]hooks.Change{
		"service":  {Kind: hooks.KindDeploy, Revision: "v1"},
		"kind":     {Service: "a", Kind: "release", Revision: "v1"},
		"revision": {Service: "a", Kind: hooks.KindDeploy},
		"at":       {Service: "a", Kind: hooks.KindDeploy, Revision: "v1", At: start.Add(time.Hour)},
		"author":   {Service: "a", Kind: hooks.KindDeploy, Revision: "v1", Author: "a\nb"},
		"summary":  {Service: "a", Kind: hooks.KindDeploy, Revision: "v1", Summary: strings.Repeat("x", 2000)},
	} {
		_, err := l.Record(c, "")
		var list problem.List
		if !errors.As(err, &list) || list[0].Path != path {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestChangeLogIsBounded(t *testing.T) {
	l := newLedger(t)
	for i := range 150 {
		l.now = l.now.Add(time.Second)
		l.record(hooks.KindDeploy, fmt.Sprintf("v%d", i))
	}
	if got := l.List("card-auth"); len(got) != 100 || got[0].Revision != "v149" {
		t.Errorf("%d changes, the newest %s", len(got), got[0].Revision)
	}
	for i := range 1200 {
		l.now = l.now.Add(time.Second)
		if _, err := l.Record(hooks.Change{Service: fmt.Sprintf("s%d", i), Kind: hooks.KindDeploy, Revision: "v1"}, ""); err != nil {
			t.Fatal(err)
		}
	}
	stored := 0
	if err := l.db.Scan("", func(string, []byte) error { stored++; return nil }); err != nil || stored != 1000 {
		t.Errorf("%d services in the store, %v", stored, err)
	}
	if len(l.List("card-auth")) != 0 || len(l.List("s1199")) != 1 {
		t.Error("the service that changed first should have been forgotten, and only those")
	}
}
