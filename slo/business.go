package slo

import (
	"time"

	"github.com/assayer-io/assayer/slo/calendar"
)

// inBusiness gives fn what was counted over a stretch, and makes what lies outside the objective's
// calendar excluded. A gap is cut where business opens and closes.
func (o *objective) inBusiness(at stretch, c counts, fn func(stretch, counts)) {
	if o.Calendar == nil {
		fn(at, c)
		return
	}
	if at.from == at.to {
		fn(at, c.when(o.Calendar.Open(time.UnixMilli(at.to-1)))) // edges belong to what they end
		return
	}
	whole := at.to - at.from
	var done counts
	o.eachSession(at.from, at.to, func(from, to int64, open bool) {
		upTo := c.part(to-at.from, whole)
		fn(stretch{from, to}, upTo.minus(done).when(open))
		done = upTo
	})
}

// eachSession cuts (from, to] where business opens and closes.
func (o *objective) eachSession(from, to int64, fn func(from, to int64, open bool)) {
	for t := from; t < to; {
		end := to
		open := o.Calendar.Open(time.UnixMilli(t))
		if next, _, ok := o.Calendar.NextChange(time.UnixMilli(t)); ok {
			end = min(end, max(t+1, next.UnixMilli()))
		}
		fn(t, end, open)
		t = end
	}
}

// eachOpen calls fn for the parts of (from, to] in which business is open.
func (o *objective) eachOpen(from, to int64, fn func(from, to int64)) {
	if o.Calendar == nil {
		fn(from, to)
		return
	}
	o.eachSession(from, to, func(from, to int64, open bool) {
		if open {
			fn(from, to)
		}
	})
}

// when keeps c while business is open; otherwise its events are excluded.
func (c counts) when(open bool) counts {
	if open {
		return c
	}
	c.excluded += c.good + c.bad
	c.good, c.bad = 0, 0
	return c
}

// owed is how much of (from, to] an objective wants to be observed.
func (o *objective) owed(from, to int64) int64 {
	if o.Calendar == nil {
		return to - from
	}
	return o.Calendar.OpenBetween(time.UnixMilli(from), time.UnixMilli(to)).Milliseconds()
}

// slotOf says which moments are alike for an objective's traffic: the class of the day and the hour of
// the day in the calendar's zone; without a calendar, the weekday and hour in UTC.
func slotOf(c *calendar.Business, hour int64) (class calendar.DayClass, hourOfDay int) {
	t := time.UnixMilli(hour * msPerHour).UTC()
	if c == nil {
		return calendar.DayClass(t.Weekday()), t.Hour()
	}
	_, class = c.Day(t)
	return class, t.In(c.Location).Hour()
}
