// Package oracle says what an error budget must be, worked out a second time: from every raw sample, with
// big integers, by the rules of docs/engine.md read literally. It is slow, keeps nothing between two
// questions, and shares no code with the engine that tests hold against it. [NewTrace] makes the random
// histories both are asked about.
//
//	window (2026-03-28T23:00:00Z, 2026-03-29T12:00:07Z]: good 90311, bad 17, coverage 2411/2418, filled 1
package oracle

import (
	"math"
	"math/big"
	"slices"
)

// Role is what a series is to the objective.
type Role uint8

// The roles a series may have.
const (
	Good Role = iota
	Bad
	Total
	Excluded
	Gauge
)

// Series is one time series of a target.
type Series struct {
	Name   string
	Labels []string // pairs of name and value
	Roles  []Role   // one series may be failures and part of the total at once
}

// Sample is one value of one series. Counters hold whole numbers or what cannot be one.
type Sample struct {
	Series *Series
	Value  float64
	AtMs   int64 // its own timestamp; 0: that of the look
	FromMs int64 // when the counter says it began; 0: it does not
}

// Look is one look at one target, in the order in which the agent made them.
type Look struct {
	Target     string
	Process    string // where the target is reached; two targets of one process count the same events
	AtMs       int64
	IntervalMs int64
	Failed     bool // it did not answer
	Gone       bool // it left discovery
	Samples    []Sample
}

// Kind is how events are counted.
type Kind uint8

// The kinds of counting that the oracle knows.
const (
	Events      Kind = iota // each event once
	Slices                  // each slice once, good or bad
	RatioSlices             // each slice once, by its ratio of good events
)

// Objective is what the oracle must know of a promise.
type Objective struct {
	Kind        Kind
	HasTotal    bool // events are a counter of all and one of those good, or bad
	GivenGood   bool // it is the one of those good
	Limit       float64
	SliceMs     int64
	SliceTarget *big.Rat // share of good events that makes a slice good
	WatchedMs   int64    // when the agent was told of it
	Levels      Levels
	// Open reports whether business is done at a moment, to the minute; nil: always. What happens outside
	// is excluded. Only for Kind Events, and not for coverage.
	Open func(ms int64) bool
	// Excluded is time taken out beforehand, (from, to], overlaps and all: what happened in it is excluded.
	// Not for coverage either.
	Excluded [][2]int64
}

// booking is what one look brought for one stretch of time, (from, to]; equal: all of it at to.
type booking struct {
	from, to          int64
	good, bad, absent *big.Int // absent: excluded
	goodPart, badPart *big.Rat // of a slice that counts by its ratio; nil otherwise
}

// owed is the time from one look at a target to the next.
type owed struct {
	from, to int64
	spread   bool // it was a gap
	seen     bool
}

// Answer is what is known of one window.
type Answer struct {
	Good, Bad, Excluded *big.Rat
	Coverage, Filled    *big.Rat
}

// Ratio is the error ratio, 0 without events.
func (a Answer) Ratio() *big.Rat {
	all := new(big.Rat).Add(a.Good, a.Bad)
	if all.Sign() <= 0 {
		return new(big.Rat)
	}
	return new(big.Rat).Quo(a.Bad, all)
}

// Remaining is the share of the budget left, where the objective allows a share of bad events.
func (a Answer) Remaining(allowed *big.Rat) *big.Rat {
	one := big.NewRat(1, 1)
	switch {
	case a.Bad.Sign() == 0:
		return one
	case allowed.Sign() == 0:
		return one.Sub(one, a.Bad)
	}
	spent := new(big.Rat).Quo(a.Ratio(), allowed)
	return one.Sub(one, spent)
}

// Float is the float64 nearest to r.
func Float(r *big.Rat) float64 { f, _ := r.Float64(); return f }

// Past is everything that happened up to one moment, read from all looks made until then.
type Past struct {
	objective Objective
	nowMs     int64
	startMs   int64 // when watching began; 0: not yet
	bookings  []booking
	owed      []owed
	overdue   []int64 // last looks of targets that are silent now
	targets   map[string]*target
	slowestMs int64 // the longest interval of the targets in discovery, or of the last that were in it
}

// Read works through all looks made until nowMs, the moment of the question.
func (o Objective) Read(looks []Look, nowMs int64) *Past {
	p := &Past{objective: o, nowMs: nowMs, targets: map[string]*target{}}
	for i := range looks {
		p.look(&looks[i])
		p.pace()
	}
	for _, t := range p.targets {
		if t.expected && t.feeds && t.seenMs != 0 && nowMs-t.seenMs > 2*t.intervalMs {
			p.overdue = append(p.overdue, t.seenMs)
		}
	}
	if o.Kind != Events {
		p.judgeSlices()
	}
	return p
}

// Rolling asks for the window (now − lengthMs, now], its far edge rounded outwards to a bucket.
func (p *Past) Rolling(lengthMs int64) Answer {
	edge := p.nowMs - lengthMs
	return p.window(p.objective.Levels.round(edge, p.nowMs), edge)
}

// Since asks for the window (edge, now] of a calendar period, whose start is exact.
func (p *Past) Since(edge int64) Answer { return p.window(edge, edge) }

// Between counts events in (from, to], a window of the past, both edges rounded down to a bucket.
func (p *Past) Between(from, to int64) (good, bad *big.Int) {
	from, to = p.objective.Levels.round(from, p.nowMs), p.objective.Levels.round(to, p.nowMs)
	g, b, _ := p.sum(from)
	g2, b2, _ := p.sum(to)
	return g.Sub(g, g2), b.Sub(b, b2)
}

