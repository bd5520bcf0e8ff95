package app

import (
	"math/big"
	"slices"
	"testing"
)

// TestAmountsOfAllCurrencies: cents, yen, and what the agent file says has 18 digits.
func TestAmountsOfAllCurrencies(t *testing.T) {
	wei, _ := new(big.Int).SetString("2500000000000000000", 10)
	got := amounts(map[string]*big.Int{"EUR": big.NewInt(1234567), "JPY": big.NewInt(1234567), "ETH": wei, "USD": new(big.Int)}, map[string]int{"ETH": 18})
	if want := []string{"2.500000000000000000 ETH", "12,345.67 EUR", "1,234,567 JPY"}; !slices.Equal(got, want) {
		// By the code of the currency: ETH comes before EUR. Nothing is not written.
		t.Errorf("got %q, want %q", got, want)
	}
}
