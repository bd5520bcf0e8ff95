//go:build e2e

package servers

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

const idle = `
route: {receiver: nobody}
receivers: [{name: nobody}]
`

// TestServersAnswerWhenReadyAndEndWhenStopped starts each server, asks it for something only that
// server knows, stops it and finds its port closed.
func TestServersAnswerWhenReadyAndEndWhenStopped(t *testing.T) {
	for name, tc := range map[string]struct {
		start      func(testing.TB) *Server
		path, want string
	}{
		"prometheus":        {func(t testing.TB) *Server { return StartPrometheus(t, "{}") }, "/metrics", "prometheus_build_info"},
		"alertmanager":      {func(t testing.TB) *Server { return StartAlertmanager(t, idle) }, "/metrics", "alertmanager_build_info"},
		"etcd":              {func(t testing.TB) *Server { return StartEtcd(t) }, "/metrics", "etcd_server_has_leader 1"},
		"nats":              {func(t testing.TB) *Server { return StartNATS(t).Server }, "/varz", `"jetstream"`},
		"postgres exporter": {func(t testing.TB) *Server { return StartPostgresExporter(t, StartPostgres(t)) }, "/metrics", "\npg_up 1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := tc.start(t)
			if body := get(t, s.URL(tc.path)); !strings.Contains(body, tc.want) {
				t.Errorf("%s does not contain %q:\n%s", tc.path, tc.want, body)
			}
			s.Stop()
			if conn, err := net.Dial("tcp", s.Address); err == nil {
				conn.Close()
				t.Errorf("%s still listens after Stop", s.Address)
			}
		})
	}
}

func TestPostgresKeepsItsDataOverACrash(t *testing.T) {
	pg := StartPostgres(t)
	if _, err := pg.SQL(t, "postgres", "CREATE DATABASE shop"); err != nil {
		t.Fatal(err)
	}
	pg.Kill()
	if _, err := pg.SQL(t, "shop", "SELECT 1"); err == nil {
		t.Error("a killed server answers")
	}
	pg.Start(t)
	if got, err := pg.SQL(t, "shop", "SELECT 6 * 7"); err != nil || got != "42" {
		t.Errorf("after a crash got %q, %v, want 42", got, err)
	}
	if _, err := pg.SQL(t, "shop", "SELECT 1/0"); err == nil || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("error is %v, want the server's own words", err)
	}
}

func TestProcessTellsHowItEnded(t *testing.T) {
	p := launch(t, command{name: "shell", binary: find(t, "dash", "sh"), args: []string{"-c", "echo said so; exit 3"}, dir: t.TempDir()}, nil)
	if code := p.ExitCode(); code != 3 {
		t.Errorf("exit code is %d, want 3", code)
	}
	if got := p.Logs(); got != "said so\n" {
		t.Errorf("log is %q", got)
	}
	p.Stop() // of an ended process does nothing
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
