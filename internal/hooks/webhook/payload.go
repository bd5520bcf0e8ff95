package webhook

import (
	"time"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
)

// Payload is the body of a call. It says the same at every attempt of one action. New fields may
// come; Version changes when one goes or changes its meaning.
type Payload struct {
	Version        int              `json:"version"` // 1
	ID             string           `json:"id"`
	IdempotencyKey string           `json:"idempotency_key"` // the action's ID
	Hook           string           `json:"hook"`
	Mode           hooks.Mode       `json:"mode"` // approve or auto
	Objective      string           `json:"objective"`
	Service        string           `json:"service"`
	Tier           string           `json:"tier"`
	Policy         string           `json:"policy,omitempty"` // budget policy/rule that called the hook; absent: the tier did
	Factor         float64          `json:"factor"`           // burn rate at which the tier fires
	BurnRates      slo.WindowValues `json:"burn_rates"`
	ErrorBudget    Budget           `json:"error_budget"`
	Change         *hooks.Change    `json:"change"`        // null: the policy requires none
	FromRevision   string           `json:"from_revision"` // empty: no change
	ToRevision     string           `json:"to_revision"`   // a revision recorded good; empty: no change
	Reason         string           `json:"reason"`        // one sentence
	ApprovedBy     string           `json:"approved_by"`   // empty: nobody was asked
	At             time.Time        `json:"at"`            // of the decision
}

// Budget is the error budget at the decision.
type Budget struct {
	RemainingRatio float64 `json:"remaining_ratio"`
}

func payload(a hooks.Action) Payload {
	p := Payload{
		Version: 1, ID: a.ID, IdempotencyKey: a.ID, Hook: a.Hook, Mode: a.Mode, Objective: a.Objective, Service: a.Service,
		Tier: a.Tier, Policy: a.Policy, Change: a.Change, ToRevision: a.ToRevision, ApprovedBy: a.DecidedBy, At: a.CreatedAt.UTC(),
	}
	if a.Change != nil {
		p.FromRevision = a.Change.Revision
	}
	if len(a.Reasons) > 0 {
		p.Reason = a.Reasons[0]
	}
	if a.Evidence != nil {
		p.Factor, p.BurnRates = a.Evidence.Factor, a.Evidence.BurnRates
		p.ErrorBudget.RemainingRatio = a.Evidence.RemainingRatio
	}
	return p
}
