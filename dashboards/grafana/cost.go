package grafana

import (
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/slo/metricname"
)

// cost is how near to its limits everything runs, and what watching costs. What money is spent on infrastructure no
// series says yet.
func (g *gen) cost() screen {
	return screen{
		uid: dashboards.UIDCost, title: "Assayer: cost and capacity", tag: "cost", refresh: "1m", from: "now-7d", to: "now",
		text: "Traffic now beside its highest, time over limits, whether rails keep up, and what watching all this costs.",
		vars: []variable{g.services(), g.rails()},
		rows: []row{
			{title: "Capacity", panels: g.capacity()},
			{title: "What watching costs", panels: g.footprint()},
		},
	}
}

func (g *gen) capacity() []panel {
	events := sumBy(metricname.Service, rate(g.of(metricname.SLIEventsTotal, ofService(), whole(), like(metricname.SLO, errorsSLO))))
	movements := g.movements(byRail)
	over := maxBy("slo, service", g.of(metricname.ErrorRatio, ofService(), whole(), like(metricname.SLO, saturations), among(metricname.Window, g.pageWindows()...)))
	return []panel{{
		kind: graph, title: "Traffic of each service", w: 12, h: 9, unit: perSecond, empty: noneOfTheKind,
		text:    "Events a second, of objectives about errors.",
		queries: []query{{expr: events, legend: "{{service}}"}}, links: ofAService(),
	}, {
		kind: graph, title: "Movements on each rail", w: 12, h: 9, unit: perSecond, empty: noTransactions,
		text:    "Movements a second, counted once each: when they end, or when their deadline passes.",
		queries: []query{{expr: movements, legend: "{{rail}}"}}, links: ofARail(),
	}, beside("Services: now, and the most they have carried", noneOfTheKind, metricname.Service, events, ofAService()),
		beside("Rails: now, and the most they have carried", noTransactions, byRail, movements, ofARail()), {
			kind: graph, title: "Share of time over the limit", w: 12, h: 9, unit: percent, max: 1, limits: above(0.7, 0.9),
			empty:   "No saturation objective is known: golden-signals documents make them of a gauge (saturation: {gauge: …}).",
			text:    "Share of slices above the limit, of objectives about saturation, over the paging window in which it was most.",
			queries: []query{{expr: over, legend: "{{slo}}"}}, links: g.ofObjective(),
		}, {
			kind: graph, title: "Whether rails keep up", w: 12, h: 9, unit: percent, limits: above(0.7, 1), empty: "No rail with a cut-off has movements: the agent is told of none.",
			text:    "Time that what is due takes at the pace of the last ten minutes, of the time left before the next cut-off.",
			queries: []query{{expr: maxBy(byRail, g.of(metricname.TransactionsDrainRatio, ofRail())), legend: "{{rail}}"}}, links: ofARail(),
		}}
}

// beside is a table of traffic now and at its highest, which is what is known to be carried: nobody told the agent of
// a load test.
func beside(title, empty, by, expr string, links []link) panel {
	highest := "max_over_time((" + expr + ")[$__range:5m])"
	return panel{
		kind: table, title: title, w: 12, h: 8, unit: none, empty: empty, links: links,
		text:    "The highest rate in the time shown, looked at every five minutes: how far from it traffic is now.",
		labels:  []string{by},
		queries: []query{{expr: expr + " / (" + highest + " > 0)"}, {expr: expr}, {expr: highest}},
		columns: []column{{title: "Now of the highest", unit: percent, limits: above(0.8, 1)}, {title: "Now", unit: perSecond}, {title: "Highest", unit: perSecond}},
	}
}

func (g *gen) footprint() []panel {
	cpu := "sum(" + g.process(rate(g.of("process_cpu_seconds_total"))) + ")"
	judgedEvents := "sum(" + rate(g.of(metricname.SLIEventsTotal, whole())) + ")"
	return []panel{{
		kind: number, title: "Processors used by all agents", w: 6, h: 6, unit: count, empty: noAgent,
		text: "CPU seconds a second.", queries: []query{{expr: cpu, legend: "processors"}}, links: toAgent(),
	}, {
		kind: number, title: "Memory of all agents", w: 6, h: 6, unit: bytesUnit, empty: noAgent,
		text: "Resident, files that the system may drop included.", queries: []query{{expr: "sum(" + g.process(g.of("process_resident_memory_bytes")) + ")", legend: "resident"}}, links: toAgent(),
	}, {
		kind: number, title: "Events judged for one second of CPU", w: 6, h: 6, unit: count, empty: noAgent + " Or nothing happens.",
		text: "How much is watched for what it costs.", queries: []query{{expr: judgedEvents + " / (" + cpu + " > 0)", legend: "events"}}, links: toAgent(),
	}, {
		kind: number, title: "Objectives", w: 6, h: 6, unit: count, empty: noObjectives,
		text: "How many are judged, groups left out.", queries: []query{{expr: "count(" + maxBy(bySLO, g.of(metricname.ObjectiveRatio, whole())) + ")", legend: "objectives"}},
	}}
}
