package money

import (
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestParseMinor(t *testing.T) {
	for _, tt := range []struct {
		text   string
		digits int
		want   string
		err    error
	}{
		{"12.34", 2, "1234", nil}, {"12", 2, "1200", nil}, {"0.05", 2, "5", nil}, {"12.3", 2, "1230", nil}, {"12.3400", 2, "1234", nil}, {"007", 0, "7", nil}, {"0", 2, "0", nil},
		{"1.234", 3, "1234", nil}, {"150.00", 0, "150", nil},
		{"1.000000000000000001", 18, "1000000000000000001", nil},
		{"120000000.000000000000000001", 18, "120000000000000000000000001", nil},
		{"99999999999999999999999999999999999999", 0, "99999999999999999999999999999999999999", nil},
		{"999999999999999999999999999999999999990", 0, "", ErrTooLarge}, {strings.Repeat("9", 37), 2, "", ErrTooLarge},
		{"12.345", 2, "", ErrTooFine}, {"1.5", 0, "", ErrTooFine},
		{"", 2, "", ErrNoAmount}, {".5", 2, "", ErrNoAmount}, {"5.", 2, "", ErrNoAmount}, {"-1", 2, "", ErrNoAmount}, {"+1", 2, "", ErrNoAmount}, {"1e3", 2, "", ErrNoAmount},
		{"1,000.00", 2, "", ErrNoAmount}, {"1.2.3", 2, "", ErrNoAmount}, {"1.2x", 2, "", ErrNoAmount}, {"1.00x", 2, "", ErrNoAmount}, {"NaN", 2, "", ErrNoAmount}, {" 1", 2, "", ErrNoAmount},
	} {
		got, err := ParseMinor(tt.text, tt.digits)
		if !errors.Is(err, tt.err) || err == nil && got.String() != tt.want {
			t.Errorf("%q with %d digits: %v, %v; want %s, %v", tt.text, tt.digits, got, err, tt.want, tt.err)
		}
	}
}

func FuzzParseMinor(f *testing.F) {
	f.Add("12.34", uint8(2))
	f.Add("1.000000000000000001", uint8(18))
	f.Fuzz(func(t *testing.T, text string, digits uint8) {
		d := int(digits % 31)
		got, err := ParseMinor(text, d)
		if err != nil {
			return
		}
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q was read as %v and is no number", text, got)
		}
		r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d)), nil)))
		if !r.IsInt() || r.Num().Cmp(got.Int()) != 0 {
			t.Fatalf("%q with %d digits was read as %v", text, d, got)
		}
	})
}
