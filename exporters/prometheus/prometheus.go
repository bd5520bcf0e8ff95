// Package prometheus offers the objectives' numbers to be scraped. Every metric about an objective
// carries the labels slo and service; those of one group of an objective carry group too, as in
// group="region=eu,scheme=sepa", and the whole objective's name in slo:
//
//	assayer_sli_events_total{outcome="bad",service="card-auth",slo="card-auth-availability"} 2
//	assayer_slo_burn_rate{service="card-auth",slo="card-auth-availability",window="1h"} 4
//	assayer_slo_error_budget_remaining_ratio{service="card-auth",slo="card-auth-availability"} -3
//	assayer_slo_state{service="card-auth",slo="card-auth-availability",state="exhausted"} 1
//
// The complete list is in README.md, a complete sample in testdata.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/metricname"
)

// Bounds of one scrape of the agent.
const (
	maxScrapes    = 8
	scrapeTimeout = 30 * time.Second
)

// ActionCount is how often one hook came to one result since the agent started.
type ActionCount struct {
	Hook, Kind, Result string
	Count              uint64
}

// Deps is what the exporter reads besides statuses. Every field may be left empty.
type Deps struct {
	Version  string
	Revision string // of the source the binary was built from
	// Actions counts what hooks did. It must list each hook, kind and result at most once.
	Actions func() []ActionCount
	// Policies says what budget policies demand. It must list each rule and objective at most once.
	Policies func() []PolicyState
	// Self gathers what other parts of the agent registered about themselves.
	Self prometheus.Gatherer
	Log  *slog.Logger
}

// Exporter publishes the latest statuses. It is an exporters.Exporter and a collector of
// client_golang, safe for concurrent use.
type Exporter struct {
	deps     Deps
	descs    descs // of what has no group
	grouped  descs
	statuses atomic.Pointer[[]slo.Status]
}

// New makes an exporter that has no statuses yet.
func New(deps Deps) *Exporter {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	return &Exporter{deps: deps, descs: newDescs(), grouped: newDescs(metricname.Group)}
}

// Export replaces the statuses that the next scrape sees. It never fails.
func (e *Exporter) Export(_ context.Context, statuses []slo.Status) error {
	e.statuses.Store(&statuses)
	return nil
}

// Handler answers scrapes with the objectives' metrics, then the agent's own. One metric that
// cannot be written is logged and left out; it never hides the others.
func (e *Exporter) Handler() (http.Handler, error) {
	own := prometheus.NewRegistry()
	if err := own.Register(e); err != nil {
		return nil, fmt.Errorf("registering objective metrics: %w", err)
	}
	gatherers := prometheus.Gatherers{own}
	if e.deps.Self != nil {
		gatherers = append(gatherers, e.deps.Self)
	}
	return promhttp.HandlerFor(gatherers, promhttp.HandlerOpts{
		ErrorLog:            scrapeLog{e.deps.Log},
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
		EnableOpenMetrics:   true,
	}), nil
}

// scrapeLog says what went wrong with a scrape; it is told of each metric apart.
type scrapeLog struct{ log *slog.Logger }

// Println implements promhttp.Logger. That whoever scraped hung up is no fault of the agent.
func (l scrapeLog) Println(what ...any) {
	problem := strings.TrimSuffix(fmt.Sprintln(what...), "\n")
	for _, w := range what {
		if err, ok := w.(error); ok && errors.Is(err, context.Canceled) {
			l.log.Debug("answering a scrape", "err", problem)
			return
		}
	}
	l.log.Error("answering a scrape", "err", problem)
}

// descs are the metrics' descriptions.
type descs struct {
	events, value, objective, errorRatio, burnRate, remaining, exhaustion, bound, coverage, filled, state, firing, observed, info, tierInfo *prometheus.Desc
	actions, policy, build                                                                                                                  *prometheus.Desc
}

