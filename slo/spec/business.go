package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/calendar"
)

type businessDocument struct {
	Header header       `yaml:",inline"`
	Spec   businessSpec `yaml:"spec"`
}

type businessSpec struct {
	Description string                     `yaml:"description"`
	Extends     string                     `yaml:"extends"`
	TimeZone    string                     `yaml:"timeZone"`
	Week        map[string]strictyaml.Node `yaml:"week"`
	Holidays    []holiday                  `yaml:"holidays"`
	Closures    []closure                  `yaml:"closures"`
	Openings    []holiday                  `yaml:"openings"`
	CutOffs     []cutOff                   `yaml:"cutOffs"`
}

type closure struct {
	Date string `yaml:"date"`
	Name string `yaml:"name"`
}

type holiday struct {
	Date  string          `yaml:"date"`
	Name  string          `yaml:"name"`
	Hours strictyaml.Node `yaml:"hours"`
}

type cutOff struct {
	Name string `yaml:"name"`
	At   string `yaml:"at"`
}

// namedSession is the long form of a session.
type namedSession struct {
	Name  string `yaml:"name"`
	Hours string `yaml:"hours"`
}

// business reads a calendar. Objectives find it by its name even when it has mistakes.
func (l *loader) business(n strictyaml.Node) {
	b := &calendar.Business{Name: l.name(n.At("metadata.name"))}
	var doc businessDocument
	fine := l.decode(n, &doc, func() { l.businessValues(n.At("spec"), &doc.Spec, b) })
	if _, again := l.calendars[b.Name]; again {
		l.add(n.Problem(problem.Problem{Path: "metadata.name", Message: "a calendar of this name is already there", Got: b.Name}))
		return
	}
	if b.Name == "" {
		return
	}
	l.calendars[b.Name] = b
	if fine {
		l.set.Calendars = append(l.set.Calendars, b)
	}
}

func (l *loader) businessValues(n strictyaml.Node, in *businessSpec, b *calendar.Business) {
	before := l.problems.Errors()
	base := l.foundation(n, b)
	if week := n.At("week"); base == nil || week.Exists() {
		l.week(week, b)
	}
	l.days(n, in, b)
	for i, c := range in.CutOffs {
		l.cutOff(n.At("cutOffs["+strconv.Itoa(i)+"]"), c, b)
	}
	if base != nil {
		extend(base, b)
	}
	slices.SortFunc(b.Holidays, func(a, b calendar.Holiday) int { return a.Date.Compare(b.Date) })
	slices.SortStableFunc(b.CutOffs, func(a, b calendar.CutOff) int { return cmp.Compare(a.Minute, b.Minute) })
	if l.problems.Errors() > before {
		return
	}
	// What is left to be wrong is between days, such as a night that reaches into the next morning's session.
	for _, err := range split(b.Validate()) {
		l.add(n.Problem(problem.Problem{Path: "week", Message: err.Error()}))
	}
}

// foundation gives b the zone that is written, or zone and week of the built-in calendar it extends, which it
// returns.
func (l *loader) foundation(n strictyaml.Node, b *calendar.Business) *calendar.Business {
	extends, zone := n.At("extends"), n.At("timeZone")
	switch {
	case extends.Exists():
		if zone.Exists() {
			l.add(zone.Problem(problem.Problem{Message: "is that of the calendar it extends", Got: zone.Text(), Allowed: "extends or timeZone"}))
		}
		base, known := l.builtin(extends)
		if !known {
			p := extends.Wrong(strings.Join(calendar.BuiltinNames(), ", "))
			p.Message = "there is no such built-in calendar" + strictyaml.DidYouMean(extends.Text(), calendar.BuiltinNames())
			l.add(p)
		}
		if base == nil {
			base = &calendar.Business{} // with a mistake nothing more is asked of it
		}
		b.Location, b.Week = base.Location, base.Week
		return base
	case !zone.Exists() || zone.Text() == "":
		l.add(zone.Wrong(zoneAllowed))
	default:
		b.Location = l.location(zone)
	}
	return nil
}

