package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/hooks"
)

// Reload reads the configuration again and puts it in force. All that can fail is done before
// anything live is touched; an error leaves the agent as it was, unless it says that it came late.
// Objectives whose name and indicator are unchanged keep their counts, targets whose settings are
// unchanged are not disturbed.
func (a *App) Reload(context.Context) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if a.stopped {
		return errors.New("reloading: the agent is stopping")
	}
	err := a.reload()
	late, isLate := errors.AsType[*lateError](err)
	if err != nil && !isLate {
		err = fmt.Errorf("nothing was changed: %w", err)
	}
	a.reloadFailed.Store(err != nil)
	a.health.Report(health.ReloadFailed, "", err)
	entry := audit.Entry{
		Category: audit.CategoryMedium, Type: "configuration_reload", Risk: audit.RiskLow, Outcome: audit.Success, Actor: "operator",
		Description: "configuration read again and in force", AffectedSystems: []string{"assayer"}, ResourcesUsed: []string{a.opts.ConfigPath},
		ImpactAssessment: "objectives, collectors and hooks are those of the file",
	}
	switch {
	case isLate:
		entry.Outcome, entry.Description, entry.ImpactAssessment = audit.Partial, "configuration in force in part: "+firstLine(late.err), late.done
	case err != nil:
		entry.Outcome, entry.Description = audit.Failure, "configuration refused: "+firstLine(errors.Unwrap(err))
		entry.ImpactAssessment = "none: the configuration from before stays in force"
	}
	if auditErr := (auditor{a}).Append(entry); auditErr != nil {
		if err == nil {
			auditErr = &lateError{"the new configuration is in force", auditErr}
		}
		err = errors.Join(err, auditErr)
	}
	if err == nil {
		a.log.Info("configuration reloaded", "objectives", len(a.loaded().Objectives))
	}
	return err
}

// lateError came when part of a reload was in force.
type lateError struct {
	done string // what is in force now
	err  error
}

func (e *lateError) Error() string { return e.done + ", but: " + e.err.Error() }
func (e *lateError) Unwrap() error { return e.err }

func (a *App) reload() error {
	loaded, problems := Load(LoadOptions{Path: a.opts.ConfigPath, Now: a.now()})
	if err := problems.Err(); err != nil {
		return err
	}
	old := a.loaded()
	if err := fixed(&loaded.Config, &old.Config); err != nil {
		return err
	}
	runners, err := loaded.runners(a.deps())
	if err != nil {
		return err
	}
	if err := hooks.Check(loaded.policies(), runners); err != nil {
		return fmt.Errorf("reloading hooks: %w", err)
	}
	changes, err := a.prepare(&loaded)
	if err != nil {
		return err
	}
	// What is counted so far belongs to the objectives of before; one that is removed and comes back
	// later finds it in the store.
	if err := a.checkpoint(); err != nil {
		return fmt.Errorf("saving budgets before the reload: %w", err)
	}
	a.engine.SetOptions(loaded.engineOptions())
	if err := a.engine.Apply(loaded.Objectives, a.now(), a.db.Scan); err != nil {
		a.engine.SetOptions(old.engineOptions())
		return fmt.Errorf("restoring budgets of added objectives: %w", err)
	}
	for _, p := range a.providers {
		p.SetInterest(a.engine.Interest())
	}
	for _, apply := range changes {
		apply()
	}
	a.policies.engine.Apply(loaded.Policies)
	a.current.Store(&loaded)
	a.evaluateSoon() // page, API and metrics show what is in force, not what was
	if err := a.queue.Reload(loaded.policies(), runners); err != nil {
		return &lateError{"objectives and collectors are those of the file, hooks are those from before", err}
	}
	return nil
}

// fixed refuses changes of what stays as it is while the agent runs.
func fixed(loaded, old *config.Config) error {
	for _, one := range []struct {
		what    string
		changed bool
	}{
		{"storage.path", loaded.Storage.Path != old.Storage.Path},
		{"storage.retention", loaded.Storage.Retention != old.Storage.Retention},
		{"audit.path", loaded.Audit.Path != old.Audit.Path},
	} {
		if one.changed {
			return fmt.Errorf("reloading: %s cannot change while the agent runs; restart it", one.what)
		}
	}
	return nil
}

// prepare does what can fail of a change of collectors and of what is watched for drift, and gives what is left to do.
func (a *App) prepare(loaded *Loaded) (changes []func(), err error) {
	for name, plan := range loaded.plans {
		apply, err := plan.prepare(a.providers[name])
		if err != nil {
			return nil, fmt.Errorf("reloading collector %s: %w", name, err)
		}
		changes = append(changes, apply)
	}
	follow, err := a.reloadTransactions(loaded)
	if err != nil {
		return nil, err
	}
	watch, err := a.prepareDrift(loaded)
	if err != nil {
		return nil, fmt.Errorf("reloading deploy: %w", err)
	}
	return append(changes, follow, watch), nil
}

// firstLine keeps an audit entry short; the whole is in the log and the answer.
func firstLine(err error) string {
	text := err.Error()
	for i, c := range text {
		if c == '\n' || i > 300 {
			return text[:i] + " …"
		}
	}
	return text
}
