package transactions

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// values lists the counters of value, those that are not 0.
func (r *rig) values() []string {
	var got []string
	for _, m := range r.Metrics() {
		if m.Value != 0 && (strings.Contains(m.Name, "_value") || strings.Contains(m.Name, "unvalued")) {
			got = append(got, fmt.Sprintf("%s %s %.0f", strings.TrimPrefix(m.Name, "assayer_transactions_"), m.Labels.Get("currency"), m.Value))
		}
	}
	slices.Sort(got)
	return got
}

func (r *rig) worth(want ...string) {
	r.t.Helper()
	if got := r.values(); !slices.Equal(got, want) {
		r.t.Errorf("got %q, want %q", got, want)
	}
}

func reporting(t testing.TB, rates string) func(*Rules) {
	return func(rules *Rules) {
		var err error
		rules.Reporting = "EUR"
		rules.Rates, err = ReadRates(strings.NewReader(rates))
		must(t, err)
	}
}

func (r *rig) settle(id, railName, amount, currency string) {
	for _, state := range []string{"received", "settled"} {
		e := r.event(id, railName, state)
		e.Amount, e.Currency = amount, currency
		r.put(e)
	}
}

func TestValueInOneCurrency(t *testing.T) {
	r := newRig(t, reporting(t, "# ECB\n2026-11-19,USD,0.86\n2026-11-20,USD,0.8637\n2026-11-20,JPY,0.0055\n2026-11-21,USD,2\n"))
	r.settle("a", "sct-inst", "100.00", "USD")     // 86.37
	r.settle("b", "sct-inst", "1000", "JPY")       // 5.50
	r.settle("c", "sct-inst", "0.01", "USD")       // 0.008637 is 1 cent
	r.settle("d", "sct-inst", "1.00", "CHF")       // no rate
	r.settle("e", "sct-inst", "1000000.00", "EUR") // capped at 10,000.00
	r.worth("capped_value_total EUR 1009188", "unvalued_total CHF 1", "value_total EUR 100009188")
}

// What a day's rate was is decided once.
func TestRestatedRateMovesNothing(t *testing.T) {
	r := newRig(t, reporting(t, "2026-11-20,USD,0.5\n"))
	r.settle("a", "sct-inst", "1.00", "USD")
	r.worth("capped_value_total EUR 50", "value_total EUR 50")
	reporting(t, "2026-11-20,USD,0.7\n2026-11-21,USD,0.9\n")(&r.rules)
	must(t, r.SetRules(r.rules))
	r.settle("b", "sct-inst", "1.00", "USD")
	r.worth("capped_value_total EUR 100", "value_total EUR 100")
	r.close()
	r.open()
	r.settle("c", "sct-inst", "1.00", "USD")
	r.worth("capped_value_total EUR 150", "value_total EUR 150")
	r.clock = r.clock.Add(24 * time.Hour)
	r.settle("d", "sct-inst", "1.00", "USD")
	r.worth("capped_value_total EUR 240", "value_total EUR 240")
}

// A day's rate is forgotten after 800 days and not before, on disk as in memory, and nothing counted moves.
func TestOldRatesAreForgotten(t *testing.T) {
	r := newRig(t, reporting(t, "2026-11-20,USD,0.5\n"))
	stored := func() (n int) {
		must(t, r.j.ScanMeta("rate/", func(string, []byte) error { n++; return nil }))
		return n
	}
	r.settle("a", "sct-inst", "1.00", "USD")
	for i, want := range []int{2, 3, 3} { // on the last day the first one goes
		r.clock = noon.AddDate(0, 0, 799+i)
		r.settle(fmt.Sprint("b", i), "sct-inst", "1.00", "USD")
		if got := stored(); got != want {
			t.Errorf("%d days later %d rates are stored, want %d", 799+i, got, want)
		}
		if len(r.Tracker.values.fixed) != want {
			t.Errorf("%d days later %d rates are in memory, want %d", 799+i, len(r.Tracker.values.fixed), want)
		}
		r.close()
		r.open()
	}
	r.worth("capped_value_total EUR 200", "value_total EUR 200")
}

