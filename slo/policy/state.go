package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

const (
	stateVersion = 1
	maxState     = 64 << 20 // bytes; a hundred thousand states are about a fifth of it
)

// ErrVersion: the state was written by a newer version.
var ErrVersion = errors.New("the state of budget policies was written by a newer version of assayer")

// stored is the form of a checkpoint.
type stored struct {
	Version int           `json:"version"`
	States  []storedState `json:"states"`
}

type storedState struct {
	Policy    string `json:"policy"`
	Rule      string `json:"rule"`
	Objective string `json:"objective"`
	Condition string `json:"condition"` // of the rule when it was written
	state
}

// Checkpoint gives what has to outlast a restart as JSON. The same state gives the same bytes.
func (e *Engine) Checkpoint() ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	out, written := stored{Version: stateVersion, States: []storedState{}}, conditions(e.rules)
	for k, st := range e.states {
		out.States = append(out.States, storedState{k.policy, k.rule, k.objective, written[[2]string{k.policy, k.rule}], st})
	}
	slices.SortFunc(out.States, func(a, b storedState) int {
		return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Objective, b.Objective))
	})
	data, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encoding the state of budget policies: %w", err)
	}
	return data, nil
}

// Restore takes over a checkpoint. States of rules that are no longer the same are left out. An error
// leaves everything as it was.
func (e *Engine) Restore(data []byte) error {
	if len(data) > maxState {
		return fmt.Errorf("reading the state of budget policies: %d bytes, at most %d are allowed", len(data), maxState)
	}
	var in stored
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&in); err != nil {
		return fmt.Errorf("reading the state of budget policies: %w", err)
	}
	if in.Version > stateVersion {
		return ErrVersion
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	have, states := conditions(e.rules), map[key]state{}
	for _, s := range in.States {
		st := s.state
		if have[[2]string{s.Policy, s.Rule}] != s.Condition || s.Condition == "" || st == (state{}) {
			continue
		}
		if st.Active == st.Since.IsZero() || st.Filled < 0 || math.IsNaN(st.Filled) || st.Filled > 1 {
			return fmt.Errorf("reading the state of budget policies: %s/%s of %s: active %t since %v with %g of its window watched", s.Policy, s.Rule, s.Objective, st.Active, st.Since, st.Filled)
		}
		st.Since, st.Pending = st.Since.UTC(), st.Pending.UTC()
		states[key{s.Policy, s.Rule, s.Objective}] = st
	}
	e.states = states
	return nil
}
