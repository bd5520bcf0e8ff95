package traces

import (
	"fmt"
	"time"

	"github.com/assayer-io/assayer/slo/burnrate"
)

// monthEnd is a daily swing with three days of threefold traffic and a batch at each day's cut-off.
// What is bad in the batches is a share of their events.
func monthEnd(seed uint64, batchErrors float64) Trace {
	t, _, rng := fresh(seed, usual)
	t.Interval, t.Length = 30*time.Second, 6*day
	const cutoff, batch = 17 * time.Hour, 10 * time.Minute
	t.Errors = Curve{{0, background * 5}}
	var swing Curve
	for _, p := range daily(usual, 6) {
		if d := int(p.At / day); d >= 3 {
			p.Value *= 3
		}
		swing = append(swing, p)
	}
	for d := range 6 {
		from := time.Duration(d)*day + cutoff + time.Duration(rng.Int64N(60_000))*time.Millisecond
		swing = surge(swing, from, from+batch, 20*usual)
		if d == 4 && batchErrors > 0 {
			t.Errors = Pulse(background*5, from, from+batch, batchErrors)
			t.Truth.Onset, t.Truth.End = from, from+batch
		}
	}
	t.Traffic = swing
	t.judge(t.Truth.Onset, t.Truth.End)
	return t
}

// surge sets a curve to v from one moment to another.
func surge(c Curve, from, to time.Duration, v float64) Curve {
	out := cut(c, from, to)
	for i, p := range out {
		if p.Value == 0 && p.At >= from && p.At <= to {
			out[i].Value = v
		}
	}
	return out
}

func seasons() Family {
	return Family{Name: "seasons, healthy", Right: "silence", Cases: []Case{
		{"10:1 by day, month end, cut-off batches, burn 0.5", func(seed uint64) Trace { return monthEnd(seed, 0) }},
	}}
}

func batches() Family {
	return Family{Name: "failing batch", Right: "page although the batch is over in ten minutes", Cases: []Case{
		{"2 % of one cut-off batch", func(seed uint64) Trace { return monthEnd(seed, 0.02) }},
		{"10 % of one cut-off batch", func(seed uint64) Trace { return monthEnd(seed, 0.1) }},
	}}
}

const pods = 10

// rolling restarts the first n targets one after the other, again every two hours.
func rolling(n int, spacing time.Duration, from, to time.Duration) []Restart {
	var out []Restart
	for at := from; at < to; at += 2 * time.Hour {
		for k := range n {
			out = append(out, Restart{at + time.Duration(k)*spacing, k})
		}
	}
	return out
}

func restarting(n int, spacing time.Duration, share float64) Case {
	name := fmt.Sprintf("%d of %d targets, %v apart", n, pods, spacing)
	if share > 0 {
		name += fmt.Sprintf(", %s errors", percent(share))
	}
	return Case{name, func(seed uint64) Trace {
		t, onset, _ := fresh(seed, usual)
		t.Targets, t.Interval = pods, 30*time.Second
		t.Errors = Constant(5 * background)
		end := onset
		if share > 0 {
			end = onset + 30*time.Minute
			t.Errors = Pulse(5*background, onset, end, share)
		}
		t = t.ending(onset, end)
		t.Resets = rolling(n, spacing, onset+time.Minute, t.Length)
		return t
	}}
}

func restarts() Family {
	return Family{Name: "restarts, healthy", Right: "silence: no negative and no huge rate", Cases: []Case{
		restarting(1, 0, 0), restarting(5, 0, 0), restarting(pods, 0, 0), restarting(pods, 40*time.Second, 0),
	}}
}

func restartsBroken() Family {
	return Family{Name: "restarts, broken", Right: "page as if nothing restarted", Cases: []Case{
		restarting(5, 0, 0.2), restarting(pods, 40*time.Second, 0.2),
	}}
}

// blinded has looks befallen by a fault, for longer than the incident if there is one.
func blinded(kind FaultKind, share float64, lasts time.Duration, errors float64) Case {
	name := fmt.Sprintf("%s of looks %s for %s", percent(share), kind, burnrate.Text(lasts))
	return Case{name, func(seed uint64) Trace {
		t, onset, _ := fresh(seed, usual)
		t.Errors = Constant(5 * background)
		end := onset
		if errors > 0 {
			end = onset + 30*time.Minute
			t.Errors = Pulse(5*background, onset, end, errors)
		}
		t = t.ending(onset, end)
		t.Faults = []Fault{{Kind: kind, From: onset - time.Minute, To: onset + lasts, Share: share}}
		return t
	}}
}

