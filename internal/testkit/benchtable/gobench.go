package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// rounds holds what each round measured, by "benchmark unit".
type rounds map[string][]float64

// goBenchmarks runs the benchmarks of the packages below in rounds, so that whatever else the
// machine does hits all of them alike.
func goBenchmarks(ctx context.Context, p plan, dir string, t *table) error {
	var binaries []string
	for _, pkg := range []string{"collector/prometheus", "internal/testkit/benchtable", "slo"} {
		binary := filepath.Join(dir, strings.ReplaceAll(pkg, "/", "-")+".test")
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./"+pkg)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building the benchmarks of %s: %w\n%s", pkg, err, out)
		}
		binaries = append(binaries, binary)
	}
	r := rounds{}
	for range p.rounds {
		for _, binary := range binaries {
			var out bytes.Buffer
			cmd := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.bench=^Benchmark(Scrape|Ledger|Evaluate|Checkpoint)$", "-test.benchtime=150ms")
			cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("running %s: %w\n%s", binary, err, out.Bytes())
			}
			r.read(out.String())
		}
	}
	cmd := exec.CommandContext(ctx, binaries[2], "-test.run=^$", "-test.bench=^BenchmarkMemory$", "-test.benchtime=1x")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("running BenchmarkMemory: %w\n%s", err, out)
	}
	r.read(string(out))
	return r.rows(t)
}

// procs is what the name of a benchmark ends with: the number of processors.
var procs = regexp.MustCompile(`-\d+$`)

// read takes in the results among the lines that go test -bench writes:
//
//	BenchmarkObserve-2   	    2000	    397052 ns/op	       198.5 ns/sample
func (r rounds) read(output string) {
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(procs.ReplaceAllString(fields[0], ""), "Benchmark")
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				r[name+" "+fields[i+1]] = append(r[name+" "+fields[i+1]], v)
			}
		}
	}
}

// lookup gives medians and notes what it was asked for in vain.
type lookup struct {
	rounds
	missing []string
}

func (l *lookup) values(key string) []float64 {
	if len(l.rounds[key]) == 0 {
		l.missing = append(l.missing, key)
	}
	return l.rounds[key]
}

func (l *lookup) ns(name, per string) string {
	return nanoseconds(median(l.values(name + " ns/" + per)))
}

// cost is time and memory allocated.
func (l *lookup) cost(name, per string) string {
	return l.ns(name, per) + ", " + bytesText(median(l.values(name+" B/"+per)))
}

// ratio is the median of the rounds' quotients.
func (l *lookup) ratio(a, b, per string) string {
	return times(median(quotients(l.values(a+" ns/"+per), l.values(b+" ns/"+per))))
}

func (r rounds) rows(t *table) error {
	l := &lookup{rounds: r}
	t.head("Scraping: 100,000 series on a target, 1 % of them wanted")
	const plain, lines, full = "Scrape/selective/memory/plain", "Scrape/floor/newlines", "Scrape/textparse/labels"
	t.row("a scraped sample, from memory", l.cost(plain, "sample"), "finding line breaks, nothing else: "+l.ns(lines, "sample"), l.ratio(plain, lines, "sample"))
	t.row("", "", "Prometheus' text parser with the labels of every series: "+l.cost(full, "sample"), l.ratio(plain, full, "sample"))
	for _, kind := range []string{"plain", "gzip"} {
		ours, floor := "Scrape/selective/http/"+kind, "Scrape/floor/http/"+kind
		t.row("a scraped sample over HTTP, "+kind+fmt.Sprintf(" (%.3g B of body)", median(l.values(ours+" wire-B/sample"))), l.cost(ours, "sample"),
			"receiving"+map[string]string{"gzip": ", gunzip"}[kind]+" and counting line breaks: "+l.ns(floor, "sample"), l.ratio(ours, floor, "sample"))
	}
	t.head("From scrape to ledger: 2,000 series on a target, all wanted, for 1,000 objectives")
	t.row("a matched sample: HTTP, parse, `Observe`", l.cost("Ledger/scrape", "sample"),
		"Prometheus' text parser with labels on the same body: "+l.cost("Ledger/textparse", "sample"), l.ratio("Ledger/scrape", "Ledger/textparse", "sample"))
	t.row("of it `Observe`", l.cost("Ledger/observe", "sample"), "", "")
	t.head("Evaluation: all eight windows, tiers, state and texts of one objective")
	const hour, month = "Evaluate/history=1h0m0s", "Evaluate/history=720h0m0s"
	t.row("after 1 hour of history", l.cost(hour, "objective"), "", "")
	t.row("after 30 days of history", l.cost(month, "objective"), "after 1 hour: "+l.ns(hour, "objective"), l.ratio(month, hour, "objective"))
	t.row("encoding a checkpoint every 10 s", l.cost("Checkpoint", "objective"), "", "")
	t.row("heap of an objective with 30 days in its ledger", bytesText(median(l.values("Memory B/objective"))), "", "")
	if len(l.missing) > 0 {
		return fmt.Errorf("no benchmark measured %s", strings.Join(l.missing, ", "))
	}
	return nil
}
