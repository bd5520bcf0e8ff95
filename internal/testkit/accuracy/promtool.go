package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decimals is to how many digits after the point answers are compared: hundredths of a per cent.
const decimals = 4

func rounded(f float64) float64 {
	scale := math.Pow10(decimals)
	return math.Round(f*scale) / scale
}

// promtool lets promtool run rules on what the looks of s showed, and answer a query at its end. The
// test file it is given expects the truth; where it says FAILED, the value it got is returned.
func (s *scenario) promtool(ctx context.Context, dir, rules, query string) (float64, error) {
	file, err := s.unitTest(dir, rules, query)
	if err != nil {
		return 0, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "promtool", "test", "rules", file)
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if err == nil {
		return rounded(s.ask.truth), nil
	}
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		return 0, fmt.Errorf("running promtool, which scripts/install-servers.sh installs: %w", err)
	}
	got := gotValue.FindStringSubmatch(out.String())
	if got == nil {
		return 0, fmt.Errorf("promtool test rules %s: %w\n%s", file, err, out.String())
	}
	if got[1] == "nil" {
		return 0, fmt.Errorf("promtool finds nothing for %s in case %s:\n%s", query, s.name, out.String())
	}
	return strconv.ParseFloat(got[1], 64)
}

// gotValue finds what promtool says instead of what was expected, such as "got: {} -2.5113E+00".
var gotValue = regexp.MustCompile(`got: (?:\{\} )?(\S+)`)

// unitTest writes a file for promtool test rules into dir.
func (s *scenario) unitTest(dir, rules, query string) (string, error) {
	rules, err := filepath.Abs(rules)
	if err != nil {
		return "", err
	}
	order, err := groupNames(rules)
	if err != nil {
		return "", err
	}
	type expectation struct {
		Expr    string           `yaml:"expr"`
		At      string           `yaml:"eval_time"`
		Samples []map[string]any `yaml:"exp_samples"`
	}
	type test struct {
		Interval string              `yaml:"interval"`
		Series   []map[string]string `yaml:"input_series"`
		Expect   []expectation       `yaml:"promql_expr_test"`
	}
	text, err := yaml.Marshal(struct {
		Rules    []string `yaml:"rule_files"`
		Interval string   `yaml:"evaluation_interval"`
		Order    []string `yaml:"group_eval_order"`
		Tests    []test   `yaml:"tests"`
	}{[]string{rules}, "1m", order, []test{{"1m", s.inputSeries(), []expectation{{
		fmt.Sprintf("round(sum(%s), %g)", query, math.Pow10(-decimals)), fmt.Sprintf("%dm", s.minutes),
		[]map[string]any{{"labels": "{}", "value": rounded(s.ask.truth)}},
	}}}}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, s.name+"-"+filepath.Base(rules))
	return file, os.WriteFile(file, text, 0o600)
}

// inputSeries are the counters as a scraper stored them, in promtool's notation.
func (s *scenario) inputSeries() []map[string]string {
	var series []map[string]string
	for i := range s.processes {
		p := &s.processes[i]
		var ok, failed strings.Builder
		for look := range s.minutes + 1 {
			a, b, there := p.shows(look)
			put(&ok, a, there, look == p.begins+len(p.minutes)+1)
			put(&failed, b, there && (b > 0 || !p.late), look == p.begins+len(p.minutes)+1)
		}
		for outcome, values := range map[string]string{"ok": ok.String(), "failed": failed.String()} {
			series = append(series, map[string]string{
				"series": fmt.Sprintf("payments_total{outcome=%q,instance=%q}", outcome, p.name), "values": values,
			})
		}
	}
	return series
}

func put(b *strings.Builder, value int, there, stale bool) {
	switch {
	case there:
		fmt.Fprintf(b, "%d ", value)
	case stale:
		b.WriteString("stale ")
	default:
		b.WriteString("_ ")
	}
}

// groupNames lists the groups of a rule file in its order, which is the one to evaluate them in.
func groupNames(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var rules struct {
		Groups []struct{ Name string }
	}
	if err := yaml.Unmarshal(data, &rules); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	var names []string
	for _, g := range rules.Groups {
		names = append(names, g.Name)
	}
	return names, nil
}
