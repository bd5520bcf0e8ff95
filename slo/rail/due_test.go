package rail_test

import (
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/rail"
)

// calendars are the built-in ones for the years of the tests, and the second one of a rail that has two.
func calendars(t testing.TB, r *rail.Rail) (cal *calendar.Business, settles []*calendar.Business) {
	t.Helper()
	of := func(name string) *calendar.Business {
		b, _, err := calendar.Builtin(name, 2025, 2028)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if r.Deadline.Settles != "" {
		settles = append(settles, of(r.Deadline.Settles))
	}
	return of(r.Calendar), settles
}

func instantOf(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestDue: what a person reads off a wall calendar and the timetable of each rail.
func TestDue(t *testing.T) {
	tests := map[string]struct{ rail, received, day, at, cycle string }{
		"sct before the cut-off":                  {"sct", "2026-11-18T14:59:59Z", "2026-11-18", "2026-11-19T17:00:00Z", "sct"},
		"sct at the cut-off":                      {"sct", "2026-11-18T15:00:00Z", "2026-11-18", "2026-11-19T17:00:00Z", "sct"},
		"sct just after it":                       {"sct", "2026-11-18T15:00:00.000000001Z", "2026-11-19", "2026-11-20T17:00:00Z", "sct"},
		"sct on Friday":                           {"sct", "2026-11-20T10:00:00Z", "2026-11-20", "2026-11-23T17:00:00Z", "sct"},
		"sct on Friday evening":                   {"sct", "2026-11-20T18:00:00Z", "2026-11-23", "2026-11-24T17:00:00Z", "sct"},
		"sct on Saturday":                         {"sct", "2026-11-21T10:00:00Z", "2026-11-23", "2026-11-24T17:00:00Z", "sct"},
		"sct before Easter":                       {"sct", "2026-04-02T10:00:00Z", "2026-04-02", "2026-04-07T16:00:00Z", "sct"},
		"sct on Good Friday":                      {"sct", "2026-04-03T10:00:00Z", "2026-04-07", "2026-04-08T16:00:00Z", "sct"},
		"sct on Christmas Eve after the cut-off":  {"sct", "2026-12-24T15:30:00Z", "2026-12-28", "2026-12-29T17:00:00Z", "sct"},
		"sct in the year's last hour":             {"sct", "2026-12-31T22:59:00Z", "2027-01-04", "2027-01-05T17:00:00Z", "sct"},
		"sct over the change to summer time":      {"sct", "2026-03-27T14:00:00Z", "2026-03-27", "2026-03-30T16:00:00Z", "sct"},
		"sct on the way to winter time":           {"sct", "2026-10-23T13:59:00Z", "2026-10-23", "2026-10-26T17:00:00Z", "sct"},
		"sct-inst":                                {"sct-inst", "2026-12-25T03:00:00.25Z", "2026-12-25", "2026-12-25T03:00:10.25Z", ""},
		"sct-inst when clocks go back":            {"sct-inst", "2026-10-25T00:59:55Z", "2026-10-25", "2026-10-25T01:00:05Z", ""},
		"fednow before its cycle ends":            {"fednow", "2026-11-20T23:59:59Z", "2026-11-20", "2026-11-21T00:00:19Z", ""},
		"fednow when its cycle ends":              {"fednow", "2026-11-21T00:00:00Z", "2026-11-21", "2026-11-21T00:00:20Z", ""},
		"fednow in summer":                        {"fednow", "2026-07-03T23:00:00Z", "2026-07-04", "2026-07-03T23:00:20Z", ""},
		"ach in the first window":                 {"ach", "2026-11-20T15:30:00Z", "2026-11-20", "2026-11-20T18:00:00Z", "same-day-1"},
		"ach in the second":                       {"ach", "2026-11-20T15:30:01Z", "2026-11-20", "2026-11-20T22:00:00Z", "same-day-2"},
		"ach in the third":                        {"ach", "2026-11-20T21:45:00Z", "2026-11-20", "2026-11-20T23:00:00Z", "same-day-3"},
		"ach after the last, on Friday":           {"ach", "2026-11-20T21:46:00Z", "2026-11-20", "2026-11-23T13:30:00Z", "next-day"},
		"ach in the small hours of Saturday":      {"ach", "2026-11-21T07:15:00Z", "2026-11-20", "2026-11-23T13:30:00Z", "next-day"},
		"ach later that Saturday":                 {"ach", "2026-11-21T07:16:00Z", "2026-11-23", "2026-11-23T18:00:00Z", "same-day-1"},
		"ach in the small hours of a weekday":     {"ach", "2026-11-19T05:00:00Z", "2026-11-18", "2026-11-19T13:30:00Z", "next-day"},
		"ach in the evening before Thanksgiving":  {"ach", "2026-11-25T23:00:00Z", "2026-11-25", "2026-11-27T13:30:00Z", "next-day"},
		"ach in the night clocks go forward":      {"ach", "2026-03-08T06:00:00Z", "2026-03-09", "2026-03-09T17:00:00Z", "same-day-1"},
		"chaps in winter":                         {"chaps", "2026-12-24T17:40:00Z", "2026-12-24", "2026-12-24T18:00:00Z", "customer"},
		"chaps over Christmas, Boxing Day moved":  {"chaps", "2026-12-24T17:40:01Z", "2026-12-29", "2026-12-29T18:00:00Z", "customer"},
		"chaps in summer":                         {"chaps", "2026-08-28T16:41:00Z", "2026-09-01", "2026-09-01T17:00:00Z", "customer"},
		"fedwire on Sunday evening":               {"fedwire", "2026-11-23T02:30:00Z", "2026-11-23", "2026-11-24T00:00:00Z", "third-party"},
		"fedwire on a holiday":                    {"fedwire", "2026-11-26T15:00:00Z", "2026-11-27", "2026-11-28T00:00:00Z", "third-party"},
		"t2 at its cut-off in summer":             {"t2", "2026-07-01T15:00:00Z", "2026-07-01", "2026-07-01T16:00:00Z", "customer"},
		"t2 before 1 May, a Friday":               {"t2", "2026-04-30T15:00:01Z", "2026-05-04", "2026-05-04T16:00:00Z", "customer"},
		"t1 on Friday":                            {"t1", "2026-11-20T18:00:00Z", "2026-11-20", "2026-11-24T05:00:00Z", ""},
		"t1 before Columbus Day":                  {"t1", "2026-10-09T18:00:00Z", "2026-10-09", "2026-10-14T04:00:00Z", ""},
		"t1 on Columbus Day, with banks closed":   {"t1", "2026-10-12T18:00:00Z", "2026-10-12", "2026-10-14T04:00:00Z", ""},
		"t1 before Good Friday, with banks open":  {"t1", "2026-04-02T18:00:00Z", "2026-04-02", "2026-04-07T04:00:00Z", ""},
		"t1 on a half-day":                        {"t1", "2026-11-27T17:00:00Z", "2026-11-27", "2026-12-01T05:00:00Z", ""},
		"swift":                                   {"swift", "2026-12-23T12:00:00Z", "2026-12-23", "2026-12-28T23:00:00Z", ""},
		"crypto-deposit, twenty blocks and grace": {"crypto-deposit", "2026-11-20T12:00:00Z", "2026-11-20", "2026-11-20T12:05:00Z", ""},
	}
	set := builtin(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, ok := set.Get(tt.rail)
			if !ok {
				t.Fatal("there is no such rail")
			}
			cal, settles := calendars(t, r)
			got, err := r.Due(instantOf(t, tt.received), cal, settles...)
			if err != nil {
				t.Fatal(err)
			}
			if got.Day.String() != tt.day || !got.At.Equal(instantOf(t, tt.at)) || got.Cycle != tt.cycle {
				t.Errorf("day %v, due %v, cycle %q; want %s, %s, %q", got.Day, got.At.UTC().Format(time.RFC3339Nano), got.Cycle, tt.day, tt.at, tt.cycle)
			}
		})
	}
}

