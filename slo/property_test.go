package slo_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/internal/testkit/oracle"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// What must hold whatever happens: each test tells one story in two ways, for many random stories.

// stories runs fn for so many random traces.
func stories(t *testing.T, n, looks int, fn func(t *testing.T, seed uint64, tr *oracle.Trace)) {
	t.Helper()
	storiesOf(t, func(*oracle.Trace) bool { return true }, n, looks, fn)
}

// storiesOf runs fn for so many random traces that it is about.
func storiesOf(t *testing.T, about func(*oracle.Trace) bool, n, looks int, fn func(t *testing.T, seed uint64, tr *oracle.Trace)) {
	t.Helper()
	for seed := uint64(0); n > 0; seed++ {
		tr := oracle.NewTrace(oracle.NewDraw(1000+seed, nil), looks)
		if !about(tr) {
			continue
		}
		n--
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			fn(t, seed, tr)
		})
	}
}

// told is what the engine said at each question of a trace whose steps are these instead.
func told(t *testing.T, tr *oracle.Trace, steps []oracle.Step) []slo.Status {
	t.Helper()
	return newReplayed(t, tr).tell(steps)
}

func (r *replayed) tell(steps []oracle.Step) []slo.Status {
	r.t.Helper()
	var out []slo.Status
	for _, s := range steps {
		if s.Look != nil {
			r.look(s.Look)
		} else {
			out = append(out, r.ask(s.AskMs))
		}
	}
	return out
}

// text is all that a status says, as the API shows it; NaN and infinities cannot be written so.
func text(t *testing.T, s slo.Status) string {
	t.Helper()
	data, err := json.Marshal(s)
	must(t, err)
	return string(data)
}

func wantSame(t *testing.T, tr *oracle.Trace, got, want []slo.Status) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d statuses, want %d", len(got), len(want))
	}
	for i := range want {
		if g, w := text(t, got[i]), text(t, want[i]); g != w {
			g, w = around(g, w)
			t.Fatalf("question %d (%s)\ngot  %s\nwant %s", i, tr.Flags, g, w)
		}
	}
}

func TestAskingTwiceAnswersTheSame(t *testing.T) {
	stories(t, 20, 200, func(t *testing.T, _ uint64, tr *oracle.Trace) {
		var twice []oracle.Step
		for _, s := range tr.Steps {
			twice = append(twice, s)
			if s.Look == nil {
				twice = append(twice, s)
			}
		}
		all := told(t, tr, twice)
		for i := 0; i < len(all); i += 2 {
			wantSame(t, tr, all[i+1:i+2], all[i:i+1])
		}
	})
}

// TestAskingChangesNothing: an agent that evaluates more often comes to the same numbers. Only when a
// tier began to fire depends on when somebody asked.
func TestAskingChangesNothing(t *testing.T) {
	stories(t, 25, 250, func(t *testing.T, seed uint64, tr *oracle.Trace) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var more []oracle.Step
		var asked []bool // by the trace itself
		now := int64(0)
		for i, s := range tr.Steps {
			more = append(more, s)
			if s.Look == nil {
				asked, now = append(asked, true), max(now, s.AskMs)
				continue
			}
			now = max(now, s.Look.AtMs)
			for range rng.IntN(3) {
				until := now + 1
				if i+1 < len(tr.Steps) && tr.Steps[i+1].Look != nil {
					until = max(until, tr.Steps[i+1].Look.AtMs)
				}
				now += rng.Int64N(until - now)
				more, asked = append(more, oracle.Step{AskMs: now}), append(asked, false)
			}
		}
		var got []slo.Status
		for i, s := range told(t, tr, more) {
			if asked[i] {
				got = append(got, s)
			}
		}
		wantNumbers(t, tr, got, told(t, tr, tr.Steps))
	})
}

