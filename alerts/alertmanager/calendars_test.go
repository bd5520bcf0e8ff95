package alertmanager_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/timeinterval"
	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/alertmanager"
	"github.com/assayer-io/assayer/slo/calendar"
)

// muter is Alertmanager's own reading of a configuration: what it does with a ticket of the objective at a moment.
func muter(t testing.TB, c *calendar.Business) (muted func(time.Time) bool, always bool) {
	t.Helper()
	o := alertmanager.Options{Receivers: []byte("- {name: pager}\n- {name: ticket}\n- {name: deadman}\n"), Today: today()}
	data, err := alertmanager.Config([]alerts.Objective{objective("x", "", c)}, o)
	if err != nil {
		t.Fatal(err)
	}
	cfg := parse(t, data)
	intervals := map[string][]timeinterval.TimeInterval{}
	for _, i := range cfg.Intervals {
		text, err := yaml.Marshal(i["time_intervals"])
		if err != nil {
			t.Fatal(err)
		}
		var read []timeinterval.TimeInterval
		if err := yaml.Unmarshal(text, &read); err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		intervals[i["name"].(string)] = read
	}
	var leaf node
	for _, n := range cfg.Route.Routes {
		if n.takes(t, map[string]string{"severity": "low"}) {
			if len(n.Routes) == 0 {
				return nil, true
			}
			leaf = n.Routes[0]
		}
	}
	reads := timeinterval.NewIntervener(intervals)
	holds := func(names []string, at time.Time) bool {
		yes, _, err := reads.Mutes(names, at)
		if err != nil {
			t.Fatal(err)
		}
		return yes
	}
	// As its stages have it: in a mute interval, or in no active interval though there are any.
	return func(at time.Time) bool {
		return holds(leaf.Mute, at) || (len(leaf.Active) > 0 && !holds(leaf.Active, at))
	}, false
}

// wantSameMinutes compares from from to to, in steps.
func wantSameMinutes(t testing.TB, c *calendar.Business, from, to time.Time, step func(time.Time) time.Duration) {
	t.Helper()
	muted, always := muter(t, c)
	wrong, open := 0, 0
	for at := from; at.Before(to); at = at.Add(step(at)) {
		isOpen := c.Open(at)
		if isOpen {
			open++
		}
		if heard := always || !muted(at); heard != isOpen {
			if wrong++; wrong < 5 {
				t.Errorf("%s at %s (%s): business is done: %v, tickets are heard: %v", c.Name, at.UTC().Format(time.RFC3339), at.In(c.Location).Format(time.RFC3339), isOpen, heard)
			}
		}
	}
	if wrong > 0 || open == 0 {
		t.Errorf("%s: %d looks differ, %d were in business time", c.Name, wrong, open)
	}
}

func in(t testing.TB, zone string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func everyDay(s ...calendar.Session) (week [7][]calendar.Session) {
	for d := range week {
		week[d] = s
	}
	return week
}

func year() (from, to time.Time) {
	return time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC), time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
}

// A ticket is held back in just the minutes in which the calendar is closed, for a year with its changes of clocks.
func TestMutedWhileClosed(t *testing.T) {
	half := []calendar.Session{{From: 540, To: 780}}
	calendars := []*calendar.Business{
		builtin(t, "target"), builtin(t, "nyse"), builtin(t, "fed"), builtin(t, "24x7"),
		{Name: "night", Location: in(t, "Europe/Berlin"), Week: everyDay(calendar.Session{From: 22 * 60, To: 26*60 + 30})}, // past midnight, into the hour that comes twice
		{Name: "evening-before", Location: in(t, "America/New_York"), Week: everyDay(calendar.Session{From: -180, To: 130}, calendar.Session{From: 150, To: 19 * 60})},
		{Name: "midnight-dst", Location: in(t, "America/Santiago"), Week: everyDay(calendar.Session{From: 30, To: 23*60 + 30})}, // its clocks change at midnight
		{Name: "quarter-hours", Location: in(t, "Asia/Kathmandu"), Week: everyDay(calendar.Session{From: 9*60 + 5, To: 17*60 + 1})},
		{Name: "half-hour-dst", Location: in(t, "Australia/Lord_Howe"), Week: everyDay(calendar.Session{From: 100, To: 121})},
		{
			Name: "holidays", Location: in(t, "Europe/London"), Week: [7][]calendar.Session{1: {{From: 540, To: 1020}}, 2: {{From: 540, To: 1020}}, 5: {{From: 540, To: 1500}}},
			Holidays: []calendar.Holiday{
				{Date: calendar.Date{Year: 2026, Month: 3, Day: 29}, Sessions: []calendar.Session{{From: 50, To: 125}}}, // a Sunday that opens, in the hour that is skipped
				{Date: calendar.Date{Year: 2026, Month: 10, Day: 25}, Sessions: []calendar.Session{{From: 0, To: 90}}},
				{Date: calendar.Date{Year: 2026, Month: 12, Day: 24}, Sessions: half}, // a Thursday that opens
				{Date: calendar.Date{Year: 2026, Month: 12, Day: 25}, Sessions: half}, // a Friday that closes early
				{Date: calendar.Date{Year: 2026, Month: 12, Day: 28}},
			},
		},
		{ // open on one day only, never in a week
			Name: "once", Location: time.UTC,
			Holidays: []calendar.Holiday{{Date: calendar.Date{Year: 2026, Month: 6, Day: 1}, Sessions: []calendar.Session{{From: 0, To: 2880}}}},
		},
	}
	from, to := year()
	for _, c := range calendars {
		if err := c.Validate(); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		wantSameMinutes(t, c, from, to, looks(c, 29*time.Minute))
	}
}

// The same for calendars made at random.
func TestMutedWhileClosedAtRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(2026, 11))
	zones := []string{"Europe/Berlin", "America/New_York", "America/Santiago", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Tokyo", "America/St_Johns"}
	tried := 0
	for n := range 40 {
		c := &calendar.Business{Name: fmt.Sprint("random-", n), Location: in(t, zones[n%len(zones)])}
		session := func() []calendar.Session {
			from := rng.IntN(1440)
			return []calendar.Session{{From: from, To: from + 1 + rng.IntN(1200)}}
		}
		for d := range c.Week {
			if rng.IntN(3) == 0 {
				c.Week[d] = session()
			}
		}
		for day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2027; day = day.AddDate(0, 0, 2+rng.IntN(40)) {
			h := calendar.Holiday{Date: calendar.Date{Year: day.Year(), Month: day.Month(), Day: day.Day()}}
			if rng.IntN(2) > 0 {
				h.Sessions = session()
			}
			c.Holidays = append(c.Holidays, h)
		}
		if c.Validate() != nil {
			continue // sessions that overlap those of the next day
		}
		tried++
		from, to := year()
		wantSameMinutes(t, c, from, to, looks(c, 67*time.Minute))
	}
	if tried < 8 {
		t.Errorf("only %d calendars were valid", tried)
	}
}

// looks are every minute around changes of clocks, and far apart at other times, never at the same minutes of an hour.
func looks(c *calendar.Business, apart time.Duration) func(time.Time) time.Duration {
	return func(at time.Time) time.Duration {
		before, after := at.In(c.Location).ZoneBounds()
		near := 30 * time.Hour
		if at.Sub(before) < near || (!after.IsZero() && after.Sub(at) < near) {
			return time.Minute
		}
		return apart
	}
}
