package grafana

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/rail"
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

const (
	achCodes    = "nacha"   // the scheme of reason codes on rails of ACH
	achReturned = "returns" // the limit of such a rail that is the share of returned debits from which the network looks into it
)

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
		kind: number, title: g.pileTitle("Money at risk now"), w: 12, h: 6, unit: g.moneyUnit(), empty: noValues,
		text: "What is late, what nobody knows the fate of, and what has to be done before the next cut-off. What is in doubt may also be late or due, so the three are not added up. Open movements keep their own currency: those in others are beside it, further down.",
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
		kind: graph, title: g.pileTitle("Money at risk over time"), w: 12, h: 8, unit: g.moneyUnit(), empty: noValues,
		text: "The same over time, so that a pile that grows is told from one that is being worked off.",
		queries: []query{
			{expr: money(metricname.TransactionsOverdueValue), legend: g.moneyLegend("late")},
			{expr: money(metricname.TransactionsInDoubtValue), legend: g.moneyLegend("in doubt")},
			{expr: money(metricname.TransactionsDueValue), legend: g.moneyLegend("due before the next cut-off")},
		},
	}, g.otherCurrencies(), {
		kind: number, title: g.moneyTitle("Value of payments that failed"), w: 6, h: 8, unit: g.moneyUnit(), empty: noValues + " Or nothing failed.",
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
	returned, columns, ofACH := g.returned()
	theirs := g.counted(byRail, "$__range", among(metricname.Class, string(reason.TechnicalPeer), string(reason.TechnicalScheme)))
	return []panel{{
		kind: number, title: "Payments accepted", w: 6, h: 6, unit: percent, empty: noTransactions,
		text: "Share of all payments that were carried out, customers' own declines included among those that were not.", queries: overSpans(accepted),
	}, {
		kind: number, title: "Customers' declines", w: 6, h: 6, unit: basis, empty: noTransactions,
		text: "Payments declined for the customer's own reasons, such as funds or limits. Look at the trend: a jump can be a fault of ours.", queries: overSpans(business),
	}, {
		kind: table, title: "Returned payments", w: 6, h: 6, unit: none, empty: "Nothing was returned in the time shown, or no movements are told of.",
		text:   "Settled payments that were sent back, of those that settled, in the time shown." + ofACH,
		labels: []string{"rail"}, queries: returned, columns: columns, links: ofARail(),
	}, {
		kind: table, title: "Third parties", w: 6, h: 6, unit: none, empty: "No failure of a peer or scheme in the time shown, or no movements are told of.",
		text:    "Share of payments that failed technically at the other bank or in the scheme, rail by rail.",
		labels:  []string{"rail"},
		queries: []query{{expr: share(theirs, g.counted(byRail, "$__range"))}},
		columns: []column{{title: "Failed there", unit: percent}}, links: ofARail(),
	}}
}

// returned is the table of what was sent back, with what to say of rails on which a bound is set for that.
func (g *gen) returned() ([]query, []column, string) {
	of := func(window string, matchers ...string) string {
		back := sumBy(byRail, increase(g.of(metricname.TransactionsReturns, append(matchers, ofRail())...), window))
		return share(back, g.counted(byRail, window, append(matchers, is(metricname.EndToEnd, metricname.Good))...))
	}
	queries := []query{{expr: of("$__range")}}
	columns := []column{{title: "Returned", unit: percent}}
	ach := map[float64][]string{}
	for i := range g.in.Rails {
		r := &g.in.Rails[i]
		if allowed, ok := percentage(r.Limits, achReturned); ok && r.Scheme == achCodes {
			ach[allowed] = append(ach[allowed], r.Name)
		}
	}
	if len(ach) == 0 {
		return queries, columns, ""
	}
	var shares, bounds []string
	for _, allowed := range slices.Sorted(maps.Keys(ach)) {
		sent := of("60d", among(metricname.Rail, ach[allowed]...), is(metricname.Direction, "out"))
		shares = append(shares, sent+" / "+strconv.FormatFloat(allowed/100, 'f', -1, 64))
		bounds = append(bounds, strconv.FormatFloat(allowed, 'f', -1, 64))
	}
	bound := strings.Join(bounds, " or ") + " %"
	queries = append(queries, query{expr: either(shares)})
	columns = append(columns, column{title: "Of ACH's " + bound + " in 60 days", unit: percent, limits: above(0.75, 1), empty: "no such bound"})
	return queries, columns, " Of ACH what we sent in the last 60 days is held against the " + bound + " of debits that Nacha's rules allow; credits are in it too, since nobody tells the agent which is which."
}

