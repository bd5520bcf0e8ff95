package prometheus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// ruleFile is Prometheus' rule file.
type ruleFile struct {
	Groups []struct {
		Name        string            `yaml:"name"`
		Interval    model.Duration    `yaml:"interval"`
		QueryOffset *model.Duration   `yaml:"query_offset"`
		Limit       int               `yaml:"limit"`
		Labels      map[string]string `yaml:"labels"`
		Rules       []struct {
			Record        string            `yaml:"record"`
			Alert         string            `yaml:"alert"`
			Expr          string            `yaml:"expr"`
			For           model.Duration    `yaml:"for"`
			KeepFiringFor model.Duration    `yaml:"keep_firing_for"`
			Labels        map[string]string `yaml:"labels"`
			Annotations   map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

// group is what of a group a server tells again.
type group struct {
	name     string
	interval float64 // seconds; 0: the server's own
	rules    []rule
}

// rule is a rule with its expression in the parser's own spelling.
type rule struct {
	name, expr          string
	wait, keep          float64 // seconds: for and keep_firing_for
	labels, annotations map[string]string
}

// with lays labels over those of the group. An empty value is none, as for the server.
func with(group, labels map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, group)
	maps.Copy(out, labels)
	maps.DeleteFunc(out, func(_, value string) bool { return value == "" })
	return out
}

// check reads a rule file as the server will, and gives its groups.
func check(data []byte) ([]group, error) {
	var file ruleFile
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one document")
	}
	p := parser.NewParser(parser.Options{})
	var out []group
	seen := map[string]bool{}
	for _, g := range file.Groups {
		if g.Name == "" || seen[g.Name] {
			return nil, fmt.Errorf("group name %q is empty or there twice", g.Name)
		}
		seen[g.Name] = true
		one := group{name: g.Name, interval: time.Duration(g.Interval).Seconds()}
		for _, r := range g.Rules {
			name := r.Alert + r.Record
			if (r.Alert == "") == (r.Record == "") {
				return nil, fmt.Errorf("group %s: rule %q has to be one of record and alert", g.Name, name)
			}
			if r.Record != "" && (!model.LegacyValidation.IsValidMetricName(r.Record) || r.For+r.KeepFiringFor != 0 || len(r.Annotations) > 0) {
				return nil, fmt.Errorf("group %s: %q is no metric name, or has what alerts alone have", g.Name, r.Record)
			}
			expr, err := p.ParseExpr(r.Expr)
			if err != nil {
				return nil, fmt.Errorf("group %s: rule %s: %w", g.Name, name, err)
			}
			for _, labels := range []map[string]string{g.Labels, r.Labels, r.Annotations} {
				for label := range labels {
					if !model.LegacyValidation.IsValidLabelName(label) || label == model.MetricNameLabel {
						return nil, fmt.Errorf("group %s: rule %s: label name %q", g.Name, name, label)
					}
				}
			}
			one.rules = append(one.rules, rule{
				name: name, expr: expr.String(), wait: time.Duration(r.For).Seconds(), keep: time.Duration(r.KeepFiringFor).Seconds(),
				labels: with(g.Labels, r.Labels), annotations: with(nil, r.Annotations),
			})
		}
		out = append(out, one)
	}
	return out, nil
}

// spelled gives an expression as the parser spells it; as it is when it is none of PromQL's.
func spelled(expr string) string {
	if parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err == nil {
		return parsed.String()
	}
	return expr
}
