package calendar_test

import (
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo/calendar"
)

func TestPeriods(t *testing.T) {
	tests := map[string]struct {
		unit         calendar.Unit
		count        int
		zone, anchor string
		at           string
		start, next  string
	}{
		"month in UTC":                       {calendar.Month, 1, "UTC", "2026-01-01 00:00", "2026-02-28T23:59:59Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"},
		"a period holds its own start":       {calendar.Month, 1, "UTC", "2026-01-01 00:00", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"},
		"month in Berlin, still winter time": {calendar.Month, 1, "Europe/Berlin", "2026-01-01 00:00", "2026-03-31T21:59:59Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"},
		"month before the anchor":            {calendar.Month, 1, "UTC", "2026-01-01 00:00", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		"quarter":                            {calendar.Quarter, 1, "UTC", "2026-01-01 00:00", "2026-06-30T12:00:00Z", "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"},
		"year":                               {calendar.Year, 1, "Asia/Kolkata", "2020-01-01 00:00", "2026-12-31T18:29:59Z", "2025-12-31T18:30:00Z", "2026-12-31T18:30:00Z"},
		"week from a Monday":                 {calendar.Week, 1, "UTC", "2026-01-05 00:00", "2026-11-21T10:00:00Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},
		"two weeks":                          {calendar.Week, 2, "UTC", "2026-01-05 00:00", "2026-01-20T00:00:00Z", "2026-01-19T00:00:00Z", "2026-02-02T00:00:00Z"},
		"day of 23 hours":                    {calendar.Day, 1, "Europe/Berlin", "2026-01-01 00:00", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		"day of 25 hours":                    {calendar.Day, 1, "America/New_York", "2026-01-01 00:00", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		"a day that starts at a time that comes twice": {calendar.Day, 1, "Europe/Berlin", "2026-01-01 02:00", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z"},
		"a day that starts at 19:00":                   {calendar.Day, 1, "America/New_York", "2026-01-01 19:00", "2026-07-01T22:59:59Z", "2026-06-30T23:00:00Z", "2026-07-01T23:00:00Z"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			loc, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			anchor, err := time.ParseInLocation("2006-01-02 15:04", tt.anchor, loc)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			p := calendar.Period{Unit: tt.unit, Count: tt.count, Anchor: anchor}
			if got := p.Start(at).UTC().Format(time.RFC3339); got != tt.start {
				t.Errorf("start: got %s, want %s", got, tt.start)
			}
			if got := p.Next(at).UTC().Format(time.RFC3339); got != tt.next {
				t.Errorf("next: got %s, want %s", got, tt.next)
			}
		})
	}
}

// TestPeriodsTile walks eight years hour by hour: each instant lies in exactly one period.
func TestPeriodsTile(t *testing.T) {
	loc, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range []calendar.Unit{calendar.Day, calendar.Week, calendar.Month, calendar.Quarter, calendar.Year} {
		p := calendar.Period{Unit: unit, Count: 1, Anchor: time.Date(2018, 1, 1, 0, 0, 0, 0, loc)}
		end := p.Start(time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC))
		for at := end; at.Year() < 2023; at = at.Add(7 * time.Hour) {
			start, next := p.Start(at), p.Next(at)
			if start.After(at) || !next.After(at) || !p.Start(next.Add(-time.Second)).Equal(start) {
				t.Fatalf("%s at %v: period %v to %v", unit, at, start, next)
			}
		}
	}
}

func TestPeriodInASkippedHourBeginsOnItsOwnDay(t *testing.T) {
	for _, tt := range []struct{ zone, anchor, at, want string }{
		{"America/Santiago", "2026-01-01 00:00", "2026-09-06 12:00", "2026-09-06T01:00:00-03:00"}, // midnight is skipped
		{"Atlantic/Azores", "2026-01-01 00:00", "2026-03-29 12:00", "2026-03-29T01:00:00Z"},
		{"America/New_York", "2026-01-01 02:30", "2026-03-08 12:00", "2026-03-08T03:30:00-04:00"},
		{"Europe/Berlin", "2026-01-01 02:30", "2026-03-29 12:00", "2026-03-29T03:30:00+02:00"},
	} {
		loc, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		parse := func(s string) time.Time {
			at, err := time.ParseInLocation("2006-01-02 15:04", s, loc)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		p := calendar.Period{Unit: calendar.Day, Count: 1, Anchor: parse(tt.anchor)}
		if got := p.Start(parse(tt.at)).Format(time.RFC3339); got != tt.want {
			t.Errorf("%s: the day of %s begins at %s, want %s", tt.zone, tt.at, got, tt.want)
		}
	}
}
