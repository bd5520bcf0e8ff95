package slo_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/testkit/oracle"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

// The oracle again, for what counts otherwise than by events of one counter: groups, amounts of money,
// histograms, business time, excluded time, composites.

// counted compares one status with what the oracle counts of some looks, without shares of time.
func (r *replayed) counted(s slo.Status, looks []oracle.Look, objective oracle.Objective) {
	r.t.Helper()
	ms := s.At.UnixMilli()
	all, own := r.looks, r.trace.Objective
	r.looks, r.trace.Objective = looks, objective
	past := r.reading(s, ms)
	r.looks, r.trace.Objective = all, own
	budget := past.Rolling(r.objective.Window.Length.Milliseconds())
	if c := r.trace.Calendar; c != nil {
		budget = past.Since(c.Start(s.At).UnixMilli())
	}
	r.same(s, "good", s.Events.Good, budget.Good)
	r.same(s, "bad", s.Events.Bad, budget.Bad)
	r.same(s, "excluded", s.Events.Excluded, budget.Excluded)
	for _, w := range s.ErrorRatios[:len(s.ErrorRatios)-1] {
		r.same(s, w.Window+" error ratio", w.Value, past.Rolling(lengthOf(r.t, w.Window).Milliseconds()).Ratio())
	}
}

// counters leaves out traces that the features at hand do not concern.
func counters(tr *oracle.Trace) bool {
	return tr.Shape != oracle.GaugeBelow && tr.Objective.Kind == oracle.Events
}

// TestGroupsEqualOracle: each group counts as if there were no other series, and where no gap was cut, they
// add up to the whole.
func TestGroupsEqualOracle(t *testing.T) {
	storiesOf(t, counters, 20, 250, func(t *testing.T, _ uint64, tr *oracle.Trace) {
		r := newReplayed(t, tr)
		r.objective.GroupBy = &spec.GroupBy{Labels: []string{"shard"}, Max: 10, Expires: 1000 * 24 * time.Hour}
		r.Engine = slo.New(slo.Options{})
		must(t, r.Apply([]spec.Objective{r.objective}, tr.Begin, nil))
		for _, step := range tr.Steps {
			if step.Look != nil {
				r.look(step.Look)
				continue
			}
			var whole slo.Status
			var sum slo.Events
			for _, s := range r.Evaluate(time.UnixMilli(step.AskMs)) {
				if s.Parent == "" {
					whole = s
					continue
				}
				own := onlyShard(r.looks, s.Group["shard"])
				r.counted(s, own, tr.Objective)
				sum.Good, sum.Bad, sum.Excluded = sum.Good+s.Events.Good, sum.Bad+s.Events.Bad, sum.Excluded+s.Events.Excluded
			}
			past := r.reading(whole, step.AskMs)
			if past.Gaps() == 0 && !past.Skewed() && sum != (slo.Events{Good: whole.Events.Good, Bad: whole.Events.Bad, Excluded: whole.Events.Excluded}) {
				t.Fatalf("groups add up to %+v, the whole is %+v (%s)", sum, whole.Events, tr.Flags)
			}
		}
	})
}

func onlyShard(looks []oracle.Look, shard string) []oracle.Look {
	out := slices.Clone(looks)
	for i := range out {
		out[i].Samples = slices.DeleteFunc(slices.Clone(out[i].Samples), func(s oracle.Sample) bool { return s.Series.Labels[3] != shard })
	}
	return out
}

// TestAmountsEqualOracle: counters of euros with two decimals are counted in cents, to the cent.
func TestAmountsEqualOracle(t *testing.T) {
	storiesOf(t, counters, 20, 250, func(t *testing.T, _ uint64, tr *oracle.Trace) {
		r := newReplayed(t, tr)
		r.objective.Weight = &spec.Weight{Currency: "EUR", MinorUnit: 100}
		r.Engine = slo.New(slo.Options{})
		must(t, r.Apply([]spec.Objective{r.objective}, tr.Begin, nil))
		for _, step := range tr.Steps {
			if l := step.Look; l != nil {
				r.looks = append(r.looks, *l)
				c := r.cycle(l)
				for i := range c.Samples {
					c.Samples[i].Value /= 100
				}
				r.Observe(c)
				continue
			}
			s := r.ask(step.AskMs)
			if s.Currency != "EUR" {
				t.Fatalf("currency %q", s.Currency)
			}
			r.counted(s, r.looks, tr.Objective)
		}
	})
}

