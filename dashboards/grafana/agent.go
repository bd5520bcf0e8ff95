package grafana

import (
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/slo/metricname"
)

// agent is the agent itself: whether it sees what it judges.
func (g *gen) agent() screen {
	instance := variable{name: "instance", label: "Agent", query: g.values(metricname.BuildInfo, "instance"), multi: true}
	return screen{
		uid: dashboards.UIDAgent, title: "Assayer: the agent itself", tag: "agent", refresh: "30s", from: "now-6h", to: "now",
		text: "Whether the agents see what they judge: targets, samples, configuration, hooks, memory and processors.",
		vars: []variable{instance},
		rows: []row{
			{title: "In short", panels: g.agentNow()},
			{title: "What it sees", panels: g.sees()},
			{title: "What it does", panels: g.does()},
			{title: "What it takes", panels: g.takes()},
		},
	}
}

const (
	noAgent    = "No agent is scraped, or none with this selector."
	toldOfNone = "The agent is told of no movements of money (collectors.transactions)."
)

func ofInstance() string { return like("instance", "$instance") }

func (g *gen) agentNow() []panel {
	return []panel{{
		kind: table, title: "Agents", w: 12, h: 8, unit: none, empty: noAgent,
		text:   "Each agent: whether its last configuration was taken, how old its last scrape is, since when it runs.",
		labels: []string{"instance"},
		queries: []query{
			{expr: minBy("instance", g.of(metricname.ConfigReloaded, ofInstance()))},
			{expr: maxBy("instance", "time() - timestamp("+g.of(metricname.BuildInfo, ofInstance())+")")},
			{expr: "time() - " + minBy("instance", g.process(g.of("process_start_time_seconds", ofInstance())))},
		},
		columns: []column{
			{title: "Configuration", unit: none, words: words{{0, "last reload refused", red}, {1, "as written", fine}}},
			{title: "Scraped before", unit: seconds, limits: above(60, 300)},
			{title: "Running for", unit: seconds},
		},
	}, {
		kind: table, title: "Builds", w: 12, h: 8, unit: none, empty: noAgent,
		text:   "Which build each agent runs.",
		labels: []string{"instance", "version", "revision", "goversion"}, queries: []query{{expr: maxBy("instance, version, revision, goversion", g.of(metricname.BuildInfo, ofInstance()))}},
		columns: []column{{title: "State", unit: none, words: words{{1, "running", fine}}}},
	}}
}

