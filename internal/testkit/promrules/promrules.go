// Package promrules evaluates rules as Prometheus does, with its own PromQL and over samples in memory. Time is what the
// caller says. The evaluation of groups itself is written anew, since Prometheus' package of rules brings the SDKs of
// several clouds. There are three ways:
//
//	p := promrules.New(t, files, begin) // weeks of samples: each rule answers for all of a time at once
//	p.Put(labels.FromStrings("__name__", "up", "job", "pay", "instance", "a"), begin, 1)
//	p.Until(begin.Add(time.Minute))
//	p.Firing() // {alertname="ErrorBudgetBurn", slo="card-auth", tier="page-1h"}
//
//	w, err := promrules.NewWorld(ctx, ruleFile) // step by step: templates, for and keep_firing_for
//	err = w.Step(at, samples)
//	w.Firing()
//
//	problems := promrules.Run(ctx, testFile, ruleFile) // promtool's unit tests of rules
//	card-auth/outage: 1h3m0s: ALERTS{slo="card-auth"}: got [], want [{…, tier="page-1h"} 1]
//
// promtool itself, where it is installed, is of another major version, in which ranges include their left end; rules
// have to mean the same in both.
package promrules

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/alerts"
)

// Prometheus evaluates rules over samples in memory. For and KeepFiringFor of alerts are not heeded.
type Prometheus struct {
	t      testing.TB
	engine *promql.Engine
	store  *store
	groups []*group
	order  []*rule // each after those whose records it reads
}

type group struct {
	alerts.Group
	file  string
	rules []*rule
	next  time.Time // the evaluation that is due
}

type rule struct {
	*alerts.Rule
	group  *group
	reads  []*parser.VectorSelector
	live   map[uint64]*live // what it gave at the latest evaluation, by hash of the labels
	firing []*Firing        // of an alert, all of them ever
}

// live is a series that a rule goes on giving.
type live struct {
	labels labels.Labels
	last   int64
	firing *Firing
}

// Firing is an alert that fired at every evaluation from one to another, the first at which it no longer did; To is
// zero while it does.
type Firing struct {
	Labels   labels.Labels
	From, To time.Time
}

// New makes one that evaluates the groups of files, each in its own phase after begin as a real one does, with a
// phase that follows from its name.
func New(t testing.TB, files []alerts.File, begin time.Time) *Prometheus {
	t.Helper()
	p := &Prometheus{t: t, engine: newEngine(), store: newStore()}
	for _, f := range files {
		for _, g := range f.Groups {
			made := &group{Group: g, file: f.Name, next: begin.Add(phase(&g))}
			for i := range g.Rules {
				made.rules = append(made.rules, p.rule(made, &g.Rules[i]))
			}
			p.groups = append(p.groups, made)
		}
	}
	p.sort()
	return p
}

func newEngine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1 << 28, Timeout: time.Hour, LookbackDelta: 5 * time.Minute, Parser: parser.NewParser(parser.Options{}),
	})
}

func (p *Prometheus) rule(g *group, r *alerts.Rule) *rule {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", g.Name, err, r.Expr)
	}
	made := &rule{Rule: r, group: g, live: map[uint64]*live{}}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			made.reads = append(made.reads, v)
		}
		return nil
	})
	return made
}

// needs reports whether r may read what other records, as far as the labels go that are written in the rules. Files
// stand for themselves.
func (r *rule) needs(other *rule) bool {
	return r.group.file == other.group.file && slices.ContainsFunc(r.reads, func(v *parser.VectorSelector) bool {
		return v.Name == other.Record && !slices.ContainsFunc(v.LabelMatchers, func(m *labels.Matcher) bool {
			value, written := other.Labels[m.Name]
			return written && !m.Matches(value)
		})
	})
}

// sort puts rules into the order in which they can answer for a long time at once.
func (p *Prometheus) sort() {
	var rest []*rule
	for _, g := range p.groups {
		rest = append(rest, g.rules...)
	}
	for len(rest) > 0 {
		i := slices.IndexFunc(rest, func(r *rule) bool {
			return !slices.ContainsFunc(rest, func(other *rule) bool {
				return other != r && r.needs(other)
			})
		})
		if i < 0 {
			p.t.Fatalf("%s and others read each other's records", rest[0].Record)
		}
		p.order = append(p.order, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
}

// phase is when in its interval a group is evaluated.
func phase(g *alerts.Group) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(g.Name))
	return time.Duration(h.Sum64() % uint64(g.Interval)).Truncate(time.Millisecond)
}

// Put stores a sample.
func (p *Prometheus) Put(ls labels.Labels, at time.Time, v float64) {
	if err := p.store.put(ls, at.UnixMilli(), v); err != nil {
		p.t.Errorf("at %v: %v", at, err)
	}
}

// Until evaluates every group as often as it is due up to a moment for which all samples have been put. Each rule
// answers for the whole time at once, which gives the same as one evaluation after the other and takes a hundredth of
// the time. Only of a record that reads itself, it sees nothing of that time.
func (p *Prometheus) Until(now time.Time) {
	for _, r := range p.order {
		if !r.group.next.After(now) {
			p.evaluate(r, r.group.next, now, r.group.Interval)
		}
	}
	for _, g := range p.groups {
		for !g.next.After(now) {
			g.next = g.next.Add(g.Interval)
		}
	}
}

