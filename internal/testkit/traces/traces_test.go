package traces_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/internal/testkit/traces"
)

func TestTuningAndTestSeedsAreDisjoint(t *testing.T) {
	tuning, test := traces.Tuning(), traces.Test()
	if tuning.Name == test.Name || tuning.From >= tuning.To || test.From >= test.To {
		t.Fatalf("got ranges %+v and %+v", tuning, test)
	}
	if tuning.From < test.To && test.From < tuning.To {
		t.Errorf("ranges %+v and %+v overlap", tuning, test)
	}
	for _, s := range []traces.Seeds{tuning, test} {
		for _, i := range []int{0, 1, 999_998, 999_999, 1_000_000, 5_000_000} {
			if seed := s.Seed(i); seed < s.From || seed >= s.To {
				t.Errorf("%s seed %d is %d, outside [%d, %d)", s.Name, i, seed, s.From, s.To)
			}
		}
	}
}

// digest is a short form of what a trace brings from one moment on.
func digest(tr traces.Trace, from time.Duration, looks int) string {
	var b strings.Builder
	for look := range tr.Looks(tr.Interval) {
		if look.At.Before(traces.Begin().Add(from)) {
			continue
		}
		if looks--; looks < 0 {
			break
		}
		fmt.Fprintln(&b, look.Target, look.At.Sub(traces.Begin()), look.Truth, look.Shown, look.Err != nil)
	}
	return b.String()
}

func TestSameSeedSameTrace(t *testing.T) {
	for _, f := range traces.Families() {
		c := f.Cases[len(f.Cases)-1]
		from := c.Make(7).Truth.Onset
		a, b, other := digest(c.Make(7), from, 50), digest(c.Make(7), from, 50), digest(c.Make(8), from, 50)
		if a != b || a == "" {
			t.Errorf("%s: two readings of one seed differ", f.Name)
		}
		if a == other {
			t.Errorf("%s: seeds 7 and 8 bring the same", f.Name)
		}
	}
}

// TestFamilies checks that every case is named and says what is right, and that incidents lie where
// there is time before and after them.
func TestFamilies(t *testing.T) {
	want := map[string]map[traces.Want]bool{} // what each family's cases call for
	for _, f := range traces.Families() {
		if f.Right == "" || want[f.Name] != nil {
			t.Errorf("family %q says nothing or is there twice", f.Name)
		}
		want[f.Name] = map[traces.Want]bool{}
		names := map[string]bool{}
		for _, c := range f.Cases {
			if names[c.Name] {
				t.Errorf("%s: case %q is there twice", f.Name, c.Name)
			}
			names[c.Name] = true
			tr := c.Make(traces.Tuning().Seed(3))
			want[f.Name][tr.Truth.Want] = true
			if tr.Truth.Onset > tr.Truth.End || tr.Length < tr.Truth.End || tr.Truth.Monthly <= 0 {
				t.Errorf("%s, %s: truth %+v in %v", f.Name, c.Name, tr.Truth, tr.Length)
			}
			if tr.Truth.Want != traces.Nothing && (tr.Truth.Onset < 72*time.Hour || tr.Length < tr.Truth.End+6*time.Hour) {
				t.Errorf("%s, %s: no time before or after the incident: %+v in %v", f.Name, c.Name, tr.Truth, tr.Length)
			}
		}
	}
	for name, page := range map[string]bool{
		"step outage": true, "slow burn": true, "ramp": true, "flapping": true, "spike": true, "low traffic": true, "drop to zero": true,
		"failing batch": true, "restarts, broken": true, "missing looks, broken": true, "latency only": true, "dependency failure": true,
		"errors among declines": true, "seasons, healthy": false, "restarts, healthy": false, "missing looks, healthy": false,
		"node loss, healthy": false, "declines": false,
	} {
		if want[name][traces.Page] != page {
			t.Errorf("family %q: a page is wanted: %v, want %v", name, !page, page)
		}
	}
}

