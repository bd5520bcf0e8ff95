package spec

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/parallel"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/rail"
)

// MaxFileBytes bounds one file of objectives, maxFiles how many of them are read.
const (
	MaxFileBytes = 1 << 20
	maxFiles     = 10_000
)

// File is one file of objectives.
type File struct {
	Name string // for messages
	Data []byte
}

// Options say how to read.
type Options struct {
	// Strict refuses what breaks the OpenSLO schema but can be understood; else it is a warning.
	Strict bool
	// ScrapeInterval is how often targets are looked at. A window has to hold four looks. 0 is 15 s.
	ScrapeInterval time.Duration
	// Now is when the warning of a built-in calendar is judged whose data end. Zero: there is none.
	Now time.Time
	// Rails are those that GoldenSignals documents may name. The zero Set is those built in.
	Rails rail.Set
	// Currency is the reporting currency, of value objectives whose document names none; empty: none.
	Currency string
}

// Set is everything the files hold, each kind in the order written.
type Set struct {
	Objectives []Objective
	Policies   []BudgetPolicy
	Calendars  []*calendar.Business
	Builtins   []string // names of the built-in calendars that the documents use, sorted
}

// Load reads the documents of all files. References are followed across all of them. When the problems
// hold an error the set is incomplete.
func Load(files []File, o Options) (Set, problem.List) {
	l := newLoader(o)
	l.load(files)
	return l.set, l.problems
}

// LoadGlobs is ReadGlobs and Load.
func LoadGlobs(patterns []string, baseDir string, o Options) (Set, problem.List) {
	files, problems := ReadGlobs(patterns, baseDir)
	set, more := Load(files, o)
	return set, append(problems, more...)
}

// Messages about patterns that name no file.
const (
	noFile    = "no such file"
	noFolders = "is a folder, whose files are not looked for"
)

// NamesNothing reports whether a problem is a warning about a pattern that names no file of objectives. Whoever deletes
// what has no objective any more takes it for an error.
func NamesNothing(p problem.Problem) bool {
	return p.Warning && (p.Message == noFile || p.Message == noFolders)
}

