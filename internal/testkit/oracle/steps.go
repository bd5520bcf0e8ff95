package oracle

import "slices"

// EachLook copies steps, giving every look to change.
func EachLook(steps []Step, change func(*Look)) []Step {
	out := slices.Clone(steps)
	for i := range out {
		if out[i].Look == nil {
			continue
		}
		l := *out[i].Look
		l.Samples = slices.Clone(l.Samples)
		change(&l)
		out[i].Look = &l
	}
	return out
}

// Plain leaves out what is only there to confuse: looks out of order, samples twice or unusable, samples
// with timestamps of their own.
func Plain(steps []Step) []Step {
	last := map[string]int64{}
	var out []Step
	for _, s := range EachLook(steps, func(l *Look) {
		seen := map[*Series]bool{}
		l.Samples = slices.DeleteFunc(l.Samples, func(s Sample) bool {
			twice := seen[s.Series]
			seen[s.Series] = true
			return twice || !whole(s.Value)
		})
		for i := range l.Samples {
			l.Samples[i].AtMs = 0
		}
		l.Process = ""
	}) {
		if l := s.Look; l != nil && !l.Failed {
			if l.AtMs <= last[l.Target] {
				continue
			}
			last[l.Target] = l.AtMs
		}
		out = append(out, s)
	}
	return out
}
