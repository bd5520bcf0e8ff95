package grafana

import (
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/reason"
)

// spans are the stretches over which figures for the board are given.
func spans() [][2]string {
	return [][2]string{{"30d", "last 30 days"}, {"7d", "last 7 days"}, {"24h", "last 24 hours"}}
}

// overSpans asks the same of each span.
func overSpans(expr func(window string) string) []query {
	var all []query
	for _, s := range spans() {
		all = append(all, query{expr: expr(s[0]), legend: s[1]})
	}
	return all
}

// executive is few numbers in plain words, with money first.
func (g *gen) executive() screen {
	return screen{
		uid: dashboards.UIDExecutive, title: "Assayer: executive", tag: "executive", refresh: "5m", from: "now-30d", to: "now",
		text: "Whether customers get their money on time, what is at risk, and which products are out of budget. Figures go as far back as Prometheus keeps them.",
		vars: []variable{g.rails(), g.services()},
		rows: []row{
			{title: "Money on time", panels: g.onTime()},
			{title: "Money at risk", panels: g.atRisk()},
			{title: "Acceptance and returns", panels: g.acceptance()},
			{title: "Budgets by product", panels: g.products()},
			{title: "Regulators' figures", panels: g.regulatory()},
		},
	}
}

// counted is how many movements were counted over a window.
func (g *gen) counted(by, window string, matchers ...string) string {
	return sumBy(by, increase(g.of(metricname.Transactions, append(matchers, ofRail())...), window))
}

// good is the share of what was good, of what was judged, where nothing bad may mean no such series.
func good(good, all string) string { return "(" + good + " or 0 * " + all + ") / (" + all + " > 0)" }

func (g *gen) onTime() []panel {
	inTime := func(window string) string {
		return good(g.counted("", window, is(metricname.EndToEnd, metricname.Good)), g.counted("", window, judged(metricname.EndToEnd)))
	}
	value := func(window string) string {
		sum := func(outcome string) string {
			return g.money(metricname.TransactionsValue, "", over(window), outcome, ofRail())
		}
		return good(sum(is(metricname.EndToEnd, metricname.Good)), "("+sum(judged(metricname.EndToEnd))+")")
	}
	moved := func(when string) string {
		if when != "" {
			when = " offset " + when
		}
		return g.money(metricname.TransactionsValue, "", func(s string) string { return "increase(" + s + "[24h]" + when + ")" }, ofRail(), is(metricname.EndToEnd, metricname.Good))
	}
	return []panel{{
		kind: number, title: "Payments on time", w: 8, h: 6, unit: percent, empty: noTransactions,
		text:    "Share of payments that reached the customer before their deadline, whoever was at fault. Promised: the least that any objective about a rail promises.",
		queries: limited(overSpans(inTime), g.promisedLeast(), "promised"), limits: g.onTimeLimits(),
	}, {
		kind: number, title: "Value on time", w: 8, h: 6, unit: percent, empty: noValues,
		text:    "The same by value: one late payment of a million weighs as much as a thousand of a thousand.",
		queries: overSpans(value), limits: g.onTimeLimits(),
	}, {
		kind: number, title: g.moneyTitle("Value processed"), w: 4, h: 6, unit: g.moneyUnit(), empty: noValues,
		text:    "Value that reached customers in the last 24 hours, and in the same 24 hours a week before: the last comparable day.",
		queries: []query{{expr: moved(""), legend: g.moneyLegend("last 24 hours")}, {expr: moved("1w"), legend: g.moneyLegend("a week before")}},
	}, {
		kind: number, title: "Value processed, against a week before", w: 4, h: 6, unit: percent, empty: "Nothing to compare with: no value a week ago.",
		text:    "How much more or less value moved in the last 24 hours than in those a week before.",
		queries: []query{{expr: "(" + moved("") + " - " + moved("1w") + ") / (" + moved("1w") + " > 0)", legend: g.moneyLegend("change")}},
		limits:  below(-0.05, -0.1),
	}}
}

