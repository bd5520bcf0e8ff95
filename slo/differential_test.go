package slo_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/testkit/oracle"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

// The engine against the oracle: the same looks go to both, and at random moments every number that both
// can say must be the same, counts bit for bit.

// replayed is one trace on its way through an engine.
type replayed struct {
	*slo.Engine
	t         testing.TB
	trace     *oracle.Trace
	objective spec.Objective
	looks     []oracle.Look
	series    map[*oracle.Series]*collector.Series
}

func newReplayed(t testing.TB, tr *oracle.Trace) *replayed {
	t.Helper()
	r := &replayed{Engine: slo.New(slo.Options{}), t: t, trace: tr, objective: objectiveOf(tr), series: map[*oracle.Series]*collector.Series{}}
	must(t, r.Apply([]spec.Objective{r.objective}, tr.Begin, nil))
	return r
}

// objectiveOf writes down as an objective what the trace is about.
func objectiveOf(tr *oracle.Trace) spec.Objective {
	o := spec.Objective{
		Name: "pay", Service: "pay", Target: 0.99, Method: spec.Occurrences,
		Window: spec.Window{Text: burnrate.Text(tr.Window), Length: tr.Window, Rolling: true},
	}
	if c := tr.Calendar; c != nil {
		o.Window = spec.Window{Text: burnrate.Text(tr.Window), Length: tr.Window, Unit: spec.CalendarUnit(c.Unit), Count: c.Count, Anchor: c.First, Location: c.First.Location()}
	}
	switch tr.Objective.Kind {
	case oracle.Slices:
		o.Method = spec.Timeslices
	case oracle.RatioSlices:
		o.Method = spec.RatioTimeslices
	case oracle.Events:
	}
	if tr.Objective.Kind != oracle.Events {
		o.Slice, o.SliceTarget = time.Duration(tr.Objective.SliceMs)*time.Millisecond, oracle.Float(tr.Objective.SliceTarget)
	}
	declined := sel("__name__", "declined_total")
	switch tr.Shape {
	case oracle.BadOfTotal:
		o.Indicator.Ratio = &spec.Ratio{Bad: sel("__name__", "tx_total", "outcome", "bad"), Total: sel("__name__", "tx_total"), Excluded: declined}
	case oracle.GoodOfTotal:
		o.Indicator.Ratio = &spec.Ratio{Good: sel("__name__", "ok_total"), Total: sel("__name__", "all_total"), Excluded: declined}
	case oracle.GoodAndBad:
		o.Indicator.Ratio = &spec.Ratio{Good: sel("__name__", "ok_total"), Bad: sel("__name__", "failed_total"), Excluded: declined}
	case oracle.GaugeBelow:
		o.Indicator.Threshold = &spec.Threshold{Query: *sel("__name__", "level"), Op: spec.LessThan, Value: tr.Objective.Limit}
	}
	return o
}

// cycle is a look as the engine is told of it.
func (r *replayed) cycle(l *oracle.Look) collector.Cycle {
	c := collector.Cycle{
		Target: collector.Target(l.Target), Process: l.Process, At: time.UnixMilli(l.AtMs), Interval: time.Duration(l.IntervalMs) * time.Millisecond, Gone: l.Gone,
	}
	if l.Failed && !l.Gone {
		c.Err = errors.New("refused")
	}
	for _, s := range l.Samples {
		c.Samples = append(c.Samples, collector.Sample{Series: r.seriesFor(s.Series), Value: s.Value, AtMs: s.AtMs, FromMs: s.FromMs})
	}
	return c
}

func (r *replayed) seriesFor(s *oracle.Series) *collector.Series {
	if r.series[s] == nil {
		r.series[s] = series(append([]string{"__name__", s.Name}, s.Labels...)...)
	}
	return r.series[s]
}

func (r *replayed) look(l *oracle.Look) {
	r.looks = append(r.looks, *l)
	r.Observe(r.cycle(l))
}

func (r *replayed) ask(ms int64) slo.Status {
	all := r.Evaluate(time.UnixMilli(ms))
	if len(all) != 1 {
		r.t.Fatalf("got %d statuses, want 1", len(all))
	}
	return all[0]
}

