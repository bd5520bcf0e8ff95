package docs_test

import (
	"testing"

	"github.com/assayer-io/assayer/internal/convert"
)

// TestLosses: the closed list, and which of them cost a document.
func TestLosses(t *testing.T) {
	var have, written []string
	refusing := 0
	for _, l := range convert.Losses() {
		have = append(have, string(l))
		if l.Refuses() {
			refusing++
		}
	}
	for i, row := range tables(t, "importing.md", "losses") {
		name := codes(row[0])[0]
		written = append(written, name)
		if convert.Loss(name).Refuses() != (i < refusing) {
			t.Errorf("%s stands among the wrong losses", name)
		}
	}
	wantSame(t, "losses", written, have)
	if refusing != 10 {
		t.Errorf("%d losses cost a document, and the page says ten", refusing)
	}
}
