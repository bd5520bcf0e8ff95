package hooks

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// The kinds of change.
const (
	KindDeploy   = "deploy"
	KindFlag     = "flag"
	KindConfig   = "config"
	KindRollback = "rollback"
)

const (
	changesPrefix  = "hooks/changes/" // + service
	maxChanges     = 100              // a service
	maxServices    = 1000
	maxHealthGap   = 5 * time.Minute // between evaluations; a longer one ends a healthy run
	maxNameBytes   = 253
	maxSummaryByte = 1024
)

// Baked is how a revision did while it was in place.
type Baked struct {
	Revision string    `json:"revision"`
	Family   string    `json:"family"`    // deploy, flag or config: what it can be exchanged for
	ChangeID string    `json:"change_id"` // the change that put it in place
	Since    time.Time `json:"since"`
	// Healthy is the longest run for which every objective of the service was known and none paged,
	// up to the last good event. Good revisions are those whose run reaches the policy's bake.
	Healthy   time.Duration `json:"healthy_ns"`
	Withdrawn bool          `json:"withdrawn"` // it was rolled back: never a target again

	saved time.Duration // Healthy as it was last written to the store
}

// serviceLog is what is kept of one service; its JSON is the value in the store.
type serviceLog struct {
	Changes []Change `json:"changes"` // oldest first
	Baked   []Baked  `json:"baked"`   // oldest first

	healthySince time.Time // start of the present healthy run; zero: it is not healthy
	lastGood     time.Time // last evaluation that brought good events within the run
	good         float64   // good events at the last evaluation
	seen         time.Time // last evaluation
}

// ChangeLog remembers what changed where, and which revisions have shown themselves good. It keeps
// the last 100 changes of the 1,000 services that changed last. It is safe for concurrent use.
type ChangeLog struct {
	db    storage.DB
	audit Auditor
	now   func() time.Time

	mu       sync.Mutex
	services map[string]*serviceLog
}

