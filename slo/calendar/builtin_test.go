package calendar_test

import (
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo/calendar"
)

// closed lists the days without sessions that Monday to Friday would have had, and half-days with their end.
func closed(b *calendar.Business, year string) string {
	var out []string
	for _, h := range b.Holidays {
		day := h.Date.String()
		if !strings.HasPrefix(day, year) {
			continue
		}
		switch wd := weekdayOf(h.Date); {
		case len(h.Sessions) > 0:
			out = append(out, day[5:]+" "+h.Sessions[0].String())
		case wd != "Saturday" && wd != "Sunday":
			out = append(out, day[5:])
		}
	}
	return strings.Join(out, ", ")
}

// TestTARGETDays: the closing days as the ECB lists them, those on weekends left out.
func TestTARGETDays(t *testing.T) {
	b := mustBuiltin(t, "target")
	for year, want := range map[string]string{
		"2024": "01-01, 03-29, 04-01, 05-01, 12-25, 12-26",
		"2025": "01-01, 04-18, 04-21, 05-01, 12-25, 12-26",
		"2026": "01-01, 04-03, 04-06, 05-01, 12-25",
		"2027": "01-01, 03-26, 03-29",
	} {
		if got := closed(b, year); got != want {
			t.Errorf("%s: got  %s\nwant %s", year, got, want)
		}
	}
}

func mustBuiltin(t *testing.T, name string) *calendar.Business {
	t.Helper()
	b, _, err := calendar.Builtin(name, 2015, 2040)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func weekdayOf(d calendar.Date) string {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Weekday().String()
}
