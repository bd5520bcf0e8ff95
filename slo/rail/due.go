package rail

import (
	"errors"
	"fmt"
	"time"

	"github.com/assayer-io/assayer/slo/calendar"
)

// What a deadline cannot be computed for.
var (
	errNoCalendar = errors.New("there is no calendar")
	errNoRule     = errors.New("the rail says nothing of when a movement has to have settled")
	errNoDay      = errors.New("the calendar has no business day within 400 days")
)

// dayMinutes is where a wall clock's day ends.
const dayMinutes = 24 * 60

// Due is when a movement that was received at that moment has to have settled. cal is the calendar that the rail
// names; if its deadline names a second one in Settles, that comes after it. A receipt up to a cut-off makes
// it; later, or on a day without business, it counts as the next business day's (PSD2, Art. 78(1), and every
// clearing's own rule). Nothing is allocated unless there is an error.
//
//	sct with cut-off 16:00, received Thursday 2026-12-24T15:30:00Z → day 2026-12-28, due 2026-12-29T17:00:00Z
func (r *Rail) Due(received time.Time, cal *calendar.Business, settles ...*calendar.Business) (Due, error) {
	d, err := r.due(received, cal, settles)
	if err != nil {
		return Due{}, fmt.Errorf("computing a deadline of rail %s: %w", r.Name, err)
	}
	return d, nil
}

// Wait is how long after its receipt a movement is due, 0 if that depends on the time of day.
func (r *Rail) Wait() time.Duration {
	if c := r.Deadline.Confirmations; c != nil {
		return time.Duration(c.Blocks)*c.BlockTime + c.Grace
	}
	return r.Deadline.Within
}

func (r *Rail) due(received time.Time, cal *calendar.Business, settles []*calendar.Business) (Due, error) {
	if cal == nil {
		return Due{}, errNoCalendar
	}
	if wait := r.Wait(); wait > 0 {
		day, ok := cal.SessionDay(received)
		if !ok {
			return Due{}, errNoDay
		}
		return Due{At: received.Add(wait), Day: day}, nil
	}
	if r.Deadline.Settles != "" && len(settles) == 0 {
		return Due{}, errNoCalendar
	}
	var one [1]Window
	windows, err := r.Deadline.windows(cal, &one)
	if err != nil {
		return Due{}, err
	}
	m, ok := next(received, windows, cal)
	if !ok {
		return Due{}, errNoDay
	}
	day, ok := settlementDay(m.day, m.window.Days, cal, settles)
	if !ok {
		return Due{}, errNoDay
	}
	at := cal.At(day, m.window.At)
	if at.Before(m.cutOff) {
		at = m.cutOff // a calendar's own cut-off may be later than the deadline it was meant for
	}
	return Due{At: at, Day: m.day, Cycle: m.window.Name}, nil
}

// NextCutOff is the next moment, not before now, up to which a receipt still makes its window or business day,
// and its name. It is not ok for rails without one, and without a calendar that knows it.
func (r *Rail) NextCutOff(now time.Time, cal *calendar.Business) (at time.Time, name string, ok bool) {
	var one [1]Window
	if cal == nil {
		return time.Time{}, "", false
	}
	windows, err := r.Deadline.windows(cal, &one)
	if err != nil || r.Deadline.EndOfDay != nil && r.Deadline.CutOff == "" {
		return time.Time{}, "", false
	}
	m, ok := next(now, windows, cal)
	return m.cutOff, m.window.Name, ok
}

// windows are those of the deadline. The end of a day is one too, and put into one.
func (d *Deadline) windows(cal *calendar.Business, one *[1]Window) ([]Window, error) {
	if d.EndOfDay == nil {
		if len(d.Windows) == 0 {
			return nil, errNoRule
		}
		return d.Windows, nil
	}
	w := Window{Name: d.CutOff, CutOff: d.CutOffAt, At: d.EndOfDay.Minute, Days: d.EndOfDay.Days}
	found := d.CutOffAt != 0
	if d.CutOff == "" {
		w.CutOff, found = dayMinutes, true
	}
	for i := range cal.CutOffs {
		if d.CutOff != "" && cal.CutOffs[i].Name == d.CutOff {
			w.CutOff, found = cal.CutOffs[i].Minute, true
		}
	}
	if !found {
		return nil, fmt.Errorf("calendar %s has no cut-off %s, and the rail has no time for it", cal.Name, d.CutOff)
	}
	one[0] = w
	return one[:], nil
}

// made is the window of a business day that something makes.
type made struct {
	day    calendar.Date
	window Window
	cutOff time.Time
}

// next finds the first window whose cut-off is not before t. Windows are in the order of their cut-offs, from one
// day to the next too.
func next(t time.Time, windows []Window, cal *calendar.Business) (made, bool) {
	y, m, d := t.In(cal.Location).Date()
	back := max(0, windows[len(windows)-1].CutOff/dayMinutes) // how many days after its own the last cut-off may be
	y, m, d = time.Date(y, m, d-back, 0, 0, 0, 0, time.UTC).Date()
	day, ok := cal.AddBusinessDays(calendar.Date{Year: y, Month: m, Day: d}, 0)
	for ok {
		for i := range windows {
			if at := cal.At(day, windows[i].CutOff); !at.Before(t) {
				return made{day, windows[i], at}, true
			}
		}
		day, ok = cal.AddBusinessDays(day, 1)
	}
	return made{}, false
}

// settlementDay is the day that is so many after day, or day itself, of those on which all calendars are open.
func settlementDay(day calendar.Date, days int, cal *calendar.Business, also []*calendar.Business) (calendar.Date, bool) {
	left, ok := days, true
	if days > 0 {
		day, ok = cal.AddBusinessDays(day, 1)
	} else {
		left = 1
	}
	for tries := days + maxTries; ok && tries > 0; tries-- {
		if openOn(day, also) {
			if left--; left == 0 {
				return day, true
			}
		}
		day, ok = cal.AddBusinessDays(day, 1)
	}
	return calendar.Date{}, false
}

// maxTries bounds the search for a day on which two calendars are open.
const maxTries = 400

func openOn(day calendar.Date, calendars []*calendar.Business) bool {
	for _, c := range calendars {
		if !c.BusinessDay(day) {
			return false
		}
	}
	return true
}
