package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// postgres is a server of its own with the usual durability: fsync and synchronous_commit are on, as they are by
// default.
type postgres struct {
	*process
	data    string // its folder, which goes when it stops
	version string // PostgreSQL 15.4
	clients []*pgx.Conn
	way     way
}

// way is how the rows of a commit are told to PostgreSQL.
type way string

const (
	oneByOne     way = "a statement for each, one after the other" // as most programs do
	asText       way = "a statement for each, as one text"         // as psql does with a file
	sentTogether way = "a statement for each, all sent at once"
	inOne        way = "all in one statement"
)

// Payments as a database would keep them for the same purpose: found by what identifies them, and by when they are
// due as long as they are open.
const paymentsTable = `
CREATE TABLE payments (
	id uuid PRIMARY KEY, rail text NOT NULL, direction text NOT NULL, counterparty text NOT NULL, amount bigint NOT NULL, currency text NOT NULL,
	state text NOT NULL, received_at timestamptz NOT NULL, deadline timestamptz NOT NULL, changed_at timestamptz NOT NULL);
CREATE INDEX payments_due ON payments (deadline) WHERE state = 'received'`

// What is told twice changes nothing. All that the agent is told of a payment is a parameter, as in any program. One statement
// for all rows of a commit is the fastest way that SQL has. Updates do not name the state that the index of what is due
// holds: else the planner, by the statistics it happens to have, looks for a payment among all that are open.
const (
	paymentInsert = `
INSERT INTO payments VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8::timestamptz + interval '10 seconds', $8) ON CONFLICT (id) DO NOTHING`
	paymentUpdate  = `UPDATE payments SET state = $2, changed_at = $3 WHERE id = $1 AND state <> 'settled'`
	paymentsInsert = `
INSERT INTO payments SELECT p.*, p.at + interval '10 seconds', p.at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[]) AS p (id, rail, direction, counterparty, amount, currency, state, at)
ON CONFLICT (id) DO NOTHING`
	paymentsUpdate = `
UPDATE payments SET state = p.state, changed_at = p.at FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS p (id, state, at)
WHERE payments.id = p.id AND payments.state <> 'settled'`
)

// startPostgres makes a database and starts its server, set up as it comes, or if it is to have room so that all of a run
// stays in memory and no checkpoint falls into it. PostgreSQL refuses to run as root, and then runs as the user postgres.
func startPostgres(ctx context.Context, dir string, roomy bool) (*postgres, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return nil, errors.New("finding PostgreSQL: no initdb below /usr/lib/postgresql: apt-get install postgresql")
	}
	bin, data := filepath.Dir(found[len(found)-1]), filepath.Join(dir, "postgres")
	as := &syscall.SysProcAttr{}
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		if as.Credential, err = giveTo("postgres", dir, data); err != nil {
			return nil, err
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale")
	initdb.Dir, initdb.SysProcAttr = data, as
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making a database: %w\n%s", err, out)
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(address, ":")
	pg := &postgres{process: &process{}, data: data}
	args := []string{"-D", data, "-h", "127.0.0.1", "-p", port, "-c", "unix_socket_directories=", "-c", "enable_seqscan=off"} // plans are made before there are statistics
	if roomy {
		args = append(args, "-c", "shared_buffers=1GB", "-c", "max_wal_size=8GB", "-c", "checkpoint_timeout=30min")
	}
	pg.cmd = exec.CommandContext(ctx, filepath.Join(bin, "postgres"), args...)
	pg.cmd.Dir, pg.cmd.SysProcAttr, pg.cmd.Stdout, pg.cmd.Stderr = data, as, &pg.log, &pg.log
	if err := pg.cmd.Start(); err != nil {
		return nil, err
	}
	if err := pg.connect(ctx, "postgres://postgres@"+address+"/postgres?sslmode=disable"); err != nil {
		pg.stop()
		return nil, fmt.Errorf("waiting for PostgreSQL: %w\n%s", err, pg.log.String())
	}
	return pg, nil
}

