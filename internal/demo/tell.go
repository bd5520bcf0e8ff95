package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/paysim"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
)

const (
	service      = "card-auth"
	objective    = "card-auth-errors" // what GoldenSignals card-auth names its errors
	goodRevision = "v1"
	badRevision  = "v2"
	badRatio     = 0.2
	hookName     = "rollback"
	window       = 30 * time.Second // of every objective of the demo
	rateSpan     = 5 * time.Second
	maxNotes     = 10 // different refusals told
)

// company is the side of the payments; internal/paysim is the one there is.
type company interface {
	Truth() []paysim.Tally
	Services() []paysim.Service
	Deploy(service string, rev paysim.Revision) error
	SetFaults(service string, f paysim.Faults) error
}

// sample is what the company had done at a moment.
type sample struct {
	at      time.Time
	tallies []paysim.Tally
}

// teller follows the story. Each moment that has not come yet is the zero time.
type teller struct {
	opts    Options
	company company
	agent   *agent
	screen  *screen
	files   files

	ready, tabled, known, released, rising, fired, called, done, verified, recovered, finished time.Time

	lastBudget, lastCalm time.Time
	recent               []sample // of the last window, oldest first
	atRelease            []paysim.Tally
	statuses             []slo.Status
	actions              []hooks.Action
	rail                 railStatus
	settle               settling
	lookErr              error // of the last look at the agent
	tier                 string
	peakBurn             float64
	action               hooks.Action // the one that was called
	told                 map[string]bool
}

// tell runs the story from the start of the agent to its end.
func (t *teller) tell(ctx context.Context) error {
	t.told = map[string]bool{}
	t.screen.say(t.opts.Now(), bold, "A payment company: cards, instant transfers, crypto withdrawals.")
	t.screen.say(t.opts.Now(), plain, "A second stands for a day: objectives look at 30 s, not at 30 days.")
	tick := time.NewTicker(t.opts.plan.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.screen.status()
			if t.opts.ExitWhenRecovered {
				return fmt.Errorf("the demo was interrupted: %s", t.soFar())
			}
			return nil
		case <-tick.C:
		}
		if err := t.step(ctx, t.opts.Now()); err != nil && ctx.Err() == nil {
			return err
		}
		if t.screen.err != nil {
			return fmt.Errorf("telling the demo: %w", t.screen.err)
		}
		if t.opts.ExitWhenRecovered && !t.finished.IsZero() {
			t.screen.status()
			return nil
		}
	}
}

// step looks once and tells what is new.
func (t *teller) step(ctx context.Context, now time.Time) error {
	if t.ready.IsZero() {
		return t.waitReady(ctx, now)
	}
	t.observe(ctx, now)
	chapters := []func(context.Context, time.Time) error{
		t.tellMoney, t.tellKnown, t.tellRelease, t.tellErrors, t.tellBudget, t.tellFiring, t.tellActions,
		t.tellRollback, t.tellVerified, t.tellRecovered,
		t.tellStop, t.tellPiling, t.tellOverdueFires, t.tellDrained, t.tellSettled, t.tellCalm,
	}
	for _, chapter := range chapters {
		if err := chapter(ctx, now); err != nil {
			return err
		}
	}
	t.screen.status(t.statusBlock(now)...)
	if t.finished.IsZero() && now.Sub(t.ready) > t.opts.plan.bound {
		return fmt.Errorf("no recovery within %s: %s", t.opts.plan.bound, t.soFar())
	}
	return nil
}

func (t *teller) waitReady(ctx context.Context, now time.Time) error {
	if err := t.agent.ready(ctx); err != nil {
		if now.Sub(t.screen.start) > readyTimeout {
			return fmt.Errorf("the agent is not ready after %s: %w", readyTimeout, err)
		}
		return nil
	}
	if err := t.record(ctx, now, goodRevision, "the release that works"); err != nil {
		return err
	}
	t.ready, t.lastCalm = now, now
	t.screen.say(now, bold, "agent at %s — open it", t.agent.base)
	t.screen.say(now, plain, "recorded: %s runs release %s", service, goodRevision)
	return nil
}

func (t *teller) record(ctx context.Context, at time.Time, revision, summary string) error {
	return t.agent.record(ctx, hooks.Change{
		Service: service, Kind: "deploy", Revision: revision, At: at.UTC(), Author: "demo", Summary: summary,
	})
}

// observe takes both sides' word. When the agent does not answer its last word stands.
func (t *teller) observe(ctx context.Context, now time.Time) {
	t.recent = append(t.recent, sample{now, t.company.Truth()})
	for len(t.recent) > 2 && now.Sub(t.recent[1].at) >= window {
		t.recent = t.recent[1:]
	}
	statuses, actions, rail, err := t.agent.look(ctx)
	if t.lookErr = err; err == nil {
		t.statuses, t.actions, t.rail = statuses, actions, rail
	}
}

