package slo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// bad is a series of failures with the labels given in pairs.
func bad(v float64, pairs ...string) collector.Sample {
	return collector.Sample{Series: series(append([]string{"__name__", "tx", "outcome", "bad"}, pairs...)...), Value: v}
}

// expiring is grouped with groups that are forgotten after an hour.
func expiring(max int) spec.Objective {
	o := grouped(max)
	o.GroupBy.Expires = time.Hour
	return o
}

// between takes looks at what shows says from from until before to, and evaluates every ten minutes.
func (f feeder) between(from, to time.Duration, shows func(time.Duration) []collector.Sample) {
	for d := from; d < to; d += interval {
		f.cycle(d, shows(d)...)
		if d%(10*time.Minute) == 0 {
			f.Evaluate(at(d))
		}
	}
}

func (f feeder) wantNames(d time.Duration, want string) {
	f.t.Helper()
	if got := f.names(d); got != want {
		f.t.Errorf("at %v got %s, want %s", d, got, want)
	}
}

func TestForgottenGroupComesBack(t *testing.T) {
	f := newFeeder(t, grouped(2))
	f.cycle(0, region("eu", "good", 0), region("us", "good", 0))
	f.cycle(interval, region("eu", "good", 10), region("us", "good", 10))
	f.between(2*interval, 8*time.Hour, func(time.Duration) []collector.Sample { return []collector.Sample{region("eu", "good", 10)} })
	f.wantNames(8*time.Hour, "pay 20/0, pay[region=eu] 10/0")
	f.cycle(8*time.Hour+interval, region("eu", "good", 10), region("us", "good", 15))
	f.cycle(8*time.Hour+2*interval, region("eu", "good", 10), region("us", "good", 20))
	f.wantNames(8*time.Hour+2*interval, "pay 30/0, pay[region=eu] 10/0, pay[region=us] 10/0")
}

func TestGroupIsKeptWhileItsTargetIsDown(t *testing.T) {
	f := newFeeder(t, grouped(2))
	f.cycle(0, region("eu", "good", 0))
	f.cycle(interval, region("eu", "good", 10))
	for d := 10 * time.Minute; d <= 30*time.Hour; d += 10 * time.Minute {
		f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: interval, Err: fmt.Errorf("connection refused")})
		f.Observe(collector.Cycle{Target: "b", At: at(d), Interval: interval, Samples: []collector.Sample{region("us", "good", 0)}})
		f.Evaluate(at(d))
	}
	f.cycle(31*time.Hour, region("eu", "good", 20))
	f.wantNames(31*time.Hour, "pay 20/0, pay[region=eu] 20/0, pay[region=us] 0/0")
	// A target that has left discovery holds nothing.
	f.Observe(collector.Cycle{Target: "a", At: at(31*time.Hour + interval), Interval: interval, Gone: true})
	for d := 31 * time.Hour; d <= 40*time.Hour; d += 10 * time.Minute {
		f.Observe(collector.Cycle{Target: "b", At: at(d), Interval: interval, Samples: []collector.Sample{region("us", "good", 0)}})
		f.Evaluate(at(d))
	}
	f.wantNames(40*time.Hour, "pay 20/0, pay[region=us] 0/0")
}

func TestGroupIsKeptWhileTheAgentIsDown(t *testing.T) {
	f := newFeeder(t, grouped(3))
	f.cycle(0, region("eu", "good", 0), region("us", "good", 0))
	f.cycle(interval, region("eu", "good", 10), region("us", "good", 10))
	f.between(2*interval, 5*time.Hour, func(time.Duration) []collector.Sample { return []collector.Sample{region("eu", "good", 10)} })
	f = f.restarted(15*time.Hour, grouped(3))
	f.wantNames(15*time.Hour, "pay 20/0, pay[region=eu] 10/0, pay[region=us] 10/0")
	f.cycle(15*time.Hour+interval, region("eu", "good", 20))
	f.wantNames(15*time.Hour+interval, "pay 30/0, pay[region=eu] 20/0, pay[region=us] 10/0")
	// Starting again does not begin the time anew: us had not been seen for five hours before.
	f.between(15*time.Hour+2*interval, 18*time.Hour, func(time.Duration) []collector.Sample { return []collector.Sample{region("eu", "good", 20)} })
	f.wantNames(18*time.Hour, "pay 30/0, pay[region=eu] 20/0")
}

