package slo_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo"
)

// pods are ten targets of one job, each with ten events a look. Up to onset all of them answer, but for
// never, and nothing fails; from then on only seen of them answer, and a share of bad of their events fails.
type pods struct {
	feeder
	good, bad [10]float64
}

func (p *pods) run(from, to time.Duration, answers func(pod int) bool, bad float64) {
	for d := from; d < to; d += interval {
		for i := range p.good {
			c := collector.Cycle{Target: collector.Target(fmt.Sprint("pod-", i)), Group: "job", At: at(d), Interval: interval}
			if answers(i) {
				c.Samples = []collector.Sample{{Series: goodSeries, Value: p.good[i]}, {Series: badSeries, Value: p.bad[i]}}
			} else {
				c.Err = errors.New("connection refused")
			}
			p.good[i] += 10 * (1 - bad)
			p.bad[i] += 10 * bad
			p.Observe(c)
		}
	}
}

// TestTierMayBeginWhileUnknown: too little is seen to judge, but what is seen would page even if all the rest
// had been good. The objective stays unknown and unobserved, by which hooks and policies hold.
func TestTierMayBeginWhileUnknown(t *testing.T) {
	const onset = 10 * time.Hour
	all := func(int) bool { return true }
	first := func(n int) func(int) bool { return func(i int) bool { return i < n } }
	for name, tt := range map[string]struct {
		before, after func(pod int) bool
		bad           float64
		pages         bool
	}{
		// 14.4 times 0.1 % fail in an hour when 1.44 % of its events do. Half an hour of 100 % at 3 of 10 is
		// 15 % of all there were; of 5 % 0.75 %, although it is 3.8 % of those that were seen.
		"everything fails at 3 of 10":                    {all, first(3), 1, true},
		"5 % fail at 3 of 10":                            {all, first(3), 0.05, false},
		"5 % fail at 8 of 10":                            {all, first(8), 0.05, true},
		"5 % fail at the one that ever answered":         {first(1), first(1), 0.05, false},
		"everything fails at the one that ever answered": {first(1), first(1), 1, true},
		"nothing fails at 3 of 10":                       {all, first(3), 0, false},
		"none answers":                                   {all, first(0), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pods{feeder: newFeeder(t, ratio(0.999))}
			p.run(0, onset, tt.before, 0)
			p.run(onset, onset+30*time.Minute, tt.after, tt.bad)
			s := p.status(onset + 30*time.Minute - interval)
			if s.State != slo.Unknown || s.Observed {
				t.Errorf("state %s, observed %v (%s)", s.State, s.Observed, s.Reason)
			}
			if got := slices.Contains(s.Firing, "page-1h"); got != tt.pages || !tt.pages && len(s.Firing) > 0 {
				t.Errorf("firing %v, page-1h wanted: %v (%s)", s.Firing, tt.pages, s.Tiers[0].Why)
			}
		})
	}
}

// TestTierDoesNotBeginWhenNothingIsSeen: what makes the burn rate rise then is only that good events leave
// the windows, as targets that have left owe no looks.
func TestTierDoesNotBeginWhenNothingIsSeen(t *testing.T) {
	all := func(int) bool { return true }
	const onset, gone = 10 * time.Hour, 10*time.Hour + 17*time.Minute
	for name, leave := range map[string]int{"all have left": 10, "the one that has not is silent": 9} {
		t.Run(name, func(t *testing.T) {
			p := &pods{feeder: newFeeder(t, ratio(0.999))}
			p.run(0, onset, all, 0)
			p.run(onset, gone, all, 0.05) // 14.2 times 0.1 % of the hour's events, and 14.7 times once two minutes have left it
			if s := p.status(gone - interval); len(s.Firing) > 0 {
				t.Fatalf("firing before they are gone: %v", s.Firing)
			}
			for i := range leave {
				p.Observe(collector.Cycle{Target: collector.Target(fmt.Sprint("pod-", i)), At: at(gone), Gone: true})
			}
			for d := gone + 3*interval; d < gone+2*time.Hour; d += interval {
				if s := p.status(d); len(s.Firing) > 0 || s.State != slo.Unknown {
					t.Fatalf("%v after they left: %s, firing %v", d-gone, s.State, s.Firing)
				}
			}
		})
	}
}

// TestWhatRulesSayOfTiers: the labels that alert rules take from each leg do not move with the budget, and the fast
// tier is as urgent as can be.
func TestWhatRulesSayOfTiers(t *testing.T) {
	o := ratio(0.999)
	o.Labels = map[string]string{"team": "payments"}
	f := newFeeder(t, o)
	f.tx(0, 0, 0)
	f.tx(interval, 1000, 1000) // overspends the budget
	s := f.status(interval)
	var got []string
	for _, x := range s.Tiers {
		got = append(got, fmt.Sprintf("%s %s %s", x.Name, x.Urgency, x.FactorText))
	}
	want := []string{"page-1h critical 14.4", "page-6h high 6", "ticket-1d medium 3", "ticket-3d low 1", "page-fast critical 1"}
	if !slices.Equal(got, want) || s.Team != "payments" {
		t.Errorf("team %q, tiers %q, want %q", s.Team, got, want)
	}
}
