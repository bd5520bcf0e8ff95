package oracle

import (
	"math"
	"math/big"
	"slices"
)

// target is what is remembered of one target while its looks are read.
type target struct {
	process    string
	seenMs     int64 // last good look; 0: none
	intervalMs int64
	expected   bool
	left       bool // since its last good look
	feeds      bool // it has shown a series of the objective
	decides    bool // it has shown a series without which the objective cannot be judged
	series     map[*Series]*series
}

// series is the last usable sample of a series.
type series struct {
	value        *big.Int
	atMs, fromMs int64
	neverUsable  bool // it was there, but never with a value
}

// stretch is a key: what one look brings for one stretch of time is one number.
type stretch struct{ from, to int64 }

type tally struct {
	by       [4]*big.Int // by Role
	gauges   int64
	fine     int64
	hasTotal bool
}

func (p *Past) look(l *Look) {
	t := p.targets[l.Target]
	if t == nil {
		if l.Gone {
			return
		}
		t = &target{series: map[*Series]*series{}}
		p.targets[l.Target] = t
	}
	slowest := max(t.intervalMs, l.IntervalMs)
	if l.IntervalMs > 0 {
		t.intervalMs = l.IntervalMs
	}
	if l.Gone {
		t.expected, t.left = false, true
		return
	}
	t.expected = true
	if l.Process != "" {
		t.process = l.Process
	}
	if l.Failed || (t.seenMs != 0 && l.AtMs <= t.seenMs) { // out of order, or twice
		return
	}
	p.goodLook(t, l, slowest)
	t.seenMs, t.left = l.AtMs, false
}

// pace notes how long a look may be in coming.
func (p *Past) pace() {
	slowest := int64(0)
	for _, t := range p.targets {
		if t.expected && t.feeds && t.seenMs != 0 {
			slowest = max(slowest, t.intervalMs)
		}
	}
	if slowest > 0 {
		p.slowestMs = slowest
	}
}

func (p *Past) goodLook(t *target, l *Look, slowestMs int64) {
	tallies := map[stretch]*tally{}
	var order []stretch
	usable, usableDecides, unusable := false, false, false
	for _, s := range l.Samples {
		t.feeds = true
		decides := slices.ContainsFunc(s.Series.Roles, p.objective.decides)
		t.decides = t.decides || decides
		ok := p.sample(t, l, s, func(from, to int64) *tally {
			if 2*(to-from) <= 5*slowestMs { // two and a half intervals
				from = to
			}
			k := stretch{from, to}
			if tallies[k] == nil {
				tallies[k] = &tally{by: [4]*big.Int{new(big.Int), new(big.Int), new(big.Int), new(big.Int)}}
				order = append(order, k)
			}
			return tallies[k]
		})
		usable, usableDecides = usable || ok, usableDecides || ok && decides
		unusable = unusable || !ok && !slices.Equal(s.Series.Roles, []Role{Excluded})
	}
	if !t.feeds {
		return
	}
	for _, k := range order {
		p.book(k, tallies[k])
	}
	if p.startMs == 0 {
		p.startMs = l.AtMs
	}
	if t.seenMs == 0 || t.left {
		return
	}
	shown := usable
	if t.decides {
		shown = usableDecides
	}
	if !p.objective.gauge() && unusable {
		shown = false
	}
	gap := 2*(l.AtMs-t.seenMs) > 5*slowestMs
	p.owed = append(p.owed, owed{from: t.seenMs, to: l.AtMs, spread: gap, seen: shown && !gap})
}

// decides reports whether the objective cannot be judged without any series of this role.
func (o Objective) decides(r Role) bool {
	switch r {
	case Excluded:
		return false
	case Good, Bad:
		return !o.HasTotal
	}
	return true
}

func (o Objective) gauge() bool { return o.Limit != 0 }

// sample reads one sample and reports whether it shows how things are.
func (p *Past) sample(t *target, l *Look, s Sample, at func(from, to int64) *tally) bool {
	to := l.AtMs
	if s.AtMs != 0 {
		to = s.AtMs
	}
	last, known := t.series[s.Series]
	if !known {
		last = &series{neverUsable: true}
	}
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		t.series[s.Series] = last
		return false
	}
	if known && !last.neverUsable && to <= last.atMs { // shown again until there is a newer one
		return l.AtMs-last.atMs <= 5*60*1000
	}
	if p.objective.gauge() && slices.Contains(s.Series.Roles, Gauge) {
		k := at(to, to)
		k.gauges++
		if s.Value < p.objective.Limit {
			k.fine++
		}
		t.series[s.Series] = &series{value: new(big.Int), atMs: to}
		return true
	}
	if !whole(s.Value) {
		t.series[s.Series] = last
		return false
	}
	value := big.NewInt(int64(s.Value))
	if from, n := p.increase(t, last, known, reading{value, s.FromMs, to}); n != nil {
		k := at(from, to)
		for _, r := range s.Series.Roles {
			k.by[r].Add(k.by[r], n)
			k.hasTotal = k.hasTotal || r == Total
		}
	}
	t.series[s.Series] = &series{value: value, atMs: to, fromMs: s.FromMs}
	return true
}

