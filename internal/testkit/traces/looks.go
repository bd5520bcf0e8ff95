package traces

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
)

// Counts are events by outcome.
type Counts struct{ Good, Bad, Excluded float64 }

func (c *Counts) add(d Counts) {
	c.Good += d.Good
	c.Bad += d.Bad
	c.Excluded += d.Excluded
}

// Look is one look at one target. It is valid until the next one is asked for.
type Look struct {
	collector.Cycle
	Service int
	// Truth is what happened on the target since the look before, whether it can be seen or not.
	Truth Counts
	// Shown is by how much the counters grew since they were last shown, resets understood: what a
	// perfect reader of this target's counters can know. Empty when the look brought nothing.
	Shown Counts
}

var errMissed = errors.New("the target did not answer")

// Looks yields every look at every target in order of time, each target once an interval and all of
// them spread over it. Only looks that come late may be out of order, by less than an interval.
func (t *Trace) Looks(interval time.Duration) iter.Seq[*Look] {
	return func(yield func(*Look) bool) {
		feeds := t.feeds(interval)
		for start := interval; start <= t.Length; start += interval {
			for _, f := range feeds {
				if !f.look(ms(start+f.phase), yield) {
					return
				}
			}
		}
	}
}

func (t *Trace) feeds(interval time.Duration) []*feed {
	n := t.Services * t.Targets
	out := make([]*feed, 0, n)
	for i := range n {
		service, target := i%t.Services, i/t.Services
		skew := 1.0
		if target < len(t.Skew) {
			skew = t.Skew[target]
		}
		f := &feed{
			trace: t, rng: stream(t.Seed, uint64(i)+1), luck: stream(t.Seed, uint64(i)+1_000_001), flow: newFlow(t, skew), interval: interval,
			phase: interval * time.Duration(i) / time.Duration(n), share: 1 / float64(t.Targets), target: target,
		}
		f.Service, f.Interval, f.Group = service, interval, fmt.Sprintf("service-%d", service)
		f.Target = collector.Target(fmt.Sprintf("service-%d-target-%d", service, target))
		f.expose()
		for _, r := range t.Resets {
			if r.Target == target {
				f.resets = append(f.resets, ms(r.At))
			}
		}
		for _, fault := range t.Faults {
			if len(fault.Targets) == 0 || slices.Contains(fault.Targets, target) {
				f.faults = append(f.faults, fault)
			}
		}
		out = append(out, f)
	}
	return out
}

// feed is one target with its counters.
type feed struct {
	Look
	trace    *Trace
	rng      *rand.Rand // of events: the same whatever befalls the looks
	luck     *rand.Rand // of looks
	flow     flow
	draws    [3]poisson
	interval time.Duration
	phase    time.Duration
	share    float64
	target   int
	at       int64 // events are drawn up to this moment
	counters Counts
	unshown  Counts // growth since the last look that was shown
	resets   []int64
	faults   []Fault
	gone     bool
	samples  []collector.Sample
}

// look draws what happened up to moment at and yields what a look then brings.
func (f *feed) look(at int64, yield func(*Look) bool) bool {
	kind := f.fault(at)
	if kind == Late {
		at += int64(f.luck.Float64() * 0.8 * float64(f.interval.Milliseconds()))
	}
	f.Truth, f.Shown = Counts{}, Counts{}
	f.happen(at)
	f.At, f.Err, f.Samples = Begin().Add(time.Duration(at)*time.Millisecond), nil, nil
	wasGone := f.gone
	f.gone = kind == Gone
	f.Cycle.Gone = f.gone
	switch {
	case f.gone && wasGone: // nobody looks; what happens goes on all the same
		f.Err = errMissed
	case f.gone:
	case kind == Missing:
		f.Err = errMissed
	case kind == NaN:
		f.show(math.NaN())
	default:
		f.show(0)
		f.Shown, f.unshown = f.unshown, Counts{}
	}
	if !yield(&f.Look) {
		return false
	}
	if kind == Duplicate {
		f.Truth, f.Shown = Counts{}, Counts{}
		return yield(&f.Look)
	}
	return true
}

// fault is what befalls the look that is due at a moment; "" is nothing.
func (f *feed) fault(at int64) FaultKind {
	for _, x := range f.faults {
		if at > ms(x.From) && at <= ms(x.To) && (x.Share >= 1 || f.luck.Float64() < x.Share) {
			return x.Kind
		}
	}
	return ""
}

// happen draws the events up to moment to, with the restarts among them.
func (f *feed) happen(to int64) {
	for len(f.resets) > 0 && f.resets[0] <= to {
		f.draw(f.resets[0])
		f.counters, f.unshown, f.resets = Counts{}, Counts{}, f.resets[1:]
	}
	f.draw(to)
}

func (f *feed) draw(to int64) {
	if to <= f.at {
		return
	}
	m := f.flow.take(f.at, to)
	f.at = to
	c := Counts{
		f.draws[0].draw(f.rng, m.good*f.share), f.draws[1].draw(f.rng, m.bad*f.share), f.draws[2].draw(f.rng, m.excluded*f.share),
	}
	f.counters.add(c)
	f.unshown.add(c)
	f.Truth.add(c)
}

// Metric names and labels under which traces expose what they count.
const (
	Metric        = "tx_total"   // label outcome: good, technical or business
	LatencyMetric = "tx_seconds" // _bucket and _count
	LatencyLimit  = "0.5"        // the bucket whose events were fast enough
)

// buckets of the histogram: the share of the fast events, and of the slow ones, at or below each bound.
var buckets = [...]struct {
	le         string
	fast, slow float64
}{{"0.1", 0.7, 0}, {"0.25", 0.95, 0}, {LatencyLimit, 1, 0}, {"1", 1, 0.7}, {"+Inf", 1, 1}}

// expose makes the target's series.
func (f *feed) expose() {
	series := func(name string, pairs ...string) {
		all := append([]string{labels.MetricName, name, "service", f.Group}, pairs...)
		f.samples = append(f.samples, collector.Sample{Series: collector.NewSeries(labels.FromStrings(all...))})
	}
	if !f.trace.Latency {
		series(Metric, "outcome", "good")
		series(Metric, "outcome", "technical")
		if len(f.trace.Declines) > 0 {
			series(Metric, "outcome", "business")
		}
		return
	}
	for _, b := range buckets {
		series(LatencyMetric+"_bucket", "le", b.le)
	}
	series(LatencyMetric + "_count")
}

// show puts the counters, plus nan, into the look's samples.
func (f *feed) show(nan float64) {
	c := f.counters
	if f.trace.Latency {
		for i, b := range buckets {
			f.samples[i].Value = math.Floor(b.fast*c.Good) + math.Floor(b.slow*c.Bad) + nan
		}
		f.samples[len(buckets)].Value = c.Good + c.Bad + nan
	} else {
		values := [...]float64{c.Good, c.Bad, c.Excluded}
		for i := range f.samples {
			f.samples[i].Value = values[i] + nan
		}
	}
	f.Samples = f.samples
}
