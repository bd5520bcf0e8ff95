package prometheus

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/money"
)

// AgentFile is the name of the file and of the group that Agent makes.
const AgentFile = "assayer-agent"

// MinorUnits is recorded for each currency in use: how many minor units make one unit of it, 100 for EUR and 1 for JPY.
const MinorUnits = "assayer:currency_minor_units"

// LabelCondition says what is wrong with an agent, in the words of its own health page where it has one.
const LabelCondition = "condition"

// Agent makes the rules on the agent's own series: one file, and as many rules for ten thousand objectives as for one.
// Timing and Severity say when each of them fires. Several agents that watch the same objective raise one alert, and the
// worst of what they say counts. What an objective is, is known from the agent's series alone, so that the file need not
// change with objs; they only say whether budgets of money are among them, and whether any is watched by the agent alone.
// What only the agent can tell is held for an hour when it dies; see [AgentFiring]. With [alerts.Options].Joined they
// also raise what Native's rules record where the agent does not speak.
func Agent(objs []alerts.Objective, o alerts.Options) []alerts.File {
	a := agent{settings: newSettings(o), money: hasMoney(objs)}
	rules := append([]alerts.Rule{a.minorUnits()}, a.burn()...)
	rules = append(rules, a.exhausted(), a.unobserved(), a.absent(AbsentSeverity(objs, o)), a.deadMansSwitch(), a.known())
	rules = append(rules, a.unhealthy()...)
	rules = append(rules, a.settlement()...)
	rules = append(rules, a.drifted())
	return []alerts.File{{Name: AgentFile, Groups: []alerts.Group{{Name: AgentFile, Interval: a.interval, Rules: rules}}}}
}

func hasMoney(objs []alerts.Objective) bool {
	for i := range objs {
		if objs[i].Weight != nil {
			return true
		}
	}
	return false
}

// agent makes the rules.
type agent struct {
	settings
	money bool // some objective counts money
}

func (a *agent) series(metric string, matchers ...string) string {
	return series(metric, a.agent, matchers...)
}

// question is what Query takes.
type question struct {
	expr   string
	labels []string
}

func (q question) query() string { return Query(q.expr, q.labels...) }

// orNative asks rules on raw series for what the agent does not say.
func (a *agent) orNative(q question, expr string, labels ...string) string {
	if !a.joined {
		return q.query()
	}
	own := "max(" + expr + "{slo=%q,service=%q,group=%q})"
	return question{q.expr + " or " + own, slices.Concat(q.labels, labels, []string{metricname.SLO, metricname.Service, metricname.Group})}.query()
}

// ask is a question about the agent's series of the alert's objective; more are further matchers, with the labels they
// take their values from.
func (a *agent) ask(aggregation, metric string, more ...string) question {
	matchers, labels := []string{"slo=%q", "service=%q", "group=%q"}, []string{metricname.SLO, metricname.Service, metricname.Group}
	for i := 0; i < len(more); i += 2 {
		matchers, labels = append(matchers, more[i]+"=%q"), append(labels, more[i+1])
	}
	return question{aggregation + "(" + series(metric, strings.ReplaceAll(a.agent, "%", "%%"), matchers...) + ")", labels}
}

// withNative adds to where the agent calls for an alert where raw series do.
func (a *agent) withNative(expr, alert, by string) string {
	if !a.joined {
		return expr
	}
	from := NativeFiring(alert)
	if alert != alerts.BudgetBurn {
		// Records of the slow group may lie farther apart than Prometheus takes a sample for present, and are written late:
		// a gap would begin the alert's wait anew.
		from = "last_over_time(" + from + "[" + text(a.slow+2*a.interval) + "])"
	}
	return expr + "\nor\nmax by (" + by + ") (\n  " + from + "\n  " + unlessAgent(alert, a.agent) + "\n)"
}

// rule is one alert with its timing and, unless its expression gives one, its severity.
func rule(name, expr string, annotations map[string]string) alerts.Rule {
	wait, keep := Timing(name)
	r := alerts.Rule{Alert: name, Expr: expr, For: wait, KeepFiringFor: keep, Annotations: annotations}
	if s := Severity(name); s != "" {
		r.Labels = map[string]string{alerts.LabelSeverity: string(s)}
	}
	return r
}

// owned are expressions about objectives, each with the owner. The series of one agent are joined with each other,
// whatever labels the scrape gave them, so that agents that do not agree, as during a roll-out, do no harm.
func (a *agent) owned(expr string, ignore ...string) string {
	not := append(ignore, metricname.Team, metricname.Method, metricname.Window, metricname.DisplayName)
	return "  " + expr + "\n* ignoring (" + strings.Join(not, ", ") + ") group_left (team)\n  " + a.series(metricname.Info)
}

