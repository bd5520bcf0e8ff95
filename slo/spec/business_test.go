package spec_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

const extending = `apiVersion: assayer.dev/v1
kind: BusinessCalendar
metadata: {name: ours}
spec:
  extends: nyse
  week:
    thursday: []
    saturday: ["10:00-12:00"]
  holidays:
    - {date: 2026-12-28, name: Stocktaking, hours: ["09:30-11:00"]}
  closures:
    - {date: 2026-11-30, name: Moving house}
  openings:
    - {date: 2026-12-25, name: Open on Christmas Day}
    - {date: 2026-12-27, name: A Sunday, hours: ["12:00-13:00"]}
  cutOffs: [{name: orders, at: "15:00"}]
---
` + valid

// TestBuiltinCalendars: a built-in calendar needs no document, in an SLO and in the short form, and a document of
// its name goes before it.
func TestBuiltinCalendars(t *testing.T) {
	annotated := strings.Replace(valid, "metadata: {name: x}", "metadata: {name: x, annotations: {assayer.dev/calendar: target}}", 1)
	short := golden("\n  calendar: 24x7\n  errors: {bad: b, total: t, objective: 1}\n")
	mine := "\n---\n" + strings.Replace(calendarDocument, "name: desk", "name: target", 1)
	for name, tc := range map[string]struct {
		text, calendar string
		at             string
		open           bool
	}{
		"an SLO, before Christmas": {annotated, "target", "2026-12-24T16:59:59Z", true},
		"an SLO, at Christmas":     {annotated, "target", "2026-12-25T11:00:00Z", false},
		"many years ahead":         {annotated, "target", "2056-12-25T11:00:00Z", false},
		"the short form":           {short, "24x7", "2026-12-25T11:00:00Z", true},
		"a document of its name":   {annotated + mine, "target", "2026-12-24T16:59:59Z", false},
	} {
		t.Run(name, func(t *testing.T) {
			set := load(t, tc.text)
			got := set.Objectives[0].Calendar
			at, err := time.Parse(time.RFC3339, tc.at)
			if err != nil || got == nil || got.Name != tc.calendar {
				t.Fatalf("calendar %+v, %v", got, err)
			}
			if open := got.Open(at); open != tc.open {
				t.Errorf("open at %s: %v, want %v", tc.at, open, tc.open)
			}
		})
	}
	two := load(t, annotated+"\n---\n"+strings.Replace(annotated, "{name: x, ann", "{name: y, ann", 1))
	if two.Objectives[0].Calendar != two.Objectives[1].Calendar || len(two.Calendars) != 0 {
		t.Error("each objective has a target of its own, or it is listed as a document")
	}
}

func TestExtendedCalendars(t *testing.T) {
	set := load(t, extending)
	b := set.Calendars[0]
	if b.Name != "ours" || b.Location.String() != "America/New_York" || len(b.CutOffs) != 1 || b.CutOffs[0] != (calendar.CutOff{Name: "orders", Minute: 900}) {
		t.Errorf("%s in %v with %v", b.Name, b.Location, b.CutOffs)
	}
	for day, want := range map[string]string{
		"2026-11-23": "09:30-16:00", // a Monday as it is there
		"2026-11-26": "",            // Thanksgiving
		"2026-11-27": "09:30-13:00", // the day after it, early as there
		"2026-11-28": "10:00-12:00", // a Saturday that is written here
		"2026-11-30": "",            // closed once
		"2026-12-10": "",            // a Thursday
		"2026-12-24": "",            // a Thursday too, which is no half-day then
		"2026-12-25": "09:30-16:00", // a Friday's hours
		"2026-12-27": "12:00-13:00",
		"2026-12-28": "09:30-11:00",
	} {
		d, _ := calendar.ParseDate(day)
		midnight := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, b.Location)
		got := ""
		if opens, _, ok := b.NextChange(midnight); ok && opens.Before(midnight.AddDate(0, 0, 1)) {
			closes, _, _ := b.NextChange(opens)
			got = opens.Format("15:04") + "-" + closes.Format("15:04")
		}
		if got != want {
			t.Errorf("%s: open %q, want %q", day, got, want)
		}
	}
	replaced := load(t, strings.Replace(extending, "extends: nyse", "extends: target", 1)+"\n---\n"+`{apiVersion: assayer.dev/v1, kind: BusinessCalendar, metadata: {name: z}, spec: {extends: target, cutOffs: [{name: customer, at: "16:00"}]}}`)
	if got := fmt.Sprint(replaced.Calendars[0].CutOffs, replaced.Calendars[1].CutOffs); got != "[{orders 900} {customer 1020} {interbank 1080}] [{customer 960} {interbank 1080}]" {
		t.Error(got)
	}
}

