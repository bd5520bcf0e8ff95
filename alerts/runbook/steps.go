package runbook

import (
	"fmt"
	"strings"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/reason"
)

// signal is which of the golden signals an objective is about.
func signal(o *alerts.Objective) string {
	switch i := &o.Indicator; {
	case o.Composite != nil:
		return "composite"
	case i.Histogram != nil, i.Ratio != nil && i.Ratio.Latency:
		return rail.Latency
	case i.Traffic != nil, i.Presence != nil:
		return rail.Traffic
	case i.Threshold != nil:
		return rail.Saturation
	}
	return rail.Errors
}

// lookFirst is what to look at before anything else.
func (p *page) lookFirst() {
	p.section("What to look at first")
	p.WriteString("1. Did something change? [Recorded changes](#changes) come first, those of what this service calls too.\n")
	p.WriteString("2. Is it one target or all, one group or all? The queries below spread what fails by `instance` and by label.\n")
	for i, step := range steps(signal(&p.Objective)) {
		p.line("%d. %s", i+3, step)
	}
	if p.Rail != nil {
		p.rail(p.Rail)
	}
}

func steps(signal string) []string {
	switch signal {
	case rail.Latency:
		return []string{"Are all requests slow, or a slow few? Compare the quantile with the rate: slower with more traffic is saturation, slower with the same is what is called.",
			"What waits: connections, locks, queues, the other side's answer? Time-outs above the limit turn slowness into errors next."}
	case rail.Traffic:
		return []string{"Does nothing come, or is nothing counted? Targets that are down, or answer without the series, count as no traffic.",
			"What is in front: DNS, certificates, load balancer, the other side's link? Customers who do not come say nothing themselves."}
	case rail.Saturation:
		return []string{"Which is full: the gauge's own labels say. Is more coming in, or less going out?",
			"How long until it is full, at this pace? That decides whether to shed, to scale or to wait."}
	case "composite":
		return []string{"Which member burns? Its share stands on the agent's page; go on in its own runbook."}
	}
	return []string{"Which errors? By reason code and class: ours, the other side's, or the customers' own, which are no errors of ours.",
		"Do they fail fast or after waiting? Failing fast is refusing or misconfigured; after waiting, something behind it does not answer."}
}

// rail is what the rail adds: signals, queries, classes and limits.
func (p *page) rail(r *rail.Rail) {
	p.line("\n### %s\n", text(r.Title))
	for _, s := range r.Signals {
		p.line("- %s: %s", text(s.Name), text(s.Text))
	}
	of := func(metric string, more ...string) string {
		return metric + "{" + strings.Join(p.ofAgent(append([]string{fmt.Sprintf("rail=%q", r.Name)}, more...)), ",") + "}"
	}
	p.line("\nWhat is open, overdue and in doubt, and what the next cut-off will find:\n")
	p.block(
		of(metricname.TransactionsOverdue), of(metricname.TransactionsOverdueValue), of(metricname.TransactionsOldest), of(metricname.TransactionsOpenByAge),
		of(metricname.TransactionsInDoubt), of(metricname.NextCutOff)+" - time()", of(metricname.TransactionsDue), of(metricname.TransactionsDrainRatio),
		of(metricname.ReconciliationBreaks),
	)
	p.line("\nWhat fails, by class:\n")
	p.block("sum by (direction, class) (rate("+of(metricname.Transactions, `outcome!="good"`)+"["+p.span()+"]))",
		"sum by (direction, class, currency) (increase("+of(metricname.TransactionsValue, `outcome!="good"`)+"[1h]))")
	p.line("\nThe list of what is overdue, and whose fault a code is:\n")
	classify := "assayer classify CODE"
	if r.Scheme != "" {
		classify += " --scheme " + shell(r.Scheme)
	}
	if r.List != "" {
		classify += " --list " + shell(r.List)
	}
	p.console("curl -s "+shell(p.server()+"/api/v1/transactions"), classify)
	p.line("\n| class | is | burns our budget | burns end to end |\n|---|---|---|---|")
	for _, c := range reason.Classes() {
		if own, all := c.Burns(); own != reason.No || all != reason.No {
			p.line("| %s | %s | %s | %s |", cell(string(c)), text(c.Words()), own, all)
		}
	}
	p.line("\nLimits, as of %s:\n", r.ValidFrom)
	p.line("| limit | value | | source | as of |\n|---|---|---|---|---|")
	for _, l := range r.Limits {
		asOf := l.AsOf.String()
		if l.Until.Year > 0 {
			asOf += " until " + l.Until.String()
		}
		p.line("| %s | %s | %s | %s | %s |", text(l.Name), text(l.Value), text(l.Text), text(l.Source), asOf)
	}
}

