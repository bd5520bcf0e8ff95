package prometheus

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/assayer-io/assayer/collector"
)

// Bounds on what one target can make the agent hold.
const (
	maxWanted  = 200_000  // wanted series of one target; more fail the cycle, unless sample_limit allows more
	maxHeld    = 64 << 20 // bytes of the wanted series of one answer, as exposed; more fail the cycle
	maxIgnored = 100_000  // unwanted series remembered as such; more are looked at afresh each time
	maxShort   = 512      // bytes of a series that is remembered as unwanted
)

// Explicit timestamps further from the look than this are not believed.
const (
	maxAheadMs  = 10 * 60 * 1000
	maxBehindMs = 60 * 60 * 1000
)

// memory keeps, for one target, what each series as it stands in the exposition turned out to be,
// so that a series seen before costs one map lookup. It is valid for one interest.
type memory struct {
	pool   *pool
	public labels.Labels
	want   *interest

	cycle   uint64            // counts answers; 0 is never used
	raw     map[string]*entry // by the series as exposed
	wanted  map[uint64]*state // by hash of the final labels
	starts  map[string]*start // by family and labels without le and quantile
	ignored int               // entries of raw that are not wanted
	touched int               // entries of raw seen in this cycle
	held    int               // bytes of the wanted ones among them
	lastOK  int               // touched of the last cycle that succeeded
}

// entry is what one series of the exposition turned out to be.
type entry struct {
	state   *state // nil: not wanted
	start   *start // nil: can have no start timestamp
	created bool   // its value is the start timestamp of start's other series
	dropped bool   // metric_relabel_configs drops it
	seen    uint64 // last cycle
}

// state is a wanted series; two entries that relabelling makes equal share it.
type state struct {
	series *collector.Series
	seen   uint64
}

// start is the start timestamp of the series of one metric.
type start struct {
	ms   int64
	seen uint64 // cycle in which ms was exposed
	used uint64 // last cycle in which one of its series was
}

func newMemory(p *pool, public labels.Labels) *memory {
	return &memory{pool: p, public: public}
}

// begin starts a cycle in which want counts.
func (m *memory) begin(want *interest) {
	if m.want != want || m.raw == nil {
		m.forget()
		m.want = want
	}
	m.cycle++
	m.touched, m.held = 0, 0
}

// forget drops everything, so that the next cycle starts afresh.
func (m *memory) forget() {
	m.raw, m.wanted, m.starts = map[string]*entry{}, map[uint64]*state{}, map[string]*start{}
	m.ignored = 0
}

// end drops series that have vanished once they are as many as those that are there. A cycle that
// failed has not seen all that is there; what it brought is dropped when it is suspiciously much.
func (m *memory) end(ok bool) {
	if !ok {
		if len(m.raw) > 2*m.lastOK+1024 {
			m.forget()
		}
		return
	}
	m.lastOK = m.touched
	if len(m.raw) <= 2*m.touched+64 {
		return
	}
	for k, e := range m.raw {
		if e.seen != m.cycle {
			delete(m.raw, k)
			if e.state == nil {
				m.ignored--
			}
		}
	}
	for k, s := range m.wanted {
		if s.seen != m.cycle {
			delete(m.wanted, k)
		}
	}
	for k, s := range m.starts {
		if s.used != m.cycle {
			delete(m.starts, k)
		}
	}
}

// parsed is the part of a textparse.Parser that tells of the series it stands on.
type parsed interface {
	Labels(*labels.Labels)
}

// find returns what the series raw, on which p stands, turned out to be.
func (m *memory) find(raw []byte, p parsed, t model.MetricType, f format) (*entry, error) {
	e := m.raw[string(raw)]
	if e == nil {
		var err error
		if e, err = m.admit(raw, p, t, f); err != nil {
			return nil, err
		}
	}
	if e.seen != m.cycle {
		e.seen = m.cycle
		m.touched++
		if e.state != nil {
			m.held += len(raw)
		}
	}
	if e.start != nil {
		e.start.used = m.cycle
	}
	return e, nil
}

