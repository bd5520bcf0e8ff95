package alertmanager

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/calendar"
)

const (
	minutesADay = 1440
	years       = 2 // for which exceptions are written out: this one and the next
	neverYear   = "1970"
)

// business is a calendar in Alertmanager's terms: business is done in any of open that is in none of closed.
//
// The week stands in open, in the calendar's own zone. Days that read otherwise are written out for two years: more
// business in open, less in closed. On days of a clock change an hour reads twice or not at all, so these are in UTC.
type business struct {
	name         string
	open, closed []times
}

type interval struct {
	Name  string  `yaml:"name"`
	Times []times `yaml:"time_intervals"`
}

type times struct {
	Times    []clock  `yaml:"times,omitempty,flow"`
	Weekdays []string `yaml:"weekdays,omitempty,flow"`
	Days     []string `yaml:"days_of_month,omitempty,flow"`
	Months   []string `yaml:"months,omitempty,flow"`
	Years    []string `yaml:"years,omitempty,flow"`
	Location string   `yaml:"location,omitempty"`
}

type clock struct {
	From string `yaml:"start_time"`
	To   string `yaml:"end_time"`
}

func (b *business) openName() string   { return "open-" + b.name }
func (b *business) closedName() string { return "closed-" + b.name }

func (b *business) named() []interval {
	out := []interval{{b.openName(), b.open}}
	if len(b.closed) > 0 {
		out = append(out, interval{b.closedName(), b.closed})
	}
	return out
}

// businessTimes are those of the calendars in use, by name, without those that never close.
func businessTimes(objs []alerts.Objective, year int) []business {
	used := map[string]*calendar.Business{}
	for i := range objs {
		if c := objs[i].Calendar; c != nil {
			used[c.Name] = c
		}
	}
	var out []business
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if b, closes := inIntervals(used[name], year); closes {
			out = append(out, b)
		}
	}
	return out
}

// minutes are those of one day, true where business is done.
type minutes [minutesADay]bool

// inIntervals works a calendar out from the first day of year on. It is false if it is never closed in these years.
func inIntervals(c *calendar.Business, year int) (business, bool) {
	week := readWeek(c)
	b := business{name: c.Name, open: weekTimes(c, &week)}
	more, less := findExceptions(c, &week, year)
	b.open, b.closed = append(b.open, more.times()...), less.times()
	full := !slices.ContainsFunc(week[:], func(m minutes) bool { return slices.Contains(m[:], false) })
	if len(b.open) == 0 {
		b.open = []times{{Years: []string{neverYear}}}
	}
	return b, !full || len(b.closed) > 0
}

// readWeek is what the clock says of a week without holidays: sessions of a day may lie on its neighbours.
func readWeek(c *calendar.Business) (week [7]minutes) {
	for day, sessions := range c.Week {
		for _, s := range sessions {
			for m := s.From; m < s.To; m++ {
				at := (day*minutesADay + m + len(week)*minutesADay) % (len(week) * minutesADay)
				week[at/minutesADay][at%minutesADay] = true
			}
		}
	}
	return week
}

func weekTimes(c *calendar.Business, week *[7]minutes) (out []times) {
	for day := range week {
		spans, first := week[day].clocks(), slices.Index(week[:], week[day]) == day
		if !first || len(spans) == 0 {
			continue
		}
		t := times{Times: spans, Location: c.Location.String()}
		var days []int
		for other := range week {
			if week[other] == week[day] {
				days = append(days, other)
			}
		}
		t.Weekdays = runs(days, func(d int) string { return strings.ToLower(time.Weekday(d).String()) })
		if wholeDay(spans) {
			t.Times = nil
		}
		out = append(out, t)
	}
	return out
}

// exceptions are minutes by day, of a clock in the calendar's zone or in UTC.
type exceptions map[date]*minutes

type date struct {
	calendar.Date
	zone string
}

func (e exceptions) add(at time.Time) {
	d := date{calendar.Date{Year: at.Year(), Month: at.Month(), Day: at.Day()}, at.Location().String()}
	if e[d] == nil {
		e[d] = &minutes{}
	}
	e[d][at.Hour()*60+at.Minute()] = true
}

