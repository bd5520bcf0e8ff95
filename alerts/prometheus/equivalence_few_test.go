//go:build !e2e

package prometheus_test

import (
	"slices"

	"github.com/assayer-io/assayer/internal/testkit/traces"
)

// every is a case or two of most families, and of fewer under the race detector, which makes PromQL ten times as slow:
// with the tag e2e all of them are played.
func every(f traces.Family) []traces.Case {
	few := []string{"step outage", "failing batch", "missing looks, broken"}
	if racing && !slices.Contains(few, f.Name) {
		return nil
	}
	switch f.Name {
	case "low traffic":
		return slices.Concat(f.Cases[:1], f.Cases[6:7])
	case "missing looks, broken":
		return f.Cases[3:]
	case "step outage":
		return f.Cases[13:14]
	case "node loss, healthy", "restarts, healthy", "restarts, broken", "slow burn", "seasons, healthy", "dependency failure", "drop to zero", "declines":
		return nil
	}
	return f.Cases[len(f.Cases)-1:]
}
