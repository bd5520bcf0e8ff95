package rail

import (
	"embed"
	"fmt"
	"slices"

	"github.com/assayer-io/assayer/internal/problem"
)

//go:embed presets/*.yaml
var presets embed.FS

// Set is rails, each by its name.
type Set struct{ rails []Rail }

// Builtin returns the rails that come with this version, in the order of dashboards.
func Builtin() (Set, error) {
	entries, err := presets.ReadDir("presets")
	if err != nil {
		return Set{}, fmt.Errorf("reading built-in rails: %w", err)
	}
	var s Set
	var problems problem.List
	for _, e := range entries {
		data, err := presets.ReadFile("presets/" + e.Name())
		if err != nil {
			return Set{}, fmt.Errorf("reading built-in rails: %w", err)
		}
		rails, found := Parse(e.Name(), data)
		s, problems = s.With(rails), append(problems, found...)
	}
	if err := problems.Err(); err != nil {
		return Set{}, fmt.Errorf("reading built-in rails: %w", err)
	}
	slices.SortStableFunc(s.rails, func(a, b Rail) int { return a.Dashboard.Order - b.Dashboard.Order })
	return s, nil
}

// With returns a set in which the given rails replace those of the same name and the others are added. s
// stays as it is.
func (s Set) With(rails []Rail) Set {
	all := slices.Clone(s.rails)
	for _, r := range rails {
		if i := slices.IndexFunc(all, func(o Rail) bool { return o.Name == r.Name }); i >= 0 {
			all[i] = r
		} else {
			all = append(all, r)
		}
	}
	return Set{all}
}

// Get returns the rail of that name, which is not to be changed.
func (s Set) Get(name string) (*Rail, bool) {
	i := slices.IndexFunc(s.rails, func(r Rail) bool { return r.Name == name })
	if i < 0 {
		return nil, false
	}
	return &s.rails[i], true
}

// All returns the rails in their order. They are not to be changed.
func (s Set) All() []Rail { return s.rails }

// Names are those of the rails, in their order.
func (s Set) Names() []string {
	names := make([]string, len(s.rails))
	for i := range s.rails {
		names[i] = s.rails[i].Name
	}
	return names
}

// State finds a state by its name.
func (r *Rail) State(name string) (State, bool) {
	i := slices.IndexFunc(r.States, func(s State) bool { return s.Name == name })
	if i < 0 {
		return State{}, false
	}
	return r.States[i], true
}

// RoleOf is our role in a movement of that direction (in, out, or empty: not told) whose source names none.
func (r *Rail) RoleOf(direction string) string {
	if direction == "in" && r.RoleIn != "" {
		return r.RoleIn
	}
	return r.Role
}
