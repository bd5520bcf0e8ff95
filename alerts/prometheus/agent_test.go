package prometheus

import (
	"flag"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/internal/testkit/golden"
	"github.com/assayer-io/assayer/internal/testkit/promrules"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/money"
	"github.com/assayer-io/assayer/slo/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var links = alerts.Links{Runbooks: "https://docs/runbooks", Dashboards: "https://grafana", Agent: "https://assayer"}

// agentRules are those of a deployment whose objectives count money too.
func agentRules() []alerts.File {
	return Agent([]alerts.Objective{{Objective: spec.Objective{Name: "sales", Weight: &spec.Weight{Currency: "EUR", MinorUnit: 1}}}},
		alerts.Options{AgentSelector: `job="assayer"`, Links: links})
}

// card is an objective that keeps its promise.
func card() slo.Status {
	return slo.Status{
		Name: "card-auth", Service: "card", Team: "payments", Objective: 0.9995, Window: "30d", Method: "Occurrences", State: slo.OK, Observed: true, Filled: 1, Coverage: 1,
		Events: slo.Events{Good: 1000}, ErrorBudget: slo.Budget{RemainingRatio: 0.75},
		BurnRates: slo.WindowValues{{Window: "5m", Value: 0.5}, {Window: "1h", Value: 0.25}},
		Tiers: []slo.TierStatus{
			{Name: "page-1h", Severity: burnrate.Page, Urgency: burnrate.Critical, LongWindow: "1h", ShortWindow: "5m", FactorText: "14.4"},
			{Name: "ticket-1d", Severity: burnrate.Ticket, Urgency: burnrate.Medium, LongWindow: "1d", ShortWindow: "2h", FactorText: "3"},
			{Name: "page-fast", Severity: burnrate.Page, Urgency: burnrate.Critical, LongWindow: "5m", ShortWindow: "5m", FactorText: "1"},
		},
	}
}

// with is card changed.
func with(change func(*slo.Status)) slo.Status {
	s := card()
	change(&s)
	return s
}

func fires(tier int) slo.Status {
	return with(func(s *slo.Status) {
		at := epoch.Add(26 * time.Hour)
		s.Tiers[tier].Firing = true
		s.BurnRates = slo.WindowValues{{Window: "5m", Value: 30.123}, {Window: "1h", Value: 16}}
		s.ErrorBudget = slo.Budget{RemainingRatio: 0.4897, ExhaustsAt: &at}
	})
}

// calm is what a healthy agent says besides its objectives.
const calm = `
assayer_config_last_reload_successful 1
assayer_targets{collector="prometheus",up="true"} 12
assayer_targets{collector="prometheus",up="false"} 0
assayer_collector_cycles_skipped_total{collector="prometheus"} 7
assayer_hook_actions_total{hook="undo",kind="webhook",result="failed"} 2
assayer_transactions_overdue{rail="sct"} 0
assayer_transactions_overdue_value{rail="sct",currency="EUR"} 0
assayer_transactions_in_doubt{rail="sct"} 0
assayer_transactions_drain_ratio{rail="sct"} 0.4
assayer_reconciliation_breaks{rail="sct"} 0
assayer_drifted_objects{target="grafana",kind="dashboard"} 0
up 1
`

func TestNothingFiresWhileAllIsWell(t *testing.T) {
	w := newWorld(t, agentRules())
	text := agentText(t, calm, card())
	w.run(70*time.Minute, func() []target { return []target{{"assayer", "a:9797", text}} })
	w.wantFiring()
	if _, dead := w.Firing()[`{alertname="AssayerDeadMansSwitch"}`]; !dead {
		t.Error("the dead man's switch does not fire")
	}
}

func TestBurnFiresAtOnceAndLingers(t *testing.T) {
	const page = `{alertname="ErrorBudgetBurn", factor="14.4", long_window="1h", service="card", severity="critical", short_window="5m", slo="card-auth", team="payments", tier="page-1h"}`
	w := newWorld(t, agentRules())
	well, ill := agentText(t, calm, card()), agentText(t, calm, fires(0))
	w.run(10*time.Minute, func() []target { return []target{{"assayer", "a:9797", well}} })
	w.wantFiring()
	w.run(10*time.Minute+step, func() []target { return []target{{"assayer", "a:9797", ill}} })
	w.wantFiring(page)
	w.run(20*time.Minute, func() []target { return []target{{"assayer", "a:9797", ill}} })
	w.wantFiring(page)
	w.run(20*time.Minute+4*step, func() []target { return []target{{"assayer", "a:9797", well}} })
	w.wantFiring(page)
	w.run(20*time.Minute+5*step, func() []target { return []target{{"assayer", "a:9797", well}} })
	w.wantFiring()
}

// TestBurnOutlivesRestart: the agent is gone for a minute while a tier fires.
func TestBurnOutlivesRestart(t *testing.T) {
	w := newWorld(t, agentRules())
	ill := agentText(t, calm, fires(0))
	for _, up := range []bool{true, false, true} {
		w.run(w.at+2*step, func() []target {
			if !up {
				return nil
			}
			return []target{{"assayer", "a:9797", ill}}
		})
		if got := len(w.firing()); got != 1 {
			t.Errorf("%d alerts fire after %s", got, w.at)
		}
	}
}

// TestBurnLabels: exactly those of the contract, none empty, one alert however many agents say so.
func TestBurnLabels(t *testing.T) {
	group := fires(1)
	group.Name, group.Parent, group.Group, group.Team = "card-auth[region=eu]", "card-auth", map[string]string{"region": "eu", "scheme": `a "b"`}, ""
	other := fires(0)
	other.Tiers[0].FactorText = "13.44"
	for name, tt := range map[string]struct {
		agents [][]slo.Status
		want   []string
	}{
		"two agents agree": {[][]slo.Status{{fires(1)}, {fires(1)}}, []string{
			`{alertname="ErrorBudgetBurn", factor="3", long_window="1d", service="card", severity="medium", short_window="2h", slo="card-auth", team="payments", tier="ticket-1d"}`}},
		"one of two says so": {[][]slo.Status{{card()}, {fires(2)}}, []string{
			`{alertname="ErrorBudgetBurn", factor="1", long_window="5m", service="card", severity="critical", short_window="5m", slo="card-auth", team="payments", tier="page-fast"}`}},
		"two agents with other windows, during a roll-out": {[][]slo.Status{{fires(0)}, {other}}, []string{
			`{alertname="ErrorBudgetBurn", factor="13.44", long_window="1h", service="card", severity="critical", short_window="5m", slo="card-auth", team="payments", tier="page-1h"}`,
			`{alertname="ErrorBudgetBurn", factor="14.4", long_window="1h", service="card", severity="critical", short_window="5m", slo="card-auth", team="payments", tier="page-1h"}`}},
		"a group, and nobody owns it": {[][]slo.Status{{with(func(s *slo.Status) { s.Team = "" }), group}}, []string{
			`{alertname="ErrorBudgetBurn", factor="3", group="region=eu,scheme=\"a \\\"b\\\"\"", long_window="1d", service="card", severity="medium", short_window="2h", slo="card-auth", tier="ticket-1d"}`}},
		"an agent that is not ours": {[][]slo.Status{{card()}, nil, {fires(0)}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, agentRules())
			var targets []target
			for i, statuses := range tt.agents {
				targets = append(targets, target{[]string{"assayer", "assayer", "other"}[i], fmt.Sprint("a:", i), agentText(t, calm, statuses...)})
			}
			w.run(2*step, func() []target { return targets })
			w.wantFiring(tt.want...)
		})
	}
}

