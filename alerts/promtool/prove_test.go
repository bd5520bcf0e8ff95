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
