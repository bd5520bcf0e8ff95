// Package promtool makes unit tests of generated rules, for `promtool test rules`: that every alert fires at the minute
// that follows from its objective, resets likewise, and stays silent on healthy, little, missing and reset data.
//
//	rule_files: [../rules/native-card-auth.yaml]
//	evaluation_interval: 30s
//	tests:
//	  - name: page-1h, outage
//	    input_series:
//	      - {series: 'card_auth_total{outcome="technical"}', values: '0x62 278+278x64 …'}
//	    promql_expr_test:
//	      - {expr: 'ALERTS{slo="card-auth",tier="page-1h"}', eval_time: 1h2m, exp_samples: []}
//	      - {expr: 'ALERTS{slo="card-auth",tier="page-1h"}', eval_time: 1h2m30s, exp_samples: [{labels: …, value: 1}]}
//
// When alerts fire is worked out from the objectives and the data, by sums over windows; rules are not evaluated for
// it, nor their expressions read.
//
// promtool evaluates all groups of a file at one interval, whatever theirs. A leg with a window of three days would take
// ten thousand evaluations at the interval of what pages. So a file of rules gets several files of tests. That of the
// shortest interval feeds raw series to the legs with short windows; the others feed what the rules record of these, to
// the legs with longer windows, the farther apart the longer they are.
//
// Expectations are about the series ALERTS, which holds the labels of alerts but not their annotations.
package promtool

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
)

// RulesFolder is where tests look for rule files, seen from their own folder. They must not lie in a folder of rules:
// Prometheus would read them as such.
const RulesFolder = "../rules"

// File is one file of unit tests.
type File struct {
	Name string // with its extension, without folder; unique
	Data []byte
}

// Tests makes the tests of rule files that prometheus.Agent and prometheus.Native made of objs with o. In those of native
// rules, by scenarios, which say what is fed:
//
//   - of each objective, each leg that has a rule: fires and resets in an outage; is silent when the budget burns a
//     little slower for a whole window, when one of few events fails, and while the agent watches; goes on with the same
//     labels when the agent is gone.
//   - of each objective of counters, by its shortest leg: targets that go away, restart, or are new, and failures whose
//     first sample is the first of its series. Of each of samples or slices: that raw series make a leg fire.
//   - of each objective of events: that somebody is told when nothing is seen of it.
//   - once a file: that somebody is told of a spent budget, since one rule is for all of them.
//
// Not tried are legs whose factor asks for more failures than events, raw series of slices so long that no outage of a day
// and a half makes a leg fire, and spent budgets of windows beyond 31 days, which promtool cannot read. The agent's rules
// are tried once, with two objectives.
//
// Objectives whose series do not meddle with each other's are tested together, so that a file costs little more than
// its slowest objective. A file of tests is for one or all files of rules: they do not know of each other.
func Tests(files []alerts.File, objs []alerts.Objective, o alerts.Options) ([]File, error) {
	observed, err := agentSeries(metricname.Observed, o)
	if err != nil {
		return nil, err
	}
	index := make(map[string]int, len(objs))
	for i := range objs {
		index[objs[i].Name] = i
	}
	var raisedBy *alerts.File
	if o.Joined {
		raisedBy = &prometheus.Agent(nil, o)[0]
	}
	var out []File
	for _, f := range files {
		made := make([]File, 1)
		if f.Name == prometheus.AgentFile {
			made[0], err = agentTests(f, objs, o)
		} else {
			made, err = native(f, chosen(objs, index, f.Objectives), observed, o.Scrape(), raisedBy)
		}
		if err != nil {
			return nil, fmt.Errorf("making tests of %s: %w", f.Name, err)
		}
		out = append(out, made...)
	}
	return out, nil
}

// chosen are objectives with these names, in the order of objs.
func chosen(objs []alerts.Objective, index map[string]int, names []string) (of []*alerts.Objective) {
	var at []int
	for _, name := range names {
		if i, ok := index[name]; ok {
			at = append(at, i)
		}
	}
	slices.Sort(at)
	for _, i := range at {
		of = append(of, &objs[i])
	}
	return of
}

// agentSeries makes up the labels that a series of the agent has where rules select it as o says.
func agentSeries(metric string, o alerts.Options) (labels.Labels, error) {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(metric + "{" + o.AgentSelector + "}")
	if err != nil {
		return labels.EmptyLabels(), fmt.Errorf("reading the agent's selector %s: %w", o.AgentSelector, err)
	}
	made, ok := satisfy(matchers)
	if !ok {
		return labels.EmptyLabels(), fmt.Errorf("no series that the agent's selector %s selects comes to mind", o.AgentSelector)
	}
	return made, nil
}

