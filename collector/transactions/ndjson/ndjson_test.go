package ndjson_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/ndjson"
)

func decode(r io.Reader) ([]transactions.Event, error) {
	var events []transactions.Event
	err := ndjson.New()(r, func(e transactions.Event) error {
		events = append(events, e)
		return nil
	})
	return events, err
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

// full is the event of testdata/event.json, and of every other spelling of it.
func full() transactions.Event {
	e := transactions.Event{
		UETR: "0f8fad5b-d9cb-469f-a165-70867728950e", ID: "a1", EndToEndID: "INV-7", Reference: "CSM-9",
		Rail: "sct-inst", State: "rejected", At: at("2026-11-21T10:00:00.25Z"), Amount: "12.34", Currency: "EUR",
		Direction: "out", Role: "debtor_agent", Counterparty: "DEUTDEFF", Deadline: at("2026-11-21T10:00:10Z"),
		Original: &transactions.Event{ID: "a0", EndToEndID: "INV-6"}, External: true,
	}
	e.Reason.Scheme, e.Reason.List, e.Reason.Code = "iso20022", "status", "AC04"
	return e
}

func TestOneEventInEverySpelling(t *testing.T) {
	for name, count := range map[string]int{
		"event.json": 1, "lines.ndjson": 2, "array.json": 2, "cloudevent.json": 1, "cloudevents.json": 2, "escaped.json": 1,
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for spelling, r := range map[string]io.Reader{
			"at once": strings.NewReader(string(raw)), "a byte at a time": iotest.OneByteReader(strings.NewReader(string(raw))),
			"with its end": iotest.DataErrReader(strings.NewReader(string(raw))),
		} {
			events, err := decode(r)
			if err != nil || len(events) != count {
				t.Errorf("%s, %s: %d events and %v, want %d", name, spelling, len(events), err, count)
				continue
			}
			for _, e := range events {
				if want := full(); !reflect.DeepEqual(e, want) {
					t.Errorf("%s, %s:\n got %+v\nwant %+v", name, spelling, e, want)
				}
			}
		}
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	for _, test := range []struct {
		name, in string
		want     []transactions.Event
	}{
		{"nothing", "", nil},
		{"white space", " \r\n\t\n", nil},
		{"no events", "[] \n [\n]", nil},
		{"null", `{"id":"a","rail":null,"amount":null,"reason":null,"deadline":null,"original":null,"external":null,"at":null}`, []transactions.Event{{ID: "a"}}},
		{"null within", `{"amount":{"value":null,"currency":"EUR"}}`, []transactions.Event{{Currency: "EUR"}}},
		{"unknown keys", `{"ID":"not ours","x":[{"y":[1.5e3,{}]},"]}"],"id":"a","":{},"source":1,"data":[2],"data":3,"amount":{"cents":12}}`, []transactions.Event{{ID: "a"}}},
		{"the word of an envelope elsewhere", `{"id":"a","x":"specversion","y":{"specversion":"1.0"}}`, []transactions.Event{{ID: "a"}}},
		{"no white space between", `{"id":"a"}{"id":"b"}[{"id":"c"}]`, []transactions.Event{{ID: "a"}, {ID: "b"}, {ID: "c"}}},
		{"an offset", `{"at":"2026-11-21T11:00:00+01:00"}`, []transactions.Event{{At: at("2026-11-21T10:00:00Z")}}},
		{"an envelope's own", `{"specversion":"1.0","id":"7","source":"/hub","time":"2026-11-21T10:00:00Z","data":{"state":"sent"},"rail":5}`,
			[]transactions.Event{{ID: "/hub 7", State: "sent", At: at("2026-11-21T10:00:00Z")}}},
		{"an envelope's, not needed", `{"data":{"reference":"r","at":"2026-11-21T09:00:00Z"},"specversion":"1.0","id":"7","source":"/hub","time":"2026-11-21T10:00:00Z"}`,
			[]transactions.Event{{Reference: "r", At: at("2026-11-21T09:00:00Z")}}},
	} {
		events, err := decode(strings.NewReader(test.in))
		if err != nil || !reflect.DeepEqual(events, test.want) {
			t.Errorf("%s: got %+v, %v", test.name, events, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	const ok = `{"id":"a"}` + "\n"
	for _, test := range []struct{ in, want string }{
		{ok + `5`, "line 2: got a number, allowed: an object or an array of objects"},
		{ok + `null`, "line 2: got null, allowed: an object or an array of objects"},
		{ok + `not json`, `line 2: got "n", allowed: an object or an array of objects`},
		{ok + "id=7", `line 2: got "i", allowed: an object or an array of objects`},
		{ok + "\n\n" + `{"id":7}`, "line 4: id: got a number, allowed: a string"},
		{ok + "{\n" + `"amount": {"value": 12.34}}`, "line 3: amount.value: got a number, allowed: a string"},
		{ok + `{"amount":"12.34 EUR"}`, "line 2: amount: got a string, allowed: an object"},
		{ok + `{"reason":{"code":["AC04"]}}`, "line 2: reason.code: got an array, allowed: a string"},
		{ok + `{"original":{"id":{}}}`, "line 2: original.id: got an object, allowed: a string"},
		{ok + `{"external":"yes"}`, "line 2: external: got a string, allowed: true or false"},
		{ok + `{"at":1763719200}`, "line 2: at: got a number, allowed: a string"},
		{ok + `{"at":"21.11.2026"}`, "line 2: at: allowed: a time such as 2026-11-21T10:00:00Z (RFC 3339)"},
		{ok + `{"at":""}`, "line 2: at: allowed: a time such as 2026-11-21T10:00:00Z (RFC 3339)"},
		{ok + `{"at":"2026-02-30T10:00:00Z"}`, "line 2: at: allowed: a time such as 2026-11-21T10:00:00Z (RFC 3339)"},
		{ok + `{"id":"a","id":"b"}`, "line 2: id: stands twice in one object"},
		{ok + `{"amount":{"value":"1","value":"2"}}`, "line 2: amount.value: stands twice in one object"},
		{ok + `{"id":"a"`, "line 2: the input ends within an object"},
		{ok + `[{"id":"a"}`, "line 2: the input ends within an array"},
		{ok + `[{"id":"a"},]`, `line 2: got "]" in an array, allowed: an object`},
		{ok + `[{"id":"a"} {"id":"b"}]`, "line 2: got an object after an object of an array, allowed: a comma or the array's end"},
		{ok + `[[{"id":"a"}]]`, "line 2: got an array in an array, allowed: an object"},
		{ok + `{"id":"a",}`, `line 2: got "}", allowed: a key in quotes`},
		{ok + `{"id" "a"}`, "line 2: got a string, allowed: a colon behind the key"},
		{ok + `{"id":}`, `line 2: got "}", allowed: a value behind the key`},
		{ok + `{"id":"a" "rail":"b"}`, "line 2: got a string, allowed: a comma or the object's end"},
		{ok + `{"x":01}`, "line 2: a value that is not JSON"},
		{ok + `{"x":[1,]}`, "line 2: a value that is not JSON"},
		{ok + `{"id":"\x"}`, "line 2: id: a string with an escape that JSON does not have"},
		{ok + "{\"id\":\"a\n\"}", "line 2: a string that is not closed, or has a control character"},
		{ok + "{\"id\":\"\xff\"}", "line 2: text that is not UTF-8"},
		{ok + "\x00", "line 2: got the byte 0x00, allowed: an object or an array of objects"},
		{ok + `{"x":` + strings.Repeat("[", 100), "line 2: values nested deeper than 64 levels"},
		{ok + `{"id":"` + strings.Repeat("a", 70_000) + `"}`, "line 2: an object of more than 65536 bytes"},
		{ok + `{"specversion":"0.3","data":{}}`, "line 2: specversion: allowed: 1.0, as a string"},
		{ok + `{"specversion":1.0,"data":{}}`, "line 2: specversion: got a number, allowed: a string"},
		{ok + `{"specversion":"1.0","id":"a"}`, "line 2: data: has no value; allowed: an event"},
		{ok + `{"specversion":"1.0","data":"<xml/>"}`, "line 2: data: got a string, allowed: an object"},
		{ok + `{"specversion":"1.0","data_base64":"e30="}`, "line 2: data_base64: allowed: an event as JSON, in data"},
		{ok + `{"specversion":"1.0","data":{"amount":{"currency":1}}}`, "line 2: data.amount.currency: got a number, allowed: a string"},
		{ok + `{"specversion":"1.0","data":{},"data":{}}`, "line 2: data: stands twice in one object"},
	} {
		events, err := decode(strings.NewReader(test.in))
		if err == nil || err.Error() != test.want {
			t.Errorf("%.60q:\n got %v\nwant %v", test.in, err, test.want)
		}
		if len(events) == 0 || events[0].ID != "a" {
			t.Errorf("%.60q: what came before it was not handed on: %+v", test.in, events)
		}
	}
}

func TestEmitAndReadErrorsEndIt(t *testing.T) {
	full := errors.New("full")
	seen := 0
	err := ndjson.New()(strings.NewReader(`{"id":"a"}{"id":"b"}{"id":"c"}`), func(transactions.Event) error {
		if seen++; seen == 2 {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) || seen != 2 {
		t.Errorf("got %v after %d events, want the sink's own error after 2", err, seen)
	}
	// A sink whose own connection has ended is not an input that has ended.
	if err := ndjson.New()(strings.NewReader(`[{"id":"a"}]`), func(transactions.Event) error { return io.EOF }); !errors.Is(err, io.EOF) || strings.Contains(err.Error(), "array") {
		t.Errorf("got %v", err)
	}
	lost := errors.New("connection lost")
	events, err := decode(io.MultiReader(strings.NewReader(`{"id":"a"}`+"\n"+`{"id"`), iotest.ErrReader(lost)))
	if !errors.Is(err, lost) || len(events) != 1 {
		t.Errorf("got %v after %d events, want the reader's error after 1", err, len(events))
	}
}

// generated is a stream that nobody could hold in memory.
type generated struct {
	line string
	left int64
}

func (g *generated) Read(b []byte) (int, error) {
	if g.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n+len(g.line) <= len(b) {
		n += copy(b[n:], g.line)
	}
	if n == 0 {
		n = copy(b, g.line)
		g.line = g.line[n:] + g.line[:n]
	}
	g.left -= int64(n)
	return n, nil
}

func TestMemoryOfALongStream(t *testing.T) {
	decode := ndjson.New()
	one := testing.AllocsPerRun(1, func() { _ = decode(strings.NewReader("{}"), func(transactions.Event) error { return nil }) })
	many := testing.AllocsPerRun(1, func() {
		events := 0
		r := io.MultiReader(&generated{line: `{"rail":"sct","state":"sent","at":"2026-11-21T10:00:00Z"}` + "\n", left: 4 << 20}, strings.NewReader("{}"))
		err := decode(r, func(transactions.Event) error { events++; return nil })
		if events < 70_000 {
			t.Errorf("%d events, then %v", events, err)
		}
	})
	// Every event costs the few small closures and nothing that stays.
	if many-one > 80_000*4 {
		t.Errorf("%v allocations for 70,000 events of known names", many-one)
	}
}
