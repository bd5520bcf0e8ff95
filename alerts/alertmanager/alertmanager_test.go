package alertmanager_test

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/alertmanager"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/internal/testkit/golden"
	"github.com/assayer-io/assayer/internal/testkit/promrules"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func today() calendar.Date { return calendar.Date{Year: 2026, Month: time.November, Day: 22} }

func builtin(t testing.TB, name string) *calendar.Business {
	t.Helper()
	b, _, err := calendar.Builtin(name, 2026, 2028)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func objective(name, team string, c *calendar.Business) alerts.Objective {
	o := alerts.Objective{Objective: spec.Objective{Name: name, Service: "transfers", Calendar: c}}
	if team != "" {
		o.Labels = map[string]string{"team": team}
	}
	return o
}

func receivers(t testing.TB) alertmanager.Options {
	t.Helper()
	file := filepath.Join("testdata", "teams", "receivers.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return alertmanager.Options{File: file, Receivers: data, Roles: map[string]string{"ticket": "jira"}, Today: today()}
}

func bank(t testing.TB) []alerts.Objective {
	return []alerts.Objective{
		objective("sct-errors", "payments", builtin(t, "target")),
		objective("sct-latency", "payments", builtin(t, "target")),
		objective("card-errors", "payments", nil),
		objective("fedwire-errors", "treasury", builtin(t, "fed")),
		objective("sct-inst-errors", "", builtin(t, "24x7")),
	}
}

func TestGolden(t *testing.T) {
	got, err := alertmanager.Config(bank(t), receivers(t))
	if err != nil {
		t.Fatal(err)
	}
	again, err := alertmanager.Config(bank(t), receivers(t))
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("a second run writes something else (%v)", err)
	}
	golden.Want(t, *update, filepath.Join("testdata", "teams", "alertmanager.yml"), got)
}

// tree is a configuration as this test reads it.
type tree struct {
	Global    map[string]any   `yaml:"global"`
	Templates []string         `yaml:"templates"`
	Receivers []map[string]any `yaml:"receivers"`
	Route     node             `yaml:"route"`
	Inhibit   []map[string]any `yaml:"inhibit_rules"`
	Intervals []map[string]any `yaml:"time_intervals"`
}

type node struct {
	Receiver string   `yaml:"receiver"`
	Matchers []string `yaml:"matchers"`
	GroupBy  []string `yaml:"group_by"`
	Wait     string   `yaml:"group_wait"`
	Active   []string `yaml:"active_time_intervals"`
	Mute     []string `yaml:"mute_time_intervals"`
	Continue bool     `yaml:"continue"`
	Routes   []node   `yaml:"routes"`
}

func parse(t testing.TB, data []byte) (out tree) {
	t.Helper()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(false)
	if err := dec.Decode(&out); err != nil {
		t.Fatalf("%v:\n%s", err, data)
	}
	return out
}

var matcher = regexp.MustCompile(`^(\w+)(=~|=)"(.*)"$`)

func (n *node) takes(t testing.TB, alert map[string]string) bool {
	t.Helper()
	for _, text := range n.Matchers {
		m := matcher.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("not a matcher: %s", text)
		}
		value := strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(m[3])
		kind := map[string]labels.MatchType{"=": labels.MatchEqual, "=~": labels.MatchRegexp}[m[2]]
		if !labels.MustNewMatcher(kind, m[1], value).Matches(alert[m[1]]) {
			return false
		}
	}
	return true
}

// to lists who is told, as receiver after wait, with the interval in which it is told.
func (n *node) to(t testing.TB, alert map[string]string, above node) (out []string) {
	t.Helper()
	here := *n
	if here.Receiver == "" {
		here.Receiver = above.Receiver
	}
	if here.Wait == "" {
		here.Wait = above.Wait
	}
	for i := range n.Routes {
		child := &n.Routes[i]
		if !child.takes(t, alert) {
			continue
		}
		out = append(out, child.to(t, alert, here)...)
		if !child.Continue {
			break
		}
	}
	if len(out) == 0 {
		words := append([]string{here.Receiver, here.Wait}, append(here.Active, here.Mute...)...)
		out = []string{strings.Join(words, " ")}
	}
	return out
}

