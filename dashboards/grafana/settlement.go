package grafana

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/rail"
)

// settlement is how movements of money stand on each rail.
func (g *gen) settlement() screen {
	rows := []row{
		{title: "Before the next cut-off", panels: g.cutOffPanels()},
		{title: "Open, overdue, in doubt", panels: g.piles()},
		{title: "Settled", panels: g.settled()},
		{title: "Books", panels: g.books()},
	}
	for i := range g.in.Rails {
		r := &g.in.Rails[i]
		rows = append(rows, row{title: r.Title + " (" + r.Name + ")", panels: g.ofOneRail(r), closed: true})
	}
	return screen{
		uid: dashboards.UIDSettlement, title: "Assayer: settlement and cut-offs", tag: "settlement", refresh: "30s", from: "now-24h", to: "now",
		text: "What is open on each rail, what has to be done before the next cut-off, what is late, and whether the books agree.",
		vars: []variable{
			g.rails(),
			{name: "currency", label: "Other currencies", query: g.values(metricname.TransactionsOpenValue, metricname.Currency), multi: true},
		},
		rows: rows,
	}
}

func (g *gen) cutOffPanels() []panel {
	queries, columns := g.cutOffs()
	noCutOff := "No rail with a cut-off has movements: the agent is told of none."
	return []panel{{
		kind: table, title: "Next cut-offs", w: 24, h: 8, unit: none, empty: noCutOff,
		text:   "How long until each rail's next cut-off, what is open and has to make it, and how long that takes at the pace of the last ten minutes, as a share of the time left: from 1 on it will not be done.",
		labels: []string{"rail"}, queries: queries, columns: columns,
	}, {
		kind: graph, title: "Time needed of time left", w: 8, h: 8, unit: percent, empty: noCutOff, limits: above(0.7, 1),
		text:    "At the pace of the last ten minutes. 0 with nothing due.",
		queries: []query{{expr: maxBy(byRail, g.of(metricname.TransactionsDrainRatio, ofRail())), legend: "{{rail}}"}},
	}, {
		kind: graph, title: "Due before the cut-off", w: 8, h: 8, unit: count, empty: noCutOff,
		text:    "Open movements, not overdue, of the business day of the next cut-off or an earlier one.",
		queries: []query{{expr: sumBy(byRail, g.of(metricname.TransactionsDue, ofRail())), legend: "{{rail}}"}},
	}, {
		kind: graph, title: g.pileTitle("Value due before the cut-off"), w: 8, h: 8, unit: g.moneyUnit(), empty: noCutOff,
		text:    "What open movements come to that have to make it.",
		queries: []query{{expr: g.money(metricname.TransactionsDueValue, byRail, plain, ofRail()), legend: g.moneyLegend("{{rail}}")}},
	}}
}