// burn fires as the agent's tiers do, and takes what the labels tell of a leg from what the agent tells of it. What the
// last agent said is held where raw series do not tell of the objective.
func (a *agent) burn() []alerts.Rule {
	firing := "(" + a.series(metricname.Firing) + " == 1)\n" +
		"* ignoring (urgency, long_window, short_window, factor) group_left (urgency, long_window, short_window, factor)\n  " + a.series(metricname.TierInfo)
	const by = "slo, service, team, group, tier, long_window, short_window, factor, severity"
	expr := "max by (" + by + ") (label_replace(\n" +
		a.owned(firing, "tier", "severity", "urgency", "long_window", "short_window", "factor") + ",\n" +
		`"severity", "$1", "urgency", "(.+)"))`
	burn := func(window string) string {
		return a.orNative(a.ask("max", metricname.BurnRate, metricname.Window, window), nativeBurnRate+"%s", window)
	}
	held, unlessSeen := AgentFiring(alerts.BudgetBurn), ""
	if a.joined {
		held += "\nunless on (slo, service) (" + a.seen() + " unless on () " + a.series(metricname.BuildInfo) + ")"
		unlessSeen = " unless on (slo, service) " + a.seen()
	}
	r := rule(alerts.BudgetBurn, a.withNative(held, alerts.BudgetBurn, by), BurnAnnotations(BurnFacts{
		LongBurn:   burn(metricname.LongWindow),
		ShortBurn:  burn(metricname.ShortWindow),
		Remaining:  a.orNative(a.ask("min", metricname.BudgetRemainingRatio), NativeBudgetRemaining),
		ExhaustsAt: a.ask("min", metricname.BudgetExhaustionTime).query(),
		Since:      BurnSince(),
		Lost:       a.lost("long_window") + a.lastWord(alerts.BudgetBurn, unlessSeen, metricname.SLO, metricname.Service, metricname.Group, metricname.Tier),
	}, a.links))
	if a.joined {
		// A record of the slow group may be older than Prometheus takes for present when the next comes.
		r.KeepFiringFor = max(r.KeepFiringFor, a.slow-lookback+2*a.interval)
	}
	return a.held(r, expr)
}

// lost is a sentence on how much money failed over the window that the label names.
func (a *agent) lost(window string) string {
	if !a.money {
		return ""
	}
	value := series(metricname.SLIValueTotal, strings.ReplaceAll(a.agent, "%", "%%"), `slo=%q`, `service=%q`, `group=%q`, `outcome="bad"`)
	return moneyOf("sum by (currency) (increase("+value+"[%s]))", " What failed in the last {{ $labels."+window+" }} comes to about ", ".",
		metricname.SLO, metricname.Service, metricname.Group, window)
}

// moneyOf says before, amounts in units of their currencies, and after. expr gives minor units by currency, and has a
// verb for each label. Currencies of which it is not known how many minor units make one are told in these.
func moneyOf(expr, before, after string, labels ...string) string {
	amounts := Query(expr+" / on (currency) "+MinorUnits+" > 0", labels...)
	rest := Query("("+expr+" unless on (currency) "+MinorUnits+") > 0", labels...)
	each := func(query, unit string) string {
		return "{{ with " + query + " }}" + before + `{{ range $i, $v := . }}{{ if $i }}, {{ end }}{{ printf "%.2f" (value $v) }} ` + unit + `{{ label "currency" $v }}{{ end }}` + after + "{{ end }}"
	}
	return each(amounts, "") + each(rest, "minor units of ")
}

// minorUnits records the scale of each currency in use, so that annotations speak of euros and not of cents.
func (a *agent) minorUnits() alerts.Rule {
	names := strings.Join([]string{metricname.SLIValueTotal, metricname.TransactionsOverdueValue, metricname.TransactionsDueValue, metricname.TransactionsInDoubtValue}, "|")
	var parts []string
	for digits, scale := 0, 1; digits <= 4; digits, scale = digits+1, scale*10 {
		if codes := money.Codes(digits); len(codes) > 0 {
			in := series("", a.agent, `__name__=~"`+names+`"`, `currency=~"`+strings.Join(codes, "|")+`"`)
			parts = append(parts, "count by (currency) ("+in+") * 0 + "+strconv.Itoa(scale))
		}
	}
	return alerts.Rule{Record: MinorUnits, Expr: strings.Join(parts, "\nor\n")}
}