func TestRouting(t *testing.T) {
	data, err := alertmanager.Config(bank(t), receivers(t))
	if err != nil {
		t.Fatal(err)
	}
	root := parse(t, data).Route
	for _, tt := range []struct{ alert, want string }{
		{"alertname=AssayerDeadMansSwitch,severity=low", "deadman 1s"},
		{"alertname=ErrorBudgetBurn,severity=critical", "pager 10s, escalation 15m"},
		{"alertname=ErrorBudgetBurn,severity=high", "chat 30s, pager 1h"},
		{"alertname=ErrorBudgetBurn,severity=medium,slo=sct-inst-errors", "jira 1m"},
		{"alertname=ErrorBudgetBurn,severity=critical,team=payments", "payments-pager 10s, escalation 15m"},
		{"alertname=ErrorBudgetBurn,severity=high,team=payments", "chat 30s, payments-pager 1h"},
		{"alertname=ErrorBudgetBurn,severity=low,team=payments,slo=card-errors", "payments-ticket 1m"},
		{"alertname=ErrorBudgetBurn,severity=low,team=payments,slo=sct-errors", "payments-ticket 1m open-target closed-target"},
		{"alertname=ErrorBudgetBurn,severity=critical,team=payments,slo=sct-errors", "payments-pager 10s, escalation 15m"},
		{"alertname=ErrorBudgetBurn,severity=critical,team=treasury", "pager 10s, escalation 15m"},
		{"alertname=ErrorBudgetBurn,severity=medium,team=treasury,slo=fedwire-errors", "jira 1m open-fed closed-fed"},
		{"alertname=SettlementOverdue,severity=high,rail=sct", "chat 30s, pager 1h"},
		{"alertname=AssayerAbsent,severity=critical", "pager 10s, escalation 15m"},
		{"alertname=DeployedConfigDrifted,severity=low", "assayer-ticket 1m"},
		{"alertname=SomebodyElses", "jira 1m"},
		{"alertname=SomebodyElses,team=payments", "payments-ticket 1m"},
	} {
		alert := map[string]string{}
		for pair := range strings.SplitSeq(tt.alert, ",") {
			name, value, _ := strings.Cut(pair, "=")
			alert[name] = value
		}
		if got := strings.Join(root.to(t, alert, node{}), ", "); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.alert, got, tt.want)
		}
	}
}

// Without chat and escalation the pager takes their part, once.
func TestFewReceivers(t *testing.T) {
	o := alertmanager.Options{Receivers: []byte("- {name: pager}\n- {name: ticket}\n- {name: deadman}\n- {name: 'a \"b\"\\c-pager'}\n"), Today: today()}
	data, err := alertmanager.Config(nil, o)
	if err != nil {
		t.Fatal(err)
	}
	root := parse(t, data).Route
	for alert, want := range map[[2]string]string{
		{"critical", ""}: "pager 10s", {"high", ""}: "pager 30s", {"low", ""}: "ticket 1m", {"high", `a "b"\c`}: `a "b"\c-pager 30s`,
	} {
		if got := strings.Join(root.to(t, map[string]string{"severity": alert[0], "team": alert[1]}, node{}), ", "); got != want {
			t.Errorf("%v: got %s, want %s", alert, got, want)
		}
	}
}