// reading is what the oracle makes of the looks so far.
func (r *replayed) reading(s slo.Status, ms int64) *oracle.Past {
	o := r.trace.Objective
	shortest := r.objective.Window.Length
	for _, w := range s.ErrorRatios[:len(s.ErrorRatios)-1] {
		shortest = min(shortest, lengthOf(r.t, w.Window))
	}
	o.Levels = oracle.NewLevels(shortest, max(2*r.objective.Window.Length, 35*24*time.Hour))
	return o.Read(r.looks, ms)
}

func lengthOf(t testing.TB, window string) time.Duration {
	t.Helper()
	d, err := model.ParseDuration(window)
	must(t, err)
	return time.Duration(d)
}

// compare asks both and wants the same answer.
func (r *replayed) compare(ms int64) {
	r.t.Helper()
	s := r.ask(ms)
	past := r.reading(s, ms)
	last := len(s.ErrorRatios) - 1
	for _, w := range s.ErrorRatios[:last] {
		want := past.Rolling(lengthOf(r.t, w.Window).Milliseconds())
		r.same(s, w.Window+" error ratio", w.Value, want.Ratio())
	}
	budget := past.Rolling(r.objective.Window.Length.Milliseconds())
	if c := r.trace.Calendar; c != nil {
		budget = past.Since(c.Start(time.UnixMilli(ms)).UnixMilli())
	}
	r.same(s, "good", s.Events.Good, budget.Good)
	r.same(s, "bad", s.Events.Bad, budget.Bad)
	r.same(s, "excluded", s.Events.Excluded, budget.Excluded)
	r.same(s, "error ratio", s.ErrorRatios[last].Value, budget.Ratio())
	r.same(s, "coverage", s.Coverage, budget.Coverage)
	r.same(s, "filled", s.Filled, budget.Filled)
	r.near(s, "budget left", s.ErrorBudget.RemainingRatio, budget.Remaining(big.NewRat(1, 100)))
}

func (r *replayed) same(s slo.Status, what string, got float64, want *big.Rat) {
	r.t.Helper()
	if r.trace.Objective.Kind == oracle.RatioSlices { // parts of events are added up in float64
		r.near(s, what, got, want)
		return
	}
	if w := oracle.Float(want); got != w {
		r.differ(s, what, got, w)
	}
}

// near allows for the rounding of sums of fractions, each within 2^-53 of at most 2,000 slices.
func (r *replayed) near(s slo.Status, what string, got float64, want *big.Rat) {
	r.t.Helper()
	if w := oracle.Float(want); math.Abs(got-w) > 1e-9*max(1, math.Abs(w)) {
		r.differ(s, what, got, w)
	}
}

func (r *replayed) differ(s slo.Status, what string, got, want float64) {
	r.t.Helper()
	r.t.Fatalf("%s at %v after %d looks: engine %v, oracle %v\n%s\n%+v", what, s.At.Format(time.RFC3339Nano), len(r.looks), got, want, r.trace.Flags, s)
}

func (r *replayed) run() {
	r.t.Helper()
	for i := range r.trace.Steps {
		if l := r.trace.Steps[i].Look; l != nil {
			r.look(l)
		} else {
			r.compare(r.trace.Steps[i].AskMs)
		}
	}
}

// traces is how many random histories are gone through, each with its own seed; FuzzDifferential goes through more.
const traces = 100

// TestEngineEqualsOracle: resets, births, gaps, restarts, clocks that are changed, months that end.
func TestEngineEqualsOracle(t *testing.T) {
	for seed := range uint64(traces) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			newReplayed(t, oracle.NewTrace(oracle.NewDraw(seed, nil), 500)).run()
		})
	}
}

// FuzzDifferential lets the input decide what happens in the trace.
func FuzzDifferential(f *testing.F) {
	f.Add(uint64(1), []byte{})
	f.Add(uint64(2), []byte{3, 200, 1, 2, 0, 7, 9})
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) {
		newReplayed(t, oracle.NewTrace(oracle.NewDraw(seed, data), 150)).run()
	})
}
