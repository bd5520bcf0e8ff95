package replay

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
)

// Action is one decision that a hook would have taken.
type Action struct {
	At        time.Time `json:"at"`
	Hook      string    `json:"hook"`
	Objective string    `json:"objective"`
	Tier      string    `json:"tier"`
	Outcome   string    `json:"outcome"` // acted, asked, observed, recommended, held, denied or superseded
	Reasons   []string  `json:"reasons"`
	Rules     []string  `json:"rules"` // what held or denied it
}

// Dry is the hooks of an agent, deciding by the rules that hold in the agent, on the recording's clock, and
// calling nobody: every call succeeds at once. Somebody has resumed those in mode auto, nobody approves.
type Dry struct {
	queue   *hooks.Queue
	log     *hooks.ChangeLog
	changes []hooks.Change // not recorded yet, by time
	now     time.Time
	told    atomic.Bool // something was audited since the actions were listed last
	known   map[string]bool
	actions []Action
}

// NewDry makes the hooks with these policies. The changes become known when their time has come.
func NewDry(policies []hooks.Policy, changes []hooks.Change) (*Dry, error) {
	d := &Dry{known: map[string]bool{}, changes: slices.SortedFunc(slices.Values(changes), func(a, b hooks.Change) int { return a.At.Compare(b.At) })}
	db, now := storage.NewMemory(), func() time.Time { return d.now }
	var err error
	if d.log, err = hooks.NewChangeLog(db, auditor{d}, now); err != nil {
		return nil, err
	}
	runners := map[string]hooks.Runner{}
	for _, p := range policies {
		runners[p.Name] = nobody{}
	}
	d.queue, err = hooks.New(hooks.Deps{
		DB: db, Audit: auditor{d}, Changes: d.log, Policies: policies, Actions: runners, Now: now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	if err := d.queue.Resume("replay"); err != nil {
		return nil, err
	}
	return d, nil
}

// Evaluated lets the hooks decide after one evaluation.
func (d *Dry) Evaluated(ctx context.Context, statuses []slo.Status) error {
	if len(statuses) == 0 {
		return nil
	}
	d.now = statuses[0].At
	for len(d.changes) > 0 && !d.changes[0].At.After(d.now) {
		c := d.changes[0]
		d.changes = d.changes[1:]
		if _, err := d.log.Record(c, ""); err != nil {
			return fmt.Errorf("recording the change %s of %s at %s: %w", c.Revision, c.Service, c.At.UTC().Format(time.RFC3339), err)
		}
	}
	d.told.Store(false)
	if err := d.queue.Consider(ctx, statuses); err != nil {
		return err
	}
	if !d.told.Load() {
		return nil
	}
	d.queue.Wait()
	for _, a := range slices.Backward(d.queue.List()) {
		if !d.known[a.ID] {
			d.known[a.ID] = true
			d.actions = append(d.actions, Action{At: a.CreatedAt.UTC(), Hook: a.Hook, Objective: a.Objective, Tier: a.Tier, Outcome: outcome(a.State), Reasons: a.Reasons, Rules: a.Rules})
		}
	}
	return nil
}

// outcome says what a state means that an action has right after it was decided.
func outcome(s hooks.State) string {
	switch s {
	case hooks.Running, hooks.Verifying, hooks.Verified, hooks.Unverified:
		return "acted"
	case hooks.WaitingApproval:
		return "asked"
	}
	return string(s)
}

// Actions gives what was decided, oldest first.
func (d *Dry) Actions() []Action { return d.actions }

// Close ends the hooks.
func (d *Dry) Close(ctx context.Context) error { return d.queue.Stop(ctx) }

// nobody is called instead of what a hook calls.
type nobody struct{}

// Run implements hooks.Runner.
func (nobody) Run(context.Context, hooks.Action) (int, error) { return 1, nil }

// Idempotent implements hooks.Runner.
func (nobody) Idempotent() bool { return true }

// auditor notes that something was decided, and keeps nothing.
type auditor struct{ *Dry }

// Append implements hooks.Auditor.
func (a auditor) Append(...audit.Entry) error {
	a.told.Store(true)
	return nil
}
