// Package convert turns the objectives of other tools into OpenSLO v1 documents that slo/spec reads, without a loss
// or with a named one. It is the contract of the variants, one folder for each tool; [Run] does what they share:
// it calls them, gives names, checks that what was made loads, and puts it into files.
//
//	examples/getting-started.yml:8:5: warning: slos[0].alerting: alert-name: alerts are called ErrorBudgetBurn here, got "MyServiceHighErrorRate"
//
// Queries of the shape sum(rate(x[window])) become the selector x, whose increase over every window the engine takes
// itself. They are read by Prometheus' own parser; what it cannot be brought to a selector needs polling, and is refused.
package convert

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/spec"
)

// DefaultWindow is that of documents which name none. It is sloth's own default.
const DefaultWindow = "30d"

// Format is what one tool writes.
type Format struct {
	Name string // sloth
	// Reads reports whether a document is of this format.
	Reads func(n strictyaml.Node) bool
	// Allowed names the documents it reads, for messages.
	Allowed string
	// Convert makes [Item]s of all documents of the format. They may refer to each other.
	Convert func(docs []strictyaml.Node, r *Run)
}

// Options say how to convert.
type Options struct {
	Window string // of documents that name none; empty: DefaultWindow
}

// Output is what one source document has become.
type Output struct {
	File string // base name to write it to, unique in the result
	Data []byte
}

// Made is one objective that was converted.
type Made struct {
	Name   string `json:"name"`
	Was    string `json:"was"`    // what the other tool calls it
	Format string `json:"format"` // sloth
	File   string `json:"file"`   // it was read from
	Line   int    `json:"line"`
	Output string `json:"output"` // base name of the file it is in
}

// Result is all that came of a run.
type Result struct {
	Outputs    []Output
	Objectives []Made
	Notices    []Notice
	Refused    int          // documents that could not be converted, each objective of a document that holds several
	Problems   problem.List // what could not be read at all
}

// Converted is how many documents were made.
func (r *Result) Converted() int { return len(r.Outputs) }

// Run is one conversion of a set of files.
type Run struct {
	opts   Options
	format string
	items  []*Item
	names  map[string]string // of kind and name: what has it
}

// Convert converts all documents of the files that one of the formats reads. It refuses others.
func Convert(files []spec.File, formats []Format, o Options) Result {
	o.Window = cmp.Or(o.Window, DefaultWindow)
	r := &Run{opts: o, names: map[string]string{}}
	var result Result
	docs := make([][]strictyaml.Node, len(formats))
	outputs := newFileNames()
	for _, f := range files {
		found, problems := strictyaml.Parse(f.Name, f.Data, spec.MaxFileBytes)
		result.Problems = append(result.Problems, problems...)
		if len(found) == 0 && len(problems) == 0 {
			result.Problems = append(result.Problems, problem.Problem{File: f.Name, Message: "holds no document"})
		}
		for i, root := range found {
			outputs.add(root, i, len(found))
			list := flatten(root)
			if len(list) > maxDocuments {
				result.Problems = append(result.Problems, root.Problem(problem.Problem{Message: "too many documents in a list", Got: strconv.Itoa(len(list)), Allowed: fmt.Sprint("at most ", maxDocuments)}))
				continue
			}
			for _, doc := range list {
				at := slices.IndexFunc(formats, func(f Format) bool { return f.Reads(doc) })
				if at < 0 {
					result.Problems = append(result.Problems, unknown(doc, formats))
					continue
				}
				docs[at] = append(docs[at], doc)
			}
		}
	}
	for i, f := range formats {
		r.format = f.Name
		f.Convert(docs[i], r)
	}
	result.Problems = append(result.Problems, r.check()...)
	r.collect(&result, outputs)
	return result
}

// maxDocuments bounds how many documents a list holds.
const maxDocuments = 10_000

// flatten returns the documents that one of YAML holds: itself, or what is in a list, be it Kubernetes' own.
func flatten(root strictyaml.Node) []strictyaml.Node {
	switch {
	case root.IsList():
		return root.Items()
	case strings.HasSuffix(root.At("kind").Text(), "List") && root.At("items").IsList():
		return root.At("items").Items()
	}
	return []strictyaml.Node{root}
}

