package calendar

import "time"

// Business is a calendar of business time: on which days, between which hours of its own zone,
// business is done. The zero value is not valid; see [Business.Validate].
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

// CutOff is a moment of each business day by which something has to be in.
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
