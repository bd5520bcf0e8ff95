package slo

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/spec"
)

// Evaluate judges every objective at moment now and returns the statuses in order of name. The
// cost is that of the windows, whatever their length.
func (e *Engine) Evaluate(now time.Time) []Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.evaluateAll(now)
}

// Reconsider judges those objectives again of which bad events were booked since they were judged last,
// and their composites: nothing else can have begun to fire. All others are as the latest evaluation
// left them, with its moment in At.
func (e *Engine) Reconsider(now time.Time) []Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lastGeneration != e.generation || len(e.last) != len(e.objectives) {
		return e.evaluateAll(now)
	}
	feeds := e.feeds(now.UnixMilli(), func(o *objective) bool { return o.alarmed || o.Composite != nil || o.reach > 0 })
	out := slices.Clone(e.last)
	for _, composite := range []bool{false, true} {
		for i, obj := range e.objectives {
			if (obj.Composite != nil) != composite || !composite && !obj.alarmed || composite && !e.anyAlarmed(obj) {
				continue
			}
			out[i] = e.evaluate(obj, now.UnixMilli(), feeds)
		}
	}
	for _, obj := range e.objectives {
		obj.alarmed = false
	}
	e.last = out
	return out
}

// anyAlarmed reports whether bad events of a member of the composite were booked.
func (e *Engine) anyAlarmed(o *objective) bool {
	return slices.ContainsFunc(o.Composite.Members, func(m spec.Member) bool { return e.byName[m.Objective] != nil && e.byName[m.Objective].alarmed })
}

func (e *Engine) evaluateAll(now time.Time) []Status {
	ms := now.UnixMilli()
	if ms-e.sweptMs > time.Hour.Milliseconds() {
		e.sweep(ms)
		e.sweptMs = ms
	}
	feeds := e.feeds(ms, func(*objective) bool { return true })
	out := make([]Status, len(e.objectives))
	for _, composite := range []bool{false, true} { // a composite is judged by its members
		for i, obj := range e.objectives {
			if (obj.Composite != nil) == composite {
				out[i] = e.evaluate(obj, ms, feeds)
				obj.alarmed = false
			}
		}
	}
	e.last, e.lastGeneration = out, e.generation
	return out
}

// feed sums up the targets that feed one objective at the moment of an evaluation.
type feed struct {
	targets  int
	met      int     // have ever answered
	fresh    int     // answered lately and showed what is needed
	absent   int     // answered lately without it
	problem  string  // what one of them lacks; "" when nothing
	overdue  []int64 // for each target that is silent: its last successful look
	interval int64   // the longest of their intervals, in milliseconds
}

// feeds sums them up for the objectives that are wanted.
func (e *Engine) feeds(now int64, wanted func(*objective) bool) map[*objective]*feed {
	out := map[*objective]*feed{}
	groups := map[string]map[*objective]bool{}
	for _, t := range e.targets {
		if !t.expected || t.seenMs == 0 {
			continue
		}
		interval := t.interval.Milliseconds()
		silent := now-t.seenMs > 2*interval || t.seenMs-now > 2*interval
		if t.group != "" && groups[t.group] == nil {
			groups[t.group] = map[*objective]bool{}
		}
		for _, m := range t.members {
			if !wanted(m.obj) {
				continue
			}
			f := feedOf(out, m.obj)
			f.interval = max(f.interval, interval)
			f.add(t, m, silent)
			if t.group != "" {
				groups[t.group][m.obj] = true
			}
		}
	}
	// A target that has never answered is missed where the others of its group are needed.
	for _, t := range e.targets {
		if t.expected && t.seenMs == 0 {
			for obj := range groups[t.group] {
				feedOf(out, obj).targets++
			}
		}
	}
	return out
}

func feedOf(feeds map[*objective]*feed, obj *objective) *feed {
	f := feeds[obj]
	if f == nil {
		f = &feed{}
		feeds[obj] = f
	}
	return f
}

func (f *feed) add(t *target, m *member, silent bool) {
	f.targets++
	f.met++
	problem := m.broken
	if problem == "" && m.spoilt {
		problem = "target " + string(t.id) + " shows samples of it that cannot be used: not a number, negative, or with a timestamp that is out of order, too old or in the future"
	}
	if problem != "" && (f.problem == "" || problem < f.problem) {
		f.problem = problem // the first by name, whatever the order of the map
	}
	switch {
	case silent:
		f.overdue = append(f.overdue, t.seenMs)
	case m.missed:
		f.absent++
	default:
		f.fresh++
	}
}

// measure is what is known of one window at one moment.
type measure struct {
	good, bad, excluded float64
	coverage            float64 // of the part since watching began
	filled              float64 // share of the window that lies after watching began
	lengthMs            int64
	untilMs             int64
	sure                bool   // of a composite: what it measures is more than chance
	spans               []span // what was excluded
}

func (m measure) total() float64 { return m.good + m.bad }

// ratio is the error ratio, 0 with no events.
func (m measure) ratio() float64 {
	if m.total() <= 0 {
		return 0
	}
	return m.bad / m.total()
}

