package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// agent is one running process of the agent.
type agent struct {
	cmd   *exec.Cmd
	log   lockedBuffer
	ready time.Duration // from the start of the process until /-/ready answers 200
}

func start(ctx context.Context, binary, dir string) (*agent, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	a := &agent{}
	a.cmd = exec.CommandContext(ctx, binary, "run", "--config", "assayer.yaml", "--web.listen-address", address)
	a.cmd.Dir, a.cmd.Stdout, a.cmd.Stderr = dir, &a.log, &a.log
	began := time.Now()
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := servers.Poll(wait, func(ctx context.Context) error { return answers(ctx, "http://"+address+"/-/ready") }); err != nil {
		a.stop()
		return nil, fmt.Errorf("waiting for the agent: %w\n%s", err, a.log.String())
	}
	a.ready = time.Since(began)
	return a, nil
}

func answers(ctx context.Context, url string) error {
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

// stop ends the process; what it was is measured by then.
func (a *agent) stop() {
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	_ = a.cmd.Wait()
}

// cpu returns the processor time used so far, user and system together.
func (a *agent) cpu() (time.Duration, error) {
	const ticks = 100 // a second; Linux shows times in this unit whatever its own is
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name in brackets and may hold anything.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading processor time: got %q", data)
	}
	var sum int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading processor time: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// resident returns the most memory the process ever had in RAM, in bytes.
func (a *agent) resident() (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading resident memory: %w", err)
			}
			return n << 10, nil
		}
	}
	return 0, fmt.Errorf("reading resident memory: no VmHWM in /proc/%d/status", a.cmd.Process.Pid)
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
