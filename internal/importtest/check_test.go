package importtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// sourceFile is one parsed Go file.
type sourceFile struct {
	name    string // slash-separated, from the root of the tree
	pkg     string // its folder
	test    bool
	syntax  *ast.File
	imports map[string]string // local name to import path
}

// tree is a module's folders and Go files.
type tree struct {
	fsys  fs.FS
	fset  *token.FileSet
	files []*sourceFile
}

// load parses every Go file of fsys that the go tool would see, whatever its build tags say.
func load(fsys fs.FS) (*tree, error) {
	t := &tree{fsys: fsys, fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			hidden := name != "." && (base[0] == '.' || base[0] == '_')
			if hidden || base == "testdata" || base == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		return t.parse(name)
	})
	return t, err
}

func (t *tree) parse(name string) error {
	src, err := fs.ReadFile(t.fsys, name)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	f := &sourceFile{
		name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		syntax: syntax, imports: map[string]string{},
	}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		local := path.Base(imported)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		f.imports[local] = imported
	}
	t.files = append(t.files, f)
	return nil
}

// breaches applies every rule and returns one line for each breach, sorted.
func (t *tree) breaches() []string {
	var found []string
	for _, f := range t.files {
		at := func(node ast.Node, format string, args ...any) {
			line := t.fset.Position(node.Pos()).Line
			found = append(found, fmt.Sprintf("%s:%d: %s", f.name, line, fmt.Sprintf(format, args...)))
		}
		for _, rule := range []func(*sourceFile, report){imports, purity, inits, contexts, testHabits} {
			rule(f, at)
		}
	}
	found = append(found, t.undocumented()...)
	found = append(found, t.incompleteVariants()...)
	slices.Sort(found)
	return found
}

type report func(node ast.Node, format string, args ...any)

// imports holds production code to the table, and keeps heavy modules where they belong.
func imports(f *sourceFile, at report) {
	allowed, known := row(f.pkg)
	if f.test {
		return
	}
	if !known {
		at(f.syntax.Name, "package %s has no row in internal/importtest/rules_test.go", f.pkg)
		return
	}
	for _, spec := range f.syntax.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value) // parse has unquoted it before
		if ours, ok := strings.CutPrefix(imported, module+"/"); ok && !mayUse(f.pkg, allowed, ours) {
			at(spec, "%s must not import %s", f.pkg, ours)
		}
		for prefix, owner := range onlyIn {
			if within(imported, prefix) && f.pkg != owner {
				at(spec, "only %s may import %s", owner, imported)
			}
		}
		for _, heavy := range tooHeavy {
			if within(imported, heavy) && !within(f.pkg, "internal/testkit") && !(within(f.pkg, readsTSDB) && slices.Contains(light, imported)) {
				at(spec, "production code must not import %s", imported)
			}
		}
	}
}

// mayUse reports whether pkg, whose row is allowed, may import the package ours of the module.
func mayUse(pkg string, allowed []string, ours string) bool {
	if within(ours, "internal/testkit") && !within(pkg, "internal/testkit") {
		return false
	}
	if slices.Contains(allowed, everything) {
		return true
	}
	shared := slices.Contains(leaves, ours) && !slices.Contains(leaves, pkg)
	return shared || slices.Contains(allowed, ours)
}

// row finds the table's row for pkg.
func row(pkg string) ([]string, bool) {
	if allowed, known := mayImport[pkg]; known {
		return allowed, true
	}
	for pattern, allowed := range mayImport {
		if ok, _ := path.Match(pattern, pkg); ok { // the patterns are constants and well formed
			return allowed, true
		}
	}
	return nil, false
}

func within(name, prefix string) bool {
	return name == prefix || strings.HasPrefix(name, prefix+"/")
}

