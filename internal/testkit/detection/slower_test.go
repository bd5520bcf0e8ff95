package detection

import (
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/traces"
)

// compared are the cases that differ in how an incident begins; how long it goes on after it was found
// changes nothing.
func compared(f traces.Family) []traces.Case {
	if f.Name != "step outage" {
		return f.Cases
	}
	var out []traces.Case
	for _, c := range f.Cases {
		if strings.HasSuffix(c.Name, " for 1h") || c.Name == "1 % for 6h" {
			out = append(out, c)
		}
	}
	return out
}

// farEdge is by how much the ledger's buckets may lengthen a window at most (docs/engine.md), which
// thins out an incident as much.
const farEdge = 0.017

// TestNeverSlowerThanSeveralWindows compares the engine case by case with the workbook's best rule,
// allowing for the far edge of windows and one look. Below 300
// requests an hour that rule pages for single failures (TestHealthyMonths), so the one with a guard is
// the measure there.
func TestNeverSlowerThanSeveralWindows(t *testing.T) {
	for i, f := range traces.Families() {
		if i%familiesCovered != 0 {
			continue
		}
		for _, c := range compared(f) {
			tr := c.Make(traces.Test().Seed(100_000))
			if tr.Truth.Want == traces.Nothing {
				continue
			}
			few, seeds := tr.Truth.Monthly < 300*24*30*0.99, seedsCompared
			if few { // a handful of failures decides, so that it takes many to compare
				seeds = seedsOfFew
			}
			got := medians(t, seeds, c.Make)
			theirs := got[unguarded]
			if few {
				theirs = got[guarded]
			}
			if theirs == never {
				continue
			}
			if limit := time.Duration((1+farEdge)*float64(theirs)) + tr.Interval; got[0] > limit {
				t.Errorf("%s, %s: found after %v, the workbook's rule after %v", f.Name, c.Name, got[0], theirs)
			}
		}
	}
}
