package burnrate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo/burnrate"
)

const day = 24 * time.Hour

func TestTiers(t *testing.T) {
	tests := []struct {
		window time.Duration
		want   string
	}{
		// The workbook's table, chapter 5.
		{30 * day, "page-1h/5m 14.40, page-6h/30m 6.00, ticket-1d/2h 3.00, ticket-3d/6h 1.00"},
		// p × W ÷ T by hand: 0.02×672, 0.05×112, 0.1×28, 0.1×28÷3.
		{28 * day, "page-1h/5m 13.44, page-6h/30m 5.60, ticket-1d/2h 2.80, ticket-3d/6h 0.93"},
		{90 * day, "page-1h/5m 43.20, page-6h/30m 18.00, ticket-1d/2h 9.00, ticket-3d/6h 3.00"},
		// A week: 10 % in a day would be 0.7 times the even burn, so there are no tickets.
		{7 * day, "page-1h/5m 3.36, page-6h/30m 1.40"},
		// A day: no page is left, so the windows shrink with the budget's own.
		{day, "page-2m/10s 14.40, page-12m/1m 6.00, ticket-48m/4m 3.00, ticket-2h24m/12m 1.00"},
	}
	for _, tt := range tests {
		var got []string
		for _, x := range burnrate.Tiers(tt.window) {
			got = append(got, fmt.Sprintf("%s/%s %.2f", x.Name, burnrate.Text(x.Short), x.Factor))
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%v:\ngot  %s\nwant %s", tt.window, s, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Hour: "1h", 90 * time.Minute: "1h30m", 30 * day: "30d", 36 * time.Hour: "1d12h",
		1500 * time.Millisecond: "1s500ms", time.Microsecond: "1ms", 5 * time.Minute: "5m",
	} {
		if got := burnrate.Text(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

// The fastest leg of each severity is the more urgent one.
func TestUrgency(t *testing.T) {
	for _, tt := range []struct {
		window time.Duration
		want   string
	}{
		{30 * day, "page-1h critical, page-6h high, ticket-1d medium, ticket-3d low"},
		{7 * day, "page-1h critical, page-6h high"},
	} {
		tiers := burnrate.Tiers(tt.window)
		var got []string
		for _, x := range tiers {
			got = append(got, x.Name+" "+string(burnrate.UrgencyOf(x, tiers)))
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%v:\ngot  %s\nwant %s", tt.window, s, tt.want)
		}
	}
}

func TestFactorText(t *testing.T) {
	for _, tt := range []struct {
		window time.Duration
		want   string
	}{{30 * day, "14.4 6 3 1"}, {28 * day, "13.44 5.6 2.8 0.933"}, {365 * day, "175.2 73 36.5 12.167"}} {
		var got []string
		for _, x := range burnrate.Tiers(tt.window) {
			got = append(got, x.FactorText())
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%v: %s, want %s", tt.window, s, tt.want)
		}
	}
}
