package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

const (
	wanted   = "bench_requests_total" // the metric that the objectives read
	services = 10
)

// targets are all scrape targets, each with a listener of its own.
type targets struct {
	list []*target
}

type target struct {
	server *httptest.Server
	looks  atomic.Int64
	rest   []byte // the 99 % that nobody asks for; the same at every look
	lines  int    // how many series are wanted
}

func newTargets(s size) *targets {
	t := &targets{}
	for range s.targets {
		one := &target{lines: max(s.series/100, services*2)}
		one.rest = noise(s.series - one.lines)
		one.server = httptest.NewServer(one)
		t.list = append(t.list, one)
	}
	return t
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

// ServeHTTP writes counters that have grown since the last look, and everything else.
func (t *target) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	n := t.looks.Add(1)
	var b strings.Builder
	fmt.Fprintf(&b, "# TYPE %s counter\n", wanted)
	for i := range t.lines {
		code := "200"
		if i/services%2 == 1 {
			code = "500"
		}
		fmt.Fprintf(&b, "%s{service=\"s%d\",code=\"%s\",shard=\"%d\"} %d\n", wanted, i%services, code, i/services/2, n*int64(1+i))
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	for _, part := range [][]byte{[]byte(b.String()), t.rest} {
		if _, err := w.Write(part); err != nil {
			return // the reader has gone away
		}
	}
}

func (t *targets) urls() []string {
	var urls []string
	for _, one := range t.list {
		urls = append(urls, one.server.URL+"/metrics")
	}
	return urls
}

func (t *targets) addresses() []string {
	var addresses []string
	for _, one := range t.list {
		addresses = append(addresses, strings.TrimPrefix(one.server.URL, "http://"))
	}
	return addresses
}

// looked returns how many scrapes there were of all targets together.
func (t *targets) looked() int64 {
	var sum int64
	for _, one := range t.list {
		sum += one.looks.Load()
	}
	return sum
}

// await waits until every target has been scraped n times.
func (t *targets) await(ctx context.Context, n int) error {
	return servers.Poll(ctx, func(context.Context) error {
		for _, one := range t.list {
			if one.looks.Load() < int64(n) {
				return errors.New("not every target was scraped")
			}
		}
		return nil
	})
}

func (t *targets) close() {
	for _, one := range t.list {
		one.server.Close()
	}
}