// NewChangeLog reads the log from db.
func NewChangeLog(db storage.DB, audit Auditor, now func() time.Time) (*ChangeLog, error) {
	l := &ChangeLog{db: db, audit: audit, now: now, services: map[string]*serviceLog{}}
	err := db.Scan(changesPrefix, func(key string, value []byte) error {
		var s serviceLog
		if err := json.Unmarshal(value, &s); err != nil {
			return fmt.Errorf("decoding %s: %w", key, err)
		}
		l.services[strings.TrimPrefix(key, changesPrefix)] = &s
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading change log: %w", err)
	}
	return l, nil
}

// ErrConflict: a different change with the same ID is already recorded.
var ErrConflict = errors.New("another change has this id")

// Record keeps a change and returns it as kept: At defaults to now, ID to a hash of the rest. To
// record the same change again is fine and does nothing. The audit log is told who asked for it: by,
// or the change's author where by is empty. What is wrong with c comes as a [problem.List]; what
// cannot be audited is not kept.
func (l *ChangeLog) Record(c Change, by string) (Change, error) {
	now := l.now()
	dated := !c.At.IsZero()
	if !dated {
		c.At = now
	}
	c.At = c.At.Round(0).UTC()
	if err := validateChange(c, now); err != nil {
		return c, err
	}
	if c.ID == "" {
		h := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d", c.Service, c.Kind, c.Revision, c.At.UnixNano()))
		c.ID = hex.EncodeToString(h[:8])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var old serviceLog
	if s := l.services[c.Service]; s != nil {
		old = *s
	}
	for _, have := range old.Changes {
		if have.ID == c.ID {
			if !dated {
				c.At = have.At
			}
			if have != c {
				return c, fmt.Errorf("recording change %s of %s: %w", c.ID, c.Service, ErrConflict)
			}
			return have, nil
		}
	}
	next := old.with(c)
	var b storage.Batch
	if err := put(&b, changesPrefix+c.Service, next); err != nil {
		return c, err
	}
	evicted := l.toEvict(c.Service)
	if evicted != "" {
		b.Delete(changesPrefix + evicted)
	}
	entry := c.entry(by)
	if err := l.audit.Append(entry); err != nil {
		return c, fmt.Errorf("recording change: auditing: %w", err)
	}
	if err := l.db.Apply(&b); err != nil {
		entry.Outcome, entry.Description = audit.Failure, entry.Description+" was not recorded: "+err.Error()
		return c, fmt.Errorf("recording change: %w", errors.Join(err, l.audit.Append(entry)))
	}
	delete(l.services, evicted)
	l.services[c.Service] = &next
	return c, nil
}

// entry is the audit entry of recording c.
func (c Change) entry(by string) audit.Entry {
	evidence, err := json.Marshal(c)
	if err != nil {
		evidence = nil // unreachable: texts and a time that was checked
	}
	return audit.Entry{
		Category: audit.CategoryMedium, Type: "change_recorded", Risk: audit.RiskLow, Outcome: audit.Success, Actor: cmp.Or(by, c.Author, "unknown"),
		Description: fmt.Sprintf("%s %s of %s at %s", c.Kind, c.Revision, c.Service, clock(c.At)), AffectedSystems: []string{c.Service},
		ImpactAssessment: "hooks may tie a burn that follows to it", Evidence: evidence,
	}
}

func validateChange(c Change, now time.Time) error {
	var l problem.List
	text := func(path, got string, atLeast, atMost int) {
		if len(got) < atLeast || len(got) > atMost || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			l = append(l, problem.Problem{Path: path, Got: got[:min(len(got), 80)], Allowed: fmt.Sprintf("%d to %d bytes without control characters", atLeast, atMost)})
		}
	}
	text("id", c.ID, 0, maxNameBytes)
	text("service", c.Service, 1, maxNameBytes)
	text("revision", c.Revision, 1, maxNameBytes)
	text("author", c.Author, 0, maxNameBytes)
	text("summary", c.Summary, 0, maxSummaryByte)
	if !slices.Contains([]string{KindDeploy, KindFlag, KindConfig, KindRollback}, c.Kind) {
		l = append(l, problem.Problem{Path: "kind", Got: c.Kind, Allowed: "deploy, flag, config, rollback"})
	}
	if c.At.After(now.Add(clockSkew)) {
		l = append(l, problem.Problem{Path: "at", Got: clock(c.At), Allowed: "a time that has come"})
	}
	return l.Err()
}

// with gives the log with c in its place in time.
func (s serviceLog) with(c Change) serviceLog {
	s.Changes, s.Baked = slices.Clone(s.Changes), slices.Clone(s.Baked)
	at := len(s.Changes)
	for at > 0 && s.Changes[at-1].At.After(c.At) {
		at--
	}
	if c.Kind == KindRollback {
		// People took the revision in place out again; it is no longer one to go back to.
		for _, b := range slices.Backward(s.Baked) {
			if b.Family == family(c.Kind) && b.Since.Before(c.At) {
				if b.Revision != c.Revision {
					s.withdraw(b.Family, b.Revision)
				}
				break
			}
		}
	}
	s.Changes = slices.Insert(s.Changes, at, c)
	s.Baked = append(s.Baked, Baked{Revision: c.Revision, Family: family(c.Kind), ChangeID: c.ID, Since: c.At})
	slices.SortStableFunc(s.Baked, func(a, b Baked) int { return a.Since.Compare(b.Since) })
	s.Changes = s.Changes[max(0, len(s.Changes)-maxChanges):]
	s.Baked = s.Baked[max(0, len(s.Baked)-maxChanges):]
	return s
}

func (s *serviceLog) withdraw(family, revision string) {
	for i := range s.Baked {
		if s.Baked[i].Family == family && s.Baked[i].Revision == revision {
			s.Baked[i].Withdrawn = true
		}
	}
}

// family says what a change can be exchanged for: a rollback puts a deployed revision in place.
func family(kind string) string {
	if kind == KindRollback {
		return KindDeploy
	}
	return kind
}

// toEvict names the service to forget when service comes in addition to the most that are kept.
func (l *ChangeLog) toEvict(service string) string {
	if l.services[service] != nil || len(l.services) < maxServices {
		return ""
	}
	oldest := ""
	for name, s := range l.services {
		if oldest == "" || s.last().Before(l.services[oldest].last()) {
			oldest = name
		}
	}
	return oldest
}

func (s *serviceLog) last() time.Time {
	if len(s.Changes) == 0 {
		return time.Time{}
	}
	return s.Changes[len(s.Changes)-1].At
}

// List gives the changes of a service, or of all when service is empty, newest first.
func (l *ChangeLog) List(service string) []Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []Change{}
	for name, s := range l.services {
		if service == "" || service == name {
			out = append(out, s.Changes...)
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Service, b.Service), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Baked gives the revisions of a service and how they did, oldest first.
func (l *ChangeLog) Baked(service string) []Baked {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.services[service]
	if s == nil {
		return nil
	}
	return slices.Clone(s.Baked)
}

// changes gives a service's changes, oldest first.
func (l *ChangeLog) changes(service string) []Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.services[service]
	if s == nil {
		return nil
	}
	return slices.Clone(s.Changes)
}

// elsewhere gives the newest change of each other service that changed since from.
func (l *ChangeLog) elsewhere(service string, from time.Time) []Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Change
	for name, s := range l.services {
		if name != service && len(s.Changes) > 0 && !s.last().Before(from) {
			out = append(out, s.Changes[len(s.Changes)-1])
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Service, b.Service)) })
	return out
}

