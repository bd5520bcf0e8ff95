package files_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/files"
	"github.com/assayer-io/assayer/internal/testkit/fakesink"
)

// buffer is a log that a test reads while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// rig is a source reading a folder, in a bubble of synthetic time.
type rig struct {
	t      *testing.T
	dir    string
	cfg    files.Config
	sink   *fakesink.Sink
	log    *buffer
	stop   func()
	caught atomic.Bool
}

func newRig(t *testing.T, format string, patterns ...string) *rig {
	r := &rig{t: t, dir: t.TempDir(), sink: &fakesink.Sink{}, log: &buffer{}, cfg: files.Default()}
	r.cfg.Name, r.cfg.Format = "switch", format
	for _, p := range patterns {
		r.cfg.Paths = append(r.cfg.Paths, filepath.Join(r.dir, p))
	}
	return r
}

// start runs the source until stop.
func (r *rig) start() {
	r.t.Helper()
	source, err := files.New(r.cfg, files.Deps{
		Decoders: map[string]transactions.Decoder{r.cfg.Format: fakesink.Lines}, Log: slog.New(slog.NewTextHandler(r.log, nil)),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	r.caught.Store(false)
	go func() {
		defer close(done)
		if err := source.Run(ctx, r.sink, func() { r.caught.Store(true) }); err != nil {
			r.t.Errorf("the source gave up: %v", err)
		}
	}()
	r.stop = func() { cancel(); <-done }
	synctest.Wait()
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) append(name, text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.path(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Close()
	}
	r.must(err)
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// copyTruncate is what logrotate does for writers that do not open their log again.
func (r *rig) copyTruncate(from, to string) {
	data, err := os.ReadFile(r.path(from))
	r.must(err)
	r.must(os.WriteFile(r.path(to), data, 0o600))
	r.must(os.Truncate(r.path(from), 0))
}

func (r *rig) gzip(from, to string) {
	data, err := os.ReadFile(r.path(from))
	r.must(err)
	r.must(os.WriteFile(r.path(to), compress(r.t, data), 0o600))
	r.must(os.Remove(r.path(from)))
}

func compress(t *testing.T, data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// want holds what the sink has, in order, against "id" of state received, comma-separated.
func (r *rig) want(ids string) {
	r.t.Helper()
	var got []string
	for _, e := range r.sink.Events() {
		got = append(got, strings.TrimLeft(e.ID, "-"))
	}
	if is := strings.Join(got, ","); is != ids {
		r.t.Errorf("got %s, want %s\n%s", is, ids, r.log)
	}
}

func (r *rig) wantLog(words ...string) {
	r.t.Helper()
	for _, w := range words {
		if !strings.Contains(r.log.String(), w) {
			r.t.Errorf("the log does not have %q:\n%s", w, r.log)
		}
	}
}

// ev makes lines of 80 bytes, so that a mark is made of the first one already.
func ev(ids ...string) string {
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, "%s received\n", strings.Repeat("-", 70-len(id))+id)
	}
	return b.String()
}

func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}
