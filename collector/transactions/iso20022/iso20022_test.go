package iso20022_test

import (
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
	"github.com/assayer-io/assayer/collector/transactions/iso20022"
)

func config() iso20022.Config {
	c := iso20022.Default()
	c.Rail, c.Own, c.TimeZone = "sct-inst", []string{"BANKDEFF"}, "Europe/Berlin"
	return c
}

func decode(t testing.TB, c iso20022.Config, r io.Reader) ([]transactions.Event, error) {
	t.Helper()
	dec, err := iso20022.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var events []transactions.Event
	err = dec(r, func(e transactions.Event) error {
		events = append(events, e)
		return nil
	})
	return events, err
}

// line is an event in one line, without what it does not say.
func line(e transactions.Event) string {
	var b strings.Builder
	b.WriteString(e.State)
	add := func(key, value string) {
		if value != "" && value != " " {
			b.WriteString(" " + key + strings.TrimSpace(value))
		}
	}
	add("", e.Direction)
	add("", e.Amount+" "+e.Currency)
	if !e.At.IsZero() {
		add("at ", e.At.Format(time.RFC3339Nano))
	}
	add("uetr ", strings.Split(e.UETR, "-")[0])
	add("id ", e.ID)
	add("e2e ", e.EndToEndID)
	add("ref ", e.Reference)
	add("with ", e.Counterparty)
	if e.Reason.Code != "" {
		add("for ", e.Reason.Scheme+"/"+e.Reason.List+"/"+e.Reason.Code)
	}
	if e.Original != nil {
		add("of ", line(*e.Original))
	}
	if e.External {
		add("", "external")
	}
	return b.String()
}

func lines(events []transactions.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, line(e))
	}
	return all
}

