package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ApplyOptions say how to carry out a plan.
type ApplyOptions struct {
	KeepEdits bool                            // refuse when it would replace or delete what somebody edited
	Progress  func(done, all int, last *Step) // called before the first step, with nil, and after each; nil: nobody wants to know
}

// RefusedError says that a plan was not begun, and why.
type RefusedError struct{ Reasons []string }

func (e *RefusedError) Error() string {
	return "nothing was changed:\n" + strings.Join(e.Reasons, "\n")
}

// Apply carries a plan out. It changes nothing when the plan has a conflict, or an edit that is to be kept. An error in
// the middle leaves what was done until then; making a plan again and applying it does the rest.
func Apply(ctx context.Context, t Target, p Plan, o ApplyOptions) (err error) {
	if err := refuse(p, o.KeepEdits); err != nil {
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
	for i := range todo {
		s := &todo[i]
		err := context.Cause(ctx) // a target of files does not look at it
		if err == nil {
			err = session.Do(ctx, *s)
		}
		if err != nil {
			return fmt.Errorf("%s %s %s, after %d of %d changes (apply again to do the rest): %w", gerund(s.Op), s.Kind, s.Name, i, len(todo), err)
		}
		tell(i+1, s)
	}
	if err := session.Commit(ctx); err != nil {
		return fmt.Errorf("putting in force: %w", err)
	}
	return nil
}

func refuse(p Plan, keepEdits bool) error {
	var reasons []string
	for _, s := range p.Steps {
		switch {
		case s.Op == Conflict:
			reasons = append(reasons, fmt.Sprintf("%s %s is not ours: %s", s.Kind, s.Name, s.Why))
		case keepEdits && s.Edited && s.Changes():
			reasons = append(reasons, fmt.Sprintf("%s %s: %s; apply without --keep-edits to overwrite it", s.Kind, s.Name, s.Why))
		}
	}
	if len(reasons) > 0 {
		return &RefusedError{reasons}
	}
	return nil
}

func gerund(o Op) string {
	return map[Op]string{Create: "creating", Update: "updating", Delete: "deleting"}[o]
}
