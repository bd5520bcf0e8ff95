package generate

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// Config is the section generate of the agent file. Lay it over [Default].
type Config struct {
	ScrapeInterval time.Duration `yaml:"scrape_interval"` // of raw series, in the Prometheus that evaluates; 0: that of the agent
	Interval       time.Duration `yaml:"interval"`        // between evaluations of rules that page
	AgentSelector  string        `yaml:"agent_selector"`  // matchers of the agent's own series: job="assayer"
	Form           Form          `yaml:"form"`
	Parts          []Part        `yaml:"parts"` // empty: all; alertmanager only with receivers
	Links          LinksConfig   `yaml:"links"`
	Alertmanager   RoutingConfig `yaml:"alertmanager"`
	Grafana        GrafanaConfig `yaml:"grafana"`
	Kubernetes     Kubernetes    `yaml:"kubernetes"`
}

// LinksConfig are addresses that alerts and dashboards point people to.
type LinksConfig struct {
	Runbooks   string `yaml:"runbooks"`
	Dashboards string `yaml:"dashboards"`
	Agent      string `yaml:"agent"`
	Alerts     string `yaml:"alerts"`
}

// RoutingConfig says who is told, as alertmanager.Options has it.
type RoutingConfig struct {
	Receivers string            `yaml:"receivers"` // file of receivers in Alertmanager's own form; empty: no configuration is made
	Roles     map[string]string `yaml:"roles"`     // names of receivers by role
	AgentTeam string            `yaml:"agent_team"`
	GroupBy   []string          `yaml:"group_by"`
	// EnvironmentLabels tell environments apart that share the Alertmanager.
	EnvironmentLabels []string `yaml:"environment_labels"`

	EscalateCritical time.Duration `yaml:"escalate_critical"`
	EscalateHigh     time.Duration `yaml:"escalate_high"`
}

// GrafanaConfig says where dashboards and rules live in Grafana.
type GrafanaConfig struct {
	Folder     string `yaml:"folder"`
	Datasource string `yaml:"datasource"` // uid of the Prometheus that Grafana's own rules ask
}

// Default gives the defaults.
func Default() Config {
	return Config{
		Interval: 30 * time.Second, Form: Files, Grafana: GrafanaConfig{Folder: "Assayer", Datasource: "prometheus"},
		Alertmanager: RoutingConfig{AgentTeam: "assayer", EscalateCritical: 15 * time.Minute, EscalateHigh: time.Hour},
	}
}

// Validate returns every problem, as a [problem.List] with paths relative to the section.
func (c Config) Validate() error {
	var l problem.List
	wrong := func(path, got, allowed string) {
		l = append(l, problem.Problem{Path: path, Got: got, Allowed: allowed})
	}
	if c.Interval < time.Second || c.Interval > 5*time.Minute {
		wrong("interval", c.Interval.String(), "a duration from 1s to 5m")
	}
	if c.ScrapeInterval < 0 || c.ScrapeInterval > 5*time.Minute {
		wrong("scrape_interval", c.ScrapeInterval.String(), "a duration up to 5m; 0 for that of the agent")
	}
	if c.ScrapeInterval > c.Interval {
		wrong("interval", c.Interval.String(), "no less than scrape_interval, "+c.ScrapeInterval.String())
	}
	if _, err := parser.NewParser(parser.Options{}).ParseMetricSelector("{" + c.AgentSelector + "}"); c.AgentSelector != "" && err != nil {
		wrong("agent_selector", c.AgentSelector, `matchers such as job="assayer"`)
	}
	if !slices.Contains(Forms(), c.Form) {
		wrong("form", string(c.Form), list(Forms()))
	}
	for i, p := range c.Parts {
		if !slices.Contains(Parts(), p) {
			wrong(fmt.Sprintf("parts[%d]", i), string(p), list(Parts()))
		}
	}
	if slices.Contains(c.Parts, GrafanaRules) && slices.Contains(c.Parts, RuleTests) {
		wrong("parts", string(RuleTests), "it without "+string(GrafanaRules)+": promtool tests alerts of Prometheus, and Grafana has them then")
	}
	if slices.Contains(c.Parts, Routing) && c.Alertmanager.Receivers == "" {
		wrong("alertmanager.receivers", "", "a file of receivers, since the part alertmanager is asked for")
	}
	for _, link := range []struct{ path, url string }{
		{"links.runbooks", c.Links.Runbooks}, {"links.dashboards", c.Links.Dashboards}, {"links.agent", c.Links.Agent}, {"links.alerts", c.Links.Alerts},
	} {
		if u, err := url.Parse(link.url); link.url != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			wrong(link.path, link.url, "an http or https URL")
		}
	}
	return l.Err()
}

func list[T ~string](all []T) string {
	var names []string
	for _, x := range all {
		names = append(names, string(x))
	}
	return strings.Join(names, ", ")
}

// Objectives gives each objective the legs by which an agent with these burn alerts watches it; none: the built-in table.
func Objectives(objs []spec.Objective, custom []slo.TierRule) []alerts.Objective {
	out := make([]alerts.Objective, len(objs))
	for i := range objs {
		out[i] = alerts.Objective{Objective: objs[i], Tiers: slo.TiersFor(objs[i].Window.Length, objs[i].MinTierWindow, custom)}
	}
	return out
}

// asked are the parts to make: those that are written, or all for which there is enough but Grafana's rules, which take
// the place of alerts in Prometheus.
func (c Config) asked() []Part {
	if len(c.Parts) > 0 {
		return c.Parts
	}
	return slices.DeleteFunc(Parts(), func(p Part) bool { return p == GrafanaRules || p == Routing && c.Alertmanager.Receivers == "" })
}

// Input is what Generate is to make by c from what in has already: objectives, rails, the contents of files, the day.
func (c Config) Input(in Input) Input {
	trim := func(s string) string { return strings.TrimRight(s, "/") }
	links := alerts.Links{Runbooks: trim(c.Links.Runbooks), Dashboards: trim(c.Links.Dashboards), Agent: trim(c.Links.Agent), Alerts: trim(c.Links.Alerts)}
	if c.ScrapeInterval > 0 {
		in.Rules.ScrapeInterval = c.ScrapeInterval
	}
	in.Rules.Interval, in.Rules.AgentSelector, in.Rules.Links = c.Interval, c.AgentSelector, links
	in.Parts, in.Form, in.Kubernetes, in.Datasource = c.asked(), c.Form, c.Kubernetes, c.Grafana.Datasource
	in.Routing.File, in.Routing.Roles, in.Routing.AgentTeam, in.Routing.GroupBy = c.Alertmanager.Receivers, c.Alertmanager.Roles, c.Alertmanager.AgentTeam, c.Alertmanager.GroupBy
	in.Routing.Environments = c.Alertmanager.EnvironmentLabels
	in.Routing.EscalateCritical, in.Routing.EscalateHigh = c.Alertmanager.EscalateCritical, c.Alertmanager.EscalateHigh
	in.Dashboards = dashboards.Options{Folder: c.Grafana.Folder, Currency: in.Dashboards.Currency, Assets: in.Dashboards.Assets, AgentSelector: c.AgentSelector, Links: links}
	return in
}
