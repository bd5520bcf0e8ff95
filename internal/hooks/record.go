package hooks

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/assayer-io/assayer/internal/audit"
)

// decisionEntry is the audit entry of a decision, written before anything follows from it.
func (q *Queue) decisionEntry(a *Action) audit.Entry {
	e := q.entry(a)
	switch a.State {
	case Denied:
		e.Type, e.Description = "hook_denied", "did not "+e.Description
	case Held:
		e.Type, e.Description = "hook_held", "did not yet "+e.Description
	case Observed:
		e.Type, e.Description = "hook_observed", "would "+e.Description
	case Recommended:
		e.Type, e.Description = "hook_recommended", "recommends to "+e.Description
	case WaitingApproval:
		e.Type, e.Description = "hook_approval_requested", "asks to "+e.Description
		e.Category, e.Risk, e.ValidationRequired = audit.CategoryHigh, audit.RiskMedium, true
	default:
		e.Type, e.Description = "hook_action_intent", "is about to "+e.Description
		e.Category, e.Risk, e.Outcome, e.ValidationRequired = audit.CategoryHigh, audit.RiskHigh, audit.Partial, true
		e.ComplianceFlags = []string{"automated_change"}
	}
	e.Description = a.Hook + " " + e.Description + ": " + strings.Join(a.Reasons, "; ")
	return e
}

// outcomeEntry is the audit entry of what became of an action.
func (q *Queue) outcomeEntry(a *Action, kind string) audit.Entry {
	e := q.entry(a)
	what := e.Description
	e.Type, e.Category, e.Risk = kind, audit.CategoryHigh, audit.RiskMedium
	say := func(format string, args ...any) { e.Description = a.Hook + ": " + fmt.Sprintf(format, args...) }
	switch kind {
	case "hook_action_result":
		e.Risk, e.ValidationRequired, e.ComplianceFlags = audit.RiskHigh, true, []string{"automated_change"}
		if a.State == Failed {
			e.Outcome = audit.Failure
			say("failed to %s: %s", what, a.Error)
		} else {
			e.Outcome = audit.Partial
			say("the call to %s succeeded, recovery is not yet seen", what)
		}
	case "hook_action_resent":
		e.Risk, e.Outcome, e.ValidationRequired, e.ComplianceFlags = audit.RiskHigh, audit.Partial, true, []string{"automated_change"}
		say("is about to %s again with the same idempotency key, since its outcome is unknown after a restart", what)
	case "hook_action_verified":
		say("%s helped: %s", what, a.Verification)
	case "hook_action_unverified":
		e.Category, e.Risk, e.Outcome, e.ValidationRequired = audit.CategoryCritical, audit.RiskCritical, audit.Failure, true
		e.ImpactAssessment = a.Service + " may still be failing and no further action will be taken for this burn"
		say("%s did not help: %s", what, a.Verification)
	case "hook_demoted":
		e.Category, e.ValidationRequired = audit.CategoryCritical, true
		say("has to ask from now on, since %s did not help", what)
	case "hook_promoted":
		say("may act by itself again, since %s was approved and helped", what)
	case "hook_approved":
		e.ComplianceFlags = []string{"human_approval"}
		say("%s approved to %s", a.DecidedBy, what)
	case "hook_rejected":
		e.ComplianceFlags = []string{"human_approval"}
		say("%s rejected to %s", a.DecidedBy, what)
	case "hook_approval_expired":
		e.Outcome = audit.Failure
		say("nobody decided in time whether to %s", what)
	case "hook_superseded":
		e.Outcome = audit.Failure
		say("dropped to %s: %s", what, a.Error)
	}
	return e
}

// entry holds what every entry about an action has in common. Its description reads on from "to".
func (q *Queue) entry(a *Action) audit.Entry {
	what := fmt.Sprintf("answer the burn of %s with a %s for %s", a.Objective, a.Kind, a.Service)
	if a.Change != nil && a.ToRevision != "" {
		what = fmt.Sprintf("roll %s back from %s to %s by %s", a.Service, a.Change.Revision, a.ToRevision, a.Kind)
	}
	evidence, err := json.Marshal(a)
	if err != nil {
		evidence = nil
	}
	return audit.Entry{
		Category: audit.CategoryMedium, Risk: audit.RiskLow, Outcome: audit.Success, Description: what,
		AffectedSystems: []string{a.Service}, ResourcesUsed: []string{a.Kind + "/" + a.Hook}, Evidence: evidence,
		ImpactAssessment: fmt.Sprintf("%s has %.1f %% of its error budget left", a.Objective, 100*a.Evidence.RemainingRatio),
	}
}
