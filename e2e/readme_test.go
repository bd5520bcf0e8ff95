//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// step is one command of the README and what the README says it prints.
type step struct{ command, prints string }

// readmeSteps reads the console blocks.
func readmeSteps(t *testing.T, path string) []step {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	inside := false
	for line := range strings.Lines(string(data)) {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = strings.TrimSpace(line) == "```console"
		case inside && strings.HasPrefix(line, "$ "):
			steps = append(steps, step{command: strings.TrimSpace(line[2:])})
		case inside && len(steps) > 0:
			steps[len(steps)-1].prints += line
		}
	}
	return steps
}

// TestReadme follows the README on a fresh clone: every command it shows is run, in order, and
// prints what the README says it prints.
func TestReadme(t *testing.T) {
	clone := filepath.Join(t.TempDir(), "assayer")
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "-q", "..", clone).CombinedOutput(); err != nil {
		t.Fatalf("cloning: %v\n%s", err, out)
	}
	steps := readmeSteps(t, filepath.Join(clone, "README.md"))
	ran := 0
	for _, s := range steps {
		switch {
		case strings.HasPrefix(s.command, "git clone"), s.command == "make test e2e":
			// Done above; and this is what is running.
		case s.command == "make run":
			background(t, clone, s.command, "settled, ")
			ran++
		case strings.HasPrefix(s.command, "./bin/assayer run"):
			background(t, clone, s.command, "msg=listening")
			ran++
		default:
			cmd := exec.CommandContext(t.Context(), "bash", "-c", s.command)
			cmd.Dir = clone
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("$ %s\n%v\n%s", s.command, err, out)
			}
			if len(out) == 0 {
				t.Errorf("$ %s\nprints nothing", s.command)
			}
			if s.prints != "" && string(out) != s.prints {
				t.Errorf("$ %s\nthe README says\n%sit printed\n%s", s.command, s.prints, out)
			}
			ran++
		}
	}
	if ran < 9 {
		t.Errorf("only %d commands were run: is the README still read right?", ran)
	}
}

// background starts a command that runs on, waits until it has said something, and leaves it running
// until the test ends, or, for the demo, ends it at once as Ctrl-C would.
func background(t *testing.T, dir, command, says string) {
	t.Helper()
	out := &servers.Output{}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", command)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // make and what it starts end together
	interrupt := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.Cancel, cmd.WaitDelay = interrupt, 20*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventuallyUntil(t, time.Now().Add(5*time.Minute), func(context.Context) error {
		if !strings.Contains(out.String(), says) {
			return fmt.Errorf("$ %s\nhas not said %q:\n%s", command, says, out)
		}
		return nil
	})
	if !strings.HasPrefix(command, "make") {
		t.Cleanup(func() { _ = cmd.Wait() })
		return
	}
	if err := errors.Join(interrupt(), ignoreExit(cmd.Wait())); err != nil {
		t.Errorf("$ %s\nafter Ctrl-C: %v\n%s", command, err, out)
	}
}

// ignoreExit lets a process that was interrupted end as it likes.
func ignoreExit(err error) error {
	if _, exited := errors.AsType[*exec.ExitError](err); exited {
		return nil
	}
	return err
}