// promisedLeast is the least that is promised of any rail's movements; empty where nothing is.
func (g *gen) promisedLeast() string {
	var names []string
	for _, o := range g.railObjectives() {
		names = append(names, o.slo)
	}
	if len(names) == 0 {
		return ""
	}
	return minBy("", g.of(metricname.ObjectiveRatio, among(metricname.SLO, names...), whole()))
}

func (g *gen) atRisk() []panel {
	money := func(name string) string { return g.money(name, "", plain, ofRail()) }
	lateValue := func(window string) string {
		return g.money(metricname.TransactionsValue, "", over(window), is(metricname.Class, late), ofRail())
	}
	failed := func(window string) string {
		return g.money(metricname.TransactionsValue, "", over(window), is(metricname.EndToEnd, metricname.Bad), ofRail())
	}
	return []panel{{
		kind: number, title: g.moneyTitle("Money at risk now"), w: 12, h: 6, unit: g.moneyUnit(), empty: noValues,
		text: "What is late, what nobody knows the fate of, and what has to be done before the next cut-off. What is in doubt may also be late or due, so the three are not added up. Movements in other currencies than the reporting one are not in it.",
		queries: []query{
			{expr: money(metricname.TransactionsOverdueValue), legend: g.moneyLegend("late")},
			{expr: money(metricname.TransactionsInDoubtValue), legend: g.moneyLegend("in doubt")},
			{expr: money(metricname.TransactionsDueValue), legend: g.moneyLegend("due before the next cut-off")},
		},
		links: []link{{title: "Settlement and cut-offs", url: to(dashboards.UIDSettlement)}},
	}, {
		kind: number, title: g.moneyTitle("Money delayed"), w: 6, h: 6, unit: g.moneyUnit(), empty: noValues + " Or nothing was late.",
		text: "Value of payments whose deadline passed before they ended.", queries: overSpans(lateValue),
	}, {
		kind: number, title: "Longest delay", w: 6, h: 6, unit: seconds, empty: noTransactions,
		text:    "The oldest that any open payment was in the time shown.",
		queries: []query{{expr: maxBy("", "max_over_time("+g.of(metricname.TransactionsOldest, ofRail())+"[$__range])"), legend: "longest wait"}},
	}, {
		kind: graph, title: g.moneyTitle("Money at risk over time"), w: 12, h: 8, unit: g.moneyUnit(), empty: noValues,
		text: "The same over time, so that a pile that grows is told from one that is being worked off.",
		queries: []query{
			{expr: money(metricname.TransactionsOverdueValue), legend: g.moneyLegend("late")},
			{expr: money(metricname.TransactionsInDoubtValue), legend: g.moneyLegend("in doubt")},
			{expr: money(metricname.TransactionsDueValue), legend: g.moneyLegend("due before the next cut-off")},
		},
	}, {
		kind: number, title: g.moneyTitle("Value of payments that failed"), w: 12, h: 8, unit: g.moneyUnit(), empty: noValues + " Or nothing failed.",
		text: "Value that did not reach customers for technical reasons, ours or others'. It is what forgone revenue and penalties are computed from; those need fees, which the agent is not told.", queries: overSpans(failed),
	}}
}

