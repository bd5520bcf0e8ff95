// Command pyrrarules turns pyrra's own objectives, YAML documents read from standard input, into the
// Prometheus rules that pyrra generates for them, written to standard output:
//
//	go -C internal/testkit/pyrrarules run . <objectives.yaml >rules.yaml
//
// With -budget it writes for each objective the query by which pyrra's page shows the error budget,
// one a line. It is a module of its own because pyrra drags in a good part of Kubernetes. The version
// of pyrra is the one in its go.mod.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/pyrra-dev/pyrra/kubernetes/api/v1alpha1"
	"github.com/pyrra-dev/pyrra/slo"
	"sigs.k8s.io/yaml"
)

func main() {
	budget := flag.Bool("budget", false, "write the queries of error budgets, not rules")
	flag.Parse()
	if err := generate(os.Stdin, os.Stdout, *budget); err != nil {
		fmt.Fprintln(os.Stderr, "pyrrarules:", err)
		os.Exit(1)
	}
}

func generate(r io.Reader, w io.Writer, budget bool) error {
	var all monitoringv1.PrometheusRuleSpec
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	for _, part := range bytes.Split(text, []byte("\n---\n")) {
		var document v1alpha1.ServiceLevelObjective
		if err := yaml.UnmarshalStrict(part, &document); err != nil {
			return err
		}
		objective, err := document.Internal()
		if err != nil {
			return fmt.Errorf("objective %q: %w", document.GetName(), err)
		}
		if budget {
			if _, err := fmt.Fprintln(w, objective.QueryErrorBudget(slo.GenerationOptions{})); err != nil {
				return err
			}
			continue
		}
		groups, err := rules(objective)
		if err != nil {
			return fmt.Errorf("objective %q: %w", document.GetName(), err)
		}
		all.Groups = append(all.Groups, groups...)
	}
	if budget {
		return nil
	}
	text, err = yaml.Marshal(all)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// rules puts the groups together that pyrra's generate command writes for one objective.
func rules(o slo.Objective) ([]monitoringv1.RuleGroup, error) {
	var opts slo.GenerationOptions
	burnrates, err := o.Burnrates(opts)
	if err != nil {
		return nil, err
	}
	if !o.PerformanceOverAccuracy {
		increases, err := o.IncreaseRules(opts)
		return []monitoringv1.RuleGroup{increases, burnrates}, err
	}
	short, long, err := o.SplitIncreaseRules(opts)
	// pyrra writes the two to files of their own; in one file their names must differ.
	long.Name += "-long"
	return []monitoringv1.RuleGroup{short, burnrates, long}, err
}
