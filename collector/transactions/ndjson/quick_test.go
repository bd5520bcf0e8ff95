package ndjson

import (
	"testing"

	"github.com/assayer-io/assayer/collector/transactions"
)

// What programs write is read in one pass, whatever another one has written before. What is not, the parser reads all the
// same, so that nothing but this test would tell.
func TestQuickReadsWhatProgramsWrite(t *testing.T) {
	spellings := map[string]string{
		"compact": `{"uetr":"0f8fad5b-d9cb-469f-a165-708677289501","rail":"card","state":"declined","at":"2026-11-21T10:00:00.25Z","amount":{"value":"12.34","currency":"EUR"},"reason":{"scheme":"iso8583","code":"51"},"direction":"out"}`,
		"spaced":  `{"uetr": "0f8fad5b-d9cb-469f-a165-708677289501", "rail": "card", "state": "declined", "at": "2026-11-21T10:00:00.25Z", "amount": {"value": "12.34", "currency": "EUR"}, "reason": {"scheme": "iso8583", "code": "51"}, "direction": "out"}`,
		"ordered": `{"amount":{"currency":"EUR","value":"12.34"},"at":"2026-11-21T10:00:00.25Z","deadline":null,"direction":"out","rail":"card","reason":{"code":"51","scheme":"iso8583"},"state":"declined","uetr":"0f8fad5b-d9cb-469f-a165-708677289501"}`,
	}
	var want transactions.Event
	d := &decoder{names: map[string]string{}}
	for before, first := range spellings {
		for after, second := range spellings {
			for _, text := range []string{first, second} {
				var e transactions.Event
				if n := d.quick([]byte(text+"\n{"), &e); n != len(text) {
					t.Errorf("%s after %s: %d bytes of %d were read in one pass", after, before, n, len(text))
				}
				if want.UETR == "" {
					want = e
				}
				if e != want || e.Reason.Code != "51" || e.Amount != "12.34" {
					t.Errorf("%s after %s: got %+v, want %+v", after, before, e, want)
				}
			}
		}
	}
}