// TestMessages: what each version of each message tells. Berlin is an hour before UTC.
func TestMessages(t *testing.T) {
	const u1, u2 = "uetr 11111111 ", "uetr 22222222 "
	order := func(at, uetr string) []string {
		return []string{
			"received out 100.10 EUR at " + at + " " + uetr + "id ORDER-77/1 e2e INV-1 with PEERFRPP",
			"received out 7.00 EUR at " + at + " e2e NOTPROVIDED with PEERFRPP",
		}
	}
	transfer := func(rest string) []string {
		return []string{"received out 12.34 EUR at 2026-11-21T10:00:00.1Z " + rest + " with PEERFRPP", "sent out 12.34 EUR at 2026-11-21T10:00:00.9Z " + rest + " with PEERFRPP"}
	}
	status := func(settled, uetr string) []string {
		return []string{
			"settled out 12.34 EUR at " + settled + " " + uetr + "id TX-1 e2e INV-1 with PEERFRPP",
			"rejected out at 2026-11-21T10:00:03Z id MSG-8/I-2 e2e INV-2 with PEERFRPP for iso20022/status/AC04",
			"rejected out at 2026-11-21T10:00:03Z id TX-3 with PEERFRPP for iso20022/status/X9",
			"accepted out at 2026-11-21T10:00:03Z id TX-4 with PEERFRPP",
		}
	}
	returned := func(uetr string) []string {
		return []string{"returned in 12.00 EUR at 2026-11-24T08:00:00Z id R-1 with PEERFRPP for iso20022/return/AC06 of at 2026-11-20T23:00:00Z " + uetr + "id TX-1 e2e INV-1"}
	}
	account := func(uetr string) []string {
		return []string{
			"settled out 12.34 EUR at 2026-11-20T23:00:00Z " + uetr + "id TX-1 e2e INV-1 external",
			"settled in 10.00 EUR at 2026-11-21T14:00:00Z e2e IN-1 external",
			"settled in at 2026-11-21T14:00:00Z e2e IN-2 external",
			"returned in 12.00 EUR at 2026-11-20T23:00:00Z id B-4 for iso20022/return/AC06 of e2e INV-0 external",
			"settled out 1.00 EUR at 2026-11-20T23:00:00Z ref FEE-5 external",
		}
	}
	want := map[string][]string{
		"pain.001.001.03": order("2026-11-21T08:30:00Z", ""),
		"pain.001.001.09": order("2026-11-21T08:30:00Z", u1),
		"pacs.008.001.02": transfer("id TX-1 e2e INV-1 ref MSG-8"),
		"pacs.008.001.08": transfer(u2 + "id TX-1 e2e INV-1 ref CSM-1"),
		"pacs.008.001.10": transfer(u2 + "id TX-1 e2e INV-1 ref CSM-1"),
		"pacs.009.001.08": {
			"sent out 1000000 USD at 2026-11-21T10:00:00Z uetr 99999999 id MSG-9/I-9 e2e FI-9 with 021000089",
			"sent 5.5 USD at 2026-11-21T10:00:00Z id MSG-9/I-10 e2e FI-10",
		},
		"pacs.002.001.03": status("2026-11-21T10:00:03Z", ""),
		"pacs.002.001.10": status("2026-11-21T10:00:02.5Z", u2),
		"pacs.002.001.12": status("2026-11-21T10:00:02.5Z", u2),
		"pacs.004.001.02": returned(""),
		"pacs.004.001.09": returned(u2),
		"pacs.028.001.03": {"in_doubt out at 2026-11-21T10:00:25Z " + u2 + "id MSG-8/I-1 e2e INV-1"},
		"pain.002.001.10": {
			"rejected at 2026-11-21T09:31:00Z id ORDER-77/1 e2e INV-1 for iso20022/status/AM04",
			"rejected at 2026-11-21T09:31:00Z for iso20022/status/DT01", // of three orders, none named
		},
		"group-status": {"rejected at 2026-11-21T10:00:03Z ref MSG-8 for iso20022/status/AB06"},
		"stream": {
			"accepted_without_posting at 2026-11-21T10:00:03Z id TX-1", "blocked at 2026-11-21T10:00:03Z id TX-2", "cancelled at 2026-11-21T10:00:03Z id TX-3",
		},
		"latin1": {"settled at 2026-11-21T10:00:03Z id RÉF-1-&"},
	}
	for _, camt := range []string{"camt.052", "camt.053", "camt.054"} {
		want[camt+".001.02"], want[camt+".001.08"] = account(""), account(u2)
	}
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files, %v, want %d", len(files), err, len(want))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".xml")
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for spelling, r := range map[string]io.Reader{"at once": strings.NewReader(string(raw)), "a byte at a time": iotest.OneByteReader(strings.NewReader(string(raw)))} {
			events, err := decode(t, config(), r)
			if err != nil || !slices.Equal(lines(events), want[name]) {
				t.Errorf("%s, %s: %v\n got %s\nwant %s", name, spelling, err, strings.Join(lines(events), "\n     "), strings.Join(want[name], "\n     "))
			}
			for _, e := range events {
				for _, private := range []string{"Anna", "Bernard", "Beispiel", "DE0212", "FR1420", "Musterweg", "Rent"} {
					if strings.Contains(fmt.Sprintf("%+v %+v", e, e.Original), private) {
						t.Errorf("%s: an event holds %q", name, private)
					}
				}
				if e.Rail != "sct-inst" {
					t.Errorf("%s: rail %q", name, e.Rail)
				}
			}
		}
	}
}

func read(t *testing.T, name string) io.Reader {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReader(string(raw))
}

