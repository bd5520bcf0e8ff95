package transactions

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo/metricname"
)

// Metric is one series with its value as it is now.
type Metric struct {
	Name    string
	Labels  labels.Labels // without the name
	Value   float64
	Counter bool
	FromMs  int64 // Unix milliseconds since when a counter counts
}

// maxDrainRatio is what a rail's drain ratio is at most: nothing settles, or there is no time left.
const maxDrainRatio = 1000

// Metrics are all series of the tracker, in a fixed order: counters by name, then gauges by rail.
func (t *Tracker) Metrics() []Metric {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := &gatherer{now: t.now()}
	t.counters(g)
	t.zeros(g)
	for i, result := range []string{"accepted", "duplicate", "rejected"} {
		g.out = append(g.out, Metric{Name: metricname.TransactionEvents, Labels: labels.FromStrings(metricname.Result, result), Value: float64(t.told[i].Load()), Counter: true})
	}
	g.gauge(metricname.TransactionsUnmapped, float64(len(t.unmapped.list(g.now.UnixMilli()))))
	g.gauge(metricname.TransactionsDamaged, float64(len(t.hurt)))
	g.out = append(g.out, Metric{Name: metricname.BusinessShareDropped, Value: float64(t.shares.Dropped()), Counter: true})
	for _, s := range t.summaries(g.now) {
		g.rail(&s)
	}
	return g.out
}

type gatherer struct {
	now time.Time
	out []Metric
}

func (g *gatherer) gauge(name string, v float64, pairs ...string) {
	g.out = append(g.out, Metric{Name: name, Labels: labels.FromStrings(pairs...), Value: v})
}

// counters gives every counter; a rail's settlement times become a classic histogram.
func (t *Tracker) counters(g *gatherer) {
	buckets := map[string]map[float64]Metric{} // by rail and bound
	t.totals.each(func(k counterKey, c *counter) {
		m := Metric{Name: k.Family, Value: c.value.float(), Counter: true, FromMs: c.fromMs, Labels: k.labels()}
		switch k.Family {
		case familySettlementBucket:
			if buckets[k.Rail] == nil {
				buckets[k.Rail] = map[float64]Metric{math.Inf(1): {}}
			}
			if le, err := strconv.ParseFloat(k.Le, 64); err == nil {
				buckets[k.Rail][le] = m
			}
			return
		case familySettlementMs:
			m.Value /= 1000
		}
		g.out = append(g.out, m)
	})
	for _, rail := range slices.Sorted(maps.Keys(buckets)) {
		if rs := t.rules.Load().rails[rail]; rs != nil {
			for _, le := range rs.Buckets {
				if _, counted := buckets[rail][le]; !counted { // all bounds are there from the first settlement on
					buckets[rail][le] = Metric{}
				}
			}
		}
		g.histogram(rail, buckets[rail])
	}
}

// histogram adds up what is kept by bucket.
func (g *gatherer) histogram(rail string, buckets map[float64]Metric) {
	from := int64(math.MaxInt64)
	for _, b := range buckets {
		if b.FromMs > 0 {
			from = min(from, b.FromMs)
		}
	}
	total := 0.0
	for _, le := range slices.Sorted(maps.Keys(buckets)) {
		total += buckets[le].Value
		g.out = append(g.out, Metric{Name: familySettlementBucket, Labels: labels.FromStrings(metricname.Rail, rail, metricname.Le, leText(le)), Value: total, Counter: true, FromMs: from})
	}
	g.out = append(g.out, Metric{Name: metricname.TransactionsSettlement + "_count", Labels: labels.FromStrings(metricname.Rail, rail), Value: total, Counter: true, FromMs: from})
}

// zeros gives the counters of each rail that have not counted anything yet, where their labels are known.
func (t *Tracker) zeros(g *gatherer) {
	zero := func(k counterKey) {
		if !t.totals.has(k) {
			g.out = append(g.out, Metric{Name: k.Family, Labels: k.labels(), Counter: true, FromMs: t.createdMs})
		}
	}
	rails := map[string]bool{}
	for _, l := range t.dict.lanes {
		rails[l.Rail] = true
	}
	for _, rail := range slices.Sorted(maps.Keys(rails)) {
		for _, family := range []string{metricname.TransactionsConflicts, metricname.TransactionsLateConfirm, metricname.TransactionsAbandoned, metricname.TransactionsDuplicates} {
			zero(counterKey{Family: family, Rail: rail})
		}
		if rs := t.rules.Load().rails[rail]; rs != nil && rs.within > 0 {
			zero(counterKey{Family: metricname.ReconciliationItems, Rail: rail, Outcome: Good})
			zero(counterKey{Family: metricname.ReconciliationItems, Rail: rail, Outcome: Bad})
		}
	}
}

