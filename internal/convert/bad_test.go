package convert_test

import (
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/convert"
	"github.com/assayer-io/assayer/slo/spec"
)

// Files that cannot be read are told of with their place, and nothing is made of them.
func TestBadFiles(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no YAML":         {"a: [", "in.yaml:2: error: not valid YAML"},
		"bytes":           {"a: \x00\xff", "in.yaml:1: error: not valid YAML"},
		"too large":       {"version: prometheus/v1 # " + strings.Repeat("x", 10<<20), "in.yaml: error: file is too large, got \"10485785 bytes\", allowed: at most 1048576 bytes"},
		"deep":            {strings.Repeat("[", 100) + strings.Repeat("]", 100), "nested too deeply"},
		"itself":          {"version: prometheus/v1\nslos: &a [*a]", "in.yaml:2"},
		"many aliases":    {"a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]", "aliases stand for too many values"},
		"unknown version": {"apiVersion: openslo/v9\nkind: SLO", `in.yaml:1:13: error: apiVersion: is no document that can be converted, got "openslo/v9 SLO", allowed: version prometheus/v1`},
		"no version":      {"kind: SLO", `is no document that can be converted, got "a mapping"`},
		"empty":           {"", "in.yaml: error: holds no document"},
		"comments alone":  {"# nothing\n---\n", "in.yaml: error: holds no document"},
		"a long list":     {"[" + strings.Repeat("1,", 20_000) + "]", `in.yaml:1:1: error: too many documents in a list, got "20000", allowed: at most 10000`},
		"a text":          {"hello", `got "hello"`},
	} {
		r := convert.Convert([]spec.File{{Name: "in.yaml", Data: []byte(c.text)}}, formats(), convert.Options{})
		if len(r.Outputs) > 0 || r.Problems.Err() == nil || !strings.Contains(r.Problems.Error(), c.want) {
			t.Errorf("%s: told %v, want %q; made %d files", name, r.Problems, c.want, len(r.Outputs))
		}
	}
}

// A file whose name or texts hold line breaks cannot break out of the comment.
func TestComments(t *testing.T) {
	text := "version: prometheus/v1\nservice: \"a\\nb\"\nslos:\n  - name: c\n    objective: 99\n    sli: {raw: {error_ratio_query: r}}\n    alerting: {name: \"x\\nkind: SLO\"}\n"
	r := convert.Convert([]spec.File{{Name: "a\nkind: evil.yaml", Data: []byte(text)}}, formats(), convert.Options{})
	if found := load(t, r); len(found) != 1 {
		t.Fatalf("made %v, %v", found, told(r))
	}
	for line := range strings.Lines(string(r.Outputs[0].Data)) {
		if strings.HasPrefix(line, "kind: ") && line != "kind: SLO\n" || strings.HasPrefix(line, "kind: evil") {
			t.Errorf("a comment was left:\n%s", r.Outputs[0].Data)
		}
	}
}

// Anchors and merge keys are YAML's own, and mean what they mean.
func TestAnchors(t *testing.T) {
	r := convert.Convert([]spec.File{{Name: "in.yaml", Data: []byte(`version: prometheus/v1
service: a
slos:
  - &first {name: b, objective: 99, sli: {raw: {error_ratio_query: r}}}
  - {<<: *first, name: c}
`)}}, formats(), convert.Options{})
	if found := load(t, r); len(found) != 2 || found[1].Name != "a-c" || found[1].Target != 0.99 {
		t.Errorf("made %v, %v", found, told(r))
	}
}