// unknown says what a document is that no format reads.
func unknown(doc strictyaml.Node, formats []Format) problem.Problem {
	var allowed []string
	for _, f := range formats {
		allowed = append(allowed, f.Allowed)
	}
	p := problem.Problem{Message: "is no document that can be converted", Allowed: strings.Join(allowed, "; ")}
	for _, key := range []string{"apiVersion", "version"} {
		if at := doc.At(key); at.Text() != "" {
			p.Path, p.Got = key, strings.TrimSpace(at.Shown()+" "+doc.At("kind").Text())
			break
		}
	}
	if p.Got == "" {
		p.Got = doc.Shown()
	}
	return doc.Problem(p)
}

// check loads all that was made, and refuses what does not load until everything does: without one document another,
// which refers to it, may not load either. What it returns is nobody's in particular.
func (r *Run) check() problem.List {
	for {
		byFile, problems := r.load()
		var refused bool
		for _, p := range problems {
			if it := byFile[p.File]; !p.Warning && it != nil && !it.Refused() {
				it.Refuse(InvalidValue, it.At, "", problem.Problem{Message: "would not load: " + strings.TrimPrefix(p.Path+": "+p.Message, ": "), Got: p.Got, Allowed: p.Allowed})
				refused = true
			}
		}
		if !refused {
			return slices.DeleteFunc(problems, func(p problem.Problem) bool { return p.Warning })
		}
	}
}

// load reads what was made as the agent does, each document as a file of its own. When all of it loads, items know their
// objectives.
func (r *Run) load() (byFile map[string]*Item, problems problem.List) {
	var files []spec.File
	byFile = map[string]*Item{}
	for i, it := range r.items {
		if it.Refused() || it.doc == nil {
			continue
		}
		data, err := encode(*it.doc, nil)
		if err != nil {
			it.Refuse(InvalidValue, it.At, "", problem.Problem{Message: err.Error()})
			continue
		}
		name := strconv.Itoa(i)
		byFile[name] = it
		files = append(files, spec.File{Name: name, Data: data})
	}
	set, problems := spec.Load(files, spec.Options{})
	if problems.Err() == nil {
		for _, o := range set.Objectives {
			it := byFile[o.File]
			it.objectives = append(it.objectives, o.Name)
		}
	}
	return byFile, problems
}

// collect puts the documents made into one file for each source document, in the order read.
func (r *Run) collect(result *Result, outputs *fileNames) {
	for _, it := range r.items {
		it.output = outputs.index(it.source)
	}
	slices.SortStableFunc(r.items, func(a, b *Item) int {
		return cmp.Or(cmp.Compare(a.output, b.output), cmp.Compare(a.At.Line(), b.At.Line()))
	})
	for _, it := range r.items {
		if it.Refused() { // what else would be lost of it is nobody's concern
			result.Refused++
			it.notices = slices.DeleteFunc(it.notices, func(n Notice) bool { return !n.Refused })
		}
		slices.SortStableFunc(it.notices, func(a, b Notice) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
		})
		result.Notices = append(result.Notices, it.notices...)
		if it.Refused() || it.doc == nil {
			continue
		}
		name := outputs.names[it.output]
		data, err := encode(*it.doc, it.comments())
		if err != nil {
			continue // check has written it before
		}
		if n := len(result.Outputs); n > 0 && result.Outputs[n-1].File == name {
			last := &result.Outputs[n-1]
			last.Data = append(append(last.Data, "---\n"...), data...)
		} else {
			result.Outputs = append(result.Outputs, Output{name, data})
		}
		for _, o := range it.objectives {
			result.Objectives = append(result.Objectives, Made{o, it.Was, it.format, it.At.File(), it.At.Line(), name})
		}
	}
}

// fileNames says where the documents of each source document are written to.
type fileNames struct {
	roots []strictyaml.Node
	names []string
	taken map[string]bool
}

func newFileNames() *fileNames { return &fileNames{taken: map[string]bool{}} }

// add names the file of one of several documents of a source file.
func (f *fileNames) add(root strictyaml.Node, i, of int) {
	base := filepath.Base(root.File())
	base = strings.TrimSuffix(base, filepath.Ext(base))
	if base = spec.DNSLabel(base); base == "" {
		base = "objectives"
	}
	if of > 1 {
		base = fmt.Sprintf("%s-%d", base, i+1)
	}
	name := base
	for n := 2; f.taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	f.taken[name] = true
	f.roots, f.names = append(f.roots, root), append(f.names, name+".yaml")
}

// index finds the source document in which n stands: the last of its file that begins no later.
func (f *fileNames) index(n strictyaml.Node) int {
	found := 0
	for i, root := range f.roots {
		if root.File() == n.File() && root.Line() <= n.Line() {
			found = i
		}
	}
	return found
}
