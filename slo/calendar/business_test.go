package calendar_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo/calendar"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// everyDay is a calendar with the same sessions on all days.
func everyDay(loc *time.Location, sessions ...calendar.Session) calendar.Business {
	b := calendar.Business{Name: "test", Location: loc}
	for day := range b.Week {
		b.Week[day] = sessions
	}
	return b
}

func session(from, to int) calendar.Session { return calendar.Session{From: from, To: to} }

// office is Monday to Friday 09:00-17:00 in Berlin, closed at Christmas, short on Christmas Eve.
func office(t testing.TB) *calendar.Business {
	b := everyDay(zone(t, "Europe/Berlin"), session(9*60, 17*60))
	b.Week[time.Saturday], b.Week[time.Sunday] = nil, nil
	b.Holidays = []calendar.Holiday{
		{Date: calendar.Date{Year: 2026, Month: 12, Day: 24}, Name: "Christmas Eve", Sessions: []calendar.Session{session(9*60, 12*60)}},
		{Date: calendar.Date{Year: 2026, Month: 12, Day: 25}, Name: "Christmas"},
	}
	b.CutOffs = []calendar.CutOff{{Name: "early", Minute: -60}, {Name: "sct", Minute: 15*60 + 30}}
	return &b
}

// TestOpenBetween: how long business lasts on real days with a clock change, counted by hand.
func TestOpenBetween(t *testing.T) {
	tests := map[string]struct {
		zone     string
		session  calendar.Session
		from, to string
		want     string
	}{
		"Berlin, day of 23 hours":                 {"Europe/Berlin", session(0, 1440), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "23h0m0s"},
		"Berlin, day of 25 hours":                 {"Europe/Berlin", session(0, 1440), "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "25h0m0s"},
		"Berlin, 01:00-04:00 loses its hour":      {"Europe/Berlin", session(60, 240), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2h0m0s"},
		"Berlin, 01:00-04:00 wins one":            {"Europe/Berlin", session(60, 240), "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "4h0m0s"},
		"Berlin, 02:10-02:50 is skipped":          {"Europe/Berlin", session(130, 170), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "0s"},
		"Berlin, 02:30-04:00 begins at 03:00":     {"Europe/Berlin", session(150, 240), "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z", "1h0m0s"},
		"Berlin, 02:10-02:50 happens once":        {"Europe/Berlin", session(130, 170), "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "40m0s"},
		"Berlin, 01:00-02:30 ends the first time": {"Europe/Berlin", session(60, 150), "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "1h30m0s"},
		"New York, 01:00-04:00 loses its hour":    {"America/New_York", session(60, 240), "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", "2h0m0s"},
		"New York, 02:30-04:00 begins at 03:00":   {"America/New_York", session(150, 240), "2026-03-08T06:00:00Z", "2026-03-08T08:00:00Z", "1h0m0s"},
		"New York, 01:00-04:00 wins one":          {"America/New_York", session(60, 240), "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", "4h0m0s"},
		"Fedwire's day begins the evening before": {"America/New_York", session(-180, 19*60), "2026-11-01T01:00:00Z", "2026-11-02T00:00:00Z", "23h0m0s"},
		"Kolkata is half an hour off":             {"Asia/Kolkata", session(9*60+15, 15*60+30), "2026-06-01T03:45:00Z", "2026-06-01T10:00:00Z", "6h15m0s"},
		"Lord Howe loses half an hour":            {"Australia/Lord_Howe", session(0, 1440), "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z", "23h30m0s"},
		"Lord Howe wins half an hour":             {"Australia/Lord_Howe", session(0, 1440), "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", "24h30m0s"},
		"to the nanosecond":                       {"UTC", session(0, 60), "2026-06-01T00:59:59.999999998Z", "2026-06-01T01:30:00Z", "2ns"},
		"backwards":                               {"UTC", session(0, 1440), "2026-06-02T00:00:00Z", "2026-06-01T00:00:00Z", "0s"},
		"a year":                                  {"Europe/Berlin", session(540, 1020), "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2920h0m0s"},
		"over midnight":                           {"UTC", session(22*60, 26*60), "2026-06-01T23:00:00Z", "2026-06-02T01:00:00Z", "2h0m0s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := everyDay(zone(t, tt.zone), tt.session)
			if err := b.Validate(); err != nil {
				t.Fatal(err)
			}
			if got := b.OpenBetween(instant(t, tt.from), instant(t, tt.to)).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestNextChange(t *testing.T) {
	always := everyDay(time.UTC, session(0, 1440))
	never := calendar.Business{Location: time.UTC}
	once := calendar.Business{Location: time.UTC, Holidays: []calendar.Holiday{
		{Date: calendar.Date{Year: 2030, Month: 1, Day: 1}, Sessions: []calendar.Session{session(0, 60)}}}}
	tests := map[string]struct {
		calendar *calendar.Business
		at, want string
	}{
		"open until evening":           {office(t), "2026-12-23T15:59:59Z", "2026-12-23T16:00:00Z closes"},
		"the end is no longer open":    {office(t), "2026-12-23T16:00:00Z", "2026-12-24T08:00:00Z opens"},
		"a half-day closes at noon":    {office(t), "2026-12-24T08:00:00Z", "2026-12-24T11:00:00Z closes"},
		"over holiday and weekend":     {office(t), "2026-12-24T11:00:00Z", "2026-12-28T08:00:00Z opens"},
		"the summer opens an hour ago": {office(t), "2026-03-28T12:00:00Z", "2026-03-30T07:00:00Z opens"},
		"always open":                  {&always, "2026-12-24T11:00:00Z", "nothing"},
		"never open":                   {&never, "2026-12-24T11:00:00Z", "nothing"},
		"further than 400 days":        {&once, "2028-11-01T00:00:00Z", "nothing"},
		"within 400 days":              {&once, "2029-01-01T00:00:00Z", "2030-01-01T00:00:00Z opens"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			at, open, ok := tt.calendar.NextChange(instant(t, tt.at))
			got := "nothing"
			if ok {
				got = at.UTC().Format(time.RFC3339) + map[bool]string{true: " opens", false: " closes"}[open]
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestNextCutOff(t *testing.T) {
	for at, want := range map[string]string{
		"2026-12-23T14:30:00Z sct":   "2026-12-23T14:30:00Z", // at the last moment
		"2026-12-23T14:30:01Z sct":   "2026-12-24T14:30:00Z",
		"2026-12-24T14:30:01Z sct":   "2026-12-28T14:30:00Z",
		"2026-12-25T12:00:00Z early": "2026-12-27T22:00:00Z", // Monday's lies on Sunday evening
		"2026-12-25T12:00:00Z late":  "none",
	} {
		when, name, _ := strings.Cut(at, " ")
		got := "none"
		if next, ok := office(t).NextCutOff(instant(t, when), name); ok {
			got = next.UTC().Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", at, got, want)
		}
	}
	if _, ok := (&calendar.Business{Location: time.UTC, CutOffs: []calendar.CutOff{{Name: "sct"}}}).NextCutOff(time.Time{}, "sct"); ok {
		t.Error("a calendar without business days has a cut-off")
	}
}

func TestBusinessDays(t *testing.T) {
	b := office(t)
	for in, want := range map[string]string{
		"2026-12-23 +0":   "2026-12-23",
		"2026-12-23 +1":   "2026-12-24", // a half-day is a business day
		"2026-12-23 +2":   "2026-12-28",
		"2026-12-26 +0":   "2026-12-28", // a Saturday
		"2026-12-26 +1":   "2026-12-28",
		"2026-12-28 -1":   "2026-12-24",
		"2026-12-28 -3":   "2026-12-22",
		"2026-12-31 +261": "2027-12-31",
	} {
		var from calendar.Date
		var n int
		if _, err := fmt.Sscanf(in, "%d-%d-%d %d", &from.Year, &from.Month, &from.Day, &n); err != nil {
			t.Fatal(err)
		}
		got, ok := b.AddBusinessDays(from, n)
		if !ok || got.String() != want {
			t.Errorf("%s: got %v (%v), want %s", in, got, ok, want)
		}
	}
	if d, ok := (&calendar.Business{Location: time.UTC}).AddBusinessDays(calendar.Date{Year: 2026, Month: 1, Day: 1}, 1); ok {
		t.Errorf("a calendar without business days found %v", d)
	}
}

func TestDay(t *testing.T) {
	for at, want := range map[string]string{
		"2026-12-22T23:00:00Z": "2026-12-23 3", // already Wednesday in Berlin
		"2026-12-24T20:00:00Z": "2026-12-24 8",
		"2026-12-25T12:00:00Z": "2026-12-25 7",
		"2026-12-27T12:00:00Z": "2026-12-27 0",
	} {
		day, class := office(t).Day(instant(t, at))
		if got := fmt.Sprintf("%v %d", day, class); got != want {
			t.Errorf("%s: got %s, want %s", at, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	day := func(d int) calendar.Date { return calendar.Date{Year: 2026, Month: 12, Day: d} }
	tests := map[string]struct {
		change func(*calendar.Business)
		want   string // "": valid
	}{
		"valid":              {func(*calendar.Business) {}, ""},
		"sessions that meet": {func(b *calendar.Business) { b.Week[1] = []calendar.Session{session(0, 600), session(600, 1440)} }, ""},
		"days that meet": {func(b *calendar.Business) {
			b.Week[1], b.Week[2] = b.Week[1][:0], []calendar.Session{session(-1440, 1440)}
		}, ""},
		"no zone":            {func(b *calendar.Business) { b.Location = nil }, "no time zone"},
		"nothing":            {func(b *calendar.Business) { *b = calendar.Business{Location: time.UTC} }, "no sessions on any day"},
		"empty session":      {func(b *calendar.Business) { b.Week[1] = []calendar.Session{session(600, 600)} }, "Monday: session 10:00-10:00: its length has to be above 0 and at most 48 hours"},
		"more than two days": {func(b *calendar.Business) { b.Week[1] = []calendar.Session{session(-1, 2880)} }, "Monday: session 23:59-1d-24:00+1d: its length"},
		"too early":          {func(b *calendar.Business) { b.Week[1] = []calendar.Session{session(-1441, 0)} }, "reaches further than one day"},
		"too late":           {func(b *calendar.Business) { b.Week[1] = []calendar.Session{session(600, 2881)} }, "reaches further than one day"},
		"out of order":       {func(b *calendar.Business) { b.Week[1] = []calendar.Session{session(600, 700), session(0, 60)} }, "Monday: session 00:00-01:00 begins before 10:00-11:40 ends"},
		"over midnight":      {func(b *calendar.Business) { b.Week[1] = []calendar.Session{session(22*60, 1440+541)} }, "session 09:00-17:00 of Tuesday begins before 22:00-09:01+1d of Monday ends"},
		"over the week's end": {func(b *calendar.Business) {
			b.Week[6], b.Week[0] = []calendar.Session{session(600, 1500)}, []calendar.Session{session(0, 60)}
		}, "of Sunday begins before 10:00-01:00+1d of Saturday ends"},
		"two days apart": {func(b *calendar.Business) {
			b.Week[5], b.Week[0] = []calendar.Session{session(600, 2880)}, []calendar.Session{session(-720, 60)}
		}, "of Sunday begins before 10:00-24:00+1d of Friday ends"},
		"holiday and weekday": {func(b *calendar.Business) { b.Holidays[0].Sessions = []calendar.Session{session(-601, 60)} }, "of 2026-12-24 begins before 09:00-17:00 of 2026-12-23 ends"},
		"holiday and holiday": {func(b *calendar.Business) { b.Holidays[1].Sessions = []calendar.Session{session(-1000, 60)} }, "of 2026-12-25 begins before 09:00-12:00 of 2026-12-24 ends"},
		"holiday and day after": {func(b *calendar.Business) {
			b.Holidays = []calendar.Holiday{{Date: day(21), Sessions: []calendar.Session{session(600, 2000)}}}
		}, "of 2026-12-22 begins before 10:00-09:20+1d of 2026-12-21 ends"},
		"holiday twice":         {func(b *calendar.Business) { b.Holidays[1].Date = day(24) }, "holiday 2026-12-24: not after the one before it"},
		"no such day":           {func(b *calendar.Business) { b.Holidays[1].Date = day(32) }, "holiday 2026-12-32: there is no such day"},
		"cut-offs out of order": {func(b *calendar.Business) { slices.Reverse(b.CutOffs) }, "cut-off early: earlier than the one before it, sct"},
		"cut-off twice":         {func(b *calendar.Business) { b.CutOffs[1].Name = "early" }, "cut-off early: twice"},
		"cut-off without name":  {func(b *calendar.Business) { b.CutOffs[1].Name = "" }, "cut-off 2: no name"},
		"cut-off far away":      {func(b *calendar.Business) { b.CutOffs[1].Minute = 2881 }, "cut-off sct: further than one day"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := office(t)
			tt.change(b)
			err := b.Validate()
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v, want no error", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestOpenAllocatesNothing: Open is asked for every slice of every objective.
func TestOpenAllocatesNothing(t *testing.T) {
	b, at := office(t), instant(t, "2026-10-25T00:30:00Z")
	if n := testing.AllocsPerRun(100, func() { b.Open(at) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var oracleZones = []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
	"America/Sao_Paulo", "Pacific/Apia", "America/Havana", "Africa/Casablanca"}

// oracle answers minute by minute from what a wall clock shows that is never turned back: from the
// civil fields of each minute, the latest reading so far, against the sessions as written.
type oracle struct {
	start time.Time
	open  []bool
}

func newOracle(b *calendar.Business, start time.Time, minutes int) oracle {
	o, latest := oracle{start: start}, time.Time{}
	for m := -3 * 1440; m < minutes; m++ {
		local := start.Add(time.Duration(m) * time.Minute).In(b.Location)
		reading := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), 0, 0, time.UTC)
		if reading.After(latest) {
			latest = reading
		}
		if m >= 0 {
			o.open = append(o.open, openAt(b, latest))
		}
	}
	return o
}

func openAt(b *calendar.Business, reading time.Time) bool {
	midnight := reading.Truncate(24 * time.Hour)
	for d := -2; d <= 2; d++ {
		day := midnight.AddDate(0, 0, d)
		sessions := b.Week[day.Weekday()]
		for _, h := range b.Holidays {
			if h.Date.String() == day.Format(time.DateOnly) {
				sessions = h.Sessions
			}
		}
		for _, s := range sessions {
			if m := int(reading.Sub(day).Minutes()); s.From <= m && m < s.To {
				return true
			}
		}
	}
	return false
}

func (o oracle) check(t testing.TB, b *calendar.Business, rng *rand.Rand) {
	t.Helper()
	for m, want := range o.open {
		if at := o.start.Add(time.Duration(m) * time.Minute); b.Open(at) != want {
			t.Fatalf("%+v\nat %v: open %v, want %v", b, at.In(b.Location), !want, want)
		}
	}
	for range 20 {
		from, to := rng.IntN(len(o.open)), rng.IntN(len(o.open))
		from, to = min(from, to), max(from, to)
		want := 0
		for _, open := range o.open[from:to] {
			if open {
				want++
			}
		}
		at := func(m int) time.Time { return o.start.Add(time.Duration(m) * time.Minute) }
		if got := b.OpenBetween(at(from), at(to)); got != time.Duration(want)*time.Minute {
			t.Fatalf("%+v\nbetween %v and %v: got %v, want %d min", b, at(from).In(b.Location), at(to).In(b.Location), got, want)
		}
		change := slices.Index(o.open[from:], !o.open[from])
		next, open, ok := b.NextChange(at(from))
		switch {
		case change >= 0 && (!ok || !next.Equal(at(from+change)) || open == o.open[from]):
			t.Fatalf("%+v\nafter %v: next change %v %v %v, want %v", b, at(from), next, open, ok, at(from+change))
		case change < 0 && ok && next.Before(at(len(o.open))):
			t.Fatalf("%+v\nafter %v: a change at %v that is none", b, at(from), next)
		}
	}
}

// randomBusiness is a valid calendar around start with sessions and holidays where chance puts them.
func randomBusiness(rng *rand.Rand, loc *time.Location, start time.Time) *calendar.Business {
	sessions := func() (out []calendar.Session) {
		for at := rng.IntN(3000) - 1440; at < 1500 && len(out) < 3; at += rng.IntN(400) {
			s := session(at, at+1+rng.IntN(900))
			out = append(out, s)
			at = s.To
		}
		return out
	}
	for {
		b := &calendar.Business{Location: loc}
		for day := range b.Week {
			if rng.IntN(3) > 0 {
				b.Week[day] = sessions()
			}
		}
		for d := -3; d < 12; d++ {
			if y, m, day := start.AddDate(0, 0, d).Date(); rng.IntN(8) == 0 {
				h := calendar.Holiday{Date: calendar.Date{Year: y, Month: m, Day: day}}
				if rng.IntN(2) == 0 {
					h.Sessions = sessions()
				}
				b.Holidays = append(b.Holidays, h)
			}
		}
		if b.Validate() == nil {
			return b
		}
	}
}

// transitions of 2011 to 2026 near which the random calendars are tried, the lost day of Samoa included.
var transitions = []string{"2026-03-27T00:00:00Z", "2026-10-23T00:00:00Z", "2026-03-06T00:00:00Z", "2026-10-30T00:00:00Z",
	"2026-04-03T00:00:00Z", "2026-10-02T00:00:00Z", "2011-12-28T00:00:00Z", "2018-11-02T00:00:00Z", "2018-02-16T00:00:00Z"}

// Two random calendars go through each week in which a zone changes its clocks, and one through a week of each zone.
func TestAgainstOracle(t *testing.T) {
	changes := 0
	for z, name := range oracleZones {
		loc := zone(t, name)
		for w, text := range transitions {
			start := instant(t, text)
			_, before := start.In(loc).Zone()
			_, after := start.AddDate(0, 0, 7).In(loc).Zone()
			tries := uint64(0)
			if w == 0 {
				tries = 1
			}
			if before != after {
				changes, tries = changes+1, 2
			}
			for seed := range tries {
				rng := rand.New(rand.NewPCG(uint64(z*len(transitions)+w), seed))
				b := randomBusiness(rng, loc, start)
				newOracle(b, start, 7*1440).check(t, b, rng)
			}
		}
	}
	if changes < 13 {
		t.Errorf("clocks change only %d times", changes)
	}
}

func FuzzBusiness(f *testing.F) {
	f.Add(uint64(1), uint8(1), int64(1_774_569_600), 540, 1020, 1320, 1860)
	f.Add(uint64(2), uint8(4), int64(1_775_174_400), -180, 1140, 1140, 1200)
	f.Add(uint64(3), uint8(6), int64(1_325_030_400), 0, 1440, 1440, 2880)
	f.Fuzz(func(t *testing.T, seed uint64, zoneNo uint8, unix int64, a, b, c, d int) {
		cal := everyDay(zone(t, oracleZones[int(zoneNo)%len(oracleZones)]), session(a, b), session(c, d))
		cal.Week[seed%7] = nil
		if cal.Validate() != nil || unix < 0 || unix > 1<<32 { // before 1970 offsets have seconds
			return
		}
		rng := rand.New(rand.NewPCG(seed, 2))
		newOracle(&cal, time.Unix(unix-unix%60, 0).UTC(), 4*1440).check(t, &cal, rng)
	})
}

func BenchmarkOpenBetween(b *testing.B) {
	cal, at := office(b), instant(b, "2026-12-23T15:30:00Z")
	b.ReportAllocs()
	for b.Loop() {
		cal.OpenBetween(at, at.Add(time.Minute))
	}
}

func BenchmarkNextChangeOfAlwaysOpen(b *testing.B) {
	cal, at := everyDay(zone(b, "Europe/Berlin"), session(0, 1440)), instant(b, "2026-12-23T15:30:00Z")
	for b.Loop() {
		cal.NextChange(at)
	}
}

func BenchmarkOpen(b *testing.B) {
	cal, at := office(b), instant(b, "2026-12-23T15:30:00Z")
	b.ReportAllocs()
	for b.Loop() {
		cal.Open(at)
	}
}
