// Package duetable is another way to the deadlines of 2026 and 2027: lists of closed days as the operators print
// them, the dates of clock changes, and nothing but sums of days and hours. No calendar, zone or rail is asked.
//
//	sct until 2026-04-02T14:00:00Z: day 2026-04-02, due 2026-04-07T16:00:00Z
package duetable

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	closedTarget = "2026-01-01 2026-04-03 2026-04-06 2026-05-01 2026-12-25 2027-01-01 2027-03-26 2027-03-29"
	closedFed    = "2026-01-01 2026-01-19 2026-02-16 2026-05-25 2026-06-19 2026-09-07 2026-10-12 2026-11-11 2026-11-26 2026-12-25 " +
		"2027-01-01 2027-01-18 2027-02-15 2027-05-31 2027-07-05 2027-09-06 2027-10-11 2027-11-11 2027-11-25"
	closedUK = "2026-01-01 2026-04-03 2026-04-06 2026-05-04 2026-05-25 2026-08-31 2026-12-25 2026-12-28 " +
		"2027-01-01 2027-03-26 2027-03-29 2027-05-03 2027-05-31 2027-08-30 2027-12-27 2027-12-28 2028-01-03"
	closedNYSE = "2026-01-01 2026-01-19 2026-02-16 2026-04-03 2026-05-25 2026-06-19 2026-07-03 2026-09-07 2026-11-26 2026-12-25 " +
		"2027-01-01 2027-01-18 2027-02-15 2027-03-26 2027-05-31 2027-06-18 2027-07-05 2027-09-06 2027-11-25 2027-12-24"
)

// Zone says from which date until before which one clocks are an hour ahead.
type Zone struct {
	winterHours int // ahead of UTC
	days        [][2]string
}

// Zones are those of the operators, by their city.
func Zones() map[string]Zone {
	europe := [][2]string{{"2026-03-29", "2026-10-25"}, {"2027-03-28", "2027-10-31"}}
	america := [][2]string{{"2026-03-08", "2026-11-01"}, {"2027-03-14", "2027-11-07"}}
	return map[string]Zone{"Berlin": {1, europe}, "London": {0, europe}, "New York": {-5, america}}
}

// UTC is the Unix time of so many minutes after midnight of a date, none of which is near a change at night.
func (s Zone) UTC(date string, minutes int) int64 {
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

// Stop is one cut-off of one day, with what follows from it.
type Stop struct {
	Until, Due int64  // Unix seconds
	Day, Name  string // business day, and the cut-off's name
}

type hours struct {
	name        string
	cutOff, due int // minutes
	later       int // days on which it settles
}

func stops(zone Zone, open, settles []string, windows ...hours) []Stop {
	var out []Stop
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
			out = append(out, Stop{zone.UTC(day, w.cutOff), zone.UTC(due, w.due), day, w.name})
		}
	}
	return out
}

// CutOffs lists every cut-off of rails that have them, by rail, the earliest first, from the end of 2025 to January 2028.
func CutOffs() map[string][]Stop {
	z := Zones()
	target, fed, uk, nyse := weekdaysWithout(closedTarget), weekdaysWithout(closedFed), weekdaysWithout(closedUK), weekdaysWithout(closedNYSE)
	both := slices.DeleteFunc(slices.Clone(nyse), func(d string) bool { return !slices.Contains(fed, d) })
	return map[string][]Stop{
		"sct": stops(z["Berlin"], target, target, hours{"sct", 16 * 60, 18 * 60, 1}),
		"ach": stops(z["New York"], fed, fed, hours{"same-day-1", 10*60 + 30, 13 * 60, 0}, hours{"same-day-2", 14*60 + 45, 17 * 60, 0},
			hours{"same-day-3", 16*60 + 45, 18 * 60, 0}, hours{"next-day", 26*60 + 15, 8*60 + 30, 1}),
		"chaps":   stops(z["London"], uk, uk, hours{"customer", 17*60 + 40, 18 * 60, 0}),
		"fedwire": stops(z["New York"], fed, fed, hours{"third-party", 18*60 + 45, 19 * 60, 0}),
		"t2":      stops(z["Berlin"], target, target, hours{"customer", 17 * 60, 18 * 60, 0}),
		"t1":      stops(z["New York"], nyse, both, hours{"", 24 * 60, 24 * 60, 1}),
	}
}

// Seconds are what rails allow that have no cut-offs.
func Seconds() map[string]int64 { return map[string]int64{"sct-inst": 10, "fednow": 20} }

// Due is when a payment that came in at a time is due, both in Unix milliseconds.
func Due(table []Stop, receivedMs int64) int64 {
	i, _ := slices.BinarySearchFunc(table, receivedMs, func(s Stop, ms int64) int { return cmp.Compare(s.Until*1000, ms) })
	return table[i].Due * 1000
}
