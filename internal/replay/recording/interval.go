package recording

import (
	"math"
	"slices"
	"time"
)

// defaultInterval is that of a target of which there is only one look.
const defaultInterval = 15 * time.Second

// maxSpacings bounds how many different spacings of one target are told apart.
const maxSpacings = 4096

// measure gives the median time between the looks of a target that is at its beginning. It walks one
// series of it: its up, or else the one that is there longest.
func (t *target) measure() (time.Duration, error) {
	probe := t.up
	longest := int64(-1)
	for _, c := range t.cursors {
		if t.up != nil {
			break
		}
		n, err := c.span()
		if err != nil {
			return 0, err
		}
		if n > longest {
			probe, longest = c, n
		}
	}
	if probe == nil {
		return defaultInterval, nil
	}
	walk := *probe
	walk.places = slices.Clone(probe.places)
	return walk.median()
}

// span is how much time the chunks of a series cover, in milliseconds.
func (c *cursor) span() (int64, error) {
	total := int64(0)
	for _, p := range c.places {
		found, _, err := p.part.Chunks(p.ref)
		if err != nil {
			return 0, err
		}
		for _, f := range found {
			total += max(0, min(f.Max, c.to)-max(f.Min, c.from)+1)
		}
	}
	return total, nil
}

// median walks the series to its end.
func (c *cursor) median() (time.Duration, error) {
	counts := map[int64]int{}
	n, last := 0, int64(math.MinInt64)
	for {
		if err := c.next(); err != nil {
			return 0, err
		}
		if c.at == end {
			break
		}
		if last != math.MinInt64 {
			d := roundSpacing(c.at - last)
			if _, known := counts[d]; known || len(counts) < maxSpacings {
				counts[d]++
				n++
			}
		}
		last = c.at
	}
	spacings := make([]int64, 0, len(counts))
	for d := range counts {
		spacings = append(spacings, d)
	}
	slices.Sort(spacings)
	seen := 0
	for _, d := range spacings {
		if seen += counts[d]; 2*seen >= n {
			return time.Duration(d) * time.Millisecond, nil
		}
	}
	return defaultInterval, nil
}

// roundSpacing takes the jitter of a few milliseconds that schedules have out of a spacing.
func roundSpacing(ms int64) int64 {
	if ms < 1000 {
		return ms
	}
	return (ms + 50) / 100 * 100
}
