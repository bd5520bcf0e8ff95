// Package calendar answers questions about civil time: when a calendar-aligned window began and
// when the next one begins, in any IANA zone; when business is done, by calendars of the user's own and by
// built-in ones of payment systems. It has no clock and reads nothing but the data it is built with.
//
//	month in Europe/Berlin at 2026-03-31T23:30Z  →  2026-04-01T00:00+02:00
//	target on 2026-12-24T16:59Z                  →  open, closes 17:00Z, opens 2026-12-28T06:00Z
package calendar

import "time"

// Unit is the length of a period.
type Unit string

// The units a period may have.
const (
	Day     Unit = "day"
	Week    Unit = "week"
	Month   Unit = "month"
	Quarter Unit = "quarter"
	Year    Unit = "year"
)

// Period repeats every Count units from Anchor on, by the civil calendar of Anchor's location:
// days may have 23 or 25 hours and months 28 to 31 days.
type Period struct {
	Unit   Unit
	Count  int       // at least 1
	Anchor time.Time // the start of some period; its wall clock gives the time of day of all starts
}

// Start returns when the period that holds t began. A period holds its own start.
func (p Period) Start(t time.Time) time.Time {
	n := p.estimate(t)
	for p.nth(n).After(t) {
		n--
	}
	for !p.nth(n + 1).After(t) {
		n++
	}
	return p.nth(n)
}

// Next returns when the period after the one that holds t begins; it is always after t.
func (p Period) Next(t time.Time) time.Time {
	n := p.estimate(t)
	for p.nth(n).After(t) {
		n--
	}
	for !p.nth(n).After(t) {
		n++
	}
	return p.nth(n)
}

// nth is the start of the n-th period after Anchor. time.Date carries overflowing months and days
// over.
func (p Period) nth(n int) time.Time {
	a, k := p.Anchor, n*max(1, p.Count)
	y, m, d := a.Date()
	switch p.Unit {
	case Day:
		d += k
	case Week:
		d += 7 * k
	case Month:
		m += time.Month(k)
	case Quarter:
		m += time.Month(3 * k)
	case Year:
		y += k
	}
	return wallClock(time.Date(y, m, d, a.Hour(), a.Minute(), a.Second(), 0, time.UTC), a.Location())
}

// wallClock is the first instant at which clocks in loc show what civil shows in UTC. One that a
// daylight-saving change skips is moved forward by the change. time.Date leaves open which of two instants it
// takes, and goes back from a skipped one in some zones, before midnight even.
func wallClock(civil time.Time, loc *time.Location) time.Time {
	y, m, d := civil.Date()
	shown := func(t time.Time) bool { return t.Hour() == civil.Hour() && t.Minute() == civil.Minute() }
	t := time.Date(y, m, d, civil.Hour(), civil.Minute(), civil.Second(), 0, loc)
	_, before := t.Add(-12 * time.Hour).Zone()
	if first := civil.Add(-time.Duration(before) * time.Second).In(loc); shown(first) || !shown(t) {
		return first
	}
	return t
}

// estimate is near the number of the period that holds t; the caller corrects it by a few steps.
func (p Period) estimate(t time.Time) int {
	days := float64(t.Unix()-p.Anchor.Unix()) / 86_400 // a Duration would end after 292 years
	length := map[Unit]float64{Day: 1, Week: 7, Month: 30.436875, Quarter: 91.310625, Year: 365.2425}[p.Unit]
	if length == 0 {
		return 0
	}
	return int(days / (length * float64(max(1, p.Count))))
}
