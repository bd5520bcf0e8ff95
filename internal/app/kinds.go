package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/collector/prometheus"
	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/files"
	"github.com/assayer-io/assayer/collector/transactions/fixlog"
	"github.com/assayer-io/assayer/collector/transactions/iso20022"
	"github.com/assayer-io/assayer/collector/transactions/iso8583"
	"github.com/assayer-io/assayer/collector/transactions/kafka"
	"github.com/assayer-io/assayer/collector/transactions/nacha"
	"github.com/assayer-io/assayer/collector/transactions/nats"
	"github.com/assayer-io/assayer/collector/transactions/ndjson"
	"github.com/assayer-io/assayer/collector/transactions/postgresql"
	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/deploy/alertmanager"
	"github.com/assayer-io/assayer/internal/deploy/directory"
	"github.com/assayer-io/assayer/internal/deploy/grafana"
	promrules "github.com/assayer-io/assayer/internal/deploy/prometheus"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/hooks/webhook"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/internal/version"
)

// This file is the one list of variants. A new kind is one folder and one line here. The exporter
// exporters/prometheus has no section in the agent file: it is /metrics, and always on.

func collectorKinds() map[string]collectorKind {
	return map[string]collectorKind{
		"prometheus":   readPrometheus,
		"transactions": readTransactions, // collector/transactions
	}
}

// sourceKinds are the ways in for events about movements of money, beside POST /api/v1/transactions
// (collector/transactions/httpin), which is always on.
func sourceKinds() map[string]sourceKind {
	return map[string]sourceKind{
		"files": sourceOf(files.Default, func(c files.Config, d sourceDeps) (transactions.Source, error) {
			return files.New(c, files.Deps{Decoders: d.decoders, Log: d.log})
		}),
		"kafka": sourceOf(kafka.Default, func(c kafka.Config, d sourceDeps) (transactions.Source, error) {
			return kafka.New(c, kafka.Deps{Decoders: d.decoders, Log: d.log})
		}),
		"nats": sourceOf(nats.Default, func(c nats.Config, d sourceDeps) (transactions.Source, error) {
			return nats.New(c, nats.Deps{Decoders: d.decoders, Log: d.log})
		}),
		"postgresql": sourceOf(postgresql.Default, func(c postgresql.Config, d sourceDeps) (transactions.Source, error) {
			return postgresql.New(c, postgresql.Deps{Log: d.log})
		}),
	}
}

// formatKinds are the formats that such events come in. A source's entry, or the section http, has the settings of
// one under its name.
func formatKinds() map[string]formatKind {
	return map[string]formatKind{
		"ndjson":   func(strictyaml.Node) (transactions.Decoder, problem.List) { return ndjson.New(), nil },
		"iso20022": formatOf(iso20022.Default, iso20022.New),
		"fix":      formatOf(fixlog.Default, fixlog.New),
		"iso8583":  formatOf(iso8583.Default, iso8583.New),
		"nacha":    formatOf(nacha.Default, nacha.New),
	}
}

func hookKinds() map[string]hookKind {
	return map[string]hookKind{
		"webhook": kind(webhook.Default, func(c webhook.Config, d Deps) (hooks.Runner, error) {
			return webhook.New(c, webhook.Deps{Now: d.Now, Logger: d.Log})
		}),
	}
}

func deployKinds() map[string]deployKind {
	return map[string]deployKind{
		"directory":    deployOf(directory.Default, directory.New),
		"prometheus":   deployOf(promrules.Default, promrules.New),
		"grafana":      deployOf(grafana.Default, grafana.New),
		"alertmanager": deployOf(alertmanager.Default, alertmanager.New),
	}
}

// Deps are what variants are wired to.
type Deps struct {
	Log *slog.Logger
	Now func() time.Time
	// Tracker follows movements of money; nil: the agent follows none.
	Tracker *transactions.Tracker
}

func (a *App) deps() Deps {
	return Deps{Log: a.log, Now: a.now, Tracker: a.tracker}
}

// provider is what every collector kind makes.
type provider interface {
	Run(ctx context.Context, update func([]collector.Job)) error
	SetInterest(collector.Interest)
}

