package convert

import (
	"slices"
	"strings"
)

// SLI is what an indicator becomes: one of the two metrics of OpenSLO.
type SLI struct {
	Description     string       `yaml:"description,omitempty"`
	RatioMetric     *RatioMetric `yaml:"ratioMetric,omitempty"`
	ThresholdMetric *Metric      `yaml:"thresholdMetric,omitempty"`
}

// RatioMetric has total with one of good and bad, good and bad, good alone (of a histogram), or raw.
type RatioMetric struct {
	Counter *bool   `yaml:"counter,omitempty"`
	Good    *Metric `yaml:"good,omitempty"`
	Bad     *Metric `yaml:"bad,omitempty"`
	Total   *Metric `yaml:"total,omitempty"`
	RawType string  `yaml:"rawType,omitempty"`
	Raw     *Metric `yaml:"raw,omitempty"`
}

// Metric is a query and where it is asked.
type Metric struct {
	Source MetricSource `yaml:"metricSource"`
}

// MetricSource is always Prometheus.
type MetricSource struct {
	Ref  string    `yaml:"metricSourceRef,omitempty"`
	Type string    `yaml:"type"`
	Spec QuerySpec `yaml:"spec"`
}

// QuerySpec is a plain series selector and, of a histogram, a limit in the histogram's own unit.
type QuerySpec struct {
	Query string  `yaml:"query"`
	Below float64 `yaml:"below,omitempty"`
}

// Indicator is an SLI with what goes into its annotations.
type Indicator struct {
	SLI
	GroupBy    []string // labels, sorted
	GoodAndBad bool     // there is no total, and that is meant
	notes      []reason
	bare       []string // selectors that are counted although no increase was taken of them, sorted
}

// Annotations are those of the indicator that say what OpenSLO has no place for.
func (i *Indicator) Annotations() map[string]string {
	out := map[string]string{}
	if len(i.GroupBy) > 0 {
		out["assayer.dev/group-by"] = strings.Join(i.GroupBy, ",")
	}
	if i.GoodAndBad {
		out["assayer.dev/total"] = "good + bad"
	}
	return out
}

// From names the data source of every query.
func (i *Indicator) From(ref string) {
	metrics := []*Metric{i.ThresholdMetric}
	if r := i.RatioMetric; r != nil {
		metrics = append(metrics, r.Good, r.Bad, r.Total, r.Raw)
	}
	for _, m := range metrics {
		if m != nil {
			m.Source.Ref = ref
		}
	}
}

// Prometheus is a metric of one selector.
func Prometheus(selector string) *Metric {
	return &Metric{MetricSource{Type: "Prometheus", Spec: QuerySpec{Query: selector}}}
}

// ofEvents reads the share that one query counts of what another one does. The share is of good events, or of bad ones.
func ofEvents(part, total string, good bool) (*Indicator, *reason) {
	p, why := parseQuery(part)
	if why != nil {
		return nil, why
	}
	t, why := parseQuery(total)
	if why != nil {
		return nil, why
	}
	if p.value.bottom != nil || t.value.bottom != nil {
		if p.value.bottom == nil || t.value.bottom != nil || !isOne(t.value) {
			return nil, polled("counts ratios")
		}
		return ofRatio(p, good) // a ratio of 1
	}
	share, why := p.value.dividedBy(t.value)
	if why != nil {
		return nil, why
	}
	notes := p.notes
	for _, n := range t.notes {
		notes = appendNew(notes, n)
	}
	return indicator(share, good, notes)
}

// ofParts reads two queries that count good and bad events.
func ofParts(good, bad string) (*Indicator, *reason) {
	g, why := parseQuery(good)
	if why != nil {
		return nil, why
	}
	b, why := parseQuery(bad)
	if why != nil {
		return nil, why
	}
	all, why := g.value.plus(b.value)
	if why != nil {
		return nil, why
	}
	share, why := g.value.dividedBy(all)
	if why != nil {
		return nil, why
	}
	notes := g.notes
	for _, n := range b.notes {
		notes = appendNew(notes, n)
	}
	return indicator(share, true, notes)
}

func isOne(q quotient) bool {
	n, ok := q.number()
	return ok && n == 1
}

func appendNew(list []reason, n reason) []reason {
	if slices.Contains(list, n) {
		return list
	}
	return append(list, n)
}

