package app

import (
	"errors"

	"github.com/assayer-io/assayer/internal/storage"
)

// fullDisk is a store on a disk that has no room.
type fullDisk struct{ storage.DB }

func (fullDisk) Apply(*storage.Batch) error { return errors.New("no space left on device") }

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
