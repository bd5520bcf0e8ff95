package web

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/policy"
	"github.com/assayer-io/assayer/slo/spec"
)

// fixture is an agent in the middle of an incident: one objective overspent, one burning, one
// unknown, and an action that waits for a person.
type fixture struct {
	now        time.Time
	statuses   []slo.Status
	actions    []hooks.Action
	changes    []hooks.Change
	problems   []health.Problem
	ready      bool
	paused     bool
	waiting    []string
	demoted    map[string]string
	calls      []string // what was asked of the hooks
	fail       error
	recordedBy string
	histories  int // looks into the past
	verdicts   []policy.Verdict
	settlement Settlement
}

func (f *fixture) Statuses() []slo.Status { return f.statuses }

func (f *fixture) History(name, _ string, from, to time.Time, points int) ([]slo.Point, error) {
	f.histories++
	i := slices.IndexFunc(f.statuses, func(s slo.Status) bool { return s.Name == name })
	if i < 0 {
		return nil, errors.New("no such objective")
	}
	st, left := f.statuses[i], 1.0
	peak := st.BurnRates[0].Value
	var out []slo.Point
	for n := range points {
		share := float64(n) / float64(points-1)
		p := slo.Point{At: from.Add(time.Duration(float64(to.Sub(from)) * share)), Coverage: 1, Events: 900}
		p.BurnRate = 0.3 + 0.2*math.Sin(share*30)
		if share > 0.7 && st.State != slo.OK {
			p.BurnRate += peak * min(1, (share-0.7)*6)
		}
		left -= (1 - st.ErrorBudget.RemainingRatio) / float64(points) * min(2, 2*share)
		p.RemainingRatio = left
		if st.State == slo.Unknown && share > 0.4 || share < 0.05 {
			p.Coverage = 0
		}
		out = append(out, p)
	}
	return out, nil
}

// The fixture stands in for several parts whose methods have the same names.
type (
	fakeActions struct{ *fixture }
	fakeChanges struct{ *fixture }
	fakeHealth  struct{ *fixture }
)

func (f fakeActions) List() []hooks.Action { return f.actions }
func (f fakeActions) Condition() hooks.Condition {
	c := hooks.Condition{Waiting: f.waiting, Demoted: f.demoted}
	if f.paused {
		c.Paused = &hooks.Pause{By: "anna", Why: "market close", At: f.now.Add(-time.Hour)}
	}
	return c
}

func (f fakeActions) Approve(_ context.Context, id, who string) error {
	return f.decided("approve", id, who, hooks.Running)
}

func (f fakeActions) Reject(id, who string) error {
	return f.decided("reject", id, who, hooks.Rejected)
}

func (f fakeActions) Pause(who, why string) error {
	f.calls = append(f.calls, fmt.Sprintf("pause %s %s", who, why))
	f.paused = f.fail == nil
	return f.fail
}

func (f fakeActions) Resume(who string) error {
	f.calls = append(f.calls, "resume "+who)
	f.paused = false
	return f.fail
}

func (f *fixture) decided(what, id, by string, state hooks.State) error {
	f.calls = append(f.calls, fmt.Sprintf("%s %s %s", what, id, by))
	if f.fail != nil {
		return f.fail
	}
	i := slices.IndexFunc(f.actions, func(a hooks.Action) bool { return a.ID == id })
	if i < 0 {
		return hooks.ErrNoAction
	}
	f.actions[i].State, f.actions[i].DecidedBy = state, by
	return nil
}

func (f fakeChanges) List(service string) []hooks.Change {
	var out []hooks.Change
	for _, c := range f.changes {
		if service == "" || c.Service == service {
			out = append(out, c)
		}
	}
	return out
}

func (f fakeChanges) Record(c hooks.Change, by string) (hooks.Change, error) {
	if f.fail != nil {
		return c, f.fail
	}
	f.recordedBy = by
	if c.At.IsZero() {
		c.At = f.now
	}
	if c.ID == "" {
		c.ID = fmt.Sprint("c", len(f.changes))
	}
	f.changes = append(f.changes, c)
	return c, nil
}

func (f fakeHealth) Ready() bool                { return f.ready }
func (f fakeHealth) Problems() []health.Problem { return f.problems }

func (f *fixture) targets() []Target {
	return []Target{
		{Name: "http://127.0.0.1:9101/metrics", Collector: "prometheus", Up: true, LastLook: f.now.Add(-3 * time.Second), DurationSeconds: 0.0124, IntervalSeconds: 5, Samples: 412},
		{Name: "http://127.0.0.1:9102/metrics", Collector: "prometheus", Up: true, LastLook: f.now.Add(-time.Second), DurationSeconds: 0.009, IntervalSeconds: 5, Samples: 96, Overruns: 2},
		{Name: "http://127.0.0.1:9103/metrics", Collector: "prometheus", LastLook: f.now.Add(-2 * time.Second), IntervalSeconds: 5, Error: "connection refused"},
	}
}

