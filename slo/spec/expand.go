package spec

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/problem"
)

// Expand returns the OpenSLO v1 documents that the GoldenSignals documents of the files stand for,
// as YAML. Loading them gives the objectives that loading the GoldenSignals gives. Documents of
// other kinds are checked and left out. With an error among the problems there is no YAML.
func Expand(files []File, o Options) ([]byte, problem.List) {
	l := newLoader(o)
	l.load(files)
	if l.problems.Err() != nil {
		return nil, l.problems
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	for _, s := range l.built {
		if err := enc.Encode(s.built); err != nil {
			l.add(problem.Problem{Message: fmt.Sprintf("writing YAML: %v", err)})
			return nil, l.problems
		}
	}
	return out.Bytes(), l.problems
}

// mapping builds a YAML mapping from keys and values in their order. Empty texts and mappings are
// left out.
func mapping(keysAndValues ...any) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		value, ok := keysAndValues[i+1].(*yaml.Node)
		if !ok {
			value = &yaml.Node{}
			// Only texts, numbers and bools come here, which always encode.
			_ = value.Encode(keysAndValues[i+1])
		}
		if (value.Kind == yaml.MappingNode && len(value.Content) == 0) || (value.Tag == "!!str" && value.Value == "") {
			continue
		}
		m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: keysAndValues[i].(string)}, value)
	}
	return m
}

func list(items ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: items}
}

func textsOf(m map[string]string) *yaml.Node {
	var pairs []any
	for _, k := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, k, m[k])
	}
	return mapping(pairs...)
}

// metricOf is a metric whose source's spec has the given fields.
func metricOf(spec ...any) *yaml.Node {
	return mapping("metricSource", mapping("type", "Prometheus", "spec", mapping(spec...)))
}