func TestBurnSpeaks(t *testing.T) {
	ill := fires(0)
	ill.Currency = "EUR"
	ill.Totals.Bad = 0
	w := newWorld(t, agentRules())
	at := func(bad float64) func() []target {
		return func() []target {
			ill.Totals.Bad += bad
			return []target{{"assayer", "a:9797", agentText(t, calm, ill)}}
		}
	}
	w.run(70*time.Minute, at(1000))
	for _, a := range w.firing() {
		want := map[string]string{
			"summary": "card-auth burns its error budget 16 times as fast as it may",
			// 120 steps of 1,000 cents in an hour.
			"description": "The errors of card-auth of service card, owned by payments, came 16 times as fast as the objective allows over 1h and 30.1 times as fast over 5m; " +
				"the limit of page-1h is 14.4 times. 48.97% of the error budget is left. At this rate it is spent at 2026-11-23 10:00:00 +0000 UTC. " +
				"Since 2026-11-22 08:00:00 +0000 UTC. What failed in the last 1h comes to about 1200.00 EUR.",
			"runbook_url":   "https://docs/runbooks/card-auth.md",
			"dashboard_url": "https://grafana/d/assayer-objective?var-slo=card-auth",
			"agent_url":     "https://assayer/slo/card-auth",
		}
		if got := a.Annotations; !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%q\nwant\n%q", got, want)
		}
	}
	if len(w.firing()) != 1 {
		t.Errorf("%d alerts fire", len(w.firing()))
	}
}

