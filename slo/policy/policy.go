// Package policy says what follows from the state of error budgets: for each rule of each budget policy
// and each objective it is about, whether the consequence holds, since when, and why. It has no clock
// and no I/O; given the same statuses and times it gives the same verdicts.
//
//	{"policy": "card", "rule": "freeze", "objective": "card-auth-availability", "service": "card-auth",
//	 "then": "freeze", "active": true, "since": "2026-11-21T10:04:10Z", "pending_since": null, "held": false,
//	 "why": "23.1 % of the budget is left; the policy freezes changes below 25 % and ends at 35 %",
//	 "message": "Releases wait until the budget has recovered."}
//
// A rule begins once its condition has been met for its For, and ends once its figure has been past its
// Until for its ClearFor; between the two it stays what it is, so that a figure that swings there changes
// nothing. It neither begins nor ends on an objective that is not observed: no data is no evidence of a
// burn, and none of a recovery.
package policy

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// Verdict is what one rule of a policy says of one objective. Its JSON form is the API's.
type Verdict struct {
	Policy    string `json:"policy"`
	Rule      string `json:"rule"`
	Objective string `json:"objective"`
	Service   string `json:"service"`
	// Parent and Group are those of the objective's status: set for one group of a grouped objective.
	Parent string            `json:"parent,omitempty"`
	Group  map[string]string `json:"group,omitempty"`
	Then   spec.Consequence  `json:"then"`
	Hook   string            `json:"hook,omitempty"` // which hook to call, for Then == CallHook
	Active bool              `json:"active"`
	Since  *time.Time        `json:"since"` // of Active; null while it is not
	// PendingSince is since when the figure asks for the opposite of Active without a break. It has to
	// for the rule's For, or ClearFor. Time in which it cannot be known does not count and moves
	// PendingSince on. Null: it does not ask.
	PendingSince *time.Time `json:"pending_since"`
	Held         bool       `json:"held"` // not enough is known, so that everything stays as it was
	Why          string     `json:"why"`  // one sentence with its numbers
	Message      string     `json:"message,omitempty"`
}

// Name is policy/rule.
func (v *Verdict) Name() string { return v.Policy + "/" + v.Rule }

// Engine keeps what is to be known of the past of every rule. It is safe for concurrent use.
type Engine struct {
	mu     sync.Mutex
	rules  []rule
	states map[key]state
	last   time.Time // evaluation; zero: none yet
	said   int       // how many verdicts it gave
}

// rule is one of a policy, with what its sentences and its state need.
type rule struct {
	spec.PolicyRule
	policy     string
	objectives []string
	condition  string // what it says in one line; the state of another condition is not this one's
	says       string // "; the policy freezes changes below 25 %"
	ends       string // " and ends at 35 %"
}

// key is which state.
type key struct{ policy, rule, objective string }

