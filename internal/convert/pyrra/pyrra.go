// Package pyrra reads pyrra's objectives, which are Kubernetes objects.
//
//	kind: ServiceLevelObjective, metadata.name: auth, spec: {target: "99.9", window: 4w, indicator: {ratio: …, grouping: [handler]}}
//	──> SLO auth, target 0.999, over 4w, grouped by handler
package pyrra

import (
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/internal/convert"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

const (
	apiVersion = "pyrra.dev/v1alpha1"
	kind       = "ServiceLevelObjective"
	prefix     = "pyrra.dev/" // of labels and annotations that go to rules, without it
)

// Format is pyrra's.
func Format() convert.Format {
	return convert.Format{
		Name: "pyrra", Allowed: "apiVersion " + apiVersion + " of kind " + kind,
		Reads: func(n strictyaml.Node) bool {
			return n.At("apiVersion").Text() == apiVersion && n.At("kind").Text() == kind
		},
		Convert: func(docs []strictyaml.Node, r *convert.Run) {
			for _, doc := range docs {
				objective(r, doc)
			}
		},
	}
}

func objective(r *convert.Run, doc strictyaml.Node) {
	name, namespace := doc.At("metadata.name").Text(), doc.At("metadata.namespace").Text()
	it := r.Item(doc, doc, name)
	it.Bare = convert.Counters // pyrra itself takes the increase of what is written
	n := doc.At("spec")
	it.Fields(doc, "apiVersion", "kind", "metadata", "spec", "status")
	if !it.Fields(n, "description", "target", "window", "indicator", "alerting", "partial_response_strategy", "performanceOverAccuracy", "ruleOutput") {
		it.Wrong(doc, "spec", "a mapping")
		return
	}
	target, ok := convert.PercentToRatio(n.At("target").Text())
	if !ok {
		it.Wrong(n, "target", `a percentage from 0 to 100, such as "99.9"`)
	}
	if _, err := model.ParseDuration(n.At("window").Text()); err != nil {
		it.Wrong(n, "window", "a duration such as 4w or 28d")
	}
	for _, key := range []string{"partial_response_strategy", "performanceOverAccuracy", "ruleOutput"} {
		if at := n.At(key); at.Exists() && at.Text() != "false" {
			it.Warn(convert.ToolSetting, at, "", problem.Problem{Message: "says how pyrra makes its rules, and has no counterpart", Got: at.Shown()})
		}
	}
	alerting(it, n.At("alerting"))
	texts, annotations := it.KubeMeta(doc.At("metadata"), false)
	texts, annotations = stripped(texts), stripped(annotations)
	ind, grouping, total := indicator(it, n.At("indicator"))
	if ind == nil {
		return
	}
	convert.Group(annotations, grouping)
	entry := convert.Objective{Target: target}
	if ind.ThresholdMetric != nil {
		entry.Op, entry.Value = "gte", "1"
	}
	it.Make(convert.Document{
		Kind:     "SLO",
		Metadata: convert.Metadata{Name: name, Labels: convert.Labels(texts), Annotations: annotations},
		Spec: convert.SLO{
			Description: n.At("description").Text(), Service: service(it, doc, texts, total, name), BudgetingMethod: "Occurrences",
			Indicator:  &convert.Inline{Metadata: convert.Metadata{Annotations: ind.Annotations()}, Spec: ind.SLI},
			TimeWindow: []convert.Window{{Duration: n.At("window").Text(), IsRolling: true}},
			Objectives: []convert.Objective{entry},
		},
	}, namespace+"/"+name)
}

// stripped takes pyrra's prefix off, as pyrra does for its rules.
func stripped(texts map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range texts {
		if own, ok := strings.CutPrefix(k, prefix); ok && own != "" {
			out[own] = v
		} else if _, taken := out[k]; !taken && texts[prefix+k] == "" {
			out[k] = v
		}
	}
	return out
}

// service finds what pyrra has no word for: a label that says it, else the job that is selected, else the name.
func service(it *convert.Item, doc strictyaml.Node, texts map[string]string, total, name string) string {
	for _, key := range []string{"service", "app.kubernetes.io/name"} {
		if texts[key] != "" {
			return texts[key]
		}
	}
	from, assumed := "the objective's name", name
	if job := fixedJob(total); job != "" {
		from, assumed = "the job that is selected", job
	}
	it.Warn(convert.Assumed, doc, "metadata.name", problem.Problem{Message: "pyrra knows no services, so " + from + " is taken; the label pyrra.dev/service says another", Got: assumed})
	return assumed
}

func fixedJob(selector string) string {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(selector)
	vs, ok := expr.(*parser.VectorSelector)
	if err != nil || !ok {
		return ""
	}
	for _, m := range vs.LabelMatchers {
		if m.Name == "job" && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}

// indicator reads the one that there is, the labels it is grouped by and the selector of all it counts.
func indicator(it *convert.Item, n strictyaml.Node) (ind *convert.Indicator, grouping []string, total string) {
	it.Fields(n, "ratio", "latency", "latencyNative", "bool_gauge")
	var found []strictyaml.Entry
	for _, e := range n.Entries() {
		if e.Value.Exists() {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		it.Wrong(n, "", "exactly one of ratio, latency, latencyNative and bool_gauge")
		return nil, nil, ""
	}
	n = found[0].Value
	for _, g := range n.At("grouping").Items() {
		grouping = append(grouping, g.Text())
	}
	all := n.At("total.metric")
	switch found[0].Key {
	case "ratio":
		it.Fields(n, "errors", "total", "grouping")
		ind = it.Ratio(n.At("errors.metric"), all, false)
	case "latency":
		it.Fields(n, "success", "total", "grouping")
		ind = it.Ratio(n.At("success.metric"), all, true)
	case "latencyNative":
		it.Fields(n, "latency", "total", "grouping")
		limit, err := model.ParseDuration(n.At("latency").Text())
		if err != nil || limit <= 0 {
			it.Wrong(n, "latency", "a duration such as 200ms")
			return nil, nil, ""
		}
		// pyrra asks for seconds, whatever the histogram's name says.
		ind = it.Histogram(all, time.Duration(limit).Seconds())
	case "bool_gauge":
		it.Fields(n, "metric", "grouping")
		all = n.At("metric")
		ind = it.Gauge(all)
	default:
		it.Wrong(n, "", "one of ratio, latency, latencyNative and bool_gauge")
	}
	return ind, grouping, all.Text()
}

func alerting(it *convert.Item, n strictyaml.Node) {
	it.Fields(n, "disabled", "burnrates", "absent", "name", "absentName", "severities")
	for key, off := range map[string]string{"disabled": "true", "burnrates": "false", "absent": "false"} {
		if at := n.At(key); at.Text() == off {
			it.Warn(convert.DisabledAlert, at, "", problem.Problem{Message: "every objective has all of its alerts here; silence it, or route it nowhere", Got: at.Shown()})
		}
	}
	for key, ours := range map[string]string{"name": "ErrorBudgetBurn", "absentName": "ObjectiveUnobserved"} {
		if at := n.At(key); at.Text() != "" && at.Text() != ours {
			it.Warn(convert.AlertName, at, "", problem.Problem{Message: "this alert is called " + ours + " here", Got: at.Shown()})
		}
	}
	if severities := it.Texts(n.At("severities")); len(severities) > 0 {
		it.Warn(convert.AlertLabels, n, "severities", problem.Problem{Message: "a leg's severity here is how urgent it is: critical, high, medium or low", Got: convert.Listed(severities)})
	}
}