// collectorKind reads one section under collectors.
type collectorKind func(config.Section, config.Config) (collectorPlan, problem.List)

// collectorPlan is one collector as configured, not yet made.
type collectorPlan struct {
	make func(Deps) (provider, error)
	// prepare does all of a reload of what make made that can fail, and gives the rest.
	prepare func(provider) (apply func(), err error)
	jobs    []job
	// transactions is what is known of the section of that name; nil: another kind, or not written.
	transactions *transactionsPlan
}

// job is what cross-checks know of one group of targets.
type job struct {
	name     string
	interval time.Duration
	relabels bool // its series may carry other labels than its targets are given
	// targets holds the labels of every target when all are written down; nil: some are discovered.
	targets []map[string]string
	// yields is set when the names of its series are known: whether one of them is this.
	yields func(name string) bool
}

// scrapeConfigs reads collectors.prometheus over what the global section says.
func scrapeConfigs(s config.Section, c config.Config) (prometheus.Config, problem.List) {
	cfg := prometheus.Default()
	cfg.ScrapeInterval, cfg.ScrapeTimeout = c.Global.ScrapeInterval, c.Global.ScrapeTimeout
	problems := s.Decode(&cfg)
	cfg.SetDirectory(c.Dir)
	return cfg, problems
}

func readPrometheus(s config.Section, c config.Config) (collectorPlan, problem.List) {
	cfg, problems := scrapeConfigs(s, c)
	plan := collectorPlan{
		make: func(d Deps) (provider, error) {
			// No registerer: what service discovery measures of itself does not keep the rules for names.
			return prometheus.New(cfg, prometheus.Deps{Logger: d.Log.With("component", "prometheus"), Version: version.Version})
		},
		prepare: func(p provider) (func(), error) {
			old, ok := p.(*prometheus.Provider)
			if !ok {
				return nil, fmt.Errorf("collector is a %T", p)
			}
			return old.Prepare(cfg)
		},
	}
	for _, sc := range cfg.ScrapeConfigs {
		j := job{name: sc.JobName, interval: time.Duration(sc.ScrapeInterval), relabels: len(sc.RelabelConfigs)+len(sc.MetricRelabelConfigs) > 0 || sc.HonorLabels}
		if j.interval == 0 {
			j.interval = c.Global.ScrapeInterval
		}
		if len(sc.FileSDConfigs)+len(sc.DNSSDConfigs)+len(sc.HTTPSDConfigs)+len(sc.Others) == 0 {
			j.targets = staticTargets(sc)
		}
		plan.jobs = append(plan.jobs, j)
	}
	return plan, problems
}

// staticTargets gives the labels of the targets that a scrape config lists.
func staticTargets(sc prometheus.ScrapeConfig) []map[string]string {
	targets := []map[string]string{}
	for _, group := range sc.StaticConfigs {
		for _, t := range group.Targets {
			labels := map[string]string{"job": sc.JobName, "instance": string(t[model.AddressLabel])}
			for name, value := range group.Labels {
				labels[string(name)] = string(value)
			}
			targets = append(targets, labels)
		}
	}
	return targets
}

// hookKind reads one entry of hooks: its policy and how to make what it calls.
type hookKind func(config.Section, config.Config) (hookPlan, problem.List)

// hookPlan is one hook as configured, not yet made.
type hookPlan struct {
	policy  hooks.Policy
	section config.Section
	make    func(Deps) (hooks.Runner, error)
}

// kind makes a hookKind of a variant's defaults and constructor. The keys of the policy and of the
// variant stand side by side in one section.
func kind[C any](defaults func() C, make func(C, Deps) (hooks.Runner, error)) hookKind {
	return func(s config.Section, c config.Config) (hookPlan, problem.List) {
		both := struct {
			Policy  hooks.Policy `yaml:",inline"`
			Variant C            `yaml:",inline"`
		}{hooks.DefaultPolicy(), defaults()}
		problems := s.Decode(&both)
		if v, ok := any(&both.Variant).(interface{ SetDirectory(dir string) }); ok {
			v.SetDirectory(c.Dir)
		}
		return hookPlan{policy: both.Policy, section: s, make: func(d Deps) (hooks.Runner, error) { return make(both.Variant, d) }}, problems
	}
}