// numbers is what a status says of the present. What fires is left out while nothing can be judged, since it
// then stays as it was when somebody last asked; and the totals, which hold on to their highest value.
func numbers(t *testing.T, s slo.Status) string {
	t.Helper()
	firing := s.Firing
	if !s.Observed {
		firing = nil
	}
	firing = slices.DeleteFunc(slices.Clone(firing), func(tier string) bool { return strings.HasSuffix(tier, "-fast") })
	return fmt.Sprint(s.State, s.Events, s.BurnRates, s.ErrorRatios, s.Coverage, s.Filled, s.ErrorBudget.RemainingRatio, firing)
}

// around cuts two texts down to where they differ.
func around(a, b string) (shortA, shortB string) {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	from := max(0, i-60)
	return a[from:min(len(a), i+60)], b[from:min(len(b), i+60)]
}

func wantNumbers(t *testing.T, tr *oracle.Trace, got, want []slo.Status) {
	t.Helper()
	for i := range want {
		if g, w := numbers(t, got[i]), numbers(t, want[i]); g != w {
			g, w = around(g, w)
			t.Fatalf("question %d at %v (%s)\ngot  %s\nwant %s", i, want[i].At, tr.Flags, g, w)
		}
	}
}

// TestMoreFailuresNeverRaiseTheBudget and more good events never lower it, whenever they happen.
func TestMoreFailuresNeverRaiseTheBudget(t *testing.T) {
	stories(t, 25, 250, func(t *testing.T, seed uint64, tr *oracle.Trace) {
		if tr.Shape == oracle.GaugeBelow {
			tr.Shape, tr.Objective.HasTotal, tr.Objective.Limit = oracle.BadOfTotal, true, 0
			tr.Steps = oracle.EachLook(tr.Steps, func(l *oracle.Look) { l.Samples = nil })
		}
		goodOnes, badOnes := extras(tr.Shape)
		rng := rand.New(rand.NewPCG(seed, 5))
		before := told(t, tr, withExtra(tr, rng, goodOnes, badOnes, 0, 0))
		n := float64(1 + rng.IntN(1000))
		worse := told(t, tr, withExtra(tr, rand.New(rand.NewPCG(seed, 5)), goodOnes, badOnes, 0, n))
		better := told(t, tr, withExtra(tr, rand.New(rand.NewPCG(seed, 5)), goodOnes, badOnes, n, 0))
		for i := range before {
			left := before[i].ErrorBudget.RemainingRatio
			if got := worse[i].ErrorBudget.RemainingRatio; got > left {
				t.Fatalf("%v more failures raised the budget from %v to %v at %v (%s)", n, left, got, before[i].At, tr.Flags)
			}
			if got := better[i].ErrorBudget.RemainingRatio; got < left {
				t.Fatalf("%v more good events lowered the budget from %v to %v at %v (%s)", n, left, got, before[i].At, tr.Flags)
			}
		}
	})
}

// extras are the series in which a target shows good events and failures.
func extras(shape oracle.Shape) (good, bad []*oracle.Series) {
	s := func(name, outcome string) *oracle.Series {
		return &oracle.Series{Name: name, Labels: []string{"outcome", outcome, "shard", "extra"}}
	}
	switch shape {
	case oracle.GoodOfTotal:
		all := s("all_total", "")
		return []*oracle.Series{s("ok_total", ""), all}, []*oracle.Series{all}
	case oracle.GoodAndBad:
		return []*oracle.Series{s("ok_total", "")}, []*oracle.Series{s("failed_total", "")}
	}
	return []*oracle.Series{s("tx_total", "good")}, []*oracle.Series{s("tx_total", "bad")}
}

// withExtra adds a target that is looked at as often as the first is, with 1,000 events of each kind, and
// from some look on so many more.
func withExtra(tr *oracle.Trace, rng *rand.Rand, goodOnes, badOnes []*oracle.Series, good, bad float64) []oracle.Step {
	first := tr.Steps[0].Look.Target
	at := rng.IntN(len(tr.Steps))
	var out []oracle.Step
	last := int64(0)
	for i, s := range tr.Steps {
		out = append(out, s)
		if l := s.Look; l != nil && l.Target == first && l.AtMs > last && !l.Failed {
			last = l.AtMs
			values := map[*oracle.Series]float64{}
			for _, one := range goodOnes {
				values[one] += 1000
				if i >= at {
					values[one] += good
				}
			}
			for _, one := range badOnes {
				values[one] += 1000
				if i >= at {
					values[one] += bad
				}
			}
			extra := oracle.Look{Target: "extra", AtMs: l.AtMs, IntervalMs: l.IntervalMs}
			for _, one := range append(slices.Clone(goodOnes), badOnes...) {
				if v, ok := values[one]; ok {
					extra.Samples = append(extra.Samples, oracle.Sample{Series: one, Value: v})
					delete(values, one)
				}
			}
			out = append(out, oracle.Step{Look: &extra})
		}
	}
	return out
}

