package calendar

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// ruleFile is how a built-in calendar is written down.
type ruleFile struct {
	fact      `yaml:",inline"` // of everything that has none of its own
	Title     string           `yaml:"title"`
	Zone      string           `yaml:"zone"`
	FirstYear int              `yaml:"first_year"`
	Week      []weekRule       `yaml:"week"`
	CutOffs   []cutOffRule     `yaml:"cut_offs"`
	Days      []dayRule        `yaml:"days"`
	OneOffs   []oneOff         `yaml:"one_offs"`
}

// fact is where something is written, when it was seen there and until when it holds.
type fact struct {
	Source     string  `yaml:"source"`
	AsOf       isoDate `yaml:"as_of"`
	ValidUntil isoDate `yaml:"valid_until"`
}

type weekRule struct {
	fact  `yaml:",inline"`
	Days  []dayName `yaml:"days"`
	Hours hours     `yaml:"hours"`
}

type cutOffRule struct {
	fact `yaml:",inline"`
	Name string    `yaml:"name"`
	At   clockTime `yaml:"at"`
}

// dayRule is one day a year: a date, so many days after Easter Sunday, or the nth weekday of a month (the last:
// -1) and so many days on. With hours it is a half-day, if it falls on a day of business.
type dayRule struct {
	fact     `yaml:",inline"`
	Name     string     `yaml:"name"`
	Date     monthDay   `yaml:"date"`
	Easter   *int       `yaml:"easter"`
	Nth      int        `yaml:"nth"`
	Weekday  dayName    `yaml:"weekday"`
	Month    time.Month `yaml:"month"`
	Plus     int        `yaml:"plus"`
	Observed observance `yaml:"observed"`
	Hours    hours      `yaml:"hours"`
	From     int        `yaml:"from"`  // first year; 0: as long as the calendar
	Until    int        `yaml:"until"` // last year; 0: still
	Except   []int      `yaml:"except"`
}

// oneOff is a day that was decided once. It goes before every rule, and with hours it may open a closed day.
type oneOff struct {
	fact  `yaml:",inline"`
	Date  isoDate `yaml:"date"`
	Name  string  `yaml:"name"`
	Hours hours   `yaml:"hours"`
}

// observance is where a day goes that falls on a weekend.
type observance string

const (
	asItFalls      observance = ""
	sundayToMonday observance = "sunday_to_monday" // one on a Saturday stays there
	nearestWeekday observance = "nearest_weekday"  // Saturday to Friday, Sunday to Monday
	nextWeekday    observance = "next_weekday"     // the first Monday to Friday that is no holiday itself
)

// What follows reads scalars.
type (
	isoDate   Date
	dayName   time.Weekday
	clockTime int
	hours     struct{ Session }
	monthDay  struct {
		month time.Month
		day   int
	}
)

func (d *isoDate) UnmarshalText(text []byte) error {
	parsed, ok := ParseDate(string(text))
	if !ok {
		return fmt.Errorf("%q is no date such as 2026-12-25", text)
	}
	*d = isoDate(parsed)
	return nil
}

func (d *dayName) UnmarshalText(text []byte) error {
	for w := time.Sunday; w <= time.Saturday; w++ {
		if strings.EqualFold(w.String(), string(text)) {
			*d = dayName(w)
			return nil
		}
	}
	return fmt.Errorf("%q is no weekday", text)
}

func (c *clockTime) UnmarshalText(text []byte) error {
	minute, ok := ParseClock(string(text))
	if !ok {
		return fmt.Errorf("%q is no time of day such as 17:00", text)
	}
	*c = clockTime(minute)
	return nil
}

func (h *hours) UnmarshalText(text []byte) error {
	s, ok := ParseHours(string(text))
	if !ok {
		return fmt.Errorf("%q are no hours such as 09:00-17:30", text)
	}
	h.Session = s
	return nil
}

func (m *monthDay) UnmarshalText(text []byte) error {
	t, err := time.Parse("01-02", string(text)) // of a leap year: 02-29 falls on 03-01 in others
	if err != nil {
		return fmt.Errorf("%q is no day of a year such as 12-25", text)
	}
	m.month, m.day = t.Month(), t.Day()
	return nil
}