func TestRefusedGroupsStayKnown(t *testing.T) {
	f := newFeeder(t, grouped(1))
	problem := func(d time.Duration) string { return f.Evaluate(at(d))[0].Problem }
	const tooMany = "has more groups by region than the 1 that it may have: those seen later are only counted in the whole"
	both := func(time.Duration) []collector.Sample {
		return []collector.Sample{region("eu", "good", 10), region("us", "good", 10)}
	}
	f.between(0, 3*time.Hour, func(d time.Duration) []collector.Sample {
		if got := problem(d); d > 0 && got != tooMany {
			t.Fatalf("at %v: %q", d, got)
		}
		return both(d)
	})
	must(t, f.Apply([]spec.Objective{grouped(2)}, at(3*time.Hour), nil))
	f.between(3*time.Hour, 3*time.Hour+2*interval, both)
	if got := problem(3*time.Hour + 2*interval); got != "" {
		t.Errorf("with room for both: %q", got)
	}
	must(t, f.Apply([]spec.Objective{grouped(1)}, at(3*time.Hour+2*interval), nil)) // neither is dropped for it
	f.between(3*time.Hour+3*interval, 5*time.Hour, func(time.Duration) []collector.Sample {
		return []collector.Sample{region("eu", "good", 10), region("us", "good", 10), region("ap", "good", 10)}
	})
	if got := problem(5 * time.Hour); got != tooMany {
		t.Errorf("got %q", got)
	}
	// ap vanishes; six hours later it is forgotten that it was refused.
	f.between(5*time.Hour, 13*time.Hour, both)
	if got := problem(13 * time.Hour); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestRefusedGroupGetsThePlaceThatBecomesFree(t *testing.T) {
	f := newFeeder(t, expiring(1))
	f.cycle(0, region("eu", "good", 0), region("us", "good", 0))
	f.cycle(interval, region("eu", "good", 1), region("us", "good", 1))
	f.between(2*interval, 5*time.Hour, func(d time.Duration) []collector.Sample {
		return []collector.Sample{region("us", "good", d.Seconds())}
	})
	s := f.Evaluate(at(5 * time.Hour))
	if len(s) != 2 || s[1].Name != "pay[region=us]" || s[0].Problem != "" {
		t.Fatalf("got %s, problem %q", f.names(5*time.Hour), s[0].Problem)
	}
	// It counts from when it got the place: eu was last seen at 0:00:15, the sweep is hourly.
	if from := 5*time.Hour.Seconds() - s[1].Events.Good; from < time.Hour.Seconds() || from > 2*time.Hour.Seconds()+700 {
		t.Errorf("us has %v events, of the time since %v s", s[1].Events.Good, from)
	}
}

// What a histogram has counted before its group had a place is no event of the group.
func TestRefusedHistogramGetsThePlaceThatBecomesFree(t *testing.T) {
	o := below(2)
	o.GroupBy = expiring(1).GroupBy
	f := newFeeder(t, o)
	observed := func(name string, one, inf float64) []collector.Sample {
		var out []collector.Sample
		for le, v := range map[string]float64{"2": one, "+Inf": inf} {
			out = append(out, collector.Sample{Series: series("__name__", "h_bucket", "le", le, "region", name), Value: v})
		}
		return out
	}
	f.cycle(0, slices.Concat(observed("eu", 0, 0), observed("us", 500, 1000))...)
	f.cycle(interval, slices.Concat(observed("eu", 0, 0), observed("us", 600, 1200))...)
	f.between(2*interval, 5*time.Hour, func(time.Duration) []collector.Sample { return observed("us", 600, 1200) })
	f.cycle(5*time.Hour, observed("us", 601, 1202)...)
	name := f.Evaluate(at(5 * time.Hour))[0].Name
	f.wantNames(5*time.Hour, fmt.Sprintf("%s 101/101, %[1]s[region=us] 1/1", name))
}

func TestValuesThatCannotNameAGroup(t *testing.T) {
	for what, value := range map[string]string{"not UTF-8": "e\xffu", "too long": strings.Repeat("e", 129)} {
		t.Run(what, func(t *testing.T) {
			f := newFeeder(t, grouped(3))
			f.cycle(0, region(value, "good", 0), region("us", "good", 0))
			f.cycle(interval, region(value, "good", 10), region("us", "good", 5))
			f.wantNames(interval, "pay 15/0, pay[region=us] 5/0")
			f = f.restarted(interval, grouped(3))
			f.cycle(2*interval, region(value, "good", 11), region("us", "good", 6))
			f.wantNames(2*interval, "pay 17/0, pay[region=us] 6/0")
			if got := f.Evaluate(at(2 * interval))[0].Problem; got != "has series whose value of region is longer than 128 bytes or not valid UTF-8: they are only counted in the whole" {
				t.Errorf("problem %q", got)
			}
		})
	}
}

func TestRestartWithOtherGroupLabels(t *testing.T) {
	f := newFeeder(t, grouped(5))
	f.cycle(0, bad(0, "region", "a", "zone", "a"), bad(0, "region", "a", "zone", "b"))
	f.cycle(interval, bad(10, "region", "a", "zone", "a"), bad(5, "region", "a", "zone", "b"))
	f.wantNames(interval, "pay 0/15, pay[region=a] 0/15")
	o := grouped(5)
	o.GroupBy.Labels = []string{"zone"}
	f = f.restarted(interval, o)
	f.cycle(2*interval, bad(11, "region", "a", "zone", "a"), bad(7, "region", "a", "zone", "b"))
	f.wantNames(2*interval, "pay 0/18, pay[zone=a] 0/1, pay[zone=b] 0/2")
}

func TestGroupNamesAreUnique(t *testing.T) {
	o := grouped(9)
	o.GroupBy.Labels = []string{"a", "b"}
	f := newFeeder(t, o)
	look := func(n float64) []collector.Sample {
		return []collector.Sample{bad(n, "a", "1,b=2", "b", "3"), bad(2*n, "a", "1", "b", "2,b=3"), bad(3*n, "a", "x y", "b", "ü"), bad(4*n, "b", "]\n")}
	}
	f.cycle(0, look(0)...)
	f.cycle(interval, look(1)...)
	const want = `pay 0/10, pay[a="1,b=2",b=3] 0/1, pay[a="x y",b=ü] 0/3, pay[a=,b="]\n"] 0/4, pay[a=1,b="2,b=3"] 0/2`
	f.wantNames(interval, want)
	f = f.restarted(interval, o)
	f.wantNames(interval, want)
}

// FuzzGroupText: different groups never read the same.
func FuzzGroupText(f *testing.F) {
	f.Add("1,b=2", "3", "1", "2,b=3")
	f.Add(`"`, `\`, `"\"`, ``)
	f.Add("\u00a0", "", " ", "")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		one, other := slo.GroupText(map[string]string{"a": a, "b": b}, ","), slo.GroupText(map[string]string{"a": c, "b": d}, ",")
		if (one == other) != (a == c && b == d) {
			t.Errorf("%q and %q are %s, %q and %q are %s", a, b, one, c, d, other)
		}
	})
}