func (f *fixture) deps() Deps {
	return Deps{
		Objectives: f, Health: fakeHealth{f}, Actions: fakeActions{f}, Changes: fakeChanges{f}, Targets: f.targets, Policies: func() []policy.Verdict { return f.verdicts },
		Settlement: func() Settlement { return f.settlement },
		Now:        func() time.Time { return f.now }, Version: "1.0.0",
		Reload: func(context.Context) error { f.calls = append(f.calls, "reload"); return f.fail },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "assayer_build_info 1")
		}),
	}
}

func (f *fixture) server(t testing.TB) http.Handler {
	t.Helper()
	s, err := New(f.deps())
	if err != nil {
		t.Fatal(err)
	}
	return s.Handler()
}

// addGroups adds to the fixture an objective that counts money with so many groups, the last of them
// exhausted, and a composite.
func (f *fixture) addGroups(n int) {
	whole := objective(f.now, "payouts", "treasury", 0.99, slo.OK, 0.5, 0)
	whole.Currency, whole.Events = "EUR", slo.Events{Good: 123_456_789, Bad: 1_234_567}
	f.statuses = append(f.statuses, whole)
	for i := range n {
		g := objective(f.now, fmt.Sprintf("payouts[region=r%d,scheme=sepa]", i), "treasury", 0.99, slo.OK, 0.9, 0)
		g.Parent, g.Group, g.Currency = whole.Name, map[string]string{"scheme": "sepa", "region": fmt.Sprint("r", i)}, "EUR"
		if i == n-1 {
			g.State, g.ErrorBudget.RemainingRatio = slo.Exhausted, -1
		}
		f.statuses = append(f.statuses, g)
	}
	wallet := objective(f.now, "wallet", "wallet", 0.99, slo.Burning, 0.3, 5)
	wallet.Members = []slo.MemberStatus{
		{Objective: "card-auth-latency", Weight: 2.5, State: slo.OK, ErrorRatio: 0.0012, Counted: "measured"},
		{Objective: "fix-orders-availability", Weight: 1, State: slo.Unknown, ErrorRatio: 1, Counted: "bad"},
	}
	gone := f.now.Add(3 * time.Hour)
	early, late := f.now.Add(2*time.Hour), f.now.Add(6*time.Hour)
	wallet.ErrorBudget.ExhaustsAt, wallet.ErrorBudget.ExhaustsEarliest, wallet.ErrorBudget.ExhaustsLatest = &gone, &early, &late
	f.statuses = append(f.statuses, wallet)
}

