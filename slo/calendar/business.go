package calendar

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Business is a calendar of business time: on which days, between which hours of its own zone,
// business is done. The zero value is not valid; see [Business.Validate]. All other methods expect a
// valid calendar; they change nothing and may be called from many goroutines.
//
// A wall-clock minute stands for the first instant at which the clock of the zone shows it or a later
// one. So a minute that a daylight-saving change skips is the moment of the change, one that occurs
// twice is its first occurrence (as RFC 5545, 3.3.5 has it), later minutes are never earlier
// instants, and sessions that do not overlap on the clock do not overlap in time.
//
//	Mon-Fri 09:00-17:00 Europe/Berlin, closed on 2026-12-25 and 2026-12-26, cut-off "sct" at 15:30
//	Open(2026-12-24T15:59:59Z)                            →  true
//	NextChange(2026-12-24T15:59:59Z)                      →  2026-12-24T16:00:00Z false true
//	NextChange(2026-12-24T16:00:00Z)                      →  2026-12-28T08:00:00Z true true
//	OpenBetween(2026-12-24T00:00:00Z, 2026-12-29T00:00Z)  →  16h0m0s
//	NextCutOff(2026-12-24T14:30:01Z, "sct")               →  2026-12-28T14:30:00Z true
//	AddBusinessDays(2026-12-24, 1)                        →  2026-12-28 true
type Business struct {
	Name     string
	Location *time.Location
	Week     [7][]Session // by time.Weekday; an empty day is closed
	Holidays []Holiday    // sorted by date
	CutOffs  []CutOff     // sorted by time of day
}

// Session is one stretch of business on one day, [From, To) in wall-clock minutes after midnight of the
// day it belongs to. To may pass 1440: the session then ends on the following day. From may be negative: it
// begins on the day before (an RTGS value date that opens on the evening before).
type Session struct {
	Name     string // may be empty
	From, To int
}

// Holiday is one civil date with other hours than its weekday. No sessions: closed.
type Holiday struct {
	Date     Date
	Name     string
	Sessions []Session // a half-day's; empty: closed
}

// Date is a civil date without a zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// CutOff is a moment of each business day by which something has to be in. It is the same on half-days.
type CutOff struct {
	Name   string
	Minute int // wall-clock minutes after midnight of the business day; may be negative
}

// DayClass groups days on which the same traffic is to be expected: the weekday, or that it is a
// holiday or a half-day.
type DayClass uint8

// The classes of days: 0 to 6 are time.Weekday of ordinary days.
const (
	HolidayClass DayClass = 7
	HalfDayClass DayClass = 8
)

const (
	daySeconds = 86_400
	dayMinutes = 1440
	// reach is how many days from the one it belongs to a session or cut-off can be: minutes may lie
	// a day before it or after it, and a zone that crosses the date line shifts by one more.
	reach = 2
	// horizon bounds every search, in days: a calendar that is the same for longer has no next.
	horizon = 400
)

// Compare orders dates: -1 before, 0 the same, 1 after.
func (d Date) Compare(o Date) int {
	return cmp.Or(cmp.Compare(d.Year, o.Year), cmp.Compare(d.Month, o.Month), cmp.Compare(d.Day, o.Day))
}

// String writes 2026-12-25.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// Weekday is the day of the week.
func (d Date) Weekday() time.Weekday { return weekday(d.number()) }

// number counts days from 1970-01-01, which is 0.
func (d Date) number() int64 {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix() / daySeconds
}

// date is the inverse of Date.number.
func date(day int64) Date {
	y, m, d := time.Unix(day*daySeconds, 0).UTC().Date()
	return Date{y, m, d}
}