// newDescs makes the descriptions; more are further labels of all metrics about objectives.
func newDescs(more ...string) descs {
	objective := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, slices.Concat([]string{metricname.SLO, metricname.Service}, more, labels), nil)
	}
	return descs{
		events:     objective(metricname.SLIEventsTotal, "Events judged since the ledger began, by outcome.", metricname.Outcome),
		value:      objective(metricname.SLIValueTotal, "Money judged since the ledger began, in minor units, by outcome.", metricname.Outcome, metricname.Currency),
		objective:  objective(metricname.ObjectiveRatio, "Share of good events that is promised."),
		errorRatio: objective(metricname.ErrorRatio, "Bad events divided by good and bad events over the window; 0 without events.", metricname.Window),
		burnRate:   objective(metricname.BurnRate, "Error ratio over the window divided by the error ratio that the objective allows.", metricname.Window),
		remaining:  objective(metricname.BudgetRemainingRatio, "Share of the error budget that is left; negative when overspent, absent before any target has fed the objective."),
		exhaustion: objective(metricname.BudgetExhaustionTime, "When the error budget is spent at the present rate; absent when that is not in sight."),
		bound:      objective(metricname.BudgetExhaustionBound, "Between when and when the error budget is spent at the present rate, with 95 % confidence; absent when that is not in sight.", metricname.Bound),
		coverage:   objective(metricname.CoverageRatio, "Share of the objective's window, since watching began, that was really observed."),
		filled:     objective(metricname.WindowFilledRatio, "Share of the objective's window that lies after watching began."),
		state:      objective(metricname.SLOState, "1 for the objective's present state, 0 for the others.", metricname.State),
		firing:     objective(metricname.Firing, "1 while the burn-alert tier fires, else 0.", metricname.Tier, metricname.Severity),
		observed:   objective(metricname.Observed, "1 while enough is seen to judge the objective, else 0."),
		info:       objective(metricname.Info, "What the objective is; always 1.", metricname.Team, metricname.Method, metricname.Window, metricname.DisplayName),
		tierInfo: objective(metricname.TierInfo, "What each burn-alert tier watches, and how urgent it is; always 1.",
			metricname.Tier, metricname.Severity, metricname.Urgency, metricname.LongWindow, metricname.ShortWindow, metricname.Factor),
		actions: prometheus.NewDesc(metricname.HookActionsTotal, "Decisions of hooks by their result.",
			[]string{metricname.Hook, metricname.Kind, metricname.Result}, nil),
		policy: objective(metricname.PolicyActive, "1 while the rule of the budget policy holds for the objective, else 0.", metricname.Policy, metricname.Rule, metricname.Then),
		build: prometheus.NewDesc(metricname.BuildInfo, "Which build is running; always 1.",
			[]string{"version", "revision", "goversion"}, nil),
	}
}

// Describe implements prometheus.Collector. It announces nothing, since a metric that is announced has
// the same labels always, and only groups have the label group.
func (e *Exporter) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (e *Exporter) Collect(ch chan<- prometheus.Metric) {
	if statuses := e.statuses.Load(); statuses != nil {
		for i := range *statuses {
			e.collectStatus(ch, &(*statuses)[i])
		}
	}
	if e.deps.Actions != nil {
		for _, a := range e.deps.Actions() {
			send(ch, e.descs.actions, prometheus.CounterValue, float64(a.Count), a.Hook, a.Kind, a.Result)
		}
	}
	e.collectPolicies(ch)
	send(ch, e.descs.build, prometheus.GaugeValue, 1, e.deps.Version, e.deps.Revision, runtime.Version())
}

func (e *Exporter) collectStatus(ch chan<- prometheus.Metric, s *slo.Status) {
	d, own := e.descs, []string{s.Name, s.Service}
	if s.Parent != "" {
		d, own = e.grouped, []string{s.Parent, s.Service, slo.GroupText(s.Group, ",")}
	}
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		send(ch, desc, prometheus.GaugeValue, v, slices.Concat(own, labels)...)
	}
	for _, o := range []struct {
		outcome string
		count   float64
	}{
		{metricname.Good, s.Totals.Good}, {metricname.Bad, s.Totals.Bad},
		{metricname.Excluded, s.Totals.Excluded}, {metricname.Pending, s.Totals.Pending},
	} {
		if s.Currency == "" {
			send(ch, d.events, prometheus.CounterValue, o.count, slices.Concat(own, []string{o.outcome})...)
		} else {
			send(ch, d.value, prometheus.CounterValue, o.count, slices.Concat(own, []string{o.outcome, s.Currency})...)
		}
	}
	gauge(d.objective, s.Objective)
	for _, w := range s.ErrorRatios {
		gauge(d.errorRatio, w.Value, w.Window)
	}
	for _, w := range s.BurnRates {
		gauge(d.burnRate, w.Value, w.Window)
	}
	// Before any target has fed the objective a whole budget would be a claim that nothing stands behind.
	if !s.NeverFed() {
		gauge(d.remaining, s.ErrorBudget.RemainingRatio)
	}
	if at := s.ErrorBudget.ExhaustsAt; at != nil {
		gauge(d.exhaustion, float64(at.UnixMilli())/1000)
	}
	for bound, at := range map[string]*time.Time{metricname.Earliest: s.ErrorBudget.ExhaustsEarliest, metricname.Latest: s.ErrorBudget.ExhaustsLatest} {
		if at != nil {
			gauge(d.bound, float64(at.UnixMilli())/1000, bound)
		}
	}
	gauge(d.coverage, s.Coverage)
	gauge(d.filled, s.Filled)
	for _, state := range slo.States() {
		gauge(d.state, boolValue(state == s.State), string(state))
	}
	for _, t := range s.Tiers {
		gauge(d.firing, boolValue(t.Firing), t.Name, string(t.Severity))
		gauge(d.tierInfo, 1, t.Name, string(t.Severity), string(t.Urgency), t.LongWindow, t.ShortWindow, t.FactorText)
	}
	gauge(d.observed, boolValue(s.Observed))
	gauge(d.info, 1, s.Team, s.Method, s.Window, s.DisplayName)
}

// send writes one sample. A value that is no number is left out: absent is honest, NaN poisons
// every sum it enters.
func send(ch chan<- prometheus.Metric, desc *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	m, err := prometheus.NewConstMetric(desc, kind, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(desc, err)
	}
	ch <- m
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
