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
	good   float64
	schema int64                         // of a native histogram, by schemaOf
	prev   *promhistogram.FloatHistogram // of a native histogram; nil after a restart
}

// gathered is what one look showed of one histogram for one objective.
type gathered struct {
	member  *member
	hash    uint64 // of the derived series
	buckets []histogram.Bucket
	native  *promhistogram.FloatHistogram
	plain   bool // a series of its name that is no histogram
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
	if b.role == roleBucket && math.IsNaN(sr.part.le) {
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
	switch {
	case b.role == roleNative && s.Histogram == nil:
		g.plain = true
	case b.role == roleNative:
		g.native = s.Histogram
	default:
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
	case g.native == nil && g.plain:
		return "as a plain series, such as of a summary or a gauge, and not as a histogram"
	case g.native != nil && g.native.CounterResetHint == promhistogram.GaugeType:
		return l.gaugeHistogram(g, limit)
	case g.native != nil:
		good, total = histogram.Below(g.native, limit), g.native.Count
	default:
		if problem := g.tooShort(limit); problem != "" {
			return problem
		}
		var ok bool
		if good, total, ok = histogram.Classic(g.buckets, limit); !ok {
			return "with buckets that say nothing of " + formatFloat(limit)
		}
	}
	sr, known := l.derivedSeries(g)
	if known && !sr.unset && g.at <= sr.atMs {
		return ""
	}
	s := collector.Sample{Value: total, FromMs: g.fromMs}
	b := binding{member: g.member, role: roleNative}
	from, n, ok := l.grown(sr, known, b, &s, g.at)
	unit := b.role.unit(obj)
	if ok && sr.derived.resets(g) {
		from, n = min(g.at, max(from, l.previous)), inUnits(total, unit)
	}
	if n > maxExact {
		l.engine.rejected.Implausible++
		return ""
	}
	if ok {
		fine := inUnits(good, unit) // it began anew
		if n != inUnits(total, unit) {
			fine = sr.derived.since(g, limit, fine, n, unit)
		}
		inc := l.increment(obj, from, g.at)
		inc.good += fine
		inc.bad += n - fine
	}
	sr.value, sr.atMs, sr.fromMs, sr.unset = total, g.at, g.fromMs, false
	sr.derived.good, sr.derived.prev, sr.derived.schema = good, g.native, schemaOf(g.native)
	return ""
}

// resets reports whether a native histogram began anew although its count has not fallen.
func (d *derived) resets(g *gathered) bool {
	return g.native != nil && (g.native.CounterResetHint == promhistogram.CounterReset || d.prev != nil && g.native.DetectReset(d.prev))
}

// since returns how many of n new observations kept below the limit, of which good are below now. As
// with all counters, buckets that are read a moment apart may say more than n or less than none for one
// look; the next one makes up for it.
func (d *derived) since(g *gathered, limit, good, n, unit float64) float64 {
	before := d.good
	switch {
	case g.native == nil || d.prev != nil && histogram.SameLayout(d.prev, g.native):
	case d.prev != nil:
		if p := histogram.Since(d.prev, g.native); p != nil {
			before = histogram.Below(p, limit)
		}
	case d.schema != schemaOf(g.native) && g.native.Count > 0:
		// It merged its buckets while the agent was down: what the old ones said of the limit cannot be
		// compared, so the new observations are taken to be as all of them are.
		return math.Round(n * histogram.Below(g.native, limit) / g.native.Count)
	}
	return good - inUnits(before, unit)
}

// schemaOf tells the resolution of a native histogram from that of others; 0 is none.
func schemaOf(h *promhistogram.FloatHistogram) int64 {
	if h == nil {
		return 0
	}
	return int64(h.Schema) + 1000
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
			sr.derived.good, sr.derived.schema = stored.value, stored.fromMs
			delete(l.target.series, goodOf(g.hash))
		}
	}
	sr.seenMs, sr.generation = l.at, l.engine.generation
	return sr, known
}

// goodOf is the hash under which the good count of a derived series is stored.
func goodOf(hash uint64) uint64 { return hash + 1 }
