package app

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/assayer-io/assayer/collector/transactions"
	exporter "github.com/assayer-io/assayer/exporters/prometheus"
	"github.com/assayer-io/assayer/internal/exclusions"
	"github.com/assayer-io/assayer/internal/web"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/metricname"
)

// The types below give internal/web the parts of the agent in the shape that it asks for.

type objectives struct{ *App }

// Statuses implements web.Objectives.
func (a objectives) Statuses() []slo.Status {
	if s := a.statuses.Load(); s != nil {
		return *s
	}
	return nil
}

// History implements web.Objectives.
func (a objectives) History(name, window string, from, to time.Time, points int) ([]slo.Point, error) {
	return a.engine.History(name, window, from, to, points)
}

// objectiveNames lists what exclusions may name: objectives as written, and the groups there are.
func (a *App) objectiveNames() []exclusions.Objective {
	var out []exclusions.Objective
	for _, o := range a.loaded().Objectives {
		out = append(out, exclusions.Objective{Name: o.Name, Composite: o.Composite != nil})
	}
	for _, s := range (objectives{a}).Statuses() {
		if s.Parent != "" {
			out = append(out, exclusions.Objective{Name: s.Name, Parent: s.Parent})
		}
	}
	return out
}

// exclude puts exclusions in force and shows what they do soon.
func (a *App) exclude(all []slo.Exclusion) {
	a.engine.SetExclusions(all)
	a.evaluateSoon()
}

func (a *App) targets() []web.Target {
	var out []web.Target
	for _, t := range a.runner.Targets() {
		out = append(out, web.Target{
			Name: string(t.Target), Collector: t.Provider, Up: t.Up, LastLook: t.LastAt, DurationSeconds: t.LastDuration.Seconds(),
			IntervalSeconds: t.Interval.Seconds(), Samples: t.SeriesMatched, Overruns: t.Totals.Skipped, Error: t.LastError,
			Dropped: web.Drops(t.Totals.Dropped),
		})
	}
	return out
}

// settlement gives how movements stand; nil: the agent follows none.
func (a *App) settlement() func() web.Settlement {
	if a.tracker == nil {
		return nil
	}
	return func() web.Settlement {
		var out web.Settlement
		for _, s := range a.tracker.Summaries() {
			pile := func(p transactions.Pile) web.Pile { return web.Pile{Count: p.Count, Values: s.Amounts(p)} }
			r := web.Rail{
				Name: s.Rail, Title: s.Title, Open: pile(s.Open), Overdue: pile(s.Overdue), InDoubt: pile(s.InDoubt),
				Oldest: time.Duration(s.OldestSeconds * float64(time.Second)), CutOff: s.CutOff, Due: pile(s.Due), Drain: -1,
			}
			if s.Breaks != nil {
				breaks := pile(*s.Breaks)
				r.Breaks = &breaks
			}
			if s.NextCutOff != nil {
				r.NextCutOff = *s.NextCutOff
			}
			if s.DrainSeconds != nil {
				r.Drain = time.Duration(min(*s.DrainSeconds, maxDrain.Seconds()) * float64(time.Second))
			}
			for _, anomaly := range s.Anomalies {
				r.Anomalies = append(r.Anomalies, anomaly.Why)
			}
			out.Rails = append(out.Rails, r)
		}
		for _, u := range a.tracker.Unmapped() {
			parts := slices.DeleteFunc([]string{u.Key.Scheme, u.Key.List, u.Key.Code}, func(s string) bool { return s == "" })
			out.Unmapped = append(out.Unmapped, web.UnmappedCode{Code: strings.Join(parts, "/"), Count: u.Count})
		}
		return out
	}
}

// maxDrain keeps the time that something takes within what a duration holds.
const maxDrain = 100 * 365 * 24 * time.Hour

// hostNames are under which names beside localhost people reach the page, as configured.
func (l *Loaded) hostNames() []string {
	u, err := url.Parse(l.Config.Web.ExternalURL)
	if err != nil || u.Hostname() == "" { // the configuration was checked, so there is none
		return nil
	}
	return []string{u.Hostname()}
}

func (a *App) actionCounts() []exporter.ActionCount {
	var out []exporter.ActionCount
	for _, c := range a.queue.Counts() {
		out = append(out, exporter.ActionCount{Hook: c.Hook, Kind: c.Kind, Result: string(c.Result), Count: c.Actions})
	}
	return out
}

// selfCollector exports what the agent knows about its own work.
type selfCollector struct{ *App }

type selfDescs struct {
	cycles, skipped, rejected, targets, reloaded *prometheus.Desc
}

func descriptions() selfDescs {
	return selfDescs{
		cycles:   prometheus.NewDesc(metricname.CollectorCycles, "Looks at targets, by whether they succeeded.", []string{metricname.Collector, metricname.Result}, nil),
		skipped:  prometheus.NewDesc(metricname.CollectorCyclesSkipped, "Looks left out because the one before had not ended.", []string{metricname.Collector}, nil),
		rejected: prometheus.NewDesc(metricname.SamplesRejected, "Matching samples that could not be used, by reason.", []string{metricname.Reason}, nil),
		targets:  prometheus.NewDesc(metricname.Targets, "Targets in discovery, by whether the last look succeeded.", []string{metricname.Collector, metricname.Up}, nil),
		reloaded: prometheus.NewDesc(metricname.ConfigReloaded, "1 unless the last reload was refused.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (s selfCollector) Describe(ch chan<- *prometheus.Desc) {
	d := descriptions()
	for _, desc := range []*prometheus.Desc{d.cycles, d.skipped, d.rejected, d.targets, d.reloaded} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (s selfCollector) Collect(ch chan<- prometheus.Metric) {
	d := descriptions()
	counter := func(desc *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(v), labels...)
	}
	r := s.engine.Rejected()
	notFinite, duplicate, outOfBounds := r.NotFinite, uint64(0), uint64(0)
	for name, t := range s.runner.Totals() {
		counter(d.cycles, t.OK, name, "ok")
		counter(d.cycles, t.Failed, name, "failed")
		counter(d.skipped, t.Skipped, name)
		notFinite += t.Dropped.NotFinite
		duplicate += t.Dropped.Duplicate
		outOfBounds += t.Dropped.OutOfBounds
	}
	counter(d.rejected, notFinite, "not_finite")
	counter(d.rejected, duplicate, "duplicate")
	counter(d.rejected, outOfBounds, "out_of_bounds")
	counter(d.rejected, r.OutOfOrder, "out_of_order")
	counter(d.rejected, r.Negative, "negative")
	counter(d.rejected, r.Implausible, "implausible")
	up := map[[2]string]float64{}
	for name := range s.runner.Totals() {
		up[[2]string{name, "true"}], up[[2]string{name, "false"}] = 0, 0
	}
	for _, t := range s.runner.Targets() {
		up[[2]string{t.Provider, map[bool]string{true: "true", false: "false"}[t.Up]}]++
	}
	for k, n := range up {
		ch <- prometheus.MustNewConstMetric(d.targets, prometheus.GaugeValue, n, k[0], k[1])
	}
	ok := 1.0
	if s.reloadFailed.Load() {
		ok = 0
	}
	ch <- prometheus.MustNewConstMetric(d.reloaded, prometheus.GaugeValue, ok)
}
