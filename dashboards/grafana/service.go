package grafana

import (
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/slo/metricname"
)

// Objectives of golden-signals documents, by how these name them.
const (
	errorsSLO     = ".+-(errors|value|capped-value)"
	latencySLO    = ".+-latency"
	trafficSLO    = ".+-traffic"
	otherSLO      = ".+-(errors|value|capped-value|latency|traffic|saturation)"
	noneOfTheKind = "This service has no objective of the kind: golden-signals documents name them so. Others are below."
)

// service is one service in its four golden signals.
func (g *gen) service() screen {
	return screen{
		uid: dashboards.UIDService, title: "Assayer: service", tag: "service", refresh: "30s", from: "now-6h", to: "now",
		text: "A service in its four golden signals: errors, latency, traffic, saturation, each beside what is promised.",
		vars: []variable{g.services()},
		rows: []row{
			{title: "State", panels: g.serviceState()},
			{title: "Errors and latency", panels: g.errorsAndLatency()},
			{title: "Traffic and saturation", panels: g.trafficAndSaturation()},
			{title: "What else is promised", panels: g.others()},
		},
	}
}

func (g *gen) serviceState() []panel {
	return []panel{{
		kind: table, title: "Objectives", w: 12, h: 9, unit: none, empty: noObjectives,
		text:   "State, what is left of the budget and what is promised.",
		labels: []string{"slo", "service"},
		queries: []query{
			{expr: g.state(bySLO, ofService(), whole())},
			{expr: minBy(bySLO, g.of(metricname.BudgetRemainingRatio, ofService(), whole()))},
			{expr: maxBy(bySLO, g.of(metricname.ObjectiveRatio, ofService(), whole()))},
		},
		columns: []column{
			{title: "State", unit: none, words: stateWords()},
			{title: "Budget left", unit: percent, limits: below(0.5, 0.2), empty: "never fed"},
			{title: "Promised", unit: percent},
		},
		links: g.ofObjective(),
	}, {
		kind: states, title: "States over time", w: 12, h: 9, unit: none, empty: noObjectives, words: stateWords(),
		text:    "The worst state of each objective, in words.",
		queries: []query{{expr: g.state("slo", ofService(), whole()), legend: "{{slo}}"}}, links: g.ofObjective(),
	}}
}

// events is how many events a second an objective counts, summed over agents.
func (g *gen) events(by string, matchers ...string) string {
	return sumBy(by, rate(g.of(metricname.SLIEventsTotal, matchers...)))
}

// bad is the share of bad events of objectives, exact over a fleet.
func (g *gen) bad(matchers ...string) string {
	of := func(outcomes string) string { return g.events("slo", append(matchers, outcomes)...) }
	return share(of(is(metricname.Outcome, metricname.Bad)), of(judged(metricname.Outcome)))
}

// allowed is the share of bad events that objectives allow.
func (g *gen) allowed(matchers ...string) string {
	return "1 - " + maxBy("slo", g.of(metricname.ObjectiveRatio, matchers...))
}

// signal is the share of bad events of some of a service's objectives, beside what they allow.
func (g *gen) signal(title, text, objectives string) panel {
	own := []string{ofService(), whole(), objectives}
	return panel{
		kind: graph, title: title, w: 12, h: 9, unit: percent, empty: noneOfTheKind, text: text + " Dashed: what the objective allows.",
		queries: limited([]query{{expr: g.bad(own...), legend: "{{slo}}"}}, g.allowed(own...), "{{slo}} allowed"), links: g.ofObjective(),
	}
}

func (g *gen) errorsAndLatency() []panel {
	return []panel{
		g.signal("Errors: share that failed", "Failed events of those that count.", like(metricname.SLO, errorsSLO)),
		g.signal("Latency: share that was too slow", "Events that took longer than the objective's limit, of all.", like(metricname.SLO, latencySLO)),
	}
}

func (g *gen) trafficAndSaturation() []panel {
	own := []string{ofService(), whole(), like(metricname.SLO, errorsSLO)}
	before := sumBy("slo", "rate("+g.of(metricname.SLIEventsTotal, own...)+"[$__rate_interval] offset 1w)")
	return []panel{{
		kind: graph, title: "Traffic: events a second", w: 12, h: 9, unit: perSecond, empty: noneOfTheKind,
		text:    "All events of objectives about errors, the excluded ones too. Dashed: the same weekday and time a week before.",
		queries: limited([]query{{expr: g.events("slo", own...), legend: "{{slo}}"}}, before, "{{slo}} a week ago"), links: g.ofObjective(),
	},
		g.signal("Traffic: share of time with too little", "Slices of time with less traffic than expected.", like(metricname.SLO, trafficSLO)),
		g.signal("Saturation: share of time over the limit", "Slices of time in which a resource was above its limit.", like(metricname.SLO, saturations)),
		{
			kind: graph, title: "Excluded: a second, by objective", w: 12, h: 9, unit: perSecond, empty: noneOfTheKind,
			text:    "Events that count neither way, such as customers' own declines. A jump can hide a fault of ours.",
			queries: []query{{expr: g.events("slo", append(own, is(metricname.Outcome, metricname.Excluded))...), legend: "{{slo}}"}}, links: g.ofObjective(),
		}}
}

func (g *gen) others() []panel {
	return []panel{
		g.signal("Other objectives: share that was bad", "Objectives whose names are not those of golden signals.", metricname.SLO+`!~"`+otherSLO+`"`),
		{
			kind: graph, title: g.moneyTitle("Value judged, a second"), w: 12, h: 9, unit: g.moneyUnit(), empty: noMoneyBudgets,
			text: "Of objectives that count money, what they judged good, bad and excluded.",
			queries: []query{{
				expr:   g.money(metricname.SLIValueTotal, "slo, outcome", rate, ofService(), whole()) + " > 0",
				legend: g.moneyLegend("{{slo}} {{outcome}}"),
			}},
			links: g.ofObjective(),
		},
	}
}
