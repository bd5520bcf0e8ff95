package app

import (
	"fmt"
	"slices"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/calendar"
)

// auditor is the audit log, and tells the agent's health whether it can be written.
type auditor struct{ *App }

// Append implements hooks.Auditor.
func (a auditor) Append(entries ...audit.Entry) error {
	err := a.audit.Append(entries...)
	a.auditFailed.Store(err != nil)
	a.health.Report(health.AuditNotWritable, "", err)
	return err
}

// auditRetryEvery is how often an audit log that could not be written is tried again though nothing
// is to be written: whoever has made room should see so without waiting for an action.
const auditRetryEvery = 10 * time.Second

func (a *App) retryAudit() {
	if now := a.now(); a.auditFailed.Load() && now.Sub(a.auditRetried) >= auditRetryEvery {
		a.auditRetried = now
		a.auditLife("audit_resumed", "the audit log can be written again after it could not")
	}
}

// auditLife audits a moment of the agent's own life, which explains gaps between other entries. That
// it could not is told by the agent's health, and logged once.
func (a *App) auditLife(kind, what string) {
	was := a.auditFailed.Load()
	err := auditor{a}.Append(audit.Entry{
		Category: audit.CategoryMedium, Type: kind, Risk: audit.RiskLow, Outcome: audit.Success, Description: what,
		AffectedSystems: []string{"assayer"}, ResourcesUsed: []string{a.opts.ConfigPath},
	})
	if err != nil && !was {
		a.log.Error("auditing", "entry", kind, "err", err)
	}
}

// observeHealth brings the agent's own conditions up to date.
func (a *App) observeHealth(statuses []slo.Status, targets []collector.TargetStatus) {
	a.observeTargets(targets)
	problems := map[string]string{}
	for _, s := range statuses {
		if s.Problem != "" {
			problems[s.Name] = s.Problem
		}
	}
	a.health.Replace(health.Mismeasured, problems)
	failing, open := map[string]string{}, map[string]string{}
	for _, t := range a.queue.Troubles() {
		if t.Failed != "" {
			failing[t.Hook] = t.Failed
		}
		if t.BreakerOpen {
			open[t.Hook] = "calls are kept in"
		}
	}
	a.health.Replace(health.HookBreakerOpen, open)
	a.health.Replace(health.HookFailing, failing)
	a.observeMovements()
	a.observeCalendars()
	a.retryAudit()
}

func (a *App) observeMovements() {
	damaged := map[string]string{}
	if a.tracker != nil && a.tracker.Damaged() > 0 {
		damaged[""] = fmt.Sprintf("%d movements of money cannot be read from the disk and are not followed any more", a.tracker.Damaged())
	}
	a.health.Replace(health.MovementsDamaged, damaged)
}

// calendarEndsWithin is how many days before its data end a calendar in use is told of.
const calendarEndsWithin = 60

// observeCalendars looks, once a day and after each reload, how long what is known of the calendars in use holds: those
// of documents, and of rails that movements were told of.
func (a *App) observeCalendars() {
	now, loaded := a.now(), a.loaded()
	if day := now.Format(time.DateOnly); a.calendarsOn != day || a.calendarsOf != loaded {
		a.calendarsOn, a.calendarsOf = day, loaded
		a.health.Replace(health.CalendarEnds, loaded.endingCalendars(a.railsTold(), now))
	}
}

func (a *App) railsTold() (names []string) {
	if a.tracker != nil {
		for _, s := range a.tracker.Summaries() {
			names = append(names, s.Rail)
		}
	}
	return names
}

// endingCalendars says of built-in calendars in use that their data end soon or have ended, by name.
func (l *Loaded) endingCalendars(rails []string, now time.Time) map[string]string {
	ending, names := map[string]string{}, slices.Clone(l.Builtins)
	for _, name := range rails {
		if r, known := l.transactions().rails.Get(name); known {
			names = append(names, r.Calendar, r.Deadline.Settles)
		}
	}
	for _, name := range names {
		if slices.ContainsFunc(l.Calendars, func(b *calendar.Business) bool { return b.Name == name }) {
			continue // one's own of that name
		}
		_, validity, err := calendar.Builtin(name, now.Year(), now.Year())
		if days, ends := validity.Days(now); err == nil && ends && days <= calendarEndsWithin {
			ending[name] = validity.Warning(now)
		}
	}
	return ending
}

const (
	slowShare   = 0.8 // of its interval that a look may take before its target is called slow
	overrunHold = 4   // intervals for which one look left out is held against a target
)

// overrun is what is known of the looks left out at one target.
type overrun struct {
	skipped uint64
	until   time.Time // it is held against the target
}

func (a *App) observeTargets(targets []collector.TargetStatus) {
	now, overruns := a.now(), map[string]overrun{}
	down, slow, late := map[string]string{}, map[string]string{}, map[string]string{}
	for _, t := range targets {
		name := string(t.Target)
		if t.LastError != "" {
			down[name] = t.LastError
		}
		if t.LastDuration.Seconds() > slowShare*t.Interval.Seconds() {
			slow[name] = "the last look took " + t.LastDuration.Round(time.Millisecond).String() + " of every " + t.Interval.String()
		}
		o := a.overruns[name]
		if t.Totals.Skipped > o.skipped {
			o.until = now.Add(overrunHold * t.Interval)
		}
		if o.skipped = t.Totals.Skipped; now.Before(o.until) {
			late[name] = fmt.Sprintf("%d looks were left out so far, the last %s ago at most", o.skipped, overrunHold*t.Interval)
		}
		overruns[name] = o
	}
	a.overruns = overruns
	a.health.Replace(health.TargetDown, down)
	a.health.Replace(health.TargetSlow, slow)
	a.health.Replace(health.ScrapeOverrun, late)
}