// TestSplittingASeriesChangesNothing: a new label that parts a counter in two leaves every number as it was.
func TestSplittingASeriesChangesNothing(t *testing.T) {
	noGauge := func(tr *oracle.Trace) bool { return tr.Shape != oracle.GaugeBelow } // whose samples are events themselves
	storiesOf(t, noGauge, 20, 250, func(t *testing.T, _ uint64, tr *oracle.Trace) {
		whole, parted := split(oracle.Plain(tr.Steps))
		wantSame(t, tr, told(t, tr, parted), told(t, tr, whole))
	})
}

// halves are the two parts of one counter.
type halves struct {
	series     [2]*oracle.Series
	value      [2]float64
	everLooked bool
}

// split parts every series in two. Where a reset falls so little that not both parts could fall, it is
// made to fall further, in both stories.
func split(steps []oracle.Step) (whole, parted []oracle.Step) {
	parts := map[string]*halves{}
	whole = oracle.EachLook(steps, func(l *oracle.Look) {
		for i := range l.Samples {
			s := &l.Samples[i]
			key := l.Target + fmt.Sprint(s.Series.Name, s.Series.Labels)
			h := parts[key]
			if h == nil {
				h = &halves{}
				for k := range h.series {
					copied := *s.Series
					copied.Labels = append(slices.Clone(copied.Labels), "half", fmt.Sprint(k))
					h.series[k] = &copied
				}
				parts[key] = h
			}
			s.Value = h.follow(s.Value)
		}
	})
	// The same values again, in two.
	follow := map[string]*halves{}
	parted = oracle.EachLook(whole, func(l *oracle.Look) {
		var out []oracle.Sample
		for _, s := range l.Samples {
			key := l.Target + fmt.Sprint(s.Series.Name, s.Series.Labels)
			h := follow[key]
			if h == nil {
				h = &halves{series: parts[key].series}
				follow[key] = h
			}
			h.follow(s.Value)
			for k := range h.series {
				out = append(out, oracle.Sample{Series: h.series[k], Value: h.value[k], FromMs: s.FromMs})
			}
		}
		l.Samples = out
	})
	return whole, parted
}

// follow brings the halves to the value v of the whole, or as near as can be, and returns it. Both grow, or
// both begin again.
func (h *halves) follow(v float64) float64 {
	sum := h.value[0] + h.value[1]
	if !h.everLooked || v >= sum {
		grown := v - sum
		h.value[0] += math.Ceil(grown / 2)
		h.value[1] += math.Floor(grown / 2)
		h.everLooked = true
		return v
	}
	v = min(v, max(0, 2*(min(h.value[0], h.value[1])-1)))
	h.value = [2]float64{math.Ceil(v / 2), math.Floor(v / 2)}
	return v
}

