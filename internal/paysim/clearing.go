package paysim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Bounds of what is remembered of payments that are on their way.
const (
	maxUntold  = 100_000 // events
	maxBatch   = 500     // events told at once
	tellEvery  = 250 * time.Millisecond
	tellWithin = 10 * time.Second
)

// settlement is how the payments that a service accepts reach their payees.
type settlement struct {
	rail    string        // as an agent knows it: sct-inst
	median  float64       // seconds from acceptance to settlement
	sigma   float64       // of its logarithm
	longest time.Duration // on a good day; below limit
	limit   time.Duration // the scheme's
	banks   []weighted    // of the payees
}

// Settled is what became of the payments that were accepted, of those that somebody was told of, up to the last
// event that was taken. It is counted beside what is told.
type Settled struct {
	Rail      string `json:"rail"`
	InTime    int64  `json:"in_time"`
	Late      int64  `json:"late"`       // settled after the scheme's limit
	LateMinor int64  `json:"late_minor"` // minor units of EUR
	Declined  int64  `json:"declined"`   // for a customer's reason
	Failed    int64  `json:"failed"`     // for a technical one
	Open      int64  `json:"open"`       // not settled yet, late or not
}

// clearing carries the accepted payments of a service to their settlement and tells of each. Nothing is followed
// before somebody listens.
type clearing struct {
	settlement
	perSecond float64 // that it can settle
	run       string  // tells the payments of one simulator from another's
	now       func() time.Time
	client    *http.Client

	flushing sync.Mutex // one batch at a time, in order

	mu      sync.Mutex
	rng     *rand.Rand
	url     string // of who is told
	number  int
	open    []movement // oldest first
	stopped bool
	may     float64 // settlements, of perSecond, not used yet
	untold  []toldEvent
	tally   Settled
}

// movement is one payment that has been accepted.
type movement struct {
	id        string
	accepted  time.Time
	settlesAt time.Time
	minor     int64
}

// toldEvent is one event as it is told, and what the tally makes of it once it is taken.
type toldEvent struct {
	ID           string      `json:"id"`
	Rail         string      `json:"rail"`
	State        string      `json:"state"`
	At           time.Time   `json:"at"`
	Amount       *toldAmount `json:"amount,omitempty"`
	Direction    string      `json:"direction,omitempty"`
	Counterparty string      `json:"counterparty,omitempty"`
	Reason       *toldReason `json:"reason,omitempty"`
	count        func(*Settled)
}

type toldAmount struct {
	Value    string `json:"value"`
	Currency string `json:"currency"`
}

type toldReason struct {
	Code string `json:"code"`
}

func newClearing(s settlement, opts Options) *clearing {
	return &clearing{
		settlement: s, perSecond: opts.RatePerSecond, run: fmt.Sprintf("%x", opts.Seed), now: opts.Now,
		rng:    rand.New(rand.NewPCG(opts.Seed, math.MaxUint64)),
		client: &http.Client{Timeout: tellWithin, Transport: &http.Transport{MaxIdleConnsPerHost: 1}},
		tally:  Settled{Rail: s.rail},
	}
}

// accept takes a payment over. A declined or failed one ends at once, for the reason given.
func (c *clearing) accept(p payment, outcome, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.url == "" || len(c.untold) >= maxUntold {
		return
	}
	c.number++
	at := c.now().UTC().Truncate(time.Millisecond)
	takes := min(c.longest, time.Duration(c.median*math.Exp(c.sigma*c.rng.NormFloat64())*float64(time.Second)))
	m := movement{id: fmt.Sprintf("%s-%d", c.run, c.number), accepted: at, settlesAt: at.Add(takes), minor: p.AmountMinor}
	c.tell(m, "received", at, func(s *Settled) { s.Open++ })
	e := &c.untold[len(c.untold)-1]
	e.Amount = &toldAmount{fmt.Sprintf("%d.%02d", p.AmountMinor/100, p.AmountMinor%100), p.Currency}
	e.Direction, e.Counterparty = "out", pick(c.rng, c.banks)
	switch outcome {
	case Business:
		c.tell(m, "rejected", at, func(s *Settled) { s.Open--; s.Declined++ })
	case Technical:
		c.tell(m, "rejected", at, func(s *Settled) { s.Open--; s.Failed++ })
	default:
		c.open = append(c.open, m)
		return
	}
	c.untold[len(c.untold)-1].Reason = &toldReason{reason}
}

func (c *clearing) tell(m movement, state string, at time.Time, count func(*Settled)) {
	c.untold = append(c.untold, toldEvent{ID: m.id, Rail: c.rail, State: state, At: at, count: count})
}

// advance settles what it is time for, the oldest first, and no more than the clearing can in d.
func (c *clearing) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	now := c.now().UTC().Truncate(time.Millisecond)
	c.may = min(c.perSecond, c.may+c.perSecond*d.Seconds())
	c.open = slices.DeleteFunc(c.open, func(m movement) bool {
		if c.may < 1 || m.settlesAt.After(now) {
			return false
		}
		c.may--
		late := now.Sub(m.accepted) > c.limit
		c.tell(m, "settled", now, func(s *Settled) {
			s.Open--
			if late {
				s.Late++
				s.LateMinor += m.minor
			} else {
				s.InTime++
			}
		})
		return true
	})
}

func (c *clearing) stop(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = yes
	c.may = 0
}

// listen names who is told from now on.
func (c *clearing) listen(url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.url = url
}

// settled copies the tally.
func (c *clearing) settled() Settled {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tally
}

// keepTelling flushes until ctx ends.
func (c *clearing) keepTelling(ctx context.Context, failed func(error)) {
	t := time.NewTicker(tellEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := c.flush(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
	}
}

// flush tells what has not been told. What is not taken stays, and is told again: the same event twice counts once.
func (c *clearing) flush(ctx context.Context) error {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	for {
		c.mu.Lock()
		url, batch := c.url, slices.Clone(c.untold[:min(len(c.untold), maxBatch)])
		c.mu.Unlock()
		if len(batch) == 0 {
			return nil
		}
		if err := c.post(ctx, url, batch); err != nil {
			return fmt.Errorf("telling of %d events: %w", len(batch), err)
		}
		c.mu.Lock()
		c.untold = slices.Delete(c.untold, 0, len(batch))
		for _, e := range batch {
			e.count(&c.tally)
		}
		c.mu.Unlock()
	}
}

func (c *clearing) post(ctx context.Context, url string, batch []toldEvent) error {
	body, err := json.Marshal(batch)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s: %.200s", resp.Status, answer)
	}
	return nil
}
