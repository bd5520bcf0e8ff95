package grafana

import (
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/slo/metricname"
)

// Bounds that supervisors have set. Sources are in docs/dashboards.md.
const (
	downtimeAllowed = "14400" // 4 h, in seconds, of unscheduled downtime of a critical system in twelve months: MAS Notice FSM-N05 and those beside it
	quarterlyUptime = 0.995   // of an interface in a calendar quarter, as open-banking rules publish it
)

// compliance is the figures that supervisors ask for, as far as there are data for them.
func (g *gen) compliance() screen {
	return screen{
		uid: dashboards.UIDCompliance, title: "Assayer: compliance", tag: "compliance", refresh: "15m", from: "now-90d", to: "now",
		text: "Availability by quarter, downtime used, overdue value, codes nobody knows, budget policies and what was done about them. Figures go as far back as Prometheus keeps them.",
		vars: []variable{g.services(), g.rails()},
		rows: []row{
			{title: "Availability", panels: g.availability()},
			{title: "Payments", panels: g.duties()},
			{title: "What was agreed, and what was done", panels: g.kept()},
		},
	}
}

// noErrors says why there is no figure about availability.
const noErrors = "No objective about errors is known (golden signals, or a ratio of counters), or none was watched for an hour yet."

// keptOver is the share of good events of each objective about errors over a window, of the whole fleet.
func (g *gen) keptOver(window string) string {
	of := func(outcomes string) string {
		return sumBy(bySLO, increase(g.of(metricname.SLIEventsTotal, ofService(), whole(), g.aboutErrors(), outcomes), window))
	}
	return of(is(metricname.Outcome, metricname.Good)) + " / (" + of(judged(metricname.Outcome)) + " > 0)"
}

// watchedOver is for how long enough was seen of each objective about errors to judge it, in a window: in seconds, as
// it was at each full hour.
func (g *gen) watchedOver(window string) string {
	seen := maxBy(bySLO, g.of(metricname.Observed, ofService(), whole(), g.aboutErrors()))
	return "3600 * (sum_over_time((" + seen + ")[" + window + ":1h]) > 0)"
}

// downtime is the share of bad events of the last year as if it were time, in seconds: of the time that was watched.
func (g *gen) downtime() string {
	return "(1 - (" + g.keptOver("365d") + ")) * (" + g.watchedOver("365d") + ")"
}

// watchedShare is how much of the last 90 days was watched.
func (g *gen) watchedShare() string { return g.watchedOver("90d") + " / (90 * 86400)" }

// downtimeUsed is how much that is of what is allowed.
func (g *gen) downtimeUsed() string { return g.downtime() + " / " + downtimeAllowed }

func (g *gen) availability() []panel {
	promised := maxBy(bySLO, g.of(metricname.ObjectiveRatio, ofService(), whole(), g.aboutErrors()))
	return []panel{{
		kind: table, title: "Availability, last 90 days", w: 12, h: 10, unit: none, empty: noErrors,
		text:   "Share of good events in the last 90 days, of objectives about errors, what is promised, and for how much of these days enough was seen to judge. What was not watched is in no figure.",
		labels: []string{"slo", "service"},
		queries: []query{
			{expr: g.keptOver("90d") + " < bool " + promised}, {expr: g.keptOver("90d")}, {expr: promised},
			{expr: g.watchedShare()},
		},
		columns: []column{
			{title: "Promise", unit: none, words: yesNo("broken", red, "kept"), empty: "no events"},
			{title: "Last 90 days", unit: percent, limits: below(0.999, quarterlyUptime), empty: "no events"},
			{title: "Promised", unit: percent},
			{title: "Of 90 days watched", unit: percent, limits: below(0.9, 0.5), empty: "not for an hour"},
		},
		links: g.ofObjective(),
	}, {
		kind: table, title: "Downtime used, last twelve months", w: 12, h: 10, unit: none, empty: noErrors,
		text:    "The share of bad events of the last year, of objectives about errors, as if it were a share of the time that was watched: of an objective that counts slices it is. Held against 4 hours. What was not watched is in no figure.",
		labels:  []string{"slo", "service"},
		queries: []query{{expr: g.downtimeUsed()}, {expr: g.downtime()}, {expr: g.watchedOver("365d")}},
		columns: []column{
			{title: "Of 4 hours", unit: percent, limits: above(0.75, 1)},
			{title: "Downtime", unit: seconds},
			{title: "Watched for", unit: seconds},
		},
		links: g.ofObjective(),
	}}
}

