package hooks

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/assayer-io/assayer/slo"
)

// burn is what is known of when an objective's present burn began.
type burn struct {
	Began     time.Time `json:"began"` // zero: not seen
	Burning   bool      `json:"burning"`
	healthyAt time.Time // last status with the burn rate at or below 1
	dirty     bool      // not yet in the store as it is here
}

// trackBurns notes when the burn rate of each objective's shortest window rises above 1.
func (q *Queue) trackBurns(w *work) {
	known := make(map[string]bool, len(q.latest))
	for _, s := range q.latest {
		known[s.Name] = true
		if blind(s) || len(s.Tiers) == 0 {
			continue
		}
		b := q.burns[s.Name]
		_, rate := shortestBurn(s)
		switch {
		case rate <= 1:
			b.dirty = b.dirty || b.Burning
			b.Burning, b.Began, b.healthyAt = false, time.Time{}, s.At
		case rate > 1 && !b.Burning:
			b.Burning, b.Began, b.dirty = true, time.Time{}, true
			// Seen healthy shortly before, it began just now. After a longer blindness, or right
			// after a start, nobody knows.
			if !b.healthyAt.IsZero() && s.At.Sub(b.healthyAt) <= staleAfter {
				b.Began = s.At
			}
		}
		q.burns[s.Name] = b
		if b.dirty {
			w.burns = append(w.burns, s.Name)
		}
	}
	for name := range q.burns {
		if !known[name] {
			delete(q.burns, name)
			w.batch.Delete(burnPrefix + name)
		}
	}
}

// input collects what a decision depends on. But for the action named except, every action counts.
func (q *Queue) input(p Policy, s slo.Status, except string, now time.Time) Input {
	in := Input{
		Policy: p, Status: s, All: q.latest, Changes: q.changes.changes(s.Service), Baked: q.changes.Baked(s.Service),
		BurnBegan: q.burns[s.Name].Began, StartPaused: q.fresh && !p.ResumeOnStart, Demoted: q.demoted[p.Name], Now: now,
		Called: q.called(p.Name, s.Name), Approval: q.approval(s.Name),
	}
	if q.paused != nil {
		in.Paused = q.paused.String()
	}
	for _, a := range q.actions {
		if a.ID != except && (a.Hook == p.Name || a.Service == s.Service) && a.State != Held && a.State != Denied {
			in.Recent = append(in.Recent, *a)
		}
	}
	sortActions(in.Recent)
	return in
}

// decide makes and records one decision.
func (q *Queue) decide(w *work, p Policy, s slo.Status) {
	if _, fires := p.firing(s); !fires && q.called(p.Name, s.Name) == nil {
		return // as nearly always, and cheaply
	}
	in := q.input(p, s, "", w.now)
	in.Elsewhere = q.changes.elsewhere(s.Service, w.now.Add(-p.ChangeWindow))
	d := Decide(in)
	if d.Episode == "" {
		return // nothing to answer
	}
	a := action(p, s, d, w.now)
	if q.actions[a.ID] != nil {
		return // recorded before: the same answer for the same reasons in the same episode
	}
	switch {
	case d.Verdict == Deny && p.ownDoing(d):
		return
	case d.Verdict == Deny:
		a.State = Denied
	case d.Verdict == Hold:
		if onlyRule(d, "in_flight") {
			return // its own action or that of a neighbour is at work; that one is the record
		}
		a.State = Held
	case d.Mode == Observe:
		a.State = Observed
	case d.Mode == Recommend:
		a.State = Recommended
	case d.Mode == Approve:
		a.State = WaitingApproval
	default:
		a.start(w.now)
		w.call(a.ID)
	}
	w.set(q, a, q.decisionEntry(&a))
}

func onlyRule(d Decision, rule string) bool { return len(d.Rules) == 1 && d.Rules[0] == rule }

// ownDoing reports whether a denial only says that this hook has already answered the burn. That is
// how every action ends and needs no record.
func (p Policy) ownDoing(d Decision) bool {
	answered := false
	for _, r := range d.Rules {
		answered = answered || r == "episode_answered"
	}
	return answered
}

