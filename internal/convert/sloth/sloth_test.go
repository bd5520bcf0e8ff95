package sloth_test

import (
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/convert"
	"github.com/assayer-io/assayer/internal/convert/sloth"
	"github.com/assayer-io/assayer/slo/spec"
)

const plain = `version: prometheus/v1
service: Card Auth
labels: {owner: payments, tier: 2}
slos:
  - name: availability
    objective: 99.95
    description: Technical failures.
    labels: {owner: cards, generated: true}
    sli:
      events:
        error_query: sum by (region) (rate(auth_total{code="500"}[{{.window}}]))
        total_query: sum by (region) (rate(auth_total[{{.window}}]))
    alerting:
      name: CardAuth
      annotations: {runbook_url: "https://runbooks/auth"}
      page_alert: {disable: true}
  - name: perfect
    objective: 100
    sli: {raw: {error_ratio_query: auth_error_ratio}}
`

func convertOne(t *testing.T, text string, o convert.Options) (convert.Result, []spec.Objective) {
	t.Helper()
	r := convert.Convert([]spec.File{{Name: "in.yaml", Data: []byte(text)}}, []convert.Format{sloth.Format()}, o)
	var files []spec.File
	for _, out := range r.Outputs {
		files = append(files, spec.File{Name: out.File, Data: out.Data})
	}
	set, problems := spec.Load(files, spec.Options{Strict: true})
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	return r, set.Objectives
}

func TestPlain(t *testing.T) {
	r, found := convertOne(t, plain, convert.Options{Window: "28d"})
	if len(found) != 2 || len(r.Outputs) != 1 || r.Outputs[0].File != "in.yaml" {
		t.Fatalf("made %+v of %+v", found, r.Outputs)
	}
	o := found[0]
	if o.Name != "card-auth-availability" || o.Service != "Card Auth" || o.Target != 0.9995 || o.Window.Text != "28d" || o.Description != "Technical failures." {
		t.Errorf("made %+v", o)
	}
	if o.Labels["owner"] != "cards" || o.Labels["tier"] != "2" || o.Labels["generated"] != "true" {
		t.Errorf("labels are %v: those of the objective come before those of the document", o.Labels)
	}
	if o.Annotations["runbook_url"] != "https://runbooks/auth" {
		t.Errorf("the runbook is lost: %v", o.Annotations)
	}
	if o.GroupBy == nil || len(o.GroupBy.Labels) != 1 || o.GroupBy.Labels[0] != "region" {
		t.Errorf("grouped by %+v", o.GroupBy)
	}
	if o.Indicator.Ratio.Bad.Text != `auth_total{code="500"}` || o.Indicator.Ratio.Total.Text != "auth_total" {
		t.Errorf("counts %+v", o.Indicator.Ratio)
	}
	if p := found[1]; p.Target != 1 || p.Indicator.RawRatio == nil || p.Indicator.RawRatio.Success {
		t.Errorf("made %+v", p)
	}
	text := string(r.Outputs[0].Data)
	for _, want := range []string{"# from in.yaml:5 (sloth)\n", "disabled-alert", "target: 0.9995\n", "target: 1\n", `# slos[0]: renamed: is called card-auth-availability here, got "Card Auth-availability"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the file does not say %q:\n%s", want, text)
		}
	}
	if r.Objectives[0].Was != "Card Auth/availability" {
		t.Errorf("it was called %q", r.Objectives[0].Was)
	}
}

// One objective that is wrong does not keep the others from being converted.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"objective: 99.95":                "",
		"objective: 0":                    "in.yaml:6:16: warning: slos[0].objective: invalid-value: Card Auth/availability is not converted: this cannot be read, got \"0\"",
		"objective: much":                 "a percentage above 0",
		"objective: [1]":                  `got "a list"`,
		"objective: 99.95\n    sli2: {}":  "ignored-field: is not read, did you mean sli?",
		"name: [a]\n    objective: 99.95": "duplicate key, first on line 5",
	} {
		r, found := convertOne(t, strings.Replace(plain, "objective: 99.95", text, 1), convert.Options{})
		if len(found) < 1 || found[len(found)-1].Name != "card-auth-perfect" {
			t.Errorf("%s: the other objective is not converted: %v", text, found)
		}
		var all strings.Builder
		for _, n := range r.Notices {
			all.WriteString(n.String() + "\n")
		}
		if !strings.Contains(all.String(), want) {
			t.Errorf("%s: not told %q:\n%s", text, want, all.String())
		}
	}
}

// What sloth puts into a query as it is may be a rate that somebody recorded, and no counter.
func TestSelectorsAsTheyAre(t *testing.T) {
	events := func(errors, total string) string {
		return "{events: {error_query: '" + errors + "', total_query: '" + total + "'}}"
	}
	raw := func(query string) string { return "{raw: {error_ratio_query: '" + query + "'}}" }
	for sli, want := range map[string]string{
		events(`sum(rate(e_total[{{.window}}]))`, `sum(rate(t_total[{{.window}}]))`):                         "",
		events(`sum(e_total)`, `sum(t_total)`):                                                               "assumed",
		events(`e_total`, `t_total`):                                                                         "assumed",
		events(`sum(job:errors:rate5m)`, `sum(job:requests:rate5m)`):                                         "needs-polling",
		events(`sum(errors)`, `sum({__name__="job:requests:rate5m"})`):                                       "needs-polling",
		events(`sum(job:errors:rate{{.window}})`, `sum(job:requests:rate{{.window}})`):                       "needs-polling",
		events(`sum(rate(job:errors:total[{{.window}}]))`, `sum(rate(job:requests:total[{{.window}}]))`):     "",
		raw(`sum(job:errors:rate5m) / sum(job:requests:rate5m)`):                                             "needs-polling",
		raw(`sum(errors) / sum(requests)`):                                                                   "assumed",
		raw(`job:error_ratio:rate5m`):                                                                        "",
		raw(`1 - sum(sum_over_time(job:up:ok[{{.window}}])) / sum(count_over_time(job:up:ok[{{.window}}]))`): "",
	} {
		r, found := convertOne(t, "version: prometheus/v1\nservice: a\nslos: [{name: b, objective: 99, sli: "+sli+"}]", convert.Options{})
		var got []string
		for _, n := range r.Notices {
			got = append(got, string(n.Kind))
		}
		if strings.Join(got, " ") != want || len(found) == 0 != (want == "needs-polling") {
			t.Errorf("%s: lost %v, want %q; made %d", sli, r.Notices, want, len(found))
		}
	}
}

func FuzzConvert(f *testing.F) {
	f.Add(plain)
	f.Add("version: prometheus/v1\nservice: a\nslos: [{name: b, objective: 5, sli: {plugin: {id: x}}}, 5, null, [], {alerting: 1}]")
	f.Add("apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\nmetadata: {namespace: [], name: \"a\\nb\"}\nspec: {service: a, slos: [{name: b}]}")
	f.Add("kind: List\nitems: [{version: prometheus/v1, slos: {}}]")
	f.Add("apiVersion: sloth.slok.dev/v1\nkind: AlertWindows")
	f.Fuzz(func(t *testing.T, text string) { convertOne(t, text, convert.Options{}) })
}
