package oracle

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// Shape is which counters a trace has.
type Shape uint8

// The shapes: failures among all events of one metric; good events and all events as two metrics, which
// are not read at the same instant; good and failed events as two metrics; a gauge.
const (
	BadOfTotal Shape = iota
	GoodOfTotal
	GoodAndBad
	GaugeBelow
	shapes
)

// Step is one thing that happens: a look, or a question asked at a moment.
type Step struct {
	Look  *Look
	AskMs int64 // when Look is nil
}

// Trace is a random history with the questions to ask of it.
type Trace struct {
	Shape     Shape
	Objective Objective // all but Levels and the slices' share
	Window    time.Duration
	Calendar  *Calendar // nil: the window rolls
	Interval  time.Duration
	Begin     time.Time // when the agent is told of the objective
	Steps     []Step
	// Flags say what the trace has, for messages.
	Flags string

	draw    *Draw
	targets []*process
	looks   int
}

// Draw is where a trace takes its chances from: the bytes first, then a generator.
type Draw struct {
	Bytes []byte
	Rand  *rand.Rand
}

// NewDraw starts from a seed.
func NewDraw(seed uint64, data []byte) *Draw {
	return &Draw{Bytes: data, Rand: rand.New(rand.NewPCG(seed, 7))}
}

// N returns a number from 0 to n−1.
func (d *Draw) N(n int64) int64 {
	if len(d.Bytes) > 0 {
		b := int64(d.Bytes[0])
		d.Bytes = d.Bytes[1:]
		if n <= 256 {
			return b % n
		}
		return (b * n / 256) % n
	}
	return d.Rand.Int64N(n)
}

func (d *Draw) oneIn(n int64) bool { return d.N(n) == 0 }

func pick[T any](d *Draw, from ...T) T { return from[d.N(int64(len(from)))] }

// process is a running program behind one target.
type process struct {
	name, address string
	counters      map[*Series]int64
	born          map[*Series]bool
	startMs       int64
	next, last    int64 // when it is looked at, and was
	phase         int64
	down          int64 // looks still to be missed
	away          int64 // looks for which it is out of discovery
	hidden        map[*Series]int64
	lost          map[*Series]int64 // for how many looks more a series that a restart took away stays away
	clockMs       int64             // its clock is ahead by so much
	starts        bool              // exposes start timestamps
	lagMs         int64             // its samples carry timestamps so much older than the look
	series        []*Series
}

// Zones are those that calendar windows are kept in: both hemispheres, halves of an hour, midnights that
// are skipped and midnights that come twice.
func Zones() []string {
	return []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Atlantic/Azores", "Africa/Cairo", "America/Santiago", "Pacific/Apia"}
}

// moments are where calendars are awkward.
func moments() []string {
	return []string{
		"2026-03-28T20:00:00Z", "2026-10-24T19:00:00Z", // clocks change in Europe
		"2026-03-07T22:00:00Z", "2026-11-01T00:30:00Z", // in America
		"2026-04-23T15:00:00Z", "2026-09-05T19:00:00Z", // at midnight in Cairo and Santiago
		"2026-04-04T10:00:00Z", "2026-10-03T10:00:00Z", // by half an hour on Lord Howe Island
		"2028-02-28T18:00:00Z", "2027-02-28T12:00:00Z", "2026-12-31T09:00:00Z", "2026-06-30T05:00:00Z", "2026-01-30T23:59:59Z",
		"2026-03-02T00:00:00Z",
	}
}

