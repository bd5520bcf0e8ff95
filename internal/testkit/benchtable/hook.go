package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// crossing is the look at a target at which its errors cross the threshold: the ones before give the
// agent a baseline and show a service in good health.
const crossing = 4

// burst is how many errors come at once: an eighth of what the service handles in an hour, enough
// for the default page tier at an objective of 99.9 % with its windows full.
const burst = rate * 3600 / 8

// hookCalls times the way from the answer that holds the crossing sample to the hook's call, for two
// evaluation intervals. Every trial is an agent of its own with a month of healthy history and the
// default burn alerts. They run side by side, started at even distances within the interval, so that
// evaluations come at all distances from scrapes.
func hookCalls(ctx context.Context, p plan, dir string, t *table) error {
	t.head("From the scraped sample that crosses the threshold to the hook's call, default burn alerts")
	for _, m := range []moment{
		{"evaluation_interval: 5s", time.Second, 5 * time.Second, false},
		{"evaluation_interval: 1s", time.Second, time.Second, false},
		{"from the first bad sample of a total outage, scraped every 5 s", 5 * time.Second, 5 * time.Second, true},
	} {
		interval := m.evaluation
		var trials []*trial
		for i := range p.calls {
			tr, err := prepare(filepath.Join(dir, "hook-"+strconv.Itoa(int(m.scrape.Seconds()))+"-"+interval.String()+"-"+strconv.Itoa(i)), m)
			if err != nil {
				return err
			}
			defer tr.close()
			trials = append(trials, tr)
		}
		for i, tr := range trials {
			if i > 0 {
				if err := wait(ctx, interval/time.Duration(p.calls)); err != nil {
					return err
				}
			}
			var err error
			if tr.agent, err = start(ctx, p.binary, tr.dir); err != nil {
				return err
			}
		}
		var took []time.Duration
		for _, tr := range trials {
			d, err := tr.wait(ctx)
			if err != nil {
				return err
			}
			took = append(took, d)
		}
		slices.Sort(took)
		t.row(m.what, fmt.Sprintf("%s, median of %d", milliseconds(took[len(took)/2]), len(took)),
			milliseconds(took[0])+" to "+milliseconds(took[len(took)-1]), "")
	}
	return nil
}

// moment is what is timed from: one look that brings all the errors it takes, or the first of those that find
// nothing but errors, which the fast tier is for.
type moment struct {
	what               string
	scrape, evaluation time.Duration
	outage             bool
}

// counters are the good and bad events that the target shows at one look.
func (m moment) counters(look int64) (good, bad int64) {
	each := int64(m.scrape.Seconds()) * rate
	switch {
	case look < crossing:
		return look * each, 0
	case m.outage:
		return crossing * each, (look - crossing + 1) * each
	}
	return look * each, burst
}

// trial is one agent with a target that begins to fail and a hook's receiver.
type trial struct {
	dir    string
	target *target
	hook   *httptest.Server
	called chan time.Time
	agent  *agent
}

func prepare(dir string, m moment) (*trial, error) {
	tr := &trial{dir: dir, called: make(chan time.Time, 1)}
	tr.target = newTarget(func(look int64) []byte {
		good, bad := m.counters(look)
		return fmt.Appendf(nil, "%s{service=\"s0\",code=\"200\"} %d\n%[1]s{service=\"s0\",code=\"500\"} %[3]d\n", wanted, good, bad)
	}, nil)
	tr.target.mark = func(look int64) bool { return look >= crossing }
	tr.hook = httptest.NewServer(receiver(tr.called))
	s := settings{scrape: m.scrape, evaluation: m.evaluation, objectives: 1, addresses: []string{tr.target.address()}, hook: tr.hook.URL}
	if err := s.write(dir); err != nil {
		return nil, err
	}
	return tr, seed(dir, month, healthy(month))
}

// wait returns how long after the crossing answer the hook was called.
func (tr *trial) wait(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	select {
	case at := <-tr.called:
		served := tr.target.served.Load()
		if served == nil {
			return 0, errors.New("the hook was called before there was a reason")
		}
		return at.Sub(served.at), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for the hook's call: %w\n%s", ctx.Err(), tr.agent.log.String())
	}
}

func (tr *trial) close() {
	if tr.agent != nil {
		tr.agent.stop()
	}
	tr.target.server.Close()
	tr.hook.Close()
}
