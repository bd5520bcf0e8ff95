package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/replay"
	"github.com/assayer-io/assayer/internal/replay/openmetrics"
	"github.com/assayer-io/assayer/internal/replay/recording"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

const document = `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: card}
spec:
  errors:     {bad: 'card_total{outcome="bad"}', total: 'card_total', objective: 99%}
  traffic:    {total: 'card_total', atLeast: 2/s, slice: 1m, objective: 95%}
  saturation: {gauge: 'card_inflight_ratio', below: 0.8, slice: 1m, objective: 99%}
`

func objectives(t testing.TB, text string) []spec.Objective {
	t.Helper()
	set, problems := spec.Load([]spec.File{{Name: "slo.yaml", Data: []byte(text)}}, spec.Options{ScrapeInterval: time.Second})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return set.Objectives
}

// shop is a target whose counters run on, fail for a while and start anew.
type shop struct {
	name     string
	rng      *rand.Rand
	ok, bad  float64
	born     bool
	okSeries *collector.Series
	bdSeries *collector.Series
	load     *collector.Series
}

func newShop(i int) *shop {
	name := fmt.Sprintf("10.0.0.%d:9090", i)
	series := func(pairs ...string) *collector.Series {
		return collector.NewSeries(labels.FromStrings(append(pairs, "job", "card", "instance", name)...))
	}
	return &shop{
		name: name, rng: rand.New(rand.NewPCG(uint64(i), 7)),
		okSeries: series(labels.MetricName, "card_total", "outcome", "good"), bdSeries: series(labels.MetricName, "card_total", "outcome", "bad"),
		load: series(labels.MetricName, "card_inflight_ratio"),
	}
}

// Collect implements collector.Source.
func (s *shop) Collect(_ context.Context, at time.Time, emit func(collector.Cycle)) {
	minute := int(at.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Minutes())
	s.ok += float64(s.rng.IntN(60))
	if s.born = s.born || minute > 20; s.born && (minute/40)%4 == 2 {
		s.bad += float64(s.rng.IntN(20))
	} else if s.rng.IntN(50) == 0 {
		s.bad++
	}
	switch {
	case s.rng.IntN(300) == 0: // a restart
		s.ok, s.bad = 0, 0
	case s.rng.IntN(40) == 0:
		emit(collector.Cycle{Err: errors.New("refused")})
		return
	}
	samples := []collector.Sample{{Series: s.okSeries, Value: s.ok}, {Series: s.load, Value: s.rng.Float64()}}
	if s.born {
		samples = append(samples, collector.Sample{Series: s.bdSeries, Value: s.bad})
	}
	emit(collector.Cycle{Samples: samples})
}

// SetInterest implements collector.Provider.
func (*shop) SetInterest(collector.Interest) {}

// town has shops, the first of which leaves where leaves is set.
type town struct {
	jobs   []collector.Job
	leaves bool
}

// Run implements collector.Provider.
func (w town) Run(ctx context.Context, update func([]collector.Job)) error {
	update(w.jobs)
	timer := time.NewTimer(3 * time.Hour)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-timer.C:
	}
	if w.leaves {
		update(w.jobs[1:])
	}
	<-ctx.Done()
	return nil
}

// SetInterest implements collector.Provider.
func (town) SetInterest(collector.Interest) {}

// captured is what a live run took in and said.
type captured struct {
	cycles   []collector.Cycle
	statuses [][]slo.Status
	at       []time.Time // of each evaluation
}

// Next implements replay.Source.
func (c *captured) Next() (collector.Cycle, error) {
	if len(c.cycles) == 0 {
		return collector.Cycle{}, io.EOF
	}
	first := c.cycles[0]
	c.cycles = c.cycles[1:]
	return first, nil
}

// evaluation never falls together with a look: which of them comes first is then anybody's guess.
const evaluation = 15013 * time.Millisecond

// live runs the real runner and engine, and judges when the agent does: every interval, and within half
// a second of bad events.
func live(t *testing.T, all []spec.Objective, jobs []collector.Job, leaves bool) *captured {
	got := &captured{}
	synctest.Test(t, func(t *testing.T) {
		engine, alarms, begun := slo.New(slo.Options{}), make(chan struct{}, 1), make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Hour)
		defer cancel()
		var schedule slo.Schedule
		evaluate := func(at time.Time) {
			judge := engine.Reconsider
			if schedule.Begin(at, evaluation) {
				judge = engine.Evaluate
			}
			got.statuses, got.at = append(got.statuses, judge(at)), append(got.at, at)
		}
		runner := collector.NewRunner(func(c collector.Cycle) {
			if len(got.cycles) == 0 {
				if err := engine.Apply(all, c.At, nil); err != nil {
					t.Error(err)
				}
				evaluate(c.At)
				close(begun)
			}
			kept := c
			kept.Samples = slices.Clone(c.Samples)
			got.cycles = append(got.cycles, kept)
			engine.Observe(c)
			if engine.Alarmed() {
				select {
				case alarms <- struct{}{}:
				default:
				}
			}
		}, 0, nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := runner.Run(ctx, "town", town{jobs, leaves}); err != nil {
				t.Error(err)
			}
		}()
		<-begun
		timer := time.NewTimer(time.Until(schedule.Next()))
		defer timer.Stop()
		for {
			select {
			case <-done:
				// A recording ends with its last look, and so does what is compared.
				end := got.cycles[len(got.cycles)-1].At
				for n := len(got.at) - 1; got.at[n].After(end); n-- {
					got.statuses, got.at = got.statuses[:n], got.at[:n]
				}
				return
			case <-alarms:
				schedule.Alarm(time.Now())
				timer.Reset(time.Until(schedule.Next()))
				continue
			case <-timer.C:
			}
			evaluate(time.Now())
			timer.Reset(time.Until(schedule.Next()))
		}
	})
	return got
}