// newest gives a service's newest change, nil when none is recorded.
func (l *ChangeLog) newest(service string) *Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.services[service]
	if s == nil || len(s.Changes) == 0 {
		return nil
	}
	c := s.Changes[len(s.Changes)-1]
	return &c
}

// Withdraw notes that a change was acted upon: its revision is never a target to go back to, even
// if the service looks healthy while the log still has it in place.
func (l *ChangeLog) Withdraw(c Change) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.services[c.Service]
	if s == nil {
		return nil
	}
	s.withdraw(family(c.Kind), c.Revision)
	var b storage.Batch
	if err := put(&b, changesPrefix+c.Service, *s); err != nil {
		return err
	}
	if err := l.db.Apply(&b); err != nil {
		return fmt.Errorf("withdrawing revision: %w", err)
	}
	return nil
}

// Observe learns from an evaluation which revisions do well. Call it with every objective's status.
func (l *ChangeLog) Observe(statuses []slo.Status, now time.Time) error {
	type health struct {
		ok   bool
		good float64
	}
	services := map[string]health{}
	for _, s := range statuses {
		h, ok := services[s.Service]
		h.ok = (h.ok || !ok) && healthy(s)
		h.good += s.Counted.Good
		services[s.Service] = h
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var b storage.Batch
	for name, h := range services {
		s := l.services[name]
		if s == nil || !s.observe(h.ok, h.good, now) {
			continue
		}
		if err := put(&b, changesPrefix+name, *s); err != nil {
			return err
		}
	}
	if b.Len() == 0 {
		return nil
	}
	if err := l.db.Apply(&b); err != nil {
		return fmt.Errorf("recording good revisions: %w", err)
	}
	return nil
}

// blind reports whether too little is observed now to learn anything from a status. A state that is
// unknown only because its window is still filling is not blind: what it shows was seen.
func blind(s slo.Status) bool { return !s.Observed || s.State == "" }

// healthy reports whether a status shows its objective met: observed, and nobody paged.
func healthy(s slo.Status) bool {
	return !blind(s) && !slices.ContainsFunc(s.Tiers, func(t slo.TierStatus) bool {
		return t.Firing && t.Severity == burnrate.Page
	})
}

// observe reports whether enough was learned to write it down.
func (s *serviceLog) observe(ok bool, good float64, now time.Time) bool {
	gap := now.Sub(s.seen)
	grown := good > s.good && !s.seen.IsZero()
	s.good, s.seen = good, now
	if !ok || gap < 0 || gap > maxHealthGap {
		s.healthySince, s.lastGood = time.Time{}, time.Time{}
	}
	if !ok {
		return false
	}
	if s.healthySince.IsZero() {
		s.healthySince = now
		return false
	}
	if grown {
		s.lastGood = now
	}
	write := false
	inPlace := map[string]bool{}
	for i := len(s.Baked) - 1; i >= 0; i-- {
		b := &s.Baked[i]
		if inPlace[b.Family] || b.Since.After(now) {
			continue
		}
		inPlace[b.Family] = true
		from := s.healthySince
		if b.Since.After(from) {
			from = b.Since
		}
		run := s.lastGood.Sub(from)
		if b.Withdrawn || run <= b.Healthy {
			continue
		}
		b.Healthy = run
		// Written when it has grown by a minute and by a tenth, so that a long life costs few writes.
		if run-b.saved >= max(time.Minute, run/10) {
			b.saved, write = run, true
		}
	}
	return write
}

func put(b *storage.Batch, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", key, err)
	}
	b.Set(key, data)
	return nil
}
