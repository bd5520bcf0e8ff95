package cli

import (
	"bytes"
	"math"
	"strings"
	"testing"

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
	if err := printStatus(&out, []slo.Status{fed, never}, false); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(out.String(), "\n")[1:3] {
		if got := strings.Contains(line, "100 %"); got != strings.Contains(line, " fed") {
			t.Errorf("line %q", line)
		}
	}
}
