// Package docs_test holds the manual to the code. Tables that list what the code has are marked with
// a comment, `<!-- keys: global -->`, and compared with it both ways; blocks of YAML and JSON carry
// their kind behind the language and are loaded; links, commands, flags and metrics are looked up.
package docs_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// manual lists the pages whose tables and blocks are marked.
func manual() []string {
	return []string{"actions.md", "api.md", "configuration.md", "deploying.md", "discovering.md", "objectives.md", "operations.md", "policies.md", "rails.md", "reasons.md", "tour.md"}
}

// everyPage lists what is scanned for links, commands and metrics.
func everyPage(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("*.md")
	if err != nil || len(found) < len(manual()) {
		t.Fatalf("found pages %v (%v)", found, err)
	}
	return append(found, "../README.md")
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// sources joins the production code of folders.
func sources(t *testing.T, folders ...string) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range folders {
		names, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no code in %s (%v)", folder, err)
		}
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") {
				all.WriteString(read(t, name))
			}
		}
	}
	return all.String()
}

// tables returns the rows below each `<!-- marker -->` of a page, without header and rule.
func tables(t *testing.T, page, marker string) [][]string {
	t.Helper()
	var rows [][]string
	parts := strings.Split(read(t, page), "<!-- "+marker+" -->\n")
	for _, part := range parts[1:] {
		n := 0
		for line := range strings.Lines(part) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "|") {
				break
			}
			if n++; n > 2 {
				cells := strings.Split(strings.Trim(line, "|"), "|")
				for i := range cells {
					cells[i] = strings.TrimSpace(cells[i])
				}
				rows = append(rows, cells)
			}
		}
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no table marked %q", page, marker)
	}
	return rows
}

var quoted = regexp.MustCompile("`([^`]+)`")

// codes lists what stands in backticks.
func codes(cell string) []string {
	var out []string
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

// wantSame tells what one set has and the other lacks.
func wantSame(t *testing.T, what string, written, have []string) {
	t.Helper()
	if len(have) == 0 {
		t.Errorf("%s: the code has none, so this test looks in the wrong place", what)
	}
	for _, w := range written {
		if !slices.Contains(have, w) {
			t.Errorf("%s: the manual has %s, the code does not", what, w)
		}
	}
	for _, h := range have {
		if !slices.Contains(written, h) {
			t.Errorf("%s: the code has %s, the manual does not", what, h)
		}
	}
}

// submatches lists the distinct first groups of every match.
func submatches(pattern, text string) []string {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// fence is one block of code.
type fence struct{ page, language, kind, text string }

var fenced = regexp.MustCompile("(?ms)^```([a-z]*) ?([a-z]*)\n(.*?)^```$")

func fences(t *testing.T, language, kind string) []fence {
	t.Helper()
	var out []fence
	for _, page := range manual() {
		for _, m := range fenced.FindAllStringSubmatch(read(t, page), -1) {
			if m[1] == language && (kind == "" || m[2] == kind) {
				out = append(out, fence{page, m[1], m[2], m[3]})
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("no block of %s %s", language, kind)
	}
	return out
}

// TestEveryBlockHasAKind: a block without one would be checked by nobody.
func TestEveryBlockHasAKind(t *testing.T) {
	known := map[string][]string{"yaml": {"agent", "objectives", "expanded", "web", "rail", "pack"}, "json": sampleKinds()}
	for language, kinds := range known {
		for _, f := range fences(t, language, "") {
			if !slices.Contains(kinds, f.kind) {
				t.Errorf("%s: a block of %s has kind %q, allowed: %s", f.page, language, f.kind, strings.Join(kinds, ", "))
			}
		}
	}
}

var (
	link     = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	notAWord = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchors lists the places a page has, as GitHub names them.
func anchors(text string) []string {
	var out []string
	for _, h := range submatches(`(?m)^#+ (.*)$`, fenced.ReplaceAllString(text, "")) {
		out = append(out, "#"+strings.ReplaceAll(notAWord.ReplaceAllString(strings.ToLower(h), ""), " ", "-"))
	}
	return out
}

func TestLinksResolve(t *testing.T) {
	n := 0
	for _, page := range everyPage(t) {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, page), ""), -1) {
			target, anchor := m[1], m[2]
			if strings.Contains(target, "://") {
				continue
			}
			n++
			name := page
			if target != "" {
				name = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(name); err != nil {
				t.Errorf("%s links to %s, which is not there", page, target)
				continue
			}
			if anchor != "" && filepath.Ext(name) == ".md" && !slices.Contains(anchors(read(t, name)), anchor) {
				t.Errorf("%s links to %s%s, and there is no such heading", page, target, anchor)
			}
		}
	}
	if n < 50 {
		t.Errorf("found %d links, so this test looks in the wrong place", n)
	}
}