// TestBurnSpeaksOfLittle: what is not known is left out, and the rest still said.
func TestBurnSpeaksOfLittle(t *testing.T) {
	for tier, want := range map[int]string{
		0: "card-auth burns its error budget | The errors of card-auth of service card, owned by payments, came over 1h and over 5m; the limit of page-1h is 14.4 times. 75% of the error budget is left.",
		2: "card-auth fails altogether, or nearly so | So many events of card-auth of service card, owned by payments, failed that it is no chance. 75% of the error budget is left.",
	} {
		w := newWorld(t, Agent(nil, alerts.Options{}))
		text := agentText(t, "", with(func(s *slo.Status) { s.BurnRates, s.Tiers[tier].Firing = nil, true }))
		w.run(step, func() []target { return []target{{"x", "a:9797", text}} })
		if len(w.firing()) != 1 {
			t.Fatalf("%d alerts fire", len(w.firing()))
		}
		for _, a := range w.firing() {
			if got := a.Annotations["summary"] + " | " + a.Annotations["description"]; got != want {
				t.Errorf("says %q, want %q", got, want)
			}
			if len(a.Annotations) != 2 {
				t.Errorf("without addresses there are annotations %s", a.Annotations)
			}
		}
	}
}

// otherAlert is one that is about no leg.
type otherAlert struct {
	ill        []target
	wait, keep time.Duration
	want       string
	says       string // at the end of the description
}