// known is the share of the window that was really observed.
func (m measure) known() float64 { return m.coverage * m.filled }

// measure counts the window (edge, now]. late holds the last looks of targets that are overdue: what
// they owe since then is expected but not covered.
func (o *objective) measure(edge, now int64, late []int64) measure {
	return o.measureBut(o.exclusion.spans, edge, now, late)
}

// measureBut is measure with other time excluded.
func (o *objective) measureBut(spans []span, edge, now int64, late []int64) measure {
	c := o.overlaid(spans, o.ledger.lookUp(edge), o.ledger.lookUpEnd(now))
	for _, seen := range late {
		c.expectedMs += o.owedOpen(spans, max(seen, edge), now)
	}
	m := o.ledger.weigh(c, edge, now)
	m.spans = spans
	return m
}

// owedOpen is how much of (from, to] is owed and not in spans.
func (o *objective) owedOpen(spans []span, from, to int64) int64 {
	if from >= to {
		return 0
	}
	ms := o.owed(from, to)
	for _, s := range spans {
		if start, end := max(s.from, from), min(s.to, to); start < end {
			ms -= o.owed(start, end)
		}
	}
	return ms
}

// weigh turns the counts c of the window (edge, now] into what is known of it.
func (lg *ledger) weigh(c counts, edge, now int64) measure {
	m := measure{lengthMs: now - edge, untilMs: now}
	if lg.startMs == 0 {
		return m
	}
	// Two counters of one target are not updated at the same instant: see counts.
	m.good, m.bad, m.excluded = c.good, c.bad, max(0, c.excluded)
	if m.bad < 0 {
		m.good, m.bad = max(0, m.good+m.bad), 0
	} else if m.good < 0 {
		m.good, m.bad = 0, max(0, m.good+m.bad)
	}
	m.coverage = 1 // where nothing is owed yet, nothing is missing
	if c.expectedMs > 0 {
		m.coverage = min(1, max(0, float64(c.coveredMs)/float64(c.expectedMs)))
	}
	if m.lengthMs > 0 {
		m.filled = min(1, max(0, float64(now-max(lg.startMs, edge))/float64(m.lengthMs)))
	}
	return m
}

// allowed is the ratio of bad events that the objective allows.
func (o *objective) allowed() float64 { return burnrate.Allowed(o.Target) }

// burn is the burn rate of a window: error ratio over the ratio the objective allows. An objective
// of 1 allows nothing; its budget is then taken to be one event, so that the burn rate is how many
// times faster than one event a budget window errors come.
func (o *objective) burn(m measure) float64 {
	allowed := o.allowed()
	if allowed <= 0 {
		if m.lengthMs == 0 {
			return 0
		}
		return m.bad * float64(o.Window.Length.Milliseconds()) / float64(m.lengthMs)
	}
	return m.ratio() / allowed
}

// remaining is the share of the error budget that is left.
func (o *objective) remaining(m measure) float64 {
	allowed := o.allowed()
	switch {
	case m.bad == 0 || m.total() <= 0:
		return 1
	case allowed <= 0:
		return 1 - m.bad
	}
	if left := 1 - m.bad/(m.total()*allowed); math.Abs(left) > 1e-12 {
		return left
	}
	return 0 // a crumb of adding up slices that count by their ratio
}

func (e *Engine) evaluate(o *objective, now int64, feeds map[*objective]*feed) Status {
	f := feeds[o]
	if f == nil {
		f = &feed{}
	}
	if o.ledger.startMs != 0 {
		if o.ledger.nowMs-now > clockStepMs {
			o.rewind(now)
		}
		o.ledger.advance(now)
	}
	if f.interval > 0 {
		o.paceMs = f.interval
	}
	if o.sequential != nil && o.paceMs > 0 {
		o.sequential.width(o.paceMs, now)
	}
	if o.slicer != nil && o.paceMs > 0 { // a look may be that late and still belong to a slice
		o.slicer.close(&o.Objective, now-o.paceMs*gapHalves/2, f.overdue, o.bookSlice)
	}
	s := Status{
		At: time.UnixMilli(now).UTC(), Firing: []string{},
		BurnRates: make(WindowValues, len(o.windows)), ErrorRatios: make(WindowValues, len(o.windows)), Tiers: make([]TierStatus, len(o.tiers), len(o.tiers)+1),
	}
	s.describe(o)
	members := e.members(o, now)
	measures := e.measures[:0]
	for i, w := range o.windows {
		m := o.measureAll(members, o.edge(w, now), now, feeds)
		measures = append(measures, m)
		s.BurnRates[i], s.ErrorRatios[i] = WindowValue{w.text, o.burn(m)}, WindowValue{w.text, m.ratio()}
	}
	e.measures = measures
	budget := measures[len(measures)-1]
	o.noteTraffic(budget)
	s.Events = Events{Good: budget.good, Bad: budget.bad, Excluded: budget.excluded, Pending: o.pending()}
	s.ErrorBudget.RemainingRatio = o.remaining(budget)
	s.Coverage, s.Filled = budget.coverage, budget.filled
	s.Watched = time.Duration(budget.filled * float64(budget.lengthMs) * float64(time.Millisecond))
	o.raiseTotals()
	s.Counted, s.Totals = o.totalsHigh, o.totalsDurable
	blind := e.blind(o, f, budget)
	if o.Composite != nil {
		blind = e.blindComposite(members, budget)
		s.Members = memberStatuses(members)
	}
	o.noteBlind(blind, now)
	s.Observed, s.Problem = blind == "", f.problem
	if s.Problem == "" {
		s.Problem = o.groupProblem()
	}
	o.judgeTiers(&s, measures, now, f.sight(blind != ""))
	o.exhaustion(&s.ErrorBudget, measures, now)
	e.judgeState(o, &s, blind)
	o.state = s.State
	return s
}

