package promtool

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/spec"
)

// level is a series of an objective whose events are samples or slices: what it shows while all is well and while
// nothing is. Of a counter that is what it grows by in a unit.
type level struct {
	labels    labels.Labels
	well, ill float64
	counter   bool
}

// levelsOf makes up series for an objective that addSources has none for; none if there seem to be none.
func levelsOf(o *alerts.Objective, unit time.Duration) []level {
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
		return one(&i.Traffic.Total, 2*i.Traffic.AtLeastPerSecond*unit.Seconds(), 0, true)
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

// eventsOfLevels is how many events a unit has where slices are judged by them.
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

// playLevels tries the legs of an objective of samples or slices with raw series: nothing but failures for long enough.
// What is known of when a slice, or a sample, is counted is within delay: expectations are only of moments at which a leg
// fires, or does not, whatever the exact moment.
func (b *bench) playLevels(s *subject) part {
	const healthy = 12
	delay := stepsOf(s.Slice+b.scrape, b.unit) + 2
	perUnit := 1.0
	switch {
	case s.Method != spec.Occurrences:
		perUnit = float64(b.unit) / float64(s.Slice)
	case s.Indicator.RawRatio != nil && s.Indicator.RawRatio.Events != nil:
		perUnit = eventsOfLevels
	default:
		perUnit = float64(b.unit) / float64(b.scrape)
	}
	var seen []*tier
	for i := range s.legs {
		if t := &s.legs[i]; b.sees(t) {
			seen = append(seen, t)
		}
	}
	timelines := func(until, n int) (lines [][]verdict) {
		for _, t := range seen {
			l := b.leg(s, t)
			early := l.timeline(outageUnits(healthy, until, n, perUnit), nil)
			lines = append(lines, agree(early, l.timeline(outageUnits(healthy+delay, until+delay, n, perUnit), nil)))
		}
		return lines
	}
	// It takes as long as it takes until one leg fires for certain.
	until := healthy + 4
	for ; until < 5000; until += 4 {
		if lines := timelines(until, until); slices.ContainsFunc(lines, func(l []verdict) bool { return l[len(l)-1] == fires }) {
			break
		}
	}
	until += 4
	end := until + delay + 3
	for _, t := range seen {
		end = max(end, until+delay+b.leg(s, t).short+b.leg(s, t).keep+3)
	}
	lines := timelines(until, end)
	p := part{}
	for _, l := range s.levels {
		p.input = append(p.input, inputSeries{seriesText(l.labels), values(l.samples(healthy, until, end))})
	}
	p.input = append(p.input, inputSeries{seriesText(s.up), values(slices.Repeat([]float64{1}, end))})
	for at := range lines[0] {
		if b.telling(lines, at) {
			p.tests = append(p.tests, b.expect(s, seen, lines, at, []string{""}))
		}
	}
	return p
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

// unobserved is a service of which nothing is seen: first nobody tells of it, so that rules do, then the agent does. That
// rules keep still where something is seen is expected of outages, which take longer than the rule waits.
func (b *bench) unobserved(subjects []*subject) *test {
	rule := b.rules.alert(alerts.Unobserved)
	if rule == nil {
		return nil
	}
	wait, keep := stepsOf(rule.For, b.pace), stepsOf(rule.KeepFiringFor, b.pace)
	told := wait + 2
	t := &test{Name: "nothing is seen", Interval: model.Duration(b.unit)}
	for _, s := range subjects {
		agent := slices.Repeat([]float64{0}, told+keep+1)
		for i := range told {
			agent[i] = missing()
		}
		t.InputSeries = append(t.InputSeries, inputSeries{seriesText(named(b.observed, s, "")), values(agent)})
		for _, e := range []struct {
			at     int
			firing bool
		}{{wait - 1, false}, {wait, true}, {told + keep - 1, true}, {told + keep, false}} {
			t.ExprTests = append(t.ExprTests, b.state(s, alerts.Unobserved, "", time.Duration(e.at)*b.pace, e.firing))
		}
	}
	return t
}

// state expects an alert on an objective that is about none of its legs.
func (b *bench) state(s *subject, alert, group string, at time.Duration, firing bool) exprTest {
	ls := stateLabels(s.Objective, alert, group)
	e := exprTest{Expr: fmt.Sprintf("ALERTS{alertname=%q,alertstate=\"firing\",slo=%q}", alert, s.Name), EvalTime: model.Duration(at), ExpSamples: []expSample{}}
	if firing {
		e.ExpSamples = append(e.ExpSamples, expSample{ls.String(), 1})
	}
	return e
}