// NewTrace draws a history of about so many looks.
func NewTrace(d *Draw, looks int) *Trace {
	tr := &Trace{draw: d, looks: looks}
	begin, _ := time.Parse(time.RFC3339, pick(d, moments()...)) // constants, well formed
	tr.Begin = begin.Add(time.Duration(d.N(7_200_000)) * time.Millisecond)
	if d.oneIn(3) {
		tr.Begin = begin
	}
	tr.Interval = pick(d, time.Second, 5*time.Second, 15*time.Second, 15*time.Second, 30*time.Second, time.Minute, 5*time.Minute, time.Hour)
	tr.Shape = Shape(d.N(int64(shapes)))
	tr.Window = pick(d, 47*time.Minute, 81*time.Minute, 85*time.Minute, time.Hour, 6*time.Hour, 24*time.Hour, 7*24*time.Hour, 28*24*time.Hour, 30*24*time.Hour, 90*24*time.Hour, 400*24*time.Hour)
	tr.Objective = Objective{WatchedMs: tr.Begin.UnixMilli(), HasTotal: tr.Shape == BadOfTotal || tr.Shape == GoodOfTotal, GivenGood: tr.Shape == GoodOfTotal}
	if tr.Shape == GaugeBelow {
		tr.Objective.Limit = 50
	}
	if d.oneIn(3) {
		tr.Objective.Kind = pick(d, Slices, RatioSlices)
		if tr.Shape == GaugeBelow {
			tr.Objective.Kind = Slices
		}
		tr.Objective.SliceMs = pick(d, time.Minute, 5*time.Minute, tr.Interval, 4*tr.Interval, time.Hour).Milliseconds()
		tr.Objective.SliceTarget, _ = new(big.Rat).SetString(pick(d, "0.95", "0.9", "0.5", "0.999", "1"))
	}
	if d.oneIn(2) {
		tr.calendar()
	}
	tr.Flags = fmt.Sprintf("shape %d, kind %d, slices of %d ms, window %v, calendar %+v, interval %v, from %v", tr.Shape, tr.Objective.Kind, tr.Objective.SliceMs, tr.Window, tr.Calendar, tr.Interval, tr.Begin)
	tr.people()
	tr.run()
	return tr
}

func (tr *Trace) calendar() {
	d := tr.draw
	loc, err := time.LoadLocation(pick(d, Zones()...))
	if err != nil {
		loc = time.UTC
	}
	c := &Calendar{Unit: pick(d, "day", "week", "month", "quarter", "year"), Count: pick(d, 1, 1, 1, 2)}
	c.First = time.Date(pick(d, 2001, 2020, 2026, 2030), time.Month(1+d.N(12)), 1+int(d.N(28)), 0, 0, 0, 0, loc)
	if d.oneIn(3) {
		c.First = time.Date(2024, 1, 1, int(d.N(24)), pick(d, 0, 30), 0, 0, loc)
	}
	day := 24 * time.Hour
	tr.Window = time.Duration(c.Count) * map[string]time.Duration{"day": day, "week": 7 * day, "month": 30 * day, "quarter": 90 * day, "year": 365 * day}[c.Unit]
	tr.Calendar = c
}

// people makes the processes behind the targets and their series.
func (tr *Trace) people() {
	d := tr.draw
	for i := range 1 + d.N(4) {
		p := &process{
			name: fmt.Sprint("t", i), counters: map[*Series]int64{}, born: map[*Series]bool{}, hidden: map[*Series]int64{}, lost: map[*Series]int64{},
			phase: d.N(tr.Interval.Milliseconds()), startMs: tr.Begin.UnixMilli() - 1000*d.N(100_000),
		}
		p.next = tr.Begin.UnixMilli() + 1 + p.phase
		if d.oneIn(4) { // comes into being later: a staggered start
			p.next += tr.Interval.Milliseconds() * d.N(60)
			p.startMs = p.next - d.N(10*tr.Interval.Milliseconds())
		}
		p.last = tr.Begin.UnixMilli()
		switch d.N(6) {
		case 0, 1:
			p.starts = true
		case 2:
			p.starts, p.clockMs = true, pick(d, int64(40_000), -40_000, -3_600_000, 3_600_000)
		case 3:
			p.lagMs = 1 + d.N(tr.Interval.Milliseconds()-1)
		}
		if d.oneIn(3) {
			p.address = "http://" + p.name + "/metrics"
		}
		p.series = tr.seriesOf(d)
		for _, s := range p.series {
			if p.born[s] = !d.oneIn(3); p.born[s] {
				p.counters[s] = d.N(1_000_000)
			}
		}
		tr.targets = append(tr.targets, p)
	}
}