// percentage is the number of a limit that begins with one: 15 of "15% of debits".
func percentage(limits []rail.Limit, name string) (float64, bool) {
	i := slices.IndexFunc(limits, func(l rail.Limit) bool { return l.Name == name })
	if i < 0 {
		return 0, false
	}
	number, _, _ := strings.Cut(limits[i].Value, "%")
	v, err := strconv.ParseFloat(number, 64)
	return v, err == nil && v > 0
}

// otherCurrencies is what is at risk beside the reporting currency.
func (g *gen) otherCurrencies() panel {
	p := panel{
		kind: table, title: "At risk in other currencies", w: 6, h: 8, unit: none, empty: "Nothing is late, in doubt or due in any other currency.",
		text:    "What is late, in doubt and due of movements in other currencies, each in its own: no rate is published, so nothing is converted.",
		labels:  []string{"currency"},
		columns: []column{{title: "Late", unit: count, empty: "none"}, {title: "In doubt", unit: count, empty: "none"}, {title: "Due before the next cut-off", unit: count, empty: "none"}},
	}
	if g.in.Options.Currency == "" {
		p.title, p.text = "At risk, in whole units", "What is late, in doubt and due, in the major unit of each currency."
		p.empty = "Nothing is late, in doubt or due."
	}
	for _, name := range []string{metricname.TransactionsOverdueValue, metricname.TransactionsInDoubtValue, metricname.TransactionsDueValue} {
		p.queries = append(p.queries, query{expr: g.inOwnUnits(name)})
	}
	return p
}

// ofTeam adds the label team to what is known of each objective. While agents disagree, one of their answers is taken.
func (g *gen) ofTeam(expr string) string {
	teams := maxBy(bySLO+", team", g.of(metricname.Info, whole()))
	return "(" + expr + ") * on (" + bySLO + ") group_left (team) topk by (" + bySLO + ") (1, " + teams + ")"
}

func (g *gen) products() []panel {
	fires := maxBy(bySLO, "max_over_time("+g.of(metricname.Firing, ofService(), whole(), is(metricname.Severity, string(burnrate.Page)))+"[5m])")
	begins := "resets((1 - " + fires + ")[$__range:5m])" // the only falls of what is 0 while any leg fires
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
		kind: table, title: "Burns fast enough to page", w: 12, h: 9, unit: count, empty: noObjectives,
		text:    "How often an objective of the product began to burn so fast that somebody is called, in the time shown. Its legs together count once, and so does what stops for less than five minutes. How often a phone rang is for whoever rings it to say: several burns can be one call, and a slower one calls only when it lasts.",
		labels:  []string{"service"},
		queries: []query{{expr: sumBy(metricname.Service, begins)}},
		columns: []column{{title: "Burns", unit: count, limits: above(1, 4)}}, links: ofAService(),
	}}
}

// regulatory are the two figures of the screen about compliance that a board knows by name.
func (g *gen) regulatory() []panel {
	on := []link{{title: "Compliance", url: to(dashboards.UIDCompliance)}}
	return []panel{{
		kind: number, title: "Downtime used of 4 hours in twelve months", w: 8, h: 6, unit: percent, limits: above(0.75, 1), empty: noErrors, links: on,
		text:    "Of the objective about errors that has used most of it: the share of bad events of the last year, as if it were a share of the time that was watched. What was not watched is not in it.",
		queries: []query{{expr: "topk(1, " + g.downtimeUsed() + ")", legend: "{{slo}}"}},
	}, {
		kind: number, title: "Availability in the last 90 days", w: 8, h: 6, unit: percent, limits: below(0.999, quarterlyUptime), empty: noErrors, links: on,
		text:    "Of the objective about errors that was available least: its share of good events, of those that were seen.",
		queries: []query{{expr: "bottomk(1, " + g.keptOver("90d") + ")", legend: "{{slo}}"}},
	}, {
		kind: number, title: "Watched, of the last 90 days", w: 8, h: 6, unit: percent, limits: below(0.9, 0.5), empty: noErrors, links: on,
		text:    "Of the objective about errors that was watched least: for how much of these days enough was seen to judge. The figures beside it say nothing of the rest.",
		queries: []query{{expr: "bottomk(1, " + g.watchedShare() + ")", legend: "{{slo}}"}},
	}}
}
