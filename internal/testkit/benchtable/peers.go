package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// cycle is how often rules are evaluated and series collected by all who are compared.
const cycle = 30 * time.Second

// peer is a Prometheus with a month of data that evaluates the rules of one generator.
type peer struct {
	name  string
	rules []byte
	every map[time.Duration]int // rules by how often they are evaluated
	dir   string
	*process
	address string
	idle    float64 // cores that it uses without rules
	before  reading
}

// reading is what a process had used and done at a moment.
type reading struct {
	at          time.Time
	cpu         time.Duration
	evaluations float64
	missed      float64
}

// cores is how many cores were used on average since an earlier reading.
func (r reading) cores(before reading) float64 {
	return (r.cpu - before.cpu).Seconds() / r.at.Sub(before.at).Seconds()
}

// keeping compares what keeping many objectives costs: the rules that others generate, run by a real
// Prometheus over a month of samples, and the agent with the same month in its ledger. All of them
// run at the same time and collect the same series as often.
func keeping(ctx context.Context, p plan, dir string, t *table) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	cache = filepath.Join(cache, "assayer-bench")
	peers, err := generated(ctx, p)
	if err != nil {
		return err
	}
	exporter := newTarget(func(int64) []byte { return eventsBody(p.count, time.Now().Unix()) }, nil)
	defer exporter.server.Close()
	// Links need one file system, so the month lies beside the cache.
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return err
	}
	work, err := os.MkdirTemp(cache, "run")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	agent, err := keeper(ctx, p, filepath.Join(dir, "keeper"), exporter.address())
	if err != nil {
		return err
	}
	defer agent.stop()
	shared := filepath.Join(work, "data")
	if err := monthOfBlocks(ctx, cache, shared, library(p.count), time.Now()); err != nil {
		return err
	}
	for _, peer := range peers {
		peer.dir = filepath.Join(work, peer.name)
		if err := linkTree(shared, filepath.Join(peer.dir, "data")); err != nil {
			return err
		}
		if err := peer.start(ctx, exporter.address()); err != nil {
			return err
		}
		defer peer.stop()
	}
	return watchKeepers(ctx, p, agent, peers, t)
}

// eventsBody is the exposition of n services at a moment, in Unix seconds.
func eventsBody(n int, at int64) []byte {
	var b []byte
	for i := range n {
		good, bad := events(i, at)
		b = fmt.Appendf(b, "%s{service=\"s%d\",code=\"200\"} %d\n%[1]s{service=\"s%[2]d\",code=\"500\"} %[4]d\n", wanted, i, good, bad)
	}
	return b
}

// keeper is the agent with a month of the same events.
func keeper(ctx context.Context, p plan, dir, address string) (*agent, error) {
	s := settings{scrape: cycle, evaluation: cycle, objectives: p.count, addresses: []string{address}}
	if err := s.write(dir); err != nil {
		return nil, err
	}
	if err := seed(dir, month, func(i int, at time.Time) (int64, int64) { return events(i, at.Unix()) }); err != nil {
		return nil, err
	}
	return start(ctx, p.binary, dir)
}