// TestSplittingATargetChangesNoCounts: the same counters on two ports instead of one. What a gap brought is
// spread in whole events for each target, so where gaps are a window's edge may part each of them at
// another event; without gaps nothing differs.
func TestSplittingATargetChangesNoCounts(t *testing.T) {
	stories(t, 25, 250, func(t *testing.T, _ uint64, tr *oracle.Trace) {
		steps := oracle.Plain(tr.Steps)
		var parted []oracle.Step
		for _, s := range steps {
			if s.Look == nil {
				parted = append(parted, s)
				continue
			}
			for k := range 2 {
				l := *s.Look
				l.Target += fmt.Sprint("/", k)
				l.Samples = slices.DeleteFunc(slices.Clone(l.Samples), func(v oracle.Sample) bool { return shard(v.Series)%2 != k })
				parted = append(parted, oracle.Step{Look: &l})
			}
		}
		r := newReplayed(t, tr)
		want, got := r.tell(steps), told(t, tr, parted)
		for i := range want {
			gaps := float64(r.reading(want[i], want[i].At.UnixMilli()).Gaps())
			if tr.Objective.Kind != oracle.Events {
				gaps = 0 // a gap belongs to no slice
			}
			g, w := got[i].Events, want[i].Events
			if math.Abs(g.Good-w.Good) > gaps || math.Abs(g.Bad-w.Bad) > gaps {
				t.Fatalf("on two targets %+v, on one %+v, with %v gaps, at %v (%s)", g, w, gaps, want[i].At, tr.Flags)
			}
			if g.Good+g.Bad != w.Good+w.Bad && gaps == 0 {
				t.Fatalf("on two targets %+v, on one %+v at %v (%s)", g, w, want[i].At, tr.Flags)
			}
		}
	})
}

func shard(s *oracle.Series) int { return int(s.Labels[len(s.Labels)-1][0]) }

// TestShiftingTimeChangesNothing: the same story a whole number of buckets later.
func TestShiftingTimeChangesNothing(t *testing.T) {
	rolling := func(tr *oracle.Trace) bool { return tr.Calendar == nil } // months are not alike
	storiesOf(t, rolling, 25, 250, func(t *testing.T, seed uint64, tr *oracle.Trace) {
		want := told(t, tr, tr.Steps)
		shift := int64(1+seed%3) * 24 * time.Hour.Milliseconds() * max(1, tr.Objective.SliceMs/1000)
		for _, w := range newReplayed(t, tr).reading(want[0], 0).Widths() {
			for step := shift; shift%w != 0; {
				shift += step
			}
		}
		later := oracle.EachLook(tr.Steps, func(l *oracle.Look) {
			l.AtMs += shift
			for i := range l.Samples {
				if s := &l.Samples[i]; s.AtMs != 0 {
					s.AtMs += shift
				}
				if s := &l.Samples[i]; s.FromMs != 0 {
					s.FromMs += shift
				}
			}
		})
		for i := range later {
			if later[i].Look == nil {
				later[i].AskMs += shift
			}
		}
		moved := *tr
		moved.Begin = tr.Begin.Add(time.Duration(shift) * time.Millisecond)
		moved.Objective.WatchedMs += shift
		wantNumbers(t, tr, told(t, &moved, later), want)
	})
}

// TestOrderOfTargetsWithinAnInstant: looks made at the same moment may be told in any order.
func TestOrderOfTargetsWithinAnInstant(t *testing.T) {
	stories(t, 40, 250, func(t *testing.T, seed uint64, tr *oracle.Trace) {
		every := tr.Interval.Milliseconds()
		begin := tr.Begin.UnixMilli() + 1
		steps := oracle.EachLook(oracle.Plain(tr.Steps), func(l *oracle.Look) { l.AtMs = begin + (l.AtMs-begin)/every*every })
		steps = oracle.Plain(steps)
		slices.SortStableFunc(steps, func(a, b oracle.Step) int { return int(min(1, max(-1, moment(a)-moment(b)))) })
		rng := rand.New(rand.NewPCG(seed, 13))
		other := slices.Clone(steps)
		for range 4 * len(other) {
			i := rng.IntN(len(other) - 1)
			a, b := other[i].Look, other[i+1].Look
			if a != nil && b != nil && a.AtMs == b.AtMs && a.Target != b.Target {
				other[i], other[i+1] = other[i+1], other[i]
			}
		}
		wantSame(t, tr, told(t, tr, other), told(t, tr, steps))
	})
}

// moment is when a step happens; a question comes after the looks of its moment.
func moment(s oracle.Step) int64 {
	if s.Look != nil {
		return 2 * s.Look.AtMs
	}
	return 2*s.AskMs + 1
}

