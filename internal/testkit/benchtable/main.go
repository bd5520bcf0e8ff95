// Command benchtable measures, in one run, what the agent's work costs and prints the table that
// docs/performance.md keeps:
//
//	| what | measured | beside it, in the same run | ratio |
//	|---|--:|---|--:|
//	| a scraped sample, over HTTP | 69 ns, 0.9 B | receive and find lines, nothing else: 45 ns | 1.53 × |
//	| evaluating one objective, 30 days of history | 1.9 µs, 1,418 B | after 1 hour: 2.1 µs | 0.92 × |
//	| binary | 24.1 MiB | | |
//
// Part of it are Go benchmarks, run in rounds; the rest is read off the agent as a process, built as
// it is shipped, with targets and a hook's receiver served by this process; beside it runs a real
// Prometheus with the rules that sloth and pyrra generate.
//
// The machine is never alone, so what is compared runs next to each other, several times over, and
// of the quotients the median is printed. Nothing here passes or fails by a time.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// plan says how much is measured.
type plan struct {
	binary  string // the agent
	rounds  int    // of the Go benchmarks
	pairs   int    // windows in which agent and floor scrape the same targets
	window  time.Duration
	targets int
	series  int           // a target
	count   int           // objectives of the large agent
	watch   time.Duration // how long the agents with many objectives are watched
	calls   int           // hook calls timed for each evaluation interval
	slow    int           // by how much the rules are slowed that others generated
	huge    int           // objectives of the agent that is restarted
	open    int           // payments that are open at the same time
	parts   string        // keys of the parts to measure, "" for all
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var p plan
	var floor string
	flag.StringVar(&p.binary, "binary", "bin/assayer", "the agent to measure")
	flag.IntVar(&p.rounds, "rounds", 7, "rounds of the Go benchmarks")
	flag.IntVar(&p.pairs, "pairs", 7, "windows in which agent and floor scrape the same targets")
	flag.DurationVar(&p.window, "window", 5*time.Second, "length of such a window")
	flag.IntVar(&p.targets, "targets", 100, "number of targets")
	flag.IntVar(&p.series, "series", 5000, "series a target exposes")
	flag.IntVar(&p.count, "objectives", 1000, "objectives of the large agent")
	flag.DurationVar(&p.watch, "watch", 30*time.Second, "how long the agents with many objectives are watched")
	flag.IntVar(&p.calls, "calls", 9, "hook calls timed for each evaluation interval")
	flag.IntVar(&p.slow, "slow", 5, "rules of others are evaluated this many times less often, and watched as long; with few objectives 1 will do")
	flag.IntVar(&p.huge, "restart-objectives", 10_000, "objectives of the agent that is restarted")
	flag.StringVar(&p.parts, "parts", "", "measure only these, by commas: go, objectives, scraping, hook, transactions, generating, restart, peers; the last four take ten minutes")
	flag.IntVar(&p.open, "open", 10_000_000, "payments that are open at the same time")
	flag.StringVar(&floor, "floor", "", "read the targets given as arguments with the least work possible in this encoding, identity or gzip, and do nothing else")
	flag.Parse()
	var err error
	if floor != "" {
		err = readFloor(ctx, flag.Args(), floor)
	} else {
		err = run(ctx, p)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchtable:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p plan) error {
	dir, err := os.MkdirTemp("", "benchtable")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	began, before := time.Now(), load()
	var t table
	for _, part := range []struct {
		key, name string
		fn        func(context.Context, plan, string, *table) error
	}{
		{"go", "Go benchmarks", goBenchmarks}, {"objectives", "start, memory and CPU by objectives", manyObjectives},
		{"scraping", "CPU of scraping", scraping}, {"hook", "from sample to hook", hookCalls},
		{"transactions", "movements of money, beside PostgreSQL", movements},
		{"generating", "generating rules, beside sloth", generating},
		{"restart", "restart with many objectives", restarts}, {"peers", "beside Prometheus with others' rules", keeping},
	} {
		if p.parts != "" && !slices.Contains(strings.Split(p.parts, ","), part.key) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%4.0fs measuring %s\n", time.Since(began).Seconds(), part.name)
		if err := part.fn(ctx, p, dir, &t); err != nil {
			return fmt.Errorf("measuring %s: %w", part.name, err)
		}
	}
	fmt.Printf("%s. Load average %s before, %s after; the run took %s.\n\n%s",
		machine(began), before, load(), time.Since(began).Round(time.Second), t.String())
	return nil
}

// table collects rows of four cells.
type table struct{ text strings.Builder }

func (t *table) head(title string) { t.row("**"+title+"**", "", "", "") }

func (t *table) row(what, measured, beside, ratio string) {
	fmt.Fprintf(&t.text, "| %s | %s | %s | %s |\n", what, measured, beside, ratio)
}

func (t *table) String() string {
	return "| what | measured | beside it, in the same run | ratio |\n|---|--:|---|--:|\n" + t.text.String()
}
