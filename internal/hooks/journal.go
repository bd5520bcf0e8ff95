package hooks

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/storage"
)

// Keys in the store.
const (
	actionPrefix  = "hooks/action/"  // + ID: Action
	burnPrefix    = "hooks/burn/"    // + objective: burn
	demotedPrefix = "hooks/demoted/" // + hook: why, as text
	pauseKey      = "hooks/pause"    // Pause
)

// work collects what one step changes, so that all of it is audited, stored and kept, or none.
type work struct {
	now     time.Time
	entries []audit.Entry
	batch   storage.Batch
	changed []Action // as they are after the step
	burns   []string // objectives whose burn is to be stored
	calls   []string // actions to call once the step is on disk
	undo    []func() // takes memory back
}

func newWork(now time.Time) *work { return &work{now: now} }

func (w *work) call(id string) { w.calls = append(w.calls, id) }

// set puts an action into memory and remembers to audit and store it.
func (w *work) set(q *Queue, a Action, e audit.Entry) {
	w.keep(q, a)
	w.entries = append(w.entries, e)
}

// keep is set for what the audit log has already been told.
func (w *work) keep(q *Queue, a Action) {
	a.UpdatedAt = w.now
	before := q.actions[a.ID]
	w.undo = append(w.undo, func() {
		if before == nil {
			delete(q.actions, a.ID)
		} else {
			q.actions[a.ID] = before
		}
	})
	q.actions[a.ID] = &a
	w.changed = append(w.changed, a)
}

// commit audits the step, then stores it. If either fails memory is as it was before the step, and
// nothing of it may be carried out.
func (q *Queue) commit(w *work) error {
	err := q.write(w, false)
	if err == nil {
		return nil
	}
	for _, undo := range slices.Backward(w.undo) {
		undo()
	}
	return err
}

// commitAnyway is commit for what has already happened: memory keeps it and the log tells.
func (q *Queue) commitAnyway(w *work) {
	if err := q.write(w, true); err != nil {
		q.log.Error("recording an action", "err", err)
	}
}

// write audits first: an action that cannot be audited is not to be in the journal either.
func (q *Queue) write(w *work, anyway bool) error {
	var errs error
	if len(w.entries) > 0 {
		if err := q.audit.Append(w.entries...); err != nil {
			errs = fmt.Errorf("auditing: %w", err)
			if !anyway {
				return errs
			}
		}
	}
	for _, a := range w.changed {
		if err := put(&w.batch, actionPrefix+a.ID, a); err != nil {
			return errors.Join(errs, err)
		}
	}
	for _, name := range w.burns {
		if err := put(&w.batch, burnPrefix+name, q.burns[name]); err != nil {
			return errors.Join(errs, err)
		}
	}
	q.prune(w)
	if w.batch.Len() > 0 {
		if err := q.db.Apply(&w.batch); err != nil {
			return errors.Join(errs, fmt.Errorf("journalling: %w", err))
		}
	}
	for _, name := range w.burns {
		b := q.burns[name]
		b.dirty = false
		q.burns[name] = b
	}
	for _, a := range w.changed {
		q.tell(&a)
		if a.State.Final() {
			q.counts[countKey{a.Hook, a.Kind, a.State}]++
			delete(q.watches, a.ID)
		}
	}
	return errs
}

// tell logs where people come in or may stop worrying. Calls and their failures are logged where they
// happen.
func (q *Queue) tell(a *Action) {
	log := q.log.With("hook", a.Hook, "action", a.ID, "objective", a.Objective, "service", a.Service)
	switch a.State {
	case Recommended:
		log.Warn("action proposed", "to_revision", a.ToRevision)
	case WaitingApproval:
		log.Warn("action waits for approval", "to_revision", a.ToRevision)
	case Rejected:
		log.Info("action rejected", "by", a.DecidedBy)
	case Expired:
		log.Warn("action expired")
	case Superseded:
		log.Info("action superseded", "why", a.Error)
	case Verified:
		log.Info("action helped", "verification", a.Verification)
	}
}

// prune forgets the oldest final actions over the limit. Those that were called count apart, so that
// a storm of denials never pushes out what cooldowns and caps are computed from.
func (q *Queue) prune(w *work) {
	if len(q.actions) <= maxKept {
		return
	}
	var called, others []Action
	for _, a := range q.actions {
		switch {
		case !a.State.Final():
		case a.called():
			called = append(called, *a)
		default:
			others = append(others, *a)
		}
	}
	for _, list := range [][]Action{called, others} {
		sortActions(list)
		for _, a := range list[:max(0, len(list)-maxKept)] {
			before := q.actions[a.ID]
			w.undo = append(w.undo, func() { q.actions[a.ID] = before })
			delete(q.actions, a.ID)
			w.batch.Delete(actionPrefix + a.ID)
		}
	}
}

// load reads the journal. A pause that cannot be read counts as a pause.
func (q *Queue) load() error {
	err := q.db.Scan(actionPrefix, func(key string, value []byte) error {
		var a Action
		if err := json.Unmarshal(value, &a); err != nil {
			return fmt.Errorf("decoding %s: %w", key, err)
		}
		q.actions[a.ID] = &a
		return nil
	})
	if err != nil {
		return err
	}
	err = q.db.Scan(burnPrefix, func(key string, value []byte) error {
		var b burn
		if err := json.Unmarshal(value, &b); err != nil {
			return fmt.Errorf("decoding %s: %w", key, err)
		}
		q.burns[strings.TrimPrefix(key, burnPrefix)] = b
		return nil
	})
	if err != nil {
		return err
	}
	err = q.db.Scan(demotedPrefix, func(key string, value []byte) error {
		q.demoted[strings.TrimPrefix(key, demotedPrefix)] = string(value)
		return nil
	})
	if err != nil {
		return err
	}
	data, err := q.db.Get(pauseKey)
	var p Pause
	switch {
	case err == nil && data == nil:
		return nil
	case err != nil:
		p = Pause{By: "agent", Why: "the pause switch cannot be read: " + err.Error(), At: q.now()}
	case json.Unmarshal(data, &p) != nil:
		p = Pause{By: "agent", Why: "the pause switch cannot be read", At: q.now()}
	}
	q.paused = &p
	return nil
}

func sortActions(list []Action) {
	slices.SortFunc(list, func(a, b Action) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
}