// sessions of a day that may have none.
func (h hours) sessions() []Session {
	if h == (hours{}) {
		return nil
	}
	return []Session{h.Session}
}

// parseRules reads a rule file and refuses one that says too little.
func parseRules(data []byte) (ruleFile, error) {
	var f ruleFile
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return ruleFile{}, fmt.Errorf("reading rules: %w", err)
	}
	var errs []error
	if f.Title == "" || f.FirstYear < firstYear || f.FirstYear > lastYear {
		errs = append(errs, errors.New("no title, or no first year from 1900 to 2199"))
	}
	for _, p := range f.facts() {
		if p.Source == "" || p.AsOf == (isoDate{}) {
			errs = append(errs, fmt.Errorf("%s: no source or no as_of", p.part))
		}
	}
	for _, r := range f.Days {
		errs = append(errs, r.check())
	}
	return f, errors.Join(errs...)
}

// check reports what a rule for a day lacks or says twice.
func (r dayRule) check() error {
	kinds := 0
	for _, given := range []bool{r.Date != monthDay{}, r.Easter != nil, r.Nth != 0} {
		if given {
			kinds++
		}
	}
	known := []observance{asItFalls, sundayToMonday, nearestWeekday, nextWeekday}
	switch {
	case r.Name == "":
		return errors.New("a day without a name")
	case kinds != 1:
		return fmt.Errorf("%s: needs exactly one of date, easter and nth", r.Name)
	case r.Nth != 0 && (r.Nth < -1 || r.Nth > 4 || r.Month < time.January || r.Month > time.December):
		return fmt.Errorf("%s: nth is 1 to 4 or -1, of a month 1 to 12", r.Name)
	case r.Plus < -31 || r.Plus > 31 || r.Easter != nil && (*r.Easter < -70 || *r.Easter > 70):
		return fmt.Errorf("%s: is further off than 31 days, of Easter 70", r.Name)
	case !slices.Contains(known, r.Observed) || r.Observed != asItFalls && r.Hours != hours{}:
		return fmt.Errorf("%s: observed is %v, of a day without hours", r.Name, known[1:])
	}
	return nil
}

// datedPart is a part of a calendar and where it comes from.
type datedPart struct {
	part string
	fact
}

// facts are those of all parts, each with the file's where it has none of its own.
func (f ruleFile) facts() []datedPart {
	parts := []datedPart{{"days", f.fact}}
	for _, w := range f.Week {
		parts = append(parts, datedPart{"hours", w.fact})
	}
	for _, c := range f.CutOffs {
		parts = append(parts, datedPart{"cut-off " + c.Name, c.fact})
	}
	for _, d := range f.Days {
		parts = append(parts, datedPart{d.Name, d.fact})
	}
	for _, o := range f.OneOffs {
		parts = append(parts, datedPart{o.Name, o.fact})
	}
	for i, p := range parts {
		if p.fact == (fact{}) {
			parts[i].fact = f.fact
		}
	}
	return parts
}

// validity is that of the part that ends first.
func (f ruleFile) validity(name string) Validity {
	first := f.facts()[0]
	for _, p := range f.facts() {
		ends, before := Date(p.ValidUntil), Date(first.ValidUntil)
		if ends != (Date{}) && (before == (Date{}) || ends.Compare(before) < 0) {
			first = p
		}
	}
	return Validity{Calendar: name, Title: f.Title, First: f.FirstYear, Until: Date(first.ValidUntil), Part: first.part, Source: first.Source, AsOf: Date(first.AsOf)}
}

// expand writes out the days of the years from to to.
func (f ruleFile) expand(name string, from, to int) (*Business, error) {
	zone, err := time.LoadLocation(f.Zone)
	if err != nil {
		return nil, fmt.Errorf("looking up the zone: %w", err)
	}
	b := &Business{Name: name, Location: zone}
	for _, w := range f.Week {
		for _, day := range w.Days {
			b.Week[day] = append(b.Week[day], w.Hours.Session)
		}
	}
	for _, c := range f.CutOffs {
		b.CutOffs = append(b.CutOffs, CutOff{Name: c.Name, Minute: int(c.At)})
	}
	slices.SortStableFunc(b.CutOffs, func(a, b CutOff) int { return cmp.Compare(a.Minute, b.Minute) })
	days := map[Date]Holiday{}
	for year := from - 1; year <= to+1; year++ { // New Year's Day may be observed in the year before
		f.year(year, days)
	}
	f.halfDays(from, to, b, days)
	for _, o := range f.OneOffs {
		days[Date(o.Date)] = Holiday{Date: Date(o.Date), Name: o.Name, Sessions: o.Hours.sessions()}
	}
	for date, h := range days {
		if date.Year >= from && date.Year <= to {
			b.Holidays = append(b.Holidays, h)
		}
	}
	slices.SortFunc(b.Holidays, func(a, b Holiday) int { return a.Date.Compare(b.Date) })
	if err := b.Validate(); err != nil {
		return nil, fmt.Errorf("expanding rules: %w", err)
	}
	return b, nil
}

