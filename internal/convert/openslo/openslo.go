// Package openslo reads OpenSLO as people write it, in three versions, which are read leniently: what a version has no
// word for but is plainly meant is taken.
//
//	openslo/v1, openslo.com/v2alpha: every kind; openslo/v1alpha: SLO and Service
//	{ratioMetric: {good: {metricSource: {spec: {query: 'sum(rate(x{code="200"}[{{.window}}]))'}}}, total: …}} ──> query: x{code="200"}
package openslo

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/assayer-io/assayer/internal/convert"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

const (
	v1      = "openslo/v1"
	v1alpha = "openslo/v1alpha"
	v2alpha = "openslo.com/v2alpha"
)

// Format is that of all versions.
func Format() convert.Format { return format("openslo", v1, v1alpha, v2alpha) }

// V1Alpha is that of the one version which sloth reads.
func V1Alpha() convert.Format { return format("openslo", v1alpha) }

func format(name string, versions ...string) convert.Format {
	return convert.Format{
		Name: name, Allowed: "apiVersion " + strings.Join(versions, ", "), Convert: run,
		Reads: func(n strictyaml.Node) bool { return slices.Contains(versions, n.At("apiVersion").Text()) },
	}
}

// reader holds what documents refer to.
type reader struct {
	run     *convert.Run
	sources map[string]string // type of a data source by its name
	slis    map[string]*sli
}

// sli is an indicator with a document of its own.
type sli struct {
	name  string // in the document made
	found *convert.Indicator
	why   convert.Loss // it was not converted
}

func run(docs []strictyaml.Node, r *convert.Run) {
	in := &reader{run: r, sources: map[string]string{}, slis: map[string]*sli{}}
	for _, doc := range docs {
		if doc.At("kind").Text() == "DataSource" {
			in.sources[doc.At("metadata.name").Text()] = doc.At("spec.type").Text()
		}
	}
	for _, doc := range docs { // SLOs refer to them
		if doc.At("kind").Text() == "SLI" {
			in.indicatorDocument(doc)
		}
	}
	for _, doc := range docs {
		kind, name := doc.At("kind").Text(), doc.At("metadata.name").Text()
		switch {
		case kind == "SLI":
		case kind == "SLO" && doc.At("apiVersion").Text() == v1alpha:
			in.alpha(doc)
		case kind == "SLO":
			in.slo(doc)
		case kind == "Service", kind == "DataSource", kind == "AlertPolicy", kind == "AlertCondition", kind == "AlertNotificationTarget":
			in.other(doc, kind)
		default:
			r.Item(doc, doc, kind+" "+name).Wrong(doc, "kind", "SLO, SLI, Service, DataSource, AlertPolicy, AlertCondition, AlertNotificationTarget")
		}
	}
}

// metadata reads what every document begins with.
func metadata(it *convert.Item, n strictyaml.Node) convert.Metadata {
	it.Fields(n, "name", "displayName", "labels", "annotations")
	m := convert.Metadata{Name: n.At("name").Text(), DisplayName: n.At("displayName").Text(), Annotations: it.Texts(n.At("annotations"))}
	plain := map[string]any{}
	for _, e := range n.At("labels").Entries() {
		if !e.Value.IsList() {
			plain[e.Key] = e.Value.Text()
			continue
		}
		var list []string
		for _, item := range e.Value.Items() {
			list = append(list, item.Text())
		}
		plain[e.Key] = list
	}
	m.Labels = plain
	return m
}

// other takes a document over as it is, save what must not be repeated.
func (in *reader) other(doc strictyaml.Node, kind string) {
	it := in.run.Item(doc, doc, kind+" "+doc.At("metadata.name").Text())
	it.Fields(doc, "apiVersion", "kind", "metadata", "spec")
	fields := map[string]any{}
	if problems := doc.At("spec").Decode(&fields); problems.Err() != nil {
		it.Refuse(convert.InvalidValue, doc, "spec", problem.Problem{Message: problems[0].Message, Got: problems[0].Got, Allowed: problems[0].Allowed})
	}
	identity := "" // such documents may be there twice
	switch kind {
	case "DataSource":
		for _, e := range doc.At("spec").Entries() {
			if e.Key != "type" && e.Key != "description" {
				delete(fields, e.Key)
				it.Warn(convert.DataSource, e.Value, "", problem.Problem{Message: "is left out, since it may hold secrets; the agent file says what is collected"})
			}
		}
	case "AlertPolicy", "AlertCondition", "AlertNotificationTarget":
		it.Warn(convert.AlertPolicy, doc, "kind", problem.Problem{Message: "is kept but not used; every objective has alerts of its own, and the agent file says which (burn_alerts)", Got: kind})
	}
	it.Make(convert.Document{Kind: kind, Metadata: metadata(it, doc.At("metadata")), Spec: fields}, identity)
}

// indicatorDocument converts a document of kind SLI.
func (in *reader) indicatorDocument(doc strictyaml.Node) {
	name := doc.At("metadata.name").Text()
	it := in.run.Item(doc, doc, "SLI "+name)
	it.Fields(doc, "apiVersion", "kind", "metadata", "spec")
	m := metadata(it, doc.At("metadata"))
	made := &sli{found: in.indicator(it, doc.At("spec"))}
	if made.found != nil {
		maps.Copy(m.Annotations, made.found.Annotations())
		it.Make(convert.Document{Kind: "SLI", Metadata: m, Spec: made.found.SLI}, name)
	}
	if why, refused := it.Why(); refused {
		made.found, made.why = nil, why
	}
	made.name = it.Name()
	if before := in.slis[name]; before == nil || before.found == nil {
		in.slis[name] = made
	}
}