// What the user wrote is there again, and nothing of it is overruled.
func TestUsersOwn(t *testing.T) {
	o := receivers(t)
	o.ResolveTimeout = 3 * time.Minute
	data, err := alertmanager.Config(nil, o)
	if err != nil {
		t.Fatal(err)
	}
	got, written := parse(t, data), parse(t, o.Receivers)
	asText := func(v any) string {
		out, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if asText(got.Receivers) != asText(written.Receivers) {
		t.Errorf("receivers became:\n%s", asText(got.Receivers))
	}
	if got.Global["resolve_timeout"] != "3m" || got.Global["smtp_from"] != "assayer@bank.example" {
		t.Errorf("global became %v", got.Global)
	}
	if !slices.Equal(got.Templates, []string{"assayer.tmpl"}) {
		t.Errorf("templates became %v", got.Templates)
	}
	o.Receivers = append(o.Receivers, "templates: [own.tmpl, assayer.tmpl]\n"...)
	o.Receivers = bytes.Replace(o.Receivers, []byte("global:"), []byte("global:\n  resolve_timeout: 9m"), 1)
	if data, err = alertmanager.Config(nil, o); err != nil {
		t.Fatal(err)
	}
	if got = parse(t, data); got.Global["resolve_timeout"] != "9m" || !slices.Equal(got.Templates, []string{"own.tmpl", "assayer.tmpl"}) {
		t.Errorf("global became %v, templates %v", got.Global, got.Templates)
	}
}

func TestMistakes(t *testing.T) {
	const fine = "- name: pager\n- name: ticket\n- name: deadman\n"
	for name, tt := range map[string]struct {
		receivers string
		change    func(*alertmanager.Options)
		want      []string
	}{
		"nothing":      {"", nil, []string{"r.yaml: error: has to be one document"}},
		"no list":      {"receivers: {a: s3cr3t}", nil, []string{"receivers: is not a list", "has no receiver for pager, ticket, deadman"}},
		"missing ones": {"- name: pager\n- name: chat\n", nil, []string{"r.yaml:1:1: error: has no receiver for ticket, deadman, allowed: receivers named pager, ticket and deadman;"}},
		"no name":      {fine + "- webhook_configs: [{url: s3cr3t}]\n", nil, []string{"r.yaml:4:3: error: [3].name: has no value"}},
		"twice":        {fine + "- name: pager\n", nil, []string{"r.yaml:4:9: error: [3].name: there are two receivers of this name"}},
		"routes":       {"receivers:\n" + fine + "route: {receiver: s3cr3t}\n", nil, []string{"r.yaml:5", "route: unknown field", "allowed: global, templates, receivers"}},
		"twice a key":  {"receivers:\n" + fine + "receivers: s3cr3t\n", nil, []string{"receivers"}},
		"odd global":   {"global: s3cr3t\nreceivers:\n" + fine, nil, []string{"r.yaml:1:9: error: global: is not what Alertmanager takes"}},
		"not YAML":     {fine + "- {url: s3cr3t", nil, []string{"r.yaml:", "not valid YAML"}},
		"two":          {fine + "---\n" + fine, nil, []string{"has to be one document"}},
		"role":         {fine, func(o *alertmanager.Options) { o.Roles = map[string]string{"boss": "pager"} }, []string{`roles: is no role, got "boss"`}},
		"no such":      {fine, func(o *alertmanager.Options) { o.Roles = map[string]string{"chat": "slack"} }, []string{`has no receiver for chat, got "slack", allowed: deadman, pager, ticket`}},
		"grouping":     {fine, func(o *alertmanager.Options) { o.GroupBy = []string{"a-b", "..."} }, []string{`group_by: got "a-b"`, `got "a-b, ..."`}},
		"environment":  {fine, func(o *alertmanager.Options) { o.Environments = []string{"a-b"} }, []string{`environment_labels: got "a-b", allowed: names of labels`}},
		"no day":       {fine, func(o *alertmanager.Options) { o.Today = calendar.Date{} }, []string{"today: has no value"}},
		"times": {fine, func(o *alertmanager.Options) { o.High.Repeat, o.EscalateHigh = -1, -time.Second },
			[]string{`escalate_high: got "-1s"`, `high.repeat: got "-1ns", allowed: a duration of at least 1ms`}},
	} {
		o := alertmanager.Options{File: "r.yaml", Receivers: []byte(tt.receivers), Today: today()}
		if tt.change != nil {
			tt.change(&o)
		}
		data, err := alertmanager.Config(nil, o)
		if err == nil {
			t.Errorf("%s: is accepted:\n%s", name, data)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in:\n%v", name, want, err)
			}
		}
		if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the message shows a secret: %v", name, err)
		}
	}
}

// muted lists what an inhibition rule keeps still of alerts that fire together, by Alertmanager's reading of the rules.
func (c *tree) muted(t testing.TB, firing []map[string]string) (out []map[string]string) {
	t.Helper()
	matchers := func(rule map[string]any, key string) *node {
		n := &node{}
		for _, m := range rule[key].([]any) {
			n.Matchers = append(n.Matchers, m.(string))
		}
		return n
	}
	for _, target := range firing {
		if slices.ContainsFunc(c.Inhibit, func(rule map[string]any) bool {
			equal, _ := rule["equal"].([]any)
			return matchers(rule, "target_matchers").takes(t, target) && slices.ContainsFunc(firing, func(source map[string]string) bool {
				return matchers(rule, "source_matchers").takes(t, source) &&
					!slices.ContainsFunc(equal, func(name any) bool { return source[name.(string)] != target[name.(string)] })
			})
		}) {
			out = append(out, target)
		}
	}
	return out
}

