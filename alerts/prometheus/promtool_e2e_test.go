//go:build e2e

package prometheus_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/slo/spec"
)

// promtool runs the one of the installed Prometheus, the oldest that rules are made for.
func promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolTakesNativeRules(t *testing.T) {
	var objs []alerts.Objective
	for _, o := range kinds(t) {
		objs = append(objs, o)
	}
	odd := objective("odd", 1, ratio(t, `{__name__="tx:total",path=~"/a/[^\"\\\\]+|b\n"}`, "", `tx:total{zone!="'{{ $x }}'"}`))
	odd.Service = "it's \"odd\"\n"
	grouped := objective("grouped", 0.9, ratio(t, "", `tx_total{outcome="bad"}`, "tx_total"))
	grouped.GroupBy = &spec.GroupBy{Labels: []string{"region", "scheme"}, Max: 10}
	dir := t.TempDir()
	for _, f := range native(t, append(objs, odd, grouped)...) {
		name := f.Name + ".yaml"
		if err := os.WriteFile(filepath.Join(dir, name), prometheus.Encode(f), 0o600); err != nil {
			t.Fatal(err)
		}
		promtool(t, dir, "check", "rules", name)
	}
}

// Prometheus 2 includes both ends of a range, Prometheus 3 only one: tiles, windows and slow windows hold the same
// events in either. 20 good events and 1 bad one a minute, a birth and a restart among them; promtool evaluates all
// groups every 30 s, also those whose own pace is slower.
func TestOldPrometheusCountsAlike(t *testing.T) {
	dir := t.TempDir()
	for _, f := range native(t, objective("card-auth", 0.99, ratio(t, "", `tx_total{outcome="bad"}`, "tx_total"))) {
		if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), prometheus.Encode(f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var tests strings.Builder
	for _, x := range []struct {
		expr, at string
		want     float64
	}{
		{"slo:total_events:sum5m", "4h", 5 * 21}, {"slo:bad_events:sum1h", "4h", 60}, {"slo:total_events:sum1h", "4h", 60 * 21},
		{"slo:bad_events:sum2h", "4h", 120}, {"slo:total_events:sum2h", "4h", 120 * 21}, {"slo:bad_events:sum6h", "4h", 211},
		{"slo:burn_rate:ratio1h", "4h", 1.0 / 21 / 0.01},
	} {
		fmt.Fprintf(&tests, "      - {expr: 'round(%s, 1e-6)', eval_time: %s, exp_samples: [{labels: '{service=\"pay\",slo=\"card-auth\"}', value: %.6f}]}\n", x.expr, x.at, x.want)
	}
	// Good events restart from zero after two hours; the bad counter is born half an hour after the target.
	unit := `rule_files: [rules.yaml]
evaluation_interval: 30s
tests:
  - interval: 15s
    input_series:
      - {series: 'up{job="pay",instance="a"}', values: '1x1000'}
      - {series: 'tx_total{outcome="good",job="pay",instance="a"}', values: '0+5x480 5+5x520'}
      - {series: 'tx_total{outcome="bad",job="pay",instance="a"}', values: '_x120 1 1 1 1 2 2 2 2 ` + bad() + `'}
    promql_expr_test:
` + tests.String()
	if err := os.WriteFile(filepath.Join(dir, "test.yaml"), []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, dir, "test", "rules", "test.yaml")
}

// bad is a counter that grows once a minute, from the third minute of its life on.
func bad() string {
	var b strings.Builder
	for n := 3; n < 220; n++ {
		fmt.Fprintf(&b, "%d %d %d %d ", n, n, n, n)
	}
	return b.String()
}
