package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// StartPrometheusWith starts Prometheus on recorded samples, in OpenMetrics text with timestamps, which it
// then has in its store. It scrapes nothing and forgets nothing.
func StartPrometheusWith(t testing.TB, openMetrics string) *Server {
	t.Helper()
	dir, address := t.TempDir(), freeAddresses(t, 1)[0]
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	promtool := exec.CommandContext(t.Context(), find(t, "prometheus", "promtool"), "tsdb", "create-blocks-from", "openmetrics", write(t, dir, "samples.om", openMetrics), data)
	if out, err := promtool.CombinedOutput(); err != nil {
		t.Fatalf("making blocks of samples: %v\n%s", err, out)
	}
	p := launch(t, command{
		name:   "prometheus",
		binary: find(t, "prometheus", "prometheus"),
		args: []string{
			"--config.file=" + write(t, dir, "prometheus.yml", "global: {scrape_interval: 15s}\n"),
			"--storage.tsdb.path=" + data, "--storage.tsdb.retention.time=100y", "--web.listen-address=" + address,
		},
		dir: dir,
	}, httpOK("http://"+address+"/-/ready"))
	return &Server{p, address}
}
