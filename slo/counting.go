package slo

import (
	"fmt"
	"math"

	"github.com/assayer-io/assayer/collector"
)

// book counts one sample for every objective that reads it, or returns false when it cannot be what
// they take it for.
func (l *look) book(sr *series, known bool, s *collector.Sample, at int64) bool {
	if !l.plausible(sr, known, s, at) {
		return false
	}
	for _, b := range sr.bindings {
		obj := b.member.obj
		switch b.role {
		case roleGauge:
			l.gauge(obj, at, s.Value)
		case rolePresence: // counted where it was found
		case roleBucket, roleNative:
			l.gather(b, sr, s, at)
		case roleRaw:
			l.raw(b, sr, at, s.Value)
		default:
			from, n, ok := l.grown(sr, known, b, s, at)
			switch {
			case !ok:
			case b.role == roleEvents:
				l.speaking(b, sr, from, at, n)
			default:
				l.count(b, from, at, n)
			}
		}
	}
	return true
}

// plausible checks a sample for all objectives that read it before any of them counts it.
func (l *look) plausible(sr *series, known bool, s *collector.Sample, at int64) bool {
	for _, b := range sr.bindings {
		switch b.role {
		case roleGauge, rolePresence:
			continue
		case roleRaw:
			if s.Value < 0 || s.Value > 1 {
				l.engine.rejected.Implausible++
				return false
			}
			continue
		}
		if s.Value < 0 {
			l.engine.rejected.Negative++
			return false
		}
		if s.Value < maxExact/maxMinorUnit {
			continue
		}
		// Beyond 2^53 single events are lost in rounding: one wild sample would blind the ledger.
		if _, n, ok := l.grown(sr, known, b, s, at); ok && n > maxExact {
			l.engine.rejected.Implausible++
			return false
		}
	}
	return true
}

// maxMinorUnit is the most minor units that any currency has to one of it.
const maxMinorUnit = 10_000

// grown returns by how much the counter grew in the objective's own unit, and since when. ok is false
// when the sample is only a baseline.
func (l *look) grown(sr *series, known bool, b binding, s *collector.Sample, at int64) (from int64, n float64, ok bool) {
	from, base, ok := l.increase(sr, known, b.member.obj, s, at)
	unit := b.role.unit(b.member.obj)
	return from, inUnits(s.Value, unit) - inUnits(base, unit), ok
}

// unit is how many of what is counted one unit of the counter stands for: minor units of a currency, to
// which amounts are rounded; 0: events, which are taken as they are.
func (r role) unit(o *objective) float64 {
	switch w := o.Weight; {
	case w == nil, (w.By != nil) != (r == roleWeight):
		return 0
	case r == roleTraffic || r == roleEvents:
		return 0
	default:
		return w.MinorUnit
	}
}

// inUnits rounds the value of a counter, and not its increase, so that nothing is lost over time.
func inUnits(v, unit float64) float64 {
	if unit == 0 {
		return v
	}
	return math.Round(v * unit)
}

// startJitterMs is by how much a start timestamp may wander without meaning a new start: some
// processes compute theirs anew from their age.
const startJitterMs = 1000

// increase returns what the counter's value is to be compared with, zero when it began anew, and since
// when it grew, following rules 1 and 2 of the package comment. ok is false when the sample is only a
// baseline.
func (l *look) increase(sr *series, known bool, obj *objective, s *collector.Sample, at int64) (from int64, base float64, ok bool) {
	watched := l.watched(obj)
	l.engine.urgent = l.engine.urgent || !watched || sr.unset
	switch {
	case known && (sr.unset || !watched):
		return 0, 0, false
	case known:
		// A start timestamp is from the target's clock, so only that it moved on says something.
		restarted := sr.fromMs > 0 && s.FromMs > sr.fromMs+startJitterMs && s.FromMs > sr.atMs
		if restarted || s.Value < sr.value {
			// A process that begins anew shows a series when it first has something to count. What it counts
			// is no older than the last look, which showed that there was nothing yet.
			return min(at, max(sr.atMs, l.previous)), 0, true
		}
		return sr.atMs, sr.value, true
	case watched: // born since the last look
		return l.previous, 0, true
	case s.FromMs > 0 && s.FromMs >= obj.watchedMs && s.FromMs <= at && s.FromMs > l.countedElsewhere(): // born since watching began
		return s.FromMs, 0, true
	}
	return 0, 0, false
}