// giveTo lets a user own a directory and reach it, and says who that is to a process.
func giveTo(name, parent, dir string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(parent, 0o711); err != nil { //nolint:gosec // passing through is all that this allows
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
}

// connect opens a connection for each teller once the server answers, and makes the table.
func (pg *postgres) connect(ctx context.Context, dsn string) error {
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for range tellers {
		var client *pgx.Conn
		err := poll(wait, func() (err error) {
			client, err = pgx.Connect(wait, dsn)
			return err
		})
		if err != nil {
			return err
		}
		pg.clients = append(pg.clients, client)
	}
	if err := pg.clients[0].QueryRow(ctx, "SHOW server_version").Scan(&pg.version); err != nil {
		return err
	}
	number, _, _ := strings.Cut(pg.version, " ")
	pg.version = "PostgreSQL " + number
	_, err := pg.clients[0].Exec(ctx, paymentsTable)
	return err
}

func (pg *postgres) received(ctx context.Context, teller, first, n int) error {
	at := time.Now()
	if pg.way == inOne {
		return pg.exec(ctx, teller, paymentsInsert, n, uetrs(first, n), repeat("sct-inst", n), repeat("out", n), repeat("DEUTDEFF", n), repeat(int64(1234), n), repeat("EUR", n),
			repeat("received", n), repeat(at, n))
	}
	return pg.execEach(ctx, teller, &statements{paymentInsert, first, n, []any{"sct-inst", "out", "DEUTDEFF", int64(1234), "EUR", "received", at}})
}

func (pg *postgres) settled(ctx context.Context, teller, first, n int) error {
	at := time.Now()
	if pg.way == inOne {
		return pg.exec(ctx, teller, paymentsUpdate, n, uetrs(first, n), repeat("settled", n), repeat(at, n))
	}
	return pg.execEach(ctx, teller, &statements{paymentUpdate, first, n, []any{"settled", at}})
}

// statements are one statement for each of payments first to first+n, whose parameters are what identifies the payment and
// what else there is to tell of each.
type statements struct {
	sql      string
	first, n int
	rest     []any
}

// uetrs are what identifies payments first to first+n.
func uetrs(first, n int) [][16]byte {
	ids := make([][16]byte, n)
	for i := range ids {
		ids[i] = uetr(first + i)
	}
	return ids
}

func repeat[T any](v T, n int) []T { return slices.Repeat([]T{v}, n) }

// exec runs one statement for n payments, which is a transaction of its own; it is prepared the first time.
func (pg *postgres) exec(ctx context.Context, teller int, statement string, n int, arrays ...any) error {
	tag, err := pg.clients[teller].Exec(ctx, statement, arrays...)
	if err == nil && tag.RowsAffected() != int64(n) {
		err = fmt.Errorf("%d rows of %d are affected", tag.RowsAffected(), n)
	}
	if err != nil {
		return fmt.Errorf("telling PostgreSQL of %d events: %w", n, err)
	}
	return nil
}

// execEach runs a statement for each payment, in one transaction.
func (pg *postgres) execEach(ctx context.Context, teller int, s *statements) error {
	var err error
	client := pg.clients[teller]
	switch pg.way {
	case oneByOne:
		err = s.oneByOne(ctx, client)
	case asText:
		err = s.asText(ctx, client)
	default:
		err = s.together(ctx, client)
	}
	if err != nil {
		return fmt.Errorf("telling PostgreSQL of %d events: %w", s.n, err)
	}
	return nil
}

// oneByOne runs each statement after the one before was answered.
func (s *statements) oneByOne(ctx context.Context, client *pgx.Conn) error {
	args := append([]any{nil}, s.rest...)
	return pgx.BeginFunc(ctx, client, func(tx pgx.Tx) error {
		for i := range s.n {
			args[0] = uetr(s.first + i)
			tag, err := tx.Exec(ctx, s.sql, args...)
			if err := affected(tag, err); err != nil {
				return err
			}
		}
		return nil
	})
}

// asText sends all statements with their values as one text, which is one transaction.
func (s *statements) asText(ctx context.Context, client *pgx.Conn) error {
	sql := s.sql
	for i, v := range s.rest {
		sql = strings.ReplaceAll(sql, fmt.Sprintf("$%d", i+2), literal(v))
	}
	before, after, _ := strings.Cut(sql, "$1")
	var text []byte
	for i := range s.n {
		text = append(appendUUID(append(append(text, before...), '\''), uetr(s.first+i)), '\'')
		text = append(append(text, after...), ';')
	}
	results, err := client.PgConn().Exec(ctx, string(text)).ReadAll()
	if err != nil {
		return err
	}
	for _, r := range results {
		if err := affected(r.CommandTag, r.Err); err != nil {
			return err
		}
	}
	return nil
}

// literal is a value as SQL has it. There are no quotes in these.
func literal(v any) string {
	switch v := v.(type) {
	case time.Time:
		return "'" + v.Format(time.RFC3339Nano) + "'"
	case string:
		return "'" + v + "'"
	}
	return fmt.Sprint(v)
}

// together sends all statements before it reads an answer.
func (s *statements) together(ctx context.Context, client *pgx.Conn) error {
	var batch pgx.Batch
	for i := range s.n {
		batch.Queue(s.sql, append([]any{uetr(s.first + i)}, s.rest...)...)
	}
	results := client.SendBatch(ctx, &batch)
	for range s.n {
		if err := affected(results.Exec()); err != nil {
			return errors.Join(err, results.Close())
		}
	}
	return results.Close()
}

// affected is what is wrong with a statement that has to affect a row.
func affected(tag pgconn.CommandTag, err error) error {
	if err == nil && tag.RowsAffected() != 1 {
		err = errors.New("no row is affected")
	}
	return err
}

// cpu returns the processor time of the server and of its processes, which all go on as long as their clients do.
func (pg *postgres) cpu() (time.Duration, error) {
	sum, err := pg.process.cpu()
	if err != nil {
		return 0, err
	}
	pid := pg.cmd.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		return 0, err
	}
	for child := range strings.FieldsSeq(string(children)) {
		n, err := strconv.Atoi(child)
		if err != nil {
			return 0, err
		}
		used, err := cpuOf(n)
		if err != nil {
			continue // a worker that has ended meanwhile
		}
		sum += used
	}
	return sum, nil
}

func (pg *postgres) stop() {
	for _, client := range pg.clients {
		_ = client.Close(context.Background()) //nolint:contextcheck // the end of the run
	}
	_ = pg.cmd.Process.Signal(syscall.SIGINT)
	_ = pg.cmd.Wait()
	_ = os.RemoveAll(pg.data)
}
