package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

const notSupported = "is not supported by this version"

// Section is a part of the file whose content depends on its kind.
type Section struct {
	Kind string // prometheus, webhook
	Name string // of a hook, or of an entry of deploy; else empty
	node strictyaml.Node
}

// UnmarshalNode keeps the section for later.
func (s *Section) UnmarshalNode(n strictyaml.Node) problem.List {
	s.node = n
	return nil
}

// Written reports whether the file has the section, empty or not.
func (s Section) Written() bool { return s.node.Line() > 0 }

// Decode lays the section over into, a pointer to the kind's defaults, and validates the result if
// it has a method Validate() error. A hook's name and kind are among its fields.
func (s Section) Decode(into any) problem.List { return s.node.Decode(into) }

// Problem places p, whose path is relative to the section.
func (s Section) Problem(p problem.Problem) problem.Problem { return s.node.Problem(p) }

// UnknownKind says that the section's kind is none of known.
func (s Section) UnknownKind(known []string) problem.Problem {
	p := problem.Problem{Message: "unknown kind" + strictyaml.DidYouMean(s.Kind, known), Got: s.Kind, Allowed: strings.Join(known, ", ")}
	if s.Name != "" {
		p.Path = "kind"
	}
	return s.node.Problem(p)
}

// Collectors are the sections under collectors, in their order.
type Collectors []Section

// UnmarshalNode keeps each section for later.
func (c *Collectors) UnmarshalNode(n strictyaml.Node) (problems problem.List) {
	*c, problems = sections(n, []string{"otlp", "promql", "sql"})
	return problems
}

// Exporters are the sections under exporters, in their order.
type Exporters []Section

// UnmarshalNode keeps each section for later.
func (e *Exporters) UnmarshalNode(n strictyaml.Node) (problems problem.List) {
	*e, problems = sections(n, []string{"remote_write", "otlp", "victoriametrics"})
	return problems
}

// sections reads a mapping from kinds to their sections; later names kinds that are planned.
func sections(n strictyaml.Node, later []string) ([]Section, problem.List) {
	if !n.Exists() {
		return nil, nil
	}
	var raw map[string]strictyaml.Node
	problems := n.Decode(&raw)
	var out []Section
	for _, e := range n.Entries() {
		switch {
		case slices.Contains(later, e.Key):
			problems = append(problems, e.Value.Problem(problem.Problem{Message: notSupported}))
		case !e.Value.Exists():
			problems = append(problems, e.Value.Wrong("the settings of this kind"))
		default:
			out = append(out, Section{Kind: e.Key, node: e.Value})
		}
	}
	return out, problems
}

// Hooks are the entries of the list hooks.
type Hooks []Section

var nameForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// ValidName reports whether a hook, a source or a place to deploy to may have that name.
func ValidName(name string) bool { return nameForm.MatchString(name) }

// UnmarshalNode reads each hook's name and kind and keeps the rest for later.
func (h *Hooks) UnmarshalNode(n strictyaml.Node) (problems problem.List) {
	*h, problems = named(n, "a hook", "name, kind and mode", "webhook")
	return problems
}

// Deploy are the entries of the list deploy.
type Deploy []Section

// UnmarshalNode reads each entry's name and kind and keeps the rest for later.
func (d *Deploy) UnmarshalNode(n strictyaml.Node) (problems problem.List) {
	*d, problems = named(n, "an entry", "name and kind", "directory")
	return problems
}

// named reads a list of sections with a name and a kind.
func named(n strictyaml.Node, one, keys, kindLike string) ([]Section, problem.List) {
	var raw []strictyaml.Node
	problems := n.Decode(&raw)
	var out []Section
	lines := map[string]int{}
	for _, item := range raw {
		if !item.IsMapping() {
			problems = append(problems, item.Wrong("a mapping with "+keys))
			continue
		}
		name, kind := item.At("name"), item.At("kind")
		if !ValidName(name.Text()) {
			problems = append(problems, name.Wrong("lower-case letters, digits and dashes, at most 63"))
		} else if line, again := lines[name.Text()]; again {
			problems = append(problems, name.Problem(problem.Problem{Message: fmt.Sprintf("%s of this name is already on line %d", one, line), Got: name.Text()}))
		} else {
			lines[name.Text()] = name.Line()
		}
		if kind.Text() == "" {
			problems = append(problems, kind.Wrong("the kind of the "+strings.Fields(one)[1]+" such as "+kindLike))
		}
		out = append(out, Section{Kind: kind.Text(), Name: name.Text(), node: item})
	}
	return out, problems
}

// notYet is a section that the format has and this version does not.
type notYet struct{}

// UnmarshalNode refuses it by name.
func (notYet) UnmarshalNode(n strictyaml.Node) problem.List {
	return problem.List{n.Problem(problem.Problem{Message: notSupported})}
}