func newFixture() *fixture {
	now := time.Date(2026, 11, 21, 10, 4, 5, 0, time.UTC)
	f := &fixture{now: now, ready: true}
	gone := now.Add(3*time.Hour + 20*time.Minute)
	f.statuses = []slo.Status{
		objective(now, "card-auth-latency", "card-auth", 0.99, slo.OK, 0.874, 0.4),
		objective(now, "card-auth-availability", "card-auth", 0.9995, slo.Exhausted, -3, 40),
		objective(now, "sepa-instant-settlement", "sepa-instant", 0.999, slo.Burning, 0.1234, 16.4),
		objective(now, "fix-orders-availability", "order-gateway", 0.9999, slo.Unknown, 1, 0),
		objective(now, "ledger-freshness", "ledger", 0.995, slo.OK, 0.99996, 0),
	}
	f.statuses[2].ErrorBudget.ExhaustsAt = &gone
	f.statuses[2].DisplayName = "SEPA Instant settled in 10 s"
	f.statuses[3].Coverage = 0.41
	f.statuses[3].Reason = "41 % of the last 30d was observed, 95 % is needed to judge"
	deploy := hooks.Change{ID: "c1", Service: "card-auth", Kind: "deploy", Revision: "v42", At: now.Add(-16 * time.Minute), Author: "pipeline", Summary: "new issuer routing"}
	f.changes = []hooks.Change{
		{ID: "c0", Service: "sepa-instant", Kind: "flag", Revision: "batch-size=500", At: now.Add(-26 * time.Hour), Author: "ines"}, deploy,
	}
	f.actions = []hooks.Action{{
		ID: "a1", Hook: "undo", Kind: "webhook", Mode: hooks.Approve, State: hooks.Verified, Objective: "sepa-instant-settlement", Service: "sepa-instant",
		Tier: "page-1h", ToRevision: "batch-size=100", CreatedAt: now.Add(-25 * time.Hour), UpdatedAt: now.Add(-24 * time.Hour), Attempts: 1, DecidedBy: "anna",
		Verification: "burn rate over 5m fell from 22 to 0.4 within 10m of the action",
	}, {
		ID: "a2", Hook: "undo", Kind: "webhook", Mode: hooks.Approve, State: hooks.WaitingApproval, Objective: "card-auth-availability", Service: "card-auth",
		Tier: "page-1h", Change: &deploy, ToRevision: "v41", CreatedAt: now.Add(-90 * time.Second), UpdatedAt: now.Add(-90 * time.Second),
		Reasons: []string{"page-1h fires: 40 times the budget's pace over 1h and 5m", "deploy v42 came 4 min before the burn began", "v41 is on record as good for 6 d"},
	}, {
		ID: "a3", Hook: "scale-out", Kind: "kubernetes", Mode: hooks.Auto, State: hooks.Denied, Objective: "fix-orders-availability", Service: "order-gateway",
		CreatedAt: now.Add(-2 * time.Hour), UpdatedAt: now.Add(-2 * time.Hour), Reasons: []string{"the objective is unknown: too little was observed to act"},
	}}
	f.settlement = settling(now)
	f.verdicts = []policy.Verdict{
		holds(now, "freeze", "card-auth-availability", spec.Freeze),
		holds(now, "ask", "card-auth-latency", spec.DemandApproval),
		{Policy: "card", Rule: "freeze", Objective: "ledger-freshness", Then: spec.Freeze, Why: "100 % of the budget is left"},
	}
	f.problems = []health.Problem{{Name: health.TargetDown, Subject: "http://127.0.0.1:9103/metrics", Severity: health.Warning,
		Message: "connection refused", Advice: "Check that the target runs and that the agent can reach it.", Since: now.Add(-4 * time.Minute)}}
	return f
}

// holds is one verdict of a rule of policy card that holds for a while.
func holds(now time.Time, rule, objective string, then spec.Consequence) policy.Verdict {
	since := now.Add(-12 * time.Minute)
	return policy.Verdict{Policy: "card", Rule: rule, Objective: objective, Service: "card-auth", Then: then, Active: true, Since: &since,
		Why: "-300 % of the budget is left; the policy freezes changes below 25 % and ends at 35 %", Message: "Releases wait."}
}

// objective makes a status whose burn rate over short windows is peak.
func objective(now time.Time, name, service string, target float64, state slo.State, left, peak float64) slo.Status {
	st := slo.Status{
		Name: name, Service: service, Objective: target, Window: "30d", Method: "Occurrences", State: state, At: now.Add(-2 * time.Second),
		Events: slo.Events{Good: 1_234_567, Bad: 321, Excluded: 12}, ErrorBudget: slo.Budget{RemainingRatio: left},
		Coverage: 0.998, Filled: 1, WindowSize: 30 * 24 * time.Hour, Firing: []string{},
	}
	for _, w := range []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"} {
		st.BurnRates = append(st.BurnRates, slo.WindowValue{Window: w, Value: peak})
		st.ErrorRatios = append(st.ErrorRatios, slo.WindowValue{Window: w, Value: peak * (1 - target)})
		peak *= 0.8
	}
	for _, tier := range burnrate.Tiers(st.WindowSize) {
		ts := slo.TierStatus{Name: tier.Name, Severity: tier.Severity, Factor: tier.Factor, LongWindow: burnrate.Text(tier.Long), ShortWindow: burnrate.Text(tier.Short), LongCoverage: 1}
		ts.LongBurnRate, _ = st.BurnRates.Get(ts.LongWindow)
		ts.ShortBurnRate, _ = st.BurnRates.Get(ts.ShortWindow)
		ts.Firing = ts.LongBurnRate >= tier.Factor && ts.ShortBurnRate >= tier.Factor
		ts.Why = fmt.Sprintf("burn rate %.1f over %s and %.1f over %s, fires at %.1f", ts.LongBurnRate, ts.LongWindow, ts.ShortBurnRate, ts.ShortWindow, tier.Factor)
		if ts.Firing {
			since := now.Add(-12 * time.Minute)
			ts.Since = &since
			st.Firing = append(st.Firing, ts.Name)
		}
		st.Tiers = append(st.Tiers, ts)
	}
	st.Reason = fmt.Sprintf("%.4g %% of the error budget is left after 321 bad events of 1,234,888", left*100)
	return st
}
