package detection

import (
	"context"
	"runtime"
	"sync"

	"github.com/assayer-io/assayer/internal/testkit/traces"
)

// job is one trace to run; tag says what its result is for.
type job struct {
	tag  tag
	make func(seed uint64) traces.Trace
	seed uint64
}

// tag is the place of a case: family and case by index; a family of healthy is none.
type tag struct{ family, item int }

const healthy = -1

// result is what every rule did about each service of one trace.
type result struct {
	tag
	truth   traces.Truth
	samples [][rules]sample
}

// measure runs every job, on all cores, and returns their results in order. It ends early when ctx does.
func measure(ctx context.Context, jobs []job, progress func(done, total int)) ([]result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]result, len(jobs))
	next := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				r, err := jobs[i].run(ctx)
				if err != nil {
					cancel(err)
				}
				results[i] = r
				mu.Lock()
				if done++; progress != nil {
					progress(done, len(jobs))
				}
				mu.Unlock()
			}
		})
	}
	for i := range jobs {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return results, context.Cause(ctx)
}

func (j *job) run(ctx context.Context) (result, error) {
	t := j.make(j.seed)
	outcomes, err := run(ctx, &t, false)
	r := result{tag: j.tag, truth: t.Truth, samples: make([][rules]sample, len(outcomes))}
	for service := range outcomes {
		for rule := range rules {
			r.samples[service][rule] = outcomes[service][rule].sum(&t)
		}
	}
	return r, err
}
