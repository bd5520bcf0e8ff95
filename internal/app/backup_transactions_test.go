package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/backup"
)

const settlementFile = `
global: {scrape_interval: 50ms, scrape_timeout: 50ms, evaluation_interval: 50ms}
storage: {path: data, checkpoint_interval: 50ms}
objectives: [slo.yaml]
burn_alerts: [{long: 10s, short: 1s, budget: "10%%", severity: page}]
collectors:
  transactions:
    sources: [{name: switch, kind: files, paths: [%q], poll_interval: 10ms}]
`

const settledInTime = `
apiVersion: openslo/v1
kind: SLO
metadata: {name: settled}
spec:
  service: payments
  budgetingMethod: Occurrences
  indicator:
    metadata: {name: settled}
    spec:
      ratioMetric:
        counter: true
        good:  {metricSource: {type: Prometheus, spec: {query: 'assayer_transactions_total{outcome="good"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'assayer_transactions_total{outcome=~"good|bad"}'}}}
  timeWindow: [{duration: 1d, isRolling: true}]
  objectives: [{target: 0.9}]
`

// newBank makes a site that follows movements, told over HTTP and by the log file.
func newBank(t *testing.T, log string) site {
	s := site{t, t.TempDir(), nil}
	s.write("assayer.yaml", fmt.Sprintf(settlementFile, log))
	s.write("slo.yaml", settledInTime)
	return s
}

// paymentLines tells that payments first to first+n have reached a state. T2 settles until the evening of its
// business day, so none is late during a test.
func (s site) paymentLines(first, n int, state string) string {
	at := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) // no longer ago than what has ended is known
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":"p%d","rail":"t2","state":%q,"at":%q,"deadline":"2099-01-01T00:00:00Z","amount":{"value":"7.00","currency":"EUR"},"direction":"out"}`+"\n",
			first+i, state, at)
	}
	return b.String()
}

// tell posts lines, and returns how many said anything new.
func (s site) tell(a *app.App, lines string) int {
	s.t.Helper()
	res, err := http.Post("http://"+a.Addr()+"/api/v1/transactions", "application/x-ndjson", strings.NewReader(lines))
	if err != nil {
		s.t.Error(err)
		return 0
	}
	defer res.Body.Close()
	body := s.body(res)
	var answer struct{ Accepted int }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || res.StatusCode != http.StatusOK {
		s.t.Errorf("answered %d: %s", res.StatusCode, body)
	}
	return answer.Accepted
}

// movementSeries are the lines of /metrics that say what was counted and what is open.
func (s site) movementSeries(a *app.App) []string {
	var found []string
	for line := range strings.Lines(s.get(a, "/metrics", http.StatusOK)) {
		for _, name := range []string{"total", "value_total", "settlement_seconds_count", "open", "overdue", "conflicts_total"} {
			if strings.HasPrefix(line, "assayer_transactions_"+name+"{") {
				found = append(found, line)
			}
		}
	}
	slices.Sort(found)
	return found
}

// TestMovementsAreBackedUpUnderLoad backs a running agent up while it is told of payments. An agent on the backup has
// all that was acknowledged before, each batch whole; one on a backup made at rest equals the first.
func TestMovementsAreBackedUpUnderLoad(t *testing.T) {
	log := filepath.Join(t.TempDir(), "switch.ndjson")
	s := newBank(t, log)
	if err := os.WriteFile(log, []byte(s.paymentLines(1_000_000, 30, "received")), 0o600); err != nil {
		t.Fatal(err)
	}
	a := s.start()
	s.eventually("the log to be read", func() bool { return strings.Contains(strings.Join(s.movementSeries(a), ""), "open") })
	var next, told atomic.Int64 // payments begun, and settled
	ctx, enough := context.WithCancel(t.Context())
	var tellers sync.WaitGroup
	for range 3 {
		tellers.Go(func() {
			for ctx.Err() == nil {
				first := int(next.Add(20)) - 20
				s.tell(a, s.paymentLines(first, 20, "received"))
				s.tell(a, s.paymentLines(first, 20, "settled"))
				told.Add(20)
			}
		})
	}
	for range 3 {
		before := told.Load()
		s.eventually("some more payments", func() bool { return told.Load() > before+100 })
		before = told.Load()
		data := s.get(a, "/api/v1/backup", http.StatusOK)
		other, b := s.bankFrom(data, log)
		open, settled := other.movements(b)
		if settled < int(before) || settled > int(next.Load()) || settled%20 != 0 || open%20 != 10 {
			t.Errorf("restored with %d open and %d settled, whereas %d had settled before", open, settled, before)
		}
	}
	enough()
	tellers.Wait()
	s.tell(a, s.paymentLines(2_000_000, 5, "received"))
	data := s.get(a, "/api/v1/backup", http.StatusOK)
	other, b := s.bankFrom(data, log)
	if got, want := other.movementSeries(b), s.movementSeries(a); !slices.Equal(got, want) {
		t.Errorf("restored:\n%s\nwant\n%s", strings.Join(got, ""), strings.Join(want, ""))
	}
	if n := other.tell(b, s.paymentLines(0, 20, "settled")+s.paymentLines(1_000_000, 30, "received")+s.paymentLines(2_000_000, 5, "received")); n != 0 {
		t.Errorf("%d events that were told before are taken for new", n)
	}
	if n := other.tell(b, s.paymentLines(2_000_000, 5, "settled")); n != 5 {
		t.Errorf("%d of 5 open movements settle", n)
	}
	settled := float64(told.Load())
	s.wantEvents(a, "settled", settled, 0)
	other.wantEvents(b, "settled", settled+5, 0)
}

// bankFrom starts an agent on what a backup holds; the log it reads is the same.
func (s site) bankFrom(data, log string) (site, *app.App) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "backup")
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		s.t.Fatal(err)
	}
	other := newBank(s.t, log)
	dir := filepath.Join(other.dir, "data")
	res, err := backup.Restore(file, backup.Target{StoreDir: dir, AuditLog: filepath.Join(dir, "audit.jsonl"), Stamp: 1}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	j, err := journal.Open(res.Journal, journal.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	if p := string(j.Meta("position/switch")); p == "" {
		s.t.Error("how far the log was read is not in the backup")
	}
	if err := j.Close(); err != nil {
		s.t.Fatal(err)
	}
	return other, other.start()
}

// movements are those that an agent has open and those it has counted as settled.
func (s site) movements(a *app.App) (open, settled int) {
	s.t.Helper()
	for _, line := range s.movementSeries(a) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), "} "); {
		case strings.HasPrefix(name, "assayer_transactions_open{"):
			_, _ = fmt.Sscan(value, &open)
		case strings.HasPrefix(name, "assayer_transactions_total{"):
			_, _ = fmt.Sscan(value, &settled)
		}
	}
	return open, settled
}
