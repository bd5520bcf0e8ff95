// Package sloth reads what sloth does: its own objectives, plain or as Kubernetes objects. The third thing it reads,
// OpenSLO v1alpha, is read by package openslo.
//
//	{version: prometheus/v1, service: payments, slos: [{name: auth, objective: 99.9, sli: {events: {error_query: …, total_query: …}}}]}
//	──> SLO payments-auth, target 0.999, over 30d
package sloth

import (
	"maps"
	"strings"

	"github.com/assayer-io/assayer/internal/convert"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

const (
	plainVersion = "prometheus/v1"
	kubeVersion  = "sloth.slok.dev/v1"
	kubeKind     = "PrometheusServiceLevel"
	windowsKind  = "AlertWindows"
)

// Format is sloth's.
func Format() convert.Format {
	return convert.Format{
		Name: "sloth", Convert: run,
		Allowed: "version " + plainVersion + ", or apiVersion " + kubeVersion + " of kind " + kubeKind,
		Reads: func(n strictyaml.Node) bool {
			kind := n.At("kind").Text()
			return n.At("version").Text() == plainVersion || n.At("apiVersion").Text() == kubeVersion && (kind == kubeKind || kind == windowsKind)
		},
	}
}

// spelling is how one of the two forms spells its fields.
type spelling struct {
	plugins, errorRatio, errors, total, page, ticket string
}

func run(docs []strictyaml.Node, r *convert.Run) {
	plain := spelling{"slo_plugins", "error_ratio_query", "error_query", "total_query", "page_alert", "ticket_alert"}
	kube := spelling{"sloPlugins", "errorRatioQuery", "errorQuery", "totalQuery", "pageAlert", "ticketAlert"}
	for _, doc := range docs {
		switch {
		case doc.At("version").Text() == plainVersion:
			g := group{run: r, doc: doc, body: doc, spelling: plain}
			g.convert("version", "service", "labels", "slo_plugins", "slos")
		case doc.At("kind").Text() == windowsKind:
			r.Item(doc, doc, windowsKind).Refuse(convert.AlertWindows, doc, "kind",
				problem.Problem{Message: "the agent file says which windows alerts have, under burn_alerts"})
		default:
			g := group{run: r, doc: doc, body: doc.At("spec"), spelling: kube, object: true}
			g.convert("service", "labels", "sloPlugins", "slos")
		}
	}
}

// group is a document: the objectives of one service.
type group struct {
	run    *convert.Run
	doc    strictyaml.Node
	body   strictyaml.Node // what has the service and its objectives
	object bool            // of Kubernetes
	spelling
}

func (g group) convert(known ...string) {
	service := g.body.At("service").Text()
	list := g.body.At("slos").Items()
	if len(list) == 0 {
		it := g.run.Item(g.doc, g.doc, service)
		it.Wrong(g.body, "slos", "at least one objective")
		return
	}
	for i, n := range list {
		it := g.run.Item(g.doc, n, service+"/"+n.At("name").Text())
		if i == 0 { // what the document says of all is told of once
			g.header(it, known)
		}
		if service == "" {
			it.Wrong(g.body, "service", "the name of a service")
		}
		g.objective(it, n, service)
	}
}

func (g group) header(it *convert.Item, known []string) {
	it.Fields(g.body, known...)
	if g.object {
		it.Fields(g.doc, "apiVersion", "kind", "metadata", "spec", "status")
	}
	g.tellPlugins(it, g.body.At(g.plugins))
}

func (g group) tellPlugins(it *convert.Item, n strictyaml.Node) {
	var ids []string
	for _, p := range n.At("chain").Items() {
		ids = append(ids, p.At("id").Text())
	}
	if n.Exists() {
		it.Warn(convert.SLOPlugin, n, "", problem.Problem{Message: "what plugins do to sloth's rules is not done here", Got: strings.Join(ids, ", ")})
	}
}

func (g group) objective(it *convert.Item, n strictyaml.Node, service string) {
	if !it.Fields(n, "name", "description", "objective", "labels", "plugins", "sli", "alerting") {
		it.Wrong(n, "", "a mapping")
		return
	}
	name := n.At("name").Text()
	if name == "" {
		it.Wrong(n, "name", "a name")
	}
	target, ok := convert.PercentToRatio(n.At("objective").Text())
	if !ok || target == "0" {
		it.Wrong(n, "objective", "a percentage above 0, at most 100, such as 99.9")
	}
	g.tellPlugins(it, n.At("plugins"))
	labels, annotations := map[string]string{}, map[string]string{}
	if g.object {
		labels, annotations = it.KubeMeta(g.doc.At("metadata"), true)
	}
	maps.Copy(labels, it.Texts(g.body.At("labels")))
	maps.Copy(labels, it.Texts(n.At("labels")))
	g.alerting(it, n.At("alerting"), annotations)
	ind := g.indicator(it, n.At("sli"))
	if ind == nil {
		return
	}
	it.Make(convert.Document{
		Kind:     "SLO",
		Metadata: convert.Metadata{Name: service + "-" + name, Labels: convert.Labels(labels), Annotations: annotations},
		Spec: convert.SLO{
			Description: n.At("description").Text(), Service: service, BudgetingMethod: "Occurrences",
			Indicator:  &convert.Inline{Metadata: convert.Metadata{Annotations: ind.Annotations()}, Spec: ind.SLI},
			TimeWindow: []convert.Window{{Duration: g.run.Window(), IsRolling: true}},
			Objectives: []convert.Objective{{Target: target}},
		},
	}, service+"/"+name)
}

// indicator reads one of events, raw and plugin.
func (g group) indicator(it *convert.Item, n strictyaml.Node) *convert.Indicator {
	it.Fields(n, "events", "raw", "plugin")
	events, raw, plugin := n.At("events"), n.At("raw"), n.At("plugin")
	given := 0
	for _, one := range []strictyaml.Node{events, raw, plugin} {
		if one.Exists() {
			given++
		}
	}
	switch {
	case given != 1:
		it.Wrong(n, "", "exactly one of events, raw and plugin")
	case plugin.Exists():
		it.Refuse(convert.PluginSLI, plugin, "id", problem.Problem{Message: "a plugin in Go makes its query; write sli.events with what it makes", Got: plugin.At("id").Shown()})
	case raw.Exists():
		it.Fields(raw, g.errorRatio)
		return it.Raw(raw.At(g.errorRatio), false)
	default:
		it.Fields(events, g.errors, g.total)
		return it.Ratio(events.At(g.errors), events.At(g.total), false)
	}
	return nil
}

// alerting keeps the annotations of all alerts and tells what else is lost.
func (g group) alerting(it *convert.Item, n strictyaml.Node, annotations map[string]string) {
	it.Fields(n, "name", "labels", "annotations", g.page, g.ticket)
	if name := n.At("name"); name.Text() != "" {
		it.Warn(convert.AlertName, n, "name", problem.Problem{Message: "alerts are called ErrorBudgetBurn here", Got: name.Shown()})
	}
	lost(it, convert.AlertLabels, n.At("labels"), "alerts carry the objective's name, service, team and urgency here; route by those")
	for key, text := range it.Texts(n.At("annotations")) {
		if _, taken := annotations[key]; !taken {
			annotations[key] = text
		}
	}
	lost(it, convert.AlertAnnotations, n.At("annotations"), "are kept as annotations of the objective; alerts have texts of their own")
	for _, key := range []string{g.page, g.ticket} {
		alert := n.At(key)
		it.Fields(alert, "disable", "labels", "annotations")
		if alert.At("disable").Text() == "true" {
			it.Warn(convert.DisabledAlert, alert, "disable", problem.Problem{Message: "every objective has all of its alerts here; silence it, or route it nowhere"})
			continue
		}
		lost(it, convert.AlertLabels, alert.At("labels"), "alerts carry the objective's name, service, team and urgency here; route by those")
		lost(it, convert.AlertAnnotations, alert.At("annotations"), "alerts have texts of their own")
	}
}

// lost warns of a mapping that is there.
func lost(it *convert.Item, kind convert.Loss, n strictyaml.Node, message string) {
	if texts := it.Texts(n); len(texts) > 0 {
		it.Warn(kind, n, "", problem.Problem{Message: message, Got: convert.Listed(texts)})
	}
}
