//go:build e2e

package main

import (
	"math"
	"testing"
)

// What the page says of the others is held too: a new version of theirs that answers better has to
// be told here, and on the page.
func TestPeersSayWhatThePageSays(t *testing.T) {
	all, err := answers(t.Context(), "../../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		for _, c := range []struct {
			tool      string
			got, want float64
		}{{"sloth", a.sloth, a.ask.sloth.says}, {"pyrra", a.pyrra, a.ask.pyrra.says}, {"Assayer", a.assayer, a.ask.truth}} {
			if math.IsNaN(c.want) {
				if !math.IsNaN(c.got) {
					t.Errorf("%s: %s says %v, known to say that it is no number", a.name, c.tool, c.got)
				}
				// Two per cent: five-minute ratios straddle dusk, and increase() estimates at its edges. A NaN fails too.
			} else if !(math.Abs(c.got-c.want) <= 0.02*max(1, math.Abs(c.want))) {
				t.Errorf("%s: %s says %v, known to say %v", a.name, c.tool, c.got, c.want)
			}
		}
	}
}