// Validate reports everything that is wrong with the calendar: no zone, no sessions at all, a session that
// is empty, longer than 48 hours or further than a day from its own, sessions out of order or overlapping
// (those of neighbouring days too), holidays and cut-offs out of order, twice or impossible.
func (b *Business) Validate() error {
	var errs []error
	if b.Location == nil {
		errs = append(errs, errors.New("no time zone"))
	}
	open := false
	for day, sessions := range b.Week {
		open = open || len(sessions) > 0
		errs = append(errs, validSessions(time.Weekday(day).String(), sessions)...)
		for _, gap := range []int{1, 2} {
			next := (day + gap) % 7
			errs = append(errs, inOrder(sessions, b.Week[next], gap, time.Weekday(day), time.Weekday(next))...)
		}
	}
	for i, h := range b.Holidays {
		open = open || len(h.Sessions) > 0
		errs = append(errs, b.validHoliday(i)...)
	}
	if !open {
		errs = append(errs, errors.New("no sessions on any day"))
	}
	return errors.Join(append(errs, b.validCutOffs()...)...)
}

func validSessions(day any, sessions []Session) (errs []error) {
	for i, s := range sessions {
		switch {
		case s.From < -dayMinutes || s.To > 2*dayMinutes:
			errs = append(errs, fmt.Errorf("%v: session %s: reaches further than one day before or after its own", day, s))
		case s.To <= s.From || s.To-s.From > 2*dayMinutes:
			errs = append(errs, fmt.Errorf("%v: session %s: its length has to be above 0 and at most 48 hours", day, s))
		case i > 0 && s.From < sessions[i-1].To:
			errs = append(errs, fmt.Errorf("%v: session %s begins before %s ends", day, s, sessions[i-1]))
		}
	}
	return errs
}

// inOrder checks the sessions of one day against those of a day that is gap days later.
func inOrder(sessions, later []Session, gap int, day, laterDay fmt.Stringer) []error {
	if len(sessions) == 0 || len(later) == 0 {
		return nil
	}
	last, first := sessions[len(sessions)-1], later[0]
	if last.To <= first.From+gap*dayMinutes {
		return nil
	}
	return []error{fmt.Errorf("session %s of %v begins before %s of %v ends", first, laterDay, last, day)}
}

func (b *Business) validHoliday(i int) []error {
	h := b.Holidays[i]
	if date(h.Date.number()) != h.Date {
		return []error{fmt.Errorf("holiday %v: there is no such day", h.Date)}
	}
	if i > 0 && b.Holidays[i-1].Date.Compare(h.Date) >= 0 {
		return []error{fmt.Errorf("holiday %v: not after the one before it, %v", h.Date, b.Holidays[i-1].Date)}
	}
	errs := validSessions(h.Date, h.Sessions)
	for gap := 1; gap <= 2; gap++ {
		before, after := date(h.Date.number()-int64(gap)), date(h.Date.number()+int64(gap))
		errs = append(errs, inOrder(b.sessions(before.number()), h.Sessions, gap, before, h.Date)...)
		if _, listed := b.holiday(after); !listed { // a later holiday checks against this one itself
			errs = append(errs, inOrder(h.Sessions, b.sessions(after.number()), gap, h.Date, after)...)
		}
	}
	return errs
}

func (b *Business) validCutOffs() (errs []error) {
	names := map[string]bool{}
	for i, c := range b.CutOffs {
		switch {
		case c.Name == "":
			errs = append(errs, fmt.Errorf("cut-off %d: no name", i+1))
		case names[c.Name]:
			errs = append(errs, fmt.Errorf("cut-off %s: twice", c.Name))
		case c.Minute < -dayMinutes || c.Minute > 2*dayMinutes:
			errs = append(errs, fmt.Errorf("cut-off %s: further than one day before or after its own", c.Name))
		case i > 0 && c.Minute < b.CutOffs[i-1].Minute:
			errs = append(errs, fmt.Errorf("cut-off %s: earlier than the one before it, %s", c.Name, b.CutOffs[i-1].Name))
		}
		names[c.Name] = true
	}
	return errs
}

