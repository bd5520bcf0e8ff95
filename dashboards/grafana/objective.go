package grafana

import (
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/slo/metricname"
)

// objective is one objective in all that is known of it.
func (g *gen) objective() screen {
	return screen{
		uid: dashboards.UIDObjective, title: "Assayer: objective", tag: "objective", refresh: "30s", from: "now-24h", to: "now",
		text: "One objective: what is promised, what is left of its budget, how fast it burns, which alert legs fire, and what stands behind the numbers. The choice of group shows the whole objective unless groups are chosen.",
		vars: []variable{
			{name: "slo", label: "Objective", query: g.values(metricname.ObjectiveRatio, metricname.SLO)},
			// The whole has no label group: only an expression that matches nothing finds it.
			{name: "group", label: "Group (All: the whole)", query: g.values(metricname.ObjectiveRatio, metricname.Group, ofSLO()), multi: true, all: "^$"},
		},
		rows: []row{
			{title: "Now", panels: g.objectiveNow()},
			{title: "Budget and burn", panels: g.budgetAndBurn()},
			{title: "What was counted", panels: g.countedEvents()},
			{title: "Groups, policies, what stands behind it", panels: g.behind()},
		},
	}
}

// Labels of alert legs, and those that say what a leg looks at.
const (
	leg        = "group, tier, severity"
	legWindows = "urgency, long_window, short_window, factor"
)

// byGroup keeps groups apart; the whole has no such label.
const byGroup = "slo, group"

func (g *gen) objectiveNow() []panel {
	own := []string{ofSLO(), ofGroup()}
	text := func(title, text string, q query, unit string, limits []limit, w words, empty string) panel {
		return panel{kind: number, title: title, text: text, w: 6, h: 5, unit: unit, limits: limits, words: w, empty: empty, queries: []query{q}, links: g.ofObjective()[1:]}
	}
	return []panel{
		{
			kind: table, title: "What it is", w: 24, h: 4, unit: none, empty: noObjectives,
			text:    "Its name for people, whose it is, how and over which window it counts.",
			labels:  []string{"slo", "display_name", "service", "team", "method", "window"},
			queries: []query{{expr: maxBy("slo, display_name, service, team, method, window", g.of(metricname.Info, ofSLO(), whole()))}},
			columns: []column{{title: "Known", unit: none, words: words{{1, "to the agent", fine}}}}, links: append(g.ofObjective()[1:], ofAService()...),
		},
		text("State", "The worst that any agent says. unknown means that too little is observed to judge: never all-clear.",
			query{expr: g.state(byGroup, own...), legend: "{{group}}"}, none, nil, stateWords(), noObjectives),
		text("Budget left", "1 untouched, 0 spent, below 0 overspent.",
			query{expr: minBy(byGroup, g.of(metricname.BudgetRemainingRatio, own...)), legend: "{{group}}"}, percent, below(0.5, 0.2), nil, "No target has fed this objective yet."),
		text("Budget spent in", "At the present rate.",
			query{expr: minBy(byGroup, g.of(metricname.BudgetExhaustionTime, own...)) + " - time()", legend: "{{group}}"}, seconds, nil, nil, "Not in sight at the present rate."),
		text("Promised", "Share of good events, or slices of time.",
			query{expr: maxBy(byGroup, g.of(metricname.ObjectiveRatio, own...)), legend: "{{group}}"}, percent, nil, nil, noObjectives),
	}
}

func (g *gen) budgetAndBurn() []panel {
	own := []string{ofSLO(), ofGroup()}
	bound := func(which string) query {
		return query{expr: minBy(byGroup, g.of(metricname.BudgetExhaustionBound, append(own, is(metricname.Bound, which))...)) + " - time()", legend: "{{group}} " + which}
	}
	return []panel{{
		kind: graph, title: "Burn rate by window", w: 12, h: 9, unit: factor, empty: noObjectives,
		text:    "Error ratio over each window, divided by what is allowed. Dashed: 1×, at which the budget is spent exactly by the end of its window.",
		queries: limited([]query{{expr: maxBy("slo, group, window", g.of(metricname.BurnRate, own...)), legend: "{{group}} {{window}}"}}, "vector(1)", "1×"),
		limits:  g.burnLimits(),
	}, {
		kind: table, title: "Alert legs", w: 12, h: 9, unit: none, empty: noObjectives,
		text:    "Each leg pages or files a ticket while both its windows burn faster than its factor.",
		labels:  []string{"group", "tier", "severity", "urgency", "long_window", "short_window", "factor"},
		queries: []query{{expr: maxBy(leg, g.of(metricname.Firing, own...)) + " * on (" + leg + ") group_left (" + legWindows + ") topk by (" + leg + ") (1, " + maxBy(leg+", "+legWindows, g.of(metricname.TierInfo, own...)) + ")"}},
		columns: []column{{title: "Firing", unit: none, words: yesNo("firing", red, "quiet")}},
	}, {
		kind: graph, title: "Budget left over time", w: 12, h: 9, unit: percent, empty: "No target has fed this objective yet.", signed: true,
		text:    "How much is left, from 100 % untouched to 0 % spent, and below.",
		queries: []query{{expr: minBy(byGroup, g.of(metricname.BudgetRemainingRatio, own...)), legend: "{{slo}} {{group}}"}}, limits: below(0.5, 0.2),
	}, {
		kind: graph, title: "When the budget is spent", w: 12, h: 9, unit: seconds, empty: "Not in sight at the present rate.",
		text: "Time until nothing is left at the present rate, and between when and when that is with 95 % confidence.",
		queries: []query{
			{expr: minBy(byGroup, g.of(metricname.BudgetExhaustionTime, own...)) + " - time()", legend: "{{group}} expected"},
			bound(metricname.Earliest), bound(metricname.Latest),
		},
	}}
}

