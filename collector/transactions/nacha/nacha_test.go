package nacha_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/nacha"
)

func decode(t testing.TB, c nacha.Config, r io.Reader) ([]string, error) {
	t.Helper()
	dec, err := nacha.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = dec(r, func(e transactions.Event) error {
		line := fmt.Sprintf("%s %s %s%s at %s ref %s with %q", e.State, e.Direction, e.Amount, e.Currency, e.At.Format(time.RFC3339), e.Reference, e.Counterparty)
		if e.Original != nil {
			line += " of " + e.Original.Reference
		}
		if e.Reason.Code != "" {
			line += " for " + e.Reason.Scheme + "/" + e.Reason.List + "/" + e.Reason.Code
		}
		for _, private := range []string{"Anna", "Beispiel", "123456789", "55500"} {
			if strings.Contains(fmt.Sprintf("%+v %+v", e, e.Original), private) {
				t.Errorf("an event holds %q", private)
			}
		}
		got = append(got, line)
		return nil
	})
	return got, err
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestFiles: files made at 09:41 in New York on 6 March 2026, which is 14:41 in UTC.
func TestFiles(t *testing.T) {
	const at = "at 2026-03-06T14:41:00Z "
	for _, test := range []struct {
		file, direction string
		want            []string
	}{
		{"forward.ach", "out", []string{
			"sent out 123.45USD " + at + `ref 121042880000001 with "23138010"`,
			"sent out 0.99USD " + at + `ref 121042880000002 with "09140060"`,
		}},
		{"forward.ach", "in", []string{
			"sent in 123.45USD " + at + `ref 121042880000001 with "12104288"`,
			"sent in 0.99USD " + at + `ref 121042880000002 with "12104288"`,
		}},
		{"return.ach", "out", []string{
			"returned in 123.45USD " + at + `ref 231380100000007 with "23138010" of 121042880000001 for nacha/return/R01`,
			"returned in 0.99USD " + at + `ref 231380100000008 with "09140060" of 121042880000002 for nacha/return/R98`,
		}},
		{"notice.ach", "out", []string{"corrected out  " + at + `ref 121042880000001 with "23138010" for nacha/return/C01`}},
	} {
		c := nacha.Default()
		c.Direction = test.direction
		raw := read(t, test.file)
		got, err := decode(t, c, bytes.NewReader(raw))
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s, %s: %v\n got %s\nwant %s", test.file, test.direction, err, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
		}
		if pieces, err := decode(t, c, iotest.OneByteReader(bytes.NewReader(raw))); err != nil || !slices.Equal(pieces, got) {
			t.Errorf("%s a byte at a time: %v, %v", test.file, pieces, err)
		}
	}
}

// TestMistakes: the error names the place and nothing that stands there.
func TestMistakes(t *testing.T) {
	forward := string(read(t, "forward.ach"))
	lines := strings.SplitAfter(forward, "\n")
	for name, test := range map[string]struct {
		in, want string
		events   int
	}{
		"nothing":           {"", "", 0},
		"text":              {"hello\n", "line 1: ", 0},
		"no file header":    {strings.Join(lines[1:], ""), "without its first record", 2},
		"cut off":           {strings.Join(lines[:4], ""), "it is cut off", 2},
		"a damaged record":  {strings.Replace(forward, "0000012345", "00000x2345", 1), "line ", 1},
		"an unknown record": {strings.Replace(forward, "\n8225", "\n0225", 1), "not an ACH file", 0},
	} {
		got, err := decode(t, nacha.Default(), strings.NewReader(test.in))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
		if err != nil && (strings.Contains(err.Error(), "Anna") || strings.Contains(err.Error(), "2345")) {
			t.Errorf("%s: the error shows what stands there: %v", name, err)
		}
		if len(got) < test.events {
			t.Errorf("%s: %d events, want %d: %v", name, len(got), test.events, err)
		}
	}
}

// endless is a record again and again.
type endless struct{ record string }

func (e endless) Read(b []byte) (int, error) { return copy(b, e.record), nil }

func TestAFileWithoutEnd(t *testing.T) {
	c := nacha.Default()
	c.MaxBytes = 1 << 20
	got, err := decode(t, c, endless{strings.Repeat("\n", 4096)})
	if err == nil || err.Error() != "a file of more than 1048576 bytes" || len(got) > 0 {
		t.Errorf("%d events, %v", len(got), err)
	}
	got, err = decode(t, c, endless{strings.Repeat("x\n", 2048)})
	if err == nil || len(got) > 0 {
		t.Errorf("short lines without end: %d events, %v", len(got), err)
	}
	lost := errors.New("connection lost")
	if _, err = decode(t, nacha.Default(), io.MultiReader(strings.NewReader("101"), iotest.ErrReader(lost))); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
}

func TestTheSinksErrorEndsIt(t *testing.T) {
	dec, err := nacha.New(nacha.Default())
	if err != nil {
		t.Fatal(err)
	}
	full, n := errors.New("full"), 0
	err = dec(bytes.NewReader(read(t, "forward.ach")), func(transactions.Event) error { n++; return full })
	if !errors.Is(err, full) || n != 1 {
		t.Errorf("%v after %d events", err, n)
	}
}

func TestConfigurationThatCannotBe(t *testing.T) {
	_, err := nacha.New(nacha.Config{Direction: "up", TimeZone: "Mars/Olympus"})
	for _, part := range []string{"rail: has no value", `direction: got "up"`, `time_zone: got "Mars/Olympus"`, "max_bytes: got 0"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %s", err, part)
		}
	}
}

// FuzzDecode: no input ends the agent, and an amount is always dollars and cents.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"forward.ach", "return.ach", "notice.ach"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		dec, err := nacha.New(nacha.Default())
		if err != nil {
			t.Fatal(err)
		}
		_ = dec(bytes.NewReader(in), func(e transactions.Event) error {
			if i := strings.IndexByte(e.Amount, '.'); e.Amount != "" && (i < 1 || len(e.Amount)-i != 3) || e.Rail != "ach" || e.State == "" {
				t.Errorf("%+v", e)
			}
			return nil
		})
	})
}