// describe fills in what does not change from one evaluation to the next.
func (s *Status) describe(o *objective) {
	s.Name, s.DisplayName, s.Service, s.Objective = o.Name, o.DisplayName, o.Service, o.Target
	s.Team = o.Labels[metricname.Team]
	s.Window, s.WindowSize, s.Method = o.Window.Text, o.Window.Length, string(o.Method)
	if o.parent != nil {
		s.Parent, s.Group = o.parent.Name, o.group
	}
	if o.Weight != nil {
		s.Currency = o.Weight.Currency
	}
	if o.Composite != nil {
		s.Composite = string(o.Composite.Method)
	}
}

// bookSlice takes in a slice that has been judged.
func (o *objective) bookSlice(end int64, c counts) {
	if c.bad > 0 {
		o.noteFailure(end)
	}
	o.ledger.add(end, c)
}

// sight is how much of what there is to see the measures are about. While an objective is blind that may be
// nothing: targets that never answered, or have left, owe no look, and a composite has none of its own.
func (f *feed) sight(blind bool) sight {
	switch {
	case !blind:
		return sight{share: 1}
	case f.fresh == 0:
		return sight{blind: true}
	}
	return sight{blind: true, share: float64(f.met) / float64(f.targets)}
}

// noteBlind remembers since when nothing can be said of an objective.
func (o *objective) noteBlind(why string, now int64) {
	was := o.blindMs
	if o.blindWhy = why; why == "" {
		o.blindMs, o.met = 0, true
	} else if o.blindMs == 0 {
		o.blindMs = now
	}
	o.ledger.changed = o.ledger.changed || o.blindMs != was
}

// pending is how many slices are open; events of counters are never pending.
func (o *objective) pending() float64 {
	if o.slicer == nil {
		return 0
	}
	return float64(len(o.slicer.open))
}

// raiseTotals brings the totals up to what has been counted.
func (o *objective) raiseTotals() {
	c, h := o.ledger.cum, &o.totalsHigh
	h.Good, h.Bad, h.Excluded = max(h.Good, c.good), max(h.Bad, c.bad), max(h.Excluded, c.excluded)
}

// clockStepMs is by how much the clock must be behind the ledger to have been set back.
const clockStepMs = 1000

// rewind makes the objective go on from a moment to which the clock has been set back.
func (o *objective) rewind(now int64) {
	o.ledger.rewind(now)
	if o.slicer != nil {
		o.slicer.rewind(now)
	}
	for i := range o.tiers {
		o.tiers[i].sinceMs = min(o.tiers[i].sinceMs, now)
	}
	o.fast.sinceMs, o.blindMs = min(o.fast.sinceMs, now), min(o.blindMs, now)
	for i := range o.runs {
		o.runs[i].AtMs = min(o.runs[i].AtMs, now)
	}
	if o.sequential != nil {
		o.sequential.rewind(now)
	}
}

// untold says that nothing was seen of what an objective reads: from a target, or of movements of money.
func untold(o *spec.Objective) string {
	for _, s := range o.Selectors() {
		if !metricname.OfMovements(s.MetricName()) {
			continue
		}
		for _, m := range s.Matchers {
			if m.Name == metricname.Rail && m.Type == labels.MatchEqual {
				return "no movement has been told of on rail " + m.Value + " yet"
			}
		}
		return "no movement has been told of yet that it counts"
	}
	return "no target has exposed a matching series yet"
}

// blind says in one sentence why the objective cannot be judged now, or "".
func (e *Engine) blind(o *objective, f *feed, budget measure) string {
	few := float64(f.fresh) < e.opts.MinCoverage*float64(f.targets)
	switch {
	case few && f.problem != "":
		return f.problem
	case o.ledger.startMs == 0:
		return untold(&o.Objective)
	case f.targets == 0:
		return "no target in discovery feeds it"
	case few && f.absent > 0:
		why := fmt.Sprintf("%d of %d targets answer without its series", f.absent, f.targets)
		if silent := f.targets - f.fresh - f.absent; silent > 0 {
			why += fmt.Sprintf(", %d more are silent", silent)
		}
		return why
	case few:
		return fmt.Sprintf("%d of %d targets did not answer for more than two intervals", f.targets-f.fresh, f.targets)
	case budget.coverage < e.opts.MinCoverage:
		return fmt.Sprintf("only %s of the time watched was observed, %s is needed", percent(budget.coverage), percent(e.opts.MinCoverage))
	}
	return ""
}
