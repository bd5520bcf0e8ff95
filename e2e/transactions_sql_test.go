//go:build e2e

package e2e

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/postgresql"
	"github.com/assayer-io/assayer/internal/secret"
	"github.com/assayer-io/assayer/internal/testkit/fakesink"
	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// The ledger of the test: at is when a transaction began, so rows do not become visible in its order, the less
// so as transactions wait before they commit.
const (
	ledger = `
CREATE TABLE ledger (
  seq bigserial PRIMARY KEY, payment bigint NOT NULL, state text NOT NULL, amount numeric(20,2) NOT NULL,
  at timestamptz NOT NULL DEFAULT now(), txid xid8 NOT NULL DEFAULT pg_current_xact_id());
CREATE INDEX ON ledger (at);
CREATE INDEX ON ledger (txid);
CREATE SEQUENCE payment;
CREATE ROLE assayer LOGIN;
GRANT SELECT ON ledger TO assayer`
	bench = `
\set cents random(1, 1000000)
\set wait random(0, 20000)
BEGIN;
INSERT INTO ledger (payment, state, amount) VALUES (nextval('payment'), 'received', :cents / 100.0) RETURNING payment \gset new_
\sleep :wait us
COMMIT;
BEGIN;
INSERT INTO ledger (payment, state, amount) VALUES (:new_payment, 'accepted', :cents / 100.0), (:new_payment, 'settled', :cents / 100.0);
\sleep :wait us
COMMIT;
`
	columns = `SELECT payment::text AS id, state, amount, at, 'EUR' AS currency, 'sct-inst' AS rail`
)

// TestPostgreSQLLedger polls a ledger while pgbench writes it: every row is told once, by a watermark with an
// overlap and by the number of the transaction, which needs none.
func TestPostgreSQLLedger(t *testing.T) {
	t.Parallel()
	pg := servers.StartPostgres(t)
	if _, err := pg.SQL(t, "postgres", ledger); err != nil {
		t.Fatal(err)
	}
	base := postgresql.Default()
	base.DSN = secret.New(strings.Replace(pg.DSN("postgres"), "postgres@", "assayer@", 1))
	base.PollInterval, base.Rows = 100*time.Millisecond, 300

	byTime, byTransaction := base, base
	byTime.Name, byTime.Watermark, byTime.Overlap = "by-time", "at", "10s"
	byTime.Query = columns + ` FROM ledger WHERE at > $1 ORDER BY at LIMIT $2`
	byTransaction.Name, byTransaction.Watermark, byTransaction.WatermarkType = "by-transaction", "txid", "bigint"
	byTransaction.Overlap, byTransaction.Start = "0", "0"
	byTransaction.Query = columns + `, txid::text::bigint AS txid FROM ledger
WHERE ledger.txid > $1::bigint::text::xid8 AND ledger.txid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY ledger.txid LIMIT $2`

	sinks := map[string]*fakesink.Sink{}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for _, cfg := range []postgresql.Config{byTime, byTransaction} {
		source, err := postgresql.New(cfg, postgresql.Deps{Log: slog.New(slog.NewTextHandler(t.Output(), nil)).With("source", cfg.Name)})
		if err != nil {
			t.Fatal(err)
		}
		sink := &fakesink.Sink{}
		sinks[cfg.Name] = sink
		all.Go(func() {
			if err := source.Run(ctx, sink, func() {}); err != nil {
				t.Errorf("%s gave up: %v", cfg.Name, err)
			}
		})
	}
	if err := pg.Bench(t, "postgres", bench, "-c", "8", "-t", "250"); err != nil {
		t.Fatal(err)
	}
	want, err := pg.SQL(t, "postgres", "SELECT count(*) || ' ' || sum(amount * 100)::bigint || ' ' || count(DISTINCT payment) FROM ledger")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(want, "6000 ") || !strings.HasSuffix(want, " 2000") {
		t.Fatalf("pgbench wrote %s", want)
	}
	for name, sink := range sinks {
		sink.Await(t, name, func() bool { return len(sink.Accepted()) >= 6000 })
		if got := summary(t, sink); got != want {
			t.Errorf("%s: told are %s rows, cents and payments; the ledger has %s", name, got, want)
		}
	}
}

// summary counts what was told: rows, the sum of their cents, payments.
func summary(t *testing.T, sink *fakesink.Sink) string {
	t.Helper()
	cents, payments := 0, map[string]bool{}
	events := sink.Events()
	for _, e := range events {
		whole, part, _ := strings.Cut(e.Amount, ".")
		n, err := strconv.Atoi(whole + part)
		if err != nil || len(part) != 2 {
			t.Fatalf("an amount is %q", e.Amount)
		}
		cents += n
		payments[e.ID] = true
	}
	return strconv.Itoa(len(events)) + " " + strconv.Itoa(cents) + " " + strconv.Itoa(len(payments))
}
