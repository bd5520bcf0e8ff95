//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/internal/hooks/webhook"
	"github.com/assayer-io/assayer/internal/paysim"
	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// The budget of transfers is one of 12 hours, a sixtieth of the usual 30 days. So an hour's window is one of a minute
// here, with the same factor. Cards fare well all along.
const incidentObjectives = `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: transfers, labels: {team: payments}}
spec:
  window: 12h
  errors: {bad: 'instant_transfer_total{outcome="technical"}', total: instant_transfer_total, objective: 99%}
---
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: cards}
spec:
  window: 12h
  errors: {bad: 'card_auth_total{outcome="technical"}', total: card_auth_total, objective: 90%}
`

const incidentConfig = `
global: {scrape_interval: 1s, evaluation_interval: 1s}
storage: {path: data}
objectives: [slo.yaml]
collectors:
  prometheus:
    scrape_configs:
      - {job_name: transfers, static_configs: [{targets: [%q]}]}
      - {job_name: cards, static_configs: [{targets: [%q]}]}
generate:
  interval: 1s
  agent_selector: job="assayer"
  links: {runbooks: "https://docs/runbooks", dashboards: "https://grafana", agent: "https://assayer"}
  alertmanager: {receivers: receivers.yaml}
`

// incidentTimes are what takes minutes where budgets last for a month, and what it takes here.
func incidentTimes() map[string]string {
	return map[string]string{
		"for: 2m":         "for: 8s", // and keep_firing_for
		"group_wait: 10s": "group_wait: 200ms", "group_wait: 30s": "group_wait: 200ms", "group_wait: 1s": "group_wait: 200ms",
		"group_interval: 1m": "group_interval: 1s", "group_interval: 5m": "group_interval: 1s", "repeat_interval: 50s": "repeat_interval: 500ms",
	}
}

const (
	pace = time.Second     // between scrapes, and between evaluations, of both agent and Prometheus
	held = 8 * time.Second // for how long alerts go on, and AssayerAbsent waits, by incidentTimes
	// late is what one look takes longer, or is left out, on a machine that does much else.
	late = 1500 * time.Millisecond
)

// incident is a company with two observers of it: an agent, and a Prometheus with what was generated from the agent's
// configuration, which tells Alertmanager, which tells the inbox.
type incident struct {
	*testing.T
	company      *paysim.Simulator
	agent        *servers.Agent
	server       *servers.Server // Prometheus
	alertmanager *servers.Server
	in           *inbox
}

func newIncident(t *testing.T) *incident {
	t.Helper()
	company, err := paysim.Start(t.Context(), paysim.Options{Seed: 3, Manual: true, Verify: webhook.Verify})
	must(t, err)
	t.Cleanup(func() { must(t, company.Close(context.WithoutCancel(t.Context()))) })
	cards, transfers := company.Services()[0].Address, company.Services()[1].Address
	keepPaying(t, "http://"+transfers+"/payments", `{"by":"sct_inst","currency":"EUR","amount_minor":1200}`)
	keepPaying(t, "http://"+cards+"/payments", `{"by":"visa","currency":"EUR","amount_minor":1200}`)

	dir := t.TempDir()
	x := &incident{T: t, company: company, in: newInbox(t)}
	var receivers strings.Builder
	for _, name := range []string{"pager", "chat", "ticket", "deadman"} {
		fmt.Fprintf(&receivers, "- {name: %s, webhook_configs: [{url: '%s/%s'}]}\n", name, x.in.URL, name)
	}
	put(t, filepath.Join(dir, "slo.yaml"), incidentObjectives)
	put(t, filepath.Join(dir, "receivers.yaml"), receivers.String())
	put(t, filepath.Join(dir, "assayer.yaml"), fmt.Sprintf(incidentConfig, transfers, cards))
	made := filepath.Join(dir, "made")
	tool(t, dir, binary, "generate", "--config", "assayer.yaml", "--out", made)
	checkRules(t, filepath.Join(made, "rules"))
	checkRouting(t, made)

	quick := t.TempDir()
	copyExample(t, made, quick, incidentTimes())
	copyFile(t, filepath.Join(made, "alertmanager", "assayer.tmpl"), filepath.Join(quick, "alertmanager", "assayer.tmpl"))
	routing, err := os.ReadFile(filepath.Join(quick, "alertmanager", "alertmanager.yaml"))
	must(t, err)
	x.alertmanager = servers.StartAlertmanager(t, strings.Replace(string(routing), "assayer.tmpl", filepath.Join(quick, "alertmanager", "assayer.tmpl"), 1))
	x.agent = servers.StartAssayer(t, binary, dir)
	x.startPrometheus(filepath.Join(quick, "rules"), x.agent.Address, transfers, cards)
	return x
}

