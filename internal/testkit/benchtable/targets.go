package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
)

// target is one scrape target with a listener of its own.
type target struct {
	server *httptest.Server
	looks  atomic.Int64            // by the agent
	visits atomic.Int64            // by anybody else
	head   func(look int64) []byte // what changes from look to look
	rest   []byte                  // the same at every look
	zipped []byte                  // rest as a gzip member
	served atomic.Pointer[served]  // the first answer that mark accepted
	mark   func(look int64) bool
}

// served is when an answer was complete.
type served struct{ at time.Time }

func newTarget(head func(look int64) []byte, rest []byte) *target {
	t := &target{head: head, rest: rest, zipped: zip(rest)}
	t.server = httptest.NewServer(t)
	return t
}

// zip makes one member of a gzip stream; members that follow each other are read as one.
func zip(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(data)
	if err = errors.Join(err, z.Close()); err != nil {
		return nil // never: a buffer takes everything
	}
	return b.Bytes()
}

// ServeHTTP writes the exposition, compressed if asked to.
func (t *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	count := &t.visits
	if strings.HasPrefix(r.UserAgent(), "Assayer/") {
		count = &t.looks
	}
	look := count.Add(1)
	head, rest := t.head(look), t.rest
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if r.Header.Get("Accept-Encoding") == "gzip" {
		w.Header().Set("Content-Encoding", "gzip")
		head, rest = zip(head), t.zipped
	}
	for _, part := range [][]byte{head, rest} {
		if _, err := w.Write(part); err != nil {
			return // the reader has gone away
		}
	}
	if t.mark != nil && t.mark(look) {
		t.served.CompareAndSwap(nil, &served{time.Now()})
	}
}

func (t *target) address() string { return strings.TrimPrefix(t.server.URL, "http://") }

// await waits until the target has been scraped n times.
func (t *target) await(ctx context.Context, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return poll(ctx, func() error {
		if t.looks.Load() < n {
			return fmt.Errorf("%s was not scraped %d times", t.address(), n)
		}
		return nil
	})
}

// farm is many targets of which 1 % of the series are wanted.
type farm []*target

const farmServices = 10

func newFarm(targets, series int) farm {
	lines := max(series/100, 2*farmServices)
	rest := noise(series - lines)
	head := func(look int64) []byte {
		b := fmt.Appendf(nil, "# TYPE %s counter\n", wanted)
		for i := range lines {
			code := 200 + 300*(i/farmServices%2)
			b = fmt.Appendf(b, "%s{service=\"s%d\",code=\"%d\",shard=\"%d\"} %d\n", wanted, i%farmServices, code, i/farmServices/2, look*int64(1+i))
		}
		return b
	}
	f := make(farm, targets)
	for i := range f {
		f[i] = newTarget(head, rest)
	}
	return f
}

// noise is an exposition of n series with names and labels like those of common exporters.
func noise(n int) []byte {
	var b strings.Builder
	for i := range n {
		if i%20 == 0 {
			fmt.Fprintf(&b, "# HELP process_pool_%d_operations_total Operations of one pool.\n# TYPE process_pool_%d_operations_total counter\n", i/20, i/20)
		}
		fmt.Fprintf(&b, "process_pool_%d_operations_total{pool=\"pool-%d\",operation=\"read\",zone=\"eu-west-1a\",tenant=\"tenant-%d\"} %d\n", i/20, i%20, i%7, i*37)
	}
	return []byte(b.String())
}

func (f farm) urls() []string {
	var urls []string
	for _, t := range f {
		urls = append(urls, t.server.URL+"/metrics")
	}
	return urls
}

func (f farm) addresses() []string {
	var addresses []string
	for _, t := range f {
		addresses = append(addresses, t.address())
	}
	return addresses
}

// looks returns how many scrapes there were of all targets together, by the agent and by others.
func (f farm) looks() (agent, others int64) {
	for _, t := range f {
		agent += t.looks.Load()
		others += t.visits.Load()
	}
	return agent, others
}

func (f farm) await(ctx context.Context, n int64) error {
	for _, t := range f {
		if err := t.await(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (f farm) close() {
	for _, t := range f {
		t.server.Close()
	}
}
