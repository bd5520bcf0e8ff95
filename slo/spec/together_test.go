package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/slo/spec"
)

const (
	ratios  = ", allowed: a ratio from 0 to 1 such as 0.999, or a percentage such as 99.9%"
	extras  = ", groupBy, maxGroups, groupExpires, calendar"
	methods = ", allowed: Occurrences, Timeslices, RatioTimeslices"
)

// TestEveryMistakeIsToldOnce: a document with mistakes in its form, in its values and in its queries
// is corrected in one go, and nothing is told twice.
func TestEveryMistakeIsToldOnce(t *testing.T) {
	slo := func(legs, rest string) string {
		return "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: x}\nspec:\n  service: s\n" +
			"  indicator: {metadata: {name: x}, spec: {ratioMetric: {counter: true, " + legs + "}}}\n" + rest
	}
	leg := func(query string) string { return "{metricSource: {type: Prometheus, spec: {query: '" + query + "'}}}" }
	const rolling = "  timeWindow: [{duration: 30d, isRolling: true}]\n"
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"short form": {golden(`
  rail: cards
  window: 5q
  errors: {bad: 'x{', total: y, objective: 101%}
  latency: {histogram: a_bucket, below: -2s, objective: x}
  traffic: {total: y, atLeast: 150%, of: hope}
  saturation: {gauge: g, below: 1, above: 2, slice: 99y, objective: 99%}
`), []string{
			`f.yaml:5:9: error: spec.rail: did you mean card?, got "cards", allowed: card, sct, sct-inst, fednow, rtp, ach, fedwire, chaps, t2, swift, fps, upi, pix, crypto-deposit, crypto-withdrawal, fix, t1`,
			`f.yaml:6:11: error: spec.window: got "5q", allowed: a duration such as 30d, 4w or 12h`,
			`f.yaml:7:17: error: spec.errors.bad: not valid PromQL: 1:3: parse error: unexpected end of input inside braces, got "x{", allowed: ` + onlySelectors,
			`f.yaml:7:44: error: spec.errors.objective: got "101%"` + ratios,
			`f.yaml:8:24: error: spec.latency.histogram: did you mean a?, got "a_bucket", allowed: the histogram's own name, without _bucket and le`,
			`f.yaml:8:41: error: spec.latency.below: got "-2s", allowed: a duration such as 500ms or 2s, or a number in the histogram's own unit`,
			`f.yaml:8:57: error: spec.latency.objective: got "x"` + ratios,
			`f.yaml:9:32: error: spec.traffic.atLeast: got "150%", allowed: a share such as 50% together with of: expected, or a rate such as 5/s, 300/m or 1000/h`,
			`f.yaml:9:42: error: spec.traffic.of: got "hope", allowed: expected`,
			`f.yaml:10:15: error: spec.saturation: needs exactly one of both, allowed: below or above`,
			`f.yaml:10:53: error: spec.saturation.slice: a slice is longer than the window, got "99y", allowed: at most 400d`,
		}},
		"short form with misspelt and missing fields": {golden("\n  errors: {bda: x, total: y, objectve: 99%}\n  latency: 5\n  traffic:\n"), []string{
			"f.yaml:5:12: error: spec.errors.bda: unknown field, did you mean bad?, allowed: good, bad, total, excluded, objective, currency, unit" + extras,
			"f.yaml:5:30: error: spec.errors.objectve: unknown field, did you mean objective?, allowed: good, bad, total, excluded, objective, currency, unit" + extras,
			`f.yaml:6:12: error: spec.latency: got "5", allowed: a mapping with the fields histogram, below, objective` + extras,
		}},
		"OpenSLO": {slo("bad: "+leg("x{")+", total: "+leg("y"), `  budgetingMethod: Occurrencez
  colour: red
  timeWindow: [{duration: 1parsec, isRolling: true}]
  objectives: [{target: 7}, {target: 0.5, displayName: [a]}]
`), []string{
			`f.yaml:6:125: error: spec.indicator.spec.ratioMetric.bad.metricSource.spec.query: not valid PromQL: 1:3: parse error: unexpected end of input inside braces, got "x{", allowed: ` + onlySelectors,
			`f.yaml:7:20: error: spec.budgetingMethod: did you mean Occurrences?, got "Occurrencez"` + methods,
			"f.yaml:8:3: error: spec.colour: unknown field, allowed: description, service, serviceRef, indicator, indicatorRef, budgetingMethod, timeWindow, objectives, alertPolicies",
			`f.yaml:9:27: error: spec.timeWindow[0].duration: got "1parsec", allowed: a duration such as 30d, 4w or 12h`,
			`f.yaml:10:25: error: spec.objectives[0].target: did you mean 7%?, got "7"` + ratios,
			`f.yaml:10:56: error: spec.objectives[1].displayName: got "a list", allowed: text`,
		}},
		"both legs, and the objective": {slo("counter: true, bad: "+leg("x{")+", total: "+leg("y{"), "  budgetingMethod: Occurrences\n"+rolling+"  objectives: [{targt: 0.9}]\n"), []string{
			"f.yaml:6:72: error: spec.indicator.spec.ratioMetric.counter: duplicate key, first on line 6",
			`f.yaml:6:140: error: spec.indicator.spec.ratioMetric.bad.metricSource.spec.query: not valid PromQL: 1:3: parse error: unexpected end of input inside braces, got "x{", allowed: ` + onlySelectors,
			`f.yaml:6:204: error: spec.indicator.spec.ratioMetric.total.metricSource.spec.query: not valid PromQL: 1:3: parse error: unexpected end of input inside braces, got "y{", allowed: ` + onlySelectors,
			"f.yaml:9:17: error: spec.objectives[0].targt: unknown field, did you mean target?, allowed: displayName, op, value, target, targetPercent, timeSliceTarget, timeSliceWindow, indicator, indicatorRef, compositeWeight",
		}},
		"shapes": {"apiVersion: openslo/v1\nkind: SLO\nmetadata: 5\nspec: {service: [a], indicator: 3, timeWindow: x, objectives: 1, budgetingMethod: {}}\n", []string{
			`f.yaml:3:11: error: metadata: got "5", allowed: a mapping with the fields name, displayName, labels, annotations`,
			`f.yaml:4:17: error: spec.service: got "a list", allowed: text`,
			`f.yaml:4:33: error: spec.indicator: got "3", allowed: a mapping with the fields apiVersion, kind, metadata, spec`,
			`f.yaml:4:48: error: spec.timeWindow: got "x", allowed: a list`,
			`f.yaml:4:63: error: spec.objectives: got "1", allowed: a list`,
			`f.yaml:4:83: error: spec.budgetingMethod: got "a mapping", allowed: text`,
		}},
		"a name twice, one of a broken document": {golden("\n  errors: {bad: x, total: y, objective: 101%}\n") + "---\n" + golden("\n  errors: {bad: x, total: y, objective: 99%}\n"), []string{
			`f.yaml:5:41: error: spec.errors.objective: got "101%"` + ratios,
			`f.yaml:11: error: metadata.name: an objective of this name is already at f.yaml:5, got "x-errors"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(tc.text)}}, spec.Options{})
			if got, want := lines(problems), strings.Join(tc.want, "\n  "); got != want {
				t.Errorf("got\n  %s\nwant\n  %s", got, want)
			}
		})
	}
}

// TestStrictTakesTheShortForm: good and bad without total is the short form's own spelling, so strict
// reading takes it, and what it is expanded to.
func TestStrictTakesTheShortForm(t *testing.T) {
	files := []spec.File{{Name: "f.yaml", Data: []byte(golden("\n  errors: {good: g_total, bad: b_total, objective: 99%}\n"))}}
	set, problems := spec.Load(files, spec.Options{Strict: true})
	if len(problems) != 0 || len(set.Objectives) != 1 {
		t.Fatalf("%d objectives, %v", len(set.Objectives), problems)
	}
	expanded, problems := spec.Expand(files, spec.Options{Strict: true})
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	more, problems := spec.Load([]spec.File{{Name: "expanded.yaml", Data: expanded}}, spec.Options{Strict: true})
	if len(problems) != 0 || len(more.Objectives) != 1 || more.Objectives[0].Indicator.Ratio.Bad.Text != "b_total" || more.Objectives[0].Indicator.Ratio.Total != nil {
		t.Errorf("%d objectives, %v, from\n%s", len(more.Objectives), problems, expanded)
	}
}

// TestFoldersAreNotSilentlyEmpty: a pattern that finds nothing but a folder loads nothing.
func TestFoldersAreNotSilentlyEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "slo", "team"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := dir + `/sl*: warning: is a folder, whose files are not looked for, got "sl*", allowed: a pattern of files such as sl*/*.yaml`
	if _, problems := spec.ReadGlobs([]string{"sl*"}, dir); lines(problems) != want {
		t.Errorf("got  %s\nwant %s", lines(problems), want)
	}
	if err := os.WriteFile(filepath.Join(dir, "slo", "a.yaml"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if files, problems := spec.ReadGlobs([]string{"slo/*"}, dir); len(files) != 1 || len(problems) != 0 {
		t.Errorf("a folder beside a file: %d files, %v", len(files), problems)
	}
}