// native makes the tests of one file of native rules, which are about objs, one file for each pace of its legs. Rules that
// only record are raised by those of raisedBy; nil: they raise alerts themselves.
func native(file alerts.File, objs []*alerts.Objective, observed labels.Labels, scrape time.Duration, raisedBy *alerts.File) ([]File, error) {
	if len(file.Groups) != 2 {
		return nil, fmt.Errorf("it has %d groups, native rules have 2", len(file.Groups))
	}
	f := &rulesOf{File: file, scrape: scrape, interval: file.Groups[0].Interval, slow: file.Groups[1].Interval, raisedBy: raisedBy}
	f.addProofs(objs)
	var subjects []*subject
	var paces []time.Duration
	for _, o := range objs {
		s := f.subject(o)
		subjects = append(subjects, s)
		for _, t := range s.legs {
			paces = append(paces, t.pace)
		}
	}
	slices.Sort(paces)
	var benches []*bench
	for _, pace := range slices.Compact(paces) {
		benches = append(benches, newBench(f, pace, subjects, observed))
	}
	addFullPaces(benches, subjects)
	if len(benches) == 0 {
		return nil, nil // no leg can be judged by rules
	}
	benches[len(benches)-1].last = true
	var out []File
	for _, b := range benches {
		data, err := b.file(subjects)
		if err != nil {
			return nil, err
		}
		out = append(out, File{Name: f.Name + "-" + burnrate.Text(b.pace) + ".yaml", Data: data})
	}
	return out, nil
}

// file makes the tests of all legs of one pace.
func (b *bench) file(subjects []*subject) ([]byte, error) {
	f := testFile{RuleFiles: []string{RulesFolder + "/" + b.rules.Name + ".yaml"}, EvaluationInterval: model.Duration(b.pace)}
	for _, g := range b.rules.Groups {
		f.GroupEvalOrder = append(f.GroupEvalOrder, g.Name)
	}
	if by := b.rules.raisedBy; by != nil {
		f.RuleFiles = append(f.RuleFiles, RulesFolder+"/"+by.Name+".yaml")
		f.GroupEvalOrder = append(f.GroupEvalOrder, by.Groups[0].Name)
	}
	for _, batch := range b.batches(subjects) {
		if b.raw {
			if t := b.levels(batch); len(t.InputSeries) > 0 {
				f.Tests = append(f.Tests, t)
			}
		}
		for _, sc := range scenarios() {
			if sc.when == raw && !b.raw {
				continue
			}
			for nth := 0; ; nth++ {
				t, more, err := b.test(batch, sc, nth)
				if err != nil {
					return nil, err
				}
				if len(t.InputSeries) > 0 {
					f.Tests = append(f.Tests, t)
				}
				if !more || sc.when == raw { // one leg shows how raw series are read
					break
				}
			}
		}
	}
	if b.raw {
		if t := b.unobserved(subjects); t != nil {
			f.Tests = append(f.Tests, *t)
		}
	}
	if b.last {
		for _, s := range subjects {
			if t := b.spent(s); t != nil {
				f.Tests = append(f.Tests, *t)
				break // one rule is for all
			}
		}
	}
	return encode(f)
}

// test plays a scenario for the nth leg of this pace of each subject that has so many, and reports whether any has.
func (b *bench) test(batch []*subject, sc scenario, nth int) (test, bool, error) {
	t, more := test{Interval: model.Duration(b.unit)}, false
	var names []string
	for _, s := range batch {
		leg := s.nth(b.pace, sc.when, nth)
		if leg == nil {
			continue
		}
		more = true
		p, ok, err := b.play(s, leg, sc)
		if err != nil {
			return test{}, false, err
		}
		if !ok {
			continue
		}
		if !slices.Contains(names, leg.Name) {
			names = append(names, leg.Name)
		}
		t.InputSeries = append(t.InputSeries, p.input...)
		t.ExprTests = append(t.ExprTests, p.tests...)
	}
	t.Name = strings.Join(names, ", ") + ": " + sc.name
	return t, more, nil
}

// levels tries all objectives of a batch whose events are samples or slices with raw series.
func (b *bench) levels(batch []*subject) test {
	t := test{Name: "nothing but failures for a while", Interval: model.Duration(b.rules.scrape)}
	for _, s := range batch {
		if len(s.levels) > 0 {
			p := b.playLevels(s)
			t.InputSeries, t.ExprTests = append(t.InputSeries, p.input...), append(t.ExprTests, p.tests...)
		}
	}
	return t
}

// nth is the nth leg that is tested at a pace, nil if there are not so many.
func (s *subject) nth(pace time.Duration, w when, n int) *tier {
	for i := range s.legs {
		t := &s.legs[i]
		if w == atFullPace && t.fullPace != pace || w != atFullPace && t.pace != pace {
			continue
		}
		if n == 0 {
			return t
		}
		n--
	}
	return nil
}