func otherAlerts(t *testing.T) map[string]otherAlert {
	t.Helper()
	healthy := agentText(t, calm, card())
	like := func(before, after string) []target {
		text := strings.Replace(healthy, before, after, 1)
		if text == healthy {
			t.Fatalf("nothing is like %q", before)
		}
		return []target{{"assayer", "a:9797", text}}
	}
	said := func(s slo.Status) []target { return []target{{"assayer", "a:9797", agentText(t, calm, s)}} }
	const agent = `instance="a:9797", job="assayer"`
	return map[string]otherAlert{
		"exhausted": {said(with(func(s *slo.Status) { s.State, s.ErrorBudget.RemainingRatio = slo.Exhausted, -3 })), 5 * time.Minute, time.Hour,
			`{alertname="ErrorBudgetExhausted", service="card", severity="medium", slo="card-auth", team="payments"}`,
			"-300% is left; less than nothing is overspent. What the budget policy says about spent budgets applies until it recovers."},
		"unobserved": {said(with(func(s *slo.Status) { s.State, s.Observed, s.Team = slo.Unknown, false, "" })), 15 * time.Minute, 5 * time.Minute,
			`{alertname="ObjectiveUnobserved", service="card", severity="medium", slo="card-auth"}`, "The agent's page says what is missing."},
		"absent": {nil, 2 * time.Minute, 5 * time.Minute, `{alertname="AssayerAbsent", severity="critical"}`, "movements of money are not followed. What the last agent said of the rest is held for an hour."},
		"reload": {like("successful 1", "successful 0"), 5 * time.Minute, 5 * time.Minute,
			`{alertname="AssayerUnhealthy", condition="reload_failed", ` + agent + `, severity="medium"}`, "what is wrong with the files."},
		"labels": {like(`assayer_slo_info{`, `assayer_slo_info{exported_service="card",`), 5 * time.Minute, 5 * time.Minute,
			`{alertname="AssayerUnhealthy", condition="labels_renamed", ` + agent + `, severity="medium"}`, "alerts that should keep still do not."},
		"targets": {like(`up="false"} 0`, `up="false"} 3`), 10 * time.Minute, 5 * time.Minute,
			`{alertname="AssayerUnhealthy", collector="prometheus", condition="target_down", ` + agent + `, severity="medium"}`, "become unknown."},
		"overdue": {like("overdue{rail=\"sct\"} 0\nassayer_transactions_overdue_value{rail=\"sct\",currency=\"EUR\"} 0",
			"oldest_open_age_seconds{rail=\"sct\"} 7230\nassayer_transactions_overdue{rail=\"sct\"} 3\nassayer_transactions_overdue_value{rail=\"sct\",currency=\"EUR\"} 1234567\n"+
				"assayer_transactions_overdue_value{rail=\"sct\",currency=\"JPY\"} 500\nassayer_transactions_overdue_value{rail=\"sct\",currency=\"ETH\"} 7"), 5 * time.Minute, 10 * time.Minute,
			`{alertname="SettlementOverdue", rail="sct", severity="high"}`,
			"They come to 12345.67 EUR, 500.00 JPY. They come to 7.00 minor units of ETH. The oldest open one is 2h 0m 30s old."},
		"cut-off": {like("drain_ratio{rail=\"sct\"} 0.4", "drain_ratio{rail=\"sct\"} 2.5\nassayer_next_cutoff_timestamp_seconds{rail=\"sct\"} 1795345200"), 5 * time.Minute, 10 * time.Minute,
			`{alertname="CutOffAtRisk", rail="sct", severity="critical"}`, "it takes 2.5 times as long as there is time left. The cut-off is at 2026-11-22 11:00:00 +0000 UTC."},
		"in doubt": {like("in_doubt{rail=\"sct\"} 0", "in_doubt{rail=\"sct\"} 1\nassayer_transactions_in_doubt_value{rail=\"sct\",currency=\"BHD\"} 1500"), 15 * time.Minute, 15 * time.Minute,
			`{alertname="MovementsInDoubt", rail="sct", severity="high"}`, "They come to 1.50 BHD."},
		"breaks": {like("breaks{rail=\"sct\"} 0", "breaks{rail=\"sct\"} 4"), time.Hour, 30 * time.Minute,
			`{alertname="ReconciliationBreaks", rail="sct", severity="medium"}`, "only one of them has."},
		"drift": {like(`kind="dashboard"} 0`, `kind="dashboard"} 2`), 10 * time.Minute, 10 * time.Minute,
			`{alertname="DeployedConfigDrifted", kind="dashboard", severity="low", target="grafana"}`, "assayer apply puts it back."},
	}
}

