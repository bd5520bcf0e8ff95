package detection

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/internal/testkit/traces"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

// rules is how many are compared: the engine's and the workbook's.
const rules = 1 + approaches

func ruleNames() [rules]string {
	return [rules]string{
		"Assayer", "1: error rate over 10 m", "2: over 36 h", "3: over 1 m, for 1 h", "4: burn rate 36 over 1 h",
		"5: several burn rates", "6: several windows and burn rates", "6, with 5 errors at least",
	}
}

// The workbook's last approach, the one it recommends, without and with the guard.
const unguarded, guarded = 6, 7

// From when on the pages and the tickets of the workbook's rules are listened to: before, their windows
// are not filled, and what they say is luck. The engine is listened to from the first look on.
const pagesSettled, ticketsSettled = 6 * time.Hour, 72 * time.Hour

// outcome is what every rule did about one service.
type outcome [rules]firings

// run feeds a trace to the engine and to the six approaches, and returns an outcome for each service.
// Unless always is set the engine is evaluated only when its answer can have changed, see due.
func run(ctx context.Context, t *traces.Trace, always bool) ([]outcome, error) {
	engine, err := newAgent(t, always)
	if err != nil {
		return nil, err
	}
	outcomes := make([]outcome, t.Services)
	books, bad := make([]*workbook, t.Services), make([]float64, t.Services)
	for i := range books {
		books[i] = newWorkbook(allowed(t))
	}
	onset, end := t.Truth.Onset.Milliseconds(), t.Truth.End.Milliseconds()
	var now int64
	looks := 0
	for look := range t.Looks(t.Interval) {
		if looks++; looks%10_000 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		now = max(now, look.At.Sub(traces.Begin()).Milliseconds())
		k := look.Service
		if now > onset && now <= end+grace.Milliseconds() {
			bad[k] += look.Truth.Bad
		}
		books[k].observe(now, look.Shown.Bad, look.Shown.Good+look.Shown.Bad)
		for i, v := range books[k].judge(now) {
			v.page = v.page && now >= pagesSettled.Milliseconds()
			v.ticket = v.ticket && now >= ticketsSettled.Milliseconds()
			outcomes[k][1+i].saw(v, now, &t.Truth, bad[k])
		}
		if engine.look(look, now) {
			for i := range outcomes {
				outcomes[i][0].saw(engine.says[i], now, &t.Truth, bad[i])
				outcomes[i][0].blind += engine.blindMs
			}
		}
	}
	return outcomes, nil
}

func allowed(t *traces.Trace) float64 {
	// 1 − 0.999 in binary is a crumb more than 0.001.
	return float64(int64((1-t.Objective)*1e9+0.5)) / 1e9
}

// agent is the engine, driven as the agent drives it.
type agent struct {
	*slo.Engine
	always   bool
	interval int64
	says     []verdict // by service, at the last evaluation
	firing   []string  // tiers, then
	blindMs  int64     // how long it has not known, since the evaluation before
	blind    bool
	near     bool // a tier could soon fire without another bad event
	last     int64
}

func newAgent(t *traces.Trace, always bool) (*agent, error) {
	// Slices are judged by evaluations alone.
	a := &agent{Engine: slo.New(slo.Options{}), always: always || t.Floor, interval: t.Interval.Milliseconds(), says: make([]verdict, t.Services)}
	if err := a.Apply(Objectives(t), traces.Begin(), nil); err != nil {
		return nil, fmt.Errorf("applying the objectives of %s: %w", t.Family, err)
	}
	return a, nil
}

// look hands one look to the engine and reports whether it was evaluated.
func (a *agent) look(look *traces.Look, now int64) bool {
	a.Observe(look.Cycle)
	alarmed := a.Alarmed()
	if !alarmed && !a.always && !a.due(look, now) {
		return false
	}
	a.judge(a.Evaluate(traces.Begin().Add(time.Duration(now)*time.Millisecond)), now)
	return true
}

