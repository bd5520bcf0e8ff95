// Package replay feeds recorded looks to the engine as live operation would have, and tells what would
// have come of them: which burn alerts would have fired when, how soon after the first bad event, how
// much budget was spent, and what hooks would have done.
//
//	OBJECTIVE  EVENTS  BAD  LEFT AT END  LOWEST  UNSEEN  COUNTS BEGIN
//	card-auth  86400   412  -377 %       -377 %  2m0s    2026-11-01T00:00:15Z
//
//	OBJECTIVE  TIER     FROM                  TO                    DETECTED AFTER  RESET AFTER  SPENT  WHY
//	card-auth  page-1h  2026-11-03T10:00:45Z  2026-11-03T10:31:05Z  30s             4m35s        212 %  budget burns at …
//
// Time is that of the recording. What was judged when follows the rule of live operation: every
// evaluation interval, and as soon as half a second has passed since the last time once bad events
// were booked.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// Source gives what was recorded as looks at targets, in order of time.
type Source interface {
	// Next gives the next look, or io.EOF after the last. Its samples are valid until the next call.
	Next() (collector.Cycle, error)
}

// Options say how to judge.
type Options struct {
	Engine             slo.Options
	EvaluationInterval time.Duration // above 0
	// Evaluated is told the statuses of each evaluation of the first set of objectives; nil: nobody is.
	Evaluated func(ctx context.Context, statuses []slo.Status) error
	// Progress is told the time of each look; nil: nobody is.
	Progress func(at time.Time)
}

// Result is what came of one set of objectives.
type Result struct {
	Objectives []Objective `json:"objectives"` // by name
}

// Objective is one objective at the end of the recording and what it did until then.
type Objective struct {
	slo.Status
	Firings []Firing `json:"firings"`

	LowestRemaining float64       `json:"-"` // of the error budget, at any evaluation
	Unseen          time.Duration `json:"-"` // during which too little was observed to judge
	Began           time.Time     `json:"-"` // since when events count; zero: never
}

// Firing is one time that a tier fired.
type Firing struct {
	Tier     string     `json:"tier"`
	Severity string     `json:"severity"`
	From     time.Time  `json:"from"`
	To       *time.Time `json:"to"` // nil: it still fired at the end
	// DetectionSeconds is from the first bad event of the episode to From; ResetSeconds from its last bad
	// event to To, nil while To is. An episode is a run of bad events: it is over once five times as many
	// events in a row were good as the objective allows one bad among, or once there was none for the first
	// tier's short window and the burn rate over its long one is 1 or less. An episode that begins while the tier fires moves the last bad event
	// once it has five of them.
	DetectionSeconds float64  `json:"detection_seconds"`
	ResetSeconds     *float64 `json:"reset_seconds"`
	// BudgetSpent is the share of the whole budget that bad events spent from the first one of the
	// episode until To.
	BudgetSpent float64 `json:"budget_spent_ratio"`
	Why         string  `json:"why"` // as it was said when it began
}

// ErrEmpty: the source gave no look at all.
var ErrEmpty = errors.New("the recording has no looks at any target")

// Run replays src for every set of objectives at once, and gives a result for each in the same order. It
// returns early when ctx ends. Several sets see the same looks; only the first set's evaluations are told.
func Run(ctx context.Context, src Source, sets [][]spec.Objective, o Options) ([]Result, []*slo.Engine, error) {
	r := &run{opts: o}
	for range sets {
		r.judges = append(r.judges, &judge{engine: slo.New(o.Engine), tracks: map[string]*track{}})
	}
	if err := r.all(ctx, src, sets); err != nil {
		return nil, nil, err
	}
	var results []Result
	var engines []*slo.Engine
	for _, j := range r.judges {
		results, engines = append(results, j.result()), append(engines, j.engine)
	}
	return results, engines, nil
}

// run is one replay under way.
type run struct {
	opts   Options
	judges []*judge
	when   slo.Schedule
	at     time.Time // of the latest look
}

func (r *run) all(ctx context.Context, src Source, sets [][]spec.Objective) error {
	for n := 0; ; n++ {
		c, err := src.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the recording: %w", err)
		}
		if n&0xff == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.at.IsZero() {
			if err := r.begin(ctx, c.At, sets); err != nil {
				return err
			}
		}
		if err := r.look(ctx, c); err != nil {
			return err
		}
	}
	if r.at.IsZero() {
		return ErrEmpty
	}
	return r.evaluate(ctx, r.at)
}

// begin puts the objectives in force at the moment of the first look and judges them once, as an agent
// started just then would.
func (r *run) begin(ctx context.Context, at time.Time, sets [][]spec.Objective) error {
	for i, j := range r.judges {
		if err := j.engine.Apply(sets[i], at, nil); err != nil {
			return fmt.Errorf("putting objectives in force: %w", err)
		}
	}
	return r.evaluate(ctx, at)
}

// look makes the evaluations due before a look, and books it.
func (r *run) look(ctx context.Context, c collector.Cycle) error {
	for due := r.when.Next(); due.Before(c.At); due = r.when.Next() {
		if err := r.evaluate(ctx, due); err != nil {
			return err
		}
	}
	if c.At.After(r.at) {
		r.at = c.At
	}
	alarmed := false
	for _, j := range r.judges {
		j.engine.Observe(c)
		if j.engine.Alarmed() {
			alarmed = true
			if j.alarmAt.IsZero() {
				j.alarmAt = c.At
			}
		}
	}
	if alarmed {
		r.when.Alarm(c.At)
	}
	if r.opts.Progress != nil {
		r.opts.Progress(c.At)
	}
	return nil
}

func (r *run) evaluate(ctx context.Context, at time.Time) error {
	all := r.when.Begin(at, r.opts.EvaluationInterval)
	for i, j := range r.judges {
		judge := j.engine.Reconsider
		if all {
			judge = j.engine.Evaluate
		}
		statuses := judge(at)
		j.judge(statuses, at)
		if i == 0 && r.opts.Evaluated != nil {
			if err := r.opts.Evaluated(ctx, statuses); err != nil {
				return err
			}
		}
	}
	return nil
}
