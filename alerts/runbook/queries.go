package runbook

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/spec"
)

// queries are those of the raw series, of what native rules record, and of the agent.
func (p *page) queries() {
	p.section("Queries")
	if raw := p.raw(); len(raw) > 0 {
		p.line("On the raw series:\n")
		p.block(raw...)
		p.line("")
	}
	if native := p.native(); len(native) > 0 {
		p.line("Recorded by the rules that go on without an agent:\n")
		p.block(native...)
		p.line("")
	}
	p.line("Of the agent:\n")
	p.block(p.agent()...)
}

// rate is one over what a look at a screen should show: five minutes, or four scrapes.
func (p *page) rate(selector string) string {
	return "rate(" + selector + "[" + p.span() + "])"
}

func (p *page) span() string {
	return burnrate.Text(max(5*time.Minute, 4*p.Options.ScrapeInterval))
}

// raw are the queries of what is counted.
func (p *page) raw() []string {
	switch i := &p.Objective.Indicator; {
	case i.Ratio != nil:
		return p.ratio(i.Ratio)
	case i.Histogram != nil:
		q := number(p.Objective.Target)
		bucket, native := suffixed(&i.Histogram.Query, "_bucket"), suffixed(&i.Histogram.Query, "")
		return []string{
			fmt.Sprintf("histogram_quantile(%s, sum by (le) (%s))", q, p.rate(bucket)),
			fmt.Sprintf("histogram_quantile(%s, sum(%s))", q, p.rate(native)),
			"sum by (instance) (" + p.rate(suffixed(&i.Histogram.Query, "_count")) + ")",
		}
	case i.Threshold != nil:
		sel := suffixed(&i.Threshold.Query, "")
		sign := map[spec.Op]string{spec.LessThan: ">=", spec.LessOrEqual: ">", spec.GreaterThan: "<=", spec.GreaterOrEqual: "<"}[i.Threshold.Op]
		return []string{sel, fmt.Sprintf("%s %s %s", sel, sign, number(i.Threshold.Value))}
	case i.Traffic != nil:
		sel := suffixed(&i.Traffic.Total, "")
		return append([]string{
			"sum(" + p.rate(sel) + ")",
			"sum(rate(" + sel + "[" + p.span() + "] offset 1w))",
		}, p.spread(sel)...)
	case i.RawRatio != nil:
		sel := suffixed(&i.RawRatio.Query, "")
		return []string{sel, "avg by (instance) (" + sel + ")"}
	case i.Presence != nil:
		sel := suffixed(&i.Presence.Query, "")
		return []string{"count by (instance) (" + sel + ")", "absent(" + sel + ")"}
	}
	return nil
}

// ratio: the share of bad events, where they come from, and what else the same counters count.
func (p *page) ratio(r *spec.Ratio) []string {
	sum := func(s *spec.Selector) string { return "sum(" + p.rate(suffixed(s, "")) + ")" }
	var share string
	failing := r.Bad
	switch {
	case r.Bad != nil && r.Total != nil:
		share = sum(r.Bad) + " / " + sum(r.Total)
	case r.Bad != nil:
		share = sum(r.Bad) + " / (" + sum(r.Good) + " + " + sum(r.Bad) + ")"
	default:
		share, failing = "1 - "+sum(r.Good)+" / "+sum(r.Total), r.Good
	}
	out := append([]string{share}, p.spread(suffixed(failing, ""))...)
	if r.Latency {
		return append(out, "sum by (le) ("+p.rate(without(failing, "le"))+")")
	}
	var told []string // labels by which good and bad are told apart
	for _, s := range []*spec.Selector{r.Good, r.Bad, r.Total, r.Excluded} {
		for _, name := range distinguishing(s, failing) {
			if !slices.Contains(told, name) {
				told = append(told, name)
			}
		}
	}
	if len(told) > 0 && failing.MetricName() != "" {
		out = append(out, "sum by ("+names(told)+") ("+p.rate(without(failing, told...))+")")
	}
	return out
}

// spread says where a counter rises: by target, by the labels of groups, and the fastest series with all their labels.
func (p *page) spread(selector string) []string {
	out := []string{"sum by (job, instance) (" + p.rate(selector) + ")"}
	if g := p.Objective.GroupBy; g != nil {
		out = append(out, "topk(10, sum by ("+names(g.Labels)+") ("+p.rate(selector)+"))")
	}
	return append(out, "topk(10, "+p.rate(selector)+")")
}