// Groups that come and go do not add up: with new values every minute there are never more than there
// may be, and every hour or two the expired ones make room for new ones.
func TestGroupsOfPassingValues(t *testing.T) {
	f := newFeeder(t, expiring(100))
	n, seen := 0, map[string]bool{}
	for d := time.Duration(0); d < 24*time.Hour; d += time.Minute {
		var s []collector.Sample
		for range 23 {
			n++
			s = append(s, region(fmt.Sprint(n), "good", 1))
		}
		f.Observe(collector.Cycle{Target: "a", At: at(d), Interval: time.Minute, Samples: s})
		if d%(10*time.Minute) == 0 {
			all := f.Evaluate(at(d))
			if len(all) > 101 {
				t.Fatalf("%d objectives at %v", len(all), d)
			}
			for _, s := range all {
				seen[s.Name] = true
			}
		}
	}
	if len(seen) < 1000 { // of 24 hours, at least every second brings a hundred
		t.Errorf("only %d groups were ever made", len(seen))
	}
}

func TestForgettingManyGroupsAtOnce(t *testing.T) {
	f := newFeeder(t, expiring(1000))
	var many []collector.Sample
	for i := range 20_000 {
		many = append(many, collector.Sample{Series: series("__name__", "tx", "outcome", "good", "region", fmt.Sprint(i%1000), "pod", fmt.Sprint(i)), Value: 1})
	}
	f.cycle(0, many...)
	f.cycle(interval, many...)
	if got := len(f.Evaluate(at(interval))); got != 1001 {
		t.Fatalf("%d objectives", got)
	}
	f.cycle(2*time.Hour, many[0])
	f.wantNames(2*time.Hour, "pay 0/0, pay[region=0] 0/0")
	f.cycle(2*time.Hour+interval, many...)
	if got := len(f.Evaluate(at(2*time.Hour + interval))); got != 1001 {
		t.Errorf("%d objectives when they are back", got)
	}
}
