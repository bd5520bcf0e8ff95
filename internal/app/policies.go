package app

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	exporter "github.com/assayer-io/assayer/exporters/prometheus"
	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/policy"
	"github.com/assayer-io/assayer/slo/spec"
)

// policyKey is where the state of budget policies is stored.
const policyKey = "policy/state"

// budgetPolicies is what the agent keeps beside the engine of budget policies.
type budgetPolicies struct {
	engine   *policy.Engine
	verdicts atomic.Pointer[[]policy.Verdict] // of the last evaluation; nil before the first

	// The rest is only the evaluation's own.
	stored  []byte                         // what the store holds
	failing bool                           // the store, and it has been said
	logged  map[policyAbout]policy.Verdict // those that hold and of which the log tells
	audited map[policyAbout]policy.Verdict // likewise the audit log
}

// policyAbout is which verdict.
type policyAbout struct{ policy, rule, objective string }

func about(v policy.Verdict) policyAbout { return policyAbout{v.Policy, v.Rule, v.Objective} }

// makePolicies restores what held before the restart; that has been told.
func (a *App) makePolicies() error {
	p := &a.policies
	p.engine = policy.New(a.loaded().Policies)
	data, err := a.db.Get(policyKey)
	if err != nil {
		return fmt.Errorf("restoring budget policies: %w", err)
	}
	if data != nil {
		if err := p.engine.Restore(data); err != nil {
			return fmt.Errorf("restoring budget policies: %w", err)
		}
	}
	p.stored = data
	p.logged, p.audited = holding(p.engine.Active()), holding(p.engine.Active())
	return nil
}

func holding(verdicts []policy.Verdict) map[policyAbout]policy.Verdict {
	out := map[policyAbout]policy.Verdict{}
	for _, v := range verdicts {
		if v.Active {
			out[about(v)] = v
		}
	}
	return out
}

// judgePolicies brings budget policies up to date and tells everybody who goes by them. What holds is in
// force even if it could not be written down.
func (a *App) judgePolicies(statuses []slo.Status, now time.Time) {
	p := &a.policies
	verdicts := p.engine.Evaluate(statuses, now)
	p.verdicts.Store(&verdicts)
	a.queue.Follow(verdicts)
	switch err := a.storePolicies(); {
	case err != nil && !p.failing:
		a.log.Error("storing the state of budget policies failed, keeping it in memory until that succeeds", "err", err)
		p.failing = true
	case err == nil:
		p.failing = false
	}
	hold := holding(verdicts)
	entries := changedPolicies(p.audited, hold, now)
	if len(entries) == 0 || (auditor{a}).Append(entries...) == nil { // else the agent's health tells, and the next evaluation tries again
		p.audited = hold
	}
	a.logPolicies(hold, now)
}

func (a *App) storePolicies() error {
	data, err := a.policies.engine.Checkpoint()
	if err != nil || bytes.Equal(data, a.policies.stored) {
		return err
	}
	a.saving.Lock()
	defer a.saving.Unlock()
	var b storage.Batch
	b.Set(policyKey, data)
	if err := a.db.Apply(&b); err != nil {
		return err
	}
	a.policies.stored = data
	return nil
}

// logPolicies tells once of what begins and what ends.
func (a *App) logPolicies(hold map[policyAbout]policy.Verdict, now time.Time) {
	began, ended := difference(a.policies.logged, hold)
	for _, v := range began {
		a.log.Warn("budget policy holds", "policy", v.Name(), "objective", v.Objective, "service", v.Service, "then", string(v.Then), "why", v.Why, "message", v.Message)
	}
	for _, v := range ended {
		a.log.Info("budget policy ended", "policy", v.Name(), "objective", v.Objective, "service", v.Service, "then", string(v.Then),
			"after", now.Sub(*v.Since).Round(time.Millisecond).String())
	}
	a.policies.logged = hold
}

// difference lists what is in one of two only, in order.
func difference(before, after map[policyAbout]policy.Verdict) (began, ended []policy.Verdict) {
	missing := func(from, in map[policyAbout]policy.Verdict) (out []policy.Verdict) {
		for k, v := range from {
			if _, there := in[k]; !there {
				out = append(out, v)
			}
		}
		slices.SortFunc(out, func(a, b policy.Verdict) int {
			return strings.Compare(a.Name()+" "+a.Objective, b.Name()+" "+b.Objective)
		})
		return out
	}
	return missing(after, before), missing(before, after)
}