// evaluate answers one rule for all steps from one moment to another and puts down what it says, which ends the
// series that it no longer does.
func (p *Prometheus) evaluate(r *rule, from, to time.Time, step time.Duration) {
	q, err := p.engine.NewRangeQuery(p.t.Context(), p.store, nil, r.Expr, from, to, step)
	if err != nil {
		p.t.Fatalf("%s: %v", r.Expr, err)
	}
	defer q.Close()
	given, err := q.Exec(context.WithoutCancel(p.t.Context())).Matrix()
	if err != nil {
		p.t.Errorf("at %v: %v\n%s", from, err, r.Expr)
		return
	}
	seen := map[uint64]bool{}
	for _, s := range given {
		ls := r.named(s.Metric)
		if seen[ls.Hash()] {
			p.t.Errorf("from %v on: %s is given twice\n%s", from, ls, r.Expr)
		}
		seen[ls.Hash()] = true
		l := r.live[ls.Hash()]
		for _, x := range s.Floats {
			if math.IsNaN(x.F) || math.IsInf(x.F, 0) {
				p.t.Errorf("at %v: %s is %g\n%s", time.UnixMilli(x.T).UTC(), ls, x.F, r.Expr)
			}
			if l != nil && x.T-l.last > step.Milliseconds() {
				p.end(r, l, step)
				l = nil
			}
			if l == nil {
				l = p.begin(r, ls, x.T)
			}
			l.last = x.T
			if r.Alert != "" {
				x.F = 1
			}
			p.Put(ls, time.UnixMilli(x.T), x.F)
		}
	}
	for _, l := range r.live {
		if next := time.UnixMilli(l.last).Add(step); !next.After(to) {
			p.end(r, l, step)
		}
	}
}

// named are the labels of what a rule gives.
func (r *rule) named(ls labels.Labels) labels.Labels {
	if r.Alert == "" {
		return recorded(ls, r.Record, r.Labels)
	}
	return labels.NewBuilder(recorded(ls, "ALERTS", r.Labels)).Set(labels.AlertName, r.Alert).Labels()
}

// recorded are the labels of what an expression gives under another name.
func recorded(ls labels.Labels, name string, more map[string]string) labels.Labels {
	b := labels.NewBuilder(ls).Set(labels.MetricName, name)
	for k, v := range more {
		b.Set(k, v)
	}
	return b.Labels()
}

func (p *Prometheus) begin(r *rule, ls labels.Labels, ms int64) *live {
	l := &live{labels: ls}
	r.live[ls.Hash()] = l
	if r.Alert != "" {
		l.firing = &Firing{Labels: labels.NewBuilder(ls).Del(labels.MetricName).Labels(), From: time.UnixMilli(ms).UTC()}
		r.firing = append(r.firing, l.firing)
	}
	return l
}

// end marks a series as stale one step after its last sample.
func (p *Prometheus) end(r *rule, l *live, step time.Duration) {
	at := time.UnixMilli(l.last).Add(step).UTC()
	delete(r.live, l.labels.Hash())
	p.Put(l.labels, at, staleNaN())
	if l.firing != nil {
		l.firing.To = at
	}
}

// Fired lists all that any alert ever did, in order of time.
func (p *Prometheus) Fired() []Firing {
	var out []Firing
	for _, g := range p.groups {
		for _, r := range g.rules {
			for _, f := range r.firing {
				out = append(out, *f)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Firing) int { return a.From.Compare(b.From) })
	return out
}

// Firing lists the labels of all alerts that fired at their latest evaluation, in order.
func (p *Prometheus) Firing() []labels.Labels {
	var out []labels.Labels
	for _, f := range p.Fired() {
		if f.To.IsZero() {
			out = append(out, f.Labels)
		}
	}
	slices.SortFunc(out, labels.Compare)
	return out
}

// Ask evaluates an expression at a moment.
func (p *Prometheus) Ask(at time.Time, expr string) promql.Vector {
	p.t.Helper()
	v, err := ask(context.WithoutCancel(p.t.Context()), p.engine, p.store, expr, at)
	if err != nil {
		p.t.Fatalf("at %v: %v\n%s", at, err, expr)
	}
	return v
}

// ask evaluates an expression at a moment; a number is a vector of one without labels.
func ask(ctx context.Context, e *promql.Engine, s *store, expr string, at time.Time) (promql.Vector, error) {
	q, err := e.NewInstantQuery(ctx, s, nil, expr, at)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	switch v := res.Value.(type) {
	case promql.Vector:
		return slices.Clone(v), nil
	case promql.Scalar:
		return promql.Vector{{T: v.T, F: v.V}}, nil
	}
	return nil, fmt.Errorf("%s gives a %s", expr, res.Value.Type())
}

// staleNaN marks the end of a series.
func staleNaN() float64 { return math.Float64frombits(value.StaleNaN) }

// Each calls fn for every sample of every series whose name begins with prefix.
func (p *Prometheus) Each(prefix string, fn func(ls labels.Labels, ms int64, v float64)) {
	for _, s := range p.store.series {
		if strings.HasPrefix(s.labels.Get(labels.MetricName), prefix) {
			for _, x := range s.samples {
				fn(s.labels, x.T(), x.F())
			}
		}
	}
}
