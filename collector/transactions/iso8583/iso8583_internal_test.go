package iso8583

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	lib "github.com/moov-io/iso8583"

	"github.com/assayer-io/assayer/collector/transactions"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func decode(t testing.TB, c Config, r io.Reader) ([]string, error) {
	t.Helper()
	dec, err := newAt(c, noon)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = dec(r, func(e transactions.Event) error {
		line := fmt.Sprintf("%s%s %s%s at %s id %s", e.State, e.Direction, e.Amount, e.Currency, e.At.Format("2006-01-02T15:04:05.999"), e.ID)
		if e.Counterparty != "" {
			line += " with " + e.Counterparty
		}
		if e.Reason.Code != "" {
			line += " for " + e.Reason.Scheme + "/" + e.Reason.List + "/" + e.Reason.Code
		}
		if strings.Contains(fmt.Sprintf("%+v", e), "4111") {
			t.Errorf("an event holds the card number: %+v", e)
		}
		got = append(got, line)
		return nil
	})
	if err != nil && strings.Contains(err.Error(), "4111") {
		t.Errorf("an error shows the card number: %v", err)
	}
	return got, err
}

func TestJSON(t *testing.T) {
	raw, err := os.ReadFile("testdata/switch.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"received 12.34EUR at 2026-11-21T10:00:00.1 id 632510000001",
		"approved 12.34EUR at 2026-11-21T10:00:00.9 id 632510000001 for iso8583/f39/00",
		"received 700JPY at 2026-11-21T10:00:01 id 632510000002",
		"declined  at 2026-11-21T10:00:01 id 632510000002 for iso8583/f39/91",
		"in_doubt  at 2026-11-21T10:00:02 id 632510000003 for iso8583/f39/68",
		"in_doubt  at 2026-11-21T10:00:13 id 632510000003",
		"declined  at 2026-11-21T10:00:14 id 632510000003 for iso8583/f39/68",
		"reversed  at 2026-11-21T10:00:15 id 632510000004",
		"approved  at 2026-11-21T10:00:16 id 632510000005 for iso8583/f39/10",
		"received  at 2026-11-21T10:00:17 id stan 000006 1121100017",
		"in_doubt  at 2026-11-21T10:00:30 id stan 000006 1121100017",
		"approved  at 2026-11-21T10:00:32 id 632510000009 for iso8583/f39/000",
	}
	for spelling, r := range map[string]io.Reader{"at once": bytes.NewReader(raw), "a byte at a time": iotest.OneByteReader(bytes.NewReader(raw))} {
		if got, err := decode(t, Default(), r); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v\n got %s\nwant %s", spelling, err, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
}

func TestOtherKeys(t *testing.T) {
	c := Default()
	c.MTIKey, c.FieldsKey, c.TimeKey, c.Direction, c.IDFields = "type", "", "ts", "in", []int{32, 37}
	c.Names = map[string]string{"37": "rrn", "39": "response_code", "32": "acquirer"}
	got, err := decode(t, c, strings.NewReader(`{"type":"0110","ts":"2026-11-21T11:00:00+01:00","rrn":"1","response_code":"05","acquirer":"400123"}`))
	if want := "declinedin  at 2026-11-21T10:00:00 id 400123 1 with 400123 for iso8583/f39/05"; err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%v, %v", got, err)
	}
}

// TestTheYear: field 7 has none, so it is the one that is nearest.
func TestTheYear(t *testing.T) {
	newYear := time.Date(2026, 1, 1, 0, 0, 5, 0, time.UTC)
	if at, err := transmitted("0229120000", newYear); err == nil {
		t.Errorf("29 February, which no near year has: %v", at)
	}
	for text, want := range map[string]string{"1231235959": "2025-12-31T23:59:59", "0101000000": "2026-01-01T00:00:00"} {
		at, err := transmitted(text, newYear)
		if err != nil || at.Format("2006-01-02T15:04:05") != want {
			t.Errorf("%s: %v, %v", text, at, err)
		}
	}
}

