// Package slo is the engine: it counts good and bad events exactly, keeps them in a ledger, and says
// how much error budget is left and whether it burns. It is pure: time is an argument, nothing is
// read or written, so that live operation and replay are one path.
//
//	engine := slo.New(slo.Options{...})
//	engine.Apply(objectives, now)
//	engine.Observe(cycle)              // once for each scrape of each target
//	statuses := engine.Evaluate(now)   // once for each evaluation interval
//
// # Counting
//
// Each series contributes the increase between its consecutive samples, booked at the time of the
// later one. A value below the one before, or a start timestamp after it, is a reset and counts from
// zero. A series that is born on a target which was watched before counts from zero; on a target's
// first look it is a baseline, unless its start timestamp says that it began after watching did. An
// increase across a gap of more than two intervals is spread evenly over the gap, in whole events.
//
// # Windows
//
// A window (now−W, now] is a difference of two cumulative counts of the ledger, so its cost does not
// depend on W. The near edge is exact; the far edge is rounded outwards to the ledger's bucket, which
// makes the window longer by less than one bucket: see [Resolution]. Calendar windows begin exactly
// at the period's start.
//
// # Coverage
//
// Each target that feeds an objective owes one look an interval. Coverage is the share of that time
// for which looks arrived. A tier fires only on what was seen: its burn rate, taken as if everything
// unseen had been good, must still exceed the factor. So a half-filled window cannot cry wolf and a
// real outage in the first minute is found just as fast as later.
package slo

import (
	"bytes"
	"encoding/json"
)

// objectKeys lists the keys of a flat JSON object in the order written; data is known to be valid.
func objectKeys(data []byte) []string {
	dec := json.NewDecoder(bytes.NewReader(data))
	var keys []string
	if _, err := dec.Token(); err != nil {
		return nil
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return keys
		}
		if s, ok := key.(string); ok {
			keys = append(keys, s)
		}
		if _, err := dec.Token(); err != nil {
			return keys
		}
	}
	return keys
}