// TestHistogramsEqualOracle: observations between two bounds of a classic histogram are parted in whole
// events, as cumulative counts, so that no look rounds anew.
func TestHistogramsEqualOracle(t *testing.T) {
	stories(t, 25, 250, func(t *testing.T, seed uint64, tr *oracle.Trace) {
		rng := rand.New(rand.NewPCG(seed, 29))
		tr.Shape = oracle.GoodOfTotal
		tr.Objective = oracle.Objective{HasTotal: true, GivenGood: true, WatchedMs: tr.Objective.WatchedMs}
		limit := []float64{1, 1.25, 1.5, 1.875, 2, 0.5, 0.25}[rng.IntN(7)] // binary fractions: no rounding but the one meant
		r := newReplayed(t, tr)
		r.objective = spec.Objective{Name: "pay", Target: 0.99, Method: spec.Occurrences, Window: r.objective.Window,
			Indicator: spec.Indicator{Histogram: &spec.Histogram{Query: *sel("__name__", "seconds"), Below: limit}}}
		r.Engine = slo.New(slo.Options{})
		must(t, r.Apply([]spec.Objective{r.objective}, tr.Begin, nil))
		shown := map[string]*buckets{}
		for _, step := range oracle.Plain(tr.Steps) {
			if l := step.Look; l != nil {
				if shown[l.Target] == nil {
					shown[l.Target] = newBuckets(limit)
				}
				classic, counted := shown[l.Target].expose(rng, l)
				r.Observe(classic)
				r.looks = append(r.looks, counted)
				continue
			}
			r.counted(r.ask(step.AskMs), r.looks, tr.Objective)
		}
	})
}

// buckets is one classic histogram, and the two counters that a reader who knows its limit makes of it.
type buckets struct {
	bounds    []string
	upper     []float64
	count     []int64 // cumulative
	limit     *big.Rat
	good, all oracle.Series
	goodN     int64 // of the two counters, which do not fall when the process restarts
	allN      int64
	shown     bool
	was, sum  int64 // at the last look
}

func newBuckets(limit float64) *buckets {
	return &buckets{
		bounds: []string{"0.5", "1.0", "2", "+Inf"}, upper: []float64{0.5, 1, 2, math.Inf(1)}, count: make([]int64, 4), limit: new(big.Rat).SetFloat64(limit),
		good: oracle.Series{Name: "ok_total", Labels: []string{"outcome", ""}, Roles: []oracle.Role{oracle.Good}},
		all:  oracle.Series{Name: "all_total", Labels: []string{"outcome", ""}, Roles: []oracle.Role{oracle.Total}},
	}
}

// below is how many observations keep to the limit: exact at a bound, else the share of the bucket's width,
// rounded down; above the highest finite bound only those up to it.
func (b *buckets) below() int64 {
	lower, lowerCount := new(big.Rat), int64(0)
	for i, u := range b.upper {
		if math.IsInf(u, 1) {
			return lowerCount
		}
		upper := new(big.Rat).SetFloat64(u)
		if b.limit.Cmp(upper) < 0 {
			share := new(big.Rat).Quo(new(big.Rat).Sub(b.limit, lower), new(big.Rat).Sub(upper, lower))
			n := share.Mul(share, new(big.Rat).SetInt64(b.count[i]-lowerCount))
			return lowerCount + new(big.Int).Quo(n.Num(), n.Denom()).Int64()
		}
		lower, lowerCount = upper, b.count[i]
	}
	return lowerCount
}

// expose lets the histogram grow, or begin again, and shows it to both.
func (b *buckets) expose(rng *rand.Rand, l *oracle.Look) (collector.Cycle, oracle.Look) {
	counted := *l
	counted.Samples = nil
	c := collector.Cycle{Target: collector.Target(l.Target), At: time.UnixMilli(l.AtMs), Interval: time.Duration(l.IntervalMs) * time.Millisecond, Gone: l.Gone}
	if l.Failed {
		if !l.Gone {
			c.Err = fmt.Errorf("refused")
		}
		return c, counted
	}
	if rng.IntN(50) == 0 && b.sum > 1000 { // it is not mistaken for growth
		clear(b.count)
	}
	grown := int64(0)
	for i := range b.count {
		grown += int64(rng.IntN(30) * rng.IntN(2))
		b.count[i] += grown
	}
	if !b.shown && rng.IntN(5) > 0 {
		return c, counted // nothing observed yet
	}
	total, below := b.count[3], b.below()
	if b.shown && total >= b.sum {
		b.goodN, b.allN = b.goodN+below-b.was, b.allN+total-b.sum
	} else {
		b.goodN, b.allN = b.goodN+below, b.allN+total
	}
	b.was, b.sum, b.shown = below, total, true
	for _, i := range rng.Perm(len(b.bounds)) {
		c.Samples = append(c.Samples, collector.Sample{Series: series("__name__", "seconds_bucket", "le", b.bounds[i]), Value: float64(b.count[i])})
	}
	c.Samples = append(c.Samples, collector.Sample{Series: series("__name__", "seconds_count"), Value: float64(total)})
	counted.Samples = []oracle.Sample{{Series: &b.good, Value: float64(b.goodN)}, {Series: &b.all, Value: float64(b.allN)}}
	return c, counted
}

