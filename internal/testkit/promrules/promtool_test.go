package promrules_test

import (
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/testkit/promrules"
)

const rules = `
groups:
  - name: second
    rules:
      - alert: High
        expr: doubled > 10
        for: 1m
        keep_firing_for: 1m
        labels: {severity: '{{ $labels.way }}'}
        annotations: {summary: '{{ $value | humanize }}'}
  - name: first
    rules:
      - record: doubled
        expr: 2 * x
        labels: {job: j}
`

// x is 0 1 2 … 9 each 30 s and then gone: doubled is above 10 from 3m, so the alert fires from 4m, goes on at 5m with
// nothing left (the series ends at 4m30s, its mark comes at 5m), and until 1m after that.
const tests = `
evaluation_interval: 30s
group_eval_order: [first, second]
tests:
  - name: rise
    interval: 30s
    input_series: [{series: 'x{way="up"}', values: '0+1x9 stale'}]
    promql_expr_test:
      - {expr: 'doubled', eval_time: 2m30s, exp_samples: [{labels: 'doubled{job="j", way="up"}', value: 10}]}
      - {expr: 'ALERTS', eval_time: 3m30s, exp_samples: [{labels: 'ALERTS{alertname="High", alertstate="pending", job="j", severity="up", way="up"}', value: 1}]}
      - {expr: 'ALERTS', eval_time: 6m, exp_samples: []}
    alert_rule_test:
      - {eval_time: 3m30s, alertname: High, exp_alerts: []}
      - {eval_time: 4m, alertname: High, exp_alerts: [{exp_labels: {job: j, severity: up, way: up}, exp_annotations: {summary: '16'}}]}
      - {eval_time: 5m30s, alertname: High, exp_alerts: [{exp_labels: {job: j, severity: up, way: up}, exp_annotations: {summary: '18'}}]}
      - {eval_time: 6m, alertname: High, exp_alerts: []}
`

func TestRunAgreesWithWhatWasWorkedOut(t *testing.T) {
	for _, err := range promrules.Run(t.Context(), []byte(tests), []byte(rules)) {
		t.Error(err)
	}
}

func TestRunTellsWhatDoesNotHold(t *testing.T) {
	for change, want := range map[string]string{
		"{eval_time: 4m, ->{eval_time: 3m, ":                      `3m0s: High: got []`,
		"value: 10->value: 11":                                    `2m30s: doubled: got [{__name__="doubled", job="j", way="up"} 10]`,
		"exp_samples: []->exp_samples: [{labels: 'a', value: 1}]": `6m0s: ALERTS: got [], want [{__name__="a"} 1]`,
	} {
		before, after, _ := strings.Cut(change, "->")
		errs := promrules.Run(t.Context(), []byte(strings.Replace(tests, before, after, 1)), []byte(rules))
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%s: got %v, want %s", change, errs, want)
		}
	}
	for change, want := range map[string]string{
		"2 * x->2 *": "parse error",
		`2 * x->label_replace(x, "job", "1", "", "") or x`: "twice",
		"$value | humanize->$nope":                         "undefined variable",
		"$value | humanize->humanize \"x\"":                "annotation summary",
	} {
		before, after, _ := strings.Cut(change, "->")
		errs := promrules.Run(t.Context(), []byte(tests), []byte(strings.Replace(rules, before, after, 1)))
		if len(errs) == 0 || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%s: got %v, want %s", change, errs, want)
		}
	}
}
