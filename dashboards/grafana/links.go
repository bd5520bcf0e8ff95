package grafana

import (
	"strings"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
)

// keep takes the time and the datasource along to the next screen.
const keep = "${__url_time_range}&${datasource:queryparam}"

// to is the address of another screen, with what variables shall be, such as var-slo={slo}.
func to(uid string, vars ...string) string {
	return "/d/" + uid + "?" + strings.Join(append(vars, keep), "&")
}

// ofObjective leads on from a value with the label slo.
func (g *gen) ofObjective() []link {
	all := []link{{title: "Objective", url: to(dashboards.UIDObjective, "var-slo={slo}")}}
	l := g.in.Options.Links
	if l.Runbooks != "" {
		all = append(all, link{title: "Runbook", url: l.Runbooks + "/{slo}.md"})
	}
	if l.Agent != "" {
		all = append(all, link{title: "What the agent says", url: l.Agent + "/slo/{slo}"})
	}
	if l.Alerts != "" {
		all = append(all, link{title: "Its alerts", url: l.Alerts + `/#/alerts?filter=%7Bslo%3D%22{slo}%22%7D`})
	}
	return all
}

// ofAService leads on from a value with the label service.
func ofAService() []link {
	return []link{{title: "Service", url: to(dashboards.UIDService, "var-service={service}")}}
}

// ofARail leads on from a value with the label rail.
func ofARail() []link {
	return []link{{title: "Settlement and cut-offs", url: to(dashboards.UIDSettlement, "var-rail={rail}")}}
}

// toAgent leads to the screen about the agent.
func toAgent() []link { return []link{{title: "The agent itself", url: to(dashboards.UIDAgent)}} }

// ways are the links above every screen.
func (g *gen) ways() []link {
	all := []link{{title: "Assayer", tag: dashboards.TagOwned}}
	l := g.in.Options.Links
	for _, to := range []link{{title: "Agent", url: l.Agent}, {title: "Alerts", url: l.Alerts}, {title: "Runbooks", url: l.Runbooks}} {
		if to.url != "" {
			all = append(all, to)
		}
	}
	return all
}

// markStep is how long a mark of a change lasts, so that a graph of any length shows it.
const markStep = time.Minute

// marks are the events drawn over all graphs.
func (g *gen) marks() []mark {
	before := " offset " + burnrate.Text(markStep)
	actions := func(when string) string { return sumBy("hook, kind, result", g.of(metricname.HookActionsTotal)+when) }
	builds := func(when string) string { return maxBy("version, revision", g.of(metricname.BuildInfo)+when) }
	return []mark{{
		name: "Alerts", level: red,
		expr:  maxBy("alertname, slo, rail, tier, severity", "ALERTS{"+among("alertname", alertNames()...)+`,alertstate="firing"}`),
		title: "{{alertname}}", text: "{{slo}}{{rail}} {{tier}}", tags: "severity",
	}, {
		name: "Actions of hooks", level: "blue",
		// What is new counts from nothing; an agent's restart is no action.
		expr:  actions("") + " - (" + actions(before) + " or 0 * " + actions("") + ") > 0",
		title: "Hook {{hook}}: {{result}}", text: "kind {{kind}}", tags: "hook,result",
	}, {
		name: "Budget policies", level: amber,
		expr:  maxBy("policy, rule, then, slo", g.of(metricname.PolicyActive, whole())) + " == 1",
		title: "{{policy}}: {{then}}", text: "{{slo}}, rule {{rule}}", tags: "policy,then",
	}, {
		name: "Agent's releases", level: "purple",
		expr:  builds("") + " unless " + builds(before),
		title: "Assayer {{version}}", text: "built from {{revision}}", tags: "version",
	}}
}

// alertNames are those whose firing is drawn.
func alertNames() []string {
	return []string{alerts.BudgetBurn, alerts.BudgetExhausted, alerts.Overdue, alerts.CutOffAtRisk, alerts.InDoubt, alerts.Breaks, alerts.AgentAbsent}
}

// Variables that several screens have.

func (g *gen) services() variable {
	return variable{name: "service", label: "Service", query: g.values(metricname.ObjectiveRatio, metricname.Service), multi: true}
}

func (g *gen) rails() variable {
	return variable{name: "rail", label: "Rail", query: g.values(metricname.TransactionsOpen, metricname.Rail), multi: true}
}

func (g *gen) values(name, label string, matchers ...string) string {
	return "label_values(" + g.of(name, matchers...) + ", " + label + ")"
}

// stateWords are the states of objectives, the worst with the highest number.
func stateWords() words {
	return words{{0, "ok", fine}, {1, "unknown", "purple"}, {2, "burning", amber}, {3, "exhausted", red}}
}

func yesNo(yes string, bad level, no string) words { return words{{0, no, fine}, {1, yes, bad}} }