func (t *teller) tellMoney(_ context.Context, now time.Time) error {
	if !t.tabled.IsZero() || now.Sub(t.ready) < t.opts.plan.table {
		return nil
	}
	t.tabled = now
	if !t.opts.Live { // there the status block has it
		t.screen.say(now, plain, "money moves:")
		t.screen.print(t.moneyTable()...)
	}
	return nil
}

// tellKnown waits until the agent has seen enough of the service to judge it. Only from then on does
// the good release prove itself.
func (t *teller) tellKnown(_ context.Context, now time.Time) error {
	if !t.known.IsZero() || len(t.statuses) == 0 {
		return nil
	}
	for _, s := range t.statuses {
		if s.Service == service && s.State == slo.Unknown {
			return nil
		}
	}
	status, ok := t.objective()
	if !ok {
		return nil
	}
	t.known = now
	t.screen.say(now, green, "the agent has seen a whole window: %s is %s. %s", objective, status.State, status.Reason)
	return nil
}

// tellRelease deploys the bad revision and records it, as a delivery pipeline would.
func (t *teller) tellRelease(ctx context.Context, now time.Time) error {
	if !t.released.IsZero() || t.known.IsZero() || now.Sub(t.known) < t.opts.plan.bake {
		return nil
	}
	if err := t.company.Deploy(service, paysim.Revision{Name: badRevision, TechnicalRatio: badRatio}); err != nil {
		return err
	}
	if err := t.record(ctx, now, badRevision, "faster retries"); err != nil {
		return err
	}
	t.released, t.atRelease = now, t.latest()
	t.screen.say(now, yellow, "%s: release %s goes out. It fails one payment in five; nobody knows yet.", service, badRevision)
	return nil
}

func (t *teller) tellErrors(_ context.Context, now time.Time) error {
	if t.released.IsZero() || !t.rising.IsZero() {
		return nil
	}
	status, ok := t.objective()
	r := t.rate(0)
	if !ok || r.faults <= 1-status.Objective {
		return nil
	}
	t.rising = now
	t.screen.say(now, red, "errors rise: %s of card payments fail, %s may", percent(r.faults), percent(1-status.Objective))
	return nil
}

// tellBudget follows the budget down while nobody has acted.
func (t *teller) tellBudget(_ context.Context, now time.Time) error {
	status, ok := t.objective()
	if !ok || t.rising.IsZero() {
		return nil
	}
	for _, tier := range status.Tiers {
		t.peakBurn = max(t.peakBurn, tier.ShortBurnRate)
	}
	if t.opts.Live || !t.done.IsZero() || now.Sub(t.lastBudget) < 2*time.Second {
		return nil
	}
	t.lastBudget = now
	t.screen.say(now, plain, "%s", t.budgetLine(status, now))
	return nil
}

func (t *teller) tellFiring(_ context.Context, now time.Time) error {
	status, ok := t.objective()
	if !ok || t.released.IsZero() || !t.fired.IsZero() {
		return nil
	}
	tier, ok := paging(status)
	if !ok {
		return nil
	}
	t.fired, t.tier = now, tier.Name
	if tier.Since != nil && tier.Since.After(t.released) {
		t.fired = *tier.Since
	}
	t.screen.say(now, red, "%s fires %s after the release. %s", tier.Name, seconds(t.fired.Sub(t.released)), tier.Why)
	return nil
}

// paging finds a tier that wakes somebody.
func paging(s slo.Status) (slo.TierStatus, bool) {
	for _, tier := range s.Tiers {
		if tier.Firing && tier.Severity == burnrate.Page {
			return tier, true
		}
	}
	return slo.TierStatus{}, false
}

func (t *teller) tellActions(_ context.Context, now time.Time) error {
	for _, a := range t.actions {
		if a.Hook != hookName || t.released.IsZero() || a.CreatedAt.Before(t.released) {
			continue
		}
		switch a.State {
		case hooks.Running, hooks.Verifying, hooks.Verified, hooks.Unverified, hooks.Failed:
			t.tellCall(now, a)
		default:
			t.note(now, yellow, fmt.Sprintf("hook %s: %s. %s", a.Hook, a.State, strings.Join(a.Reasons, "; ")))
		}
		switch a.State {
		case hooks.Failed:
			t.note(now, red, fmt.Sprintf("hook %s failed: %s", a.Hook, a.Error))
		case hooks.Unverified:
			return fmt.Errorf("the rollback did not help: %s", a.Verification)
		}
	}
	return nil
}

