package app_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/app"
)

// tellFile adds a line to a log, and waits for nothing.
func (s site) tellFile(log, line string) {
	s.t.Helper()
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line + "\n"); err != nil {
		s.t.Fatal(err)
	}
}

func (s site) has(a *app.App, part ...string) bool {
	all := strings.Join(s.movementSeries(a), "")
	return !slices.ContainsFunc(part, func(p string) bool { return !strings.Contains(all, p) })
}

// TestDeadlinesWaitForWhatWasToldMeanwhile: of two payments that were open when the agent stopped, and due while it was
// down, one settled in time, which is in the log. The agent that starts again reads it before it judges.
func TestDeadlinesWaitForWhatWasToldMeanwhile(t *testing.T) {
	log := filepath.Join(t.TempDir(), "switch.ndjson")
	s := newBank(t, log)
	begun := time.Now().UTC()
	line := func(id, state string, at time.Time) string {
		return fmt.Sprintf(`{"id":%q,"rail":"sct-inst","state":%q,"at":%q,"deadline":%q,"direction":"out"}`, id, state, at.Format(time.RFC3339Nano), begun.Add(time.Hour).Format(time.RFC3339Nano))
	}
	s.tellFile(log, line("in time", "received", begun))
	s.tellFile(log, line("stuck", "received", begun))
	a, err := app.New(t.Context(), s.options())
	if err != nil {
		t.Fatal(err)
	}
	a.Start(t.Context())
	s.eventually("both to be open", func() bool { return s.has(a, `assayer_transactions_open{rail="sct-inst"} 2`) })
	if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	for i := range 5000 { // some more than is read at once
		s.tellFile(log, line(fmt.Sprint("other ", i), "accepted", begun.Add(time.Minute)))
	}
	s.tellFile(log, line("in time", "settled", begun.Add(59*time.Minute)))
	opts := s.options()
	var ahead atomic.Int64
	ahead.Store(int64(2 * time.Hour))
	opts.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	a = s.startWith(opts)
	s.eventually("one good and the others late", func() bool {
		return s.has(a, `class="good",direction="out",end_to_end="good",outcome="good",rail="sct-inst"} 1`, `class="late",direction="out",end_to_end="bad",outcome="bad",rail="sct-inst"} 5001`)
	})
}

// TestOneMovementOverTwoWays: what is told of over HTTP and in a log, under the UETR, the end-to-end id and the scheme's
// reference, is one movement.
func TestOneMovementOverTwoWays(t *testing.T) {
	log := filepath.Join(t.TempDir(), "switch.ndjson")
	s := newBank(t, log)
	a := s.start()
	at := time.Now().UTC().Format(time.RFC3339Nano)
	event := func(ids, state string) string {
		return fmt.Sprintf(`{%s,"rail":"t2","state":%q,"at":%q,"deadline":"2099-01-01T00:00:00Z","direction":"out"}`, ids, state, at)
	}
	const uetr, endToEnd, reference = `"uetr":"eb6305c9-1f7f-49de-aed0-16487c27b42d"`, `"end_to_end_id":"INV-7"`, `"reference":"T2-99"`
	s.tell(a, event(uetr+","+endToEnd, "received"))
	s.tellFile(log, event(endToEnd+","+reference, "accepted"))
	s.eventually("the log to be read", func() bool {
		return strings.Contains(s.get(a, "/metrics", 200), `assayer_transaction_events_total{result="accepted"} 2`)
	})
	if n := s.tell(a, event(reference, "received")+"\n"+event(endToEnd, "accepted")); n != 0 {
		t.Errorf("%d events that were told before are taken for new", n)
	}
	s.tellFile(log, event(reference, "settled"))
	s.tellFile(log, event(`"id":"EB6305C9-1F7F-49DE-AED0-16487C27B42D"`, "settled"))
	s.eventually("its end", func() bool {
		return s.has(a, `outcome="good",rail="t2"} 1`, `assayer_transactions_open{rail="t2"} 0`) && strings.Contains(s.get(a, "/metrics", 200), `{result="duplicate"} 3`)
	})
	s.wantEvents(a, "settled", 1, 0)
}
