package main

import (
	"math"
	"time"
)

// objective is the promise of all cases: 99.9 % of payments go well.
const objective = 0.999

const (
	hour = 60 // in minutes, of which traces are made
	day  = 24 * hour
)

// minute is what truly happened in one minute.
type minute struct{ ok, failed int }

// process is one process of the payment service.
type process struct {
	name    string
	begins  int      // the minute in which it begins
	minutes []minute // from that one on
	// fresh says that it began while it was watched: its first look, at the end of its first minute,
	// shows counters that have grown already, and when it began, as OpenMetrics targets do. One that is
	// not was there before and is seen at its begin, with nothing counted.
	fresh bool
	// late says that it shows no counter of failures before the first of them.
	late bool
}

// shows returns what its counters say at a look, and false if there is nothing to look at.
func (p *process) shows(look int) (ok, failed int, there bool) {
	if look < p.begins || look > p.begins+len(p.minutes) || p.fresh && look == p.begins {
		return 0, 0, false
	}
	for _, m := range p.minutes[:look-p.begins] {
		ok, failed = ok+m.ok, failed+m.failed
	}
	return ok, failed, true
}

// scenario is one situation in which a budget is easily got wrong.
type scenario struct {
	name, title, story string

	begin     time.Time
	minutes   int // the question is asked at their end; one look a minute
	processes []process
	ask       question
}

// question is how much budget is left, with where each tool answers that.
type question struct {
	truth     float64
	objective string // of assayer.yaml; "" is payments-availability
	sloth     peer
	pyrra     peer
}

// peer is what a tool is known to say, with the reason.
type peer struct {
	says float64
	why  string
}

// count adds up what truly happened from a minute on.
func (s *scenario) count(from int) minute {
	var sum minute
	for _, p := range s.processes {
		for i, m := range p.minutes {
			if p.begins+i >= from {
				sum.ok, sum.failed = sum.ok+m.ok, sum.failed+m.failed
			}
		}
	}
	return sum
}

// remaining is the budget that m leaves, by the definition of an error budget.
func remaining(m minute) float64 {
	return 1 - float64(m.failed)/(float64(m.ok+m.failed)*(1-objective))
}

// steady is a trace of n minutes, each as fn says.
func steady(n int, fn func(minute int) minute) []minute {
	out := make([]minute, n)
	for i := range out {
		out[i] = fn(i)
	}
	return out
}

// monday is when traces begin that may begin at any time.
func monday() time.Time { return time.Date(2026, time.November, 2, 0, 0, 0, 0, time.UTC) }

// scenarios are all cases.
func scenarios() []scenario {
	return []scenario{clearing(), idle(), first(), nights(), starts(), month()}
}

func clearing() scenario {
	s := scenario{
		name: "clearing", title: "A clearing batch fails",
		story: "A day of two payments a minute, none of which fails; and one clearing run of five minutes with " +
			"10,000 payments a minute, of which 2 % fail.",
		begin: monday(), minutes: day,
	}
	s.processes = []process{{name: "a", minutes: steady(s.minutes, func(m int) minute {
		if m >= 2*hour && m < 2*hour+5 {
			return minute{9800, 200}
		}
		return minute{2, 0}
	})}}
	s.ask = question{
		truth: remaining(s.count(0)),
		sloth: peer{says: 0.875, why: "it averages five-minute ratios: five minutes with fifty thousand payments weigh as much as five with ten"},
		pyrra: peer{says: remaining(s.count(0)), why: "it counts events"},
	}
	return s
}

func idle() scenario {
	s := scenario{
		name: "idle", title: "Ten idle minutes",
		story: "A day of 100 payments a minute, none of which ever fails; for ten minutes, four hours before the end, nobody pays.",
		begin: monday(), minutes: day,
	}
	s.processes = []process{{name: "a", minutes: steady(s.minutes, func(m int) minute {
		if m >= s.minutes-4*hour && m < s.minutes-4*hour+10 {
			return minute{}
		}
		return minute{100, 0}
	})}}
	s.ask = question{
		truth: 1,
		sloth: peer{says: math.NaN(), why: "0 ÷ 0 in one five-minute ratio makes the sum of the month no number, for a month"},
		pyrra: peer{says: 1, why: "it counts events"},
	}
	return s
}

