package promtool

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/spec"
)

// lookback is for how long native rules take a series that is gone for one that counts nothing.
const lookback = 5 * time.Minute

// subject is an objective with the legs that a file has rules for and series that feed it.
type subject struct {
	*alerts.Objective
	legs    []tier
	sources []source      // none: its events are samples or slices, or no series come to mind
	levels  []level       // series of such an objective
	up      labels.Labels // of the target that the sources belong to
	group   string        // to which they belong, as the agent names it; "" unless there are groups
}

// tier is a leg of an objective that a file has a rule for.
type tier struct {
	burnrate.Tier
	labels              labels.Labels // of its series of ALERTS
	pace, fullPace      time.Duration // between the evaluations of its tests
	longFast, shortFast bool          // windows that are summed from the records of the first group
	first               bool          // the alert is in that group
	keep                time.Duration // for how long it goes on firing
}

// fast and slow report which records windows are summed from: of the first group, of the second.
func (t *tier) fast() bool { return t.longFast || t.shortFast }
func (t *tier) slow() bool { return !t.longFast || !t.shortFast }

// rulesOf is a file of native rules with its two intervals.
type rulesOf struct {
	alerts.File
	scrape         time.Duration // between samples of raw series
	interval, slow time.Duration
	proofs         []time.Duration // windows of which it is recorded whether their errors are more than chance
	raisedBy       *alerts.File    // raises what these rules record; nil: they raise it themselves
}

// addProofs looks for windows among those of legs.
func (f *rulesOf) addProofs(objs []*alerts.Objective) {
	windows := map[time.Duration]bool{f.slow: true}
	for _, o := range objs {
		for _, t := range o.Tiers {
			windows[t.Long], windows[t.Short] = true, true
		}
	}
	for _, w := range slices.Sorted(maps.Keys(windows)) {
		if f.records(prometheus.NativeBeyondChance(w)) {
			f.proofs = append(f.proofs, w)
		}
	}
}

func (f *rulesOf) records(name string) bool {
	return slices.ContainsFunc(f.Groups, func(g alerts.Group) bool {
		return slices.ContainsFunc(g.Rules, func(r alerts.Rule) bool { return r.Record == name })
	})
}

func (f *rulesOf) subject(o *alerts.Objective) *subject {
	s := &subject{Objective: o}
	for _, t := range o.Tiers {
		rule, first := f.rule(&t)
		if rule == nil || t.Factor*(1-o.Target) > 1 {
			continue // PromQL cannot judge it, or nothing is bad enough for it
		}
		one := tier{
			Tier: t, labels: legLabels(o, &t), first: first, keep: f.keeps(rule),
			longFast: f.isFast(t.Long), shortFast: f.isFast(t.Short),
		}
		tile := f.slow
		if one.shortFast {
			tile = f.interval
		}
		one.pace = max(pace(t.Short, tile), tile)
		if one.slow() {
			one.pace = max(one.pace, f.slow)
		}
		s.legs = append(s.legs, one)
	}
	s.addSources(f.scrape)
	return s
}

// keeps is for how long the alert of a leg goes on firing.
func (f *rulesOf) keeps(leg *alerts.Rule) time.Duration {
	if raised := f.alert(alerts.BudgetBurn); f.raisedBy != nil && raised != nil {
		return raised.KeepFiringFor
	}
	return leg.KeepFiringFor
}

// rule is the alert of a leg, or the record of it, and whether it is in the first group; nil if there is none.
func (f *rulesOf) rule(t *burnrate.Tier) (r *alerts.Rule, first bool) {
	for i, g := range f.Groups {
		for j := range g.Rules {
			r := &g.Rules[j]
			burns := r.Alert == alerts.BudgetBurn || r.Record == prometheus.NativeFiring(alerts.BudgetBurn)
			if burns && r.Labels[alerts.LabelTier] == t.Name && r.Labels[alerts.LabelFactor] == t.FactorText() {
				return r, i == 0
			}
		}
	}
	return nil, false
}

// alert is the rule that raises an alert which these rules call for, if it is one rule; nil if they never do.
func (f *rulesOf) alert(name string) *alerts.Rule {
	by := &f.File
	if f.raisedBy != nil && f.records(prometheus.NativeFiring(name)) {
		by = f.raisedBy
	}
	for _, g := range by.Groups {
		for i := range g.Rules {
			if g.Rules[i].Alert == name {
				return &g.Rules[i]
			}
		}
	}
	return nil
}

