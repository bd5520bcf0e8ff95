package grafana

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/internal/testkit/promrules"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/spec"
)

// queryOf is a panel's query, with values in place of what Grafana replaces.
func queryOf(t *testing.T, in dashboards.Input, uid, title string, number int) string {
	t.Helper()
	g := &gen{in: in}
	if err := g.check(); err != nil {
		t.Fatal(err)
	}
	for _, s := range g.screens() {
		for _, r := range s.rows {
			for _, p := range r.panels {
				if s.uid == uid && p.title == title {
					return strings.NewReplacer("$__rate_interval", "10m", "$__range", "30d",
						"$service", ".*", "$rail", ".*", "$instance", ".*").Replace(p.queries[number].expr)
				}
			}
		}
	}
	t.Fatalf("%s has no panel %q", uid, title)
	return ""
}

// series is what a Prometheus holds, by promtool's notation, one value each interval.
type series map[string]string

// wantAnswers asks a query at a moment, with answers rounded to the thousandth.
func wantAnswers(t *testing.T, expr, interval, at string, held series, want map[string]float64) {
	t.Helper()
	var file strings.Builder
	fmt.Fprintf(&file, "evaluation_interval: %s\ntests:\n- interval: %s\n  input_series:\n", at, interval)
	for name, values := range held {
		fmt.Fprintf(&file, "  - {series: '%s', values: '%s'}\n", name, values)
	}
	fmt.Fprintf(&file, "  promql_expr_test:\n  - expr: 'round(%s, 0.001)'\n    eval_time: %s\n    exp_samples:\n", expr, at)
	for ls, v := range want {
		fmt.Fprintf(&file, "    - {labels: '%s', value: %v}\n", ls, v)
	}
	for _, err := range promrules.Run(t.Context(), []byte(file.String())) {
		t.Error(err)
	}
}

// TestDowntimeIsOfFailuresAndOfTimeWatched: ten days watched and two not, one event in a hundred bad, are 2.4 hours of
// downtime, not the 87.6 of a year; and an objective about latency that is kept has none.
func TestDowntimeIsOfFailuresAndOfTimeWatched(t *testing.T) {
	held := series{
		`assayer_sli_events_total{slo="pay-errors",service="pay",outcome="good"}`:    "0+990x288",
		`assayer_sli_events_total{slo="pay-errors",service="pay",outcome="bad"}`:     "0+10x288",
		`assayer_slo_observed{slo="pay-errors",service="pay"}`:                       "1x239 0x48",
		`assayer_sli_events_total{slo="pay-latency",service="pay",outcome="good"}`:   "0+995x288",
		`assayer_sli_events_total{slo="pay-latency",service="pay",outcome="bad"}`:    "0+5x288",
		`assayer_slo_observed{slo="pay-latency",service="pay"}`:                      "1x288",
		`assayer_slo_objective_ratio{slo="pay-errors",service="pay"}`:                "0.999x288",
		`assayer_slo_objective_ratio{slo="pay-latency",service="pay"}`:               "0.99x288",
		`assayer_sli_events_total{slo="checkout-p99",service="shop",outcome="bad"}`:  "0+500x288",
		`assayer_sli_events_total{slo="checkout-p99",service="shop",outcome="good"}`: "0+500x288",
		`assayer_slo_observed{slo="checkout-p99",service="shop"}`:                    "1x288",
		`assayer_sli_events_total{slo="checkout",service="shop",outcome="bad"}`:      "0+0x288",
		`assayer_sli_events_total{slo="checkout",service="shop",outcome="good"}`:     "0+500x288",
		`assayer_slo_observed{slo="checkout",service="shop"}`:                        "_x143 1x144",
	}
	in := dashboards.Input{Objectives: []alerts.Objective{
		{Objective: spec.Objective{Name: "checkout", Indicator: spec.Indicator{Ratio: &spec.Ratio{}}}},
		{Objective: spec.Objective{Name: "checkout-p99", Indicator: spec.Indicator{Ratio: &spec.Ratio{Latency: true}}}},
	}}
	const pay, shop = `{slo="pay-errors",service="pay"}`, `{slo="checkout",service="shop"}`
	for _, tc := range []struct {
		uid, title string
		number     int
		want       map[string]float64
	}{
		{dashboards.UIDCompliance, "Downtime used, last twelve months", 0, map[string]float64{pay: 0.6, shop: 0}},
		{dashboards.UIDCompliance, "Downtime used, last twelve months", 1, map[string]float64{pay: 8640, shop: 0}},
		{dashboards.UIDCompliance, "Downtime used, last twelve months", 2, map[string]float64{pay: 864000, shop: 145 * 3600}},
		{dashboards.UIDCompliance, "Availability, last 90 days", 0, map[string]float64{pay: 1}},
		{dashboards.UIDCompliance, "Availability, last 90 days", 1, map[string]float64{pay: 0.99, shop: 1}},
		{dashboards.UIDCompliance, "Availability, last 90 days", 2, map[string]float64{pay: 0.999}},
		{dashboards.UIDCompliance, "Availability, last 90 days", 3, map[string]float64{pay: 0.111, shop: 0.067}},
		{dashboards.UIDExecutive, "Downtime used of 4 hours in twelve months", 0, map[string]float64{pay: 0.6}},
		{dashboards.UIDExecutive, "Availability in the last 90 days", 0, map[string]float64{pay: 0.99}},
		{dashboards.UIDExecutive, "Watched, of the last 90 days", 0, map[string]float64{shop: 0.067}},
	} {
		wantAnswers(t, queryOf(t, in, tc.uid, tc.title, tc.number), "1h", "12d", held, tc.want)
	}
}

