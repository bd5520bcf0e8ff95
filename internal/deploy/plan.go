package deploy

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/assayer-io/assayer/internal/artifact"
)

// Op is what is to be done with an object.
type Op string

// The ops.
const (
	Create    Op = "create"
	Update    Op = "update"
	Delete    Op = "delete"
	Adopt     Op = "adopt"     // it is as wanted and not ours: it becomes ours
	Conflict  Op = "conflict"  // it is not ours: nothing is done
	Unchanged Op = "unchanged" // nothing is to be done
	Kept      Op = "kept"      // it is ours, nothing was generated for it, and it is not to go; see [Plan.Keep]
)

// Step is one object of a plan.
type Step struct {
	Op   Op     `json:"op"`
	Kind string `json:"kind"`
	Name string `json:"name"`
	Why  string `json:"why,omitempty"`
	Diff string `json:"diff,omitempty"` // from what is there to what is wanted; bounded, secrets hidden; see [Plan.Explain]
	// Edited says that the object was changed since it was last applied.
	Edited bool `json:"edited"`

	Want *Object `json:"-"` // nil: it is to go
	Was  *Found  `json:"-"` // nil: nothing is there
}

// Changes reports whether the step does something.
func (s Step) Changes() bool {
	return s.Op == Create || s.Op == Update || s.Op == Adopt || s.Op == Delete
}

// drifts reports whether what is there is not what was generated. What is kept is: nothing was generated to compare.
func (s Step) drifts() bool { return s.Op != Unchanged && s.Op != Kept }

// Plan is what is to be done at one target: first what is to be made, then what is to go.
type Plan struct {
	Target  string `json:"target"`
	Steps   []Step `json:"steps"`
	Pending string `json:"pending,omitempty"` // why what is deployed is not in force
	Busy    bool   `json:"-"`                 // an apply was under way while it was made
	Version string `json:"-"`                 // the State's
}

// Drifted reports whether what is deployed is not what was generated.
func (p Plan) Drifted() bool {
	return p.Pending != "" || slices.ContainsFunc(p.Steps, Step.drifts)
}

// Keep lets what would be deleted stay where it answers true: nobody asked this time for what would have made it.
func (p Plan) Keep(keep func(kind, name string) bool) {
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Op == Delete && keep(s.Kind, s.Name) {
			s.Op, s.Why = Kept, "its part was not asked for"
		}
	}
}

// Make reads what is deployed at a target and compares it with what was generated.
func Make(ctx context.Context, name string, t Target, files []artifact.File) (Plan, error) {
	wanted, err := t.Wanted(files)
	if err != nil {
		return Plan{}, fmt.Errorf("choosing what to deploy: %w", err)
	}
	state, err := t.Deployed(ctx, wanted)
	if err != nil {
		return Plan{}, fmt.Errorf("reading what is deployed: %w", err)
	}
	return Compare(name, wanted, state), nil
}

// Compare makes the plan that leads from a state to what is wanted.
func Compare(name string, wanted []Object, state State) Plan {
	type key struct{ kind, name string }
	there := map[key]*Found{}
	for i := range state.Found {
		f := &state.Found[i]
		there[key{f.Kind, f.Name}] = f
	}
	p := Plan{Target: name, Steps: []Step{}, Pending: state.Pending, Busy: state.Busy, Version: state.Version}
	for i := range wanted {
		w := &wanted[i]
		k := key{w.Kind, w.Name}
		p.Steps = append(p.Steps, compare(w, there[k]))
		delete(there, k)
	}
	for i := range state.Found {
		f := &state.Found[i]
		if there[key{f.Kind, f.Name}] != f || !f.Ours {
			continue
		}
		s := Step{Op: Delete, Kind: f.Kind, Name: f.Name, Was: f, Why: "no longer generated"}
		if f.Edited != "" {
			s.Edited, s.Why = true, s.Why+"; edited "+f.Edited
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

func compare(w *Object, f *Found) Step {
	s := Step{Op: Update, Kind: w.Kind, Name: w.Name, Want: w, Was: f}
	switch {
	case f == nil:
		s.Op = Create
	case f.Free && bytes.Equal(f.Text, w.Text):
		s.Op, s.Why = Adopt, "it is there as it was generated, and becomes ours"
	case !f.Ours:
		s.Op, s.Why = Conflict, f.Foreign
	case f.Same || bytes.Equal(f.Text, w.Text):
		s.Op = Unchanged
	default:
		if f.Edited != "" {
			s.Edited, s.Why = true, "edited "+f.Edited
		}
	}
	return s
}

// Explain fills in the differences, for people.
func (p Plan) Explain() {
	for i := range p.Steps {
		s := &p.Steps[i]
		if !s.Changes() {
			continue
		}
		var is, wanted []byte
		if s.Was != nil {
			is = s.Was.Text
		}
		if s.Want != nil {
			wanted = s.Want.Text
		}
		s.Diff = Diff(s.Name, is, wanted)
	}
}
