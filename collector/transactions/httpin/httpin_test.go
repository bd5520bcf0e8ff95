package httpin_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/httpin"
	"github.com/assayer-io/assayer/internal/testkit/fakesink"
)

// oneJSON reads {"id": …, "state": …} or a CloudEvent with that as its data.
func oneJSON(r io.Reader, emit func(transactions.Event) error) error {
	var e struct {
		ID, State string
		Source    string
		Data      struct{ ID, State string }
	}
	if err := json.NewDecoder(r).Decode(&e); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if e.Data.ID != "" {
		return emit(transactions.Event{ID: e.Data.ID, State: e.Data.State, Reference: e.ID + "|" + e.Source})
	}
	return emit(transactions.Event{ID: e.ID, State: e.State})
}

func limits() httpin.Config { return httpin.Config{MaxBytes: 100_000, MaxEvents: 3000, MaxRequests: 2} }

func newHandler(sink transactions.Sink, stopping <-chan struct{}) http.Handler {
	return httpin.New(httpin.Deps{
		Sink: sink, Limits: limits(), Log: slog.New(slog.DiscardHandler), Stopping: stopping,
		Decoders: map[string]transactions.Decoder{
			"application/json": oneJSON, "application/cloudevents+json": oneJSON,
			"application/x-ndjson": fakesink.Lines, "application/xml": fakesink.Lines,
		},
	})
}

type reply struct {
	Error                       string
	Accepted, Duplicates, Taken int
	Rejected                    []struct {
		Index  int
		Reason string
	}
}

func request(body io.Reader, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/api/v1/transactions", body)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func ask(t *testing.T, h http.Handler, r *http.Request) (*httptest.ResponseRecorder, reply) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var got reply
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("the answer is not JSON: %v: %s", err, w.Body)
	}
	if (w.Code == http.StatusOK) != (got.Error == "") || got.Rejected == nil || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("status %d with %s", w.Code, w.Body)
	}
	return w, got
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "t%d received\n", i)
	}
	return b.String()
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const ndjson = "application/x-ndjson"