func TestWhatTheConfigurationSays(t *testing.T) {
	for _, test := range []struct {
		name, file string
		with       func(*iso20022.Config)
		first      string
	}{
		{"received by us", "pacs.008.001.08.xml", func(c *iso20022.Config) { c.Own = []string{"PEERFRPP"} },
			"received in 12.34 EUR at 2026-11-21T10:00:00.1Z uetr 22222222 id TX-1 e2e INV-1 ref CSM-1 with BANKDEFFXXX"},
		{"direction", "pacs.008.001.08.xml", func(c *iso20022.Config) { c.Direction = "in" },
			"received in 12.34 EUR at 2026-11-21T10:00:00.1Z uetr 22222222 id TX-1 e2e INV-1 ref CSM-1 with BANKDEFFXXX"},
		{"a branch is not the bank", "pacs.008.001.08.xml", func(c *iso20022.Config) { c.Own = []string{"BANKDEFFBER"} },
			"received 12.34 EUR at 2026-11-21T10:00:00.1Z uetr 22222222 id TX-1 e2e INV-1 ref CSM-1"},
		{"our answer", "pacs.002.001.03.xml", func(c *iso20022.Config) { c.Own = []string{"PEERFRPP"} },
			"settled in 12.34 EUR at 2026-11-21T10:00:03Z id TX-1 e2e INV-1 with BANKDEFF"},
		{"our return", "pacs.004.001.02.xml", func(c *iso20022.Config) { c.Direction = "in" },
			"returned out 12.00 EUR at 2026-11-24T08:00:00Z id R-1 with BANKDEFF for iso20022/return/AC06 of at 2026-11-20T23:00:00Z id TX-1 e2e INV-1"},
		{"a status of the rail's", "pacs.002.001.03.xml", func(c *iso20022.Config) { c.Statuses = map[string]string{"ACSC": "credited"} },
			"credited out 12.34 EUR at 2026-11-21T10:00:03Z id TX-1 e2e INV-1 with PEERFRPP"},
		{"a status left out", "pacs.002.001.03.xml", func(c *iso20022.Config) { c.Statuses = map[string]string{"ACSC": ""} },
			"rejected out at 2026-11-21T10:00:03Z id MSG-8/I-2 e2e INV-2 with PEERFRPP for iso20022/status/AC04"},
	} {
		c := config()
		test.with(&c)
		events, err := decode(t, c, read(t, test.file))
		if err != nil || len(events) == 0 || line(events[0]) != test.first {
			t.Errorf("%s: %v\n got %v\nwant %s", test.name, err, lines(events), test.first)
		}
	}
	c := config()
	c.Role = "debtor_agent"
	events, err := decode(t, c, read(t, "pacs.008.001.02.xml"))
	if err != nil || events[0].Role != "debtor_agent" {
		t.Errorf("role: %v, %+v", err, events)
	}
}

func TestConfigurationThatCannotBe(t *testing.T) {
	c := iso20022.Config{Direction: "up", Own: []string{"BANK DE"}, TimeZone: "Mars/Olympus", Statuses: map[string]string{"settled": "x"}}
	_, err := iso20022.New(c)
	for _, part := range []string{"rail: has no value", `direction: got "up"`, `own_bics[0]: got "BANK DE"`, `time_zone: got "Mars/Olympus"`, `statuses: got "settled"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %s", err, part)
		}
	}
}

// TestAnUnknownStatus: the sink knows no such state, so nobody takes it for good or bad.
func TestAnUnknownStatus(t *testing.T) {
	events, err := decode(t, config(), strings.NewReader(document("<TxInfAndSts><OrgnlTxId>T</OrgnlTxId><TxSts>ZZZZ</TxSts></TxInfAndSts>")))
	if err != nil || len(events) != 1 || events[0].State != "ZZZZ" {
		t.Errorf("%v, %v", err, lines(events))
	}
}

func TestTheSinksErrorEndsIt(t *testing.T) {
	dec, err := iso20022.New(config())
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	n := 0
	err = dec(read(t, "pacs.002.001.03.xml"), func(transactions.Event) error {
		if n++; n == 2 {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) || n != 2 {
		t.Errorf("%v after %d events", err, n)
	}
	lost := errors.New("connection lost")
	events, err := decode(t, config(), io.MultiReader(strings.NewReader(document("<TxInfAndSts><OrgnlTxId>T</OrgnlTxId><TxSts>ACSC</TxSts></TxInfAndSts>")+"<Docu"), iotest.ErrReader(lost)))
	if !errors.Is(err, lost) || len(events) != 1 {
		t.Errorf("%v after %d events", err, len(events))
	}
}

// TestAnOrderForALaterDay: it counts as received on that day, and the transfer will tell.
func TestAnOrderForALaterDay(t *testing.T) {
	raw, err := io.ReadAll(read(t, "pain.001.001.09.xml"))
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(string(raw), "<Dt>2026-11-21</Dt>", "<Dt>2026-11-22</Dt>", 1)
	if events, err := decode(t, config(), strings.NewReader(later)); err != nil || len(events) > 0 {
		t.Errorf("%v, %v", lines(events), err)
	}
}

func document(inner string) string {
	return `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.002.001.10"><FIToFIPmtStsRpt>` + inner + `</FIToFIPmtStsRpt></Document>`
}
