package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

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
	Query   string                     `yaml:"query"`
	Below   strictyaml.Node            `yaml:"below"`
	Present bool                       `yaml:"present"`
	Rate    bool                       `yaml:"rate"`
	Of      string                     `yaml:"of"`
	Others  map[string]strictyaml.Node `yaml:",inline"`
}

// sli is an indicator as far as it can be known without the objective that uses it.
type sli struct {
	node        strictyaml.Node
	read        bool // its queries have been read
	isRatio     bool
	isThreshold bool
	made        Indicator // of a ratioMetric without mistakes
	gauge       *Selector // of a thresholdMetric without mistakes
	present     bool      // gauge is a series that has to be there
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
	l.ownAnnotations(s.node, indicatorKeys())
	switch {
	case (doc.Spec.RatioMetric == nil) == (doc.Spec.ThresholdMetric == nil):
		l.add(n.Problem(problem.Problem{Message: "needs exactly one metric", Allowed: "ratioMetric or thresholdMetric"}))
	case doc.Spec.RatioMetric != nil:
		s.isRatio = true
		l.ratioMetric(s, n.At("ratioMetric"), doc.Spec.RatioMetric)
	default:
		s.isThreshold = true
		l.only(s, eventsQuery, "a raw ratio")
		l.only(s, excludedQuery, ofCounters)
		l.only(s, totalOf, ofCounters)
		q, ok := l.query(n.At("thresholdMetric"), doc.Spec.ThresholdMetric, "present", "rate", "of")
		at := n.At("thresholdMetric.metricSource.spec")
		present := at.At("present")
		s.present, s.rate, s.of = q.Present || present.Exists() && present.Text() != "false", q.Rate, q.Of
		if q.Present && (q.Rate || q.Of != "") {
			l.add(at.Problem(problem.Problem{Path: "present", Message: "a series is there or it is not", Allowed: "present or rate"}))
		} else if at = at.At("query"); ok || at.Text() != "" {
			s.gauge = l.selector(at, q.Rate)
		}
	}
}

const ofCounters = "a ratioMetric of counters"

// only refuses an annotation that another kind of indicator has.
func (l *loader) only(s *sli, key, of string) {
	if at := annotation(s.node, key); at.Exists() {
		l.add(at.Problem(problem.Problem{Message: "is only for " + of, Got: at.Shown()}))
	}
}

// ratioMetric reads the three forms: counters, a histogram with a limit, a ratio that somebody computed.
func (l *loader) ratioMetric(s *sli, n strictyaml.Node, in *ratioMetric) {
	if in.Raw != nil || in.RawType != "" {
		l.only(s, excludedQuery, ofCounters)
		l.only(s, totalOf, ofCounters)
		s.made.RawRatio = l.rawRatio(s, n, in)
		return
	}
	l.only(s, eventsQuery, "a raw ratio")
	if n.At("good.metricSource.spec.below").Exists() {
		l.only(s, excludedQuery, ofCounters)
		l.only(s, totalOf, ofCounters)
		s.made.Histogram = l.histogramRatio(n, in)
		return
	}
	s.made.Ratio = l.ratio(n, in, annotation(s.node, totalOf).Text() == goodAndBad)
	if x := annotation(s.node, excludedQuery); x.Exists() {
		if excluded := l.counterSelector(x); s.made.Ratio != nil {
			s.made.Ratio.Excluded = excluded
		}
	}
}

// rawRatio reads a gauge that is a ratio.
func (l *loader) rawRatio(s *sli, n strictyaml.Node, in *ratioMetric) *RawRatio {
	before := l.problems.Errors()
	for _, leg := range []string{"good", "bad", "total"} {
		if at := n.At(leg); at.Exists() {
			l.add(at.Problem(problem.Problem{Message: "cannot stand beside raw", Allowed: "raw alone, or total with good or bad"}))
		}
	}
	if in.RawType != "success" && in.RawType != "failure" {
		l.add(n.At("rawType").Wrong("success (the ratio is of good events) or failure (of bad ones)"))
	}
	r := &RawRatio{Success: in.RawType == "success"}
	if in.Raw == nil {
		l.add(n.At("raw").Wrong("{metricSource: {spec: {query: SELECTOR}}}"))
	} else if _, ok := l.query(n.At("raw"), in.Raw); ok {
		if query := l.selector(n.At("raw.metricSource.spec.query"), false); query != nil {
			r.Query = *query
		}
	}
	if at := annotation(s.node, eventsQuery); at.Exists() {
		r.Events = l.counterSelector(at)
	}
	if l.problems.Errors() > before {
		return nil
	}
	return r
}

// countersOnly holds a ratioMetric that is counted to counters.
func (l *loader) countersOnly(n strictyaml.Node, in *ratioMetric) {
	switch {
	case in.Counter == nil:
		l.lenient(n.Problem(problem.Problem{Path: "counter", Message: "is missing and taken as true"}))
	case !*in.Counter:
		l.add(n.Problem(problem.Problem{Path: "counter", Message: "events are counted with counters only", Got: "false", Allowed: "true, or raw for a gauge that is a ratio"}))
	}
}

// ratio reads a ratioMetric of counters: total with one of good and bad, or good and bad alone. Both says
// that leaving the total out is meant.
func (l *loader) ratio(n strictyaml.Node, in *ratioMetric, both bool) *Ratio {
	before := l.problems.Errors()
	l.countersOnly(n, in)
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
	n = n.At("metricSource.spec.query")
	if !ok && n.Text() == "" {
		return nil
	}
	return l.counterSelector(n)
}

// query reads a metric source of the one type we know. Beside the query stands what may stand there.
func (l *loader) query(n strictyaml.Node, m *metric, beside ...string) (querySpec, bool) {
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
	l.decode(n, &q, func() { l.queryOptions(n, &q, beside) })
	return q, l.problems.Errors() == before
}

// queryOptions checks what stands beside a query.
func (l *loader) queryOptions(n strictyaml.Node, q *querySpec, beside []string) {
	const floor, thresholds = "is for the floor under a counter's rate", "only in a thresholdMetric"
	for _, option := range []problem.Problem{
		{Path: "below", Message: "is for how many observations of a histogram kept below a limit", Allowed: "only in the good of a ratioMetric"},
		{Path: "present", Message: "is for a series that has to be there", Allowed: thresholds},
		{Path: "rate", Message: floor, Allowed: thresholds},
		{Path: "of", Message: floor, Allowed: thresholds},
	} {
		if at := n.At(option.Path); at.Exists() && !slices.Contains(beside, option.Path) {
			option.Got = at.Shown()
			l.add(n.Problem(option))
		}
	}
	for _, e := range n.Entries() {
		if _, other := q.Others[e.Key]; other {
			l.lenient(n.UnknownField(e.Key, []string{"query", "below", "present", "rate", "of"}))
		}
	}
	switch {
	case q.Of != "" && q.Of != "expected":
		l.add(n.At("of").Wrong("expected"))
		q.Of = ""
	case q.Of != "" && !q.Rate && !q.Present && slices.Contains(beside, "of"):
		l.add(n.Problem(problem.Problem{Path: "of", Message: "needs rate: true beside it"}))
	}
}
