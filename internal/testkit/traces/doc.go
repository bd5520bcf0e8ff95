// Package traces makes services that fail in known ways: what an agent's looks at them bring, and what
// really happened. Every trace is a seed and a few parameters, drawn again each time it is read, so a
// month of looks is never held in memory.
//
//	for _, family := range traces.Families() {
//		for _, c := range family.Cases {
//			trace := c.Make(traces.Test().Seed(0))
//			for look := range trace.Looks(trace.Interval) {
//				engine.Observe(look.Cycle) // look.Truth and look.Shown: what happened, what could be seen
//			}
//		}
//	}
//
// A look of the family "step outage", as text:
//
//	service-0-target-1 at 75h12m5s: good 0 bad 48 excluded 0
//
// Events arrive independently (Poisson), which the families of bursts and flapping bend.
package traces
