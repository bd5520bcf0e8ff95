// Package postgresql brings events from a PostgreSQL database by asking for what has changed behind a
// watermark, over and over:
//
//	SELECT payment_id AS id, 'sct-inst' AS rail, status AS state, updated_at AS at, amount, currency, updated_at
//	FROM ledger WHERE updated_at > $1 ORDER BY updated_at LIMIT $2
//
// Rows become visible in the order of their commits, not of their watermarks, so each poll begins a little
// before where the last one ended; what it reads again changes nothing.
package postgresql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/internal/secret"
)

const (
	// maxRow bounds one row, in bytes.
	maxRow = 16 << 20
	// maxTied bounds how many rows of one watermark there may be.
	maxTied = 1_000_000
	// maxSeen bounds how many rows are known again when they are read again.
	maxSeen = 500_000
	// grace is how much longer than the server a poll waits, and connecting may take.
	grace = 10 * time.Second
)

// Deps is what a source needs.
type Deps struct {
	Log *slog.Logger
}

// Source polls the database of one configuration.
type Source struct {
	cfg      Config
	overlap  int64
	log      *slog.Logger
	complain *transactions.Complaints

	// Of one Run:
	sink transactions.Sink
	conn *pgconn.PgConn      // nil: not connected
	mark int64               // everything up to it has been read
	seen map[uint64]struct{} // sums of the rows of the last poll
	next map[uint64]struct{} // and of this one
}

// New makes a source; it connects nowhere yet.
func New(cfg Config, d Deps) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("making source %s: %w", cfg.Name, err)
	}
	overlap, err := cfg.overlap()
	if err != nil {
		return nil, fmt.Errorf("making source %s: %w", cfg.Name, err)
	}
	log := d.Log.With("source", cfg.Name)
	return &Source{cfg: cfg, overlap: overlap, log: log, complain: &transactions.Complaints{Log: log}}, nil
}

// Run implements transactions.Source. It returns nil when ctx ends, and does not give up before. It is for one
// call at a time.
func (s *Source) Run(ctx context.Context, sink transactions.Sink, caughtUp func()) error {
	start, err := s.cfg.start()
	if err != nil {
		return fmt.Errorf("reading start: %w", err)
	}
	s.sink, s.mark, s.seen, s.next = sink, start, map[uint64]struct{}{}, map[uint64]struct{}{}
	known, ok, err := parsePosition(s.cfg.WatermarkType, sink.Position(s.cfg.Name))
	if err != nil {
		s.log.Error("the position kept cannot be read, reading from the start", "err", err)
	}
	from := start
	if ok {
		s.mark = known
		from = s.before(known)
	}
	defer func() { s.disconnect(context.WithoutCancel(ctx)) }()
	retry := transactions.Retry{Log: s.log, What: "reading from PostgreSQL"}
	for told := false; ctx.Err() == nil; {
		if err := s.poll(ctx, from); err != nil {
			s.disconnect(ctx)
			_ = retry.Failed(ctx, err) // the loop asks ctx
			continue
		}
		retry.Worked()
		if !told {
			told = true
			caughtUp()
		}
		from = s.before(s.mark)
		_ = transactions.Pause(ctx, s.cfg.PollInterval)
	}
	return nil
}

// before is the watermark from which a poll reads when everything up to mark has been read.
func (s *Source) before(mark int64) int64 {
	if mark < math.MinInt64+s.overlap {
		return math.MinInt64
	}
	return mark - s.overlap
}

// poll reads everything behind from, page by page.
func (s *Source) poll(ctx context.Context, from int64) error {
	limit := s.cfg.Rows
	for {
		p, err := s.read(ctx, from, limit)
		if err != nil {
			return err
		}
		full := p.rows >= limit
		upTo := p.last
		if full {
			// More rows with the last watermark may be behind the page, so it is read up to the one before.
			upTo = p.previous
		}
		if p.marked && (!full || p.stepped) {
			s.mark = max(s.mark, upTo)
		}
		if err := s.put(ctx, p); err != nil {
			return err
		}
		switch {
		case !full:
			s.seen, s.next = s.next, map[uint64]struct{}{}
			return nil
		case p.stepped:
			from, limit = upTo, s.cfg.Rows
		case limit >= maxTied:
			return fmt.Errorf("more than %d rows have the same %s", maxTied, s.cfg.Watermark)
		default:
			limit = min(2*limit, maxTied)
		}
	}
}

// page is what one query brought.
type page struct {
	events   []transactions.Event
	sums     []uint64
	rows     int
	marked   bool  // some row had a watermark
	last     int64 // the greatest
	stepped  bool  // there is one before it
	previous int64
}

