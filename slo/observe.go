package slo

import (
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/assayer-io/assayer/collector"
)

// target is one place samples come from.
type target struct {
	id       collector.Target
	group    string // targets of one group are meant to feed the same objectives
	process  uint64 // hash of where it is reached: two targets of one process count the same events; 0: not known
	seenMs   int64  // the last successful look; 0: none yet
	epoch    int64  // of the interest by which that look was made
	interval time.Duration
	expected bool // in discovery in this process: owes looks
	left     bool // left discovery after seenMs: the time until it is back is not owed
	idleMs   int64
	series   map[uint64]*series
	members  []*member
	changed  bool // since the last checkpoint
	storing  bool // in the checkpoint under way
}

// member says that a target feeds an objective.
type member struct {
	obj    *objective
	broken string // what the target lacks; "" when nothing
	missed bool   // the last look did not show what the objective needs
	spoilt bool   // because it brought samples of it that cannot be used
	// decisive: the target has series that the objective cannot be judged without. One that counts
	// only failures, while another counts all events, has none.
	decisive bool
	// Of the look under way:
	present     bool // samples of decisive series came that can be used, or of any if it has none
	unusable    bool // samples came that cannot; of several gauges one may be so, of counters none
	total, good int  // increases booked in those roles
}

// series is the counter state of one series on one target.
type series struct {
	value      float64
	atMs       int64
	fromMs     int64 // the start timestamp that came with the value; 0: none
	seenMs     int64 // the last look at which it was there
	unset      bool  // there, but never with a usable value: the first one will be a baseline
	generation int64 // when bound; 0: restored and not seen since
	bindings   []binding
}

type binding struct {
	member *member
	role   role
}

// Observe books what one look at one target brought.
func (e *Engine) Observe(c collector.Cycle) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.targets[c.Target]
	if t == nil {
		if c.Gone {
			return
		}
		t = &target{id: c.Target, series: map[uint64]*series{}}
		e.targets[c.Target] = t
	}
	slowest := max(t.interval, c.Interval)
	if c.Interval > 0 {
		t.interval = c.Interval
	}
	if c.Gone {
		t.expected, t.left, t.changed, t.idleMs = false, true, true, 0
		return
	}
	t.expected, t.group = true, c.Group
	if c.Process != "" {
		t.process = xxhash.Sum64String(c.Process)
	}
	if c.Err == nil {
		e.look(t, c, slowest)
	}
}

// look books one successful cycle. slowest is the longer of the target's interval before and now.
func (e *Engine) look(t *target, c collector.Cycle, slowest time.Duration) {
	at := c.At.UnixMilli()
	if at <= t.seenMs {
		if t.seenMs-at <= 2*slowest.Milliseconds() {
			e.rejected.OutOfOrder += uint64(len(c.Samples))
			return
		}
		t.rewind(at)
	}
	epoch := c.Epoch
	if epoch == 0 {
		epoch = e.epoch
	}
	l := look{engine: e, target: t, at: at, previous: t.seenMs, first: t.seenMs == 0, interval: slowest.Milliseconds(), gapMs: slowest.Milliseconds() * 5 / 2}
	for i := range c.Samples {
		l.sample(&c.Samples[i])
	}
	for _, s := range c.Unusable {
		l.unusable(s)
	}
	l.finish()
	t.seenMs, t.epoch, t.left, t.changed = at, epoch, false, true
}

// rewind takes a target back to a moment at which the agent's clock, which has been set back, now
// is. Counters do not care about clocks: what they grew by is booked; the time in between is not owed.
func (t *target) rewind(at int64) {
	t.seenMs, t.left = at-1, true
	for _, sr := range t.series {
		sr.atMs, sr.seenMs = min(sr.atMs, at-1), min(sr.seenMs, at-1)
	}
}

// look is the state of booking one cycle.
type look struct {
	engine   *Engine
	target   *target
	at       int64
	previous int64 // the target's look before this one; 0: none
	first    bool
	interval int64 // the target's, in milliseconds
	gapMs    int64 // more than this between two samples is a gap: two and a half intervals
	counted  int64 // when the target's process was last looked at as another target; 0: not known yet
}

