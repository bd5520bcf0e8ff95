package hooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/policy"
)

// Runner carries out actions of one kind against one target.
type Runner interface {
	// Run does what a asks and returns once that has succeeded or failed for good, and how often it
	// tried. It honours ctx and bounds its own retries.
	Run(ctx context.Context, a Action) (attempts int, err error)
	// Idempotent reports whether running the same action ID a second time has no second effect.
	Idempotent() bool
}

// Breaker is a [Runner] that stops calling what keeps failing.
type Breaker interface {
	// BreakerOpen reports whether calls are kept in at present.
	BreakerOpen() bool
}

// Auditor is what the queue needs of the audit log: all entries on disk, in order, or an error.
type Auditor interface {
	Append(entries ...audit.Entry) error
}

// Deps are what a queue works with; all but Policies and Actions are required.
type Deps struct {
	DB       storage.DB
	Audit    Auditor
	Changes  *ChangeLog
	Policies []Policy
	Actions  map[string]Runner // by policy name; only hooks in mode observe and recommend go without
	Now      func() time.Time
	Logger   *slog.Logger
}

const (
	maxConcurrentCalls = 4
	maxKept            = 1000            // final actions that were called, and as many that were not
	maxResends         = 3               // of one action, after restarts
	callTimeout        = 5 * time.Minute // of one call with all its retries, once it has its turn
	unresolvedFor      = 15 * time.Minute
)

// Queue turns decisions into actions and sees them through. It is safe for concurrent use.
type Queue struct {
	db      storage.DB
	audit   Auditor
	changes *ChangeLog
	now     func() time.Time
	log     *slog.Logger
	calls   sync.WaitGroup
	slots   chan struct{} // one for each call under way

	mu        sync.Mutex
	policies  []Policy
	runners   map[string]Runner
	actions   map[string]*Action
	watches   map[string]*watch
	burns     map[string]burn // by objective
	latest    []slo.Status
	demands   []policy.Verdict // of budget policies, those that hold and concern hooks
	paused    *Pause
	fresh     bool              // started and not resumed since
	demoted   map[string]string // hook to why
	failing   map[string]string // hook to what its last action failed of, until somebody has seen to it
	counts    map[countKey]uint64
	cancels   map[string]context.CancelFunc // of calls under way
	startedAt time.Time
	stopped   bool
}

// New reads the journal and settles what can be settled of actions that were under way when the
// agent stopped. It starts nothing.
func New(d Deps) (*Queue, error) {
	if d.DB == nil || d.Audit == nil || d.Changes == nil || d.Now == nil || d.Logger == nil {
		return nil, errors.New("making hook queue: a store, an audit log, a change log, a clock and a logger are required")
	}
	if err := Check(d.Policies, d.Actions); err != nil {
		return nil, fmt.Errorf("making hook queue: %w", err)
	}
	q := &Queue{
		db: d.DB, audit: d.Audit, changes: d.Changes, now: d.Now, log: d.Logger,
		slots: make(chan struct{}, maxConcurrentCalls), policies: d.Policies, runners: d.Actions,
		actions: map[string]*Action{}, watches: map[string]*watch{}, burns: map[string]burn{},
		demoted: map[string]string{}, failing: map[string]string{}, counts: map[countKey]uint64{}, cancels: map[string]context.CancelFunc{},
		fresh: true, startedAt: d.Now(),
	}
	if err := q.load(); err != nil {
		return nil, fmt.Errorf("reading hook journal: %w", err)
	}
	if err := q.settle(); err != nil {
		return nil, fmt.Errorf("settling actions of before the restart: %w", err)
	}
	return q, nil
}

// Check reports what keeps policies and their actions, by policy name, from being put in force.
func Check(policies []Policy, runners map[string]Runner) error {
	seen := map[string]bool{}
	for _, p := range policies {
		if err := p.Validate(); err != nil {
			return fmt.Errorf("hook %q: %w", p.Name, err)
		}
		if seen[p.Name] {
			return fmt.Errorf("two hooks are called %q", p.Name)
		}
		seen[p.Name] = true
		if (p.Mode == Approve || p.Mode == Auto) && runners[p.Name] == nil {
			return fmt.Errorf("hook %q is in mode %s and has no action", p.Name, p.Mode)
		}
	}
	return nil
}

