//go:build e2e

package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

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

// objectivesIn are those of some files.
func objectivesIn(t *testing.T, globs ...string) []alerts.Objective {
	t.Helper()
	set, problems := spec.LoadGlobs(globs, "..", spec.Options{Currency: "EUR"})
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	var objs []alerts.Objective
	for _, o := range set.Objectives {
		objs = append(objs, alerts.Objective{Objective: o, Tiers: burnrate.Tiers(o.Window.Length)})
	}
	return objs
}

// ruleSetOf generates the rules for objectives, to be deployed together or each to stand alone.
func ruleSetOf(t *testing.T, joined bool, objs []alerts.Objective) ruleSet {
	t.Helper()
	options := alerts.Options{AgentSelector: `job="assayer"`, Joined: joined, Links: alerts.Links{Runbooks: "https://runbooks", Dashboards: "https://grafana", Agent: "https://agent"}}
	files, _ := prometheus.Native(objs, options)
	files = append(prometheus.Agent(objs, options), files...)
	tests, err := promtool.Tests(files, objs, options)
	if err != nil {
		t.Fatal(err)
	}
	return ruleSet{files, tests}
}

// judged is what tells how the rules of an objective judge what was counted: tests that are fed with what rules record
// differ in nothing else.
func judged(o *alerts.Objective) string {
	return fmt.Sprint(o.Weight != nil, o.GroupBy != nil, o.Target == 1, o.Window.Rolling)
}

// shape is what tells how the rules of an objective count, and judge what they counted.
func shape(o *alerts.Objective) string {
	i, r := o.Indicator, o.Indicator.Ratio
	kind := fmt.Sprint(i.Histogram != nil, i.Threshold != nil, i.RawRatio != nil, i.Presence != nil, i.Traffic != nil, o.Composite != nil)
	if r != nil {
		kind = fmt.Sprint("counters", r.Good != nil, r.Bad != nil, r.Total != nil, r.Latency)
	}
	return fmt.Sprint(kind, o.Method, judged(o))
}

// oneOfEach leaves one objective of each shape.
func oneOfEach(objs []alerts.Objective, shape func(*alerts.Objective) string) []alerts.Objective {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(objs), func(o alerts.Objective) bool {
		before := seen[shape(&o)]
		seen[shape(&o)] = true
		return before
	})
}

// names are those of the tests that are fed with raw series, or with what rules record of them.
func (s ruleSet) names(fedRaw bool) (names []string) {
	for _, f := range s.tests {
		if (f.Name == agentTests || strings.HasSuffix(f.Name, "-30s.yaml")) == fedRaw {
			names = append(names, f.Name)
		}
	}
	return names
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

// TestGeneratedRulesPassTheirTests in the installed version of Prometheus: the rules of one objective of each shape, of
// all that tests and examples have. Of the examples every file is read by promtool, too.
func TestGeneratedRulesPassTheirTests(t *testing.T) {
	t.Parallel()
	examples := objectivesIn(t, "examples/*/slo/*.yaml", "examples/replay/slo.yaml")
	kinds := objectivesIn(t, "alerts/promtool/testdata/*.yaml")
	for joined, objs := range map[bool][]alerts.Objective{true: kinds, false: examples} {
		s := ruleSetOf(t, joined, objs)
		check := []string{"check", "rules"}
		for _, f := range s.rules {
			check = append(check, filepath.Join(promtool.RulesFolder, f.Name+".yaml"))
		}
		if out, ok := servers.Promtool(t, s.write(t), check...); !ok {
			t.Error(out)
		}
		for fedRaw, kind := range map[bool]func(*alerts.Objective) string{true: shape, false: judged} {
			s := ruleSetOf(t, joined, oneOfEach(objs, kind))
			if out, ok := servers.Promtool(t, s.write(t), append([]string{"test", "rules"}, s.names(fedRaw)...)...); !ok {
				t.Error(out)
			}
		}
	}
}

// TestGeneratedRulesPassInTheNewestEngine runs one file of each kind: raw series of gauges, of histograms and of slices,
// and records of groups, of money and of an objective that allows no failures.
func TestGeneratedRulesPassInTheNewestEngine(t *testing.T) {
	t.Parallel()
	s := ruleSetOf(t, false, oneOfEach(objectivesIn(t, "alerts/promtool/testdata/*.yaml"), shape))
	for test, rules := range map[string]string{
		"native-wire-30s": "native-wire", "native-transfers-5m": "native-transfers", "native-queue-30s": "native-queue", "native-ledger-20m": "native-ledger", "native-feed-30s": "native-feed",
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

// apart makes a file of each test of a file of tests, the shortest first.
func apart(t *testing.T, f promtool.File) (each []promtool.File) {
	t.Helper()
	var all map[string]any
	if err := yaml.Unmarshal(f.Data, &all); err != nil {
		t.Fatal(err)
	}
	lasts := func(test any) (last model.Duration) {
		for _, e := range test.(map[string]any)["promql_expr_test"].([]any) {
			at, err := model.ParseDuration(e.(map[string]any)["eval_time"].(string))
			if err != nil {
				t.Fatal(err)
			}
			last = max(last, at)
		}
		return last
	}
	tests := all["tests"].([]any)
	slices.SortStableFunc(tests, func(a, b any) int { return cmp.Compare(lasts(a), lasts(b)) })
	for i, test := range tests {
		one := maps.Clone(all)
		one["tests"] = []any{test}
		data, err := yaml.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		each = append(each, promtool.File{Name: fmt.Sprintf("%d-%s", i, f.Name), Data: data})
	}
	return each
}

// TestMistakesInRulesAreCaught makes mistakes in rule files, one at a time, and sees a test fail; which one, nobody says,
// so that they are tried one after the other until one does.
func TestMistakesInRulesAreCaught(t *testing.T) {
	t.Parallel()
	objs := objectivesIn(t, "e2e/testdata/ruletests/card-auth.yaml")
	for joined, all := range map[bool]map[string]mutation{false: mutations(), true: joinedMutations()} {
		s := ruleSetOf(t, joined, objs)
		tests := map[string][]promtool.File{}
		for _, f := range s.tests {
			tests[f.Name] = apart(t, f)
		}
		for name, m := range all {
			mutant := ruleSet{tests: tests[m.caught], rules: s.rules}
			if !mutant.mistake(m) {
				t.Errorf("%s (joined: %t): there is no such rule", name, joined)
				continue
			}
			dir := mutant.write(t)
			if !slices.ContainsFunc(mutant.tests, func(f promtool.File) bool {
				out, ok := servers.Promtool(t, dir, "test", "rules", f.Name)
				return !ok && strings.Contains(out, "exp")
			}) {
				t.Errorf("%s (joined: %t): nothing fails", name, joined)
			}
		}
	}
}

// mistake makes one in the rules and reports whether there is such a rule.
func (s *ruleSet) mistake(m mutation) bool {
	found := false
	var rules []alerts.File
	for _, f := range s.rules {
		changed, hit := m.in(f)
		found = found || hit
		rules = append(rules, changed)
	}
	s.rules = rules
	return found
}