// TestOtherAlerts: each fires once its condition has held for long enough, not a step before, and goes on for as long as
// it is meant to.
func TestOtherAlerts(t *testing.T) {
	healthy := agentText(t, calm, card())
	for name, tt := range otherAlerts(t) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, agentRules())
			well := func() []target { return []target{{"assayer", "a:9797", healthy}} }
			w.run(5*time.Minute, well)
			w.wantFiring()
			w.run(5*time.Minute+tt.wait, func() []target { return tt.ill })
			w.wantFiring()
			w.run(5*time.Minute+tt.wait+step, func() []target { return tt.ill })
			w.wantFiring(tt.want)
			for _, a := range w.firing() {
				if got := a.Annotations["description"]; !strings.HasSuffix(got, tt.says) {
					t.Errorf("says %q, want %q at its end", got, tt.says)
				}
			}
			w.run(w.at+tt.keep, well)
			w.wantFiring(tt.want)
			w.run(w.at+step, well)
			w.wantFiring()
		})
	}
}

// TestAgentsThatFallSilent: one of two is down, which is not for the other's absence.
func TestAgentsThatFallSilent(t *testing.T) {
	w := newWorld(t, agentRules())
	a, b := target{"assayer", "a:9797", agentText(t, calm, card())}, target{"assayer", "b:9797", agentText(t, calm, card())}
	w.run(10*time.Minute, func() []target { return []target{a, b} })
	b.text = "up 0\n"
	w.run(13*time.Minute, func() []target { return []target{a, b, {"card", "c:80", "up 0\n"}} })
	w.wantFiring(`{alertname="AssayerUnhealthy", condition="down", instance="b:9797", job="assayer", severity="high"}`)
}

// TestAgentThatStaysDown: it is not forgotten as long as Prometheus is to scrape it, nor is another target taken for it.
func TestAgentThatStaysDown(t *testing.T) {
	w := newWorld(t, agentRules())
	at := time.Duration(epoch.UnixNano())
	run := func(until time.Duration, targets ...target) {
		t.Helper()
		var all []promrules.Sample
		for _, one := range targets {
			all = append(all, one.samples(t)...)
		}
		for ; at < time.Duration(epoch.UnixNano())+until; at += 4 * time.Minute {
			if err := w.Step(at, all); err != nil {
				t.Fatal(err)
			}
		}
	}
	well, down, card := target{"assayer", "a:9797", agentText(t, calm, card())}, target{"assayer", "b:9797", "up 0\n"}, target{"card", "c:80", "up 0\n"}
	run(time.Hour, well, target{"assayer", "b:9797", well.text}, card)
	w.wantFiring()
	run(60*time.Hour, well, down, card)
	w.wantFiring(`{alertname="AssayerUnhealthy", condition="down", instance="b:9797", job="assayer", severity="high"}`)
	run(61*time.Hour, well, card) // it is no target any more
	w.wantFiring()
}

// TestLooksLeftOut: skipped looks go on for a quarter of an hour, and end.
func TestLooksLeftOut(t *testing.T) {
	w := newWorld(t, agentRules())
	skipped := 7
	text := func() []target {
		return []target{{"assayer", "a:9797", agentText(t, strings.Replace(calm, "prometheus\"} 7", fmt.Sprintf("prometheus\"} %d", skipped), 1), card())}}
	}
	w.run(10*time.Minute, text)
	w.run(27*time.Minute, func() []target { skipped++; return text() })
	w.wantFiring(`{alertname="AssayerUnhealthy", collector="prometheus", condition="scrape_overrun", instance="a:9797", job="assayer", severity="low"}`)
	w.run(50*time.Minute, text)
	w.wantFiring()
}

// TestFirstFailureOfHook: the very first failed action counts, of which there was no series before; what failed long ago
// does not.
func TestFirstFailureOfHook(t *testing.T) {
	w := newWorld(t, agentRules())
	more := ""
	agent := func() []target { return []target{{"assayer", "a:9797", agentText(t, calm+more, card())}} }
	w.run(30*time.Minute, agent)
	w.wantFiring()
	more = "assayer_hook_actions_total{hook=\"scale\",kind=\"webhook\",result=\"unverified\"} 1\n"
	w.run(30*time.Minute+step, agent)
	w.wantFiring(`{alertname="AssayerUnhealthy", condition="hook_failing", hook="scale", instance="a:9797", job="assayer", kind="webhook", result="unverified", severity="high"}`)
	w.run(52*time.Minute, agent)
	w.wantFiring()
}

