package spec

import (
	"fmt"
	"strings"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

// excludedQuery is the annotation of an indicator that selects what counts for nobody.
const excludedQuery = "assayer.dev/excluded-query"

// totalOf is the annotation of an indicator that says on purpose what OpenSLO's schema has no place
// for: its total is the sum of good and bad.
const (
	totalOf    = "assayer.dev/total"
	goodAndBad = "good + bad"
)

func annotation(name string) string { return `metadata.annotations["` + name + `"]` }

type sliDocument struct {
	Header header  `yaml:",inline"`
	Spec   sliSpec `yaml:"spec"`
}

type sliSpec struct {
	Description     string       `yaml:"description"`
	ThresholdMetric *metric      `yaml:"thresholdMetric"`
	RatioMetric     *ratioMetric `yaml:"ratioMetric"`
}

type ratioMetric struct {
	Counter *bool   `yaml:"counter"`
	Good    *metric `yaml:"good"`
	Bad     *metric `yaml:"bad"`
	Total   *metric `yaml:"total"`
	Raw     *metric `yaml:"raw"`
	RawType string  `yaml:"rawType"`
}

type metric struct {
	MetricSource metricSource `yaml:"metricSource"`
}

type metricSource struct {
	MetricSourceRef string          `yaml:"metricSourceRef"`
	Type            string          `yaml:"type"`
	Spec            strictyaml.Node `yaml:"spec"`
}

// querySpec is what we read in metricSource.spec, where OpenSLO allows anything.
type querySpec struct {
	Query  string                     `yaml:"query"`
	Rate   bool                       `yaml:"rate"`
	Of     string                     `yaml:"of"`
	Others map[string]strictyaml.Node `yaml:",inline"`
}

// sli is an indicator as far as it can be known without the objective that uses it.
type sli struct {
	node        strictyaml.Node
	read        bool // its queries have been read
	isRatio     bool
	isThreshold bool
	ratio       *Ratio    // of a ratioMetric without mistakes
	gauge       *Selector // of a thresholdMetric without mistakes
	rate        bool      // gauge is a counter whose rate has a floor
	of          string    // expected, or empty
}

// sli keeps a document of kind SLI for the objectives that refer to it.
func (l *loader) sli(n strictyaml.Node) {
	name := l.name(n.At("metadata.name"))
	if f, again := l.slis[name]; again && name != "" {
		l.add(n.Problem(problem.Problem{Path: "metadata.name", Got: name,
			Message: fmt.Sprintf("an indicator of this name is already at %s:%d", f.node.File(), f.node.At("metadata.name").Line())}))
		return
	}
	l.slis[name] = &sli{node: n}
}

// indicator reads the queries of an indicator, once however many objectives use it.
func (l *loader) indicator(s *sli) {
	if s.read {
		return
	}
	s.read = true
	var doc sliDocument
	l.decode(s.node, &doc, func() { l.metrics(s, &doc) })
}

func (l *loader) metrics(s *sli, doc *sliDocument) {
	n := s.node.At("spec")
	switch {
	case (doc.Spec.RatioMetric == nil) == (doc.Spec.ThresholdMetric == nil):
		l.add(n.Problem(problem.Problem{Message: "needs exactly one metric", Allowed: "ratioMetric or thresholdMetric"}))
	case doc.Spec.RatioMetric != nil:
		s.isRatio = true
		both := s.node.At(annotation(totalOf)).Text() == goodAndBad
		s.ratio = l.ratio(n.At("ratioMetric"), doc.Spec.RatioMetric, both)
		if x := s.node.At(annotation(excludedQuery)); x.Exists() {
			if excluded := l.counterSelector(x); s.ratio != nil {
				s.ratio.Excluded = excluded
			}
		}
	default:
		s.isThreshold = true
		q, ok := l.query(n.At("thresholdMetric"), doc.Spec.ThresholdMetric)
		s.rate, s.of = q.Rate, q.Of
		if at := n.At("thresholdMetric.metricSource.spec.query"); ok || at.Text() != "" {
			s.gauge = l.selector(at, q.Rate)
		}
	}
}

// ratio reads a ratioMetric: total with one of good and bad, or good and bad alone. Both says that
// leaving the total out is meant.
func (l *loader) ratio(n strictyaml.Node, in *ratioMetric, both bool) *Ratio {
	before := l.problems.Errors()
	if in.Raw != nil || in.RawType != "" {
		l.add(n.Problem(problem.Problem{Path: "raw", Message: "a ratio that a query has computed cannot be counted", Allowed: "total with good or bad, each " + selectorAllowed}))
		return nil
	}
	switch {
	case in.Counter == nil:
		l.lenient(n.Problem(problem.Problem{Path: "counter", Message: "is missing and taken as true"}))
	case !*in.Counter:
		l.add(n.Problem(problem.Problem{Path: "counter", Message: "events are counted with counters only", Got: "false", Allowed: "true"}))
	}
	const allowed = "total with one of good and bad, or good and bad without total"
	given := 0
	for _, m := range []*metric{in.Good, in.Bad, in.Total} {
		if m != nil {
			given++
		}
	}
	if given != 2 {
		l.add(n.Problem(problem.Problem{Got: fmt.Sprint(given, " of good, bad and total"), Allowed: allowed}))
	} else if in.Total == nil && !both {
		l.lenient(n.Problem(problem.Problem{Path: "total", Message: "is missing and taken as good + bad"}))
	}
	r := &Ratio{Good: l.counter(n.At("good"), in.Good), Bad: l.counter(n.At("bad"), in.Bad), Total: l.counter(n.At("total"), in.Total)}
	if l.problems.Errors() > before {
		return nil
	}
	r.Latency = isLatency(r)
	return r
}

// isLatency: good is one bucket of the histogram whose count is the total.
func isLatency(r *Ratio) bool {
	if r.Good == nil || r.Total == nil {
		return false
	}
	histogram, one := r.Good.bucket()
	return one && r.Total.MetricName() == histogram+"_count"
}

// counter reads one leg of a ratio. It is nil for a leg that is not given.
func (l *loader) counter(n strictyaml.Node, m *metric) *Selector {
	if m == nil {
		return nil
	}
	_, ok := l.query(n, m)
	n = n.At("metricSource.spec")
	if !ok && n.At("query").Text() == "" {
		return nil
	}
	for _, key := range []string{"rate", "of"} {
		if n.At(key).Exists() {
			l.add(n.Problem(problem.Problem{Path: key, Message: "is for the floor under a counter's rate", Got: n.At(key).Shown(), Allowed: "only in a thresholdMetric"}))
		}
	}
	return l.counterSelector(n.At("query"))
}

// query reads a metric source of the one type we know.
func (l *loader) query(n strictyaml.Node, m *metric) (querySpec, bool) {
	n = n.At("metricSource")
	source := n.At("type")
	kind := m.MetricSource.Type
	if kind == "" {
		source = n.At("metricSourceRef")
		kind = l.sources[m.MetricSource.MetricSourceRef]
	}
	if kind != "" && !strings.EqualFold(kind, "prometheus") {
		l.add(source.Problem(problem.Problem{Message: "is not a type of data source that can be read", Got: kind, Allowed: "Prometheus"}))
		return querySpec{}, false
	}
	n = n.At("spec")
	if !n.Exists() {
		l.add(n.Problem(problem.Problem{Message: "has no value", Allowed: "{query: SELECTOR}"}))
		return querySpec{}, false
	}
	var q querySpec
	before := l.problems.Errors()
	l.decode(n, &q, func() { l.queryOptions(n, &q) })
	return q, l.problems.Errors() == before
}

// queryOptions checks what may stand beside a query.
func (l *loader) queryOptions(n strictyaml.Node, q *querySpec) {
	for _, e := range n.Entries() {
		if _, other := q.Others[e.Key]; !other {
			continue
		}
		p := n.UnknownField(e.Key, []string{"query", "rate", "of"})
		if e.Key == "below" {
			p.Message = "native histograms are not supported by this version"
			p.Allowed = `a ratioMetric of x_bucket{le="2"} and x_count`
			l.add(p)
		} else {
			l.lenient(p)
		}
	}
	switch {
	case q.Of != "" && q.Of != "expected":
		l.add(n.At("of").Wrong("expected"))
		q.Of = ""
	case q.Of != "" && !q.Rate:
		l.add(n.Problem(problem.Problem{Path: "of", Message: "needs rate: true beside it"}))
	}
}
