package spec_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo/money"
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
	if o.Method != spec.Occurrences && (o.Slice <= 0 || o.Slice > o.Window.Length || o.SliceTarget < 0 || o.SliceTarget > 1) {
		t.Errorf("slice of %v in a window of %v", o.Slice, o.Window.Length)
	}
	kinds := 0
	for _, set := range []bool{o.Indicator.Ratio != nil, o.Indicator.Histogram != nil, o.Indicator.Threshold != nil, o.Indicator.Traffic != nil,
		o.Indicator.RawRatio != nil, o.Indicator.Presence != nil, o.Composite != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		t.Errorf("%d indicators in %s", kinds, o.Name)
	}
	if r := o.Indicator.Ratio; r != nil && count(r.Good, r.Bad, r.Total) != 2 {
		t.Errorf("ratio %+v", r)
	}
	if h := o.Indicator.Histogram; h != nil && (h.Query.MetricName() == "" || math.IsNaN(h.Below) || math.IsInf(h.Below, 0)) {
		t.Errorf("histogram %+v", h)
	}
	if tr := o.Indicator.Traffic; tr != nil && ((tr.AtLeastPerSecond > 0) == (tr.AtLeastOfExpected > 0) || o.Method != spec.Timeslices) {
		t.Errorf("traffic %+v", tr)
	}
	if o.Indicator.Presence != nil && o.Method != spec.Timeslices {
		t.Errorf("presence by %s", o.Method)
	}
	for _, s := range o.Selectors() {
		if s == nil || len(s.Matchers) == 0 {
			t.Errorf("a selector of %s selects nothing", o.Name)
		}
	}
	saneExtras(t, &o)
}

func saneExtras(t *testing.T, o *spec.Objective) {
	t.Helper()
	if w := o.Weight; w != nil {
		_, known := money.MinorDigits(w.Currency)
		if !known || w.MinorUnit < 1 || w.MinorUnit > 10_000 || (w.By != nil) == (o.Method == spec.Occurrences) {
			t.Errorf("weight %+v by %s", w, o.Method)
		}
	}
	if g := o.GroupBy; g != nil && (len(g.Labels) == 0 || len(g.Labels) > 8 || !slices.IsSorted(g.Labels) || g.Max < 1 || g.Max > 1000 || g.Expires < time.Hour) {
		t.Errorf("groups %+v", g)
	}
	if o.Calendar != nil && o.Calendar.Validate() != nil {
		t.Errorf("calendar %+v: %v", o.Calendar, o.Calendar.Validate())
	}
	if c := o.Composite; c != nil {
		for _, m := range c.Members {
			if m.Objective == "" || !(m.Weight > 0) || m.MaxDelay < 0 || m.MaxDelay > o.Window.Length || m.WhenUnknown == "" {
				t.Errorf("member %+v", m)
			}
		}
		if o.Method != spec.Occurrences || len(c.Members) == 0 || o.Weight != nil || o.GroupBy != nil || o.Calendar != nil {
			t.Errorf("composite %+v", o)
		}
	}
}

func sanePolicy(t *testing.T, p *spec.BudgetPolicy) {
	t.Helper()
	if p.Name == "" || len(p.Objectives) == 0 || len(p.Rules) == 0 {
		t.Errorf("policy %+v", p)
	}
	for _, r := range p.Rules {
		conditions := 0
		for _, set := range []bool{r.RemainingBelow != nil, r.BurnAbove > 0, r.Firing != "", r.Exhausted} {
			if set {
				conditions++
			}
		}
		if r.Name == "" || conditions != 1 || (r.BurnAbove > 0) != (r.Over > 0) || r.Then == "" || (r.Then == spec.CallHook) != (r.Hook != "") || r.For < 0 || r.ClearFor < 0 {
			t.Errorf("rule %+v", r)
		}
		if r.Until != nil && (r.RemainingBelow != nil && *r.Until < *r.RemainingBelow || r.BurnAbove > 0 && *r.Until > r.BurnAbove || r.Firing != "") {
			t.Errorf("rule %+v ends before it begins", r)
		}
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
			if problems.Err() != nil {
				o.Calendar = nil // it may be the one with the mistake
			}
			sane(t, o)
		}
		for i := range set.Policies {
			sanePolicy(t, &set.Policies[i])
		}
		for _, c := range set.Calendars {
			if err := c.Validate(); err != nil || c.Name == "" {
				t.Errorf("calendar %+v: %v", c, err)
			}
		}
		for _, o := range []spec.Options{{}, {Strict: true}} {
			yaml, expandProblems := spec.Expand(files, o)
			if expandProblems.Err() != nil {
				continue
			}
			_, again := spec.Load([]spec.File{{Name: "e.yaml", Data: yaml}}, o)
			again = slices.DeleteFunc(again, func(p problem.Problem) bool { // calendars are in the other file
				return strings.HasPrefix(p.Message, "no document of kind BusinessCalendar")
			})
			if again.Err() != nil {
				t.Errorf("the expansion of an accepted file is refused: %v\n%s", again, yaml)
			}
		}
	})
}

