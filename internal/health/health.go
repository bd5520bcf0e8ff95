// Package health holds what is wrong with the agent itself: a target that does not answer, a store
// that cannot be written, an evaluation that comes late. Parts of the agent set and clear named
// conditions; screens and probes read which of them deserve a person's attention now.
//
//	error    store_failing                 since 10:04:05  writing ledger: no space left on device
//	warning  target_down    card-auth-1    since 10:03:50  connection refused
//
// A condition becomes visible only after it has lasted its time-to-visible, and stays hidden while
// a condition that explains it is set. It is a leaf: it knows no objective, no target and no hook.
package health

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Severity says how much of the agent's work is at stake.
type Severity string

// Error means that something the agent promises does not happen; Warning that it happens with less
// certainty or later than it should.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Name names a condition. The names are part of the API's answers.
type Name string

// Bounds on what one condition may hold, so that a flood of subjects stays a list.
const (
	maxSubjects     = 10_000
	maxMessageBytes = 500
)

// Condition is one kind of thing that can be wrong.
type Condition struct {
	Name     Name
	Severity Severity
	// DependsOn names conditions that explain this one. It stays hidden while one of them is set
	// for the same subject or for the agent as a whole (subject "").
	DependsOn []Name
	// TimeToVisible is how long the condition must last before it is shown.
	TimeToVisible time.Duration
	// NotReady marks a condition under which the agent should get no requests.
	NotReady bool
	Advice   string // what to do about it, one sentence
}

// Problem is a condition that is visible now.
type Problem struct {
	Name     Name      `json:"name"`
	Subject  string    `json:"subject,omitempty"` // the target, hook or objective concerned; "" is the agent
	Severity Severity  `json:"severity"`
	Message  string    `json:"message"`
	Advice   string    `json:"advice,omitempty"`
	Since    time.Time `json:"since"`
}

// Tracker remembers which conditions are set. It is safe for concurrent use.
type Tracker struct {
	now   func() time.Time
	known map[Name]Condition

	mu  sync.Mutex
	set map[Name]map[string]entry // by subject
}

type entry struct {
	since   time.Time
	message string
}

// New makes a tracker of the given conditions, usually [Conditions]. A name that is not among them
// may still be set: it is an error that is visible at once.
func New(now func() time.Time, conditions []Condition) *Tracker {
	t := &Tracker{now: now, known: map[Name]Condition{}, set: map[Name]map[string]entry{}}
	for _, c := range conditions {
		t.known[c.Name] = c
	}
	return t
}

// Set says that the condition holds for subject, and why. Setting it again keeps the time since
// when it holds and replaces the message.
func (t *Tracker) Set(name Name, subject, message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hold(name, subject, message)
}

func (t *Tracker) hold(name Name, subject, message string) {
	subjects := t.set[name]
	if subjects == nil {
		subjects = map[string]entry{}
		t.set[name] = subjects
	}
	e, ok := subjects[subject]
	if !ok {
		if len(subjects) >= maxSubjects {
			return
		}
		e.since = t.now()
	}
	e.message = strings.ToValidUTF8(message[:min(len(message), maxMessageBytes)], "")
	subjects[subject] = e
}

// Clear says that the condition no longer holds for subject.
func (t *Tracker) Clear(name Name, subject string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.set[name], subject)
}

// Report sets the condition with err's text, or clears it when err is nil.
func (t *Tracker) Report(name Name, subject string, err error) {
	if err == nil {
		t.Clear(name, subject)
		return
	}
	t.Set(name, subject, err.Error())
}

// Replace says for which subjects the condition holds, and why; it holds for no other.
func (t *Tracker) Replace(name Name, messages map[string]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.set[name], func(subject string, _ entry) bool { _, holds := messages[subject]; return !holds })
	for subject, message := range messages {
		t.hold(name, subject, message)
	}
}

// Ready reports whether the agent should get requests: no condition marked NotReady has outlasted
// its time-to-visible.
func (t *Tracker) Ready() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for name, subjects := range t.set {
		c := t.known[name]
		if !c.NotReady {
			continue
		}
		for _, e := range subjects {
			if now.Sub(e.since) >= c.TimeToVisible {
				return false
			}
		}
	}
	return true
}

// Problems lists what is visible now: errors first, then the oldest first.
func (t *Tracker) Problems() []Problem {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	var out []Problem
	for name, subjects := range t.set {
		c := t.condition(name)
		for subject, e := range subjects {
			if now.Sub(e.since) < c.TimeToVisible || t.explained(c, subject) {
				continue
			}
			out = append(out, Problem{
				Name: name, Subject: subject, Severity: c.Severity,
				Message: e.message, Advice: c.Advice, Since: e.since,
			})
		}
	}
	slices.SortFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), a.Since.Compare(b.Since),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Subject, b.Subject))
	})
	return out
}

func (t *Tracker) condition(name Name) Condition {
	if c, ok := t.known[name]; ok {
		return c
	}
	return Condition{Name: name, Severity: Error}
}

// explained reports whether a condition that c depends on is set. It need not be visible yet:
// otherwise the consequence would flash up before its cause.
func (t *Tracker) explained(c Condition, subject string) bool {
	for _, cause := range c.DependsOn {
		if _, ok := t.set[cause][subject]; ok {
			return true
		}
		if _, ok := t.set[cause][""]; ok {
			return true
		}
	}
	return false
}