// A partition takes the agent and the targets of card-auth with it: somebody has to be told that nobody watches it.
func TestNobodyWatches(t *testing.T) {
	set, problems := spec.Load([]spec.File{{Name: "slo.yaml", Data: []byte(`
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: card-auth}
spec: {errors: {bad: 'card_total{outcome="bad"}', total: 'card_total', objective: 99.9%}}
`)}}, spec.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	card := alerts.Objective{Objective: set.Objectives[0], Tiers: burnrate.Tiers(set.Objectives[0].Window.Length)}
	var rules [][]byte
	o := alerts.Options{Joined: true}
	native, _ := prometheus.Native([]alerts.Objective{card}, o)
	for _, f := range append(native, prometheus.Agent([]alerts.Objective{card}, o)...) {
		rules = append(rules, prometheus.Encode(f))
	}
	w, err := promrules.NewWorld(t.Context(), rules...)
	if err != nil {
		t.Fatal(err)
	}
	var there []promrules.Sample
	for _, s := range []string{"up", "card_total", metricname.BuildInfo, metricname.Observed} {
		ls := labels.FromStrings(labels.MetricName, s, "job", "card", "instance", "a")
		if s == metricname.Observed {
			ls = labels.FromStrings(labels.MetricName, s, "job", "assayer", metricname.SLO, card.Name, metricname.Service, card.Service)
		}
		there = append(there, promrules.Sample{Labels: ls, Value: 1})
	}
	for at := time.Duration(0); at < time.Hour; at += 30 * time.Second {
		if at == 20*time.Minute {
			there = nil
		}
		if err := w.Step(24*time.Hour+at, there); err != nil {
			t.Fatal(err)
		}
	}
	var firing []map[string]string
	var names []string
	for _, a := range w.Firing() {
		firing = append(firing, a.Labels.Map())
		names = append(names, a.Labels.Get(labels.AlertName))
	}
	slices.Sort(names)
	if want := []string{alerts.AgentAbsent, alerts.DeadMansSwitch, alerts.Unobserved}; !slices.Equal(names, want) {
		t.Fatalf("%s fire, want %s", names, want)
	}
	data, err := alertmanager.Config([]alerts.Objective{card}, receivers(t))
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, data)
	if muted := c.muted(t, firing); len(muted) > 0 {
		t.Errorf("kept still is %v", muted)
	}
}

// One page for one cause.
func TestInhibition(t *testing.T) {
	data, err := alertmanager.Config(bank(t), receivers(t))
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, data)
	page := map[string]string{"alertname": "ErrorBudgetBurn", "slo": "card", "service": "card-auth", "severity": "critical"}
	for _, tt := range []struct {
		change map[string]string
		muted  bool
	}{
		{map[string]string{"severity": "high"}, true},
		{map[string]string{"severity": "critical", "tier": "page-fast"}, false},
		{map[string]string{"severity": "high", "service": "other"}, false},
		{map[string]string{"severity": "high", "group": "region=eu"}, false},
		{map[string]string{"severity": "medium", "alertname": "ErrorBudgetExhausted"}, true},
		{map[string]string{"severity": "medium", "alertname": "ObjectiveUnobserved"}, false},
	} {
		other := maps.Clone(page)
		maps.Copy(other, tt.change)
		if got := c.muted(t, []map[string]string{page, other}); len(got) > 0 != tt.muted {
			t.Errorf("beside %v is kept still: %v, want %v: %t", page, got, other, tt.muted)
		}
	}
}