func (g *gen) countedEvents() []panel {
	own := []string{ofSLO(), ofGroup()}
	outcomes := []string{metricname.Good, metricname.Bad, metricname.Excluded, metricname.Pending}
	return []panel{{
		kind: graph, title: "Error ratio by window", w: 12, h: 9, unit: percent, empty: noObjectives,
		text:    "Bad events of those that count, over each window. Dashed: what is allowed.",
		queries: limited([]query{{expr: maxBy("slo, group, window", g.of(metricname.ErrorRatio, own...)), legend: "{{group}} {{window}}"}}, "1 - "+maxBy(byGroup, g.of(metricname.ObjectiveRatio, own...)), "{{group}} allowed"),
	}, {
		kind: graph, title: "Events a second, by outcome", w: 12, h: 9, unit: perSecond, stacked: true, names: outcomes, empty: "This objective counts money: see beside. Or it is not known.",
		text:    "What all agents together counted; slices of time where that is how the objective counts.",
		queries: []query{{expr: g.events("outcome", own...), legend: "{{outcome}}"}},
	}, {
		kind: graph, title: g.moneyTitle("Value a second, by outcome"), w: 12, h: 9, unit: g.moneyUnit(), stacked: true, names: outcomes, empty: "This objective counts events, not money: see above.",
		text:    "The same of objectives that count money.",
		queries: []query{{expr: g.money(metricname.SLIValueTotal, "outcome", rate, own...), legend: g.moneyLegend("{{outcome}}")}},
	}, {
		kind: states, title: "State over time", w: 12, h: 9, unit: none, empty: noObjectives, words: stateWords(),
		text:    "The worst that any agent says, in words.",
		queries: []query{{expr: g.state(byGroup, own...), legend: "{{slo}} {{group}}"}},
	}}
}

func (g *gen) behind() []panel {
	own := []string{ofSLO(), ofGroup()}
	groups := []string{ofSLO(), isNot(metricname.Group, "")}
	worst := minBy("group", g.of(metricname.BudgetRemainingRatio, groups...))
	return []panel{{
		kind: table, title: "Worst groups", w: 12, h: 9, unit: none, empty: "This objective has no groups (groupBy), or none was fed.",
		text:    "The twenty groups with the least budget left.",
		labels:  []string{"group"},
		queries: []query{{expr: "bottomk(20, " + worst + ")"}},
		columns: []column{{title: "Budget left", unit: percent, limits: below(0.5, 0.2)}},
		links:   []link{{title: "This group", url: to(dashboards.UIDObjective, "var-slo=${slo:raw}", "var-group={group}")}},
	}, {
		kind: table, title: "Budget policies", w: 12, h: 9, unit: none, empty: "No budget policy is about this objective.",
		text:    "What follows from each rule, and whether it holds now.",
		labels:  []string{"group", "policy", "rule", "then"},
		queries: []query{{expr: maxBy("group, policy, rule, then", g.of(metricname.PolicyActive, own...))}},
		columns: []column{{title: "Now", unit: none, words: yesNo("holds", amber, "does not hold")}},
	}, {
		kind: graph, title: "How much was observed", w: 24, h: 8, unit: percent, max: 1, empty: noObjectives, limits: below(0.9, 0.5),
		text: "Share of the window that was really observed since watching began, and share of it that lies after watching began. A budget with little behind it is a guess.",
		queries: []query{
			{expr: minBy(byGroup, g.of(metricname.CoverageRatio, own...)), legend: "{{group}} observed"},
			{expr: minBy(byGroup, g.of(metricname.WindowFilledRatio, own...)), legend: "{{group}} watched"},
		},
	}}
}
