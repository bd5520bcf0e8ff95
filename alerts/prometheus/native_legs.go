package prometheus

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/spec"
)

// guard is how a leg is kept from firing on chance.
type guard uint8

const (
	poisson   guard = iota // the tail of the Poisson distribution
	threeBad               // bad events in three tiles: of amounts of money nobody knows how many payments they are
	certainly              // a single bad event is enough where none is allowed
)

func guardOf(n *nativeObjective) guard {
	switch {
	case n.Weight != nil:
		return threeBad
	case n.allowed() <= 0:
		return certainly
	}
	return poisson
}

// allowed is the ratio of bad events that the target allows.
func (n *nativeObjective) allowed() float64 { return burnrate.Allowed(n.Target) }

// nativeLeg is one leg with the objectives of the service that have it.
type nativeLeg struct {
	tier
	urgency burnrate.Urgency
	guard   guard
	slos    []string
}

// refusedLeg says why PromQL cannot judge a leg, or "".
func (s *settings) refusedLeg(t *tier) string {
	switch {
	case t.OfRemaining:
		return "its factor follows from what is left of the budget, down to 1, which the agent knows at every moment"
	case t.Name == alerts.FastTier:
		return "it weighs each look against those before it, and PromQL has no memory"
	case t.Short < 2*s.interval:
		return fmt.Sprintf("its short window of %s is shorter than two evaluations, %s apart", text(t.Short), text(s.interval))
	}
	return ""
}

// inFirst reports whether a leg is judged in the first group: one that pages, or whose short window the tiles of the
// second are too coarse for.
func (t *nativeLeg) inFirst() bool { return t.Severity == burnrate.Page || t.Short < fastest }

// legs are the distinct legs of all objectives.
func (b *fileBuilder) legs() []nativeLeg {
	var out []nativeLeg
	for i := range b.objectives {
		n := &b.objectives[i]
		for _, t := range n.legs {
			leg := nativeLeg{tier: t, urgency: burnrate.UrgencyOf(t, n.Tiers), guard: guardOf(n)}
			same := func(l nativeLeg) bool {
				return l.tier == leg.tier && l.urgency == leg.urgency && l.guard == leg.guard
			}
			at := slices.IndexFunc(out, same)
			if at < 0 {
				at = len(out)
				out = append(out, leg)
			}
			out[at].slos = append(out[at].slos, n.Name)
		}
	}
	return out
}

// these selects what is recorded of some objectives of the service, or of all of them.
func (b *fileBuilder) these(metric string, slos []string) string {
	all := []*labels.Matcher{equal(metricname.Service, b.service)}
	if len(slos) < len(b.objectives) {
		all = append(all, oneOf(metricname.SLO, slos))
	}
	return selector(metric, all...)
}

func (b *fileBuilder) all(metric string) string {
	return selector(metric, equal(metricname.Service, b.service))
}

// oneOf matches names, which are DNS labels.
func oneOf(label string, names []string) *labels.Matcher {
	if len(names) == 1 {
		return equal(label, names[0])
	}
	return &labels.Matcher{Type: labels.MatchRegexp, Name: label, Value: strings.Join(names, "|")}
}

// windows records every window of the legs. Those up to six hours come from the fast tiles if a leg of the first group
// needs them, the others from the slow ones.
func (b *fileBuilder) windows(legs []nativeLeg) {
	first, second := []time.Duration{b.slow}, []time.Duration(nil)
	for i := range legs {
		for _, w := range []time.Duration{legs[i].Long, legs[i].Short} {
			if legs[i].inFirst() && w <= longest {
				first = append(first, w)
			}
		}
	}
	for i := range legs {
		for _, w := range []time.Duration{legs[i].Long, legs[i].Short} {
			if !slices.Contains(first, w) {
				second = append(second, w)
			}
		}
	}
	b.recorded = map[time.Duration]bool{}
	for _, w := range slices.Concat(first, second) {
		b.recorded[w] = true
	}
	for _, w := range sorted(first) {
		b.fast = append(b.fast, b.window(w, b.interval, NativeBadEvents(b.interval), NativeTotalEvents(b.interval))...)
	}
	for _, metric := range []string{badEvents, totalEvents} {
		b.late = append(b.late, b.slowTile(metric))
	}
	for _, w := range sorted(second) {
		b.late = append(b.late, b.window(w, b.slow, slowTile(badEvents, b.slow), slowTile(totalEvents, b.slow))...)
	}
}

