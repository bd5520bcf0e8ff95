package httpin_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/internal/testkit/fakesink"
)

// readingSink says of every batch that it is read, as the tracker does, and looks at what is left of it then.
type readingSink struct {
	fakesink.Sink
	left []transactions.Event // what is not empty
	read int
}

func (s *readingSink) Put(ctx context.Context, b transactions.Batch) (transactions.Receipt, error) {
	events, given := slices.Clone(b.Events), b.Events
	if b.Read != nil {
		b.Read()
		s.read++
	}
	for _, e := range given {
		if !reflect.DeepEqual(e, transactions.Event{}) {
			s.left = append(s.left, e)
		}
	}
	b.Events = events
	return s.Sink.Put(ctx, b)
}

// What identifies somebody is not kept in memory that waits for the next request; what is refused is told by its line
// all the same.
func TestEventsAreGivenBack(t *testing.T) {
	sink := &readingSink{}
	h := newHandler(sink, nil)
	for n, body := range []string{numbered(1500), "a received\n\nb refused\nc received\nd refused\n", "last received\n"} {
		w, got := ask(t, h, request(strings.NewReader(body), "Content-Type", ndjson))
		if w.Code != 200 {
			t.Fatalf("request %d: %d %s", n, w.Code, got.Error)
		}
		if n == 1 && (got.Accepted != 2 || len(got.Rejected) != 2 || got.Rejected[0].Index != 2 || got.Rejected[1].Index != 4) {
			t.Errorf("got %+v", got)
		}
	}
	if sink.read != 4 || len(sink.left) > 0 {
		t.Errorf("%d batches were given back, want 4; of their events %d are still there", sink.read, len(sink.left))
	}
	if n := len(sink.Accepted()); n != 1503 {
		t.Errorf("accepted %d, want 1503", n)
	}
}