func TestWhatIsTaken(t *testing.T) {
	lines, err := os.ReadFile("testdata/mixed.lines")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		body    []byte
		headers []string
		status  int
		want    string // accepted, duplicates, rejected indices, taken
	}{
		"one event":         {[]byte(`{"id":"a","state":"settled"}`), []string{"Content-Type", "application/json; charset=UTF-8"}, 200, "1 0 [] 1"},
		"lines":             {[]byte(numbered(3)), []string{"Content-Type", ndjson}, 200, "3 0 [] 3"},
		"no last newline":   {[]byte("a received\nb received"), []string{"Content-Type", ndjson}, 200, "2 0 [] 2"},
		"gzip":              {zipped(t, numbered(5)), []string{"Content-Type", ndjson, "Content-Encoding", "gzip"}, 200, "5 0 [] 5"},
		"two gzip members":  {append(zipped(t, "a received\n"), zipped(t, "b received\n")...), []string{"Content-Type", ndjson, "Content-Encoding", "gzip"}, 200, "2 0 [] 2"},
		"mixed":             {lines, []string{"Content-Type", ndjson}, 200, "3 1 [2 3 5] 7"},
		"many":              {[]byte(numbered(2500)), []string{"Content-Type", ndjson}, 200, "2500 0 [] 2500"},
		"as many as can be": {[]byte(numbered(3000)), []string{"Content-Type", ndjson}, 200, "3000 0 [] 3000"},
		"document":          {[]byte(numbered(1500)), []string{"Content-Type", "application/xml"}, 200, "1500 0 [] 1500"},
		"cloud event": {[]byte(`{"specversion":"1.0","id":"c1","source":"/s","type":"x","data":{"id":"a","state":"settled"}}`),
			[]string{"Content-Type", "application/cloudevents+json"}, 200, "1 0 [] 1"},

		"too many lines":       {[]byte(numbered(3001)), []string{"Content-Type", ndjson}, 413, "3000 0 [] 3000"},
		"too many events":      {[]byte(numbered(3001)), []string{"Content-Type", "application/xml"}, 413, "3000 0 [] 3000"},
		"too large":            {bytes.Repeat([]byte("a received\n"), 10_000), []string{"Content-Type", "application/xml"}, 413, ""},
		"inflates too large":   {zipped(t, strings.Repeat("a received\n", 10_000)), []string{"Content-Type", "application/xml", "Content-Encoding", "gzip"}, 413, ""},
		"a long line":          {bytes.Repeat([]byte("a"), 200_000), []string{"Content-Type", ndjson}, 413, "0 0 [] 0"},
		"cut-off gzip":         {zipped(t, numbered(500))[:300], []string{"Content-Type", ndjson, "Content-Encoding", "gzip"}, 400, "0 0 [] 0"},
		"no gzip":              {[]byte("a received\n"), []string{"Content-Type", ndjson, "Content-Encoding", "gzip"}, 400, "0 0 [] 0"},
		"empty gzip":           {nil, []string{"Content-Type", ndjson, "Content-Encoding", "gzip"}, 400, "0 0 [] 0"},
		"brotli":               {[]byte("a received\n"), []string{"Content-Type", ndjson, "Content-Encoding", "br"}, 415, "0 0 [] 0"},
		"no type":              {[]byte("a received\n"), nil, 415, "0 0 [] 0"},
		"another type":         {[]byte("a received\n"), []string{"Content-Type", "text/csv"}, 415, "0 0 [] 0"},
		"another charset":      {[]byte("{}"), []string{"Content-Type", "application/json; charset=utf-16"}, 415, "0 0 [] 0"},
		"not JSON":             {[]byte("{"), []string{"Content-Type", "application/json"}, 400, "0 0 [] 0"},
		"nothing":              {nil, []string{"Content-Type", ndjson}, 400, "0 0 [] 0"},
		"a mistake on the way": {[]byte("a received\n!\nb received\n"), []string{"Content-Type", "application/xml"}, 400, "0 0 [] 0"},
		"a late mistake":       {[]byte(numbered(1200) + "!\n"), []string{"Content-Type", "application/xml"}, 400, "1000 0 [] 1000"},
		"nothing of use":       {[]byte(`{"id":"a","state":"refused"}`), []string{"Content-Type", "application/json"}, 422, "0 0 [0] 1"},
		"no line of use":       {[]byte("!\n!\n"), []string{"Content-Type", ndjson}, 422, "0 0 [0 1] 2"},
	} {
		t.Run(name, func(t *testing.T) {
			sink := &fakesink.Sink{}
			w, got := ask(t, newHandler(sink, nil), request(bytes.NewReader(tt.body), tt.headers...))
			indices := []int{}
			for _, r := range got.Rejected {
				indices = append(indices, r.Index)
				if r.Reason == "" {
					t.Error("a rejection has no reason")
				}
			}
			is := fmt.Sprint(got.Accepted, got.Duplicates, indices, got.Taken)
			if w.Code != tt.status || tt.want != "" && is != tt.want {
				t.Errorf("got %d with %q (%s), want %d with %q", w.Code, is, got.Error, tt.status, tt.want)
			}
			if have := len(sink.Accepted()); have != got.Accepted {
				t.Errorf("the answer says %d, the sink has %d", got.Accepted, have)
			}
			for _, n := range sink.Batches() {
				if n > 1000 {
					t.Errorf("%d events were put at once", n)
				}
			}
		})
	}
}