// TestTruthOfStep works the numbers of one incident out by hand: ten events a second, 20 % of which
// fail for an hour, burn 3600 × 10 × 0.2 = 7200 events of a month's 0.001 × 2,592,000 × 10 = 25,920.
func TestTruthOfStep(t *testing.T) {
	tr := traces.Step(1, 10, 0.2, time.Hour)
	if got, want := tr.Truth.Burned, 7200.0/25920; math.Abs(got-want) > 1e-3 {
		t.Errorf("burned %v of the budget, want %v", got, want)
	}
	if got := tr.Truth.BurnRate; math.Abs(got-200) > 1e-6 {
		t.Errorf("burn rate %v, want 200", got)
	}
	if tr.Truth.Want != traces.Page {
		t.Errorf("want %q, want a page", tr.Truth.Want)
	}
	var inside, outside float64
	for look := range tr.Looks(tr.Interval) {
		if at := look.At.Sub(traces.Begin()); at > tr.Truth.Onset && at <= tr.Truth.End+tr.Interval {
			inside += look.Truth.Bad
		} else {
			outside += look.Truth.Bad
		}
	}
	if sigma := math.Sqrt(7200); math.Abs(inside-7200) > 5*sigma {
		t.Errorf("%v bad events in the incident, want about 7200", inside)
	}
	// 83 hours and more at ten a second and 1 in 10,000.
	if want := (tr.Length - time.Hour).Seconds() * 10 / 10000; math.Abs(outside-want) > 5*math.Sqrt(want) {
		t.Errorf("%v bad events outside it, want about %v", outside, want)
	}
}

// TestCurvesAreIntegrated compares the events of a trace whose every curve moves with a sum over
// small steps, worked out from the curves' meaning.
func TestCurvesAreIntegrated(t *testing.T) {
	tr := traces.Trace{
		Seed: 5, Length: 2 * time.Hour, Objective: 0.9, Services: 1, Targets: 3,
		Traffic:  traces.Curve{{0, 100}, {time.Hour, 500}, {time.Hour, 200}, {2 * time.Hour, 50}},
		Errors:   traces.Ramp(0.1, 30*time.Minute, 90*time.Minute, 0.7),
		Declines: traces.Pulse(0.2, 45*time.Minute, 50*time.Minute, 0.9),
	}
	var want traces.Counts
	for s := 0.5; s < 7200; s++ {
		rate := 100 + s*400/3600
		if s > 3600 {
			rate = 200 - (s-3600)*150/3600
		}
		bad, declined := 0.1, 0.2
		if s > 1800 && s <= 5400 {
			bad = 0.1 + 0.6*(s-1800)/3600
		}
		if s > 2700 && s <= 3000 {
			declined = 0.9
		}
		want.Excluded += rate * declined
		want.Bad += rate * (1 - declined) * bad
		want.Good += rate * (1 - declined) * (1 - bad)
	}
	var got traces.Counts
	for look := range tr.Looks(17 * time.Second) {
		got.Good, got.Bad, got.Excluded = got.Good+look.Truth.Good, got.Bad+look.Truth.Bad, got.Excluded+look.Truth.Excluded
	}
	// The last looks come a part of an interval before the end: well within five standard deviations and 0.3 %.
	for name, v := range map[string][2]float64{"good": {got.Good, want.Good}, "bad": {got.Bad, want.Bad}, "excluded": {got.Excluded, want.Excluded}} {
		if math.Abs(v[0]-v[1]) > 5*math.Sqrt(v[1])+0.003*v[1] {
			t.Errorf("%s: %v events, want about %v", name, v[0], v[1])
		}
	}
}

