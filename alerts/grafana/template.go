package grafana

import (
	"fmt"
	"text/template/parse"
)

// translate turns a template of Prometheus into one of Grafana: labels and the value have other names there, and there
// is no query, so that what depends on one is left out. It spells them without naming variables, which provisioning
// files would take for those of the environment.
func translate(text string) (string, error) {
	const declared = "{{ $labels := .Labels }}{{ $value := .Value }}"
	tree := parse.New("annotation")
	tree.Mode = parse.SkipFuncCheck | parse.ParseComments
	parsed, err := tree.Parse(declared+text, "{{", "}}", map[string]*parse.Tree{})
	if err != nil {
		return "", fmt.Errorf("reading the template: %w", err)
	}
	if parsed.Root == nil || len(parsed.Root.Nodes) < 2 {
		return text, nil
	}
	parsed.Root.Nodes = parsed.Root.Nodes[2:]
	inList(parsed.Root)
	return parsed.Root.String(), nil
}

// inList translates the nodes of a list, and takes out those that ask.
func inList(l *parse.ListNode) {
	if l == nil {
		return
	}
	var kept []parse.Node
	for _, n := range l.Nodes {
		var branch *parse.BranchNode
		switch n := n.(type) {
		case *parse.ActionNode:
			if asks(n.Pipe) {
				continue
			}
			inPipe(n.Pipe)
		case *parse.WithNode:
			branch = &n.BranchNode
		case *parse.IfNode:
			branch = &n.BranchNode
		case *parse.RangeNode:
			branch = &n.BranchNode
		}
		if branch != nil {
			inList(branch.ElseList)
			if asks(branch.Pipe) {
				if branch.ElseList != nil {
					kept = append(kept, branch.ElseList.Nodes...)
				}
				continue
			}
			inPipe(branch.Pipe)
			inList(branch.List)
		}
		kept = append(kept, n)
	}
	l.Nodes = kept
}

// asks reports whether the pipeline has a query in it.
func asks(p *parse.PipeNode) bool {
	found := false
	inArguments(p, func(n parse.Node) {
		id, ok := n.(*parse.IdentifierNode)
		found = found || ok && id.Ident == "query"
	})
	return found
}

func inPipe(p *parse.PipeNode) {
	inArguments(p, func(n parse.Node) {
		v, ok := n.(*parse.VariableNode)
		if !ok {
			return
		}
		switch v.Ident[0] {
		case "$labels":
			v.Ident = append([]string{"$", "Labels"}, v.Ident[1:]...)
		case "$value":
			v.Ident = []string{"$", "Values", "A", "Value"}
		}
	})
}

// inArguments visits what the commands of a pipeline are made of.
func inArguments(p *parse.PipeNode, visit func(parse.Node)) {
	for _, c := range p.Cmds {
		for _, a := range c.Args {
			visit(a)
			switch a := a.(type) {
			case *parse.PipeNode:
				inArguments(a, visit)
			case *parse.ChainNode:
				if inner, ok := a.Node.(*parse.PipeNode); ok {
					inArguments(inner, visit)
				} else {
					visit(a.Node)
				}
			}
		}
	}
}
