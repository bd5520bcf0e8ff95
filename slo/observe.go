package slo

import (
	"slices"
	"time"

	"github.com/assayer-io/assayer/collector"
)

// target is one place samples come from.
type target struct {
	id       collector.Target
	seenMs   int64 // the last successful look; 0: none yet
	epoch    int64 // the engine's epoch at that look
	interval time.Duration
	expected bool // in discovery in this process: owes looks
	left     bool // left discovery after seenMs: the time until it is back is not owed
	series   map[uint64]*series
	members  []*member
	changed  bool // since the last checkpoint
}

// member says that a target feeds an objective.
type member struct {
	obj *objective
	// broken is set when this look found the target's histogram without the wanted bucket.
	total, good int // series bound in those roles, to notice it
}

// series is the counter state of one series on one target.
type series struct {
	value      float64
	atMs       int64
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
	if c.Interval > 0 {
		t.interval = c.Interval
	}
	switch {
	case c.Gone:
		t.expected, t.left, t.changed = false, true, true
	case c.Err != nil:
		t.expected = true
	default:
		t.expected = true
		e.look(t, c)
	}
}

// look books one successful cycle.
func (e *Engine) look(t *target, c collector.Cycle) {
	at := c.At.UnixMilli()
	if at <= t.seenMs { // the agent's clock went back: wait until it has caught up
		e.rejected.OutOfOrder += uint64(len(c.Samples))
		return
	}
	l := look{engine: e, target: t, at: at, previous: t.seenMs, first: t.seenMs == 0}
	for i := range c.Samples {
		l.sample(&c.Samples[i])
	}
	l.finish()
	t.seenMs, t.epoch, t.left, t.changed = at, e.epoch, false, true
}

// look is the state of booking one cycle.
type look struct {
	engine   *Engine
	target   *target
	at       int64
	previous int64 // the target's look before this one; 0: none
	first    bool
}

func (l *look) sample(s *collector.Sample) {
	e, t := l.engine, l.target
	if !finite(s.Value) {
		e.rejected.NotFinite++
		return
	}
	at := l.at
	if s.AtMs != 0 {
		at = s.AtMs
	}
	sr := t.series[s.Series.Hash]
	known := sr != nil
	if !known {
		sr = &series{}
		t.series[s.Series.Hash] = sr
	}
	if sr.generation != e.generation {
		l.bind(sr, s.Series)
	}
	if known && at <= sr.atMs {
		if at < sr.atMs || s.Value != sr.value {
			e.rejected.OutOfOrder++
		}
		return
	}
	counts := false
	for _, b := range sr.bindings {
		if b.role == roleGauge {
			l.gauge(b.member.obj, at, s.Value)
			continue
		}
		counts = true
		if s.Value < 0 {
			continue
		}
		if from, n, ok := l.increase(sr, known, b.member.obj, s, at); ok {
			l.count(b, from, at, n)
		}
	}
	if counts && s.Value < 0 { // no counter: keep the last value that was one
		e.rejected.Negative++
		return
	}
	sr.value, sr.atMs = s.Value, at
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

// increase returns by how much the counter grew, and since when, following rules 1 and 2 of the
// package comment. ok is false when the sample is only a baseline.
func (l *look) increase(sr *series, known bool, obj *objective, s *collector.Sample, at int64) (from int64, n float64, ok bool) {
	watched := !l.first && obj.epoch <= l.target.epoch // this target was looked at for obj before
	l.engine.urgent = l.engine.urgent || !watched
	switch {
	case known && watched:
		if s.FromMs > sr.atMs || s.Value < sr.value { // a reset
			return sr.atMs, s.Value, true
		}
		return sr.atMs, s.Value - sr.value, true
	case watched: // born since the last look
		return l.previous, s.Value, true
	case s.FromMs >= obj.watchedMs && s.FromMs > 0 && s.FromMs <= at: // born since watching began
		return s.FromMs, s.Value, true
	}
	return 0, 0, false
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

// increment returns the accumulator for events of (from, to]. A stretch of up to two intervals is
// no gap: its events are booked when they were seen.
func (l *look) increment(obj *objective, from, to int64) *increment {
	if !obj.touched {
		obj.touched = true
		l.engine.touched = append(l.engine.touched, obj)
	}
	traffic := obj.Indicator.Traffic != nil
	if !l.gap(from, to) && !traffic {
		from = to
	}
	for i := range obj.acc {
		if obj.acc[i].from == from && obj.acc[i].to == to {
			return &obj.acc[i]
		}
	}
	obj.acc = append(obj.acc, increment{from: from, to: to})
	return &obj.acc[len(obj.acc)-1]
}

func (l *look) gap(from, to int64) bool { return to-from > 2*l.target.interval.Milliseconds() }

// finish moves what the cycle brought into the ledgers and books the target's coverage.
func (l *look) finish() {
	e := l.engine
	broken := l.missingBuckets()
	for _, obj := range e.touched {
		if !slices.Contains(broken, obj) {
			for i := range obj.acc {
				e.alarmed = obj.book(&obj.acc[i]) || e.alarmed
			}
		}
		obj.acc, obj.touched = obj.acc[:0], false
	}
	e.touched = e.touched[:0]
	for _, m := range l.target.members {
		m.good, m.total = 0, 0
		if !slices.Contains(broken, m.obj) {
			l.cover(m.obj)
		}
	}
}

// missingBuckets returns the latency objectives whose histogram this target exposes without the
// bucket they name; counting all its events as bad would be a lie.
func (l *look) missingBuckets() []*objective {
	var broken []*objective
	for _, m := range l.target.members {
		r := m.obj.Indicator.Ratio
		if r == nil || !r.Latency || r.Good == nil {
			continue
		}
		switch {
		case m.total > 0 && m.good == 0:
			m.obj.problem = "target " + string(l.target.id) + " has " + r.Total.Text + " but no bucket " + r.Good.Text + ": name a bound that the histogram has"
			broken = append(broken, m.obj)
		case m.total > 0:
			m.obj.problem = ""
		}
	}
	return broken
}

// cover books that the target was looked at.
func (l *look) cover(obj *objective) {
	obj.ledger.begin(l.at)
	obj.ledger.advance(l.at)
	if l.first || l.target.left || obj.epoch > l.target.epoch {
		return
	}
	span := l.at - l.previous
	c := counts{expectedMs: span}
	if l.gap(l.previous, l.at) {
		obj.ledger.spread(l.previous, l.at, c)
		return
	}
	c.coveredMs = span
	obj.ledger.add(l.at, c)
	if obj.slicer != nil {
		obj.slicer.cover(l.previous, l.at, l.target.interval.Milliseconds())
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
	}
	return c.bad > 0 || inc.fine < inc.gauge
}

// unusedFor is how long the state of a series or target that is no longer seen is kept. Forgetting
// it sooner would count a series that comes back from zero.
const unusedFor = 24 * time.Hour

// sweep forgets what has not been seen for long.
func (e *Engine) sweep(now int64) {
	limit := now - unusedFor.Milliseconds()
	for id, t := range e.targets {
		if !t.expected && t.seenMs < limit {
			delete(e.targets, id)
			e.dead = append(e.dead, targetKey(id))
			continue
		}
		for hash, sr := range t.series {
			if sr.atMs < limit && sr.atMs < t.seenMs {
				delete(t.series, hash)
				t.changed = true
			}
		}
	}
}