func TestMistakesInExtendedCalendars(t *testing.T) {
	check(t, extending, spec.Options{}, map[string]mistake{
		"none":             {"", "", nil},
		"unknown":          {"extends: nyse", "extends: nyce", []string{`f.yaml:5:12: error: spec.extends: there is no such built-in calendar, did you mean nyse?, got "nyce", allowed: 24x7, fed, fednow, nyse, target, uk`}},
		"itself":           {"extends: nyse", "extends: ours", []string{`f.yaml:5:12: error: spec.extends: there is no such built-in calendar, got "ours", allowed: 24x7, fed, fednow, nyse, target, uk`}},
		"a zone":           {"extends: nyse", "extends: nyse\n  timeZone: UTC", []string{`f.yaml:6:13: error: spec.timeZone: is that of the calendar it extends, got "UTC", allowed: extends or timeZone`}},
		"nothing":          {"extends: nyse", "extends: ''", []string{`f.yaml:5:12: error: spec.extends: there is no such built-in calendar, allowed: 24x7, fed, fednow, nyse, target, uk`}},
		"closed and open":  {"{date: 2026-12-25,", "{date: 2026-11-30,", []string{`f.yaml:14:14: error: spec.openings[0].date: is there already, got "2026-11-30"`}},
		"hours of closing": {"name: Moving house}", "name: Moving house, hours: [\"09:00-10:00\"]}", []string{"f.yaml:12:46: error: spec.closures[0].hours: unknown field, allowed: date, name"}},
		"opening of no hours": {`A Sunday, hours: ["12:00-13:00"]`, "A Sunday", []string{
			`f.yaml:15:7: error: spec.openings[1].hours: has no value, allowed: hours such as ["09:00-17:30"]: a Sunday has none of its own`}},
		"no such day": {"2026-11-30", "2026-11-31", []string{`f.yaml:12:14: error: spec.closures[0].date: got "2026-11-31", allowed: a date such as 2026-12-25`}},
	})
}

// TestBuiltinCalendarsEnd: within 90 days of the end of what is known, the first to name the calendar is warned,
// in its own words.
func TestBuiltinCalendarsEnd(t *testing.T) {
	_, v, err := calendar.Builtin("uk", 2026, 2026)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(v.Until.Year, v.Until.Month, v.Until.Day, 12, 0, 0, 0, time.UTC)
	short := golden("\n  calendar: uk\n  errors: {bad: b, total: t, objective: 1}\n  latency: {histogram: h, below: 1, objective: 0.9}\n")
	extends := `{apiVersion: assayer.dev/v1, kind: BusinessCalendar, metadata: {name: z}, spec: {extends: uk}}`
	for name, tc := range map[string]struct {
		text string
		now  time.Time
		want string // where; empty: no warning
	}{
		"91 days before":     {short, end.AddDate(0, 0, -91), ""},
		"90 days before":     {short, end.AddDate(0, 0, -90), "f.yaml:5:13: warning: spec.calendar: the built-in calendar uk is known until " + v.Until.String()},
		"a year after":       {short, end.AddDate(1, 0, 0), "f.yaml:5:13: warning: spec.calendar: the built-in calendar uk is known until " + v.Until.String()},
		"extended":           {extends, end, "f.yaml:1:91: warning: spec.extends: the built-in calendar uk"},
		"named twice":        {extends + "\n---\n" + short, end, "f.yaml:1:91: warning: spec.extends: the built-in calendar uk"},
		"without an end":     {strings.Replace(short, "uk", "24x7", 1), end.AddDate(50, 0, 0), ""},
		"without a time":     {short, time.Time{}, ""},
		"a calendar of ours": {strings.Replace(short, "uk", "desk", 1) + "---\n" + calendarDocument, end, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(tc.text)}}, spec.Options{Now: tc.now})
			if tc.want == "" {
				if len(problems) > 0 {
					t.Errorf("got %v", problems)
				}
				return
			}
			if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), tc.want) {
				t.Errorf("got %v\nwant one that begins %s", []problem.Problem(problems), tc.want)
			}
		})
	}
}
