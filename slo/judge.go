package slo

import (
	"fmt"
	"strings"
	"time"
)

// judgeTiers fills in every tier and which of them fire.
func (o *objective) judgeTiers(s *Status, measures []measure, now int64, v sight) {
	for i := range o.tiers {
		t := &o.tiers[i]
		was := t.firing
		s.Tiers[i] = o.judgeTier(t, measures, now, v)
		o.ledger.changed = o.ledger.changed || t.firing != was
		if t.firing {
			s.Firing = append(s.Firing, t.Name)
		}
	}
	if ts, ok := o.judgeFast(measures, now, v.blind); ok {
		s.Tiers = append(s.Tiers, ts)
		if ts.Firing {
			s.Firing = append(s.Firing, ts.Name)
		}
	}
}

// sight is how well an objective is seen at one moment.
type sight struct {
	blind bool
	share float64 // of its targets the measures are about: 1 unless blind, 0 when nothing new is seen
}

// judgeTier decides whether a leg fires. What was not observed is taken to have been good, so an
// unfilled window can only understate. For the same reason a leg may begin while the objective is blind,
// if some target is seen; it never stops then, as silence is not recovery. That people hear of it is
// all that follows: hooks and budget policies hold until the objective is observed again.
func (o *objective) judgeTier(t *tier, measures []measure, now int64, v sight) TierStatus {
	long, short := measures[t.long], measures[t.short]
	burnLong, burnShort := o.burn(long), o.burn(short)
	factor := t.limit(o.remaining(measures[len(measures)-1]))
	fires := burnLong*long.known()*v.share >= factor && burnShort*short.known()*v.share >= factor && o.significant(long, o.allowed(), t.Factor)
	if !v.blind || fires {
		if fires && !t.firing {
			t.sinceMs = now
		}
		t.firing, t.why = fires, ""
		if burnLong >= factor || burnShort >= factor {
			t.why = o.explain(t, burnLong, burnShort, factor, long)
		}
	}
	ts := t.status(o, burnLong, burnShort, long.known())
	ts.Factor = factor
	return ts
}

// limit is the burn rate from which on the tier fires. One that measures against what is left of the
// budget fires sooner the less that is, but never on a service that burns no faster than it may.
func (t *tier) limit(remaining float64) float64 {
	if !t.OfRemaining {
		return t.Factor
	}
	return max(1, t.Factor*min(1, remaining))
}

// status is what is told of a tier of o.
func (t *tier) status(o *objective, burnLong, burnShort, known float64) TierStatus {
	ts := TierStatus{
		Name: t.Name, Severity: t.Severity, LongWindow: o.windows[t.long].text, ShortWindow: o.windows[t.short].text, Factor: t.Factor,
		LongBurnRate: burnLong, ShortBurnRate: burnShort, LongCoverage: known, Firing: t.firing, Why: t.why,
		Urgency: t.urgency, FactorText: t.factorText,
	}
	if t.firing {
		since := time.UnixMilli(t.sinceMs).UTC()
		ts.Since = &since
	}
	return ts
}

func (o *objective) explain(t *tier, burnLong, burnShort, factor float64, long measure) string {
	numbers := fmt.Sprintf("%s× over %s and %s× over %s, limit %s×; %s of %s %s bad, %s allowed",
		short(burnLong), windowText(t.Long), short(burnShort), windowText(t.Short), short(factor),
		short(long.bad), short(long.total()), o.unit(), short(long.total()*o.allowed()))
	switch {
	case t.firing:
		return "budget burns at " + numbers
	case burnLong >= factor && burnShort >= factor && burnLong*long.known() < factor:
		return "too little observed to fire: " + numbers
	case burnLong >= factor && burnShort >= factor:
		return "too few errors to be sure: " + numbers
	}
	return numbers
}

// unit names what is counted.
func (o *objective) unit() string {
	switch {
	case o.Weight != nil:
		return "minor units of " + o.Weight.Currency
	case o.slicer != nil:
		return "slices"
	}
	return "events"
}

// judgeState sums up. Bad news needs evidence, good news needs all of it: a window that is not yet
// filled can be burning or exhausted, but not ok.
func (e *Engine) judgeState(o *objective, s *Status, blind string) {
	left := percent(s.ErrorBudget.RemainingRatio) + " of the budget left"
	switch {
	case blind != "":
		s.State, s.Reason = Unknown, blind
		if len(s.Firing) > 0 {
			s.Reason += "; firing on what was seen: " + strings.Join(s.Firing, ", ")
		}
	case s.ErrorBudget.RemainingRatio <= 0 && s.Events.Bad > 0:
		s.State = Exhausted
		s.Reason = fmt.Sprintf("%s bad of %s %s in %s is more than the %s allowed", short(s.Events.Bad), short(s.Events.Good+s.Events.Bad), o.unit(), s.Window, percent(o.allowed()))
		if s.Filled < e.opts.MinCoverage {
			s.Reason += "; " + s.watched()
		}
	case len(s.Firing) > 0:
		s.State, s.Reason = Burning, left
		for _, t := range s.Tiers {
			if t.Firing {
				s.Reason = t.Why + "; " + left
				break
			}
		}
	case s.Filled < e.opts.MinCoverage:
		s.State = Unknown
		s.Reason = s.watched() + "; " + left + " so far"
	default:
		s.State, s.Reason = OK, left
	}
}

// watched says how much of the window has been watched yet.
func (s *Status) watched() string {
	return fmt.Sprintf("watched for %s of %s", windowText(s.Watched.Truncate(time.Second)), s.Window)
}