// TestNextCutOff: the gauge of what is next, also over closed days.
func TestNextCutOff(t *testing.T) {
	tests := map[string]struct{ rail, now, at, name string }{
		"sct":                       {"sct", "2026-11-20T12:00:00Z", "2026-11-20T15:00:00Z", "sct"},
		"sct at the cut-off itself": {"sct", "2026-11-20T15:00:00Z", "2026-11-20T15:00:00Z", "sct"},
		"sct over a weekend":        {"sct", "2026-11-20T15:00:01Z", "2026-11-23T15:00:00Z", "sct"},
		"ach":                       {"ach", "2026-11-20T18:00:00Z", "2026-11-20T19:45:00Z", "same-day-2"},
		"ach at night":              {"ach", "2026-11-21T03:00:00Z", "2026-11-21T07:15:00Z", "next-day"},
		"fedwire":                   {"fedwire", "2026-11-20T18:00:00Z", "2026-11-20T23:45:00Z", "third-party"},
		"an instant rail":           {"sct-inst", "2026-11-20T18:00:00Z", "", ""},
		"fednow":                    {"fednow", "2026-11-20T18:00:00Z", "", ""},
		"t1 has none but midnight":  {"t1", "2026-11-20T18:00:00Z", "", ""},
		"a chain":                   {"crypto-withdrawal", "2026-11-20T18:00:00Z", "", ""},
	}
	set := builtin(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, _ := set.Get(tt.rail)
			cal, _ := calendars(t, r)
			at, cutOff, ok := r.NextCutOff(instantOf(t, tt.now), cal)
			if ok != (tt.at != "") || cutOff != tt.name || ok && !at.Equal(instantOf(t, tt.at)) {
				t.Errorf("%v %q %v, want %s %q", at.UTC(), cutOff, ok, tt.at, tt.name)
			}
		})
	}
}

