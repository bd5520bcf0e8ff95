package cli

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo"
)

func TestNumbersForPeople(t *testing.T) {
	for ratio, want := range map[float64]string{
		1: "100 %", 0.9995: "99.95 %", 0: "0 %", -3: "-300 %", -0.5: "-50 %", -9.99: "-999 %", -10: "-1,000 %",
		-258.1: "-25,810 %", -258.1049: "-25,810 %", -12345.67: "-1,234,567 %", 0.00123: "0.123 %", 0.0000001: "0.00001 %",
		math.Inf(-1): "-Inf %",
	} {
		if got := percent(ratio); got != want {
			t.Errorf("percent(%v) = %q, want %q", ratio, got, want)
		}
	}
	for ratio, want := range map[float64]string{0.9: "90 %", 0.9995: "99.95 %", 0.999995: "99.9995 %"} {
		if got := promise(ratio); got != want {
			t.Errorf("promise(%v) = %q, want %q", ratio, got, want)
		}
	}
	for rate, want := range map[float64]string{0.5: "0.5", 14.4: "14.4", 999.6: "1,000", 1000: "1,000", 25810: "25,810"} {
		if got := short(rate); got != want {
			t.Errorf("short(%v) = %q, want %q", rate, got, want)
		}
	}
}

func TestBudgetOfWhatWasNeverFedIsNotShown(t *testing.T) {
	fed := slo.Status{Name: "fed", State: slo.Unknown, ErrorBudget: slo.Budget{RemainingRatio: 1}, Filled: 0.01}
	never := slo.Status{Name: "never", State: slo.Unknown, ErrorBudget: slo.Budget{RemainingRatio: 1}}
	var out bytes.Buffer
	if err := printStatus(&out, inFamilies([]slo.Status{fed, never}), false); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(out.String(), "\n")[1:3] {
		if got := strings.Contains(line, "100 %"); got != strings.Contains(line, " fed") {
			t.Errorf("line %q", line)
		}
	}
}

func TestGroupsMoneyMembersAndOutlookInTheTable(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	gone, early, late := now.Add(3*time.Hour), now.Add(2*time.Hour), now.Add(6*time.Hour)
	of := func(name, parent string, state slo.State, left float64) slo.Status {
		return slo.Status{Name: name, Parent: parent, State: state, Objective: 0.99, Window: "30d", At: now, Filled: 1, Reason: "so it is", ErrorBudget: slo.Budget{RemainingRatio: left}}
	}
	payouts := of("payouts", "", slo.OK, 0.5)
	payouts.Currency, payouts.Events = "EUR", slo.Events{Good: 246_000_000, Bad: 1_234_568} // 1 % of 247,234,568 cents are 2,472,345.68
	wallet := of("wallet", "", slo.Burning, 0.4)
	wallet.ErrorBudget = slo.Budget{RemainingRatio: 0.4, ExhaustsAt: &gone, ExhaustsEarliest: &early, ExhaustsLatest: &late}
	wallet.Members = []slo.MemberStatus{{Objective: "cards", Weight: 2, State: slo.Unknown, ErrorRatio: 1, Counted: "bad"}}
	var out bytes.Buffer
	err := printStatus(&out, fold(inFamilies([]slo.Status{
		of("other", "", slo.OK, 0.1), payouts, of("payouts[region=eu]", "payouts", slo.OK, 0.9), of("payouts[region=us]", "payouts", slo.Exhausted, -1), wallet,
	})), false)
	want := `
STATE      OBJECTIVE      TARGET  WINDOW  LEFT                  BURN  FIRING  WHY
ok         payouts        99 %    30d     50 % (12,377.78 EUR)        -       so it is
exhausted    [region=us]  99 %    30d     -100 %                      -       so it is
ok           [region=eu]  99 %    30d     90 %                        -       so it is
burning    wallet         99 %    30d     40 %                        -       so it is; gone in 3 h (between 2 h and 6 h)
unknown      cards        -       -       -                     -     -       weight 2, 100 % of errors, counted as bad
ok         other          99 %    30d     10 %                        -       so it is
`
	if err != nil || out.String() != want[1:] {
		t.Errorf("%v, got\n%swant%s", err, out.String(), want)
	}
}

func TestGroupsAreFoldedWhereThatIsShorter(t *testing.T) {
	for n, want := range map[int]string{3: "a b c", 4: "a b c d", 5: "a b c +2"} {
		all := []slo.Status{{Name: "pay", State: slo.OK}}
		for i := range n {
			name := string(rune('a' + i))
			all = append(all, slo.Status{Name: name, Parent: "pay", State: slo.OK, ErrorBudget: slo.Budget{RemainingRatio: float64(i)}})
		}
		var got []string
		for _, l := range fold(inFamilies(all))[1:] {
			if l.more > 0 {
				l.Name = fmt.Sprintf("+%d", l.more)
			}
			got = append(got, l.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%d groups: got %v, want %s", n, got, want)
		}
	}
}