// String writes 09:00-17:00, with -1d or +1d where it reaches into the day before or after.
func (s Session) String() string { return minute(s.From) + "-" + minute(s.To) }

func minute(m int) string {
	suffix := ""
	switch {
	case m < 0:
		m, suffix = m+dayMinutes, "-1d"
	case m > dayMinutes:
		m, suffix = m-dayMinutes, "+1d"
	}
	return fmt.Sprintf("%02d:%02d%s", m/60, m%60, suffix)
}

// Open reports whether business is done at t.
func (b *Business) Open(t time.Time) bool {
	c, at := b.clockAt(t), t.Unix()
	today := c.day(at)
	for day := today - reach; day <= today+reach; day++ {
		for _, s := range b.sessions(day) {
			if c.instant(day, s.From) <= at && at < c.instant(day, s.To) {
				return true
			}
		}
	}
	return false
}

// OpenBetween is how much of (from, to] is business time; 0 if to is not after from. It costs in
// proportion to the days between, whatever the number of holidays.
func (b *Business) OpenBetween(from, to time.Time) time.Duration {
	if !to.After(from) {
		return 0
	}
	c, total := b.clockAt(from), time.Duration(0)
	first, last := c.day(from.Unix())-reach, (to.Unix()+daySeconds)/daySeconds+reach // no zone is a day ahead of UTC
	for day := first; day <= last; day++ {
		for _, s := range b.sessions(day) {
			begin, end := time.Unix(c.instant(day, s.From), 0), time.Unix(c.instant(day, s.To), 0)
			if begin.Before(from) {
				begin = from
			}
			if end.After(to) {
				end = to
			}
			total += max(0, end.Sub(begin))
		}
	}
	return total
}

// NextChange returns the first moment after t at which business begins or ends, and which of the two. Sessions
// that meet are one. It is not ok if nothing changes for 400 days, which takes a look at each of their sessions.
func (b *Business) NextChange(t time.Time) (at time.Time, open, ok bool) {
	found := func(sec int64, open bool) (time.Time, bool, bool) {
		if at := time.Unix(sec, 0).In(b.Location); at.Sub(t) <= horizon*24*time.Hour {
			return at, open, true
		}
		return time.Time{}, false, false
	}
	c, now := b.clockAt(t), t.Unix()
	today := c.day(now)
	var end int64 // of business that goes on at t
	inside := false
	for day := today - reach; day <= today+reach+horizon; day++ {
		for _, s := range b.sessions(day) {
			begin, until := c.instant(day, s.From), c.instant(day, s.To)
			switch {
			case until <= now || until <= begin: // over, or skipped whole by a clock change
			case inside && begin > end:
				return found(end, false)
			case inside, begin <= now:
				inside, end = true, until
			default:
				return found(begin, true)
			}
		}
	}
	if inside {
		return found(end, false)
	}
	return time.Time{}, false, false
}

// Day returns the civil day of t in the calendar's zone, and its class.
func (b *Business) Day(t time.Time) (Date, DayClass) {
	y, m, d := t.In(b.Location).Date()
	day := Date{y, m, d}
	h, listed := b.holiday(day)
	switch {
	case !listed:
		return day, DayClass(weekday(day.number()))
	case len(h.Sessions) == 0:
		return day, HolidayClass
	}
	return day, HalfDayClass
}

// SessionDay returns the day whose business goes on at t or, while closed, opens next: the value date of a
// system whose day begins on the evening before, the cycle day of one that never closes. It is false if nothing
// opens in the next 400 days.
func (b *Business) SessionDay(t time.Time) (Date, bool) {
	c, now := b.clockAt(t), t.Unix()
	today := c.day(now)
	for day := today - reach; day <= today+reach+horizon; day++ {
		for _, s := range b.sessions(day) {
			if end := c.instant(day, s.To); now < end && c.instant(day, s.From) < end {
				return date(day), true
			}
		}
	}
	return Date{}, false
}

