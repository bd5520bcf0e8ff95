package prometheus_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/internal/testkit/detection"
	"github.com/assayer-io/assayer/internal/testkit/promrules"
	"github.com/assayer-io/assayer/internal/testkit/traces"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
)

// played is one trace, scraped by an agent and by a Prometheus alike. The rules on the agent's series and those on raw
// series are evaluated by a Prometheus each, so that neither holds back the other.
type played struct {
	agent, native *promrules.Prometheus
	engine        *slo.Engine
	shown         map[string][]labels.Labels // by target: what its last look showed
	exported      map[string]labels.Labels
	last          time.Time
	options       alerts.Options
	refused       []string // objectives without native rules
}

// play plays a trace with looks so far apart, and evaluates what pages as often.
func play(t *testing.T, trace *traces.Trace, interval time.Duration) *played {
	t.Helper()
	objs := detection.Objectives(trace)
	p := &played{engine: slo.New(slo.Options{}), shown: map[string][]labels.Labels{}, exported: map[string]labels.Labels{}, options: alerts.Options{ScrapeInterval: interval, Interval: interval}}
	if err := p.engine.Apply(objs, traces.Begin(), nil); err != nil {
		t.Fatal(err)
	}
	var with []alerts.Objective
	for _, o := range objs {
		with = append(with, alerts.Objective{Objective: o, Tiers: burnrate.Tiers(o.Window.Length)})
	}
	agent := prometheus.Agent(with, p.options)
	for i := range agent[0].Groups {
		g := &agent[0].Groups[i]
		g.Rules = slices.DeleteFunc(slices.Clone(g.Rules), func(r alerts.Rule) bool {
			return r.Alert != alerts.BudgetBurn && r.Record != prometheus.AgentFiring(alerts.BudgetBurn)
		})
	}
	native, refused := prometheus.Native(with, p.options)
	for _, r := range refused {
		p.refused = append(p.refused, r.Objective)
	}
	p.agent, p.native = promrules.New(t, agent, traces.Begin()), promrules.New(t, native, traces.Begin())
	for look := range trace.Looks(interval) {
		p.look(look)
	}
	p.agent.Until(traces.Begin().Add(trace.Length))
	p.native.Until(traces.Begin().Add(trace.Length))
	return p
}

// look hands one look to the agent, which is scraped at once, and to Prometheus.
func (p *played) look(look *traces.Look) {
	p.engine.Observe(look.Cycle)
	at := look.At
	if at.After(p.last) {
		p.last = at
		for _, s := range p.engine.Evaluate(at) {
			p.export(&s, at)
		}
	}
	target, job := string(look.Target), look.Group
	series := func(ls labels.Labels) labels.Labels {
		return labels.NewBuilder(ls).Set("job", job).Set("instance", target).Labels()
	}
	up := series(labels.FromStrings(labels.MetricName, "up"))
	if look.Err != nil || look.Gone {
		for _, ls := range p.shown[target] {
			p.native.Put(ls, at, math.Float64frombits(value.StaleNaN))
		}
		delete(p.shown, target)
		if look.Gone || look.Cycle.Gone {
			p.native.Put(up, at, math.Float64frombits(value.StaleNaN))
		} else {
			p.native.Put(up, at, 0)
		}
		return
	}
	p.native.Put(up, at, 1)
	p.shown[target] = p.shown[target][:0]
	for _, s := range look.Samples {
		ls := series(s.Series.Labels)
		p.shown[target] = append(p.shown[target], ls)
		p.native.Put(ls, at, s.Value)
	}
}

// export is what a scrape of the agent brings of one objective, as far as burn alerts need it.
func (p *played) export(s *slo.Status, at time.Time) {
	put := func(metric string, v float64, pairs ...string) {
		pairs = append(pairs, labels.MetricName, metric, metricname.SLO, s.Name, metricname.Service, s.Service, "job", "assayer", "instance", "agent")
		key := strings.Join(pairs, "|")
		ls, ok := p.exported[key]
		if !ok {
			ls = labels.FromStrings(pairs...)
			p.exported[key] = ls
		}
		p.agent.Put(ls, at, v)
	}
	put(metricname.Info, 1, metricname.Method, s.Method, metricname.Window, s.Window)
	for _, t := range s.Tiers {
		firing := 0.0
		if t.Firing {
			firing = 1
		}
		put(metricname.Firing, firing, metricname.Tier, t.Name, metricname.Severity, string(t.Severity))
		put(metricname.TierInfo, 1, metricname.Tier, t.Name, metricname.Severity, string(t.Severity), metricname.Urgency, string(t.Urgency),
			metricname.LongWindow, t.LongWindow, metricname.ShortWindow, t.ShortWindow, metricname.Factor, t.FactorText)
	}
}