// window counts from the rounded edge on; shares of time are taken from the edge as asked.
func (p *Past) window(rounded, edge int64) Answer {
	good, bad, excluded := p.sum(rounded)
	a := Answer{Good: new(big.Rat).SetInt(good), Bad: new(big.Rat).SetInt(bad), Excluded: new(big.Rat).SetInt(excluded)}
	for _, b := range p.bookings {
		if b.goodPart != nil && b.to > rounded {
			a.Good.Add(a.Good, b.goodPart)
			a.Bad.Add(a.Bad, b.badPart)
		}
	}
	// Two counters of one process are not read at the same instant: what one is ahead by is taken back.
	switch all := new(big.Rat).Add(a.Good, a.Bad); {
	case all.Sign() <= 0:
		if a.Good.Sign() < 0 || a.Bad.Sign() < 0 {
			a.Good, a.Bad = new(big.Rat), new(big.Rat)
		}
	case a.Bad.Sign() < 0:
		a.Good, a.Bad = all, new(big.Rat)
	case a.Good.Sign() < 0:
		a.Good, a.Bad = new(big.Rat), all
	}
	if a.Excluded.Sign() < 0 {
		a.Excluded = new(big.Rat)
	}
	a.Coverage, a.Filled = p.coverage(rounded, edge), p.filled(edge)
	return a
}

// sum adds up whole events after an edge, and moves those of excluded time.
func (p *Past) sum(edge int64) (good, bad, excluded *big.Int) {
	good, bad, excluded = p.all(edge)
	for _, out := range p.excluded() {
		if out[1] <= edge || out[0] >= out[1] {
			continue
		}
		g, b, _ := p.all(max(edge, out[0]))
		g2, b2, _ := p.all(out[1])
		g.Sub(g, g2)
		b.Sub(b, b2)
		good.Sub(good, g)
		bad.Sub(bad, b)
		excluded.Add(excluded, g)
		excluded.Add(excluded, b)
	}
	return good, bad, excluded
}

// excluded is excluded time in parts that do not overlap: between any two neighbouring edges all of it is
// excluded or none.
func (p *Past) excluded() (out [][2]int64) {
	var edges []int64
	for _, x := range p.objective.Excluded {
		edges = append(edges, x[0], x[1])
	}
	slices.Sort(edges)
	for i := 1; i < len(edges); i++ {
		for _, x := range p.objective.Excluded {
			if x[0] <= edges[i-1] && edges[i] <= x[1] {
				out = append(out, [2]int64{edges[i-1], edges[i]})
				break
			}
		}
	}
	return out
}

// all adds up whole events after an edge.
func (p *Past) all(edge int64) (good, bad, excluded *big.Int) {
	good, bad, excluded = new(big.Int), new(big.Int), new(big.Int)
	for _, b := range p.bookings {
		if b.to <= edge || b.goodPart != nil {
			continue
		}
		good.Add(good, after(b.good, b.from, b.to, edge))
		bad.Add(bad, after(b.bad, b.from, b.to, edge))
		excluded.Add(excluded, after(b.absent, b.from, b.to, edge))
	}
	return good, bad, excluded
}

// after is how much of n, spread evenly over (from, to] in whole events, lies after edge.
func after(n *big.Int, from, to, edge int64) *big.Int {
	switch {
	case to <= edge:
		return new(big.Int)
	case edge <= from || from == to:
		return n
	}
	before := new(big.Int).Mul(n, big.NewInt(edge-from))
	before.Quo(before, big.NewInt(to-from))
	return before.Sub(n, before)
}

func (p *Past) coverage(rounded, edge int64) *big.Rat {
	due, seen := new(big.Int), new(big.Int)
	for _, w := range p.owed {
		span, from := big.NewInt(w.to-w.from), w.to
		if w.spread {
			from = w.from
		}
		part := after(span, from, w.to, rounded)
		due.Add(due, part)
		if w.seen {
			seen.Add(seen, part)
		}
	}
	for _, last := range p.overdue {
		due.Add(due, big.NewInt(max(0, p.nowMs-max(last, edge))))
	}
	if due.Sign() == 0 || p.startMs == 0 {
		if p.startMs == 0 {
			return new(big.Rat)
		}
		return big.NewRat(1, 1)
	}
	c := new(big.Rat).SetFrac(seen, due)
	if c.Cmp(big.NewRat(1, 1)) > 0 {
		c.SetInt64(1)
	}
	return c
}

func (p *Past) filled(edge int64) *big.Rat {
	if p.startMs == 0 || p.nowMs <= edge {
		return new(big.Rat)
	}
	return big.NewRat(max(0, p.nowMs-max(p.startMs, edge)), p.nowMs-edge)
}

// whole reports whether a counter can have this value.
func whole(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) && v >= 0 }

// Gaps is how many increases were spread over a gap.
func (p *Past) Gaps() int {
	n := 0
	for _, b := range p.bookings {
		if b.from != b.to {
			n++
		}
	}
	return n
}

// Widths are the buckets of the ledger's levels, in milliseconds.
func (p *Past) Widths() []int64 { return p.objective.Levels.Widths[:] }

// Skewed reports whether some look had more good, or more bad, events than events in all: then windows may
// hold fewer than no events of a kind, and are shown without.
func (p *Past) Skewed() bool {
	return slices.ContainsFunc(p.bookings, func(b booking) bool { return b.good.Sign() < 0 || b.bad.Sign() < 0 })
}