// startPrometheus returns when everything is scraped. What fires before it has found its Alertmanager, which takes it five
// seconds, it would tell a minute later; here it tells everything again after five seconds.
func (x *incident) startPrometheus(rules, agent, transfers, cards string) {
	x.Helper()
	x.server = servers.StartPrometheusIn(x.T, x.TempDir(), fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs:
  - {job_name: assayer, static_configs: [{targets: [%q]}]}
  - {job_name: transfers, static_configs: [{targets: [%q]}]}
  - {job_name: cards, static_configs: [{targets: [%q]}]}
`, filepath.Join(rules, "*.yaml"), x.alertmanager.Address, agent, transfers, cards), "--rules.alert.resend-delay=5s")
	eventually(x.T, func(ctx context.Context) error {
		up, err := x.ask(ctx, "count(up == 1) == 3")
		if err == nil && len(up) == 0 {
			err = errors.New("Prometheus has not found all targets")
		}
		return err
	})
}

func put(t *testing.T, name, text string) {
	t.Helper()
	must(t, os.WriteFile(name, []byte(text), 0o600))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, data, 0o600))
}

// tool runs a program that must succeed.
func tool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%.4000s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// paymentsPerSecond reach each service, one as long after another as the next.
const paymentsPerSecond = 20

// keepPaying sends the same payment again and again, until the test ends. So arithmetic says when what happens.
func keepPaying(t *testing.T, address, payment string) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second / paymentsPerSecond)
		defer ticker.Stop()
		begin, sent := time.Now(), 0
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			for due := int(time.Since(begin).Seconds() * paymentsPerSecond); sent < due; sent++ {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(payment))
				if err != nil {
					t.Errorf("paying: %v", err)
					return
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("paying: %v", err)
					}
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
				resp.Body.Close()
			}
		}
	}()
}

// leg is what all labels of a burn alert of transfers-errors must be, and after how long a total outage it fires and how
// long after its end it resets: the share of a window that has to fail is the factor times what the objective allows.
type leg struct {
	tier, severity, long, short, factor string
	fires, resets                       time.Duration
}

// legsOfTwelveHours are worked out by hand from the table for 30 days, 1 h and 5 min at 14.4 and so on, with windows a
// sixtieth as long: 14.4 × 1 % of a minute has to fail, and all but 14.4 % of five seconds has to be good again.
func legsOfTwelveHours() (page, high, ticket leg) {
	page = leg{"page-1m", "critical", "1m", "5s", "14.4", 8640 * time.Millisecond, 4280 * time.Millisecond}
	high = leg{"page-6m", "high", "6m", "30s", "6", 21600 * time.Millisecond, 28200 * time.Millisecond}
	ticket = leg{"ticket-24m", "medium", "24m", "2m", "3", 43200 * time.Millisecond, 0}
	return page, high, ticket
}

func (l leg) labels() map[string]string {
	return map[string]string{
		"alertname": alerts.BudgetBurn, "slo": "transfers-errors", "service": "transfers", "team": "payments", "tier": l.tier,
		"severity": l.severity, "long_window": l.long, "short_window": l.short, "factor": l.factor,
	}
}

// TestGeneratedRulesOnAnIncident: an outage of one service while the agent watches; the agent is killed in the middle of
// it; the service recovers. People are told of each of that once, when arithmetic says so, and of nothing else.
func TestGeneratedRulesOnAnIncident(t *testing.T) {
	t.Parallel()
	x := newIncident(t)
	page, high, ticket := legsOfTwelveHours()

	// Peace: the dead man is heard, and nobody else.
	eventually(t, func(context.Context) error { return x.heard("deadman", alerts.DeadMansSwitch, 5) })
	if got := x.told(); !slices.Equal(got, []string{"deadman firing " + alerts.DeadMansSwitch}) {
		t.Fatalf("in peace people hear %q", got)
	}

	// An outage, and the agent sees it.
	began := time.Now()
	must(t, x.company.SetFaults("instant-transfer", paysim.Faults{TechnicalRatio: 1}))
	first := x.awaitFiring(page)
	x.within("the page", first, began.Add(page.fires), 4*pace) // a scrape and an evaluation of the agent, and of Prometheus
	x.mustBe(x.burning(`ALERTS{alertname="ErrorBudgetBurn",alertstate="firing"}`), "page-1m", "page-fast")
	x.mustBe(x.burning(`assayer_slo_firing == 1`), "page-1m", "page-fast")
	x.within("what raw series say", x.firstOf(`slo:firing:ErrorBudgetBurn{tier="page-1m"}`, nil), began.Add(page.fires), 2*pace)
	x.within("the pager", x.awaitTold("pager", "firing", page), first, pace)
	startsAt := x.held(page).StartsAt
	x.within("the second page", x.awaitFiring(high), began.Add(high.fires), 4*pace)
	x.awaitSuppressed(high)

	// The agent is gone. The same alert goes on, and people are told why they hear less.
	killed := time.Now()
	x.agent.Kill()
	eventually(t, func(context.Context) error { return x.heard("chat", alerts.AgentAbsent, 1) })
	x.within("the agent's absence", time.Now(), killed.Add(held), 3*pace)
	x.mustBe(x.burning(`assayer_slo_firing`))
	x.mustBe(x.burning(`ALERTS{alertname="ErrorBudgetBurn",alertstate="firing"}`), "page-1m", "page-6m")
	x.within("the ticket", x.awaitFiring(ticket), began.Add(ticket.fires), 2*pace) // Prometheus alone: a scrape and an evaluation
	x.awaitSuppressed(ticket)
	a := x.held(page)
	if !a.StartsAt.Equal(startsAt) || a.Status.State != "active" {
		t.Errorf("Alertmanager has had the page since %v as %s, want since %v", a.StartsAt, a.Status.State, startsAt)
	}
	if said := a.Annotations[alerts.AnnotationSummary]; !regexp.MustCompile(`^transfers-errors burns its error budget \d\S* times as fast as it may$`).MatchString(said) {
		t.Errorf("without the agent the page says %q", said)
	}
	if slices.Contains(x.told(), "pager resolved page-1m") {
		t.Error("the pager was told that the page is over when the agent died")
	}

	// It is over.
	healed := time.Now()
	must(t, x.company.SetFaults("instant-transfer", paysim.Faults{}))
	x.within("the end of the page", x.awaitTold("pager", "resolved", page), healed.Add(page.resets+held), 3*pace)
	x.awaitTold("chat", "firing", high) // what was kept still

	want := []string{
		"chat firing " + alerts.AgentAbsent, "chat firing " + alerts.AgentUnhealthy, "chat firing page-6m", "deadman firing " + alerts.DeadMansSwitch,
		"pager firing page-1m", "pager firing page-fast", "pager resolved page-1m", "pager resolved page-fast",
	}
	if got := x.told(); !slices.Equal(got, want) {
		t.Errorf("people heard %q,\nwant %q", got, want)
	}
	x.steady()
}

// within fails the test when something was not at most so long after it was due, or was before. By raw series it may be a
// little: how much of a window they have seen is counted in evaluations, and the first has nothing to compare with.
func (x *incident) within(what string, at, due time.Time, tolerance time.Duration) {
	x.Helper()
	if d := at.Sub(due); d < -pace || d > tolerance+late {
		x.Errorf("%s came %v after it was due, allowed are %v", what, d, tolerance)
	}
}

// mustBe compares lists.
func (x *incident) mustBe(got []string, want ...string) {
	x.Helper()
	if !slices.Equal(got, want) {
		x.Errorf("got %q, want %q", got, want)
	}
}

// told is what people have heard, without repetitions: receiver, status, and the tier or the alert's name.
func (x *incident) told() []string {
	x.in.mu.Lock()
	defer x.in.mu.Unlock()
	var all []string
	for _, n := range x.in.got {
		what := n.labels["tier"]
		if what == "" {
			what = n.labels["alertname"]
		}
		all = append(all, n.receiver+" "+n.status+" "+what)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// heard reports whether a receiver has been told of an alert so often.
func (x *incident) heard(receiver, alert string, times int) error {
	x.in.mu.Lock()
	defer x.in.mu.Unlock()
	n := 0
	for _, one := range x.in.got {
		if one.receiver == receiver && one.labels["alertname"] == alert {
			n++
		}
	}
	if n < times {
		return fmt.Errorf("%s was told %d of %d times of %s", receiver, n, times, alert)
	}
	return nil
}

// awaitTold waits until a receiver has been told of a leg, with exactly its labels, and returns when.
func (x *incident) awaitTold(receiver, status string, l leg) time.Time {
	x.Helper()
	var at time.Time
	eventually(x.T, func(context.Context) error {
		x.in.mu.Lock()
		defer x.in.mu.Unlock()
		for _, n := range x.in.got {
			if n.receiver == receiver && n.status == status && maps.Equal(n.labels, l.labels()) {
				at = n.at
				return nil
			}
		}
		return fmt.Errorf("%s was not told that %v is %s", receiver, l.labels(), status)
	})
	return at
}

// steady fails the test when the dead man was not heard for a while.
func (x *incident) steady() {
	x.Helper()
	x.in.mu.Lock()
	defer x.in.mu.Unlock()
	var last time.Time
	for _, n := range x.in.got {
		if n.receiver != "deadman" {
			continue
		}
		if gap := n.at.Sub(last); !last.IsZero() && gap > 5*pace {
			x.Errorf("the dead man was not heard for %v", gap)
		}
		last = n.at
	}
	if gap := time.Since(last); gap > 5*pace {
		x.Errorf("the dead man was last heard %v ago", gap)
	}
}

// sample is one series with what a query gave.
type sample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
	Values [][2]any          `json:"values"`
}

func (x *incident) ask(ctx context.Context, query string) ([]sample, error) {
	body, err := fetch(ctx, x.server.URL("/api/v1/query?query="+url.QueryEscape(query)))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct{ Result []sample }
	}
	return answer.Data.Result, json.Unmarshal([]byte(body), &answer)
}

// awaitFiring waits until an alert with exactly the labels of a leg fires, and returns when it did first, by Prometheus.
func (x *incident) awaitFiring(l leg) time.Time {
	x.Helper()
	want := l.labels()
	want["alertstate"], want["__name__"] = "firing", "ALERTS"
	return x.firstOf(`ALERTS{alertname="ErrorBudgetBurn",alertstate="firing"}`, want)
}

// firstOf waits until a selector gives a series, with exactly these labels if there are any, and returns the time of its
// first sample.
func (x *incident) firstOf(selector string, want map[string]string) time.Time {
	x.Helper()
	var at time.Time
	eventually(x.T, func(ctx context.Context) error {
		all, err := x.ask(ctx, selector+"[10m]")
		for _, s := range all {
			if want == nil || maps.Equal(s.Metric, want) {
				at = moment(x.T, s.Values[0])
				return nil
			}
		}
		return errors.Join(err, fmt.Errorf("%s gives no %v but %v", selector, want, all))
	})
	return at
}

func moment(t *testing.T, value [2]any) time.Time {
	t.Helper()
	seconds, ok := value[0].(float64)
	if !ok {
		t.Fatalf("%v is not a time", value[0])
	}
	return time.UnixMilli(int64(seconds * 1000))
}

// burning are the tiers of transfers-errors among the series that a query gives now.
func (x *incident) burning(query string) (tiers []string) {
	x.Helper()
	all, err := x.ask(x.Context(), query)
	must(x.T, err)
	for _, s := range all {
		if s.Metric["slo"] != "transfers-errors" {
			x.Errorf("%s gives %v", query, s.Metric)
		}
		tiers = append(tiers, s.Metric["tier"])
	}
	slices.Sort(tiers)
	return tiers
}

// managed is an alert as Alertmanager has it.
type managed struct {
	Labels, Annotations map[string]string
	StartsAt            time.Time
	Status              struct {
		State       string
		InhibitedBy []string
	}
}

// held is the one alert of a leg that Alertmanager has.
func (x *incident) held(l leg) managed {
	x.Helper()
	var all []managed
	must(x.T, json.Unmarshal([]byte(get(x.T, x.alertmanager.URL("/api/v2/alerts?filter="+url.QueryEscape("tier="+l.tier)))), &all))
	if len(all) != 1 || !maps.Equal(all[0].Labels, l.labels()) {
		x.Fatalf("Alertmanager has %+v, want one with %v", all, l.labels())
	}
	return all[0]
}

// awaitSuppressed waits until Alertmanager has the alert of a leg and keeps it still because of another.
func (x *incident) awaitSuppressed(l leg) {
	x.Helper()
	eventually(x.T, func(ctx context.Context) error {
		body, err := fetch(ctx, x.alertmanager.URL("/api/v2/alerts?inhibited=true&active=false&filter="+url.QueryEscape("tier="+l.tier)))
		var all []managed
		if err == nil {
			err = json.Unmarshal([]byte(body), &all)
		}
		if err == nil && (len(all) != 1 || !maps.Equal(all[0].Labels, l.labels()) || len(all[0].Status.InhibitedBy) == 0) {
			err = fmt.Errorf("%s is not kept still: %+v", l.tier, all)
		}
		return err
	})
}
