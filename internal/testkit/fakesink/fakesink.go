// Package fakesink is a [transactions.Sink] in memory for the tests of sources, with a decoder of lines to go
// with it:
//
//	a1 received        becomes Event{ID: "a1", State: "received"}
//	!anything          is a mistake in the input
//	a2 refused         decodes, and is refused by the sink
package fakesink

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

// Sink keeps what is put. The zero value is ready.
type Sink struct {
	// Before, when set, is called before each Put that has events or a position; its error is Put's.
	Before func(b transactions.Batch) error

	mu        sync.Mutex
	seen      map[string]bool
	order     []string // "id state" of what was accepted
	events    []transactions.Event
	batches   []int // sizes
	positions map[string]string
	changed   chan struct{}
}

// Put implements transactions.Sink. An event of state "refused" is rejected; one with an ID and state seen
// before is a duplicate.
func (s *Sink) Put(ctx context.Context, b transactions.Batch) (transactions.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return transactions.Receipt{}, err
	}
	if s.Before != nil {
		if err := s.Before(b); err != nil {
			return transactions.Receipt{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen, s.positions = map[string]bool{}, map[string]string{}
	}
	var r transactions.Receipt
	for i, e := range b.Events {
		key := e.ID + " " + e.State
		switch {
		case e.State == "refused":
			r.Rejected = append(r.Rejected, transactions.Rejection{Index: i, Err: errors.New("no such state")})
		case s.seen[key]:
			r.Duplicates++
		default:
			s.seen[key] = true
			s.order, s.events = append(s.order, key), append(s.events, e)
			r.Accepted++
		}
	}
	s.batches = append(s.batches, len(b.Events))
	if b.Source != "" {
		s.positions[b.Source] = b.Position
	}
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return r, nil
}

// Position implements transactions.Sink.
func (s *Sink) Position(source string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.positions[source]
}

// Accepted lists "id state" of what was accepted, in order.
func (s *Sink) Accepted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.order...)
}

// Events lists what was accepted, in order.
func (s *Sink) Events() []transactions.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]transactions.Event(nil), s.events...)
}

// Batches lists how many events each Put brought.
func (s *Sink) Batches() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int(nil), s.batches...)
}

// Await waits until done says so, asking after each Put.
func (s *Sink) Await(t testing.TB, what string, done func() bool) {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for {
		s.mu.Lock()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("waiting for %s: the sink has %d events", what, len(s.Accepted()))
		}
	}
}

// Lines decodes lines as the package comment shows them.
func Lines(r io.Reader, emit func(transactions.Event) error) error {
	in := bufio.NewReaderSize(r, 16)
	for n := 1; ; n++ {
		line, err := in.ReadString('\n')
		if text := strings.TrimSpace(line); text != "" {
			id, state, ok := strings.Cut(text, " ")
			if !ok || strings.HasPrefix(text, "!") {
				return fmt.Errorf("line %d: not an event", n)
			}
			if err := emit(transactions.Event{ID: id, State: state}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}
