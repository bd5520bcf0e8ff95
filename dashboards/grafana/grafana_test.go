package grafana

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/internal/testkit/golden"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func selector(pairs ...string) *spec.Selector {
	s := &spec.Selector{}
	for i := 0; i < len(pairs); i += 2 {
		s.Matchers = append(s.Matchers, &labels.Matcher{Type: labels.MatchEqual, Name: pairs[i], Value: pairs[i+1]})
	}
	return s
}

// company is a full input: two objectives, one of them about a rail, and two rails, one with a time limit.
func company(t *testing.T) dashboards.Input {
	t.Helper()
	set, err := rail.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	in := dashboards.Input{Options: dashboards.Options{
		Folder: "Payments", Currency: "EUR", AgentSelector: `job="assayer"`,
		Links: alerts.Links{Runbooks: "https://runbooks.example", Dashboards: "https://grafana.example", Agent: "https://assayer.example", Alerts: "https://alerts.example"},
	}}
	for _, name := range []string{"sct", "sct-inst"} {
		r, ok := set.Get(name)
		if !ok {
			t.Fatalf("no rail %s", name)
		}
		in.Rails = append(in.Rails, *r)
	}
	instant := spec.Objective{
		Name: "instant-errors", Service: "instant", Method: spec.Occurrences, Target: 0.998,
		Indicator: spec.Indicator{Ratio: &spec.Ratio{
			Bad:   selector(labels.MetricName, metricname.Transactions, metricname.Rail, "sct-inst", metricname.Outcome, metricname.Bad),
			Total: selector(labels.MetricName, metricname.Transactions, metricname.Rail, "sct-inst"),
		}},
	}
	cards := spec.Objective{
		Name: "card-auth-errors", Service: "card-auth", Method: spec.Occurrences,
		Indicator: spec.Indicator{Ratio: &spec.Ratio{Bad: selector(labels.MetricName, "card_bad_total"), Total: selector(labels.MetricName, "card_total")}},
	}
	in.Objectives = []alerts.Objective{{Objective: cards, Tiers: burnrate.Tiers(30 * 24 * time.Hour)}, {Objective: instant, Tiers: burnrate.Tiers(7 * 24 * time.Hour)}}
	return in
}

// inputs are what every rule of this package is checked on.
func inputs(t *testing.T) map[string]dashboards.Input {
	t.Helper()
	yen := company(t)
	yen.Options.Currency = "JPY"
	return map[string]dashboards.Input{"company": company(t), "bare": {}, "yen": yen}
}

func all(t *testing.T, in dashboards.Input) []dashboards.Dashboard {
	t.Helper()
	made, err := All(in)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// The parts of a dashboard's JSON that people see, read without the SDK that wrote it.
type shown struct {
	UID, Title, Description, Refresh, Timezone string
	Tags                                       []string
	Time                                       struct{ From, To string }
	Panels                                     []shownPanel
	Links                                      []shownLink
	Templating                                 struct {
		List []struct{ Name, Type, Query, AllValue string }
	}
	Annotations struct {
		List []struct{ Name, Expr, TitleFormat, TextFormat, TagKeys, Step string }
	}
}

type shownLink struct {
	Title, Type, URL string
	Tags             []string
}

type shownPanel struct {
	ID                       int
	Type, Title, Description string
	Panels                   []shownPanel // of a closed row
	Collapsed                bool
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []shownTarget
	FieldConfig              struct {
		Defaults struct {
			Unit, NoValue string
			Links         []shownLink
		}
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
	Transformations []struct {
		ID      string
		Options struct{ RenameByName map[string]string }
	}
}

type shownTarget struct {
	Expr, LegendFormat, RefID, Format string
	Instant, Range                    bool
	Datasource                        struct{ Type, UID string }
}

func readBack(t *testing.T, d dashboards.Dashboard) shown {
	t.Helper()
	var s shown
	if err := json.Unmarshal(d.JSON, &s); err != nil {
		t.Fatalf("%s: %v", d.UID, err)
	}
	var flat []shownPanel
	for _, p := range s.Panels {
		if flat = append(append(flat, p), p.Panels...); p.Collapsed != (len(p.Panels) > 0) {
			t.Errorf("%s: row %s is closed: %v, holds %d panels", d.UID, p.Title, p.Collapsed, len(p.Panels))
		}
	}
	s.Panels = flat
	return s
}

func TestGolden(t *testing.T) {
	for _, d := range all(t, company(t)) {
		golden.Want(t, *update, filepath.Join("testdata", "company", strings.TrimPrefix(d.UID, "assayer-")+".json"), d.JSON)
	}
}

func TestSameFromRunToRun(t *testing.T) {
	for name, in := range inputs(t) {
		first := all(t, in)
		runs := 2
		if name == "company" {
			runs = 20
		}
		for range runs {
			for i, d := range all(t, in) {
				if !bytes.Equal(d.JSON, first[i].JSON) {
					t.Fatalf("%s: %s is not the same every time", name, d.UID)
				}
			}
		}
		for _, d := range first {
			if !bytes.HasSuffix(d.JSON, []byte("\n}\n")) || bytes.Contains(d.JSON, []byte(`\u003e`)) {
				t.Errorf("%s: %s is not indented, has no newline at its end, or queries that people cannot read", name, d.UID)
			}
		}
	}
}

func TestWhereScreensLive(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range all(t, company(t)) {
		s := readBack(t, d)
		if d.Folder != "Payments" || d.Title != s.Title || d.UID != s.UID || !slices.Contains(d.Tags, dashboards.TagOwned) || !slices.Equal(d.Tags, s.Tags) {
			t.Errorf("%+v holds %s %s %v", d, s.UID, s.Title, s.Tags)
		}
		if len(d.UID) > 40 || seen[d.UID] || s.Timezone != "browser" || !strings.Contains(s.Description, "UTC") {
			t.Errorf("%s: %s %q", d.UID, s.Timezone, s.Description)
		}
		seen[d.UID] = true
	}
	if folder := all(t, dashboards.Input{})[0].Folder; folder != "Assayer" {
		t.Errorf("without a folder: %q", folder)
	}
}

func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    dashboards.Options
		want string
	}{
		{"currency", dashboards.Options{Currency: "EURO"}, `the currency "EURO" is no active code of ISO 4217, such as EUR`},
		{"selector", dashboards.Options{AgentSelector: `job=assayer`}, `the agent selector "job=assayer" is no list of matchers`},
	} {
		if made, err := All(dashboards.Input{Options: tc.o}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %d screens, %v", tc.name, len(made), err)
		}
	}
}

