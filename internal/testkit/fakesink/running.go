package fakesink

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

// patience bounds every wait for a source under test.
const patience = 30 * time.Second

// Log is what a source under test has logged. The zero value is ready.
type Log struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{}
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return l.b.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Await waits until the log has these words.
func (l *Log) Await(t testing.TB, words string) {
	t.Helper()
	limit := time.After(patience)
	for {
		l.mu.Lock()
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed, found := l.changed, strings.Contains(l.b.String(), words)
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("the log does not say %q:\n%s", words, l)
		}
	}
}

// Running is a source at work.
type Running struct {
	Log    *Log
	Stop   func() // ends the source and waits for it; more than once does no harm
	caught chan struct{}
}

// Start runs source, which writes to log, until Stop or the test's end. It must not give up by itself.
func Start(t testing.TB, source transactions.Source, sink transactions.Sink, log *Log) *Running {
	run := &Running{Log: log, caught: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := source.Run(ctx, sink, func() { close(run.caught) }); err != nil {
			t.Errorf("the source gave up: %v", err)
		}
	}()
	run.Stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(run.Stop)
	return run
}

// AwaitCaughtUp waits until the source has handed over what was there at its start.
func (r *Running) AwaitCaughtUp(t testing.TB) {
	t.Helper()
	select {
	case <-r.caught:
	case <-time.After(patience):
		t.Fatalf("it does not catch up:\n%s", r.Log)
	}
}
