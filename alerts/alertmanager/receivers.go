package alertmanager

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

const (
	maxReceivers = 1 << 20 // bytes of the receivers' file
	expected     = "receivers named pager, ticket and deadman; chat, escalation and those of teams, such as payments-pager, if wanted"
)

// base is what the user wrote, with the receivers of the roles.
type base struct {
	root  *yaml.Node
	names map[string]bool   // of receivers
	roles map[string]string // role or <team>-<role> to a receiver's name
}

// sections are what of a configuration the user writes; everything else is generated.
type sections struct {
	Global    strictyaml.Node `yaml:"global"`
	Templates strictyaml.Node `yaml:"templates"`
	Receivers strictyaml.Node `yaml:"receivers"`
}

// readReceivers finds the receivers by their names and looks at nothing else of them.
func readReceivers(o Options) (*base, problem.List) {
	docs, problems := strictyaml.Parse(o.File, o.Receivers, maxReceivers)
	if len(problems) > 0 {
		return nil, problems
	}
	if len(docs) != 1 {
		return nil, problem.List{{File: o.File, Message: "has to be one document of YAML", Allowed: expected}}
	}
	b := &base{names: map[string]bool{}, roles: map[string]string{}}
	list := docs[0]
	if !list.IsList() {
		var in sections
		problems = docs[0].Decode(&in)
		for n, isOne := range map[*strictyaml.Node]bool{&in.Global: in.Global.IsMapping(), &in.Templates: in.Templates.IsList()} {
			if n.Exists() && !isOne {
				problems = append(problems, n.Problem(problem.Problem{Message: "is not what Alertmanager takes", Allowed: "global: a mapping; templates: a list"}))
			}
		}
		list = docs[0].Field("receivers")
	}
	problems = append(problems, b.named(list)...)
	problems = append(problems, b.assign(list, o.Roles)...)
	var doc yaml.Node
	if err := yaml.Unmarshal(o.Receivers, &doc); err != nil { // it has been parsed above: cannot be
		return nil, append(problems, problem.Problem{File: o.File, Message: "not valid YAML"})
	}
	b.root = doc.Content[0]
	if b.root.Kind == yaml.SequenceNode {
		b.root = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{word("receivers"), b.root}}
	}
	b.root.Style = 0
	return b, problems
}

func (b *base) named(list strictyaml.Node) (problems problem.List) {
	if !list.IsList() {
		return problem.List{list.Problem(problem.Problem{Message: "is not a list", Allowed: expected})}
	}
	for _, r := range list.Items() {
		name := r.Field("name")
		switch {
		case name.Text() == "":
			problems = append(problems, r.Problem(problem.Problem{Path: "name", Message: problem.NoValue, Allowed: "a name, in quotes if it is a number"}))
		case b.names[name.Text()]:
			problems = append(problems, name.Problem(problem.Problem{Message: "there are two receivers of this name", Got: name.Text()}))
		}
		b.names[name.Text()] = true
	}
	return problems
}

// assign gives the roles their receivers: by their own names, unless told others.
func (b *base) assign(list strictyaml.Node, told map[string]string) (problems problem.List) {
	for name := range b.names {
		if _, ok := teamOf(name); ok {
			b.roles[name] = name
		}
	}
	for _, role := range slices.Sorted(maps.Keys(told)) {
		if _, ok := teamOf(role); !ok {
			problems = append(problems, problem.Problem{Path: "roles", Message: "is no role", Got: role, Allowed: "pager, escalation, chat, ticket, deadman, and for a team <team>-pager and so on, but no deadman"})
		}
		if !b.names[told[role]] {
			problems = append(problems, list.Problem(problem.Problem{Message: "has no receiver for " + role, Got: told[role],
				Allowed: strings.Join(slices.Sorted(maps.Keys(b.names)), ", ")}))
		}
		b.roles[role] = told[role]
	}
	var missing []string
	for _, r := range []Role{Pager, Ticket, DeadMan} {
		if b.roles[string(r)] == "" {
			missing = append(missing, string(r))
		}
	}
	if len(missing) > 0 {
		problems = append(problems, list.Problem(problem.Problem{Message: "has no receiver for " + strings.Join(missing, ", "), Allowed: expected}))
	}
	return problems
}

// teamOf finds the team in <team>-<role>, "" in a role that is everybody's; it is not ok without a role.
func teamOf(name string) (team string, ok bool) {
	for _, r := range []Role{Pager, Escalation, Chat, Ticket, DeadMan} {
		if name == string(r) {
			return "", true
		}
		if team, found := strings.CutSuffix(name, "-"+string(r)); found && team != "" && r != DeadMan {
			return team, true
		}
	}
	return "", false
}

// teams are those with a receiver of their own, sorted.
func (b *base) teams() []string {
	found := map[string]bool{}
	for name := range b.roles {
		if team, ok := teamOf(name); ok && team != "" {
			found[team] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// receiver of a role for a team, else that of everybody; "" if neither is there.
func (b *base) receiver(team string, role Role) string {
	if own := b.roles[team+"-"+string(role)]; team != "" && own != "" {
		return own
	}
	common := b.roles[string(role)]
	if common == "" && role == Chat {
		return b.receiver(team, Pager)
	}
	return common
}

// complete adds to the user's own sections what o wants in them, unless they say it themselves.
func (b *base) complete(o Options) {
	if o.ResolveTimeout > 0 {
		global := b.section("global", yaml.MappingNode)
		if _, found := entry(global, "resolve_timeout"); !found {
			global.Content = append(global.Content, word("resolve_timeout"), word(text(o.ResolveTimeout)))
		}
	}
	templates := b.section("templates", yaml.SequenceNode)
	if !slices.ContainsFunc(templates.Content, func(n *yaml.Node) bool { return n.Value == TemplateName }) {
		templates.Content = append(templates.Content, word(TemplateName))
	}
}

// section is a value at the top, which is made if it is not there.
func (b *base) section(key string, kind yaml.Kind) *yaml.Node {
	found, ok := entry(b.root, key)
	if !ok {
		found = &yaml.Node{}
		b.root.Content = append(b.root.Content, word(key), found)
	}
	if found.Kind == yaml.AliasNode {
		found = found.Alias
	}
	if found.Kind != kind { // left empty
		*found = yaml.Node{Kind: kind}
	}
	return found
}

func entry(n *yaml.Node, key string) (*yaml.Node, bool) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1], true
		}
	}
	return nil, false
}

func word(s string) *yaml.Node {
	var n yaml.Node
	n.SetString(s)
	return &n
}
