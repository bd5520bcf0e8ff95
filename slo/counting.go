package slo

import (
	"math"

	"github.com/assayer-io/assayer/collector"
)

// book counts one sample for every objective that reads it, or returns false when it cannot be what
// they take it for.
func (l *look) book(sr *series, known bool, s *collector.Sample, at int64) bool {
	for _, b := range sr.bindings {
		obj := b.member.obj
		switch b.role {
		case roleGauge:
			l.gauge(obj, at, s.Value)
			continue
		case roleRaw:
			if s.Value < 0 || s.Value > 1 {
				l.engine.rejected.Implausible++
				return false
			}
			l.raw(obj, at, s.Value)
			continue
		case rolePresence: // counted where it was found
			continue
		}
		if s.Value < 0 {
			l.engine.rejected.Negative++
			return false
		}
		if b.role == roleBucket || b.role == roleNative {
			l.gather(b, sr, s, at)
			continue
		}
		from, n, ok := l.grown(sr, known, b, s, at)
		if !ok {
			continue
		}
		// Beyond 2^53 single events are lost in rounding: one wild sample would blind the ledger.
		if c := obj.ledger.cum; n+c.good+c.bad > maxExact {
			l.engine.rejected.Implausible++
			return false
		}
		l.count(b, from, at, n)
	}
	return true
}

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
	case roleTotal, roleTraffic, roleEvents:
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

// raw books a sample that is itself a ratio.
func (l *look) raw(obj *objective, at int64, v float64) {
	if !obj.Indicator.RawRatio.Success {
		v = 1 - v
	}
	inc := l.increment(obj, at, at)
	inc.gauge++
	inc.fine += v
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

// speakFor turns what one look brought for a raw ratio that speaks for counted events into good and bad
// ones. It reports false when events were counted and no sample of the ratio came.
func (o *objective) speakFor() bool {
	var ratio, samples float64
	for i := range o.acc {
		ratio += o.acc[i].fine
		samples += o.acc[i].gauge
	}
	fine := true
	for i := range o.acc {
		inc := &o.acc[i]
		if inc.total > 0 && samples > 0 {
			inc.good = math.Round(inc.total * ratio / samples)
			inc.bad = inc.total - inc.good
		}
		fine = fine && (inc.total == 0 || samples > 0)
		inc.gauge, inc.fine, inc.total, inc.hasTotal = 0, 0, 0, false
	}
	return fine
}

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
		o.slicer.book(inc, c)
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
		if o.sequential != nil && at.from == at.to { // what a gap hides is no news
			o.sequential.add(at.to, c.good, c.bad)
		}
	})
	return bad
}
