package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// process is one that is measured.
type process struct {
	cmd *exec.Cmd
	log servers.Output
}

func launch(ctx context.Context, binary, dir string, args ...string) (*process, error) {
	p := &process{}
	p.cmd = exec.CommandContext(ctx, binary, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.log, &p.log
	return p, p.cmd.Start()
}

// agent is one running process of the agent.
type agent struct {
	*process
	address    string        // host:port
	ready      time.Duration // from the start of the process until /-/ready answers 200
	objectives int
}

// start runs the agent from dir on a free port and returns when it is ready.
func start(ctx context.Context, binary, dir string) (*agent, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	began := time.Now()
	p, err := launch(ctx, binary, dir, "run", "--config", "assayer.yaml", "--web.listen-address", address)
	if err != nil {
		return nil, err
	}
	a := &agent{process: p, address: address}
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := poll(wait, func() error { return servers.Answers(wait, "http://"+address+"/-/ready") }); err != nil {
		a.stop()
		return nil, fmt.Errorf("waiting for the agent: %w\n%s", err, a.log.String())
	}
	a.ready = time.Since(began)
	return a, nil
}

// poll calls try every few milliseconds until it succeeds or ctx ends.
func poll(ctx context.Context, try func() error) error {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-ticker.C:
		}
	}
}

// wait lets d pass.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// stop ends the process; what it was is measured by then.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// cpu returns the processor time used so far, user and system together.
func (p *process) cpu() (time.Duration, error) { return cpuOf(p.cmd.Process.Pid) }

func cpuOf(pid int) (time.Duration, error) {
	const ticks = 100 // a second; Linux shows times in this unit whatever its own is
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name in brackets and may hold anything.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 15 {
		return 0, fmt.Errorf("reading processor time: got %q", data)
	}
	var sum int64
	for _, field := range fields[11:15] { // its own, and that of children which have ended
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading processor time: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// resident says how much memory the process has in RAM, how much of it is pages of files, which the
// kernel takes back when it needs them, and how much it was at most.
func (p *process) resident() (string, error) {
	var values []any
	for _, key := range []string{"VmRSS", "RssFile", "VmHWM"} {
		kb, err := strconv.ParseFloat(strings.TrimSuffix(field(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid), key), " kB"), 64)
		if err != nil {
			return "", fmt.Errorf("reading resident memory: %s: %w", key, err)
		}
		values = append(values, kb/1024)
	}
	return fmt.Sprintf("%.0f MiB (%.0f of them file pages; peak %.0f)", values...), nil
}

// freeAddress returns a loopback address that was free a moment ago.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
