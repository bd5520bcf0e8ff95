package app

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/generate"
	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/metricname"
)

// deployKind reads one entry of deploy.
type deployKind func(s config.Section, dir, folder string) (deployPlan, problem.List)

// deployPlan is one entry of deploy as configured, not yet made.
type deployPlan struct {
	deploy.Entry
	make func() (deploy.Target, error)
	// place is the folder or file that it writes; empty: none. Two entries would delete each other's files there.
	place string
}

// deployOf makes a deployKind of a variant's defaults and constructor. The keys of every entry and those of the variant
// stand side by side in one section.
func deployOf[C any, T deploy.Target](defaults func() C, make func(C) (T, error)) deployKind {
	return func(s config.Section, dir, folder string) (deployPlan, problem.List) {
		both := struct {
			Entry   deploy.Entry `yaml:",inline"`
			Variant C            `yaml:",inline"`
		}{Variant: defaults()}
		if v, ok := any(&both.Variant).(interface{ UsualFolder(title string) }); ok {
			v.UsualFolder(folder)
		}
		problems := s.Decode(&both)
		if v, ok := any(&both.Variant).(interface{ SetDirectory(dir string) }); ok {
			v.SetDirectory(dir)
		}
		plan := deployPlan{Entry: both.Entry, make: func() (deploy.Target, error) { return make(both.Variant) }}
		if v, ok := any(both.Variant).(interface{ Place() string }); ok && v.Place() != "" {
			plan.place = filepath.Clean(v.Place())
		}
		return plan, problems
	}
}

// readDeploy reads the section deploy. The folder is that of Grafana for entries that name none.
func (l *Loaded) readDeploy(folder string) problem.List {
	var problems problem.List
	for _, s := range l.Config.Deploy {
		if s.Kind == "" {
			continue // told of already
		}
		read := deployKinds()[s.Kind]
		if read == nil {
			problems = append(problems, s.UnknownKind(slices.Sorted(maps.Keys(deployKinds()))))
			continue
		}
		plan, found := read(s, l.Config.Dir, folder)
		if i := slices.IndexFunc(l.deploy, func(p deployPlan) bool { return p.place != "" && p.place == plan.place }); i >= 0 {
			found = append(found, s.Problem(problem.Problem{Path: "name", Got: plan.Name, Message: "writes to the same place as " + l.deploy[i].Name + ", and each would delete the other's files", Allowed: "a place of its own"}))
		}
		l.deploy = append(l.deploy, plan)
		problems = append(problems, found...)
	}
	return problems
}

// Destination is a place to deploy to.
type Destination struct {
	Name   string
	Kind   string // directory, prometheus, grafana, alertmanager
	Target deploy.Target
	// Form says in which form it takes what is generated; empty: as the section generate has it.
	Form generate.Form
}

func (p deployPlan) destination() (Destination, error) {
	t, err := p.make()
	if err != nil {
		return Destination{}, fmt.Errorf("making %s: %w", p.Name, err)
	}
	return NewDestination(p.Name, p.Kind, t), nil
}

// NewDestination gives a target of a kind the form that it takes.
func NewDestination(name, kind string, t deploy.Target) Destination {
	d := Destination{Name: name, Kind: kind, Target: t, Form: generate.Files} // servers take nothing else
	if kind == "directory" {
		d.Form = ""
	}
	return d
}