// TestStricterTargetsLeaveLess: the same events leave less of a smaller budget. An objective of 1 is left
// out: its budget is one event, which may be more than a strict one allows for few.
func TestStricterTargetsLeaveLess(t *testing.T) {
	targets := []float64{0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999}
	stories(t, 20, 200, func(t *testing.T, _ uint64, tr *oracle.Trace) {
		var last []slo.Status
		for _, target := range targets {
			r := newReplayed(t, tr)
			r.objective.Target = target
			must(t, r.Apply([]spec.Objective{r.objective}, tr.Begin, nil))
			all := r.tell(tr.Steps)
			for i := range last {
				if got, before := all[i].ErrorBudget.RemainingRatio, last[i].ErrorBudget.RemainingRatio; got > before {
					t.Fatalf("with %v there is %v left, with less %v (%s)", target, got, before, tr.Flags)
				}
				if all[i].Events != last[i].Events {
					t.Fatalf("the target changed the counts from %+v to %+v", last[i].Events, all[i].Events)
				}
			}
			last = all
		}
	})
}

// TestRestoredEngineAnswersTheSame: an engine that is written down and read back at any moment goes on as if
// nothing had happened. What is owed by targets that were silent is known again once each has been
// tried, so states and shares are compared from then on, counts always.
func TestRestoredEngineAnswersTheSame(t *testing.T) {
	stories(t, 25, 250, func(t *testing.T, seed uint64, tr *oracle.Trace) {
		rng := rand.New(rand.NewPCG(seed, 17))
		live, stopped, db := newReplayed(t, tr), newReplayed(t, tr), storage.NewMemory()
		untried := map[string]bool{}
		for _, s := range tr.Steps {
			if rng.IntN(15) == 0 {
				checkpoint(t, stopped.Engine, db)
				stopped.Engine = slo.New(slo.Options{})
				must(t, stopped.Apply([]spec.Objective{stopped.objective}, tr.Begin, db.Scan))
				for _, l := range stopped.looks {
					untried[l.Target] = true
				}
			}
			if s.Look != nil {
				live.look(s.Look)
				stopped.look(s.Look)
				delete(untried, s.Look.Target)
				continue
			}
			want, got := live.ask(s.AskMs), stopped.ask(s.AskMs)
			if len(untried) == 0 {
				wantNumbers(t, tr, []slo.Status{got}, []slo.Status{want})
			} else if tr.Objective.Kind == oracle.Events && got.Events != want.Events {
				t.Fatalf("restored %+v, want %+v (%s)", got.Events, want.Events, tr.Flags)
			}
		}
	})
}

// TestHostileValuesStayFinite: whatever a target says, all that the engine says is a number.
func TestHostileValuesStayFinite(t *testing.T) {
	values := []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.Copysign(0, -1), 0, 0.1, 1, 1 << 53, 1<<53 + 2, 1 << 62, 1e300, 1e-300}
	stories(t, 25, 200, func(t *testing.T, seed uint64, tr *oracle.Trace) {
		rng := rand.New(rand.NewPCG(seed, 19))
		steps := oracle.EachLook(tr.Steps, func(l *oracle.Look) {
			for i := range l.Samples {
				if rng.IntN(10) == 0 {
					l.Samples[i].Value = values[rng.IntN(len(values))]
				}
				if rng.IntN(50) == 0 {
					l.Samples[i].FromMs = []int64{math.MaxInt64, math.MinInt64, 1, -1}[rng.IntN(4)]
				}
			}
		})
		r := newReplayed(t, tr)
		r.objective.Target = []float64{0, 0.5, 1}[seed%3]
		must(t, r.Apply([]spec.Objective{r.objective}, tr.Begin, nil))
		for _, s := range r.tell(steps) {
			_ = text(t, s)
			if e := s.Events; e.Good < 0 || e.Bad < 0 || e.Excluded < 0 {
				t.Fatalf("%+v (%s)", e, tr.Flags)
			}
			if s.Coverage < 0 || s.Coverage > 1 || s.Filled < 0 || s.Filled > 1 {
				t.Fatalf("coverage %v, filled %v (%s)", s.Coverage, s.Filled, tr.Flags)
			}
		}
	})
}