// state is the past of one rule for one objective. The zero value is that of a rule that never held.
type state struct {
	Active  bool      `json:"active,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Pending time.Time `json:"pending_since,omitzero"`
	Filled  float64   `json:"filled,omitempty"` // how much of the window had been watched when it began
}

// New makes an engine in which nothing holds yet.
func New(policies []spec.BudgetPolicy) *Engine {
	e := &Engine{states: map[key]state{}}
	e.Apply(policies)
	return e
}

// Apply replaces the policies. A rule whose policy, name, condition and consequence are as before keeps its
// state; any other begins anew.
func (e *Engine) Apply(policies []spec.BudgetPolicy) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := conditions(e.rules)
	e.rules = nil
	for _, p := range policies {
		for _, r := range p.Rules {
			e.rules = append(e.rules, newRule(p, r))
		}
	}
	slices.SortStableFunc(e.rules, func(a, b rule) int { return strings.Compare(a.policy, b.policy) })
	now := conditions(e.rules)
	for k := range e.states {
		if name := [2]string{k.policy, k.rule}; now[name] == "" || now[name] != before[name] {
			delete(e.states, k)
		}
	}
}

// conditions gives each rule's by policy and name.
func conditions(rules []rule) map[[2]string]string {
	out := make(map[[2]string]string, len(rules))
	for _, r := range rules {
		out[[2]string{r.policy, r.Name}] = r.condition
	}
	return out
}

// Evaluate judges every rule for every objective it is about, given the statuses of all objectives at
// one moment. Verdicts come by policy, by rule as written and by objective, whatever the order of the
// statuses. What is not among the statuses is forgotten.
func (e *Engine) Evaluate(statuses []slo.Status, now time.Time) []Verdict {
	e.mu.Lock()
	defer e.mu.Unlock()
	now = time.UnixMilli(now.UnixMilli()).UTC() // as everywhere, and as it comes back after a restart
	elapsed := time.Duration(0)
	if !e.last.IsZero() {
		elapsed = max(0, now.Sub(e.last))
	}
	e.last = now
	sorted := make([]*slo.Status, len(statuses))
	for i := range statuses {
		sorted[i] = &statuses[i]
	}
	slices.SortStableFunc(sorted, func(a, b *slo.Status) int { return cmp.Compare(a.Name, b.Name) })
	verdicts, states := make([]Verdict, 0, e.said), make(map[key]state, len(e.states))
	for i := range e.rules {
		r := &e.rules[i]
		for _, s := range sorted {
			if !r.about(s) {
				continue
			}
			k := key{r.policy, r.Name, s.Name}
			next, v := r.judge(s, e.states[k], now, elapsed)
			if next != (state{}) {
				states[k] = next
			}
			verdicts = append(verdicts, v)
		}
	}
	e.states, e.said = states, len(verdicts)
	return verdicts
}

// Active lists what held at the last evaluation, or before the restart if there was none yet. Of what a
// status would tell, Service and Why, nothing is known then.
func (e *Engine) Active() []Verdict {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Verdict
	for _, r := range e.rules {
		for k, st := range e.states {
			if st.Active && k.policy == r.policy && k.rule == r.Name {
				out = append(out, Verdict{Policy: r.policy, Rule: r.Name, Objective: k.objective, Then: r.Then, Hook: r.Hook,
					Active: true, Since: pointer(st.Since), PendingSince: pointer(st.Pending), Held: true, Message: r.Message})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Verdict) int {
		return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Objective, b.Objective))
	})
	return out
}

// about reports whether the rule is about an objective; a group belongs to its parent's policies too.
func (r *rule) about(s *slo.Status) bool {
	return slices.ContainsFunc(r.objectives, func(pattern string) bool {
		return spec.NameMatches(pattern, s.Name) || s.Parent != "" && spec.NameMatches(pattern, s.Parent)
	})
}

// judge moves the state of one rule for one objective on by elapsed, to now.
func (r *rule) judge(s *slo.Status, st state, now time.Time, elapsed time.Duration) (state, Verdict) {
	st.Since, st.Pending = notAfter(st.Since, now), notAfter(st.Pending, now) // the clock may have been set back
	f := r.figure(s)
	f.held = f.held || st.Active && s.State == slo.Unknown && s.Filled < st.Filled
	wanted := f.met
	if st.Active {
		wanted = f.cleared
	}
	switch {
	case f.held && !st.Pending.IsZero():
		st.Pending = notAfter(st.Pending.Add(elapsed), now)
	case f.held:
	case !wanted:
		st.Pending = time.Time{}
	case st.Pending.IsZero():
		st.Pending = now
	}
	wait := r.For
	if st.Active {
		wait = r.ClearFor
	}
	if !f.held && wanted && now.Sub(st.Pending) >= wait {
		if st.Active {
			st = state{}
		} else {
			st = state{Active: true, Since: now, Filled: s.Filled}
		}
	}
	v := Verdict{Policy: r.policy, Rule: r.Name, Objective: s.Name, Service: s.Service, Parent: s.Parent, Group: s.Group, Then: r.Then, Hook: r.Hook,
		Active: st.Active, Since: pointer(st.Since), PendingSince: pointer(st.Pending), Held: f.held, Message: r.Message}
	v.Why = r.why(s, f, st)
	return st, v
}

func notAfter(t, limit time.Time) time.Time {
	if t.After(limit) {
		return limit
	}
	return t
}

func pointer(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
