//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

const settlementConfig = `
global: {scrape_interval: 100ms, scrape_timeout: 100ms, evaluation_interval: 100ms}
storage: {path: data, checkpoint_interval: 300ms}
objectives: [slo.yaml]
burn_alerts: [{long: 20s, short: 2s, budget: "10%", severity: page}]
collectors:
  transactions: {rail_files: [rail.yaml], confirmation_delay: 100ms, duplicate_window: 0s}
`

// A rail so quick that deadlines pass between two crashes.
const settlementRail = `
apiVersion: assayer.dev/v1
kind: Rail
metadata: {name: quick}
spec:
  title: Quick
  calendar: 24x7
  validFrom: 2026-11-21
  deadline: {within: 400ms}
  reasons: {scheme: iso20022, list: status}
  buckets: [200ms, 400ms]
`

const settlementObjective = `
apiVersion: openslo/v1
kind: SLO
metadata: {name: settled}
spec:
  service: quick
  budgetingMethod: Occurrences
  indicator:
    metadata: {name: settled}
    spec:
      ratioMetric:
        counter: true
        bad:   {metricSource: {type: Prometheus, spec: {query: 'assayer_transactions_total{rail="quick",outcome="bad"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'assayer_transactions_total{rail="quick",outcome=~"good|bad"}'}}}
  timeWindow: [{duration: 1d, isRolling: true}]
  objectives: [{target: 0.9}]
`

// payers tell an agent of payments, batch by batch, each until it has been acknowledged.
type payers struct {
	t       *testing.T
	address atomic.Pointer[string] // of the agent; it changes with each start
	enough  atomic.Bool
	next    atomic.Int64 // payments begun; when pay has returned, all of them are acknowledged
	failed  atomic.Int64 // requests that were not answered
}

// batchOf is how many payments are in one batch. Of each ten, seven go out and settle, one is declined for want of
// funds, and two come in and never settle.
const batchOf = 20

func (p *payers) pay(ctx context.Context) {
	for !p.enough.Load() && ctx.Err() == nil {
		first := p.next.Add(batchOf) - batchOf
		begin := time.Now()
		var begun, ended strings.Builder
		for i := first; i < first+batchOf; i++ {
			direction, end := "out", "settled"
			switch i % 10 {
			case 0, 1:
				direction, end = "in", ""
			case 2:
				end = "rejected"
			}
			fmt.Fprintf(&begun, `{"id":"p%d","rail":"quick","state":"received","at":%q,"amount":{"value":"1.00","currency":"EUR"},"direction":%q}`+"\n", i, begin.Format(time.RFC3339Nano), direction)
			if end != "" {
				fmt.Fprintf(&ended, `{"id":"p%d","rail":"quick","state":%q,"at":%q,"reason":{"code":"AM04"}}`+"\n", i, end, begin.Add(50*time.Millisecond).Format(time.RFC3339Nano))
			}
		}
		// The first is told twice: telling something again must change nothing.
		for _, body := range []string{begun.String(), ended.String(), begun.String()} {
			p.tell(ctx, body)
		}
	}
}

// tell sends a batch until it is acknowledged.
func (p *payers) tell(ctx context.Context, body string) {
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+*p.address.Load()+"/api/v1/transactions", strings.NewReader(body))
		if err != nil {
			p.t.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/x-ndjson")
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		p.failed.Add(1)
		pause(p.t, 5*time.Millisecond)
	}
}

// TestPaymentsThroughAHundredKills kills the agent with SIGKILL at random moments, a hundred times, while payments
// are told of. In the end every payment that was acknowledged is counted exactly once, every deadline has
// fired exactly once, and the budget says the same.
func TestPaymentsThroughAHundredKills(t *testing.T) {
	t.Parallel()
	const kills = 100
	rng := rand.New(rand.NewPCG(11, 11))
	dir := t.TempDir()
	for name, text := range map[string]string{"assayer.yaml": settlementConfig, "rail.yaml": settlementRail, "slo.yaml": settlementObjective} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	agent, p := servers.StartAssayer(t, binary, dir), &payers{t: t}
	first := agent.Address
	p.address.Store(&first)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { p.pay(t.Context()) })
	}
	for range kills {
		pause(t, time.Duration(20+rng.IntN(150))*time.Millisecond)
		agent.Kill()
		agent.Restart()
		address := agent.Address
		p.address.Store(&address)
	}
	p.enough.Store(true)
	wg.Wait()
	if p.failed.Load() == 0 {
		t.Error("no request was hit by a crash")
	}
	n := p.next.Load()
	t.Logf("%d payments, %d requests not answered", n, p.failed.Load())
	eventually(t, func(ctx context.Context) error { return accounted(ctx, agent, float64(n)) })
	agent.Kill()
	agent.Restart()
	eventually(t, func(ctx context.Context) error { return accounted(ctx, agent, float64(n)) })
}

// accounted compares what the agent has counted with n payments of which two of ten never settled.
func accounted(ctx context.Context, agent *servers.Agent, n float64) error {
	text, err := fetch(ctx, agent.URL("/metrics"))
	if err != nil {
		return err
	}
	got := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^assayer_transactions_(\w+)\{(.*)\} (\S+)$`).FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return err
		}
		name := m[1]
		for _, label := range []string{"direction", "class"} {
			if of := regexp.MustCompile(label + `="(\w+)"`).FindStringSubmatch(m[2]); of != nil {
				name += " " + of[1]
			}
		}
		got[name] += v
	}
	stuck := n / 10 * 2
	for what, want := range map[string][2]float64{
		"never settled":      {got["total in late"], stuck},
		"overdue":            {got["overdue"], stuck},
		"open":               {got["open"], stuck},
		"settled":            {got["settlement_seconds_count"], n / 10 * 7},
		"went out":           {got["total out good"] + got["total out late"] + got["total out business"], n - stuck},
		"abandoned or twice": {got["abandoned_total"] + got["conflicts_total"], 0},
	} {
		if want[0] != want[1] {
			return fmt.Errorf("%s: counted %v, told %v, of %v payments: %v", what, want[0], want[1], n, got)
		}
	}
	body, err := fetch(ctx, agent.URL("/api/v1/slos/settled"))
	if err != nil {
		return err
	}
	var s status
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		return err
	}
	if bad := got["total in late"] + got["total out late"]; s.Events.Bad != bad || s.Events.Good != got["total out good"] {
		return fmt.Errorf("the budget has %v good and %v bad, the counters %v and %v", s.Events.Good, s.Events.Bad, got["total out good"], bad)
	}
	return nil
}
