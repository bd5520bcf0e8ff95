//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// meter is a target that counts payments while nobody looks and remembers what it has exposed.
type meter struct {
	*httptest.Server
	mu        sync.Mutex
	good, bad int64
	running   bool
	exposed   [2]int64
	looks     int
}

const (
	crashes  = 50
	tick     = 2 * time.Millisecond
	goodTick = 3 // events a tick
	badTick  = 1
)

func newMeter(t *testing.T) *meter {
	m := &meter{good: 1_000_000, bad: 5_000, running: true}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(w, "# TYPE pay_total counter\npay_total{outcome=\"ok\"} %d\npay_total{outcome=\"failed\"} %d\n", m.good, m.bad)
		m.exposed = [2]int64{m.good, m.bad}
		m.looks++
	}))
	t.Cleanup(m.Close)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				m.mu.Lock()
				if m.running {
					m.good += goodTick
					m.bad += badTick
				}
				m.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return m
}

func (m *meter) run(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = on
}

// seen returns how often the meter was looked at and what it last showed.
func (m *meter) seen() (looks int, exposed [2]int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.looks, m.exposed
}

func (m *meter) awaitLooks(t *testing.T, n int) {
	t.Helper()
	from, _ := m.seen()
	eventually(t, func(context.Context) error {
		if looks, _ := m.seen(); looks < from+n {
			return fmt.Errorf("%d looks, waiting for %d", looks-from, n)
		}
		return nil
	})
}

const crashConfig = `
global: {scrape_interval: 100ms, scrape_timeout: 100ms, evaluation_interval: 100ms}
storage: {path: data, checkpoint_interval: 300ms}
objectives: [slo.yaml]
burn_alerts: [{long: 20s, short: 2s, budget: "10%%", severity: page}]
collectors:
  prometheus:
    scrape_configs:
      - job_name: meter
        static_configs: [{targets: ["%s"]}]
`

const crashObjective = `
apiVersion: openslo/v1
kind: SLO
metadata: {name: pay}
spec:
  service: pay
  budgetingMethod: Occurrences
  indicator:
    metadata: {name: pay}
    spec:
      ratioMetric:
        counter: true
        bad:   {metricSource: {type: Prometheus, spec: {query: 'pay_total{outcome="failed"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'pay_total'}}}
  timeWindow: [{duration: 1d, isRolling: true}]
  objectives: [{target: 0.9}]
`

// TestKilledFiftyTimes kills the agent with SIGKILL at random moments under load, fifty times. After
// each restart the counts equal what the target has exposed, to the event, and what happened while
// the agent was dead does not land as a spike in the short window.
func TestKilledFiftyTimes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	m := newMeter(t)
	m.run(false)
	baseline := [2]int64{m.good, m.bad}
	dir := t.TempDir()
	for name, text := range map[string]string{"assayer.yaml": fmt.Sprintf(crashConfig, m.Listener.Addr()), "slo.yaml": crashObjective} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	agent := servers.StartAssayer(t, binary, dir)
	m.awaitLooks(t, 3)
	await(t, agent, m, baseline)
	for i := range crashes {
		m.run(true)
		pause(t, time.Duration(rng.IntN(400))*time.Millisecond)
		agent.Kill()
		pause(t, time.Duration(rng.IntN(150))*time.Millisecond)
		agent.Restart()
		m.awaitLooks(t, 2)
		noSpike(t, agent, i)
		if i%5 == 4 { // at rest, every event is accounted for
			m.run(false)
			m.awaitLooks(t, 2)
			await(t, agent, m, baseline)
		}
		if t.Failed() {
			t.Fatalf("after crash %d", i+1)
		}
	}
}

// await waits for the counts of a target at rest and compares them.
func await(t *testing.T, agent *servers.Agent, m *meter, baseline [2]int64) {
	t.Helper()
	_, exposed := m.seen()
	good, bad := float64(exposed[0]-baseline[0]), float64(exposed[1]-baseline[1])
	eventually(t, func(ctx context.Context) error {
		body, err := fetch(ctx, agent.URL("/api/v1/slos"))
		if err != nil {
			return err
		}
		var answer struct {
			SLOs []status `json:"slos"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.SLOs) != 1 {
			return errors.Join(err, fmt.Errorf("got %d objectives", len(answer.SLOs)))
		}
		if e := answer.SLOs[0].Events; e.Good != good || e.Bad != bad {
			return fmt.Errorf("the agent counts %v good and %v bad, the target exposed %v and %v", e.Good, e.Bad, good, bad)
		}
		return nil
	})
}

// noSpike reads the ledger's last seconds: no two-second window may hold more than two and a half
// seconds' worth of events, whatever happened while the agent was dead.
func noSpike(t *testing.T, agent *servers.Agent, crash int) {
	t.Helper()
	now := time.Now().UTC()
	q := url.Values{"window": {"2s"}, "points": {"21"}, "from": {now.Add(-2 * time.Second).Format(time.RFC3339Nano)}, "to": {now.Format(time.RFC3339Nano)}}
	var answer struct {
		Points []struct {
			At     time.Time `json:"at"`
			Events float64   `json:"events"`
		} `json:"points"`
	}
	if err := json.Unmarshal([]byte(get(t, agent.URL("/api/v1/slos/pay/history?"+q.Encode()))), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Points) != 21 {
		t.Fatalf("history has %d points, want 21", len(answer.Points))
	}
	limit := 2.5 * float64(time.Second/tick) * (goodTick + badTick)
	for _, p := range answer.Points {
		if p.Events > limit {
			t.Errorf("crash %d: %v events in the 2 s before %s, at most %v happened", crash+1, p.Events, p.At.Format(time.StampMilli), limit)
		}
	}
}

// pause lets real time pass: a killed process has no clock of ours.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