// raw reads a query that computes a ratio of good or bad events. A bare gauge is one that somebody else computed.
func raw(text string, good bool) (*Indicator, *reason) {
	q, why := parseQuery(text)
	if why != nil {
		return nil, why
	}
	return ofRatio(q, good)
}

func ofRatio(q query, good bool) (*Indicator, *reason) {
	if t, ok := q.value.top.only(); q.value.bottom == nil && ok && q.value.top.form == (form{groups: bareForm}) {
		return &Indicator{SLI: SLI{RatioMetric: rawMetric(t.selector, good)}, notes: q.notes}, nil
	}
	if q.value.bottom == nil {
		return nil, polled("is no ratio of two counts")
	}
	return indicator(q.value, good, q.notes)
}

func rawMetric(selector string, good bool) *RatioMetric {
	m := &RatioMetric{RawType: "failure", Raw: Prometheus(selector)}
	if good {
		m.RawType = "success"
	}
	return m
}

// gauge reads a query whose samples are compared with a value.
func gauge(text string) (*Indicator, *reason) {
	q, why := parseQuery(text)
	if why != nil {
		return nil, why
	}
	t, ok := q.value.top.only()
	if q.value.bottom != nil || !ok || q.value.top.form != (form{groups: bareForm}) {
		return nil, polled("is more than the samples of a gauge")
	}
	return &Indicator{SLI: SLI{ThresholdMetric: Prometheus(t.selector)}}, nil
}

// indicator finds the selectors that say what a quotient of counts says.
func indicator(q quotient, good bool, notes []reason) (*Indicator, *reason) {
	if q.bottom == nil || q.bottom.isConstant() || q.bottom.constant != 0 {
		return nil, polled("counts against a number")
	}
	if len(q.bottom.terms) == 1 { // the same factor on both sides says nothing
		for _, n := range q.bottom.terms {
			q = quotient{q.top.scaled(1 / n), q.bottom.scaled(1 / n)}
		}
	}
	rest, why := q.bottom.plus(q.top.scaled(-1))
	if why != nil {
		return nil, why
	}
	out := &Indicator{GroupBy: q.bottom.form.labels(), notes: notes}
	if q.bottom.form.groups == seriesForm {
		out.notes = appendNew(out.notes, reason{SeriesAddedUp, "has a result for each series; here all series are added up"})
	}
	out.bare = q.bare()
	yes := true
	m := &RatioMetric{Counter: &yes}
	out.RatioMetric = m
	part, partOK := q.top.single()
	other, otherOK := rest.single()
	total, totalOK := q.bottom.single()
	// What was written is kept, unless it is a difference and the rest is not.
	keep := ofCounters(part, partOK) && (len(q.top.terms) == 1 || !ofCounters(other, otherOK) || len(rest.terms) > 1)
	takeGood := keep == good
	if !good {
		part, partOK, other, otherOK = other, otherOK, part, partOK
	}
	switch {
	case totalOK && total.part == inHist:
		if !partOK || part.part != belowLimit || part.selector != total.selector {
			return nil, polled("counts other observations than those below a limit")
		}
		m.Good = Prometheus(part.selector)
		m.Good.Source.Spec.Below = part.below
	case totalOK && total.part == samples:
		if partOK && part.part == sampleSum && part.selector == total.selector {
			out.RatioMetric = rawMetric(part.selector, true)
		} else if otherOK && other.part == sampleSum && other.selector == total.selector {
			out.RatioMetric = rawMetric(other.selector, false)
		} else {
			return nil, polled("counts samples of one thing against another")
		}
	case !ofCounters(part, partOK) && !ofCounters(other, otherOK), totalOK && total.part != events:
		return nil, polled("counts what no selector selects")
	case len(q.bottom.terms) > 1 && ofCounters(part, partOK) && ofCounters(other, otherOK):
		m.Good, m.Bad, out.GoodAndBad = Prometheus(part.selector), Prometheus(other.selector), true
	case totalOK && takeGood:
		m.Good, m.Total = Prometheus(part.selector), Prometheus(total.selector)
	case totalOK:
		m.Bad, m.Total = Prometheus(other.selector), Prometheus(total.selector)
	default:
		return nil, polled("counts what no selector selects")
	}
	return out, nil
}

func ofCounters(t term, ok bool) bool { return ok && t.part == events }
