package spec

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/burnrate"
)

const (
	day       = 24 * time.Hour
	maxWindow = 400 * day
	minLooks  = 4 // scrapes in the shortest window

	rollingAllowed  = "a duration such as 30d, 4w or 12h"
	calendarAllowed = "a number of days d, weeks w, months M, quarters Q or years Y, such as 1M"
	startLayout     = "2006-01-02 15:04:05"
)

type timeWindow struct {
	Duration  string       `yaml:"duration"`
	IsRolling *bool        `yaml:"isRolling"`
	Calendar  *periodStart `yaml:"calendar"`
}

type periodStart struct {
	StartTime string `yaml:"startTime"`
	TimeZone  string `yaml:"timeZone"`
}

// window reads timeWindow; n is the list.
func (l *loader) window(n strictyaml.Node, list []timeWindow) Window {
	if len(list) != 1 {
		l.add(n.Problem(problem.Problem{Got: fmt.Sprint(len(list), " windows"), Allowed: "exactly one, such as [{duration: 30d, isRolling: true}]"}))
		return Window{}
	}
	n = n.At("[0]")
	w := list[0]
	rolling := w.Calendar == nil
	if w.IsRolling != nil {
		rolling = *w.IsRolling
	} else {
		l.lenient(n.Problem(problem.Problem{Path: "isRolling", Message: fmt.Sprint("is missing and taken as ", rolling), Allowed: "true or false"}))
	}
	if !rolling {
		return l.calendarWindow(n, w)
	}
	if w.Calendar != nil {
		l.lenient(n.Problem(problem.Problem{Path: "calendar", Message: "is ignored, since the window rolls"}))
	}
	rolls, _ := l.rollingWindow(n.At("duration"))
	return rolls
}

var (
	unitText   = regexp.MustCompile(`^([0-9]{1,4})([dwMQY])$`)
	minuteText = regexp.MustCompile(`^([0-9]{1,2})m$`)
)

func (l *loader) rollingWindow(n strictyaml.Node) (Window, bool) {
	text := n.Text()
	w := Window{Text: text, Rolling: true}
	if n.IsNumber() {
		l.add(n.Wrong(rollingAllowed))
		return w, false
	}
	if m := minuteText.FindStringSubmatch(text); m != nil {
		count, _ := strconv.Atoi(m[1]) // the pattern lets only digits through
		hint := problem.Problem{Message: fmt.Sprintf("%s is minutes, %dM is months", text, count), Got: text, Allowed: rollingAllowed}
		switch {
		case count == 1:
			hint.Message = "1m is one minute, 1M is a month"
			l.add(n.Problem(hint))
			return w, false
		case count <= 12:
			l.warn(n.Problem(hint))
		}
	}
	if m := unitText.FindStringSubmatch(text); m != nil && m[2] >= "M" && m[2] <= "Y" {
		w.Unit, w.Count, w.Length = nominal(m)
		l.lenient(n.Problem(problem.Problem{Got: text, Allowed: rollingAllowed,
			Message: "a rolling window of months, quarters or years is taken as " + burnrate.Text(w.Length)}))
		w.Unit, w.Count = "", 0
	} else {
		d, err := model.ParseDuration(text)
		if err != nil {
			l.add(n.Wrong(rollingAllowed))
			return w, false
		}
		w.Length = time.Duration(d)
	}
	return w, l.withinBounds(n, w.Length)
}

func (l *loader) withinBounds(n strictyaml.Node, d time.Duration) bool {
	shortest := minLooks * l.opts.ScrapeInterval
	if d >= shortest && d <= maxWindow {
		return true
	}
	from := fmt.Sprintf("%s (%d scrapes)", burnrate.Text(shortest), minLooks)
	if l.opts.ScrapeInterval <= time.Millisecond { // no interval is known, and this one is in nobody's way
		from = fmt.Sprintf("%d scrapes", minLooks)
	}
	l.add(n.Wrong(from + " to " + burnrate.Text(maxWindow)))
	return false
}

// nominal is the unit, count and length of what unitText matched.
func nominal(match []string) (CalendarUnit, int, time.Duration) {
	count, _ := strconv.Atoi(match[1]) // the pattern lets only digits through
	units := map[string]struct {
		unit   CalendarUnit
		length time.Duration
	}{"d": {Day, day}, "w": {Week, 7 * day}, "M": {Month, 30 * day}, "Q": {Quarter, 90 * day}, "Y": {Year, 365 * day}}
	u := units[match[2]]
	return u.unit, count, time.Duration(count) * u.length
}

func (l *loader) calendarWindow(n strictyaml.Node, in timeWindow) Window {
	w := Window{Text: in.Duration}
	m := unitText.FindStringSubmatch(in.Duration)
	if m == nil {
		p := n.At("duration").Wrong(calendarAllowed)
		if minuteText.MatchString(in.Duration) {
			p.Message = "m is minutes, M is months"
		}
		l.add(p)
		return w
	}
	w.Unit, w.Count, w.Length = nominal(m)
	l.withinBounds(n.At("duration"), w.Length)
	if in.Calendar == nil {
		w.Location = time.UTC
		w.Anchor = time.Date(2001, time.January, 1, 0, 0, 0, 0, time.UTC) // the century's first day, a Monday
		l.lenient(n.Problem(problem.Problem{Path: "calendar", Message: "is missing, so periods begin at midnight UTC",
			Allowed: "startTime and timeZone"}))
		return w
	}
	n = n.At("calendar")
	w.Location = l.location(n.At("timeZone"))
	if w.Location == nil {
		return w
	}
	start, err := time.ParseInLocation(startLayout, in.Calendar.StartTime, w.Location)
	if err != nil {
		start, err = time.ParseInLocation(time.DateOnly, in.Calendar.StartTime, w.Location)
		if err == nil {
			l.lenient(n.Problem(problem.Problem{Path: "startTime", Message: "is taken as midnight", Got: in.Calendar.StartTime, Allowed: "YYYY-MM-DD HH:MM:SS"}))
		}
	}
	if err != nil {
		l.add(n.At("startTime").Wrong("YYYY-MM-DD HH:MM:SS"))
		return w
	}
	if start.Day() > 28 && w.Unit != Day && w.Unit != Week {
		l.add(n.Problem(problem.Problem{Path: "startTime", Message: "not every month has this day", Got: in.Calendar.StartTime, Allowed: "a day of the month from 1 to 28"}))
		return w
	}
	w.Anchor = start
	return w
}

const zoneAllowed = "a name of the IANA time zone database such as Europe/Berlin or UTC"

func (l *loader) location(n strictyaml.Node) *time.Location {
	name := n.Text()
	if name == "" {
		l.lenient(n.Problem(problem.Problem{Message: "is missing and taken as UTC", Allowed: zoneAllowed}))
		return time.UTC
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		l.add(n.Wrong(zoneAllowed))
		return nil
	}
	return loc
}
