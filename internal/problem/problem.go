// Package problem holds what is wrong with something a person wrote: where it stands, what stands
// there and what may stand there. Reading a file yields a list of problems, never just the first.
//
//	assayer.yaml:14:18: error: collectors.prometheus.scrape_configs[0].scrape_interval: got "5x", allowed: a duration such as 15s or 1m
package problem

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong in one place. Line and Column count from 1; 0 means unknown.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path"`              // spec.objectives[0].target
	Message string `json:"message,omitempty"` // what is wrong, when got and allowed do not say it
	Got     string `json:"got,omitempty"`     // the value as written
	Allowed string `json:"allowed,omitempty"` // what may stand there
	Warning bool   `json:"warning"`           // true: worth telling, not a reason to refuse
}

// NoValue is the message about a field that has to be written and is not.
const NoValue = "has no value"

// String gives the one-line form shown above.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	if p.Warning {
		b.WriteString(": warning")
	} else {
		b.WriteString(": error")
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	var parts []string
	if p.Message != "" {
		parts = append(parts, p.Message)
	}
	if p.Got != "" {
		parts = append(parts, fmt.Sprintf("got %q", p.Got))
	}
	if p.Allowed != "" {
		parts = append(parts, "allowed: "+p.Allowed)
	}
	b.WriteString(": " + strings.Join(parts, ", "))
	return b.String()
}

// List is every problem found. A List with at least one error is itself an error.
type List []Problem

// Errors reports how many problems are reasons to refuse.
func (l List) Errors() int {
	n := 0
	for _, p := range l {
		if !p.Warning {
			n++
		}
	}
	return n
}

// Err returns l as an error when it holds at least one reason to refuse, else nil.
func (l List) Err() error {
	if l.Errors() == 0 {
		return nil
	}
	return l
}

// Error lists every problem, one a line.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, p := range l {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Sort orders by file, line, column and path, so that output is stable.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
}

// Merge appends what a later look at the same files found, save what only follows from an error that
// l holds: a later problem is left out when it stands at the path of such an error, below a value
// that could not be read, when it is about the very same written value, when it misses a field
// whose name is misspelt, or when it judges a field as a whole in which that error stands.
func (l List) Merge(later List) List {
	all := slices.Clip(l)
	for _, p := range later {
		if !slices.ContainsFunc(l, p.follows) {
			all = append(all, p)
		}
	}
	return all
}

// follows reports whether p says nothing that the earlier error e does not.
func (p Problem) follows(e Problem) bool {
	if e.Warning || p.File != e.File {
		return false
	}
	// Libraries judge a whole section in words that begin with the field: "oauth2 client_id must be set".
	field, _, _ := strings.Cut(p.Message, " ")
	judged := strings.TrimPrefix(p.Path+"."+field, ".")
	unread := e.Got != "" || e.Message == NoValue
	parent, meant := e.misspelt()
	switch {
	case p.Path == e.Path, unread && below(p.Path, e.Path):
		return true
	case p.Got == "" && p.Allowed == "" && below(e.Path, judged):
		return true
	case p.Got != "" && p.Got == e.Got && p.Line > 0 && p.Column > 0 && p.Line == e.Line && p.Column == e.Column:
		return true
	}
	return meant != "" && (p.Path == meant || below(p.Path, meant) || (p.Path == parent && p.Allowed != ""))
}

// misspelt returns the path of the mapping and of the field in it that an unknown field stands for.
func (p Problem) misspelt() (parent, meant string) {
	_, hint, ok := strings.Cut(p.Message, "unknown field, did you mean ")
	if !ok {
		return "", ""
	}
	end := strings.LastIndexByte(p.Path, '.')
	if strings.HasSuffix(p.Path, `"]`) {
		end = strings.LastIndex(p.Path, `["`)
	}
	parent, meant = p.Path[:max(end, 0)], strings.TrimSuffix(hint, "?")
	return parent, strings.TrimPrefix(parent+"."+meant, ".")
}

// HasAt reports whether an error stands at path in file, or below it.
func (l List) HasAt(file, path string) bool {
	return slices.ContainsFunc(l, func(p Problem) bool {
		return !p.Warning && p.File == file && (p.Path == path || below(p.Path, path))
	})
}

// below reports whether path is inside of; everything is inside the empty path.
func below(path, of string) bool {
	rest, ok := strings.CutPrefix(path, of)
	return ok && rest != "" && (of == "" || rest[0] == '.' || rest[0] == '[')
}
