//go:build e2e

package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/alerts/promtool"
	"github.com/assayer-io/assayer/internal/testkit/promrules"
	"github.com/assayer-io/assayer/internal/testkit/servers"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

// ruleSet is generated rules with their tests.
type ruleSet struct {
	rules []alerts.File
	tests []promtool.File
}

// ruleSetOf generates the rules for the objectives of some files, to be deployed together or each to stand alone.
func ruleSetOf(t *testing.T, joined bool, globs ...string) ruleSet {
	t.Helper()
	set, problems := spec.LoadGlobs(globs, "..", spec.Options{Currency: "EUR"})
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	var objs []alerts.Objective
	for _, o := range set.Objectives {
		objs = append(objs, alerts.Objective{Objective: o, Tiers: burnrate.Tiers(o.Window.Length)})
	}
	options := alerts.Options{AgentSelector: `job="assayer"`, Joined: joined, Links: alerts.Links{Runbooks: "https://runbooks", Dashboards: "https://grafana", Agent: "https://agent"}}
	files, _ := prometheus.Native(objs, options)
	files = append(prometheus.Agent(objs, options), files...)
	tests, err := promtool.Tests(files, objs, options)
	if err != nil {
		t.Fatal(err)
	}
	return ruleSet{files, tests}
}

// write puts the set where promtool looks for it and returns the folder of the tests.
func (s ruleSet) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put := func(path string, data []byte) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := filepath.Join(dir, "rule-tests")
	for _, f := range s.rules {
		put(filepath.Join(tests, promtool.RulesFolder, f.Name+".yaml"), prometheus.Encode(f))
	}
	for _, f := range s.tests {
		put(filepath.Join(tests, f.Name), f.Data)
	}
	return tests
}

// TestGeneratedRulesPassTheirTests in the installed version of Prometheus.
func TestGeneratedRulesPassTheirTests(t *testing.T) {
	t.Parallel()
	for joined, globs := range map[bool][]string{
		true:  {"alerts/promtool/testdata/*.yaml"},
		false: {"examples/*/slo/*.yaml", "examples/replay/slo.yaml"},
	} {
		s := ruleSetOf(t, joined, globs...)
		dir := s.write(t)
		for _, f := range s.rules {
			if out, ok := servers.Promtool(t, dir, "check", "rules", filepath.Join(promtool.RulesFolder, f.Name+".yaml")); !ok {
				t.Errorf("%s\n%s", f.Name, out)
			}
		}
		for _, f := range s.tests {
			if out, ok := servers.Promtool(t, dir, "test", "rules", f.Name); !ok {
				t.Errorf("%s\n%s", f.Name, out)
			}
		}
	}
}

// TestGeneratedRulesPassInTheNewestEngine runs some of each kind: it is slow beside promtool.
func TestGeneratedRulesPassInTheNewestEngine(t *testing.T) {
	t.Parallel()
	s := ruleSetOf(t, false, "alerts/promtool/testdata/*.yaml")
	for test, rules := range map[string]string{
		"native-wire-30s": "native-wire", "native-transfers-5m": "native-transfers", "native-queue-30s": "native-queue", "native-ledger-20m": "native-ledger", "native-slices-20m": "native-slices",
	} {
		f := s.tests[slices.IndexFunc(s.tests, func(f promtool.File) bool { return f.Name == test+".yaml" })]
		r := s.rules[slices.IndexFunc(s.rules, func(f alerts.File) bool { return f.Name == rules })]
		for _, err := range promrules.Run(t.Context(), f.Data, prometheus.Encode(r)) {
			t.Errorf("%s: %v", test, err)
		}
	}
}

// mutation is a mistake in a rule file. It is made in rules of one name: an alert's, a record's, or a tier's.
type mutation struct {
	rule, from, to string // in the expression
	change         func(*alerts.Rule)
	caught         string // the file of tests that has to fail
}

const native30s, native5m, native20m, native1h, agentTests = "native-card-auth-30s.yaml", "native-card-auth-5m.yaml", "native-card-auth-20m.yaml", "native-card-auth-1h.yaml", "assayer-agent.yaml"

