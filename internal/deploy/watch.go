package deploy

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/assayer-io/assayer/internal/artifact"
)

// KindReload counts, among the kinds of what has drifted, that what is in place is not in force.
const KindReload = "reload"

// firstLook is the longest pause before the first look at a target, of its own interval if that is shorter.
const firstLook = 5 * time.Second

// Watched is a target that is looked at again and again.
type Watched struct {
	Name   string
	Every  time.Duration // give or take a tenth; above 0
	Target Target
	// Files gives what it is compared with. It is called at every look, from several goroutines.
	Files func() ([]artifact.File, error)
}

// Check is what is known of one watched target.
type Check struct {
	Target  string
	Drifted map[string]int // how many objects are not as generated, by kind; 0 for kinds that are
	Some    string         // the first of them and what is to be done, for people; empty: none
	At      time.Time      // of the last look that succeeded; zero: none has
	Err     error          // why the last look did not
	Failed  uint64         // looks that did not succeed
}

// Watcher looks for drift and writes nothing.
type Watcher struct {
	now    func() time.Time
	log    *slog.Logger
	report func([]Check)

	mu      sync.Mutex
	changed chan struct{}
	watched []Watched
	checks  map[string]Check
}

// NewWatcher makes one that watches nothing yet. It calls report with what is known of all targets whenever that is
// something else, one call at a time; report must not call the Watcher.
func NewWatcher(now func() time.Time, log *slog.Logger, report func([]Check)) *Watcher {
	return &Watcher{now: now, log: log, report: report, changed: make(chan struct{}), checks: map[string]Check{}}
}

// Watch says what is watched from now on.
func (w *Watcher) Watch(watched []Watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched = watched
	names := map[string]bool{}
	for _, one := range watched {
		names[one.Name] = true
	}
	maps.DeleteFunc(w.checks, func(name string, _ Check) bool { return !names[name] })
	close(w.changed)
	w.changed = make(chan struct{})
	w.report(w.all())
}

// Checks gives what is known, by target.
func (w *Watcher) Checks() []Check {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all()
}

func (w *Watcher) all() []Check {
	var out []Check
	for _, name := range slices.Sorted(maps.Keys(w.checks)) {
		c := w.checks[name]
		c.Drifted = maps.Clone(c.Drifted)
		out = append(out, c)
	}
	return out
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	for ctx.Err() == nil {
		w.mu.Lock()
		watched, changed := w.watched, w.changed
		w.mu.Unlock()
		round, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		for _, one := range watched {
			wg.Go(func() { w.keep(round, one, changed) })
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
		cancel()
		wg.Wait()
	}
}

// keep looks at one target until ctx ends.
func (w *Watcher) keep(ctx context.Context, one Watched, round chan struct{}) {
	timer := time.NewTimer(rand.N(min(one.Every, firstLook)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		p, err := compareOne(ctx, one)
		if ctx.Err() != nil {
			return // what is half looked at says nothing
		}
		if err != nil || !p.Busy { // what an apply is halfway through says nothing either
			w.note(round, one.Name, p, err)
		}
		timer.Reset(one.Every - one.Every/10 + rand.N(one.Every/5+1))
	}
}

func compareOne(ctx context.Context, one Watched) (Plan, error) {
	all, err := one.Files()
	if err != nil {
		return Plan{}, fmt.Errorf("generating: %w", err)
	}
	return Make(ctx, one.Name, one.Target, all)
}

// note keeps what a look has found, unless other things are watched by now. A failed one leaves what the last good one
// found.
func (w *Watcher) note(round chan struct{}, name string, p Plan, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed != round {
		return
	}
	c := w.checks[name]
	before := c
	c.Target, c.Err = name, err
	if err != nil {
		c.Failed++
	} else {
		c.At = w.now()
		c.Drifted, c.Some = p.drift()
	}
	w.checks[name] = c
	w.report(w.all())
	switch { // the log tells what is new
	case err != nil && before.Err == nil:
		w.log.Warn("deployed configuration cannot be compared with what is generated", "target", name, "err", err)
	case err == nil && c.Some != "" && c.Some != before.Some:
		w.log.Warn("deployed configuration is not what is generated", "target", name, "drift", c.Some)
	case err == nil && c.Some == "" && (before.Some != "" || before.Err != nil):
		w.log.Info("deployed configuration is what is generated", "target", name)
	}
}

// drift counts what is not as generated, by kind, and tells of the first.
func (p Plan) drift() (byKind map[string]int, first string) {
	byKind = map[string]int{}
	all := 0
	for _, s := range p.Steps {
		byKind[s.Kind] += 0
		if !s.drifts() {
			continue
		}
		byKind[s.Kind]++
		if all++; first == "" {
			first = fmt.Sprintf("%s %s would be changed (%s)", s.Kind, s.Name, s.Op)
			if s.Why != "" {
				first += ": " + s.Why
			}
		}
	}
	if p.Pending != "" {
		byKind[KindReload]++
		if first == "" {
			first = p.Pending
		}
	}
	if all > 1 {
		first += fmt.Sprintf(", and %d more", all-1)
	}
	return byKind, first
}