// span is a firing of one leg, in time since the trace began; to is 0 while it lasts.
type span struct{ from, to time.Duration }

func (s span) String() string {
	if s.to == 0 {
		return fmt.Sprintf("%v–", s.from.Truncate(time.Second))
	}
	return fmt.Sprintf("%v–%v", s.from.Truncate(time.Second), s.to.Truncate(time.Second))
}

// burns are the firings of burn alerts by all their labels, but for some objectives. Pauses shorter than alerts go on firing for are none.
func burns(p *promrules.Prometheus, but []string) map[string][]span {
	_, keep := prometheus.Timing(alerts.BudgetBurn)
	out := map[string][]span{}
	for _, f := range p.Fired() {
		if f.Labels.Get("alertname") != alerts.BudgetBurn || f.Labels.Get("tier") == slo.FastTier || slices.Contains(but, f.Labels.Get("slo")) {
			continue
		}
		s := span{from: f.From.Sub(traces.Begin())}
		if !f.To.IsZero() {
			s.to = f.To.Sub(traces.Begin())
		}
		key := f.Labels.String()
		all := out[key]
		if n := len(all); n > 0 && s.from-all[n-1].to <= keep {
			all[n-1].to = s.to
			continue
		}
		out[key] = append(all, s)
	}
	return out
}

// apart says how the firings of a leg differ by more than within, or "".
func apart(agent, native []span, within time.Duration) string {
	far := func(a, b time.Duration) bool { return (a == 0) != (b == 0) || (a-b).Abs() > within }
	if slices.EqualFunc(agent, native, func(a, b span) bool { return !far(a.from, b.from) && !far(a.to, b.to) }) {
		return ""
	}
	return fmt.Sprintf("agent %v, native %v", agent, native)
}

// compare lists the legs of a trace that differ, by tier.
func (p *played) compare() map[string]string {
	agent, native := burns(p.agent, p.refused), burns(p.native, nil)
	out := map[string]string{}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(agent)), maps.Keys(native))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		within := 2 * p.options.Interval // one evaluation of each, each in its own phase
		if strings.Contains(key, `tier="ticket`) {
			within = p.options.Interval + 5*time.Minute
		}
		if d := apart(agent[key], native[key], within); d != "" {
			out[key[strings.Index(key, `tier="`)+len(`tier="`):len(key)-len(`"}`)]] = d
		}
	}
	return out
}

// differences are the legs that do not fire, or end, at the same time in both modes, and why. An entry that is not true
// any more fails the test.
func differences() map[string]string {
	const (
		runs = "the agent looks at each run of events that begins with a failure and ends now; the rules at the windows that are recorded"
		nan  = "a sample that is no number takes its series out of two tiles; the agent goes on from the sample before"
	)
	return map[string]string{
		"low traffic / 100 % errors for 4h at 1 requests an hour: ticket-1d": runs,
		"low traffic / 5 % errors for 4h at 60 requests an hour: page-6h":    runs,
		"low traffic / 5 % errors for 4h at 60 requests an hour: ticket-3d":  runs,
		"missing looks, broken / 30 % of looks NaN for 1h: page-1h":          nan,
		"missing looks, broken / 30 % of looks NaN for 1h: page-6h":          nan,
		"missing looks, broken / 30 % of looks NaN for 1h: ticket-1d":        nan,
		"missing looks, broken / 30 % of looks NaN for 1h: ticket-3d":        nan,
	}
}

// The two modes agree on when each leg fires and when it ends, within one evaluation of each, over every family of
// traces, but for what is listed. Of a family with many cases each run of the test takes some.
func TestModesAgree(t *testing.T) {
	t.Parallel()
	known := differences()
	cases := map[string]bool{}
	for _, family := range traces.Families() {
		for _, c := range family.Cases {
			cases[family.Name+" / "+c.Name] = true
		}
	}
	for leg := range known {
		if name := leg[:strings.LastIndex(leg, ": ")]; !cases[name] {
			t.Errorf("%s is listed as different, and is no case", name)
		}
	}
	for _, family := range traces.Families() {
		for _, c := range every(family) {
			name := family.Name + " / " + c.Name
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				trace := c.Make(traces.Test().Seed(0))
				p := play(t, &trace, time.Minute)
				found := p.compare()
				for leg, how := range found {
					if known[name+": "+leg] == "" {
						t.Errorf("%s: %s", leg, how)
					}
				}
				for _, tier := range []string{"page-1h", "page-6h", "ticket-1d", "ticket-3d"} {
					if known[name+": "+tier] != "" && found[tier] == "" {
						t.Errorf("%s is listed as different, and is not", tier)
					}
				}
			})
		}
	}
}
