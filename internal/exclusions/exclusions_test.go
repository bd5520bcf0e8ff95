package exclusions

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
)

// desk is a record with what it works with.
type desk struct {
	*Store
	t        *testing.T
	db       storage.DB
	now      time.Time
	audited  []audit.Entry
	applied  []slo.Exclusion
	applies  int
	auditErr error
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, db: storage.NewMemory(), now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	d.restart()
	return d
}

func (d *desk) restart() {
	d.t.Helper()
	var err error
	d.Store, err = New(Deps{
		DB: d.db, Audit: d, Now: func() time.Time { return d.now },
		Objectives: func() []Objective {
			return []Objective{{Name: "card-auth"}, {Name: "card-auth[region=eu]", Parent: "card-auth"}, {Name: "sepa"}, {Name: "atm", Composite: true}}
		},
		Apply: func(all []slo.Exclusion) { d.applied = all; d.applies++ },
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) Append(entries ...audit.Entry) error {
	if d.auditErr == nil {
		d.audited = append(d.audited, entries...)
	}
	return d.auditErr
}

// outage is an exclusion of the hour before now.
func (d *desk) outage(objectives ...string) Entry {
	return Entry{Exclusion: slo.Exclusion{Objectives: objectives, From: d.now.Add(-time.Hour), To: d.now}, Who: "anna", Why: "data centre move"}
}

func (d *desk) add(e Entry) Entry {
	d.t.Helper()
	got, err := d.Add(e)
	if err != nil {
		d.t.Fatal(err)
	}
	return got
}

// inForce lists what Apply was last given.
func (d *desk) inForce() string {
	var out []string
	for _, x := range d.applied {
		out = append(out, strings.Join(x.Objectives, "+"))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestAddListRemove(t *testing.T) {
	d := newDesk(t)
	if d.applies != 1 || len(d.applied) != 0 || d.applied == nil {
		t.Errorf("at the start %d times applied, %v", d.applies, d.applied)
	}
	first := d.add(d.outage("card-*"))
	d.now = d.now.Add(time.Minute)
	later := d.outage("sepa")
	later.From, later.To = d.now.Add(24*time.Hour), d.now.Add(26*time.Hour) // planned
	later.ID = "MAINT/7"
	second := d.add(later)
	if first.ID == "" || second.ID != "MAINT/7" || !first.CreatedAt.Equal(d.now.Add(-time.Minute)) {
		t.Errorf("recorded as %+v, %+v", first, second)
	}
	if d.inForce() != "card-* sepa" {
		t.Errorf("in force: %s", d.inForce())
	}
	ids := func(o Objective) (out []string) {
		for _, e := range d.List(o) {
			out = append(out, e.ID)
		}
		return out
	}
	for _, tt := range []struct {
		of   Objective
		want []string
	}{
		{Objective{}, []string{second.ID, first.ID}}, {Objective{Name: "card-auth"}, []string{first.ID}},
		{Objective{Name: "card-auth[region=eu]", Parent: "card-auth"}, []string{first.ID}}, {Objective{Name: "sepa"}, []string{second.ID}}, {Objective{Name: "other"}, nil},
	} {
		if got := ids(tt.of); !slices.Equal(got, tt.want) {
			t.Errorf("of %v: %v, want %v", tt.of, got, tt.want)
		}
	}
	d.restart()
	if d.inForce() != "card-* sepa" {
		t.Errorf("in force after a restart: %s", d.inForce())
	}
	gone, err := d.Remove(first.ID, " ben ")
	if err != nil || gone.RemovedBy != "ben" || gone.RemovedAt == nil || !gone.RemovedAt.Equal(d.now) || d.inForce() != "sepa" {
		t.Errorf("removed: %+v, %v; in force: %s", gone, err, d.inForce())
	}
	d.restart()
	if d.inForce() != "sepa" || !slices.Equal(ids(Objective{}), []string{second.ID, first.ID}) || d.List(Objective{})[1].RemovedBy != "ben" {
		t.Errorf("in force after a restart: %s; kept %v", d.inForce(), d.List(Objective{}))
	}
	var said []string
	for _, e := range d.audited {
		said = append(said, fmt.Sprintf("%s %s %s %s", e.Type, e.Actor, e.Outcome, e.Description))
		var evidence Entry
		if err := json.Unmarshal(e.Evidence, &evidence); err != nil || evidence.ID == "" || evidence.Why == "" {
			t.Errorf("evidence %s, %v", e.Evidence, err)
		}
	}
	want := []string{
		"exclusion_added anna SUCCESS counts from 2026-11-21T09:00:00Z to 2026-11-21T10:00:00Z are excluded: data centre move",
		"exclusion_added anna SUCCESS counts from 2026-11-22T10:01:00Z to 2026-11-22T12:01:00Z are excluded: data centre move",
		"exclusion_removed ben SUCCESS counts from 2026-11-21T09:00:00Z to 2026-11-21T10:00:00Z are again what they were without exclusion " + first.ID,
	}
	if !slices.Equal(said, want) {
		t.Errorf("audited\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
}

func TestTwiceIsOnce(t *testing.T) {
	d := newDesk(t)
	for _, id := range []string{"", "INC-1"} {
		e := d.outage("sepa")
		e.ID = id
		first := d.add(e)
		before := len(d.audited)
		d.now = d.now.Add(time.Second)
		if again := d.add(e); again.ID != first.ID || !again.CreatedAt.Equal(first.CreatedAt) || len(d.audited) != before {
			t.Errorf("id %q: again %+v", id, again)
		}
		e.ID, e.Why = first.ID, "another reason"
		if _, err := d.Add(e); !errors.Is(err, ErrConflict) {
			t.Errorf("id %q for something else: %v", id, err)
		}
		e.Why = first.Why
		for range 2 {
			if _, err := d.Remove(first.ID, "ben"); err != nil {
				t.Fatal(err)
			}
		}
		if len(d.audited) != before+1 {
			t.Errorf("id %q: removed twice, audited %d times", id, len(d.audited)-before)
		}
		if _, err := d.Add(e); !errors.Is(err, ErrConflict) {
			t.Errorf("a removed one came back under its id: %v", err)
		}
	}
	// What has no id of its own can be had again after it was removed.
	e := d.outage("card-auth")
	first := d.add(e)
	if _, err := d.Remove(first.ID, "ben"); err != nil {
		t.Fatal(err)
	}
	if second := d.add(e); second.ID == first.ID || d.inForce() != "card-auth" {
		t.Errorf("again under %s, in force: %s", second.ID, d.inForce())
	}
	if _, err := d.Remove("none", "ben"); !errors.Is(err, ErrNotFound) {
		t.Errorf("removing what is not there: %v", err)
	}
}

func TestWithoutAuditNothingIsDone(t *testing.T) {
	d := newDesk(t)
	kept := d.add(d.outage("sepa"))
	d.auditErr = errors.New("disk full")
	if _, err := d.Add(d.outage("card-auth")); !errors.Is(err, d.auditErr) {
		t.Errorf("added: %v", err)
	}
	if _, err := d.Remove(kept.ID, "ben"); !errors.Is(err, d.auditErr) {
		t.Errorf("removed: %v", err)
	}
	if d.inForce() != "sepa" || d.List(Objective{})[0].RemovedAt != nil {
		t.Errorf("in force: %s", d.inForce())
	}
	d.auditErr = nil
	d.restart()
	if d.inForce() != "sepa" || len(d.List(Objective{})) != 1 {
		t.Errorf("in force after a restart: %s", d.inForce())
	}
}

// fullDisk is a store that takes nothing.
type fullDisk struct{ storage.DB }

func (fullDisk) Apply(*storage.Batch) error { return errors.New("no space left on device") }

func TestWhatIsNotStoredIsNotInForce(t *testing.T) {
	d := newDesk(t)
	good := d.db
	d.db = fullDisk{good}
	d.restart()
	if _, err := d.Add(d.outage("sepa")); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("added: %v", err)
	}
	if d.inForce() != "" || len(d.List(Objective{})) != 0 {
		t.Errorf("in force: %s", d.inForce())
	}
	if n := len(d.audited); n != 2 || d.audited[1].Outcome != audit.Failure {
		t.Errorf("audited %+v", d.audited)
	}
}

func TestRefusals(t *testing.T) {
	d := newDesk(t)
	correction := func(c slo.Correction) func(*Entry) { return func(e *Entry) { e.Correction = &c } }
	for want, change := range map[string]func(*Entry){
		"who: has no value":              func(e *Entry) { e.Who = "  " },
		"why: has no value":              func(e *Entry) { e.Why = "" },
		`who: got "a`:                    func(e *Entry) { e.Who = strings.Repeat("a", 101) },
		`why: got "two\nlines"`:          func(e *Entry) { e.Why = "two\nlines" },
		`why: got "no UTF-8 ` + "\uFFFD": func(e *Entry) { e.Why = "no UTF-8 \xff" },
		`id: got "x`:                     func(e *Entry) { e.ID = strings.Repeat("x", 101) },
		`objectives: got "0 names"`:      func(e *Entry) { e.Objectives = nil },
		`objectives: got "51 names"`:     func(e *Entry) { e.Objectives = slices.Repeat([]string{"sepa"}, 51) },
		`objectives[0]: is a composite, which has no counts to correct`: func(e *Entry) { e.Objectives, e.Correction = []string{"at*"}, &slo.Correction{Bad: -1} },
		`objectives[1]: means no objective`:                             func(e *Entry) { e.Objectives = []string{"sepa", "spea"} },
		`objectives[0]: is no pattern`:                                  func(e *Entry) { e.Objectives = []string{"[sepa"} },
		"objectives[0]: has no value":                                   func(e *Entry) { e.Objectives = []string{""} },
		"from, to: has no value":                                        func(e *Entry) { e.From = time.Time{} },
		`from, to: got "2026-11-21T10:00:00Z`:                           func(e *Entry) { e.From = e.To.Add(time.Microsecond) },
		`from, to: got "2025-`:                                          func(e *Entry) { e.From = e.To.Add(-maxSpan - time.Second) },
		`to: got "2027-12-26T10:00:01Z"`:                                func(e *Entry) { e.From, e.To = d.now.Add(maxAhead), d.now.Add(maxAhead+time.Second) },
		"correction: changes nothing":                                   correction(slo.Correction{}),
		`correction.bad: got "NaN"`:                                     correction(slo.Correction{Bad: math.NaN()}),
		`correction.good: got "-1e+300"`:                                correction(slo.Correction{Good: -1e300}),
		`correction.excluded: got "+Inf"`:                               correction(slo.Correction{Excluded: math.Inf(1)}),
		`why: has no value, allowed: up to 100`:                         func(e *Entry) { e.Who, e.Why = "", "" },
	} {
		e := d.outage("sepa")
		change(&e)
		_, err := d.Add(e)
		if _, ok := errors.AsType[problem.List](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if len(d.audited) > 0 || d.applies != 1 {
		t.Errorf("audited %v, applied %d times", d.audited, d.applies)
	}
	for _, fine := range []Entry{d.outage("*"), d.outage("card-auth[region=eu]"), d.outage("card-*", "sepa")} {
		d.add(fine)
	}
	kept := d.add(d.outage("sepa"))
	for _, who := range []string{"", " ", "two\nlines"} {
		if _, err := d.Remove(kept.ID, who); err == nil {
			t.Errorf("removed by %q", who)
		}
	}
}

func TestBounds(t *testing.T) {
	d := newDesk(t)
	ids := make([]string, 0, maxLive)
	e := d.outage("sepa")
	for i := range maxLive {
		e.ID = fmt.Sprint("x", i)
		s := e
		s.CreatedAt = d.now
		d.entries[s.ID] = s // as if added; each Add applies them all
		ids = append(ids, s.ID)
	}
	d.live = maxLive
	e.ID = "one more"
	if _, err := d.Add(e); !errors.Is(err, ErrFull) {
		t.Errorf("one more than the most: %v", err)
	}
	for i, id := range ids {
		gone, at := d.entries[id], d.now.Add(time.Duration(i)*time.Millisecond)
		gone.RemovedAt = &at
		d.entries[id] = gone
	}
	d.live, d.now = 0, d.now.Add(time.Hour)
	d.add(e)
	if _, err := d.Remove(e.ID, "ben"); err != nil {
		t.Fatal(err)
	}
	if _, there := d.entries["x0"]; there || len(d.entries) != maxRemoved {
		t.Errorf("%d removed ones are kept, the oldest among them: %v", len(d.entries), there)
	}
	d.restart()
	if len(d.entries) != 1 { // only this one went through the store
		t.Errorf("%d stored", len(d.entries))
	}
}

func TestExclusionOfACompositeIsTaken(t *testing.T) {
	d := newDesk(t)
	if _, err := d.Add(d.outage("atm")); err != nil {
		t.Errorf("excluding a composite: %v", err)
	}
	e := d.outage("*") // means others too, which have counts
	e.Correction = &slo.Correction{Bad: -1}
	if _, err := d.Add(e); err != nil {
		t.Errorf("correcting all there are: %v", err)
	}
}
