package money

import "testing"

func TestText(t *testing.T) {
	for _, tt := range []struct {
		minor    float64
		currency string
		want     string
	}{
		{1234567, "EUR", "12,345.67 EUR"}, {0, "EUR", "0.00 EUR"}, {5, "EUR", "0.05 EUR"}, {99, "USD", "0.99 USD"}, {100, "USD", "1.00 USD"},
		{-1234567, "EUR", "-12,345.67 EUR"}, {-5, "GBP", "-0.05 GBP"}, {-0.2, "GBP", "0.00 GBP"},
		{1234567, "JPY", "1,234,567 JPY"}, {0, "JPY", "0 JPY"}, {1234567, "KWD", "1,234.567 KWD"}, {7, "KWD", "0.007 KWD"}, {12345, "CLF", "1.2345 CLF"},
		{100.5, "EUR", "1.01 EUR"}, {99999900, "EUR", "999,999.00 EUR"}, {9007199254740992, "EUR", "90,071,992,547,409.92 EUR"}, {150, "XYZ", "150 XYZ"},
	} {
		if got := Text(tt.minor, tt.currency); got != tt.want {
			t.Errorf("%v %s: %s, want %s", tt.minor, tt.currency, got, tt.want)
		}
	}
}

func TestMinorDigits(t *testing.T) {
	for code, want := range map[string]int{"EUR": 2, "USD": 2, "JPY": 0, "ISK": 0, "KWD": 3, "TND": 3, "CLF": 4, "UYW": 4, "ZWG": 2} {
		if got, known := MinorDigits(code); got != want || !known {
			t.Errorf("%s has %d digits (%v), want %d", code, got, known, want)
		}
	}
	for digits := range 5 {
		for _, code := range Codes(digits) {
			if got, known := MinorDigits(code); got != digits || !known {
				t.Errorf("%s has %d digits (%v), want %d", code, got, known, digits)
			}
		}
	}
	for _, code := range []string{"", "E", "EURO", "eur", "XXX", "XAU", "DEM", "R U", " EU", "AAA", "ZZZ"} {
		if _, known := MinorDigits(code); known {
			t.Errorf("%q is a currency", code)
		}
	}
}
