package promtool_test

import (
	"strings"
	"testing"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/alerts/promtool"
	"github.com/assayer-io/assayer/internal/testkit/rulerun"
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

var options = alerts.Options{AgentSelector: `job="assayer"`, Links: alerts.Links{Runbooks: "https://r", Dashboards: "https://d", Agent: "https://a"}}

// generated are rule files and the tests of them.
func generated(t *testing.T, objs []alerts.Objective) ([]alerts.File, []promtool.File) {
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

// fileOf is the rule file that a file of tests is about.
func fileOf(t *testing.T, files []alerts.File, test promtool.File) alerts.File {
	t.Helper()
	for _, f := range files {
		if strings.Contains(string(test.Data), promtool.RulesFolder+"/"+f.Name+".yaml") {
			return f
		}
	}
	t.Fatalf("%s is about no file", test.Name)
	return alerts.File{}
}

// TestRulesPass runs one objective's tests with the newest engine; the end-to-end tests run many with both versions.
func TestRulesPass(t *testing.T) {
	files, tests := generated(t, objectives(t, "../../examples/replay/slo.yaml"))
	if len(tests) != 5 {
		t.Errorf("there are %d files of tests, not one of the agent's rules and four of native ones", len(tests))
	}
	for _, test := range tests {
		if strings.HasSuffix(test.Name, "-1h.yaml") {
			continue // it takes as long as all others
		}
		for _, err := range rulerun.Run(t.Context(), test.Data, prometheus.Encode(fileOf(t, files, test))) {
			t.Errorf("%s: %v", test.Name, err)
		}
	}
}
