package docs_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

func TestObjectiveFiles(t *testing.T) {
	for _, f := range fences(t, "yaml", "objectives") {
		set, problems := spec.Load([]spec.File{{Name: f.page, Data: []byte(f.text)}}, spec.Options{Strict: true})
		if len(problems) > 0 || len(set.Objectives) == 0 {
			t.Errorf("%s: %d objectives, %v in\n%s", f.page, len(set.Objectives), problems, f.text)
		}
	}
}

// TestExpanded expands the short form of the page; what the page shows is how that begins.
func TestExpanded(t *testing.T) {
	var short string
	for _, f := range fences(t, "yaml", "objectives") {
		if strings.Contains(f.text, "kind: GoldenSignals\nmetadata: {name: card-auth,") {
			short = f.text
		}
	}
	got, problems := spec.Expand([]spec.File{{Name: "short.yaml", Data: []byte(short)}}, spec.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, f := range fences(t, "yaml", "expanded") {
		if !strings.HasPrefix(string(got), f.text+"---\n") {
			t.Errorf("%s shows\n%s\nexpand prints\n%s", f.page, f.text, got)
		}
	}
	set, _ := spec.Load([]spec.File{{Name: "short.yaml", Data: []byte(short)}}, spec.Options{})
	for i, name := range []string{"card-auth-errors", "card-auth-latency", "card-auth-traffic", "card-auth-saturation"} {
		if i >= len(set.Objectives) || set.Objectives[i].Name != name {
			t.Errorf("objective %d is not %s", i, name)
		}
	}
}

// TestGoldenKeys asks the reader itself which keys it knows: it lists them for one it does not.
func TestGoldenKeys(t *testing.T) {
	for _, path := range []string{"spec", "spec.errors", "spec.latency", "spec.traffic", "spec.saturation", "spec.presence"} {
		inner := "{zzz: 1}"
		if _, signal, ok := strings.Cut(path, "."); ok {
			inner = "{" + signal + ": " + inner + "}"
		}
		text := "apiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata: {name: x}\nspec: " + inner + "\n"
		_, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(text)}}, spec.Options{})
		var known, written []string
		for _, p := range problems {
			if strings.HasSuffix(p.Path, ".zzz") {
				known = strings.Split(p.Allowed, ", ")
			}
		}
		for _, row := range tables(t, "objectives.md", "golden: "+path) {
			written = append(written, codes(row[0])...)
		}
		wantSame(t, path, written, known)
	}
}

// TestDocumentKeys asks the reader of our other kinds, in the same way.
func TestDocumentKeys(t *testing.T) {
	for kind, paths := range map[string][]string{"BusinessCalendar": {"spec"}, "CompositeSLO": {"spec", "spec.members[0]"}, "BudgetPolicy": {"spec", "spec.rules[0]"}} {
		for _, path := range paths {
			inner := "{zzz: 1}"
			if _, list, ok := strings.Cut(path, "."); ok {
				inner = "{" + strings.TrimSuffix(list, "[0]") + ": [" + inner + "]}"
			}
			_, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte("apiVersion: assayer.dev/v1\nkind: " + kind + "\nmetadata: {name: x}\nspec: " + inner + "\n")}}, spec.Options{})
			var known, written []string
			for _, p := range problems {
				if strings.HasSuffix(p.Path, ".zzz") {
					known = strings.Split(p.Allowed, ", ")
				}
			}
			for _, row := range tables(t, "objectives.md", "keys of "+kind+": "+path) {
				written = append(written, codes(row[0])...)
			}
			wantSame(t, kind+" "+path, written, known)
		}
	}
}

// TestBuiltinCalendars: the table has each of them, its cut-offs at their times and the end of what is known.
func TestBuiltinCalendars(t *testing.T) {
	var written []string
	for _, row := range tables(t, "objectives.md", "built-in calendars") {
		name := codes(row[0])[0]
		written = append(written, name)
		b, v, err := calendar.Builtin(name, 2026, 2026)
		if err != nil {
			t.Error(err)
			continue
		}
		var cutOffs []string
		for _, c := range b.CutOffs {
			cutOffs = append(cutOffs, fmt.Sprintf("`%s` %02d:%02d", c.Name, c.Minute/60, c.Minute%60))
		}
		if want := cmp.Or(strings.Join(cutOffs, ", "), "none"); row[3] != want {
			t.Errorf("%s: the manual has cut-offs %s, the code %s", name, row[3], want)
		}
		if until := v.Until.String(); !strings.HasPrefix(row[5], until) && (row[5] != "no end" || v.Until != calendar.Date{}) {
			t.Errorf("%s: the manual knows it until %s, the code until %s", name, row[5], until)
		}
		if asOf := v.AsOf.String(); v.Until != (calendar.Date{}) && !strings.Contains(row[4], asOf) {
			t.Errorf("%s: the manual has it from %s, the code as of %s", name, row[4], asOf)
		}
	}
	wantSame(t, "built-in calendars", written, calendar.BuiltinNames())
}

