package grafana

import (
	"encoding/json"
	"flag"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/internal/testkit/golden"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func ratio(name, service string) alerts.Objective {
	sel := func(outcome string) *spec.Selector {
		return &spec.Selector{Text: "tx{outcome=\"" + outcome + "\"}", Matchers: []*labels.Matcher{
			labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, "tx"), labels.MustNewMatcher(labels.MatchEqual, "outcome", outcome),
		}}
	}
	const month = 30 * 24 * time.Hour
	return alerts.Objective{Tiers: burnrate.Tiers(month), Objective: spec.Objective{
		Name: name, Service: service, Labels: map[string]string{"team": "payments"}, Target: 0.999, Method: spec.Occurrences,
		Window: spec.Window{Text: "30d", Length: month, Rolling: true}, Indicator: spec.Indicator{Ratio: &spec.Ratio{Good: sel("good"), Bad: sel("bad")}},
	}}
}

// files are those of both modes.
func files(t *testing.T) []alerts.File {
	t.Helper()
	o := alerts.Options{AgentSelector: `job="assayer"`, Links: alerts.Links{Runbooks: "https://docs", Dashboards: "https://grafana", Agent: "https://assayer"}}
	objs := []alerts.Objective{ratio("card-auth", "card"), ratio("payouts", "payout")}
	native, refused := prometheus.Native(objs, o)
	if len(native) != 2 {
		t.Fatalf("%d native files, refused %+v", len(native), refused)
	}
	return append(prometheus.Agent(objs, o), native...)
}

func TestGolden(t *testing.T) {
	agent := files(t)[:1]
	file, err := Provisioning(agent, Options{Datasource: "P1"})
	if err != nil {
		t.Fatal(err)
	}
	groups, err := Groups(agent, Options{FolderUID: "f", Datasource: "P1"})
	if err != nil || len(groups) != 2 {
		t.Fatalf("%d groups, %v", len(groups), err)
	}
	for name, got := range map[string][]byte{"provisioning.json": file, "group.json": groups[0].JSON, "datasource.json": groups[1].JSON} {
		golden.Want(t, *update, "testdata/agent/"+name, got)
	}
}

// read is a rule as Grafana reads it, from either form.
type read struct {
	UID, Title, Condition, NoDataState, ExecErrState, For, FolderUID, RuleGroup string

	KeepFile    string `json:"keepFiringFor"`
	KeepAPI     string `json:"keep_firing_for"`
	Labels      map[string]string
	Annotations map[string]string
	Data        []struct {
		RefID, DatasourceUID string
		RelativeTimeRange    *struct{ From, To int64 }
		Model                struct {
			Expr, Expression, Type string
			Instant                bool
			Conditions             []struct {
				Evaluator struct {
					Params []float64
					Type   string
				}
			}
		}
	}
}

