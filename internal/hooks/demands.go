package hooks

import (
	"slices"

	"github.com/assayer-io/assayer/slo/policy"
	"github.com/assayer-io/assayer/slo/spec"
)

// Follow takes what budget policies say; every decision from now on goes by it. A policy can call a hook and
// can make it ask; it opens no way past any rule. A freeze concerns changes and never a rollback, so
// hooks do not look at it.
func (q *Queue) Follow(verdicts []policy.Verdict) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.demands = q.demands[:0]
	for _, v := range verdicts {
		if v.Active && (v.Then == spec.CallHook || v.Then == spec.DemandApproval) {
			q.demands = append(q.demands, v)
		}
	}
}

// called gives the first verdict that calls the hook for the objective, or nil.
func (q *Queue) called(hook, objective string) *policy.Verdict {
	i := slices.IndexFunc(q.demands, func(v policy.Verdict) bool {
		return v.Then == spec.CallHook && v.Hook == hook && v.Objective == objective
	})
	if i < 0 {
		return nil
	}
	v := q.demands[i]
	return &v
}

// approval says which policy demands a person's approval of whatever is done about the objective, and why; or "".
func (q *Queue) approval(objective string) string {
	for _, v := range q.demands {
		if v.Then == spec.DemandApproval && v.Objective == objective {
			return "policy " + v.Name() + " demands approval: " + v.Why
		}
	}
	return ""
}

// endedCall says that the policy that called for an action no longer does, or "".
func (q *Queue) endedCall(a *Action) string {
	if slices.ContainsFunc(q.demands, func(v policy.Verdict) bool {
		return v.Then == spec.CallHook && v.Hook == a.Hook && v.Objective == a.Objective && v.Name() == a.Policy
	}) {
		return ""
	}
	return "policy " + a.Policy + " no longer calls " + a.Hook
}