// purity keeps clock, files and network out of the packages that must replay exactly.
func purity(f *sourceFile, at report) {
	isPure := slices.ContainsFunc(pure, func(p string) bool { ok, _ := path.Match(p, f.pkg); return ok })
	if f.test || !isPure {
		return
	}
	mayRead := slices.Contains(readsFiles, f.name)
	for _, spec := range f.syntax.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		file := imported == "os" || imported == "io/ioutil"
		outside := within(imported, "net") || within(imported, "os") || within(imported, "log") || imported == "syscall" || imported == "math/rand"
		if (file && !mayRead) || (outside && !file) {
			at(spec, "%s is pure and must not import %s", f.pkg, imported)
		}
	}
	for _, use := range uses(f, "time") {
		if slices.Contains(clockAndTimers, use.Sel.Name) {
			at(use, "%s is pure and must not use time.%s", f.pkg, use.Sel.Name)
		}
	}
}

// inits refuses init functions: what happens at start is written where it happens.
func inits(f *sourceFile, at report) {
	for _, decl := range f.syntax.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			at(fn, "no init functions")
		}
	}
}

// contexts keeps the roots of contexts in main and tests, so that everything else can be stopped.
func contexts(f *sourceFile, at report) {
	if f.test || within(f.pkg, "cmd") || within(f.pkg, "internal/testkit") {
		return
	}
	for _, use := range uses(f, "context") {
		if use.Sel.Name == "Background" || use.Sel.Name == "TODO" {
			at(use, "context.%s only in cmd and tests", use.Sel.Name)
		}
	}
}

// testHabits refuses what makes tests slow, flaky or silently absent.
func testHabits(f *sourceFile, at report) {
	if !f.test && !within(f.pkg, "internal/testkit") {
		return
	}
	for _, use := range uses(f, "time") {
		if use.Sel.Name == "Sleep" {
			at(use, "no time.Sleep in tests")
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		receiver, ok := sel.X.(*ast.Ident)
		isTest := ok && slices.Contains([]string{"t", "b", "f", "tb"}, receiver.Name)
		if isTest && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
			at(sel, "no skipped tests")
		}
		return true
	})
}

// uses lists every mention of a name of the imported package, called or not.
func uses(f *sourceFile, imported string) []*ast.SelectorExpr {
	var found []*ast.SelectorExpr
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && f.imports[x.Name] == imported {
				found = append(found, sel)
			}
		}
		return true
	})
	return found
}

// undocumented lists packages without a doc comment.
func (t *tree) undocumented() []string {
	documented := map[string]bool{}
	for _, f := range t.files {
		documented[f.pkg] = documented[f.pkg] || f.syntax.Doc.Text() != ""
	}
	var found []string
	for pkg, ok := range documented {
		if !ok {
			found = append(found, pkg+": no package doc comment")
		}
	}
	return found
}

// incompleteVariants checks that every variant's folder is whole and that the composition root
// names it.
func (t *tree) incompleteVariants() []string {
	var found []string
	kinds, _ := fs.ReadFile(t.fsys, kindsFile) // a missing list names nobody
	seen := map[string]bool{}
	for _, f := range t.files {
		if !f.test && slices.Contains(variantRoots, path.Dir(f.pkg)) {
			seen[f.pkg] = true
		}
	}
	for pkg := range seen {
		missing := func(what string) { found = append(found, pkg+": a variant needs "+what) }
		readme, err := fs.ReadFile(t.fsys, pkg+"/README.md")
		if err != nil {
			missing("a README.md")
		}
		if !t.exists(pkg+"/config.go") && !bytes.Contains(readme, []byte("No configuration:")) {
			missing(`a config.go, or in its README.md a sentence "No configuration: …" that says why`)
		}
		if !t.exists(pkg + "/testdata") {
			missing("a testdata folder")
		}
		// Its import, or a comment on why it needs no line: one that cannot be switched off.
		if !bytes.Contains(kinds, []byte(pkg)) {
			missing("a line in " + kindsFile)
		}
	}
	return found
}

func (t *tree) exists(name string) bool {
	_, err := fs.Stat(t.fsys, name)
	return err == nil
}
