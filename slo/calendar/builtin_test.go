package calendar_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/ecb"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/us"

	"github.com/assayer-io/assayer/slo/calendar"
)

func builtin(t *testing.T, name string) *calendar.Business {
	t.Helper()
	b, _, err := calendar.Builtin(name, 1900, 2199)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBuiltinsAreWhole: what is shipped can be read, for all years, and says where it is from.
func TestBuiltinsAreWhole(t *testing.T) {
	if got := strings.Join(calendar.BuiltinNames(), " "); got != "24x7 fed fednow nyse target uk" {
		t.Error(got)
	}
	for _, name := range calendar.BuiltinNames() {
		b, v, err := calendar.Builtin(name, 1900, 2199)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b.Name != name || v.Calendar != name || v.Title == "" || v.Source == "" || v.Part == "" || v.AsOf.Year < 2025 || v.First < 1900 {
			t.Errorf("%s says too little of itself: %+v", name, v)
		}
		if always := name == "24x7"; always != (v.Until == calendar.Date{}) || !always && v.Until.Compare(v.AsOf) < 0 {
			t.Errorf("%s is known as of %v until %v", name, v.AsOf, v.Until)
		}
	}
}

func TestBuiltinYears(t *testing.T) {
	b, _, err := calendar.Builtin("nyse", 2027, 2027)
	if err != nil {
		t.Fatal(err)
	}
	if first, last := b.Holidays[0].Date.String(), b.Holidays[len(b.Holidays)-1].Date.String(); first != "2027-01-01" || last != "2027-12-24" || len(b.Holidays) != 11 {
		t.Errorf("%d days from %s to %s", len(b.Holidays), first, last)
	}
	for _, years := range [][2]int{{2027, 2026}, {1899, 2026}, {2026, 2200}} {
		if _, _, err := calendar.Builtin("nyse", years[0], years[1]); err == nil || !strings.Contains(err.Error(), "allowed: 1900 to 2199") {
			t.Errorf("%v: %v", years, err)
		}
	}
	if _, _, err := calendar.Builtin("../nyse", 2026, 2026); !errors.Is(err, calendar.ErrUnknown) || !strings.Contains(err.Error(), "24x7, fed, fednow, nyse, target, uk") {
		t.Error(err)
	}
}

// published are the days of Monday to Friday on which a system is closed, and half-days with their end (h), as
// its owner announced them, written down by hand.
var published = map[string]map[int]string{
	"target": {
		2024: "01-01 03-29 04-01 05-01 12-25 12-26",
		2025: "01-01 04-18 04-21 05-01 12-25 12-26",
		2026: "01-01 04-03 04-06 05-01 12-25",
		2027: "01-01 03-26 03-29",
	},
	"fed": {
		2021: "01-01 01-18 02-15 05-31 07-05 09-06 10-11 11-11 11-25", // no Juneteenth yet
		2022: "01-17 02-21 05-30 06-20 07-04 09-05 10-10 11-11 11-24 12-26",
		2026: "01-01 01-19 02-16 05-25 06-19 09-07 10-12 11-11 11-26 12-25", // 4 July is a Saturday
		2027: "01-01 01-18 02-15 05-31 07-05 09-06 10-11 11-11 11-25",
		2028: "01-17 02-21 05-29 06-19 07-04 09-04 10-09 11-23 12-25",
		2029: "01-01 01-15 02-19 05-28 06-19 07-04 09-03 10-08 11-12 11-22 12-25",
		2030: "01-01 01-21 02-18 05-27 06-19 07-04 09-02 10-14 11-11 11-28 12-25",
	},
	"uk": {
		2020: "01-01 04-10 04-13 05-08 05-25 08-31 12-25 12-28",
		2021: "01-01 04-02 04-05 05-03 05-31 08-30 12-27 12-28",
		2022: "01-03 04-15 04-18 05-02 06-02 06-03 08-29 09-19 12-26 12-27",
		2023: "01-02 04-07 04-10 05-01 05-08 05-29 08-28 12-25 12-26",
		2026: "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
		2027: "01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28",
	},
	"nyse": {
		2015: "01-01 01-19 02-16 04-03 05-25 07-03 09-07 11-26 11-27h13:00 12-24h13:00 12-25",
		2016: "01-01 01-18 02-15 03-25 05-30 07-04 09-05 11-24 11-25h13:00 12-26",
		2018: "01-01 01-15 02-19 03-30 05-28 07-03h13:00 07-04 09-03 11-22 11-23h13:00 12-05 12-24h13:00 12-25",
		2021: "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 11-26h13:00 12-24",
		2022: "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 11-25h13:00 12-26", // 1 January was a Saturday
		2023: "01-02 01-16 02-20 04-07 05-29 06-19 07-03h13:00 07-04 09-04 11-23 11-24h13:00 12-25",
		2024: "01-01 01-15 02-19 03-29 05-27 06-19 07-03h13:00 07-04 09-02 11-28 11-29h13:00 12-24h13:00 12-25",
		2025: "01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-03h13:00 07-04 09-01 11-27 11-28h13:00 12-24h13:00 12-25",
		2026: "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 11-27h13:00 12-24h13:00 12-25",
		2027: "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 11-26h13:00 12-24",
		2028: "01-17 02-21 04-14 05-29 06-19 07-03h13:00 07-04 09-04 11-23 11-24h13:00 12-25",
	},
	"fednow": {2026: ""},
	"24x7":   {2026: ""},
}

// TestPublishedDays asks for every day of those years what a clock in the system's zone would see at noon and
// at three.
func TestPublishedDays(t *testing.T) {
	for _, name := range calendar.BuiltinNames() {
		b := builtin(t, name)
		seven := name == "24x7" || name == "fednow"
		for _, year := range slices.Sorted(maps.Keys(published[name])) {
			var got []string
			for noon := time.Date(year, 1, 1, 12, 0, 0, 0, b.Location); noon.Year() == year; noon = noon.AddDate(0, 0, 1) {
				weekday := noon.Weekday() != time.Saturday && noon.Weekday() != time.Sunday
				open := b.Open(noon)
				closes, _, _ := b.NextChange(noon)
				switch {
				case open && !weekday && !seven:
					t.Errorf("%s: open on %s", name, noon.Format(time.DateOnly))
				case !open && (weekday || seven):
					got = append(got, noon.Format("01-02"))
				case open && !b.Open(noon.Add(3*time.Hour)):
					got = append(got, noon.Format("01-02")+"h"+closes.Format("15:04"))
				}
			}
			if got := strings.Join(got, " "); got != published[name][year] {
				t.Errorf("%s %d:\ngot  %s\nwant %s", name, year, got, published[name][year])
			}
		}
	}
}

// TestAgainstAnotherLibrary: from 2015 to 2035 all days are the same as there, but for those listed, which are
// right here.
func TestAgainstAnotherLibrary(t *testing.T) {
	exchange := []*cal.Holiday{us.NewYear, us.MlkDay, us.PresidentsDay, ecb.GoodFriday, us.MemorialDay, us.Juneteenth, us.IndependenceDay,
		us.LaborDay, us.ThanksgivingDay, us.ChristmasDay}
	for name, tc := range map[string]struct {
		theirs      []*cal.Holiday
		differences string // + closed here alone, - closed there alone
	}{
		"target": {ecb.Holidays, ""},
		// The funeral of 2022 was decided once.
		"uk": {gb.Holidays, "+2022-09-19"},
		// The Reserve Banks are open on the Friday before a holiday on a Saturday, and kept Juneteenth from 2022 on.
		"fed": {us.Holidays, "-2015-07-03 -2017-11-10 -2020-07-03 -2021-06-18 -2021-12-24 -2021-12-31 -2023-11-10 -2026-07-03 " +
			"-2027-06-18 -2027-12-24 -2027-12-31 -2028-11-10 -2032-06-18 -2032-12-24 -2032-12-31 -2034-11-10"},
		// The exchange is open on the last day of a year, kept Juneteenth from 2022 on, and mourned twice.
		"nyse": {exchange, "+2018-12-05 -2021-06-18 -2021-12-31 +2025-01-09 -2027-12-31 -2032-12-31"},
	} {
		theirs := cal.NewBusinessCalendar()
		theirs.AddHoliday(tc.theirs...)
		b := builtin(t, name)
		var got []string
		for day := time.Date(2015, 1, 1, 12, 0, 0, 0, time.UTC); day.Year() <= 2035; day = day.AddDate(0, 0, 1) {
			here := b.BusinessDay(calendar.Date{Year: day.Year(), Month: day.Month(), Day: day.Day()})
			switch there := theirs.IsWorkday(day); {
			case there && !here:
				got = append(got, "+"+day.Format(time.DateOnly))
			case here && !there:
				got = append(got, "-"+day.Format(time.DateOnly))
			}
		}
		if got := strings.Join(got, " "); got != tc.differences {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, tc.differences)
		}
	}
}

