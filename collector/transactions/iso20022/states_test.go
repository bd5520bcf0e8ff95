package iso20022

import (
	"testing"

	"github.com/assayer-io/assayer/slo/rail"
)

// TestRailsKnowEveryStatus: no built-in rail that speaks ISO 20022 refuses a status because of the state it becomes.
func TestRailsKnowEveryStatus(t *testing.T) {
	set, err := rail.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range set.All() {
		if r.Scheme != "iso20022" {
			continue
		}
		for status, state := range statuses(nil) {
			if _, known := r.State(state); !known && state != "" { // "": left out
				t.Errorf("%s becomes %s, which rail %s does not have", status, state, r.Name)
			}
		}
	}
}
