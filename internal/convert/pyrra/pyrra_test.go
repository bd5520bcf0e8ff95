package pyrra_test

import (
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/convert"
	"github.com/assayer-io/assayer/internal/convert/pyrra"
	"github.com/assayer-io/assayer/slo/spec"
)

func document(indicator, more string) string {
	return `apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata:
  name: auth
  namespace: pay
  labels: {pyrra.dev/team: payments, role: alert-rules}
  annotations: {pyrra.dev/runbook_url: "https://runbooks/auth", kubectl.kubernetes.io/last-applied-configuration: "{}"}
  uid: 1
spec:
  description: Card authorisations.
  target: "99.90"
  window: 4w
  indicator: ` + indicator + "\n" + more
}

func convertOne(t *testing.T, text string) (convert.Result, []spec.Objective) {
	t.Helper()
	r := convert.Convert([]spec.File{{Name: "in.yaml", Data: []byte(text)}}, []convert.Format{pyrra.Format()}, convert.Options{})
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

func TestIndicators(t *testing.T) {
	for indicator, check := range map[string]func(o spec.Objective) bool{
		`{ratio: {errors: {metric: 'x{code="5"}'}, total: {metric: 'x{job="auth"}'}, grouping: [b, a]}}`: func(o spec.Objective) bool {
			return o.Indicator.Ratio.Bad.Text == `x{code="5"}` && o.Indicator.Ratio.Total.Text == `x{job="auth"}` && o.Service == "auth" &&
				strings.Join(o.GroupBy.Labels, ",") == "a,b"
		},
		`{latency: {success: {metric: 'h_bucket{le="1"}'}, total: {metric: h_count}}}`: func(o spec.Objective) bool {
			return o.Indicator.Ratio.Good.Text == `h_bucket{le="1"}` && o.Indicator.Ratio.Latency
		},
		`{latencyNative: {latency: 200ms, total: {metric: h_milliseconds}}}`: func(o spec.Objective) bool {
			return o.Indicator.Histogram.Below == 0.2 && o.Indicator.Histogram.Query.Text == "h_milliseconds"
		},
		`{bool_gauge: {metric: 'probe_success{job="blackbox"}', grouping: [target]}}`: func(o spec.Objective) bool {
			return o.Indicator.Threshold.Op == spec.GreaterOrEqual && o.Indicator.Threshold.Value == 1 && o.GroupBy.Labels[0] == "target" && o.Service == "blackbox"
		},
	} {
		_, found := convertOne(t, document(indicator, ""))
		if len(found) != 1 {
			t.Fatalf("%s: made %v", indicator, found)
		}
		o := found[0]
		if !check(o) {
			t.Errorf("%s: made %+v", indicator, o)
		}
		if o.Name != "auth" || o.Target != 0.999 || o.Window.Length != 28*24*time.Hour || o.Labels["team"] != "payments" || o.Labels["role"] != "alert-rules" ||
			o.Annotations["runbook_url"] != "https://runbooks/auth" || o.Annotations["import.assayer.dev/namespace"] != "pay" || len(o.Annotations) > 3 {
			t.Errorf("made %+v", o)
		}
	}
}

func TestLosses(t *testing.T) {
	fine := `{ratio: {errors: {metric: e}, total: {metric: t}}}`
	for _, c := range []struct{ indicator, more, want string }{
		{fine, "  alerting: {burnrates: false}", "disabled-alert"},
		{fine, "  alerting: {disabled: true}", "disabled-alert"},
		{fine, "  alerting: {absent: false}", "disabled-alert"},
		{fine, "  alerting: {name: Burns}", "alert-name"},
		{fine, "  alerting: {name: ErrorBudgetBurn, absent: true}", ""},
		{fine, "  alerting: {severities: {fastBurn: p1}}", "alert-labels"},
		{fine, "  performanceOverAccuracy: true", "tool-setting"},
		{fine, "  ruleOutput: {enableDescriptionAsLabel: true}", "tool-setting"},
		{fine, "  colour: red", "ignored-field"},
		{`{ratio: {errors: {metric: 'rate(e[5m])'}, total: {metric: t}}}`, "", "unlike-legs"},
		{`{bool_gauge: {metric: 'up == 1'}}`, "", "needs-polling"},
		{`{latencyNative: {latency: fast, total: {metric: h}}}`, "", "invalid-value"},
		{`{}`, "", "invalid-value"},
		{`{ratio: {errors: {metric: e}, total: {metric: t}}, bool_gauge: {metric: up}}`, "", "invalid-value"},
		{`{ratio: {errors: {metric: h_bucket}, total: {metric: h_count}}}`, "", "invalid-value"}, // several buckets
	} {
		r, found := convertOne(t, document(c.indicator, c.more))
		var kinds []string
		refused := false
		for _, n := range r.Notices {
			if n.Kind != convert.Assumed {
				kinds = append(kinds, string(n.Kind))
				refused = refused || n.Refused
			}
		}
		if strings.Join(kinds, " ") != c.want || refused != (len(found) == 0) {
			t.Errorf("%s %s: lost %v, want %q; made %d", c.indicator, c.more, kinds, c.want, len(found))
		}
	}
}

// One name in two namespaces is two objectives, and one object twice is not.
func TestNamespaces(t *testing.T) {
	text := document(`{ratio: {errors: {metric: e}, total: {metric: t}}}`, "")
	_, found := convertOne(t, text+"---\n"+strings.Replace(text, "namespace: pay", "namespace: shop", 1)+"---\n"+text)
	if len(found) != 2 || found[0].Name != "auth" || found[1].Name != "auth-2" {
		t.Errorf("made %v", found)
	}
}

func FuzzConvert(f *testing.F) {
	f.Add(document(`{ratio: {errors: {metric: 'x{code="5"}'}, total: {metric: 'x'}, grouping: [b, a]}}`, "  alerting: {severities: {fastBurn: p1}}"))
	f.Add(document(`{latencyNative: {latency: 1y, total: {metric: h}}, ratio: }`, ""))
	f.Add(document(`{bool_gauge: {metric: up, grouping: [le, "", __name__]}}`, ""))
	f.Add(document(`&a {ratio: *a}`, ""))
	f.Fuzz(func(t *testing.T, text string) { convertOne(t, text) })
}