func sorted(ws []time.Duration) []time.Duration {
	slices.Sort(ws)
	return slices.Compact(ws)
}

// slowTile is what the first group last recorded of as long a window: consecutive ones telescope, since both groups
// keep their pace. promtool knows no pace of groups and evaluates all of them every time, so the record keeps its own.
func (b *fileBuilder) slowTile(metric string) alerts.Rule {
	name := slowTile(metric, b.slow)
	return alerts.Rule{Record: name, Expr: fmt.Sprintf("%s\nunless on (slo, service, group) last_over_time(%s[%s])",
		b.all("slo:"+metric+":sum"+text(b.slow)), b.all(name), text(short(b.slow)))}
}

// short is d a little shortened. A range that is as long as some steps holds one sample more than steps in
// Prometheus 2, which includes both ends.
func short(d time.Duration) time.Duration { return d - min(time.Second, d/2) }

// over is the range of a record that holds the tiles of a window, and how many those are.
func over(window, step time.Duration) (rng string, tiles int64) {
	n := (window + step - 1) / step
	return text(n*step - min(time.Second, step/2)), int64(n)
}

// window records bad and all events of one window, and how fast it burned.
func (b *fileBuilder) window(w, step time.Duration, bad, total string) []alerts.Rule {
	rng, n := over(w, step)
	filled := fmt.Sprintf("clamp_max(count_over_time(%s[%s]) / %d, 1)", b.all(total), rng, n)
	burns := []string{fmt.Sprintf("clamp_min(%s, 0)\n/ (%s > 0)\n/ on (slo, service) group_left () (round(1 - %s, 1e-12) > 0)\n* %s",
		b.all(NativeBadEvents(w)), b.all(NativeTotalEvents(w)), b.all(NativeObjectiveRatio), filled)}
	for i := range b.objectives {
		// An objective of 1 has a budget of one event.
		if o := &b.objectives[i]; o.allowed() <= 0 {
			burns = append(burns, fmt.Sprintf("clamp_min(%s, 0) * %s * %s", o.of(NativeBadEvents(w)), numeral(float64(o.Window.Length)/float64(w)), filled))
		}
	}
	return []alerts.Rule{
		{Record: NativeBadEvents(w), Expr: fmt.Sprintf("sum_over_time(%s[%s])", b.all(bad), rng)},
		{Record: NativeTotalEvents(w), Expr: fmt.Sprintf("sum_over_time(%s[%s])", b.all(total), rng)},
		{Record: NativeBurnRate(w), Expr: strings.Join(burns, "\nor ")},
		{Record: NativeBeyondChance(w), Expr: b.beyond(b.all(NativeBadEvents(w)), b.all(NativeBurnRate(w)))},
	}
}

// budgets records what each budget window holds and what is left of it.
func (b *fileBuilder) budgets() {
	byWindow := map[time.Duration][]string{}
	for i := range b.objectives {
		if n := &b.objectives[i]; n.Window.Rolling {
			byWindow[n.Window.Length] = append(byWindow[n.Window.Length], n.Name)
		} else {
			byWindow[-n.Window.Length] = append(byWindow[-n.Window.Length], n.Name)
		}
	}
	var windows []time.Duration
	for w := range byWindow {
		windows = append(windows, w)
	}
	for _, w := range sorted(windows) {
		b.budget(w, byWindow[w])
	}
}

const (
	maxTail         = 1e-4 // as in package slo
	maxTailOfWindow = 0.02
)