// evaluationSpacing is, in intervals, how long an evaluation that cannot change anything may wait.
const evaluationSpacing = 20

// due reports whether the engine's answer can have changed although no bad event came: something fires
// and may end, is close to firing and may begin when good events leave a window, or cannot be seen.
func (a *agent) due(look *traces.Look, now int64) bool {
	return a.near || a.blind || len(a.firing) > 0 || len(look.Samples) == 0 || now-a.last >= evaluationSpacing*a.interval
}

// judge reads the statuses, whose names are "service-0" and "service-0-floor".
func (a *agent) judge(statuses []slo.Status, now int64) {
	clear(a.says)
	a.firing = a.firing[:0]
	a.blindMs = 0
	if a.blind {
		a.blindMs = now - a.last
	}
	a.near, a.blind, a.last = false, false, now
	for i := range statuses {
		s := &statuses[i]
		k := int(s.Service[len(s.Service)-1] - '0')
		a.blind = a.blind || !s.Observed
		for j := range s.Tiers {
			t := &s.Tiers[j]
			a.near = a.near || closeTo(t)
			if !t.Firing {
				continue
			}
			a.firing = append(a.firing, t.Name)
			a.says[k].page = a.says[k].page || t.Severity == burnrate.Page
			a.says[k].ticket = a.says[k].ticket || t.Severity == burnrate.Ticket
		}
	}
}

// closeTo reports whether a tier may begin to fire before the next evaluation without another bad event,
// because good ones leave its windows. The fast tier has none; the windows of tickets are so long that
// little can leave them meanwhile.
func closeTo(t *slo.TierStatus) bool {
	share := 0.5
	if t.Severity == burnrate.Ticket {
		share = 0.9
	}
	return t.Name != slo.FastTier && t.LongBurnRate >= share*t.Factor && t.ShortBurnRate >= share*t.Factor
}

// Objectives are what a trace's services promise, by name in order of service.
func Objectives(t *traces.Trace) []spec.Objective {
	var out []spec.Objective
	for k := range t.Services {
		service := fmt.Sprintf("service-%d", k)
		o := spec.Objective{
			Name: service, Service: service, Target: t.Objective, Method: spec.Occurrences, Window: month(),
			Indicator: spec.Indicator{Ratio: ratio(t, service)},
		}
		out = append(out, o)
		if t.Floor {
			o.Name, o.Target, o.Method, o.Slice = service+"-floor", 0.99, spec.Timeslices, time.Minute
			total := selector(traces.Metric, service)
			o.Indicator = spec.Indicator{Traffic: &spec.Traffic{Total: *total, AtLeastOfExpected: 0.5}}
			out = append(out, o)
		}
	}
	return out
}

func month() spec.Window { return spec.Window{Text: "30d", Length: traces.Month, Rolling: true} }

func ratio(t *traces.Trace, service string) *spec.Ratio {
	if t.Latency {
		return &spec.Ratio{
			Latency: true, Total: selector(traces.LatencyMetric+"_count", service),
			Good: selector(traces.LatencyMetric+"_bucket", service, labels.MustNewMatcher(labels.MatchEqual, "le", traces.LatencyLimit)),
		}
	}
	return &spec.Ratio{
		Bad:      selector(traces.Metric, service, labels.MustNewMatcher(labels.MatchEqual, "outcome", "technical")),
		Total:    selector(traces.Metric, service, labels.MustNewMatcher(labels.MatchNotEqual, "outcome", "business")),
		Excluded: selector(traces.Metric, service, labels.MustNewMatcher(labels.MatchEqual, "outcome", "business")),
	}
}

func selector(metric, service string, more ...*labels.Matcher) *spec.Selector {
	matchers := append([]*labels.Matcher{
		labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, metric), labels.MustNewMatcher(labels.MatchEqual, "service", service),
	}, more...)
	return &spec.Selector{Text: fmt.Sprint(matchers), Matchers: matchers}
}