func (g *gen) piles() []panel {
	return []panel{{
		kind: table, title: "How each rail stands", w: 24, h: 8, unit: none, empty: noTransactions,
		text:   "Movements that have not ended, and of these the overdue ones and those of which nobody knows what became of them.",
		labels: []string{"rail"},
		queries: []query{
			{expr: sumBy(byRail, g.of(metricname.TransactionsOverdue, ofRail()))},
			{expr: sumBy(byRail, g.of(metricname.TransactionsInDoubt, ofRail()))},
			{expr: sumBy(byRail, g.of(metricname.TransactionsOpen, ofRail()))},
			{expr: maxBy(byRail, g.of(metricname.TransactionsOldest, ofRail()))},
		},
		columns: []column{
			{title: "Overdue", unit: count, limits: anyAtAll()}, {title: "In doubt", unit: count, limits: anyAtAll()},
			{title: "Open", unit: count}, {title: "Oldest", unit: seconds},
		},
	}, {
		kind: graph, title: "Open by age", w: 12, h: 8, unit: count, stacked: true, names: ages(), empty: noTransactions,
		text:    "Movements that have not ended, by how long they have been open.",
		queries: []query{{expr: sumBy("age", g.of(metricname.TransactionsOpenByAge, ofRail())), legend: "{{age}}"}},
	}, {
		kind: graph, title: g.pileTitle("Open value by age"), w: 12, h: 8, unit: g.moneyUnit(), stacked: true, names: ages(), empty: noValues,
		text:    "What movements come to that have not ended, by how long they have been open.",
		queries: []query{{expr: g.money(metricname.TransactionsOpenValue, "age", plain, ofRail()), legend: g.moneyLegend("{{age}}")}},
	}, {
		kind: graph, title: g.pileTitle("Overdue value"), w: 8, h: 8, unit: g.moneyUnit(), empty: noValues + " Or nothing is overdue.", limits: anyAtAll(),
		text:    "What open movements come to whose deadline has passed.",
		queries: []query{{expr: g.money(metricname.TransactionsOverdueValue, byRail, plain, ofRail()), legend: g.moneyLegend("{{rail}}")}},
	}, {
		kind: graph, title: g.pileTitle("Value in doubt"), w: 8, h: 8, unit: g.moneyUnit(), empty: noValues + " Or nothing is in doubt.", limits: anyAtAll(),
		text:    "What movements come to of which nobody knows what became of them.",
		queries: []query{{expr: g.money(metricname.TransactionsInDoubtValue, byRail, plain, ofRail()), legend: g.moneyLegend("{{rail}}")}},
	}, {
		kind: graph, title: "Open value in other currencies (minor units)", w: 8, h: 8, unit: none, empty: "Nothing is open in any other currency.",
		text:    "Open movements keep their own currency. In its minor units, since currencies differ in how many make one.",
		queries: []query{{expr: sumBy("rail, currency", g.of(metricname.TransactionsOpenValue, ofRail(), ofCurrency(), isNot(metricname.Currency, g.in.Options.Currency))), legend: "{{rail}} {{currency}}"}},
	}}
}

func (g *gen) settled() []panel {
	quantile := func(q string) string {
		return "histogram_quantile(" + q + ", " + sumBy("rail, le", rate(g.of(metricname.TransactionsSettlement+"_bucket", ofRail()))) + ")"
	}
	return []panel{{
		kind: graph, title: "Settled in time, whoever was at fault", w: 12, h: 8, unit: percent, max: 1, empty: noTransactions,
		text:    "Share of movements that reached the customer within the scheme's limit, of those that count to the whole journey.",
		queries: []query{{expr: g.success(metricname.EndToEnd), legend: "{{rail}}"}},
	}, {
		kind: graph, title: "Own technical success", w: 12, h: 8, unit: percent, max: 1, empty: noTransactions,
		text:    "Share of movements that did not fail through us, of those that count. Dashed: what is promised of that, where an objective counts the rail's movements.",
		queries: limited([]query{{expr: g.success(metricname.Outcome), legend: "{{rail}}"}}, g.promised(), "{{rail}} promised"),
	}, {
		kind: graph, title: "Time to settle", w: 12, h: 8, unit: seconds, empty: noTransactions + " Or none has settled in this time.",
		text:    "Half and 99 % of the settled movements took at most so long. Dashed: the scheme's limit, of rails that have one in seconds.",
		queries: limited([]query{{expr: quantile("0.5"), legend: "{{rail}} p50"}, {expr: quantile("0.99"), legend: "{{rail}} p99"}}, g.timeLimits(), "{{rail}} limit"),
	}, {
		kind: graph, title: "Why movements ended as they did", w: 12, h: 8, unit: perSecond, stacked: true, names: failureClasses(), empty: noTransactions,
		text:    "All classes but good ones, customers' own declines too.",
		queries: []query{{expr: g.movements("class", isNot(metricname.Class, metricname.Good)) + " > 0", legend: "{{class}}"}},
	}, {
		kind: graph, title: "Movements a second, in and out", w: 8, h: 8, unit: perSecond, empty: noTransactions,
		text:    "Counted once each: when they end, or when their deadline passes.",
		queries: []query{{expr: g.movements("rail, direction"), legend: "{{rail}} {{direction}}"}},
	}, {
		kind: graph, title: g.moneyTitle("Value a second, capped"), w: 8, h: 8, unit: g.moneyUnit(), empty: noValues,
		text:    "Each movement up to the rail's cap, so that a single large one does not hide thousands of small ones.",
		queries: []query{{expr: g.money(metricname.TransactionsCapped, byRail, rate, ofRail()), legend: g.moneyLegend("{{rail}}")}},
	}, {
		kind: graph, title: "Returned, an hour", w: 8, h: 8, unit: count, empty: "Nothing was returned, or no movements are told of.",
		text:    "Settled movements that were sent back, by why.",
		queries: []query{{expr: sumBy("rail, class", increase(g.of(metricname.TransactionsReturns, ofRail()), "1h")), legend: "{{rail}} {{class}}"}},
	}}
}

