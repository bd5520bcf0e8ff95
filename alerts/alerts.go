// Package alerts is the contract of what is generated to call people when budgets burn: rule files and their
// tests, Alertmanager's configuration, Grafana's own rules, runbooks. The variants are the folders below, one for each
// dialect. All of them are functions of their arguments: no clock, no files, no network.
//
//	objectives ──> alerts/prometheus ──> File{Name: "native-card-auth", Groups: [{Name: …, Rules: [{Alert: "ErrorBudgetBurn", …}]}]}
//
// An alert carries the same labels whoever raises it, the agent's rules or the native ones, so that Alertmanager sees
// one alert go on when one takes over from the other.
package alerts

import (
	"time"

	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

// Objective is an objective with the legs by which its budget is watched.
type Objective struct {
	spec.Objective
	Tiers []burnrate.Tier // as the agent judges them
}

// Rule is one rule of Prometheus' rule format. Exactly one of Record and Alert is set.
type Rule struct {
	Record        string
	Alert         string
	Expr          string
	For           time.Duration
	KeepFiringFor time.Duration // needs Prometheus 2.42
	Labels        map[string]string
	Annotations   map[string]string
}

// Group is evaluated in order and at one time: a rule sees what those before it recorded.
type Group struct {
	Name     string // unique in all files
	Interval time.Duration
	Rules    []Rule
}

// File is one rule file.
type File struct {
	Name   string // without folder and extension; unique
	Groups []Group
	// Objectives are those whose rules it holds; empty: rules that serve all.
	Objectives []string
}

// Options say how and where the rules will be evaluated, and where their alerts point people to.
type Options struct {
	ScrapeInterval time.Duration // of the raw series in the Prometheus that evaluates; 0 is 15 s
	Interval       time.Duration // between evaluations of what pages; 0 is 30 s, at least ScrapeInterval
	// AgentSelector holds the matchers that every use of the agent's own series gets, such as job="assayer"; empty: none.
	AgentSelector string
	Links         Links
	// Joined says that the rules on the agent's series and those on raw series are deployed together. Then the former
	// raise the alerts of both, and the latter record what is to be raised: of two rules with one alert, the one that ends
	// tells Alertmanager that the alert is over, again and again for a quarter of an hour, whatever the other says.
	Joined bool
	// Movements says that agents follow movements of money, which nobody does when none is there.
	Movements bool
}

// Scrape is ScrapeInterval, or what 0 stands for.
func (o *Options) Scrape() time.Duration {
	if o.ScrapeInterval <= 0 {
		return 15 * time.Second
	}
	return o.ScrapeInterval
}

// Links are addresses without a slash at the end. An empty one gives no link.
type Links struct {
	Runbooks   string // folder of the generated runbooks: <Runbooks>/<objective>.md
	Dashboards string // Grafana's address: <Dashboards>/d/<uid>
	Agent      string // the agent's page
	Alerts     string // Alertmanager's page
}

// Names of the alerts. They are stable: routes, silences and runbooks go by them.
const (
	BudgetBurn      = "ErrorBudgetBurn"       // one leg of one objective; Tier, Severity and the rest of BurnLabels say which
	BudgetExhausted = "ErrorBudgetExhausted"  // nothing is left of the budget
	Unobserved      = "ObjectiveUnobserved"   // too little is seen to judge an objective
	AgentAbsent     = "AssayerAbsent"         // no agent's series are there: the native rules have taken over
	AgentUnhealthy  = "AssayerUnhealthy"      // the agent says so itself
	DeadMansSwitch  = "AssayerDeadMansSwitch" // always fires; who no longer receives it knows that alerting is broken
	Overdue         = "SettlementOverdue"     // movements of money whose deadline has passed
	CutOffAtRisk    = "CutOffAtRisk"          // what is open will not be done before the next cut-off at the present pace
	InDoubt         = "MovementsInDoubt"
	Breaks          = "ReconciliationBreaks"
	ConfigDrifted   = "DeployedConfigDrifted" // somebody changed what was applied
)

// FastTier is the engine's tier without windows of its own: its name is slo.FastTier, which is not for import here.
const FastTier = "page-fast"

// Labels of alerts beside those of the series, which package metricname spells.
const (
	LabelSeverity    = "severity" // a burnrate.Urgency: critical, high, medium or low
	LabelTier        = "tier"
	LabelLongWindow  = "long_window"
	LabelShortWindow = "short_window"
	LabelFactor      = "factor"
	LabelTeam        = "team" // the objective's own label of that name; absent if it has none
)

// Annotations of alerts.
const (
	AnnotationSummary     = "summary"
	AnnotationDescription = "description"
	AnnotationRunbook     = "runbook_url"
	AnnotationDashboard   = "dashboard_url"
	AnnotationAgent       = "agent_url"
)

// Team is who owns an objective, or "".
func Team(o *spec.Objective) string { return o.Labels[LabelTeam] }

// Refusal says that a dialect has no rule for an objective, or for one leg of it, and why.
type Refusal struct {
	Objective string
	Leg       string // a tier's name; empty: the whole objective
	Reason    string // for people
}