// watched reports whether the target was looked at for obj before.
func (l *look) watched(obj *objective) bool { return !l.first && obj.epoch <= l.target.epoch }

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
	case roleWeight:
		inc.weight += n
	default: // no counters
	}
}

func (l *look) gauge(obj *objective, at int64, v float64) {
	inc := l.increment(obj, at, at)
	inc.gauge++
	if th := obj.Indicator.Threshold; th.Op.Holds(v, th.Value) {
		inc.fine++
	}
}

// raw books a sample that is itself a ratio, or keeps it for the events that it speaks for.
func (l *look) raw(b binding, sr *series, at int64, v float64) {
	i := b.member.obj.Indicator.RawRatio
	if !i.Success {
		v = 1 - v
	}
	if i.Events != nil {
		l.engine.ratios = append(l.engine.ratios, ratioOf{b.member, sr.part.histogram, v})
		return
	}
	inc := l.increment(b.member.obj, at, at)
	inc.gauge++
	inc.fine += v
}

// ratioOf is a raw ratio that one look showed, and spokenFor the events that it may speak for. They belong
// together by their labels.
type (
	ratioOf struct {
		member *member
		labels uint64
		good   float64
	}
	spokenFor struct {
		member   *member
		labels   uint64
		from, at int64
		n        float64
	}
)

func (l *look) speaking(b binding, sr *series, from, at int64, n float64) {
	l.engine.spoken = append(l.engine.spoken, spokenFor{b.member, sr.part.histogram, from, at, n})
}

// ratios books the events that raw ratios speak for, whole ones: what a look leaves of one is kept for
// the next, or a ratio that fails half an event a look would never fail. Events without a ratio are not counted, and their
// target has not shown what the objective needs.
func (l *look) ratios() {
	e := l.engine
	for _, s := range e.spoken {
		var same, all []ratioOf
		for _, r := range e.ratios {
			if r.member == s.member {
				all = append(all, r)
				if r.labels == s.labels {
					same = append(same, r)
				}
			}
		}
		if len(same) == 0 {
			same = all
		}
		if len(same) != 1 {
			s.member.present = false
			if len(same) > 1 {
				s.member.broken = fmt.Sprintf("target %s has %d ratios for one counter of events: they need the same labels", l.target.id, len(same))
			}
			continue
		}
		obj := s.member.obj
		exact := s.n*(1-same[0].good) + obj.owedBad
		bad := min(max(0, math.Round(exact)), s.n)
		obj.owedBad = exact - bad
		inc := l.increment(obj, s.from, s.at)
		inc.good += s.n - bad
		inc.bad += bad
	}
	e.ratios, e.spoken = e.ratios[:0], e.spoken[:0]
}

// present books for every objective that asks for it that a series is there, whatever its value.
func (l *look) present(sr *series) {
	for _, b := range sr.bindings {
		if b.role == rolePresence {
			inc := l.increment(b.member.obj, l.at, l.at)
			inc.gauge++
			inc.fine++
		}
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

// outcome turns one increment into good and bad events.
func (o *objective) outcome(inc *increment) counts {
	c := counts{good: inc.good, bad: inc.bad, excluded: inc.excluded}
	i := &o.Indicator
	switch {
	case i.Ratio != nil && i.Ratio.Total != nil && i.Ratio.Good == nil:
		c.good = inc.total - inc.bad
	case i.Ratio != nil && i.Ratio.Total != nil:
		c.bad = inc.total - inc.good
	case o.slicer == nil && inc.gauge > 0: // by occurrences each sample is an event
		c.good, c.bad = inc.fine, inc.gauge-inc.fine
	}
	return c
}

// book puts one increment into the ledger, and reports whether it brought bad events.
func (o *objective) book(inc *increment) (bad bool) {
	c := o.outcome(inc)
	if o.slicer != nil {
		o.slicer.book(inc, c, o.Indicator.Traffic != nil)
		if c.excluded != 0 {
			o.ledger.spread(inc.from, inc.to, counts{excluded: c.excluded})
		}
		return c.bad > 0 || inc.fine < inc.gauge
	}
	o.inBusiness(inc.stretch, c, func(at stretch, c counts) {
		if c.bad > 0 {
			bad = true
			o.noteFailure(at.to)
		}
		o.ledger.spread(at.from, at.to, c)
		if o.sequential != nil && at.from == at.to && !o.exclusion.covers(at.to) { // what a gap hides is no news
			o.sequential.add(at.to, c.good, c.bad)
		}
	})
	return bad
}
