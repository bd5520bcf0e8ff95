package openslo_test

import (
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/convert"
	"github.com/assayer-io/assayer/internal/convert/openslo"
	"github.com/assayer-io/assayer/slo/spec"
)

func convertOne(t *testing.T, text string) (convert.Result, []spec.Objective) {
	t.Helper()
	r := convert.Convert([]spec.File{{Name: "in.yaml", Data: []byte(text)}}, []convert.Format{openslo.Format()}, convert.Options{})
	var files []spec.File
	for _, out := range r.Outputs {
		files = append(files, spec.File{Name: out.File, Data: out.Data})
	}
	set, problems := spec.Load(files, spec.Options{Strict: true})
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	return r, set.Objectives
}

func losses(r convert.Result) string {
	var kinds []string
	for _, n := range r.Notices {
		kinds = append(kinds, string(n.Kind))
	}
	return strings.Join(kinds, " ")
}

const first = `apiVersion: openslo/v1
kind: SLO
metadata: {name: auth, displayName: Authorisation, labels: {team: payments, env: [prod, eu]}, annotations: {owner: cards}}
spec:
  description: Failures.
  service: card-auth
  budgetingMethod: Occurrences
  indicatorRef: Auth ratio
  timeWindow: [{duration: 28d, isRolling: true}]
  objectives: [{displayName: main, targetPercent: 99.9}, {displayName: hard, target: 0.9999}]
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: Auth ratio}
spec:
  ratioMetric:
    counter: true
    good:  {metricSource: {metricSourceRef: prod, type: Prometheus, spec: {query: 'sum by (region) (rate(auth_total{code="200"}[{{.window}}]))'}}}
    total: {metricSource: {metricSourceRef: prod, type: Prometheus, spec: {query: 'sum by (region) (rate(auth_total[{{.window}}]))'}}}
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: prod}
spec: {type: Prometheus, connectionDetails: {url: "http://user:password@prom"}, token: password}
`

func TestReferences(t *testing.T) {
	r, found := convertOne(t, first)
	if got := losses(r); got != "renamed data-source data-source" || len(found) != 2 {
		t.Fatalf("lost %q, made %v", got, found)
	}
	o := found[0]
	if o.Name != "auth" || found[1].Name != "auth-hard" || o.Target != 0.999 || found[1].Target != 0.9999 || o.Labels["env"] != "prod,eu" || o.Annotations["owner"] != "cards" {
		t.Errorf("made %+v", o)
	}
	if o.Indicator.Ratio.Good.Text != `auth_total{code="200"}` || o.GroupBy.Labels[0] != "region" {
		t.Errorf("counts %+v by %v", o.Indicator.Ratio, o.GroupBy)
	}
	for _, out := range r.Outputs {
		if strings.Contains(string(out.Data), "password") {
			t.Errorf("a password was written:\n%s", out.Data)
		}
	}
	if len(r.Outputs) != 3 || r.Outputs[1].File != "in-2.yaml" {
		t.Errorf("wrote %d files", len(r.Outputs))
	}
}

// One SLO in other words, and what is lost of it.
func TestLenient(t *testing.T) {
	slo := func(window, indicator, objective string) string {
		return "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n  service: s\n  budgetingMethod: timeslices\n" +
			"  timeWindow: [" + window + "]\n  indicator: {metadata: {name: i}, spec: " + indicator + "}\n  objectives: [" + objective + "]\n"
	}
	const (
		rolling = "{duration: 28d, isRolling: true}"
		ratio   = "{ratioMetric: {counter: true, bad: {metricSource: {spec: {query: b}}}, total: {metricSource: {spec: {query: t}}}}}"
		gauge   = "{thresholdMetric: {metricSource: {spec: {query: g}}}}"
		target  = "{target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 1m}"
	)
	for _, c := range []struct {
		text, want string
		check      func(o spec.Objective) bool
	}{
		{slo(rolling, ratio, target), "", func(o spec.Objective) bool { return o.Method == spec.Timeslices && o.Slice.Minutes() == 1 }},
		{slo("", ratio, target), "assumed", func(o spec.Objective) bool { return o.Window.Text == "30d" }},
		{slo("{duration: 1Q, isRolling: true}", ratio, target), "calendar-window", func(o spec.Objective) bool { return o.Window.Text == "90d" }},
		{slo("{duration: 1M, isRolling: false}", ratio, target), "calendar-window", func(o spec.Objective) bool { return o.Window.Unit == spec.Month }},
		{slo("{duration: 1M, calendar: {startTime: 2026-01-01}}", ratio, target), "assumed assumed", func(o spec.Objective) bool { return !o.Window.Rolling }},
		{slo("{duration: 1m, isRolling: true}", ratio, target), "invalid-value", nil},
		{slo(rolling, ratio, "{target: 99%, timeSliceTarget: 0.9, timeSliceWindow: 5}"), "", func(o spec.Objective) bool { return o.Target == 0.99 && o.Slice.Minutes() == 5 }},
		{slo(rolling, ratio, "{target: 0.99, timeSliceTarget: 0.9, op: gt}"), "assumed ignored-field", func(o spec.Objective) bool { return o.Slice.Minutes() == 1 }},
		{slo(rolling, gauge, "{target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 1m, op: lt, value: 5}"), "", func(o spec.Objective) bool { return o.Indicator.Threshold.Value == 5 }},
		{slo(rolling, gauge, target), "invalid-value", nil}, // nothing to compare with
		{slo(rolling, strings.Replace(ratio, "counter: true, ", "", 1), target), "assumed", func(o spec.Objective) bool { return o.Indicator.Ratio != nil }},
		{slo(rolling, strings.NewReplacer("counter: true, ", "", "query: b", "query: 'job:b:rate5m'").Replace(ratio), target), "needs-polling", nil},
		{slo(rolling, strings.Replace(ratio, "query: b", "query: 'job:b:sum'", 1), target), "", func(o spec.Objective) bool { return o.Indicator.Ratio != nil }},
		{slo(rolling, "{ratioMetric: {counter: false, rawType: failure, raw: {metricSource: {spec: {query: b / t}}}}}", target), "assumed",
			func(o spec.Objective) bool { return o.Indicator.Ratio != nil }},
		{slo(rolling, strings.Replace(ratio, "true", "false", 1), target), "needs-polling", nil},
		{slo(rolling, strings.Replace(ratio, "query: b", "query: b, below: 5s", 1), target), "invalid-value", nil},
		{slo(rolling, strings.Replace(ratio, "{spec: {query: b}}", "{metricSourceRef: there, type: Prometheus, spec: {query: b}}", 1), target), "data-source",
			func(o spec.Objective) bool { return o.Indicator.Ratio != nil }},
		{slo(rolling, strings.ReplaceAll(ratio, "{spec:", "{metricSourceRef: there, type: Prometheus, spec:"), target), "",
			func(o spec.Objective) bool { return o.Indicator.Ratio != nil }},
		{slo(rolling, "{ratioMetric: {counter: true, good: {metricSource: {spec: {query: g}}}, bad: {metricSource: {spec: {query: b}}}}}", target), "",
			func(o spec.Objective) bool { return o.Indicator.Ratio.Total == nil }},
		{slo(rolling, "{ratioMetric: {rawType: failure, raw: {metricSource: {spec: {query: r}}}}}", target), "",
			func(o spec.Objective) bool { return !o.Indicator.RawRatio.Success }},
		{strings.Replace(slo(rolling, ratio, target), "indicator:", "alertPolicies: [{alertPolicyRef: p}]\n  indicator:", 1), "alert-policy",
			func(o spec.Objective) bool { return true }},
	} {
		r, found := convertOne(t, c.text)
		if got := losses(r); got != c.want {
			t.Errorf("%s\nlost %q, want %q: %+v", c.text, got, c.want, r.Notices)
		}
		if (c.check != nil) != (len(found) == 1) || c.check != nil && !c.check(found[0]) {
			t.Errorf("%s\nmade %+v", c.text, found)
		}
	}
}

