package promtool

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
)

// sign is a series of the agent by which an alert knows that something is wrong, and what that alert says.
type sign struct {
	labels    labels.Labels
	well, ill float64
	grows     bool          // it is a counter, which grows by well or ill at each look
	lingers   time.Duration // for how long rules look back on it

	alert  string
	expect labels.Labels // the alert's labels beside its name
	wait   time.Duration // as in the rule
	keep   time.Duration
}

// finest is how often rules on the agent's series are evaluated in tests at most: those last for hours, which are too
// many samples for promtool second by second.
const finest = 30 * time.Second

// examples is how many objectives the agent's rules are tried with: they are the same rules for all.
const examples = 2

// agentTests makes the tests of the rules on the agent's own series. Each series is well for quietFor, then ill for illFor,
// then well again.
func agentTests(f alerts.File, objs []alerts.Objective, o alerts.Options) (File, error) {
	a := &agentBench{file: f, options: o, step: max(f.Groups[0].Interval, finest), absence: prometheus.AbsentSeverity(objs, o)}
	a.objectives(objs[:min(examples, len(objs))])
	a.itself()
	a.settlement()
	if a.err != nil {
		return File{}, a.err
	}
	out := testFile{
		RuleFiles: []string{RulesFolder + "/" + f.Name + ".yaml"}, EvaluationInterval: model.Duration(a.step),
		GroupEvalOrder: []string{f.Groups[0].Name}, Tests: []test{a.oneAfterTheOther(), a.absent(), a.lastWord()},
	}
	data, err := encode(out)
	return File{Name: f.Name + ".yaml", Data: data}, err
}

// agentBench collects series of the agent.
type agentBench struct {
	file    alerts.File
	options alerts.Options
	step    time.Duration
	signs   []sign
	always  []labels.Labels  // series that stay 1
	absence burnrate.Urgency // of AssayerAbsent
	err     error
}

// series makes up a series of the agent; more are names and values of labels.
func (a *agentBench) series(metric string, more ...string) labels.Labels {
	ls, err := agentSeries(metric, a.options)
	if err != nil {
		a.err = err
		return labels.EmptyLabels()
	}
	b := labels.NewBuilder(ls)
	for name, value := range map[string]string{"job": "assayer", "instance": "a:9797"} {
		if ls.Get(name) == "" {
			b.Set(name, value)
		}
	}
	for i := 0; i < len(more); i += 2 {
		b.Set(more[i], more[i+1])
	}
	return b.Labels()
}

// add adds a sign with the timing and the severity of the rule of its alert; expect are names and values of the further
// labels that the alert has.
func (a *agentBench) add(s sign, expect ...string) {
	b := labels.NewBuilder(labels.FromStrings(expect...))
	for _, g := range a.file.Groups {
		for _, r := range g.Rules {
			if condition := r.Labels[prometheus.LabelCondition]; r.Alert != s.alert || condition != b.Get(prometheus.LabelCondition) {
				continue
			}
			s.wait, s.keep = r.For, r.KeepFiringFor
			if severity := prometheus.Severity(s.alert); severity != "" {
				b.Set(alerts.LabelSeverity, string(severity))
			}
			s.expect = b.Labels()
			a.signs = append(a.signs, s)
			return
		}
	}
	a.err = fmt.Errorf("there is no rule of the alert %s %s", s.alert, b.Get(prometheus.LabelCondition))
}

// objectives adds what the agent says of objectives.
func (a *agentBench) objectives(objs []alerts.Objective) {
	for i := range objs {
		o := &objs[i]
		own := []string{metricname.SLO, o.Name, metricname.Service, o.Service}
		with := func(metric string, more ...string) labels.Labels {
			return a.series(metric, slices.Concat(own, more)...)
		}
		who := own
		if team := alerts.Team(&o.Objective); team != "" {
			who = slices.Concat(own, []string{alerts.LabelTeam, team})
		}
		a.always = append(a.always, a.series(metricname.Info, slices.Concat(who, []string{
			metricname.Method, string(o.Method), metricname.Window, o.Window.Text, metricname.DisplayName, o.DisplayName,
		})...), with(metricname.WindowFilledRatio))
		for _, t := range o.Tiers {
			leg := []string{
				alerts.LabelTier, t.Name, alerts.LabelLongWindow, burnrate.Text(t.Long), alerts.LabelShortWindow, burnrate.Text(t.Short),
				alerts.LabelFactor, t.FactorText(),
			}
			urgency := string(burnrate.UrgencyOf(t, o.Tiers))
			a.always = append(a.always, with(metricname.TierInfo, slices.Concat(leg, []string{metricname.Severity, string(t.Severity), metricname.Urgency, urgency})...))
			a.add(sign{labels: with(metricname.Firing, metricname.Tier, t.Name, metricname.Severity, string(t.Severity)), ill: 1, alert: alerts.BudgetBurn},
				slices.Concat(who, leg, []string{alerts.LabelSeverity, urgency})...)
		}
		a.add(sign{labels: with(metricname.SLOState, metricname.State, "exhausted"), ill: 1, alert: alerts.BudgetExhausted}, who...)
		a.add(sign{labels: with(metricname.Observed), well: 1, alert: alerts.Unobserved}, who...)
	}
}