func (l *look) sample(s *collector.Sample) {
	if !finite(s.Value) {
		l.engine.rejected.NotFinite++
		l.unusable(s.Series)
		return
	}
	at := l.at
	if s.AtMs != 0 {
		at = s.AtMs
	}
	sr, known := l.find(s.Series)
	if known && !sr.unset && at <= sr.atMs {
		if at < sr.atMs || s.Value != sr.value {
			l.engine.rejected.OutOfOrder++
		}
		l.shown(sr, l.at-sr.atMs <= staleMs) // some exporters show a sample again until they have a newer one
		return
	}
	if !l.book(sr, known, s, at) {
		sr.unset = sr.unset || !known
		l.shown(sr, false)
		return
	}
	l.shown(sr, true)
	sr.value, sr.atMs, sr.fromMs, sr.unset = s.Value, at, s.FromMs, false
}

// staleMs is how long a sample may be shown again and still say how things are: five minutes, as
// Prometheus has it.
const staleMs = 5 * 60 * 1000

// shown notes for every objective that reads the series whether this look brought a sample of it that
// can be used.
func (l *look) shown(sr *series, usable bool) {
	for _, b := range sr.bindings {
		m, decisive := b.member, b.role.decisive(b.member.obj)
		m.decisive = m.decisive || decisive
		switch {
		case usable && (decisive || !m.decisive):
			m.present = true
		case !usable && b.role != roleExcluded:
			m.unusable = true
		}
	}
}

// unusable notes that a series was there although its sample could not be used.
func (l *look) unusable(s *collector.Series) {
	sr, known := l.find(s)
	if !known {
		sr.unset, l.engine.urgent = true, true
	}
	l.shown(sr, false)
}

// find returns the state of a series, bound to the objectives that read it, and whether it was
// there before.
func (l *look) find(s *collector.Series) (sr *series, known bool) {
	sr, known = l.target.series[s.Hash]
	if !known {
		sr = &series{}
		l.target.series[s.Hash] = sr
	}
	if sr.generation != l.engine.generation {
		l.bind(sr, s)
	}
	sr.seenMs = l.at
	return sr, known
}

// decisive reports whether an objective cannot be judged without any series of this role.
func (r role) decisive(o *objective) bool {
	switch r {
	case roleExcluded:
		return false
	case roleGood, roleBad:
		return o.Indicator.Ratio.Total == nil
	}
	return true
}

// book counts one sample for every objective that reads it, or returns false when it cannot be one
// of a counter.
func (l *look) book(sr *series, known bool, s *collector.Sample, at int64) bool {
	for _, b := range sr.bindings {
		if b.role == roleGauge {
			l.gauge(b.member.obj, at, s.Value)
			continue
		}
		if s.Value < 0 {
			l.engine.rejected.Negative++
			return false
		}
		from, n, ok := l.increase(sr, known, b.member.obj, s, at)
		if !ok {
			continue
		}
		// Beyond 2^53 single events are lost in rounding: one wild sample would blind the ledger.
		if c := b.member.obj.ledger.cum; n+c.good+c.bad > maxExact {
			l.engine.rejected.Implausible++
			return false
		}
		l.count(b, from, at, n)
	}
	return true
}

// bind finds out which objectives read the series.
func (l *look) bind(sr *series, s *collector.Series) {
	e := l.engine
	sr.generation, sr.bindings = e.generation, nil
	for _, list := range [][]selector{e.byMetric[s.Labels.Get("__name__")], e.anyMetric} {
		for _, sel := range list {
			if sel.Matches(s.Labels) {
				sr.bindings = append(sr.bindings, binding{l.target.member(sel.obj), sel.role})
			}
		}
	}
}

