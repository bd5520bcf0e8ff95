package grafana

import (
	"strings"

	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/reason"
)

// onCall is what somebody who was woken looks at first.
func (g *gen) onCall() screen {
	return screen{
		uid: dashboards.UIDOnCall, title: "Assayer: on call", tag: "on-call", refresh: "10s", from: "now-3h", to: "now",
		text: "What burns now, how fast, what is left, what is open and due, and what has changed. Every value leads on to its objective, rail or agent.",
		vars: []variable{g.services(), g.rails()},
		rows: []row{
			{title: "Burning now", panels: g.burning()},
			{title: "Movements of money: ours, theirs, and how long they take", panels: g.flow()},
			{title: "Open, in doubt, due", panels: g.openNow()},
			{title: "Saturation, peers, books", panels: g.pressure()},
			{title: "Changes, and the agent's own health", panels: g.changes()},
		},
	}
}

// Why a panel can be empty, said in its place.
const (
	noObjectives   = "No objective is known: no agent is scraped, or it has none of this service."
	noTransactions = "No movements of money: the agent is told of none on this rail (collectors.transactions)."
	noValues       = "No value: no movements in this currency, or global.reporting_currency is not set."
	noMoneyBudgets = "No objective counts money: that needs a weight, or a rail's value objective."
)

func (g *gen) burning() []panel {
	windows := g.pageWindows()
	burn := func(counted string) string {
		return "topk(10, " + maxBy("slo, service, window", g.of(metricname.BurnRate, ofService(), whole(), among(metricname.Window, windows...))+" and on (slo, service) "+g.of(counted, whole())) + ")"
	}
	legend := "{{slo}} over {{window}}"
	about := "Error ratio over " + strings.Join(windows, ", ") + " divided by what the objective allows, the ten fastest. 1× spends the budget exactly by the end of its window. "
	return []panel{{
		kind: table, title: "State and budget left", w: 24, h: 9, unit: none, empty: noObjectives,
		text:   "Every objective: its state, what is left of its error budget, and in how long the rest is spent at the present rate. What is left is missing as long as no target has fed the objective.",
		labels: []string{"slo", "service"},
		queries: []query{
			{expr: g.state(bySLO, ofService(), whole())},
			{expr: minBy(bySLO, g.of(metricname.BudgetRemainingRatio, ofService(), whole()))},
			{expr: minBy(bySLO, g.of(metricname.BudgetExhaustionTime, ofService(), whole())) + " - time()"},
			{expr: maxBy(bySLO, g.of(metricname.BurnRate, ofService(), whole(), among(metricname.Window, windows...)))},
			{expr: maxBy(bySLO, g.of(metricname.Observed, ofService(), whole()))},
		},
		columns: []column{
			{title: "State", unit: none, words: stateWords()},
			{title: "Budget left", unit: percent, limits: below(0.5, 0.2), empty: "never fed"},
			{title: "Spent in", unit: seconds, empty: "not in sight"},
			{title: "Fastest burn", unit: factor, limits: g.burnLimits()},
			{title: "Seen", unit: none, words: words{{0, "too little to judge", amber}, {1, "enough", fine}}},
		},
		links: append(g.ofObjective(), ofAService()...),
	}, {
		kind: graph, title: "Burn now, by number", w: 12, h: 9, unit: factor, empty: noObjectives, limits: g.burnLimits(),
		text:    about + "Objectives that count events.",
		queries: []query{{expr: burn(metricname.SLIEventsTotal), legend: legend}}, links: g.ofObjective(),
	}, {
		kind: graph, title: "Burn now, by value", w: 12, h: 9, unit: factor, empty: noMoneyBudgets, limits: g.burnLimits(),
		text:    about + "Objectives that count money, beside those that count events: few large failures burn here, many small ones there.",
		queries: []query{{expr: burn(metricname.SLIValueTotal), legend: legend}}, links: g.ofObjective(),
	}}
}

// movements is the rate of a rail's movements.
func (g *gen) movements(by string, matchers ...string) string {
	return sumBy(by, rate(g.of(metricname.Transactions, append(matchers, ofRail())...)))
}

// success is the share of a rail's movements that were good, of those that count.
func (g *gen) success(label string) string {
	all := g.movements(byRail, judged(label))
	bad := "(" + g.movements(byRail, is(label, metricname.Bad)) + " or 0 * " + all + ")"
	return "1 - " + share(bad, all)
}

// late is the class of movements whose deadline passed.
const late = "late"