// TestPanelsAreComplete: nothing overlaps or hangs over, and every panel says what it is, in what unit, and why it
// can be empty.
func TestPanelsAreComplete(t *testing.T) {
	for name, in := range inputs(t) {
		for _, d := range all(t, in) {
			s := readBack(t, d)
			ids, titles := map[int]bool{}, map[string]bool{}
			taken := map[[2]int]string{}
			for _, p := range s.Panels {
				at := fmt.Sprintf("%s: %s, panel %q", name, d.UID, p.Title)
				if ids[p.ID] || p.ID == 0 || titles[p.Title] {
					t.Errorf("%s: its id %d or its title is there twice", at, p.ID)
				}
				ids[p.ID], titles[p.Title] = true, true
				for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
					for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
						if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
							t.Fatalf("%s lies over %q or over the edge", at, other)
						}
						taken[[2]int{x, y}] = p.Title
					}
				}
				if p.Type == "row" {
					continue
				}
				def := p.FieldConfig.Defaults
				if p.Title == "" || len(p.Description) < 20 || def.Unit == "" || def.NoValue == "" || len(p.Targets) == 0 || p.GridPos.W*p.GridPos.H == 0 {
					t.Errorf("%s lacks something: %q, unit %q, empty %q, %d queries", at, p.Description, def.Unit, def.NoValue, len(p.Targets))
				}
			}
		}
	}
}

// TestLinksLead: every link to a screen leads to one that is there, with a variable that it has, taken from a label
// that the value has.
func TestLinksLead(t *testing.T) {
	made := all(t, company(t))
	variables := map[string][]string{}
	for _, d := range made {
		for _, v := range readBack(t, d).Templating.List {
			variables[d.UID] = append(variables[d.UID], v.Name)
		}
	}
	known := published(t)
	place := regexp.MustCompile(`\$\{__(?:field\.labels|data\.fields)\.(\w+)\}`)
	inner := regexp.MustCompile(`^/d/([^?]+)\?(.*)$`)
	leading := map[string]bool{}
	for _, d := range made {
		for _, p := range readBack(t, d).Panels {
			for _, l := range p.FieldConfig.Defaults.Links {
				if m := inner.FindStringSubmatch(l.URL); m != nil {
					leading[m[1]] = true
					if variables[m[1]] == nil {
						t.Errorf("%s, %s: nothing is at %s", d.UID, p.Title, l.URL)
					}
					for _, v := range regexp.MustCompile(`var-(\w+)=`).FindAllStringSubmatch(m[2], -1) {
						if !slices.Contains(variables[m[1]], v[1]) {
							t.Errorf("%s, %s: %s has no variable %s", d.UID, p.Title, m[1], v[1])
						}
					}
				} else if !strings.HasPrefix(l.URL, "https://") {
					t.Errorf("%s, %s: a link to %s", d.UID, p.Title, l.URL)
				}
				for _, label := range place.FindAllStringSubmatch(l.URL, -1) {
					for _, q := range p.Targets {
						if !slices.Contains(resultLabels(known, parse(t, q.Expr)), label[1]) && !regexp.MustCompile(`^vector|label_replace`).MatchString(q.Expr) {
							t.Errorf("%s, %s: %s needs the label %s, which %s has not", d.UID, p.Title, l.URL, label[1], q.Expr)
						}
					}
				}
			}
		}
	}
	for _, d := range made {
		if d.UID != dashboards.UIDOnCall && d.UID != dashboards.UIDExecutive && !leading[d.UID] {
			t.Errorf("nothing leads to %s but the menu", d.UID)
		}
	}
}

