package promrules

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
)

// stepped is one rule that is evaluated step by step, with what it wrote at the last evaluation.
type stepped struct {
	rulefmt.Rule
	wrote  map[string]labels.Labels
	active map[string]*active
}

// active is one alert that is pending or firing.
type active struct {
	labels labels.Labels
	said   map[string]string // annotations
	since  time.Duration
	firing bool
	gone   time.Duration // since when its expression gives nothing; -1: it gives something
}

func steppedOf(groups []rulefmt.RuleGroup) (all []*stepped) {
	for _, g := range groups {
		for _, r := range g.Rules {
			all = append(all, &stepped{Rule: r, active: map[string]*active{}})
		}
	}
	return all
}

// eval evaluates the rule, writes what it gives and ends what it no longer gives.
func (u *stepped) eval(r *run, at time.Duration) error {
	v, err := r.query(u.Expr, at)
	if err != nil {
		return err
	}
	wrote := map[string]labels.Labels{}
	if u.Record != "" {
		for _, s := range v {
			ls := recorded(s.Metric, u.Record, u.Labels)
			if _, twice := wrote[ls.String()]; twice {
				return fmt.Errorf("gives %s twice", ls)
			}
			wrote[ls.String()] = ls
			if err := r.data.put(ls, at.Milliseconds(), s.F); err != nil {
				return err
			}
		}
	} else if wrote, err = u.alert(r, v, at); err != nil {
		return err
	}
	err = r.end(u.wrote, wrote, at)
	u.wrote = wrote
	return err
}

// alert takes what the expression gives for alerts, and returns the series ALERTS.
func (u *stepped) alert(r *run, v promql.Vector, at time.Duration) (map[string]labels.Labels, error) {
	seen := map[string]bool{}
	for _, s := range v {
		ls, said, err := u.expand(r, s, at)
		if err != nil {
			return nil, err
		}
		key := ls.String()
		if seen[key] {
			return nil, fmt.Errorf("gives the alert %s twice", ls)
		}
		seen[key] = true
		if u.active[key] == nil {
			u.active[key] = &active{labels: ls, since: at}
		}
		u.active[key].gone, u.active[key].said = -1, said
	}
	wrote := map[string]labels.Labels{}
	write := func(b *labels.Builder, v float64) error {
		ls := b.Labels()
		wrote[ls.String()] = ls
		return r.data.put(ls, at.Milliseconds(), v)
	}
	for _, key := range slices.Sorted(maps.Keys(u.active)) {
		a := u.active[key]
		if !seen[key] {
			if a.gone < 0 {
				a.gone = at
			}
			if !a.firing || at-a.gone >= time.Duration(u.KeepFiringFor) {
				delete(u.active, key)
				continue
			}
		}
		a.firing = a.firing || at-a.since >= time.Duration(u.For)
		state := "pending"
		if a.firing {
			state = "firing"
		}
		if err := write(labels.NewBuilder(a.labels).Set(labels.MetricName, "ALERTS").Set("alertstate", state), 1); err != nil {
			return nil, err
		}
		if err := write(labels.NewBuilder(a.labels).Set(labels.MetricName, "ALERTS_FOR_STATE"), a.since.Seconds()); err != nil {
			return nil, err
		}
	}
	return wrote, nil
}

// expand gives the alert's labels and annotations, these as they were when the alert began if nobody asks for them.
func (u *stepped) expand(r *run, s promql.Sample, at time.Duration) (labels.Labels, map[string]string, error) {
	data := template.AlertTemplateData(s.Metric.Map(), nil, "", s)
	query := func(_ context.Context, q string, t time.Time) (promql.Vector, error) {
		return r.query(q, t.Sub(time.Unix(0, 0)))
	}
	text := func(t string) (string, error) {
		const defs = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
		return template.NewTemplateExpander(r.ctx, defs+t, "__alert_"+u.Alert, data, model.Time(at.Milliseconds()), query, &url.URL{}, nil).Expand()
	}
	b := labels.NewBuilder(s.Metric).Del(labels.MetricName)
	for k, v := range u.Labels {
		expanded, err := text(v)
		if err != nil {
			return labels.EmptyLabels(), nil, fmt.Errorf("label %s: %w", k, err)
		}
		b.Set(k, expanded)
	}
	ls := b.Set(labels.AlertName, u.Alert).Labels()
	if was := u.active[ls.String()]; was != nil && !r.speaks {
		return ls, was.said, nil
	}
	said := map[string]string{}
	for k, v := range u.Annotations {
		expanded, err := text(v)
		if err != nil {
			return labels.EmptyLabels(), nil, fmt.Errorf("annotation %s: %w", k, err)
		}
		said[k] = expanded
	}
	return ls, said, nil
}