// TestCutOffOfTheCalendar: a bank's own calendar says when its cut-off is, and may leave that to the rail.
func TestCutOffOfTheCalendar(t *testing.T) {
	sct, _ := builtin(t).Get("sct")
	cal, _ := calendars(t, sct)
	own := *cal
	own.CutOffs = []calendar.CutOff{{Name: "sct", Minute: 14 * 60}}
	if at, _, ok := sct.NextCutOff(instantOf(t, "2026-11-20T12:00:00Z"), &own); !ok || !at.Equal(instantOf(t, "2026-11-20T13:00:00Z")) {
		t.Errorf("got %v, want the calendar's 14:00", at)
	}
	late := *cal
	late.CutOffs = []calendar.CutOff{{Name: "customer", Minute: 19 * 60}}
	t2, _ := builtin(t).Get("t2")
	if due, err := t2.Due(instantOf(t, "2026-11-20T17:30:00Z"), &late); err != nil || !due.At.Equal(instantOf(t, "2026-11-20T18:00:00Z")) {
		t.Errorf("due %v, %v; a deadline is never before the cut-off that was made", due.At, err)
	}
	never := *t2
	never.Deadline.CutOffAt = 0
	if _, err := never.Due(instantOf(t, "2026-11-20T17:30:00Z"), &own); err == nil || !strings.Contains(err.Error(), "calendar target has no cut-off customer") {
		t.Errorf("got %v", err)
	}
}

func TestDueRefuses(t *testing.T) {
	set := builtin(t)
	at := instantOf(t, "2026-11-20T12:00:00Z")
	closed := &calendar.Business{Name: "closed", Location: time.UTC}
	sct, _ := set.Get("sct")
	inst, _ := set.Get("sct-inst")
	t1, _ := set.Get("t1")
	nyse, _ := calendars(t, t1)
	for want, err := range map[string]error{
		"computing a deadline of rail sct: there is no calendar":                                       second(sct.Due(at, nil)),
		"computing a deadline of rail sct: the calendar has no business day within 400 days":           second(sct.Due(at, closed)),
		"computing a deadline of rail sct-inst: the calendar has no business day within 400 days":      second(inst.Due(at, closed)),
		"computing a deadline of rail t1: there is no calendar":                                        second(t1.Due(at, nyse)),
		"computing a deadline of rail t1: the calendar has no business day within 400 days":            second(t1.Due(at, nyse, closed)),
		"computing a deadline of rail x: the rail says nothing of when a movement has to have settled": second((&rail.Rail{Name: "x"}).Due(at, nyse)),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func second(_ rail.Due, err error) error { return err }

func TestDueAllocatesNothing(t *testing.T) {
	set := builtin(t)
	for _, r := range set.All() {
		cal, settles := calendars(t, &r)
		at := instantOf(t, "2026-12-24T20:00:00Z")
		if n := testing.AllocsPerRun(100, func() { _, _ = r.Due(at, cal, settles...) }); n > 0 {
			t.Errorf("%s: %v allocations", r.Name, n)
		}
	}
}

func BenchmarkDue(b *testing.B) {
	set := builtin(b)
	for _, name := range []string{"sct-inst", "sct", "ach", "t1"} {
		r, _ := set.Get(name)
		cal, settles := calendars(b, r)
		at := instantOf(b, "2026-11-18T10:00:00Z")
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.Due(at, cal, settles...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
