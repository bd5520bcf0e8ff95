package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// feed is a provider whose jobs the test sets.
type feed struct{ jobs chan []Job }

func newFeed() *feed                 { return &feed{jobs: make(chan []Job)} }
func (f *feed) SetInterest(Interest) {}
func (f *feed) Run(ctx context.Context, update func([]Job)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case jobs := <-f.jobs:
			update(jobs)
		}
	}
}

type sourceFunc func(ctx context.Context, at time.Time, emit func(Cycle))

func (f sourceFunc) Collect(ctx context.Context, at time.Time, emit func(Cycle)) { f(ctx, at, emit) }

// instant is a source that succeeds at once.
var instant = sourceFunc(func(_ context.Context, _ time.Time, emit func(Cycle)) {
	emit(Cycle{Samples: []Sample{{Value: 1}}, Stats: Stats{Seen: 10, Bytes: 100}})
})

// lasting is a source that takes d, or until its time is up.
func lasting(d time.Duration) sourceFunc {
	return func(ctx context.Context, _ time.Time, emit func(Cycle)) {
		select {
		case <-time.After(d):
			emit(Cycle{})
		case <-ctx.Done():
			emit(Cycle{Err: fmt.Errorf("looking: %w", context.Cause(ctx))})
		}
	}
}

// log is a sink that remembers cycles.
type log struct {
	mu     sync.Mutex
	cycles []Cycle
}

func (l *log) sink(c Cycle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cycles = append(l.cycles, c)
}

func (l *log) of(t Target) []Cycle {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.cycles), func(c Cycle) bool { return c.Target != t })
}

// run starts a runner on one feed inside a synctest bubble; stop ends it and waits.
func run(t *testing.T, sink func(Cycle), concurrency int) (r *Runner, f *feed, stop func()) {
	t.Helper()
	r = NewRunner(sink, concurrency, slog.New(slog.DiscardHandler))
	f = newFeed()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx, "fake", f) }()
	return r, f, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func job(t Target, every time.Duration, s Source) Job {
	return Job{Target: t, Interval: every, Timeout: every, Source: s}
}

func TestScheduleIsStableAndDoesNotDrift(t *testing.T) {
	var offsets [2][]time.Duration
	for i := range offsets { // two lives of the agent, started at different moments
		synctest.Test(t, func(t *testing.T) {
			pass(time.Duration(i) * 1234 * time.Millisecond) // virtual: only moves the bubble's clock
			var l log
			_, f, stop := run(t, l.sink, 0)
			f.jobs <- []Job{job("a", 10*time.Second, lasting(3*time.Second)), job("b", 10*time.Second, instant)}
			pass(100 * time.Second)
			stop()
			for _, target := range []Target{"a", "b"} {
				got := l.of(target)
				if len(got) < 9 {
					t.Fatalf("%s: %d cycles in 100s at 10s", target, len(got))
				}
				for k := 1; k < len(got); k++ {
					if d := got[k].At.Sub(got[k-1].At); d != 10*time.Second {
						t.Errorf("%s: %s between looks %d and %d, want 10s", target, d, k-1, k)
					}
				}
				offsets[i] = append(offsets[i], time.Duration(got[0].At.UnixNano()%int64(10*time.Second)))
			}
		})
	}
	if !slices.Equal(offsets[0], offsets[1]) {
		t.Errorf("offsets differ between two lives: %v, %v", offsets[0], offsets[1])
	}
	if offsets[0][0] == offsets[0][1] {
		t.Errorf("two targets share the offset %s", offsets[0][0])
	}
}

func TestTargetsAreSpreadOverTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		_, f, stop := run(t, l.sink, 0)
		var jobs []Job
		for i := range 1000 {
			jobs = append(jobs, job(Target(fmt.Sprint("target-", i)), 10*time.Second, instant))
		}
		f.jobs <- jobs
		pass(10 * time.Second)
		stop()
		perSecond := map[int64]int{}
		for _, c := range l.cycles {
			perSecond[c.At.Unix()%10]++
		}
		for s := range int64(10) {
			if n := perSecond[s]; n < 60 || n > 140 {
				t.Errorf("second %d of the interval has %d of 1000 looks, want about 100", s, n)
			}
		}
	})
}

func TestOverrunSkipsAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		var inFlight, most int
		stubborn := sourceFunc(func(_ context.Context, _ time.Time, emit func(Cycle)) { // does not honour its time
			inFlight++
			most = max(most, inFlight)
			pass(25 * time.Second)
			inFlight--
			emit(Cycle{})
		})
		r, f, stop := run(t, l.sink, 0)
		f.jobs <- []Job{job("slow", 10*time.Second, stubborn)}
		pass(10 * time.Second) // the first look has begun
		pass(90 * time.Second)
		synctest.Wait()
		got := l.of("slow")
		for k := 1; k < len(got); k++ {
			if d := got[k].At.Sub(got[k-1].At); d != 30*time.Second {
				t.Errorf("%s between looks, want 30s: two of three are skipped", d)
			}
		}
		st := r.Targets()[0].Totals
		if len(got) != 3 || st.OK != 3 || st.Skipped != 6 {
			t.Errorf("%d cycles, %d ok, %d skipped, want 3, 3, 6", len(got), st.OK, st.Skipped)
		}
		if most != 1 {
			t.Errorf("%d looks at one target at once", most)
		}
		stop()
	})
}

func TestTimeoutFailsTheCycleAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		r, f, stop := run(t, l.sink, 0)
		j := job("hung", 10*time.Second, lasting(time.Hour))
		j.Timeout = 2 * time.Second
		f.jobs <- []Job{j}
		pass(15 * time.Second)
		got := l.of("hung")
		if len(got) == 0 || !errors.Is(got[0].Err, ErrTimeout) {
			t.Fatalf("cycles %+v, want one that timed out", got)
		}
		st := r.Targets()[0]
		if st.Up || st.LastError != "looking: timed out after 2s" || st.LastDuration != 2*time.Second || st.Totals.Failed != 1 {
			t.Errorf("status %+v", st)
		}
		stop()
	})
}

func TestPanicAndSilenceAreFailedCycles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		r, f, stop := run(t, l.sink, 0)
		f.jobs <- []Job{
			job("panics", 10*time.Second, sourceFunc(func(context.Context, time.Time, func(Cycle)) { panic("index out of range") })),
			job("silent", 10*time.Second, sourceFunc(func(context.Context, time.Time, func(Cycle)) {})),
			job("twice", 10*time.Second, sourceFunc(func(_ context.Context, _ time.Time, emit func(Cycle)) { emit(Cycle{}); emit(Cycle{}) })),
			job("fine", 10*time.Second, instant),
		}
		pass(20 * time.Second)
		stop()
		for target, want := range map[Target]string{"panics": "panic: index out of range", "silent": "handed over nothing", "twice": "", "fine": ""} {
			got := l.of(target)
			if len(got) != 2 {
				t.Fatalf("%s: %d cycles in two intervals, want 2", target, len(got))
			}
			for _, c := range got {
				if (c.Err == nil) != (want == "") || c.Err != nil && !strings.Contains(c.Err.Error(), want) {
					t.Errorf("%s: error %v, want %q", target, c.Err, want)
				}
			}
		}
		if tot := r.Totals()["fake"]; tot.OK != 4 || tot.Failed != 4 {
			t.Errorf("totals %+v, want 4 ok and 4 failed, kept after the end", tot)
		}
	})
}

func TestSinkIsSerialAndPushesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inSink, seen int
		slow := func(Cycle) {
			inSink++
			if inSink > 1 {
				t.Error("sink called twice at once")
			}
			pass(4 * time.Second)
			inSink--
			seen++
		}
		r, f, stop := run(t, slow, 0)
		var jobs []Job
		for i := range 10 {
			jobs = append(jobs, job(Target(fmt.Sprint(i)), 10*time.Second, instant))
		}
		f.jobs <- jobs
		pass(400 * time.Second)
		stop()
		// 10 targets would bring 400 cycles; the sink can take 100.
		tot := r.Totals()["fake"]
		if seen < 95 || seen > 101 || tot.Skipped < 250 {
			t.Errorf("sink took %d, skipped %d; want about 100 and about 290", seen, tot.Skipped)
		}
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var now, most int
		src := sourceFunc(func(_ context.Context, _ time.Time, emit func(Cycle)) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			pass(5 * time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			emit(Cycle{})
		})
		_, f, stop := run(t, func(Cycle) {}, 3)
		var jobs []Job
		for i := range 50 {
			jobs = append(jobs, job(Target(fmt.Sprint(i)), 10*time.Second, src))
		}
		f.jobs <- jobs
		pass(100 * time.Second)
		stop()
		if most != 3 {
			t.Errorf("at most %d looks at once, want 3", most)
		}
	})
}

func TestUpdateKeepsReplacesAndRemoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		r, f, stop := run(t, l.sink, 0)
		made := func(value float64) Source {
			return sourceFunc(func(_ context.Context, _ time.Time, emit func(Cycle)) {
				emit(Cycle{Samples: []Sample{{Value: value}}})
			})
		}
		rev := func(j Job, revision string) Job { j.Revision = revision; return j }
		f.jobs <- []Job{rev(job("kept", 10*time.Second, made(1)), "1"), rev(job("changed", 10*time.Second, made(1)), "1"), job("dropped", 10*time.Second, made(1))}
		pass(20 * time.Second)
		// The same revision means the same settings, so the new source must not be used.
		f.jobs <- []Job{rev(job("kept", 10*time.Second, made(2)), "1"), rev(job("changed", 10*time.Second, made(2)), "2")}
		pass(20 * time.Second)
		statuses := r.Targets()
		stop()

		values := func(target Target) (out []float64) {
			for _, c := range l.of(target) {
				for _, s := range c.Samples {
					out = append(out, s.Value)
				}
			}
			return out
		}
		if got := values("kept"); !slices.Equal(got, []float64{1, 1, 1, 1}) {
			t.Errorf("kept: %v, want the first source throughout, one look an interval", got)
		}
		if got := values("changed"); !slices.Equal(got, []float64{1, 1, 2, 2}) {
			t.Errorf("changed: %v, want two looks by each source", got)
		}
		got := l.of("dropped")
		if len(got) != 3 || !got[2].Gone || len(got[2].Samples) != 0 || got[2].Interval != 10*time.Second {
			t.Errorf("dropped: %+v, want two looks and then gone", got)
		}
		if len(statuses) != 2 || statuses[0].Target != "changed" || statuses[0].Totals.OK != 4 || statuses[1].Target != "kept" {
			t.Errorf("statuses %+v, want changed (4 ok over both sources) and kept", statuses)
		}
	})
}

func TestGoneComesAfterTheLastCycleAndBeforeReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		_, f, stop := run(t, l.sink, 0)
		stubborn := sourceFunc(func(_ context.Context, _ time.Time, emit func(Cycle)) {
			pass(8 * time.Second)
			emit(Cycle{Samples: []Sample{{Value: 1}}})
		})
		f.jobs <- []Job{job("a", 10*time.Second, stubborn)}
		for len(l.of("a")) == 0 {
			pass(time.Second)
		}
		pass(4 * time.Second) // the second look is under way
		f.jobs <- nil
		f.jobs <- []Job{job("a", 10*time.Second, instant)}
		pass(30 * time.Second)
		stop()
		var order []string
		for _, c := range l.of("a") {
			switch {
			case c.Gone:
				order = append(order, "gone")
			case c.Stats.Seen == 10:
				order = append(order, "new")
			default:
				order = append(order, "old")
			}
		}
		if i := slices.Index(order, "gone"); i < 1 || slices.Contains(order[:i], "new") || slices.Contains(order[i:], "old") || !slices.Contains(order[i:], "new") {
			t.Errorf("order %v, want old looks, gone, new looks", order)
		}
	})
}

func TestStopWaitsAndCountsNothingAsFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		ended := false
		src := sourceFunc(func(ctx context.Context, _ time.Time, emit func(Cycle)) {
			<-ctx.Done()
			pass(3 * time.Second) // takes its time to let go
			ended = true
			emit(Cycle{Err: context.Cause(ctx)})
		})
		r, f, stop := run(t, l.sink, 0)
		f.jobs <- []Job{job("a", 10*time.Second, src)}
		pass(10*time.Second + time.Millisecond)
		pass(time.Second)
		stop()
		if !ended {
			t.Error("Run returned before the look ended")
		}
		if len(l.cycles) != 0 || r.Totals()["fake"].Failed != 0 {
			t.Errorf("stopping was handed over as %+v", l.cycles)
		}
		if len(r.Targets()) != 0 {
			t.Errorf("targets left: %v", r.Targets())
		}
	})
}

func TestProviderErrorIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRunner(func(Cycle) {}, 0, nil)
		err := r.Run(t.Context(), "broken", brokenProvider{})
		if err == nil || err.Error() != "running collector broken: no such file" {
			t.Errorf("got %v", err)
		}
	})
}

type brokenProvider struct{}

func (brokenProvider) SetInterest(Interest)                   {}
func (brokenProvider) Run(context.Context, func([]Job)) error { return errors.New("no such file") }

// pass lets d go by on the bubble's clock.
func pass(d time.Duration) { <-time.After(d) }