// server is where the agent answers.
func (p *page) server() string {
	if p.Options.Links.Agent != "" {
		return p.Options.Links.Agent
	}
	return "http://127.0.0.1:9797"
}

// command is one of ours, which asks the agent.
func (p *page) command(words string) string {
	if p.Options.Links.Agent == "" {
		return "assayer " + words
	}
	return "assayer " + words + " --server " + shell(p.Options.Links.Agent)
}

// changes are what was recorded, and what may undo it.
func (p *page) changes() {
	p.section("Changes")
	p.line("What was deployed, switched or configured, and what hooks decided and why:\n")
	p.console("curl -s "+shell(p.server()+"/api/v1/changes?service="+query(p.Objective.Service)), p.command("actions list"))
	if len(p.Hooks) == 0 {
		p.line("\nNo hook answers this objective: roll back by hand, with whatever deploys.")
		return
	}
	p.line("\nThese hooks may answer:\n")
	for _, h := range p.Hooks {
		p.line("- %s, mode %s", code(h.Name), code(h.Mode))
	}
	p.line("\nA hook in mode `approve` waits for a person. To stop all of them at once, pause them.\n")
	p.console(p.command("actions approve ID"), p.command("actions reject ID"), p.command("actions pause --reason WHY"))
}

// correct says how to set counts right afterwards.
func (p *page) correct() {
	p.section("Afterwards")
	p.line("What should not count, such as announced maintenance or a fault of the measuring, is taken out with a reason. It is audited and can be given back.\n")
	name := shell(p.Objective.Name)
	commands := []string{p.command("exclusions add --objective " + name + " --from 2h --to 1h --why WHY")}
	if p.Objective.Composite == nil {
		commands = append(commands, p.command("exclusions add --objective "+name+" --from 2h --to 1h --why WHY --bad -12 --good 12"))
	}
	p.console(append(commands, p.command("exclusions list --objective "+name), p.command("exclusions remove ID"))...)
}

// falseAlarms is what to check before believing it.
func (p *page) falseAlarms() {
	o := &p.Objective
	p.section("If it looks like a false alarm")
	p.WriteString("- Is enough seen? Coverage near 1, no target down, and the agent well.\n")
	p.WriteString("- Are there enough events? A few errors at night are a large share; the legs ask whether that is chance, people should too.\n")
	p.WriteString("- Was it maintenance that nobody recorded? See [Afterwards](#afterwards).\n")
	p.WriteString("- Did an exporter change? New names or labels of the same events count as births, resets or nothing.\n")
	if o.Calendar != nil {
		p.line("- Is the calendar %s right about today? A holiday it does not know counts as business.", code(o.Calendar.Name))
	}
	if p.Rail != nil {
		p.WriteString("- Are codes unknown to every pack, or has the share of customers' declines jumped? Then it may be somebody else's fault.\n")
	}
	p.WriteString("\n")
	queries := []string{p.own(metricname.CoverageRatio), p.own(metricname.Observed), p.own(metricname.WindowFilledRatio), `up == 0`}
	if p.Rail != nil {
		queries = append(queries, metricname.TransactionsUnmapped+p.braces(), p.railSeries(metricname.BusinessShareAnomalies))
	}
	p.block(queries...)
	p.line("")
	p.console(p.command("status"))
}

func (p *page) braces() string {
	if all := p.ofAgent(nil); len(all) > 0 {
		return "{" + strings.Join(all, ",") + "}"
	}
	return ""
}

func (p *page) railSeries(metric string) string {
	return metric + "{" + strings.Join(p.ofAgent([]string{fmt.Sprintf("rail=%q", p.Rail.Name)}), ",") + "}"
}
