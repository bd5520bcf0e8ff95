package promtool_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/alerts/promtool"
	"github.com/assayer-io/assayer/internal/testkit/promrules"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

// objectives reads those of some files, with the legs of the built-in table.
func objectives(t *testing.T, globs ...string) []alerts.Objective {
	t.Helper()
	set, problems := spec.LoadGlobs(globs, ".", spec.Options{Currency: "EUR"})
	for _, p := range problems {
		if !p.Warning {
			t.Error(p)
		}
	}
	var all []alerts.Objective
	for _, o := range set.Objectives {
		all = append(all, alerts.Objective{Objective: o, Tiers: burnrate.Tiers(o.Window.Length)})
	}
	if len(all) == 0 {
		t.Fatal("there are no objectives")
	}
	return all
}

// options are those of a deployment.
var options = alerts.Options{AgentSelector: `job="assayer"`, Links: alerts.Links{Runbooks: "https://r", Dashboards: "https://d", Agent: "https://a"}}

// generated are rule files and the tests of them.
func generated(t *testing.T, objs []alerts.Objective, options alerts.Options) ([]alerts.File, []promtool.File) {
	t.Helper()
	files, refused := prometheus.Native(objs, options)
	for _, r := range refused {
		t.Logf("refused: %s %s: %s", r.Objective, r.Leg, r.Reason)
	}
	files = append(files, prometheus.Agent(objs, options)...)
	tests, err := promtool.Tests(files, objs, options)
	if err != nil {
		t.Fatal(err)
	}
	return files, tests
}

