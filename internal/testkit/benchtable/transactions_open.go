package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// loadOf is how many payments are told at once when many are to be open.
const loadOf = 1000

// manyOpen measures an agent that follows many open payments: its memory, its restart, and how fast the deadlines of
// a tenth of them are counted that all pass in one second.
func manyOpen(ctx context.Context, p plan, dir string, t *table) error {
	b, err := newBank(ctx, p.binary, dir)
	if err != nil {
		return err
	}
	defer func() { b.stop() }()
	due := p.open / 10
	b.deadline = "2099-01-01T00:00:00Z"
	took, err := b.load(0, p.open-due)
	if err != nil {
		return err
	}
	// With three times as long as that should take they are all there before their deadline.
	at := time.Now().Add(10*time.Second + 3*took*time.Duration(due)/time.Duration(p.open-due)).UTC().Truncate(time.Second)
	b.deadline = at.Format(time.RFC3339)
	more, err := b.load(p.open-due, due)
	if err != nil {
		return err
	}
	if time.Now().After(at) {
		return fmt.Errorf("%d payments took %v to tell: their deadline passed before", due, more)
	}
	many := thousands(p.open)
	t.head("The agent as a process with " + many + " open payments")
	if err := b.memoryRow(t, "resident memory after being told of them"); err != nil {
		return err
	}
	if err := wait(ctx, time.Until(at)); err != nil {
		return err
	}
	counted, err := b.lateAfter(ctx, at, due)
	if err != nil {
		return err
	}
	t.row(thousands(due)+" deadlines that pass in one second, until the last is counted", milliseconds(counted), "", "")
	if err := b.memoryRow(t, "resident memory then"); err != nil {
		return err
	}
	b.stop()
	if b, err = openBank(ctx, p.binary, dir); err != nil {
		return err
	}
	t.row("from the start of the process until ready, with them in its journal", milliseconds(b.ready), "", "")
	return b.memoryRow(t, "resident memory then")
}

func (b *bank) memoryRow(t *table, what string) error {
	memory, err := b.resident()
	t.row(what, memory, "", "")
	return err
}

// load tells of n payments, from number first on, as fast as they are taken.
func (b *bank) load(first, n int) (time.Duration, error) {
	began := time.Now()
	var next atomic.Int64
	err := together(func(teller int) error {
		for {
			from := int(next.Add(loadOf)) - loadOf
			if from >= n {
				return nil
			}
			if err := b.tell(teller, "received", first+from, min(loadOf, n-from)); err != nil {
				return err
			}
		}
	})
	return time.Since(began), err
}

// lateAfter waits until n payments are counted as late, and returns how long after at that was.
func (b *bank) lateAfter(ctx context.Context, at time.Time, n int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	err := poll(ctx, func() error {
		late, err := b.late(ctx)
		if err == nil && late < n {
			err = fmt.Errorf("%d of %d payments are counted as late", late, n)
		}
		return err
	})
	return time.Since(at), err
}

// late is how many payments the agent has counted as late.
func (b *bank) late(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), "} "); strings.HasPrefix(name, "assayer_transactions_total{") && strings.Contains(name, `class="late"`) {
			late, err := strconv.ParseFloat(value, 64)
			return int(late), err
		}
	}
	return 0, nil
}
