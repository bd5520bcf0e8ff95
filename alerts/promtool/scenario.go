package promtool

import "math"

// scenario is one way to try a leg.
type scenario struct {
	name  string
	fires bool // the leg does, at some time
	when  when
	plan  func(l leg) *plan
}

// when says at which pace a scenario is played.
type when int

const (
	atPace     when = iota // that of the leg
	atFullPace             // one at which a whole long window takes few evaluations
	raw                    // the shortest, for one leg: it is about how raw series are read
)

func scenarios() []scenario {
	return []scenario{
		{"outage", true, atPace, outage},
		{"nearly too much for a whole window, then too much", true, atFullPace, whole},
		{"one failure of few, then nothing but failures while the agent comes and goes", true, atPace, agent},
		{"a failing target goes away", true, raw, goneFailing},
		{"counters begin anew", true, raw, restarted},
		{"the first failure begins its series", true, raw, born},
		{"a failing target is found", false, raw, found},
	}
}

// volume is how many events a unit has: so many that the threshold can be met to a thousandth.
func (l leg) volume() float64 {
	if l.allowed <= 0 {
		return 1000
	}
	return math.Pow(10, max(4, math.Ceil(math.Log10(1000/l.threshold()))))
}

// burning is how many of n events are bad where the ratio is so many times the threshold, all of them at most. Where
// none may be, one is.
func (l leg) burning(times, n float64) float64 {
	if l.allowed <= 0 {
		return max(0, math.Ceil(times-1))
	}
	return math.Floor(min(l.threshold()*times*n, n))
}

// lead is how many units must be seen before failures of everything make the leg fire, so many times over and some
// more: what was not seen is taken as good.
func (l leg) lead(times float64) int {
	need := l.threshold()
	if l.allowed <= 0 {
		need = l.factor * float64(l.long) / float64(l.budget)
	}
	n := max(l.short, int(math.Ceil(times*need*float64(l.long)))) + 2
	return l.round(min(n, l.long+2))
}

// round rounds up to evaluations.
func (l leg) round(units int) int { return (units + l.every - 1) / l.every * l.every }

// outage makes so many events fail that it takes a good third of the long window to fire, of which nothing was seen
// before, then none: the short window decides when it resets.
func outage(l leg) *plan {
	n := l.volume()
	bad := l.burning(2.7, n)
	crossing := l.lead(1.2)
	if need := l.threshold() * n; need > 0 {
		crossing = int(math.Ceil(float64(l.long) * need / bad))
	}
	return new(plan).add(l.round(crossing)+2*l.every, bad, n).add(l.round(l.short)+(l.keep+2)*l.every, 0, n)
}

// whole fills the long window with burning a little slower than the leg takes, which never fires; then burns half as
// fast again as it takes, so that what leaves the long window decides when it fires.
func whole(l leg) *plan {
	n := l.volume()
	slow, fast := l.burning(0.95, n), l.burning(1.53, n)
	crossing := 1
	if need := l.threshold() * n; need > 0 {
		crossing = int(math.Ceil(float64(l.long) * (need - slow) / (fast - slow)))
	}
	return new(plan).add(l.round(l.long+crossing+2), slow, n).add(l.round(crossing)+2*l.every, fast, n)
}

// agent has one failure among so few events that chance explains it, although the burn rate is above the factor. Then
// everything fails: first the agent holds the alert back, then it says that it does not observe the objective, then that
// it does again, then it is gone.
func agent(l leg) *plan {
	p := few(l)
	n, every := l.volume(), l.every
	quiet := len(p.units)
	held := quiet + l.lead(1.2)
	p.add(l.lead(1.2)+(2+2+l.keep+3)*every, n, n)
	for i := range p.units {
		switch at := i - held; {
		case i < quiet:
			p.agent = append(p.agent, missing())
		case at < 0, at >= 2*every && at < (4+l.keep)*every:
			p.agent = append(p.agent, 1)
		case at < 2*every:
			p.agent = append(p.agent, 0)
		case at == (4+l.keep)*every:
			p.agent = append(p.agent, stale())
		default:
			p.agent = append(p.agent, missing())
		}
	}
	return p
}

// few is one failure among few events, until the short window has forgotten it. Where none may fail no failure is
// explained by chance, and there is none.
func few(l leg) *plan {
	if l.allowed <= 0 {
		return new(plan).add(l.round(2), 0, 3)
	}
	// Of so many one fails in one and a half of a thousand such windows; of fewer, chance would not explain it.
	const due = 1.5e-3
	n := max(1, math.Ceil(due/(l.allowed*min(1, l.factor/2))))
	lead := min(l.long, int(math.Ceil(1.05*l.threshold()*n*float64(l.long)))+2)
	before := l.round(lead) + min(1, l.every-1) // not at the end of an evaluation, where there may be a pause
	return new(plan).add(before, 0, 0).add(1, 1, n).add(l.round(before+1)-before-1+l.every, 0, 0)
}

// goneFailing loses a target that fails, and with it all its series: the leg resets when the short window has forgotten
// it.
func goneFailing(l leg) *plan {
	n, lead := l.volume(), l.lead(1.2)
	p := new(plan).add(lead, n, n).add(l.short+l.keep+2, 0, 0)
	for i := lead; i < len(p.units); i++ {
		p.units[i].down = true
	}
	return p
}

// restarted has failures, not quite enough, when its process is replaced: what the new one has counted until the next
// look makes the leg fire. It is less than what the old one had counted.
func restarted(l leg) *plan {
	n, lead := l.volume(), l.lead(2.5)
	ratio := min(0.9, 0.8*l.threshold()*float64(l.long)/float64(lead))
	old := math.Floor(ratio * n)
	burst := max(1, math.Floor(0.9*old*float64(lead-1)))
	p := new(plan).add(lead, old, n).add(1, burst, burst+1).add(1, 0, n)
	p.units[lead].restart = true
	return p
}

// born has no counters of failures until the first ones, which are most of all events. Three units with enough of them for
// the shortest of windows follow, since of amounts it takes several.
func born(l leg) *plan {
	n, lead := l.volume(), l.lead(1.2)
	p := new(plan).add(lead, 0, n).add(1, 30*n*float64(lead), 30*n*float64(lead)).add(3, l.burning(2, n), n)
	p.born = true
	return p
}

// found is a target whose counters say, when it is seen for the first time, that much went wrong; nobody knows when.
func found(l leg) *plan {
	p := new(plan).add(2, 0, 0).add(1, 1000*l.volume(), 1000*l.volume()).add(5, 0, l.volume())
	p.first = 2
	return p
}
