//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// discovered runs assayer discover and gives what it printed and how it ended.
func discovered(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"discover"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// TestDiscover proposes objectives for real servers; assayer check takes them, and no service is left that none of them reads.
func TestDiscover(t *testing.T) {
	t.Parallel()
	metrics := servers.FreeAddress(t)
	host, port, _ := strings.Cut(metrics, ":")
	node := servers.StartGeth(t, "--metrics", "--metrics.addr", host, "--metrics.port", port)
	var block string
	if err := node.Call(t.Context(), &block, "eth_blockNumber"); err != nil { // the counters of calls come with the first
		t.Fatal(err)
	}
	prometheus := servers.StartPrometheus(t, "{}")
	if code := send(t, http.MethodGet, prometheus.URL("/api/v1/query?query=up"), ""); code != http.StatusOK {
		t.Fatalf("a query is answered %d", code)
	}
	targets := map[string]struct {
		url  string
		want []string // lines
	}{
		"etcd":         {servers.StartEtcd(t).URL("/metrics"), []string{"  name: etcd", "    below: 8ms", "    gauge: 'etcd_server_has_leader{job=\"etcd\"}'"}},
		"prometheus":   {prometheus.URL("/metrics"), []string{"  name: prometheus-query", `    total: 'prometheus_http_requests_total{job="prometheus",handler=~"/api/v1/query(_range)?"}'`}},
		"alertmanager": {servers.StartAlertmanager(t, "route: {receiver: a}\nreceivers: [{name: a}]\n").URL("/metrics"), []string{"  name: alertmanager-notifications", "    below: 5s", "  name: alertmanager-received"}},
		"postgresql":   {servers.StartPostgresExporter(t, servers.StartPostgres(t)).URL("/metrics"), []string{"  name: postgresql", "    gauge: 'pg_up{job=\"postgresql\"}'"}},
		"geth":         {"http://" + metrics + "/debug/metrics/prometheus", []string{"  name: geth", "    total: 'rpc_requests{job=\"geth\"}'", "    total: 'chain_head_block{job=\"geth\"}'"}},
	}
	dir := t.TempDir()
	agent := "global: {scrape_interval: 15s}\nstorage: {path: data}\nobjectives: [\"slo/*.yaml\"]\ncollectors:\n  prometheus:\n    scrape_configs:\n"
	if err := os.Mkdir(filepath.Join(dir, "slo"), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for job, target := range targets {
		out, errs, code := discovered(t, "--job", job, "--watch", "2s", target.url)
		if code != 0 || errs != "" {
			t.Errorf("%s ends with %d: %s", job, code, errs)
		}
		for _, line := range target.want {
			if !strings.Contains(out, "\n"+line+"\n") {
				t.Errorf("%s: no line %q in\n%s", job, line, out)
			}
		}
		if strings.Contains(out, "Judged by its names") {
			t.Errorf("%s: something is judged by its names\n%s", job, out)
		}
		write("slo/"+job+".yaml", out)
		u, err := url.Parse(target.url)
		if err != nil {
			t.Fatal(err)
		}
		agent += fmt.Sprintf("      - {job_name: %s, metrics_path: %s, static_configs: [{targets: [%q]}]}\n", job, u.Path, u.Host)
	}
	write("assayer.yaml", agent)
	file := filepath.Join(dir, "assayer.yaml")
	if out, err := exec.CommandContext(t.Context(), binary, "check", "--strict", "--config", file).CombinedOutput(); err != nil {
		t.Errorf("what is proposed is refused: %v\n%s", err, out)
	}
	out, errs, code := discovered(t, "--coverage", file)
	if code != 0 || errs != "" || strings.Count(out, "\ncovered") != len(targets) {
		t.Errorf("coverage ends with %d: %s%s", code, out, errs)
	}
	if err := os.Remove(filepath.Join(dir, "slo", "etcd.yaml")); err != nil {
		t.Fatal(err)
	}
	if out, _, code := discovered(t, "--coverage", file); code != 2 || !strings.Contains(out, "\nuncovered     etcd") && !strings.Contains(out, "\nuncovered  etcd") {
		t.Errorf("coverage without etcd's ends with %d: %s", code, out)
	}

	// The monitoring side of a NATS server speaks JSON, which is said.
	nats := servers.StartNATS(t)
	if _, errs, code := discovered(t, nats.URL("/varz")); code != 1 || !strings.Contains(errs, "no metrics format") {
		t.Errorf("NATS' own page ends with %d: %s", code, errs)
	}
}
