package spec_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo/spec"
)

func read(t *testing.T, name string) spec.File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return spec.File{Name: name, Data: data}
}

func selector(text string, matchers ...*labels.Matcher) *spec.Selector {
	name, _, _ := strings.Cut(text, "{")
	return &spec.Selector{Text: text, Matchers: append(matchers, labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, name))}
}

func equal(name, value string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchEqual, name, value)
}

func lines(list problem.List) string {
	return strings.ReplaceAll(list.Error(), "\n", "\n  ")
}

func TestOpenSLO(t *testing.T) {
	const file = "card-auth.openslo.yaml"
	got, problems := spec.Load([]spec.File{read(t, file)}, spec.Options{Strict: true})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	quarter := spec.Window{Text: "1Q", Length: 90 * 24 * time.Hour, Unit: spec.Quarter, Count: 1, Location: newYork,
		Anchor: time.Date(2026, 1, 1, 6, 0, 0, 0, newYork)}
	latency := spec.Indicator{Name: "card-auth-latency", Ratio: &spec.Ratio{Latency: true,
		Good: selector(`card_auth_seconds_bucket{le="2"}`, equal("le", "2")), Total: selector("card_auth_seconds_count")}}
	want := []spec.Objective{{
		Name: "card-auth-availability", Service: "card-auth", Labels: map[string]string{"team": "payments", "env": "prod,dr"},
		Target: 0.9995, Method: spec.Occurrences, Window: spec.Window{Text: "30d", Length: 30 * 24 * time.Hour, Rolling: true},
		Indicator: spec.Indicator{Name: "card-auth-technical", Ratio: &spec.Ratio{
			Bad:      selector(`card_auth_total{outcome="technical"}`, equal("outcome", "technical")),
			Total:    selector(`card_auth_total{outcome!="business"}`, labels.MustNewMatcher(labels.MatchNotEqual, "outcome", "business")),
			Excluded: selector(`card_auth_total{outcome="business"}`, equal("outcome", "business"))}},
		File: file, Line: 4,
	}, {
		Name: "card-auth-speed", DisplayName: "Speed: Most of the time", Service: "card-auth", Target: 0.995, Method: spec.Timeslices,
		Slice: time.Minute, SliceTarget: 0.95, Window: quarter, Indicator: latency, File: file, Line: 22,
	}, {
		Name: "card-auth-speed-in-the-contract", DisplayName: "Speed: In the contract", Service: "card-auth", Target: 0.99, Method: spec.Timeslices,
		Slice: 5 * time.Minute, SliceTarget: 0.9, Window: quarter, Indicator: latency, File: file, Line: 22,
	}, {
		Name: "queue", Service: "clearing", Target: 1, Method: spec.Occurrences, Window: spec.Window{Text: "1w", Length: 7 * 24 * time.Hour, Rolling: true},
		Indicator: spec.Indicator{Name: "queue-length", Threshold: &spec.Threshold{Query: *selector("queue_length"), Op: spec.LessOrEqual, Value: 1000}},
		File:      file, Line: 46,
	}}
	compare(t, got.Objectives, want)
}

// compare prints every field, and selectors with their matchers, which have no equality of their own.
func compare(t *testing.T, got, want []spec.Objective) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d objectives, want %d", len(got), len(want))
	}
	for i := range want {
		if g, w := plain(reflect.ValueOf(got[i])), plain(reflect.ValueOf(want[i])); g != w {
			t.Errorf("objective %d\ngot  %s\nwant %s", i, g, w)
		}
	}
}

// plain is every field of v that is not zero.
func plain(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case spec.Selector:
		var matchers []string
		for _, m := range x.Matchers {
			matchers = append(matchers, m.String())
		}
		slices.Sort(matchers)
		return fmt.Sprintf("%s as %v", x.Text, matchers)
	case fmt.Stringer: // durations, times and locations
		return x.String()
	}
	var parts []string
	switch v.Kind() {
	case reflect.Pointer:
		return plain(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			parts = append(parts, plain(v.Index(i)))
		}
		return fmt.Sprint(parts)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() && (f.Kind() != reflect.Map || f.Len() > 0) {
				parts = append(parts, v.Type().Field(i).Name+": "+plain(f))
			}
		}
		return fmt.Sprint(parts)
	}
	return fmt.Sprint(v.Interface())
}

