package prometheus_test

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/internal/testkit/promrules"
	"github.com/assayer-io/assayer/slo/metricname"
)

// What the slow group records lies as far apart as that is evaluated, and is written when it has been. What is raised
// from it goes on meanwhile, or each pause would begin the alert's wait anew; and it ends soon after the records do.
func TestAlertsOfLateRecordsDoNotPause(t *testing.T) {
	for name, tt := range map[string]struct {
		scrape time.Duration
		every  time.Duration // records
		late   time.Duration // every other one
	}{
		"looks two minutes apart": {2 * time.Minute, 6 * time.Minute, 0},
		"in time":                 {0, 5 * time.Minute, 0},
		"written late":            {0, 5 * time.Minute, 45 * time.Second},
	} {
		interval := max(30*time.Second, tt.scrape)
		for _, alert := range []string{alerts.BudgetExhausted, alerts.Unobserved} {
			// An offset the groups might have to each other.
			for phase := time.Duration(0); phase < 2*time.Minute; phase += 11 * time.Second {
				p := promrules.New(t, prometheus.Agent(nil, alerts.Options{Joined: true, ScrapeInterval: tt.scrape}), begin())
				ls := labels.FromStrings(labels.MetricName, prometheus.NativeFiring(alert), metricname.SLO, "card", metricname.Service, "pay")
				at := begin().Add(phase)
				for i := range 10 {
					p.Put(ls, at.Add(time.Duration(i)*tt.every+time.Duration(i%2)*tt.late), 1)
				}
				p.Until(begin().Add(3 * time.Hour))
				fired := slices.DeleteFunc(p.Fired(), func(f promrules.Firing) bool { return f.Labels.Get(labels.AlertName) != alert })
				if len(fired) != 1 {
					t.Errorf("%s, %s, phase %s: is called for %d times", alert, name, phase, len(fired))
					continue
				}
				if after := fired[0].From.Sub(at); after > interval {
					t.Errorf("%s, %s, phase %s: begins after %s", alert, name, phase, after)
				}
				last := at.Add(9*tt.every + tt.late)
				if after := fired[0].To.Sub(last); after > tt.every+3*interval {
					t.Errorf("%s, %s, phase %s: ends %s after the last record", alert, name, phase, after)
				}
			}
		}
	}
}