// TestAgentsTakeWhatAgentsTake: without a selector, a process of somebody else's is not counted to the agents.
func TestAgentsTakeWhatAgentsTake(t *testing.T) {
	held := series{`assayer_build_info{job="assayer",instance="a:1",version="1"}`: "1x20", `assayer_build_info{job="assayer",instance="b:1",version="2"}`: "1x20"}
	for at, share := range map[string]int{`job="assayer",instance="a:1"`: 1, `job="assayer",instance="b:1"`: 2, `job="node",instance="a:1"`: 100} {
		held["process_cpu_seconds_total{"+at+"}"] = fmt.Sprintf("0+%dx20", 60*share)
		for _, name := range []string{"process_resident_memory_bytes", "go_memstats_heap_inuse_bytes", "go_goroutines", "process_open_fds", "process_max_fds"} {
			held[name+"{"+at+"}"] = fmt.Sprintf("%dx20", share)
		}
		held["process_start_time_seconds{"+at+"}"] = fmt.Sprint(-share, "x20")
	}
	both := map[string]float64{`{instance="a:1"}`: 1, `{instance="b:1"}`: 2}
	for _, tc := range []struct {
		uid, title string
		number     int
		want       map[string]float64
	}{
		{dashboards.UIDCost, "Processors used by all agents", 0, map[string]float64{"{}": 3}},
		{dashboards.UIDCost, "Memory of all agents", 0, map[string]float64{"{}": 3}},
		{dashboards.UIDAgent, "Processors", 0, both},
		{dashboards.UIDAgent, "Memory", 0, both},
		{dashboards.UIDAgent, "Heap in use", 0, both},
		{dashboards.UIDAgent, "Goroutines", 0, both},
		{dashboards.UIDAgent, "Open files", 0, both},
		{dashboards.UIDAgent, "Open files", 1, both},
		{dashboards.UIDAgent, "Agents", 2, map[string]float64{`{instance="a:1"}`: 1201, `{instance="b:1"}`: 1202}},
	} {
		wantAnswers(t, queryOf(t, dashboards.Input{}, tc.uid, tc.title, tc.number), "1m", "20m", held, tc.want)
	}
}