// distinguishing are labels on which two selectors of one metric differ.
func distinguishing(a, b *spec.Selector) (out []string) {
	if a == nil || a == b || a.MetricName() != b.MetricName() {
		return nil
	}
	differ := func(from, to *spec.Selector) {
		for _, m := range from.Matchers {
			same := slices.ContainsFunc(to.Matchers, func(o *labels.Matcher) bool { return o.String() == m.String() })
			if !same && m.Name != labels.MetricName {
				out = append(out, m.Name)
			}
		}
	}
	differ(a, b)
	differ(b, a)
	return out
}

// suffixed writes a selector on one line, with a suffix to the metric's name.
func suffixed(s *spec.Selector, suffix string) string { return write(s, suffix, nil) }

// without leaves out what it says of some labels.
func without(s *spec.Selector, names ...string) string { return write(s, "", names) }

func write(s *spec.Selector, suffix string, leave []string) string {
	var b strings.Builder
	var inside []string
	if name := s.MetricName(); model.LegacyValidation.IsValidMetricName(name) {
		b.WriteString(name + suffix)
	} else if name != "" {
		inside = append(inside, strconv.Quote(name+suffix))
	}
	for _, m := range s.Matchers {
		if slices.Contains(leave, m.Name) || (m.Name == labels.MetricName && m.Type == labels.MatchEqual) {
			continue
		}
		inside = append(inside, matcher(m))
	}
	if len(inside) > 0 || b.Len() == 0 {
		b.WriteString("{" + strings.Join(inside, ",") + "}")
	}
	return b.String()
}

// matcher writes one. A number in le or quantile is asked for as targets may spell it, as the agent takes it.
func matcher(m *labels.Matcher) string {
	if pattern := prometheus.Spellings(m); pattern != "" {
		return m.Name + "=~" + strconv.Quote(pattern)
	}
	return m.String()
}

// names writes labels to group by.
func names(all []string) string {
	quoted := make([]string, len(all))
	for i, n := range all {
		if quoted[i] = n; !model.LegacyValidation.IsValidLabelName(n) {
			quoted[i] = strconv.Quote(n)
		}
	}
	return strings.Join(quoted, ", ")
}

// native are the records of this objective's rule files that say something by themselves: windows, burn rates, what is left.
func (p *page) native() (out []string) {
	for _, f := range p.Native {
		if !slices.Contains(f.Objectives, p.Objective.Name) {
			continue
		}
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				q := fmt.Sprintf("%s{slo=%q,service=%q}", r.Record, p.Objective.Name, p.Objective.Service)
				telling := strings.HasPrefix(r.Record, "slo:") && (strings.Contains(r.Record, ":sum") || strings.Contains(r.Record, ":ratio"))
				if telling && !slices.Contains(out, q) {
					out = append(out, q)
				}
			}
		}
	}
	return out
}

// own is a selector of the agent's series of this objective; of one with groups, of the whole unless more says otherwise.
func (p *page) own(metric string, more ...string) string {
	if p.Objective.GroupBy != nil && len(more) == 0 {
		more = []string{`group=""`}
	}
	matchers := append([]string{fmt.Sprintf("slo=%q", p.Objective.Name), fmt.Sprintf("service=%q", p.Objective.Service)}, more...)
	return metric + "{" + strings.Join(p.ofAgent(matchers), ",") + "}"
}

func (p *page) ofAgent(matchers []string) []string {
	if agent := strings.Trim(p.Options.AgentSelector, ", "); agent != "" {
		return append(matchers, agent)
	}
	return matchers
}

func (p *page) agent() []string {
	counts := "sum by (outcome) (increase(" + p.own(metricname.SLIEventsTotal) + "[1h]))"
	if p.Objective.Weight != nil {
		counts = "sum by (outcome, currency) (increase(" + p.own(metricname.SLIValueTotal) + "[1h]))"
	}
	out := []string{
		p.own(metricname.Firing) + " == 1", p.own(metricname.BurnRate), p.own(metricname.ErrorRatio), p.own(metricname.BudgetRemainingRatio),
		p.own(metricname.BudgetExhaustionTime) + " - time()", p.own(metricname.CoverageRatio), p.own(metricname.SLOState) + " == 1",
	}
	if p.Objective.Composite == nil {
		out = append(out, counts)
	}
	if p.Objective.GroupBy != nil {
		out = append(out, "topk(10, max by (group) ("+p.own(metricname.BurnRate, `group!=""`)+"))")
	}
	return append(out, `ALERTS{`+fmt.Sprintf("slo=%q", p.Objective.Name)+`,alertname=~"`+alerts.BudgetBurn+"|"+alerts.BudgetExhausted+"|"+alerts.Unobserved+`"}`)
}
