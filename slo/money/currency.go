package money

import (
	"sort"
	"strings"
)

// The active codes of ISO 4217, list one, by how many digits their minor unit has. Codes without a
// minor unit (metals, the units of funds and of testing) have no place here: nothing is paid in them.
const (
	noDigits = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"

	twoDigits = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF " +
		"CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD " +
		"HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT " +
		"MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR " +
		"SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU " +
		"UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"

	threeDigits = "BHD IQD JOD KWD LYD OMR TND"

	fourDigits = "CLF UYW"
)

// MinorDigits gives how many digits the minor unit of a currency has after the point, such as 2 for EUR
// and 0 for JPY, and whether the code is an active one of ISO 4217.
func MinorDigits(currency string) (digits int, known bool) {
	if len(currency) != 3 {
		return 0, false
	}
	for i, codes := range byDigits() {
		if listed(codes, currency) {
			return i, true
		}
	}
	return 0, false
}

// listed looks for a code among codes of three letters, which are in order.
func listed(codes, code string) bool {
	const each = len("EUR ")
	at := sort.Search((len(codes)+1)/each, func(i int) bool { return codes[i*each:i*each+3] >= code }) * each
	return at < len(codes) && codes[at:at+3] == code
}

func byDigits() [5]string { return [...]string{noDigits, "", twoDigits, threeDigits, fourDigits} }

// Codes lists the active codes of ISO 4217 whose minor unit has so many digits after the point, by name.
func Codes(digits int) []string {
	all := byDigits()
	if digits < 0 || digits >= len(all) {
		return nil
	}
	return strings.Fields(all[digits])
}
