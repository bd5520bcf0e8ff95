package hooks

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// start runs the call of an action whose intent is in the journal. The lock is held.
func (q *Queue) start(ctx context.Context, id string) {
	// The call outlives the evaluation that caused it; Stop ends it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	q.cancels[id] = cancel
	q.calls.Go(func() {
		defer cancel()
		q.call(ctx, id)
	})
}

func (q *Queue) call(ctx context.Context, id string) {
	select {
	case q.slots <- struct{}{}:
		defer func() { <-q.slots }()
	case <-ctx.Done():
	}
	a, runner := q.lastLook(ctx, id)
	if runner == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	began := q.now()
	attempts, err := runner.Run(ctx, a)
	q.finish(ctx, id, attempts, q.now().Sub(began), err)
}

// lastLook checks once more, immediately before the call, that nothing has come between, and notes
// that the call begins. A nil runner means that there is to be no call.
func (q *Queue) lastLook(ctx context.Context, id string) (Action, Runner) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := *q.actions[id]
	if ctx.Err() != nil || q.stopped {
		delete(q.cancels, id)
		return a, nil // stays running in the journal and is settled at the next start
	}
	w := newWork(q.now())
	why := cmp.Or(q.unwanted(&a, a.DecidedBy != ""), q.movedOn(&a))
	if q.paused != nil {
		why = "actions were paused before the call: " + q.paused.String()
	}
	if why != "" {
		delete(q.cancels, id)
		q.giveUp(w, a, why)
		q.commitAnyway(w)
		return a, nil
	}
	a.Queued = false
	w.keep(q, a)
	if err := q.commit(w); err != nil {
		delete(q.cancels, id)
		q.log.Error("putting a call off until the journal can be written", "hook", a.Hook, "action", id, "err", err)
		return a, nil
	}
	return a, q.runners[a.Hook]
}

// finish records what became of a call. What happened has happened: memory follows it even if the
// audit log or the store cannot.
func (q *Queue) finish(ctx context.Context, id string, attempts int, took time.Duration, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.cancels, id)
	if err != nil && ctx.Err() != nil && q.stopped {
		return // cut off by Stop, outcome unknown; settled at the next start
	}
	w := newWork(q.now())
	a := *q.actions[id]
	a.Attempts += attempts
	if err != nil {
		a.State, a.Error = Failed, err.Error()
		q.failing[a.Hook] = a.failure()
		q.log.Error("action failed", "hook", a.Hook, "action", a.ID, "service", a.Service, "attempts", attempts, "err", err)
	} else {
		a.State, a.CalledAt = Verifying, &w.now
		delete(q.failing, a.Hook)
		q.log.Info("action called", "hook", a.Hook, "action", a.ID, "service", a.Service, "to_revision", a.ToRevision)
		if a.Change != nil {
			if err := q.changes.Withdraw(*a.Change); err != nil {
				q.log.Error("withdrawing a revision", "service", a.Service, "revision", a.Change.Revision, "err", err)
			}
		}
	}
	e := q.outcomeEntry(&a, "hook_action_result")
	e.DurationSeconds = took.Seconds()
	w.set(q, a, e)
	q.commitAnyway(w)
}

// settle decides about actions that were running when the agent stopped. The lock is not needed yet.
func (q *Queue) settle() error {
	w := newWork(q.now())
	for _, a := range q.open() {
		if a.State != Running {
			continue
		}
		switch why := q.unwanted(&a, a.DecidedBy != ""); {
		case why != "":
			q.giveUp(w, a, why)
		case a.Queued: // no call has gone out, so the first one may
		case !q.runners[a.Hook].Idempotent():
			q.giveUp(w, a, "its kind cannot be sent twice")
		case a.Resends >= maxResends:
			q.giveUp(w, a, fmt.Sprintf("it was already sent again %d times", a.Resends))
		}
	}
	return q.commit(w)
}

// resolve sends an unresolved action, or sends it again, once it is known that it still fits.
func (q *Queue) resolve(w *work, a Action) {
	p, s, since := q.policy(a.Hook), q.status(a.Objective), q.startedAt
	if a.StartedAt.After(since) {
		since = *a.StartedAt
	}
	switch why := cmp.Or(q.unwanted(&a, a.DecidedBy != ""), q.movedOn(&a)); {
	case why != "":
		q.giveUp(w, a, why)
	case w.now.Sub(since) > unresolvedFor:
		q.giveUp(w, a, fmt.Sprintf("it could not be sent within %s", unresolvedFor))
	case q.paused != nil, a.Mode == Auto && q.fresh && !p.ResumeOnStart, blind(*s):
		// Not now; it stays unresolved and nothing else is done to its service meanwhile.
	case a.Queued:
		w.call(a.ID) // its intent is in the audit log, and nothing has come of it yet
	default:
		a.Resends++
		w.set(q, a, q.outcomeEntry(&a, "hook_action_resent"))
		w.call(a.ID)
	}
}

// giveUp ends an action that is not to be called, or was called by the agent before its restart and
// is not to be called again.
func (q *Queue) giveUp(w *work, a Action, why string) {
	if a.Queued {
		q.supersede(w, a, why)
		return
	}
	a.State, a.Error = Failed, "outcome unknown after restart; not sent again: "+why
	q.failing[a.Hook] = a.failure()
	w.set(q, a, q.outcomeEntry(&a, "hook_action_result"))
}

// failure says what failed of the action, for people who look after the hook.
func (a *Action) failure() string {
	return fmt.Sprintf("action %s on %s: %s", a.ID, a.Service, a.Error)
}
