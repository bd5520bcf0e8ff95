package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// signalsOf is how many objectives each service has, as with its golden signals.
const signalsOf = 4

// generating compares how long it takes to generate rules for many objectives with sloth's generator, and says how long
// everything else takes beside.
func generating(ctx context.Context, p plan, dir string, t *table) error {
	dir = filepath.Join(dir, "generating")
	if err := os.MkdirAll(filepath.Join(dir, "slo"), 0o700); err != nil {
		return err
	}
	sloth := filepath.Join(dir, "slothrules")
	build := exec.CommandContext(ctx, "go", "build", "-o", sloth, ".")
	build.Dir = filepath.Join("internal", "testkit", "slothrules")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building sloth's generator: %w\n%s", err, out)
	}
	specs, err := generatingFiles(dir, p.huge)
	if err != nil {
		return err
	}
	run := func(stdin []byte, name string, args ...string) (time.Duration, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		var stderr bytes.Buffer
		cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(stdin), &stderr
		began := time.Now()
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("running %s: %w\n%.2000s", filepath.Base(name), err, stderr.String())
		}
		return time.Since(began), nil
	}
	binary, err := filepath.Abs(p.binary)
	if err != nil {
		return err
	}
	ours := func(round int, more ...string) (time.Duration, error) {
		args := append([]string{"generate", "--quiet", "--objectives", "slo/*.yaml", "--out", fmt.Sprintf("out-%d-%d", round, len(more[1]))}, more...)
		return run(nil, binary, args...)
	}
	var rules, theirs, all []float64
	for round := range 3 {
		mine, err := ours(round, "--parts", "agent-rules,native-rules")
		if err != nil {
			return err
		}
		other := time.Duration(0)
		for _, spec := range specs {
			took, err := run(spec, sloth)
			if err != nil {
				return err
			}
			other += took
		}
		whole, err := ours(round, "--parts", "agent-rules,native-rules,runbooks,dashboards")
		if err != nil {
			return err
		}
		rules, theirs, all = append(rules, mine.Seconds()), append(theirs, other.Seconds()), append(all, whole.Seconds())
	}
	t.head(fmt.Sprintf("Generating for %s objectives, %d a service", thousands(p.huge), signalsOf))
	t.row("rules", fmt.Sprintf("%.2f s", median(rules)), fmt.Sprintf("sloth v0.16.0, as a library, all in one service: %.2f s", median(theirs)), times(median(quotients(rules, theirs))))
	t.row("rules, runbooks and dashboards", fmt.Sprintf("%.2f s", median(all)), "", "")
	return nil
}

// generatingFiles writes the objectives, and gives sloth's specs of as many.
func generatingFiles(dir string, n int) ([][]byte, error) {
	var sloth bytes.Buffer
	sloth.WriteString("version: prometheus/v1\nservice: bench\nslos:\n")
	var ours strings.Builder
	for i := range n {
		service, signal := i/signalsOf, i%signalsOf
		bad, total := fmt.Sprintf(`%s{service="s%d",signal="%d",code="500"}`, wanted, service, signal), fmt.Sprintf(`%s{service="s%d",signal="%d"}`, wanted, service, signal)
		fmt.Fprintf(&sloth, `- name: s%d-%d
  objective: 99.9
  sli: {events: {error_query: 'sum(rate(%s[{{.window}}]))', total_query: 'sum(rate(%s[{{.window}}]))'}}
  alerting: {name: Burns}
`, service, signal, bad, total)
		fmt.Fprintf(&ours, `---
apiVersion: openslo/v1
kind: SLO
metadata: {name: s%[1]d-%[2]d}
spec:
  service: s%[1]d
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives: [{target: 0.999}]
  indicator:
    metadata: {name: s%[1]d-%[2]d}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: '%[3]s'}}}
        total: {metricSource: {type: Prometheus, spec: {query: '%[4]s'}}}
`, service, signal, bad, total)
		if (i+1)%objectivesPerFile == 0 || i+1 == n {
			if err := os.WriteFile(filepath.Join(dir, "slo", fmt.Sprintf("slo%05d.yaml", i)), []byte(ours.String()), 0o600); err != nil {
				return nil, err
			}
			ours.Reset()
		}
	}
	return [][]byte{sloth.Bytes()}, nil
}
