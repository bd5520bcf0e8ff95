package ndjson_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/ndjson"
)

// BenchmarkDecode reads a stream of events as a gateway writes them: ns/op is the time of one event.
func BenchmarkDecode(b *testing.B) {
	var lines bytes.Buffer
	for i := range b.N {
		fmt.Fprintf(&lines, `{"id":"0f8fad5b-d9cb-469f-a165-%012x","end_to_end_id":"INV-2026-%09d","rail":"sct-inst","state":"settled","at":"2026-11-21T10:00:%02d.%03dZ","amount":{"value":"%d.%02d","currency":"EUR"},"reason":null,"direction":"out","counterparty":"DEUTDEFF","deadline":null}`+"\n",
			i, i, i%60, i%1000, i%10_000, i%100)
	}
	decode := ndjson.New()
	events := 0
	b.SetBytes(int64(lines.Len() / b.N))
	b.ReportAllocs()
	b.ResetTimer()
	err := decode(&lines, func(transactions.Event) error { events++; return nil })
	if err != nil || events != b.N {
		b.Fatalf("%d of %d events, %v", events, b.N, err)
	}
}

// BenchmarkMessages reads one event a call, as from a topic.
func BenchmarkMessages(b *testing.B) {
	message := []byte(`{"id":"0f8fad5b-d9cb-469f-a165-708677289501","rail":"sct-inst","state":"settled","at":"2026-11-21T10:00:00.123Z","amount":{"value":"12.34","currency":"EUR"},"direction":"out"}`)
	decode := ndjson.New()
	var r bytes.Reader
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(message)
		if err := decode(&r, func(transactions.Event) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
