package fixlog_test

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
	"github.com/assayer-io/assayer/collector/transactions/fixlog"
)

func config() fixlog.Config {
	c := fixlog.Default()
	c.Own = []string{"BROKER"}
	return c
}

func decode(t testing.TB, c fixlog.Config, r io.Reader) ([]string, error) {
	t.Helper()
	dec, err := fixlog.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = dec(r, func(e transactions.Event) error {
		line := fmt.Sprintf("%s %s %s at %s", e.State, e.Direction, e.Counterparty, e.At.Format("15:04:05.000"))
		for _, part := range []struct{ key, value string }{{"id", e.ID}, {"ref", e.Reference}} {
			if part.value != "" {
				line += " " + part.key + " " + part.value
			}
		}
		if e.Reason.Code != "" {
			line += " for " + e.Reason.Scheme + "/" + e.Reason.List + "/" + e.Reason.Code
		}
		if e.Original != nil {
			line += " of " + e.Original.ID + ", " + e.Original.Reference
		}
		if strings.Contains(strings.ToLower(fmt.Sprintf("%+v", e)), "anna") {
			t.Errorf("an event holds what nobody asked for: %+v", e)
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

func TestSession(t *testing.T) {
	const asked, answered, s = "out VENUE at 10:00:00.100", "out VENUE at 10:00:00.103", "BROKER>VENUE "
	want := []string{
		"received " + asked + " id " + s + "O-1 ref " + s + "#20261121 2",
		"pending_new " + answered + " id " + s + "O-1 ref " + s + "order X1",
		"acknowledged " + answered + " id " + s + "O-1 ref " + s + "order X1",
		"partially_filled " + answered + " id " + s + "O-1 ref " + s + "order X1",
		"filled " + answered + " id " + s + "O-1 ref " + s + "order X1",
		"returned " + answered + " ref " + s + "execution E5 for fix/exec_type/H of " + s + "O-1, " + s + "order X1",
		"received " + asked + " id " + s + "O-2 ref " + s + "#20261121 8",
		"rejected " + answered + " id " + s + "O-2 for fix/ord_rej_reason/3",
		"received " + asked + " id " + s + "C-1 ref " + s + "#20261121 10",
		"pending_new " + answered + " id " + s + "C-1",
		"acknowledged " + answered + " id " + s + "C-1",
		"cancelled " + answered + " id " + s + "O-3 ref " + s + "order X3",
		"rejected " + answered + " id " + s + "C-2 for fix/cxl_rej_reason/0",
		"rejected " + answered + " id " + s + "O-4 ref " + s + "#20261121 9 for fix/business_reject_reason/4",
		"rejected " + answered + " ref " + s + "#20261121 9 for fix/session_reject_reason/5",
		"expired out VENUE at 08:00:00.000 id " + s + "O-5 ref " + s + "order X5",
		"acknowledged " + answered + " id " + s + "O-7 ref " + s + "order X7",
	}
	raw := read(t, "session.log")
	for spelling, r := range map[string]io.Reader{"at once": bytes.NewReader(raw), "a byte at a time": iotest.OneByteReader(bytes.NewReader(raw)), "without its last line's end": bytes.NewReader(bytes.TrimSuffix(raw, []byte("\n")))} {
		if got, err := decode(t, config(), r); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v\n got %s\nwant %s", spelling, err, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
	if got, err := decode(t, config(), bytes.NewReader(read(t, "bars.log"))); err != nil || !slices.Equal(got, want[:4]) {
		t.Errorf("bars: %v\n got %s\nwant %s", err, strings.Join(got, "\n     "), strings.Join(want[:4], "\n     "))
	}
}

const ack = "8=FIX.4.4|9=1|35=8|49=VENUE|56=BROKER|52=20261121-10:00:00|11=O-1|150=0|10=000|"

func TestWhatTheConfigurationSays(t *testing.T) {
	for _, test := range []struct {
		name string
		with func(*fixlog.Config)
		want string
	}{
		{"not ours", func(c *fixlog.Config) { c.Own = nil }, "acknowledged   at 10:00:00.000 id BROKER>VENUE O-1"},
		{"ours is the venue", func(c *fixlog.Config) { c.Own = []string{"VENUE"} }, "acknowledged in BROKER at 10:00:00.000 id BROKER>VENUE O-1"},
		{"direction", func(c *fixlog.Config) { c.Direction = "in" }, "acknowledged in BROKER at 10:00:00.000 id BROKER>VENUE O-1"},
		{"daily", func(c *fixlog.Config) { c.DailyIDs = true }, "acknowledged out VENUE at 10:00:00.000 id BROKER>VENUE 20261121 O-1"},
	} {
		c := config()
		test.with(&c)
		if got, err := decode(t, c, strings.NewReader(ack)); err != nil || len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
	}
	_, err := fixlog.New(fixlog.Config{Direction: "up", Own: []string{""}})
	for _, part := range []string{"rail: has no value", `direction: got "up"`, "own_comp_ids[0]: has no value"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %s", err, part)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{strings.Replace(ack, "|10=000|", "|", 1), "line 2: a message that is cut off: it has no CheckSum (tag 10)"},
		{strings.Replace(ack, "35=8|", "", 1), "line 2: a message without MsgType (tag 35)"},
		{strings.Replace(ack, "49=VENUE|", "", 1), "line 2: a message without SenderCompID or TargetCompID (tags 49, 56)"},
		{strings.Replace(ack, "52=20261121-10:00:00|", "", 1), "line 2: a message without SendingTime (tag 52)"},
		{strings.Replace(ack, "52=20261121-10:00:00", "52=10:00", 1), "line 2: tag 52: allowed: a time such as 20261121-10:00:00.123"},
		{strings.Replace(ack, "150=0|", "", 1), "line 2: an execution report without ExecType and OrdStatus (tags 150, 39)"},
		{strings.Replace(strings.Replace(ack, "35=8", "35=D", 1), "11=O-1|", "", 1), "line 2: an order without ClOrdID (tag 11)"},
		{"8=FIX.4.4;9=1;35=8;", "line 2: a message without a separator behind BeginString (tag 8); allowed: SOH, a bar or ^A"},
		{"8=FIX.4.4|" + strings.Repeat("1=x|", 40_000), "line 2: more than 65536 bytes"},
	} {
		got, err := decode(t, config(), strings.NewReader(ack+"\n"+test.in+"\n"))
		if err == nil || err.Error() != test.want || len(got) != 1 {
			t.Errorf("%.60s: %d events, got %v, want %s", test.in, len(got), err, test.want)
		}
	}
	// A venue's own: the sink knows no such state.
	if got, err := decode(t, config(), strings.NewReader(strings.Replace(ack, "150=0", "150=Z", 1))); err != nil || !strings.HasPrefix(got[0], "Z ") {
		t.Errorf("%v, %v", got, err)
	}
}

func TestTheSinksErrorEndsIt(t *testing.T) {
	dec, err := fixlog.New(config())
	if err != nil {
		t.Fatal(err)
	}
	full, n := errors.New("full"), 0
	if err = dec(strings.NewReader(ack+"\n"+ack), func(transactions.Event) error { n++; return full }); !errors.Is(err, full) || n != 1 {
		t.Errorf("%v after %d events", err, n)
	}
	lost := errors.New("connection lost")
	if _, err := decode(t, config(), iotest.ErrReader(lost)); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkDecode(b *testing.B) {
	dec, err := fixlog.New(config())
	if err != nil {
		b.Fatal(err)
	}
	lines := strings.Repeat(ack+"\n", b.N)
	b.ReportAllocs()
	b.ResetTimer()
	start := time.Now()
	n := 0
	if err := dec(strings.NewReader(lines), func(transactions.Event) error { n++; return nil }); err != nil || n != b.N {
		b.Fatal(n, err)
	}
	b.ReportMetric(float64(n)/time.Since(start).Seconds(), "events/s")
}
