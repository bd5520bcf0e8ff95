//go:build e2e

package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

func watchPrometheus(t *testing.T) (*rig, *servers.Server) {
	t.Helper()
	server := servers.StartPrometheus(t, "{}")
	return watch(t, "prometheus", server, map[string]string{
		"localhost:9090": "",
		// Soon enough for a test to kill the agent after its first checkpoint.
		"\n  path: data\n": "\n  path: data\n  checkpoint_interval: 1s\n",
	}), server
}

// TestKillLosesNothing kills the agent as a power cut would and lets the server count on meanwhile.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	r, server := watchPrometheus(t)
	_, first := askPrometheus(t, server, 2)
	r.mustEqual(t, prometheusCounts())
	_, unsaved := askPrometheus(t, server, 1) // at best just scraped
	r.Kill()
	_, meanwhile := askPrometheus(t, server, 3)
	r.Restart()
	_, last := askPrometheus(t, server, 1)

	bad := r.mustEqual(t, prometheusCounts())["prometheus-query-errors"][1]
	if want := first + unsaved + meanwhile + last; bad != want {
		t.Errorf("the server counts %v failed queries, %v were sent", bad, want)
	}
}

// TestStopKeepsTheCounts ends the agent in good order.
func TestStopKeepsTheCounts(t *testing.T) {
	t.Parallel()
	r, server := watchPrometheus(t)
	askPrometheus(t, server, 2)
	r.Stop()
	if code := r.ExitCode(); code != 0 {
		t.Errorf("the agent exits %d after SIGTERM, want 0", code)
	}
	r.Restart()
	r.mustEqual(t, prometheusCounts())
}

// TestFirstEventsWhileDown lets the very first events of a target that is watched come while the
// agent is not there: its counters did not exist before, so all they show is new.
func TestFirstEventsWhileDown(t *testing.T) {
	t.Parallel()
	r, server := watchPrometheus(t)
	r.Stop()
	_, failed := askPrometheus(t, server, 2)
	r.Restart()
	if bad := r.mustEqual(t, prometheusCounts())["prometheus-query-errors"][1]; bad != failed {
		t.Errorf("the server counts %v failed queries, %v were sent", bad, failed)
	}
}

// TestReload adds an objective to a running agent, then breaks the configuration under it.
func TestReload(t *testing.T) {
	t.Parallel()
	r, server := watchPrometheus(t)
	askPrometheus(t, server, 2)
	r.mustEqual(t, prometheusCounts())

	added := filepath.Join(r.dir, "slo", "added.yaml")
	write(t, added, strings.ReplaceAll(string(readFile(t, filepath.Join(r.dir, "slo", "query-api.yaml"))), "name: prometheus-query", "name: added"))
	r.Reload()
	eventually(t, func(ctx context.Context) error {
		found, err := r.statuses(ctx)
		if err == nil && found["added-errors"].Name == "" {
			err = errors.New("the added objective is not there")
		}
		return err
	})
	askPrometheus(t, server, 1)
	r.mustEqual(t, prometheusCounts()) // what was there before has kept its counts

	write(t, added, "kind: Nonsense\n")
	r.Reload()
	eventually(t, func(context.Context) error {
		if !strings.Contains(r.Logs(), "added.yaml") {
			return errors.New("the log does not name the broken file")
		}
		return nil
	})
	askPrometheus(t, server, 1)
	r.mustEqual(t, prometheusCounts()) // the last good configuration is still at work
}

// TestTargetThatIsDown is neither good nor bad, and shows.
func TestTargetThatIsDown(t *testing.T) {
	t.Parallel()
	r, server := watchPrometheus(t)
	askPrometheus(t, server, 1)
	before := r.mustEqual(t, prometheusCounts())["prometheus-query-errors"]
	server.Stop()
	fell := time.Now()
	r.tap.awaitScrapes(t, fell, 5)
	got := r.statusesAfter(t, time.Now())["prometheus-query-errors"]
	if got.Events.Good != before[0] || got.Events.Bad != before[1] {
		t.Errorf("the agent counts %+v while the server is down, before it were %v", got.Events, before)
	}
	if got.Coverage >= 1 || got.State == "ok" {
		t.Errorf("coverage is %v and the state %q while nothing can be observed", got.Coverage, got.State)
	}
}

// TestExamplesAreClean runs every example through `assayer check`.
func TestExamplesAreClean(t *testing.T) {
	examples, err := filepath.Glob("../examples/*/assayer.yaml")
	if err != nil || len(examples) == 0 {
		t.Fatalf("found no examples (%v)", err)
	}
	for _, file := range examples {
		check(t, file)
	}
}

// check fails the test when `assayer check` has anything to complain about, warnings too.
func check(t *testing.T, file string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, "check", "--config", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "warning:") {
		t.Errorf("assayer check --config %s: %v\n%s", file, err, out)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
