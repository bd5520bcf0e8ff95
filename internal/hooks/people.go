package hooks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/storage"
)

// Errors of what people ask for.
var (
	ErrNoAction     = errors.New("no such action")
	ErrNotWaiting   = errors.New("the action does not wait for approval")
	ErrSuperseded   = errors.New("the action no longer fits")
	ErrHeldBack     = errors.New("the rules hold the action back at this moment")
	ErrPaused       = errors.New("actions are paused")
	ErrOwnChange    = errors.New("a change's author cannot approve the action upon it")
	ErrNameRequired = errors.New("a name and, to pause, a reason of at most 253 bytes are required")
)

// Pause is the kill switch, engaged.
type Pause struct {
	By  string    `json:"by"`
	Why string    `json:"why"`
	At  time.Time `json:"at"`
}

// String gives "by ops since 2026-11-21T10:00:00Z: market close".
func (p Pause) String() string { return fmt.Sprintf("by %s since %s: %s", p.By, clock(p.At), p.Why) }

// Approve lets a waiting action run, once. Everything is decided anew: what no longer fits becomes
// superseded, what does not fit just now is refused and goes on waiting.
func (q *Queue) Approve(ctx context.Context, id, who string) error {
	if !validName(who) {
		return ErrNameRequired
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	w := newWork(q.now())
	a, err := q.waiting(w, id)
	if err != nil {
		return err
	}
	if q.paused != nil {
		return fmt.Errorf("%w: %s", ErrPaused, q.paused)
	}
	if a.Change != nil && a.Change.Author == who {
		return ErrOwnChange
	}
	if why, held := q.reconsider(&a, w.now); why != "" {
		if held {
			return fmt.Errorf("%w: %s", ErrHeldBack, why)
		}
		q.supersede(w, a, why)
		if err := q.commit(w); err != nil {
			return fmt.Errorf("superseding action: %w", err)
		}
		return fmt.Errorf("%w: %s", ErrSuperseded, why)
	}
	a.DecidedBy = who
	a.start(w.now)
	approved := q.outcomeEntry(&a, "hook_approved")
	approved.Actor = who
	w.set(q, a, approved)
	w.entries = append(w.entries, q.decisionEntry(&a))
	if err := q.commit(w); err != nil {
		return fmt.Errorf("approving action: %w", err)
	}
	delete(q.failing, a.Hook)
	q.start(ctx, id)
	return nil
}

// reconsider says why a waiting action may not run now, or "", and whether that can pass.
func (q *Queue) reconsider(a *Action, now time.Time) (why string, held bool) {
	if why := cmp.Or(q.unwanted(a, true), q.movedOn(a)); why != "" {
		return why, false
	}
	p := q.policy(a.Hook)
	p.Mode = Approve
	d := Decide(q.input(p, *q.status(a.Objective), a.ID, now))
	switch {
	case d.Verdict == Deny:
		return strings.Join(d.Reasons, "; "), false
	case d.Verdict == Hold:
		return strings.Join(d.Reasons, "; "), true
	case d.ToRevision != a.ToRevision:
		return fmt.Sprintf("the revision to go back to is now %s", d.ToRevision), false
	}
	return "", false
}

// Reject ends a waiting action.
func (q *Queue) Reject(id, who string) error {
	if !validName(who) {
		return ErrNameRequired
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	w := newWork(q.now())
	a, err := q.waiting(w, id)
	if err != nil {
		return err
	}
	a.State, a.DecidedBy = Rejected, who
	e := q.outcomeEntry(&a, "hook_rejected")
	e.Actor = who
	w.set(q, a, e)
	if err := q.commit(w); err != nil {
		return fmt.Errorf("rejecting action: %w", err)
	}
	delete(q.failing, a.Hook)
	return nil
}

// waiting finds an action that waits for approval and whose time has not run out.
func (q *Queue) waiting(w *work, id string) (Action, error) {
	found := q.actions[id]
	if found == nil {
		return Action{}, fmt.Errorf("%w: %s", ErrNoAction, id)
	}
	a := *found
	if q.stopped {
		return a, errors.New("the agent is stopping")
	}
	if a.State == WaitingApproval && w.now.Sub(a.CreatedAt) >= q.policy(a.Hook).ApprovalTTL {
		q.expire(w, a)
		if err := q.commit(w); err != nil {
			return a, fmt.Errorf("expiring action: %w", err)
		}
		a.State = Expired
	}
	if a.State != WaitingApproval {
		return a, fmt.Errorf("%w: it is %s", ErrNotWaiting, a.State)
	}
	return a, nil
}

// Pause stops every hook before its next call, calls under way excepted. It holds from the moment of
// the call even when an error says that it could not be written down and would end with a restart.
func (q *Queue) Pause(who, why string) error {
	if !validName(who) || !validName(why) {
		return ErrNameRequired
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	p := Pause{By: who, Why: why, At: q.now().UTC()}
	q.paused = &p
	data, err := json.Marshal(p)
	if err == nil {
		var b storage.Batch
		b.Set(pauseKey, data)
		err = q.db.Apply(&b)
	}
	err = errors.Join(err, q.audit.Append(audit.Entry{
		Category: audit.CategoryCritical, Type: "hooks_paused", Description: who + " paused all actions: " + why,
		Risk: audit.RiskMedium, Outcome: audit.Success, Actor: who, Evidence: data,
		ImpactAssessment: "no hook acts until somebody resumes them",
	}))
	if err != nil {
		return fmt.Errorf("writing down the pause, which holds until a restart: %w", err)
	}
	return nil
}

// Resume ends the pause, and lets auto hooks act that waited since the start.
func (q *Queue) Resume(who string) error {
	if !validName(who) {
		return ErrNameRequired
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	was := "auto waited since the start"
	if q.paused != nil {
		was = "actions were paused " + q.paused.String()
	}
	err := q.audit.Append(audit.Entry{
		Category: audit.CategoryHigh, Type: "hooks_resumed", Description: who + " resumed actions; " + was,
		Risk: audit.RiskHigh, Outcome: audit.Success, Actor: who, ImpactAssessment: "hooks may act again",
	})
	if err != nil {
		return fmt.Errorf("resuming actions: auditing: %w", err)
	}
	var b storage.Batch
	b.Delete(pauseKey)
	if err := q.db.Apply(&b); err != nil {
		return fmt.Errorf("resuming actions: %w", err)
	}
	q.paused, q.fresh = nil, false
	clear(q.failing)
	return nil
}

func validName(s string) bool {
	return s != "" && len(s) <= maxNameBytes && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
