package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/money"
	"github.com/assayer-io/assayer/slo/rail"
)

// gaugePrefix is that of the gauges of the transactions collector that a rail may propose to look at.
const gaugePrefix = "assayer_transactions_"

// Which outcome of a movement counts: ours, or that of the customer's whole journey. They are labels.
const (
	ownBudget      = "own"
	endToEndBudget = "end_to_end"
)

// needRails fills in the rails that documents may name, once for all of them.
func (l *loader) needRails() {
	if l.rails = l.opts.Rails; len(l.rails.All()) > 0 {
		return
	}
	var err error
	if l.rails, err = rail.Builtin(); err != nil {
		l.add(problem.Problem{Message: err.Error()})
	}
}

// railOf reads what a document says of its rail, and what is only for documents with one.
func (g *goldenReader) railOf() {
	at, spec := g.n.At("rail"), &g.doc.Spec
	if !at.Exists() {
		for _, key := range []string{"budget", "currency"} {
			if n := g.n.At(key); n.Exists() {
				g.add(n.Problem(problem.Problem{Message: "needs a rail beside it, whose objectives it is for", Got: n.Shown()}))
			}
		}
		return
	}
	known := g.rails.Names()
	found, ok := g.rails.Get(spec.Rail)
	if !ok {
		p := at.Wrong(strings.Join(known, ", "))
		p.Message = strings.TrimPrefix(strictyaml.DidYouMean(spec.Rail, known), ", ")
		g.add(p)
		return
	}
	g.rail = found
	if g.doc.Header.Metadata.Labels == nil {
		g.doc.Header.Metadata.Labels = labelMap{}
	}
	g.doc.Header.Metadata.Labels["rail"] = spec.Rail
	g.budget = map[string]string{ownBudget: "outcome", endToEndBudget: "end_to_end"}[spec.Budget]
	if g.budget == "" {
		g.add(g.n.At("budget").Wrong(ownBudget + " (what we answer for; the default), or " + endToEndBudget + " (the customer's whole journey)"))
	}
	g.currency = g.n.Field("currency")
	if _, known := money.MinorDigits(g.currency.Text()); g.currency.Exists() && !known {
		g.add(g.currency.Wrong("an active code of ISO 4217 such as EUR"))
	}
	if !g.currency.Exists() && g.opts.Currency != "" {
		g.currency = at.Instead(scalar(g.opts.Currency))
	}
}

// proposed are the documents of what the rail proposes for a signal that is not written.
func (g *goldenReader) proposed(signalName string) []builtSLO {
	if g.rail == nil {
		return nil
	}
	at := g.n.At("rail")
	var out []builtSLO
	var left []string
	for _, p := range g.rail.Proposals {
		if p.Signal != signalName {
			continue
		}
		if p.Weight != "" && !g.currency.Exists() {
			left = append(left, g.name+"-"+p.Name)
			continue
		}
		built := g.document(p.Name, at, g.signalOf(p))
		out = append(out, builtSLO{node: at.Instead(built), built: built})
	}
	if len(left) > 0 {
		g.warn(at.Problem(problem.Problem{Message: strings.Join(left, " and ") + " are left out, since no currency is known", Got: g.rail.Name,
			Allowed: "currency: EUR in this document, or global.reporting_currency in the agent file"}))
	}
	return out
}

// signalOf turns a proposal into what a written signal would be.
func (g *goldenReader) signalOf(p rail.Proposal) signal {
	s := signal{method: Timeslices}
	if length, err := model.ParseDuration(p.Window); err == nil && !g.n.At("window").Exists() {
		s.window, s.length = p.Window, time.Duration(length)
	}
	slice := []any{"target", p.Objective, "timeSliceTarget", 1.0, "timeSliceWindow", defaultSlice}
	switch p.Signal {
	case rail.Errors:
		s.method, s.both, s.counts = Occurrences, true, Indicator{Ratio: &Ratio{}}
		counter, more := metricname.Transactions, ""
		if p.Weight != "" {
			counter = map[string]string{"value": metricname.TransactionsValue, "capped": metricname.TransactionsCapped}[p.Weight]
			s.currency, more = g.currency, fmt.Sprintf(",currency=%q", g.currency.Text())
		}
		leg := func(outcome string) string {
			return g.series(counter, fmt.Sprintf(",%s=%q%s", g.budget, outcome, more))
		}
		s.excluded = leg("excluded")
		s.metric = mapping("ratioMetric", mapping("counter", true, "good", metricOf("query", leg("good")), "bad", metricOf("query", leg("bad"))))
		s.objective = mapping("target", p.Objective)
	case rail.Latency:
		s.method, s.counts = Occurrences, Indicator{Histogram: &Histogram{}}
		query := g.series(metricname.TransactionsSettlement, "")
		s.metric = mapping("ratioMetric", mapping("counter", true, "good", metricOf("query", query, "below", p.Below), "total", metricOf("query", query)))
		s.objective = mapping("target", p.Objective)
	case rail.Traffic:
		s.counts = Indicator{Traffic: &Traffic{}}
		s.metric = mapping("thresholdMetric", metricOf("query", g.series(metricname.Transactions, ""), "rate", true, "of", "expected"))
		s.objective = mapping(append([]any{"op", string(GreaterOrEqual), "value", p.AtLeast}, slice...)...)
	case rail.Saturation:
		s.counts = Indicator{Threshold: &Threshold{}}
		s.metric = mapping("thresholdMetric", metricOf("query", g.series(gaugePrefix+p.Gauge, "")))
		s.objective = mapping(append([]any{"op", string(LessThan), "value", p.Below}, slice...)...)
	}
	return s
}

// series is a selector of the rail's own.
func (g *goldenReader) series(metric, more string) string {
	return fmt.Sprintf("%s{rail=%q%s}", metric, g.rail.Name, more)
}

// longestSuffix is what the names of objectives made may have added to that of the document.
func (g *goldenReader) longestSuffix() int {
	longest := len("-saturation")
	if g.rail != nil {
		p := slices.MaxFunc(append([]rail.Proposal{{}}, g.rail.Proposals...), func(a, b rail.Proposal) int { return cmp.Compare(len(a.Name), len(b.Name)) })
		longest = max(longest, len("-")+len(p.Name))
	}
	return longest
}
