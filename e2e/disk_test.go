//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// TestFullDisk takes the room away under a running agent: first the file of budgets gets no
// page more, then nothing can be written at all. The agent counts on and says
// what is wrong; whether room comes back while it runs, or it is killed on the full disk and started
// again later, no count is lost.
func TestFullDisk(t *testing.T) {
	m := newMeter(t)
	m.run(false)
	baseline := [2]int64{m.good, m.bad}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "assayer.yaml"), fmt.Sprintf(crashConfig, m.Listener.Addr()))
	write(t, filepath.Join(dir, "slo.yaml"), crashObjective)
	agent := servers.StartAssayer(t, binary, dir)
	m.awaitLooks(t, 3)
	m.run(true)
	m.awaitLooks(t, 10)

	limitFiles(t, agent, 2*4096) // the store's two headers may be written again, but no page
	awaitStoreFailing(t, agent)
	stillCounts(t, agent, m, baseline)

	limitFiles(t, agent, unix.RLIM_INFINITY) // room is back
	eventually(t, func(ctx context.Context) error {
		if p, err := storeFailing(ctx, agent); err != nil || p.Name != "" {
			return errors.Join(err, fmt.Errorf("the agent still says %q", p.Message))
		}
		return nil
	})
	stillCounts(t, agent, m, baseline)

	if n := strings.Count(agent.Logs(), "checkpoint failed"); n != 1 {
		t.Errorf("the log says %d times that the store fails, on a disk that may be the same", n)
	}

	limitFiles(t, agent, 0) // not a byte can be written
	awaitStoreFailing(t, agent)
	stillCounts(t, agent, m, baseline)
	wantNoPauseUnwritten(t, agent)
	agent.Kill()
	m.run(true)
	agent.Restart()
	m.awaitLooks(t, 3)
	stillCounts(t, agent, m, baseline)

	limitFiles(t, agent, 0)
	agent.Stop() // cannot make its last checkpoint, and says so
	if code, logs := agent.ExitCode(), agent.Logs(); code != 1 || !strings.Contains(logs, "stopping budgets: writing") {
		t.Errorf("stopped on a full disk the agent exits %d, want 1 and the reason:\n%s", code, logs)
	}
	agent.Restart()
	m.awaitLooks(t, 3)
	stillCounts(t, agent, m, baseline)
}

// limitFiles bounds how large a file the agent can write, in bytes. What it writes beyond fails as on
// a full disk, only with another text.
func limitFiles(t *testing.T, agent *servers.Agent, size uint64) {
	t.Helper()
	if err := unix.Prlimit(agent.Pid(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatalf("limiting the agent's files: %v", err)
	}
}

// problem is one thing the agent says is wrong with itself.
type problem struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Advice  string `json:"advice"`
}

// storeFailing returns the problem store_failing, or none.
func storeFailing(ctx context.Context, agent *servers.Agent) (problem, error) {
	body, err := fetch(ctx, agent.URL("/api/v1/health"))
	if err != nil {
		return problem{}, err
	}
	var answer struct {
		Problems []problem `json:"problems"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return problem{}, err
	}
	for _, p := range answer.Problems {
		if p.Name == "store_failing" {
			return p, nil
		}
	}
	return problem{}, nil
}

func awaitStoreFailing(t *testing.T, agent *servers.Agent) {
	t.Helper()
	var found problem
	eventually(t, func(ctx context.Context) (err error) {
		if found, err = storeFailing(ctx, agent); err == nil && found.Name == "" {
			err = errors.New("the agent does not say that its store fails")
		}
		return err
	})
	if !strings.Contains(found.Message, "assayer.db") || !strings.Contains(found.Message, "file too large") {
		t.Errorf("message is %q, want the file and what the system says", found.Message)
	}
	if !strings.Contains(found.Advice, "free space") || !strings.Contains(found.Advice, "storage.path") {
		t.Errorf("advice is %q", found.Advice)
	}
}

// stillCounts lets the target rest, compares its counts with the agent's, and lets it go on.
func stillCounts(t *testing.T, agent *servers.Agent, m *meter, baseline [2]int64) {
	t.Helper()
	m.run(true)
	m.awaitLooks(t, 5)
	m.run(false)
	m.awaitLooks(t, 2)
	await(t, agent, m, baseline)
	get(t, agent.URL("/-/ready"))
	m.run(true)
}

// wantNoPauseUnwritten pauses hooks when that can be written down nowhere: they are paused, and who
// did it is told that a restart would end it.
func wantNoPauseUnwritten(t *testing.T, agent *servers.Agent) {
	t.Helper()
	code, body, err := call(t.Context(), http.MethodPost, agent.URL("/api/v1/actions/pause"), `{"by": "alice", "reason": "full disk"}`)
	if err != nil {
		t.Fatal(err)
	}
	if code != http.StatusInternalServerError || !strings.Contains(body, "holds until a restart") {
		t.Errorf("pausing on a full disk answers %d %s", code, body)
	}
	if got := get(t, agent.URL("/api/v1/actions")); !strings.Contains(got, `"paused":true`) {
		t.Errorf("hooks are not paused: %s", got)
	}
}
