package calendar

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// The years for which a built-in calendar can be asked: the Gregorian rule for Easter holds longer, its
// test does not.
const (
	firstYear = 1900
	lastYear  = 2199
)

// warnBefore is how many days before the end of what is known a calendar is warned of.
const warnBefore = 90

// Validity says where the data of a built-in calendar come from and how long they are known to hold. Beyond
// that the rules go on; what is decided once, such as a day of mourning, is missing there.
type Validity struct {
	Calendar string
	Title    string
	First    int  // earliest year with all of its one-off days
	Until    Date // last day that every source covers; zero: no end
	Part     string
	Source   string // of Part, as is AsOf
	AsOf     Date
}

// Days is how many days after now's the data end, negative when they have ended; ok is false when they have no end.
func (v Validity) Days(now time.Time) (days int, ok bool) {
	y, m, d := now.Date()
	return int(v.Until.number() - Date{y, m, d}.number()), v.Until != (Date{})
}

// Warning says that the data end within 90 days of now or have ended; empty: neither. The day is that of now's
// own zone.
//
//	the built-in calendar uk is known until 2027-12-31 (days: gov.uk, as of 2026-11-21); after it rules alone go on: …
func (v Validity) Warning(now time.Time) string {
	if days, ends := v.Days(now); !ends || days > warnBefore {
		return ""
	}
	return fmt.Sprintf("the built-in calendar %s is known until %v (%s: %s, as of %v); after it rules alone go on: use a newer version, "+
		"or a BusinessCalendar that extends it with what has changed", v.Calendar, v.Until, v.Part, v.Source, v.AsOf)
}

// BuiltinNames are the names of the built-in calendars, sorted.
func BuiltinNames() []string {
	var names []string
	entries, _ := builtin.ReadDir("builtin") // is there, or the package does not build
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// ErrUnknown is the error of a name that no built-in calendar has.
var ErrUnknown = errors.New("there is no such built-in calendar")

// Builtin expands the rules of a built-in calendar into the days of the years from to to, both included, at most
// 1900 to 2199. Its zone has to be in the time zone database.
//
//	Builtin("target", 2026, 2026) → Mon-Fri 07:00-18:00 Europe/Berlin without 2026-01-01, 2026-04-03, 2026-04-06, 2026-05-01, 2026-12-25, 2026-12-26
func Builtin(name string, from, to int) (*Business, Validity, error) {
	if !slices.Contains(BuiltinNames(), name) {
		return nil, Validity{}, fmt.Errorf("reading calendar %q: %w, there are %s", name, ErrUnknown, strings.Join(BuiltinNames(), ", "))
	}
	if from < firstYear || to > lastYear || from > to {
		return nil, Validity{}, fmt.Errorf("reading calendar %s: years %d to %d, allowed: %d to %d in this order", name, from, to, firstYear, lastYear)
	}
	data, err := builtin.ReadFile("builtin/" + name + ".yaml")
	if err != nil {
		return nil, Validity{}, fmt.Errorf("reading calendar %s: %w", name, err)
	}
	rules, err := parseRules(data)
	if err != nil {
		return nil, Validity{}, fmt.Errorf("reading calendar %s: %w", name, err)
	}
	b, err := rules.expand(name, from, to)
	if err != nil {
		return nil, Validity{}, fmt.Errorf("reading calendar %s: %w", name, err)
	}
	return b, rules.validity(name), nil
}
