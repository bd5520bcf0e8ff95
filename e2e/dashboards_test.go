//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/alerts"
	rules "github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/dashboards/grafana"
	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/hooks/webhook"
	"github.com/assayer-io/assayer/internal/paysim"
	"github.com/assayer-io/assayer/internal/testkit/servers"
)

const screensConfig = `
global: {scrape_interval: 1s, evaluation_interval: 1s, reporting_currency: EUR}
storage: {path: data, checkpoint_interval: 1s}
objectives: ["slo/*.yaml"]
burn_alerts: [{long: 5s, short: 4s, budget: 20%%, severity: page}]
collectors:
  prometheus:
    scrape_configs:
%s
  transactions: {confirmation_delay: 1s, reconcile: {sct: 1s}}
hooks:
  - {name: undo, kind: webhook, objectives: ["card-auth-*"], url: "http://127.0.0.1:1/", secret: none, require_change: false}
`

// What the demo's objectives have not: groups, a budget that lasts for a while, and a budget policy.
const screensObjectives = `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: card-schemes, labels: {team: cards}}
spec:
  window: 30s
  groupBy: [scheme]
  errors: {bad: 'card_auth_total{outcome="technical"}', total: card_auth_total, objective: 90%}
---
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: card-day}
spec:
  window: 5m
  errors: {bad: 'card_auth_total{outcome="technical"}', total: card_auth_total, objective: 80%}
---
apiVersion: assayer.dev/v1
kind: BudgetPolicy
metadata: {name: card}
spec:
  objectives: ["card-auth-*", "card-schemes-*"]
  rules: [{name: freeze, when: {remainingBelow: 50%}, then: freeze}]
`

// mustBeEmpty are the queries that have no answer in a test of a minute, by what they match, and why.
func mustBeEmpty() map[*regexp.Regexp]string {
	return map[*regexp.Regexp]string{
		regexp.MustCompile(`offset 1w`):                                  "nothing ran a week ago",
		regexp.MustCompile(`rail="[^"]*"`):                               "nobody tells of that rail",
		regexp.MustCompile(`rail=~"ach"`):                                "nobody tells of that rail",
		regexp.MustCompile(`_overdue_value\{.*currency!="EUR",currency`): "what is in other currencies has days before it is late",
	}
}

// answered are those of them that have an answer all the same.
func answered() []*regexp.Regexp {
	return []*regexp.Regexp{regexp.MustCompile(` or .* offset 1w`), regexp.MustCompile(`rail="sct(-inst)?"`)}
}

