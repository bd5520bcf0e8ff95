package replay

import (
	"math"
	"time"

	"github.com/assayer-io/assayer/slo"
)

// judge is one engine with what its evaluations have shown.
type judge struct {
	engine  *slo.Engine
	alarmAt time.Time // of the first look since the latest evaluation that booked bad events
	latest  []slo.Status
	tracks  map[string]*track // by objective
}

// track is what one objective did so far.
type track struct {
	lowest  float64
	unseen  time.Duration
	began   time.Time
	at      time.Time // of the latest evaluation
	seen    bool      // at it
	bad     float64   // counted until then
	episode episode
	open    map[string]int // tier: which firing has not ended
	firings []Firing
	starts  []float64 // for each firing: bad events counted before its episode
	last    []time.Time
}

// episode is a stretch during which the burn rate over the shortest window is above 1.
type episode struct {
	on          bool
	first, last time.Time // bad events
	before      float64   // bad events counted before the first
}

// judge notes what one evaluation shows.
func (j *judge) judge(statuses []slo.Status, at time.Time) {
	for i := range statuses {
		s := &statuses[i]
		t := j.tracks[s.Name]
		if t == nil {
			t = &track{lowest: 1, open: map[string]int{}}
			j.tracks[s.Name] = t
		}
		t.note(s, at, j.alarmAt)
	}
	j.latest, j.alarmAt = statuses, time.Time{}
}

func (t *track) note(s *slo.Status, at, alarmAt time.Time) {
	if !t.began.IsZero() && !t.seen {
		t.unseen += at.Sub(t.at)
	}
	if t.began.IsZero() && s.Filled > 0 {
		t.began = at.Add(-time.Duration(s.Filled * float64(s.WindowSize))).Round(time.Second)
	}
	t.at, t.seen = at, s.Observed
	t.lowest = min(t.lowest, s.ErrorBudget.RemainingRatio)
	t.burn(s, at, alarmAt)
	for i := range s.Tiers {
		t.tier(s, &s.Tiers[i], at)
	}
	t.bad = s.Counted.Bad
}

// burn follows the episode. Bad events are dated by the look that brought them, or, where slices are
// judged, by the evaluation that did.
func (t *track) burn(s *slo.Status, at, alarmAt time.Time) {
	when := at
	if !alarmAt.IsZero() {
		when = alarmAt
	}
	more := s.Counted.Bad > t.bad
	burning := len(s.BurnRates) > 0 && s.BurnRates[0].Value > 1
	switch {
	case burning && !t.episode.on:
		t.episode = episode{on: true, first: when, last: when, before: t.bad}
	case burning && more:
		t.episode.last = when
	case !burning:
		t.episode.on = false
	}
}

// tier follows one tier.
func (t *track) tier(s *slo.Status, tier *slo.TierStatus, at time.Time) {
	i, open := t.open[tier.Name]
	if tier.Firing && !open {
		e := t.episode
		if !e.on {
			e = episode{first: at, last: at, before: t.bad}
		}
		i = len(t.firings)
		t.open[tier.Name] = i
		t.firings = append(t.firings, Firing{Tier: tier.Name, Severity: string(tier.Severity), From: at.UTC(), DetectionSeconds: seconds(at.Sub(e.first)), Why: tier.Why})
		t.starts, t.last = append(t.starts, e.before), append(t.last, e.last)
		open = true
	}
	if !open {
		return
	}
	f := &t.firings[i]
	if t.episode.on {
		t.last[i] = t.episode.last
	}
	if f.BudgetSpent = spent(s, s.Counted.Bad-t.starts[i]); !tier.Firing {
		to, reset := at.UTC(), seconds(at.Sub(t.last[i]))
		f.To, f.ResetSeconds = &to, &reset
		delete(t.open, tier.Name)
	}
}

// spent is the share of the budget that so many bad events are, by the events now in the window.
func spent(s *slo.Status, bad float64) float64 {
	allowed := math.Round((1-s.Objective)*1e12) / 1e12
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
	r := Result{Objectives: make([]Objective, 0, len(j.latest))}
	for _, s := range j.latest {
		t := j.tracks[s.Name]
		firings := t.firings
		if firings == nil {
			firings = []Firing{}
		}
		r.Objectives = append(r.Objectives, Objective{Status: s, Firings: firings, LowestRemaining: t.lowest, Unseen: t.unseen, Began: t.began})
	}
	return r
}
