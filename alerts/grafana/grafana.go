// Package grafana makes alert rules that Grafana manages itself from rule files: for those who alert there and not in
// Prometheus. Recording rules stay in Prometheus, whose data source the alerts ask.
//
//	{"apiVersion": 1, "groups": [{"name": "assayer-agent", "folder": "Assayer", "interval": "30s", "rules": [
//	  {"uid": "assayer-5c1e0f6f4d1b0e52", "title": "ErrorBudgetBurn", "condition": "C", "data": […],
//	   "noDataState": "OK", "execErrState": "KeepLast", "for": "0s", "keepFiringFor": "2m", …}]}]}
//
// An alert of Prometheus fires for whatever its expression gives, 0 too. Here that is three steps: A asks, B is 1 for
// every number there is, C is whether B is above 0.
package grafana

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/alerting"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/expr"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// Options say where the rules live and whom they ask.
type Options struct {
	Folder     string // title of the folder, for the provisioning file; "" is Assayer
	FolderUID  string // of the same folder, for the API; "" is assayer
	Datasource string // UID of the Prometheus data source; "" is prometheus
}

// LabelAlert has the alert's name as Prometheus has it. Grafana sets alertname to the rule's title, which no other rule
// of the folder may have.
const LabelAlert = "alert"

// DatasourceFails is the alert that Prometheus gives Grafana no answers, so that no other can begin. Nobody but Grafana
// can raise it.
const DatasourceFails = "AssayerDatasourceFails"

// ofDatasource holds that alert. Its query is answered with nothing, so only its failure raises it. Prometheus may take
// five minutes to start.
func ofDatasource() alerts.File {
	return alerts.File{Groups: []alerts.Group{{Name: "assayer-datasource", Interval: time.Minute, Rules: []alerts.Rule{{
		Alert: DatasourceFails, Expr: "vector(1) < 0", For: 5 * time.Minute, Labels: map[string]string{alerts.LabelSeverity: string(burnrate.Critical)},
		Annotations: map[string]string{
			alerts.AnnotationSummary:     "Prometheus gives Grafana no answers",
			alerts.AnnotationDescription: "Queries of alerts have failed for five minutes. Alerts that fired go on, whatever happens meanwhile, and no new one can begin.",
		},
	}}}}}
}

// onError is the state that a failed query leaves an alert in. It is no answer either way, so what fires goes on and
// what does not stays quiet; the dead man's switch has to stop, which is how it tells. Grafana's own default, Error,
// raises alerts with the labels of the rule, which would page for its service and keep the switch alive.
func onError(alert string) alerting.RuleExecErrState {
	switch alert {
	case alerts.DeadMansSwitch:
		return alerting.RuleExecErrStateOK
	case DatasourceFails:
		return alerting.RuleExecErrStateAlerting
	}
	return alerting.RuleExecErrStateKeepLast
}

func (o Options) filled() Options {
	fill := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	fill(&o.Folder, "Assayer")
	fill(&o.FolderUID, "assayer")
	fill(&o.Datasource, "prometheus")
	return o
}

// Group is one rule group as Grafana's API takes it: the body of PUT
// /api/v1/provisioning/folder/<FolderUID>/rule-groups/<Title>.
type Group struct {
	Title string
	JSON  []byte
}

// Groups makes a group of each group of files that holds alerts, and one about the data source. It fails only if an
// annotation is no template.
func Groups(files []alerts.File, o Options) ([]Group, error) {
	var out []Group
	err := each(files, o, func(g alerts.Group, rules []alerting.Rule, o Options) error {
		body := apiGroup{Title: g.Name, FolderUID: o.FolderUID, Interval: int64(interval(g) / time.Second)}
		for i, r := range rules {
			body.Rules = append(body.Rules, apiRule{Rule: r, KeepFiringFor: keep(alertsOf(g)[i])})
		}
		data, err := encode(body)
		out = append(out, Group{g.Name, data})
		return err
	})
	return out, err
}