// indicator reads the spec of an indicator. It is nil, and the item refused, if it cannot be streamed.
func (in *reader) indicator(it *convert.Item, n strictyaml.Node) *convert.Indicator {
	it.Fields(n, "description", "ratioMetric", "thresholdMetric")
	ratio, threshold := n.At("ratioMetric"), n.At("thresholdMetric")
	var ind *convert.Indicator
	switch {
	case ratio.Exists() == threshold.Exists():
		it.Wrong(n, "", "exactly one of ratioMetric and thresholdMetric")
	case threshold.Exists():
		if q := in.query(it, threshold); q != nil {
			if ind = it.Gauge(q.text); ind != nil {
				ind.From(q.ref)
			}
		}
	default:
		it.Fields(ratio, "counter", "good", "bad", "total", "raw", "rawType")
		ind = in.ratio(it, ratio, ratio.At("counter"))
	}
	if ind != nil {
		ind.Description = n.At("description").Text()
	}
	return ind
}

// ratio reads raw, or two of good, bad and total. Counter says whether what the queries give are counters.
func (in *reader) ratio(it *convert.Item, n, counter strictyaml.Node) *convert.Indicator {
	it.Bare = convert.Unsaid
	if n.At("raw").Exists() { // of which the flag says nothing
		rawType := n.At("rawType").Text()
		if rawType != "success" && rawType != "failure" {
			it.Wrong(n, "rawType", "success or failure")
		}
		q := in.query(it, n.At("raw"))
		if q == nil {
			return nil
		}
		ind := it.Raw(q.text, rawType == "success")
		if ind != nil {
			ind.From(q.ref)
		}
		return ind
	}
	var legs [3]*query
	given := 0
	for i, key := range []string{"good", "bad", "total"} {
		if !n.At(key).Exists() {
			continue
		}
		given++
		if legs[i] = in.query(it, n.At(key)); legs[i] == nil {
			return nil
		}
	}
	if given != 2 {
		it.Wrong(n, "", "total with one of good and bad, or good and bad")
		return nil
	}
	it.Bare = bare(counter)
	good, bad, total := legs[0], legs[1], legs[2]
	var ind *convert.Indicator
	var ref string
	switch {
	case total == nil:
		ind, ref = it.GoodAndBad(good.text, bad.text), good.ref
	case good != nil:
		ind, ref = it.Ratio(good.text, total.text, true), total.ref
	default:
		ind, ref = it.Ratio(bad.text, total.text, false), total.ref
	}
	if ind != nil {
		ind.From(ref)
		tellOthers(it, legs, ref)
	}
	return ind
}

// tellOthers warns of legs that are asked of another data source than the one that is kept.
func tellOthers(it *convert.Item, legs [3]*query, kept string) {
	for _, q := range legs {
		if q != nil && q.ref != kept {
			it.Warn(convert.DataSource, q.text, "", problem.Problem{Message: "good, bad and total are asked of two data sources; all of them are counted of " + strconv.Quote(kept), Got: strconv.Quote(q.ref)})
		}
	}
}

// bare is what a flag says of selectors. A rate was taken of a counter, whatever the flag says of the rate.
func bare(counter strictyaml.Node) convert.Bare {
	switch counter.Text() {
	case "true":
		return convert.Counters
	case "false":
		return convert.Gauges
	}
	return convert.Unsaid
}

// query is where a query stands, and the name of the data source it is asked of.
type query struct {
	text strictyaml.Node
	ref  string
}

// query finds the query of a metric in the form of any version. It is nil, and the item refused, if it is not for Prometheus.
func (in *reader) query(it *convert.Item, n strictyaml.Node) *query {
	var of, ref strictyaml.Node // the type of the data source, and its name
	body := n.At("spec")
	switch {
	case n.At("metricSource").Exists():
		it.Fields(n, "metricSource")
		n = n.At("metricSource")
		it.Fields(n, "metricSourceRef", "type", "spec")
		of, ref, body = n.At("type"), n.At("metricSourceRef"), n.At("spec")
	case n.At("source").Exists() || n.At("query").Exists():
		it.Fields(n, "source", "queryType", "query")
		of, body = n.At("source"), n
	default:
		it.Fields(n, "dataSourceRef", "dataSourceSpec", "spec")
		of, ref = n.At("dataSourceSpec.type"), n.At("dataSourceRef")
		if at := n.At("dataSourceSpec.connectionDetails"); at.Exists() {
			it.Warn(convert.DataSource, at, "", problem.Problem{Message: "is left out, since it may hold secrets; the agent file says what is collected"})
		}
	}
	kind := of.Text()
	known, ok := in.sources[ref.Text()]
	if kind == "" {
		kind = known
	}
	switch {
	case kind != "" && !strings.EqualFold(kind, "prometheus") && kind != "sloth":
		it.Refuse(convert.OtherDataSource, n, "", problem.Problem{Message: "is asked of another system than Prometheus", Got: kind})
		return nil
	case kind == "" && !ok && ref.Exists():
		it.Warn(convert.Assumed, ref, "", problem.Problem{Message: "no document says what this data source is, and it is taken as Prometheus", Got: ref.Shown()})
	}
	for _, own := range []string{"below", "present", "rate", "of"} {
		if at := body.At(own); at.Exists() {
			it.Refuse(convert.InvalidValue, at, "", problem.Problem{Message: "only Assayer's own documents have this field, which need no import"})
			return nil
		}
	}
	if !sameNode(body, n) {
		it.Fields(body, "query", "queryType")
	}
	return &query{body.At("query"), ref.Text()}
}

func sameNode(a, b strictyaml.Node) bool { return a.Path() == b.Path() }