func mutations() map[string]mutation {
	less := func(label string) func(*alerts.Rule) { return func(r *alerts.Rule) { delete(r.Labels, label) } }
	const guard, guarded = "\n  and (\n    slo:", "\n  or (\n    slo:"
	return map[string]mutation{
		"a lower factor":                 {"page-1h", ">= 14.4", ">= 14", nil, native30s},
		"a higher factor":                {"page-1h", ">= 14.4", ">= 15", nil, native30s},
		"the other direction":            {"page-1h", ">= 14.4", "<= 14.4", nil, native30s},
		"only the short window":          {"page-1h", "ratio1h{service=\"card-auth\"} >= 14.4", "ratio1h{service=\"card-auth\"} >= 0", nil, native30s},
		"only the long window":           {"page-1h", "ratio5m{service=\"card-auth\"} >= 14.4", "ratio5m{service=\"card-auth\"} >= 0", nil, native30s},
		"another factor of a slow page":  {"page-6h", ">= 6", ">= 5.5", nil, native5m},
		"another factor of a ticket":     {"ticket-1d", ">= 3", ">= 3.1", nil, native20m},
		"another factor of a late one":   {"ticket-3d", ">= 1", ">= 1.02", nil, native1h},
		"no guard against chance":        {"page-1h", guard, guarded, nil, native30s},
		"no guard of a ticket":           {"ticket-3d", "\n  and (\n    (", "\n  or (\n    (", nil, native1h},
		"not held back":                  {"page-1h", "assayer_slo_observed", "assayer_slo_obserwed", nil, native30s},
		"a ticket not held back":         {"ticket-1d", "unless on (slo, service, group)", "or on (slo, service, group)", nil, native20m},
		"held back by a blind agent":     {"page-6h", "{job=\"assayer\"} == 1", "{job=\"assayer\"}", nil, native5m},
		"held back by other objectives":  {"page-1h", "unless on (slo, service, group)", "unless on (job)", nil, native30s},
		"no label tier":                  {"page-1h", "", "", less("tier"), native30s},
		"no label severity":              {"ticket-3d", "", "", less("severity"), native1h},
		"another factor in the label":    {"page-6h", "", "", func(r *alerts.Rule) { r.Labels["factor"] = "6.0" }, native5m},
		"it waits":                       {"page-1h", "", "", func(r *alerts.Rule) { r.For = 60e9 }, native30s},
		"it lingers":                     {"page-1h", "", "", func(r *alerts.Rule) { r.KeepFiringFor += 60e9 }, native30s},
		"a shorter long window":          {"slo:bad_events:sum1h", "[59m59s]", "[54m59s]", nil, native5m},
		"a longer long window":           {"slo:total_events:sum1h", "[59m59s]", "[1h4m59s]", nil, native5m},
		"a longer short window":          {"slo:bad_events:sum5m", "[4m59s]", "[5m59s]", nil, native30s},
		"a tile too many":                {"slo:bad_events:sum5m", "[4m59s]", "[5m]", nil, native30s},
		"a longer window of a ticket":    {"slo:bad_events:sum1d", "[23h59m59s]", "[1d1h]", nil, native1h},
		"half as long a late window":     {"slo:total_events:sum3d", "[2d23h59m59s]", "[1d12h]", nil, native1h},
		"what was not seen is left out":  {"slo:burn_rate:ratio1h", "/ 120, 1)", "/ 1, 1)", nil, native30s},
		"tiles from too far back":        {"slo:bad_events:sum30s", "[5m] offset 30s)\n", "[5m] offset 1m)\n", nil, native30s},
		"restarts are not seen":          {"slo:bad_events:sum30s", "or last_over_time(card_auth_total{outcome=\"technical\"}[5m]) + ", "or -1 + 0 * ", nil, native30s},
		"births are not seen":            {"slo:bad_events:sum30s", "or 0 * (", "or (", nil, native30s},
		"everything found was just born": {"slo:target_up:max5m", "max_over_time(up[5m] offset 30s) == 1", "up", nil, native30s},
		"another objective":              {"slo:objective:ratio", "0.999", "0.9991", nil, native30s},
		"budget of the wrong window":     {"slo:bad_events:sum30d", "[29d23h59m59s]", "[1d]", nil, native1h},

		"told of a budget too soon":    {alerts.BudgetExhausted, ">= 0.9", ">= 0.5", nil, native1h},
		"a spent budget is not enough": {alerts.BudgetExhausted, "<= 0", "<= -1000", nil, native1h},
		"nobody hears of no data":      {alerts.Unobserved, "slo:objective:ratio", "slo:target:ratio", nil, native30s},

		"agent: the other direction":    {alerts.BudgetExhausted, "== 1", "== 0", nil, agentTests},
		"agent: no owner":               {prometheus.AgentFiring(alerts.BudgetBurn), "group_left (team)", "group_left ()", nil, agentTests},
		"agent: the tier's severity":    {prometheus.AgentFiring(alerts.BudgetBurn), `"urgency", "(.+)"`, `"tier", "(.+)"`, nil, agentTests},
		"agent: waits longer":           {alerts.Unobserved, "", "", func(r *alerts.Rule) { r.For += 30e9 }, agentTests},
		"agent: never there":            {alerts.AgentAbsent, "assayer_build_info", "assayer_build", nil, agentTests},
		"agent: a limit":                {prometheus.AgentFiring(alerts.CutOffAtRisk), "> 1", "> 2", nil, agentTests},
		"agent: another metric":         {prometheus.AgentFiring(alerts.Overdue), "transactions_overdue", "transactions_due", nil, agentTests},
		"agent: not kept":               {alerts.Breaks, "", "", func(r *alerts.Rule) { r.KeepFiringFor = 0 }, agentTests},
		"agent: no severity":            {alerts.InDoubt, "", "", less("severity"), agentTests},
		"agent: the switch is off":      {alerts.DeadMansSwitch, "vector(1)", "vector(1) > 1", nil, agentTests},
		"agent: nothing is held":        {prometheus.AgentFiring(alerts.CutOffAtRisk), "unless on ()", "and on ()", nil, agentTests},
		"agent: held for a day":         {prometheus.AgentFiring(alerts.InDoubt), "[1h]", "[1d]", nil, agentTests},
		"agent: drift is never noticed": {alerts.ConfigDrifted, "> 0", "< 0", nil, agentTests},
	}
}