// Without a reporting currency amounts count as they were told, also those of more wei than 64 bits hold.
func TestValueOfWei(t *testing.T) {
	r := newRig(t, func(rules *Rules) { rules.Assets = map[string]int{"ETH": 18} })
	for i, amount := range []string{"20", "0.5", "1000"} {
		r.settle(fmt.Sprint(i), "sct-inst", amount, "ETH")
	}
	r.worth("capped_value_total ETH 1020500000000000000000", "value_total ETH 1020500000000000000000")
}

// All wei there are, a thousand times over, are counted to the last one.
func TestSumsOfWei(t *testing.T) {
	r := newRig(t, func(rules *Rules) { rules.Assets = map[string]int{"ETH": 18} })
	one, _ := new(big.Int).SetString("120000000000000000000000001", 10)
	for i := range 1000 {
		e := r.event(fmt.Sprint(i), "crypto-withdrawal", "received")
		e.Amount, e.Currency = "120000000.000000000000000001", "ETH"
		r.put(e)
	}
	got := r.Summaries()[0].Open.Values["ETH"]
	if want := new(big.Int).Mul(one, big.NewInt(1000)); got.Cmp(want) != 0 {
		t.Errorf("open: %v wei, want %v", got, want)
	}
}

func TestAmountsThatCannotBe(t *testing.T) {
	r := newRig(t, nil)
	for _, tt := range []struct{ amount, currency, want string }{
		{"1.234", "EUR", "amount.value: has more digits after the point than the currency has"}, {"-1", "EUR", "amount.value: is no decimal number"},
		{"1", "", "amount.currency: is missing"}, {"1", "DOGE", `amount.currency: is neither of ISO 4217 nor among collectors.transactions.assets, got "DOGE"`},
	} {
		e := r.event("a", "sct-inst", "received")
		e.Amount, e.Currency = tt.amount, tt.currency
		if got := r.put(e); len(got.Rejected) != 1 || !strings.Contains(got.Rejected[0].Err.Error(), tt.want) {
			t.Errorf("%q %q: %+v, want %s", tt.amount, tt.currency, got, tt.want)
		}
	}
}

func TestMistakesInRates(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-20,USD":          "line 1: got",
		"\n\n20.11.2026,USD,1":    "line 3: date",
		"2026-11-20,USD,-1":       "line 1: rate",
		"2026-11-20,USD,0":        "line 1: rate",
		"2026-11-20,USD,1/2":      "line 1: rate",
		"2026-11-20,USD,1e400000": "line 1: rate",
	} {
		if _, err := ReadRates(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzReadRates(f *testing.F) {
	f.Add("2026-11-20,USD,0.8637\n# x\n2026-11-21,JPY,0.0055")
	f.Fuzz(func(t *testing.T, text string) {
		rates, err := ReadRates(strings.NewReader(text))
		if err != nil {
			return
		}
		for currency, of := range rates.of {
			for _, one := range of {
				rate, found := rates.on(currency, one.day)
				if r, err := parseRate(rate); !found || err != nil || r.Sign() <= 0 {
					t.Fatalf("%q: %s on day %d is %q", text, currency, one.day, rate)
				}
			}
		}
	})
}

// What rails come to is written in cents, yen, and by the digits that the agent file says an asset has.
func TestAmountsOfAllCurrencies(t *testing.T) {
	r := newRig(t, func(rules *Rules) { rules.Assets = map[string]int{"ETH": 18} })
	for i, of := range [][2]string{{"1.25", "ETH"}, {"12345.67", "EUR"}, {"1234567", "JPY"}, {"0.00", "USD"}} {
		e := r.event(fmt.Sprint(i), "sct-inst", "received")
		e.Amount, e.Currency = of[0], of[1]
		r.put(e)
	}
	s := r.Summaries()[0]
	if got, want := s.Amounts(s.Open), []string{"1.25 ETH", "12,345.67 EUR", "1,234,567 JPY"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
