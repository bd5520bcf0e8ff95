package slo

import (
	"fmt"
	"time"
)

// StoreCounts writes what was counted for every objective, and nothing of targets, beside what stored
// holds already. An engine that restores it goes on from these counts, and takes what it sees next of each target for a
// baseline, so that nothing counts twice. The time from what was seen last until now counts as not seen. The engine
// itself is not to be used any more.
func (e *Engine) StoreCounts(to Store, now time.Time, stored Scan) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var r restoring
	if err := r.readHead(stored, map[string]bool{}); err != nil {
		return err
	}
	ms := now.UnixMilli()
	feeds := e.feeds(ms, func(*objective) bool { return true })
	for _, o := range e.objectives {
		if last := o.ledger.nowMs; o.ledger.startMs != 0 && last < ms {
			o.ledger.advance(ms)
			if f := feeds[o]; f != nil {
				o.ledger.spread(last, ms, counts{expectedMs: (ms - last) * int64(f.targets)})
			}
		}
		o.epoch, o.watchedMs = max(1, r.epoch), ms
		if err := o.store(to); err != nil {
			return fmt.Errorf("encoding objective %s: %w", o.Name, err)
		}
	}
	return nil
}
