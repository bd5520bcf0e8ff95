package rail_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// What follows is another way to the same deadlines: lists of closed days as the operators print them, the
// dates of clock changes, and nothing but sums of days and hours. No calendar, zone or rail is asked.

const (
	closedTarget = "2026-01-01 2026-04-03 2026-04-06 2026-05-01 2026-12-25 2027-01-01 2027-03-26 2027-03-29"
	closedFed    = "2026-01-01 2026-01-19 2026-02-16 2026-05-25 2026-06-19 2026-09-07 2026-10-12 2026-11-11 2026-11-26 2026-12-25 " +
		"2027-01-01 2027-01-18 2027-02-15 2027-05-31 2027-07-05 2027-09-06 2027-10-11 2027-11-11 2027-11-25"
	closedUK = "2026-01-01 2026-04-03 2026-04-06 2026-05-04 2026-05-25 2026-08-31 2026-12-25 2026-12-28 " +
		"2027-01-01 2027-03-26 2027-03-29 2027-05-03 2027-05-31 2027-08-30 2027-12-27 2027-12-28 2028-01-03"
	closedNYSE = "2026-01-01 2026-01-19 2026-02-16 2026-04-03 2026-05-25 2026-06-19 2026-07-03 2026-09-07 2026-11-26 2026-12-25 " +
		"2027-01-01 2027-01-18 2027-02-15 2027-03-26 2027-05-31 2027-06-18 2027-07-05 2027-09-06 2027-11-25 2027-12-24"
)

// summer says from which date until before which one clocks are an hour ahead.
type summer struct {
	winterHours int // ahead of UTC
	days        [][2]string
}

func zones() map[string]summer {
	europe := [][2]string{{"2026-03-29", "2026-10-25"}, {"2027-03-28", "2027-10-31"}}
	america := [][2]string{{"2026-03-08", "2026-11-01"}, {"2027-03-14", "2027-11-07"}}
	return map[string]summer{"Berlin": {1, europe}, "London": {0, europe}, "New York": {-5, america}}
}

// utc is the Unix time of so many minutes after midnight of a date, none of which is near a change at night.
func (s summer) utc(date string, minutes int) int64 {
	day, _ := time.Parse(time.DateOnly, date) // the dates are made below
	at := day.Unix() + int64(minutes)*60
	shown := time.Unix(at, 0).UTC().Format(time.DateOnly)
	hours := s.winterHours
	for _, d := range s.days {
		if d[0] <= shown && shown < d[1] {
			hours++
		}
	}
	return at - int64(hours)*3600
}

// weekdaysWithout lists the days from Monday to Friday from 2025-12-22 to 2028-01-31 that are not closed.
func weekdaysWithout(closed string) []string {
	var open []string
	for day := time.Date(2025, 12, 22, 0, 0, 0, 0, time.UTC); day.Year() < 2028 || day.Month() == 1; day = day.Add(24 * time.Hour) {
		text := day.Format(time.DateOnly)
		if day.Weekday() != time.Saturday && day.Weekday() != time.Sunday && !strings.Contains(closed, text) && text != "2025-12-25" && text != "2025-12-26" {
			open = append(open, text)
		}
	}
	return open
}

// stop is one cut-off of one day, with what follows from it.
type stop struct {
	until, due int64
	day, name  string
}

type hours struct {
	name        string
	cutOff, due int // minutes
	later       int // days on which it settles
}

func stops(zone summer, open, settles []string, windows ...hours) []stop {
	var out []stop
	for _, day := range open {
		for _, w := range windows {
			due := day
			if w.later > 0 {
				i := slices.IndexFunc(settles, func(d string) bool { return d > day })
				if i < 0 || i+w.later-1 >= len(settles) {
					continue
				}
				due = settles[i+w.later-1]
			}
			out = append(out, stop{zone.utc(day, w.cutOff), zone.utc(due, w.due), day, w.name})
		}
	}
	return out
}

// TestTwoYears goes through 2026 and 2027 in steps of ten minutes: both clock changes in Europe and in
// America, Easter, ends of months and years, and every bank holiday.
func TestTwoYears(t *testing.T) {
	z := zones()
	target, fed, uk, nyse := weekdaysWithout(closedTarget), weekdaysWithout(closedFed), weekdaysWithout(closedUK), weekdaysWithout(closedNYSE)
	both := slices.DeleteFunc(slices.Clone(nyse), func(d string) bool { return !slices.Contains(fed, d) })
	tables := map[string][]stop{
		"sct": stops(z["Berlin"], target, target, hours{"sct", 16 * 60, 18 * 60, 1}),
		"ach": stops(z["New York"], fed, fed, hours{"same-day-1", 10*60 + 30, 13 * 60, 0}, hours{"same-day-2", 14*60 + 45, 17 * 60, 0},
			hours{"same-day-3", 16*60 + 45, 18 * 60, 0}, hours{"next-day", 26*60 + 15, 8*60 + 30, 1}),
		"chaps":   stops(z["London"], uk, uk, hours{"customer", 17*60 + 40, 18 * 60, 0}),
		"fedwire": stops(z["New York"], fed, fed, hours{"third-party", 18*60 + 45, 19 * 60, 0}),
		"t2":      stops(z["Berlin"], target, target, hours{"customer", 17 * 60, 18 * 60, 0}),
		"t1":      stops(z["New York"], nyse, both, hours{"", 24 * 60, 24 * 60, 1}),
	}
	set := builtin(t)
	for name, table := range tables {
		r, _ := set.Get(name)
		cal, settles := calendars(t, r)
		i, wrong, steps := 0, 0, 0
		for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2028 && wrong < 5; at = at.Add(10 * time.Minute) {
			for table[i].until < at.Unix() {
				i++
			}
			want := table[i]
			got, err := r.Due(at, cal, settles...)
			steps++
			if err != nil || got.At.Unix() != want.due || got.Day.String() != want.day || got.Cycle != want.name {
				t.Errorf("%s received %v: day %v, due %v, %q, %v; want %s, %v, %q", name, at, got.Day, got.At.UTC(), got.Cycle, err, want.day, time.Unix(want.due, 0).UTC(), want.name)
				wrong++
			}
			if at.Minute() != 0 {
				continue
			}
			if cutOff, _, ok := r.NextCutOff(at, cal); ok != (want.name != "") || ok && cutOff.Unix() != want.until {
				t.Errorf("%s at %v: next cut-off %v, %v; want %v", name, at, cutOff.UTC(), ok, time.Unix(want.until, 0).UTC())
				wrong++
			}
		}
		if steps != 730*144 && wrong == 0 {
			t.Errorf("%s: %d steps", name, steps)
		}
	}
}

// TestTwoYearsOfCycleDays: the FedNow Service's day ends at 19:00 in New York, on every day there is.
func TestTwoYearsOfCycleDays(t *testing.T) {
	newYork := zones()["New York"]
	r, _ := builtin(t).Get("fednow")
	cal, _ := calendars(t, r)
	day := time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC)
	for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2028; at = at.Add(10 * time.Minute) {
		for newYork.utc(day.Format(time.DateOnly), 19*60) <= at.Unix() {
			day = day.Add(24 * time.Hour)
		}
		got, err := r.Due(at, cal)
		if err != nil || got.Day.String() != day.Format(time.DateOnly) || !got.At.Equal(at.Add(20*time.Second)) {
			t.Fatalf("received %v: day %v, due %v, %v; want %s", at, got.Day, got.At, err, day.Format(time.DateOnly))
		}
	}
}