// action gives the record of a decision. Its ID is a hash of what it answers, so that deciding the
// same again, even by a second agent, is the same action to the receiver.
func action(p Policy, s slo.Status, d Decision, now time.Time) Action {
	what := "act"
	if d.Verdict != Act {
		what = string(d.Verdict) + " " + strings.Join(d.Rules, " ")
	}
	h := sha256.Sum256(fmt.Appendf(nil, "%s %s %s", d.Episode, d.Mode, what))
	rules := d.Rules
	if rules == nil {
		rules = []string{}
	}
	t := d.Tier
	return Action{
		ID: hex.EncodeToString(h[:12]), Hook: p.Name, Kind: p.Kind, Mode: d.Mode, Objective: s.Name, Service: s.Service,
		Tier: t.Name, Policy: d.CalledBy, Reasons: d.Reasons, Rules: rules, Episode: d.Episode, Change: d.Change, ToRevision: d.ToRevision,
		CreatedAt: now, UpdatedAt: now,
		Evidence: &Evidence{
			Since: *t.Since, LongWindow: t.LongWindow, ShortWindow: t.ShortWindow, Factor: finite(t.Factor),
			LongBurnRate: finite(t.LongBurnRate), ShortBurnRate: finite(t.ShortBurnRate), BurnRates: finiteAll(s.BurnRates),
			RemainingRatio: finite(s.ErrorBudget.RemainingRatio), Coverage: finite(s.Coverage),
		},
	}
}

// finite keeps what JSON cannot spell out of the journal: one such number would stop every hook.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}

func finiteAll(list slo.WindowValues) slo.WindowValues {
	out := slices.Clone(list)
	for i := range out {
		out[i].Value = finite(out[i].Value)
	}
	return out
}

// start makes the action one that is about to be called.
func (a *Action) start(at time.Time) { a.State, a.StartedAt, a.Queued = Running, &at, true }

// open gives the actions that are not final, oldest first.
func (q *Queue) open() []Action {
	var out []Action
	for _, a := range q.actions {
		if !a.State.Final() {
			out = append(out, *a)
		}
	}
	sortActions(out)
	return out
}

// advance moves actions on that were decided earlier.
func (q *Queue) advance(w *work) {
	for _, a := range q.open() {
		switch {
		case a.State == WaitingApproval && w.now.Sub(a.CreatedAt) >= q.policy(a.Hook).ApprovalTTL:
			q.expire(w, a)
		case a.State == WaitingApproval:
			if why := cmp.Or(q.unwanted(&a, true), q.movedOn(&a)); why != "" {
				q.supersede(w, a, why)
			}
		case a.State == Verifying:
			q.verify(w, a)
		case q.cancels[a.ID] == nil: // running, but not here
			q.resolve(w, a)
		}
	}
}

func (q *Queue) expire(w *work, a Action) {
	a.State = Expired
	a.Reasons = append(a.Reasons, fmt.Sprintf("nobody decided within %s", q.policy(a.Hook).ApprovalTTL))
	w.set(q, a, q.outcomeEntry(&a, "hook_approval_expired"))
}

func (q *Queue) supersede(w *work, a Action, why string) {
	a.State, a.Error, a.Queued = Superseded, why, false
	w.set(q, a, q.outcomeEntry(&a, "hook_superseded"))
}

// unwanted says why the policies now in force do not let an action go out that was decided earlier
// under others, or "".
func (q *Queue) unwanted(a *Action, approved bool) string {
	i := slices.IndexFunc(q.policies, func(p Policy) bool { return p.Name == a.Hook })
	if i < 0 {
		return "the hook was removed"
	}
	p := q.policies[i]
	switch demoted := q.demoted[a.Hook]; {
	case p.Mode != Approve && p.Mode != Auto:
		return fmt.Sprintf("the hook is now in mode %s", p.Mode)
	case p.Mode == Approve && !approved:
		return "the hook is now in mode approve, and nobody approved it"
	case demoted != "" && !approved:
		return "the hook now has to ask, since " + demoted
	case q.approval(a.Objective) != "" && !approved:
		return q.approval(a.Objective) + ", and nobody approved it"
	case !p.Selects(a.Objective):
		return "the hook no longer has the objective " + a.Objective
	case a.Policy == "" && len(p.Tiers) > 0 && !slices.ContainsFunc(p.Tiers, func(s string) bool { return matches(s, a.Tier) }):
		return "the hook no longer answers " + a.Tier
	}
	return ""
}

// movedOn says why an action decided earlier no longer fits what is now, or "".
func (q *Queue) movedOn(a *Action) string {
	if why := q.newerChange(a); why != "" {
		return why
	}
	s := q.status(a.Objective)
	if s == nil {
		return a.Objective + " is no longer watched"
	}
	if a.Policy != "" {
		return q.endedCall(a)
	}
	for _, t := range s.Tiers {
		if t.Name == a.Tier && t.Firing {
			return ""
		}
	}
	if blind(*s) {
		return ""
	}
	return a.Tier + " no longer fires"
}

func (q *Queue) newerChange(a *Action) string {
	if a.Change == nil {
		return ""
	}
	c := q.changes.newest(a.Service)
	if c == nil || c.ID == a.Change.ID {
		return ""
	}
	return fmt.Sprintf("a newer change, %s %s at %s, was recorded", c.Kind, c.Revision, clock(c.At))
}