// TestCountsArePoisson: mean and variance are equal, for small and large means.
func TestCountsArePoisson(t *testing.T) {
	for _, mean := range []float64{0.01, 0.7, 8, 29.9, 30, 55, 4000} {
		tr := traces.Trace{Seed: 11, Length: 20_000 * time.Second, Objective: 0.9, Services: 1, Targets: 1, Traffic: traces.Constant(mean)}
		var n, sum, squares float64
		for look := range tr.Looks(time.Second) {
			n, sum, squares = n+1, sum+look.Truth.Good, squares+look.Truth.Good*look.Truth.Good
		}
		got := sum / n
		variance := squares/n - got*got
		if math.Abs(got-mean) > 5*math.Sqrt(mean/n) {
			t.Errorf("mean %v, want %v", got, mean)
		}
		// The variance of a sample variance of Poisson numbers is (mean + 2 mean²) ÷ n.
		if math.Abs(variance-mean) > 5*math.Sqrt((mean+2*mean*mean)/n) {
			t.Errorf("mean %v: variance %v", mean, variance)
		}
	}
}

// faulty is a service of two targets without errors, ten minutes long, with one fault from the second
// to the eighth minute.
func faulty(kind traces.FaultKind, share float64) traces.Trace {
	return traces.Trace{
		Seed: 3, Length: 10 * time.Minute, Objective: 0.999, Services: 1, Targets: 2, Traffic: traces.Constant(20), Errors: traces.Constant(0.1),
		Faults: []traces.Fault{{Kind: kind, From: 2 * time.Minute, To: 8 * time.Minute, Share: share}},
	}
}

func TestFaultsOfLooks(t *testing.T) {
	const interval = 10 * time.Second
	for kind, check := range map[traces.FaultKind]func(look *traces.Look, due time.Duration) string{
		traces.Missing: func(look *traces.Look, _ time.Duration) string {
			if look.Err == nil || len(look.Samples) != 0 || look.Shown != (traces.Counts{}) {
				return "it is not missing"
			}
			return ""
		},
		traces.NaN: func(look *traces.Look, _ time.Duration) string {
			if look.Err != nil || !math.IsNaN(look.Samples[0].Value) || look.Shown != (traces.Counts{}) {
				return "its values are numbers"
			}
			return ""
		},
		traces.Late: func(look *traces.Look, due time.Duration) string {
			if late := look.At.Sub(traces.Begin()) - due; look.Err != nil || late < 0 || late >= interval {
				return fmt.Sprintf("it is %v late", late)
			}
			return ""
		},
		traces.Gone: func(look *traces.Look, _ time.Duration) string {
			if !look.Gone || len(look.Samples) != 0 {
				return "it is still there"
			}
			return ""
		},
	} {
		var happened, shown float64
		n := 0
		tr := faulty(kind, 1)
		for look := range tr.Looks(interval) {
			happened, shown = happened+look.Truth.Good+look.Truth.Bad, shown+look.Shown.Good+look.Shown.Bad
			due := time.Duration(n/2+1)*interval + time.Duration(n%2)*interval/2
			if due > 2*time.Minute && due <= 8*time.Minute {
				if wrong := check(look, due); wrong != "" {
					t.Errorf("%s, look %d: %s", kind, n, wrong)
				}
			} else if look.Err != nil || len(look.Samples) == 0 {
				t.Errorf("%s, look %d: befallen outside the fault", kind, n)
			}
			n++
		}
		if happened != shown || happened == 0 {
			t.Errorf("%s: %v events happened, %v were shown in the end", kind, happened, shown)
		}
	}
}

func TestDuplicatesBringNothingNew(t *testing.T) {
	var last time.Time
	twice, n := 0, 0
	tr := faulty(traces.Duplicate, 0.5)
	for look := range tr.Looks(10 * time.Second) {
		if n++; look.At.Equal(last) {
			if twice++; look.Shown != (traces.Counts{}) || len(look.Samples) == 0 {
				t.Errorf("a duplicate shows %+v in %d samples", look.Shown, len(look.Samples))
			}
		}
		last = look.At
	}
	if twice < 20 || twice > 52 || n-twice != 120 { // of 72 looks, half
		t.Errorf("%d of %d looks were duplicates", twice, n)
	}
}

