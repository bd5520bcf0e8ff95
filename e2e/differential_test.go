//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/testkit/oracle"
	"github.com/assayer-io/assayer/internal/testkit/servers"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// The engine and a released Prometheus on the same samples. increase() takes what lies between the first and
// the last sample in the window and stretches it towards the window's edges: by the distance from the
// edge to the nearest sample at most. So it lies between what was seen, and that times the stretch, for
// each series; and the engine, which also has the increase that ends with the first sample in the
// window, differs by what these two explain and by nothing more.

const looksOfOneTrace = 400

// recordedSeries is one counter as both saw it.
type recordedSeries struct {
	at     []int64
	values []float64
	before []int64 // when the target was looked at before
	born   int64   // on a target seen before: when that was; 0: its first value is a baseline
	gapMs  int64   // more than this between two samples is a gap
}

func TestPrometheusDiffersByExtrapolationOnly(t *testing.T) {
	traces := 0
	for seed := uint64(5000); traces < 3; seed++ {
		tr := oracle.NewTrace(oracle.NewDraw(seed, nil), looksOfOneTrace)
		if tr.Shape != oracle.BadOfTotal || tr.Objective.Kind != oracle.Events || tr.Interval > time.Minute || tr.Interval < 5*time.Second {
			continue
		}
		traces++
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { differ(t, tr) })
	}
}

func differ(t *testing.T, tr *oracle.Trace) {
	steps := oracle.EachLook(oracle.Plain(tr.Steps), func(l *oracle.Look) {
		for i := range l.Samples {
			l.Samples[i].FromMs = 0 // Prometheus 2 does not know of start timestamps
		}
	})
	engine, all, last := feed(t, tr, steps)
	prom := servers.StartPrometheusWith(t, openMetrics(all))
	apart := 0
	for _, w := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour} {
		for now := tr.Begin.Truncate(10 * time.Minute).Add(20 * time.Minute); now.Before(last); now = now.Add(10 * time.Minute) {
			if last.Sub(now) > 5*24*time.Hour { // older windows are kept to the hour
				continue
			}
			var least, most, counted, rounded float64
			for _, s := range all {
				from, to := s.seen(now.Add(-w).UnixMilli(), now.UnixMilli())
				least, most = least+from, most+to
				n, parts := s.counted(now.Add(-w).UnixMilli(), now.UnixMilli())
				counted, rounded = counted+n, rounded+parts
			}
			points, err := engine.History("pay", w.String(), now.Add(-time.Second), now, 2)
			if err != nil {
				t.Fatal(err)
			}
			if got := points[1].Events; math.Abs(got-counted) > rounded {
				t.Fatalf("%v to %v: the engine counts %v events, the samples say %v (%s)", w, now, got, counted, tr.Flags)
			}
			seconds := strconv.FormatFloat(w.Seconds(), 'f', 0, 64)
			increase := query(t, prom, "sum(increase(tx_total["+seconds+"s]))", now)
			if slack := 1e-9 * most; increase < least-slack || increase > most+slack {
				t.Fatalf("%v to %v: Prometheus says %v, the samples in the window explain %v to %v (%s)", w, now, increase, least, most, tr.Flags)
			}
			if rate := query(t, prom, "sum(rate(tx_total["+seconds+"s]))", now); math.Abs(rate*w.Seconds()-increase) > 1e-9*most {
				t.Fatalf("%v to %v: rate %v is not increase %v over the window", w, now, rate, increase)
			}
			if increase != counted {
				apart++
			}
		}
	}
	if apart == 0 {
		t.Error("Prometheus never extrapolated: nothing was shown")
	}
}

