package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// ApplyOptions say how to carry out a plan.
type ApplyOptions struct {
	KeepEdits bool                            // refuse when it would replace or delete what somebody edited
	PruneAll  bool                            // delete also when nothing is left of a kind; without it that is refused
	Progress  func(done, all int, last *Step) // called before the first step, with nil, and after each; nil: nobody wants to know
}

// RefusedError says that a plan was not begun, and why.
type RefusedError struct{ Reasons []string }

func (e *RefusedError) Error() string {
	return "nothing was changed:\n" + strings.Join(e.Reasons, "\n")
}

// Apply carries a plan out. It changes nothing when the plan has a conflict, or an edit that is to be kept. On an error in
// the middle, a session that is an [Undoer] takes back what was done; another leaves it, and making a plan again and
// applying it does the rest.
func Apply(ctx context.Context, t Target, p Plan, o ApplyOptions) (err error) {
	if err := refuse(p, o); err != nil {
		return err
	}
	var todo []Step
	for _, s := range p.Steps {
		if s.Changes() {
			todo = append(todo, s)
		}
	}
	if len(todo) == 0 && p.Pending == "" {
		return nil
	}
	session, err := t.Begin(ctx, p)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer func() { err = errors.Join(err, session.End()) }()
	tell := func(done int, last *Step) {
		if o.Progress != nil {
			o.Progress(done, len(todo), last)
		}
	}
	tell(0, nil)
	if err = carryOut(ctx, session, todo, tell); err == nil {
		if err = session.Commit(ctx); err != nil {
			err = fmt.Errorf("putting in force: %w", err)
		}
	}
	if u, ok := session.(Undoer); ok && err != nil {
		return u.Undo(ctx, err)
	}
	return err
}

// manyFiles is from how many changes on files are made side by side: each waits for the disk, which writes what is
// asked of it at the same time at once.
const manyFiles, sideBySide = 32, 64

// carryOut makes the changes: one after the other, or many files at the same time.
func carryOut(ctx context.Context, session Session, todo []Step, tell func(done int, last *Step)) error {
	workers := 1
	if _, ok := session.(*FileSession); ok && len(todo) > manyFiles {
		workers = sideBySide
	}
	rest := " (apply again to do the rest)"
	if _, ok := session.(Undoer); ok {
		rest = ""
	}
	var mu sync.Mutex // of done, failed and tell
	done, next := 0, 0
	var failed error
	take := func() *Step {
		mu.Lock()
		defer mu.Unlock()
		if failed != nil || next == len(todo) {
			return nil
		}
		next++
		return &todo[next-1]
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for s := take(); s != nil; s = take() {
				err := context.Cause(ctx) // a target of files does not look at it
				if err == nil {
					err = session.Do(ctx, *s)
				}
				mu.Lock()
				switch {
				case err == nil:
					done++
					tell(done, s)
				case failed == nil:
					failed = fmt.Errorf("%s %s %s, after %d of %d changes%s: %w", gerund(s.Op), s.Kind, s.Name, done, len(todo), rest, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

func refuse(p Plan, o ApplyOptions) error {
	var reasons []string
	if !o.PruneAll {
		reasons = emptied(p)
	}
	for _, s := range p.Steps {
		switch {
		case s.Op == Conflict:
			reasons = append(reasons, fmt.Sprintf("%s %s is not ours: %s", s.Kind, s.Name, s.Why))
		case o.KeepEdits && s.Edited && s.Changes():
			reasons = append(reasons, fmt.Sprintf("%s %s: %s; apply without --keep-edits to overwrite it", s.Kind, s.Name, s.Why))
		}
	}
	if len(reasons) > 0 {
		return &RefusedError{reasons}
	}
	return nil
}

// emptied tells of every kind of which all that is ours would be deleted, and nothing made: more often a wrong pattern or
// folder than a wish.
func emptied(p Plan) []string {
	var kinds []string
	deleted, left := map[string]int{}, map[string]bool{}
	for _, s := range p.Steps {
		if s.Op == Delete {
			if deleted[s.Kind]++; deleted[s.Kind] == 1 {
				kinds = append(kinds, s.Kind)
			}
			continue
		}
		left[s.Kind] = true
	}
	var reasons []string
	for _, k := range kinds {
		if !left[k] {
			reasons = append(reasons, fmt.Sprintf("%d of kind %s are ours and would all be deleted, since none was generated: check what is generated from, or apply with --prune-all", deleted[k], k))
		}
	}
	return reasons
}

func gerund(o Op) string {
	return map[Op]string{Create: "creating", Update: "updating", Adopt: "adopting", Delete: "deleting"}[o]
}