// Provisioning makes one file for Grafana's provisioning/alerting folder out of them, as JSON, which it takes like YAML.
func Provisioning(files []alerts.File, o Options) ([]byte, error) {
	out := provisioned{APIVersion: 1, Groups: []fileGroup{}}
	err := each(files, o, func(g alerts.Group, rules []alerting.Rule, o Options) error {
		group := fileGroup{OrgID: 1, Name: g.Name, Folder: o.Folder, Interval: model.Duration(interval(g)).String()}
		for i, r := range rules {
			group.Rules = append(group.Rules, fileRule{
				UID: *r.Uid, Title: r.Title, Condition: r.Condition, Data: r.Data, NoDataState: r.NoDataState, ExecErrState: r.ExecErrState,
				For: r.For, KeepFiringFor: keep(alertsOf(g)[i]), Annotations: r.Annotations, Labels: r.Labels,
			})
		}
		out.Groups = append(out.Groups, group)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return encode(out)
}

// Recording is what is left for Prometheus to evaluate when Grafana has the alerts of files: their recording rules.
func Recording(files []alerts.File) []alerts.File {
	var out []alerts.File
	for _, f := range files {
		var groups []alerts.Group
		for _, g := range f.Groups {
			g.Rules = slices.DeleteFunc(slices.Clone(g.Rules), func(r alerts.Rule) bool { return r.Alert != "" })
			if len(g.Rules) > 0 {
				groups = append(groups, g)
			}
		}
		if f.Groups = groups; len(groups) > 0 {
			out = append(out, f)
		}
	}
	return out
}

// The JSON of Grafana's API and of its provisioning files. They are those of the SDK but for the time an alert goes on
// firing, which the SDK has as a number under a name that neither of the two takes.
type (
	apiGroup struct {
		Title     string    `json:"title"`
		FolderUID string    `json:"folderUid"`
		Interval  int64     `json:"interval"` // seconds
		Rules     []apiRule `json:"rules"`
	}
	apiRule struct {
		alerting.Rule
		KeepFiringFor string `json:"keep_firing_for"`
	}
	provisioned struct {
		APIVersion int         `json:"apiVersion"`
		Groups     []fileGroup `json:"groups"`
	}
	fileGroup struct {
		OrgID    int64      `json:"orgId"`
		Name     string     `json:"name"`
		Folder   string     `json:"folder"`
		Interval string     `json:"interval"`
		Rules    []fileRule `json:"rules"`
	}
	fileRule struct {
		UID           string                    `json:"uid"`
		Title         string                    `json:"title"`
		Condition     string                    `json:"condition"`
		Data          []alerting.Query          `json:"data"`
		NoDataState   alerting.RuleNoDataState  `json:"noDataState"`
		ExecErrState  alerting.RuleExecErrState `json:"execErrState"`
		For           string                    `json:"for"`
		KeepFiringFor string                    `json:"keepFiringFor"`
		Annotations   map[string]string         `json:"annotations,omitempty"`
		Labels        map[string]string         `json:"labels,omitempty"`
		IsPaused      bool                      `json:"isPaused"`
	}
)

func encode(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing Grafana's alert rules: %w", err)
	}
	return []byte(b.String()), nil
}

func keep(r alerts.Rule) string { return model.Duration(r.KeepFiringFor).String() }

// tick is the unit of intervals in Grafana's scheduler.
const tick = 10 * time.Second

// interval is that of the group, rounded up to what Grafana can do.
func interval(g alerts.Group) time.Duration {
	if g.Interval <= 0 {
		return time.Minute
	}
	return (g.Interval + tick - 1) / tick * tick
}

func alertsOf(g alerts.Group) []alerts.Rule {
	return slices.DeleteFunc(slices.Clone(g.Rules), func(r alerts.Rule) bool { return r.Alert == "" })
}

// each makes the rules of every group that has alerts, and of the data source's if there are any.
func each(files []alerts.File, o Options, use func(alerts.Group, []alerting.Rule, Options) error) error {
	o = o.filled()
	if !slices.ContainsFunc(files, func(f alerts.File) bool {
		return slices.ContainsFunc(f.Groups, func(g alerts.Group) bool { return len(alertsOf(g)) > 0 })
	}) {
		return nil
	}
	seen := map[string]int{}
	for _, f := range append(slices.Clone(files), ofDatasource()) {
		for _, g := range f.Groups {
			var rules []alerting.Rule
			for _, r := range alertsOf(g) {
				title := titleOf(f, r)
				if seen[title]++; seen[title] > 1 {
					title = fmt.Sprintf("%s #%d", title, seen[title])
				}
				made, err := o.rule(g, r, title)
				if err != nil {
					return fmt.Errorf("rule %s of group %s: %w", r.Alert, g.Name, err)
				}
				rules = append(rules, made)
			}
			if len(rules) == 0 {
				continue
			}
			if err := use(g, rules, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// titleOf is the alert's name, and what tells it from others of that name, whatever other rules there are: else the
// arrival of one would rename another.
func titleOf(f alerts.File, r alerts.Rule) string {
	var more []string
	if len(f.Objectives) > 0 {
		more = append(more, f.Name)
	}
	for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
		if k != alerts.LabelSeverity && !strings.Contains(r.Labels[k], "{{") {
			more = append(more, r.Labels[k])
		}
	}
	if len(more) == 0 {
		return r.Alert
	}
	title := r.Alert + ": " + strings.Join(more, " ")
	const most, hashed = 180, 16 // Grafana takes 190 letters, and " #n" may follow
	if letters := []rune(title); len(letters) > most {
		return string(letters[:most-hashed-1]) + " " + hash(title)
	}
	return title
}

func hash(s string) string {
	h := fnv.New64a()
	h.Write([]byte(s)) // never fails
	return fmt.Sprintf("%016x", h.Sum64())
}

// window is how far back a query may look for Grafana's sake; being instant, it has its ranges within.
const window = 600

// rule makes one rule. No data is the healthy state, since expressions of alerts give something only when something is
// wrong, and other alerts tell that series are gone.
func (o Options) rule(g alerts.Group, r alerts.Rule, title string) (alerting.Rule, error) {
	annotations := map[string]string{}
	for k, text := range r.Annotations {
		translated, err := translate(text)
		if err != nil {
			return alerting.Rule{}, fmt.Errorf("annotation %s: %w", k, err)
		}
		annotations[k] = translated
	}
	labels := map[string]string{LabelAlert: r.Alert}
	for k, text := range r.Labels {
		translated, err := translate(text)
		if err != nil {
			return alerting.Rule{}, fmt.Errorf("label %s: %w", k, err)
		}
		labels[k] = translated
	}
	made, err := alerting.NewRuleBuilder(title).
		Uid("assayer-" + hash(title)).FolderUID(o.FolderUID).RuleGroup(g.Name).
		WithQuery(o.ask(r.Expr)).WithQuery(exists()).WithQuery(above()).Condition("C").
		For(model.Duration(r.For).String()).Labels(labels).Annotations(annotations).
		NoDataState(alerting.RuleNoDataStateOK).ExecErrState(onError(r.Alert)).Build()
	if err != nil {
		return alerting.Rule{}, fmt.Errorf("building the rule: %w", err)
	}
	return made, nil
}

func (o Options) ask(query string) *alerting.QueryBuilder {
	return alerting.NewQueryBuilder("A").DatasourceUid(o.Datasource).RelativeTimeRange(window, 0).Model(
		prometheus.NewDataqueryBuilder().RefId("A").Expr(query).Instant().Datasource(common.DataSourceRef{Type: new("prometheus"), Uid: &o.Datasource}))
}

// expressions are Grafana's own data source.
const expressions = "__expr__"

func own() common.DataSourceRef {
	return common.DataSourceRef{Type: new(expressions), Uid: new(expressions)}
}

func exists() *alerting.QueryBuilder {
	return alerting.NewQueryBuilder("B").DatasourceUid(expressions).RelativeTimeRange(0, 0).Model(expr.NewExprBuilder().TypeMath(
		expr.NewTypeMathBuilder().RefId("B").Datasource(own()).Expression("is_number($A) || is_inf($A) || is_nan($A)")))
}

func above() *alerting.QueryBuilder {
	condition := expr.NewExprTypeThresholdConditionsBuilder().Evaluator(
		expr.NewExprTypeThresholdConditionsEvaluatorBuilder().Type(expr.ExprTypeThresholdConditionsEvaluatorTypeGt).Params([]float64{0}))
	return alerting.NewQueryBuilder("C").DatasourceUid(expressions).RelativeTimeRange(0, 0).Model(expr.NewExprBuilder().TypeThreshold(
		expr.NewTypeThresholdBuilder().RefId("C").Datasource(own()).Expression("B").Conditions([]cog.Builder[expr.ExprTypeThresholdConditions]{condition})))
}
