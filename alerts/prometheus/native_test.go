package prometheus_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/internal/testkit/promrules"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

const day = 24 * time.Hour

// sel reads a selector as objectives have it.
func sel(t testing.TB, text string) *spec.Selector {
	t.Helper()
	if text == "" {
		return nil
	}
	m, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
	if err != nil {
		t.Fatal(err)
	}
	return &spec.Selector{Text: text, Matchers: m}
}

// objective is one of service pay over 30 days.
func objective(name string, target float64, i spec.Indicator) alerts.Objective {
	return alerts.Objective{
		Objective: spec.Objective{
			Name: name, Service: "pay", Target: target, Method: spec.Occurrences, Indicator: i,
			Window: spec.Window{Text: "30d", Length: 30 * day, Rolling: true}, Labels: map[string]string{"team": "cards"},
		},
		Tiers: burnrate.Tiers(30 * day),
	}
}

func ratio(t testing.TB, good, bad, total string) spec.Indicator {
	return spec.Indicator{Ratio: &spec.Ratio{Good: sel(t, good), Bad: sel(t, bad), Total: sel(t, total)}}
}

func begin() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }

// native is what Native makes of objectives of which it refuses nothing.
func native(t testing.TB, objs ...alerts.Objective) []alerts.File {
	t.Helper()
	files, refused := prometheus.Native(objs, alerts.Options{})
	if len(refused) > 0 {
		t.Fatalf("refused: %+v", refused)
	}
	return files
}

// scraped is one target of job pay whose counters a test sets; what it shows is scraped every 15 s.
type scraped struct {
	p        *promrules.Prometheus
	instance string
	at       time.Time
}

func (s *scraped) put(name string, v float64, pairs ...string) {
	s.p.Put(labels.FromStrings(append(pairs, labels.MetricName, name, "job", "pay", "instance", s.instance)...), s.at, v)
}

// scrape puts what a target shows.
func (s *scraped) scrape(show func()) {
	s.put("up", 1)
	show()
	s.at = s.at.Add(15 * time.Second)
}

func single(t *testing.T, p *promrules.Prometheus, at time.Time, expr string) float64 {
	t.Helper()
	v := p.Ask(at, expr)
	if len(v) != 1 {
		t.Fatalf("%s gives %d series, want 1: %v", expr, len(v), v)
	}
	return v[0].F
}

// A total outage pages at both page legs with the labels of the agent's alerts, and falls silent when it is over and
// the short windows are empty of it; while the agent sees the objective, nothing is said.
func TestOutage(t *testing.T) {
	for _, seen := range []float64{0, 1} {
		p := promrules.New(t, native(t, objective("card-auth", 0.999, ratio(t, "", `tx_total{outcome="bad"}`, "tx_total"))), begin())
		s := &scraped{p: p, instance: "a", at: begin()}
		good, bad := 0.0, 0.0
		run := func(lasts time.Duration, failing bool) {
			for end := s.at.Add(lasts); s.at.Before(end); {
				if failing {
					bad += 150
				} else {
					good += 150
				}
				s.scrape(func() {
					s.put("tx_total", good, "outcome", "good")
					s.put("tx_total", bad, "outcome", "bad")
					p.Put(labels.FromStrings(labels.MetricName, "assayer_slo_observed", "slo", "card-auth", "service", "pay", "instance", "agent"), s.at, seen)
				})
			}
			p.Until(s.at)
		}
		tiers := func() (out []string) {
			for _, ls := range p.Firing() {
				if tier := ls.Get("tier"); strings.HasPrefix(tier, "page") {
					out = append(out, tier)
				}
			}
			return out
		}
		run(7*time.Hour, false)
		if got := tiers(); len(got) > 0 {
			t.Fatalf("%v fire in peace", got)
		}
		run(5*time.Minute, true) // 1 in 12 of an hour: 83 times what is allowed
		if got := tiers(); seen == 0 && !slices.Equal(got, []string{"page-1h", "page-6h"}) || seen == 1 && len(got) > 0 {
			t.Fatalf("after five minutes %v fire, observed by the agent: %g", got, seen)
		}
		if seen == 0 {
			want := labels.FromStrings("alertname", "ErrorBudgetBurn", "slo", "card-auth", "service", "pay", "team", "cards",
				"tier", "page-1h", "severity", "critical", "long_window", "1h", "short_window", "5m", "factor", "14.4")
			if got := p.Firing()[0]; !labels.Equal(got, want) {
				t.Errorf("the alert is %s, want %s", got, want)
			}
		}
		run(6*time.Minute, false)
		if got := tiers(); seen == 0 && !slices.Equal(got, []string{"page-6h"}) {
			t.Errorf("six minutes later %v fire", got)
		}
		run(31*time.Minute, false)
		if got := tiers(); len(got) > 0 {
			t.Errorf("half an hour later %v fire", got)
		}
		if got := single(t, p, s.at, "slo:objective:ratio"); got != 0.999 {
			t.Errorf("the target is %g", got)
		}
	}
}

func BenchmarkNative(b *testing.B) {
	var objs []alerts.Objective
	for i := range 10_000 {
		o := objective(fmt.Sprintf("objective-%d", i), 0.999, ratio(b, "", fmt.Sprintf(`tx_total{service="%d",outcome="bad"}`, i), fmt.Sprintf(`tx_total{service="%d"}`, i)))
		o.Service = fmt.Sprintf("service-%d", i/5)
		objs = append(objs, o)
	}
	for b.Loop() {
		files, _ := prometheus.Native(objs, alerts.Options{})
		n := 0
		for _, f := range files {
			n += len(prometheus.Encode(f))
		}
		b.ReportMetric(float64(n), "bytes")
	}
}
