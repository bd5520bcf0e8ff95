package replay

import (
	"fmt"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// Backfilled says what became of each objective of a backfill.
type Backfilled struct {
	Objectives []string `json:"objectives"` // filled, by name
	Kept       []string `json:"kept"`       // left as they are: the store has counts of them
}

// Empty splits objectives into those of which the store of an agent has no counts and the names of the others.
// Those made of others count nothing themselves and are never empty.
func Empty(db storage.DB, objectives []spec.Objective, o slo.Options, now time.Time) (empty []spec.Objective, kept []string, err error) {
	e := slo.New(o)
	if err := e.Apply(objectives, now, db.Scan); err != nil {
		return nil, nil, fmt.Errorf("reading the store: %w", err)
	}
	counted := map[string]bool{}
	for _, s := range e.Evaluate(now) {
		counted[s.Name] = s.Filled > 0 || s.Counted != slo.Events{}
	}
	for _, obj := range objectives {
		if counted[obj.Name] || obj.Composite != nil {
			kept = append(kept, obj.Name)
			continue
		}
		empty = append(empty, obj)
	}
	return empty, kept, nil
}

// Write puts what an engine has counted into the store of an agent, all of it or nothing, after the audit
// log has been told; source says what was replayed. The engine is not to be used any more.
func (filled Backfilled) Write(db storage.DB, log hooks.Auditor, e *slo.Engine, source string, now time.Time) error {
	var b storage.Batch
	if err := e.StoreCounts(&b, now, db.Scan); err != nil {
		return fmt.Errorf("backfilling: %w", err)
	}
	err := log.Append(audit.Entry{
		Category: audit.CategoryHigh, Type: "ledger_backfilled", Risk: audit.RiskMedium, Outcome: audit.Success,
		Description:     fmt.Sprintf("budgets of %d objectives were filled from %s", len(filled.Objectives), source),
		AffectedSystems: filled.Objectives, ResourcesUsed: []string{source},
		ImpactAssessment: "budgets, burn alerts and hooks go by events that the agent has not seen itself",
	})
	if err != nil {
		return fmt.Errorf("backfilling: auditing: %w", err)
	}
	if err := db.Apply(&b); err != nil {
		return fmt.Errorf("backfilling: %w", err)
	}
	return nil
}
