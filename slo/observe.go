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
	seenMs     int64 // the last look at which it was there, gaps since then left out
	unset      bool  // there, but never with a usable value: the first one will be a baseline
	generation int64 // when bound; 0: restored and not seen since
	bindings   []binding
	part       *part    // nil unless some objective reads it as a part of a histogram
	derived    *derived // nil unless the engine made it of such parts
}

type binding struct {
	member  *member
	role    role
	refused refusal // of a grouped objective: why the series has no group
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
	l := look{engine: e, target: t, at: at, previous: t.seenMs, first: t.seenMs == 0, interval: slowest.Milliseconds(), gapMs: slowest.Milliseconds() * gapHalves / 2}
	if !l.first && l.gap(l.previous, at) { // in which no series could be seen
		for _, sr := range t.series {
			sr.seenMs += at - l.previous
		}
	}
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

// gapHalves half intervals without a look are a gap, and what a look then brings is no news of one slice.
const gapHalves = 5

// staleMs is how long a sample may be shown again and still say how things are: five minutes, as
// Prometheus has it.
const staleMs = 5 * 60 * 1000

// shown notes for every objective that reads the series whether this look brought a sample of it that
// can be used.
func (l *look) shown(sr *series, usable bool) {
	for _, b := range sr.bindings {
		m, decisive := b.member, b.role.decisive(b.member.obj)
		m.obj.shownMs = l.at
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
		l.bind(sr, s, !known)
	}
	sr.seenMs = l.at
	l.present(sr)
	return sr, known
}

// bind finds out which objectives read the series; unseen says that it was not there before.
func (l *look) bind(sr *series, s *collector.Series, unseen bool) {
	e := l.engine
	sr.generation, sr.bindings, sr.part = e.generation, nil, nil
	for _, list := range [][]selector{e.byMetric[s.Labels.Get("__name__")], e.anyMetric} {
		for _, sel := range list {
			if sel.Matches(s.Labels) {
				child, refused := e.groupOf(sel.obj, s.Labels, unseen && l.watched(sel.obj))
				sel.obj.groups.refused[refused]++
				sr.bindings = append(sr.bindings, binding{l.target.member(sel.obj), sel.role, refused})
				if child != nil {
					sr.bindings = append(sr.bindings, binding{member: l.target.member(child), role: sel.role})
				}
			}
		}
	}
	if slices.ContainsFunc(sr.bindings, func(b binding) bool {
		return b.role == roleBucket || b.role == roleNative || b.role == roleRaw || b.role == roleEvents
	}) {
		sr.part = partOf(s.Labels)
		l.groupBaselines(sr)
	}
}

// groupBaselines makes a group that the whole has counted before it, because it was refused until now,
// take what it first sees of a histogram as a baseline.
func (l *look) groupBaselines(sr *series) {
	for _, b := range sr.bindings {
		o := b.member.obj
		if o.parent == nil || b.role != roleBucket && b.role != roleNative {
			continue
		}
		whole, own := sr.part.histogram^o.parent.id, sr.part.histogram^o.id
		if l.target.series[whole] != nil && l.target.series[own] == nil {
			l.target.series[own] = &series{unset: true, seenMs: l.at}
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

// finish moves what the cycle brought into the ledgers and books the target's coverage.
func (l *look) finish() {
	e := l.engine
	l.unbreak()
	l.histograms()
	l.ratios()
	l.missingBuckets()
	for _, m := range l.target.members {
		if m.broken != "" && m.obj.touched && m.obj.Indicator.Ratio != nil {
			m.obj.acc = m.obj.acc[:0]
		}
	}
	for _, obj := range e.touched {
		if obj.sequential != nil {
			obj.sequential.width(max(l.interval, obj.paceMs), l.at)
		}
		for i := range obj.acc {
			if obj.book(&obj.acc[i]) {
				obj.alarmed, e.alarmed = true, true
			}
		}
		obj.acc, obj.touched = obj.acc[:0], false
		clear(obj.accAt)
	}
	e.touched = e.touched[:0]
	for _, m := range l.target.members {
		m.missed = m.obj.Indicator.Presence == nil && (!m.present || m.broken != "" || m.unusable && m.obj.Indicator.Threshold == nil)
		m.spoilt = m.missed && m.unusable
		l.cover(m.obj, !m.missed)
		m.present, m.unusable, m.good, m.total = false, false, 0, 0
	}
}

// unbreak forgets what was wrong with the look before, as far as this one says anew.
func (l *look) unbreak() {
	for _, m := range l.target.members {
		if m.present && m.obj.Indicator.Ratio == nil {
			m.broken = ""
		}
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
	obj.paceMs = max(obj.paceMs, l.target.interval.Milliseconds()) // a target may be gone before it is asked about
	obj.ledger.begin(l.at, l.at)
	obj.ledger.advance(l.at)
	if l.first || l.target.left || obj.epoch > l.target.epoch {
		return
	}
	span := obj.owed(l.previous, l.at)
	gap := l.gap(l.previous, l.at)
	if obj.slicer != nil {
		obj.slicer.cover(l.previous, l.at, observed && !gap)
	}
	switch {
	case gap:
		obj.eachOpen(l.previous, l.at, func(from, to int64) { obj.ledger.spread(from, to, counts{expectedMs: to - from}) })
	case observed:
		obj.ledger.add(l.at, counts{expectedMs: span, coveredMs: span})
	default:
		obj.ledger.add(l.at, counts{expectedMs: span})
	}
}

// unusedFor is how long the state of a series or target that is no longer seen is kept. Forgetting
// it sooner would count a series that comes back from zero.
const unusedFor = 24 * time.Hour

// sweep forgets what has not been seen for long. A target that was restored from the store, or has
// left discovery, gets its time from the first sweep that finds it so.
func (e *Engine) sweep(now int64) {
	limit := now - unusedFor.Milliseconds()
	dead := e.expireGroups(now)
	for _, o := range e.objectives {
		o.groups.refused = [refusals]int{}
	}
	for id, t := range e.targets {
		if !t.expected && t.idleMs == 0 {
			t.idleMs = now
		}
		if !t.expected && t.idleMs < limit {
			delete(e.targets, id)
			e.dead = append(e.dead, targetKey(id))
			continue
		}
		t.members = slices.DeleteFunc(t.members, func(m *member) bool { return dead[m.obj] })
		for hash, sr := range t.series {
			// Measured by the target's own looks: while it is down, nothing is forgotten.
			if sr.seenMs < t.seenMs-unusedFor.Milliseconds() {
				delete(t.series, hash)
				t.changed = true
				continue
			}
			sr.sweepGroups(dead, t.seenMs)
		}
	}
}
