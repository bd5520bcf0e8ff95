package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
)

// slothBudget is the series in which sloth records the budget that is left.
const slothBudget = "slo:period_error_budget_remaining:ratio"

// answer is what everybody says to one case.
type answer struct {
	scenario
	sloth, pyrra float64
	assayer      float64
}

// answers asks everybody every case. root is the repository's folder, dir takes the files for promtool.
func answers(ctx context.Context, root, dir string) ([]answer, error) {
	budget, err := budgetQuery(root)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(root, testdata)
	var all []answer
	for _, s := range scenarios() {
		a := answer{scenario: s}
		if err := a.fill(ctx, data, dir, budget); err != nil {
			return nil, fmt.Errorf("case %s: %w", s.name, err)
		}
		all = append(all, a)
	}
	return all, nil
}

func (a *answer) fill(ctx context.Context, data, dir, budget string) (err error) {
	if a.sloth, err = a.promtool(ctx, dir, filepath.Join(data, "sloth.rules.yaml"), slothBudget); err != nil {
		return err
	}
	if a.pyrra, err = a.promtool(ctx, dir, filepath.Join(data, "pyrra.rules.yaml"), budget); err != nil {
		return err
	}
	a.assayer, err = a.engine(filepath.Join(data, "assayer.yaml"))
	return err
}

// budgets writes the section on budgets.
func budgets(w io.Writer, root string, all []answer) error {
	var versions []any
	for _, m := range madeFiles()[:2] {
		v, err := m.version(root)
		if err != nil {
			return err
		}
		versions = append(versions, v)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| case | truth: budget left | sloth %s | pyrra %s | Assayer |\n|---|--:|--:|--:|--:|\n", versions...)
	for _, a := range all {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s | %s |\n", a.title, anchor(a.title), percent(a.ask.truth),
			a.told(a.sloth), a.told(a.pyrra), a.told(a.assayer))
	}
	for _, a := range all {
		fmt.Fprintf(&b, "\n### %s\n\n%s ", a.title, a.story)
		sum := a.count(0)
		fmt.Fprintf(&b, "In all %s payments, of which %s failed.\n\n", thousands(sum.ok+sum.failed), thousands(sum.failed))
		for _, p := range []struct {
			name string
			got  float64
			why  string
		}{{"sloth", a.sloth, a.ask.sloth.why}, {"pyrra", a.pyrra, a.ask.pyrra.why}} {
			fmt.Fprintf(&b, "- %s says %s: %s.\n", p.name, percent(p.got), p.why)
		}
		fmt.Fprintf(&b, "- Assayer says %s.\n", percent(a.assayer))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// told writes an answer, in bold where it is not the truth.
func (a *answer) told(got float64) string {
	if text := percent(got); text == percent(a.ask.truth) || math.Abs(got-a.ask.truth) < near {
		return text
	}
	return "**" + percent(got) + "**"
}

// near is how far from the truth an answer may be without being marked: half a per cent of the
// budget, which is what the estimate at the edges of a window amounts to.
const near = 0.005

// percent writes a ratio, with as many digits as its size is worth.
func percent(ratio float64) string {
	if math.IsNaN(ratio) {
		return "no number (NaN)"
	}
	p := math.Round(ratio*1000) / 10
	sign := ""
	if p <= -0.05 {
		sign, p = "−", -p
	}
	if p >= 1000 {
		return sign + thousands(int(math.Round(p))) + " %"
	}
	return fmt.Sprintf("%s%.4g %%", sign, math.Abs(p))
}

// thousands writes n in groups of three digits.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// anchor is the name that a heading has in a page's address.
func anchor(title string) string {
	return strings.ReplaceAll(strings.ToLower(title), " ", "-")
}