// year adds the closed days of one year. Those that stay where they fall go first, so that one that is moved
// to the next weekday does not land on one of them.
func (f ruleFile) year(year int, days map[Date]Holiday) {
	var moved []Holiday
	var how []observance
	for _, r := range f.Days {
		if (r.Hours != hours{}) || !r.in(year) {
			continue
		}
		h := Holiday{Date: r.on(year), Name: r.Name}
		if weekend(h.Date) && r.Observed != asItFalls {
			moved, how = append(moved, h), append(how, r.Observed)
			continue
		}
		days[h.Date] = h
	}
	for i, h := range moved {
		h.Date = how[i].move(h.Date, days)
		days[h.Date] = h
	}
}

// halfDays adds the half-days that fall on days of business.
func (f ruleFile) halfDays(from, to int, b *Business, days map[Date]Holiday) {
	for _, r := range f.Days {
		for year := from; year <= to && (r.Hours != hours{}); year++ {
			day := r.on(year)
			if _, closed := days[day]; r.in(year) && !closed && len(b.Week[day.Weekday()]) > 0 {
				days[day] = Holiday{Date: day, Name: r.Name, Sessions: r.Hours.sessions()}
			}
		}
	}
}

func (r dayRule) in(year int) bool {
	return year >= r.From && (r.Until == 0 || year <= r.Until) && !slices.Contains(r.Except, year)
}

// on is the day of the rule in a year.
func (r dayRule) on(year int) Date {
	switch {
	case r.Easter != nil:
		return date(easter(year).number() + int64(*r.Easter))
	case r.Nth > 0:
		first := Date{year, r.Month, 1}.number()
		return date(first + int64(ahead(weekday(first), r.Weekday)+7*(r.Nth-1)+r.Plus))
	case r.Nth < 0:
		last := date(Date{year, r.Month + 1, 1}.number() - 1).number()
		return date(last - int64(ahead(time.Weekday(r.Weekday), dayName(weekday(last)))) + int64(r.Plus))
	}
	return date(Date{year, r.Date.month, r.Date.day + r.Plus}.number())
}

// ahead is how many days after a weekday the other one is, 0 to 6.
func ahead(from time.Weekday, to dayName) int { return (int(to) - int(from) + 7) % 7 }

func weekend(d Date) bool {
	w := d.Weekday()
	return w == time.Saturday || w == time.Sunday
}

// move finds where a day of a weekend is kept.
func (o observance) move(d Date, taken map[Date]Holiday) Date {
	day, saturday := d.number(), d.Weekday() == time.Saturday
	switch {
	case o == nearestWeekday && saturday:
		return date(day - 1)
	case o == nextWeekday:
		for _, is := taken[d]; is || weekend(d); _, is = taken[d] {
			day++
			d = date(day)
		}
		return d
	case saturday:
		return d
	}
	return date(day + 1)
}

// easter is Easter Sunday of the Gregorian calendar: the Sunday after the ecclesiastical full moon on or after
// 21 March, which is found as C. F. Gauss has it with his correction of 1816. J. Meeus, Astronomical Algorithms,
// chapter 8, has a shorter way to the same dates.
func easter(year int) Date {
	century := year / 100
	golden := year % 19
	moon := (15 + century - century/4 - (13+8*century)/25 + 19*golden) % 30
	if moon == 29 || moon == 28 && golden > 10 { // the two corrections
		moon--
	}
	full := Date{year, time.March, 21 + moon}.number()
	return date(full + int64(1+ahead(weekday(full+1), dayName(time.Sunday))))
}