func (g *gen) books() []panel {
	hour := func(name, legend string) query {
		return query{expr: sumBy(byRail, increase(g.of(name, ofRail()), "1h")), legend: "{{rail}} " + legend}
	}
	items := func(outcomes string) string {
		return sumBy(byRail, increase(g.of(metricname.ReconciliationItems, ofRail(), outcomes), "1h"))
	}
	return []panel{{
		kind: graph, title: "Reconciled alike by both sides", w: 8, h: 8, unit: percent, max: 1, empty: "Nothing is reconciled: no rail is listed under collectors.transactions.reconcile, or nothing has settled for so long.",
		text:    "Share of the settled movements of the last hour that both sides told of alike.",
		queries: []query{{expr: good(items(is(metricname.Outcome, metricname.Good)), items(judged(metricname.Outcome))), legend: "{{rail}}"}},
	}, {
		kind: graph, title: "Breaks, conflicts, duplicates", w: 8, h: 8, unit: count, empty: noTransactions, limits: anyAtAll(),
		text: "Movements that are not alike on both sides now, and of the last hour conflicts and duplicate suspects. A conflict is a movement told of with two different ends, of which the first counts, or two that were both counted before an event showed them to be one; a suspect looks like one shortly before.",
		queries: []query{
			{expr: sumBy(byRail, g.of(metricname.ReconciliationBreaks, ofRail())), legend: "{{rail}} breaks"},
			hour(metricname.TransactionsConflicts, "conflicts"), hour(metricname.TransactionsDuplicates, "duplicate suspects"),
		},
	}, {
		kind: graph, title: "Late confirmations, given up, without a rate", w: 8, h: 8, unit: count, empty: noTransactions,
		text: "In the last hour: movements that had settled in time and were told of too late, which a correction may be due for; those given up; those with no rate into the reporting currency.",
		queries: []query{
			hour(metricname.TransactionsLateConfirm, "late confirmations"), hour(metricname.TransactionsAbandoned, "given up"), hour(metricname.TransactionsUnvalued, "without a rate"),
		},
	}}
}

// ofOneRail is what is particular to a rail: its own limits, with where they are written.
func (g *gen) ofOneRail(r *rail.Rail) []panel {
	own := is(metricname.Rail, r.Name)
	var said []string
	for _, l := range r.Limits {
		said = append(said, fmt.Sprintf("%s: %s (%s, as of %s).", l.Name, l.Value, l.Source, l.AsOf))
	}
	empty := "The agent is told of no movements on this rail."
	times := []query{{expr: "histogram_quantile(0.99, " + sumBy("le", rate(g.of(metricname.TransactionsSettlement+"_bucket", own))) + ")", legend: "p99"}, {expr: maxBy("", g.of(metricname.TransactionsOldest, own)), legend: "oldest open"}}
	if r.Deadline.Within > 0 {
		times = limited(times, "vector("+strconv.FormatFloat(r.Deadline.Within.Seconds(), 'f', -1, 64)+")", "limit")
	}
	return []panel{{
		kind: graph, title: r.Name + ": time to settle, age of the oldest", w: 12, h: 8, unit: seconds, empty: empty, queries: times,
		text: "How long 99 % of what settled took at most, and how long the oldest open movement has waited. " + strings.Join(said, " "),
	}, {
		kind: graph, title: r.Name + ": open, overdue, in doubt", w: 12, h: 8, unit: count, empty: empty,
		text: "How many have not ended, and of these the overdue ones and those in doubt.",
		queries: []query{
			{expr: sumBy("", g.of(metricname.TransactionsOpen, own)), legend: "open"},
			{expr: sumBy("", g.of(metricname.TransactionsOverdue, own)), legend: "overdue"},
			{expr: sumBy("", g.of(metricname.TransactionsInDoubt, own)), legend: "in doubt"},
		},
	}}
}
