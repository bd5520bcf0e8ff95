package web

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestSettlementOnThePage: what a person on call needs of each rail, the one with most overdue first.
func TestSettlementOnThePage(t *testing.T) {
	_, page := ask(t, newFixture().server(t), "GET", "/", "")
	got := text(mainOf(page))
	for _, want := range []string{
		"1 action waits for a person to decide. See what and why ▲ 1,240 movements of money are overdue on sct-inst. See how each rail stands",
		// Instant: no cut-off; 1,240 overdue.
		"sct-inst SEPA Instant Credit Transfer Business declines of DEUTDEFF rose from 3 % to 41 % of 900.",
		"Open 1,300 235,000.00 EUR Overdue 1,240 224,100.50 EUR In doubt 3 550.00 EUR Oldest 2 min Next cut-off none: each has its own deadline Reconciliation breaks not reconciled",
		// 16:00 in Berlin is 15:00 UTC, 4 h 55 min 55 s after the fixture's now; what is due takes longer.
		"Next cut-off in 4 h 55 min sct 2026-11-21 15:00:00 UTC 12,000 still open before it, 48,000,000.00 EUR, 9,000.00 USD: takes 6 h, more than is left Reconciliation breaks 2 10.00 EUR",
		// Nothing settles on one, there is nothing left on the other.
		"7 still open before it: nothing settles at present", "nothing open before it", "7 still open before it: takes 3 min",
		"Reason codes that no pack knows, counted as technical: iso20022/status/ZZ99 (4), nacha/R99 (1). Say what they mean",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q:\n%s", want, got[strings.Index(got, "Settlement"):])
		}
	}
	last := -1
	for _, name := range []string{"sct-inst", "ach", "chaps", "sct", "t2"} {
		i := strings.Index(page, `id="r-`+name+`"`)
		if i <= last {
			t.Errorf("rail %s is not in its place", name)
		}
		last = i
	}
	if strings.Count(page, `class="late"`) != 1 || strings.Count(page, `<p class="problem">`) != 2 {
		t.Error("not exactly what is late, and what will be, is marked")
	}
	if !strings.Contains(page, `<time datetime="2026-11-21T15:00:00Z" data-until>`) || !strings.Contains(page, `href="#settlement"`) {
		t.Error("the cut-off is not counted down, or nothing leads to it")
	}
}

func TestSettlementSaysWhyThereIsNone(t *testing.T) {
	f := newFixture()
	f.settlement = Settlement{}
	_, page := ask(t, f.server(t), "GET", "/", "")
	if got := text(mainOf(page)); !strings.Contains(got, "No movement of money has been told yet, so there is none to follow. Send events to /api/v1/transactions") {
		t.Errorf("the empty section says: %s", got)
	}
	d := f.deps()
	d.Settlement = nil
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, page := ask(t, s.Handler(), "GET", "/", ""); strings.Contains(page, "settlement-h") || strings.Contains(page, "#settlement") {
		t.Error("an agent that follows no movements shows how they stand")
	}
}

func TestHowMuchIsOverdueIsSummedUp(t *testing.T) {
	of := func(counts ...int64) (rails []Rail) {
		for i, n := range counts {
			rails = append(rails, Rail{Name: fmt.Sprint("r", i), Overdue: Pile{Count: n}})
		}
		return rails
	}
	for want, rails := range map[string][]Rail{
		"":                                       of(0, 0),
		"1 movement of money is overdue on r0":   of(1, 0),
		"7 movements of money are overdue on r0": of(7),
		"1,007 movements of money are overdue on 2 rails": of(1000, 7, 0),
	} {
		if got := late(rails); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestManyRailsAreCounted(t *testing.T) {
	f := newFixture()
	for i := range 55 {
		f.settlement.Rails = append(f.settlement.Rails, Rail{Name: fmt.Sprintf("x%02d", i)})
		f.settlement.Unmapped = append(f.settlement.Unmapped, UnmappedCode{Code: fmt.Sprint("http//", i), Count: 1})
	}
	_, page := ask(t, f.server(t), "GET", "/", "")
	if got := text(mainOf(page)); !strings.Contains(got, "10 more at /api/v1/transactions") || !strings.Contains(got, "http//17 (1) and 37 more.") {
		t.Errorf("got %s", got)
	}
}

// settling is a day on which one instant rail has stopped and the batch of another is late.
func settling(now time.Time) Settlement {
	cutOff := time.Date(2026, 11, 21, 15, 0, 0, 0, time.UTC)
	of := func(n int64, values ...string) Pile { return Pile{Count: n, Values: values} }
	return Settlement{
		Rails: []Rail{
			{Name: "ach", Open: of(7), Oldest: time.Hour, NextCutOff: cutOff, Due: of(7), Drain: -1},
			{Name: "chaps", NextCutOff: cutOff.Add(24 * time.Hour), CutOff: "customer", Drain: -1},
			{Name: "sct", Title: "SEPA Credit Transfer", Open: of(12_000, "48,000,000.00 EUR", "9,000.00 USD"), Oldest: 26 * time.Hour, NextCutOff: cutOff, CutOff: "sct",
				Due: of(12_000, "48,000,000.00 EUR", "9,000.00 USD"), Drain: 6 * time.Hour, Breaks: &Pile{Count: 2, Values: []string{"10.00 EUR"}}},
			{Name: "sct-inst", Title: "SEPA Instant Credit Transfer", Open: of(1_300, "235,000.00 EUR"), Overdue: of(1_240, "224,100.50 EUR"), InDoubt: of(3, "550.00 EUR"),
				Oldest: 2*time.Minute + 11*time.Second, Drain: -1, Anomalies: []string{"business declines of DEUTDEFF rose from 3 % to 41 % of 900"}},
			{Name: "t2", Open: of(7), NextCutOff: cutOff, Due: of(7), Drain: 200 * time.Second},
		},
		Unmapped: []UnmappedCode{{"iso20022/status/ZZ99", 4}, {"nacha/R99", 1}},
	}
}
