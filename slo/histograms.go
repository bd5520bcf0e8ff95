package slo

import (
	"fmt"
	"math"
	"strconv"

	"github.com/cespare/xxhash/v2"
	promhistogram "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo/histogram"
)

// Several series make one classic histogram, and what an objective wants of it, how many observations
// kept below its limit, is none of them. So the engine derives a series of its own for each histogram:
// its value is the count, and beside it stands how many of them were good.

// part says what a series is to the histogram it belongs to.
type part struct {
	histogram uint64  // hash of the labels without le and name: one for all buckets and the native form
	le        float64 // upper bound; NaN when it is none
}

// derived is what a series that the engine derived has beside its value.
type derived struct {
	good float64
	prev *promhistogram.FloatHistogram // of a native histogram; nil after a restart
}

// gathered is what one look showed of one histogram for one objective.
type gathered struct {
	member  *member
	hash    uint64 // of the derived series
	buckets []histogram.Bucket
	native  *promhistogram.FloatHistogram
	at      int64
	fromMs  int64
}

// partOf finds out which histogram a series belongs to.
func partOf(ls labels.Labels) *part {
	p := &part{le: math.NaN()}
	h := xxhash.New()
	ls.Range(func(l labels.Label) {
		switch l.Name {
		case labels.MetricName:
		case labels.BucketLabel:
			if v, err := strconv.ParseFloat(l.Value, 64); err == nil {
				p.le = v
			}
		default:
			_, _ = h.WriteString(l.Name)
			_, _ = h.Write([]byte{0xff})
			_, _ = h.WriteString(l.Value)
			_, _ = h.Write([]byte{0xff})
		}
	})
	p.histogram = h.Sum64()
	return p
}

// gather puts a sample of a histogram to the others of it.
func (l *look) gather(b binding, sr *series, s *collector.Sample, at int64) {
	if b.role == roleBucket && math.IsNaN(sr.part.le) || b.role == roleNative && s.Histogram == nil {
		return
	}
	hash := sr.part.histogram ^ b.member.obj.id
	e := l.engine
	i, ok := e.gatheredAt[hash]
	if !ok {
		i = len(e.gathered)
		e.gatheredAt[hash] = i
		if i < cap(e.gathered) { // its buckets are used again
			e.gathered = e.gathered[:i+1]
		} else {
			e.gathered = append(e.gathered, gathered{})
		}
		e.gathered[i] = gathered{member: b.member, hash: hash, buckets: e.gathered[i].buckets[:0]}
	}
	g := &e.gathered[i]
	g.at, g.fromMs = at, s.FromMs
	if b.role == roleNative {
		g.native = s.Histogram
	} else {
		g.buckets = append(g.buckets, histogram.Bucket{UpperBound: sr.part.le, CumulativeCount: s.Value})
	}
}

// histograms books every histogram of the look.
func (l *look) histograms() {
	for i := range l.engine.gathered {
		g := &l.engine.gathered[i]
		if problem := l.histogram(g); problem != "" {
			g.member.broken = "target " + string(l.target.id) + " has " + g.member.obj.Indicator.Histogram.Query.Text + " " + problem
		}
		g.native = nil
	}
	l.engine.gathered = l.engine.gathered[:0]
	clear(l.engine.gatheredAt)
}

// histogram books one histogram, or says in a few words why it cannot be judged.
func (l *look) histogram(g *gathered) (problem string) {
	obj := g.member.obj
	limit := obj.Indicator.Histogram.Below
	var good, total float64
	switch {
	case g.native != nil && g.native.CounterResetHint == promhistogram.GaugeType:
		return l.gaugeHistogram(g, limit)
	case g.native != nil:
		good, total = histogram.Below(g.native, limit), g.native.Count
	default:
		if problem := g.tooShort(limit); problem != "" {
			return problem
		}
		good, total, _ = histogram.Classic(g.buckets, limit)
	}
	g.member.broken = ""
	sr, known := l.derivedSeries(g)
	if known && !sr.unset && g.at <= sr.atMs {
		return ""
	}
	s := collector.Sample{Value: total, FromMs: g.fromMs}
	b := binding{g.member, roleNative}
	from, n, ok := l.grown(sr, known, b, &s, g.at)
	if c := obj.ledger.cum; n+c.good+c.bad > maxExact {
		l.engine.rejected.Implausible++
		return ""
	}
	if ok {
		before := sr.derived.good
		if p := sr.derived.prev; p != nil && g.native != nil && !histogram.SameLayout(p, g.native) {
			if p = histogram.Since(p, g.native); p != nil {
				before = histogram.Below(p, limit)
			}
		}
		unit := b.role.unit(obj)
		if n == inUnits(total, unit) { // it began anew
			before = 0
		}
		fine := min(n, max(0, inUnits(good, unit)-inUnits(before, unit)))
		inc := l.increment(obj, from, g.at)
		inc.good += fine
		inc.bad += n - fine
	}
	sr.value, sr.atMs, sr.fromMs, sr.unset = total, g.at, g.fromMs, false
	sr.derived.good, sr.derived.prev = good, g.native
	return ""
}

// tooShort says why nothing is known of a limit, or "".
func (g *gathered) tooShort(limit float64) string {
	highest, complete := math.Inf(-1), false
	for _, b := range g.buckets {
		if math.IsInf(b.UpperBound, 1) {
			complete = true
		} else {
			highest = max(highest, b.UpperBound)
		}
	}
	switch {
	case !complete:
		return "without the bucket le=\"+Inf\", so its events cannot be counted"
	case limit > highest:
		return fmt.Sprintf("with no bucket at or above %s, the highest is %s: name a limit that the histogram can tell", formatFloat(limit), formatFloat(highest))
	}
	return ""
}

// gaugeHistogram books a histogram of how things stand now, such as of the ages in a queue. It is judged
// slice by slice, each look counting what it saw.
func (l *look) gaugeHistogram(g *gathered, limit float64) (problem string) {
	if g.member.obj.slicer == nil {
		return "as a gauge histogram, whose observations are seen again with each look: use budgetingMethod Timeslices or RatioTimeslices"
	}
	g.member.broken = ""
	good := histogram.Below(g.native, limit)
	inc := l.increment(g.member.obj, g.at, g.at)
	inc.good += good
	inc.bad += g.native.Count - good
	return ""
}

// derivedSeries returns the state of the series that stands for a histogram.
func (l *look) derivedSeries(g *gathered) (sr *series, known bool) {
	sr, known = l.target.series[g.hash]
	if !known {
		sr = &series{}
		l.target.series[g.hash] = sr
	}
	if sr.derived == nil {
		sr.derived = &derived{}
		if stored := l.target.series[goodOf(g.hash)]; stored != nil { // from before a restart
			sr.derived.good = stored.value
			delete(l.target.series, goodOf(g.hash))
		}
	}
	sr.seenMs, sr.generation = l.at, l.engine.generation
	return sr, known
}

// goodOf is the hash under which the good count of a derived series is stored.
func goodOf(hash uint64) uint64 { return hash + 1 }