func (k counterKey) labels() labels.Labels {
	var pairs []string
	for _, p := range [][2]string{{metricname.Rail, k.Rail}, {metricname.Direction, k.Direction}, {metricname.Class, string(k.Class)}, {metricname.Outcome, string(k.Outcome)},
		{metricname.EndToEnd, string(k.EndToEnd)}, {metricname.Currency, k.Currency}, {metricname.Le, k.Le}} {
		if p[1] != "" {
			pairs = append(pairs, p[0], p[1])
		}
	}
	return labels.FromStrings(pairs...)
}

// rail gives the gauges of one rail.
func (g *gatherer) rail(s *Summary) {
	one := func(name string, v float64) { g.gauge(name, v, metricname.Rail, s.Rail) }
	one(metricname.TransactionsOpen, float64(s.Open.Count))
	one(metricname.TransactionsOverdue, float64(s.Overdue.Count))
	one(metricname.TransactionsInDoubt, float64(s.InDoubt.Count))
	one(metricname.TransactionsOldest, s.OldestSeconds)
	if s.Breaks != nil {
		one(metricname.ReconciliationBreaks, float64(s.Breaks.Count))
	}
	one(metricname.BusinessShareAnomalies, float64(len(s.Anomalies)))
	g.values(metricname.TransactionsOverdueValue, s.Rail, s.Overdue)
	g.values(metricname.TransactionsInDoubtValue, s.Rail, s.InDoubt)
	for _, age := range s.Ages {
		g.gauge(metricname.TransactionsOpenByAge, float64(age.Count), metricname.Rail, s.Rail, metricname.Age, age.Age)
		g.values(metricname.TransactionsOpenValue, s.Rail, age.Pile, metricname.Age, age.Age)
	}
	if s.NextCutOff == nil {
		return
	}
	one(metricname.NextCutOff, float64(s.NextCutOff.Unix()))
	one(metricname.TransactionsDue, float64(s.Due.Count))
	g.values(metricname.TransactionsDueValue, s.Rail, s.Due)
	one(metricname.TransactionsDrainRatio, s.DrainRatio)
	if s.DrainSeconds != nil {
		one(metricname.TransactionsDrainSeconds, *s.DrainSeconds)
	}
}

func (g *gatherer) values(name, rail string, p Pile, more ...string) {
	for _, currency := range slices.Sorted(maps.Keys(p.Values)) {
		v, _ := new(big.Float).SetInt(p.Values[currency]).Float64()
		g.gauge(name, v, append([]string{metricname.Rail, rail, metricname.Currency, currency}, more...)...)
	}
}

// Provider makes the tracker's series look like those of a target that is always there.
type Provider struct {
	tracker  *Tracker
	interval time.Duration
	interest atomic.Pointer[collector.Interest]
	mu       sync.Mutex
	series   map[string]*shown
}

// shown is a series as the engine knows it.
type shown struct {
	*collector.Series
	fromMs int64
}

// TargetName is the one target of this collector.
const TargetName collector.Target = "transactions"

// NewProvider lets t be looked at every interval.
func NewProvider(t *Tracker, interval time.Duration) *Provider {
	p := &Provider{tracker: t, interval: interval, series: map[string]*shown{}}
	p.interest.Store(&collector.Interest{})
	return p
}

// Run implements collector.Provider.
func (p *Provider) Run(ctx context.Context, update func([]collector.Job)) error {
	update([]collector.Job{{
		Target: TargetName, Interval: p.interval, Timeout: p.interval, Source: p, Labels: labels.FromStrings("job", "transactions"), URL: "transactions", Group: "transactions",
	}})
	<-ctx.Done()
	return nil
}

// SetInterest implements collector.Provider.
func (p *Provider) SetInterest(i collector.Interest) { p.interest.Store(&i) }

// Collect implements collector.Source.
func (p *Provider) Collect(_ context.Context, at time.Time, emit func(collector.Cycle)) {
	interest := p.interest.Load()
	c := collector.Cycle{Target: TargetName, Process: "transactions", Group: "transactions", At: at, Interval: p.interval, Epoch: interest.Epoch}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.tracker.Metrics() {
		if _, wanted := interest.Names[m.Name]; !wanted && !interest.AllNames || interest.Match == nil {
			continue
		}
		s := p.seriesOf(&m, at)
		if interest.Match(s.Labels) {
			c.Samples = append(c.Samples, collector.Sample{Series: s.Series, Value: m.Value, FromMs: s.fromMs})
		}
	}
	emit(c)
}

// seriesOf finds a series or begins it. What is looked at has not begun after the look at it: a counter that begins
// between the two would be taken for one of a clock that is wrong, and what it has counted by then would be lost.
func (p *Provider) seriesOf(m *Metric, at time.Time) *shown {
	key := fmt.Sprint(m.Name, m.Labels)
	s := p.series[key]
	if s == nil {
		b := labels.NewBuilder(m.Labels)
		b.Set(labels.MetricName, m.Name)
		s = &shown{collector.NewSeries(b.Labels()), min(m.FromMs, at.UnixMilli())}
		p.series[key] = s
	}
	return s
}