// TestBusinessTimeEqualsOracle: what happens while business is closed is excluded, and gaps are cut at its
// edges.
func TestBusinessTimeEqualsOracle(t *testing.T) {
	storiesOf(t, counters, 20, 250, func(t *testing.T, seed uint64, tr *oracle.Trace) {
		zones := oracle.Zones()
		loc, err := time.LoadLocation(zones[int(seed)%len(zones)])
		must(t, err)
		b := businessWeek(loc, tr.Begin)
		must(t, b.Validate())
		r := newReplayed(t, tr)
		r.objective.Calendar = b
		r.Engine = slo.New(slo.Options{})
		must(t, r.Apply([]spec.Objective{r.objective}, tr.Begin, nil))
		objective := tr.Objective
		objective.Open = func(ms int64) bool { return openAt(b, time.UnixMilli(ms)) }
		steps := tr.Steps
		if seed%2 == 0 { // looks on the minute, some at the very moment of opening or closing
			steps = oracle.Plain(oracle.EachLook(oracle.Plain(steps), func(l *oracle.Look) { l.AtMs -= l.AtMs % time.Minute.Milliseconds() }))
		}
		for _, step := range steps {
			if step.Look != nil {
				r.look(step.Look)
			} else {
				r.counted(r.ask(step.AskMs), r.looks, objective)
			}
		}
	})
}

// businessWeek is open on weekdays in two sessions, on Saturday mornings, and not on the day after begin.
func businessWeek(loc *time.Location, begin time.Time) *calendar.Business {
	b := &calendar.Business{Name: "desk", Location: loc}
	for d := time.Monday; d <= time.Friday; d++ {
		b.Week[d] = []calendar.Session{{From: 7 * 60, To: 12*60 + 30}, {From: 13*60 + 15, To: 18 * 60}}
	}
	b.Week[time.Saturday] = []calendar.Session{{From: 9 * 60, To: 11 * 60}}
	y, m, d := begin.In(loc).AddDate(0, 0, 1).Date()
	b.Holidays = []calendar.Holiday{{Date: calendar.Date{Year: y, Month: m, Day: d}, Name: "the day after"}}
	return b
}

// openAt reads the clock on the wall.
func openAt(b *calendar.Business, t time.Time) bool {
	t = t.In(b.Location)
	y, m, d := t.Date()
	for _, h := range b.Holidays {
		if h.Date == (calendar.Date{Year: y, Month: m, Day: d}) {
			return false
		}
	}
	minute := 60*t.Hour() + t.Minute()
	return slices.ContainsFunc(b.Week[t.Weekday()], func(s calendar.Session) bool { return s.From <= minute && minute < s.To })
}

// TestExclusionsEqualOracle: excluded time counts as excluded, overlaps once; cut into parts it is the same,
// and taken back it leaves no trace.
func TestExclusionsEqualOracle(t *testing.T) {
	storiesOf(t, counters, 20, 250, func(t *testing.T, seed uint64, tr *oracle.Trace) {
		rng := rand.New(rand.NewPCG(seed, 31))
		whole, parts, objective := exclusions(rng, tr)
		plain, excluded, parted, undone := newReplayed(t, tr), newReplayed(t, tr), newReplayed(t, tr), newReplayed(t, tr)
		excluded.SetExclusions(whole)
		parted.SetExclusions(parts)
		for _, step := range tr.Steps {
			if l := step.Look; l != nil {
				plain.look(l)
				excluded.look(l)
				parted.look(l)
				undone.look(l)
				continue
			}
			s := excluded.ask(step.AskMs)
			excluded.counted(s, excluded.looks, objective)
			wantSame(t, tr, []slo.Status{parted.ask(step.AskMs)}, []slo.Status{s})
			undone.SetExclusions(whole)
			_, err := undone.History("pay", "1h", tr.Begin, s.At, 2)
			must(t, err)
			undone.SetExclusions(nil)
			wantSame(t, tr, []slo.Status{undone.ask(step.AskMs)}, []slo.Status{plain.ask(step.AskMs)})
		}
	})
}