// budget records one budget window; of one that follows the calendar, whose length is given negative, only how many
// events such a time has.
func (b *fileBuilder) budget(w time.Duration, slos []string) {
	calendar := w < 0
	if calendar {
		w = -w
	}
	bad, total := slowTile(badEvents, b.slow), slowTile(totalEvents, b.slow)
	rng, n := over(w, b.slow)
	record := func(name, expr string) { b.late = append(b.late, alerts.Rule{Record: name, Expr: expr}) }
	// Chance gets a try with each event of a budget window.
	record(NativeChanceLimit, fmt.Sprintf("-ln(clamp_min(avg_over_time(%s[%s]) * %s, %s))",
		b.these(total, slos), rng, numeral(float64(n)/maxTailOfWindow), numeral(1/maxTail)))
	if calendar {
		return
	}
	b.budgetWindows = append(b.budgetWindows, w)
	record(NativeWindowFilled(w), fmt.Sprintf("clamp_max(count_over_time(%s[%s]) / %d, 1)", b.these(total, slos), rng, n))
	if !b.recorded[w] {
		record(NativeBadEvents(w), fmt.Sprintf("sum_over_time(%s[%s])", b.these(bad, slos), rng))
		record(NativeTotalEvents(w), fmt.Sprintf("sum_over_time(%s[%s])", b.these(total, slos), rng))
	}
	left := fmt.Sprintf("1 - clamp_min(%s, 0)\n/ (%s > 0)\n/ on (slo, service) group_left () (round(1 - %s, 1e-12) > 0)\nor 1 + 0 * %s",
		b.these(NativeBadEvents(w), slos), b.these(NativeTotalEvents(w), slos), b.these(NativeObjectiveRatio, slos), b.these(NativeTotalEvents(w), slos))
	for i := range b.objectives {
		if o := &b.objectives[i]; o.allowed() <= 0 && slices.Contains(slos, o.Name) {
			left = fmt.Sprintf("1 - clamp_min(%s, 0)\nor %s", o.of(NativeBadEvents(w)), left)
		}
	}
	record(NativeBudgetRemaining, left)
}

// leg adds the alert of one leg.
func (b *fileBuilder) leg(l *nativeLeg) {
	from := func(metric func(time.Duration) string, w time.Duration) string {
		text := b.these(metric(w), l.slos)
		if l.inFirst() && w > longest { // recorded every five minutes, which is as long as Prometheus takes it for present
			text = fmt.Sprintf("last_over_time(%s[%s])", text, burnrate.Text(3*b.slow))
		}
		return text
	}
	factor := numeral(l.Factor)
	expr := fmt.Sprintf("(\n  %s >= %s\n  and %s >= %s\n  and (\n%s\n  )\n)",
		from(NativeBurnRate, l.Long), factor, from(NativeBurnRate, l.Short), factor, indented(indented(b.beyondChance(l, from))))
	own := func(metric string) string {
		return Query(metric+"{slo=%q,service=%q,group=%q}", metricname.SLO, metricname.Service, metricname.Group)
	}
	facts := BurnFacts{LongBurn: OwnValue, ShortBurn: own(NativeBurnRate(l.Short)), Remaining: own(NativeBudgetRemaining), Since: BurnSince()}
	alert := rule(alerts.BudgetBurn, b.owned(expr), BurnAnnotations(facts, b.links))
	alert.Labels = map[string]string{
		alerts.LabelTier: l.Name, alerts.LabelSeverity: string(l.urgency), alerts.LabelFactor: l.FactorText(),
		alerts.LabelLongWindow: text(l.Long), alerts.LabelShortWindow: text(l.Short),
	}
	if l.inFirst() {
		b.fast = append(b.fast, b.raised(alert))
	} else {
		b.late = append(b.late, b.raised(alert))
	}
}

// raised is an alert that is held back while the agent raises it itself, or the record of it for who raises it.
func (b *fileBuilder) raised(alert alerts.Rule) alerts.Rule {
	if b.joined {
		return alerts.Rule{Record: NativeFiring(alert.Alert), Expr: alert.Expr, Labels: alert.Labels}
	}
	alert.Expr += "\n" + unlessAgent(alert.Alert, b.agent)
	return alert
}

// unlessAgent takes out of an alert from raw series what the agent speaks for: the objectives that it sees, or those of
// which it says whether it sees them.
func unlessAgent(alert, agent string) string {
	if alert == alerts.Unobserved {
		return "unless on (slo, service) " + series(metricname.Observed, agent)
	}
	return "unless on (slo, service, group) " + series(metricname.Observed, agent) + " == 1"
}

// state adds the alerts on objectives that no leg tells of: a budget that is spent, for the agent while it sees the
// objective, and an objective of which nothing is seen, while no agent says whether it sees it.
func (b *fileBuilder) state() {
	var filled []string
	for _, w := range b.budgetWindows {
		filled = append(filled, b.all(NativeWindowFilled(w))+" >= 0.9")
	}
	spent := fmt.Sprintf("(\n  %s <= 0\n  and on (slo, service, group) (\n    %s\n  )\n)",
		b.all(NativeBudgetRemaining), strings.Join(filled, "\n    or\n    "))
	if len(b.budgetWindows) > 0 {
		b.late = append(b.late, b.raised(rule(alerts.BudgetExhausted, b.owned(spent), ExhaustedAnnotations(OwnValue, "", b.links))))
	}
	b.late = append(b.late, b.raised(rule(alerts.Unobserved, b.all(NativeObjectiveRatio)+"\nunless on (slo, service) "+b.seen(), UnobservedAnnotations(b.links))))
}

