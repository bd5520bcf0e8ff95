// Package strictyaml reads everything that people write. It lays YAML over Go values by reflection
// and reports every problem at once, each with its file, line, column and path:
//
//	assayer.yaml:14:18: error: collectors.prometheus.scrape_configs[0].scrape_interval: got "5x", allowed: a duration such as 15s, 5m or 30d
//	assayer.yaml:20:3: error: global.scrape_intervall: unknown field, did you mean scrape_interval?, allowed: scrape_interval, scrape_timeout
//
// Fields that are absent keep the value they had, so decoding into a copy of the defaults is
// decoding over them. Struct tags are those of the yaml packages: name, "-" and ",inline".
//
// Types of the Prometheus libraries read themselves with UnmarshalYAML(func(any) error), the
// interface of yaml v2 that v3 still honours. This package gives them its own decoder as that
// function, so what is inside them is checked just as strictly and keeps its true line.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/problem"
)

const (
	maxDepth   = 64      // levels of nesting; an alias counts as what it stands for
	maxAliased = 100_000 // values in one file that aliases stand for
	maxShown   = 200     // bytes of a value that a message repeats
)

// Node is one value with the place where it stands. The zero Node is a value that is not there.
type Node struct {
	yaml *yaml.Node // never an alias or a document; nil: nothing is written here
	near *yaml.Node // the closest thing that is written, for its line
	in   *source
	path string
}

// source is what all values of one file share.
type source struct {
	file  string
	forms sync.Map // of structs read from it, [form] by [reflect.Type]
}

func (s *source) name() string {
	if s == nil {
		return ""
	}
	return s.file
}

// Parse splits data into its documents, leaving out empty ones. It refuses files of more than
// maxBytes and documents whose nesting or aliases have no end in sight. The documents before a
// syntax error are returned together with it.
func Parse(file string, data []byte, maxBytes int) ([]Node, problem.List) {
	if len(data) > maxBytes {
		return nil, problem.List{{File: file, Message: "file is too large", Got: strconv.Itoa(len(data)) + " bytes",
			Allowed: "at most " + strconv.Itoa(maxBytes) + " bytes"}}
	}
	var docs []Node
	in := &source{file: file}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	aliased := 0
	for {
		var doc yaml.Node
		err := decodeNext(dec, &doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return docs, problem.List{syntaxProblem(file, data, err)}
		}
		if len(doc.Content) == 0 || isNull(doc.Content[0]) {
			continue
		}
		root := doc.Content[0]
		if p, ok := withinLimits(root, 1, false, &aliased); !ok {
			p.File = file
			return docs, problem.List{p}
		}
		docs = append(docs, Node{yaml: resolve(root), near: root, in: in})
	}
}

// decodeNext turns a panic of the YAML library on hostile bytes into an error.
func decodeNext(dec *yaml.Decoder, into *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not YAML: %v", r)
		}
	}()
	return dec.Decode(into)
}