func missing() Family {
	f := Family{Name: "missing looks, healthy", Right: "no page; unknown where too little is seen"}
	for _, share := range []float64{0.01, 0.5, 1} {
		for _, lasts := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour} {
			f.Cases = append(f.Cases, blinded(Missing, share, lasts, 0))
		}
	}
	for _, kind := range []FaultKind{Late, Duplicate, NaN} {
		f.Cases = append(f.Cases, blinded(kind, 0.5, time.Hour, 0))
	}
	return f
}

func missingBroken() Family {
	f := Family{Name: "missing looks, broken", Right: "page on what is seen"}
	for _, kind := range []FaultKind{Missing, Late, Duplicate, NaN} {
		f.Cases = append(f.Cases, blinded(kind, 0.3, time.Hour, 0.2))
	}
	return f
}

// nodeLoss takes away targets, those that err more or those that err less, while all is well.
func nodeLoss() Family {
	f := Family{Name: "node loss, healthy", Right: "no page; coverage is shown"}
	for _, n := range []int{1, 3, 6} {
		for _, kind := range []FaultKind{Missing, Gone} {
			for _, which := range []string{"worst", "best"} {
				f.Cases = append(f.Cases, Case{fmt.Sprintf("the %d %s of %d %s", n, which, pods, kind), func(seed uint64) Trace {
					t, onset, _ := fresh(seed, usual)
					t.Targets, t.Interval, t.Errors = pods, 30*time.Second, Constant(4*background)
					t = t.ending(onset, onset)
					t.Skew = []float64{3, 2, 1, 1, 1, 1, 0.25, 0.25, 0.25, 0.25}
					fault := Fault{Kind: kind, From: onset, To: onset + 2*time.Hour, Share: 1}
					for k := range n {
						if which == "best" {
							k = pods - 1 - k
						}
						fault.Targets = append(fault.Targets, k)
					}
					t.Faults = []Fault{fault}
					return t
				}})
			}
		}
	}
	return f
}

// Of lognormal times with a standard deviation of 0.8 and 99 % below 0.4 s, 0.46 % take longer than
// 0.5 s; when the same 99 % stay below 1.2 s only, 10.9 % do.
const slowUsually, slowThreefold = 0.0046, 0.109

func latency() Family {
	return Family{Name: "latency only", Right: "the latency objective pages, with no error at all", Cases: []Case{
		{"p99 threefold for 6h, objective 99 %", func(seed uint64) Trace { return slowness(seed, 0.99) }},
		{"p99 threefold for 6h, objective 99.5 %", func(seed uint64) Trace { return slowness(seed, 0.995) }},
	}}
}

func slowness(seed uint64, objective float64) Trace {
	t, onset, _ := fresh(seed, usual)
	t.Latency, t.Objective, t.Interval = true, objective, 30*time.Second
	t.Errors = Pulse(slowUsually, onset, onset+6*time.Hour, slowThreefold)
	return t.ending(onset, onset+6*time.Hour)
}

func dependency() Family {
	return Family{Name: "dependency failure", Right: "every service pages", Cases: []Case{
		{"30 % errors in 5 services for 30m", func(seed uint64) Trace {
			t, onset, _ := fresh(seed, usual)
			t.Services, t.Targets, t.Interval = 5, 1, 30*time.Second
			t.Errors = Pulse(background, onset, onset+30*time.Minute, 0.3)
			return t.ending(onset, onset+30*time.Minute)
		}},
	}}
}

// refusing has customers' declines rise from a tenth to six tenths of all requests for two hours.
func refusing(seed uint64, errors float64) Trace {
	t, onset, _ := fresh(seed, usual)
	t.Interval = 30 * time.Second
	end := onset + 2*time.Hour
	t.Declines = Pulse(0.1, onset, end, 0.6)
	if errors == 0 {
		end = onset
	} else {
		t.Errors = Pulse(background, onset, end, errors)
	}
	return t.ending(onset, end)
}

func declines() Family {
	return Family{Name: "declines", Right: "silence: customers' declines burn nothing", Cases: []Case{
		{"10 % to 60 % declined for 2h", func(seed uint64) Trace { return refusing(seed, 0) }},
	}}
}

func declinesBroken() Family {
	return Family{Name: "errors among declines", Right: "page on the technical errors", Cases: []Case{
		{"60 % declined and 5 % technical errors for 2h", func(seed uint64) Trace { return refusing(seed, 0.05) }},
	}}
}
