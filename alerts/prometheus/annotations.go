package prometheus

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
)

// Query is a pipeline of a template that gives what a PromQL expression gives, or nothing. Each %q of the expression
// becomes the value of one of the alert's labels, and that of a label it does not have an empty string.
func Query(expr string, labels ...string) string {
	var b strings.Builder
	b.WriteString("printf " + strconv.Quote(expr))
	for _, l := range labels {
		b.WriteString(" $labels." + l)
	}
	return b.String() + " | query"
}

// Phrase says before, the first value that query gives, formatted by a function of Prometheus' templates, and after. It
// says nothing if query gives nothing, is empty or is not known to who renders the template: an annotation that cannot
// be made must not cost the alert its words.
func Phrase(query, before, format, after string) string {
	switch query {
	case "":
		return ""
	case OwnValue:
		return before + "{{ $value | " + format + " }}" + after
	}
	return "{{ with " + query + " }}" + before + "{{ . | first | value | " + format + " }}" + after + "{{ end }}"
}

// OwnValue stands for the value of the alert's expression where a query is asked for.
const OwnValue = "$value"

// Formats of numbers in templates.
const (
	threeDigits = `printf "%.3g"`
	percentage  = "humanizePercentage"
	moment      = "humanizeTimestamp"
)

// BurnFacts are what is known of a burn beyond the alert's labels, as queries (see Query and OwnValue). What is empty is
// left unsaid.
type BurnFacts struct {
	LongBurn   string // burn rate over the long window
	ShortBurn  string // likewise, short
	Remaining  string // share of the budget that is left
	ExhaustsAt string // Unix seconds
	Since      string // Unix seconds
	Lost       string // a whole sentence about money, as a template, or ""
}

// theObjective names the objective or the group of it that an alert is about.
const theObjective = `{{ $labels.slo }}{{ with $labels.group }} ({{ . }}){{ end }}`

// whose adds the service and its owner.
const whose = `of service {{ $labels.service }}{{ with $labels.team }}, owned by {{ . }},{{ end }}`

// BurnAnnotations are those of BudgetBurn in both modes: what burns, how fast, over which windows, what is left, since
// when, and where to look.
func BurnAnnotations(f BurnFacts, links alerts.Links) map[string]string {
	summary := `{{ if eq $labels.tier "` + alerts.FastTier + `" }}` + theObjective + ` fails altogether, or nearly so{{ else }}` +
		theObjective + ` burns its error budget` + Phrase(f.LongBurn, " ", threeDigits, " times as fast as it may") + `{{ end }}`
	description := `{{ if eq $labels.tier "` + alerts.FastTier + `" }}So many events of ` + theObjective + ` ` + whose + ` failed that it is no chance.{{ else }}` +
		`The errors of ` + theObjective + ` ` + whose + ` came` +
		Phrase(f.LongBurn, " ", threeDigits, " times as fast as the objective allows") + ` over {{ $labels.long_window }} and` +
		Phrase(f.ShortBurn, " ", threeDigits, " times as fast") + ` over {{ $labels.short_window }}; the limit of {{ $labels.tier }} is {{ $labels.factor }} times.{{ end }}` +
		Phrase(f.Remaining, " ", percentage, " of the error budget is left.") +
		Phrase(f.ExhaustsAt, " At this rate it is spent at ", moment, ".") +
		Phrase(f.Since, " Since ", moment, ".") + f.Lost
	return linked(summary, description, aboutObjective, links)
}

// BurnSince is when the burn alert began, which holds for whoever raises it: it is one alert.
func BurnSince() string {
	return Query(`min(ALERTS_FOR_STATE{alertname="`+alerts.BudgetBurn+`",slo=%q,service=%q,group=%q,tier=%q})`,
		metricname.SLO, metricname.Service, metricname.Group, metricname.Tier)
}

// ExhaustedAnnotations are those of BudgetExhausted in both modes; remaining is a query for the share that is left.
func ExhaustedAnnotations(remaining, lost string, links alerts.Links) map[string]string {
	return linked("Nothing is left of the error budget of "+theObjective,
		"More failed of "+theObjective+" "+whose+" than its objective allows."+
			Phrase(remaining, " Of its error budget ", percentage, " is left; less than nothing is overspent.")+lost+
			" What the budget policy says about spent budgets applies until it recovers.", aboutObjective, links)
}

// UnobservedAnnotations are those of Unobserved in both modes.
func UnobservedAnnotations(links alerts.Links) map[string]string {
	return linked("Too little is seen of "+theObjective+" to judge it",
		"For a quarter of an hour too little was seen of "+theObjective+" "+whose+" to say whether it keeps its objective: its targets are down, or answer without its series. "+
			"Nothing acts on it meanwhile, and no news is not good news. The agent's page says what is missing.", aboutObjective, links)
}