func FuzzSLO(f *testing.F) {
	fuzz(f, valid, indicatorIn(`{ratioMetric: {counter: true, good: {metricSource: {spec: {query: 'h{a="b"}', below: 2s}}}, total: {metricSource: {spec: {query: 'h{a="b"}'}}}}}`),
		indicatorIn("{ratioMetric: {rawType: failure, raw: {metricSource: {spec: {query: g}}}}}"),
		strings.Replace(slicesIn("{thresholdMetric: {metricSource: {spec: {query: g, present: true}}}}", "{target: 0.99, timeSliceWindow: 1m}"),
			"metadata: {name: x}\nspec", "metadata: {name: x, annotations: {assayer.dev/currency: EUR, assayer.dev/unit: major, assayer.dev/value-query: v, assayer.dev/group-by: 'a,b', assayer.dev/max-groups: 5, assayer.dev/group-expires: 2h}}\nspec", 1))
}

func FuzzCompositeSLO(f *testing.F) { fuzz(f, journey, wallet) }

func FuzzBudgetPolicy(f *testing.F) { fuzz(f, release) }

func FuzzBusinessCalendar(f *testing.F) {
	fuzz(f, businessDay, golden("\n  calendar: desk\n  errors: {bad: b, total: t, objective: 1}\n")+"---\n"+calendarDocument,
		extending, golden("\n  calendar: target\n  errors: {bad: b, total: t, objective: 1}\n"))
}

func FuzzSLI(f *testing.F) {
	fuzz(f, "{apiVersion: openslo/v1, kind: SLI, metadata: {name: a}, spec: {thresholdMetric: {metricSource: {spec: {query: g}}}}}\n---\n"+
		"{apiVersion: openslo/v1, kind: SLO, metadata: {name: a}, spec: {service: s, indicatorRef: a, timeWindow: [{duration: 1w, isRolling: true}], objectives: [{op: lt, value: 1, target: 0.9}]}}")
}

func FuzzOtherKinds(f *testing.F) {
	fuzz(f, "- {apiVersion: openslo/v1, kind: Service, metadata: {name: a, labels: {a: [b]}}}\n- {apiVersion: openslo/v1, kind: AlertPolicy, metadata: {name: b}, spec: {}}\n"+
		"- {apiVersion: openslo/v1, kind: DataSource, metadata: {name: c}, spec: {type: Prometheus}}")
}

func FuzzGoldenSignals(f *testing.F) {
	fuzz(f, golden("\n  rail: ach\n  currency: USD\n  budget: end_to_end\n  window: 7d"), golden("\n  rail: card\n  budget: x\n  traffic: {total: a, atLeast: 3/m}"), golden("\n  errors: {good: a, bad: b, objective: 9%}\n  latency: 5\n  traffic: [x]\n  saturation:"), golden("\n  errors: {good: a, bad: b, objective: 9%}"), golden("\n  groupBy: [a]\n  latency: {histogram: h, below: 1e-3, objective: 9%, maxGroups: 3}\n  presence: {series: p, objective: 1, currency: JPY, value: v}"), golden("\n  traffic: {total: a, atLeast: 3/m, slice: 1h}\n  saturation: {gauge: 'g{a=\"\\\\\"}', above: 3}"))
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
