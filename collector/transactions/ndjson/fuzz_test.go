package ndjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/assayer-io/assayer/collector/transactions"
)

// oracle reads the same language with encoding/json: slower, and by another route.
func oracle(in []byte) ([]transactions.Event, error) {
	var events []transactions.Event
	dec := json.NewDecoder(bytes.NewReader(in))
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return events, err
		}
		objects := []json.RawMessage{raw}
		if raw[0] == '[' {
			if err := json.Unmarshal(raw, &objects); err != nil {
				return events, err
			}
		}
		for _, object := range objects {
			e, err := oracleObject(object)
			if err != nil {
				return events, err
			}
			events = append(events, e)
		}
	}
}

var errOracle = errors.New("refused")

// keysOf lists an object's members in their order.
func keysOf(raw []byte) (map[string]json.RawMessage, []string, error) {
	if raw[0] != '{' {
		return nil, nil, errOracle
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, nil, err
	}
	values, keys := map[string]json.RawMessage{}, []string{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, nil, err
		}
		var val json.RawMessage
		if err := dec.Decode(&val); err != nil {
			return nil, nil, err
		}
		values[key.(string)] = val
		keys = append(keys, key.(string))
	}
	return values, keys, nil
}

func twice(keys []string, known ...string) bool {
	seen := map[string]int{}
	for _, k := range keys {
		seen[k]++
	}
	for _, k := range known {
		if seen[k] > 1 {
			return true
		}
	}
	return false
}

func oracleObject(raw []byte) (transactions.Event, error) {
	if !utf8.Valid(raw) {
		return transactions.Event{}, errOracle
	}
	values, keys, err := keysOf(raw)
	if err != nil {
		return transactions.Event{}, err
	}
	if _, is := values["specversion"]; !is {
		return oracleEvent(raw, true)
	}
	var c struct {
		ID, Source string
		Time       *time.Time
	}
	var version string
	if twice(keys, "specversion", "id", "source", "time", "data", "data_base64") ||
		json.Unmarshal(values["specversion"], &version) != nil || version != "1.0" || values["data_base64"] != nil ||
		values["data"] == nil || string(values["data"]) == "null" {
		return transactions.Event{}, errOracle
	}
	e, err := oracleEvent(values["data"], true)
	for key, into := range map[string]any{"id": &c.ID, "source": &c.Source, "time": &c.Time} {
		if values[key] != nil && json.Unmarshal(values[key], into) != nil {
			return e, errOracle
		}
	}
	if e.At.IsZero() && c.Time != nil {
		e.At = c.Time.UTC()
	}
	if e.ID+e.UETR+e.EndToEndID+e.Reference == "" && c.ID != "" {
		e.ID = c.Source + " " + c.ID
	}
	return e, err
}

func oracleEvent(raw []byte, outer bool) (transactions.Event, error) {
	var e transactions.Event
	values, keys, err := keysOf(raw)
	if err != nil {
		return e, err
	}
	var at, deadline *time.Time
	known := map[string]any{
		"id": &e.ID, "uetr": &e.UETR, "end_to_end_id": &e.EndToEndID, "reference": &e.Reference, "rail": &e.Rail,
		"state": &e.State, "at": &at, "direction": &e.Direction, "role": &e.Role, "counterparty": &e.Counterparty,
		"deadline": &deadline, "external": &e.External, "parties": &e.Parties,
	}
	err = oracleKeys(values, keys, known)
	for key, parts := range map[string]map[string]any{
		"amount": {"value": &e.Amount, "currency": &e.Currency},
		"reason": {"scheme": &e.Reason.Scheme, "list": &e.Reason.List, "code": &e.Reason.Code},
	} {
		if val := values[key]; val != nil && string(val) != "null" {
			inner, innerKeys, innerErr := keysOf(val)
			err = errors.Join(err, innerErr, oracleKeys(inner, innerKeys, parts))
		}
	}
	if val := values["original"]; outer && val != nil && string(val) != "null" {
		original, originalErr := oracleEvent(val, false)
		e.Original, err = &original, errors.Join(err, originalErr)
	}
	if twice(keys, "amount", "reason") || outer && twice(keys, "original") {
		err = errOracle
	}
	if at != nil {
		e.At = at.UTC()
	}
	if deadline != nil {
		e.Deadline = deadline.UTC()
	}
	return e, err
}

func oracleKeys(values map[string]json.RawMessage, keys []string, known map[string]any) error {
	for key, into := range known {
		if twice(keys, key) {
			return errOracle
		}
		if val := values[key]; val != nil {
			if err := json.Unmarshal(val, into); err != nil {
				return err
			}
		}
	}
	return nil
}