// subject is what an alert is about, and so where its links go.
type subject int

const (
	aboutObjective subject = iota
	aboutRail
	aboutAgent
	aboutNothing // no link helps
)

// Dashboards that links go to: dashboards.UIDObjective and so on, which is not for import here.
const (
	objectiveScreen  = "assayer-objective"
	settlementScreen = "assayer-settlement"
	agentScreen      = "assayer-agent"
)

// linked are annotations with links to what there is.
func linked(summary, description string, about subject, links alerts.Links) map[string]string {
	a := map[string]string{alerts.AnnotationSummary: summary, alerts.AnnotationDescription: description}
	set := func(key, base, path string) {
		if base != "" {
			a[key] = base + path
		}
	}
	switch about {
	case aboutObjective:
		set(alerts.AnnotationRunbook, links.Runbooks, "/{{ $labels.slo }}.md")
		set(alerts.AnnotationDashboard, links.Dashboards, "/d/"+objectiveScreen+"?var-slo={{ $labels.slo | urlquery }}{{ with $labels.group }}&var-group={{ . | urlquery }}{{ end }}")
		set(alerts.AnnotationAgent, links.Agent, "/slo/{{ $labels.slo }}")
	case aboutRail:
		set(alerts.AnnotationDashboard, links.Dashboards, "/d/"+settlementScreen+"?var-rail={{ $labels.rail | urlquery }}")
		set(alerts.AnnotationAgent, links.Agent, "/")
	case aboutAgent:
		set(alerts.AnnotationDashboard, links.Dashboards, "/d/"+agentScreen)
		set(alerts.AnnotationAgent, links.Agent, "/")
	case aboutNothing:
	}
	return a
}

// Timing says for how long the condition of an alert must hold before it fires, and for how long it goes on firing when
// the condition no longer holds. Both modes use it.
//
//	ErrorBudgetBurn        0     2m   its legs have windows of their own, and every minute counts; two minutes bridge a
//	                                  restart of the agent, and the change from one mode to the other
//	ErrorBudgetExhausted   5m    1h   no hurry, and a budget about to be spent crosses the line to and fro
//	ObjectiveUnobserved    15m   5m   a deployment or a restart of targets is over by then
//	AssayerAbsent          2m    5m   a restart is over by then; the native rules watch from the first moment
//	AssayerUnhealthy       its conditions say themselves for how long they must hold: see unhealthy
//	SettlementOverdue      5m    10m  confirmations that come late are seldom later than that
//	CutOffAtRisk           5m    10m  the pace is that of ten minutes, and jumps about when little is open
//	MovementsInDoubt       15m   15m  inquiries are answered by then
//	ReconciliationBreaks   1h    30m  the two sides tell of a movement at different times
//	DeployedConfigDrifted  10m   10m  whoever applies a change needs a while to be done
func Timing(alert string) (wait, keep time.Duration) {
	switch alert {
	case alerts.BudgetBurn:
		return 0, 2 * time.Minute
	case alerts.BudgetExhausted:
		return 5 * time.Minute, time.Hour
	case alerts.Unobserved:
		return 15 * time.Minute, 5 * time.Minute
	case alerts.AgentAbsent:
		return 2 * time.Minute, 5 * time.Minute
	case alerts.Overdue, alerts.CutOffAtRisk:
		return 5 * time.Minute, 10 * time.Minute
	case alerts.InDoubt:
		return 15 * time.Minute, 15 * time.Minute
	case alerts.Breaks:
		return time.Hour, 30 * time.Minute
	case alerts.ConfigDrifted:
		return 10 * time.Minute, 10 * time.Minute
	}
	return 0, 0
}

// Severity is how urgent an alert is whose legs do not say so themselves; "" for those that have legs or conditions.
// What is at risk of missing its cut-off cannot be saved later, and nobody is watching while no agent is there.
func Severity(alert string) burnrate.Urgency {
	switch alert {
	case alerts.CutOffAtRisk:
		return burnrate.Critical
	case alerts.AgentAbsent, alerts.Overdue, alerts.InDoubt:
		return burnrate.High
	case alerts.BudgetExhausted, alerts.Unobserved, alerts.Breaks:
		return burnrate.Medium
	case alerts.ConfigDrifted:
		return burnrate.Low
	}
	return ""
}

// series spells a selector: the metric, further matchers and those of the agent.
func series(metric, agent string, matchers ...string) string {
	if agent = strings.Trim(agent, ", "); agent != "" {
		matchers = append(matchers, agent)
	}
	if len(matchers) == 0 {
		return metric
	}
	return fmt.Sprintf("%s{%s}", metric, strings.Join(matchers, ","))
}
