package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"
)

// scraper is an agent at work on a farm, a floor beside it, and what both were measured at.
type scraper struct {
	encoding   string // identity or gzip
	farm       farm
	agent      *agent
	floor      *process
	cpu, least []float64 // of agent and floor: seconds for a million series exposed, by window
}

// every is how often agent and floor scrape each target.
const every = time.Second

// scraping compares the processor time of the agent with that of a floor which scrapes the same
// targets on the same schedule at the same time.
func scraping(ctx context.Context, p plan, dir string, t *table) error {
	var all []*scraper
	for _, encoding := range []string{"identity", "gzip"} {
		s := &scraper{encoding: encoding, farm: newFarm(p.targets, p.series)}
		defer s.farm.close()
		sub := filepath.Join(dir, "scrape-"+encoding)
		files := settings{scrape: every, evaluation: 5 * time.Second, objectives: farmServices, addresses: s.farm.addresses(), compress: encoding == "gzip"}
		if err := files.write(sub); err != nil {
			return err
		}
		var err error
		if s.agent, err = start(ctx, p.binary, sub); err != nil {
			return err
		}
		defer s.agent.stop()
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if s.floor, err = launch(ctx, self, sub, append([]string{"-floor", encoding}, s.farm.urls()...)...); err != nil {
			return err
		}
		defer s.floor.stop()
		if err := s.farm.await(ctx, 2); err != nil {
			return err
		}
		all = append(all, s)
	}
	for range p.pairs {
		if err := measure(ctx, p, all); err != nil {
			return err
		}
	}
	t.head(fmt.Sprintf("The agent as a process, scraping %d targets of %d series every second, 1 %% of them wanted", p.targets, p.series))
	for _, s := range all {
		kind := map[string]string{"identity": "plain", "gzip": "gzip"}[s.encoding]
		t.row("CPU for a million series exposed, "+kind, fmt.Sprintf("%.2f s", median(s.cpu)),
			"a process that on the same schedule receives, finds lines and compares names: "+fmt.Sprintf("%.2f s", median(s.least)), times(median(quotients(s.cpu, s.least))))
		memory, err := s.agent.resident()
		if err != nil {
			return err
		}
		t.row("resident memory, "+kind, memory, "", "")
	}
	return nil
}

// measure takes the processor time of all over one window.
func measure(ctx context.Context, p plan, all []*scraper) error {
	type moment struct {
		cpu, floor     time.Duration
		looks, visited int64
	}
	take := func(s *scraper) (m moment, err error) {
		if m.cpu, err = s.agent.cpu(); err != nil {
			return m, err
		}
		m.floor, err = s.floor.cpu()
		m.looks, m.visited = s.farm.looks()
		return m, err
	}
	var before []moment
	for _, s := range all {
		m, err := take(s)
		if err != nil {
			return err
		}
		before = append(before, m)
	}
	if err := wait(ctx, p.window); err != nil {
		return err
	}
	for i, s := range all {
		m, err := take(s)
		if err != nil {
			return err
		}
		per := func(d time.Duration, looks int64) float64 { return d.Seconds() * 1e6 / float64(looks*int64(p.series)) }
		s.cpu = append(s.cpu, per(m.cpu-before[i].cpu, m.looks-before[i].looks))
		s.least = append(s.least, per(m.floor-before[i].floor, m.visited-before[i].visited))
	}
	return nil
}

// readFloor does what no reader of expositions can do without, until ctx ends: receive them, find
// the lines, and compare the names. It visits each target once an interval, at even distances.
func readFloor(ctx context.Context, urls []string, encoding string) error {
	if len(urls) == 0 {
		return errors.New("no targets given")
	}
	ticker := time.NewTicker(every / time.Duration(len(urls)))
	defer ticker.Stop()
	buf := make([]byte, 64<<10)
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		found, err := readOnce(ctx, urls[i%len(urls)], encoding, buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if found == 0 {
			return errors.New("the target exposes nothing of interest")
		}
	}
}

func readOnce(ctx context.Context, url, encoding string, buf []byte) (found int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept-Encoding", encoding)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var body io.Reader = resp.Body
	if encoding == "gzip" {
		if body, err = gzip.NewReader(body); err != nil {
			return 0, err
		}
	}
	held := 0 // bytes at the front of buf that are an unfinished line
	for {
		n, err := body.Read(buf[held:])
		rest := buf[:held+n]
		for i := bytes.IndexByte(rest, '\n'); i >= 0; i = bytes.IndexByte(rest, '\n') {
			if bytes.HasPrefix(rest, []byte(wanted)) {
				found++
			}
			rest = rest[i+1:]
		}
		held = copy(buf, rest)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