// isFast reports whether a window is recorded by the first group.
func (f *rulesOf) isFast(w time.Duration) bool {
	name := prometheus.NativeBadEvents(w)
	return slices.ContainsFunc(f.Groups[0].Rules, func(r alerts.Rule) bool { return r.Record == name })
}

// pace is how far evaluations may lie apart and still show when a window begins and ends: six of them in a window.
func pace(window, tile time.Duration) time.Duration {
	for _, d := range []time.Duration{2 * time.Hour, time.Hour, 30 * time.Minute, 20 * time.Minute, 10 * time.Minute, 5 * time.Minute, time.Minute} {
		if d%tile == 0 && window >= 6*d {
			return d
		}
	}
	return tile
}

// firing are the labels of the series ALERTS of a firing alert on an objective.
func firing(o *alerts.Objective, alert string, severity burnrate.Urgency) *labels.Builder {
	b := labels.NewBuilder(labels.FromStrings(
		labels.MetricName, "ALERTS", labels.AlertName, alert, "alertstate", "firing",
		metricname.SLO, o.Name, metricname.Service, o.Service, alerts.LabelSeverity, string(severity),
	))
	return b.Set(alerts.LabelTeam, alerts.Team(&o.Objective)) // an empty label is none
}

// legLabels are those of the series ALERTS of a firing leg.
func legLabels(o *alerts.Objective, t *burnrate.Tier) labels.Labels {
	return firing(o, alerts.BudgetBurn, burnrate.UrgencyOf(*t, o.Tiers)).
		Set(alerts.LabelTier, t.Name).Set(alerts.LabelFactor, t.FactorText()).
		Set(alerts.LabelLongWindow, burnrate.Text(t.Long)).Set(alerts.LabelShortWindow, burnrate.Text(t.Short)).Labels()
}

// bench makes the tests of one file of rules at one pace.
type bench struct {
	rules      *rulesOf
	pace, unit time.Duration
	raw        bool // raw series are fed
	fast, slow bool // records of the first group are fed, of the second
	last       bool // of the coarsest pace
	observed   labels.Labels
}

// newBench decides what is fed to the legs of one pace.
func newBench(f *rulesOf, pace time.Duration, subjects []*subject, observed labels.Labels) *bench {
	b := &bench{rules: f, pace: pace, unit: f.interval, observed: observed, raw: pace == f.interval}
	if b.raw {
		return b
	}
	for _, s := range subjects {
		for i := range s.legs {
			if s.legs[i].pace == pace {
				b.fast, b.slow = b.fast || s.legs[i].fast(), b.slow || s.legs[i].slow()
			}
		}
	}
	if !b.fast {
		b.unit = f.slow
	}
	// At their own pace rules make the second kind of records from the first.
	b.slow = b.slow && (pace != f.slow || !b.fast)
	return b
}

// addFullPaces chooses for each leg the paces at which whole long windows are tested: the first that gives them six
// evaluations, where what is fed reaches the leg. It takes long to see a whole window at the leg's own.
func addFullPaces(benches []*bench, subjects []*subject) {
	for _, s := range subjects {
		for i := range s.legs {
			t := &s.legs[i]
			t.fullPace = t.pace
			for _, b := range benches {
				if b.pace > t.pace && b.sees(t) && t.Long >= 6*b.pace {
					t.fullPace = b.pace
					break
				}
			}
		}
	}
}

// sees reports whether what is fed reaches the windows of t in full.
func (b *bench) sees(t *tier) bool {
	if b.raw {
		return !t.slow()
	}
	return (!t.fast() || b.fast) && (!t.slow() || b.slow || b.pace == b.rules.slow && b.fast)
}

// leg is the leg in units of the bench.
func (b *bench) leg(s *subject, t *tier) leg {
	window := func(w time.Duration, fast bool) int {
		tile := b.rules.slow
		if fast {
			tile = b.rules.interval
		}
		return stepsOf(w, tile) * int(tile/b.unit)
	}
	l := leg{
		long: window(t.Long, t.longFast), short: window(t.Short, t.shortFast), factor: t.Factor, allowed: burnrate.Allowed(s.Target),
		budget: stepsOf(s.Window.Length, b.rules.slow) * int(b.rules.slow/b.unit), weighted: s.Weight != nil,
		slow: int(b.rules.slow / b.unit), every: int(b.pace / b.unit), keep: stepsOf(t.keep, b.pace),
	}
	if t.first && !t.longFast {
		l.lag = 1
	}
	for _, w := range b.rules.proofs {
		if w <= t.Long {
			l.others = append(l.others, window(w, b.rules.isFast(w)))
		}
	}
	return l
}