// ReadGlobs reads every file that one of the patterns names, once and in order of their names.
// Patterns are those of path/filepath.Match, relative to baseDir unless absolute.
func ReadGlobs(patterns []string, baseDir string) ([]File, problem.List) {
	var problems problem.List
	var names []string
	for _, pattern := range patterns {
		full := pattern
		if !filepath.IsAbs(pattern) {
			full = filepath.Join(baseDir, pattern)
		}
		found, err := filepath.Glob(full)
		if _, named := os.Lstat(full); named == nil {
			found, err = []string{full}, nil // a file may be called a[1].yaml
		}
		switch {
		case err != nil:
			problems = append(problems, problem.Problem{File: full, Message: "not a pattern", Got: pattern, Allowed: "a path with *, ? and [a-z]"})
		case len(found) == 0:
			problems = append(problems, problem.Problem{File: full, Message: noFile, Warning: strings.ContainsAny(pattern, "*?[")})
		}
		names = append(names, found...)
		if len(found) > 0 && !slices.ContainsFunc(found, isNoFolder) {
			problems = append(problems, problem.Problem{File: full, Message: noFolders, Got: pattern,
				Allowed: "a pattern of files such as " + filepath.Join(pattern, "*.yaml"), Warning: true})
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > maxFiles {
		return nil, append(problems, problem.Problem{File: baseDir, Message: "too many files of objectives", Got: fmt.Sprint(len(names)), Allowed: fmt.Sprint("at most ", maxFiles)})
	}
	var files []File
	for _, name := range names {
		data, skip, err := readFile(name)
		if err != nil {
			problems = append(problems, problem.Problem{File: name, Message: err.Error()})
		} else if !skip {
			files = append(files, File{name, data})
		}
	}
	return files, problems
}

func isNoFolder(name string) bool {
	info, err := os.Stat(name)
	return err != nil || !info.IsDir()
}

// readFile reads one byte more than is allowed, so that Load can tell. Folders are skipped.
func readFile(name string) (data []byte, skip bool, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, false, fmt.Errorf("reading objectives: %w", err)
	}
	if info.IsDir() {
		return nil, true, nil
	}
	if !info.Mode().IsRegular() {
		return nil, false, fmt.Errorf("reading objectives: not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, false, fmt.Errorf("reading objectives: %w", err)
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, false, fmt.Errorf("reading objectives: %w", err)
	}
	return data, false, nil
}

// builtSLO is one SLO document that a GoldenSignals document stands for.
type builtSLO struct {
	node  strictyaml.Node
	built *yaml.Node
}

// named is the place of an objective's name, of one with errors too.
type named struct {
	name, file string
	line       int
}

type loader struct {
	opts      Options
	promql    parser.Parser
	selectors map[string][]*labels.Matcher // of selectors read already, which say the same wherever they stand
	problems  problem.List
	later     []strictyaml.Node // documents that refer to others
	built     []builtSLO
	expanding bool // built is wanted
	slis      map[string]*sli
	sources   map[string]string             // type of a data source by its name
	calendars map[string]*calendar.Business // those with mistakes too
	builtins  map[string]func() builtinCalendar
	// builtinsUsed are where built-in calendars are named first.
	builtinsUsed map[string]strictyaml.Node
	rails        rail.Set
	policies     map[string]named
	set          Set
	names        []named
	// What names objectives is checked when all of them are known.
	composites map[string]bool
	references []reference
}

func newLoader(o Options) *loader {
	if o.ScrapeInterval <= 0 {
		o.ScrapeInterval = 15 * time.Second
	}
	return &loader{opts: o, promql: parser.NewParser(parser.Options{}), selectors: map[string][]*labels.Matcher{}, slis: map[string]*sli{}, sources: map[string]string{},
		calendars: map[string]*calendar.Business{}, builtins: builtinCalendars(), builtinsUsed: map[string]strictyaml.Node{}, policies: map[string]named{}, composites: map[string]bool{}}
}

func (l *loader) load(files []File) {
	parsed := make([]parsedFile, len(files))
	parallel.Do(len(files), func(i int) { parsed[i] = parseFile(files[i]) })
	for _, f := range parsed {
		l.file(f)
	}
	golden := l.goldenDocuments()
	for i, n := range l.later {
		l.later[i] = strictyaml.Node{} // what was read of it is all that is kept
		switch n.At("kind").Text() {
		case kindSLO:
			l.slo(n)
		case kindGoldenSignals:
			l.take(golden[0])
			golden = golden[1:]
		case kindCompositeSLO:
			l.compositeSLO(n)
		case kindBudgetPolicy:
			l.budgetPolicy(n)
		}
	}
	l.unique()
	l.resolve()
	l.set.Builtins = slices.Sorted(maps.Keys(l.builtinsUsed))
	l.warnOfBuiltins()
	l.problems.Sort()
	told := map[problem.Problem]bool{} // two objectives may find the same of the indicator they share
	l.problems = slices.DeleteFunc(l.problems, func(p problem.Problem) bool {
		again := told[p]
		told[p] = true
		return again
	})
}

// goldenDocuments reads all documents of the short form, which refer to nothing but calendars and are most
// of a large configuration, side by side.
func (l *loader) goldenDocuments() []*loader {
	var docs []strictyaml.Node
	for _, n := range l.later {
		if n.At("kind").Text() == kindGoldenSignals {
			docs = append(docs, n)
		}
	}
	if slices.ContainsFunc(docs, func(n strictyaml.Node) bool { return n.At("spec.rail").Exists() }) {
		l.needRails()
	}
	found := make([]*loader, len(docs))
	parallel.Do((len(docs)+perWorker-1)/perWorker, func(part int) {
		selectors := map[string][]*labels.Matcher{}
		for i := part * perWorker; i < min((part+1)*perWorker, len(docs)); i++ {
			one := &loader{opts: l.opts, promql: l.promql, selectors: selectors, expanding: l.expanding, sources: l.sources, calendars: l.calendars,
				builtins: l.builtins, builtinsUsed: map[string]strictyaml.Node{}, rails: l.rails}
			one.golden(docs[i])
			found[i] = one
		}
	})
	return found
}

// perWorker is how many documents are read by one worker at a time.
const perWorker = 50

// take adds what was read of one document.
func (l *loader) take(one *loader) {
	l.problems = append(l.problems, one.problems...)
	l.built = append(l.built, one.built...)
	l.names = append(l.names, one.names...)
	l.set.Objectives = append(l.set.Objectives, one.set.Objectives...)
	for name, n := range one.builtinsUsed {
		if _, before := l.builtinsUsed[name]; !before {
			l.builtinsUsed[name] = n
		}
	}
}

// readBuilt reads a document that stands in no file. The short form was warned of already, in its
// own words, and what the schema says of this one is not its author's concern.
func (l *loader) readBuilt(n strictyaml.Node) {
	strict, known := l.opts.Strict, len(l.problems)
	l.opts.Strict = false
	l.slo(n)
	l.opts.Strict = strict
	l.problems = append(l.problems[:known], slices.DeleteFunc(l.problems[known:], func(p problem.Problem) bool { return p.Warning })...)
}

// decode reads a document into its form and then its values with read, whatever was wrong with the
// form: all mistakes are to be told, and each of them once. It reports whether there was none.
func (l *loader) decode(n strictyaml.Node, into any, read func()) bool {
	earlier, form := l.problems, n.Decode(into)
	l.problems = nil
	read()
	found := form.Merge(l.problems)
	l.problems = append(earlier, found...)
	return found.Err() == nil
}

// claim notes a name that has to be unique.
func (l *loader) claim(name string, n strictyaml.Node) {
	if name != "" {
		l.names = append(l.names, named{name, n.File(), n.At("metadata.name").Line()})
	}
}

func (l *loader) add(p problem.Problem) { l.problems = append(l.problems, p) }

// lenient reports what breaks the schema and can be understood all the same.
func (l *loader) lenient(p problem.Problem) {
	p.Warning = !l.opts.Strict
	l.add(p)
}

func (l *loader) warn(p problem.Problem) {
	p.Warning = true
	l.add(p)
}

// unique refuses objectives of one name, naming both places.
func (l *loader) unique() {
	first := map[string]named{}
	for _, o := range l.names {
		if f, again := first[o.name]; again {
			l.add(problem.Problem{File: o.file, Line: o.line, Path: "metadata.name", Got: o.name,
				Message: fmt.Sprintf("an objective of this name is already at %s:%d", f.file, f.line)})
			continue
		}
		first[o.name] = o
	}
}