// days reads the dates that are not as their weekday is. Each is written once, in whichever list.
func (l *loader) days(n strictyaml.Node, in *businessSpec, b *calendar.Business) {
	for i, h := range in.Holidays {
		l.holiday(n.At("holidays["+strconv.Itoa(i)+"]"), h, b)
	}
	for i, c := range in.Closures {
		l.holiday(n.At("closures["+strconv.Itoa(i)+"]"), holiday{Date: c.Date, Name: c.Name}, b)
	}
	for i, o := range in.Openings {
		at, known := n.At("openings["+strconv.Itoa(i)+"]"), len(b.Holidays)
		l.holiday(at, o, b)
		if o.Hours.Exists() || len(b.Holidays) == known {
			continue
		}
		opened := &b.Holidays[known]
		opened.Sessions = b.Week[opened.Date.Weekday()]
		if len(opened.Sessions) == 0 && b.Location != nil { // without a zone its week may not be known either
			l.add(at.At("hours").Wrong(fmt.Sprintf("hours such as [\"09:00-17:30\"]: a %v has none of its own", opened.Date.Weekday())))
		}
	}
}

// extend adds the days and cut-offs of base that b says nothing else of. A half-day on a weekday that b closes
// is none.
func extend(base, b *calendar.Business) {
	own := map[calendar.Date]bool{}
	for _, h := range b.Holidays {
		own[h.Date] = true
	}
	for _, h := range base.Holidays {
		if !own[h.Date] && (len(h.Sessions) == 0 || len(b.Week[h.Date.Weekday()]) > 0) {
			b.Holidays = append(b.Holidays, h)
		}
	}
	for _, c := range base.CutOffs {
		if !slices.ContainsFunc(b.CutOffs, func(o calendar.CutOff) bool { return o.Name == c.Name }) {
			b.CutOffs = append(b.CutOffs, c)
		}
	}
}

// The years for which built-in calendars are written out, whatever the time is: so that two loads of one file
// mean the same.
const (
	builtinFrom = 2015
	builtinTo   = 2099
)

// builtinCalendar is a built-in calendar written out.
type builtinCalendar struct {
	*calendar.Business
	validity calendar.Validity
	err      error
}

// builtinCalendars are written out when they are first asked for, by whichever worker.
func builtinCalendars() map[string]func() builtinCalendar {
	all := map[string]func() builtinCalendar{}
	for _, name := range calendar.BuiltinNames() {
		all[name] = sync.OnceValue(func() builtinCalendar {
			b, v, err := calendar.Builtin(name, builtinFrom, builtinTo)
			return builtinCalendar{b, v, err}
		})
	}
	return all
}

// builtin finds the built-in calendar that n names. It is nil, and told of, if its zone is not known here.
func (l *loader) builtin(n strictyaml.Node) (found *calendar.Business, known bool) {
	written, known := l.builtins[n.Text()]
	if !known {
		return nil, false
	}
	found, err := written().Business, written().err
	if err != nil {
		l.add(n.Problem(problem.Problem{Message: err.Error(), Got: n.Text()}))
		return nil, true
	}
	if _, before := l.builtinsUsed[n.Text()]; !before {
		l.builtinsUsed[n.Text()] = n
	}
	return found, true
}

// warnOfBuiltins tells where a built-in calendar whose data have an end soon is named first.
func (l *loader) warnOfBuiltins() {
	for name, n := range l.builtinsUsed {
		if text := l.builtins[name]().validity.Warning(l.opts.Now); text != "" && !l.opts.Now.IsZero() {
			l.warn(n.Problem(problem.Problem{Message: text, Got: name}))
		}
	}
}

// split lists what was joined.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// weekdays are the keys of a week, in the order of time.Weekday.
func weekdays() []string {
	return []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
}

