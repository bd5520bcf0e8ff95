package promrules

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// World is a Prometheus whose time a test moves: it scrapes what it is given and evaluates its rules, in the order in
// which they stand.
type World struct {
	run  *run
	seen map[string]labels.Labels // at the last scrape
}

// Sample is one sample of a scrape.
type Sample struct {
	Labels labels.Labels
	Value  float64
}

// Alert is one that fires.
type Alert struct {
	Labels      labels.Labels
	Annotations map[string]string
}

// NewWorld loads rule files.
func NewWorld(ctx context.Context, rules ...[]byte) (*World, error) {
	p := parser.NewParser(parser.Options{})
	groups, errs := parse(p, rules)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &World{run: &run{ctx: ctx, parser: p, engine: newEngine(), data: newStore(), rules: steppedOf(groups), speaks: true}}, nil
}

// Step stores the samples of all targets, marks the end of series that are gone, and evaluates every rule. at counts
// from 1970, and is later than that of the step before.
func (w *World) Step(at time.Duration, samples []Sample) error {
	seen := map[string]labels.Labels{}
	for _, s := range samples {
		seen[s.Labels.String()] = s.Labels
		if err := w.run.data.put(s.Labels, at.Milliseconds(), s.Value); err != nil {
			return err
		}
	}
	if err := w.run.end(w.seen, seen, at); err != nil {
		return err
	}
	w.seen = seen
	for _, one := range w.run.rules {
		if err := one.eval(w.run, at); err != nil {
			return fmt.Errorf("%s%s: %w", one.Record, one.Alert, err)
		}
	}
	return nil
}

// Firing lists the alerts that fire, by their labels.
func (w *World) Firing() map[string]Alert {
	all := map[string]Alert{}
	for _, one := range w.run.rules {
		for _, a := range one.active {
			if a.firing {
				all[a.labels.String()] = Alert{a.labels, a.said}
			}
		}
	}
	return all
}