// failureClasses are whose fault a failed movement is, in the order in which they are stacked.
func failureClasses() []string {
	classes := []string{late}
	for _, c := range []reason.Class{
		reason.TechnicalOwn, reason.TechnicalPeer, reason.TechnicalScheme, reason.TechnicalUnknown, reason.Format,
		reason.InDoubt, reason.Duplicate, reason.Routing, reason.CutOff, reason.Liquidity, reason.Ambiguous,
	} {
		classes = append(classes, string(c))
	}
	return classes
}

func (g *gen) flow() []panel {
	failed := among(metricname.Class, failureClasses()...)
	quantile := func(q string) string {
		return "histogram_quantile(" + q + ", " + sumBy("rail, le", rate(g.of(metricname.TransactionsSettlement+"_bucket", ofRail()))) + ")"
	}
	return []panel{{
		kind: graph, title: "Own technical success by rail", w: 12, h: 8, unit: percent, max: 1, empty: noTransactions,
		text:    "Share of movements that did not fail through us, of those that count. Dashed: what is promised, where an objective counts the rail's movements.",
		queries: limited([]query{{expr: g.success(metricname.Outcome), legend: "{{rail}}"}}, g.promised(), "{{rail}} promised"), links: ofARail(),
	}, {
		kind: graph, title: "Settled in time, whoever was at fault", w: 12, h: 8, unit: percent, max: 1, empty: noTransactions,
		text:    "Share of movements that reached the customer within the scheme's limit, of those that count to the whole journey.",
		queries: []query{{expr: g.success(metricname.EndToEnd), legend: "{{rail}}"}}, links: ofARail(),
	}, {
		kind: graph, title: "Failures by class", w: 12, h: 8, unit: perSecond, stacked: true, names: failureClasses(), empty: noTransactions + " Or nothing failed.",
		text:    "Failed movements a second by whose fault it is. Each class has its own stroke.",
		queries: []query{{expr: g.movements("class", failed) + " > 0", legend: "{{class}}"}},
	}, {
		kind: graph, title: g.moneyTitle("Value of failures by class, a second"), w: 12, h: 8, unit: g.moneyUnit(), stacked: true, names: failureClasses(), empty: noValues + " Or nothing failed.",
		text:    "What these come to a second, at the day's stored rate.",
		queries: []query{{expr: g.money(metricname.TransactionsValue, "class", rate, failed, ofRail()) + " > 0", legend: g.moneyLegend("{{class}}")}},
	}, {
		kind: graph, title: "Time to settle", w: 12, h: 8, unit: seconds, empty: noTransactions + " Or none has settled in this time.",
		text:    "Half, 95 % and 99 % of the settled movements took at most so long. Dashed: the scheme's limit, of rails that have one in seconds.",
		queries: limited([]query{{expr: quantile("0.5"), legend: "{{rail}} p50"}, {expr: quantile("0.95"), legend: "{{rail}} p95"}, {expr: quantile("0.99"), legend: "{{rail}} p99"}}, g.timeLimits(), "{{rail}} limit"),
		links:   ofARail(),
	}, {
		kind: graph, title: "Age of the oldest open movement", w: 12, h: 8, unit: seconds, empty: noTransactions,
		text:    "What settles no longer shows in the time to settle; it shows here. Dashed: the scheme's limit.",
		queries: limited([]query{{expr: maxBy(byRail, g.of(metricname.TransactionsOldest, ofRail())), legend: "{{rail}}"}}, g.timeLimits(), "{{rail}} limit"),
		links:   ofARail(),
	}, {
		kind: graph, title: "Traffic, beside a week ago", w: 12, h: 8, unit: perSecond, empty: noTransactions,
		text:    "Movements a second; dashed, the same weekday and time a week before. A rail that is at rest now and was then is left out, not drawn as 0: its calendar is closed.",
		queries: limited([]query{{expr: g.traffic(""), legend: "{{rail}}"}}, g.traffic(" offset 1w")+" > 0", "{{rail}} a week ago"),
		links:   ofARail(),
	}, {
		kind: graph, title: "Traffic against a week ago", w: 12, h: 8, unit: percent, empty: "Nothing to compare with: no movements a week ago.",
		text:    "How much more or less moves than on the same weekday a week before.",
		queries: []query{{expr: "(" + g.allTraffic("") + " - " + g.allTraffic(" offset 1w") + ") / (" + g.allTraffic(" offset 1w") + " > 0)", legend: "{{rail}}"}},
		limits:  below(-0.3, -0.6), signed: true, links: ofARail(),
	}}
}