func (t *target) member(obj *objective) *member {
	if i := slices.IndexFunc(t.members, func(m *member) bool { return m.obj == obj }); i >= 0 {
		return t.members[i]
	}
	m := &member{obj: obj}
	t.members = append(t.members, m)
	return m
}

// startJitterMs is by how much a start timestamp may wander without meaning a new start: some
// processes compute theirs anew from their age.
const startJitterMs = 1000

// increase returns by how much the counter grew, and since when, following rules 1 and 2 of the
// package comment. ok is false when the sample is only a baseline.
func (l *look) increase(sr *series, known bool, obj *objective, s *collector.Sample, at int64) (from int64, n float64, ok bool) {
	watched := !l.first && obj.epoch <= l.target.epoch // this target was looked at for obj before
	l.engine.urgent = l.engine.urgent || !watched || sr.unset
	switch {
	case known && (sr.unset || !watched):
		return 0, 0, false
	case known:
		// A start timestamp is from the target's clock, so only that it moved on says something.
		restarted := sr.fromMs > 0 && s.FromMs > sr.fromMs+startJitterMs && s.FromMs > sr.atMs
		if restarted || s.Value < sr.value {
			return sr.atMs, s.Value, true
		}
		return sr.atMs, s.Value - sr.value, true
	case watched: // born since the last look
		return l.previous, s.Value, true
	case s.FromMs > 0 && s.FromMs >= obj.watchedMs && s.FromMs <= at && s.FromMs > l.countedElsewhere(): // born since watching began
		return s.FromMs, s.Value, true
	}
	return 0, 0, false
}

// countedElsewhere returns when the process behind this target was last looked at as another target,
// such as one whose labels a reload has changed; 0: never.
func (l *look) countedElsewhere() int64 {
	if l.counted == 0 && l.target.process != 0 {
		for _, other := range l.engine.targets {
			if other != l.target && other.process == l.target.process {
				l.counted = max(l.counted, other.seenMs)
			}
		}
	}
	return l.counted
}

// count books n events for one objective in the role that the binding says.
func (l *look) count(b binding, from, at int64, n float64) {
	inc := l.increment(b.member.obj, from, at)
	switch b.role {
	case roleGood:
		inc.good += n
		b.member.good++
	case roleBad:
		inc.bad += n
	case roleTotal, roleTraffic:
		inc.total += n
		inc.hasTotal = true
		b.member.total++
	case roleExcluded:
		inc.excluded += n
	case roleGauge: // handled by the caller
	}
}

func (l *look) gauge(obj *objective, at int64, v float64) {
	inc := l.increment(obj, at, at)
	inc.gauge++
	if th := obj.Indicator.Threshold; th.Op.Holds(v, th.Value) {
		inc.fine++
	}
}

// increment returns the accumulator for events of (from, to]. A stretch that is no gap is booked when
// its events were seen.
func (l *look) increment(obj *objective, from, to int64) *increment {
	if !obj.touched {
		obj.touched = true
		l.engine.touched = append(l.engine.touched, obj)
	}
	if !l.gap(from, to) && obj.Indicator.Traffic == nil {
		from = to
	}
	key := stretch{from, to}
	if last := len(obj.acc) - 1; last >= 0 && obj.acc[last].stretch == key {
		return &obj.acc[last]
	}
	i, ok := obj.accAt[key]
	if !ok {
		i = len(obj.acc)
		obj.acc = append(obj.acc, increment{stretch: key})
		if obj.accAt == nil {
			obj.accAt = map[stretch]int{}
		}
		obj.accAt[key] = i
	}
	return &obj.acc[i]
}

func (l *look) gap(from, to int64) bool { return to-from > l.gapMs }