func TestComposite(t *testing.T) {
	const part = "{metadata: {name: %}, spec: {ratioMetric: {counter: true, bad: {metricSource: {spec: {query: 'sum(rate(%_bad[$window]))'}}}, total: {metricSource: {spec: {query: 'sum(rate(%[$window]))'}}}}}}"
	r, found := convertOne(t, "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: wallet}\nspec:\n  service: s\n  budgetingMethod: Occurrences\n"+
		"  timeWindow: [{duration: 28d, isRolling: true}]\n  objectives:\n"+
		"    - {displayName: a, target: 0.99, compositeWeight: 2, indicator: "+strings.ReplaceAll(part, "%", "a")+"}\n"+
		"    - {displayName: b, target: 0.9, compositeWeight: 1, indicator: "+strings.ReplaceAll(part, "%", "b")+"}\n")
	if len(found) != 3 || losses(r) != "" {
		t.Errorf("made %v, lost %s", found, losses(r))
	}
}

func TestV2Alpha(t *testing.T) {
	text := strings.NewReplacer("openslo/v1\n", "openslo.com/v2alpha\n", "service:", "serviceRef:", "indicatorRef:", "sliRef:", "displayName: Authorisation, ", "",
		"metricSource: {metricSourceRef: prod, type: Prometheus, spec: {query: 'sum by (region) (rate(auth_total{code=\"200\"}[{{.window}}]))'}}",
		"dataSourceRef: prod, spec: {query: 'auth_total{code=\"200\"}'}",
		"metricSource: {metricSourceRef: prod, type: Prometheus, spec: {query: 'sum by (region) (rate(auth_total[{{.window}}]))'}}",
		"dataSourceRef: prod, spec: {query: auth_total}").Replace(first)
	r, found := convertOne(t, text)
	if len(found) != 2 || losses(r) != "renamed data-source data-source" || found[0].Service != "card-auth" || found[0].Indicator.Ratio.Total.Text != "auth_total" {
		t.Errorf("made %+v, lost %s", found, losses(r))
	}
}

func FuzzConvert(f *testing.F) {
	f.Add(first)
	f.Add("- apiVersion: openslo/v1alpha\n  kind: SLO\n  metadata: {name: a}\n  spec: {service: s, timeWindows: [{unit: Month, count: 1}], objectives: [{target: 0.5, ratioMetrics: {good: {source: prometheus, query: g}, total: {query: t}}}]}")
	f.Add("apiVersion: openslo/v1alpha\nkind: SLO\nspec: {indicator: {thresholdMetric: {query: g}}, objectives: [{op: gt, value: 1, target: 1}, 5]}")
	f.Add("apiVersion: openslo.com/v2alpha\nkind: SLI\nmetadata: {name: é}\nspec: {ratioMetric: {raw: {dataSourceSpec: {type: prometheus}, spec: 5}}}")
	f.Add("apiVersion: openslo/v1\nkind: AlertPolicy\nmetadata: {name: [], labels: {a: [[1]]}}\nspec: &a {b: *a}")
	f.Fuzz(func(t *testing.T, text string) { convertOne(t, text) })
}