// otherEaster is Easter Sunday by the method of Meeus, Jones and Butcher, which shares no step with ours.
func otherEaster(year int) time.Time {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	j, k := c/4, c%4
	m := (a + 11*h) / 319
	r := (2*e + 2*j - k - h + m + 32) % 7
	month := (h - m + r + 90) / 25
	day := (h - m + r + month + 19) % 32
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
}

func TestEaster(t *testing.T) {
	fridays := map[int]time.Time{}
	for _, h := range builtin(t, "target").Holidays {
		if h.Name == "Good Friday" {
			fridays[h.Date.Year] = time.Date(h.Date.Year, h.Date.Month, h.Date.Day, 0, 0, 0, 0, time.UTC)
		}
	}
	for year := 1900; year <= 2199; year++ {
		if got, want := fridays[year].AddDate(0, 0, 2), otherEaster(year); !got.Equal(want) {
			t.Errorf("%d: got %v, want %v", year, got, want)
		}
	}
	// Of a printed table: the earliest and latest, and the four with a correction of their own.
	for _, want := range []string{"1913-03-23", "1943-04-25", "1954-04-18", "1981-04-19", "2008-03-23", "2038-04-25", "2049-04-18", "2076-04-19", "2100-03-28"} {
		var year int
		if _, err := fmt.Sscanf(want, "%d", &year); err != nil {
			t.Fatal(err)
		}
		if got := fridays[year].AddDate(0, 0, 2).Format(time.DateOnly); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestBuiltinHours: sessions and cut-offs are of the wall clock, on the days on which it is put forward and back too.
func TestBuiltinHours(t *testing.T) {
	for _, tc := range []struct{ calendar, at, want string }{
		{"target", "2026-03-27T12:00:00Z", "closes 17:00"},
		{"target", "2026-03-28T12:00:00Z", "opens 2026-03-30T05:00:00Z"}, // summer time since Sunday
		{"target", "2026-10-24T12:00:00Z", "opens 2026-10-26T06:00:00Z"},
		{"fed", "2026-03-07T12:00:00Z", "opens 2026-03-09T01:00:00Z"}, // Sunday 21:00, put forward that morning
		{"fed", "2026-10-31T12:00:00Z", "opens 2026-11-02T02:00:00Z"}, // and back
		{"fed", "2026-11-25T12:00:00Z", "closes 2026-11-26T00:00:00Z"},
		{"fed", "2026-11-26T02:00:00Z", "opens 2026-11-27T02:00:00Z"}, // no evening before Thanksgiving
		{"uk", "2026-06-01T12:00:00Z", "closes 17:00"},
		{"uk", "2026-12-24T18:00:00Z", "opens 2026-12-29T06:00:00Z"},
		{"nyse", "2026-11-27T15:00:00Z", "closes 18:00"},
		{"nyse", "2026-07-02T15:00:00Z", "closes 20:00"},
		{"24x7", "2026-07-02T15:00:00Z", "nothing"},
		{"fednow", "2026-03-08T15:00:00Z", "nothing"},
		{"fednow", "2026-11-01T15:00:00Z", "nothing"},
	} {
		at, err := time.Parse(time.RFC3339, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		got := "nothing"
		if change, open, ok := builtin(t, tc.calendar).NextChange(at); ok {
			got = map[bool]string{true: "opens ", false: "closes "}[open] + change.UTC().Format(time.RFC3339)
			if strings.Contains(tc.want, " ") && len(tc.want) == len("closes 17:00") {
				got = map[bool]string{true: "opens ", false: "closes "}[open] + change.UTC().Format("15:04")
			}
		}
		if got != tc.want {
			t.Errorf("%s at %s: %s, want %s", tc.calendar, tc.at, got, tc.want)
		}
	}
}

func TestBuiltinCutOffs(t *testing.T) {
	for _, tc := range []struct{ calendar, name, at, want string }{
		{"target", "customer", "2026-12-24T16:00:00Z", "2026-12-24T16:00:00Z"},
		{"target", "customer", "2026-12-24T16:00:01Z", "2026-12-28T16:00:00Z"},
		{"target", "customer", "2026-10-23T15:00:01Z", "2026-10-26T16:00:00Z"}, // put back in between
		{"target", "interbank", "2026-03-27T17:00:01Z", "2026-03-30T16:00:00Z"},
		{"fed", "ach-same-day-1", "2026-07-03T14:30:00Z", "2026-07-03T14:30:00Z"}, // open on the Friday before a Saturday
		{"fed", "ach-same-day-2", "2026-11-25T19:45:01Z", "2026-11-27T19:45:00Z"},
		{"fed", "ach-same-day-3", "2026-03-06T21:45:01Z", "2026-03-09T20:45:00Z"},
		{"fed", "third-party", "2026-11-20T23:45:00Z", "2026-11-20T23:45:00Z"},
		{"fed", "bank", "2026-11-20T23:45:00Z", "2026-11-21T00:00:00Z"},
		{"uk", "customer", "2026-12-24T17:40:01Z", "2026-12-29T17:40:00Z"},
		{"uk", "interbank", "2026-06-01T17:00:00Z", "2026-06-01T17:00:00Z"},
		{"fednow", "cycle-day", "2026-12-25T12:00:00Z", "2026-12-26T00:00:00Z"},
		{"nyse", "customer", "2026-12-25T12:00:00Z", "none"},
	} {
		at, err := time.Parse(time.RFC3339, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		if next, ok := builtin(t, tc.calendar).NextCutOff(at, tc.name); ok {
			got = next.UTC().Format(time.RFC3339)
		}
		if got != tc.want {
			t.Errorf("%s %s at %s: %s, want %s", tc.calendar, tc.name, tc.at, got, tc.want)
		}
	}
}

// TestSessionDay: the cycle day of FedNow turns at 19:00 in New York on every day of the year, the value date of
// Fedwire is that of the next business day from the evening before on.
func TestSessionDay(t *testing.T) {
	newYork := zone(t, "America/New_York")
	for _, tc := range []struct{ calendar, at, want string }{
		{"fednow", "2026-11-20 18:59:59", "2026-11-20"},
		{"fednow", "2026-11-20 19:00:00", "2026-11-21"}, // a Saturday
		{"fednow", "2026-11-20 23:59:59", "2026-11-21"},
		{"fednow", "2026-11-21 12:00:00", "2026-11-21"},
		{"fednow", "2026-11-25 19:00:00", "2026-11-26"}, // Thanksgiving
		{"fednow", "2026-12-31 19:00:00", "2027-01-01"},
		{"fednow", "2026-03-08 01:59:59", "2026-03-08"},
		{"fednow", "2026-03-08 19:00:00", "2026-03-09"},
		{"fednow", "2026-11-01 18:59:59", "2026-11-01"},
		{"fed", "2026-11-20 18:59:59", "2026-11-20"},
		{"fed", "2026-11-20 19:00:00", "2026-11-23"},
		{"fed", "2026-11-22 21:00:00", "2026-11-23"},
		{"fed", "2026-11-25 21:00:00", "2026-11-27"},
		{"24x7", "2026-11-25 18:59:59", "2026-11-25"},
		{"24x7", "2026-11-25 19:00:00", "2026-11-26"}, // midnight UTC
	} {
		at, err := time.ParseInLocation(time.DateTime, tc.at, newYork)
		if err != nil {
			t.Fatal(err)
		}
		if day, ok := builtin(t, tc.calendar).SessionDay(at); !ok || day.String() != tc.want {
			t.Errorf("%s at %s: %v %v, want %s", tc.calendar, tc.at, day, ok, tc.want)
		}
	}
	if day, ok := (&calendar.Business{Location: time.UTC}).SessionDay(time.Unix(0, 0)); ok {
		t.Errorf("a calendar that is never open has the day %v", day)
	}
}

func TestWarning(t *testing.T) {
	v := calendar.Validity{Calendar: "uk", Until: calendar.Date{Year: 2027, Month: 12, Day: 31}, Part: "days", Source: "gov.uk", AsOf: calendar.Date{Year: 2026, Month: 11, Day: 21}}
	const text = "the built-in calendar uk is known until 2027-12-31 (days: gov.uk, as of 2026-11-21); after it rules alone go on: use a newer version, or a BusinessCalendar that extends it with what has changed"
	for at, want := range map[string]string{"2027-10-01": "", "2027-10-02": text, "2027-12-31": text, "2031-01-01": text} {
		now, err := time.Parse(time.DateOnly, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Warning(now.Add(23 * time.Hour)); got != want {
			t.Errorf("%s: %q", at, got)
		}
	}
	if got := (calendar.Validity{}).Warning(time.Unix(1<<40, 0)); got != "" {
		t.Errorf("without an end: %q", got)
	}
}
