package slo

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

// FastTier is the name of the tier that needs no window.
const FastTier = "page-fast"

// sequential tells a total or near-total outage from chance after a handful of events, where a budget
// window needs minutes of them. It is Page's CUSUM of the log-likelihood ratio between outageRatio and
// the worst error ratio of a service that keeps its promise.
//
// Each round of looks begins a test of its own, and by Ville's inequality the likelihood ratio of one
// test reaches A with a probability of at most 1/A, however often one looks. With N rounds in a budget
// window and A = N ÷ maxFalse, no more than maxFalse false pages a window are due, as long as failures
// are independent of each other. Failures come in bursts too, which is why one round alone never
// carries more than maxShare of the evidence.
type sequential struct {
	perBad, perGood float64 // log-likelihood ratio of one event
	windowMs        int64   // the objective's own window
	quietMs         int64   // after so long without a failure nothing is left of the evidence
	widthMs         int64   // of a round: the interval of the slowest target that feeds it
	limit           float64 // ln A; 0 until the width is known
	fastState
}

// fastState is what of it outlives a restart.
type fastState struct {
	Score     float64 `json:"score,omitempty"` // evidence of the rounds that are over; never below 0
	Round     int64   `json:"round,omitempty"` // index of the open one
	Good      float64 `json:"good,omitempty"`  // events of the open round
	Bad       float64 `json:"bad,omitempty"`
	WidthMs   int64   `json:"width_ms,omitempty"`
	SinceMs   int64   `json:"since_ms,omitempty"` // when the evidence began to grow; 0: there is none
	SinceGood float64 `json:"since_good,omitempty"`
	SinceBad  float64 `json:"since_bad,omitempty"`
	LastBadMs int64   `json:"last_bad_ms,omitempty"`
}

const (
	outageRatio = 0.9   // error ratio that is looked for; about a third of it is found too, later
	minHealthy  = 0.005 // error ratio up to which no service is paged for by the fast tier, however high its objective
	maxHealthy  = 0.2   // objectives that allow more have no fast tier: an outage is too like their everyday
	maxFalse    = 1e-4  // false pages a budget window, at most
	maxShare    = 0.6   // of the limit, from one round
	maxScore    = 1.25  // of the limit: what an outage may pile up, so that its end is seen soon
)

// newSequential makes the fast tier's test of an objective, or nil when it can have none: slices are
// too few and amounts of money no independent events.
func newSequential(o *spec.Objective, allowed float64) *sequential {
	if o.Method != spec.Occurrences || o.Weight != nil || o.Composite != nil || o.Indicator.Threshold != nil || o.Indicator.RawRatio != nil || allowed > maxHealthy {
		return nil
	}
	healthy := max(allowed, minHealthy)
	return &sequential{
		perBad: math.Log(outageRatio / healthy), perGood: math.Log((1 - outageRatio) / (1 - healthy)), windowMs: o.Window.Length.Milliseconds(),
	}
}

// width says from moment at on how long a round is: one look at every target.
func (s *sequential) width(ms, at int64) {
	if ms == s.widthMs || ms <= 0 {
		return
	}
	if s.widthMs != 0 {
		s.close()
	}
	s.widthMs, s.WidthMs, s.Round = ms, ms, floorDiv(at-1, ms)
	s.limit = math.Log(max(1, float64(s.windowMs)/float64(ms)) / maxFalse)
}

// forget drops all evidence.
func (s *sequential) forget() {
	s.Score, s.Good, s.Bad, s.SinceMs, s.SinceGood, s.SinceBad = 0, 0, 0, 0, 0, 0
}

// add books events seen by a look at instant at.
func (s *sequential) add(at int64, good, bad float64) {
	if s.widthMs == 0 {
		return
	}
	if round := floorDiv(at-1, s.widthMs); round > s.Round { // a target that is late adds to the open one
		s.close()
		s.Round = round
		if s.quiet(at) {
			s.forget()
		}
	}
	s.Good += good
	s.Bad += bad
	if bad > 0 {
		s.LastBadMs = max(s.LastBadMs, at)
		if s.SinceMs == 0 {
			s.SinceMs = at
		}
	}
}

// quiet reports whether nothing has failed for long.
func (s *sequential) quiet(now int64) bool { return now-s.LastBadMs > s.quietMs }

// spread reports whether failures were seen for as long as it takes to look at every target: else one
// moment's failures, shown by one target after the other, would pass for several rounds.
func (s *sequential) spread() bool { return s.LastBadMs-s.SinceMs >= s.widthMs-s.widthMs/20 }

// close ends the open round.
func (s *sequential) close() {
	s.SinceGood += s.Good
	s.SinceBad += s.Bad
	s.Score = min(s.value(), maxScore*s.limit)
	if s.Score == 0 {
		s.SinceMs, s.SinceGood, s.SinceBad = 0, 0, 0
	}
	s.Good, s.Bad = 0, 0
}

// value is the evidence with that of the open round.
func (s *sequential) value() float64 {
	round := max(0, s.Bad)*s.perBad + max(0, s.Good)*s.perGood
	return max(0, s.Score+min(round, maxShare*s.limit))
}

// rewind makes it go on from t, to which the clock has been set back.
func (s *sequential) rewind(t int64) {
	s.close()
	s.Round = 0
	s.SinceMs, s.LastBadMs = min(s.SinceMs, t), min(s.LastBadMs, t)
}

// restore takes up where a checkpoint left off.
func (s *sequential) restore(f *fastState) {
	if f != nil && finite(f.Score) && f.Score >= 0 {
		s.width(f.WidthMs, 0)
		s.fastState = *f
	}
}

// judgeFast decides whether the fast tier fires. It begins when the evidence reaches the limit and ends
// when good events have used all of it up, or when no event has failed for the tiers' shortest window.
func (o *objective) judgeFast(measures []measure, now int64, blind bool) (TierStatus, bool) {
	s := o.sequential
	if s == nil || len(o.tiers) == 0 {
		return TierStatus{}, false
	}
	t, m := &o.fast, measures[o.fast.long]
	burn := o.burn(m)
	if !blind && s.limit > 0 {
		if o.exclusion.covers(s.SinceMs) {
			s.forget()
		}
		value := s.value()
		fires := !s.quiet(now) && (value >= s.limit && s.spread() || t.firing && value > 0)
		if fires && !t.firing {
			t.sinceMs = now
		}
		t.firing, t.why = fires, ""
		if fires {
			t.why = s.explain(value)
		}
	}
	ts := t.status(o, burn, burn, m.known())
	ts.Evidence = Evidence{LogLikelihoodRatio: s.value(), Limit: s.limit, ErrorBound: maxFalse}
	return ts, true
}

// covers reports whether instant t is excluded.
func (v *overlay) covers(t int64) bool {
	return slices.ContainsFunc(v.spans, func(s span) bool { return t > s.from && t <= s.to })
}

func (s *sequential) explain(value float64) string {
	bad, good := s.SinceBad+s.Bad, s.SinceGood+s.Good
	return fmt.Sprintf("%s of %s events failed since %s: evidence %s for an outage, limit %s, at most %s false pages a window",
		short(bad), short(bad+good), time.UnixMilli(s.SinceMs).UTC().Format("15:04:05"), short(value), short(s.limit), short(maxFalse))
}

// fastRule describes the fast tier to those who list tiers: its burn rate is that of the shortest window.
func fastRule(shortest time.Duration) burnrate.Tier {
	return burnrate.Tier{Name: FastTier, Severity: burnrate.Page, Long: shortest, Short: shortest, Factor: 1}
}