// It makes no difference in which pieces a body comes in, nor where in a piece a line ends.
func TestLinesInPieces(t *testing.T) {
	long := strings.Repeat("x", 66_000) // of no use, and longer than what is read at once
	text := numbered(1200) + "\n" + long + "\n\n" + numbered(900) + "last received"
	for name, pieces := range map[string]func(io.Reader) io.Reader{
		"at once": iotest.DataErrReader, "a byte": iotest.OneByteReader, "halves": iotest.HalfReader,
	} {
		t.Run(name, func(t *testing.T) {
			sink := &fakesink.Sink{}
			w, got := ask(t, newHandler(sink, nil), request(pieces(strings.NewReader(text)), "Content-Type", ndjson))
			if w.Code != 200 || got.Accepted != 1201 || got.Duplicates != 900 || got.Taken != 2104 || len(got.Rejected) != 1 || got.Rejected[0].Index != 1201 {
				t.Errorf("got %d: accepted %d, taken %d, rejected %+v (%s)", w.Code, got.Accepted, got.Taken, got.Rejected, got.Error)
			}
			if n := sink.Batches(); len(n) != 3 || n[0] != 1000 || sink.Events()[1200].ID != "last" {
				t.Errorf("put in parts of %v", n)
			}
		})
	}
}

func TestBinaryCloudEvent(t *testing.T) {
	headers := []string{
		"Content-Type", "application/json", "Ce-Specversion", "1.0", "Ce-Id", "c%201", "Ce-Source", "/bank/%E2%82%AC",
		"Ce-Type", "payment", "Ce-Data", "no attribute",
	}
	sink := &fakesink.Sink{}
	w, got := ask(t, newHandler(sink, nil), request(strings.NewReader(`{"id":"a","state":"settled"}`), headers...))
	if w.Code != 200 || got.Accepted != 1 {
		t.Fatalf("got %d: %+v", w.Code, got)
	}
	if e := sink.Events()[0]; e.ID != "a" || e.Reference != "c 1|/bank/€" {
		t.Errorf("got %+v", e)
	}
	// What follows the data cannot become an attribute.
	w, got = ask(t, newHandler(sink, nil), request(strings.NewReader(`{"id":"b","state":"settled"},"source":"x"`), headers...))
	if w.Code != 400 {
		t.Errorf("got %d: %+v", w.Code, got)
	}
	headers[7] = "%zz"
	if w, got = ask(t, newHandler(sink, nil), request(strings.NewReader(`{}`), headers...)); w.Code != 400 {
		t.Errorf("got %d: %+v", w.Code, got)
	}
	// Of a body that is no JSON the headers say nothing that is needed.
	headers[1] = "application/xml"
	if w, got = ask(t, newHandler(sink, nil), request(strings.NewReader("x settled"), headers...)); w.Code != 200 || got.Accepted != 1 {
		t.Errorf("got %d: %+v", w.Code, got)
	}
}

func TestSinkSaysNo(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		retry  string
	}{
		{fmt.Errorf("queue: %w", transactions.ErrBusy), 429, "1"},
		{fmt.Errorf("journal: %w", transactions.ErrFull), 507, ""},
		{context.Canceled, 503, "5"},
		{errors.New("disk /secret/path failed"), 500, "5"},
	} {
		puts := 0
		sink := &fakesink.Sink{Before: func(transactions.Batch) error {
			if puts++; puts == 3 {
				return tt.err
			}
			return nil
		}}
		w, got := ask(t, newHandler(sink, nil), request(strings.NewReader(numbered(2500)), "Content-Type", ndjson))
		if w.Code != tt.status || got.Accepted != 2000 || got.Taken != 2000 || w.Header().Get("Retry-After") != tt.retry {
			t.Errorf("%v: got %d with %+v, Retry-After %q", tt.err, w.Code, got, w.Header().Get("Retry-After"))
		}
		if strings.Contains(got.Error, "/secret") {
			t.Errorf("the answer tells of the agent's inside: %s", got.Error)
		}
		// Sending the rest as the answer says brings everything over once.
		rest := strings.SplitAfterN(numbered(2500), "\n", got.Taken+1)[got.Taken]
		if w, got = ask(t, newHandler(sink, nil), request(strings.NewReader(rest), "Content-Type", ndjson)); w.Code != 200 || got.Accepted != 500 || got.Duplicates != 0 {
			t.Errorf("the rest: got %d with %+v", w.Code, got)
		}
	}
}

