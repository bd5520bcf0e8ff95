package prometheus

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/exporters"
	"github.com/assayer-io/assayer/internal/testkit/golden"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var _ exporters.Exporter = (*Exporter)(nil)

// twoObjectives are one that burns and one that no target has fed yet.
func twoObjectives() []slo.Status {
	spent := time.Date(2026, 11, 21, 12, 0, 0, 500e6, time.UTC)
	return []slo.Status{{
		Name: "card-auth-availability", DisplayName: "Card \"auth\"", Service: "card-auth", Team: "payments", Objective: 0.9995, Window: "30d", Method: "Occurrences", State: slo.Burning,
		Observed:    true,
		ErrorBudget: slo.Budget{RemainingRatio: 0.25, ExhaustsAt: &spent},
		BurnRates:   slo.WindowValues{{Window: "5m", Value: 20}, {Window: "1h", Value: 16}},
		ErrorRatios: slo.WindowValues{{Window: "5m", Value: 0.01}, {Window: "1h", Value: 0.008}},
		Coverage:    0.98,
		Filled:      0.5,
		Events:      slo.Events{Good: 1, Bad: 1},
		Totals:      slo.Events{Good: 1_234_567, Bad: 321, Excluded: 12, Pending: 3},
		Tiers: []slo.TierStatus{
			{Name: "page-1h", Severity: burnrate.Page, Firing: true, Urgency: burnrate.Critical, LongWindow: "1h", ShortWindow: "5m", FactorText: "14.4"},
			{Name: "ticket-1d", Severity: burnrate.Ticket, Urgency: burnrate.Medium, LongWindow: "1d", ShortWindow: "2h", FactorText: "3"},
		},
	}, {
		Name: "sepa-settlement", Service: `sepa "inst"\`, Objective: 1, Window: "1M", State: slo.Unknown,
		ErrorBudget: slo.Budget{RemainingRatio: 1},
		BurnRates:   slo.WindowValues{{Window: "5m", Value: 0}},
		ErrorRatios: slo.WindowValues{{Window: "5m", Value: 0}},
	}}
}

func scrape(t *testing.T, e *Exporter, accept string) string {
	t.Helper()
	h, err := e.Handler()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("scraping: %d %v\n%s", w.Code, err, body)
	}
	return string(body)
}

func parse(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("parsing the exposition: %v\n%s", err, text)
	}
	return families
}

// value finds the one sample whose labels include all of the given pairs.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, pairs ...string) (float64, bool) {
	t.Helper()
	found, result := 0, 0.0
	for _, m := range families[name].GetMetric() {
		have := map[string]string{}
		for _, l := range m.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		match := true
		for i := 0; i < len(pairs); i += 2 {
			match = match && have[pairs[i]] == pairs[i+1]
		}
		if match {
			found++
			result = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	if found > 1 {
		t.Fatalf("%s%v: %d samples, want one", name, pairs, found)
	}
	return result, found == 1
}

func TestGolden(t *testing.T) {
	actions := func() []ActionCount {
		return []ActionCount{{"undo", "webhook", "verified", 2}, {"undo", "webhook", "denied", 1}}
	}
	policies := func() []PolicyState {
		freeze := PolicyState{Policy: "card", Rule: "freeze", Then: "freeze", SLO: "card-auth-availability", Service: "card-auth", Active: true}
		group := freeze
		group.Group, group.Active = map[string]string{"region": "eu", "scheme": "sepa"}, false
		return []PolicyState{freeze, group}
	}
	e := New(Deps{Version: "1.2.3", Revision: "abc1234", Actions: actions, Policies: policies})
	if err := e.Export(t.Context(), twoObjectives()); err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(`goversion="[^"]*"`).ReplaceAllString(scrape(t, e, "text/plain"), `goversion="go1"`)
	golden.Want(t, *update, "testdata/two-objectives/want.prom", []byte(got))
}

func TestParsesBack(t *testing.T) {
	e := New(Deps{})
	if err := e.Export(t.Context(), twoObjectives()); err != nil {
		t.Fatal(err)
	}
	got := parse(t, scrape(t, e, "text/plain"))
	card := func(pairs ...string) []string {
		return append([]string{"slo", "card-auth-availability", "service", "card-auth"}, pairs...)
	}
	for _, tc := range []struct {
		name  string
		pairs []string
		want  float64
	}{
		{"assayer_sli_events_total", card("outcome", "good"), 1234567},
		{"assayer_sli_events_total", card("outcome", "bad"), 321},
		{"assayer_sli_events_total", card("outcome", "excluded"), 12},
		{"assayer_sli_events_total", card("outcome", "pending"), 3},
		{"assayer_sli_events_total", []string{"service", `sepa "inst"\`, "outcome", "pending"}, 0},
		{"assayer_slo_objective_ratio", card(), 0.9995},
		{"assayer_slo_error_ratio", card("window", "1h"), 0.008},
		{"assayer_slo_burn_rate", card("window", "5m"), 20},
		{"assayer_slo_error_budget_remaining_ratio", card(), 0.25},
		{"assayer_slo_budget_exhaustion_timestamp_seconds", card(), 1795262400.5}, // date -u -d 2026-11-21T12:00 +%s
		{"assayer_slo_coverage_ratio", card(), 0.98},
		{"assayer_slo_window_filled_ratio", card(), 0.5},
		{"assayer_slo_window_filled_ratio", []string{"slo", "sepa-settlement"}, 0},
		{"assayer_slo_state", card("state", "burning"), 1},
		{"assayer_slo_state", card("state", "ok"), 0},
		{"assayer_slo_state", card("state", "exhausted"), 0},
		{"assayer_slo_state", card("state", "unknown"), 0},
		{"assayer_slo_state", []string{"slo", "sepa-settlement", "state", "unknown"}, 1},
		{"assayer_slo_firing", card("tier", "page-1h", "severity", "page"), 1},
		{"assayer_slo_firing", card("tier", "ticket-1d", "severity", "ticket"), 0},
		{"assayer_slo_observed", card(), 1},
		{"assayer_slo_observed", []string{"slo", "sepa-settlement"}, 0},
		{"assayer_slo_info", card("team", "payments", "method", "Occurrences", "window", "30d", "display_name", `Card "auth"`), 1},
		{"assayer_slo_tier_info", card("tier", "page-1h", "severity", "page", "urgency", "critical", "long_window", "1h", "short_window", "5m", "factor", "14.4"), 1},
	} {
		if v, ok := value(t, got, tc.name, tc.pairs...); !ok || v != tc.want {
			t.Errorf("%s%v = %v (present %v), want %v", tc.name, tc.pairs, v, ok, tc.want)
		}
	}
	if _, ok := value(t, got, "assayer_slo_budget_exhaustion_timestamp_seconds", "slo", "sepa-settlement"); ok {
		t.Error("an exhaustion time for an objective that has none in sight")
	}
	if v, ok := value(t, got, "assayer_slo_error_budget_remaining_ratio", "slo", "sepa-settlement"); ok {
		t.Errorf("an objective that nothing has fed is said to have %v of its budget left", v)
	}
	if kind := got["assayer_sli_events_total"].GetType(); kind != dto.MetricType_COUNTER {
		t.Errorf("events are a %v, want a counter", kind)
	}
}

func TestGroupsMoneyAndBounds(t *testing.T) {
	all := twoObjectives()[:1]
	whole := &all[0]
	early, late := whole.ErrorBudget.ExhaustsAt.Add(-time.Hour), whole.ErrorBudget.ExhaustsAt.Add(time.Hour)
	whole.ErrorBudget.ExhaustsEarliest, whole.ErrorBudget.ExhaustsLatest = &early, &late
	group := *whole
	group.Name, group.Parent, group.Group = "card-auth-availability[scheme=sepa,region=eu]", whole.Name, map[string]string{"scheme": "sepa", "region": "eu"}
	group.Currency, group.Objective, group.ErrorBudget.ExhaustsLatest = "EUR", 0.9, nil
	e := New(Deps{})
	if err := e.Export(t.Context(), append(all, group)); err != nil {
		t.Fatal(err)
	}
	text := scrape(t, e, "text/plain")
	for _, want := range []string{
		`assayer_slo_objective_ratio{service="card-auth",slo="card-auth-availability"} 0.9995`,
		`assayer_slo_objective_ratio{group="region=eu,scheme=sepa",service="card-auth",slo="card-auth-availability"} 0.9`,
		`assayer_sli_events_total{outcome="bad",service="card-auth",slo="card-auth-availability"} 321`,
		`assayer_sli_value_total{currency="EUR",group="region=eu,scheme=sepa",outcome="bad",service="card-auth",slo="card-auth-availability"} 321`,
		`assayer_slo_budget_exhaustion_bound_timestamp_seconds{bound="earliest",service="card-auth",slo="card-auth-availability"} 1.7952588005e+09`,
		`assayer_slo_budget_exhaustion_bound_timestamp_seconds{bound="latest",service="card-auth",slo="card-auth-availability"} 1.7952660005e+09`,
		`assayer_slo_budget_exhaustion_bound_timestamp_seconds{bound="earliest",group="region=eu,scheme=sepa",service="card-auth",slo="card-auth-availability"} 1.7952588005e+09`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Count(text, "assayer_sli_events_total{") != 4 || strings.Count(text, "assayer_sli_value_total{") != 4 || strings.Count(text, `bound="latest"`) != 1 {
		t.Errorf("too much of something in\n%s", text)
	}
	if problems, err := testutil.CollectAndLint(e); err != nil || len(problems) > 0 {
		t.Errorf("linting: %v %v", problems, err)
	}
}

// Two series with the same labels would make the whole scrape fail.
func TestGroupsAreToldApart(t *testing.T) {
	all := twoObjectives()[:1]
	for _, group := range []map[string]string{{"a": "1,b=2", "b": "3"}, {"a": "1", "b": "2,b=3"}} {
		s := all[0]
		s.Name, s.Parent, s.Group = s.Name+"["+slo.GroupText(group, ",")+"]", s.Name, group
		all = append(all, s)
	}
	e := New(Deps{})
	if err := e.Export(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	text := scrape(t, e, "text/plain")
	for _, want := range []string{`{group="a=\"1,b=2\",b=3",service=`, `{group="a=1,b=\"2,b=3\"",service=`} {
		if !strings.Contains(text, "assayer_slo_objective_ratio"+want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestLint(t *testing.T) {
	e := New(Deps{Actions: func() []ActionCount { return []ActionCount{{"h", "k", "r", 1}} }})
	if err := e.Export(t.Context(), twoObjectives()); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.CollectAndLint(e)
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) > 0 {
		t.Errorf("linting: %v", problems)
	}
	problems, err = promlint.New(bytes.NewReader([]byte(scrape(t, e, "text/plain")))).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("linting the exposition: %v %v", problems, err)
	}
}

func TestNoNumberIsAbsentAndHidesNothing(t *testing.T) {
	s := twoObjectives()[:1]
	s[0].BurnRates = slo.WindowValues{{Window: "5m", Value: math.NaN()}, {Window: "1h", Value: math.Inf(1)}, {Window: "6h", Value: 2}}
	s[0].ErrorBudget.RemainingRatio = math.Inf(-1)
	s[0].Service = "broken \xff name"
	e := New(Deps{})
	if err := e.Export(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	text := scrape(t, e, "text/plain")
	if regexp.MustCompile(`(?mi)(nan|inf)$`).MatchString(text) {
		t.Errorf("NaN or Inf in\n%s", text)
	}
	got := parse(t, text)
	if v, ok := value(t, got, metricname.BurnRate, "service", "broken \uFFFD name"); !ok || v != 2 {
		t.Errorf("the finite burn rate is %v (present %v), want 2", v, ok)
	}
	if got[metricname.BudgetRemainingRatio] != nil {
		t.Error("an infinite budget was exported")
	}
}

func TestExportReplaces(t *testing.T) {
	e := New(Deps{})
	if got := scrape(t, e, "text/plain"); !strings.Contains(got, "assayer_build_info") || strings.Contains(got, "assayer_slo") {
		t.Errorf("before the first evaluation:\n%s", got)
	}
	all := twoObjectives()
	for _, statuses := range [][]slo.Status{all, all[1:]} {
		if err := e.Export(t.Context(), statuses); err != nil {
			t.Fatal(err)
		}
	}
	if got := scrape(t, e, "text/plain"); strings.Contains(got, "card-auth-availability") || !strings.Contains(got, "sepa-settlement") {
		t.Errorf("an objective that was taken away is still exported:\n%s", got)
	}
}

func TestSelfMetricsAndOpenMetrics(t *testing.T) {
	self := prometheus.NewRegistry()
	scrapes := prometheus.NewCounter(prometheus.CounterOpts{Name: "assayer_scrapes_total", Help: "Looks at targets."})
	self.MustRegister(scrapes)
	scrapes.Add(7)
	e := New(Deps{Self: self})
	if err := e.Export(t.Context(), twoObjectives()); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, e, "application/openmetrics-text; version=1.0.0")
	if !strings.Contains(got, "assayer_scrapes_total 7.0") || !strings.HasSuffix(got, "# EOF\n") {
		t.Errorf("self metrics in OpenMetrics:\n%s", got)
	}
}

// A hook listed twice is a mistake in the agent; it must not cost the objectives' metrics.
func TestOneBrokenMetricHidesNoOther(t *testing.T) {
	var log bytes.Buffer
	e := New(Deps{Actions: func() []ActionCount { return []ActionCount{{"h", "k", "r", 1}, {"h", "k", "r", 2}} }, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := e.Export(t.Context(), twoObjectives()); err != nil {
		t.Fatal(err)
	}
	if got := scrape(t, e, "text/plain"); !strings.Contains(got, "assayer_slo_burn_rate{") {
		t.Errorf("objectives are missing:\n%s", got)
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "assayer_hook_actions_total") {
		t.Errorf("the log does not tell of the broken metric: %s", log.String())
	}
}

func TestClientThatHangsUpIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		gathered := make(chan struct{})
		slow := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { <-gathered; return nil, nil })
		e := New(Deps{Self: slow, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		if err := e.Export(t.Context(), twoObjectives()); err != nil {
			t.Fatal(err)
		}
		h, err := e.Handler()
		if err != nil {
			t.Fatal(err)
		}
		ctx, hangUp := context.WithCancel(t.Context())
		go h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
		synctest.Wait()
		hangUp()
		synctest.Wait()
		close(gathered)
		synctest.Wait()
		if got := log.String(); strings.Contains(got, "level=ERROR") || !strings.Contains(got, "context canceled") {
			t.Errorf("logged:\n%s", got)
		}
	})
}

func BenchmarkScrapeThousandObjectives(b *testing.B) {
	statuses := make([]slo.Status, 1000)
	for i := range statuses {
		statuses[i] = twoObjectives()[0]
		statuses[i].Name += "-" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
	}
	e := New(Deps{})
	if err := e.Export(b.Context(), statuses); err != nil {
		b.Fatal(err)
	}
	h, err := e.Handler()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
	}
}