// FuzzDecode holds the decoder to encoding/json: the same events, and it refuses what that refuses.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"id":"a1","rail":"sct-inst","state":"received","at":"2026-11-21T10:00:00Z","amount":{"value":"12.34","currency":"EUR"},"direction":"out"}`,
		`[{"uetr":"u","reason":{"scheme":"iso20022","list":"status","code":"AC04"},"deadline":null},{"original":{"id":"o"},"external":true}]`,
		`{"specversion":"1.0","type":"t","source":"/s","id":"7","time":"2026-11-21T11:00:00.5+01:00","data":{"state":"sent"}}`,
		"{\"i\\u0064\":\"\\ud83d\\ude00\\ud800\"}\r\n{}\t[]", `{"x":[1,2,{"y":-0.5e+7}],"id":null}`, `{"a":[}]`, `{"id":"a","id":"b"}`, `{"a":"\"}`, `{"a":\"b"}`, `{"":}`, `{"a":nul}`,
		// What programs write, and what is nearly that.
		`{ "uetr": "0F8FAD5B-d9cb-469f-a165-708677289501", "reference":"r" , "parties":"a|b","role":"agent","counterparty":"DEUTDEFF","end_to_end_id":null,"state":null } {"id":""}`,
		`{"at":"2028-02-29T23:59:59.123456789Z","deadline":"2027-02-28T00:00:00.5Z"}{"at":"2027-02-29T00:00:00Z"}`, `{"at":"2026-11-21T24:00:00Z"}`, `{"at":"2026-11-21T10:00:60Z"}`,
		`{"at":"2026-11-21T10:00:00.Z"}`, `{"at":"2026-11-21T10:00:00,5Z"}`, `{"at":"2026-11-21T10:00:00.1234567891Z"}`, `{"at":"2026-11-21T10:00:00+00:00"}`, `{"at":"2026-11-21T1 :00:00Z"}`,
		`{"amount":{"currency":"EUR","value":"1"}}`, `{"amount":{"value":"","value":""}}`, `{"amount":{"value":"1","other":{}}}`, `{"amount":{}}`, `{"amount":{"value":1}}`, `{"amount":null,"amount":null}`,
		`{"reason":{"code":"AC04","scheme":"iso20022","list":null}}{"reason":{}}`, `{"reason":{"code":"AC04","code":"AC04"}}`, `{"reason":{"code":4}}`, `{"reason":{"code":"AC04","text":"no"}}`, `{}`, `{"amount":[]}`,
		`{"id":"a",}`, `{"id":"a" "uetr":"b"}`, `{"id":"a"`, `{"id":"seven77"}`, `{"id":"eight888"}`, "{\"id\":\"seven77\x00\"}", "{\"id\":\"sixteen_bytes_16\x1f\"}", `{"id":"sixteen_bytes_16\n"}`, "{\"id\":\"\x7f é\"}",
		// One after the other: values as long as those before, more and less than those, and cut.
		`{"rail":"card","state":"sent","direction":"out","counterparty":"AAAADEFF","amount":{"currency":"EUR"},"reason":{"scheme":"iso20022","list":"status","code":"AC04"}}` +
			`{"rail":"fpsx","state":"done","direction":"ins","counterparty":"BBBBFRPP","amount":{"currency":"USD"},"reason":{"scheme":"iso20023","list":"return","code":"AM09"}}`,
		`{"state":"sent"}{"state":"sent1"}{"state":"sen"}{"state":""}{"state":"sent"}`, `{"state":"sent"}{"state":xsent"}`, `{"state":"sent"}{"state":"sentx}`, `{"state":"sent"}{"state":"sent`,
		`{"state":"sent"}{"state":"sent"`, `{"reference":"r-7"}`, `{"parties":"a|b"}{"role":"agent"}`, `{"value":"1"}`, `{"currency":"EUR","scheme":"s","list":"l","code":"c"}`, `{"amount":{"id":"a"}}`,
		`{"reason":{"value":"1"}}`, `{"amount":{"code":"AC04"}}`, `{"end_to_end_id":"e","uetr":"u","deadline":"2026-11-21T10:00:00Z"}`,
		`{"a":1]`, `[{}}`, `{"at":"0000-01-01T00:00:00Z"}`, `{"specversion":"1.0","specversion":"1.0","data":{}}`, "{\"a\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := decode(bytes.NewReader(in))
		slow, slowErr := decode(iotest.HalfReader(bytes.NewReader(in)))
		if !reflect.DeepEqual(got, slow) || (err == nil) != (slowErr == nil) || err != nil && err.Error() != slowErr.Error() {
			t.Fatalf("in pieces: %v, at once: %v", slowErr, err)
		}
		want, wantErr := oracle(in)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got %v, encoding/json %v", err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, encoding/json %+v", got, want)
		}
	})
}
