package servers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Postgres is a running PostgreSQL server that trusts every local user. Autovacuum is off, so that
// nothing but the test makes transactions.
type Postgres struct {
	*Process
	Address string // 127.0.0.1:port

	bin  string // directory of PostgreSQL's programs
	data string
	as   *syscall.Credential
}

// StartPostgres makes a database cluster and starts its server. PostgreSQL refuses to run as root,
// so a test that is root runs it as the user postgres.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	initdb := find(t, "postgresql", "/usr/lib/postgresql/*/bin/initdb", "initdb")
	pg := &Postgres{Address: freeAddresses(t, 1)[0], bin: filepath.Dir(initdb), data: openTempDir(t)}
	if os.Getuid() == 0 {
		pg.as = credential(t, "postgres")
		if err := os.Chown(pg.data, int(pg.as.Uid), int(pg.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), initdb, "-D", pg.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = pg.data, &syscall.SysProcAttr{Credential: pg.as}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("making a database cluster: %v\n%s", err, out)
	}
	pg.Start(t)
	return pg
}

// Start starts the server again on its old data and address, after Stop or Kill.
func (pg *Postgres) Start(t testing.TB) {
	t.Helper()
	pg.Process = launch(t, command{
		name:   "postgres",
		binary: filepath.Join(pg.bin, "postgres"),
		args: []string{
			"-D", pg.data, "-h", "127.0.0.1", "-p", port(pg.Address),
			"-c", "unix_socket_directories=", "-c", "autovacuum=off", "-c", "fsync=off",
		},
		dir:  pg.data,
		as:   pg.as,
		stop: syscall.SIGINT, // the fast way: does not wait for clients to leave
	}, func(ctx context.Context) error {
		_, err := pg.psql(ctx, "postgres", "SELECT 1")
		return err
	})
}

// SQL runs one statement in its own transaction and returns what it selected, or the server's
// refusal.
func (pg *Postgres) SQL(t testing.TB, database, statement string) (string, error) {
	t.Helper()
	return pg.psql(t.Context(), database, statement)
}

func (pg *Postgres) psql(ctx context.Context, database, statement string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(pg.bin, "psql"), "-X", "-q", "-t", "-A",
		"-v", "ON_ERROR_STOP=1", "-d", pg.DSN(database), "-c", statement)
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("running %q: %w: %s", statement, err, text)
	}
	return text, nil
}

// Bench runs pgbench's own clients with a script of theirs against a database, until they are done.
func (pg *Postgres) Bench(t testing.TB, database, script string, args ...string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script.sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return fmt.Errorf("writing the script: %w", err)
	}
	args = append([]string{"-n", "-f", file}, append(args, pg.DSN(database))...)
	if out, err := exec.CommandContext(t.Context(), filepath.Join(pg.bin, "pgbench"), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("running pgbench: %w: %s", err, out)
	}
	return nil
}

// DSN returns the connection string of a database.
func (pg *Postgres) DSN(database string) string {
	return "postgresql://postgres@" + pg.Address + "/" + database + "?sslmode=disable"
}

// StartPostgresExporter starts the Prometheus exporter of pg. It connects to the database postgres,
// so its own questions leave the counters of other databases alone.
func StartPostgresExporter(t testing.TB, pg *Postgres) *Server {
	t.Helper()
	address := freeAddresses(t, 1)[0]
	p := launch(t, command{
		name:   "postgres_exporter",
		binary: find(t, "prometheus-postgres-exporter", "prometheus-postgres-exporter", "postgres_exporter"),
		args:   []string{"--web.listen-address=" + address},
		env:    []string{"DATA_SOURCE_NAME=" + pg.DSN("postgres")},
		dir:    t.TempDir(),
	}, httpOK("http://"+address+"/metrics"))
	return &Server{p, address}
}

// openTempDir is a temporary directory that another user can reach, which those of the testing
// package are not.
func openTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing %s: %v", dir, err)
		}
	})
	return dir
}

func credential(t testing.TB, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatalf("looking for the user PostgreSQL runs as: %v", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address) // always one of freeAddresses
	return p
}