func jobs() []collector.Job {
	var out []collector.Job
	for i := range 5 {
		s := newShop(i)
		out = append(out, collector.Job{Target: collector.Target("card/" + s.name), Interval: 15 * time.Second, Source: s, Group: "card"})
	}
	return out
}

// said is everything a list of evaluations said, each in one line.
func said(t *testing.T, all [][]slo.Status) []string {
	t.Helper()
	var out []string
	for _, statuses := range all {
		for _, s := range statuses {
			out = append(out, fmt.Sprintf("%s %s %s %s %v %v %v %v %v %v %v", s.At.Format(time.RFC3339Nano), s.Name, s.State, s.Reason, s.Firing, s.Events, s.ErrorBudget.RemainingRatio, s.BurnRates, s.Coverage, s.Filled, s.Tiers))
		}
	}
	return out
}

func wantSame(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("the replay ends before the live run says\n%s", want[i])
		case i >= len(want):
			t.Fatalf("after the live run's end the replay says\n%s", got[i])
		case got[i] != want[i]:
			t.Fatalf("evaluation %d of %d: the replay says\n%s\nthe live run said\n%s", i, len(want), got[i], want[i])
		}
	}
}

func run(t *testing.T, src replay.Source, all []spec.Objective) ([]replay.Result, []string) {
	t.Helper()
	var statuses [][]slo.Status
	results, _, err := replay.Run(t.Context(), src, [][]spec.Objective{all}, replay.Options{
		EvaluationInterval: evaluation,
		Evaluated: func(_ context.Context, s []slo.Status) error {
			statuses = append(statuses, s)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return results, said(t, statuses[:len(statuses)-1]) // without that at the end of the recording
}

// TestReplayOfALiveRunSaysTheSame replays exactly what a live run's engine was told, a target that
// leaves included, and compares every evaluation.
func TestReplayOfALiveRunSaysTheSame(t *testing.T) {
	all := objectives(t, document)
	got := live(t, all, jobs(), true)
	want := said(t, got.statuses)
	if len(got.cycles) < 5000 || !strings.Contains(strings.Join(want, "\n"), "budget burns at") {
		t.Fatalf("the live run had %d looks and never burnt: it proves nothing", len(got.cycles))
	}
	_, have := run(t, got, all)
	wantSame(t, have, want)
}

// TestRecordings replays what would have been recorded of one live run.
func TestRecordings(t *testing.T) {
	all := objectives(t, document)
	got := live(t, all, jobs(), false)
	t.Run("a recording", func(t *testing.T) { testRecordingSaysTheSame(t, all, got) })
	t.Run("every source", func(t *testing.T) { testEverySourceGivesTheSame(t, all, got) })
	t.Run("deleted samples", func(t *testing.T) { testDeletedSamplesAreNotReplayed(t, all, got) })
}

// testRecordingSaysTheSame takes the way through a file: what a Prometheus beside the agent would
// have recorded, in OpenMetrics text, sorted by series.
func testRecordingSaysTheSame(t *testing.T, all []spec.Objective, got *captured) {
	want := said(t, got.statuses)
	reader := read(t, all, text(got.cycles))
	_, have := run(t, reader, all)
	wantSame(t, have, want)
}

// text writes looks as OpenMetrics text.
func text(cycles []collector.Cycle) []byte {
	bySeries := map[string]*bytes.Buffer{}
	add := func(ls labels.Labels, v float64, at time.Time) {
		name := ls.Get(labels.MetricName)
		rest := ls.MatchLabels(false, labels.MetricName)
		key := name + rest.String()
		key = strings.ReplaceAll(key, `", `, `",`)
		b := bySeries[key]
		if b == nil {
			b = &bytes.Buffer{}
			bySeries[key] = b
		}
		fmt.Fprintf(b, "%s %v %d.%03d\n", key, v, at.UnixMilli()/1000, at.UnixMilli()%1000)
	}
	for _, c := range cycles {
		job, instance, _ := strings.Cut(string(c.Target), "/")
		up := 1.0
		if c.Err != nil {
			up = 0
		}
		add(labels.FromStrings(labels.MetricName, "up", "job", job, "instance", instance), up, c.At)
		for _, s := range c.Samples {
			add(s.Series.Labels, s.Value, c.At)
		}
	}
	var out bytes.Buffer
	for _, b := range bySeries {
		out.Write(b.Bytes())
	}
	out.WriteString("# EOF\n")
	return out.Bytes()
}

func wanted(t testing.TB, all []spec.Objective) recording.Wanted {
	t.Helper()
	e := slo.New(slo.Options{})
	if err := e.Apply(all, time.UnixMilli(0), nil); err != nil {
		t.Fatal(err)
	}
	return recording.Wanted{Interest: e.Interest()}
}

func read(t *testing.T, all []spec.Objective, data []byte) *recording.Reader {
	t.Helper()
	spool, err := recording.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := openmetrics.Read("recording", bytes.NewReader(data), wanted(t, all), spool); err != nil {
		t.Fatal(err)
	}
	reader, err := recording.NewReader(t.Context(), []recording.Part{spool}, wanted(t, all), recording.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	return reader
}
