package generate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/generate"
	"github.com/assayer-io/assayer/internal/testkit/golden"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const objectives = `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: card-auth, labels: {team: payments}}
spec:
  errors:  {bad: 'card_auth_total{outcome="technical"}', total: 'card_auth_total{outcome!="business"}', objective: 99.95%}
  latency: {histogram: 'card_auth_seconds', below: 2s, objective: 99%}
---
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: payout}
spec:
  errors:     {bad: 'payout_total{code=~"5.."}', total: 'payout_total', objective: 99.9%}
  saturation: {gauge: 'payout_inflight_ratio', below: 0.8, objective: 99%}
`

const receivers = `
receivers:
  - name: pager
    pagerduty_configs: [{routing_key_file: /etc/keys/pager}]
  - name: ticket
    webhook_configs: [{url_file: /etc/keys/tickets}]
  - name: deadman
    webhook_configs: [{url_file: /etc/keys/deadman}]
`

// input is what everything can be made from.
func input(t *testing.T, change func(*generate.Config)) generate.Input {
	t.Helper()
	set, problems := spec.Load([]spec.File{{Name: "slo.yaml", Data: []byte(objectives)}}, spec.Options{ScrapeInterval: 15 * time.Second})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	c := generate.Default()
	c.Alertmanager.Receivers = "receivers.yaml"
	c.Links.Runbooks = "https://runbooks.example/slo/"
	change(&c)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	in := generate.Input{Objectives: generate.Objectives(set.Objectives, nil)}
	in.Routing.Receivers, in.Routing.Today = []byte(receivers), calendar.Date{Year: 2026, Month: 11, Day: 22}
	return c.Input(in)
}