// exclusions draws a few stretches of excluded time, which may overlap, and the same ones cut in two.
func exclusions(rng *rand.Rand, tr *oracle.Trace) (whole, parts []slo.Exclusion, objective oracle.Objective) {
	begin, end := tr.Begin.UnixMilli(), tr.Steps[len(tr.Steps)-1].AskMs
	objective = tr.Objective
	for i := range 1 + rng.IntN(4) {
		from := begin + rng.Int64N(end-begin)
		to := from + 2 + rng.Int64N((end-begin)/4+1)
		cut := from + 1 + rng.Int64N(to-from-1)
		objective.Excluded = append(objective.Excluded, [2]int64{from, to})
		add := func(list *[]slo.Exclusion, from, to int64) {
			*list = append(*list, slo.Exclusion{ID: fmt.Sprint(i, from), Objectives: []string{"pay"}, From: time.UnixMilli(from), To: time.UnixMilli(to)})
		}
		add(&whole, from, to)
		add(&parts, cut, to)
		add(&parts, from, cut)
	}
	return whole, parts, objective
}

// TestCompositesFollowFromTheirMembers: what the whole says is worked out again from its members' counts.
func TestCompositesFollowFromTheirMembers(t *testing.T) {
	storiesOf(t, counters, 20, 250, func(t *testing.T, seed uint64, tr *oracle.Trace) {
		rng := rand.New(rand.NewPCG(seed, 37))
		for _, method := range []spec.CompositeMethod{spec.Weighted, spec.WorstOf, spec.Journey} {
			r := newReplayed(t, tr)
			all, weights := []spec.Objective{}, []int64{}
			whole := spec.Objective{Name: "whole", Target: 0.99, Method: spec.Occurrences, Window: r.objective.Window, Composite: &spec.Composite{Method: method}}
			for i := range 3 {
				o := memberFor(r.objective, fmt.Sprint(i))
				all, weights = append(all, o), append(weights, 1+rng.Int64N(5))
				whole.Composite.Members = append(whole.Composite.Members, spec.Member{Objective: o.Name, Weight: float64(weights[i]), WhenUnknown: spec.MakeUnknown, MaxDelay: 1000 * 24 * time.Hour})
			}
			r.Engine = slo.New(slo.Options{})
			must(t, r.Apply(append(all, whole), tr.Begin, nil))
			for _, step := range tr.Steps {
				if step.Look != nil {
					r.look(step.Look)
					continue
				}
				statuses := r.Evaluate(time.UnixMilli(step.AskMs)) // member-0, -1, -2, whole
				want := combined(method, statuses[:3], weights)
				got := statuses[3].ErrorRatios[len(statuses[3].ErrorRatios)-1].Value
				if w := oracle.Float(want); math.Abs(got-w) > 1e-12 {
					t.Fatalf("%s: error ratio %v, its members say %v (%s)", method, got, w, tr.Flags)
				}
				left := 1 - oracle.Float(new(big.Rat).Mul(want, big.NewRat(100, 1)))
				if got := statuses[3].ErrorBudget.RemainingRatio; math.Abs(got-left) > 1e-9*max(1, math.Abs(left)) {
					t.Fatalf("%s: %v left, its members say %v (%s)", method, got, left, tr.Flags)
				}
			}
		}
	})
}

// memberFor is the objective over one shard's series alone.
func memberFor(o spec.Objective, shard string) spec.Objective {
	o.Name = "member-" + shard
	r := *o.Indicator.Ratio
	for _, s := range []**spec.Selector{&r.Good, &r.Bad, &r.Total, &r.Excluded} {
		if *s != nil {
			pairs := []string{}
			for _, m := range (*s).Matchers {
				pairs = append(pairs, m.Name, m.Value)
			}
			*s = sel(append(pairs, "shard", shard)...)
		}
	}
	o.Indicator.Ratio = &r
	return o
}

// combined makes one error ratio of those of the members.
func combined(method spec.CompositeMethod, members []slo.Status, weights []int64) *big.Rat {
	whole, sum, worst, lost := new(big.Rat), new(big.Rat), new(big.Rat), new(big.Rat)
	for i, m := range members {
		bad, all := new(big.Rat).SetFloat64(m.Events.Bad), new(big.Rat).SetFloat64(m.Events.Good+m.Events.Bad)
		ratio := new(big.Rat)
		if all.Sign() > 0 {
			ratio.Quo(bad, all)
		}
		weight := new(big.Rat).SetInt64(weights[i])
		whole.Add(whole, weight)
		sum.Add(sum, weight.Mul(weight, ratio))
		lost.Add(lost, bad)
		if ratio.Cmp(worst) > 0 {
			worst = ratio
		}
	}
	switch method {
	case spec.WorstOf:
		return worst
	case spec.Weighted:
		return sum.Quo(sum, whole)
	}
	// A journey: what any step fails is lost to what entered the first; more cannot be lost than entered.
	entered := new(big.Rat).SetFloat64(members[0].Events.Good + members[0].Events.Bad)
	if entered.Cmp(lost) < 0 {
		entered = lost
	}
	if entered.Sign() == 0 {
		return new(big.Rat)
	}
	return new(big.Rat).Quo(lost, entered)
}
