package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/discover"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/version"
)

type discoverFlags struct {
	config   string
	job      string
	watch    time.Duration
	timeout  time.Duration
	coverage bool
	json     bool
}

func newDiscover(s Streams) *cobra.Command {
	var f discoverFlags
	cmd := &cobra.Command{
		Use: "discover [URL|AGENT-FILE]", Short: "Read what targets expose and propose objectives for it",
		Long: `Read what the target at a URL exposes, or all targets of an agent file, and write a commented file of
GoldenSignals documents to edit. Known systems are recognised, others are judged by the names of metrics and
the values of labels. With --watch targets are looked at twice, and rates are told.

With --coverage: list the services of an agent file's targets and which of them no objective reads. Exit code 2
when there is one, or when nothing could be proposed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.watch < 0 || f.timeout <= 0 {
				return fmt.Errorf("--watch and --timeout: got %s and %s, allowed: a duration of 0 or more, and one above 0", f.watch, f.timeout)
			}
			where := f.config
			if len(args) > 0 {
				where = args[0]
			}
			return runDiscover(cmd.Context(), f, where, s)
		},
	}
	cmd.Flags().StringVar(&f.config, "config", "assayer.yaml", "agent file whose targets are read when no other is named")
	cmd.Flags().StringVar(&f.job, "job", "", "with a URL: the job that the target will be scraped as; selectors then name it")
	cmd.Flags().DurationVar(&f.watch, "watch", 0, "look a second time after this long, to tell rates")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "with a URL: how long one look may take")
	cmd.Flags().BoolVar(&f.coverage, "coverage", false, "list services that no objective reads")
	cmd.Flags().BoolVar(&f.json, "json", false, "with --coverage: print JSON")
	return cmd
}

func runDiscover(ctx context.Context, f discoverFlags, where string, s Streams) error {
	table, err := discover.Known()
	if err != nil {
		return err
	}
	isURL := strings.Contains(where, "://")
	switch {
	case !isURL && isAddress(where):
		return errors.New("what is named is no file, allowed: an agent file, or a URL such as http://HOST:PORT/metrics") // it may hold a password
	case f.json && !f.coverage:
		return errors.New("--json is for --coverage; the proposal is YAML")
	case f.coverage && isURL:
		return errors.New("--coverage: got a URL, allowed: an agent file, whose objectives are held against its targets")
	case f.job != "" && !isURL:
		return errors.New("--job is for a URL; the jobs of an agent file have names")
	case f.coverage:
		return printCoverage(ctx, where, table, f, s)
	}
	services, failures, err := readServices(ctx, where, f)
	if err != nil {
		return err
	}
	if len(services) == 0 {
		return errors.New("service discovery has found no target")
	}
	tellFailures(s.Err, services, failures)
	docs, left := discover.Propose(services, table)
	if len(docs) == 0 {
		if len(failures) > 0 {
			return errSaid
		}
		for _, text := range left {
			fmt.Fprintf(s.Err, "assayer: left out: %s\n", text)
		}
		fmt.Fprintln(s.Err, "assayer: nothing that is exposed looks like a golden signal; see `assayer discover --help` and docs/discovering.md")
		return errNo
	}
	_, err = io.WriteString(s.Out, discover.Render(heading(where, isURL, f), docs, left))
	if err == nil && len(failures) > 0 {
		return errSaid
	}
	return err
}

// isAddress reports whether what should be a file is none and looks like host:port or user@host.
func isAddress(where string) bool {
	if _, err := os.Stat(where); err == nil {
		return false
	}
	host, _, _ := strings.Cut(where, "/")
	_, port, err := net.SplitHostPort(host)
	_, number := strconv.Atoi(port)
	return err == nil && number == nil || strings.Contains(where, "@")
}

// readServices looks at the target at a URL, or at those of an agent file.
func readServices(ctx context.Context, where string, f discoverFlags) ([]*discover.Service, []discover.Failure, error) {
	o := discover.Options{Watch: f.watch, Now: time.Now, Wait: pause, Version: version.Version}
	if strings.Contains(where, "://") {
		cfg, err := discover.TargetConfig(where, f.job, f.timeout)
		if err != nil {
			return nil, nil, err
		}
		o.Scoped, o.Unnamed = f.job != "", f.job == ""
		return discover.Read(ctx, cfg, o)
	}
	cfg, problems := app.ScrapeConfigs(where)
	if err := problems.Err(); err != nil {
		return nil, nil, err
	}
	if len(cfg.ScrapeConfigs) == 0 {
		return nil, nil, problem.List{{File: where, Path: "collectors.prometheus.scrape_configs", Message: "has no value, so there is nothing to read", Allowed: "at least one scrape config, or a URL in place of the file"}}
	}
	o.Scoped = true
	return discover.Read(ctx, cfg, o)
}

// pause returns after d, or when ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// heading is the comment at the top of a proposal.
func heading(where string, isURL bool, f discoverFlags) []string {
	if isURL {
		where, _, _ = strings.Cut(where, "?")
	}
	head := []string{
		"Proposed by assayer " + version.Version + " from what " + where + " exposes: a beginning, not an answer. Objectives are what people promise: " +
			"look at every one, keep what matters to whoever uses the service, delete the rest. `assayer check` tells what is wrong.",
	}
	if isURL && f.job == "" {
		head = append(head, "Selectors name no job, so they read every target that exposes these series; --job NAME puts it in.")
	}
	if f.watch == 0 {
		head = append(head, "Figures are since the targets started. With --watch 30s they are of now.")
	}
	return head
}

// tellFailures says what could not be read, and what should not have been there to read.
func tellFailures(w io.Writer, services []*discover.Service, failures []discover.Failure) {
	const most = 20
	for i, fail := range failures {
		if i == most {
			fmt.Fprintf(w, "assayer: and %d more targets could not be read\n", len(failures)-most)
			break
		}
		fmt.Fprintf(w, "assayer: %s: %v\n", fail.Target, fail.Err)
	}
	for _, s := range services {
		for i, e := range s.Sensitive() {
			if i == most {
				break
			}
			fmt.Fprintf(w, "assayer: warning: %s\n", e)
		}
	}
}

func printCoverage(ctx context.Context, path string, table *discover.Table, f discoverFlags, s Streams) error {
	loaded, problems := app.Load(app.LoadOptions{Path: path, Now: time.Now()})
	if err := problems.Err(); err != nil {
		return err
	}
	services, failures, err := readServices(ctx, path, f)
	if err != nil {
		return err
	}
	tellFailures(s.Err, services, failures)
	rows := discover.Cover(services, table, loaded.Objectives)
	uncovered, unreadable := 0, 0
	for _, r := range rows {
		switch r.State {
		case discover.Uncovered:
			uncovered++
		case discover.Unreadable:
			unreadable++
		}
	}
	if f.json {
		err = json.NewEncoder(s.Out).Encode(map[string]any{"services": append([]discover.Coverage{}, rows...)})
	} else {
		err = coverageTable(s.Out, rows)
	}
	switch {
	case err != nil:
		return err
	case uncovered > 0:
		return errNo
	case unreadable > 0: // whether they are covered is not known
		return errSaid
	}
	return nil
}

func coverageTable(out io.Writer, rows []discover.Coverage) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	err := row(w, "STATE", "SERVICE", "JOB", "TARGETS", "OBJECTIVES", "READ BY NO OBJECTIVE")
	for _, r := range rows {
		const most = 4
		var unread []string
		for i, u := range r.Unread {
			if i == most {
				unread = append(unread, fmt.Sprintf("%d more", len(r.Unread)-most))
				break
			}
			unread = append(unread, u.Signal+" "+u.Metric)
		}
		err = errors.Join(err, row(w, strings.ReplaceAll(string(r.State), "_", " "), cmp.Or(r.Service, "-"), cmp.Or(r.Job, "-"), fmt.Sprint(r.Targets), fmt.Sprint(len(r.Objectives)), cmp.Or(strings.Join(unread, ", "), "-")))
	}
	return errors.Join(err, w.Flush())
}
