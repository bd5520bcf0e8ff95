// Command benchtable measures the agent from outside, as a process, and prints the table that
// docs/performance.md keeps:
//
//	| what | measured |
//	|---|---|
//	| binary | 24.1 MiB |
//	| start until ready | 61 ms |
//	| resident memory, one target | 31.2 MiB |
//	| resident memory, 100 targets of 5000 series | 48.9 MiB |
//	| CPU for a million samples | 0.21 s |
//	| the floor: HTTP, lines and names alone | 0.15 s |
//	| CPU over the floor | 1.40 × |
//
// The targets are served by this process, 1 % of their series matter to an objective, and the agent
// is built as it is shipped.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// size is how much the agent has to do.
type size struct {
	targets  int
	series   int // a target
	interval time.Duration
	looks    int // scrapes of every target that are measured
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var s size
	var floor bool
	flag.IntVar(&s.targets, "targets", 100, "number of targets")
	flag.IntVar(&s.series, "series", 5000, "series a target exposes")
	flag.DurationVar(&s.interval, "interval", 5*time.Second, "scrape interval")
	flag.IntVar(&s.looks, "looks", 6, "scrapes of every target to measure")
	flag.BoolVar(&floor, "floor", false, "read the targets given as arguments with the least work possible, and nothing else")
	flag.Parse()
	var err error
	if floor {
		err = readFloor(ctx, flag.Args(), s.looks)
	} else {
		err = table(ctx, s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchtable:", err)
		os.Exit(1)
	}
}

func table(ctx context.Context, s size) error {
	dir, err := os.MkdirTemp("", "benchtable")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := servers.BuildAssayer(ctx, dir)
	if err != nil {
		return err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return err
	}
	small, err := measure(ctx, binary, filepath.Join(dir, "small"), size{1, s.series, s.interval, 2})
	if err != nil {
		return fmt.Errorf("measuring one target: %w", err)
	}
	large, err := measure(ctx, binary, filepath.Join(dir, "large"), s)
	if err != nil {
		return fmt.Errorf("measuring %d targets: %w", s.targets, err)
	}
	fmt.Println("| what | measured |\n|---|---|")
	for _, row := range [][2]string{
		{"binary", mebibytes(info.Size())},
		{"start until ready", small.ready.Round(time.Millisecond).String()},
		{"resident memory, one target", mebibytes(small.resident)},
		{fmt.Sprintf("resident memory, %d targets of %d series", s.targets, s.series), mebibytes(large.resident)},
		{"CPU for a million samples", fmt.Sprintf("%.2f s", large.cpu)},
		{"the floor: HTTP, lines and names alone", fmt.Sprintf("%.2f s", large.floor)},
		{"CPU over the floor", fmt.Sprintf("%.2f ×", large.cpu/large.floor)},
	} {
		fmt.Printf("| %s | %s |\n", row[0], row[1])
	}
	return nil
}

// result is what one run of the agent took.
type result struct {
	ready      time.Duration
	resident   int64   // bytes, the most there ever were
	cpu, floor float64 // seconds for a million samples exposed
}

func measure(ctx context.Context, binary, dir string, s size) (result, error) {
	var r result
	t := newTargets(s)
	defer t.close()
	if err := configure(dir, t, s); err != nil {
		return r, err
	}
	a, err := start(ctx, binary, dir)
	if err != nil {
		return r, err
	}
	defer a.stop()
	r.ready = a.ready
	if err := t.await(ctx, 2); err != nil { // settled: every series has been seen and sorted out
		return r, err
	}
	before, err := a.cpu()
	if err != nil {
		return r, err
	}
	looked := t.looked()
	if err := t.await(ctx, 2+s.looks); err != nil {
		return r, err
	}
	after, err := a.cpu()
	if err != nil {
		return r, err
	}
	samples := float64(t.looked()-looked) * float64(s.series) / 1e6
	r.cpu = (after - before).Seconds() / samples
	if r.resident, err = a.resident(); err != nil {
		return r, err
	}
	r.floor, err = measureFloor(ctx, t, s)
	return r, err
}

// measureFloor reads the same targets in a process of its own, so that serving them is not counted.
func measureFloor(ctx context.Context, t *targets, s size) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"-floor", fmt.Sprintf("-looks=%d", s.looks)}, t.urls()...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("measuring the floor: %w", err)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return cpu.Seconds() / (float64(s.targets*s.series*s.looks) / 1e6), nil
}

// readFloor does what no reader of expositions can do without: receive them, find the lines, and
// compare the names.
func readFloor(ctx context.Context, urls []string, looks int) error {
	found := 0
	for range looks {
		for _, url := range urls {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			lines := bufio.NewScanner(resp.Body)
			for lines.Scan() {
				if bytes.HasPrefix(lines.Bytes(), []byte(wanted)) {
					found++
				}
			}
			if err := errors.Join(lines.Err(), resp.Body.Close()); err != nil {
				return err
			}
		}
	}
	if found == 0 {
		return errors.New("the targets expose nothing of interest")
	}
	return nil
}

// configure writes the agent's files: one objective for each of ten services, all targets.
func configure(dir string, t *targets, s size) error {
	files := map[string]string{"assayer.yaml": fmt.Sprintf(`
global: {scrape_interval: %s, evaluation_interval: %s}
storage: {path: data}
objectives: ["slo.yaml"]
collectors:
  prometheus:
    scrape_configs:
      - job_name: bench
        enable_compression: false
        static_configs: [{targets: ["%s"]}]
audit: {path: data/audit.jsonl}
`, s.interval, s.interval, strings.Join(t.addresses(), `", "`))}
	var slo strings.Builder
	for i := range services {
		fmt.Fprintf(&slo, `---
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: service-%[1]d}
spec:
  errors:
    bad: '%[2]s{service="s%[1]d",code="500"}'
    total: '%[2]s{service="s%[1]d"}'
    objective: 99.9%%
`, i, wanted)
	}
	files["slo.yaml"] = slo.String()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