// TestAnnotations: an annotation that is not read is refused with the list of those that are.
func TestAnnotations(t *testing.T) {
	document := "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: x}\nspec: {service: s, budgetingMethod: Occurrences, timeWindow: [{duration: 30d, isRolling: true}], objectives: [{target: 0.9}],\n" +
		"  indicator: {metadata: {name: x, annotations: {assayer.dev/zzz: a}}, spec: {ratioMetric: {counter: true, bad: {metricSource: {spec: {query: b}}}, total: {metricSource: {spec: {query: t}}}}}}}\n"
	_, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(document)}}, spec.Options{})
	if len(problems) != 1 {
		t.Fatal(problems)
	}
	var written []string
	for _, row := range tables(t, "objectives.md", "annotations") {
		written = append(written, codes(row[0])...)
	}
	wantSame(t, "annotations", written, strings.Split(problems[0].Allowed, ", "))
}

// TestGoldenDefaults leaves out what has a default.
func TestGoldenDefaults(t *testing.T) {
	text := "apiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata: {name: x}\nspec: {traffic: {total: t, atLeast: 5/s}}\n"
	set, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(text)}}, spec.Options{})
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	o := set.Objectives[0]
	want := map[string]string{"window": o.Window.Text, "slice": burnrate.Text(o.Slice), "objective": strconv.FormatFloat(100*o.Target, 'g', -1, 64) + "%"}
	rows := append(tables(t, "objectives.md", "golden: spec"), tables(t, "objectives.md", "golden: spec.traffic")...)
	for key, value := range want {
		if !slices.ContainsFunc(rows, func(row []string) bool { return row[0] == "`"+key+"`" && row[1] == "`"+value+"`" }) {
			t.Errorf("the default of %s is %s, and the manual does not say so", key, value)
		}
	}
}

// TestLeniencies counts the places where the reader is lenient: each has a row.
func TestLeniencies(t *testing.T) {
	places := strings.Count(sources(t, "slo/spec"), ".lenient(")
	if rows := len(tables(t, "objectives.md", "lenient")); rows != places {
		t.Errorf("the manual has %d leniencies, the code %d", rows, places)
	}
}

func TestHints(t *testing.T) {
	const document = `apiVersion: openslo/v1
kind: SLO
metadata: {name: x}
spec:
  service: s
  budgetingMethod: Occurrences
  indicator:
    metadata: {name: x}
    spec:
      ratioMetric:
        counter: true
        bad:   {metricSource: {type: Prometheus, spec: {query: %q}}}
        total: {metricSource: {type: Prometheus, spec: {query: x_total}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives: [{target: 0.99}]
`
	for _, row := range tables(t, "objectives.md", "hints") {
		query, told := strings.Trim(row[0], "`"), strings.Trim(row[1], "`")
		_, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: fmt.Appendf(nil, document, query)}}, spec.Options{})
		if problems.Errors() != 1 || !strings.Contains(problems.Error(), told) {
			t.Errorf("%s: told %v, the manual says %s", query, problems, told)
		}
	}
}

func TestTiers(t *testing.T) {
	var have []string
	for _, tier := range burnrate.Tiers(30 * 24 * time.Hour) {
		have = append(have, fmt.Sprintf("`%s` %s %s %v %% %v", tier.Name, burnrate.Text(tier.Long), burnrate.Text(tier.Short), 100*tier.BudgetRatio, tier.Factor))
	}
	var written []string
	for _, row := range tables(t, "objectives.md", "tiers: 30d") {
		written = append(written, strings.Join(row, " "))
	}
	if !slices.Equal(written, have) {
		t.Errorf("the manual has\n%s\nthe code\n%s", strings.Join(written, "\n"), strings.Join(have, "\n"))
	}
}
