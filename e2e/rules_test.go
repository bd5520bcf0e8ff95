//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/slo/spec"
)

// burnTest is what the rules on the agent's series must do, and say, when a tier fires for one scrape.
const burnTest = `
rule_files: [assayer-agent.yaml]
evaluation_interval: 30s
tests:
  - interval: 30s
    input_series:
      - {series: 'assayer_slo_firing{job="assayer",slo="card",service="shop",tier="page-1h",severity="page"}', values: '0 0 1 0x20'}
      - {series: 'assayer_slo_tier_info{job="assayer",slo="card",service="shop",tier="page-1h",severity="page",urgency="critical",long_window="1h",short_window="5m",factor="14.4"}', values: '1x30'}
      - {series: 'assayer_slo_info{job="assayer",slo="card",service="shop",method="Occurrences",window="30d"}', values: '1x30'}
      - {series: 'assayer_slo_burn_rate{job="assayer",slo="card",service="shop",window="1h"}', values: '16x30'}
      - {series: 'assayer_build_info{job="assayer"}', values: '1x30'}
      - {series: 'assayer_sli_value_total{job="assayer",slo="card",service="shop",outcome="bad",currency="EUR"}', values: '0+600x30'}
    alert_rule_test:
      - {eval_time: 30s, alertname: ErrorBudgetBurn, exp_alerts: []}
      - eval_time: 1m
        alertname: ErrorBudgetBurn
        exp_alerts:
          - exp_labels: {slo: card, service: shop, tier: page-1h, long_window: 1h, short_window: 5m, factor: '14.4', severity: critical}
            exp_annotations:
              summary: card burns its error budget 16 times as fast as it may
              description: The errors of card of service shop came 16 times as fast as the objective allows over 1h and over 5m; the limit of page-1h is 14.4 times. What failed in the last 1h comes to about 12.00 EUR.
              runbook_url: https://docs/card.md
      - {eval_time: 3m30s, alertname: ErrorBudgetBurn, exp_alerts: []}
      - {eval_time: 10m, alertname: AssayerAbsent, exp_alerts: []}
      - {eval_time: 10m, alertname: AssayerDeadMansSwitch, exp_alerts: [{exp_annotations: {summary: Alerting works, description: 'This alert always fires. Let it go to something that raises the alarm when it no longer comes: then rules are not evaluated, or alerts are not delivered.'}}]}
`

// TestPromtoolTakesTheRules has the promtool that is installed, of another major version than the library, check files
// with odd strings in them, and run a test of the rules on the agent's series.
func TestPromtoolTakesTheRules(t *testing.T) {
	dir := t.TempDir()
	agent := prometheus.Agent([]alerts.Objective{{Objective: spec.Objective{Weight: &spec.Weight{Currency: "EUR"}}}},
		alerts.Options{AgentSelector: `job="assayer"`, Links: alerts.Links{Runbooks: "https://docs"}})[0]
	odd := alerts.File{Name: "odd", Groups: []alerts.Group{{Name: "it's: \"odd\"\n# not a comment", Interval: time.Minute, Rules: []alerts.Rule{{
		Alert: "on", Expr: "vector(1)\n  + on () vector(2)", For: 36 * time.Hour, KeepFiringFor: 90 * time.Second, Labels: map[string]string{"y": "no", "severity": "'\t\u2028"},
		Annotations: map[string]string{"summary": strings.Repeat("€ '\" \\ : #\n", 90_000)},
	}}}}}
	for name, data := range map[string][]byte{"assayer-agent.yaml": prometheus.Encode(agent), "odd.yaml": prometheus.Encode(odd), "test.yaml": []byte(burnTest)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "rules", "assayer-agent.yaml", "odd.yaml"}, {"test", "rules", "test.yaml"}} {
		command := exec.CommandContext(t.Context(), "promtool", args...)
		command.Dir = dir
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%.4000s", strings.Join(args, " "), err, out)
		}
	}
}