// TestBurnsThatPageCountOutages: an outage that sets off two legs is one; so is one with a pause of five minutes; one
// that began before, or goes on through an agent's restart, does not begin; tickets call nobody.
func TestBurnsThatPageCountOutages(t *testing.T) {
	leg := func(slo, tier, severity string) string {
		return fmt.Sprintf(`assayer_slo_firing{slo=%q,service="pay",tier=%q,severity=%q}`, slo, tier, severity)
	}
	held := series{
		// Two outages an hour apart; the second stops for four minutes.
		leg("pay-errors", "page-1h", "page"):                                                    "0x59 1x19 0x59 1x9 0x3 1x9 0x200",
		leg("pay-errors", "page-6h", "page"):                                                    "0x69 1x60 0x260",
		leg("pay-errors", "ticket-3d", "ticket"):                                                "0x100 1x20 0x200 1x60",
		leg("pay-latency", "page-1h", "page"):                                                   "1x100 0x290",
		leg("shop-errors", "page-1h", "page"):                                                   "0x29 1x29 _x29 1x29 0x200",
		`assayer_slo_firing{slo="quiet-errors",service="quiet",tier="page-1h",severity="page"}`: "0x390",
	}
	wantAnswers(t, queryOf(t, dashboards.Input{}, dashboards.UIDExecutive, "Burns fast enough to page", 0), "1m", "6h", held,
		map[string]float64{`{service="pay"}`: 3, `{service="quiet"}`: 0})
	if burnrate.Page != "page" {
		t.Error("the agent spells severities in another way")
	}
}

// TestSettledInTimeShowsTheScheme: with the scheme down nothing settles, though nothing fails through us.
func TestSettledInTimeShowsTheScheme(t *testing.T) {
	held := series{
		`assayer_transactions_total{rail="sct-inst",class="technical_scheme",outcome="excluded",end_to_end="bad",direction="out"}`: "0+9x30",
		`assayer_transactions_total{rail="sct-inst",class="good",outcome="good",end_to_end="good",direction="out"}`:                "0+1x30",
	}
	wantAnswers(t, queryOf(t, dashboards.Input{}, dashboards.UIDSettlement, "Settled in time, whoever was at fault", 0), "1m", "30m", held, map[string]float64{`{rail="sct-inst"}`: 0.1})
	wantAnswers(t, queryOf(t, dashboards.Input{}, dashboards.UIDSettlement, "Own technical success", 0), "1m", "30m", held, map[string]float64{`{rail="sct-inst"}`: 1})
}

// TestActionsOfADay: what was decided before is not in it, what was decided before and after a restart is.
func TestActionsOfADay(t *testing.T) {
	held := series{
		`assayer_hook_actions_total{hook="undo",kind="webhook",result="succeeded"}`: "0x10 40x38 42x20 1x20 3x30",
		`assayer_hook_actions_total{hook="undo",kind="webhook",result="failed"}`:    "7x120",
	}
	wantAnswers(t, queryOf(t, dashboards.Input{}, dashboards.UIDOnCall, "Actions of hooks in the last 24 hours", 0), "30m", "57h30m", held,
		map[string]float64{`{hook="undo",kind="webhook",result="succeeded"}`: 3})
}

// TestReturnsOfACH: only what was sent on ACH is held against the 15 % of its rules.
func TestReturnsOfACH(t *testing.T) {
	set, err := rail.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	held := series{}
	for name, back := range map[string]int{`rail="ach",direction="out"`: 3, `rail="ach",direction="in"`: 50, `rail="sct",direction="out"`: 4} {
		held["assayer_transactions_returns_total{"+name+`,class="business",outcome="excluded",end_to_end="bad"}`] = fmt.Sprintf("0+%dx48", back)
		held["assayer_transactions_total{"+name+`,class="good",outcome="good",end_to_end="good"}`] = "0+100x48"
	}
	in := dashboards.Input{Rails: set.All()}
	wantAnswers(t, queryOf(t, in, dashboards.UIDExecutive, "Returned payments", 0), "1h", "2d", held, map[string]float64{`{rail="ach"}`: 0.265, `{rail="sct"}`: 0.04})
	wantAnswers(t, queryOf(t, in, dashboards.UIDExecutive, "Returned payments", 1), "1h", "2d", held, map[string]float64{`{rail="ach"}`: 0.2})
	own := in.Rails[slices.IndexFunc(in.Rails, func(r rail.Rail) bool { return r.Name == "ach" })]
	own.Name, own.Limits = "own", []rail.Limit{{Name: "returns", Value: "10% of debits"}}
	held[`assayer_transactions_returns_total{rail="own",direction="out",class="business",outcome="excluded",end_to_end="bad"}`] = "0+5x48"
	held[`assayer_transactions_total{rail="own",direction="out",class="good",outcome="good",end_to_end="good"}`] = "0+100x48"
	both := dashboards.Input{Rails: append(slices.Clip(in.Rails), own)}
	wantAnswers(t, queryOf(t, both, dashboards.UIDExecutive, "Returned payments", 1), "1h", "2d", held, map[string]float64{`{rail="ach"}`: 0.2, `{rail="own"}`: 0.5})
	for _, p := range readBack(t, all(t, in)[1]).Panels {
		if p.Title == "Returned payments" && (strings.Contains(p.Description, "Returned:") || !strings.Contains(p.Description, "Of ACH's 15 % in 60 days: Red from 100 %, amber from 75 %.")) {
			t.Errorf("what colours returns: %s", p.Description)
		}
	}
}