func made(t *testing.T, change func(*generate.Config)) generate.Output {
	t.Helper()
	out, err := generate.Generate(input(t, change))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func nothing(*generate.Config) {}

// What is made is listed in the manual; here it is for two services.
func TestFiles(t *testing.T) {
	tests := map[string]struct {
		change func(*generate.Config)
		want   []string // without runbooks and dashboards, which have names of their own
	}{
		"all that is made by itself": {nothing, []string{
			"alertmanager/alertmanager.yaml alertmanager", "alertmanager/assayer.tmpl alert-template",
			"rules/assayer-agent.yaml rules", "rules/native-card-auth.yaml rules", "rules/native-payout.yaml rules",
		}},
		"without receivers nobody can be told": {func(c *generate.Config) { c.Alertmanager.Receivers = "" }, []string{
			"rules/assayer-agent.yaml rules", "rules/native-card-auth.yaml rules", "rules/native-payout.yaml rules",
		}},
		"agent alone": {func(c *generate.Config) { c.Parts = []generate.Part{generate.AgentRules} }, []string{"rules/assayer-agent.yaml rules"}},
		"sidecars": {func(c *generate.Config) { c.Form, c.Alertmanager.Receivers = generate.ConfigMaps, "" }, []string{
			"kubernetes/rules/assayer-agent.yaml manifest", "kubernetes/rules/native-card-auth.yaml manifest", "kubernetes/rules/native-payout.yaml manifest",
		}},
		"operators": {func(c *generate.Config) { c.Form, c.Alertmanager.Receivers = generate.Operators, "" }, []string{
			"kubernetes/rules/assayer-agent.yaml rule-objects", "kubernetes/rules/native-card-auth.yaml rule-objects", "kubernetes/rules/native-payout.yaml rule-objects",
		}},
		"Terraform": {func(c *generate.Config) { c.Form, c.Alertmanager.Receivers = generate.Terraform, "" }, []string{
			"rules/assayer-agent.yaml rules", "rules/native-card-auth.yaml rules", "rules/native-payout.yaml rules", "terraform/assayer.tf.json terraform",
		}},
		"provisioning, alerts in Grafana": {func(c *generate.Config) {
			c.Form, c.Parts = generate.Provisioning, []generate.Part{generate.NativeRules, generate.GrafanaRules, generate.DashboardPart}
		}, []string{
			"provisioning/alerting/assayer.json grafana-rules", "provisioning/dashboards/assayer.yaml provisioning",
			"rules/native-card-auth.yaml rules", "rules/native-payout.yaml rules",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range made(t, tt.change).Files {
				switch top, _, _ := strings.Cut(f.Path, "/"); {
				case top == "runbooks" || top == "rule-tests" || strings.Contains(f.Path, "dashboards/assayer") && f.Kind != artifact.Provisioning:
				default:
					got = append(got, f.Path+" "+string(f.Kind))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// Whatever the form, each path is one that can be written below a folder, once; what is YAML or JSON can be read as such;
// and a second run gives the same bytes.
func TestFilesCanBeWritten(t *testing.T) {
	for _, form := range generate.Forms() {
		for _, alerting := range []generate.Part{generate.RuleTests, generate.GrafanaRules} {
			change := func(c *generate.Config) {
				c.Form = form
				c.Parts = append(slices.DeleteFunc(generate.Parts(), func(p generate.Part) bool { return p == generate.RuleTests || p == generate.GrafanaRules }), alerting)
			}
			out, again, seen := made(t, change), made(t, change), map[string]bool{}
			for i, f := range out.Files {
				if f.Path != path.Clean(f.Path) || path.IsAbs(f.Path) || strings.HasPrefix(f.Path, "..") || seen[f.Path] {
					t.Errorf("%s: the path %q cannot be written, or twice", form, f.Path)
				}
				seen[f.Path] = true
				if !bytes.Equal(f.Data, again.Files[i].Data) {
					t.Errorf("%s: %s differs from run to run", form, f.Path)
				}
				if err := readable(f); err != nil {
					t.Errorf("%s: %s: %v", form, f.Path, err)
				}
			}
		}
	}
}

func readable(f artifact.File) error {
	switch path.Ext(f.Path) {
	case ".json":
		var v any
		return json.Unmarshal(f.Data, &v)
	case ".yaml":
		dec := yaml.NewDecoder(bytes.NewReader(f.Data))
		for {
			var v map[string]any
			if err := dec.Decode(&v); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

func find(t *testing.T, files []artifact.File, name string) []byte {
	t.Helper()
	i := slices.IndexFunc(files, func(f artifact.File) bool { return f.Path == name })
	if i < 0 {
		t.Fatalf("no file %s", name)
	}
	return files[i].Data
}

// What a sidecar copies out of a ConfigMap is the file itself, and Terraform's strings are no templates.
func TestWrappedIsTheSame(t *testing.T) {
	plain := made(t, nothing).Files
	rule, screen := find(t, plain, "rules/native-payout.yaml"), find(t, plain, "dashboards/assayer-on-call.json")

	var cm struct {
		Metadata struct {
			Name, Namespace     string
			Labels, Annotations map[string]string
		}
		Data map[string]string
	}
	maps := made(t, func(c *generate.Config) {
		c.Form = generate.ConfigMaps
		c.Kubernetes = generate.Kubernetes{Namespace: "monitoring", Labels: map[string]string{"release": "prom"}}
	}).Files
	read(t, find(t, maps, "kubernetes/rules/native-payout.yaml"), &cm)
	if cm.Data["native-payout.yaml"] != string(rule) || cm.Metadata.Namespace != "monitoring" || cm.Metadata.Labels["release"] != "prom" || cm.Metadata.Labels["prometheus_rule"] != "1" {
		t.Errorf("the ConfigMap of rules: %+v", cm.Metadata)
	}
	read(t, find(t, maps, "kubernetes/dashboards/assayer-on-call.yaml"), &cm)
	if cm.Data["assayer-on-call.json"] != string(screen) || cm.Metadata.Annotations["grafana_folder"] != "Assayer" || cm.Metadata.Labels["grafana_dashboard"] != "1" {
		t.Errorf("the ConfigMap of a dashboard: %+v", cm.Metadata)
	}

	var gd struct {
		Spec struct{ JSON, Folder, UID string }
	}
	read(t, find(t, made(t, func(c *generate.Config) { c.Form = generate.Operators }).Files, "kubernetes/dashboards/assayer-on-call.yaml"), &gd)
	if gd.Spec.JSON != string(screen) || gd.Spec.UID != "assayer-on-call" {
		t.Errorf("the GrafanaDashboard: folder %q, uid %q", gd.Spec.Folder, gd.Spec.UID)
	}

	var tf struct {
		Resource map[string]map[string]map[string]any
	}
	if err := json.Unmarshal(find(t, made(t, func(c *generate.Config) { c.Form = generate.Terraform }).Files, "terraform/assayer.tf.json"), &tf); err != nil {
		t.Fatal(err)
	}
	text, _ := tf.Resource["grafana_dashboard"]["assayer_on_call"]["config_json"].(string)
	// Terraform's own reading of a string: $${ is ${ and %%{ is %{, and what is left of ${ would be evaluated.
	if strings.Contains(strings.ReplaceAll(text, "$${", ""), "${") {
		t.Error("Terraform would evaluate what Grafana is to read")
	}
	if got := strings.NewReplacer("$${", "${", "%%{", "%{").Replace(text); got != string(screen) {
		t.Error("Terraform gives Grafana another dashboard")
	}
}

func read(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// Where Grafana alerts Prometheus does not, and the other way round; they raise the same alerts, and Grafana one that
// Prometheus gives it no answers.
func TestOneCallsPeople(t *testing.T) {
	count := func(parts ...generate.Part) (prometheus, grafana, records int) {
		for _, f := range made(t, func(c *generate.Config) { c.Parts = parts }).Files {
			switch f.Kind {
			case artifact.Rules:
				prometheus += strings.Count(string(f.Data), "- alert: ")
				records += strings.Count(string(f.Data), "- record: ")
			case artifact.GrafanaRules:
				grafana += strings.Count(string(f.Data), `"condition": "C"`)
			}
		}
		return prometheus, grafana, records
	}
	inPrometheus, none, records := count(generate.AgentRules, generate.NativeRules)
	left, inGrafana, still := count(generate.AgentRules, generate.NativeRules, generate.GrafanaRules)
	if none != 0 || left != 0 || inPrometheus == 0 || inPrometheus+1 != inGrafana || records != still {
		t.Errorf("%d alerts in Prometheus and %d in Grafana, then %d and %d; %d records, then %d", inPrometheus, none, left, inGrafana, records, still)
	}
}

// One rule has an alert's name and labels: of two the one that ends would tell Alertmanager that it is over. Without the
// agent's rules the native ones raise it themselves.
func TestOneRuleAnAlert(t *testing.T) {
	raise := func(parts ...generate.Part) (files []string) {
		for _, f := range made(t, func(c *generate.Config) { c.Parts = parts }).Files {
			if bytes.Contains(f.Data, []byte("alert: ErrorBudgetBurn\n")) {
				files = append(files, f.Path)
			}
		}
		return files
	}
	if got := raise(generate.AgentRules, generate.NativeRules); !slices.Equal(got, []string{"rules/assayer-agent.yaml"}) {
		t.Errorf("together %q raise burns", got)
	}
	if got := raise(generate.NativeRules); !slices.Equal(got, []string{"rules/native-card-auth.yaml", "rules/native-payout.yaml"}) {
		t.Errorf("without the agent's rules %q raise burns", got)
	}
}

// TestMistakes: what cannot be made is refused with what is allowed.
func TestMistakes(t *testing.T) {
	for want, change := range map[string]func(*generate.Config){
		`form: got "helm", allowed: files, configmaps, operators, terraform, provisioning`:                       func(c *generate.Config) { c.Form = "helm" },
		`parts[0]: got "rules", allowed: agent-rules, native-rules, rule-tests`:                                  func(c *generate.Config) { c.Parts = []generate.Part{"rules"} },
		`interval: got "10m0s", allowed: a duration from 1s to 5m`:                                               func(c *generate.Config) { c.Interval = 10 * time.Minute },
		`interval: got "30s", allowed: no less than scrape_interval, 1m0s`:                                       func(c *generate.Config) { c.ScrapeInterval = time.Minute },
		`agent_selector: got "job=assayer", allowed: matchers such as job="assayer"`:                             func(c *generate.Config) { c.AgentSelector = "job=assayer" },
		`links.agent: got "assayer:9797", allowed: an http or https URL`:                                         func(c *generate.Config) { c.Links.Agent = "assayer:9797" },
		`alertmanager.receivers: got "", allowed: a file of receivers, since the part alertmanager is asked for`: func(c *generate.Config) { c.Parts = []generate.Part{generate.Routing} },
		`parts: got "rule-tests", allowed: it without grafana-rules`:                                             func(c *generate.Config) { c.Parts = []generate.Part{generate.RuleTests, generate.GrafanaRules} },
	} {
		c := generate.Default()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), strings.Split(want, ": got")[0]) || !strings.Contains(err.Error(), want[strings.Index(want, "allowed"):]) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

// Kubernetes takes no ConfigMap above a mebibyte, and says so less clearly.
func TestConfigMapTooLarge(t *testing.T) {
	in := input(t, func(c *generate.Config) { c.Form, c.Parts = generate.ConfigMaps, []generate.Part{generate.NativeRules} })
	one := in.Objectives[0]
	in.Objectives = nil
	for i := range 1000 {
		one.Name = fmt.Sprintf("o%d", i)
		in.Objectives = append(in.Objectives, one)
	}
	if _, err := generate.Generate(in); err == nil || !strings.Contains(err.Error(), "Kubernetes takes 1048576") {
		t.Errorf("got %v, want a refusal with the limit", err)
	}
}

// An annotation of a million characters, quotes and line breaks in labels: every file can still be read.
func TestHostileTexts(t *testing.T) {
	in := input(t, func(c *generate.Config) {
		c.Parts = slices.DeleteFunc(generate.Parts(), func(p generate.Part) bool { return p == generate.GrafanaRules })
	})
	o := &in.Objectives[0]
	o.Description = strings.Repeat("x", 1_000_000)
	o.Annotations = map[string]string{"note": "a \"quoted\"\nline: {{ $value }} # ' `"}
	o.DisplayName = "Auth \"x\"\n- {{ .Labels }} ${a} %{b}"
	o.Labels = map[string]string{alerts.LabelTeam: "pay\"ments\n{{ oops }}"}
	out, err := generate.Generate(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range out.Files {
		if err := readable(f); err != nil {
			t.Errorf("%s: %v", f.Path, err)
		}
	}
}

// TestGolden shows in review what a change does to each form: of one rule file, or what points at screens.
func TestGolden(t *testing.T) {
	for form, names := range map[generate.Form][]string{
		generate.ConfigMaps:   {"kubernetes/rules/native-payout.yaml"},
		generate.Operators:    {"kubernetes/rules/native-payout.yaml"},
		generate.Provisioning: {"provisioning/dashboards/assayer.yaml", "rules/native-payout.yaml"},
	} {
		files := made(t, func(c *generate.Config) {
			c.Form, c.Alertmanager.Receivers = form, ""
			c.Kubernetes = generate.Kubernetes{Namespace: "monitoring", Labels: map[string]string{"release": "prom"}}
		}).Files
		for _, name := range names {
			golden.Want(t, *update, filepath.Join("testdata", string(form), filepath.FromSlash(name)), find(t, files, name))
		}
	}
}

// Inhibition stays within an environment that the configuration names.
func TestEnvironmentLabels(t *testing.T) {
	out := made(t, func(c *generate.Config) {
		c.Parts, c.Alertmanager.EnvironmentLabels = []generate.Part{generate.Routing}, []string{"environment"}
	})
	var c struct {
		Route struct {
			GroupBy []string `yaml:"group_by"`
		}
		Inhibit []struct{ Equal []string } `yaml:"inhibit_rules"`
	}
	if err := yaml.Unmarshal(find(t, out.Files, "alertmanager/alertmanager.yaml"), &c); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(c.Route.GroupBy, "environment") || len(c.Inhibit) == 0 {
		t.Errorf("grouped by %v, %d inhibitions", c.Route.GroupBy, len(c.Inhibit))
	}
	for _, rule := range c.Inhibit {
		if !slices.Contains(rule.Equal, "environment") {
			t.Errorf("inhibition crosses environments: %v", rule)
		}
	}
}

// What a path tells of a file's parts is so: it is gone without its only one, and stays without any that is not of them.
func TestPartsAt(t *testing.T) {
	for _, form := range generate.Forms() {
		for _, instead := range []generate.Part{generate.RuleTests, generate.GrafanaRules} { // there is either of these
			parts := slices.DeleteFunc(generate.Parts(), func(p generate.Part) bool { return p == instead })
			with := func(parts []generate.Part) []artifact.File {
				return made(t, func(c *generate.Config) { c.Form, c.Parts = form, parts }).Files
			}
			all := with(parts)
			for _, part := range parts {
				left := with(slices.DeleteFunc(slices.Clone(parts), func(p generate.Part) bool { return p == part }))
				for _, f := range all {
					of := generate.PartsAt(f.Path)
					stays := slices.ContainsFunc(left, func(l artifact.File) bool { return l.Path == f.Path })
					if stays && slices.Equal(of, []generate.Part{part}) || !stays && !slices.Contains(of, part) {
						t.Errorf("%s: %s is of %q; without %s it stays: %t", form, f.Path, of, part, stays)
					}
				}
			}
		}
	}
}
