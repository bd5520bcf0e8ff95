// Package servers starts real servers for tests: Prometheus, Alertmanager, etcd, PostgreSQL with its
// exporter, NATS, geth, and Assayer itself. Each runs on free loopback ports with its data in a temporary
// directory, is ready when its function returns, and is stopped when the test ends. When the test
// has failed, the end of the server's log is shown with it:
//
//	process.go:88: end of the log of etcd:
//	    2026-11-21 19:42:38.371697 I | embed: ready to serve client requests
//
// A server that is not installed fails the test with the package that brings it.
package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	readyWithin = 30 * time.Second
	stopWithin  = 15 * time.Second
	pollEvery   = 20 * time.Millisecond
	logsShown   = 16 << 10 // bytes of a log shown with a failed test
)

// Process is one running server.
type Process struct {
	Name string

	t    testing.TB
	cmd  *exec.Cmd
	logs Output
	done chan struct{} // closed when the process has ended
	stop os.Signal
}

// command says how to start a server.
type command struct {
	name   string
	binary string
	args   []string
	env    []string // added to the test's own environment
	dir    string   // working directory
	as     *syscall.Credential
	stop   os.Signal // asks for an orderly end; SIGTERM when nil
}

// launch starts c, registers its end with the test and waits until ready returns nil.
func launch(t testing.TB, c command, ready func(context.Context) error) *Process {
	t.Helper()
	p := &Process{Name: c.name, t: t, done: make(chan struct{}), stop: c.stop}
	if p.stop == nil {
		p.stop = syscall.SIGTERM
	}
	p.cmd = exec.Command(c.binary, c.args...) //nolint:noctx // a context would kill it; Stop ends it in good order
	p.cmd.Dir, p.cmd.Env = c.dir, append(os.Environ(), c.env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.logs, &p.logs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", c.name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log and in ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", p.Name, p.logs.tail(logsShown))
		}
	})
	if ready != nil {
		p.await(ready)
	}
	return p
}

// await polls ready until it returns nil. It fails the test when the process ends before that.
func (p *Process) await(ready func(context.Context) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), readyWithin)
	defer cancel()
	err := Poll(ctx, func(ctx context.Context) error {
		select {
		case <-p.done:
			cancel()
			return fmt.Errorf("it ended: %v", p.cmd.ProcessState)
		default:
			return ready(ctx)
		}
	})
	if err != nil {
		p.t.Fatalf("waiting for %s: %v", p.Name, err)
	}
}

// Stop asks the process to end in good order and waits for it; a process that does not end in time
// is killed and fails the test. Stopping twice does nothing.
func (p *Process) Stop() {
	p.Signal(p.stop)
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.Kill()
		p.t.Errorf("%s did not end within %s of %v", p.Name, stopWithin, p.stop)
	}
}

// Kill ends the process at once, as a crash would, and waits until it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Signal sends s; a process that has ended ignores it.
func (p *Process) Signal(s os.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("sending %v to %s: %v", s, p.Name, err)
	}
}

// ExitCode waits for the process to end and returns its exit code; -1 after a signal.
func (p *Process) ExitCode() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// Pid returns the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Logs returns what the process has written to its standard output and standard error so far.
func (p *Process) Logs() string { return p.logs.String() }

// Poll calls try until it returns nil or ctx ends; then it returns the error of the last try that
// was not cut short, with ctx's.
func Poll(ctx context.Context, try func(context.Context) error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var err error
	for {
		latest := try(ctx)
		if latest == nil {
			return nil
		}
		if err == nil || ctx.Err() == nil {
			err = latest
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// Answers reports whether url answers 200, and if not, why.
func Answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

// httpOK is ready when url answers 200.
func httpOK(url string) func(context.Context) error {
	return func(ctx context.Context) error { return Answers(ctx, url) }
}

// freeAddresses returns n loopback addresses that were free a moment ago.
func freeAddresses(t testing.TB, n int) []string {
	t.Helper()
	addresses := make([]string, n)
	for i := range addresses {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("looking for a free port: %v", err)
		}
		defer l.Close() // held to the end, so that no address comes twice
		addresses[i] = l.Addr().String()
	}
	return addresses
}

// find returns the path of a program, by name from PATH or by a pattern of paths; the last match
// of a pattern wins, which is the newest version.
func find(t testing.TB, debianPackage string, candidates ...string) string {
	t.Helper()
	for _, c := range candidates {
		if found, err := exec.LookPath(c); err == nil {
			return found
		}
		if matches, err := filepath.Glob(c); err == nil && len(matches) > 0 {
			return matches[len(matches)-1]
		}
	}
	t.Fatalf("%s is not installed: `make e2e` installs it, or: apt-get install %s", filepath.Base(candidates[0]), debianPackage)
	return ""
}

// write puts text into a new file name below dir and returns its path.
func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Output collects what a process writes while a test reads it. The zero value is ready for use.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Output) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns everything written so far.
func (l *Output) String() string { return l.tail(0) }

// tail returns the last n bytes from the start of a line on; 0: everything.
func (l *Output) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.buf.String()
	if n == 0 || len(text) <= n {
		return text
	}
	text = text[len(text)-n:]
	return text[strings.IndexByte(text, '\n')+1:]
}