// findExceptions compares what the week says with what the calendar says, minute by minute. A day without any
// business is closed as a whole, so that holidays look like holidays.
func findExceptions(c *calendar.Business, week *[7]minutes, year int) (more, less exceptions) {
	more, less = exceptions{}, exceptions{}
	midnight := func(day int) time.Time { return time.Date(year, time.January, 1+day, 0, 0, 0, 0, c.Location) }
	end, open := midnight(0).AddDate(years, 0, 0), follow(c, midnight(0))
	for day := 0; midnight(day).Before(end); day++ {
		from, to := midnight(day), midnight(day+1)
		zone, weekday := zoneOf(from, to), from.Weekday()
		anyOpen, differs := false, false
		for i := range int(to.Sub(from) / time.Minute) {
			at, minute := from.Add(time.Duration(i)*time.Minute), i
			if zone == time.UTC && c.Location != time.UTC {
				weekday, minute = at.Weekday(), at.Hour()*60+at.Minute()
			}
			isOpen, said := open(at), week[weekday][minute]
			anyOpen, differs = anyOpen || isOpen, differs || said != isOpen
			switch {
			case isOpen && !said:
				more.add(at.In(zone))
			case said && !isOpen:
				less.add(at.In(zone))
			}
		}
		if differs && !anyOpen && zone == c.Location {
			for i := range minutesADay {
				less.add(from.Add(time.Duration(i) * time.Minute))
			}
		}
	}
	return more, less
}

// zoneOf is in which a day from midnight to midnight is written: its own if that shows every minute once.
func zoneOf(from, to time.Time) *time.Location {
	_, first := from.Zone()
	_, last := to.Add(-time.Minute).Zone()
	if first == last && to.Sub(from) == 24*time.Hour && from.Hour() == 0 && from.Minute() == 0 {
		return from.Location()
	}
	return time.UTC
}

// follow answers whether c is open at moments that never go back, from on.
func follow(c *calendar.Business, from time.Time) func(time.Time) bool {
	open := c.Open(from)
	change, _, ok := c.NextChange(from)
	return func(at time.Time) bool {
		for ok && !at.Before(change) {
			open = !open
			change, _, ok = c.NextChange(change)
		}
		return open
	}
}

// times writes exceptions with days of one month that have the same hours together, in the order of their days.
func (e exceptions) times() (out []times) {
	days := slices.SortedFunc(maps.Keys(e), func(a, b date) int {
		return cmp.Or(a.Compare(b.Date), strings.Compare(a.zone, b.zone))
	})
	written := map[date]bool{}
	for _, d := range days {
		if written[d] {
			continue
		}
		var same []int
		for _, other := range days {
			if other.Year == d.Year && other.Month == d.Month && other.zone == d.zone && *e[other] == *e[d] {
				same, written[other] = append(same, other.Day), true
			}
		}
		t := times{Times: e[d].clocks(), Location: d.zone}
		if wholeDay(t.Times) {
			t.Times = nil
		}
		t.Days = runs(same, strconv.Itoa)
		t.Months, t.Years = []string{strings.ToLower(d.Month.String())}, []string{strconv.Itoa(d.Year)}
		out = append(out, t)
	}
	return out
}

// clocks are the stretches that are true.
func (m *minutes) clocks() (out []clock) {
	for from := 0; from < minutesADay; from++ {
		if !m[from] {
			continue
		}
		to := from
		for to < minutesADay && m[to] {
			to++
		}
		out = append(out, clock{hhmm(from), hhmm(to)})
		from = to
	}
	return out
}

func hhmm(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

func wholeDay(c []clock) bool { return len(c) == 1 && c[0] == clock{"00:00", "24:00"} }

// runs writes ascending numbers as ranges: 1:3, 5.
func runs(numbers []int, name func(int) string) (out []string) {
	for i := 0; i < len(numbers); {
		last := i
		for last+1 < len(numbers) && numbers[last+1] == numbers[last]+1 {
			last++
		}
		run := name(numbers[i])
		if last > i {
			run += ":" + name(numbers[last])
		}
		out = append(out, run)
		i = last + 1
	}
	return out
}