// allTraffic is how many movements a second begin their count, of each rail, with an offset or "".
func (g *gen) allTraffic(when string) string {
	return sumBy(byRail, "rate("+g.of(metricname.Transactions, ofRail())+"[$__rate_interval]"+when+")")
}

// traffic is the same without rails that rest now as they did a week ago.
func (g *gen) traffic(when string) string {
	if when != "" {
		return g.allTraffic(when)
	}
	now := g.allTraffic("")
	return now + " > 0 or " + now + " and on (rail) " + g.allTraffic(" offset 1w") + " > 0"
}

func (g *gen) openNow() []panel {
	queries, columns := g.cutOffs()
	return []panel{{
		kind: table, title: "Next cut-offs", w: 12, h: 8, unit: none, empty: "No rail with a cut-off has movements: the agent is told of none.",
		text:    "How long until each rail's next cut-off, what is open and has to make it, and how long that takes at the pace of the last ten minutes, as a share of the time left: from 1 on it will not be done.",
		labels:  []string{"rail"},
		queries: queries, columns: columns, links: ofARail(),
	}, {
		kind: graph, title: "In doubt and overdue", w: 12, h: 8, unit: count, empty: noTransactions, limits: anyAtAll(),
		text: "Movements of which nobody knows what became of them, and open ones whose deadline has passed.",
		queries: []query{
			{expr: sumBy(byRail, g.of(metricname.TransactionsOverdue, ofRail())), legend: "{{rail}} overdue"},
			{expr: sumBy(byRail, g.of(metricname.TransactionsInDoubt, ofRail())), legend: "{{rail}} in doubt"},
		},
		links: ofARail(),
	}, {
		kind: graph, title: "Open by age", w: 12, h: 8, unit: count, stacked: true, empty: noTransactions,
		text:    "Movements that have not ended, by how long they have been open.",
		queries: []query{{expr: sumBy("age", g.of(metricname.TransactionsOpenByAge, ofRail())), legend: "{{age}}"}},
		names:   ages(),
	}, {
		kind: graph, title: g.pileTitle("Value in doubt and overdue"), w: 12, h: 8, unit: g.moneyUnit(), empty: noValues,
		text: "What movements in doubt and overdue ones come to. Those in other currencies are on the screen about settlement.",
		queries: []query{
			{expr: g.money(metricname.TransactionsOverdueValue, byRail, plain, ofRail()), legend: g.moneyLegend("{{rail}} overdue")},
			{expr: g.money(metricname.TransactionsInDoubtValue, byRail, plain, ofRail()), legend: g.moneyLegend("{{rail}} in doubt")},
		},
		limits: anyAtAll(), links: ofARail(),
	}}
}

// ages are the bins of open movements, as the tracker names them.
func ages() []string {
	return []string{"0s-10s", "10s-1m", "1m-10m", "10m-1h", "1h-4h", "4h-1d", "1d-2d", "2d-5d", "5d+"}
}

// cutOffs is the table of what has to be done before each rail's next cut-off. Amounts of several currencies have no
// place in it.
func (g *gen) cutOffs() ([]query, []column) {
	queries := []query{
		{expr: maxBy(byRail, g.of(metricname.TransactionsDrainRatio, ofRail()))},
		{expr: minBy(byRail, g.of(metricname.NextCutOff, ofRail())) + " - time()"},
		{expr: sumBy(byRail, g.of(metricname.TransactionsDue, ofRail()))},
		{expr: maxBy(byRail, g.of(metricname.TransactionsDrainSeconds, ofRail()))},
	}
	columns := []column{
		{title: "Time needed of time left", unit: percent, limits: above(0.7, 1)},
		{title: "Cut-off in", unit: seconds},
		{title: "Still open", unit: count},
		{title: "Done in", unit: seconds, empty: "nothing settles"},
	}
	if g.in.Options.Currency != "" {
		queries = append(queries, query{expr: g.money(metricname.TransactionsDueValue, byRail, plain, ofRail())})
		columns = append(columns, column{title: g.pileTitle("Value"), unit: g.moneyUnit(), empty: "none"})
	}
	return queries, columns
}

// saturations are the objectives about saturation, by how golden signals name them.
const saturations = ".+-saturation"