func TestAnswerComesAfterStoring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		sink := &fakesink.Sink{Before: func(transactions.Batch) error { <-release; return nil }}
		h := newHandler(sink, nil)
		recorders := []*httptest.ResponseRecorder{httptest.NewRecorder(), httptest.NewRecorder()}
		for i, w := range recorders {
			go h.ServeHTTP(w, request(strings.NewReader(fmt.Sprintf("a%d received", i)), "Content-Type", ndjson))
		}
		synctest.Wait()
		for _, w := range recorders {
			if w.Body.Len() > 0 {
				t.Errorf("answered before the events were stored: %s", w.Body)
			}
		}
		// Two are being read, which is as many as may be.
		if w, _ := ask(t, h, request(strings.NewReader("b received"), "Content-Type", ndjson)); w.Code != 429 || w.Header().Get("Retry-After") == "" {
			t.Errorf("the third is answered %d", w.Code)
		}
		close(release)
		synctest.Wait()
		for _, w := range recorders {
			if w.Code != 200 || !strings.Contains(w.Body.String(), `"accepted":1`) {
				t.Errorf("got %d: %s", w.Code, w.Body)
			}
		}
		if w, _ := ask(t, h, request(strings.NewReader("b received"), "Content-Type", ndjson)); w.Code != 200 {
			t.Errorf("the fourth is answered %d", w.Code)
		}
	})
}

func TestStopping(t *testing.T) {
	stopping := make(chan struct{})
	sink := &fakesink.Sink{Before: func(transactions.Batch) error { close(stopping); return nil }}
	h := newHandler(sink, stopping)
	w, got := ask(t, h, request(strings.NewReader(numbered(2000)), "Content-Type", ndjson))
	if w.Code != 503 || got.Taken != 1000 || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d with %+v", w.Code, got)
	}
	if w, _ = ask(t, h, request(strings.NewReader("a received"), "Content-Type", ndjson)); w.Code != 503 {
		t.Errorf("got %d", w.Code)
	}
}

func TestMethod(t *testing.T) {
	w, _ := ask(t, newHandler(&fakesink.Sink{}, nil), httptest.NewRequest(http.MethodGet, "/api/v1/transactions", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
}

func TestConfig(t *testing.T) {
	if err := httpin.Default().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	err := httpin.Config{MaxBytes: 10, MaxEvents: -1, MaxRequests: 5000}.Validate()
	for _, key := range []string{"max_bytes: got 10", "max_events: got -1", "max_requests: got 5000"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got %v, want %s", err, key)
		}
	}
}

// FuzzBody: whatever is sent, the answer is JSON with a status that fits, and says what the sink has.
func FuzzBody(f *testing.F) {
	f.Add([]byte("a received\nb settled"), ndjson, "", false)
	f.Add([]byte("\x1f\x8b\x08\x00"), ndjson, "gzip", false)
	f.Add([]byte(`{"id":"a","state":"x"}`), "application/json", "identity", true)
	f.Add([]byte("!\n\n\n"), "application/xml; charset=x", "x-gzip", true)
	f.Fuzz(func(t *testing.T, data []byte, media, encoding string, cloud bool) {
		sink := &fakesink.Sink{}
		r := request(bytes.NewReader(data), "Content-Type", media, "Content-Encoding", encoding)
		if cloud {
			r.Header.Set("Ce-Specversion", "1.0")
		}
		w, got := ask(t, newHandler(sink, nil), r)
		if got.Accepted != len(sink.Accepted()) || w.Code == 500 {
			t.Errorf("got %d: %s", w.Code, w.Body)
		}
	})
}