func (g *gen) acceptance() []panel {
	accepted := func(window string) string {
		return good(g.counted("", window, is(metricname.EndToEnd, metricname.Good)), g.counted("", window))
	}
	business := func(window string) string {
		return basisPoints(good(g.counted("", window, is(metricname.Class, string(reason.Business))), g.counted("", window)))
	}
	settled := g.counted(byRail, "$__range", is(metricname.EndToEnd, metricname.Good))
	theirs := g.counted(byRail, "$__range", among(metricname.Class, string(reason.TechnicalPeer), string(reason.TechnicalScheme)))
	return []panel{{
		kind: number, title: "Payments accepted", w: 6, h: 6, unit: percent, empty: noTransactions,
		text: "Share of all payments that were carried out, customers' own declines included among those that were not.", queries: overSpans(accepted),
	}, {
		kind: number, title: "Customers' declines", w: 6, h: 6, unit: basis, empty: noTransactions,
		text: "Payments declined for the customer's own reasons, such as funds or limits. Look at the trend: a jump can be a fault of ours.", queries: overSpans(business),
	}, {
		kind: table, title: "Returned payments", w: 6, h: 6, unit: none, empty: "Nothing was returned in the time shown, or no movements are told of.",
		text:    "Settled payments that were sent back, of those that settled. The bounds are those of the ACH rules: 0.5 % unauthorised, 3 % administrative, 15 % overall.",
		labels:  []string{"rail"},
		queries: []query{{expr: share(sumBy(byRail, increase(g.of(metricname.TransactionsReturns, ofRail()), "$__range")), settled)}},
		columns: []column{{title: "Returned", unit: percent, limits: above(0.005, 0.03)}}, links: ofARail(),
	}, {
		kind: table, title: "Third parties", w: 6, h: 6, unit: none, empty: "No failure of a peer or scheme in the time shown, or no movements are told of.",
		text:    "Share of payments that failed technically at the other bank or in the scheme, rail by rail.",
		labels:  []string{"rail"},
		queries: []query{{expr: share(theirs, g.counted(byRail, "$__range"))}},
		columns: []column{{title: "Failed there", unit: percent}}, links: ofARail(),
	}}
}

// ofTeam adds the label team to what is known of each objective. While agents disagree, one of their answers is taken.
func (g *gen) ofTeam(expr string) string {
	teams := maxBy(bySLO+", team", g.of(metricname.Info, whole()))
	return "(" + expr + ") * on (" + bySLO + ") group_left (team) topk by (" + bySLO + ") (1, " + teams + ")"
}

func (g *gen) products() []panel {
	pages := "ceil(" + maxBy("slo, service, tier", "changes("+g.of(metricname.Firing, ofService(), whole(), is(metricname.Severity, "page"))+"[$__range])") + " / 2)"
	return []panel{{
		kind: table, title: "Error budget by product", w: 12, h: 9, unit: none, empty: noObjectives,
		text:   "The worst objective of each product and team: its state, and what is left of its budget. 0 % is spent. The team is the objective's label of that name.",
		labels: []string{"service", "team"},
		queries: []query{
			{expr: maxBy("service, team", g.ofTeam(g.state(bySLO, ofService(), whole())))},
			{expr: minBy("service, team", g.ofTeam(minBy(bySLO, g.of(metricname.BudgetRemainingRatio, ofService(), whole()))))},
		},
		columns: []column{{title: "State", unit: none, words: stateWords()}, {title: "Budget left", unit: percent, limits: below(0.25, 0), empty: "never fed"}},
		links:   ofAService(),
	}, {
		kind: table, title: "Times people were paged", w: 12, h: 9, unit: count, empty: noObjectives,
		text:    "How often a fast burn of a product's budget began in the time shown.",
		labels:  []string{"service"},
		queries: []query{{expr: sumBy(metricname.Service, pages)}},
		columns: []column{{title: "Pages", unit: count, limits: above(1, 4)}}, links: ofAService(),
	}}
}

// regulatory are the two figures of the screen about compliance that a board knows by name.
func (g *gen) regulatory() []panel {
	on := []link{{title: "Compliance", url: to(dashboards.UIDCompliance)}}
	return []panel{{
		kind: number, title: "Downtime used of 4 hours in twelve months", w: 12, h: 6, unit: percent, limits: above(0.75, 1), empty: noObjectives, links: on,
		text:    "Of the objective that has used most of it: the share of bad events of the last year, as if it were time.",
		queries: []query{{expr: "topk(1, " + g.downtimeUsed() + ")", legend: "{{slo}}"}},
	}, {
		kind: number, title: "Availability in the last 90 days", w: 12, h: 6, unit: percent, limits: below(0.999, quarterlyUptime), empty: noObjectives, links: on,
		text:    "Of the objective that was available least.",
		queries: []query{{expr: "bottomk(1, " + g.keptOver("90d") + ")", legend: "{{slo}}"}},
	}}
}
