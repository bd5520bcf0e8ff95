package reason_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/slo/reason"
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	start  = 20_000 * day
)

// world makes movements of one group, second by second.
type world struct {
	random *rand.Rand
	shares *reason.Shares
	now    int64
}

func newWorld(seed uint64) *world {
	return &world{rand.New(rand.NewPCG(seed, 1)), reason.NewShares(), start}
}

// step is how often there is a look.
const step = 5 * second

// run lets time pass, a look every step, until the time is over or, with stop, until something is raised.
func (w *world) run(length int64, group string, perSecond float64, share func(at int64) float64, stop bool) []reason.Anomaly {
	for end := w.now + length; w.now < end; w.now += step {
		for range poisson(w.random, perSecond*float64(step/second)) {
			class := reason.Good
			if w.random.Float64() < share(w.now) {
				class = reason.Business
			}
			w.shares.Observe(w.now, group, class, 1)
		}
		if found := w.shares.Anomalies(w.now); stop && len(found) > 0 {
			return found
		}
	}
	return w.shares.Anomalies(w.now)
}

func poisson(r *rand.Rand, mean float64) int {
	n := 0
	limit, product := math.Exp(-mean), r.Float64()
	for product > limit {
		n++
		product *= r.Float64()
	}
	return n
}

func always(share float64) func(int64) float64 { return func(int64) float64 { return share } }

// TestNoFalseJumps: days of healthy traffic of several sizes, whose volume and share of declines follow the hour
// and whose customers try again, raise nothing.
func TestNoFalseJumps(t *testing.T) {
	for i, tc := range []struct {
		perSecond, share float64
		days             int64
	}{{0.02, 0.05, 20}, {0.2, 0.002, 10}, {0.5, 0.03, 5}, {5, 0.08, 1}, {1, 0.4, 2}} {
		w := newWorld(uint64(i))
		tries := 0 // again, of who was declined
		for end := w.now + tc.days*day; w.now < end; w.now += step {
			wave := math.Sin(2 * math.Pi * float64(w.now%day) / float64(day))
			for range poisson(w.random, tc.perSecond*float64(step/second)*(1+0.8*wave)) + tries {
				class := reason.Good
				tries = 0
				if w.random.Float64() < tc.share*(1-0.4*wave) {
					class = reason.Business
					if w.random.Float64() < 0.3 {
						tries = 1
					}
				}
				w.shares.Observe(w.now, "a", class, 1)
			}
			if found := w.shares.Anomalies(w.now); len(found) > 0 {
				t.Fatalf("%v a second: %v", tc.perSecond, found[0])
			}
		}
	}
}

// TestJumpsAreFound says within how long, by traffic, for every seed.
func TestJumpsAreFound(t *testing.T) {
	for _, tc := range []struct {
		perSecond, before, after float64
		within                   int64
	}{
		{100.0 / 60, 0.02, 0.10, 6 * minute}, // five times as many
		{1000.0 / 60, 0.02, 0.10, minute},
		{10.0 / 60, 0.03, 1, 3 * minute}, // everything
		{100.0 / 60, 0.3, 0.9, minute},   // a share that cannot grow threefold
	} {
		for seed := range uint64(10) {
			w := newWorld(seed)
			if found := w.run(2*hour, "sct-inst/DEUTDEFF", tc.perSecond, always(tc.before), false); len(found) > 0 {
				t.Fatalf("before the jump: %v", found[0])
			}
			from := w.now
			found := w.run(tc.within, "sct-inst/DEUTDEFF", tc.perSecond, always(tc.after), true)
			if len(found) == 0 {
				t.Errorf("%.0f a minute, seed %d: a jump from %v to %v was not found in %d s", tc.perSecond*60, seed, tc.before, tc.after, tc.within/second)
				continue
			}
			a := found[0]
			if a.Group != "sct-inst/DEUTDEFF" || a.Class != reason.Business || a.Since.UnixMilli() < from || a.Since.UnixMilli() > w.now || math.Abs(a.Baseline-tc.before) > tc.before/3 {
				t.Errorf("found %+v", a)
			}
		}
	}
}

// TestJumpsClear: once, some time after the cause is gone, and a small rise is none.
func TestJumpsClear(t *testing.T) {
	w := newWorld(7)
	w.run(3*hour, "a", 2, always(0.02), false)
	if found := w.run(hour, "a", 2, always(0.04), false); len(found) > 0 {
		t.Errorf("twice the share is %v", found[0])
	}
	if found := w.run(10*minute, "a", 2, always(0.2), false); len(found) != 1 || math.Abs(found[0].Share-0.2) > 0.05 {
		t.Fatalf("ten times the share is %v", found)
	}
	// Halfway back is not back.
	since := w.shares.Anomalies(w.now)[0].Since
	if found := w.run(10*minute, "a", 2, always(0.06), false); len(found) != 1 || found[0].Since != since {
		t.Errorf("still three times the share is %v, want the jump since %v", found, since)
	}
	if found := w.run(15*minute, "a", 2, always(0.02), false); len(found) > 0 {
		t.Errorf("it is over: %v", found[0])
	}
	if found := w.run(2*hour, "a", 2, always(0.02), false); len(found) > 0 {
		t.Errorf("it is long over: %v", found[0])
	}
}