// week reads days and ranges of days, which may go over the week's end: sunday-thursday, friday-monday.
func (l *loader) week(n strictyaml.Node, b *calendar.Business) {
	const allowed = "a day such as monday, or days such as monday-friday"
	if !n.Exists() {
		l.add(n.Wrong("days with their hours, such as {monday-friday: [\"09:00-17:30\"]}"))
	}
	given := map[int]string{}
	for _, e := range n.Entries() {
		from, to, isRange := strings.Cut(strings.ToLower(e.Key), "-")
		first := slices.Index(weekdays(), from)
		last := first
		if isRange {
			last = slices.Index(weekdays(), to)
		}
		if first < 0 || last < 0 || isRange && first == last {
			l.add(e.Value.Problem(problem.Problem{Message: "is no day" + strictyaml.DidYouMean(e.Key, weekdays()), Got: e.Key, Allowed: allowed}))
			continue
		}
		sessions := l.sessions(e.Value)
		for day := first; ; day = (day + 1) % 7 {
			if other, again := given[day]; again {
				l.add(e.Value.Problem(problem.Problem{Message: weekdays()[day] + " is already in " + other, Got: e.Key}))
				break
			}
			given[day] = e.Key
			b.Week[day] = sessions
			if day == last {
				break
			}
		}
	}
}

// sessions reads the hours of one day, in order of time.
func (l *loader) sessions(n strictyaml.Node) []calendar.Session {
	if !n.IsList() {
		l.add(n.Wrong(`a list of hours such as ["09:00-17:30"], empty for a closed day`))
		return nil
	}
	var out []calendar.Session
	for _, item := range n.Items() {
		s, ok := l.session(item)
		if !ok {
			continue
		}
		for _, other := range out {
			if s.From < other.To && other.From < s.To {
				l.add(item.Problem(problem.Problem{Message: "overlaps " + other.String(), Got: s.String()}))
				break
			}
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b calendar.Session) int { return cmp.Compare(a.From, b.From) })
	return out
}

const hoursAllowed = `hours such as "09:00-17:30", which may reach into the day after ("18:00-26:00") or begin on the day before ("-05:00-18:00")`

func (l *loader) session(n strictyaml.Node) (calendar.Session, bool) {
	in, at := namedSession{Hours: n.Text()}, n
	if n.IsMapping() {
		at = n.At("hours")
		before := l.problems.Errors()
		l.problems = append(l.problems, n.Decode(&in)...)
		if l.problems.Errors() > before {
			return calendar.Session{}, false
		}
	}
	s, ok := calendar.ParseHours(in.Hours)
	switch p := at.Wrong(hoursAllowed); {
	case !ok:
		l.add(p)
		return calendar.Session{}, false
	case s.From >= s.To:
		p.Message = "is empty"
		if s.From > s.To {
			p.Message = fmt.Sprintf("ends before it begins; on the next day it ends at %02d:%02d", s.To/60+24, s.To%60)
		}
		l.add(p)
		return calendar.Session{}, false
	}
	s.Name = in.Name
	return s, true
}

const clockAllowed = "a time of day such as 17:00, from -24:00 to 48:00"

func (l *loader) holiday(n strictyaml.Node, in holiday, b *calendar.Business) {
	var sessions []calendar.Session
	if in.Hours.Exists() {
		sessions = l.sessions(in.Hours)
	}
	day, ok := calendar.ParseDate(in.Date)
	if !ok {
		l.add(n.At("date").Wrong("a date such as 2026-12-25"))
		return
	}
	h := calendar.Holiday{Date: day, Name: in.Name, Sessions: sessions}
	if slices.ContainsFunc(b.Holidays, func(o calendar.Holiday) bool { return o.Date == h.Date }) {
		l.add(n.At("date").Problem(problem.Problem{Message: "is there already", Got: in.Date}))
		return
	}
	b.Holidays = append(b.Holidays, h)
}

func (l *loader) cutOff(n strictyaml.Node, in cutOff, b *calendar.Business) {
	minute, ok := calendar.ParseClock(in.At)
	if !ok {
		l.add(n.At("at").Wrong(clockAllowed))
	}
	switch {
	case in.Name == "":
		l.add(n.At("name").Wrong("what has to be in by then"))
	case slices.ContainsFunc(b.CutOffs, func(c calendar.CutOff) bool { return c.Name == in.Name }):
		l.add(n.At("name").Problem(problem.Problem{Message: "a cut-off of this name is there already", Got: in.Name}))
	default:
		b.CutOffs = append(b.CutOffs, calendar.CutOff{Name: in.Name, Minute: minute})
	}
}