// startWanders is by how much a start timestamp may move without meaning a new start.
const startWanders = 1000

// reading is a counter's value with its start timestamp, 0 if it has none, and when it was so.
type reading struct {
	value      *big.Int
	fromMs, at int64
}

// increase is the table of docs/engine.md; n is nil for a baseline.
func (p *Past) increase(t *target, last *series, known bool, r reading) (from int64, n *big.Int) {
	value, fromMs, at := r.value, r.fromMs, r.at
	firstLook := t.seenMs == 0
	switch {
	case known && (last.neverUsable || firstLook):
		return 0, nil // its first good value
	case known:
		movedOn := last.fromMs > 0 && fromMs > last.fromMs+startWanders && fromMs > last.atMs
		if movedOn || value.Cmp(last.value) < 0 {
			return min(at, max(last.atMs, t.seenMs)), value // not before the look that did not show it
		}
		return last.atMs, new(big.Int).Sub(value, last.value)
	case !firstLook:
		return t.seenMs, value // born since the look before
	case fromMs > 0 && fromMs >= p.objective.WatchedMs && fromMs <= at && fromMs > p.seenElsewhere(t):
		return fromMs, value // born since watching began
	}
	return 0, nil
}

// seenElsewhere is when the process behind t was last looked at under another name.
func (p *Past) seenElsewhere(t *target) int64 {
	last := int64(0)
	for _, other := range p.targets {
		if other != t && t.process != "" && other.process == t.process {
			last = max(last, other.seenMs)
		}
	}
	return last
}

func (p *Past) book(k stretch, n *tally) {
	b := booking{from: k.from, to: k.to, good: n.by[Good], bad: n.by[Bad], absent: n.by[Excluded]}
	switch {
	case p.objective.gauge():
		b.good, b.bad = big.NewInt(n.fine), big.NewInt(n.gauges-n.fine)
	case p.objective.HasTotal && p.objective.GivenGood:
		b.bad = new(big.Int).Sub(n.by[Total], n.by[Good])
	case p.objective.HasTotal:
		b.good = new(big.Int).Sub(n.by[Total], n.by[Bad])
	}
	if b.good.Sign() == 0 && b.bad.Sign() == 0 && b.absent.Sign() == 0 {
		return
	}
	if p.startMs == 0 && (p.objective.Kind == Events || b.absent.Sign() != 0) {
		p.startMs = k.to
	}
	if p.objective.Open == nil {
		p.bookings = append(p.bookings, b)
		return
	}
	p.bookings = append(p.bookings, p.objective.inBusiness(b)...)
}

// inBusiness cuts a gap where business opens and closes, which it does on whole minutes, and makes what is
// outside excluded.
func (o Objective) inBusiness(b booking) []booking {
	if b.from == b.to {
		return []booking{b.when(o.Open(b.to - 1))} // an edge belongs to what it ends
	}
	var out []booking
	rest, whole := b, b
	for t := b.from; t < b.to; {
		open, end := o.Open(t), t
		for end < b.to && o.Open(end) == open {
			end = min(b.to, (end/60_000+1)*60_000)
		}
		part := booking{from: t, to: end}
		later := booking{good: after(whole.good, b.from, b.to, end), bad: after(whole.bad, b.from, b.to, end), absent: after(whole.absent, b.from, b.to, end)}
		part.good, part.bad, part.absent = new(big.Int).Sub(rest.good, later.good), new(big.Int).Sub(rest.bad, later.bad), new(big.Int).Sub(rest.absent, later.absent)
		out = append(out, part.when(open))
		rest, t = later, end
	}
	return out
}

func (b booking) when(open bool) booking {
	if !open {
		b.absent = new(big.Int).Add(b.absent, new(big.Int).Add(b.good, b.bad))
		b.good, b.bad = new(big.Int), new(big.Int)
	}
	return b
}
