package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
)

// ErrTimeout is the cause of a look's context when its time is up; errors.Is finds it in Cycle.Err
// of sources that wrap context.Cause.
var ErrTimeout = errors.New("timed out")

// Why a worker ends before the runner does.
var (
	errRemoved  = errors.New("target is gone")
	errReplaced = errors.New("target has new settings")
)

// defaultConcurrency bounds the looks under way at once, and with them the memory they need.
const defaultConcurrency = 128

// Runner looks at every target of its providers on a schedule of its own: once an interval, at an
// offset within the interval that follows from the target's name, so that looks are spread evenly
// and stay where they are across restarts. It hands cycles to one sink, one at a time; a sink that
// is slow makes looks late and then skipped, never queued.
type Runner struct {
	sink func(Cycle)
	log  *slog.Logger

	slots    chan struct{} // holds one token for each look under way
	handover chan struct{} // holds a token while the sink runs

	mu      sync.Mutex
	workers map[workerKey]*worker
	totals  map[string]*Totals
}

type workerKey struct {
	provider string
	target   Target
}

// worker looks at one target until it is removed or replaced.
type worker struct {
	provider string
	job      Job
	cancel   context.CancelCauseFunc
	prev     *worker // what had this target before; finished before this one starts
	done     chan struct{}

	// Guarded by Runner.mu:
	removed bool
	status  TargetStatus
}

// NewRunner returns a runner that calls sink with every cycle, never twice at once. At most
// concurrency looks are under way at the same time; 0 means 128. A nil log discards.
func NewRunner(sink func(Cycle), concurrency int, log *slog.Logger) *Runner {
	if concurrency <= 0 {
		concurrency = defaultConcurrency
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Runner{
		sink: sink, log: log,
		slots: make(chan struct{}, concurrency), handover: make(chan struct{}, 1),
		workers: map[workerKey]*worker{}, totals: map[string]*Totals{},
	}
}

// Run looks at the targets of p, which goes by name in statuses and totals, until ctx ends or p
// fails, and returns when every look has ended. Several providers may run at once under different
// names. A look that ctx interrupts is not handed over: that it failed says nothing about its
// target. Targets that p drops are handed over as gone; those left when ctx ends are not.
func (r *Runner) Run(ctx context.Context, name string, p Provider) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	r.mu.Lock()
	if r.totals[name] == nil {
		r.totals[name] = &Totals{}
	}
	r.mu.Unlock()
	defer func() {
		cancel()
		wg.Wait()
		r.forget(name)
	}()
	if err := p.Run(ctx, func(jobs []Job) { r.update(ctx, &wg, name, jobs) }); err != nil && ctx.Err() == nil {
		return fmt.Errorf("running collector %s: %w", name, err)
	}
	return nil
}

// update makes the workers of one provider match jobs; unchanged ones keep running.
func (r *Runner) update(ctx context.Context, wg *sync.WaitGroup, name string, jobs []Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := make(map[workerKey]struct{}, len(jobs))
	for _, job := range jobs {
		key := workerKey{name, job.Target}
		if _, twice := wanted[key]; twice {
			r.log.Warn("target listed twice, using the first", "provider", name, "target", job.Target)
			continue
		}
		if job.Source == nil || job.Interval <= 0 {
			r.log.Error("job without source or interval", "provider", name, "target", job.Target)
			continue
		}
		if job.Timeout <= 0 || job.Timeout > job.Interval {
			job.Timeout = job.Interval
		}
		wanted[key] = struct{}{}
		if old := r.workers[key]; old == nil || old.removed || !sameSchedule(old.job, job) {
			r.start(ctx, wg, key, job)
		}
	}
	for key, w := range r.workers {
		if _, ok := wanted[key]; !ok && key.provider == name {
			w.removed = true
			w.cancel(errRemoved)
		}
	}
}

func sameSchedule(a, b Job) bool {
	return a.Revision == b.Revision && a.Interval == b.Interval && a.Timeout == b.Timeout
}

// start makes a worker for job, to begin when the one that had the target before has ended.
func (r *Runner) start(ctx context.Context, wg *sync.WaitGroup, key workerKey, job Job) {
	wctx, cancel := context.WithCancelCause(ctx)
	w := &worker{provider: key.provider, job: job, cancel: cancel, prev: r.workers[key], done: make(chan struct{})}
	w.status = TargetStatus{
		Provider: key.provider, Target: job.Target, Labels: job.Labels, URL: job.URL,
		Interval: job.Interval, Timeout: job.Timeout,
	}
	if w.prev != nil {
		w.prev.cancel(errReplaced)
	}
	r.workers[key] = w
	wg.Go(func() {
		defer cancel(nil)
		r.work(ctx, wctx, w)
	})
}

