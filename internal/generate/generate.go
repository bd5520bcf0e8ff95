// Package generate makes everything that follows from objectives: rule files with their tests, Alertmanager's
// configuration, Grafana's rules, runbooks and dashboards, in the form that their destination wants. It is a
// function of its arguments: no clock, no files, no network.
//
//	rules/assayer-agent.yaml              rules        a handful of rules for all objectives
//	rules/native-card-auth.yaml           rules        from raw series, for when the agent is gone
//	rule-tests/native-card-auth.yaml      rule-tests   promtool test rules rule-tests/*.yaml
//	alertmanager/alertmanager.yaml        alertmanager
//	runbooks/card-auth-availability.md    runbook
//	dashboards/assayer-on-call.json       dashboard
package generate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/alertmanager"
	alertsgrafana "github.com/assayer-io/assayer/alerts/grafana"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/alerts/runbook"
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/dashboards/grafana"
	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/slo/rail"
)

// Form says how rules and dashboards are wrapped.
type Form string

// The forms.
const (
	Files        Form = "files"        // as Prometheus and Grafana read them
	ConfigMaps   Form = "configmaps"   // for the sidecars of Prometheus and Grafana
	Operators    Form = "operators"    // PrometheusRule and GrafanaDashboard objects
	Terraform    Form = "terraform"    // JSON for the grafana provider
	Provisioning Form = "provisioning" // the folders that Grafana reads at its start
)

// Forms lists all of them.
func Forms() []Form { return []Form{Files, ConfigMaps, Operators, Terraform, Provisioning} }

// Part is one kind of thing to generate.
type Part string

// The parts.
const (
	AgentRules    Part = "agent-rules"   // on the agent's own series
	NativeRules   Part = "native-rules"  // on raw series
	RuleTests     Part = "rule-tests"    // promtool unit tests of both
	GrafanaRules  Part = "grafana-rules" // the alerts as Grafana manages them
	Routing       Part = "alertmanager"  // Alertmanager's configuration; needs receivers
	Runbooks      Part = "runbooks"
	DashboardPart Part = "dashboards"
)

// Parts lists all of them.
func Parts() []Part {
	return []Part{AgentRules, NativeRules, RuleTests, GrafanaRules, Routing, Runbooks, DashboardPart}
}

// Input is what there is to generate from.
type Input struct {
	Objectives []alerts.Objective
	Rails      []rail.Rail // in use
	Parts      []Part
	Form       Form
	Rules      alerts.Options
	Routing    alertmanager.Options // used with the part alertmanager
	Dashboards dashboards.Options
	Kubernetes Kubernetes
	Hooks      map[string][]runbook.Hook // that apply, by objective
	Datasource string                    // uid of the Prometheus that Grafana's own rules ask

	alerting []alerts.File // rules with the alerts that Grafana is to have
}

// Kubernetes says what generated objects are called and carry.
type Kubernetes struct {
	Namespace string            `yaml:"namespace"` // empty: none is written, so that kubectl's own counts
	Labels    map[string]string `yaml:"labels"`
}

// Output is what was generated.
type Output struct {
	Files    []artifact.File  // sorted by path
	Refusals []alerts.Refusal // what has no native rules, and why
}

func (in *Input) wants(p Part) bool { return slices.Contains(in.Parts, p) }

// Generate makes all files. The same input gives the same bytes.
func Generate(in Input) (Output, error) {
	var out Output
	var rules []alerts.File
	in.Rules.Joined = in.wants(AgentRules) && in.wants(NativeRules)
	in.Rules.Movements = len(in.Rails) > 0
	if in.wants(AgentRules) {
		rules = append(rules, prometheus.Agent(in.Objectives, in.Rules)...)
	}
	if in.wants(NativeRules) {
		native, refusals := prometheus.Native(in.Objectives, in.Rules)
		rules, out.Refusals = append(rules, native...), refusals
	}
	if in.wants(GrafanaRules) { // an alert that both raise would call people twice
		in.alerting, rules = rules, alertsgrafana.Recording(rules)
	}
	var screens []dashboards.Dashboard
	if in.wants(DashboardPart) {
		var err error
		if screens, err = grafana.All(dashboards.Input{Objectives: in.Objectives, Rails: in.Rails, Options: in.Dashboards}); err != nil {
			return Output{}, fmt.Errorf("making dashboards: %w", err)
		}
	}
	if in.wants(RuleTests) {
		tests, err := in.tests(rules)
		if err != nil {
			return Output{}, err
		}
		out.Files = append(out.Files, tests...)
	}
	if in.wants(Routing) {
		routing, err := in.routing()
		if err != nil {
			return Output{}, err
		}
		out.Files = append(out.Files, routing...)
	}
	if in.wants(Runbooks) {
		out.Files = append(out.Files, in.runbooks(rules, out.Refusals)...)
	}
	wrapped, err := in.wrap(rules, screens)
	if err != nil {
		return Output{}, err
	}
	out.Files = append(out.Files, wrapped...)
	slices.SortFunc(out.Files, func(a, b artifact.File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}