func first() scenario {
	s := scenario{
		name: "first", title: "The first failed payment",
		story: "A day of one payment a minute. Two hours before the end one fails, the first ever: the counter of failures " +
			"appears with the value 1, as most client libraries do.",
		begin: monday(), minutes: day,
	}
	s.processes = []process{{name: "a", late: true, minutes: steady(s.minutes, func(m int) minute {
		if m == s.minutes-2*hour {
			return minute{0, 1}
		}
		return minute{1, 0}
	})}}
	const why = "`rate()` and `increase()` see a counter that was always 1: the step from nothing to 1 is not counted"
	s.ask = question{
		truth: remaining(s.count(0)),
		sloth: peer{says: 1, why: why},
		pyrra: peer{says: 1, why: why},
	}
	return s
}

func nights() scenario {
	s := scenario{
		name: "nights", title: "Quiet nights that fail more",
		story: "A day; 6,000 payments a minute by day, of which 0.05 % fail, and 60 a minute by night, of which 1 % fail.",
		begin: monday(), minutes: day,
	}
	s.processes = []process{{name: "a", minutes: steady(s.minutes, func(m int) minute {
		switch {
		case m >= day/2:
			return minute{5997, 3}
		case m%5 == 0: // three in five minutes
			return minute{57, 3}
		}
		return minute{60, 0}
	})}}
	s.ask = question{
		truth: remaining(s.count(0)),
		sloth: peer{says: 1 - (0.0005+0.01)/2/(1-objective), why: "a night with one per cent of the traffic weighs as much as the day: a spent budget that is not spent"},
		pyrra: peer{says: remaining(s.count(0)), why: "it counts events"},
	}
	return s
}

func starts() scenario {
	s := scenario{
		name: "starts", title: "Every new process fails first",
		story: "A day of 60 payments a minute. Every hour the process is replaced by a new one, whose first 20 payments fail " +
			"before anybody has looked at it.",
		begin: monday(), minutes: day,
	}
	for i := range s.minutes / hour {
		s.processes = append(s.processes, process{name: string(rune('a'+i/26)) + string(rune('a'+i%26)), begins: i * hour, fresh: true,
			minutes: steady(hour, func(m int) minute {
				if m == 0 {
					return minute{40, 20}
				}
				return minute{60, 0}
			})})
	}
	const why = "a counter's first value is not counted, whenever its process says that it began"
	s.ask = question{
		truth: remaining(s.count(0)),
		sloth: peer{says: 1, why: why},
		pyrra: peer{says: 1, why: why},
	}
	return s
}

func month() scenario {
	const before, after = day, day
	s := scenario{
		name: "month", title: "A contract for the calendar month",
		story: "100 payments a minute. On the last day of October an hour in which 5 % fail; since 1 November, Prague's time, one " +
			"payment in 2,000. It is 2 November: how much of November's budget is left?",
		begin:   time.Date(2026, time.October, 30, 23, 0, 0, 0, time.UTC), // midnight in Prague
		minutes: before + after,
	}
	s.processes = []process{{name: "a", minutes: steady(s.minutes, func(m int) minute {
		switch {
		case m >= 10*hour && m < 11*hour:
			return minute{95, 5}
		case m >= before && m%20 == 0:
			return minute{99, 1}
		}
		return minute{100, 0}
	})}}
	// Thirty days reach back behind the trace's begin.
	rolling := remaining(s.count(0))
	const why = "it knows no calendar: October's incident is held against November"
	s.ask = question{
		truth: remaining(s.count(before)), objective: "payments-availability-month",
		sloth: peer{says: rolling, why: why},
		pyrra: peer{says: rolling, why: why},
	}
	return s
}
