package hooks_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// world is a company with services that can burn, an agent's hooks, and a clock that only moves by
// steps. Burn rates come from counting events step by step, as in the SRE workbook's table.
type world struct {
	t          *testing.T
	now        time.Time
	store      *storage.Memory
	db         *mortal
	log        *auditor
	said       *bytes.Buffer // the log of the queue since it was made
	changes    *hooks.ChangeLog
	q          *hooks.Queue
	policies   []hooks.Policy
	runner     *runner
	objectives []*objective
	all        []slo.Status
	mangle     func(*slo.Status) // what telemetry faults do
}

const (
	step    = 15 * time.Second
	allowed = 0.001 // objective 99.9 %
)

var start = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

type objective struct {
	name, service string
	errors        func(t time.Time) float64 // ratio
	bad           []float64                 // cumulative, one a step, 100 events each
	since         [2]*time.Time
}

// bubble runs a test in which the queue's goroutines can be waited for.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func newWorld(t *testing.T, p hooks.Policy) *world {
	w := &world{t: t, now: start, store: storage.NewMemory(), log: &auditor{}, runner: &runner{idempotent: true}, policies: []hooks.Policy{p}}
	w.boot()
	t.Cleanup(w.stop)
	return w
}

func (w *world) stop() {
	if err := w.q.Stop(w.t.Context()); err != nil && !errors.Is(err, context.Canceled) {
		w.t.Error(err)
	}
}

// boot starts the agent from what is in the store.
func (w *world) boot() {
	w.t.Helper()
	w.db, w.said = &mortal{DB: w.store}, &bytes.Buffer{}
	changes, err := hooks.NewChangeLog(w.db, &auditor{}, w.clock)
	if err != nil {
		w.t.Fatal(err)
	}
	runners := map[string]hooks.Runner{}
	for _, p := range w.policies {
		runners[p.Name] = w.runner
	}
	w.changes = changes
	w.q, err = hooks.New(hooks.Deps{DB: w.db, Audit: w.log, Changes: changes, Policies: w.policies, Actions: runners,
		Now: w.clock, Logger: slog.New(slog.NewTextHandler(w.said, nil))})
	if err != nil {
		w.t.Fatal(err)
	}
}

// kill ends the agent as kill -9 does: whatever it still tries to write is lost.
func (w *world) kill() {
	w.db.die()
	w.log.die(w)
}

func (w *world) clock() time.Time { return w.now }

func (w *world) add(name, service string) *objective {
	o := &objective{name: name, service: service, errors: func(time.Time) float64 { return 0 }}
	w.objectives = append(w.objectives, o)
	return o
}