var (
	syntaxError   = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)
	parserError   = regexp.MustCompile(`^did not find expected (node content|key|'-'|',' or|<)`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntaxProblem finds the line: the library counts it from 0 in what its parser says, from 1 in
// what its scanner says, and leaves it out in the rest.
func syntaxProblem(file string, data []byte, err error) problem.Problem {
	p := problem.Problem{File: file, Message: "not valid YAML: " + err.Error()}
	m := syntaxError.FindStringSubmatch(err.Error())
	if m == nil {
		return p
	}
	p.Message = "not valid YAML: " + m[2]
	if line, err := strconv.Atoi(m[1]); err == nil {
		p.Line = line
	}
	switch anchor := unknownAnchor.FindStringSubmatch(m[2]); {
	case parserError.MatchString(m[2]):
		p.Line++
	case anchor != nil:
		p.Line = lineOf(data, bytes.Index(data, []byte("*"+anchor[1])))
	case strings.HasSuffix(m[2], "UTF-8 octet") || strings.HasPrefix(m[2], "control characters"):
		p.Line = lineOf(data, bytes.IndexFunc(data, notText))
	}
	return p
}

func notText(r rune) bool {
	return r == utf8.RuneError || (unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t')
}

func lineOf(data []byte, at int) int {
	if at < 0 {
		return 0
	}
	return 1 + bytes.Count(data[:at], []byte("\n"))
}

// withinLimits walks everything below n. Aliased counts the values reached through an alias; the
// rest are bounded by the size of the file.
func withinLimits(n *yaml.Node, depth int, inAlias bool, aliased *int) (problem.Problem, bool) {
	if depth > maxDepth {
		return problem.Problem{Line: n.Line, Column: n.Column, Message: "nested too deeply, or an alias contains itself",
			Allowed: "at most " + strconv.Itoa(maxDepth) + " levels"}, false
	}
	if n.Kind == yaml.AliasNode {
		return withinLimits(n.Alias, depth+1, true, aliased)
	}
	if inAlias {
		*aliased++
	}
	if *aliased > maxAliased {
		return problem.Problem{Line: n.Line, Column: n.Column, Message: "aliases stand for too many values",
			Allowed: "at most " + strconv.Itoa(maxAliased)}, false
	}
	for _, c := range n.Content {
		if p, ok := withinLimits(c, depth+1, inAlias, aliased); !ok {
			return p, false
		}
	}
	return problem.Problem{}, true
}

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// Exists reports whether anything but null is written here.
func (n Node) Exists() bool { return n.yaml != nil && !isNull(n.yaml) }

// IsList reports whether a list is written here.
func (n Node) IsList() bool { return n.yaml != nil && n.yaml.Kind == yaml.SequenceNode }

// IsMapping reports whether a mapping is written here.
func (n Node) IsMapping() bool { return n.yaml != nil && n.yaml.Kind == yaml.MappingNode }

// IsNumber reports whether a number without quotes is written here.
func (n Node) IsNumber() bool {
	return n.yaml != nil && n.yaml.Kind == yaml.ScalarNode && (n.yaml.ShortTag() == "!!int" || n.yaml.ShortTag() == "!!float")
}

// Text is the scalar written here, or "" when there is none.
func (n Node) Text() string {
	if n.yaml == nil || n.yaml.Kind != yaml.ScalarNode {
		return ""
	}
	return n.yaml.Value
}

// File is the name of the file n stands in.
func (n Node) File() string { return n.in.name() }

// Path is where n stands in its document: spec.objectives[0].target.
func (n Node) Path() string { return n.path }

// Line counts from 1; 0 means unknown.
func (n Node) Line() int {
	if n.near == nil {
		return 0
	}
	return n.near.Line
}

// Items returns the elements of a list, and nothing for any other value.
func (n Node) Items() []Node {
	if !n.IsList() {
		return nil
	}
	out := make([]Node, len(n.yaml.Content))
	for i := range out {
		out[i] = n.child(n.path+"["+strconv.Itoa(i)+"]", n.yaml.Content[i], n.yaml.Content[i])
	}
	return out
}

// Entry is one field of a mapping.
type Entry struct {
	Key   string
	Value Node
}

// Entries returns the fields of a mapping in their order, merge keys applied, the first of equal
// keys only, and nothing for any other value.
func (n Node) Entries() []Entry {
	var out []Entry
	for _, f := range fields(n.yaml) {
		out = append(out, Entry{f.key.Value, n.child(childPath(n.path, f.key.Value), f.value, f.key)})
	}
	return out
}

// Instead is a value that was built rather than read. Everything in it stands where n stands.
func (n Node) Instead(built *yaml.Node) Node {
	if n.near != nil {
		place(built, n.near)
	}
	return Node{yaml: built, near: n.near, in: n.in, path: n.path}
}

func place(n, at *yaml.Node) {
	n.Line, n.Column = at.Line, at.Column
	for _, c := range n.Content {
		place(c, at)
	}
}

// At follows a path such as spec.objectives[0].target. Where nothing is written the result does
// not exist, but still knows its path and the line of the nearest value around it.
func (n Node) At(path string) Node {
	for path != "" {
		var step string
		step, path = nextStep(path)
		if i, err := strconv.Atoi(strings.Trim(step, "[]")); err == nil && step[0] == '[' {
			items := n.Items()
			if i >= 0 && i < len(items) {
				n = items[i]
			} else {
				n = Node{near: n.near, in: n.in, path: n.path + step}
			}
			continue
		}
		n = n.Field(step)
	}
	return n
}

// nextStep cuts the first step off a path: a[0].b gives a and [0].b.
func nextStep(path string) (step, rest string) {
	path = strings.TrimPrefix(path, ".")
	if strings.HasPrefix(path, `["`) {
		if quoted, err := strconv.QuotedPrefix(path[1:]); err == nil {
			key, _ := strconv.Unquote(quoted) // QuotedPrefix has checked it
			return key, strings.TrimPrefix(path[1+len(quoted):], "]")
		}
	}
	if strings.HasPrefix(path, "[") {
		if end := strings.IndexByte(path, ']'); end > 0 {
			return path[:end+1], path[end+1:]
		}
		return path, ""
	}
	if end := strings.IndexAny(path, ".["); end >= 0 {
		return path[:end], path[end:]
	}
	return path, ""
}

// Field is the value of one key of a mapping, whatever is in the key; else it is as [Node.At].
func (n Node) Field(key string) Node {
	path := childPath(n.path, key)
	if f, ok := lookUp(n.yaml, key); ok {
		return n.child(path, f.value, f.key)
	}
	return Node{near: n.near, in: n.in, path: path}
}

// child is a value inside n. A value that is left empty stands where its key stands.
func (n Node) child(path string, value, key *yaml.Node) Node {
	near := value
	if isNull(value) && value.Value == "" {
		near = key
	}
	return Node{yaml: resolve(value), near: near, in: n.in, path: path}
}

// isPlain reports whether a path shows the key without quotes.
func isPlain(key string) bool {
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '/', c == '-':
		default:
			return false
		}
	}
	return key != ""
}

func childPath(path, key string) string {
	switch {
	case !isPlain(key):
		return path + "[" + strconv.Quote(cut(key)) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// Problem places p: its path, if any, is taken as relative to n. What p says of file, line and
// column is overwritten.
func (n Node) Problem(p problem.Problem) problem.Problem {
	at := n.At(p.Path)
	p.File, p.Path = at.in.name(), at.path
	if at.near != nil {
		p.Line, p.Column = at.near.Line, at.near.Column
	}
	return p
}

// Wrong says that what is written here is not what may be.
func (n Node) Wrong(allowed string) problem.Problem {
	if !n.Exists() {
		return n.Problem(problem.Problem{Message: problem.NoValue, Allowed: allowed})
	}
	return n.Problem(problem.Problem{Got: n.Shown(), Allowed: allowed})
}

// Shown is what is written here as a message may repeat it: never a secret, never a page of text.
func (n Node) Shown() string {
	switch {
	case !n.Exists():
		return "nothing"
	case n.IsList():
		return "a list"
	case n.IsMapping():
		return "a mapping"
	case secretPath.MatchString(n.path):
		return "***"
	}
	return cut(userInfo.ReplaceAllString(n.yaml.Value, "://***@"))
}

var (
	secretPath = regexp.MustCompile(`(?i)(auth|passw|secret|token|credential|header|key)`)
	userInfo   = regexp.MustCompile(`://[^/?#]*@`)
)

func cut(s string) string {
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + "..."
	}
	return s
}
