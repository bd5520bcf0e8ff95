// Command accuracy proves what the budgets are worth and writes the tables of docs/accuracy.md:
//
//	| case | truth: budget left | sloth v0.16.0 | pyrra v0.10.1 | Assayer |
//	|---|--:|--:|--:|--:|
//	| A clearing batch fails | −1,791 % | **87.5 %** | −1,791 % | −1,791 % |
//
// Every case is a trace of events of which the truth is known by adding them up. What scrapes would
// have shown of them goes to the rules that sloth and pyrra really generate, run by promtool, and as
// the same samples to our engine. With -check nothing is written and a page that is not up to date
// is an error; -refresh has the peers' rules made anew.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/detection"
)

// testdata and page are below the repository's folder.
const (
	testdata = "internal/testkit/accuracy/testdata"
	page     = "docs/accuracy.md"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	refresh := flag.Bool("refresh", false, "keep the rules that the peers make now")
	check := flag.Bool("check", false, "write nothing; fail if the page's budgets would change")
	only := flag.String("only", "", "make only this section: budgets, which takes a minute, or detection, which takes a quarter of an hour")
	flag.Parse()
	if err := run(ctx, ".", *only, *refresh, *check); err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, only string, refresh, check bool) error {
	if err := comparePeers(ctx, root, refresh); err != nil {
		return err
	}
	texts := map[string][]byte{}
	sections := []section{{"budgets", func(ctx context.Context, w *bytes.Buffer) error { return budgetSection(ctx, w, root) }}}
	if !check { // thousands of months, for minutes on end
		sections = append(sections, section{"detection", detectionSection})
	}
	if only != "" {
		sections = slices.DeleteFunc(sections, func(s section) bool { return s.name != only })
	}
	for _, section := range sections {
		var text bytes.Buffer
		if err := section.write(ctx, &text); err != nil {
			return err
		}
		texts[section.name] = text.Bytes()
	}
	before, err := os.ReadFile(filepath.Join(root, page)) // now: somebody may have worked on it meanwhile
	if err != nil {
		return err
	}
	after := before
	for name, text := range texts {
		if after, err = replace(after, name, text); err != nil {
			return err
		}
	}
	switch {
	case bytes.Equal(before, after):
		return nil
	case check:
		return fmt.Errorf("%s is not up to date: make accuracy writes it", page)
	}
	return os.WriteFile(filepath.Join(root, page), after, 0o644) //nolint:gosec // a page of the manual
}

// section is one part of the page that is written by what it tells of.
type section struct {
	name  string
	write func(context.Context, *bytes.Buffer) error
}

// detectionSection says how far it is on standard error.
func detectionSection(ctx context.Context, w *bytes.Buffer) error {
	begun := time.Now()
	err := detection.Report(ctx, w, detection.Options{Full: true, Progress: func(done, total int) {
		if done%100 == 0 || done == total {
			left := time.Duration(float64(time.Since(begun)) / float64(max(done, 1)) * float64(total-done))
			fmt.Fprintf(os.Stderr, "\rdetection: %d of %d traces, %v left ", done, total, left.Round(time.Second))
		}
	}})
	fmt.Fprintln(os.Stderr)
	return err
}

func budgetSection(ctx context.Context, w *bytes.Buffer, root string) error {
	dir, err := os.MkdirTemp("", "accuracy")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all, err := answers(ctx, root, dir)
	if err != nil {
		return err
	}
	return budgets(w, root, all)
}

// replace puts text between the markers of a section.
func replace(page []byte, section string, text []byte) ([]byte, error) {
	begin, end := []byte("<!-- "+section+": begin -->\n"), []byte("<!-- "+section+": end -->")
	head, rest, ok := bytes.Cut(page, begin)
	_, tail, closed := bytes.Cut(rest, end)
	if !ok || !closed {
		return nil, errors.New("the page has no markers of section " + section)
	}
	return bytes.Join([][]byte{head, begin, text, end, tail}, nil), nil
}