// TestDashboards lets a Prometheus scrape an agent that watches a company in trouble, and asks it every query of every
// screen.
func TestDashboards(t *testing.T) {
	t.Parallel()
	company, agent, dir := troubledCompany(t)
	server := servers.StartPrometheusIn(t, prometheusDir(t), fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [agent.yaml]
scrape_configs:
  - job_name: assayer
    static_configs: [{targets: [%q]}]
`, agent.Address))
	screens := screensOf(t, dir)
	tellOfSlowPayments(t, agent, 0)
	// A clean beginning, and then one kind of trouble after another, while everything is watched.
	must(t, company.SetFaults("instant-transfer", paysim.Faults{TechnicalRatio: 0.2}))
	awaitMetric(t, agent, `(?m)^assayer_transactions_settlement_seconds_count\{rail="sct-inst"\} [1-9]`)
	must(t, company.SetFaults("instant-transfer", paysim.Faults{TechnicalRatio: 0.2, SettlementStop: true}))
	awaitMetric(t, agent, `(?m)^assayer_transactions_total\{class="late",.*rail="sct-inst"\} [1-9]`)
	must(t, company.SetFaults("instant-transfer", paysim.Faults{}))
	awaitMetric(t, agent, `(?m)^assayer_sli_events_total\{outcome="good",.*slo="card-day-errors"\} [2-9]\d\d`)
	must(t, company.SetFaults("card-auth", paysim.Faults{TechnicalRatio: 0.3, LatencyFactor: 20}))
	awaitMetric(t, agent, `(?m)^assayer_hook_actions_total\{hook="undo",.*\} [1-9]`)

	var all []asked
	for _, d := range screens {
		all = append(all, queriesOf(t, d)...)
	}
	if len(all) < 200 {
		t.Errorf("only %d queries found", len(all))
	}
	// What has once had an answer has one; the last ones come when piles have been worked off.
	waiting := slices.Clone(all)
	deadline := time.Now().Add(patience)
	for batch := 1; ; batch++ {
		tellOfSlowPayments(t, agent, batch) // they take the rest of the way while they are watched
		waiting = slices.DeleteFunc(waiting, func(a asked) bool { return a.reason() == "" && a.answer(t, server) > 0 })
		late := slices.ContainsFunc(waiting, func(a asked) bool { return a.reason() == "" })
		if !late || time.Now().After(deadline) {
			break
		}
		pause(t, time.Second)
	}
	for _, a := range waiting {
		if why := a.reason(); why == "" {
			t.Errorf("%s: %s yields nothing", a.where, a.expr)
		} else if n := a.answer(t, server); n > 0 {
			t.Errorf("%s: %s yields %d series, though %s", a.where, a.expr, n, why)
		}
	}
}

// troubledCompany is a company and the agent that watches it.
func troubledCompany(t *testing.T) (company *paysim.Simulator, agent *servers.Agent, dir string) {
	t.Helper()
	company, err := paysim.Start(t.Context(), paysim.Options{Seed: 7, TimeOfDay: 10 * time.Hour, Verify: webhook.Verify})
	must(t, err)
	t.Cleanup(func() { must(t, company.Close(context.WithoutCancel(t.Context()))) })
	dir = t.TempDir()
	copyExample(t, filepath.Join("..", "internal", "demo", "slo"), filepath.Join(dir, "slo"), nil)
	var jobs strings.Builder
	for _, s := range company.Services() {
		fmt.Fprintf(&jobs, "      - {job_name: %s, scrape_interval: 1s, static_configs: [{targets: [%q]}]}\n", s.Name, s.Address)
	}
	must(t, os.WriteFile(filepath.Join(dir, "slo", "more.yaml"), []byte(screensObjectives), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "assayer.yaml"), fmt.Appendf(nil, screensConfig, jobs.String()), 0o600))
	agent = servers.StartAssayer(t, binary, dir)
	company.TellTo(agent.URL("/api/v1/transactions"))
	return company, agent, dir
}

// prometheusDir holds the rules on the agent's series, whose alerts are drawn as annotations.
func prometheusDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range rules.Agent(nil, alerts.Options{ScrapeInterval: time.Second, Interval: time.Second, AgentSelector: `job="assayer"`}) {
		must(t, os.WriteFile(filepath.Join(dir, "agent.yaml"), rules.Encode(f), 0o600))
	}
	return dir
}

// screensOf makes the screens as the agent's own configuration says.
func screensOf(t *testing.T, dir string) []dashboards.Dashboard {
	t.Helper()
	in, problems := app.LoadGenerate(app.GenerateOptions{Config: filepath.Join(dir, "assayer.yaml"), Now: time.Now()})
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	made, err := grafana.All(dashboards.Input{Objectives: in.Objectives, Rails: in.Rails, Options: dashboards.Options{Currency: "EUR", AgentSelector: `job="assayer"`}})
	must(t, err)
	return made
}

// tellOfSlowPayments gives a rail with cut-offs, returns, two sides and several currencies something to say.
func tellOfSlowPayments(t *testing.T, agent *servers.Agent, batch int) {
	t.Helper()
	now := time.Now().UTC()
	var events []string
	tell := func(id, state, currency, more string) {
		events = append(events, fmt.Sprintf(`{"id":%q,"rail":"sct","state":%q,"at":%q,"amount":{"value":"10.00","currency":%q},"direction":"out","counterparty":"DEUTDEFF"%s}`, id, state, now.Format(time.RFC3339Nano), currency, more))
	}
	for i := range 30 {
		id := fmt.Sprintf("s%d-%d", batch, i)
		currency := []string{"EUR", "EUR", "CHF"}[i%3]
		tell(id, "received", currency, `,"parties":"same"`)
		switch {
		case i < 10:
			tell(id, "settled", currency, "")
		case i < 13:
			tell(id, "settled", currency, "")
			tell("r"+id, "returned", currency, fmt.Sprintf(`,"original":{"id":%q}`, id))
		case i < 16:
			tell(id, "rejected", currency, `,"reason":{"code":"ZZ99"}`)
		case i < 20:
			tell(id, "in_doubt", currency, "")
		case i < 22:
			tell(id, "received", currency, `,"external":true`)
			tell(id, "settled", currency, "")
			tell(id, "settled", currency, `,"external":true`)
		}
	}
	code, body, err := call(t.Context(), http.MethodPost, agent.URL("/api/v1/transactions"), "["+strings.Join(events, ",")+"]")
	if err != nil || code != http.StatusOK {
		t.Fatalf("telling of payments: %d %s %v", code, body, err)
	}
}

func awaitMetric(t *testing.T, agent *servers.Agent, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	eventually(t, func(ctx context.Context) error {
		body, err := fetch(ctx, agent.URL("/metrics"))
		if err == nil && !re.MatchString(body) {
			err = fmt.Errorf("the agent has no %s", pattern)
		}
		return err
	})
}

// asked is one query of a screen.
type asked struct {
	where, expr string
	label       string // of variables: whose values are asked for
	over        bool   // it is drawn over time
}

// reason says why there must be no answer; "" when there must be one.
func (a asked) reason() string {
	matches := func(r *regexp.Regexp) bool { return r.MatchString(a.expr) }
	if slices.ContainsFunc(answered(), matches) {
		return ""
	}
	for r, why := range mustBeEmpty() {
		if matches(r) {
			return why
		}
	}
	return ""
}

// answer is how many series, or values of a label, Prometheus gives.
func (a asked) answer(t *testing.T, server *servers.Server) int {
	t.Helper()
	now := time.Now()
	stamp := func(at time.Time) string { return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64) }
	ask := url.Values{}
	path := "/api/v1/query"
	switch {
	case a.label != "":
		path = "/api/v1/label/" + a.label + "/values"
		ask.Set("match[]", a.expr)
	case a.over:
		path = "/api/v1/query_range"
		ask.Set("start", stamp(now.Add(-time.Minute)))
		ask.Set("end", stamp(now))
		ask.Set("step", "1")
		fallthrough
	default:
		ask.Set("query", a.expr)
	}
	body, err := fetch(t.Context(), server.URL(path)+"?"+ask.Encode())
	if err != nil {
		t.Fatalf("%s: %s: %v", a.where, a.expr, err)
	}
	var said struct{ Data json.RawMessage }
	must(t, json.Unmarshal([]byte(body), &said))
	var rows []json.RawMessage
	if a.label == "" {
		var result struct{ Result []json.RawMessage }
		must(t, json.Unmarshal(said.Data, &result))
		rows = result.Result
	} else {
		must(t, json.Unmarshal(said.Data, &rows))
	}
	return len(rows)
}

// queriesOf reads every query off a screen, with what Grafana puts in place of its variables.
func queriesOf(t *testing.T, d dashboards.Dashboard) []asked {
	t.Helper()
	type panel struct {
		Title   string
		Targets []struct {
			Expr  string
			Range bool
		}
		Panels []panel // of a closed row
	}
	var s struct {
		Panels     []panel
		Templating struct {
			List []struct{ Name, Query string }
		}
		Annotations struct{ List []struct{ Name, Expr string } }
	}
	must(t, json.Unmarshal(d.JSON, &s))
	fill := strings.NewReplacer("$__rate_interval", "10s", "$__range:5m", "1m:1s", "90d:1h", "1m:1s", "365d:1h", "1m:1s", "$__range", "1m", `"$group"`, `"^$"`,
		"$slo", ".*", "$service", ".*", "$rail", ".*", "$currency", ".*", "$instance", ".*").Replace
	var all []asked
	for _, v := range s.Templating.List {
		if m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(v.Query); m != nil {
			all = append(all, asked{where: d.UID + ", variable " + v.Name, expr: fill(m[1]), label: m[2]})
		}
	}
	for _, a := range s.Annotations.List {
		all = append(all, asked{where: d.UID + ", annotation " + a.Name, expr: fill(a.Expr), over: true})
	}
	panels := s.Panels
	for _, p := range s.Panels {
		panels = append(panels, p.Panels...)
	}
	for _, p := range panels {
		for _, q := range p.Targets {
			all = append(all, asked{where: d.UID + ", " + p.Title, expr: fill(q.Expr), over: q.Range})
		}
	}
	return all
}
