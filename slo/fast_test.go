package slo_test

import (
	"slices"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo"
)

func (f feeder) on(target string, every, d time.Duration, good, bad float64) {
	f.Observe(collector.Cycle{Target: collector.Target(target), At: at(d), Interval: every, Samples: []collector.Sample{{Series: goodSeries, Value: good}, {Series: badSeries, Value: bad}}})
}

func fast(s slo.Status) slo.TierStatus { return s.Tiers[len(s.Tiers)-1] }

// TestFastTierWithASlowerTarget: A target that is looked at more seldom makes rounds longer, from then on.
func TestFastTierWithASlowerTarget(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	var good, bad float64
	fired := time.Duration(0)
	for d := time.Duration(0); d <= 2*time.Hour; d += 5 * time.Second {
		if d < time.Hour {
			good += 50
		} else {
			bad += 50
		}
		f.on("fast", 5*time.Second, d, good, bad)
		if d%time.Minute == 5*time.Second {
			f.on("slow", time.Minute, d, good, bad)
		}
		s := f.status(d)
		if d >= time.Hour && fired == 0 && slices.Contains(s.Firing, "page-fast") {
			fired = d - time.Hour
		}
	}
	if fired == 0 {
		t.Error("page-fast never fires in an hour of total outage")
	}
}

func TestFastTierAfterALongerInterval(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	var good, bad float64
	for d := time.Duration(0); d <= time.Hour; d += 5 * time.Second {
		good += 50
		f.on("a", 5*time.Second, d, good, bad)
	}
	fired := false
	for d := time.Hour + 15*time.Second; d <= 2*time.Hour; d += 15 * time.Second {
		bad += 150
		f.on("a", 15*time.Second, d, good, bad)
		fired = fired || slices.Contains(f.status(d).Firing, "page-fast")
	}
	if !fired {
		t.Error("page-fast never fires in an hour of total outage")
	}
}

func TestFastTierEndsWithoutTraffic(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	var n [2]float64
	f.run(0, time.Hour, &n, 15, 0)
	f.run(time.Hour, time.Hour+4*interval, &n, 0, 15)
	if s := f.status(time.Hour + 3*interval); !slices.Contains(s.Firing, "page-fast") {
		t.Fatal("no")
	}
	f.run(time.Hour+4*interval, 25*time.Hour, &n, 0, 0)
	s := f.status(25*time.Hour - interval)
	if slices.Contains(s.Firing, "page-fast") {
		t.Errorf("a day after the last failure: %v state %s: %s", s.Firing, s.State, s.Reason)
	}
}

func TestFastTierLeavesMaintenanceAlone(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	f.SetExclusions([]slo.Exclusion{exclude(time.Hour-time.Minute, 2*time.Hour, "pay")})
	var n [2]float64
	f.run(0, time.Hour, &n, 15, 0)
	f.run(time.Hour, time.Hour+10*time.Minute, &n, 0, 15)
	s := f.status(time.Hour + 10*time.Minute - interval)
	if len(s.Firing) > 0 {
		t.Errorf("announced maintenance: %v %s: %s; events %+v", s.Firing, s.State, s.Reason, s.Events)
	}
}

// TestFastTierTakesOneMomentOfTenPodsForOne: Ten pods show one moment's failures one after the other, across the edge of two rounds.
func TestFastTierTakesOneMomentOfTenPodsForOne(t *testing.T) {
	for phase := range 15 {
		f := newFeeder(t, ratio(0.999))
		hit := false
		for d := time.Duration(0); d <= 3*time.Minute; d += 100 * time.Millisecond {
			for p := range 10 {
				off := time.Duration(p)*100*time.Millisecond + time.Duration(phase)*time.Second
				if d < off || (d-off)%interval != 0 {
					continue
				}
				k := int((d - off) / interval)
				s := []collector.Sample{{Series: goodSeries, Value: 100 + 10*float64(k)}}
				if k > 1 {
					s = append(s, collector.Sample{Series: badSeries, Value: 50})
				}
				f.Observe(collector.Cycle{Target: collector.Target(string(rune('A' + p))), At: at(d), Interval: interval, Samples: s})
			}
			if d%time.Second == 0 {
				hit = hit || slices.Contains(f.status(d).Firing, "page-fast")
			}
		}
		if hit {
			t.Errorf("phase %d pages", phase)
		}
	}
}

// TestFastTierIsNotForOneAnHour: Five failures in five hours are for the windows to tell.
func TestFastTierIsNotForOneAnHour(t *testing.T) {
	f := newFeeder(t, ratio(0.999))
	g, b := 0.0, 0.0
	for d := time.Duration(0); d < 60*time.Hour; d += interval {
		if d%time.Hour == 0 {
			if d < 30*time.Hour || d > 36*time.Hour {
				g++
			} else {
				b++
			}
		}
		f.tx(d, g, b)
		if d%time.Hour == 30*time.Minute && d > 29*time.Hour {
			s := f.status(d)
			if slices.Contains(s.Firing, "page-fast") {
				t.Errorf("at %v: %+v", d, fast(s))
			}
		}
	}
}