// seen is there for objectives of which something is: of those of events, that some or none were counted. Slices are
// counted all the time, none of them where nothing is known, so one of them must have been judged within the time in
// which one has to end.
func (b *fileBuilder) seen() string {
	within := map[time.Duration][]string{}
	for i := range b.objectives {
		n, w := &b.objectives[i], time.Duration(0)
		if n.Method != spec.Occurrences {
			w = max(b.slow, n.Slice)
		}
		within[w] = append(within[w], n.Name)
	}
	var each []string
	for _, w := range slices.Sorted(maps.Keys(within)) {
		if w == 0 {
			each = append(each, b.these(NativeTotalEvents(b.slow), within[w]))
			continue
		}
		rng, _ := over(w, b.interval)
		each = append(each, fmt.Sprintf("sum_over_time(%s[%s]) > 0", b.these(NativeTotalEvents(b.interval), within[w]), rng))
	}
	if len(within[0]) == len(b.objectives) {
		return each[0]
	}
	return "(\n  " + strings.Join(each, "\n  or\n  ") + "\n)"
}

// owned adds to what is called for who owns the objective.
func (b *fileBuilder) owned(expr string) string {
	return expr + "\n+ on (slo, service) group_left (team) 0 * " + b.all(NativeObjectiveRatio)
}

// beyondChance holds where the errors that end now are more than chance: those of the long window, or of any other that
// is no longer and recorded, since what happened before an outage only blurs it.
func (b *fileBuilder) beyondChance(l *nativeLeg, from func(func(time.Duration) string, time.Duration) string) string {
	switch l.guard {
	case certainly:
		return from(NativeBadEvents, l.Long) + " >= 1"
	case threeBad:
		tile, step := NativeBadEvents(b.interval), b.interval
		if !l.inFirst() || l.Long > longest {
			tile, step = slowTile(badEvents, b.slow), b.slow
		}
		return fmt.Sprintf("count_over_time((%s > 0)[%s:%s]) >= 3", b.these(tile, l.slos), text(l.Long), text(step))
	}
	var each []string
	// A leg that fires at the even burn could never be sure of that: it is held against half of it.
	if m := min(1, l.Factor/2); m < 1 {
		for _, w := range []time.Duration{l.Long, l.Short} {
			each = append(each, b.beyond(from(NativeBadEvents, w), "("+from(NativeBurnRate, w)+" / "+numeral(m)+")"))
		}
	}
	for _, w := range slices.Backward(slices.Sorted(maps.Keys(b.recorded))) {
		if w <= l.Long {
			each = append(each, b.these(NativeBeyondChance(w), l.slos))
		}
	}
	return strings.Join(each, "\nor\n")
}

// beyond is by how much less likely than the limit it is that so many bad events are chance, in logarithms, where they
// are: there is nothing where they are not.
func (b *fileBuilder) beyond(bad, burn string) string {
	return fmt.Sprintf("(last_over_time(%s[%s]) or 0 * %s - %s)\n- (\n%s\n) > 0",
		b.all(NativeChanceLimit), text(3*b.slow), bad, numeral(-math.Log(maxTail)), indented(lnTail(bad, burn)))
}

// lnTail is the logarithm of an upper bound of the probability that the Poisson distribution gives to k events or
// more where k ÷ b are due, b > 1. The terms of the tail fall at least as fast as a geometric series with the ratio
// k ÷ (b × (k + 1)), and k! is Stirling's to the second term, right to 0.3 % for one event. With λ = k ÷ b:
//
//	ln(λ^k × e^−λ ÷ k!) = k × (1 − 1 ÷ b − ln b) − ln(2πk) ÷ 2 − 1 ÷ 12k
//
// Where b is no more than 1, or k is 0, it is no number, and no comparison with it holds.
func lnTail(k, b string) string {
	return fmt.Sprintf("%[1]s * (1 - 1 / %[2]s - ln(%[2]s))\n- 0.5 * ln(%[3]s * %[1]s) - 1 / (12 * %[1]s)\n- ln(1 - %[1]s / (%[2]s * (%[1]s + 1)))",
		k, b, numeral(2*math.Pi))
}
