package traces

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/assayer-io/assayer/slo/burnrate"
)

// Family is one way in which things go.
type Family struct {
	Name  string
	Right string // what a good agent does, in a few words
	Cases []Case
}

// Case is a family with its parameters; the seed sets when it begins and every event.
type Case struct {
	Name string
	Make func(seed uint64) Trace
}

// Families lists all of them, each with the parameters it is tried with.
func Families() []Family {
	all := []Family{
		steps(), slow(), ramps(), flapping(), spikes(), lowTraffic(), dropToZero(), seasons(), batches(),
		restarts(), restartsBroken(), missing(), missingBroken(), nodeLoss(), latency(), dependency(), declines(), declinesBroken(),
	}
	for _, f := range all {
		for i := range f.Cases {
			unnamed := f.Cases[i].Make
			f.Cases[i].Make = func(seed uint64) Trace {
				t := unnamed(seed)
				t.Family, t.Case = f.Name, f.Cases[i].Name
				return t
			}
		}
	}
	return all
}

const (
	day = 24 * time.Hour
	// warm is how long all is well first: as long as the longest window of any tier.
	warm = 3 * day
	// after is how long all is well again: longer than any page's long window.
	after = 8 * time.Hour
	// background is the share of bad events while all is well: a tenth of what is allowed.
	background = 1e-4
	usual      = 10.0 // events a second
)

// fresh is a healthy service; onset is when an incident would begin, at no round moment.
func fresh(seed uint64, perSecond float64) (t Trace, onset time.Duration, rng *rand.Rand) {
	rng = stream(seed, 0)
	t = Trace{
		Seed: seed, Interval: 15 * time.Second, Objective: 0.999, Services: 1, Targets: 2,
		Traffic: Constant(perSecond), Errors: Constant(background),
	}
	onset = warm + time.Duration(rng.Int64N(ms(time.Hour)))*time.Millisecond
	t.Length = onset + day
	return t, onset, rng
}

// ending sets the truth and the trace's length.
func (t Trace) ending(onset, end time.Duration) Trace {
	t.Length = end + after
	t.judge(onset, end)
	return t
}

// Healthy is a service that spends its budget evenly at a burn rate, one target, for a month.
func Healthy(seed uint64, perHour, burn float64) Trace {
	t := Trace{
		Family: "healthy", Case: fmt.Sprintf("%g requests an hour", perHour), Seed: seed, Interval: 30 * time.Second, Length: Month,
		Objective: 0.999, Services: 1, Targets: 1, Traffic: Constant(perHour / 3600), Errors: Constant(burn / 1000),
	}
	t.judge(0, 0)
	return t
}

// Step is a service of one target that fails with a share of errors for a while.
func Step(seed uint64, perSecond, share float64, lasts time.Duration) Trace {
	t, onset, _ := fresh(seed, perSecond)
	t.Targets = 1
	t.Errors = Pulse(background, onset, onset+lasts, share)
	return t.ending(onset, onset+lasts)
}

func percent(share float64) string { return fmt.Sprintf("%g %%", 100*share) }

func steps() Family {
	f := Family{Name: "step outage", Right: "page in the formula's time"}
	for _, share := range []float64{1, 0.2, 0.05, 0.02, 0.01} {
		for _, lasts := range []time.Duration{2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 12 * time.Hour} {
			f.Cases = append(f.Cases, Case{percent(share) + " for " + burnrate.Text(lasts), func(seed uint64) Trace {
				return Step(seed, usual, share, lasts)
			}})
		}
	}
	return f
}

func slow() Family {
	f := Family{Name: "slow burn", Right: "a ticket, no page below 6×"}
	for _, burn := range []float64{1.2, 2, 5, 10} {
		f.Cases = append(f.Cases, Case{fmt.Sprintf("%g× for 6d", burn), func(seed uint64) Trace {
			t := Step(seed, usual, burn/1000, 6*day)
			t.Interval = 30 * time.Second
			return t
		}})
	}
	return f
}