// readBoth reads the two forms of files.
func readBoth(t *testing.T, files []alerts.File) (file, api map[string][]read) {
	t.Helper()
	data, err := Provisioning(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var whole struct {
		APIVersion int
		Groups     []struct {
			OrgID                  int
			Name, Folder, Interval string
			Rules                  []read
		}
	}
	if err := json.Unmarshal(data, &whole); err != nil || whole.APIVersion != 1 {
		t.Fatalf("version %d: %v", whole.APIVersion, err)
	}
	file, api = map[string][]read{}, map[string][]read{}
	intervals := map[string]int64{}
	for _, g := range whole.Groups {
		if g.OrgID != 1 || g.Folder != "Assayer" || file[g.Name] != nil {
			t.Errorf("group %s of organisation %d in %s", g.Name, g.OrgID, g.Folder)
		}
		every, err := model.ParseDuration(g.Interval)
		if err != nil {
			t.Error(err)
		}
		file[g.Name], intervals[g.Name] = g.Rules, int64(time.Duration(every)/time.Second)
	}
	groups, err := Groups(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		var one struct {
			Title, FolderUID string
			Interval         int64
			Rules            []read
		}
		if err := json.Unmarshal(g.JSON, &one); err != nil {
			t.Fatal(err)
		}
		if one.Title != g.Title || one.FolderUID != "assayer" || one.Interval != intervals[g.Title] || one.Interval%10 != 0 || one.Interval == 0 {
			t.Errorf("group %s is %q in %q every %d s", g.Title, one.Title, one.FolderUID, one.Interval)
		}
		api[g.Title] = one.Rules
	}
	return file, api
}

func TestEveryAlertIsThereOnce(t *testing.T) {
	all := files(t)
	file, api := readBoth(t, all)
	all = append(all, ofDatasource())
	uids, titles := map[string]bool{}, map[string]bool{}
	for _, f := range all {
		for _, g := range f.Groups {
			want := alertsOf(g)
			if len(file[g.Name]) != len(want) || len(api[g.Name]) != len(want) {
				t.Fatalf("group %s has %d alerts, here %d and %d", g.Name, len(want), len(file[g.Name]), len(api[g.Name]))
			}
			for i, r := range want {
				got := file[g.Name][i]
				held, err1 := model.ParseDuration(got.For)
				kept, err2 := model.ParseDuration(got.KeepFile)
				if err1 != nil || err2 != nil || time.Duration(held) != r.For || time.Duration(kept) != r.KeepFiringFor {
					t.Errorf("%s is held for %s and kept for %s, want %s and %s", got.Title, got.For, got.KeepFile, r.For, r.KeepFiringFor)
				}
				if got.Data[0].Model.Expr != r.Expr || !got.Data[0].Model.Instant || got.Labels[LabelAlert] != r.Alert || !strings.HasPrefix(got.Title, r.Alert) {
					t.Errorf("%s asks %s", got.Title, got.Data[0].Model.Expr)
				}
				checkSteps(t, &got)
				if !regexp.MustCompile(`^[a-zA-Z0-9_-]{1,40}$`).MatchString(got.UID) || uids[got.UID] || titles[got.Title] || len(got.Title) > 190 {
					t.Errorf("UID %q, title %q", got.UID, got.Title)
				}
				uids[got.UID], titles[got.Title] = true, true
				other := api[g.Name][i]
				if other.FolderUID != "assayer" || other.RuleGroup != g.Name {
					t.Errorf("%s is in group %q of %q", other.Title, other.RuleGroup, other.FolderUID)
				}
				other.FolderUID, other.RuleGroup, other.KeepAPI, other.KeepFile = "", "", "", other.KeepAPI
				if !reflect.DeepEqual(other, got) {
					t.Errorf("the API gets\n%+v\nthe file has\n%+v", other, got)
				}
			}
		}
	}
}

// checkSteps: A asks Prometheus, B is 1 for what A gives, C is whether B is above 0.
func checkSteps(t *testing.T, r *read) {
	t.Helper()
	if r.Condition != "C" || r.NoDataState != "OK" || len(r.Data) != 3 {
		t.Fatalf("%s: condition %s of %d steps, no data %s", r.Title, r.Condition, len(r.Data), r.NoDataState)
	}
	a, b, c := r.Data[0], r.Data[1], r.Data[2]
	if a.RefID != "A" || a.DatasourceUID != "prometheus" || a.RelativeTimeRange.From != 600 || a.RelativeTimeRange.To != 0 {
		t.Errorf("%s: step %+v", r.Title, a)
	}
	if b.RefID != "B" || b.DatasourceUID != "__expr__" || b.Model.Type != "math" || b.Model.Expression != "is_number($A) || is_inf($A) || is_nan($A)" {
		t.Errorf("%s: step %+v", r.Title, b)
	}
	if c.RefID != "C" || c.DatasourceUID != "__expr__" || c.Model.Type != "threshold" || c.Model.Expression != "B" || len(c.Model.Conditions) != 1 ||
		c.Model.Conditions[0].Evaluator.Type != "gt" || !reflect.DeepEqual(c.Model.Conditions[0].Evaluator.Params, []float64{0}) {
		t.Errorf("%s: step %+v", r.Title, c)
	}
}

// TestPrometheusFails: in the states that Grafana gives a rule whose query fails. Error makes a copy of the alert with the
// rule's labels, Alerting an alert, KeepLast nothing new, and OK ends what fired.
func TestPrometheusFails(t *testing.T) {
	file, _ := readBoth(t, files(t))
	states := map[string][]string{}
	for _, rules := range file {
		for _, r := range rules {
			states[r.ExecErrState] = append(states[r.ExecErrState], r.Labels[LabelAlert])
		}
	}
	if !slices.Equal(states["OK"], []string{alerts.DeadMansSwitch}) {
		t.Errorf("end when Prometheus dies: %v; the dead man's switch alone has to, or nobody hears of it", states["OK"])
	}
	if !slices.Equal(states["Alerting"], []string{DatasourceFails}) || len(states["Error"]) > 0 {
		t.Errorf("begin when Prometheus dies: %v and copies of %v; one has to say so, and none may page for a service", states["Alerting"], states["Error"])
	}
	if !slices.Contains(states["KeepLast"], alerts.BudgetBurn) || !slices.Contains(states["KeepLast"], alerts.CutOffAtRisk) || len(states) != 3 {
		t.Errorf("go on when Prometheus dies: %v; what burned is not over because nobody can see it", states["KeepLast"])
	}
	told := file["assayer-datasource"][0]
	if told.Title != DatasourceFails || told.Labels[alerts.LabelSeverity] != "critical" || told.For != "5m" || told.Data[0].Model.Expr != "vector(1) < 0" {
		t.Errorf("what tells of it: %+v", told)
	}
	if none, err := Groups(Recording(files(t)), Options{}); err != nil || len(none) != 0 {
		t.Errorf("without alerts there are %d groups, %v", len(none), err)
	}
}

// TestNamesStand: a service more or less changes no other rule's UID.
func TestNamesStand(t *testing.T) {
	all := files(t)
	before, _ := readBoth(t, all[:2])
	after, _ := readBoth(t, all)
	for group, rules := range before {
		if !reflect.DeepEqual(rules, after[group]) {
			t.Errorf("group %s changed", group)
		}
	}
	if first := before[all[0].Groups[0].Name][0]; first.Title != alerts.BudgetBurn {
		t.Errorf("the only %s is called %s", alerts.BudgetBurn, first.Title)
	}
}

// TestTextsInGrafana renders every annotation with the data Grafana has, which knows no query.
func TestTextsInGrafana(t *testing.T) {
	type value struct {
		Labels map[string]string
		Value  float64
	}
	funcs := template.FuncMap{"humanizePercentage": func(v float64) string { return strconv.FormatFloat(v*100, 'g', 4, 64) + "%" }}
	said := map[string]string{}
	file, _ := readBoth(t, files(t))
	for _, rules := range file {
		for _, r := range rules {
			for _, text := range r.Annotations {
				if regexp.MustCompile(`\$[A-Za-z_{]`).MatchString(text) {
					t.Errorf("%s: a provisioning file would take a variable of this for one of the environment: %s", r.Title, text)
				}
				parsed, err := template.New("").Option("missingkey=invalid").Funcs(funcs).Parse(text)
				if err != nil {
					t.Fatalf("%s: %v in %s", r.Title, err, text)
				}
				for _, ls := range []map[string]string{{}, {"slo": "card-auth", "service": "card", "tier": "page-1h", "long_window": "1h", "short_window": "5m", "factor": "14.4", "rail": "sct", "instance": "a:1"}} {
					if len(ls) == 0 && strings.Contains(text, "eq ") {
						continue // such alerts have the label always
					}
					var b strings.Builder
					if err := parsed.Execute(&b, map[string]any{"Labels": ls, "Values": map[string]value{"A": {ls, 3}}, "Value": "[ var='A' value=3 ]"}); err != nil {
						t.Errorf("%s: %v in %s", r.Title, err, text)
					}
					said[r.Title] += b.String() + "\n"
				}
			}
		}
	}
	for title, want := range map[string]string{
		alerts.BudgetBurn: "The errors of card-auth of service card came over 1h and over 5m; the limit of page-1h is 14.4 times.\n",
		alerts.Overdue:    "3 movements on sct are overdue\n",
	} {
		if !strings.Contains(said[title], want) {
			t.Errorf("%s says\n%s\nwant %s", title, said[title], want)
		}
	}
}

func TestTranslate(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "",
		"plain":                                 "plain",
		"{{ $labels.slo }} is {{ $value }}":     "{{$.Labels.slo}} is {{$.Values.A.Value}}",
		"{{ with $labels.a }}x{{ . }}{{ end }}": "{{with $.Labels.a}}x{{.}}{{end}}",
		"a{{ with query \"x\" }}b{{ end }}c":    "ac",
		"a{{ with printf \"%q\" $labels.a | query }}b{{ else }}{{ $labels.d }}{{ end }}c": "a{{$.Labels.d}}c",
		"a{{ (query \"x\") | len }}b": "ab",
		"{{ if eq $labels.t \"x\" }}{{ range query \"y\" }}z{{ end }}1{{ else }}2{{ end }}": "{{if eq $.Labels.t \"x\"}}1{{else}}2{{end}}",
	} {
		got, err := translate(text)
		if err != nil || got != want {
			t.Errorf("%q became %q (%v), want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"{{", "{{ end }}", "{{ $nope }}"} {
		_, err := Provisioning([]alerts.File{{Groups: []alerts.Group{{Name: "g", Rules: []alerts.Rule{{Alert: "A", Expr: "1", Annotations: map[string]string{"summary": text}}}}}}}, Options{})
		if err == nil || !strings.Contains(err.Error(), "rule A of group g: annotation summary: reading the template") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRecordingRulesStay: what Prometheus keeps and what Grafana gets are all rules, and none twice.
func TestRecordingRulesStay(t *testing.T) {
	all := files(t)
	kept := Recording(all)
	if len(kept) != len(all) {
		t.Errorf("%d of %d files keep recording rules", len(kept), len(all))
	}
	total, recorded, alerting := 0, 0, 0
	for _, f := range all {
		for _, g := range f.Groups {
			total, alerting = total+len(g.Rules), alerting+len(alertsOf(g))
		}
	}
	for _, f := range kept {
		for _, g := range f.Groups {
			recorded += len(g.Rules) - len(alertsOf(g))
			if len(alertsOf(g)) > 0 {
				t.Errorf("group %s keeps alerts", g.Name)
			}
		}
	}
	if recorded == 0 || recorded+alerting != total {
		t.Errorf("%d recording rules and %d alerts of %d", recorded, alerting, total)
	}
}

func TestLongAndTwinTitles(t *testing.T) {
	long := strings.Repeat("ä", 300)
	rule := alerts.Rule{Alert: "A", Expr: "1", Labels: map[string]string{"tier": long}}
	file, _ := readBoth(t, []alerts.File{{Groups: []alerts.Group{{Name: "g", Rules: []alerts.Rule{rule, rule}}}}})
	one, two := file["g"][0], file["g"][1]
	if one.Title == two.Title || one.UID == two.UID || len([]rune(two.Title)) > 190 {
		t.Errorf("titles %q and %q", one.Title, two.Title)
	}
}

// FuzzTranslate holds that what comes out is a template, and that translating it again changes nothing more.
func FuzzTranslate(f *testing.F) {
	for _, s := range []string{"a", "{{ $labels.slo }}", "{{ with query \"x\" }}a{{ else with $value }}b{{ end }}", "{{- /* c */ -}}", "{{ range $i, $v := $labels }}{{ $i }}{{ break }}{{ end }}", "{{ (print $value).x }}", "{{ define \"a\" }}{{ end }}", "{{ template \"a\" $labels }}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := translate(s)
		if err != nil {
			return
		}
		again, err := translate(got)
		if err != nil || again != got {
			t.Errorf("%q became %q, and that %q (%v)", s, got, again, err)
		}
	})
}