// tellCall tells of the first call that was made.
func (t *teller) tellCall(now time.Time, a hooks.Action) {
	if !t.called.IsZero() && a.ID != t.action.ID {
		return
	}
	t.action = a
	if !t.called.IsZero() {
		return
	}
	t.called = a.CreatedAt
	t.screen.say(now, yellow, "hook %s called: %s back to %s, action %s", a.Hook, badRevision, a.ToRevision, a.ID)
	for _, reason := range a.Reasons {
		if !strings.HasPrefix(reason, a.Tier) { // that one has been told
			t.screen.say(now, plain, "  because %s", reason)
		}
	}
}

// note tells something once.
func (t *teller) note(now time.Time, st style, text string) {
	if t.told[text] || len(t.told) >= maxNotes {
		return
	}
	t.told[text] = true
	t.screen.say(now, st, "%s", text)
}

func (t *teller) tellRollback(_ context.Context, now time.Time) error {
	if t.called.IsZero() || !t.done.IsZero() {
		return nil
	}
	for _, s := range t.company.Services() {
		if s.Name != service {
			continue
		}
		for _, revision := range s.Revisions {
			if revision != goodRevision {
				return nil
			}
		}
		t.done = now
		t.screen.say(now, green, "rollback done: %d of %d instances run %s again", len(s.Revisions), len(s.Revisions), goodRevision)
	}
	return nil
}

func (t *teller) tellVerified(_ context.Context, now time.Time) error {
	if !t.verified.IsZero() || t.action.State != hooks.Verified {
		return nil
	}
	t.verified = now
	t.screen.say(now, green, "verified on data from after the action: %s", t.action.Verification)
	return nil
}

func (t *teller) tellRecovered(_ context.Context, now time.Time) error {
	status, ok := t.objective()
	if !ok || !t.recovered.IsZero() || t.verified.IsZero() || t.done.IsZero() {
		return nil
	}
	if _, firing := paging(status); firing {
		return nil
	}
	t.recovered = now
	t.screen.say(now, green, "recovered, %s after the release", seconds(now.Sub(t.released)))
	t.screen.print(t.summary(status)...)
	return nil
}

func (t *teller) tellCalm(_ context.Context, now time.Time) error {
	if t.finished.IsZero() || now.Sub(t.lastCalm) < t.opts.plan.calm {
		return nil
	}
	t.lastCalm = now
	switch {
	case t.lookErr != nil:
		t.screen.say(now, yellow, "%v", t.lookErr)
	case !t.opts.Live:
		t.screen.say(now, plain, "%s", t.calmLine())
	}
	return nil
}

// soFar is how far the story came, for the error of one that does not end well.
func (t *teller) soFar() string {
	parts := []string{"the agent did not become ready"}
	if !t.ready.IsZero() {
		parts = []string{"no release yet"}
	}
	if !t.released.IsZero() {
		parts = []string{"release " + badRevision + " is out"}
	}
	for _, m := range []struct {
		at   time.Time
		what string
	}{{t.fired, t.tier + " fired"}, {t.called, "the hook was called"}, {t.done, "the rollback is done"}, {t.verified, "it is verified"},
		{t.settle.stopped, "settlement stopped"}, {t.settle.overdue, "transfers are overdue"}, {t.settle.fired, "that fired"}, {t.settle.resumed, "settlement resumed"},
		{t.settle.drained, fmt.Sprintf("nothing is overdue, the agent counts %+v, the company %+v", t.settle.agent, t.settle.company)}} {
		if !m.at.IsZero() {
			parts = append(parts, m.what)
		}
	}
	if status, ok := t.objective(); ok {
		parts = append(parts, fmt.Sprintf("%s is %s (%s), firing %v", objective, status.State, status.Reason, status.Firing))
	} else if !t.ready.IsZero() {
		parts = append(parts, "the agent knows no objective "+objective)
	}
	for _, a := range t.actions {
		if a.Hook == hookName && !a.CreatedAt.Before(t.released) && len(parts) < 12 {
			parts = append(parts, fmt.Sprintf("action %s is %s %v %s", a.ID, a.State, a.Reasons, a.Error))
		}
	}
	if t.lookErr != nil {
		parts = append(parts, t.lookErr.Error())
	}
	return strings.Join(parts, "; ")
}

// objective is the status of the objective that the story is about.
func (t *teller) objective() (slo.Status, bool) { return t.status(objective) }

func (t *teller) status(name string) (slo.Status, bool) {
	for _, s := range t.statuses {
		if s.Name == name {
			return s, true
		}
	}
	return slo.Status{}, false
}

func (t *teller) latest() []paysim.Tally { return t.recent[len(t.recent)-1].tallies }
