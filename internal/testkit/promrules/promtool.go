package promrules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// testFile is what promtool reads; rule files are handed over apart.
type testFile struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	GroupEvalOrder     []string       `yaml:"group_eval_order"`
	Tests              []testGroup
}

type testGroup struct {
	Name        string
	Interval    model.Duration
	InputSeries []struct{ Series, Values string } `yaml:"input_series"`
	AlertTests  []struct {
		EvalTime  model.Duration `yaml:"eval_time"`
		Alertname string
		ExpAlerts []struct {
			Labels      map[string]string `yaml:"exp_labels"`
			Annotations map[string]string `yaml:"exp_annotations"`
		} `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
	ExprTests []exprTest `yaml:"promql_expr_test"`
}

type exprTest struct {
	Expr       string
	EvalTime   model.Duration `yaml:"eval_time"`
	ExpSamples []struct {
		Labels string
		Value  float64
	} `yaml:"exp_samples"`
}

// Run runs promtool's unit tests of one file over rule files and returns what does not hold; nil: all does. Unlike
// promtool it takes a template that fails for a mistake, and does not compare annotations.
func Run(ctx context.Context, test []byte, rules ...[]byte) []error {
	var f testFile
	if err := yaml.Unmarshal(test, &f); err != nil {
		return []error{fmt.Errorf("reading the tests: %w", err)}
	}
	p := parser.NewParser(parser.Options{})
	groups, errs := parse(p, rules)
	if len(errs) > 0 {
		return errs
	}
	order := func(g rulefmt.RuleGroup) int { return max(0, slices.Index(f.GroupEvalOrder, g.Name)) }
	slices.SortStableFunc(groups, func(a, b rulefmt.RuleGroup) int { return order(a) - order(b) })
	engine := newEngine()
	for i := range f.Tests {
		tg := &f.Tests[i]
		r := &run{ctx: ctx, parser: p, engine: engine, data: newStore(), step: time.Duration(f.EvaluationInterval)}
		if err := r.test(tg, groups); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", tg.Name, err))
		}
	}
	return errs
}

func parse(p parser.Parser, rules [][]byte) ([]rulefmt.RuleGroup, []error) {
	var groups []rulefmt.RuleGroup
	for _, data := range rules {
		parsed, errs := rulefmt.Parse(data, false, model.UTF8Validation, p, slog.New(slog.DiscardHandler))
		if len(errs) > 0 {
			return nil, errs
		}
		groups = append(groups, parsed.Groups...)
	}
	return groups, nil
}

// run is one test: its data and the alerts that are active.
type run struct {
	ctx    context.Context
	parser parser.Parser
	engine *promql.Engine
	data   *store
	step   time.Duration
	rules  []*stepped
	inputs []*input

	speaks bool // what alerts say is asked for
}

// input is a series that a test gives. Like promtool, run stores each sample when its time has come, so that a rule may
// record what its gaps leave out.
type input struct {
	labels   labels.Labels
	samples  []parser.SequenceValue
	interval time.Duration
	next     int
}

// feed stores what is given up to a time.
func (in *input) feed(to *store, until time.Duration) error {
	for ; in.next < len(in.samples) && time.Duration(in.next)*in.interval <= until; in.next++ {
		v := in.samples[in.next]
		if v.Omitted {
			continue
		}
		if err := to.put(in.labels, (time.Duration(in.next) * in.interval).Milliseconds(), v.Value); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) test(tg *testGroup, groups []rulefmt.RuleGroup) error {
	if tg.Interval <= 0 || r.step <= 0 {
		return errors.New("an interval is missing, for which versions of promtool take different ones")
	}
	for _, s := range tg.InputSeries {
		ls, samples, err := r.parser.ParseSeriesDesc(s.Series + " " + s.Values)
		if err != nil {
			return fmt.Errorf("series %s: %w", s.Series, err)
		}
		r.inputs = append(r.inputs, &input{labels: ls, samples: samples, interval: time.Duration(tg.Interval)})
	}
	r.rules = steppedOf(groups)
	var end model.Duration
	for _, a := range tg.AlertTests {
		end = max(end, a.EvalTime)
	}
	for _, e := range tg.ExprTests {
		end = max(end, e.EvalTime)
	}
	var errs []error
	for at := time.Duration(0); at <= time.Duration(end); at += r.step {
		for _, in := range r.inputs {
			if err := in.feed(r.data, at); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
		}
		for _, one := range r.rules {
			if err := one.eval(r, at); err != nil {
				return fmt.Errorf("%s: %s%s: %w", at, one.Record, one.Alert, err)
			}
		}
		for _, a := range tg.AlertTests {
			if time.Duration(a.EvalTime) != at {
				continue
			}
			var want []string
			for _, exp := range a.ExpAlerts {
				want = append(want, labels.NewBuilder(labels.FromMap(exp.Labels)).Set(labels.AlertName, a.Alertname).Labels().String())
			}
			errs = append(errs, differ(at, a.Alertname, r.firing(a.Alertname), want))
		}
	}
	for _, in := range r.inputs {
		if err := in.feed(r.data, time.Duration(end)); err != nil {
			return err
		}
	}
	for _, e := range tg.ExprTests {
		errs = append(errs, r.expect(&e))
	}
	return errors.Join(errs...)
}

func (r *run) expect(e *exprTest) error {
	at := time.Duration(e.EvalTime)
	var got, want []string
	for _, s := range e.ExpSamples {
		ls, err := r.parser.ParseMetric(s.Labels)
		if err != nil {
			return err
		}
		want = append(want, fmt.Sprint(ls, " ", s.Value))
	}
	v, err := r.query(e.Expr, at)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", at, e.Expr, err)
	}
	for _, s := range v {
		got = append(got, fmt.Sprint(s.Metric, " ", s.F))
	}
	return differ(at, e.Expr, got, want)
}

// end marks the end of the series that were there and no longer are.
func (r *run) end(were, are map[string]labels.Labels, at time.Duration) error {
	for key, ls := range were {
		if _, still := are[key]; !still {
			if err := r.data.put(ls, at.Milliseconds(), staleNaN()); err != nil {
				return err
			}
		}
	}
	return nil
}

func differ(at time.Duration, what string, got, want []string) error {
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%s: %s: got [%s], want [%s]", at, what, strings.Join(got, "; "), strings.Join(want, "; "))
}

func (r *run) query(expr string, at time.Duration) (promql.Vector, error) {
	return ask(r.ctx, r.engine, r.data, expr, time.Unix(0, 0).Add(at))
}

func (r *run) firing(alert string) []string {
	var all []string
	for _, one := range r.rules {
		for _, a := range one.active {
			if one.Alert == alert && a.firing {
				all = append(all, a.labels.String())
			}
		}
	}
	return all
}
