package app

import (
	"errors"
	"log/slog"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
)

// fullDisk is a store on a disk that has no room.
type fullDisk struct{ storage.DB }

func (fullDisk) Apply(*storage.Batch) error { return errors.New("no space left on device") }

// unreadable is a store that cannot be read.
type unreadable struct{ storage.DB }

func (unreadable) Scan(string, func(string, []byte) error) error {
	return errors.New("input/output error")
}

// BreakReading makes the agent's budgets unreadable.
func BreakReading(a *App) {
	a.saving.Lock()
	defer a.saving.Unlock()
	a.db = unreadable{a.db}
}

// Watch is what an agent makes of the state of its targets.
type Watch struct{ a *App }

// NewWatch makes one with the clock now.
func NewWatch(now func() time.Time) Watch {
	return Watch{&App{now: now, health: health.New(now, health.Conditions())}}
}

// Targets takes the state of all targets in.
func (w Watch) Targets(all ...collector.TargetStatus) { w.a.observeTargets(all) }

// Problems gives what shows.
func (w Watch) Problems() []health.Problem { return w.a.health.Problems() }

// BreakStore makes every write of the agent's budgets fail, or work again.
func BreakStore(a *App, broken bool) {
	a.saving.Lock()
	defer a.saving.Unlock()
	if broken {
		a.db = fullDisk{a.db}
	} else if f, ok := a.db.(fullDisk); ok {
		a.db = f.DB
	}
}

// Told is the log of what changes between evaluations.
type Told struct{ t transitions }

// NewTold makes one that writes to log.
func NewTold(log *slog.Logger) *Told { return &Told{transitions{log: log}} }

// Statuses takes one evaluation in.
func (t *Told) Statuses(all ...slo.Status) { t.t.statuses(all) }

// Targets takes the state of all targets at one moment in.
func (t *Told) Targets(now time.Time, all ...collector.TargetStatus) { t.t.targets(all, now) }

// HoldBackup makes the agent believe that a backup is being sent, until release.
func HoldBackup(a *App) (release func()) {
	a.backingUp.Lock()
	return a.backingUp.Unlock
}

// Watched are the places that l has watched, by the clock now.
func Watched(l *Loaded, now func() time.Time) ([]deploy.Watched, error) { return l.watched(now) }
