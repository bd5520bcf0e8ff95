package money

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strings"
)

// Minor is a whole number of minor units: cents, yen, satoshi, wei. It holds up to 38 digits, more than
// all wei there are; sums of many are kept in a big.Int.
type Minor struct{ Hi, Lo uint64 }

// maxAmountDigits is how many digits an amount may have in minor units: all such numbers fit a Minor.
const maxAmountDigits = 38

// What is wrong with an amount.
var (
	ErrNoAmount = errors.New("is no decimal number such as 12.34, without sign, exponent or separators")
	ErrTooFine  = errors.New("has more digits after the point than the currency has")
	ErrTooLarge = errors.New("has more than 38 digits in minor units")
)

// ParseMinor reads a decimal number such as 12.34 as minor units of a currency with so many digits after
// the point. Zeros past them are allowed; nothing is ever rounded.
func ParseMinor(text string, digits int) (Minor, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	if whole == "" || strings.HasSuffix(text, ".") {
		return Minor{}, ErrNoAmount
	}
	if cut := strings.TrimRight(fraction, "0"); len(cut) > digits {
		if !allDigits(cut) {
			return Minor{}, ErrNoAmount
		}
		return Minor{}, ErrTooFine
	}
	var m Minor
	count := 0
	for i := range len(whole) + digits {
		var c byte = '0'
		switch {
		case i < len(whole):
			c = whole[i]
		case i-len(whole) < len(fraction):
			c = fraction[i-len(whole)]
		}
		if c < '0' || c > '9' {
			return Minor{}, ErrNoAmount
		}
		if count > 0 || c != '0' {
			count++
		}
		if count > maxAmountDigits {
			return Minor{}, ErrTooLarge
		}
		m = m.timesTenPlus(uint64(c - '0'))
	}
	if !allDigits(fraction) {
		return Minor{}, ErrNoAmount
	}
	return m, nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// timesTenPlus is exact for what has fewer than 38 digits.
func (m Minor) timesTenPlus(d uint64) Minor {
	hi, lo := bits.Mul64(m.Lo, 10)
	lo, carry := bits.Add64(lo, d, 0)
	return Minor{Hi: m.Hi*10 + hi + carry, Lo: lo}
}

// Int is m as a big integer that the caller owns.
func (m Minor) Int() *big.Int {
	i := new(big.Int).SetUint64(m.Hi)
	return i.Or(i.Lsh(i, 64), new(big.Int).SetUint64(m.Lo))
}

// Float64 is the float nearest to m but for rounding twice above 2^64.
func (m Minor) Float64() float64 { return math.Ldexp(float64(m.Hi), 64) + float64(m.Lo) }

// IsZero reports whether m is 0.
func (m Minor) IsZero() bool { return m == Minor{} }

// String writes the number of minor units.
func (m Minor) String() string { return fmt.Sprint(m.Int()) }