// TestWithoutAddresses: no link leads nowhere.
func TestWithoutAddresses(t *testing.T) {
	for _, d := range all(t, dashboards.Input{}) {
		for _, p := range readBack(t, d).Panels {
			for _, l := range p.FieldConfig.Defaults.Links {
				if !strings.HasPrefix(l.URL, "/d/assayer-") {
					t.Errorf("%s, %s: a link to %q", d.UID, p.Title, l.URL)
				}
			}
		}
	}
}

func TestStatesAreSpelledAsTheAgentDoes(t *testing.T) {
	var spelled []slo.State
	for _, w := range slices.Backward(stateWords()) {
		spelled = append(spelled, slo.State(w.text))
	}
	if !slices.Equal(spelled, []slo.State{slo.Exhausted, slo.Burning, slo.Unknown, slo.OK}) || len(spelled) != len(slo.States()) {
		t.Errorf("%v, worst first; the agent has %v", spelled, slo.States())
	}
}

// TestLimitsFromObjectives: what colours a burn rate is the factor at which the objectives really page.
func TestLimitsFromObjectives(t *testing.T) {
	g := &gen{in: company(t)}
	// Of 7 days: 2 % in 1 h is 3.36, 5 % in 6 h is 1.4; of 30 days 14.4 and 6. The least of each leg counts.
	got := g.burnLimits()
	if len(got) != 2 || fmt.Sprintf("%.4g %.4g", got[0].from, got[1].from) != "1.4 3.36" || got[0].level != amber || got[1].level != red {
		t.Errorf("limits of burn rates: %v", got)
	}
	if w := g.pageWindows(); !slices.Equal(w, []string{"5m", "30m", "1h", "6h"}) {
		t.Errorf("windows: %v", w)
	}
	if got := (&gen{}).burnLimits(); fmt.Sprintf("%.4g %.4g", got[0].from, got[1].from) != "6 14.4" {
		t.Errorf("limits without objectives: %v", got)
	}
	if got := limitsText(g.onTimeLimits(), percent); got != "Red below 99.8 %, amber below 99.9 %." {
		t.Errorf("on time: %s", got)
	}
	if want := `label_replace(max(assayer_slo_objective_ratio{job="assayer",slo="instant-errors",group=""}), "rail", "sct-inst", "", "")`; g.promised() != want {
		t.Errorf("promised: %s", g.promised())
	}
	if want := `(label_replace(vector(10), "rail", "sct-inst", "", "")) and on (rail) assayer_transactions_open{job="assayer",rail=~"$rail"}`; g.timeLimits() != want {
		t.Errorf("limits of time: %s", g.timeLimits())
	}
}

func TestMoneyIsInMajorUnits(t *testing.T) {
	for currency, want := range map[string]string{
		"EUR": `sum by (rail) (assayer_transactions_overdue_value{currency="EUR"}) / 100`,
		"JPY": `sum by (rail) (assayer_transactions_overdue_value{currency="JPY"})`,
		"KWD": `sum by (rail) (assayer_transactions_overdue_value{currency="KWD"}) / 1000`,
		"":    `sum by (rail, currency) (assayer_transactions_overdue_value)`,
	} {
		g := &gen{in: dashboards.Input{Options: dashboards.Options{Currency: currency}}}
		if err := g.check(); err != nil {
			t.Fatal(err)
		}
		if got := g.money(metricname.TransactionsOverdueValue, byRail, plain); got != want {
			t.Errorf("%s: %s", currency, got)
		}
	}
	for currency, want := range map[string]string{"EUR": "currencyEUR", "KWD": "currency:KWD", "": "none"} {
		g := &gen{in: dashboards.Input{Options: dashboards.Options{Currency: currency}}}
		if got := g.moneyUnit(); got != want {
			t.Errorf("%s: %s", currency, got)
		}
	}
}