// generated lets sloth and pyrra make their rules for the services.
func generated(ctx context.Context, p plan) ([]*peer, error) {
	var sloth, pyrra, fast bytes.Buffer
	sloth.WriteString("version: prometheus/v1\nservice: bench\nslos:\n")
	for i := range p.count {
		fmt.Fprintf(&sloth, `- name: s%[1]d
  objective: 99.9
  sli: {events: {error_query: 'sum(rate(%[2]s{service="s%[1]d",code="500"}[{{.window}}]))', total_query: 'sum(rate(%[2]s{service="s%[1]d"}[{{.window}}]))'}}
  alerting: {name: Burns}
`, i, wanted)
		for _, mode := range []struct {
			to   *bytes.Buffer
			fast bool
		}{{&pyrra, false}, {&fast, true}} {
			fmt.Fprintf(mode.to, `---
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: s%[1]d}
spec:
  target: "99.9"
  window: 30d
  performanceOverAccuracy: %[3]t
  indicator: {ratio: {errors: {metric: '%[2]s{service="s%[1]d",code="500"}'}, total: {metric: '%[2]s{service="s%[1]d"}'}}}
`, i, wanted, mode.fast)
		}
	}
	var peers []*peer
	for _, from := range []struct {
		name, module string
		spec         *bytes.Buffer
	}{{"sloth", "slothrules", &sloth}, {"pyrra", "pyrrarules", &pyrra}, {"pyrra in performance mode", "pyrrarules", &fast}} {
		var stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, "go", "run", ".")
		cmd.Dir = filepath.Join("internal", "testkit", from.module)
		cmd.Stdin, cmd.Stderr = from.spec, &stderr
		rules, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("making the rules of %s: %w\n%s", from.name, err, stderr.String())
		}
		peer := &peer{name: from.name}
		if peer.rules, peer.every, err = slowed(rules, p.slow); err != nil {
			return nil, fmt.Errorf("reading the rules of %s: %w", from.name, err)
		}
		peers = append(peers, peer)
	}
	return peers, nil
}

// slowed makes the groups of rules wait several times as long, since all of them would not be done
// within their interval on a small machine, and counts them by their intervals. What an evaluation
// costs does not depend on how often it is made.
func slowed(rules []byte, times int) ([]byte, map[time.Duration]int, error) {
	var file struct {
		Groups []map[string]any
	}
	if err := yaml.Unmarshal(rules, &file); err != nil {
		return nil, nil, err
	}
	every := map[time.Duration]int{}
	for _, g := range file.Groups {
		interval := cycle
		if text, ok := g["interval"].(string); ok {
			var err error
			if interval, err = time.ParseDuration(text); err != nil {
				return nil, nil, err
			}
		}
		g["interval"] = fmt.Sprintf("%ds", int64((time.Duration(times) * interval).Seconds()))
		if list, ok := g["rules"].([]any); ok {
			every[interval] += len(list)
		}
	}
	out, err := yaml.Marshal(map[string]any{"groups": file.Groups})
	return out, every, err
}

// start runs Prometheus without rules first and measures what it needs to collect alone.
func (p *peer) start(ctx context.Context, target string) error {
	config := fmt.Sprintf(`global: {scrape_interval: %[1]s, scrape_timeout: 10s, evaluation_interval: %[1]s}
rule_files: ["*.rules.yaml"]
scrape_configs:
- job_name: bench
  static_configs: [{targets: ["%[2]s"]}]
  relabel_configs: [{target_label: instance, replacement: bench}]
`, cycle, target)
	if err := os.WriteFile(filepath.Join(p.dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		return err
	}
	var err error
	if p.address, err = freeAddress(ctx); err != nil {
		return err
	}
	p.process, err = launch(ctx, "prometheus", p.dir, "--config.file=prometheus.yml", "--storage.tsdb.path=data",
		"--web.listen-address="+p.address, "--web.enable-lifecycle", "--storage.tsdb.retention.time=60d",
		"--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=2h", "--log.level=warn")
	if err != nil {
		return fmt.Errorf("starting prometheus, which scripts/install-servers.sh installs: %w", err)
	}
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := poll(ready, func() error { return servers.Answers(ready, "http://"+p.address+"/-/ready") }); err != nil {
		p.stop()
		return fmt.Errorf("waiting for prometheus: %w\n%s", err, p.log.String())
	}
	return nil
}

// watchKeepers measures all at once and adds the rows.
func watchKeepers(ctx context.Context, p plan, a *agent, peers []*peer, t *table) error {
	for _, peer := range peers { // their idle cycle first
		if err := peer.mark(ctx); err != nil {
			return err
		}
	}
	if err := wait(ctx, cycle); err != nil {
		return err
	}
	for _, peer := range peers {
		if err := peer.evaluateRules(ctx); err != nil {
			return err
		}
	}
	began := time.Now()
	before, err := a.cpu()
	if err != nil {
		return err
	}
	window := time.Duration(p.slow) * cycle
	if err := wait(ctx, window); err != nil {
		return err
	}
	after, err := a.cpu()
	if err != nil {
		return err
	}
	ours := (after - before).Seconds() * cycle.Seconds() / time.Since(began).Seconds()
	memory, err := a.resident()
	if err != nil {
		return err
	}
	t.head(fmt.Sprintf("Keeping %s objectives over 30 days of samples every 30 s: collecting and evaluating, for %s at the same time", thousands(p.count), window))
	t.row("CPU a cycle of 30 s, Assayer", cpuText(ours, p.count), "", "")
	t.row("resident memory, Assayer", memory, "", "")
	for _, peer := range peers {
		if err := peer.rows(ctx, p.count, ours, t); err != nil {
			return err
		}
	}
	return nil
}

func cpuText(seconds float64, objectives int) string {
	return fmt.Sprintf("%.3g s, %.3g ms an objective", seconds, 1000*seconds/float64(objectives))
}

// mark keeps what the process has used until now.
func (p *peer) mark(ctx context.Context) (err error) {
	p.before, err = p.read(ctx)
	return err
}

// evaluateRules takes the idle cycle and gives the process its rules.
func (p *peer) evaluateRules(ctx context.Context) error {
	now, err := p.read(ctx)
	if err != nil {
		return err
	}
	p.idle = now.cores(p.before)
	if err := os.WriteFile(filepath.Join(p.dir, "peer.rules.yaml"), p.rules, 0o600); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.address+"/-/reload", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("prometheus does not take the rules of %s: %s\n%s", p.name, resp.Status, p.log.String())
	}
	return p.mark(ctx)
}

