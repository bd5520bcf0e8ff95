package promtool

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/slo/metricname"
)

// spentFilled is the share of a budget window that must have been counted before rules call its budget spent.
const spentFilled = 0.9

// maxSamples is how many a query of a test may read, and a few less.
const maxSamples = 9_900

// spent tries ErrorBudgetExhausted of one objective, which has one rule for all; nil where that is too much for promtool,
// which refuses queries that read 10,000 samples: windows of more than 31 days; or where the window is shorter than the test. A month takes 8,640 records of five
// minutes. How far they lie apart makes no difference to how many there are, so they are fed within hours: forty
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
	allowed := math.Round((1-s.Target)*1e12) / 1e12
	bad, total = make([]float64, n), make([]float64, n)
	const events = 1e6
	for i := range n {
		total[i] = events
		switch {
		case i < restored:
			bad[i] = math.Ceil(1.01 * allowed * events)
		case i == restored:
			total[i] = 10 * events * float64(n)
		case i == again:
			total[i] = 20 * events * float64(n)
			bad[i] = total[i]
		}
	}
	return bad, total
}

// stateLabels are those of the series ALERTS of an alert on an objective that is about none of its legs.
func stateLabels(o *alerts.Objective, alert, group string) labels.Labels {
	b := labels.NewBuilder(labels.FromStrings(
		labels.MetricName, "ALERTS", labels.AlertName, alert, "alertstate", "firing",
		metricname.SLO, o.Name, metricname.Service, o.Service, alerts.LabelSeverity, string(prometheus.Severity(alert)),
	))
	b.Set(metricname.Group, group).Set(alerts.LabelTeam, alerts.Team(&o.Objective)) // empty labels are none
	return b.Labels()
}