// part is what one subject brings to a test.
type part struct {
	input []inputSeries
	tests []exprTest
}

// play puts a subject through a scenario for one of its legs; false where that means nothing to it.
func (b *bench) play(s *subject, t *tier, sc scenario) (part, bool, error) {
	p := sc.plan(b.leg(s, t))
	if sc.when == raw && len(s.sources) == 0 {
		return part{}, false, nil
	}
	if p.born && !slices.ContainsFunc(s.sources, func(x source) bool { return x.bad && !x.good }) {
		return part{}, false, nil // nothing counts failures alone
	}
	besides := b.recordedBesides(s)
	if besides != "" {
		every := b.leg(s, t).every
		if every == 1 {
			return part{}, false, nil // rules record it whenever something is fed
		}
		p.pause(every)
	}
	c := part{input: b.feed(s, p, besides)}
	if p.agent != nil {
		for _, group := range b.groups(s) {
			c.input = append(c.input, inputSeries{seriesText(named(b.observed, s, group)), values(p.agent)})
		}
	}
	held, counted := p.held(), p.counts(b.feedsRaw(s), int(lookback/b.unit))
	var seen []*tier
	var lines [][]verdict
	for i := range s.legs {
		one := &s.legs[i]
		if !b.sees(one) {
			continue
		}
		l := b.leg(s, one)
		seen, lines = append(seen, one), append(lines, l.timeline(counted, held))
		if one.Name == t.Name && slices.Contains(lines[len(lines)-1], fires) != sc.fires {
			return part{}, false, fmt.Errorf("%s of %s: %q: the data are no test: that it fires is %v", t.Name, s.Name, sc.name, !sc.fires)
		}
	}
	for at := range lines[0] {
		if b.telling(lines, at) {
			c.tests = append(c.tests, b.expect(s, seen, lines, at, b.groups(s)))
		}
	}
	if unobserved := b.rules.alert(alerts.Unobserved); b.raw && p.agent == nil && unobserved != nil && p.down() < stepsOf(unobserved.For, b.unit) {
		last := time.Duration(len(lines[0])-1) * b.pace
		c.tests = append(c.tests, b.state(s, alerts.Unobserved, "", last, false))
	}
	if sc.when == atFullPace && s.Window.Rolling && (b.slow || b.fast && b.pace == b.rules.slow) {
		c.tests = append(c.tests, b.remaining(s, b.leg(s, t), counted))
	}
	return c, true, nil
}

// remaining expects what is left of the budget at the end, to the thousandth.
func (b *bench) remaining(s *subject, l leg, units []counts) exprTest {
	last := (len(units) - 1) / l.every * l.every
	var sum counts
	for _, c := range units[max(0, last+1-l.budget) : last+1] {
		sum = sum.plus(c)
	}
	left := 1 - sum.bad
	if l.allowed > 0 {
		left = 1 - sum.bad/sum.total/l.allowed
	}
	ls := named(labels.FromStrings(labels.MetricName, prometheus.NativeBudgetRemaining), s, fedGroup)
	return exprTest{
		Expr: "round(sum(" + seriesText(ls) + "), 0.001)", EvalTime: model.Duration(time.Duration(last) * b.unit),
		ExpSamples: []expSample{{"{}", math.Floor(left*1000+0.5) / 1000}},
	}
}

// telling reports whether something changes with an evaluation or the next, or it is the last.
func (b *bench) telling(lines [][]verdict, at int) bool {
	for _, line := range lines {
		if at+1 == len(line) || line[at] != line[at+1] || at > 0 && line[at-1] != line[at] {
			return true
		}
	}
	return false
}

// expect expects what is clear of an evaluation, of the whole and of groups of an objective.
func (b *bench) expect(s *subject, legs []*tier, lines [][]verdict, at int, groups []string) exprTest {
	e := exprTest{EvalTime: model.Duration(time.Duration(at) * b.pace), ExpSamples: []expSample{}}
	var names []string
	for i, t := range legs {
		switch lines[i][at] {
		case unclear:
			continue
		case fires:
			for _, group := range groups {
				ls := labels.NewBuilder(t.labels).Set(metricname.Group, group).Labels() // an empty label is none
				e.ExpSamples = append(e.ExpSamples, expSample{ls.String(), 1})
			}
		}
		names = append(names, t.Name)
	}
	e.Expr = fmt.Sprintf("ALERTS{slo=%q,tier=~%q}", s.Name, strings.Join(names, "|"))
	return e
}