// TestOtherCurrenciesAreAtRiskToo: each in its own major unit, and none twice.
func TestOtherCurrenciesAreAtRiskToo(t *testing.T) {
	held := series{}
	for currency, minor := range map[string]string{"EUR": "1000", "CHF": "2500", "JPY": "700", "KWD": "1500", "ETH": "3000000000000000000", "XAU": "50", "GBP": "0"} {
		held[`assayer_transactions_due_value{rail="sct",currency="`+currency+`"}`] = minor + "x5"
	}
	held[`assayer_transactions_due_value{rail="t2",currency="CHF"}`] = "500x5"
	in := dashboards.Input{Options: dashboards.Options{Currency: "EUR", Assets: map[string]int{"ETH": 18, "XAU": 2}}}
	wantAnswers(t, queryOf(t, in, dashboards.UIDExecutive, "At risk in other currencies", 2), "1m", "5m", held,
		map[string]float64{`{currency="CHF"}`: 30, `{currency="JPY"}`: 700, `{currency="KWD"}`: 1.5, `{currency="ETH"}`: 3, `{currency="XAU"}`: 0.5})
	in.Options.Currency = ""
	if q := queryOf(t, in, dashboards.UIDExecutive, "At risk, in whole units", 2); !strings.Contains(q, `currency!=""`) {
		t.Errorf("without a reporting currency none is left out: %s", q)
	}
	titles := 0
	for _, d := range all(t, company(t)) {
		for _, p := range readBack(t, d).Panels {
			for _, q := range p.Targets {
				if strings.Contains(q.Expr, `_value{job="assayer"`) && strings.Contains(q.Expr, `currency="EUR"`) && !strings.Contains(q.Expr, "assayer_transactions_value_total") && p.Type != "table" {
					if titles++; !strings.Contains(p.Title, "movements in EUR") {
						t.Errorf("%s: %q does not say that it leaves out other currencies", d.UID, p.Title)
					}
				}
			}
		}
	}
	if titles < 8 {
		t.Errorf("only %d panels of open money found", titles)
	}
}

// TestWhatIsNotFollowed: movements that the agent lost sight of are on its screen.
func TestWhatIsNotFollowed(t *testing.T) {
	held := series{`assayer_transactions_damaged{job="assayer",instance="a:1"}`: "2x1500", `assayer_transactions_damaged{job="assayer",instance="b:1"}`: "1x1500",
		`assayer_transactions_business_share_dropped_total{job="assayer",instance="a:1"}`: "100x60 100+1x1440"}
	wantAnswers(t, queryOf(t, dashboards.Input{}, dashboards.UIDAgent, "Movements whose record cannot be read", 0), "1m", "25h", held, map[string]float64{"{}": 3})
	wantAnswers(t, queryOf(t, dashboards.Input{}, dashboards.UIDAgent, "Movements not watched for jumps in declines", 0), "1m", "25h", held, map[string]float64{"{}": 1440})
}
