package spec_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/assayer-io/assayer/slo/spec"
)

// sane checks what every reader of objectives relies on.
func sane(t *testing.T, o spec.Objective) {
	t.Helper()
	if o.Name == "" || len(o.Name) > 63 || o.Service == "" || !(o.Target >= 0 && o.Target <= 1) || o.Window.Length <= 0 {
		t.Errorf("accepted %+v", o)
	}
	if o.Window.Rolling == (o.Window.Location != nil) || o.Window.Rolling == (o.Window.Count > 0) {
		t.Errorf("window %+v is neither rolling nor of the calendar", o.Window)
	}
	if o.Method != spec.Occurrences && (o.Slice <= 0 || o.Slice > o.Window.Length) {
		t.Errorf("slice of %v in a window of %v", o.Slice, o.Window.Length)
	}
	kinds := 0
	if r := o.Indicator.Ratio; r != nil {
		kinds++
		if given := count(r.Good, r.Bad, r.Total); given != 2 {
			t.Errorf("ratio of %d selectors", given)
		}
	}
	if o.Indicator.Threshold != nil {
		kinds++
	}
	if tr := o.Indicator.Traffic; tr != nil {
		kinds++
		if (tr.AtLeastPerSecond > 0) == (tr.AtLeastOfExpected > 0) || o.Method != spec.Timeslices {
			t.Errorf("traffic %+v", tr)
		}
	}
	if kinds != 1 {
		t.Errorf("%d indicators in %s", kinds, o.Name)
	}
}

func count(selectors ...*spec.Selector) int {
	n := 0
	for _, s := range selectors {
		if s != nil && len(s.Matchers) > 0 {
			n++
		}
	}
	return n
}

func fuzz(f *testing.F, seeds ...string) {
	f.Helper()
	examples, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range examples {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		files := []spec.File{{Name: "f.yaml", Data: data}}
		set, problems := spec.Load(files, spec.Options{})
		names := map[string]bool{}
		for _, o := range set.Objectives {
			if problems.Err() == nil && names[o.Name] {
				t.Errorf("two objectives are called %s", o.Name)
			}
			names[o.Name] = true
			sane(t, o)
		}
		for _, o := range []spec.Options{{}, {Strict: true}} {
			yaml, expandProblems := spec.Expand(files, o)
			if expandProblems.Err() != nil {
				continue
			}
			if _, again := spec.Load([]spec.File{{Name: "e.yaml", Data: yaml}}, o); again.Err() != nil {
				t.Errorf("the expansion of an accepted file is refused: %v\n%s", again, yaml)
			}
		}
	})
}

func FuzzSLO(f *testing.F) { fuzz(f, valid) }

func FuzzSLI(f *testing.F) {
	fuzz(f, "{apiVersion: openslo/v1, kind: SLI, metadata: {name: a}, spec: {thresholdMetric: {metricSource: {spec: {query: g}}}}}\n---\n"+
		"{apiVersion: openslo/v1, kind: SLO, metadata: {name: a}, spec: {service: s, indicatorRef: a, timeWindow: [{duration: 1w, isRolling: true}], objectives: [{op: lt, value: 1, target: 0.9}]}}")
}

func FuzzOtherKinds(f *testing.F) {
	fuzz(f, "- {apiVersion: openslo/v1, kind: Service, metadata: {name: a, labels: {a: [b]}}}\n- {apiVersion: openslo/v1, kind: AlertPolicy, metadata: {name: b}, spec: {}}\n"+
		"- {apiVersion: openslo/v1, kind: DataSource, metadata: {name: c}, spec: {type: Prometheus}}")
}

func FuzzGoldenSignals(f *testing.F) {
	fuzz(f, golden("\n  errors: {good: a, bad: b, objective: 9%}\n  latency: 5\n  traffic: [x]\n  saturation:"), golden("\n  errors: {good: a, bad: b, objective: 9%}"), golden("\n  traffic: {total: a, atLeast: 3/m, slice: 1h}\n  saturation: {gauge: 'g{a=\"\\\\\"}', above: 3}"))
}

func FuzzSelector(f *testing.F) {
	for _, s := range []string{"x", `x{y="z"}`, "sum(rate(x[5m]))", "x offset 5m", "x @ end()", `{"a.b", c="d"}`, "h_bucket{le=\"1\"}", "x[{{.window}}]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		document := golden("\n  saturation: {below: 1, objective: 0.9}\n")
		files := []spec.File{{Name: "f.yaml", Data: []byte(document[:len(document)-2] + ", gauge: " + quote(text) + "}\n")}}
		set, problems := spec.Load(files, spec.Options{})
		if problems.Err() == nil {
			for _, o := range set.Objectives {
				sane(t, o)
			}
		}
	})
}

// quote writes text as a YAML scalar that no character can leave.
func quote(text string) string {
	out := []rune{'\''}
	for _, r := range text {
		if r == '\'' {
			out = append(out, '\'')
		}
		out = append(out, r)
	}
	return string(append(out, '\''))
}
