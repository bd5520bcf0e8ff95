package replay

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// judge is one engine with what its evaluations have shown.
type judge struct {
	engine  *slo.Engine
	alarmAt time.Time         // of the first look since the latest evaluation that booked bad events
	tracks  map[string]*track // by objective
}

// track is what one objective did so far.
type track struct {
	status  *slo.Status // at the latest evaluation that had it; a group may be forgotten before the end
	lowest  float64
	unseen  time.Duration
	began   time.Time
	at      time.Time // of the latest evaluation
	seen    bool      // at it
	counted slo.Events
	episode episode
	open    map[string]int // tier: which firing has not ended
	firings []firing
}

// firing is one with what is needed until it ends.
type firing struct {
	Firing
	episode int       // in which it began
	before  float64   // bad events counted before that
	last    time.Time // bad event
}

// episode is a run of bad events.
type episode struct {
	number      int // from 1; 0: there was none
	on          bool
	first, last time.Time // bad events
	before      float64   // bad events counted before the first
	bad         float64   // its own
	good        float64   // counted by its latest bad event
}

// runLength is how many times as many good events end an episode as the objective allows one bad event
// among: errors at the pace that is allowed, or faster, are then hardly ever taken for several episodes.
// It is also how many bad events a later episode needs to be more than the odd error.
const runLength = 5

// judge notes what one evaluation shows.
func (j *judge) judge(statuses []slo.Status, at time.Time) {
	for i := range statuses {
		s := &statuses[i]
		if !s.At.Equal(at.Truncate(time.Millisecond)) {
			continue // judged earlier, and told of then
		}
		t := j.tracks[s.Name]
		if t == nil {
			t = &track{lowest: 1, open: map[string]int{}}
			j.tracks[s.Name] = t
		}
		t.note(s, at, j.alarmAt)
	}
	j.alarmAt = time.Time{}
}

func (t *track) note(s *slo.Status, at, alarmAt time.Time) {
	if !t.began.IsZero() && !t.seen {
		t.unseen += at.Sub(t.at)
	}
	if t.began.IsZero() && s.Filled > 0 {
		t.began = at.Add(-s.Watched).Round(time.Second)
	}
	t.status, t.at, t.seen = s, at, s.Observed
	t.lowest = min(t.lowest, s.ErrorBudget.RemainingRatio)
	t.run(s, at, alarmAt)
	for i := range s.Tiers {
		t.tier(s, &s.Tiers[i], at)
	}
	t.counted = s.Counted
}

// run follows the episode. Bad events are dated by the look that brought them, or, where slices are
// judged, by the evaluation that did.
func (t *track) run(s *slo.Status, at, alarmAt time.Time) {
	when, e := at, &t.episode
	if !alarmAt.IsZero() {
		when = alarmAt
	}
	if e.on && (s.Counted.Good-e.good)*allowed(s) >= runLength {
		e.on = false
	}
	if more := s.Counted.Bad - t.counted.Bad; more > 0 {
		if !e.on {
			*e = episode{number: e.number + 1, on: true, first: when, before: t.counted.Bad}
		}
		e.last, e.good, e.bad = when, s.Counted.Good, e.bad+more
	}
	if e.on && len(s.Tiers) > 0 && s.Tiers[0].LongBurnRate <= 1 {
		quiet, err := model.ParseDuration(s.Tiers[0].ShortWindow)
		e.on = err == nil && at.Sub(e.last) <= time.Duration(quiet)
	}
}

// tier follows one tier.
func (t *track) tier(s *slo.Status, tier *slo.TierStatus, at time.Time) {
	i, open := t.open[tier.Name]
	if !open && !tier.Firing {
		return
	}
	e := t.episode
	if !open {
		if e.number == 0 { // what it fires for was counted elsewhere
			e = episode{first: at, last: at, before: t.counted.Bad}
		}
		i = len(t.firings)
		t.open[tier.Name] = i
		t.firings = append(t.firings, firing{
			Firing:  Firing{Tier: tier.Name, Severity: string(tier.Severity), From: at.UTC(), DetectionSeconds: seconds(at.Sub(e.first)), Why: tier.Why},
			episode: e.number, before: e.before, last: e.last,
		})
	}
	f := &t.firings[i]
	if e.on && (e.number == f.episode || e.bad >= runLength) {
		f.last = e.last
	}
	f.BudgetSpent = spent(s, s.Counted.Bad-f.before)
	if !tier.Firing {
		to, reset := at.UTC(), seconds(at.Sub(f.last))
		f.To, f.ResetSeconds = &to, &reset
		delete(t.open, tier.Name)
	}
}

// allowed is the share of events that may be bad.
func allowed(s *slo.Status) float64 { return burnrate.Allowed(s.Objective) }

// spent is the share of the budget that so many bad events are, by the events now in the window.
func spent(s *slo.Status, bad float64) float64 {
	allowed := allowed(s)
	events := s.Events.Good + s.Events.Bad
	switch {
	case bad <= 0:
		return 0
	case allowed <= 0: // the budget is then one event
		return bad
	case events <= 0:
		return 0
	}
	return bad / (events * allowed)
}

// seconds in whole milliseconds, so that JSON shows no crumbs.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

func (j *judge) result() Result {
	r := Result{Objectives: make([]Objective, 0, len(j.tracks))}
	for _, name := range slices.Sorted(maps.Keys(j.tracks)) {
		t := j.tracks[name]
		firings := make([]Firing, len(t.firings))
		for i, f := range t.firings {
			firings[i] = f.Firing
		}
		r.Objectives = append(r.Objectives, Objective{Status: *t.status, Firings: firings, LowestRemaining: t.lowest, Unseen: t.unseen, Began: t.began})
	}
	return r
}