func (tr *Trace) seriesOf(d *Draw) []*Series {
	var out []*Series
	shards := 1 + d.N(3)
	add := func(name, outcome string, roles ...Role) {
		for i := range shards {
			out = append(out, &Series{Name: name, Labels: []string{"outcome", outcome, "shard", fmt.Sprint(i)}, Roles: roles})
		}
	}
	switch tr.Shape {
	case BadOfTotal:
		add("tx_total", "good", Total)
		add("tx_total", "bad", Bad, Total)
	case GoodOfTotal:
		add("ok_total", "", Good)
		add("all_total", "", Total)
	case GoodAndBad:
		add("ok_total", "", Good)
		add("failed_total", "", Bad)
	case GaugeBelow:
		add("level", "", Gauge)
	}
	if tr.Shape != GaugeBelow && d.oneIn(2) {
		add("declined_total", "", Excluded)
	}
	return out
}

// run lets time pass.
func (tr *Trace) run() {
	d := tr.draw
	for range tr.looks {
		p := slices.MinFunc(tr.targets, func(a, b *process) int { return cmp.Compare(a.next, b.next) })
		now := p.next
		tr.live(p, now)
		p.last = now
		p.next = now + tr.Interval.Milliseconds()
		if d.oneIn(4) {
			p.next += d.N(tr.Interval.Milliseconds()/10 + 1)
		}
		if d.oneIn(150) && !tr.missing() { // the agent itself is down; what it watches goes on
			pause := pick(d, time.Minute, time.Hour, 5*time.Hour, 20*time.Hour).Milliseconds() + d.N(1_000_000)
			for _, q := range tr.targets {
				q.next += pause
			}
		}
		if d.oneIn(25) {
			upTo := slices.MinFunc(tr.targets, func(a, b *process) int { return cmp.Compare(a.next, b.next) }).next
			tr.Steps = append(tr.Steps, Step{AskMs: now + d.N(max(1, upTo-now))})
		}
	}
	last := tr.targets[0].last
	for _, p := range tr.targets {
		last = max(last, p.last)
	}
	for _, s := range tr.Steps {
		last = max(last, s.AskMs)
	}
	tr.Steps = append(tr.Steps, Step{AskMs: last + d.N(5*tr.Interval.Milliseconds())})
}

// few is a number of looks that are over within a day: what is not seen for longer is forgotten.
func (tr *Trace) few() int64 { return min(20, 1+int64(4*time.Hour/tr.Interval)) }

// missing reports whether a series or a target is away just now.
func (tr *Trace) missing() bool {
	return slices.ContainsFunc(tr.targets, func(p *process) bool {
		hidden := int64(0)
		for s := range p.born {
			hidden += max(0, p.lost[s]) + p.hidden[s]
		}
		return p.away+hidden > 0
	})
}

// live lets one process work until now and be looked at.
func (tr *Trace) live(p *process, now int64) {
	d := tr.draw
	tr.work(p, now)
	l := &Look{Target: p.name, Process: p.address, AtMs: now, IntervalMs: tr.Interval.Milliseconds()}
	switch {
	case p.away > 0:
		p.away--
		return
	case p.down > 0:
		p.down--
		l.Failed = true
	case d.oneIn(60):
		p.down, l.Failed = min(tr.few(), d.N(pick(d, int64(2), 4, 30))), true
	case d.oneIn(200) && len(tr.targets) > 1 && p != tr.targets[0]:
		p.away = d.N(tr.few())
		l.Gone, l.Failed = true, true
	}
	if !l.Failed {
		tr.expose(p, l)
	}
	tr.Steps = append(tr.Steps, Step{Look: l})
	if !l.Failed && d.oneIn(40) { // the same look again, or an older one, with other values
		again := *l
		again.AtMs -= d.N(2) * min(1+d.N(l.IntervalMs), 2*l.IntervalMs)
		again.Samples = nil
		for _, s := range l.Samples {
			s.Value++
			again.Samples = append(again.Samples, s)
		}
		tr.Steps = append(tr.Steps, Step{Look: &again})
	}
}

