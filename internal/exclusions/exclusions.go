// Package exclusions keeps the record of what people took out of error budgets or corrected in them
// after the fact: who, why, from when to when. The counts themselves are never changed, so removing an
// entry gives back every number as it was. Nothing takes force before the audit log has it.
//
//	{"id": "3f1c9a0e5b7d2486", "objectives": ["card-auth-*"], "from": "2026-11-21T02:00:00Z", "to": "2026-11-21T03:00:00Z",
//	 "who": "anna", "why": "data centre move, announced", "created_at": "2026-11-21T09:12:44.018Z"}
package exclusions

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
)

const prefix = "exclusions/" // + id

// Bounds of the record.
const (
	maxLive    = 10_000
	maxRemoved = 10_000 // the newest are kept; the audit log has them all
)

// Entry is one exclusion or correction as recorded.
type Entry struct {
	slo.Exclusion
	Who       string     `json:"who"`
	Why       string     `json:"why"`
	CreatedAt time.Time  `json:"created_at"`
	RemovedAt *time.Time `json:"removed_at,omitempty"` // it is in force no longer, and kept for the record
	RemovedBy string     `json:"removed_by,omitempty"`
}

// Objective is the name of one that there is; Parent is that of the whole for a group, else "".
type Objective struct {
	Name, Parent string
	Composite    bool // it has no counts of its own, only what its members bring
}

// Auditor is what the record needs of the audit log: all entries on disk, in order, or an error.
type Auditor interface {
	Append(entries ...audit.Entry) error
}

// Deps are what a Store works with; all are required.
type Deps struct {
	DB    storage.DB
	Audit Auditor
	Now   func() time.Time
	// Objectives names all there are.
	Objectives func() []Objective
	// Apply puts all exclusions that are in force, and no others, in force. It is called by one
	// goroutine at a time, in New too.
	Apply func([]slo.Exclusion)
}

// Store is the record. It is safe for concurrent use.
type Store struct {
	deps Deps

	mu      sync.Mutex
	entries map[string]Entry // by id
	live    int
}

// Errors a caller may want to tell apart.
var (
	ErrNotFound = errors.New("no exclusion has this id")
	ErrConflict = errors.New("another exclusion has, or had, this id")
	ErrFull     = fmt.Errorf("%d exclusions are in force, and no more can be; remove old ones", maxLive)
)

// New reads the record from d.DB and puts it in force.
func New(d Deps) (*Store, error) {
	s := &Store{deps: d, entries: map[string]Entry{}}
	err := d.DB.Scan(prefix, func(key string, value []byte) error {
		var e Entry
		if err := json.Unmarshal(value, &e); err != nil {
			return fmt.Errorf("decoding %s: %w", key, err)
		}
		s.entries[e.ID] = e
		if e.RemovedAt == nil {
			s.live++
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading exclusions: %w", err)
	}
	s.apply()
	return s, nil
}

// Add records e, puts it in force and returns it as recorded: from and to in whole milliseconds, ID a
// hash of the rest if it has none. To add the same again does nothing. What is wrong with e comes as a
// [problem.List]; what cannot be audited or kept is not in force.
func (s *Store) Add(e Entry) (Entry, error) {
	now := s.deps.Now().UTC()
	e.From, e.To = e.From.UTC().Truncate(time.Millisecond), e.To.UTC().Truncate(time.Millisecond)
	e.Who, e.Why = strings.TrimSpace(e.Who), strings.TrimSpace(e.Why)
	e.CreatedAt, e.RemovedAt, e.RemovedBy = now, nil, ""
	if err := e.validate(s.deps.Objectives(), now); err != nil {
		return e, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.ID == "" {
		e.ID = s.newID(&e)
	}
	if old, ok := s.entries[e.ID]; ok {
		if old.RemovedAt != nil || !old.same(&e) {
			return e, fmt.Errorf("adding exclusion %s: %w", e.ID, ErrConflict)
		}
		return old, nil
	}
	if s.live >= maxLive {
		return e, fmt.Errorf("adding exclusion: %w", ErrFull)
	}
	if err := s.keep(e, e.auditEntry("exclusion_added", e.Who, "counts from "+e.span()+" "+e.effect()+": "+e.Why)); err != nil {
		return e, fmt.Errorf("adding exclusion: %w", err)
	}
	return e, nil
}

// Remove takes the exclusion with that id out of force, as asked by who, and keeps it for the record.
// To remove it again does nothing.
func (s *Store) Remove(id, who string) (Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[id]
	if !ok {
		return e, fmt.Errorf("removing exclusion %.100q: %w", id, ErrNotFound)
	}
	if e.RemovedAt != nil {
		return e, nil
	}
	if err := checkWho(who); err != nil {
		return e, err
	}
	now := s.deps.Now().UTC()
	e.RemovedAt, e.RemovedBy = &now, strings.TrimSpace(who)
	if err := s.keep(e, e.auditEntry("exclusion_removed", e.RemovedBy, "counts from "+e.span()+" are again what they were without exclusion "+e.ID)); err != nil {
		return e, fmt.Errorf("removing exclusion: %w", err)
	}
	return e, nil
}

// List gives what concerns an objective, or everything when its name is "", newest first; what was
// removed is among it.
func (s *Store) List(objective Objective) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Entry{}
	for _, e := range s.entries {
		if objective.Name == "" || e.Concerns(objective.Name, objective.Parent) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// keep audits, stores and applies e, in that order; the caller holds the lock. When e could not be
// stored, a second audit entry says so.
func (s *Store) keep(e Entry, entry audit.Entry) error {
	var b storage.Batch
	value, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding it: %w", err)
	}
	b.Set(prefix+e.ID, value)
	forgotten := s.toForget(e)
	if forgotten != "" {
		b.Delete(prefix + forgotten)
	}
	if err := s.deps.Audit.Append(entry); err != nil {
		return fmt.Errorf("auditing: %w", err)
	}
	if err := s.deps.DB.Apply(&b); err != nil {
		entry.Outcome, entry.Description = audit.Failure, "did not come about, since it could not be stored: "+entry.Description
		return errors.Join(err, s.deps.Audit.Append(entry))
	}
	delete(s.entries, forgotten)
	s.entries[e.ID] = e
	if e.RemovedAt == nil {
		s.live++
	} else {
		s.live--
	}
	s.apply()
	return nil
}

// toForget names the removed entry to forget when e is one more than can be kept, else "".
func (s *Store) toForget(e Entry) string {
	if e.RemovedAt == nil || len(s.entries)-s.live < maxRemoved {
		return ""
	}
	oldest := ""
	for id, old := range s.entries {
		if old.RemovedAt != nil && (oldest == "" || old.RemovedAt.Before(*s.entries[oldest].RemovedAt)) {
			oldest = id
		}
	}
	return oldest
}

func (s *Store) apply() {
	out := make([]slo.Exclusion, 0, s.live)
	for _, e := range s.entries {
		if e.RemovedAt == nil {
			out = append(out, e.Exclusion)
		}
	}
	slices.SortFunc(out, func(a, b slo.Exclusion) int { return strings.Compare(a.ID, b.ID) })
	s.deps.Apply(out)
}
