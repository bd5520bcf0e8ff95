package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// made is a file of testdata that a peer's own generator makes from another.
type made struct {
	file, from string
	module     string // folder of the generator below internal/testkit
	requires   string // the peer's module
	args       []string
}

func madeFiles() []made {
	return []made{
		{file: "sloth.rules.yaml", from: "sloth.yaml", module: "slothrules", requires: "github.com/slok/sloth"},
		{file: "pyrra.rules.yaml", from: "pyrra.yaml", module: "pyrrarules", requires: "github.com/pyrra-dev/pyrra"},
		{file: "pyrra.budget.promql", from: "pyrra.yaml", module: "pyrrarules", requires: "github.com/pyrra-dev/pyrra", args: []string{"-budget"}},
	}
}

// generate returns what the peer makes now, below a header that says so.
func (m made) generate(ctx context.Context, root string) ([]byte, error) {
	version, err := m.version(root)
	if err != nil {
		return nil, err
	}
	from, err := os.Open(filepath.Join(root, testdata, m.from))
	if err != nil {
		return nil, err
	}
	defer from.Close()
	var out, stderr bytes.Buffer
	fmt.Fprintf(&out, "# Made by %s %s from %s; nothing of it is ours. To refresh:\n# go run ./internal/testkit/accuracy -refresh\n", m.requires, version, m.from)
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "."}, m.args...)...)
	cmd.Dir = filepath.Join(root, "internal", "testkit", m.module)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = from, &out, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("making %s: %w\n%s", m.file, err, stderr.String())
	}
	return out.Bytes(), nil
}

// version returns the peer's version as its generator's go.mod requires it.
func (m made) version(root string) (string, error) {
	file := filepath.Join(root, "internal", "testkit", m.module, "go.mod")
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(m.requires) + ` (v\S+)`).FindSubmatch(data)
	if found == nil {
		return "", fmt.Errorf("%s requires no %s", file, m.requires)
	}
	return string(found[1]), nil
}

// comparePeers fails if a peer makes something else than what is kept; with refresh it keeps that.
func comparePeers(ctx context.Context, root string, refresh bool) error {
	var problems []error
	for _, m := range madeFiles() {
		now, err := m.generate(ctx, root)
		if err != nil {
			return err
		}
		file := filepath.Join(root, testdata, m.file)
		if refresh {
			if err := os.WriteFile(file, now, 0o644); err != nil { //nolint:gosec // a source file
				return err
			}
			continue
		}
		kept, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !bytes.Equal(kept, now) {
			problems = append(problems, fmt.Errorf("%s is not what %s makes of %s: refresh with go run ./internal/testkit/accuracy -refresh", file, m.requires, m.from))
		}
	}
	return errors.Join(problems...)
}

// budgetQuery is the query by which pyrra's page shows the budget.
func budgetQuery(root string) (string, error) {
	data, err := os.ReadFile(filepath.Join(root, testdata, "pyrra.budget.promql"))
	if err != nil {
		return "", err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, " "), nil
}
