package reason_test

import (
	"encoding/csv"
	"os"
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