// finish moves what the cycle brought into the ledgers and books the target's coverage.
func (l *look) finish() {
	e := l.engine
	l.missingBuckets()
	for _, m := range l.target.members {
		if m.broken != "" && m.obj.touched {
			m.obj.acc = m.obj.acc[:0]
		}
	}
	for _, obj := range e.touched {
		if obj.sequential != nil {
			obj.sequential.width(l.interval)
		}
		for i := range obj.acc {
			e.alarmed = obj.book(&obj.acc[i]) || e.alarmed
		}
		obj.acc, obj.touched = obj.acc[:0], false
		clear(obj.accAt)
	}
	e.touched = e.touched[:0]
	for _, m := range l.target.members {
		m.missed = !m.present || m.broken != "" || m.unusable && m.obj.Indicator.Threshold == nil
		m.spoilt = m.missed && m.unusable
		l.cover(m.obj, !m.missed)
		m.present, m.unusable, m.good, m.total = false, false, 0, 0
	}
}

// missingBuckets marks the latency objectives whose histogram this target exposes without the bucket
// they name; counting all its events as bad would be a lie.
func (l *look) missingBuckets() {
	for _, m := range l.target.members {
		r := m.obj.Indicator.Ratio
		if r == nil || !r.Latency || r.Good == nil || m.total == 0 {
			continue
		}
		m.broken = ""
		if m.good == 0 {
			m.broken = "target " + string(l.target.id) + " has " + r.Total.Text + " but no bucket " + r.Good.Text + ": name a bound that the histogram has"
		}
	}
}

// cover books that the target was looked at, and whether it showed what the objective needs.
func (l *look) cover(obj *objective, observed bool) {
	obj.ledger.begin(l.at)
	obj.ledger.advance(l.at)
	if l.first || l.target.left || obj.epoch > l.target.epoch {
		return
	}
	span := l.at - l.previous
	gap := l.gap(l.previous, l.at)
	if obj.slicer != nil {
		obj.slicer.cover(l.previous, l.at, observed && !gap)
	}
	switch {
	case gap:
		obj.ledger.spread(l.previous, l.at, counts{expectedMs: span})
	case observed:
		obj.ledger.add(l.at, counts{expectedMs: span, coveredMs: span})
	default:
		obj.ledger.add(l.at, counts{expectedMs: span})
	}
}

// book turns one increment into good and bad events, and reports whether there were bad ones.
func (o *objective) book(inc *increment) (bad bool) {
	c := counts{good: inc.good, bad: inc.bad, excluded: inc.excluded}
	if r := o.Indicator.Ratio; r != nil && r.Total != nil {
		if r.Good == nil {
			c.good = inc.total - inc.bad
		} else {
			c.bad = inc.total - inc.good
		}
	}
	switch {
	case o.slicer != nil:
		o.slicer.book(inc, c)
		if c.excluded != 0 {
			o.ledger.spread(inc.from, inc.to, counts{excluded: c.excluded})
		}
	case o.Indicator.Threshold != nil: // by occurrences: each sample is an event
		o.ledger.add(inc.to, counts{good: inc.fine, bad: inc.gauge - inc.fine})
	default:
		o.ledger.spread(inc.from, inc.to, c)
		if o.sequential != nil && inc.from == inc.to { // what a gap hides is no news
			o.sequential.add(inc.to, c.good, c.bad)
		}
	}
	return c.bad > 0 || inc.fine < inc.gauge
}

// unusedFor is how long the state of a series or target that is no longer seen is kept. Forgetting
// it sooner would count a series that comes back from zero.
const unusedFor = 24 * time.Hour

// sweep forgets what has not been seen for long. A target that was restored from the store, or has
// left discovery, gets its time from the first sweep that finds it so.
func (e *Engine) sweep(now int64) {
	limit := now - unusedFor.Milliseconds()
	for id, t := range e.targets {
		if !t.expected && t.idleMs == 0 {
			t.idleMs = now
		}
		if !t.expected && t.idleMs < limit {
			delete(e.targets, id)
			e.dead = append(e.dead, targetKey(id))
			continue
		}
		for hash, sr := range t.series {
			// Measured by the target's own looks: while it is down, nothing is forgotten.
			if sr.seenMs < t.seenMs-unusedFor.Milliseconds() {
				delete(t.series, hash)
				t.changed = true
			}
		}
	}
}