func TestGoldenSignals(t *testing.T) {
	const file = "card-auth.golden.yaml"
	got, problems := spec.Load([]spec.File{read(t, file)}, spec.Options{Strict: true})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	base := spec.Objective{Service: "card-auth", Labels: map[string]string{"team": "payments", "rail": "card"}, Target: 0.99, Method: spec.Occurrences,
		Window: spec.Window{Text: "30d", Length: 30 * 24 * time.Hour, Rolling: true}, File: file}
	want := []spec.Objective{base, base, base, base}
	for i, signal := range []string{"errors", "latency", "traffic", "saturation"} {
		want[i].Name, want[i].DisplayName, want[i].Line = "card-auth-"+signal, "Card authorisation "+signal, 6+i
		want[i].Indicator.Name = want[i].Name
	}
	want[0].Target = 0.9995
	want[0].Indicator.Ratio = &spec.Ratio{
		Bad:      selector(`card_auth_total{outcome="technical"}`, equal("outcome", "technical")),
		Total:    selector(`card_auth_total{outcome!="business"}`, labels.MustNewMatcher(labels.MatchNotEqual, "outcome", "business")),
		Excluded: selector(`card_auth_total{outcome="business"}`, equal("outcome", "business"))}
	want[1].Indicator.Histogram = &spec.Histogram{Query: *selector(`card_auth_seconds{op="auth"}`, equal("op", "auth")), Below: 2}
	want[2].Method, want[2].Slice, want[2].SliceTarget = spec.Timeslices, time.Minute, 1
	want[2].Indicator.Traffic = &spec.Traffic{Total: *selector("card_auth_total"), AtLeastOfExpected: 0.5}
	want[3].Method, want[3].Slice, want[3].SliceTarget = spec.Timeslices, 5*time.Minute, 1
	want[3].Indicator.Threshold = &spec.Threshold{Query: *selector("card_auth_inflight_ratio"), Op: spec.LessThan, Value: 0.8}
	compare(t, got.Objectives, want)
}

func TestExpandedDocumentsMeanTheSame(t *testing.T) {
	for name, text := range map[string]string{
		"all": string(read(t, "card-auth.golden.yaml").Data),
		"other forms": golden(`
  service: "yes"
  description: 'with "quotes": and #'
  window: 4w
  errors: {good: 'a_total{x="1\"2"}', bad: 'b_total{y=~"x|y"}', objective: 0}
  latency: {histogram: h_seconds, below: 250ms, objective: 100%}
  traffic: {total: a_total, atLeast: 10/m, slice: 2m, objective: 99.9%}
  saturation: {gauge: g, above: -12.5, objective: 0.5}`),
		"everything new": golden(`
  groupBy: [region, "scheme"]
  maxGroups: 20
  groupExpires: 2d
  calendar: desk
  errors: {bad: b_total, total: t_total, objective: 99%, currency: EUR, unit: major}
  latency: {histogram: 'h_bytes{a="b"}', below: 1e3, objective: 99%, groupBy: [own], maxGroups: 3}
  traffic: {total: t_total, atLeast: 1/s, currency: JPY, value: 'v_total{a=~"b|c"}'}
  saturation: {gauge: g, below: 80%, objective: 99%, currency: KWD, unit: major, value: v_total}
  presence: {series: 'p{a="b"}', slice: 5m, objective: 99%, groupExpires: 1h}
`) + "---\n" + calendarDocument,
		"limits as numbers": golden("\n  latency: {histogram: h, below: 0.1, objective: 99%}") + "\n---\n" + strings.Replace(golden("\n  latency: {histogram: h, below: 1h30m, objective: 99%}"), "name: x", "name: y", 1),
		"rails":             railsOfAllKinds(t),
		"a rail, end to end, with signals of its own": golden("\n  rail: t2\n  budget: end_to_end\n  currency: EUR\n  window: 4w\n  groupBy: [direction]\n  latency: {histogram: h, below: 2m, objective: 99%}"),
		"percent limit":   golden("\n  saturation: {gauge: g, below: 80%, objective: 99%}"),
		"name to be made": strings.Replace(golden("\n  saturation: {gauge: g, below: 80%, objective: 99%}"), "name: x", "name: My Card", 1),
	} {
		t.Run(name, func(t *testing.T) {
			files := []spec.File{{Name: "golden.yaml", Data: []byte(text)}}
			want, problems := spec.Load(files, spec.Options{})
			if problems.Err() != nil {
				t.Fatal(problems)
			}
			yaml, problems := spec.Expand(files, spec.Options{})
			if problems.Err() != nil {
				t.Fatal(problems)
			}
			// The objectives are in the one file, what they refer to in the other.
			got, problems := spec.Load([]spec.File{{Name: "golden.yaml", Data: yaml}, {Name: "calendar.yaml", Data: []byte(calendarDocument)}}, spec.Options{Strict: true})
			if len(problems) != 0 {
				t.Fatalf("%v\n%s", problems, yaml)
			}
			for i := range got.Objectives {
				if got.Objectives[i].Line == 0 {
					t.Errorf("%s stands on no line", got.Objectives[i].Name)
				}
				got.Objectives[i].Line = want.Objectives[i].Line
			}
			compare(t, got.Objectives, want.Objectives)
		})
	}
}