func TestALevelThatStaysIsNormal(t *testing.T) {
	w := newWorld(3)
	w.run(day, "a", 0.5, always(0.03), false)
	if found := w.run(hour, "a", 0.5, always(0.15), false); len(found) != 1 {
		t.Fatalf("five times the share is %v", found)
	}
	if found := w.run(2*day, "a", 0.5, always(0.15), false); len(found) > 0 {
		t.Errorf("after two days it is still %v", found[0])
	}
}

func TestSilenceClears(t *testing.T) {
	w := newWorld(5)
	w.run(3*hour, "a", 2, always(0.02), false)
	if found := w.run(5*minute, "a", 2, always(0.5), false); len(found) != 1 {
		t.Fatalf("half of all is %v", found)
	}
	if found := w.run(11*minute, "a", 0, always(0), false); len(found) > 0 {
		t.Errorf("with no traffic: %v", found[0])
	}
	// The same after a long silence in which nobody looked.
	w.now += 30 * hour
	if found := w.run(5*minute, "a", 2, always(0.5), false); len(found) != 1 || math.Abs(found[0].Baseline-0.02) > 0.02 {
		t.Errorf("after a silence of 30 hours half of all is %v", found)
	}
}

// TestOtherGroupsAndClasses: a jump is one group's and one class's, and what says nothing of an outcome is left out.
func TestOtherGroupsAndClasses(t *testing.T) {
	s := reason.NewShares()
	now := start
	for ; now < start+3*hour; now += second {
		for _, g := range []string{"a", "b"} {
			s.Observe(now, g, reason.Good, 1)
			s.Observe(now, g, reason.Info, 1)
			if now%(50*second) == 0 {
				s.Observe(now, g, reason.Fraud, 1)
				s.Observe(now, g, reason.Business, 1)
			}
		}
		if now > start+2*hour+50*minute {
			s.Observe(now, "b", reason.Fraud, 1)
			s.Observe(now, "b", reason.TechnicalPeer, 1)
		}
		s.Anomalies(now)
	}
	found := s.Anomalies(now)
	if len(found) != 1 || found[0].Group != "b" || found[0].Class != reason.Fraud {
		t.Fatalf("found %v, want fraud in b", found)
	}
	// In ten minutes b saw 600 good, 600 fraud, 600 faults and 12 each of what it always had.
	if math.Abs(found[0].Share-612.0/1824) > 0.01 {
		t.Errorf("share is %v", found[0].Share)
	}
	text := found[0].Why
	for _, want := range []string{"b: fraud ", " finished in ", "against 1.9 % of ", " times the share, ", "less than once in 1e+10 looks"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
}

// TestGroupsAreBounded: others are not counted until one that was silent for two days is forgotten.
func TestGroupsAreBounded(t *testing.T) {
	s := reason.NewShares()
	for i := range reason.MaxGroups + 2 {
		s.Observe(start, fmt.Sprint(i), reason.Good, 1)
	}
	s.Observe(start+47*hour, "0", reason.Good, 1)
	if s.Groups() != reason.MaxGroups || s.Dropped() != 2 {
		t.Errorf("%d groups, %d dropped", s.Groups(), s.Dropped())
	}
	s.Anomalies(start + 49*hour)
	if s.Groups() != 1 {
		t.Errorf("%d groups are left, want the one that had an event lately", s.Groups())
	}
	s.Observe(start+49*hour, "other", reason.Good, 1)
	s.Observe(start, "other", reason.Good, 1) // a clock that went back
	if s.Groups() != 2 || s.Dropped() != 2 {
		t.Errorf("%d groups, %d dropped", s.Groups(), s.Dropped())
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	s := reason.NewShares()
	now := start
	s.Observe(now, "a", reason.Good, 1)
	if n := testing.AllocsPerRun(1000, func() {
		now += 10 * second
		s.Observe(now, "a", reason.Business, 1)
		s.Anomalies(now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	s := reason.NewShares()
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprint("sct-inst/BANK", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Observe(start+int64(i)/1000, names[i%1000], reason.Business, 1)
	}
}

func BenchmarkAnomalies(b *testing.B) {
	s := reason.NewShares()
	for i := range 1000 {
		for at := range 2 * hour / (20 * second) {
			s.Observe(start+at*20*second, fmt.Sprint("sct-inst/BANK", i), reason.Business, 1)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Anomalies(start + 2*hour + int64(i)*15*second)
	}
}
