package slo

import "time"

// AlarmSpacing is the least time between two evaluations that bad events bring about: an action
// still starts within a second of the sample that calls for it, and constant errors cost little.
const AlarmSpacing = 500 * time.Millisecond

// Schedule says when to evaluate: every objective once an interval, and those of which bad events were
// booked soon after. The zero value is due at once.
type Schedule struct {
	all  time.Time // when every objective is due
	soon time.Time // when those with bad events are; zero: none
	last time.Time // the latest evaluation
}

// Next is when the next evaluation is due.
func (s *Schedule) Next() time.Time {
	if !s.soon.IsZero() && s.soon.Before(s.all) {
		return s.soon
	}
	return s.all
}

// Alarm says that bad events were booked at moment now.
func (s *Schedule) Alarm(now time.Time) {
	if !s.soon.IsZero() {
		return
	}
	s.soon = s.last.Add(AlarmSpacing)
	if s.soon.Before(now) {
		s.soon = now
	}
}

// Begin says that an evaluation is made at moment now, and whether it is to be of every objective: then
// the next such is due after interval.
func (s *Schedule) Begin(now time.Time, interval time.Duration) (all bool) {
	s.last, s.soon = now, time.Time{}
	if now.Before(s.all) {
		return false
	}
	s.all = now.Add(interval)
	return true
}
