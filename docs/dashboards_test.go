package docs_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/dashboards/grafana"
)

// TestDashboardTables compares the manual's tables of panels with the screens: titles, units, and the first sentence of
// what each says of itself.
func TestDashboardTables(t *testing.T) {
	made, err := grafana.All(dashboards.Input{Options: dashboards.Options{Currency: "EUR"}})
	if err != nil {
		t.Fatal(err)
	}
	units := map[string]string{
		"percentunit": "%", "s": "s", "short": "number", "none": "words or by column", "bytes": "bytes", "currencyEUR": "EUR",
		"suffix:×": "×", "suffix: /s": "/s", "suffix: bps": "bps",
	}
	var uids []string
	for _, d := range made {
		uids = append(uids, d.UID)
		var s struct {
			Panels []struct {
				Type, Title, Description string
				FieldConfig              struct{ Defaults struct{ Unit string } }
			}
		}
		if err := json.Unmarshal(d.JSON, &s); err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, p := range s.Panels {
			if p.Type != "row" {
				first, _, _ := strings.Cut(p.Description+" ", ". ")
				want = append(want, strings.Join([]string{strings.ReplaceAll(p.Title, " (EUR)", ""), units[p.FieldConfig.Defaults.Unit], strings.TrimRight(first, ". ")}, " | "))
			}
		}
		for _, row := range tables(t, "dashboards.md", "panels: "+d.UID) {
			got = append(got, strings.Join(row, " | "))
		}
		wantSame(t, d.UID, got, want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the manual has its panels in another order:\n| %s |", d.UID, strings.Join(want, " |\n| "))
		}
	}
	var written []string
	for _, row := range tables(t, "dashboards.md", "screens") {
		written = append(written, strings.Trim(row[0], "`"))
	}
	wantSame(t, "screens", written, uids)
}