// rows adds what the process took for a cycle of 30 s: one without rules, and the evaluations due.
func (p *peer) rows(ctx context.Context, objectives int, ours float64, t *table) error {
	now, err := p.read(ctx)
	if err != nil {
		return err
	}
	var due float64
	rules := 0
	for interval, n := range p.every {
		rules += n
		due += float64(n) * cycle.Seconds() / interval.Seconds()
	}
	made := (now.evaluations - p.before.evaluations) / due
	if made == 0 {
		return fmt.Errorf("prometheus evaluated no rule of %s:\n%s", p.name, p.log.String())
	}
	// What the evaluations took, and what a cycle takes without any.
	used := (now.cores(p.before)-p.idle)*now.at.Sub(p.before.at).Seconds()/made + p.idle*cycle.Seconds()
	memory, err := p.resident()
	if err != nil {
		return err
	}
	beside := fmt.Sprintf("%s rules, %.0f %% of the evaluations due in a cycle were made", thousands(rules), 100*made)
	if missed := now.missed - p.before.missed; missed > 0 {
		beside += fmt.Sprintf(", %.0f groups were late", missed)
	}
	t.row("CPU a cycle of 30 s, Prometheus with the rules of "+p.name, cpuText(used, objectives), beside, thousands(int(used/ours+0.5))+" × Assayer's")
	t.row("resident memory, Prometheus with the rules of "+p.name, memory, "", "")
	return nil
}

// read takes a reading.
func (p *peer) read(ctx context.Context) (r reading, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/metrics", nil)
	if err != nil {
		return r, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return r, err
	}
	if r.cpu, err = p.cpu(); err != nil {
		return r, err
	}
	r.at = time.Now()
	var failures float64
	for name, to := range map[string]*float64{
		"prometheus_rule_evaluations_total": &r.evaluations, "prometheus_rule_group_iterations_missed_total": &r.missed,
		"prometheus_rule_evaluation_failures_total": &failures,
	} {
		if *to, err = sumOf(text, name); err != nil {
			return r, err
		}
	}
	if failures > 0 {
		return r, errors.New("rules of " + p.name + " fail:\n" + p.log.String())
	}
	return r, nil
}

// sumOf adds up all series of a metric in an exposition.
func sumOf(text []byte, name string) (sum float64, err error) {
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(strings.TrimSpace(line), ' '):]), 64)
		if err != nil {
			return 0, fmt.Errorf("reading %s: %w", name, err)
		}
		sum += v
	}
	return sum, nil
}
