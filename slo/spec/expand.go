package spec

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/problem"
)

// Expand returns the OpenSLO v1 documents that the GoldenSignals documents of the files stand for,
// as YAML. Loading them gives the objectives that loading the GoldenSignals gives. Documents of
// other kinds are checked and left out. With an error among the problems there is no YAML.
func Expand(files []File, o Options) ([]byte, problem.List) {
	l := newLoader(o)
	l.expanding = true
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
			value = scalar(keysAndValues[i+1])
		}
		if (value.Kind == yaml.MappingNode && len(value.Content) == 0) || (value.Tag == "!!str" && value.Value == "") {
			continue
		}
		m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: keysAndValues[i].(string)}, value)
	}
	return m
}

// scalar is what encoding the value and reading it back gives. What is written plainly for certain is made
// by hand: an encoder for every value of 10,000 documents is most of what reading them costs.
func scalar(v any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode}
	switch v := v.(type) {
	case string:
		if v == "" || isPlainText(v) {
			n.Tag, n.Value = "!!str", v
			return n
		}
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(v)
		return n
	case float64:
		if n.Value = strconv.FormatFloat(v, 'g', -1, 64); len(n.Value) <= maxPlainNumber {
			digits := strings.Trim(n.Value, "-0123456789")
			if n.Tag = "!!int"; digits == "." {
				n.Tag = "!!float"
			}
			if digits == "" || digits == "." {
				return n
			}
		}
	}
	// Only texts, numbers and bools come here, which always encode.
	_ = n.Encode(v)
	return n
}

// maxPlainNumber is how many digits an integer has at most that surely fits 64 bits.
const maxPlainNumber = 18

// isPlainText reports whether YAML needs no quotes for the text, in a block, and reads it as a text: it
// begins with a letter, has nothing that could be a comment or a key, and is no word that means a value.
// A duration is one too, though it begins with a digit.
func isPlainText(s string) bool {
	if rest := strings.TrimLeft(s, "0123456789"); rest != s {
		return len(rest) == 1 && strings.Contains("smhdw", rest)
	}
	if first := s[0] | 0x20; first < 'a' || first > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' && c != ' ' || c > '~' || c == ':' || c == '#' {
			return false
		}
	}
	if s[len(s)-1] == ' ' {
		return false
	}
	switch strings.ToLower(s) {
	case "y", "yes", "n", "no", "on", "off", "true", "false", "null":
		return false
	}
	return true
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