var errHeld = fmt.Errorf("target exposes wanted series of more than %d bytes", maxHeld)

var errLineBreak = errors.New("line break inside a quoted name or label value")

// admit works out what a series is that was not seen before.
func (m *memory) admit(raw []byte, p parsed, t model.MetricType, f format) (*entry, error) {
	if f != formatProto && bytes.IndexByte(raw, '\n') >= 0 {
		return nil, fmt.Errorf("%w: %.200q", errLineBreak, raw)
	}
	var exposed labels.Labels
	p.Labels(&exposed)
	e := &entry{}
	final, keep := m.finalLabels(exposed)
	if e.dropped = !keep; keep {
		name := final.Get(model.MetricNameLabel)
		if name == "" {
			return nil, fmt.Errorf("series %.200q has no name", raw)
		}
		if err := m.pool.checkLabels(name, final); err != nil {
			return nil, err
		}
		if m.want.wants(name) && m.want.Match != nil && m.want.Match(final) {
			e.state = m.share(final)
		}
	}
	if f == formatOpenMetrics {
		m.linkStart(e, exposed, t)
	}
	switch {
	case e.state != nil && m.held+len(raw) > maxHeld:
		return nil, errHeld
	case e.state == nil && (m.ignored >= maxIgnored || len(raw) > maxShort):
		return e, nil
	case e.state == nil:
		m.ignored++
	}
	m.raw[string(raw)] = e
	return e, nil
}

// share returns the one state of a wanted series.
func (m *memory) share(final labels.Labels) *state {
	s := &state{series: collector.NewSeries(final)}
	if old := m.wanted[s.series.Hash]; old != nil && labels.Equal(old.series.Labels, final) {
		return old
	}
	m.wanted[s.series.Hash] = s
	return s
}

// linkStart finds the metric that a series belongs to, for its start timestamp.
func (m *memory) linkStart(e *entry, exposed labels.Labels, t model.MetricType) {
	var suffixes []string
	var without string
	switch t {
	case model.MetricTypeCounter:
		suffixes = []string{"_total"}
	case model.MetricTypeHistogram:
		suffixes, without = []string{"_bucket", "_count", "_sum"}, model.BucketLabel
	case model.MetricTypeSummary:
		suffixes, without = []string{"_count", "_sum"}, model.QuantileLabel
	default:
		return
	}
	family := exposed.Get(model.MetricNameLabel)
	base, created := strings.CutSuffix(family, createdSuffix)
	if !created && e.state == nil {
		return
	}
	if created {
		family = base
	} else if i := slices.IndexFunc(suffixes, func(s string) bool { return strings.HasSuffix(family, s) }); i >= 0 {
		family = strings.TrimSuffix(family, suffixes[i])
	}
	key := []byte(family)
	exposed.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel && l.Name != without && l.Value != "" {
			key = append(append(append(append(key, 0xff), l.Name...), 0xff), l.Value...)
		}
	})
	if e.start = m.starts[string(key)]; e.start == nil && len(m.starts) < m.pool.maxWanted && m.held+len(key) <= maxHeld {
		e.start = &start{}
		m.starts[string(key)] = e.start
		m.held += len(key)
	}
	e.created = created && e.start != nil
}

// finalLabels joins the target's labels to a series' own, the way Prometheus does, and relabels.
func (m *memory) finalLabels(exposed labels.Labels) (final labels.Labels, keep bool) {
	lb := labels.NewBuilder(exposed)
	var clashes []labels.Label
	m.public.Range(func(l labels.Label) {
		own := exposed.Get(l.Name)
		switch {
		case m.pool.cfg.HonorLabels:
			if !exposed.Has(l.Name) {
				lb.Set(l.Name, l.Value)
			}
		default:
			if own != "" {
				clashes = append(clashes, labels.Label{Name: l.Name, Value: own})
			}
			lb.Set(l.Name, l.Value)
		}
	})
	slices.SortStableFunc(clashes, func(a, b labels.Label) int { return len(a.Name) - len(b.Name) })
	for _, l := range clashes {
		name := model.ExportedLabelPrefix + l.Name
		for lb.Get(name) != "" {
			name = model.ExportedLabelPrefix + name
		}
		lb.Set(name, l.Value)
	}
	keep = relabel.ProcessBuilder(lb, m.pool.cfg.MetricRelabelConfigs...)
	return lb.Labels(), keep
}