// feed gives all looks to an engine and keeps what Prometheus is to be given.
func feed(t *testing.T, tr *oracle.Trace, steps []oracle.Step) (*slo.Engine, map[string]*recordedSeries, time.Time) {
	t.Helper()
	equal := func(name, value string) *labels.Matcher { return labels.MustNewMatcher(labels.MatchEqual, name, value) }
	o := spec.Objective{
		Name: "pay", Target: 0.99, Method: spec.Occurrences, Window: spec.Window{Text: "30d", Length: 30 * 24 * time.Hour, Rolling: true},
		Indicator: spec.Indicator{Ratio: &spec.Ratio{
			Bad:   &spec.Selector{Text: "bad", Matchers: []*labels.Matcher{equal("__name__", "tx_total"), equal("outcome", "bad")}},
			Total: &spec.Selector{Text: "all", Matchers: []*labels.Matcher{equal("__name__", "tx_total")}},
		}},
	}
	engine := slo.New(slo.Options{})
	if err := engine.Apply([]spec.Objective{o}, tr.Begin, nil); err != nil {
		t.Fatal(err)
	}
	all, seen, last := map[string]*recordedSeries{}, map[string]int64{}, int64(0)
	for _, step := range steps {
		l := step.Look
		if l == nil {
			continue
		}
		c := collector.Cycle{Target: collector.Target(l.Target), At: time.UnixMilli(l.AtMs), Interval: time.Duration(l.IntervalMs) * time.Millisecond, Gone: l.Gone}
		if l.Failed && !l.Gone {
			c.Err = errors.New("refused")
		}
		for _, s := range l.Samples {
			if s.Series.Name != "tx_total" {
				continue
			}
			c.Samples = append(c.Samples, collector.Sample{Series: collector.NewSeries(labels.FromStrings(append([]string{"__name__", s.Series.Name}, s.Series.Labels...)...)), Value: s.Value})
			key := fmt.Sprintf("tx_total{outcome=%q,shard=%q,instance=%q}", s.Series.Labels[1], s.Series.Labels[3], l.Target)
			if all[key] == nil {
				all[key] = &recordedSeries{born: seen[l.Target], gapMs: tr.Interval.Milliseconds() * 5 / 2}
			}
			all[key].at, all[key].values = append(all[key].at, l.AtMs), append(all[key].values, s.Value)
			all[key].before = append(all[key].before, seen[l.Target])
		}
		if !l.Failed {
			seen[l.Target] = l.AtMs
		}
		engine.Observe(c)
		last = max(last, l.AtMs)
	}
	engine.Evaluate(time.UnixMilli(last))
	return engine, all, time.UnixMilli(last)
}

// openMetrics writes all samples with their timestamps.
func openMetrics(all map[string]*recordedSeries) string {
	var b strings.Builder
	b.WriteString("# TYPE tx counter\n")
	for key, s := range all {
		for i := range s.at {
			fmt.Fprintf(&b, "%s %s %d.%03d\n", key, strconv.FormatFloat(s.values[i], 'f', -1, 64), s.at[i]/1000, s.at[i]%1000)
		}
	}
	b.WriteString("# EOF\n")
	return b.String()
}

// seen is what increase() may say of the window [from, to]: the growth between its first and its last sample,
// and that stretched to both edges.
func (s *recordedSeries) seen(from, to int64) (least, most float64) {
	first, last := -1, -1
	for i, at := range s.at {
		if at < from || at > to {
			continue
		}
		if first < 0 {
			first = i
		} else {
			least += grown(s.values[i-1], s.values[i])
		}
		last = i
	}
	if first == last {
		return 0, 0 // of one sample it says nothing
	}
	sampled, distance := float64(s.at[last]-s.at[first]), float64(s.at[first]-from+to-s.at[last])
	return least, least * (1 + distance/sampled)
}

// counted is what the engine counts in (from, to], and by how many events the parts of gaps may be rounded.
func (s *recordedSeries) counted(from, to int64) (n, rounded float64) {
	for i, at := range s.at {
		since, growth := s.born, s.values[i]
		if i > 0 {
			since, growth = s.at[i-1], grown(s.values[i-1], s.values[i])
			if s.values[i] < s.values[i-1] { // what a restarted process counts, the last look has not found
				since = max(since, s.before[i])
			}
		}
		switch {
		case since == 0: // a baseline
		case at-since <= s.gapMs:
			if at > from && at <= to {
				n += growth
			}
		case since < to && at > from:
			n += growth * float64(min(at, to)-max(since, from)) / float64(at-since)
			rounded += 2
		}
	}
	return n, rounded
}

func grown(before, now float64) float64 {
	if now < before {
		return now
	}
	return now - before
}

// query asks Prometheus for one number; none is 0.
func query(t *testing.T, s *servers.Server, expr string, at time.Time) float64 {
	t.Helper()
	address := s.URL("/api/v1/query?" + url.Values{"query": {expr}, "time": {strconv.FormatInt(at.Unix(), 10)}}.Encode())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("asking for %s: %s: %v", expr, answer.Status, err)
	}
	if len(body.Data.Result) == 0 {
		return 0
	}
	n, err := strconv.ParseFloat(fmt.Sprint(body.Data.Result[0].Value[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