// What burns in staging keeps nothing still in production.
func TestEnvironments(t *testing.T) {
	o := receivers(t)
	o.Environments = []string{"environment", "cluster"}
	data, err := alertmanager.Config(bank(t), o)
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, data)
	staging := map[string]string{"alertname": "ErrorBudgetBurn", "slo": "card", "service": "card-auth", "severity": "critical", "environment": "staging", "cluster": "a"}
	for environment, muted := range map[string]int{"staging": 1, "production": 0} {
		for _, alert := range []string{"ErrorBudgetBurn", "ErrorBudgetExhausted"} {
			other := maps.Clone(staging)
			other["severity"], other["environment"], other["alertname"] = "medium", environment, alert
			if got := c.muted(t, []map[string]string{staging, other}); len(got) != muted {
				t.Errorf("%s in %s: kept still is %v", alert, environment, got)
			}
		}
	}
	if want := []string{"alertname", "service", "environment", "cluster"}; !slices.Equal(c.Route.GroupBy, want) {
		t.Errorf("one notification is made by %v, want %v", c.Route.GroupBy, want)
	}
	for _, group := range []string{"...", "cluster"} {
		o.GroupBy = []string{group}
		if data, err = alertmanager.Config(nil, o); err != nil {
			t.Fatal(err)
		}
		if got, want := parse(t, data).Route.GroupBy, map[string][]string{"...": {"..."}, "cluster": {"cluster", "environment"}}[group]; !slices.Equal(got, want) {
			t.Errorf("one notification is made by %v, want %v", got, want)
		}
	}
}

func FuzzReceivers(f *testing.F) {
	for _, s := range []string{"", "- name: pager\n- name: ticket\n- name: deadman\n", "receivers: &a [{name: pager}]\nglobal: *a", "templates: [a]\nreceivers: [{name: x-pager}]",
		"a: &a [*a]", "receivers: [{name: pager, <<: {name: ticket}}]", "&a receivers: []\n*a : b", "receivers: [{name: pager}, {name: ticket}, {name: deadman}]\nglobal: ~\ntemplates:"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := alertmanager.Config(nil, alertmanager.Options{File: "f", Receivers: data, Today: today(), ResolveTimeout: time.Minute})
		if err != nil {
			return
		}
		got := parse(t, out)
		for _, needed := range []string{"pager", "ticket", "deadman"} {
			if !slices.ContainsFunc(got.Receivers, func(r map[string]any) bool { return r["name"] == needed }) {
				t.Errorf("%s is gone from:\n%s", needed, out)
			}
		}
		if got.Route.Receiver != "ticket" {
			t.Errorf("routes to %q in:\n%s", got.Route.Receiver, out)
		}
	})
}

// The words of a notification, with the functions and the data that Alertmanager gives a template.
func TestTemplate(t *testing.T) {
	type one struct {
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
	}
	type all struct{ Firing, Resolved []one }
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	data := struct {
		Status                          string
		CommonLabels, CommonAnnotations map[string]string
		Alerts                          all
	}{"firing", map[string]string{"severity": "critical", "service": "card-auth", "alertname": "ErrorBudgetBurn"}, map[string]string{"runbook_url": "https://r.example/a.md"}, all{
		[]one{{map[string]string{"tier": "page-1h", "team": "payments"}, map[string]string{"summary": "card-auth burns", "description": "EUR 12.34 are left", "runbook_url": "https://r.example/a.md"}, start, time.Time{}}},
		[]one{{map[string]string{"alertname": "ErrorBudgetBurn", "slo": "b"}, nil, start, start.Add(time.Minute)}},
	}}
	tmpl, err := template.New("").Option("missingkey=zero").Funcs(template.FuncMap{"toUpper": strings.ToUpper}).Parse(string(alertmanager.Template()))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"assayer.title": "[FIRING:1] critical card-auth ErrorBudgetBurn",
		"assayer.text": "card-auth burns\nEUR 12.34 are left\nSince 2026-11-22 09:00:00 UTC, leg page-1h, team payments\nRunbook: https://r.example/a.md\n" +
			"Over since 2026-11-22 09:01:00 UTC: ErrorBudgetBurn of b\n",
		"assayer.runbook":   "https://r.example/a.md",
		"assayer.dashboard": "",
		"assayer.agent":     "",
	} {
		var out strings.Builder
		if err := tmpl.ExecuteTemplate(&out, name, data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if out.String() != want {
			t.Errorf("%s:\ngot  %q\nwant %q", name, out.String(), want)
		}
	}
}