// checkLabels holds a series against the three label limits.
func (p *pool) checkLabels(name string, ls labels.Labels) error {
	c := &p.cfg
	if n := ls.Len(); c.LabelLimit > 0 && n > int(c.LabelLimit) {
		return fmt.Errorf("a series of %.50s has %d labels, above label_limit %d", name, n, c.LabelLimit)
	}
	if c.LabelNameLengthLimit == 0 && c.LabelValueLengthLimit == 0 {
		return nil
	}
	return ls.Validate(func(l labels.Label) error {
		if c.LabelNameLengthLimit > 0 && len(l.Name) > int(c.LabelNameLengthLimit) {
			return fmt.Errorf("label name %.50s of %.50s has %d bytes, above label_name_length_limit %d", l.Name, name, len(l.Name), c.LabelNameLengthLimit)
		}
		if c.LabelValueLengthLimit > 0 && len(l.Value) > int(c.LabelValueLengthLimit) {
			return fmt.Errorf("label %.50s of %.50s has a value of %d bytes, above label_value_length_limit %d", l.Name, name, len(l.Value), c.LabelValueLengthLimit)
		}
		return nil
	})
}

// answer collects the samples of one answer.
type answer struct {
	memory *memory
	atMs   int64
	honor  bool // explicit timestamps

	samples  []collector.Sample
	unusable []*collector.Series // wanted ones that were there without a value to use
	link     bool                // OpenMetrics: start timestamps come as samples of their own
	starts   []*start            // beside samples, if link
	stats    collector.Stats
	dropped  int // samples that metric_relabel_configs dropped, as far as they were read
}

// add takes s, a sample of the series e with no more than its value and start timestamp; ts is nil
// without an explicit timestamp.
func (a *answer) add(e *entry, s collector.Sample, ts *int64) error {
	if e.created {
		a.created(e.start, s.Value)
	}
	if e.dropped {
		a.dropped++
	}
	if e.state == nil {
		return nil
	}
	if e.state.seen == a.memory.cycle {
		a.stats.Dropped.Duplicate++
		return nil
	}
	e.state.seen = a.memory.cycle
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		a.stats.Dropped.NotFinite++
		a.unusable = append(a.unusable, e.state.series)
		return nil
	}
	if ts != nil && a.honor {
		if s.AtMs = *ts; s.AtMs > a.atMs+maxAheadMs || s.AtMs < a.atMs-maxBehindMs {
			a.stats.Dropped.OutOfBounds++
			a.unusable = append(a.unusable, e.state.series)
			return nil
		}
	}
	if limit := a.memory.pool.maxWanted; len(a.samples) >= limit {
		return fmt.Errorf("target exposes more than %d wanted series; a larger sample_limit allows more", limit)
	}
	s.Series, s.FromMs = e.state.series, a.from(s.FromMs)
	a.samples = append(a.samples, s)
	if a.link {
		a.starts = append(a.starts, e.start)
	}
	return nil
}

// created notes a start timestamp that OpenMetrics exposes as a series, in seconds.
func (a *answer) created(s *start, seconds float64) {
	if s.seen != a.memory.cycle && seconds > 0 && seconds*1000 <= float64(a.atMs+maxAheadMs) {
		s.ms, s.seen = int64(seconds*1000), a.memory.cycle
	}
}

// from leaves out start timestamps that cannot be.
func (a *answer) from(ms int64) int64 {
	if ms < 0 || ms > a.atMs+maxAheadMs {
		return 0
	}
	return ms
}

// finish gives samples the start timestamps that followed them in the answer.
func (a *answer) finish() {
	for i, s := range a.starts {
		if s != nil && s.seen == a.memory.cycle {
			a.samples[i].FromMs = s.ms
		}
	}
}
