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
