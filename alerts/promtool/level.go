package promtool

import (
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/spec"
)

// level is a series of an objective whose events are samples or slices: what it shows while all is well and while
// nothing is. Of a counter that is what it grows by from scrape to scrape.
type level struct {
	labels    labels.Labels
	well, ill float64
	counter   bool
}

// levelsOf makes up series for an objective that addSources has none for; none if there seem to be none.
func levelsOf(o *alerts.Objective, scrape time.Duration) []level {
	one := func(sel *spec.Selector, well, ill float64, counter bool) []level {
		ls, ok := labelsFor([]*spec.Selector{sel}, nil)
		if !ok {
			return nil
		}
		return []level{{ls, well, ill, counter}}
	}
	switch i := &o.Indicator; {
	case i.Threshold != nil:
		well, ill := aroundLimit(i.Threshold)
		return one(&i.Threshold.Query, well, ill, false)
	case i.RawRatio != nil:
		return ratioLevels(i.RawRatio)
	case i.Presence != nil:
		return one(&i.Presence.Query, 1, stale(), false)
	case i.Traffic != nil:
		return one(&i.Traffic.Total, 2*i.Traffic.AtLeastPerSecond*scrape.Seconds(), 0, true)
	case i.Ratio != nil:
		return counterLevels(sourcesOf(i.Ratio))
	case i.Histogram != nil:
		return counterLevels(sourcesOfHistogram(i.Histogram))
	}
	return nil
}

// aroundLimit is a value that keeps a limit and one that does not.
func aroundLimit(t *spec.Threshold) (well, ill float64) {
	below, above := t.Value-1, t.Value+1
	switch t.Op {
	case spec.LessThan:
		return below, t.Value
	case spec.LessOrEqual:
		return t.Value, above
	case spec.GreaterThan:
		return above, t.Value
	case spec.GreaterOrEqual:
	}
	return t.Value, below
}

// ratioLevels are a gauge and, if it speaks for events, their counter with the same labels.
func ratioLevels(r *spec.RawRatio) []level {
	well, ill := 0.0, 1.0
	if r.Success {
		well, ill = 1, 0
	}
	name := r.Query.MetricName()
	query, events := withoutName(&r.Query), &spec.Selector{}
	if r.Events != nil {
		events = withoutName(r.Events)
	}
	ls, ok := labelsFor([]*spec.Selector{query, events}, nil)
	if !ok {
		return nil
	}
	named := func(name string) labels.Labels { return labels.NewBuilder(ls).Set(labels.MetricName, name).Labels() }
	out := []level{{named(name), well, ill, false}}
	if r.Events != nil {
		out = append(out, level{named(r.Events.MetricName()), eventsOfLevels, eventsOfLevels, true})
	}
	return out
}

func withoutName(s *spec.Selector) *spec.Selector {
	ms := slices.DeleteFunc(slices.Clone(s.Matchers), func(m *labels.Matcher) bool { return m.Name == labels.MetricName })
	return &spec.Selector{Matchers: ms}
}

// eventsOfLevels is how many events there are from scrape to scrape where slices are judged by them.
const eventsOfLevels = 1000

func counterLevels(sources []source) []level {
	var out []level
	for _, s := range sources {
		l := level{labels: s.labels, counter: true}
		if s.good {
			l.well = eventsOfLevels
		}
		if s.bad {
			l.ill = eventsOfLevels
		}
		out = append(out, l)
	}
	return out
}

// samples are the values while all is well up to from, ill up to until, and well again.
func (l level) samples(from, until, n int) []float64 {
	out, sum := make([]float64, n), 0.0
	for i := range out {
		v := l.well
		if i >= from && i < until {
			v = l.ill
			if i > from && !isNumber(v) {
				v = missing() // a series ends once
			}
		}
		out[i] = v
		if l.counter {
			sum += v
			out[i] = sum
		}
	}
	return out
}

// longestOutage is how many units are waited at most for a leg to fire: a day and a half.
const longestOutage = 4096

// playLevels tries the legs of an objective of samples or slices with raw series, which have a sample a scrape: nothing
// but failures until one of the legs fires for certain. Which slices an outage spoils, and when they are counted, is
// known to within two slices and a scrape. What is expected is what holds both of the most that may count, and of the least.
func (b *bench) playLevels(s *subject) (p part) {
	slice := stepsOf(s.Slice, b.unit)
	delay := 2*slice + stepsOf(b.rules.scrape, b.unit) + 2
	begin := delay + 12
	perUnit := b.eventsOf(s)
	var seen []*tier
	keep := 0
	for i := range s.legs {
		if t := &s.legs[i]; b.sees(t) {
			seen = append(seen, t)
			keep = max(keep, b.leg(s, t).short+b.leg(s, t).keep)
		}
	}
	timelines := func(until, n int) (lines [][]verdict) {
		for _, t := range seen {
			l := b.leg(s, t)
			most := l.timeline(outageUnits(begin-delay, until+delay, n, perUnit), nil)
			lines = append(lines, agree(most, l.timeline(outageUnits(begin+delay, until-slice, n, perUnit), nil)))
		}
		return lines
	}
	until := 0
	for n := 64; until == 0 && n <= longestOutage; n *= 2 {
		until = certain(timelines(n+slice, n))
	}
	if until == 0 {
		return p
	}
	until += slice + 4
	end := until + delay + keep + 3
	looks := func(units int) int { return int(time.Duration(units) * b.unit / b.rules.scrape) }
	for _, l := range s.levels {
		p.input = append(p.input, inputSeries{seriesText(l.labels), values(l.samples(looks(begin), looks(until), looks(end)))})
	}
	p.input = append(p.input, inputSeries{seriesText(s.up), values(slices.Repeat([]float64{1}, looks(end)))})
	for at, lines := 0, timelines(until, end); at < end; at++ {
		if b.telling(lines, at) {
			p.tests = append(p.tests, b.expect(s, seen, lines, at, []string{""}))
		}
	}
	return p
}

// eventsOf is how many events of an objective of samples or slices a unit has.
func (b *bench) eventsOf(s *subject) float64 {
	looks := float64(b.unit) / float64(b.rules.scrape)
	switch {
	case s.Method != spec.Occurrences:
		return float64(b.unit) / float64(s.Slice)
	case s.Indicator.RawRatio != nil && s.Indicator.RawRatio.Events != nil:
		return eventsOfLevels * looks
	}
	return looks
}

// certain is after how many units, in fours, one of the timelines says for the first time that its leg fires; 0: none does.
func certain(lines [][]verdict) int {
	for until := 4; len(lines) > 0 && until <= len(lines[0]); until += 4 {
		if slices.ContainsFunc(lines, func(l []verdict) bool { return l[until-1] == fires }) {
			return until
		}
	}
	return 0
}

// outageUnits has perUnit events in each of n units, all bad from one until another.
func outageUnits(from, until, n int, perUnit float64) []counts {
	out := make([]counts, n)
	for i := range out {
		out[i] = counts{total: perUnit, seen: 1}
		if i >= from && i < until {
			out[i].bad = perUnit
		}
	}
	return out
}

// agree is what two timelines both say.
func agree(a, b []verdict) []verdict {
	out := slices.Clone(a)
	for i := range out {
		if a[i] != b[i] {
			out[i] = unclear
		}
	}
	return out
}
