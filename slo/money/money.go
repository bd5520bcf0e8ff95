// Package money reads and writes amounts of money, exactly: minor units and a currency.
//
//	ParseMinor("12.34", 2)  1234
//
//	Text(1234567, "EUR")    12,345.67 EUR
//	Text(1234567, "JPY")    1,234,567 JPY
package money

import (
	"math"
	"strconv"
	"strings"
)

// mostISO is how many digits after the point currencies of ISO 4217 have at most, all of which are written.
const mostISO = 4

// Text writes an amount of minor units of currency, rounded to whole ones; of a currency that is not
// known, as many as there are.
func Text(minor float64, currency string) string {
	digits, _ := MinorDigits(currency)
	return TextOf(minor, digits, currency)
}

// TextOf is Text of what is paid in with so many digits after the point: 18 of ETH, of which those that say nothing
// are left out.
func TextOf(minor float64, digits int, currency string) string {
	minor = math.Round(minor)
	text := strconv.FormatFloat(math.Abs(minor), 'f', 0, 64)
	if short := digits + 1 - len(text); short > 0 {
		text = strings.Repeat("0", short) + text
	}
	whole, fraction := text[:len(text)-digits], text[len(text)-digits:]
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if digits > mostISO {
		fraction = fraction[:2] + strings.TrimRight(fraction[2:], "0")
	}
	if digits > 0 {
		whole += "." + fraction
	}
	if minor < 0 {
		whole = "-" + whole
	}
	return whole + " " + currency
}