func (w *world) record(service, kind, revision string) hooks.Change {
	w.t.Helper()
	c, err := w.changes.Record(hooks.Change{Service: service, Kind: kind, Revision: revision, Author: "dev"}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// run lets time pass, with one evaluation each step.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	for range d / step {
		if err := w.step(); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) step() error {
	w.now = w.now.Add(step)
	w.all = nil
	for _, o := range w.objectives {
		o.tick(w.now)
		s := o.status(w.now)
		if w.mangle != nil {
			w.mangle(&s)
		}
		w.all = append(w.all, s)
	}
	err := w.q.Consider(w.t.Context(), w.all)
	synctest.Wait()
	return err
}

func (o *objective) tick(now time.Time) {
	last := 0.0
	if n := len(o.bad); n > 0 {
		last = o.bad[n-1]
	}
	o.bad = append(o.bad, last+100*o.errors(now))
}

// burn is the burn rate over a window, events before the world began being good.
func (o *objective) burn(window time.Duration) float64 {
	n, steps := len(o.bad), int(window/step)
	bad := o.bad[n-1]
	if n > steps {
		bad -= o.bad[n-1-steps]
	}
	return bad / float64(100*steps) / allowed
}

func (o *objective) status(now time.Time) slo.Status {
	s := slo.Status{Name: o.name, Service: o.service, Observed: true, State: slo.OK, At: now, Coverage: 1, Filled: 1, Firing: []string{}}
	n := float64(len(o.bad))
	s.Counted = slo.Events{Bad: o.bad[len(o.bad)-1], Good: 100*n - o.bad[len(o.bad)-1]}
	for i, tier := range burnrate.Tiers(30 * 24 * time.Hour)[:2] {
		long, short := o.burn(tier.Long), o.burn(tier.Short)
		switch firing := long >= tier.Factor && short >= tier.Factor; {
		case firing && o.since[i] == nil:
			at := now
			o.since[i] = &at
		case !firing:
			o.since[i] = nil
		}
		s.Tiers = append(s.Tiers, slo.TierStatus{Name: tier.Name, Severity: tier.Severity, LongWindow: burnrate.Text(tier.Long),
			ShortWindow: burnrate.Text(tier.Short), Factor: tier.Factor, LongBurnRate: long, ShortBurnRate: short, LongCoverage: 1,
			Firing: o.since[i] != nil, Since: o.since[i]})
		s.BurnRates = append(s.BurnRates, slo.WindowValue{Window: burnrate.Text(tier.Short), Value: short})
		if o.since[i] != nil {
			s.State = slo.Burning
			s.Firing = append(s.Firing, tier.Name)
		}
	}
	return s
}

// in gives the actions in a state, oldest first.
func (w *world) in(state hooks.State) []hooks.Action {
	var out []hooks.Action
	for _, a := range slices.Backward(w.q.List()) {
		if a.State == state {
			out = append(out, a)
		}
	}
	return out
}

func (w *world) want(state hooks.State, n int) []hooks.Action {
	w.t.Helper()
	got := w.in(state)
	if len(got) != n {
		w.t.Fatalf("%d actions are %s, want %d; all: %s", len(got), state, n, w.describe())
	}
	return got
}

func (w *world) wantCalls(n int) {
	w.t.Helper()
	if got := w.runner.count(); got != n {
		w.t.Fatalf("%d calls went out, want %d; actions: %s", got, n, w.describe())
	}
}

func (w *world) describe() string {
	out := ""
	for _, a := range slices.Backward(w.q.List()) {
		out += "\n  " + a.CreatedAt.Format(time.TimeOnly) + " " + string(a.State) + " " + a.Objective + " " + a.Tier
		for _, r := range a.Reasons {
			out += "\n      " + r
		}
		out += a.Error + a.Verification
	}
	return out
}

// incident is the usual story: v41 runs well for two hours, then v42 is deployed and errs until the
// world's service is rolled back. It returns with v42 deployed and nothing noticed yet.
func (w *world) incident(ratio float64) *objective {
	o := w.add("card-auth-availability", "card-auth")
	w.record("card-auth", hooks.KindDeploy, "v41")
	w.run(2 * time.Hour)
	w.deployBad(o, "v42", ratio)
	return o
}

// deployBad deploys a revision that errs until a call asks for another one.
func (w *world) deployBad(o *objective, revision string, ratio float64) {
	c := w.record(o.service, hooks.KindDeploy, revision)
	o.errors = func(time.Time) float64 {
		if w.runner.rolledBack(o.service, c.At) {
			return 0
		}
		return ratio
	}
}

func auto() hooks.Policy {
	p := hooks.DefaultPolicy()
	p.Name, p.Kind, p.Mode, p.Objectives, p.ResumeOnStart = "card-rollback", "webhook", hooks.Auto, []string{"card-*", "svc*"}, true
	return p
}

// runner is a deployment system that remembers what it was asked.
type runner struct {
	mu         sync.Mutex
	calls      []hooks.Action
	idempotent bool
	useless    bool // answers well and changes nothing
	err        error
	before     func(hooks.Action) // runs before the call counts
	after      func(hooks.Action)
}

func (r *runner) Idempotent() bool { return r.idempotent }

func (r *runner) Run(ctx context.Context, a hooks.Action) (int, error) {
	if r.before != nil {
		r.before(a)
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r.mu.Lock()
	r.calls = append(r.calls, a)
	err := r.err
	r.mu.Unlock()
	if r.after != nil {
		r.after(a)
	}
	return 1, err
}

func (r *runner) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.calls)
}

// ids are the idempotency keys that came, each once.
func (r *runner) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, a := range r.calls {
		if !slices.Contains(out, a.ID) {
			out = append(out, a.ID)
		}
	}
	return out
}

func (r *runner) rolledBack(service string, deployed time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.useless && r.err == nil && slices.ContainsFunc(r.calls, func(a hooks.Action) bool {
		return a.Service == service && a.CreatedAt.After(deployed)
	})
}

// mortal is a store whose writer can be killed.
type mortal struct {
	storage.DB
	mu     sync.Mutex
	dead   bool
	failAt int // Apply calls until one fails; 0: none
}

var errDead = errors.New("killed")

func (m *mortal) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
}

func (m *mortal) Apply(b *storage.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errDead
	}
	if m.failAt > 0 {
		if m.failAt--; m.failAt == 0 {
			return errors.New("no space left on device")
		}
	}
	return m.DB.Apply(b)
}

// auditor keeps entries and can fail.
type auditor struct {
	mu      sync.Mutex
	entries []audit.Entry
	err     error
	dead    bool
}

func (l *auditor) Append(entries ...audit.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errDead
	}
	if l.err != nil {
		return l.err
	}
	l.entries = append(l.entries, entries...)
	return nil
}

// die makes the killed agent's log useless and gives the next one its own with the same entries.
func (l *auditor) die(w *world) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	w.log = &auditor{entries: slices.Clone(l.entries)}
}

func (l *auditor) types() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, e := range l.entries {
		out = append(out, e.Type)
	}
	return out
}

func (l *auditor) find(kind string) []audit.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []audit.Entry
	for _, e := range l.entries {
		if e.Type == kind {
			out = append(out, e)
		}
	}
	return out
}

func setErr(l *auditor, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

var nan = math.NaN()