// work is the life of one worker. ctx is the runner's, which outlives the worker's own wctx when
// the target is removed.
func (r *Runner) work(ctx, wctx context.Context, w *worker) {
	defer close(w.done)
	r.succeed(w)
	now := time.Now()
	next := firstLook(w.job.Target, w.job.Interval, now)
	timer := time.NewTimer(next.Sub(now))
	defer timer.Stop()
	for {
		select {
		case <-wctx.Done():
			r.leave(ctx, wctx, w)
			return
		case <-timer.C:
		}
		r.look(wctx, w)
		var skipped int64
		now = time.Now()
		next, skipped = nextLook(next, w.job.Interval, now)
		r.skip(w, skipped)
		timer.Reset(next.Sub(now))
	}
}

// succeed waits for the worker's predecessor and goes on with its counts.
func (r *Runner) succeed(w *worker) {
	if w.prev == nil {
		return
	}
	<-w.prev.done
	r.mu.Lock()
	defer r.mu.Unlock()
	if !w.prev.removed {
		old := w.prev.status
		old.Labels, old.URL, old.Interval, old.Timeout = w.status.Labels, w.status.URL, w.status.Interval, w.status.Timeout
		w.status = old
	}
	w.prev = nil
}

// leave hands the target over as gone if it was removed, and forgets it.
func (r *Runner) leave(ctx, wctx context.Context, w *worker) {
	if errors.Is(context.Cause(wctx), errRemoved) {
		r.hand(ctx, Cycle{Target: w.job.Target, At: time.Now(), Interval: w.job.Interval, Gone: true})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if key := (workerKey{w.provider, w.job.Target}); r.workers[key] == w && w.removed {
		delete(r.workers, key)
	}
}

// forget drops what is left of a provider that ended.
func (r *Runner) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.workers {
		if key.provider == name {
			delete(r.workers, key)
		}
	}
}

func (r *Runner) skip(w *worker, n int64) {
	if n == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w.status.Totals.Skipped += uint64(n)
	r.totals[w.provider].Skipped += uint64(n)
}

// look does one cycle, waiting first for one of the runner's slots.
func (r *Runner) look(wctx context.Context, w *worker) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-wctx.Done():
		return
	}
	at := time.Now()
	cctx, cancel := context.WithTimeoutCause(wctx, w.job.Timeout, fmt.Errorf("%w after %s", ErrTimeout, w.job.Timeout))
	defer cancel()
	var emitted, inSink bool
	emit := func(c Cycle) {
		if emitted {
			r.log.Error("source handed over two cycles at once, using the first", "provider", w.provider, "target", w.job.Target)
			return
		}
		emitted = true
		if c.Err != nil && wctx.Err() != nil {
			return // stopped by us
		}
		c.Target, c.At, c.Interval, c.Group, c.Process = w.job.Target, at, w.job.Interval, w.job.Group, w.job.URL
		if c.Err != nil {
			c.Samples, c.Unusable = nil, nil
		}
		r.note(w, c, time.Since(at))
		inSink = true
		r.hand(wctx, c)
		inSink = false
	}
	defer func() {
		if inSink {
			return // the sink panicked, which is not the source's doing and not for us to hide
		}
		if p := recover(); p != nil {
			r.log.Error("source panicked", "provider", w.provider, "target", w.job.Target, "panic", p, "stack", string(debug.Stack()))
			if !emitted {
				emit(Cycle{Err: fmt.Errorf("looking at %s: panic: %v", w.job.Target, p)})
			}
		} else if !emitted {
			emit(Cycle{Err: fmt.Errorf("looking at %s: source handed over nothing", w.job.Target)})
		}
	}()
	w.job.Source.Collect(cctx, at, emit)
}

func (r *Runner) note(w *worker, c Cycle, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.status.record(c, took)
	r.totals[w.provider].record(c)
}

// hand calls the sink when it is free; it gives up when ctx ends first.
func (r *Runner) hand(ctx context.Context, c Cycle) {
	select {
	case r.handover <- struct{}{}:
		defer func() { <-r.handover }()
		r.sink(c)
	case <-ctx.Done():
	}
}

// firstLook returns the first time after now that lies at the target's own offset within interval.
func firstLook(t Target, interval time.Duration, now time.Time) time.Time {
	offset := int64(xxhash.Sum64String(string(t)) % uint64(interval))
	wait := offset - now.UnixNano()%int64(interval)
	if wait <= 0 {
		wait += int64(interval)
	}
	return now.Add(time.Duration(wait))
}

// nextLook returns the first time after now that is a whole number of intervals after last, and
// how many such times have gone by since last.
func nextLook(last time.Time, interval time.Duration, now time.Time) (time.Time, int64) {
	missed := max(int64(now.Sub(last)/interval), 0)
	return last.Add(time.Duration(missed+1) * interval), missed
}