func (g *gen) duties() []panel {
	return []panel{{
		kind: table, title: "Payments on time, last 90 days", w: 12, h: 9, unit: none, empty: noTransactions,
		text:   "Share of payments that reached the customer before their deadline, how many did not, and how many were told of only after it although they had settled.",
		labels: []string{"rail"},
		queries: []query{
			{expr: good(g.counted(byRail, "90d", is(metricname.EndToEnd, metricname.Good)), g.counted(byRail, "90d", judged(metricname.EndToEnd)))},
			{expr: g.counted(byRail, "90d", is(metricname.EndToEnd, metricname.Bad))},
			{expr: sumBy(byRail, increase(g.of(metricname.TransactionsLateConfirm, ofRail()), "90d"))},
		},
		columns: []column{
			{title: "On time", unit: percent, limits: g.onTimeLimits()}, {title: "Not on time", unit: count, empty: "none"},
			{title: "Told of too late", unit: count, empty: "none"},
		},
		links: ofARail(),
	}, {
		kind: graph, title: g.pileTitle("Overdue value"), w: 12, h: 9, unit: g.moneyUnit(), empty: noValues + " Or nothing was overdue.", limits: anyAtAll(),
		text:    "What open movements come to whose deadline has passed.",
		queries: []query{{expr: g.money(metricname.TransactionsOverdueValue, byRail, plain, ofRail()), legend: g.moneyLegend("{{rail}}")}}, links: ofARail(),
	}, {
		kind: number, title: "Reason codes that no pack knows", w: 6, h: 6, unit: count, empty: noTransactions, limits: anyAtAll(),
		text:    "Distinct codes of the last day. Whose fault they are nobody has decided.",
		queries: []query{{expr: "max(" + g.of(metricname.TransactionsUnmapped) + ")", legend: "unmapped codes"}}, links: toAgent(),
	}, {
		kind: graph, title: "Books: breaks and conflicts", w: 9, h: 6, unit: count, empty: noTransactions, limits: anyAtAll(),
		text: "Movements not alike on both sides now, and conflicts of the last day: movements told of with two different ends, or counted twice before an event showed them to be one.",
		queries: []query{
			{expr: sumBy(byRail, g.of(metricname.ReconciliationBreaks, ofRail())), legend: "{{rail}} breaks"},
			{expr: sumBy(byRail, increase(g.of(metricname.TransactionsConflicts, ofRail()), "1d")), legend: "{{rail}} conflicts"},
		},
		links: ofARail(),
	}, {
		kind: graph, title: "Events about movements that were refused", w: 9, h: 6, unit: count, empty: noTransactions, names: []string{"accepted", "duplicate", "rejected"},
		text:    "What the agent was told in a day, by what became of it: what is rejected is missing from every figure.",
		queries: []query{{expr: sumBy("result", increase(g.of(metricname.TransactionEvents), "1d")), legend: "{{result}}"}}, links: toAgent(),
	}}
}

func (g *gen) kept() []panel {
	return []panel{{
		kind: table, title: "Budget policies: what holds", w: 12, h: 9, unit: none, empty: "No budget policy is written for these services.",
		text:    "Each rule that the business has agreed to, and whether its consequence holds now.",
		labels:  []string{"policy", "rule", "then", "slo", "service"},
		queries: []query{{expr: maxBy("policy, rule, then, slo, service", g.of(metricname.PolicyActive, ofService(), whole()))}},
		columns: []column{{title: "Now", unit: none, words: yesNo("holds", amber, "does not hold")}}, links: g.ofObjective(),
	}, {
		kind: states, title: "Budget policies over time", w: 12, h: 9, unit: none, empty: "No budget policy is written for these services.", words: yesNo("holds", amber, "does not hold"),
		text:    "When each consequence held: the record of kept agreements.",
		queries: []query{{expr: maxBy("policy, rule, slo", g.of(metricname.PolicyActive, ofService(), whole())), legend: "{{policy}} {{rule}} {{slo}}"}}, links: g.ofObjective(),
	}, {
		kind: graph, title: "Actions by result, a day", w: 12, h: 8, unit: count, empty: "No hook has decided anything: none is configured, or there was no cause.",
		text:    "What hooks decided. Who asked, approved and denied is in the audit log, which the agent chains and verifies (assayer audit verify).",
		queries: []query{{expr: sumBy("hook, kind, result", increase(g.of(metricname.HookActionsTotal), "1d")), legend: "{{hook}} {{kind}} {{result}}"}},
	}, {
		kind: states, title: "Version of the agent", w: 12, h: 8, unit: none, empty: "No agent is scraped.", words: words{{1, "running", fine}},
		text:    "Which builds judged in the time shown.",
		queries: []query{{expr: maxBy("version, revision", g.of(metricname.BuildInfo)), legend: "{{version}} {{revision}}"}}, links: toAgent(),
	}}
}