// NextCutOff returns the first cut-off of that name on a business day that is not before t. It is false
// if the calendar has none of that name, or no business day in the next 400 days.
func (b *Business) NextCutOff(t time.Time, name string) (time.Time, bool) {
	i := slices.IndexFunc(b.CutOffs, func(c CutOff) bool { return c.Name == name })
	if i < 0 {
		return time.Time{}, false
	}
	c := b.clockAt(t)
	today := c.day(t.Unix())
	for day := today - reach; day <= today+reach+horizon; day++ {
		if at := time.Unix(c.instant(day, b.CutOffs[i].Minute), 0); len(b.sessions(day)) > 0 && !at.Before(t) {
			return at.In(b.Location), true
		}
	}
	return time.Time{}, false
}

// BusinessDay reports whether d has any session.
func (b *Business) BusinessDay(d Date) bool { return len(b.sessions(d.number())) > 0 }

// AddBusinessDays returns the n-th business day after d, or before it if n is negative; d itself need
// not be one. With 0 it is d if that is a business day, else the next one. It is false if the
// calendar has no business day within 400 days of the last one found.
func (b *Business) AddBusinessDays(d Date, n int) (Date, bool) {
	step, day := int64(1), d.number()
	if n < 0 {
		step, n = -1, -n
	}
	if n == 0 {
		day, n = day-1, 1
	}
	for ; n > 0; n-- {
		last := day
		for day += step; len(b.sessions(day)) == 0; day += step {
			if (day-last)*step > horizon {
				return Date{}, false
			}
		}
	}
	return date(day), true
}

// sessions are those of one day, by its number.
func (b *Business) sessions(day int64) []Session {
	if len(b.Holidays) > 0 {
		if h, listed := b.holiday(date(day)); listed {
			return h.Sessions
		}
	}
	return b.Week[weekday(day)]
}

func (b *Business) holiday(d Date) (Holiday, bool) {
	i, found := slices.BinarySearchFunc(b.Holidays, d, func(h Holiday, d Date) int { return h.Date.Compare(d) })
	if !found {
		return Holiday{}, false
	}
	return b.Holidays[i], true
}

// weekday of a day number: 1970-01-01 was a Thursday.
func weekday(day int64) time.Weekday { return time.Weekday(((day+4)%7 + 7) % 7) }

// clock turns wall-clock minutes of a zone into instants. It keeps the stretch of constant offset it was
// last asked about, in which the answer is one subtraction.
type clock struct {
	zone      *time.Location
	offset    int64 // seconds east of UTC
	safe, end int64 // Unix seconds between which that offset alone decides
}

func (b *Business) clockAt(t time.Time) clock {
	c := clock{zone: b.Location}
	c.seat(t)
	return c
}

func (c *clock) seat(t time.Time) {
	t = t.In(c.zone)
	_, offset := t.Zone()
	start, end := t.ZoneBounds()
	c.offset, c.safe, c.end = int64(offset), math.MinInt64, math.MaxInt64
	if !start.IsZero() {
		c.safe = start.Unix() + 2*daySeconds // offsets differ by less: no reading from before start reaches here
	}
	if !end.IsZero() {
		c.end = end.Unix()
	}
}

// day is the number of the civil day of an instant near the one the clock is set to.
func (c *clock) day(at int64) int64 {
	reading := at + c.offset
	return (reading - (reading%daySeconds+daySeconds)%daySeconds) / daySeconds
}

// instant is the first moment, in Unix seconds, at which the clock shows that minute of that day or a
// later one.
func (c *clock) instant(day int64, minute int) int64 {
	reading := day*daySeconds + int64(minute)*60
	if at := reading - c.offset; at >= c.safe && at < c.end {
		return at
	}
	from := reading - daySeconds // no zone is a day ahead of UTC
	for {
		c.seat(time.Unix(from, 0))
		if at := max(from, reading-c.offset); at < c.end {
			return at
		}
		from = c.end
	}
}