// changedPolicies gives the audit entries of what begins and what ends.
func changedPolicies(before, after map[policyAbout]policy.Verdict, now time.Time) []audit.Entry {
	began, ended := difference(before, after)
	var entries []audit.Entry
	for _, v := range began {
		e := policyEntry(v, "policy_active", fmt.Sprintf("policy %s holds for %s: %s", v.Name(), v.Objective, v.Why))
		e.ImpactAssessment = consequence(v)
		entries = append(entries, e)
	}
	for _, v := range ended {
		e := policyEntry(v, "policy_ended", fmt.Sprintf("policy %s no longer holds for %s, after %s", v.Name(), v.Objective, now.Sub(*v.Since).Round(time.Second)))
		e.ImpactAssessment = "no longer: " + consequence(v)
		entries = append(entries, e)
	}
	return entries
}

func policyEntry(v policy.Verdict, kind, what string) audit.Entry {
	e := audit.Entry{
		Category: audit.CategoryMedium, Type: kind, Risk: audit.RiskLow, Outcome: audit.Success, Description: what,
		AffectedSystems: []string{cmp.Or(v.Service, v.Objective)}, ResourcesUsed: []string{"policy/" + v.Name()},
	}
	if v.Then == spec.Freeze || v.Then == spec.DemandApproval || v.Then == spec.CallHook {
		e.Category, e.Risk = audit.CategoryHigh, audit.RiskMedium
	}
	if evidence, err := json.Marshal(v); err == nil {
		e.Evidence = evidence
	}
	return e
}

// consequence says what a verdict that holds means for people.
func consequence(v policy.Verdict) string {
	switch v.Then {
	case spec.Freeze:
		return "changes of " + v.Service + " are frozen, but for fixes, security and rollbacks"
	case spec.DemandApproval:
		return "whatever a hook would do about " + v.Objective + " needs a person's approval"
	case spec.CallHook:
		return "hook " + v.Hook + " is called, within its own rules"
	case spec.NotifyPage:
		return "somebody has to look at " + v.Objective + " now"
	}
	return "somebody has to look at " + v.Objective + " in working hours"
}

// Verdicts are what budget policies said at the last evaluation.
func (a *App) Verdicts() []policy.Verdict {
	if v := a.policies.verdicts.Load(); v != nil {
		return *v
	}
	return nil
}

func (a *App) policyStates() []exporter.PolicyState {
	var out []exporter.PolicyState
	for _, v := range a.Verdicts() {
		out = append(out, exporter.PolicyState{Policy: v.Policy, Rule: v.Rule, Then: string(v.Then), SLO: cmp.Or(v.Parent, v.Objective), Service: v.Service,
			Group: v.Group, Active: v.Active})
	}
	return out
}

// checkReach finds rules that can never do what they say for an objective of their policy: it has no burn rate over
// their window, or the hook that they call is not there for it.
func (l *Loaded) checkReach(p *spec.BudgetPolicy) problem.List {
	var about []*spec.Objective
	for i := range l.Objectives {
		if slices.ContainsFunc(p.Objectives, func(pattern string) bool { return spec.NameMatches(pattern, l.Objectives[i].Name) }) {
			about = append(about, &l.Objectives[i])
		}
	}
	var problems problem.List
	for _, r := range p.Rules {
		has := func(o *spec.Objective) bool {
			return r.BurnAbove == 0 || slices.Contains(l.windows(o), burnrate.Text(r.Over))
		}
		someHas := slices.ContainsFunc(about, has)
		for _, o := range about {
			if !has(o) { // where none has it the rule can do nothing at all
				problems = append(problems, r.At.Problem(problem.Problem{Path: "when.over", Got: burnrate.Text(r.Over), Warning: someHas,
					Message: "objective " + o.Name + " has no burn rate over this window", Allowed: strings.Join(l.windows(o), ", ")}))
			}
			for _, h := range l.hooks {
				if h.policy.Name == r.Hook && len(h.policy.Unmatched([]string{o.Name})) == len(h.policy.Objectives) {
					problems = append(problems, r.At.Problem(problem.Problem{Path: "hook", Got: r.Hook, Warning: true,
						Message: "the hook is never called for objective " + o.Name, Allowed: "a hook among whose objectives it is"}))
				}
			}
		}
	}
	return problems
}

// windows are those over which an objective has burn rates.
func (l *Loaded) windows(o *spec.Objective) []string {
	var lengths []time.Duration
	for _, t := range slo.TiersFor(o.Window.Length, o.MinTierWindow, l.engineOptions().Tiers) {
		lengths = append(lengths, t.Long, t.Short)
	}
	slices.Sort(lengths)
	var out []string
	for _, d := range slices.Compact(lengths) {
		out = append(out, burnrate.Text(d))
	}
	return append(out, o.Window.Text)
}