// TestFirstFailureAfterTheStart: an agent that has just begun fails, which nobody could have seen grow.
func TestFirstFailureAfterTheStart(t *testing.T) {
	w := newWorld(t, agentRules())
	text := agentText(t, fmt.Sprintf("%sprocess_start_time_seconds %d\n", calm, epoch.Unix()-5), card())
	w.run(step, func() []target { return []target{{"assayer", "a:9797", text}} })
	w.wantFiring(`{alertname="AssayerUnhealthy", condition="hook_failing", hook="undo", instance="a:9797", job="assayer", kind="webhook", result="failed", severity="high"}`)
}

// TestGroupsAreQuietTogether: targets that go take all groups with them, which is one alert.
func TestGroupsAreQuietTogether(t *testing.T) {
	w := newWorld(t, agentRules())
	whole := with(func(s *slo.Status) { s.Observed = false })
	statuses := []slo.Status{whole}
	for _, region := range []string{"eu", "us"} {
		group := whole
		group.Name, group.Parent, group.Group = "card-auth["+region+"]", "card-auth", map[string]string{"region": region}
		statuses = append(statuses, group)
	}
	text := agentText(t, calm, statuses...)
	w.run(20*time.Minute, func() []target { return []target{{"assayer", "a:9797", text}} })
	w.wantFiring(`{alertname="ObjectiveUnobserved", service="card", severity="medium", slo="card-auth", team="payments"}`)
}

// TestGroupsAreLinkedTo: an alert on a group leads to the screen of that group.
func TestGroupsAreLinkedTo(t *testing.T) {
	w := newWorld(t, agentRules())
	group := fires(0)
	group.Name, group.Parent, group.Group = "card-auth[region=eu,scheme=a&b]", "card-auth", map[string]string{"region": "eu", "scheme": "a&b"}
	text := agentText(t, calm, card(), group)
	w.run(step, func() []target { return []target{{"assayer", "a:9797", text}} })
	if len(w.firing()) != 1 {
		t.Fatalf("%d alerts fire", len(w.firing()))
	}
	for _, a := range w.firing() {
		link, err := url.Parse(a.Annotations["dashboard_url"])
		if err != nil {
			t.Fatal(err)
		}
		if q := link.Query(); q.Get("var-slo") != "card-auth" || q.Get("var-group") != a.Labels.Get("group") || q.Get("var-group") == "" {
			t.Errorf("of group %s the link is to %s", a.Labels.Get("group"), link)
		}
	}
}

func TestAgentGolden(t *testing.T) {
	golden.Want(t, *update, "testdata/agent/assayer-agent.yaml", Encode(agentRules()[0]))
}

func TestAgentRulesAreConstantInNumber(t *testing.T) {
	many := make([]alerts.Objective, 1000)
	for i := range many {
		many[i].Name = fmt.Sprint("o", i)
	}
	one, all := Agent(many[:1], alerts.Options{}), Agent(many, alerts.Options{})
	if !reflect.DeepEqual(one, all) {
		t.Error("the rules depend on how many objectives there are")
	}
	if n := len(one[0].Groups[0].Rules); n > 25 {
		t.Errorf("%d rules are no handful", n)
	}
}

func TestIntervals(t *testing.T) {
	for want, o := range map[time.Duration]alerts.Options{
		30 * time.Second: {}, time.Minute: {ScrapeInterval: time.Minute}, 10 * time.Second: {Interval: 10 * time.Second, ScrapeInterval: 5 * time.Second},
	} {
		if got := Agent(nil, o)[0].Groups[0].Interval; got != want {
			t.Errorf("%+v: %s, want %s", o, got, want)
		}
	}
}

