package docs_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/cli"
)

// help is what a command says of itself.
func help(t *testing.T, command string) string {
	t.Helper()
	var out bytes.Buffer
	if code := cli.Run(t.Context(), append(strings.Fields(command), "--help"), cli.Streams{In: &out, Out: &out, Err: &out}); code != 0 {
		t.Errorf("assayer %s --help ends with %d: %s", command, code, out.String())
	}
	return out.String()
}

func flagsOf(t *testing.T, command string) []string {
	t.Helper()
	flags := submatches(`(?m)^ +(?:-\w, )?(--[a-z][a-z.-]*)`, help(t, command))
	return slices.DeleteFunc(flags, func(f string) bool { return f == "--help" || f == "--version" })
}

// commandsOf lists the commands below one, leaves only; completion counts as one.
func commandsOf(t *testing.T, command string) []string {
	t.Helper()
	_, list, ok := strings.Cut(help(t, command), "Available Commands:\n")
	if !ok || command == "completion" {
		return []string{command}
	}
	list, _, _ = strings.Cut(list, "\n\n")
	var out []string
	for _, name := range submatches(`(?m)^  (\w+)`, list) {
		if name != "help" {
			out = append(out, commandsOf(t, strings.TrimSpace(command+" "+name))...)
		}
	}
	return out
}

var lowerWords = regexp.MustCompile(`^assayer ((?:[a-z]+ ?)+)`)

func TestCommands(t *testing.T) {
	var written []string
	for _, row := range tables(t, "operations.md", "commands") {
		command := strings.TrimSpace(lowerWords.FindStringSubmatch(codes(row[0])[0])[1])
		written = append(written, command)
		asked := command
		if command == "completion" {
			asked += " bash"
		}
		flags := flagsOf(t, asked)
		if len(flags)+len(codes(row[1])) > 0 {
			wantSame(t, "flags of "+command, codes(row[1]), flags)
		}
	}
	wantSame(t, "commands", written, commandsOf(t, ""))
}

// TestCommandLines looks up the command and the flags of every command line on any page.
func TestCommandLines(t *testing.T) {
	known := commandsOf(t, "")
	line := regexp.MustCompile("(?m)(?:`|^\\$ (?:\\./bin/)?|/usr/local/bin/)assayer ([a-z][^`\n]*)")
	n := 0
	for _, page := range everyPage(t) {
		for _, m := range line.FindAllStringSubmatch(read(t, page), -1) {
			n++
			words := strings.Fields(m[1])
			command := words[0]
			if len(words) > 1 && !slices.Contains(known, command) {
				command += " " + words[1]
			}
			if !slices.ContainsFunc(known, func(k string) bool { return k == command || strings.HasPrefix(k, command+" ") }) {
				t.Errorf("%s: there is no command in: assayer %s", page, m[1])
				continue
			}
			for _, flag := range submatches(`(--[a-z][a-z.-]*)`, m[1]) {
				if !slices.Contains(flagsOf(t, command), flag) {
					t.Errorf("%s: assayer %s has no flag %s", page, command, flag)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("found %d command lines, so this test looks in the wrong place", n)
	}
}

// TestTour: every folder with Go code is on the tour, and nothing else is.
func TestTour(t *testing.T) {
	folders := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && (name == "testdata" || strings.HasPrefix(name, ".") || name == "bin"):
			return fs.SkipDir
		case filepath.Ext(name) == ".go":
			folders[filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), ".."+string(os.PathSeparator)))] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for folder := range folders {
		have = append(have, folder)
	}
	wantSame(t, "packages", submatches(`(?m)^\*\*\[([a-z0-9/]+)\]`, read(t, "tour.md")), have)
}
