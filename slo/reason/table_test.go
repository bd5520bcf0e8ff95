package reason_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/slo/reason"
)

func builtin(t testing.TB) *reason.Table {
	t.Helper()
	table, err := reason.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// known is one row of the table of facts that the ISO pack was made from: the condition says when our own budget
// burns.
type known struct {
	list, code, class, own, endToEnd string
}

func facts(t testing.TB) []known {
	t.Helper()
	f, err := os.Open("testdata/iso20022.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []known
	for _, r := range rows[1:] {
		out = append(out, known{r[0], r[1], r[2], r[3], r[4]})
	}
	if len(out) != 438 {
		t.Fatalf("%d codes of ISO 20022, want 438", len(out))
	}
	return out
}

// observers are who we may have been, and what each condition then does to our own budget.
var observers = []struct {
	reason.Context
	own map[string]reason.Burn
}{
	{reason.Context{}, map[string]reason.Burn{
		"if_origin": "shadow", "if_receiver": "shadow", "if_instructed": "shadow", "if_debtor_agent": "shadow",
		"if_enriched": "shadow", "if_late_by_us": "shadow", "if_our_position": "shadow"}},
	{reason.Context{Role: "debtor_agent"}, map[string]reason.Burn{
		"if_origin": "yes", "if_receiver": "no", "if_instructed": "no", "if_debtor_agent": "yes",
		"if_enriched": "shadow", "if_late_by_us": "shadow", "if_our_position": "yes"}},
	{reason.Context{Role: "debtor_agent", Direction: "out"}, map[string]reason.Burn{
		"if_origin": "yes", "if_receiver": "no", "if_instructed": "no", "if_debtor_agent": "yes",
		"if_enriched": "shadow", "if_late_by_us": "shadow", "if_our_position": "yes"}},
	{reason.Context{Role: "creditor_agent", Direction: "in"}, map[string]reason.Burn{
		"if_origin": "no", "if_receiver": "yes", "if_instructed": "shadow", "if_debtor_agent": "no",
		"if_enriched": "no", "if_late_by_us": "no", "if_our_position": "no"}},
	{reason.Context{Role: "creditor_agent"}, map[string]reason.Burn{
		"if_origin": "no", "if_receiver": "yes", "if_instructed": "shadow", "if_debtor_agent": "no",
		"if_enriched": "no", "if_late_by_us": "no", "if_our_position": "no"}},
	{reason.Context{Role: "csm"}, map[string]reason.Burn{
		"if_origin": "no", "if_receiver": "no", "if_instructed": "yes", "if_debtor_agent": "no",
		"if_enriched": "no", "if_late_by_us": "no", "if_our_position": "no"}},
	{reason.Context{Role: "intermediary", Direction: "out"}, map[string]reason.Burn{
		"if_origin": "yes", "if_receiver": "no", "if_instructed": "no", "if_debtor_agent": "no",
		"if_enriched": "yes", "if_late_by_us": "shadow", "if_our_position": "yes"}},
	{reason.Context{Direction: "in"}, map[string]reason.Burn{
		"if_origin": "no", "if_receiver": "shadow", "if_instructed": "shadow", "if_debtor_agent": "no",
		"if_enriched": "no", "if_late_by_us": "no", "if_our_position": "no"}},
}

// TestEveryISOCode holds the pack to the table of facts, for each observer: the class is the table's save where
// a technical fault is known to be ours or not to be.
func TestEveryISOCode(t *testing.T) {
	table := builtin(t)
	for _, k := range facts(t) {
		for _, o := range observers {
			want := reason.Verdict{Class: reason.Class(k.class), Own: reason.Burn(k.own), EndToEnd: reason.Burn(k.endToEnd), Known: true}
			if own, ok := o.own[k.own]; ok {
				want.Own = own
				switch {
				case k.class[:4] == "tech" && own == reason.Yes:
					want.Class = reason.TechnicalOwn
				case k.class == "technical_own" && own == reason.No:
					want.Class = reason.TechnicalPeer
				}
			}
			got := table.Classify(reason.Key{Scheme: "iso20022", List: k.list, Code: k.code}, o.Context)
			if got.Pack != "iso20022" || got.Line == 0 || got.Note == "" {
				t.Errorf("%s %s: no origin or note in %+v", k.list, k.code, got)
			}
			got.Pack, got.Line, got.Note = "", 0, ""
			if got != want {
				t.Errorf("%s %s as %+v: %+v, want %+v", k.list, k.code, o.Context, got, want)
			}
		}
	}
	n := 0
	for _, list := range table.Lists("iso20022") {
		n += len(table.Codes("iso20022", list))
	}
	if n != 438 {
		t.Errorf("the pack has %d codes, want 438", n)
	}
}

// TestListsDiffer: the same code means something else in a status report and in a return.
func TestListsDiffer(t *testing.T) {
	table := builtin(t)
	for code, want := range map[string][2]reason.Class{
		"AC14": {reason.Format, reason.Routing}, "AC16": {reason.Business, reason.Business}, "BE08": {reason.Format, reason.TechnicalPeer},
		"DS28": {reason.TechnicalOwn, reason.TechnicalOwn}, "DT02": {reason.Format, reason.Business}, "RC07": {reason.Routing, reason.Routing},
	} {
		status := table.Classify(reason.Key{Scheme: "iso20022", List: "status", Code: code}, reason.Context{})
		back := table.Classify(reason.Key{Scheme: "iso20022", List: "return", Code: code}, reason.Context{})
		if status.Class != want[0] || back.Class != want[1] || status.Note == back.Note {
			t.Errorf("%s: %+v in a status report and %+v in a return, want %v", code, status, back, want)
		}
		if none := table.Classify(reason.Key{Scheme: "iso20022", Code: code}, reason.Context{}); none != status {
			t.Errorf("%s without a list: %+v, want the status list's %+v", code, none, status)
		}
	}
}

func TestBuiltinPacks(t *testing.T) {
	table := builtin(t)
	for _, tc := range []struct {
		scheme, list, code, role, direction string
		want                                string // class own end_to_end
	}{
		{"iso8583", "f39", "00", "acquirer", "", "good no no"},
		{"iso8583", "", "51", "acquirer", "", "business no no"},
		{"iso8583", "f39", "91", "acquirer", "", "technical_peer no yes"},
		{"iso8583", "f39", "91", "issuer", "", "technical_own yes yes"},
		{"iso8583", "f39", "91", "", "", "technical_peer shadow yes"},
		{"iso8583", "f39", "96", "acquirer", "", "technical_own yes yes"},
		{"iso8583", "f39", "94", "", "out", "duplicate yes yes"},
		{"iso8583", "f39", "1A", "", "", "business no no"},
		{"nacha", "return", "R01", "odfi", "", "business no no"},
		{"nacha", "", "R43", "odfi", "", "format yes yes"},
		{"nacha", "", "R43", "rdfi", "", "format no yes"},
		{"nacha", "", "R47", "", "", "duplicate shadow yes"},
		{"nacha", "", "R68", "rdfi", "", "cutoff yes yes"},
		{"nacha", "", "R17", "", "", "ambiguous no shadow"},
		{"nacha", "change", "C07", "", "", "info no no"},
		{"fix", "exec_type", "F", "", "", "good no no"},
		{"fix", "ord_status", "A", "", "", "info no no"},
		{"fix", "ord_rej_reason", "15", "", "out", "format yes yes"},
		{"fix", "ord_rej_reason", "3", "", "out", "business no no"},
		{"fix", "session_reject_reason", "10", "", "out", "technical_own yes yes"},
		{"fix", "business_reject_reason", "4", "", "out", "technical_peer no yes"},
		{"upi", "", "U18", "", "", "technical_unknown shadow yes"},
		{"upi", "", "01", "", "", "in_doubt yes yes"},
		{"http", "", "503", "", "", "technical_own yes yes"},
		{"http", "", "503", "client", "", "technical_peer no yes"},
		{"http", "", "402", "", "", "business no no"},
		{"grpc", "", "Unavailable", "", "", "technical_own yes yes"},
		{"grpc", "", "14", "client", "", "technical_peer no yes"},
		{"stripe", "", "insufficient_funds", "", "", "business no no"},
		{"stripe", "", "processing_error", "", "", "technical_peer no yes"},
		{"adyen", "", "9", "", "", "technical_peer no yes"},
		{"adyen", "result_code", "Pending", "", "", "in_doubt yes yes"},
		// What no pack knows looks neither like success nor like a customer's decline.
		{"iso20022", "status", "ZZ99", "debtor_agent", "out", "technical_unknown shadow yes unknown"},
		{"iso20022", "other", "AC04", "", "", "technical_unknown shadow yes unknown"},
		{"iso20022", "status", "", "", "", "technical_unknown shadow yes unknown"},
		{"made-up", "", "1", "", "", "technical_unknown shadow yes unknown"},
	} {
		v := table.Classify(reason.Key{Scheme: tc.scheme, List: tc.list, Code: tc.code}, reason.Context{Role: tc.role, Direction: tc.direction})
		got := string(v.Class) + " " + string(v.Own) + " " + string(v.EndToEnd)
		if !v.Known {
			got += " unknown"
		}
		if got != tc.want {
			t.Errorf("%s/%s %s as %s %s: %s, want %s", tc.scheme, tc.list, tc.code, tc.role, tc.direction, got, tc.want)
		}
	}
	if want := []string{"adyen", "fix", "grpc", "http", "iso20022", "iso8583", "nacha", "stripe", "upi"}; !slices.Equal(table.Schemes(), want) {
		t.Errorf("schemes %v, want %v", table.Schemes(), want)
	}
	if want := []string{"cancellation", "return", "status"}; !slices.Equal(table.Lists("iso20022"), want) {
		t.Errorf("lists %v, want %v", table.Lists("iso20022"), want)
	}
}

// TestEveryBuiltinRuleDecides: each rule is the first for each of its codes and somebody, and each code has a rule
// for whoever is not known.
func TestEveryBuiltinRuleDecides(t *testing.T) {
	table := builtin(t)
	for _, scheme := range table.Schemes() {
		for _, list := range append(table.Lists(scheme), "") {
			for _, code := range table.Codes(scheme, list) {
				k := reason.Key{Scheme: scheme, List: list, Code: code}
				for _, m := range table.Explain(k, reason.Context{}) {
					if !decides(table, k, m) {
						t.Errorf("%s: the rule of line %d never decides about %s", m.Pack, m.Line, code)
					}
					if m.Source == "" || m.AsOf == "" || m.Note == "" {
						t.Errorf("%s: the rule of line %d has no source, date or note", m.Pack, m.Line)
					}
				}
				if !table.Classify(k, reason.Context{}).Known {
					t.Errorf("%s/%s %s: no rule for an observer who is not known", scheme, list, code)
				}
			}
		}
	}
}

func decides(table *reason.Table, k reason.Key, m reason.Match) bool {
	directions := []string{m.Direction}
	if m.Direction == "" {
		directions = []string{"", "in", "out"}
	}
	roles := m.Roles
	if len(roles) == 0 {
		roles = []string{"", "debtor_agent", "somebody"}
	}
	for _, d := range directions {
		for _, r := range roles {
			if v := table.Classify(k, reason.Context{Role: r, Direction: d}); v.Line == m.Line && v.Pack == m.Pack {
				return true
			}
		}
	}
	return false
}

func TestUserPacksComeFirst(t *testing.T) {
	mine, problems := reason.Parse("mine.yaml", []byte(`
scheme: iso20022
list: return
rules:
  - {list: status, codes: [AM04], roles: [creditor_agent], class: technical_peer, note: their balances are down}
  - {list: status, codes: ["AM*"], direction: in, class: ambiguous}
  - {list: status, codes: ["XT*", XU01], class: technical_own}
  - {scheme: house, codes: [E10-E12], class: good}
  - {scheme: house, codes: ["*"], class: business, own: shadow, end_to_end: yes}
`))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	theirs, problems := reason.Parse("theirs.yaml", []byte("scheme: house\nrules: [{codes: [E11], class: fraud}]"))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	plain := builtin(t)
	table := plain.With(mine, theirs)
	for _, tc := range []struct {
		scheme, list, code, role, direction, pack string
		line                                      int
		class                                     reason.Class
	}{
		{"iso20022", "status", "AM04", "creditor_agent", "in", "mine.yaml", 5, reason.TechnicalPeer},
		{"iso20022", "status", "AM04", "debtor_agent", "in", "mine.yaml", 6, reason.Ambiguous},
		{"iso20022", "status", "AM04", "debtor_agent", "out", "iso20022", 0, reason.Business},
		{"iso20022", "", "AM04", "creditor_agent", "", "mine.yaml", 5, reason.TechnicalPeer},
		{"iso20022", "return", "AM04", "creditor_agent", "in", "iso20022", 0, reason.Business},
		{"iso20022", "status", "XT77", "", "", "mine.yaml", 7, reason.TechnicalOwn},
		{"iso20022", "status", "XU01", "", "", "mine.yaml", 7, reason.TechnicalOwn},
		{"house", "", "E11", "", "", "mine.yaml", 8, reason.Good},
		{"house", "any", "E13", "", "", "mine.yaml", 9, reason.Business},
	} {
		v := table.Classify(reason.Key{Scheme: tc.scheme, List: tc.list, Code: tc.code}, reason.Context{Role: tc.role, Direction: tc.direction})
		if v.Class != tc.class || v.Pack != tc.pack || (tc.line > 0 && v.Line != tc.line) {
			t.Errorf("%s/%s %s as %s %s: %+v, want %s by %s:%d", tc.scheme, tc.list, tc.code, tc.role, tc.direction, v, tc.class, tc.pack, tc.line)
		}
	}
	if v := plain.Classify(reason.Key{Scheme: "house", Code: "E11"}, reason.Context{}); v.Known {
		t.Errorf("a table has what another one was given: %+v", v)
	}
	matches := table.Explain(reason.Key{Scheme: "iso20022", List: "status", Code: "AM04"}, reason.Context{Role: "debtor_agent", Direction: "in"})
	var order []string
	for _, m := range matches {
		order = append(order, fmt.Sprint(m.Pack, " ", m.Class, " ", m.Applies))
	}
	if want := []string{"mine.yaml technical_peer false", "mine.yaml ambiguous true", "iso20022 business true"}; !slices.Equal(order, want) {
		t.Errorf("explained as %q, want %q", order, want)
	}
}

func TestMistakesInPacks(t *testing.T) {
	for text, want := range map[string]string{
		"":             `p.yaml: error: not a pack of reason codes, got "0 documents", allowed: exactly one`,
		"{}\n---\n{}":  `got "2 documents", allowed: exactly one`,
		"scheme: a":    `p.yaml:1:1: error: rules: has no value, allowed: a list of rules`,
		"rules: [{}]":  "p.yaml:1:9: error: rules[0].class: has no value, allowed: good, technical_own",
		"rules: [{} ]": "rules[0].scheme: has no value, allowed: the scheme whose codes these are",
		"scheme: A b\nrules: [{codes: [X], class: good}]":                             `scheme: got "A b", allowed: small letters`,
		"scheme: a\nrules:\n- {codes: [X], class: techncal_own}":                      "p.yaml:3:23: error: rules[0].class: did you mean technical_own?, got",
		"scheme: a\nrules: [{codes: [], class: good}]":                                "rules[0].codes: has no value",
		"scheme: a\nrules: [{codes: [''], class: good}]":                              `rules[0].codes[0]`,
		"scheme: a\nrules: [{codes: [A*B], class: good}]":                             `rules[0].codes[0]: got "A*B", allowed: codes such as AB05`,
		"scheme: a\nrules: [{codes: [R9-R1], class: good}]":                           `the range ends before it begins, got "R9-R1"`,
		"scheme: a\nrules: [{codes: [X], class: good, direction: up}]":                `rules[0].direction: got "up", allowed: in, out`,
		"scheme: a\nrules: [{codes: [X], class: good, own: maybe}]":                   `rules[0].own: got "maybe", allowed: yes, no, shadow`,
		"scheme: a\nrules: [{codes: [X], class: good, role: x}]":                      "rules[0].role: unknown field, did you mean roles?",
		"scheme: a\nas_of: yesterday\nrules: [{codes: [X], class: good}]":             `as_of: got "yesterday", allowed: a date such as 2025-05-31`,
		"scheme: a\nrules: [{codes: [X], roles: [aquirer], class: good}]":             "warning: rules[0].roles[0]: no built-in pack has this role, did you mean acquirer?",
		"scheme: a\nrules: [{codes: [X], roles: [A B], class: good}]":                 `rules[0].roles[0]: got "A B"`,
		"scheme: a\nrules: [{codes: [X], class: good, note: " + long(1001) + "}]":     `rules[0].note: too long, got "1001 bytes", allowed: at most 1000`,
		"scheme: a\nrules:\n" + repeat("- {codes: [A0000-A9999], class: good}\n", 11): "too many codes in this pack, allowed: at most 100000",
		"scheme: a\nrules: [" + repeat("{codes: [A], class: good},", 10_001) + "]":    `rules: too many rules, got "10001", allowed: at most 10000`,
		"scheme: a\n# " + repeat("x", 1<<20):                                          "file is too large",
	} {
		_, problems := reason.Parse("p.yaml", []byte(text))
		if !strings.Contains(problems.Error(), want) {
			t.Errorf("%.80q gives\n%v\nwant %s", text, problems, want)
		}
	}
}

func long(n int) string             { return repeat("x", n) }
func repeat(s string, n int) string { return strings.Repeat(s, n) }

// TestClassifyAllocatesNothing: it is asked once an event.
func TestClassifyAllocatesNothing(t *testing.T) {
	mine, problems := reason.Parse("mine", []byte("scheme: iso20022\nrules: [{codes: ['ZZ*'], class: good}]"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	table := builtin(t).With(mine)
	keys := []reason.Key{{Scheme: "iso20022", List: "status", Code: "AB05"}, {Scheme: "iso20022", Code: "ZZ01"}, {Scheme: "nacha", Code: "R43"}, {Scheme: "x", Code: "y"}}
	n := testing.AllocsPerRun(100, func() {
		for _, k := range keys {
			table.Classify(k, reason.Context{Role: "debtor_agent", Direction: "out"})
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkClassify(b *testing.B) {
	table := builtin(b)
	k, c := reason.Key{Scheme: "iso20022", List: "status", Code: "AB05"}, reason.Context{Role: "debtor_agent", Direction: "out"}
	b.ReportAllocs()
	for b.Loop() {
		table.Classify(k, c)
	}
}

// FuzzParse: whatever is read without an error classifies each of its codes as its first rule for that observer says.
func FuzzParse(f *testing.F) {
	f.Add([]byte("scheme: a\nlist: b\nrules:\n  - {codes: [X1-X3, Y*, 'Z 1'], roles: [issuer], direction: in, class: format, own: yes}\n  - {codes: ['*'], class: info}"))
	f.Add([]byte("scheme: a\nrules: [{codes: &c [A], class: good}, {codes: *c, list: d, class: fraud}]"))
	f.Add([]byte("rules: [{}]"))
	f.Add([]byte("a: &a [*a]"))
	for _, name := range []string{"upi", "http"} {
		data, err := os.ReadFile("packs/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pack, problems := reason.Parse("p", data)
		if problems.Errors() > 0 {
			return
		}
		table := new(reason.Table).With(pack)
		for _, r := range pack.Rules[:min(len(pack.Rules), 50)] {
			for _, code := range r.Codes[:min(len(r.Codes), 50)] {
				code = strings.TrimSuffix(code, "*")
				if code == "" || strings.Contains(code, "-") {
					continue
				}
				c := reason.Context{Direction: r.Direction}
				if len(r.Roles) > 0 {
					c.Role = r.Roles[0]
				}
				k := reason.Key{Scheme: r.Scheme, List: r.List, Code: code}
				got := table.Classify(k, c)
				if !got.Known || got.Class == "" || got.Own == "" || got.EndToEnd == "" {
					t.Fatalf("%+v as %+v is %+v", k, c, got)
				}
				for _, m := range table.Explain(k, c) {
					if m.Applies {
						if m.Line != got.Line || m.Class != got.Class {
							t.Fatalf("%+v as %+v is %+v, and the first rule that applies is %+v", k, c, got, m)
						}
						break
					}
				}
			}
		}
	})
}
