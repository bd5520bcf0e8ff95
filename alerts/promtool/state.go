package promtool

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
)

// spentFilled is the share of a budget window that must have been counted before rules call its budget spent.
const spentFilled = 0.9

// maxSamples is how many a query of a test may read, with some to spare: promtool refuses to read 10,000.
const maxSamples = 9_900

// spent tries ErrorBudgetExhausted of one objective, which has one rule for all; nil where that is too much for promtool,
// which are windows of more than 31 days, or where the window is shorter than the test. A month takes 8,640 records of
// five minutes. How far they lie apart makes no difference to how many there are, so they are fed within hours: forty
// evaluations until enough of the window was counted.
//
// The budget is overspent from the beginning, which nobody is told of before enough was counted; restored shortly before
// that; spent again two evaluations after it; and watched by an agent from four evaluations later.
func (b *bench) spent(s *subject) *test {
	rule := b.rules.alert(alerts.BudgetExhausted)
	if rule == nil || !s.Window.Rolling {
		return nil
	}
	n := stepsOf(s.Window.Length, b.rules.slow)
	step := max(time.Second, (40 * b.pace / time.Duration(spentFilled*float64(n))).Truncate(time.Second))
	// index is the last record before an evaluation.
	index := func(eval int) int { return int(time.Duration(eval) * b.pace / step) }
	full := 0
	for float64(index(full)+1) < spentFilled*float64(n) {
		full++
	}
	wait, keep := stepsOf(rule.For, b.pace), stepsOf(rule.KeepFiringFor, b.pace)
	restored, again := full-1, full+2
	watched := again + wait + 4
	end := watched + keep
	if restored < wait+2 || index(end) > maxSamples || time.Duration(end)*b.pace >= s.Window.Length {
		return nil
	}
	t := &test{Name: "the budget of " + s.Name + " is spent", Interval: model.Duration(step)}
	bad, total := spending(s, index(restored), index(again), index(end)+1)
	agent := slices.Repeat([]float64{1}, index(end)+1)
	for i := range index(watched) {
		agent[i] = missing()
	}
	t.InputSeries = []inputSeries{
		{seriesText(record(slowRecord("bad_events", b.rules.slow), s)), values(bad)},
		{seriesText(record(slowRecord("total_events", b.rules.slow), s)), values(total)},
		{seriesText(named(b.observed, s, fedGroup)), values(agent)},
	}
	for _, e := range []struct {
		eval   int
		firing bool
	}{{full - 2, false}, {full, false}, {again - 1 + wait, false}, {again + wait, true}, {watched + keep - 1, true}, {end, false}} {
		t.ExprTests = append(t.ExprTests, b.state(s, alerts.BudgetExhausted, fedGroup, time.Duration(e.eval)*b.pace, e.firing))
	}
	return t
}

// spending are bad and all events of n records: a little more bad ones than allowed, from restored on none and so many
// good ones that nearly nothing of the budget is spent, and from again on more bad ones than all of that allows.
func spending(s *subject, restored, again, n int) (bad, total []float64) {
	bad, total = make([]float64, n), make([]float64, n)
	const events = 1e6
	for i := range n {
		total[i] = events
		switch {
		case i < restored:
			bad[i] = math.Ceil(1.01 * burnrate.Allowed(s.Target) * events)
		case i == restored:
			total[i] = 10 * events * float64(n)
		case i == again:
			total[i] = 20 * events * float64(n)
			bad[i] = total[i]
		}
	}
	return bad, total
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
func (b *bench) state(s *subject, alert, group string, at time.Duration, isFiring bool) exprTest {
	e := exprTest{Expr: fmt.Sprintf("ALERTS{alertname=%q,alertstate=\"firing\",slo=%q}", alert, s.Name), EvalTime: model.Duration(at), ExpSamples: []expSample{}}
	if isFiring {
		ls := firing(s.Objective, alert, prometheus.Severity(alert)).Set(metricname.Group, group).Labels()
		e.ExpSamples = append(e.ExpSamples, expSample{ls.String(), 1})
	}
	return e
}
