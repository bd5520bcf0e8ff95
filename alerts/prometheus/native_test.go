package prometheus_test

import (
	"fmt"
	"math"
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
	"github.com/assayer-io/assayer/slo/calendar"
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
	t.Parallel()
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

// Three histories that rules of other generators get wrong. A daily clearing run of 10,000 payments a minute for five
// minutes, of which 2 % fail, between 2 payments a minute: 2,000 of 105,740 in two days fail, so that a budget of 0.1 %
// is overspent 17.91-fold, as reckoned by hand. Idle minutes without any payment leave the whole budget. A first
// failure, with which its counter is born, is one failure, also where up is read of one job alone. A sample that is no
// number, before any failure, leaves the budget known.
func TestTraps(t *testing.T) {
	t.Parallel()
	objs := []alerts.Objective{
		objective("clearing", 0.999, ratio(t, "", `tx_total{kind="clearing",outcome="bad"}`, `tx_total{kind="clearing"}`)),
		objective("idle", 0.999, ratio(t, "", `tx_total{kind="idle",outcome="bad"}`, `tx_total{kind="idle"}`)),
		objective("first", 0.999, ratio(t, "", `tx_total{kind="first",outcome="bad"}`, `tx_total{kind="first"}`)),
		objective("broken", 0.999, ratio(t, `tx_total{kind="broken",outcome="good"}`, `tx_total{kind="broken",outcome="bad"}`, "")),
		objective("first-of-job", 0.999, ratio(t, "", `tx_total{job="pay",kind="first",outcome="bad"}`, `tx_total{job="pay",kind="first"}`)),
	}
	objs[4].Service = "named"
	files, _ := prometheus.Native(objs, alerts.Options{ScrapeInterval: time.Minute})
	p := promrules.New(t, files, begin())
	s := &scraped{p: p, instance: "a", at: begin()}
	good, bad, idle := 0.0, 0.0, 0.0
	const minutes = 2 * 24 * 60
	for m := range minutes + 1 {
		switch of := m % (24 * 60); {
		case m == 0:
		case of >= 600 && of < 605:
			good, bad = good+9800, bad+200
		default:
			good += 2
		}
		if m < 300 || m > 310 {
			idle += 5
		}
		s.put("up", 1)
		s.put("tx_total", good, "kind", "clearing", "outcome", "good")
		s.put("tx_total", bad, "kind", "clearing", "outcome", "bad")
		s.put("tx_total", idle, "kind", "idle", "outcome", "good")
		s.put("tx_total", 7+float64(m), "kind", "first", "outcome", "good")
		if broken := float64(m); m == 1000 {
			s.put("tx_total", math.NaN(), "kind", "broken", "outcome", "good")
		} else {
			s.put("tx_total", broken, "kind", "broken", "outcome", "good")
		}
		if m > minutes-60 {
			s.put("tx_total", 1, "kind", "first", "outcome", "bad")
		}
		s.at = s.at.Add(time.Minute)
	}
	end := s.at.Add(6 * time.Minute)
	p.Until(end)
	left := func(slo string) float64 {
		return single(t, p, end, fmt.Sprintf("%s{slo=%q}", prometheus.NativeBudgetRemaining, slo))
	}
	if got, want := left("clearing"), 1-2000.0/105_740/0.001; math.Abs(got-want) > 1e-9 {
		t.Errorf("after two clearing runs %g of the budget is left, want %g", got, want)
	}
	if got := left("idle"); got != 1 {
		t.Errorf("after idle minutes %g of the budget is left, want 1", got)
	}
	if got := left("broken"); got != 1 {
		t.Errorf("after a sample that is no number %g of the budget is left, want 1", got)
	}
	for _, slo := range []string{"first", "first-of-job"} {
		if got := single(t, p, end, prometheus.NativeBadEvents(2*time.Hour)+`{slo="`+slo+`"}`); got != 1 {
			t.Errorf("the first failure of %s counts %g", slo, got)
		}
	}
}

// up is read of the jobs that all selectors of a service name, or of all there are.
func TestJobsOfAService(t *testing.T) {
	for name, tt := range map[string]struct{ bad, total, want string }{
		"named":          {`tx_total{job="pay",outcome="bad"}`, `tx_total{job=~"pay|pay-.+"}`, `(up{job=~"pay|pay|pay-.+"}[5m]`},
		"a name of dots": {`tx_total{job="a.b",outcome="bad"}`, `tx_total{job="a.b"}`, `(up{job=~"a\\.b"}[5m]`},
		"one does not":   {`tx_total{job="pay",outcome="bad"}`, `tx_total`, `(up[5m]`},
		"all but one":    {`tx_total{job!="pay",outcome="bad"}`, `tx_total{job!="pay"}`, `(up[5m]`},
		"perhaps none":   {`tx_total{job=~"(pay)?",outcome="bad"}`, `tx_total{job=""}`, `(up[5m]`},
	} {
		files := native(t, objective("card-auth", 0.999, ratio(t, "", tt.bad, tt.total)))
		if r := files[0].Groups[0].Rules[0]; r.Record != prometheus.NativeTargetUp || !strings.Contains(r.Expr, tt.want) {
			t.Errorf("%s: %s is %s, want %s in it", name, r.Record, r.Expr, tt.want)
		}
	}
}

// A team that gets another name takes the history of its objectives along, and is told under its new name.
func TestRenamedTeamKeepsHistory(t *testing.T) {
	o := objective("card-auth", 0.999, ratio(t, "", `tx_total{outcome="bad"}`, "tx_total"))
	p := promrules.New(t, native(t, o), begin())
	s := &scraped{p: p, instance: "a", at: begin()}
	good, bad := 0.0, 0.0
	run := func(lasts time.Duration, failing float64) {
		for end := s.at.Add(lasts); s.at.Before(end); {
			good, bad = good+100, bad+failing
			s.scrape(func() {
				s.put("tx_total", good, "outcome", "good")
				s.put("tx_total", bad, "outcome", "bad")
			})
		}
		s.p.Until(s.at)
	}
	run(40*time.Minute, 10)
	o.Labels = map[string]string{"team": "acquiring"}
	after := promrules.New(t, native(t, o), s.at)
	p.Each("", func(ls labels.Labels, ms int64, v float64) {
		if name := ls.Get(labels.MetricName); !strings.HasPrefix(name, "ALERTS") && name != prometheus.NativeObjectiveRatio {
			after.Put(ls, time.UnixMilli(ms), v)
		}
	})
	before := single(t, p, s.at, prometheus.NativeBadEvents(time.Hour))
	s.p = after
	run(time.Minute, 10)
	if got := single(t, after, s.at, prometheus.NativeBadEvents(time.Hour)); got <= before || before < 1500 {
		t.Errorf("the hour has %g bad events, and had %g before the team was called otherwise", got, before)
	}
	firing := after.Firing()
	if len(firing) == 0 {
		t.Error("nothing fires")
	}
	for _, ls := range firing {
		if ls.Get("team") != "acquiring" {
			t.Errorf("%s is not told to the new team", ls)
		}
	}
}

// Where slices can no longer be judged somebody hears of it, though slices that nobody judged are counted as none. Ten
// minutes without a target are longer than each slice, and as long as it takes to look at them.
func TestSlicesThatNobodySees(t *testing.T) {
	var objs []alerts.Objective
	for name, o := range kinds(t) {
		if o.Method == spec.Occurrences {
			continue
		}
		if name == "ratio-slices" {
			o.Slice = 10 * time.Minute
		}
		objs = append(objs, o)
	}
	p := promrules.New(t, native(t, objs...), begin())
	s := &scraped{p: p, instance: "a", at: begin()}
	for n := range 4 * 30 {
		s.scrape(func() {
			s.put("tx_total", float64(100*n), "outcome", "good")
			s.put("tx_total", 0, "outcome", "bad")
			s.put("tx_seconds_bucket", float64(n), "le", "0.5")
			s.put("tx_seconds_count", float64(n))
			s.put("tx_queue", 1)
			s.put("tx_success_ratio", 1)
			s.put("tx_leader", 1)
		})
	}
	unseen := func() (slos []string) {
		for _, ls := range p.Firing() {
			if ls.Get("alertname") == alerts.Unobserved {
				slos = append(slos, ls.Get("slo"))
			}
		}
		return slos
	}
	p.Until(s.at)
	if got := unseen(); len(got) > 0 {
		t.Errorf("%v are seen, and are said not to be", got)
	}
	p.Until(s.at.Add(25 * time.Minute))
	if got := unseen(); len(got) != len(objs) {
		t.Errorf("of %d objectives that nobody sees only %v are told of", len(objs), got)
	}
}

func TestRefusals(t *testing.T) {
	counters := ratio(t, "", `tx_total{outcome="bad"}`, "tx_total")
	with := func(name string, i spec.Indicator, change func(o *alerts.Objective)) alerts.Objective {
		o := objective(name, 0.99, i)
		if change != nil {
			change(&o)
		}
		return o
	}
	month := spec.Window{Text: "1M", Length: 30 * day, Unit: spec.Month, Count: 1}
	objs := []alerts.Objective{
		with("composite", spec.Indicator{}, func(o *alerts.Objective) { o.Composite = &spec.Composite{Method: spec.WorstOf} }),
		with("calendar", counters, func(o *alerts.Objective) { o.Calendar = &calendar.Business{Name: "target2"} }),
		with("nameless", ratio(t, `{__name__=~"a|b"}`, "", "tx_total"), nil),
		with("expected", spec.Indicator{Traffic: &spec.Traffic{Total: *sel(t, "tx_total"), AtLeastOfExpected: 0.5}}, func(o *alerts.Objective) { o.Method, o.Slice = spec.Timeslices, time.Minute }),
		with("month", counters, func(o *alerts.Objective) { o.Window = month }),
		with("legs", counters, func(o *alerts.Objective) {
			o.Tiers = append(o.Tiers, burnrate.New(burnrate.Page, time.Hour, 5*time.Minute, 0.02, 30*day).AgainstRemaining(),
				burnrate.New(burnrate.Page, time.Minute, 45*time.Second, 0.02, 30*day))
		}),
	}
	_, refused := prometheus.Native(objs, alerts.Options{})
	want := map[string]string{
		"composite/": "composite", "calendar/": "target2", "nameless/": `{__name__=~"a|b"}`, "expected/": "expected", "month/budget": "calendar",
		"legs/page-1h-left": "what is left", "legs/page-1m": "45s is shorter than two evaluations, 30s apart",
	}
	for _, r := range refused {
		key := r.Objective + "/" + r.Leg
		if want[key] == "" || !strings.Contains(r.Reason, want[key]) {
			t.Errorf("%s is refused: %s", key, r.Reason)
		}
		delete(want, key)
	}
	for key := range want {
		t.Errorf("%s is not refused", key)
	}
}

// Every rule of every kind is PromQL to the newest parser, and means what was written: odd names, patterns and quotes
// come through.
func TestSelectorsComeThrough(t *testing.T) {
	o := objective("odd", 0.99, ratio(t, "", `tx_total{path=~"/a/[^\"\\\\]+|b\n",le="0.50"}`, `{__name__="tx_total",zone!="'{{ $x }}'"}`))
	o.Service = "it's \"odd\"\n"
	files := native(t, o)
	if files[0].Name == "native-"+o.Service || strings.Contains(files[0].Name, "\n") {
		t.Errorf("the file is called %q", files[0].Name)
	}
	seen := map[string]bool{}
	for _, g := range files[0].Groups {
		for _, r := range g.Rules {
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
			if err != nil {
				t.Fatalf("%v\n%s", err, r.Expr)
			}
			parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
				if v, ok := n.(*parser.VectorSelector); ok {
					for _, m := range v.LabelMatchers {
						seen[m.Name+m.Type.String()+m.Value] = true
						if m.Name == "le" {
							for value, want := range map[string]bool{"0.5": true, "0.50": true, "5e-01": true, "0.51": false, "10.5": false, "5": false} {
								if m.Matches(value) != want {
									t.Errorf("%s matches %s: %t", m, value, !want)
								}
							}
						}
					}
				}
				return nil
			})
		}
	}
	for _, want := range []string{"path=~/a/[^\"\\\\]+|b\n", "zone!='{{ $x }}'", "service=" + o.Service} {
		if !seen[want] {
			t.Errorf("no rule has the matcher %s", want)
		}
	}
}
