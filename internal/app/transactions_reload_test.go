package app_test

import (
	"strings"
	"testing"
)

// What an agent that follows movements of money was started with and what its counts are in does not change under it.
func TestReloadRefusesWhatCountsAreIn(t *testing.T) {
	file := func(currency, section string) string {
		return "global: {scrape_interval: 1s, evaluation_interval: 1s, reporting_currency: " + currency + "}\nstorage: {path: data}\nobjectives: [slo/*.yaml]\n" + section
	}
	s := newSite(t)
	s.write("slo/sales.yaml", objective("sales", 0.99))
	s.write("assayer.yaml", file("EUR", "collectors: {transactions: {}}\n"))
	a := s.start()
	for _, tt := range []struct{ name, file, want string }{
		{"the reporting currency", file("USD", "collectors: {transactions: {}}\n"), "global.reporting_currency cannot change"},
		{"the room for records", file("EUR", "collectors: {transactions: {max_records: 1000}}\n"), "max_records cannot change"},
		{"no section any more", file("EUR", ""), "cannot come or go"},
	} {
		s.write("assayer.yaml", tt.file)
		if err := a.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want a refusal with %q", tt.name, err, tt.want)
		}
	}
	s.write("assayer.yaml", file("EUR", "collectors: {transactions: {closed_retention: 24h}}\n"))
	if err := a.Reload(t.Context()); err != nil {
		t.Errorf("what may change: %v", err)
	}
}
