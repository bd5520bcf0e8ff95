package postgresql_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/postgresql"
	"github.com/assayer-io/assayer/internal/secret"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/internal/testkit/fakesink"
)

const query = "SELECT … WHERE n > $1 ORDER BY n LIMIT $2"

func settings(s *fakeServer) postgresql.Config {
	c := postgresql.Default()
	c.Name, c.DSN, c.Query, c.Watermark, c.WatermarkType = "ledger", secret.New(s.dsn()), query, "n", "bigint"
	c.PollInterval, c.Rows, c.Overlap = 100*time.Millisecond, 10, "3"
	return c
}

func start(t *testing.T, c postgresql.Config, sink transactions.Sink) *fakesink.Running {
	t.Helper()
	log := &fakesink.Log{}
	source, err := postgresql.New(c, postgresql.Deps{Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return fakesink.Start(t, source, sink, log)
}

// table is rows of a number and an identifier.
type table struct {
	mu   sync.Mutex
	rows [][2]string
}

func (tb *table) add(n int, ids ...string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, id := range ids {
		tb.rows = append(tb.rows, [2]string{strconv.Itoa(n), id})
	}
}

// answer is what ORDER BY n and LIMIT give.
func (tb *table) answer(mark string, limit int) ([][]any, error) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	rows := slices.DeleteFunc(slices.Clone(tb.rows), func(r [2]string) bool { return number(r[0]) <= number(mark) })
	slices.SortStableFunc(rows, func(a, b [2]string) int { return number(a[0]) - number(b[0]) })
	var out [][]any
	for _, r := range rows[:min(limit, len(rows))] {
		out = append(out, []any{r[0], r[1], "settled", nil})
	}
	return out, nil
}

func TestEveryRowOnce(t *testing.T) {
	var tb table
	for n := range 95 {
		tb.add(n, fmt.Sprintf("p%d", n))
	}
	// Many rows of one number, across the ends of pages and more than a page has.
	tb.add(40, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m")
	tb.add(94, "x", "y", "z")
	s := newServer(t, "n,id,state,amount", tb.answer)
	var positions []string
	sink := &fakesink.Sink{}
	puts := 0
	sink.Before = func(b transactions.Batch) error {
		puts += len(b.Events)
		positions = append(positions, b.Position)
		return nil
	}
	run := start(t, settings(s), sink)
	run.AwaitCaughtUp(t)
	if got := len(sink.Accepted()); got != 111 || puts != 111 {
		t.Fatalf("%d rows of 111, %d were put", got, puts)
	}
	if last := positions[len(positions)-1]; last != "bigint 94" {
		t.Errorf("the position is %q", last)
	}
	// Two rows come late, behind the watermark; of those that are read again nothing is put.
	tb.add(92, "late")
	tb.add(96, "new")
	sink.Await(t, "two rows", func() bool { return len(sink.Accepted()) == 113 })
	run.Stop()
	if puts != 113 {
		t.Errorf("%d events were put, want 113", puts)
	}
	// After a restart only the overlap is read again.
	tb.add(97, "newest")
	before := len(s.marks())
	again := start(t, settings(s), sink)
	again.AwaitCaughtUp(t)
	if got := s.marks()[before]; got != "93" {
		t.Errorf("it is read from %s, want 93", got)
	}
	if len(sink.Accepted()) != 114 {
		t.Errorf("%d events", len(sink.Accepted()))
	}
}

func TestTransactionOfAPoll(t *testing.T) {
	var tb table
	s := newServer(t, "n,id,state,amount", tb.answer)
	start(t, settings(s), &fakesink.Sink{}).AwaitCaughtUp(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if want := "BEGIN READ ONLY; SET LOCAL statement_timeout = 30000; "; len(s.begun) < 2 || !strings.HasPrefix(s.begun[0], want) || s.begun[1] != "COMMIT" {
		t.Errorf("got %q, want %q", s.begun, want)
	}
}

func TestMapping(t *testing.T) {
	const columns = "updated_at,id,uetr,rail,state,at,amount,currency,reason_scheme,reason_list,reason_code,direction,role,counterparty,deadline,external,end_to_end_id,reference,original_id,original_rail"
	row := []any{"2026-11-21 10:00:01.5+00", "a1", nil, "sct", "rejected", "2026-11-21 09:00:00.123456+00", "12.34", "EUR", "iso20022", "status", "AC04",
		"out", "debtor_agent", "DEUTDEFF", "2026-11-24T10:00:00+01:00", "t", "e", "r", "a0", "sct-inst"}
	first := true
	s := newServer(t, columns, func(string, int) ([][]any, error) {
		if !first {
			return nil, nil
		}
		first = false
		return [][]any{row}, nil
	})
	c := settings(s)
	c.Watermark, c.WatermarkType, c.Overlap = "updated_at", "timestamptz", "30s"
	sink := &fakesink.Sink{}
	run := start(t, c, sink)
	run.AwaitCaughtUp(t)
	e := sink.Events()[0]
	got := fmt.Sprintf("%+v original %+v", struct {
		transactions.Event
		Original any
	}{e, nil}, *e.Original)
	for _, want := range []string{"UETR: ID:a1 EndToEndID:e Reference:r Rail:sct State:rejected At:2026-11-21 09:00:00.123456 +0000 UTC Amount:12.34 Currency:EUR",
		"Scheme:iso20022 List:status Code:AC04", "Direction:out Role:debtor_agent Counterparty:DEUTDEFF", "Deadline:2026-11-24 09:00:00 +0000 UTC", "External:true",
		"original {UETR: ID:a0 EndToEndID: Reference: Rail:sct-inst"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if p := sink.Position("ledger"); p != "timestamptz 2026-11-21 10:00:01.500000Z" {
		t.Errorf("the position is %q", p)
	}
	run.Stop()
	first = true
	start(t, c, sink).AwaitCaughtUp(t)
	asked := s.marks()
	if asked[0] != "-infinity" || asked[len(asked)-1] != "2026-11-21 09:59:31.500000Z" {
		t.Errorf("it is read from %v", asked)
	}
}

func TestWhatGoesWrong(t *testing.T) {
	var rows [][]any
	var refusal error
	answer := func(string, int) ([][]any, error) { return rows, refusal }
	for name, tt := range map[string]struct {
		columns string
		rows    [][]any
		refusal error
		want    string
	}{
		"unknown column": {"n,stat", nil, nil, `a column \"stat\"`},
		"no watermark":   {"id,state", nil, nil, `no column \"n\"`},
		"two alike":      {"n,id,id", nil, nil, `two columns called \"id\"`},
		"not a number":   {"n,id", [][]any{{"canary-7f3a", "a"}}, nil, "the watermark is no bigint"},
		"no order":       {"n,id", [][]any{{"2", "a"}, {"1", "b"}}, nil, "does not order its rows by n"},
		"bad time":       {"n,at", [][]any{{"2", "canary-7f3a"}}, nil, "column at: allowed"},
		"bad boolean":    {"n,external", [][]any{{"2", "canary-7f3a"}}, nil, "column external: allowed"},
		"NULL watermark": {"n,id,state", [][]any{{nil, "canary-7f3a", "x"}}, nil, "no watermark"},
		"refused event":  {"n,id,state", [][]any{{"1", "canary-7f3a", "refused"}}, nil, "cannot be used"},
		"data exception": {"n,id", nil, errors.New("22P02"), "SQLSTATE 22P02"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, refusal = tt.rows, tt.refusal
			s := newServer(t, tt.columns, answer)
			run := start(t, settings(s), &fakesink.Sink{})
			run.Log.Await(t, tt.want)
			run.Stop()
			if strings.Contains(run.Log.String(), "canary") {
				t.Errorf("the log holds a value or a password:\n%s", run.Log)
			}
		})
	}
}

func TestServerAway(t *testing.T) {
	var tb table
	tb.add(1, "a")
	s := newServer(t, "n,id,state,amount", tb.answer)
	c := settings(s)
	dir := t.TempDir()
	dsn := filepath.Join(dir, "dsn")
	if err := os.WriteFile(dsn, []byte("postgresql://assayer:canary-7f3a@127.0.0.1:1/bank?sslmode=disable"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.DSN, c.DSNFile = secret.String{}, dsn
	sink := &fakesink.Sink{}
	run := start(t, c, sink)
	run.Log.Await(t, `works" source=ledger what="reading from PostgreSQL"`)
	if err := os.WriteFile(dsn, []byte(s.dsn()), 0o600); err != nil {
		t.Fatal(err)
	}
	run.AwaitCaughtUp(t)
	run.Log.Await(t, `"works again" source=ledger what="reading from PostgreSQL"`)
	if len(sink.Accepted()) != 1 || strings.Contains(run.Log.String(), "canary") {
		t.Errorf("%d events:\n%s", len(sink.Accepted()), run.Log)
	}
	run.Stop()
	c.DSN, c.DSNFile = secret.New("postgresql://u:canary-7f3a@:x/%zz"), ""
	run = start(t, c, sink)
	run.Log.Await(t, "cannot be read as a connection string")
	run.Stop()
	if strings.Contains(run.Log.String(), "canary") {
		t.Errorf("the log holds a password:\n%s", run.Log)
	}
}

func TestConfig(t *testing.T) {
	good := func() postgresql.Config {
		c := postgresql.Default()
		c.Name, c.DSN, c.Query, c.Watermark = "ledger", secret.New("postgresql://u:canary-7f3a@h/d"), query, "n"
		return c
	}
	if err := good().Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for want, change := range map[string]func(*postgresql.Config){
		"name":              func(c *postgresql.Config) { c.Name = "" },
		"kind":              func(c *postgresql.Config) { c.Kind = "" },
		"dsn":               func(c *postgresql.Config) { c.DSNFile = "f" },
		"query":             func(c *postgresql.Config) { c.Query = "SELECT 1" },
		"watermark":         func(c *postgresql.Config) { c.Watermark = "" },
		"watermark_type":    func(c *postgresql.Config) { c.WatermarkType = "xid" },
		"start":             func(c *postgresql.Config) { c.Start = "yesterday" },
		"overlap":           func(c *postgresql.Config) { c.Overlap = "-1m" },
		"rows":              func(c *postgresql.Config) { c.Rows = 0 },
		"poll_interval":     func(c *postgresql.Config) { c.PollInterval = 0 },
		"statement_timeout": func(c *postgresql.Config) { c.StatementTimeout = 0 },
	} {
		c := good()
		change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), ": "+want+":") || strings.Contains(err.Error(), "canary") || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: got %v", want, err)
		}
	}
	for text, ok := range map[string]bool{"": true, "5": true, "-1": false, "1m": false} {
		c := good()
		c.WatermarkType, c.Overlap = "bigint", text
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("overlap %q of a bigint: %v", text, err)
		}
	}
	c := postgresql.Config{DSNFile: "d", PasswordFile: "p"}
	c.SetDirectory("/etc/x")
	if c.DSNFile != "/etc/x/d" || c.PasswordFile != "/etc/x/p" {
		t.Errorf("got %+v", c)
	}
}

func TestConfigFromYAML(t *testing.T) {
	data, err := os.ReadFile("testdata/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	nodes, problems := strictyaml.Parse("config.yaml", data, 1<<20)
	if len(nodes) != 1 || problems != nil {
		t.Fatalf("got %d documents, %v", len(nodes), problems)
	}
	c := postgresql.Default()
	if problems := nodes[0].Decode(&c); problems != nil || c.Rows != 5000 || c.Start != "2026-11-21T00:00:00Z" || c.Overlap != "5m" {
		t.Errorf("got %+v, %v", c, problems)
	}
}
