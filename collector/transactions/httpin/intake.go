package httpin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/assayer-io/assayer/collector/transactions"
)

var (
	// errAnswered: the answer already says what went wrong.
	errAnswered = errors.New("answered")
	errTooMany  = errors.New("too many events")
)

// intake is one request being read.
type intake struct {
	h   *Handler
	ctx context.Context
	a   *answer
	in  *body
	dec transactions.Decoder

	events []transactions.Event // of a document: decoded, not put yet
}

// document reads a body that one decoder takes whole, putting a part whenever it is complete.
func (t *intake) document(r io.Reader) error {
	err := t.dec(r, func(e transactions.Event) error {
		if t.a.Taken+len(t.events) >= t.h.d.Limits.MaxEvents {
			return errTooMany
		}
		if t.events = append(t.events, e); len(t.events) < chunk {
			return nil
		}
		return t.flush()
	})
	// Before a mistake nothing more is put: a short body with a mistake has changed nothing, and a long one says
	// what was taken.
	if err != nil {
		return err
	}
	return t.flush()
}

func (t *intake) flush() error {
	if len(t.events) == 0 {
		return nil
	}
	first := t.a.Taken
	if err := t.h.put(t.ctx, transactions.Batch{Events: t.events}, t.a, func(i int) int { return first + i }); err != nil {
		return err
	}
	t.a.Taken += len(t.events)
	t.events = t.events[:0]
	return nil
}

// lines reads NDJSON in parts of at most a thousand lines, and fewer if they are long.
func (t *intake) lines() error {
	spare, _ := t.h.spare.Get().(*linesBuffer)
	if spare == nil {
		spare = &linesBuffer{}
	}
	defer func() {
		spare.reset()
		t.h.spare.Put(spare)
	}()
	for {
		part, n, err := spare.next(t.in)
		over := errors.Is(err, io.EOF)
		if err != nil && !over {
			return err
		}
		if err := t.putLines(part, n); over || err != nil {
			return err
		}
	}
}

// eventsBuffer is memory for events. It is given back before they are on disk: the fewer there are in turn, the more of
// them is in the processor's cache.
type eventsBuffer struct{ events []transactions.Event }

// giveBack keeps the memory for others, without what identifies somebody.
func (h *Handler) giveBack(b *eventsBuffer) {
	clear(b.events)
	if cap(b.events) <= 2*chunk { // not that of arrays in lines
		h.used.Put(b)
	}
}

// putLines puts n lines.
func (t *intake) putLines(part []byte, n int) error {
	used, _ := t.h.used.Get().(*eventsBuffer)
	if used == nil {
		used = &eventsBuffer{}
	}
	giveBack := sync.OnceFunc(func() { t.h.giveBack(used) })
	defer giveBack()
	events, bad := transactions.DecodeLines(t.dec, part, used.events)
	used.events = events
	if t.a.Taken+max(len(events), n) > t.h.d.Limits.MaxEvents {
		return errTooMany
	}
	first := t.a.Taken
	if len(events) > 0 {
		err := t.h.put(t.ctx, transactions.Batch{Events: events, Read: giveBack}, t.a, func(i int) int { return first + transactions.LineOf(t.dec, part, i) })
		if err != nil {
			return err
		}
	}
	for _, b := range bad {
		t.a.reject(first+b.Line, b.Err)
	}
	t.a.Taken += n
	return nil
}

// binary reads a CloudEvent whose attributes are headers, by making it a structured one.
func (t *intake) binary(header http.Header, media string) error {
	data, err := io.ReadAll(t.in)
	if err != nil {
		return err
	}
	if !json.Valid(data) {
		return errors.New("the data is not one JSON value")
	}
	attributes := map[string]any{"datacontenttype": media, "data": json.RawMessage(data)}
	for name, values := range header {
		if attribute, ok := strings.CutPrefix(name, "Ce-"); ok {
			// The HTTP binding of CloudEvents 1.0, 3.1.3.2: values are percent-encoded.
			value, err := url.PathUnescape(values[0])
			if err != nil {
				return fmt.Errorf("header %s: not percent-encoded as CloudEvents asks for", name)
			}
			if attribute = strings.ToLower(attribute); attribute != "data" && attribute != "datacontenttype" && attribute != "data_base64" {
				attributes[attribute] = value
			}
		}
	}
	event, err := json.Marshal(attributes)
	if err != nil {
		return fmt.Errorf("joining headers and data: %w", err)
	}
	return t.document(bytes.NewReader(event))
}

// judge turns how reading ended into an answer.
func (t *intake) judge(err error) {
	a, limits := t.a, t.h.d.Limits
	tooLarge, _ := errors.AsType[*http.MaxBytesError](t.in.err)
	switch {
	case errors.Is(err, errAnswered):
	case errors.Is(err, errTooMany):
		a.fail(http.StatusRequestEntityTooLarge, "more than %d events in one request; send fewer at a time", limits.MaxEvents)
	case tooLarge != nil:
		a.fail(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes; send less at a time", limits.MaxBytes)
	case errors.Is(t.in.err, errInflated):
		a.fail(http.StatusRequestEntityTooLarge, "the body inflates to more than %d bytes; send less at a time", limits.MaxBytes)
	case t.in.err != nil:
		a.fail(http.StatusBadRequest, "reading the body: %v", t.in.err)
	case err != nil:
		a.fail(http.StatusBadRequest, "reading the body: %v", err)
	case a.Taken == 0:
		a.fail(http.StatusBadRequest, "the body holds no event")
	case a.Accepted == 0 && a.Duplicates == 0 && len(a.Rejected) > 0:
		a.fail(http.StatusUnprocessableEntity, "no event could be used; the first: %s", a.Rejected[0].Reason)
	}
}
