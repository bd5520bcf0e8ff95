package slo_test

import (
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

// floor promises, in slices of half an hour, half of the traffic that is expected.
func floor(c *calendar.Business) spec.Objective {
	o := ratio(0.9)
	o.Method, o.Slice, o.SliceTarget, o.Calendar = spec.Timeslices, 30*time.Minute, 1, c
	o.Indicator = spec.Indicator{Traffic: &spec.Traffic{Total: *sel("__name__", "tx"), AtLeastOfExpected: 0.5}}
	return o
}

// traffic feeds whole hours at a rate that rate gives in events a minute, and returns the status at the end
// of each hour.
func traffic(t *testing.T, o spec.Objective, hours int, rate func(hour int) float64) func(hour int) slo.Events {
	e := slo.New(slo.Options{})
	must(t, e.Apply([]spec.Objective{o}, epoch, nil))
	events := map[int]slo.Events{}
	n := 0.0
	for m := 0; m <= hours*60; m++ {
		if m > 0 {
			n += rate((m - 1) / 60)
		}
		e.Observe(collector.Cycle{Target: "a", At: at(time.Duration(m) * time.Minute), Interval: time.Minute, Samples: []collector.Sample{{Series: goodSeries, Value: n}}})
		if m%60 == 59 || m%60 == 10 {
			s := e.Evaluate(at(time.Duration(m) * time.Minute))[0]
			if m%60 == 10 { // by now the slices of the hour before are judged
				events[m/60-1] = s.Events
			}
		}
	}
	return func(hour int) slo.Events {
		before, after := events[hour-1], events[hour]
		return slo.Events{Good: after.Good - before.Good, Bad: after.Bad - before.Bad, Excluded: after.Excluded - before.Excluded}
	}
}

func wantSlices(t *testing.T, what string, got slo.Events, good, bad, excluded float64) {
	t.Helper()
	got.Pending = 0
	if want := (slo.Events{Good: good, Bad: bad, Excluded: excluded}); got != want {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func TestExpectedTrafficIsThatOfTheSameWeekday(t *testing.T) {
	const day = 24
	// The epoch is a Monday. Weekdays bring 100 a minute, Saturdays and Sundays 10.
	usual := func(hour int) float64 {
		if hour/day%7 >= 5 {
			return 10
		}
		return 100
	}
	outage := 7*day + 12 // the second Monday at noon: nothing comes
	drop := 14*day + 12  // the third: a third of the usual
	got := traffic(t, floor(nil), 16*day, func(hour int) float64 {
		switch hour {
		case outage:
			return 0
		case drop:
			return 30
		}
		return usual(hour)
	})
	wantSlices(t, "the first day has nothing to compare with", got(12), 0, 0, 2)
	wantSlices(t, "the first Saturday is compared with the days before", got(5*day+12), 0, 2, 0)
	wantSlices(t, "the second Saturday is compared with the first", got(12*day+12), 2, 0, 0)
	wantSlices(t, "the outage", got(outage), 0, 2, 0)
	// Of 100 and 0 the median is 50, of which half is promised: an outage alone does not make 30 good enough
	// once there are more Mondays than the two; here it does.
	wantSlices(t, "a third of the traffic, a week after the outage", got(drop), 2, 0, 0)
	wantSlices(t, "the hour after it", got(drop+1), 2, 0, 0)
}

func TestExpectedTrafficOnHolidays(t *testing.T) {
	const day = 24
	always := []calendar.Session{{From: 0, To: 24 * 60}}
	c := &calendar.Business{Name: "c", Location: time.UTC, Holidays: []calendar.Holiday{
		{Date: calendar.Date{Year: 2026, Month: 3, Day: 18}, Name: "bank holiday", Sessions: nil},
	}}
	for i := range c.Week {
		c.Week[i] = always
	}
	must(t, c.Validate())
	wednesday := 16 * day // 2026-03-18
	got := traffic(t, floor(c), 18*day, func(hour int) float64 {
		if hour/day == 16 || hour/day%7 == 6 {
			return 10 // holidays and Sundays
		}
		return 100
	})
	wantSlices(t, "a holiday, on which business is closed", got(wednesday+12), 0, 0, 2)
	wantSlices(t, "the day after it", got(wednesday+day+12), 2, 0, 0)
	c.Holidays[0].Sessions = []calendar.Session{{From: 0, To: 13 * 60}}
	must(t, c.Validate())
	got = traffic(t, floor(c), 18*day, func(hour int) float64 {
		if hour/day == 16 {
			return 60 // of a half-day nothing is known: the days before say 86 a minute
		}
		return 100
	})
	wantSlices(t, "a half-day, against the days before", got(wednesday+12), 2, 0, 0)
	wantSlices(t, "a half-day's closed hours", got(wednesday+14), 0, 0, 2)
}