func ramps() Family {
	f := Family{Name: "ramp", Right: "page before a tenth of the budget is burned"}
	for _, lasts := range []time.Duration{time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour} {
		f.Cases = append(f.Cases, Case{"to 20 % over " + burnrate.Text(lasts), func(seed uint64) Trace {
			t, onset, _ := fresh(seed, usual)
			t.Errors = Ramp(background, onset, onset+lasts, 0.2)
			return t.ending(onset, onset+lasts)
		}})
	}
	return f
}

func flapping() Family {
	f := Family{Name: "flapping", Right: "page once, no storm"}
	for _, period := range []time.Duration{2 * time.Minute, 10 * time.Minute, 40 * time.Minute} {
		for _, duty := range []float64{0.1, 0.3, 0.5} {
			f.Cases = append(f.Cases, Case{fmt.Sprintf("20 %% for %s of every %s", percent(duty), burnrate.Text(period)), func(seed uint64) Trace {
				t, onset, _ := fresh(seed, usual)
				t.Errors = Square(background, onset, onset+4*time.Hour, Wave{period, duty, 0.2})
				return t.ending(onset, onset+4*time.Hour)
			}})
		}
	}
	return f
}

// Spike is a total failure for seconds.
func Spike(seed uint64, perSecond float64, lasts time.Duration) Trace {
	return Step(seed, perSecond, 1, lasts)
}

func spikes() Family {
	f := Family{Name: "spike", Right: "a page or none, never a rollback"}
	for _, lasts := range []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute} {
		f.Cases = append(f.Cases, Case{"100 % for " + burnrate.Text(lasts), func(seed uint64) Trace {
			t := Spike(seed, usual, lasts)
			t.Interval = 5 * time.Second
			return t
		}})
	}
	return f
}

// LowTraffic is a service with few requests that fails for four hours.
func LowTraffic(seed uint64, perHour, share float64) Trace {
	t := Step(seed, perHour/3600, share, 4*time.Hour)
	t.Interval = 30 * time.Second
	return t
}

func lowTraffic() Family {
	f := Family{Name: "low traffic", Right: "find a total outage, without a false page in a healthy month"}
	for _, share := range []float64{1, 0.05} {
		for _, perHour := range []float64{1, 10, 60, 300} {
			f.Cases = append(f.Cases, Case{fmt.Sprintf("%s errors for 4h at %g requests an hour", percent(share), perHour), func(seed uint64) Trace {
				return LowTraffic(seed, perHour, share)
			}})
		}
	}
	return f
}

// daily swings ten to one between a night's and an afternoon's traffic for some days; the mean is perSecond.
func daily(perSecond float64, days int) Curve {
	low := perSecond / 5.5
	c := Curve{{0, low}}
	for d := range days {
		start := time.Duration(d) * day
		for _, p := range []Point{{4 * time.Hour, low}, {14 * time.Hour, 10 * low}, {16 * time.Hour, 10 * low}, {24 * time.Hour, 2.5 * low}} {
			c = append(c, Point{start + p.At, p.Value})
		}
	}
	return c
}

func dropToZero() Family {
	f := Family{Name: "drop to zero", Right: "the traffic floor pages, since no event fails"}
	for _, lasts := range []time.Duration{30 * time.Minute, 2 * time.Hour} {
		f.Cases = append(f.Cases, Case{"no request for " + burnrate.Text(lasts), func(seed uint64) Trace {
			t, _, rng := fresh(seed, usual)
			t.Interval, t.Floor = 30*time.Second, true
			onset := 8*day + 10*time.Hour + time.Duration(rng.Int64N(ms(4*time.Hour)))*time.Millisecond
			t.Traffic = cut(daily(usual, 10), onset, onset+lasts)
			t = t.ending(onset, onset+lasts)
			t.Truth.Want = Page
			return t
		}})
	}
	return f
}

// cut sets a curve to zero from one moment to another.
func cut(c Curve, from, to time.Duration) Curve {
	at := func(t time.Duration) Point {
		k := cursor{curve: c}
		k.seek(ms(t))
		return Point{t, k.value(float64(ms(t)))}
	}
	var out Curve
	for _, p := range c {
		if p.At < from {
			out = append(out, p)
		}
	}
	out = append(out, at(from), Point{from, 0}, Point{to, 0}, at(to))
	for _, p := range c {
		if p.At > to {
			out = append(out, p)
		}
	}
	return out
}
