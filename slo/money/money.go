// Package money writes amounts of minor units the way people read them:
//
//	Text(1234567, "EUR")    12,345.67 EUR
//	Text(1234567, "JPY")    1,234,567 JPY
package money

import (
	"math"
	"strconv"
	"strings"
)

// Digits is how many decimal digits the minor unit of a currency stands for, after ISO 4217: 2 for EUR,
// 0 for JPY. Codes that ISO 4217 does not have get 2.
func Digits(currency string) int {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	case "CLF", "UYW":
		return 4
	}
	return 2
}

// Text writes an amount of minor units of currency, rounded to whole ones.
func Text(minor float64, currency string) string {
	minor = math.Round(minor)
	digits := Digits(currency)
	text := strconv.FormatFloat(math.Abs(minor), 'f', 0, 64)
	if short := digits + 1 - len(text); short > 0 {
		text = strings.Repeat("0", short) + text
	}
	whole, fraction := text[:len(text)-digits], text[len(text)-digits:]
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if digits > 0 {
		whole += "." + fraction
	}
	if minor < 0 {
		whole = "-" + whole
	}
	return whole + " " + currency
}
