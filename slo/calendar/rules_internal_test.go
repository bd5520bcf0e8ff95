package calendar

import (
	"strings"
	"testing"
	"time"
)

const rules = `title: A
zone: UTC
first_year: 2020
source: s
as_of: 2026-01-01
valid_until: 2030-12-31
week: [{days: [monday], hours: "09:00-17:00", valid_until: 2028-12-31, source: w, as_of: 2026-02-01}]
cut_offs: [{name: late, at: "17:00"}, {name: early, at: "09:00"}]
days:
  - {name: fixed, date: "02-29", plus: 7}
  - {name: last, nth: -1, weekday: monday, month: 12, from: 2021, until: 2023, except: [2022]}
  - {name: half, nth: 1, weekday: monday, month: 6, plus: 7, hours: "09:00-12:00"}
one_offs:
  - {date: 2022-06-13, name: closed}
  - {date: 2022-06-14, name: opened, hours: "10:00-11:00"}
`

func TestRules(t *testing.T) {
	f, err := parseRules([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.expand("a", 2020, 2024)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range b.Holidays {
		text := h.Date.String() + " " + h.Name
		for _, s := range h.Sessions {
			text += " " + s.String()
		}
		got = append(got, text)
	}
	want := `2020-03-07 fixed
2020-06-08 half 09:00-12:00
2021-03-08 fixed
2021-06-14 half 09:00-12:00
2021-12-27 last
2022-03-08 fixed
2022-06-13 closed
2022-06-14 opened 10:00-11:00
2023-03-08 fixed
2023-06-12 half 09:00-12:00
2023-12-25 last
2024-03-07 fixed
2024-06-10 half 09:00-12:00`
	if got := strings.Join(got, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(b.CutOffs) != 2 || b.CutOffs[0].Name != "early" || len(b.Week[time.Monday]) != 1 || len(b.Week[time.Tuesday]) != 0 {
		t.Errorf("%+v", b)
	}
	if v := f.validity("a"); v.Until.String() != "2028-12-31" || v.Part != "hours" || v.Source != "w" || v.AsOf.String() != "2026-02-01" || v.First != 2020 {
		t.Errorf("%+v", v)
	}
}

// TestBrokenRules: each of these would stop TestBuiltinsAreWhole, and with it a build that ships it.
func TestBrokenRules(t *testing.T) {
	for name, tc := range map[string]struct{ old, new, want string }{
		"misspelt key":     {"cut_offs", "cutoffs", "field cutoffs not found"},
		"no YAML":          {"title: A", "title: [", "reading rules"},
		"no title":         {"title: A\n", "", "no title, or no first year from 1900 to 2199"},
		"no first year":    {"first_year: 2020", "first_year: 20", "no title, or no first year from 1900 to 2199"},
		"no source":        {"source: s\n", "", "days: no source or no as_of"},
		"source of a part": {", source: w", "", "hours: no source or no as_of"},
		"no such day":      {"2022-06-13", "2022-06-31", `"2022-06-31" is no date`},
		"no weekday":       {"[monday]", "[Montag]", `"Montag" is no weekday`},
		"no hours":         {`"10:00-11:00"`, `"ten"`, `"ten" are no hours`},
		"no time":          {`"17:00"}`, `"17"}`, `"17" is no time of day`},
		"no day of a year": {"02-29", "02-30", `"02-30" is no day of a year`},
		"no name":          {"name: fixed, ", "", "a day without a name"},
		"two kinds":        {`date: "02-29"`, `date: "02-29", easter: 1`, "fixed: needs exactly one of date, easter and nth"},
		"no kind":          {`date: "02-29", `, "", "fixed: needs exactly one of date, easter and nth"},
		"fifth":            {"half, nth: 1", "half, nth: 5", "half: nth is 1 to 4 or -1, of a month 1 to 12"},
		"no month":         {"month: 6", "month: 13", "half: nth is 1 to 4 or -1, of a month 1 to 12"},
		"far off":          {"plus: 7}", "plus: 32}", "fixed: is further off"},
		"unknown observed": {`date: "02-29"`, `date: "02-29", observed: someday`, "fixed: observed is [sunday_to_monday"},
		"moved half-day":   {"hours: \"09:00-12:00\"", "hours: \"09:00-12:00\", observed: next_weekday", "half: observed is"},
		"no zone":          {"zone: UTC", "zone: Mars/Base", "looking up the zone: unknown time zone Mars/Base"},
		"no order":         {`"09:00-17:00"`, `"17:00-09:00"`, "Monday: session 17:00-09:00: its length"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(rules, tc.old, tc.new, 1)
			if text == rules {
				t.Fatal("nothing is replaced")
			}
			f, err := parseRules([]byte(text))
			if err == nil {
				_, err = f.expand("a", 2020, 2024)
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// FuzzTexts: what is read as a date, hours or a time of day is one.
func FuzzTexts(f *testing.F) {
	for _, s := range []string{"2026-12-25", "17:00", "-24:00", "48:00", "09:00-17:30", "-05:00 - 26:00", "-1:30--0:30", "9:60", "2026-02-29"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := ParseDate(text); ok && d.String() != text {
			t.Errorf("date %q is %v", text, d)
		}
		if m, ok := ParseClock(text); ok && (m < -dayMinutes || m > 2*dayMinutes) {
			t.Errorf("time %q is %d", text, m)
		}
		if s, ok := ParseHours(text); ok && s.From < s.To {
			b := Business{Location: time.UTC}
			b.Week[time.Monday] = []Session{s}
			if s.To-s.From <= 2*dayMinutes && b.Validate() != nil {
				t.Errorf("hours %q: %v", text, b.Validate())
			}
		}
	})
}

func BenchmarkBuiltin(b *testing.B) {
	for b.Loop() {
		if _, _, err := Builtin("nyse", 2015, 2099); err != nil {
			b.Fatal(err)
		}
	}
}
