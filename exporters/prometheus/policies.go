package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/assayer-io/assayer/slo"
)

// PolicyState is whether one rule of a budget policy holds for one objective. Of a group, SLO is the whole
// objective's name and Group has the group's labels; else Group is empty.
type PolicyState struct {
	Policy, Rule, Then, SLO, Service string
	Group                            map[string]string
	Active                           bool
}

func (e *Exporter) collectPolicies(ch chan<- prometheus.Metric) {
	if e.deps.Policies == nil {
		return
	}
	for _, p := range e.deps.Policies() {
		desc, labels := e.descs.policy, []string{p.SLO, p.Service}
		if len(p.Group) > 0 {
			desc, labels = e.grouped.policy, append(labels, slo.GroupText(p.Group, ","))
		}
		send(ch, desc, prometheus.GaugeValue, boolValue(p.Active), append(labels, p.Policy, p.Rule, p.Then)...)
	}
}