// exhausted waits for the window to fill: the budget is a share of the events in the window, so an agent that has
// watched for an hour says exhausted after an hour's share of it, which is a few bad events.
func (a *agent) exhausted() alerts.Rule {
	spent := "(" + a.series(metricname.SLOState, `state="exhausted"`) + " == 1 and ignoring (state) " + a.series(metricname.WindowFilledRatio) + " >= 0.9)"
	const by = "slo, service, team, group"
	return rule(alerts.BudgetExhausted, a.withNative("max by ("+by+") (\n"+a.owned(spent, "state")+"\n)", alerts.BudgetExhausted, by),
		ExhaustedAnnotations(a.orNative(a.ask("min", metricname.BudgetRemainingRatio), NativeBudgetRemaining), "", a.links))
}

// unobserved is about whole objectives: when targets go, all of their groups go with them, and one alert says enough.
// It is enough that one agent of several sees the objective.
func (a *agent) unobserved() alerts.Rule {
	const by = "slo, service, team"
	expr := "max by (" + by + ") (\n" + a.owned(a.series(metricname.Observed, `group=""`)) + "\n) == 0"
	return rule(alerts.Unobserved, a.withNative(expr, alerts.Unobserved, by), UnobservedAnnotations(a.links))
}

func (a *agent) absent(severity burnrate.Urgency) alerts.Rule {
	r := rule(alerts.AgentAbsent, "absent(max("+a.series(metricname.BuildInfo)+"))", linked("No Assayer is there",
		"No agent's series have come in for two minutes. The rules on raw series watch the objectives that can be watched so; hooks do not run, and movements of money are not followed. What the last agent said of the rest is held for an hour.", aboutAgent, a.links))
	r.Labels[alerts.LabelSeverity] = string(severity)
	return r
}

func (a *agent) deadMansSwitch() alerts.Rule {
	return rule(alerts.DeadMansSwitch, "vector(1)", linked("Alerting works",
		"This alert always fires. Let it go to something that raises the alarm when it no longer comes: then rules are not evaluated, or alerts are not delivered.", aboutNothing, a.links))
}

// known records the agents there are, by job and instance, since the series up does not say of what it is: those of the
// last day, and all that Prometheus goes on scraping.
func (a *agent) known() alerts.Rule {
	return alerts.Rule{Record: agentTargets, Expr: "max by (job, instance) (max_over_time(" + a.series(metricname.BuildInfo) + "[1d]))\nor\n" +
		"last_over_time(" + agentTargets + "[1d]) and on (job, instance) up"}
}

const agentTargets = "assayer:agent:known"

// unhealthy are what agents say of themselves, one condition a rule, each by agent. A hook's first failure counts too,
// before which there was no series that could have grown, but for what a Prometheus that is new finds on an agent that is
// not.
func (a *agent) unhealthy() []alerts.Rule {
	failed := a.series(metricname.HookActionsTotal, `result=~"failed|unverified"`)
	watched := "(" + a.series(metricname.BuildInfo) + " offset 15m or time() - " + a.series("process_start_time_seconds") + " < 900)"
	condition := func(name string, severity burnrate.Urgency, wait time.Duration, expr, summary, description string) alerts.Rule {
		labels := map[string]string{LabelCondition: name, alerts.LabelSeverity: string(severity)}
		return alerts.Rule{
			Alert: alerts.AgentUnhealthy, Expr: expr, For: wait, KeepFiringFor: 5 * time.Minute, Labels: labels,
			Annotations: linked(summary, description, aboutAgent, a.links),
		}
	}
	const agent = "Assayer {{ $labels.instance }}"
	return []alerts.Rule{
		// A restart takes less.
		condition("down", burnrate.High, 2*time.Minute,
			"max by (job, instance) (up == 0 and on (job, instance) "+agentTargets+")",
			agent+" cannot be scraped", "Prometheus has not reached it for two minutes. What it alone watches is watched by the rules on raw series now, if at all."),
		// Whoever reloads sees the mistake at once; five minutes are for putting it right.
		condition("reload_failed", burnrate.Medium, 5*time.Minute,
			"max by (job, instance) ("+a.series(metricname.ConfigReloaded)+" == 0)",
			agent+" runs on an old configuration", "Its last reload was refused. Everything goes on as it was before; its log and its page say what is wrong with the files."),
		// Whoever scrapes without honor_labels puts labels of its own in the place of ours.
		condition("labels_renamed", burnrate.Medium, 5*time.Minute,
			"max by (job, instance) ("+a.series(metricname.Info, `exported_service!=""`)+" or "+a.series(metricname.Info, `exported_team!=""`)+") > 0",
			"Prometheus renames the labels of "+agent, "It scrapes the agent without honor_labels, so that labels of the target stand where those of objectives should. Then nobody is told by team, one outage calls people twice, and alerts that should keep still do not."),
		// Single targets restart all the time.
		condition("target_down", burnrate.Medium, 10*time.Minute,
			"max by (job, instance, collector) ("+a.series(metricname.Targets, `up="false"`)+") > 0",
			number+" targets of "+agent+" are down", "They have not answered its collector {{ $labels.collector }} for ten minutes. Its page names them. Objectives of which too little is seen become unknown."),
		// One look left out does no harm: coverage falls when it is many.
		condition("scrape_overrun", burnrate.Low, 15*time.Minute,
			"max by (job, instance, collector) (rate("+a.series(metricname.CollectorCyclesSkipped)+"[15m])) > 0",
			agent+" leaves looks at targets out", "For a quarter of an hour looks of its collector {{ $labels.collector }} had not ended when the next was due. Raise scrape_interval, or give it more CPU."),
		// Somebody has to look whether what was to be undone is undone.
		condition("hook_failing", burnrate.High, 0,
			"max by (job, instance, hook, kind, result) (increase("+failed+"[15m]) > 0 or ("+failed+" > 0 unless "+failed+" offset 15m and on (job, instance) "+watched+"))",
			"An action of hook {{ $labels.hook }} did not help", "Within a quarter of an hour an action of {{ $labels.hook }} ({{ $labels.kind }}) ended as {{ $labels.result }}. The agent's page says what it tried; do by hand what it could not."),
	}
}

