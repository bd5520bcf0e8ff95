package prometheus

import (
	"fmt"
	"strings"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
)

// AgentFiring names the record of where the agent calls for an alert that raw series cannot tell of, with the labels of
// the alert and its value: assayer:firing:CutOffAtRisk. While no agent is there it holds what the last one said.
func AgentFiring(alert string) string { return "assayer:firing:" + alert }

// holdFor is how long an agent's last word counts: long enough to get one back, and not so long that anybody acts on
// what was true yesterday.
const holdFor = time.Hour

// held are an alert that the agent alone can raise and the record it fires from. The record is what the agent says, and
// while none speaks what it was at the evaluation before: as of the last agent's last word. What agents took back while
// one of them still spoke is not held, nor is anything for longer than an hour. expr has the labels of the alert alone.
func (a *agent) held(r alerts.Rule, expr string) []alerts.Rule {
	name := AgentFiring(r.Alert)
	before, speaks := name, a.series(metricname.BuildInfo)
	if a.interval >= lookback { // Prometheus takes what is as old for gone
		before = "last_over_time(" + name + "[" + text(a.interval*3/2) + "])"
	}
	record := alerts.Rule{Record: name, Expr: fmt.Sprintf("%s\nor\n(\n  %s\n  unless on () %s\n  and on () count(last_over_time(%s[%s]))\n)",
		expr, before, speaks, speaks, text(holdFor))}
	if r.Expr == "" {
		r.Expr = name
	}
	return []alerts.Rule{record, r}
}

// lookback is for how long Prometheus takes a sample for present, unless it is told otherwise.
const lookback = 5 * time.Minute

// lastWord says of an alert that it is held; unless is what else speaks for it, or "". labels are those of the alert.
func (a *agent) lastWord(alert, unless string, labels ...string) string {
	matchers := make([]string, len(labels))
	for i, l := range labels {
		matchers[i] = l + "=%q"
	}
	expr := series(AgentFiring(alert), "", matchers...) + " unless on () " + series(metricname.BuildInfo, strings.ReplaceAll(a.agent, "%", "%%"))
	return "{{ with " + Query(expr+unless, labels...) + " }} No agent is there: that is what the last one said.{{ end }}"
}

// seen is where rules on raw series see events of an objective, so that its burn is theirs to tell while no agent is
// there.
func (a *agent) seen() string { return NativeTotalEvents(a.interval) }

// AbsentSeverity is how urgent it is that no agent is there: critical where something is then watched by nobody, be it
// movements of money or an objective that rules on raw series cannot judge.
func AbsentSeverity(objs []alerts.Objective, o alerts.Options) burnrate.Urgency {
	s := newSettings(o)
	if !o.Joined || o.Movements {
		return burnrate.Critical
	}
	for i := range objs {
		if s.agentAlone(&objs[i]) {
			return burnrate.Critical
		}
	}
	return Severity(alerts.AgentAbsent)
}

// agentAlone reports whether nothing but the agent can raise a burn alert on an objective.
func (s *settings) agentAlone(o *alerts.Objective) bool {
	if refusal(o) != "" {
		return true
	}
	for _, sel := range o.Selectors() {
		if metricname.OfMovements(sel.MetricName()) {
			return true // the agent's own series, which go with it
		}
	}
	for i := range o.Tiers {
		if s.refusedLeg(&o.Tiers[i]) == "" {
			return false
		}
	}
	return len(o.Tiers) > 0
}
