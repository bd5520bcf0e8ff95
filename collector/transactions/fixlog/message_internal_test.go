package fixlog

import (
	"bytes"
	"os"
	"testing"

	"github.com/quickfixgo/quickfix"
)

// theirs is a message as quickfix reads it; false: it does not, one way or another.
func theirs(raw []byte) (m *quickfix.Message, ok bool) {
	defer func() {
		if recover() != nil { // it runs past the last field of a message without a checksum
			ok = false
		}
	}()
	m = quickfix.NewMessage()
	return m, quickfix.ParseMessage(m, bytes.NewBuffer(raw)) == nil
}

func (m message) compare(t *testing.T, raw []byte, their *quickfix.Message) {
	t.Helper()
	for number := range 1000 {
		if !read(tag(number)) || bytes.Count(raw, []byte("\x01"+itoa(number)+"=")) > 1 {
			continue // of several, quickfix gives the last without a dictionary
		}
		want := ""
		for _, part := range []quickfix.FieldMap{their.Header.FieldMap, their.Body.FieldMap} {
			if v, err := part.GetString(quickfix.Tag(number)); err == nil {
				want = v
			}
		}
		if got := m[tag(number)]; got != want {
			t.Errorf("tag %d: got %q, quickfix %q", number, got, want)
		}
	}
}

func itoa(n int) string {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}

// hasData tells of fields that quickfix does not read by their length without a dictionary.
func hasData(raw []byte) bool {
	for n := range 700 {
		if isLength(tag(n)) && bytes.Contains(raw, []byte(itoa(n)+"=")) {
			return true
		}
	}
	return false
}

// TestQuickFIXReadsTheSame: every message of the session, field by field.
func TestQuickFIXReadsTheSame(t *testing.T) {
	log, err := os.ReadFile("testdata/session.log")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for line := range bytes.Lines(log) {
		for {
			m, rest, found, err := next(line)
			if err != nil {
				t.Fatal(err)
			}
			if !found {
				break
			}
			begin := bytes.Index(line, []byte("8=FIX"))
			raw := line[begin : len(line)-len(rest)]
			if end := bytes.Index(raw, []byte("\x0110=")); end > 0 {
				raw = raw[:end+len("\x0110=000\x01")]
			}
			if !hasData(raw) {
				their, ok := theirs(raw)
				if !ok {
					t.Fatalf("quickfix does not read %q", raw)
				}
				m.compare(t, raw, their)
				compared++
			}
			line = rest
		}
	}
	if compared < 15 {
		t.Errorf("only %d messages compared", compared)
	}
}

// FuzzNext: no line ends the agent, and what quickfix reads too it reads the same.
func FuzzNext(f *testing.F) {
	for _, name := range []string{"testdata/session.log", "testdata/bars.log"} {
		log, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(log) {
			f.Add(bytes.Clone(line))
		}
	}
	f.Add([]byte("8=FIX|95=99999999999999999999|96=|10=1"))
	f.Add([]byte("8=FIX^A95=-5^A=^A10=^A8=FIX|"))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, rest, found, err := next(line)
		if !found || err != nil {
			return
		}
		if len(rest) >= len(line) {
			t.Fatal("a message of no length")
		}
		begin := bytes.Index(line, []byte("8=FIX"))
		raw := line[begin:]
		end := bytes.Index(raw, []byte("\x0110="))
		if end < 0 || len(raw) < end+8 || bytes.ContainsAny(raw, "|^\r\n") || hasData(raw) {
			return
		}
		raw = raw[:end+8]
		if their, ok := theirs(bytes.Clone(raw)); ok {
			m.compare(t, raw, their)
		}
	})
}