// itself adds what the agent says of itself, and Prometheus of it. The severities are those of the conditions' rules.
func (a *agentBench) itself() {
	target := []string{"job", a.series("x").Get("job"), "instance", a.series("x").Get("instance")}
	condition := func(s sign, name string, severity burnrate.Urgency, more ...string) {
		s.alert = alerts.AgentUnhealthy
		a.add(s, slices.Concat(target, more, []string{prometheus.LabelCondition, name, alerts.LabelSeverity, string(severity)})...)
	}
	a.always = append(a.always, a.series(metricname.BuildInfo))
	condition(sign{labels: labels.FromStrings(append([]string{labels.MetricName, "up"}, target...)...), well: 1}, "down", burnrate.High)
	condition(sign{labels: a.series(metricname.ConfigReloaded), well: 1}, "reload_failed", burnrate.Medium)
	condition(sign{labels: a.series(metricname.Info, "exported_service", "payments"), ill: 1}, "labels_renamed", burnrate.Medium)
	collector := []string{metricname.Collector, "prometheus"}
	condition(sign{labels: a.series(metricname.Targets, append(collector, metricname.Up, "false")...), ill: 3}, "target_down", burnrate.Medium, collector...)
	condition(sign{labels: a.series(metricname.CollectorCyclesSkipped, collector...), ill: 1, grows: true, lingers: 15 * time.Minute}, "scrape_overrun", burnrate.Low, collector...)
	hook := []string{metricname.Hook, "undo", metricname.Kind, "webhook", metricname.Result, "failed"}
	condition(sign{labels: a.series(metricname.HookActionsTotal, hook...), ill: 1, grows: true, lingers: 15 * time.Minute}, "hook_failing", burnrate.High, hook...)
	drifted := []string{"target", "grafana", metricname.Kind, "dashboard"}
	a.add(sign{labels: a.series(metricname.DriftedObjects, drifted...), ill: 2, alert: alerts.ConfigDrifted}, drifted...)
}

// settlement adds what the agent says of movements of money.
func (a *agentBench) settlement() {
	rail := []string{metricname.Rail, "sct"}
	for _, s := range []sign{
		{alert: alerts.Overdue, labels: a.series(metricname.TransactionsOverdue, rail...), ill: 3},
		{alert: alerts.CutOffAtRisk, labels: a.series(metricname.TransactionsDrainRatio, rail...), well: 0.9, ill: 1.5},
		{alert: alerts.InDoubt, labels: a.series(metricname.TransactionsInDoubt, rail...), ill: 1},
		{alert: alerts.Breaks, labels: a.series(metricname.ReconciliationBreaks, rail...), ill: 2},
	} {
		a.add(s, rail...)
	}
}

const (
	quietFor = 20 * time.Minute
	illFor   = 90 * time.Minute // longer than any alert waits
)

// steps is how many steps d takes.
func (a *agentBench) steps(d time.Duration) int { return stepsOf(d, a.step) }

// oneAfterTheOther lets all signs be well, ill and well again together. Nothing fires before; each alert fires once its
// wait is over, and goes on for as long as it is kept.
func (a *agentBench) oneAfterTheOther() test {
	t := test{Name: "what is wrong for a while", Interval: model.Duration(a.step)}
	from, until := a.steps(quietFor), a.steps(quietFor+illFor)
	end := until
	for _, s := range a.signs {
		first, last := from+a.steps(s.wait), until-1+a.steps(s.keep)
		gone := last + 1
		if s.lingers > 0 { // the exact step is not the same in all versions of Prometheus
			gone += a.steps(s.lingers) + 1
		}
		end = max(end, gone)
		t.ExprTests = append(t.ExprTests, s.at(a.step, first-1, false), s.at(a.step, first, true), s.at(a.step, last, true), s.at(a.step, gone, false))
	}
	for _, s := range a.signs {
		samples, sum := make([]float64, end+1), 0.0
		for i := range samples {
			v := s.well
			if i >= from && i < until {
				v = s.ill
			}
			sum += v
			samples[i] = v
			if s.grows {
				samples[i] = sum
			}
		}
		t.InputSeries = append(t.InputSeries, inputSeries{seriesText(s.labels), values(samples)})
	}
	t.InputSeries = append(t.InputSeries, a.steady(end+1)...)
	t.ExprTests = append(t.ExprTests, a.onlyDeadMansSwitch(from-1), a.onlyDeadMansSwitch(end))
	return t
}