func TestDocumentsForEveryoneElseAreReadOver(t *testing.T) {
	text := `
- {apiVersion: openslo/v1, kind: Service, metadata: {name: a}, spec: {description: x}}
- {apiVersion: openslo/v1, kind: DataSource, metadata: {name: prod}, spec: {type: Prometheus, connectionDetails: [{url: http://p}]}}
- {apiVersion: openslo/v1, kind: AlertPolicy, metadata: {name: b, labels: {env: [prod]}}, spec: {conditions: [{conditionRef: c}]}}
- {apiVersion: openslo/v1, kind: AlertCondition, metadata: {name: c}, spec: {severity: page}}
- {apiVersion: openslo/v1, kind: AlertNotificationTarget, metadata: {name: d}, spec: {target: email}}
`
	got, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(text)}}, spec.Options{Strict: true})
	want := `f.yaml:3:34: warning: [1].kind: is read but not used yet, got "DataSource"
f.yaml:4:34: warning: [2].kind: is read but not used yet, got "AlertPolicy"
f.yaml:5:34: warning: [3].kind: is read but not used yet, got "AlertCondition"
f.yaml:6:34: warning: [4].kind: is read but not used yet, got "AlertNotificationTarget"`
	if len(got.Objectives) != 0 || problems.Error() != want {
		t.Errorf("got %v\n%v\nwant\n%s", got, problems, want)
	}
}

func TestReferencesGoAcrossFiles(t *testing.T) {
	slo := strings.Replace(valid, inlineIndicator, "  indicatorRef: shared\n", 1)
	sli := "apiVersion: openslo/v1\nkind: SLI\nmetadata: {name: shared}\nspec: {thresholdMetric: {metricSource: {metricSourceRef: dd, spec: {query: g}}}}\n"
	source := "apiVersion: openslo/v1\nkind: DataSource\nmetadata: {name: dd}\nspec: {type: Datadog}\n"
	load := func(files ...string) string {
		var in []spec.File
		for i, text := range files {
			in = append(in, spec.File{Name: string(rune('a'+i)) + ".yaml", Data: []byte(text)})
		}
		_, problems := spec.Load(in, spec.Options{})
		var out []string
		for _, p := range problems {
			if !p.Warning {
				out = append(out, p.String())
			}
		}
		return strings.Join(out, "\n")
	}
	threshold := strings.Replace(slo, "target: 0.99", "target: 0.99, op: lt, value: 3", 1)
	if got := load(threshold, sli); got != "" {
		t.Error(got)
	}
	if got, want := load(threshold, sli, source), `b.yaml:4:58: error: spec.thresholdMetric.metricSource.metricSourceRef: is not a type of data source that can be read, got "Datadog", allowed: Prometheus`; got != want {
		t.Errorf("got %s", got)
	}
	if got, want := load(threshold, strings.Replace(sli, "name: shared", "name: sharde", 1)), `a.yaml:7:17: error: spec.indicatorRef: no document of kind SLI has this name, did you mean sharde?, got "shared"`; got != want {
		t.Errorf("got %s", got)
	}
	if got, want := load(threshold, sli, sli), `c.yaml:3:18: error: metadata.name: an indicator of this name is already at b.yaml:3, got "shared"`; got != want {
		t.Errorf("got %s", got)
	}
	if got, want := load(threshold, sli, threshold), `c.yaml:3: error: metadata.name: an objective of this name is already at a.yaml:3, got "x"`; got != want {
		t.Errorf("got %s", got)
	}
	two := strings.Replace(threshold, "name: x", "name: other", 1)
	if got := load(threshold, strings.Replace(sli, "query: g", "query: avg(g)", 1), two); strings.Count(got, "\n") != 0 || !strings.Contains(got, "b.yaml:4:76") {
		t.Errorf("an indicator that two objectives use is reported once, got\n%s", got)
	}
}

func TestReadGlobs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "a.yaml", "a.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	files, problems := spec.ReadGlobs([]string{"*.yaml", "a.yaml", filepath.Join(dir, "b.*"), "none-*", "[", "missing.yaml"}, dir)
	if len(files) != 2 || files[0].Name != filepath.Join(dir, "a.yaml") || string(files[0].Data) != "a.yaml" || files[1].Name != filepath.Join(dir, "b.yaml") {
		t.Errorf("got %v", files)
	}
	got := strings.ReplaceAll(problems.Error(), dir, "DIR")
	want := "DIR/none-*: warning: no such file\nDIR/[: error: not a pattern, got \"[\", allowed: a path with *, ? and [a-z]\nDIR/missing.yaml: error: no such file"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := os.WriteFile(filepath.Join(dir, "big.yaml"), make([]byte, spec.MaxFileBytes*2), 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems = spec.LoadGlobs([]string{"big.yaml"}, dir, spec.Options{})
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "file is too large") {
		t.Errorf("got %v", problems)
	}
}
