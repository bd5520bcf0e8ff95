package rail_test

import (
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/duetable"
)

// TestTwoYears goes through 2026 and 2027 in steps of ten minutes: both clock changes in Europe and in
// America, Easter, ends of months and years, and every bank holiday.
func TestTwoYears(t *testing.T) {
	tables := duetable.CutOffs()
	set := builtin(t)
	for name, table := range tables {
		r, _ := set.Get(name)
		cal, settles := calendars(t, r)
		i, wrong, steps := 0, 0, 0
		for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2028 && wrong < 5; at = at.Add(10 * time.Minute) {
			for table[i].Until < at.Unix() {
				i++
			}
			want := table[i]
			got, err := r.Due(at, cal, settles...)
			steps++
			if err != nil || got.At.Unix() != want.Due || got.Day.String() != want.Day || got.Cycle != want.Name {
				t.Errorf("%s received %v: day %v, due %v, %q, %v; want %s, %v, %q", name, at, got.Day, got.At.UTC(), got.Cycle, err, want.Day, time.Unix(want.Due, 0).UTC(), want.Name)
				wrong++
			}
			if at.Minute() != 0 {
				continue
			}
			if cutOff, _, ok := r.NextCutOff(at, cal); ok != (want.Name != "") || ok && cutOff.Unix() != want.Until {
				t.Errorf("%s at %v: next cut-off %v, %v; want %v", name, at, cutOff.UTC(), ok, time.Unix(want.Until, 0).UTC())
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
	newYork := duetable.Zones()["New York"]
	r, _ := builtin(t).Get("fednow")
	cal, _ := calendars(t, r)
	day := time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC)
	for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2028; at = at.Add(10 * time.Minute) {
		for newYork.UTC(day.Format(time.DateOnly), 19*60) <= at.Unix() {
			day = day.Add(24 * time.Hour)
		}
		got, err := r.Due(at, cal)
		if err != nil || got.Day.String() != day.Format(time.DateOnly) || !got.At.Equal(at.Add(20*time.Second)) {
			t.Fatalf("received %v: day %v, due %v, %v; want %s", at, got.Day, got.At, err, day.Format(time.DateOnly))
		}
	}
}