// recordedBesides names what rules record of the group that is fed too, with every evaluation: of an objective with
// groups they make one of the two counts from the other. It is "" where they do not.
func (b *bench) recordedBesides(s *subject) string {
	r := s.Indicator.Ratio
	switch {
	case b.feedsRaw(s), !b.feedsFast(), s.GroupBy == nil, r == nil, r.Latency:
		return ""
	case r.Total == nil:
		return prometheus.NativeTotalEvents(b.rules.interval)
	}
	return prometheus.NativeBadEvents(b.rules.interval)
}

// feed is the input that makes rules count what p says. At evaluations it leaves out what rules record besides, which is
// nothing then.
func (b *bench) feed(s *subject, p *plan, besides string) []inputSeries {
	var all []inputSeries
	if b.feedsRaw(s) {
		for _, one := range s.sources {
			all = append(all, inputSeries{seriesText(one.labels), values(p.samples(one))})
		}
		return append(all, inputSeries{seriesText(s.up), values(p.up())})
	}
	add := func(name string, step int, of func(counts) float64) {
		out, sum := make([]float64, len(p.units)), 0.0
		for i, c := range p.counts(false, 0) {
			sum += of(c)
			out[i] = missing()
			if i > 0 && i%step == 0 {
				out[i], sum = sum, 0
			}
			if name == besides && i%int(b.pace/b.unit) == 0 {
				out[i] = missing()
			}
		}
		all = append(all, inputSeries{seriesText(record(name, s)), values(out)})
	}
	bad, total := func(c counts) float64 { return c.bad }, func(c counts) float64 { return c.total }
	if b.feedsFast() {
		add(prometheus.NativeBadEvents(b.rules.interval), 1, bad)
		add(prometheus.NativeTotalEvents(b.rules.interval), 1, total)
	}
	if b.slow {
		add(slowRecord("bad_events", b.rules.slow), int(b.rules.slow/b.unit), bad)
		add(slowRecord("total_events", b.rules.slow), int(b.rules.slow/b.unit), total)
	}
	return all
}

// feedsRaw reports whether a subject is fed with raw series.
func (b *bench) feedsRaw(s *subject) bool { return b.raw && len(s.sources) > 0 }

// feedsFast reports whether a subject that is not is fed with records of the first group.
func (b *bench) feedsFast() bool { return b.fast || b.raw }

// fedGroup is whose records are fed. Those of the whole would meet with what rules make of one of them: bad events of
// the total.
const fedGroup = "fed"

// groups are those that what is fed belongs to, the whole among them as "".
func (b *bench) groups(s *subject) []string {
	switch {
	case !b.feedsRaw(s):
		return []string{fedGroup}
	case s.group == "":
		return []string{""}
	}
	return []string{"", s.group}
}

// slowRecord names what native rules record of the interval of their second group.
func slowRecord(metric string, interval time.Duration) string {
	return "slo:" + metric + ":tile" + burnrate.Text(interval)
}

// record is a series that rules record of an objective, of the group that is fed.
func record(name string, s *subject) labels.Labels {
	return named(labels.FromStrings(labels.MetricName, name), s, fedGroup)
}

// named are labels with those of an objective, or of a group of it.
func named(ls labels.Labels, s *subject, group string) labels.Labels {
	return labels.NewBuilder(ls).Set(metricname.SLO, s.Name).Set(metricname.Service, s.Service).Set(metricname.Group, group).Labels()
}

// inBatch is how many subjects are tested together at most: promtool refuses queries that read 10,000 samples, and the
// longest window of a leg has about a thousand of each.
const inBatch = 8

// batches are subjects that are tested together. Where raw series are fed none of them counts another one's.
func (b *bench) batches(all []*subject) [][]*subject {
	var out [][]*subject
next:
	for _, s := range all {
		for i, batch := range out {
			if len(batch) < inBatch && (!b.raw || !slices.ContainsFunc(batch, func(o *subject) bool { return meddles(o, s) || meddles(s, o) })) {
				out[i] = append(batch, s)
				continue next
			}
		}
		out = append(out, []*subject{s})
	}
	return out
}

// meddles reports whether one of a's series is counted for b, or is b's own.
func meddles(a, b *subject) bool {
	if labels.Equal(a.up, b.up) {
		return true
	}
	var all []labels.Labels
	for _, s := range a.sources {
		all = append(all, s.labels)
	}
	for _, l := range a.levels {
		all = append(all, l.labels)
	}
	return slices.ContainsFunc(b.Selectors(), func(sel *spec.Selector) bool {
		return slices.ContainsFunc(all, func(ls labels.Labels) bool { return selects(sel, ls) })
	})
}
