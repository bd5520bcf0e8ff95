package backup

import "os"

// exchangeSlowly gives two folders each other's name, one after the other.
func exchangeSlowly(a, b string) error {
	between := a + ".moving"
	if err := os.Rename(b, between); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return err
	}
	return os.Rename(between, a)
}
