package spec_test

import (
	"strings"
	"testing"

	"github.com/assayer-io/assayer/slo/spec"
)

// TestQueriesAreToldBesideOtherMistakes: a document with a wrong value and a wrong query is corrected
// in one go.
func TestQueriesAreToldBesideOtherMistakes(t *testing.T) {
	for name, text := range map[string]string{
		"short form": "apiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata: {name: a}\nspec:\n  errors: {bad: 'x{', total: 'y', objective: 101%}\n",
		"OpenSLO": "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n  service: a\n  budgetingMethod: Occurrences\n  indicator: {metadata: {name: a}, spec: {ratioMetric: {counter: true, " +
			"bad: {metricSource: {type: Prometheus, spec: {query: 'x{'}}}, total: {metricSource: {type: Prometheus, spec: {query: y}}}}}}\n" +
			"  timeWindow: [{duration: 30d, isRolling: true}]\n  objectives: [{target: 101%}]\n",
	} {
		_, problems := spec.Load([]spec.File{{Name: "a.yaml", Data: []byte(text)}}, spec.Options{})
		all := problems.Error()
		if problems.Errors() != 2 || !strings.Contains(all, `got "101%"`) || !strings.Contains(all, `got "x{"`) {
			t.Errorf("%s: want both mistakes:\n%s", name, all)
		}
	}
}