// read asks for one page, in a transaction of its own that can change nothing.
func (s *Source) read(ctx context.Context, from int64, limit int) (page, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.StatementTimeout+grace, errors.New("the server does not answer"))
	defer cancel()
	if err := s.connect(ctx); err != nil {
		return page{}, err
	}
	begin := fmt.Sprintf("BEGIN READ ONLY; SET LOCAL statement_timeout = %d; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'", s.cfg.StatementTimeout.Milliseconds())
	if err := s.conn.Exec(ctx, begin).Close(); err != nil {
		return page{}, plain(err)
	}
	mark := formatMark(s.cfg.WatermarkType, from)
	result := s.conn.ExecParams(ctx, s.cfg.Query, [][]byte{[]byte(mark), []byte(strconv.Itoa(limit))}, nil, nil, nil)
	p, err := s.rows(result)
	if _, closed := result.Close(); closed != nil {
		err = plain(closed)
	}
	if err != nil {
		return page{}, err
	}
	if err := s.conn.Exec(ctx, "COMMIT").Close(); err != nil {
		return page{}, plain(err)
	}
	return p, nil
}

// rows makes events of a result.
func (s *Source) rows(result *pgconn.ResultReader) (page, error) {
	var p page
	more := result.NextRow()
	var names []string
	for _, f := range result.FieldDescriptions() {
		names = append(names, f.Name)
	}
	if len(names) == 0 {
		return p, nil // it was refused, which Close tells
	}
	m, err := newMapping(names, s.cfg.Watermark)
	for ; more && err == nil; more = result.NextRow() {
		p.rows++
		row := result.Values()
		if err := s.note(&p, row[m.mark]); err != nil {
			return p, err
		}
		sum := sumOf(row)
		_, known := s.seen[sum]
		_, again := s.next[sum]
		if known || again {
			s.remember(sum)
			continue
		}
		e, err := m.event(row)
		if err != nil {
			s.complain.Tell("a row cannot be read and was left out", "err", err)
			s.remember(sum)
			continue
		}
		p.events, p.sums = append(p.events, e), append(p.sums, sum)
	}
	return p, err
}

// note holds the watermark of a row against those before it.
func (s *Source) note(p *page, text []byte) error {
	if text == nil {
		s.complain.Tell("a row has no watermark, so it may be read late or never")
		return nil
	}
	v, err := parseMark(s.cfg.WatermarkType, string(text))
	switch {
	case err != nil:
		return err
	case p.marked && v < p.last:
		return fmt.Errorf("the query does not order its rows by %s", s.cfg.Watermark)
	case p.marked && v > p.last:
		p.stepped, p.previous = true, p.last
	}
	p.marked, p.last = true, v
	return nil
}

func sumOf(row [][]byte) uint64 {
	h := xxhash.New()
	for _, v := range row {
		_, _ = h.Write(strconv.AppendInt(nil, int64(len(v)), 10)) // a hash takes everything
		_, _ = h.WriteString(":")
		_, _ = h.Write(v)
	}
	return h.Sum64()
}

func (s *Source) remember(sum uint64) {
	if len(s.next) < maxSeen {
		s.next[sum] = struct{}{}
	}
}

// put stores a page; the last part of it carries how far the table has been read. Its error is that ctx has ended.
func (s *Source) put(ctx context.Context, p page) error {
	done := 0
	for events := range slices.Chunk(p.events, transactions.PutAtOnce) {
		b := transactions.Batch{Events: events}
		if done += len(events); done == len(p.events) && s.mark > math.MinInt64 {
			b.Source, b.Position = s.cfg.Name, position(s.cfg.WatermarkType, s.mark)
		}
		receipt, err := transactions.PutWhenFree(ctx, s.sink, b, s.log)
		if err != nil {
			return err
		}
		for _, r := range receipt.Rejected {
			s.complain.Tell("an event cannot be used", "err", r.Err)
		}
	}
	for _, sum := range p.sums {
		s.remember(sum)
	}
	return nil
}

// connect logs in unless that is done already. Passwords are read at each login.
func (s *Source) connect(ctx context.Context) error {
	if s.conn != nil && !s.conn.IsClosed() {
		return nil
	}
	dsn, err := secret.Source{Inline: s.cfg.DSN, File: s.cfg.DSNFile}.Load()
	if err != nil {
		return err
	}
	cfg, err := pgconn.ParseConfig(dsn.Reveal())
	if err != nil {
		return errors.New("the dsn cannot be read as a connection string") // what is wrong may be a password
	}
	if s.cfg.PasswordFile != "" {
		password, err := secret.Source{File: s.cfg.PasswordFile}.Load()
		if err != nil {
			return err
		}
		cfg.Password = password.Reveal()
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = grace
	}
	cfg.MaxProtocolMessageBodyLen = maxRow
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "assayer"
	}
	if s.conn, err = pgconn.ConnectConfig(ctx, cfg); err != nil {
		s.conn = nil
		return plain(err)
	}
	return nil
}

func (s *Source) disconnect(ctx context.Context) {
	if s.conn == nil {
		return
	}
	bye, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = s.conn.Close(bye) // the server finds out by itself otherwise
	s.conn = nil
}

// plain leaves out of a server's refusal what it may repeat of a row.
func plain(err error) error {
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	if ok && (strings.HasPrefix(refusal.Code, "22") || strings.HasPrefix(refusal.Code, "23")) {
		return fmt.Errorf("the server cannot answer the query: SQLSTATE %s, in the words of PostgreSQL's list of error codes a value that does not fit", refusal.Code)
	}
	return err
}