// filesOf are the rule files that a file of tests is about.
func filesOf(t *testing.T, files []alerts.File, test promtool.File) (out [][]byte) {
	t.Helper()
	for _, f := range files {
		if strings.Contains(string(test.Data), promtool.RulesFolder+"/"+f.Name+".yaml") {
			out = append(out, prometheus.Encode(f))
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s is about no file", test.Name)
	}
	return out
}

// TestRulesPass runs one objective's tests with the newest engine, of rules that are deployed together and of those that
// each stand alone; the end-to-end tests run many with both versions.
func TestRulesPass(t *testing.T) {
	t.Parallel()
	scenarios := map[string]int{}
	for _, joined := range []bool{false, true} {
		how := options
		how.Joined = joined
		files, tests := generated(t, objectives(t, "../../examples/replay/slo.yaml"), how)
		if len(tests) != 5 {
			t.Errorf("there are %d files of tests, not one of the agent's rules and four of native ones", len(tests))
		}
		for _, test := range tests {
			n := strings.Count(string(test.Data), "name: ")
			if before, ok := scenarios[test.Name]; ok && n != before {
				t.Errorf("%s tries %d things, of rules that stand alone %d", test.Name, n, before)
			}
			scenarios[test.Name] = n
			if strings.HasSuffix(test.Name, "-1h.yaml") {
				continue // it takes as long as all others
			}
			t.Run(fmt.Sprintf("%s, joined: %t", test.Name, joined), func(t *testing.T) {
				t.Parallel()
				for _, err := range promrules.Run(t.Context(), test.Data, filesOf(t, files, test)...) {
					t.Error(err)
				}
			})
		}
	}
}

// written is what of a file of tests says when which alerts fire.
type written struct {
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	Tests              []struct {
		Name      string
		ExprTests []struct {
			Expr       string
			EvalTime   model.Duration            `yaml:"eval_time"`
			ExpSamples []struct{ Labels string } `yaml:"exp_samples"`
		} `yaml:"promql_expr_test"`
	}
}

// changes counts how often a leg is said to begin to fire, and to end, within one evaluation. A leg that some moment
// says nothing of does neither there.
func (w written) changes(slo, tier string) (begins, ends int) {
	for _, test := range w.Tests {
		said := map[time.Duration]bool{}
		for _, e := range test.ExprTests {
			if !strings.HasPrefix(e.Expr, `ALERTS{slo="`+slo+`",tier=~"`) || !slices.Contains(strings.FieldsFunc(e.Expr, func(r rune) bool { return r == '"' || r == '|' }), tier) {
				continue
			}
			at := time.Duration(e.EvalTime)
			said[at] = slices.ContainsFunc(e.ExpSamples, func(s struct{ Labels string }) bool { return strings.Contains(s.Labels, `tier="`+tier+`"`) })
			before, known := said[at-time.Duration(w.EvaluationInterval)]
			switch {
			case known && !before && said[at]:
				begins++
			case known && before && !said[at]:
				ends++
			}
		}
	}
	return begins, ends
}

// TestEveryLegIsTried holds that no leg that has a rule is left out, and that the tests say to the evaluation when it
// fires and when it resets.
func TestEveryLegIsTried(t *testing.T) {
	t.Parallel()
	objs := objectives(t, "testdata/*.yaml")
	files, tests := generated(t, objs, options)
	var all []written
	for _, f := range tests {
		var w written
		if err := yaml.Unmarshal(f.Data, &w); err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	legs := 0
	for _, o := range objs {
		for _, leg := range o.Tiers {
			hasRule := slices.ContainsFunc(files, func(f alerts.File) bool {
				return slices.Contains(f.Objectives, o.Name) && slices.ContainsFunc(f.Groups, func(g alerts.Group) bool {
					return slices.ContainsFunc(g.Rules, func(r alerts.Rule) bool { return r.Labels[alerts.LabelTier] == leg.Name })
				})
			})
			if !hasRule || leg.Factor*(1-o.Target) >= 1 {
				continue
			}
			legs++
			begins, ends := 0, 0
			for _, w := range all {
				b, e := w.changes(o.Name, leg.Name)
				begins, ends = begins+b, ends+e
			}
			if begins < 3 || ends < 2 {
				t.Errorf("%s of %s begins to fire %d times and ends %d times", leg.Name, o.Name, begins, ends)
			}
		}
	}
	if legs < 60 {
		t.Errorf("only %d legs are tried", legs)
	}
}

func TestSameInputSameTests(t *testing.T) {
	t.Parallel()
	objs := objectives(t, "testdata/*.yaml")
	_, first := generated(t, objs, options)
	_, second := generated(t, objs, options)
	if !reflect.DeepEqual(first, second) {
		t.Error("two runs differ")
	}
	names := map[string]bool{}
	for _, f := range first {
		if names[f.Name] || !strings.HasSuffix(f.Name, ".yaml") {
			t.Errorf("the name %s comes twice, or is not one of YAML", f.Name)
		}
		names[f.Name] = true
	}
}

// TestBadInput is refused, not panicked at.
func TestBadInput(t *testing.T) {
	objs := objectives(t, "testdata/objectives.yaml")
	files, _ := prometheus.Native(objs, options)
	for selector, want := range map[string]string{`job=`: "reading the agent's selector", `job="a",job="b"`: "no series"} {
		if _, err := promtool.Tests(files, objs, alerts.Options{AgentSelector: selector}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", selector, err)
		}
	}
	files[0].Groups = files[0].Groups[:1]
	if _, err := promtool.Tests(files, objs, options); err == nil || !strings.Contains(err.Error(), files[0].Name) {
		t.Errorf("half a file: %v", err)
	}
	if tests, err := promtool.Tests(nil, nil, alerts.Options{}); err != nil || len(tests) != 0 {
		t.Errorf("nothing gives %v, %v", tests, err)
	}
	agentOnly, err := promtool.Tests(prometheus.Agent(nil, alerts.Options{}), nil, alerts.Options{})
	if err != nil || len(agentOnly) != 1 {
		t.Errorf("no objectives: %v, %v", agentOnly, err)
	}
}

// loaded are the objectives of one document.
func loaded(t *testing.T, text string) (all []alerts.Objective) {
	t.Helper()
	set, problems := spec.Load([]spec.File{{Name: "slo.yaml", Data: []byte(text)}}, spec.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	for _, o := range set.Objectives {
		all = append(all, alerts.Objective{Objective: o, Tiers: burnrate.Tiers(o.Window.Length)})
	}
	return all
}

// sampled is an objective about a gauge, in slices if that is how it is judged.
func sampled(name, method, objective string) string {
	return fmt.Sprintf(`---
apiVersion: openslo/v1
kind: SLO
metadata: {name: %s}
spec:
  service: card
  budgetingMethod: %s
  timeWindow: [{duration: 30d, isRolling: true}]
  indicator: {metadata: {name: %[1]s}, spec: {thresholdMetric: {metricSource: {type: Prometheus, spec: {query: card_queue}}}}}
  objectives: [{op: lt, value: 5, %[3]s}]
`, name, method, objective)
}

// TestNothingToTry: where nothing can make a leg fire, there is no test of that, and the others of the file are there.
func TestNothingToTry(t *testing.T) {
	const counted = `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: card}
spec: {errors: {bad: 'card_total{outcome="bad"}', total: card_total, objective: 99.9%}}
`
	const tried = "nothing but failures for a while"
	for name, tt := range map[string]struct {
		objective string
		tried     bool
	}{
		"it is tried":                            {sampled("queue", "Occurrences", "target: 0.99"), true},
		"no leg of short windows can fire":       {sampled("queue", "Occurrences", "target: 0.8"), false},
		"no leg can fire":                        {sampled("queue", "Occurrences", "target: 0.1"), false},
		"slices are longer than what legs heed":  {sampled("queue", "Timeslices", "target: 0.99, timeSliceTarget: 1, timeSliceWindow: 6h"), false},
		"slices of which a leg heeds one or two": {sampled("queue", "Timeslices", "target: 0.99, timeSliceTarget: 1, timeSliceWindow: 5m"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, others := range []string{"", counted} {
				_, tests := generated(t, loaded(t, others+tt.objective), options)
				text := ""
				for _, f := range tests {
					text += string(f.Data)
				}
				if strings.Contains(text, tried) != tt.tried || strings.Contains(text, `slo="card-errors"`) != (others != "") {
					t.Errorf("the outage is tried: %t, the other objective: %t", !tt.tried, others == "")
				}
			}
		})
	}
}

// TestEveryPace: however far evaluations lie apart there are tests, and those with raw series hold. Those of groups take
// long, and run with the others at the usual pace.
func TestEveryPace(t *testing.T) {
	t.Parallel()
	objs := objectives(t, "testdata/samples.yaml")
	others := slices.DeleteFunc(slices.Clone(objs), func(o alerts.Objective) bool { return o.GroupBy != nil })
	for _, interval := range []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute} {
		how := options
		how.Interval = interval
		if _, tests := generated(t, objs, how); len(tests) < 5 {
			t.Errorf("every %s there are %d files of tests", interval, len(tests))
		}
		if interval != 5*time.Minute {
			continue
		}
		files, tests := generated(t, others, how)
		for _, test := range tests {
			if !strings.HasSuffix(test.Name, "-5m.yaml") {
				continue
			}
			for _, err := range promrules.Run(t.Context(), test.Data, filesOf(t, files, test)...) {
				t.Errorf("%s: %v", test.Name, err)
			}
		}
	}
}
