package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/assayer-io/assayer/slo/metricname"
)

// PolicyState is whether one rule of a budget policy holds for one objective.
type PolicyState struct {
	Policy, Rule, Then, SLO, Service string
	Active                           bool
}

func policyDesc() *prometheus.Desc {
	return prometheus.NewDesc(metricname.PolicyActive, "1 while the rule of the budget policy holds for the objective, else 0.",
		[]string{metricname.Policy, metricname.Rule, metricname.Then, metricname.SLO, metricname.Service}, nil)
}

func (e *Exporter) collectPolicies(ch chan<- prometheus.Metric) {
	if e.deps.Policies == nil {
		return
	}
	for _, p := range e.deps.Policies() {
		send(ch, e.descs.policy, prometheus.GaugeValue, boolValue(p.Active), p.Policy, p.Rule, p.Then, p.SLO, p.Service)
	}
}