// number is the value of an expression that counts.
const number = `{{ $value | printf "%.0f" }}`

// settlement are about movements of money, by rail. Of several agents each follows movements of its own.
func (a *agent) settlement() []alerts.Rule {
	sel := strings.ReplaceAll(a.agent, "%", "%%")
	worth := func(metric string) string {
		return moneyOf("sum by (currency) ("+series(metric, sel, "rail=%q")+")", " They come to ", ".", metricname.Rail)
	}
	of := func(fn, metric string) string {
		return Query(fn+"("+series(metric, sel, "rail=%q")+")", metricname.Rail)
	}
	count := func(metric string) string { return "sum by (rail) (" + a.series(metric) + ") > 0" }
	onRail := func(name, expr, summary, description string) []alerts.Rule {
		return a.held(rule(name, "", linked(summary, description+a.lastWord(name, "", metricname.Rail), aboutRail, a.links)), expr)
	}
	return slices.Concat(
		onRail(alerts.Overdue, count(metricname.TransactionsOverdue), number+" movements on {{ $labels.rail }} are overdue",
			"Their deadline has passed and they have not ended."+worth(metricname.TransactionsOverdueValue)+
				Phrase(of("max", metricname.TransactionsOldest), " The oldest open one is ", "humanizeDuration", " old.")),
		onRail(alerts.CutOffAtRisk, "max by (rail) ("+a.series(metricname.TransactionsDrainRatio)+" > 1)", "What is open on {{ $labels.rail }} will miss the next cut-off",
			`At the pace of the last ten minutes it takes {{ $value | printf "%.3g" }} times as long as there is time left.`+worth(metricname.TransactionsDueValue)+
				Phrase(of("min", metricname.NextCutOff), " The cut-off is at ", moment, ".")),
		onRail(alerts.InDoubt, count(metricname.TransactionsInDoubt), "Nobody knows what became of "+number+" movements on {{ $labels.rail }}",
			"They were sent, and no answer came. Ask before sending again: money may have moved."+worth(metricname.TransactionsInDoubtValue)),
		onRail(alerts.Breaks, count(metricname.ReconciliationBreaks), number+" movements on {{ $labels.rail }} do not reconcile",
			"For an hour the two sides have told of them differently, or only one of them has."),
	)
}

// drifted tells of rules and screens that somebody edited where they are deployed.
func (a *agent) drifted() alerts.Rule {
	return rule(alerts.ConfigDrifted, "max by (target, kind) ("+a.series(metricname.DriftedObjects)+") > 0", linked(number+" {{ $labels.kind }} in {{ $labels.target }} are not what was applied",
		"Somebody edited them there, or took them away. assayer diff shows what differs, assayer apply puts it back.", aboutAgent, a.links))
}