// Reload replaces policies and actions. Calls under way go on as they were begun; what is decided and
// not yet called goes by the new policies. An error changes nothing; [Check] finds it beforehand.
func (q *Queue) Reload(policies []Policy, actions map[string]Runner) error {
	if err := Check(policies, actions); err != nil {
		return fmt.Errorf("reloading hooks: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.policies, q.runners = policies, actions
	clear(q.failing) // of the hooks as they were
	return nil
}

// Consider takes the statuses of one evaluation, of every objective, and decides what follows. Calls
// run in goroutines of the queue; they do not end with ctx, but with Stop. When an error comes back
// nothing of this evaluation was done; the next one decides anew.
func (q *Queue) Consider(ctx context.Context, statuses []slo.Status) error {
	now := q.now()
	if err := q.changes.Observe(statuses, now); err != nil {
		return fmt.Errorf("considering actions: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return nil
	}
	q.latest = slices.Clone(statuses)
	w := newWork(now)
	q.trackBurns(w)
	q.advance(w)
	for _, p := range q.policies {
		for _, s := range statuses {
			if p.Selects(s.Name) {
				q.decide(w, p, s)
			}
		}
	}
	if err := q.commit(w); err != nil {
		return fmt.Errorf("considering actions: %w", err)
	}
	for _, id := range w.calls {
		q.start(ctx, id)
	}
	return nil
}

// Stop waits for the calls under way and cuts them off when ctx ends; those are settled at the next
// start. The queue does nothing afterwards.
func (q *Queue) Stop(ctx context.Context) error {
	q.mu.Lock()
	q.stopped = true
	q.mu.Unlock()
	done := make(chan struct{})
	go func() {
		q.calls.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	for _, cancel := range q.cancels {
		cancel()
	}
	q.mu.Unlock()
	<-done
	return fmt.Errorf("waiting for actions under way: %w", ctx.Err())
}

// List gives every action kept, newest first.
func (q *Queue) List() []Action {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]Action, 0, len(q.actions))
	for _, a := range q.actions {
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b Action) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Condition is what holds hooks back beside the rules.
type Condition struct {
	Paused  *Pause            `json:"paused"`  // nil: not paused
	Waiting []string          `json:"waiting"` // auto hooks that wait to be resumed after the start
	Demoted map[string]string `json:"demoted"` // hook to why it has to ask
}

// Condition says what holds hooks back at present.
func (q *Queue) Condition() Condition {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := Condition{Paused: q.paused, Waiting: []string{}, Demoted: map[string]string{}}
	for _, p := range q.policies {
		if p.Mode == Auto && q.fresh && !p.ResumeOnStart {
			c.Waiting = append(c.Waiting, p.Name)
		}
		if why := q.demoted[p.Name]; why != "" && p.Mode == Auto {
			c.Demoted[p.Name] = why
		}
	}
	return c
}

// Trouble is what is wrong with one hook itself.
type Trouble struct {
	Hook        string
	Failed      string // what its last action failed of; "" once one has succeeded, or a person has resumed, approved, rejected or reloaded
	BreakerOpen bool
}

// Troubles gives one value for each hook, those in no trouble included.
func (q *Queue) Troubles() []Trouble {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []Trouble
	for _, p := range q.policies {
		b, ok := q.runners[p.Name].(Breaker)
		out = append(out, Trouble{Hook: p.Name, Failed: q.failing[p.Name], BreakerOpen: ok && b.BreakerOpen()})
	}
	return out
}

// Count is one value of assayer_hook_actions_total: actions of a hook that ended in a final state
// since the agent was started.
type Count struct {
	Hook, Kind string
	Result     State
	Actions    uint64
}

type countKey struct {
	hook, kind string
	result     State
}

// Counts gives a value for each hook and final state, zeros included.
func (q *Queue) Counts() []Count {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []Count
	for _, p := range q.policies {
		for _, s := range FinalStates() {
			out = append(out, Count{p.Name, p.Kind, s, q.counts[countKey{p.Name, p.Kind, s}]})
		}
	}
	return out
}

// policy gives a hook's policy, the defaults for a hook that was removed meanwhile.
func (q *Queue) policy(hook string) Policy {
	for _, p := range q.policies {
		if p.Name == hook {
			return p
		}
	}
	p := DefaultPolicy()
	p.Name = hook
	return p
}

func (q *Queue) status(objective string) *slo.Status {
	for i := range q.latest {
		if q.latest[i].Name == objective {
			return &q.latest[i]
		}
	}
	return nil
}
