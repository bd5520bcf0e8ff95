package cli

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/replay"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
)

// agentStore is the store and the audit log of an agent that does not run.
type agentStore struct {
	db     storage.DB
	log    *audit.Log
	filled replay.Backfilled
}

// openStore locks the agent's store, so that it cannot be started meanwhile, and leaves only those
// objectives to be replayed of which it has no counts.
func (r *replaying) openStore() (_ *agentStore, err error) {
	cfg := r.loaded.Config
	db, err := storage.Open(cfg.Storage.Path)
	if errors.Is(err, storage.ErrLocked) {
		return nil, fmt.Errorf("%w: stop the agent first, it would not see what is written", err)
	}
	if err != nil {
		return nil, err
	}
	s := &agentStore{db: db}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("naming the agent: %w", err)
	}
	if s.log, err = audit.Open(cfg.Audit.Path, audit.Options{AgentID: host, Now: time.Now}); err != nil {
		return nil, err
	}
	empty, kept, err := replay.Empty(db, r.sets[0], r.engineOptions(), time.Now())
	if err != nil {
		return nil, err
	}
	r.sets[0] = empty
	s.filled = replay.Backfilled{Objectives: []string{}, Kept: append([]string{}, kept...)}
	for i := range empty {
		s.filled.Objectives = append(s.filled.Objectives, empty[i].Name)
	}
	return s, nil
}

// fill writes what was counted.
func (s *agentStore) fill(e *slo.Engine, source string) error {
	return s.filled.Write(s.db, s.log, e, source, time.Now())
}

// close lets go of both; what matters is on disk by then.
func (s *agentStore) close() {
	if s.log != nil {
		_ = s.log.Close()
	}
	_ = s.db.Close()
}