// TestEverySelectorNamesTheAgent: in expressions and in the queries of annotations, odd characters too.
func TestEverySelectorNamesTheAgent(t *testing.T) {
	f := Agent([]alerts.Objective{{Objective: spec.Objective{Weight: &spec.Weight{Currency: "EUR"}}}}, alerts.Options{AgentSelector: `team="100 % \"us\""`})[0]
	p := parser.NewParser(parser.Options{})
	for _, r := range f.Groups[0].Rules {
		expr, err := p.ParseExpr(r.Expr)
		if err != nil {
			t.Fatalf("%s: %v", r.Expr, err)
		}
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			if v, ok := n.(*parser.VectorSelector); ok && v.Name != "up" && !strings.HasPrefix(v.Name, "assayer:") && !strings.Contains(v.String(), `team="100 % \"us\""`) {
				t.Errorf("%s%s: %s", r.Alert, r.Record, v)
			}
			return nil
		})
		for _, text := range r.Annotations {
			if n, with := strings.Count(text, "(assayer_"), strings.Count(text, `team=\"100 %% \\\"us\\\"\"`); n > with {
				t.Errorf("%s: %d selectors, %d with the agent's: %s", r.Alert, n, with, text)
			}
		}
	}
	readBack(t, Encode(f))
}

// TestNamesOfOthers holds to what they are called where they may not be imported from.
func TestNamesOfOthers(t *testing.T) {
	for mine, theirs := range map[string]string{alerts.FastTier: slo.FastTier, objectiveScreen: dashboards.UIDObjective, settlementScreen: dashboards.UIDSettlement, agentScreen: dashboards.UIDAgent} {
		if mine != theirs {
			t.Errorf("%q is called %q", mine, theirs)
		}
	}
}

// TestScaleOfCurrencies: one unit of a currency is as many minor units as its amounts have places after the point.
func TestScaleOfCurrencies(t *testing.T) {
	expr := Agent(nil, alerts.Options{})[0].Groups[0].Rules[0].Expr
	seen := map[string]bool{}
	for part := range strings.SplitSeq(expr, "\nor\n") {
		scale := part[strings.LastIndex(part, " ")+1:]
		_, after, _ := strings.Cut(part, `currency=~"`)
		codes, _, _ := strings.Cut(after, `"`)
		for code := range strings.SplitSeq(codes, "|") {
			_, places, _ := strings.Cut(strings.TrimSuffix(money.Text(1, code), " "+code), ".")
			if want := "1" + strings.Repeat("0", len(places)); scale != want || seen[code] {
				t.Errorf("%s has scale %s, want %s; seen before: %v", code, scale, want, seen[code])
			}
			seen[code] = true
		}
	}
	for _, code := range []string{"EUR", "JPY", "KWD", "CLF", "USD", "GBP"} {
		if !seen[code] {
			t.Errorf("%s has no scale", code)
		}
	}
}

// TestPilesAddUp: two agents follow movements of their own on one rail.
func TestPilesAddUp(t *testing.T) {
	w := newWorld(t, agentRules())
	var targets []target
	for i, n := range []string{"3", "4"} {
		more := "assayer_transactions_overdue{rail=\"sct\"} " + n + "\nassayer_transactions_overdue_value{rail=\"sct\",currency=\"EUR\"} " + n + "00\n"
		targets = append(targets, target{"assayer", fmt.Sprint("a:", i), agentText(t, more, card())})
	}
	w.run(6*time.Minute, func() []target { return targets })
	w.wantFiring(`{alertname="SettlementOverdue", rail="sct", severity="high"}`)
	for _, a := range w.firing() {
		if said := a.Annotations["summary"] + ": " + a.Annotations["description"]; !strings.Contains(said, "7 movements on sct are overdue") || !strings.Contains(said, "They come to 7.00 EUR.") {
			t.Errorf("says %q", said)
		}
	}
}