// in makes the mistake in a copy of f and reports whether f has such a rule.
func (m mutation) in(f alerts.File) (alerts.File, bool) {
	found := false
	groups := f.Groups
	f.Groups = nil
	for _, g := range groups {
		rules := g.Rules
		g.Rules = nil
		for _, r := range rules {
			if r.Alert == m.rule || r.Record == m.rule || r.Labels[alerts.LabelTier] == m.rule {
				before := r.Expr
				r.Labels = maps.Clone(r.Labels)
				r.Expr = strings.Replace(r.Expr, m.from, m.to, 1)
				if m.change != nil {
					m.change(&r)
				}
				found = found || r.Expr != before || m.change != nil
			}
			g.Rules = append(g.Rules, r)
		}
		f.Groups = append(f.Groups, g)
	}
	return f, found
}

// joinedMutations are mistakes in rules that are deployed together, where the agent's raise what native ones record.
func joinedMutations() map[string]mutation {
	return map[string]mutation{
		"another factor":                {"page-1h", ">= 14.4", ">= 14", nil, native30s},
		"no guard against chance":       {"page-1h", "\n  and (\n    slo:", "\n  or (\n    slo:", nil, native30s},
		"no label factor":               {"ticket-1d", "", "", func(r *alerts.Rule) { delete(r.Labels, "factor") }, native20m},
		"nobody raises it":              {alerts.BudgetBurn, prometheus.NativeFiring(alerts.BudgetBurn), "slo:firing:nothing", nil, native30s},
		"not held back":                 {alerts.BudgetBurn, "assayer_slo_observed", "assayer_slo_obserwed", nil, native5m},
		"held back by a blind agent":    {alerts.BudgetBurn, `assayer_slo_observed{job="assayer"} == 1`, `assayer_slo_observed{job="assayer"}`, nil, native30s},
		"a spent budget is not raised":  {alerts.BudgetExhausted, prometheus.NativeFiring(alerts.BudgetExhausted), "slo:firing:nothing", nil, native1h},
		"the unseen is not raised":      {alerts.Unobserved, prometheus.NativeFiring(alerts.Unobserved), "slo:firing:nothing", nil, native30s},
		"it lingers":                    {alerts.BudgetBurn, "", "", func(r *alerts.Rule) { r.KeepFiringFor += 60e9 }, native30s},
		"the agent's own are forgotten": {prometheus.AgentFiring(alerts.BudgetBurn), "assayer_slo_firing", "assayer_slo_fire", nil, agentTests},
	}
}

// TestMistakesInRulesAreCaught makes mistakes in rule files, one at a time, and sees the tests fail.
func TestMistakesInRulesAreCaught(t *testing.T) {
	t.Parallel()
	for joined, all := range map[bool]map[string]mutation{false: mutations(), true: joinedMutations()} {
		s := ruleSetOf(t, joined, "e2e/testdata/ruletests/card-auth.yaml")
		for name, m := range all {
			if joined {
				name = "joined: " + name
			}
			found := false
			mutant := ruleSet{tests: s.tests}
			for _, f := range s.rules {
				changed, hit := m.in(f)
				found = found || hit
				mutant.rules = append(mutant.rules, changed)
			}
			if !found {
				t.Errorf("%s: there is no such rule", name)
				continue
			}
			if out, ok := servers.Promtool(t, mutant.write(t), "test", "rules", m.caught); ok || !strings.Contains(out, "exp") {
				t.Errorf("%s: nothing fails, or not for that reason: %s", name, out)
			}
		}
	}
}
