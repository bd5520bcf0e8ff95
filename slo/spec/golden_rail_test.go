package spec_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/spec"
)

// railsOfAllKinds is one document for each rail that is built in, as short as it can be.
func railsOfAllKinds(t *testing.T) string {
	t.Helper()
	set, err := rail.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	var docs []string
	for _, name := range set.Names() {
		docs = append(docs, strings.Replace(golden("\n  rail: "+name+"\n  currency: EUR\n"), "name: x", "name: my-"+name, 1))
	}
	return strings.Join(docs, "---\n")
}

// TestRailAlone is the shortest document there is: what it stands for, written out by hand.
func TestRailAlone(t *testing.T) {
	const text = "apiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata: {name: instant-out}\nspec: {rail: sct-inst}\n"
	got, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(text)}}, spec.Options{Strict: true, Currency: "EUR"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	inst := equal("rail", "sct-inst")
	events := func(outcome string) *spec.Selector {
		return selector(`assayer_transactions_total{rail="sct-inst",outcome="`+outcome+`"}`, inst, equal("outcome", outcome))
	}
	value := func(counter, outcome string) *spec.Selector {
		return selector(counter+`{rail="sct-inst",outcome="`+outcome+`",currency="EUR"}`, inst, equal("outcome", outcome), equal("currency", "EUR"))
	}
	base := spec.Objective{Service: "instant-out", Labels: map[string]string{"rail": "sct-inst"}, Target: 0.999, Method: spec.Occurrences,
		Window: spec.Window{Text: "30d", Length: 30 * 24 * time.Hour, Rolling: true}, File: "f.yaml", Line: 4}
	want := []spec.Objective{base, base, base, base, base, base}
	for i, name := range []string{"errors", "value", "capped-value", "latency", "traffic", "saturation"} {
		want[i].Name = "instant-out-" + name
		want[i].Indicator.Name = want[i].Name
	}
	want[0].Indicator.Ratio = &spec.Ratio{Good: events("good"), Bad: events("bad"), Excluded: events("excluded")}
	for i, counter := range map[int]string{1: "assayer_transactions_value_total", 2: "assayer_transactions_capped_value_total"} {
		want[i].Indicator.Ratio = &spec.Ratio{Good: value(counter, "good"), Bad: value(counter, "bad"), Excluded: value(counter, "excluded")}
		want[i].Weight = &spec.Weight{Currency: "EUR", MinorUnit: 1}
		want[i].Annotations = map[string]string{"assayer.dev/currency": "EUR"}
	}
	want[3].Target = 0.995
	want[3].Indicator.Histogram = &spec.Histogram{Query: *selector(`assayer_transactions_settlement_seconds{rail="sct-inst"}`, inst), Below: 5}
	for i := range want[4:] {
		want[4+i].Target, want[4+i].Method, want[4+i].Slice, want[4+i].SliceTarget = 0.99, spec.Timeslices, time.Minute, 1
	}
	want[4].Indicator.Traffic = &spec.Traffic{Total: *selector(`assayer_transactions_total{rail="sct-inst"}`, inst), AtLeastOfExpected: 0.5}
	want[5].Indicator.Threshold = &spec.Threshold{Query: *selector(`assayer_transactions_in_doubt{rail="sct-inst"}`, inst), Op: spec.LessThan, Value: 100}
	compare(t, got.Objectives, want)
}

func names(set spec.Set) string {
	var out []string
	for _, o := range set.Objectives {
		out = append(out, strings.TrimPrefix(o.Name, "x-"))
	}
	return strings.Join(out, " ")
}

// TestRailFillsInWhatIsNotWritten: a signal that is written is the document's alone, with its weights.
func TestRailFillsInWhatIsNotWritten(t *testing.T) {
	tests := map[string]struct {
		spec, currency, want string
		warnings             int
	}{
		"nothing written":          {"{rail: t2}", "EUR", "errors value capped-value latency traffic saturation", 0},
		"errors written":           {"{rail: t2, errors: {bad: b, total: t, objective: 9%}}", "EUR", "errors latency traffic saturation", 0},
		"all written":              {"{rail: card, errors: {bad: b, total: t, objective: 9%}, latency: {histogram: h, below: 2s, objective: 9%}, traffic: {total: t, atLeast: 5/s}, saturation: {gauge: g, below: 1, objective: 9%}}", "", "errors latency traffic saturation", 0},
		"more than the rail has":   {"{rail: t1, presence: {series: p, objective: 99%}}", "USD", "errors value capped-value traffic presence", 0},
		"no currency":              {"{rail: t2}", "", "errors latency traffic saturation", 1},
		"its own currency":         {"{rail: t2, currency: CHF}", "", "errors value capped-value latency traffic saturation", 0},
		"a rail that has no value": {"{rail: fix}", "", "errors latency traffic saturation", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(golden(" " + tt.spec + "\n"))}}, spec.Options{Strict: true, Currency: tt.currency})
			if got := names(set); got != tt.want || problems.Err() != nil || len(problems) != tt.warnings {
				t.Errorf("got %s, %v; want %s and %d warnings", got, problems, tt.want, tt.warnings)
			}
			for _, o := range set.Objectives {
				if o.Labels["rail"] == "" {
					t.Errorf("%s has no label rail", o.Name)
				}
			}
		})
	}
}

// TestRailOptions: which budget, whose currency, which window, and rails of one's own.
func TestRailOptions(t *testing.T) {
	own, problems := rail.Parse("own.yaml", []byte(`
apiVersion: assayer.dev/v1
kind: Rail
metadata: {name: wallet}
spec:
  title: Wallet
  calendar: 24x7
  validFrom: 2026-11-21
  deadline: {within: 10s}
  buckets: [5s, 10s]
  objectives:
    errors: {objective: 97%, window: 14d}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	builtin, err := rail.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	text := golden(" {rail: wallet, budget: end_to_end}\n") + "---\n" +
		strings.Replace(golden(" {rail: sct, currency: CHF, window: 7d}\n"), "name: x", "name: y", 1)
	set, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(text)}}, spec.Options{Currency: "EUR", Rails: builtin.With(own)})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := set.Objectives[0]; got.Name != "x-errors" || got.Target != 0.97 || got.Window.Text != "14d" || got.Indicator.Ratio.Bad.Text != `assayer_transactions_total{rail="wallet",end_to_end="bad"}` {
		t.Errorf("of a rail of one's own: %+v, %+v", got, got.Indicator.Ratio.Bad)
	}
	i := slices.IndexFunc(set.Objectives, func(o spec.Objective) bool { return o.Name == "y-value" })
	if got := set.Objectives[i]; got.Weight.Currency != "CHF" || got.Window.Length != 7*24*time.Hour ||
		!slices.ContainsFunc(got.Indicator.Ratio.Good.Matchers, func(m *labels.Matcher) bool { return m.Name == "currency" && m.Value == "CHF" }) {
		t.Errorf("the document's currency and window come first: %+v", got)
	}
	if _, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(golden(" {rail: wallet}\n"))}}, spec.Options{}); problems.Err() == nil {
		t.Error("a rail that nobody described is taken")
	}
}