func (g *gen) sees() []panel {
	return []panel{{
		kind: graph, title: "Targets", w: 12, h: 8, unit: count, empty: noAgent,
		text: "Targets in discovery, by whether the last look at them succeeded.",
		queries: []query{
			{expr: sumBy("collector", g.of(metricname.Targets, ofInstance(), is(metricname.Up, "true"))), legend: "{{collector}} up"},
			{expr: sumBy("collector", g.of(metricname.Targets, ofInstance(), is(metricname.Up, "false"))), legend: "{{collector}} down"},
		},
	}, {
		kind: graph, title: "Looks at targets, a second", w: 12, h: 8, unit: perSecond, empty: noAgent,
		text: "By whether they succeeded; and those left out because the one before had not ended.",
		queries: []query{
			{expr: sumBy("collector, result", rate(g.of(metricname.CollectorCycles, ofInstance()))), legend: "{{collector}} {{result}}"},
			{expr: sumBy("collector", rate(g.of(metricname.CollectorCyclesSkipped, ofInstance()))), legend: "{{collector}} left out"},
		},
	}, {
		kind: graph, title: "Samples that could not be used, a second", w: 12, h: 8, unit: perSecond, empty: noAgent,
		text:    "Of wanted series, by why.",
		queries: []query{{expr: sumBy("reason", rate(g.of(metricname.SamplesRejected, ofInstance()))), legend: "{{reason}}"}},
	}, {
		kind: graph, title: "Events about movements of money, a second", w: 12, h: 8, unit: perSecond, empty: toldOfNone,
		text:    "By what became of them: taken in, known already, or rejected.",
		queries: []query{{expr: sumBy("result", rate(g.of(metricname.TransactionEvents, ofInstance()))), legend: "{{result}}"}}, names: []string{"accepted", "duplicate", "rejected"},
	}, {
		kind: number, title: "Objectives that too little is seen of", w: 8, h: 6, unit: count, empty: noObjectives, limits: anyAtAll(),
		text:    "How many cannot be judged now. Their states are unknown, which is never all-clear.",
		queries: []query{{expr: "sum(1 - " + maxBy(bySLO, g.of(metricname.Observed, whole(), ofInstance())) + ")", legend: "not observed"}},
	}, {
		kind: number, title: "Least observed objective", w: 8, h: 6, unit: percent, empty: noObjectives, limits: below(0.9, 0.5),
		text:    "Share of its window, since watching began, that was really observed: of the objective for which that is least.",
		queries: []query{{expr: "bottomk(1, " + minBy(bySLO, g.of(metricname.CoverageRatio, whole(), ofInstance())) + ")", legend: "{{slo}}"}}, links: g.ofObjective(),
	}, {
		kind: number, title: "Reason codes that no pack knows", w: 8, h: 6, unit: count, empty: toldOfNone, limits: anyAtAll(),
		text:    "Distinct codes of the last day.",
		queries: []query{{expr: "max(" + g.of(metricname.TransactionsUnmapped, ofInstance()) + ")", legend: "unmapped codes"}},
	}, {
		kind: number, title: "Movements whose record cannot be read", w: 12, h: 6, unit: count, empty: toldOfNone, limits: anyAtAll(),
		text:    "The agent's disk gave back other bytes than were written. These movements are followed no more and may be missing from what is open, overdue and in doubt: restore a backup.",
		queries: []query{{expr: "sum(" + g.of(metricname.TransactionsDamaged, ofInstance()) + ")", legend: "not followed any more"}},
	}, {
		kind: number, title: "Movements not watched for jumps in declines", w: 12, h: 6, unit: count, empty: toldOfNone, limits: []limit{{anyAtAll()[0].from, amber}},
		text:    "Of the last day, those whose counterparty was one too many to be watched. Should its declines jump, nobody is told.",
		queries: []query{{expr: "sum(" + increase(g.of(metricname.BusinessShareDropped, ofInstance()), "1d") + ")", legend: "in the last day"}},
	}}
}

func (g *gen) does() []panel {
	return []panel{{
		kind: graph, title: "Actions of hooks, an hour", w: 12, h: 8, unit: count, empty: "No hook has decided anything: none is configured, or there was no cause.",
		text:    "What hooks decided, by how it ended.",
		queries: []query{{expr: sumBy("hook, kind, result", increase(g.of(metricname.HookActionsTotal, ofInstance()), "1h")), legend: "{{hook}} {{kind}} {{result}}"}},
	}, {
		kind: graph, title: "Objectives by state", w: 12, h: 8, unit: count, stacked: true, empty: noObjectives, names: []string{"ok", "unknown", "burning", "exhausted"},
		text:    "How many objectives are in each state.",
		queries: []query{{expr: sumBy("state", maxBy("slo, service, state", g.of(metricname.SLOState, whole(), ofInstance()))), legend: "{{state}}"}},
	}}
}

func (g *gen) takes() []panel {
	of := func(title, text, unit, expr string) panel {
		return panel{kind: graph, title: title, text: text, unit: unit, w: 12, h: 8, empty: noAgent, queries: []query{{expr: sumBy("instance", expr), legend: "{{instance}}"}}}
	}
	own := func(name string) string { return g.of(name, ofInstance()) }
	plain := func(name string) string { return g.process(own(name)) }
	files := of("Open files", "Dashed: as many as it may open.", count, plain("process_open_fds"))
	files.queries = limited(files.queries, sumBy("instance", plain("process_max_fds")), "{{instance}} allowed")
	files.w = width
	return []panel{
		of("Processors", "CPU seconds a second.", count, g.process(rate(own("process_cpu_seconds_total")))),
		of("Memory", "Resident, files that the system may drop included.", bytesUnit, plain("process_resident_memory_bytes")),
		of("Heap in use", "What the agent itself holds.", bytesUnit, plain("go_memstats_heap_inuse_bytes")),
		of("Goroutines", "One that only grows is a leak.", count, plain("go_goroutines")),
		files,
	}
}