// at expects the sign's alert to fire at a step or not.
func (s *sign) at(step time.Duration, n int, firing bool) exprTest {
	ls := labels.NewBuilder(s.expect).Set(labels.MetricName, "ALERTS").Set("alertstate", "firing").Set(labels.AlertName, s.alert).Labels()
	e := exprTest{Expr: seriesText(ls), EvalTime: model.Duration(time.Duration(n) * step), ExpSamples: []expSample{}}
	if firing {
		e.ExpSamples = append(e.ExpSamples, expSample{ls.String(), 1})
	}
	return e
}

func (a *agentBench) steady(n int) []inputSeries {
	var out []inputSeries
	for _, ls := range a.always {
		out = append(out, inputSeries{seriesText(ls), values(slices.Repeat([]float64{1}, n))})
	}
	return out
}

// onlyDeadMansSwitch expects that nothing else fires.
func (a *agentBench) onlyDeadMansSwitch(step int) exprTest {
	return a.firing(step, alerts.DeadMansSwitch)
}

func (a *agentBench) firing(step int, names ...string) exprTest {
	e := exprTest{Expr: `count by (alertname) (ALERTS{alertstate="firing"})`, EvalTime: model.Duration(time.Duration(step) * a.step)}
	for _, name := range names {
		e.ExpSamples = append(e.ExpSamples, expSample{labels.FromStrings(labels.AlertName, name).String(), 1})
	}
	return e
}

// absent is an agent that is gone for a while: the dead man's switch goes on, and after its wait one alert says so, which
// is kept when the agent is back.
func (a *agentBench) absent() test {
	const name = alerts.AgentAbsent
	gone, back := a.steps(quietFor), a.steps(2*quietFor)
	wait, keep := prometheus.Timing(name)
	fires, resets := gone+a.steps(wait), back+a.steps(keep)
	t := test{Name: "the agent goes and comes", Interval: model.Duration(a.step)}
	for _, ls := range a.always {
		samples := slices.Repeat([]float64{1}, resets+1)
		for i := gone; i < back; i++ {
			samples[i] = missing()
		}
		samples[gone] = stale()
		t.InputSeries = append(t.InputSeries, inputSeries{seriesText(ls), values(samples)})
	}
	t.ExprTests = []exprTest{
		a.onlyDeadMansSwitch(fires - 1), a.firing(fires, alerts.AgentAbsent, alerts.DeadMansSwitch),
		a.firing(resets-1, alerts.AgentAbsent, alerts.DeadMansSwitch), a.onlyDeadMansSwitch(resets),
	}
	s := sign{alert: name, expect: labels.FromStrings(alerts.LabelSeverity, string(a.absence))}
	t.ExprTests = append(t.ExprTests, s.at(a.step, fires, true))
	return t
}

// holdFor is for how long the last agent's last word counts, and onlyAgent whose word that is about: what nothing else
// can tell.
const holdFor = time.Hour

func onlyAgent(alert string) bool {
	switch alert {
	case alerts.BudgetBurn, alerts.Overdue, alerts.CutOffAtRisk, alerts.InDoubt, alerts.Breaks:
		return true
	}
	return false
}

// lastWord is the only agent dying while everything is wrong: what it alone could tell goes on for an hour after it was
// last seen, and not longer than it is kept.
func (a *agentBench) lastWord() test {
	t := test{Name: "the agent dies while something is wrong", Interval: model.Duration(a.step)}
	from := a.steps(quietFor)
	dies := from + a.steps(illFor)
	end := dies
	for _, s := range a.signs {
		if !onlyAgent(s.alert) {
			continue
		}
		// What is held at the last evaluation at which it is may be one more in a Prometheus whose ranges include both ends.
		last := dies - 2 + a.steps(holdFor) + a.steps(s.keep)
		end = max(end, last+3)
		t.ExprTests = append(t.ExprTests, s.at(a.step, dies-1, true), s.at(a.step, dies+a.steps(holdFor)/2, true), s.at(a.step, last, true), s.at(a.step, last+3, false))
		samples := slices.Repeat([]float64{s.well}, from)
		samples = append(samples, slices.Repeat([]float64{s.ill}, dies-from)...)
		t.InputSeries = append(t.InputSeries, inputSeries{seriesText(s.labels), values(append(samples, stale()))})
	}
	for _, ls := range a.always {
		t.InputSeries = append(t.InputSeries, inputSeries{seriesText(ls), values(append(slices.Repeat([]float64{1}, dies), stale()))})
	}
	t.ExprTests = append(t.ExprTests, a.firing(end, alerts.AgentAbsent, alerts.DeadMansSwitch))
	return t
}