// packed is a message as the library packs it.
func packed(t testing.TB, mti string, fields map[int]string) []byte {
	t.Helper()
	m := lib.NewMessage(lib.Spec87)
	m.MTI(mti)
	for n, v := range fields {
		if err := m.Field(n, v); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestWire(t *testing.T) {
	request := packed(t, "0100", map[int]string{2: "4111111111111111", 3: "100000", 4: "000000001234", 7: "1121100000", 11: "000001", 37: "632510000001", 41: "TERM0001", 49: "978"})
	answer := packed(t, "0110", map[int]string{2: "4111111111111111", 7: "1121100000", 11: "000001", 37: "632510000001", 39: "51"})
	want := []string{"received 12.34EUR at 2026-11-21T10:00:00 id 632510000001", "declined  at 2026-11-21T10:00:00 id 632510000001 for iso8583/f39/51"}
	two, four := []byte{}, []byte{}
	for _, m := range [][]byte{request, answer} {
		two = append(binary.BigEndian.AppendUint16(two, uint16(len(m))), m...)
		four = append(fmt.Appendf(four, "%04d", len(m)), m...)
	}
	for length, stream := range map[string][]byte{"binary2": two, "ascii4": four, "none": request} {
		c := Default()
		c.Encoding, c.Length = "ascii", length
		expect := want
		if length == "none" {
			expect = want[:1]
		}
		if got, err := decode(t, c, iotest.OneByteReader(bytes.NewReader(stream))); err != nil || !slices.Equal(got, expect) {
			t.Errorf("%s: %v, %v", length, got, err)
		}
	}
	// The bitmap's sixteen digits as eight bytes.
	bits, err := hex.DecodeString(string(request[4:20]))
	if err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Encoding, c.Length = withBytes, "none"
	raw := slices.Concat(request[:4], bits, request[20:])
	if got, err := decode(t, c, bytes.NewReader(raw)); err != nil || !slices.Equal(got, want[:1]) {
		t.Errorf("bitmap of bytes: %v, %v", got, err)
	}
	c.Encoding, c.Length = "ascii", "binary2"
	for name, test := range map[string]struct{ in, want string }{
		"cut in the length":  {"\x00", "message 1: the input ends within it"},
		"cut in the message": {string(two[:len(two)-3]), "message 2: the input ends within it"},
		"too long":           {"\xff\xff", "message 1: a length of 65535 bytes, allowed: up to 9999"},
		"no type":            {"\x00\x02xx", "message 1: no message type"},
		"no bitmap":          {"\x00\x060100zz", "message 1: no bitmap"},
		"another layout":     {"\x00\x180100" + "7000000000000000" + "1941", "message 1: field 4, or one before it, is not as the layout has it"},
	} {
		if _, err := decode(t, c, strings.NewReader(test.in)); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	const ok = `{"mti":"0100","fields":{"7":"1121100000","37":"1"}}` + "\n"
	for _, test := range []struct{ in, want string }{
		{"0100 4111111111111111", "line 2: a line that is not a JSON object"},
		{"null", "line 2: a line that is not a JSON object"},
		{`{"fields":{}}`, "line 2: mti: allowed: a message type of four digits, such as 0100"},
		{`{"mti":100}`, "line 2: mti: allowed: a string"},
		{`{"mti":"0100","fields":[]}`, "line 2: fields: allowed: an object"},
		{`{"mti":"0100","fields":{"37":4111111111111111}}`, "line 2: 37: allowed: a string"},
		{`{"mti":"0100","fields":{"37":"` + strings.Repeat("4111", 40) + `"}}`, "line 2: 37: more than 64 bytes"},
		{`{"mti":"0100","at":"now"}`, "line 2: at: allowed: a time such as 2026-11-21T10:00:00Z (RFC 3339)"},
		{`{"mti":"0100","fields":{"37":"1"}}`, "line 2: a message without a time: neither its own key nor field 7"},
		{`{"mti":"0100","fields":{"7":"4111","37":"1"}}`, "line 2: field 7: allowed: a time MMDDhhmmss"},
		{`{"mti":"0110","fields":{"7":"1121100000","37":"1"}}`, "line 2: an answer without its response code (field 39)"},
		{`{"mti":"0100","fields":{"7":"1121100000","4":"12.34","49":"978"}}`, "line 2: field 4: allowed: an amount of digits"},
		{`{"mti":"0100","fields":{"7":"1121100000","4":"1","49":"411"}}`, "line 2: field 49: allowed: a currency of ISO 4217, as a number or code"},
		{`{"x":"` + strings.Repeat("4111", 20_000) + `"}`, "line 2: more than 65536 bytes"},
	} {
		got, err := decode(t, Default(), strings.NewReader(ok+test.in+"\n"))
		if err == nil || err.Error() != test.want || len(got) != 1 {
			t.Errorf("%.60s: %d events, got %v, want %s", test.in, len(got), err, test.want)
		}
	}
	dec, err := New(Default())
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	if err := dec(strings.NewReader(ok), func(transactions.Event) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v, want the sink's own error", err)
	}
	_, err = New(Config{Direction: "up", Encoding: "ebcdic", IDFields: []int{2, 39}, Names: map[string]string{"2": "pan"}})
	for _, part := range []string{"rail: has no value", `direction: got "up"`, `encoding: got "ebcdic"`, `length: got ""`, "id_fields[0]: got 2", "id_fields[1]: got 39", `field_names: got 2: "pan"`, "mti_key: has no value"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %s", err, part)
		}
	}
}

// FuzzDecode: no input ends the agent, in any encoding, and no error shows what stands there.
func FuzzDecode(f *testing.F) {
	raw, err := os.ReadFile("testdata/switch.ndjson")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(raw) {
		f.Add(bytes.Clone(line))
	}
	m := packed(f, "0110", map[int]string{2: "4111111111111111", 7: "1121100000", 37: "632510000001", 39: "51"})
	f.Add(m)
	f.Add(append([]byte{0, byte(len(m))}, m...))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, c := range []struct{ encoding, length string }{{"json", "none"}, {"ascii", "none"}, {"ascii", "binary2"}, {withBytes, "ascii4"}} {
			cfg := Default()
			cfg.Encoding, cfg.Length = c.encoding, c.length
			dec, err := newAt(cfg, noon)
			if err != nil {
				t.Fatal(err)
			}
			_ = dec(bytes.NewReader(in), func(e transactions.Event) error {
				if e.Rail != "card" || e.State == "" || e.At.IsZero() {
					t.Errorf("%+v", e)
				}
				return nil
			})
		}
	})
}