func (tr *Trace) work(p *process, now int64) {
	d := tr.draw
	if d.oneIn(120) { // it restarts: counters begin again, and some labels are not back yet
		p.startMs = max(p.last+1, now-d.N(tr.Interval.Milliseconds()+1))
		for _, s := range p.series {
			p.counters[s] = 0
			if p.born[s] && d.oneIn(2) {
				p.born[s], p.lost[s] = false, 1+d.N(tr.few())
			}
		}
	}
	size := pick(d, int64(3), 3, 200, 200, 1<<20, 1<<36)
	if size == 1<<36 && !d.oneIn(10) {
		size = 200
	}
	for _, s := range p.series {
		if !p.born[s] {
			if p.lost[s] == 0 && !d.oneIn(20) {
				continue
			}
			if p.lost[s]--; p.lost[s] > 0 {
				continue
			}
			p.born[s], p.lost[s] = true, 0
		}
		if d.oneIn(2) {
			p.counters[s] += d.N(size)
		}
	}
	tr.keepTogether(p)
}

// keepTogether makes the counter of all events what its parts add up to, and at times one short: the
// two were not read at the same instant.
func (tr *Trace) keepTogether(p *process) {
	if tr.Shape != GoodOfTotal {
		return
	}
	half := len(p.series)
	for i, s := range p.series {
		if s.Name == "declined_total" {
			half = i
			break
		}
	}
	half /= 2
	for i := range half {
		good, all := p.series[i], p.series[half+i]
		if p.born[good] && p.counters[all] < p.counters[good] {
			p.born[all] = true
			p.counters[all] = p.counters[good] - tr.draw.N(2)
		}
	}
}

// expose fills in what a look finds.
func (tr *Trace) expose(p *process, l *Look) {
	d := tr.draw
	for _, s := range p.series {
		if p.hidden[s] > 0 { // vanished, and returns
			p.hidden[s]--
			continue
		}
		if d.oneIn(150) {
			p.hidden[s] = d.N(tr.few())
			continue
		}
		if !p.born[s] {
			continue
		}
		v := Sample{Series: s, Value: float64(p.counters[s])}
		if s.Roles[0] == Gauge {
			v.Value = float64(d.N(70))
		}
		if p.lagMs > 0 {
			v.AtMs = l.AtMs - p.lagMs
			if d.oneIn(20) {
				v.AtMs -= p.lagMs // an older one once more
			}
		}
		if p.starts {
			v.FromMs = p.startMs + p.clockMs
		}
		switch {
		case d.oneIn(300):
			v.Value = pick(d, math.NaN(), math.Inf(1), -1)
		case d.oneIn(300): // twice in one look
			l.Samples = append(l.Samples, v)
			v.Value += 5
		}
		l.Samples = append(l.Samples, v)
	}
}

// String names a step, for messages.
func (s Step) String() string {
	if s.Look == nil {
		return "ask at " + stamp(s.AskMs)
	}
	text := "look at " + s.Look.Target + " at " + stamp(s.Look.AtMs)
	if s.Look.Failed {
		return text + " failed"
	}
	for _, v := range s.Look.Samples {
		text += fmt.Sprintf("\n    %s%v %s at %s from %s", v.Series.Name, v.Series.Labels, strconv.FormatFloat(v.Value, 'f', -1, 64), stamp(v.AtMs), stamp(v.FromMs))
	}
	return text
}

func stamp(ms int64) string {
	if ms == 0 {
		return "-"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
