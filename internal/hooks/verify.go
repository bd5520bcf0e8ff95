package hooks

import (
	"fmt"
	"time"

	"github.com/assayer-io/assayer/slo"
)

// watch is what was seen of an objective since an action on it.
type watch struct {
	seen     bool
	good     float64   // good events at the last status
	lastGood time.Time // last status that brought good events
}

// verify judges a called action by what came after it.
func (q *Queue) verify(w *work, a Action) {
	p := q.policy(a.Hook)
	window := windowLength(a.Evidence.ShortWindow)
	after := max(p.VerifyAfter, window)
	if s := q.status(a.Objective); s != nil && s.At.After(*a.CalledAt) {
		t, recovered := q.recovered(&a, *s, p, window)
		if recovered && s.At.Sub(*a.CalledAt) >= after {
			a.State = Verified
			a.Verification = fmt.Sprintf("%s over %s at %s, all of it after the call at %s", times(t.ShortBurnRate), t.ShortWindow, clock(s.At), clock(*a.CalledAt))
			w.set(q, a, q.outcomeEntry(&a, "hook_action_verified"))
			q.promote(w, &a)
			return
		}
	}
	if w.now.Sub(*a.CalledAt) <= after+p.VerifyTimeout {
		return
	}
	a.State = Unverified
	a.Verification = fmt.Sprintf("no recovery was seen within %s after the call at %s%s; people have to take over",
		after+p.VerifyTimeout, clock(*a.CalledAt), q.lastSeen(&a))
	q.log.Error("action did not help", "hook", a.Hook, "action", a.ID, "service", a.Service, "verification", a.Verification)
	w.set(q, a, q.outcomeEntry(&a, "hook_action_unverified"))
	q.demote(w, &a)
}

// recovered reports whether a status shows the tier's short burn rate below 1 on real events.
func (q *Queue) recovered(a *Action, s slo.Status, p Policy, window time.Duration) (slo.TierStatus, bool) {
	seen := q.watches[a.ID]
	if seen == nil {
		seen = &watch{}
		q.watches[a.ID] = seen
	}
	if seen.seen && s.Counted.Good > seen.good {
		seen.lastGood = s.At
	}
	seen.seen, seen.good = true, s.Counted.Good
	for _, t := range s.Tiers {
		if t.Name == a.Tier {
			return t, t.ShortBurnRate < 1 && !blind(s) && s.Coverage >= p.MinCoverage &&
				s.At.Sub(seen.lastGood) <= window/2
		}
	}
	return slo.TierStatus{}, false
}

func (q *Queue) lastSeen(a *Action) string {
	s := q.status(a.Objective)
	if s == nil {
		return ", the objective is no longer watched"
	}
	for _, t := range s.Tiers {
		if t.Name == a.Tier {
			return fmt.Sprintf(": the state is %s at %s over %s", s.State, times(t.ShortBurnRate), t.ShortWindow)
		}
	}
	return ""
}

// demote makes an auto hook ask from now on.
func (q *Queue) demote(w *work, a *Action) {
	if q.policy(a.Hook).Mode != Auto || q.demoted[a.Hook] != "" {
		return
	}
	hook := a.Hook
	why := fmt.Sprintf("its action %s on %s did not help", a.ID, a.Service)
	q.demoted[hook] = why
	w.undo = append(w.undo, func() { delete(q.demoted, hook) })
	w.batch.Set(demotedPrefix+hook, []byte(why))
	w.entries = append(w.entries, q.outcomeEntry(a, "hook_demoted"))
}

// promote gives a demoted hook its mode back after an action that a person approved has helped.
func (q *Queue) promote(w *work, a *Action) {
	why := q.demoted[a.Hook]
	if why == "" || a.DecidedBy == "" {
		return
	}
	hook := a.Hook
	delete(q.demoted, hook)
	w.undo = append(w.undo, func() { q.demoted[hook] = why })
	w.batch.Delete(demotedPrefix + hook)
	w.entries = append(w.entries, q.outcomeEntry(a, "hook_promoted"))
}