func (g *gen) pressure() []panel {
	over := "topk(10, " + maxBy("slo, service", g.of(metricname.ErrorRatio, ofService(), whole(), like(metricname.SLO, saturations), among(metricname.Window, g.pageWindows()...))) + ")"
	peer := func(when string) string {
		part := "rate(" + g.of(metricname.Transactions, ofRail(), is(metricname.Class, string(reason.TechnicalPeer))) + "[$__rate_interval]" + when + ")"
		return basisPoints(share(sumBy(byRail, part), g.allTraffic(when)))
	}
	none := "No saturation objective is known: golden-signals documents make them of a gauge (saturation: {gauge: …})."
	return []panel{{
		kind: graph, title: "Saturation: share of time above the limit", w: 12, h: 8, unit: percent, max: 1, empty: none,
		text:    "Of objectives about saturation, the share of time in which the resource was above its limit, over the paging window in which that was most; the ten worst.",
		queries: []query{{expr: over, legend: "{{slo}}"}}, limits: above(0.7, 0.9),
		links: append(g.ofObjective(), link{title: "Cost and capacity", url: to(dashboards.UIDCost)}),
	}, {
		kind: graph, title: "Peers: failures that are theirs", w: 12, h: 8, unit: basis, empty: noTransactions + " Or no peer failed.",
		text:    "Movements that failed technically at the other bank, issuer or provider, of all. Dashed: a week ago.",
		queries: limited([]query{{expr: peer(""), legend: "{{rail}}"}}, peer(" offset 1w"), "{{rail}} a week ago"), links: ofARail(),
	}, {
		kind: graph, title: "Counterparties whose declines have jumped", w: 12, h: 8, unit: count, empty: noTransactions, limits: anyAtAll(),
		text:    "Counterparties at which the share of a kind of customers' declines is far from what it was. Which ones, the agent's page says.",
		queries: []query{{expr: maxBy(byRail, g.of(metricname.BusinessShareAnomalies, ofRail())), legend: "{{rail}}"}}, links: ofARail(),
	}, {
		kind: graph, title: "Reconciliation breaks and duplicate suspects", w: 12, h: 8, unit: count, empty: noTransactions, limits: anyAtAll(),
		text: "Movements that only one side tells of, or not alike, and movements of the same amount between the same parties as one shortly before, in the last hour.",
		queries: []query{
			{expr: sumBy(byRail, g.of(metricname.ReconciliationBreaks, ofRail())), legend: "{{rail}} breaks"},
			{expr: sumBy(byRail, increase(g.of(metricname.TransactionsDuplicates, ofRail()), "1h")), legend: "{{rail}} duplicate suspects"},
		},
		links: ofARail(),
	}}
}

func (g *gen) changes() []panel {
	return []panel{{
		kind: table, title: "Actions of hooks in the last 24 hours", w: 8, h: 8, unit: count, empty: "No hook has decided anything in the last 24 hours: none is configured, or there was no cause.",
		text:    "What hooks decided and how it ended. When, the marks on the graphs say.",
		labels:  []string{"hook", "kind", "result"},
		queries: []query{{expr: "round(" + sumBy("hook, kind, result", increase(g.of(metricname.HookActionsTotal), "24h")) + ") > 0"}},
		columns: []column{{title: "Decisions", unit: count}},
	}, {
		kind: table, title: "Budget policies that hold", w: 8, h: 8, unit: none, empty: "No rule of a budget policy holds now, or none is written.",
		text:    "What budget policies demand now: a freeze, a slower roll-out, a review.",
		labels:  []string{"policy", "rule", "then", "slo", "service"},
		queries: []query{{expr: maxBy("policy, rule, then, slo, service", g.of(metricname.PolicyActive, ofService(), whole())) + " == 1"}},
		columns: []column{{title: "Holds", unit: none, words: yesNo("holds", amber, "no")}}, links: g.ofObjective(),
	}, {
		kind: number, title: "The agent itself", w: 4, h: 8, unit: count, empty: noAgent,
		text: "Targets that cannot be read, reason codes of the last day that no pack knows, and samples that could not be used in the last hour.",
		queries: []query{
			{expr: "sum(" + g.of(metricname.Targets, is(metricname.Up, "false")) + ")", legend: "targets down"},
			{expr: "max(" + g.of(metricname.TransactionsUnmapped) + ")", legend: "unmapped codes"},
			{expr: "sum(" + increase(g.of(metricname.SamplesRejected), "1h") + ")", legend: "samples rejected"},
		},
		limits: anyAtAll(), links: toAgent(),
	}, {
		kind: number, title: "Agent last scraped", w: 4, h: 8, unit: seconds, empty: noAgent, limits: above(60, 300), links: toAgent(),
		text:    "How long ago Prometheus last heard of the agent that it heard of longest ago.",
		queries: []query{{expr: "max(time() - timestamp(" + g.of(metricname.BuildInfo) + "))", legend: "ago"}},
	}}
}