// TestRestartsLoseWhatWasNotSeen: counters begin at zero again, and nobody can know what they grew by
// since they were last seen.
func TestRestartsLoseWhatWasNotSeen(t *testing.T) {
	tr := faulty(traces.Missing, 0)
	tr.Resets = []traces.Restart{{At: 5*time.Minute + 9*time.Second, Target: 1}}
	last := map[string]float64{}
	drops := 0
	var happened, shown float64
	for look := range tr.Looks(10 * time.Second) {
		total := look.Samples[0].Value + look.Samples[1].Value
		if total < last[string(look.Target)] {
			drops++
			if look.Target != "service-0-target-1" || look.Shown.Good+look.Shown.Bad != total {
				t.Errorf("%s fell to %v and shows %+v", look.Target, total, look.Shown)
			}
		}
		last[string(look.Target)] = total
		happened, shown = happened+look.Truth.Good+look.Truth.Bad, shown+look.Shown.Good+look.Shown.Bad
	}
	if drops != 1 || shown >= happened || happened-shown > 10*30 {
		t.Errorf("%d drops; %v events happened, %v were shown", drops, happened, shown)
	}
}

// TestHistogramIsOne: buckets are cumulative and whole, the bucket of the limit holds the good events,
// +Inf and _count all of them.
func TestHistogramIsOne(t *testing.T) {
	tr := faulty(traces.Missing, 0)
	tr.Latency = true
	var good, all float64
	for look := range tr.Looks(10 * time.Second) {
		if look.Target != "service-0-target-0" {
			continue
		}
		good, all = good+look.Truth.Good, all+look.Truth.Good+look.Truth.Bad
		var values []float64
		for _, s := range look.Samples {
			if s.Value != math.Trunc(s.Value) {
				t.Fatalf("%v is %v", s.Series.Labels, s.Value)
			}
			if s.Series.Labels.Get("le") == traces.LatencyLimit && s.Value != good {
				t.Errorf("the limit's bucket holds %v, want %v", s.Value, good)
			}
			if s.Series.Labels.Get(labels.MetricName) == traces.LatencyMetric+"_bucket" {
				values = append(values, s.Value)
			} else if s.Value != all || values[len(values)-1] != all {
				t.Errorf("_count is %v and +Inf %v, want %v", s.Value, values[len(values)-1], all)
			}
		}
		if !slices.IsSorted(values) || len(values) < 3 {
			t.Errorf("buckets %v", values)
		}
	}
}

// TestMonthIsNotKept: a month of looks, of which there are over a hundred thousand, allocates as little as an hour of
// them. The runtime's own allocations in the background count too, which are a few.
func TestMonthIsNotKept(t *testing.T) {
	read := func(length time.Duration) float64 {
		return testing.AllocsPerRun(1, func() {
			tr := traces.Healthy(2, 1000, 0.5)
			tr.Length = length
			for look := range tr.Looks(tr.Interval) {
				_ = look
			}
		})
	}
	if hour, month := read(time.Hour), read(traces.Month); month > hour+500 {
		t.Errorf("an hour takes %v allocations, a month %v", hour, month)
	}
}

// TestSquareAndCut checks the shapes that curves are made of, at random moments.
func TestSquareAndCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	tr := traces.Trace{
		Seed: 1, Length: 2 * time.Hour, Services: 1, Targets: 1, Objective: 0.9, Traffic: traces.Constant(1000),
		Errors: traces.Square(0, time.Hour, 90*time.Minute, traces.Wave{Period: 10 * time.Minute, Duty: 0.3, Value: 1}),
	}
	checked := 0
	for look := range tr.Looks(time.Second) {
		if rng.Float64() > 0.05 {
			continue
		}
		at := look.At.Sub(traces.Begin())
		on := at > time.Hour && at <= 90*time.Minute && (at-time.Hour-1)%(10*time.Minute) < 3*time.Minute
		if (look.Truth.Bad > 0) != on || (look.Truth.Good > 0) == on {
			t.Errorf("at %v: %+v, failing: want %v", at, look.Truth, on)
		}
		checked++
	}
	if checked < 100 {
		t.Errorf("checked %d moments", checked)
	}
}
