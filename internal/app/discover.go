package app

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	collector "github.com/assayer-io/assayer/collector/prometheus"
	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/discover"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo/metricname"
)

// ScrapeConfigs reads what the agent file at path says of targets, and nothing of objectives and hooks,
// which need not be there yet. With an error among the problems it is not to be used.
func ScrapeConfigs(path string) (collector.Config, problem.List) {
	cfg, problems := config.Load(path)
	section := config.Section{Kind: "prometheus"}
	if i := slices.IndexFunc(cfg.Collectors, func(s config.Section) bool { return s.Kind == section.Kind }); i >= 0 {
		section = cfg.Collectors[i]
	}
	out, found := scrapeConfigs(section, cfg)
	return out, append(problems, found...)
}

// coverage counts the services of targets that were looked at, and those of which some series is read by an objective.
func (a *App) coverage() (discovered, covered int) {
	read := map[string]bool{}
	for _, t := range a.runner.Targets() {
		if _, service := discover.ServiceLabel(t.Labels); service != "" && !t.LastAt.IsZero() {
			read[service] = read[service] || t.SeriesMatched > 0
		}
	}
	for _, matched := range read {
		if matched {
			covered++
		}
	}
	return len(read), covered
}

// coverageCollector exports how many services are watched at all. No target is looked at for it.
type coverageCollector struct{ *App }

func coverageDescriptions() (discovered, covered *prometheus.Desc) {
	return prometheus.NewDesc(metricname.ServicesDiscovered, "Services of the targets in discovery, by their label service, that of Kubernetes, or job.", nil, nil),
		prometheus.NewDesc(metricname.ServicesCovered, "Services of which an objective reads one series at least.", nil, nil)
}

// Describe implements prometheus.Collector.
func (c coverageCollector) Describe(ch chan<- *prometheus.Desc) {
	discovered, covered := coverageDescriptions()
	ch <- discovered
	ch <- covered
}

// Collect implements prometheus.Collector.
func (c coverageCollector) Collect(ch chan<- prometheus.Metric) {
	discovered, covered := coverageDescriptions()
	all, some := c.coverage()
	ch <- prometheus.MustNewConstMetric(discovered, prometheus.GaugeValue, float64(all))
	ch <- prometheus.MustNewConstMetric(covered, prometheus.GaugeValue, float64(some))
}
