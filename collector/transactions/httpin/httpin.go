// Package httpin takes events over HTTP. The answer comes after what it speaks of is on disk:
//
//	POST /api/v1/transactions
//	Content-Type: application/x-ndjson
//
//	200 {"accepted":998,"duplicates":1,"rejected":[{"index":17,"reason":"not a JSON object"}],"taken":1000}
//	429 {"error":"too many events are waiting; …","accepted":2000,"duplicates":0,"rejected":[],"taken":2000}
//
// Who may send is not decided here: the handler is mounted behind the guards of the agent's other endpoints.
package httpin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/assayer-io/assayer/collector/transactions"
)

// Media types of which the handler knows more than its decoder does.
const (
	typeLines      = "application/x-ndjson"         // in parts; a bad line costs only itself
	typeCloudEvent = "application/cloudevents+json" // also what CloudEvents binary mode becomes
	typeCloudBatch = "application/cloudevents-batch+json"
	typeJSON       = "application/json"
)

const (
	// chunk is how many events are put at once, chunkBytes how much NDJSON.
	chunk      = 1000
	chunkBytes = 1 << 20
	// retrySoon and retryLater are the seconds that a sender is asked to wait.
	retrySoon  = "1"
	retryLater = "5"
	// maxReason bounds, in bytes, what is told about one rejected event.
	maxReason = 300
)

// Deps is what the handler needs.
type Deps struct {
	Sink transactions.Sink
	// Decoders by media type, without parameters: application/json, application/x-ndjson,
	// application/cloudevents+json, application/cloudevents-batch+json, application/xml. Others may be added.
	Decoders map[string]transactions.Decoder
	Limits   Config
	Log      *slog.Logger
	// Stopping is closed when the agent begins to stop: what has not been put then is answered 503. It may be nil.
	Stopping <-chan struct{}
}

// Handler takes events in. It is safe for concurrent use.
type Handler struct {
	d     Deps
	slots chan struct{} // one token for each request being read
	types string        // for answers
	spare sync.Pool     // of *linesBuffer
	used  sync.Pool     // of *eventsBuffer
}

// New makes a handler; its limits must be valid.
func New(d Deps) *Handler {
	return &Handler{d: d, slots: make(chan struct{}, d.Limits.MaxRequests), types: strings.Join(slices.Sorted(maps.Keys(d.Decoders)), ", ")}
}

// answer is the body of every answer.
type answer struct {
	Error      string      `json:"error,omitempty"`
	Accepted   int         `json:"accepted"`
	Duplicates int         `json:"duplicates"`
	Rejected   []rejection `json:"rejected"`
	// Taken is how many events, of NDJSON lines, from the first on, are dealt with for good: sending the rest is
	// enough, though sending all again does no harm.
	Taken int `json:"taken"`

	status int
	retry  string
}

type rejection struct {
	Index  int    `json:"index"` // of the event in the request, of NDJSON the line; from 0
	Reason string `json:"reason"`
}

func (a *answer) fail(status int, format string, args ...any) {
	a.status, a.Error = status, fmt.Sprintf(format, args...)
}

func (a *answer) reject(index int, err error) {
	reason := err.Error()
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	a.Rejected = append(a.Rejected, rejection{index, reason})
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{status: http.StatusOK, Rejected: []rejection{}}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		a.fail(http.StatusMethodNotAllowed, "got %s, allowed: POST", r.Method)
	} else {
		h.take(w, r, a)
	}
	slices.SortFunc(a.Rejected, func(x, y rejection) int { return x.Index - y.Index })
	body, err := json.Marshal(a)
	if err != nil { // text and numbers always encode
		body, a.status = []byte(`{"error":"the answer could not be written"}`), http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	if a.retry != "" {
		w.Header().Set("Retry-After", a.retry)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(append(body, '\n')) // the sender is gone if this fails
}

// take reads one request and puts what it brings.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, a *answer) {
	if h.stopping() {
		h.failPut(a, context.Canceled)
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		a.retry = retrySoon
		a.fail(http.StatusTooManyRequests, "%d requests are being read already; send this one again later", cap(h.slots))
		return
	}
	media, dec, ok := h.decoder(r, a)
	if !ok {
		return
	}
	in, ok := openBody(w, r, h.d.Limits.MaxBytes, a)
	if !ok {
		return
	}
	t := &intake{h: h, ctx: r.Context(), a: a, in: in, dec: dec}
	var err error
	switch {
	case r.Header.Get("Ce-Specversion") != "" && isJSON(media):
		err = t.binary(r.Header, media)
	case media == typeLines:
		err = t.lines()
	default:
		err = t.document(in)
	}
	t.judge(err)
}

// decoder finds out how to read the body; if that is not known it answers.
func (h *Handler) decoder(r *http.Request, a *answer) (string, transactions.Decoder, bool) {
	written := r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(written)
	key := media
	if r.Header.Get("Ce-Specversion") != "" && isJSON(media) {
		key = typeCloudEvent
	}
	dec := h.d.Decoders[key]
	switch charset := strings.ToLower(params["charset"]); {
	case err != nil || dec == nil:
		a.fail(http.StatusUnsupportedMediaType, "Content-Type: got %q, allowed: %s", written, h.types)
		return "", nil, false
	case charset != "" && charset != "utf-8" && charset != "us-ascii" && !strings.HasSuffix(media, "xml"):
		a.fail(http.StatusUnsupportedMediaType, "Content-Type: got charset %q, allowed: utf-8", charset)
		return "", nil, false
	}
	return media, dec, true
}

func isJSON(media string) bool {
	return media == typeJSON || strings.HasSuffix(media, "+json") && media != typeCloudEvent && media != typeCloudBatch
}

func (h *Handler) stopping() bool {
	select {
	case <-h.d.Stopping: // a nil channel never is
		return true
	default:
		return false
	}
}

// put stores a batch. The index of its events in the request is index(i); an error has been answered.
func (h *Handler) put(ctx context.Context, b transactions.Batch, a *answer, index func(i int) int) error {
	if h.stopping() {
		h.failPut(a, context.Canceled)
		return errAnswered
	}
	receipt, err := h.d.Sink.Put(ctx, b)
	if err != nil {
		h.failPut(a, err)
		return errAnswered
	}
	a.Accepted += receipt.Accepted
	a.Duplicates += receipt.Duplicates
	for _, r := range receipt.Rejected {
		a.reject(index(r.Index), r.Err)
	}
	return nil
}

// failPut answers that the rest could not be stored.
func (h *Handler) failPut(a *answer, err error) {
	switch {
	case errors.Is(err, transactions.ErrBusy):
		a.retry = retrySoon
		a.fail(http.StatusTooManyRequests, "too many events are waiting; send what was not taken again later")
	case errors.Is(err, transactions.ErrFull):
		a.fail(http.StatusInsufficientStorage, "as many movements are open as the agent may keep; raise collectors.transactions.max_records")
	case errors.Is(err, transactions.ErrStopping), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		a.retry = retryLater
		a.fail(http.StatusServiceUnavailable, "the agent is stopping; send what was not taken again later")
	default:
		h.d.Log.Error("storing events that came over HTTP", "err", err)
		a.retry = retryLater
		a.fail(http.StatusInternalServerError, "the events could not be stored; see the agent's log, and send what was not taken again later")
	}
}