// Destinations makes those of the names given, or all when none is given.
func (l *Loaded) Destinations(names []string) ([]Destination, error) {
	var all []string
	for _, p := range l.deploy {
		all = append(all, p.Name)
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("no entry of deploy is called %q%s", name, strictyaml.DidYouMean(name, all))
		}
	}
	var out []Destination
	for _, p := range l.deploy {
		if len(names) > 0 && !slices.Contains(names, p.Name) {
			continue
		}
		d, err := p.destination()
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// PartsOf are the parts that a kind of place takes.
func PartsOf(kind string) []generate.Part {
	switch kind {
	case "prometheus":
		return []generate.Part{generate.AgentRules, generate.NativeRules}
	case "grafana":
		return []generate.Part{generate.DashboardPart, generate.GrafanaRules}
	case "alertmanager":
		return []generate.Part{generate.Routing}
	}
	return generate.Parts()
}

// generated is what places that are watched are compared with, in one form. It is made when it is first asked for, and
// again when the year has changed, since holidays are written out for this year and the next.
type generated struct {
	loaded *Loaded
	form   generate.Form // empty: as the section generate has it
	parts  []generate.Part
	now    func() time.Time

	mu    sync.Mutex
	year  int // of files; 0: there are none
	files []artifact.File
}

// get gives the files. What failed is tried again by the next call: a file that was missing may be there.
func (g *generated) get() ([]artifact.File, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now().UTC()
	if g.year == now.Year() {
		return g.files, nil
	}
	files, err := g.make(now)
	if err == nil {
		g.files, g.year = files, now.Year()
	}
	return files, err
}

func (g *generated) make(now time.Time) ([]artifact.File, error) {
	c := g.loaded.generate
	if g.form != "" {
		c.Form = g.form
	}
	in, err := g.loaded.generateInput(c, now)
	if err != nil {
		return nil, err
	}
	// Rules of one part are written with a view to those of the others; all else stands by itself.
	rules := []generate.Part{generate.AgentRules, generate.NativeRules, generate.GrafanaRules}
	in.Parts = slices.DeleteFunc(slices.Clone(in.Parts), func(p generate.Part) bool {
		return !slices.Contains(rules, p) && !slices.Contains(g.parts, p)
	})
	out, err := generate.Generate(in)
	return out.Files, err
}

// watched makes what is watched for drift. What it is compared with is generated at the first look, once for each form.
func (l *Loaded) watched(now func() time.Time) ([]deploy.Watched, error) {
	forms := map[generate.Form]*generated{}
	var out []deploy.Watched
	for _, p := range l.deploy {
		if p.Watch == 0 {
			continue
		}
		d, err := p.destination()
		if err != nil {
			return nil, err
		}
		g := forms[d.Form]
		if g == nil {
			g = &generated{loaded: l, form: d.Form, now: now}
			forms[d.Form] = g
		}
		g.parts = append(g.parts, PartsOf(d.Kind)...)
		out = append(out, deploy.Watched{Name: p.Name, Every: p.Watch, Target: d.Target, Files: g.get})
	}
	return out, nil
}

// makeDrift makes the watch over what is deployed. It reads and never writes.
func (a *App) makeDrift(context.Context) error {
	a.drift = deploy.NewWatcher(a.now, a.log.With("component", "drift"), a.observeDrift)
	apply, err := a.prepareDrift(a.loaded())
	if err != nil {
		return err
	}
	apply()
	return nil
}

// prepareDrift does all of a change that can fail, and gives the rest.
func (a *App) prepareDrift(l *Loaded) (apply func(), err error) {
	watched, err := l.watched(a.now)
	if err != nil {
		return nil, err
	}
	return func() { a.drift.Watch(watched) }, nil
}

// observeDrift brings the conditions about drift up to date.
func (a *App) observeDrift(all []deploy.Check) {
	drifted, unchecked := map[string]string{}, map[string]string{}
	for _, c := range all {
		if c.Some != "" {
			drifted[c.Target] = c.Some
		}
		if c.Err != nil {
			unchecked[c.Target] = c.Err.Error()
		}
	}
	a.health.Replace(health.DeployedDrifted, drifted)
	a.health.Replace(health.DriftUnchecked, unchecked)
}

// driftCollector exports what the watch has found.
type driftCollector struct{ watcher *deploy.Watcher }

// Describe says nothing beforehand: which series there are depends on what is watched.
func (driftCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (d driftCollector) Collect(ch chan<- prometheus.Metric) {
	objects := prometheus.NewDesc(metricname.DriftedObjects, "Deployed objects that are not as generated, at the last look that succeeded.", []string{metricname.Target, metricname.Kind}, nil)
	at := prometheus.NewDesc(metricname.DriftLastCheck, "When deployed objects were last compared with what is generated.", []string{metricname.Target}, nil)
	failed := prometheus.NewDesc(metricname.DriftChecksFailed, "Looks at what is deployed that did not succeed.", []string{metricname.Target}, nil)
	for _, c := range d.watcher.Checks() {
		for kind, n := range c.Drifted {
			ch <- prometheus.MustNewConstMetric(objects, prometheus.GaugeValue, float64(n), c.Target, kind)
		}
		if !c.At.IsZero() {
			ch <- prometheus.MustNewConstMetric(at, prometheus.GaugeValue, float64(c.At.UnixMilli())/float64(time.Second/time.Millisecond), c.Target)
		}
		ch <- prometheus.MustNewConstMetric(failed, prometheus.CounterValue, float64(c.Failed), c.Target)
	}
}
