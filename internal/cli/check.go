package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/problem"
)

func newCheck(s Streams) *cobra.Command {
	var opts app.LoadOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check", Short: "Read the configuration and every objective, and tell all that is wrong",
		Long: `Read the agent file and the objectives it names, as run and reload would, and tell every problem at
once with its file, line, path, the value got and what is allowed. Nothing is started or connected to.
Exit code 1 when there is a reason to refuse; warnings alone are fine.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			opts.Now = time.Now()
			loaded, problems := app.Load(opts)
			if asJSON {
				if problems == nil {
					problems = problem.List{}
				}
				if err := json.NewEncoder(s.Out).Encode(map[string]any{"objectives": len(loaded.Objectives), "problems": problems}); err != nil {
					return err
				}
			} else {
				tell(s, opts.Path, loaded, problems)
			}
			if problems.Errors() > 0 {
				return errSaid
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&opts.Path, "config", "assayer.yaml", "agent file")
	cmd.Flags().BoolVar(&opts.Strict, "strict", false, "refuse what OpenSLO's schema forbids instead of warning")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func tell(s Streams, path string, loaded app.Loaded, problems problem.List) {
	for _, p := range problems {
		fmt.Fprintln(s.Out, p)
	}
	errs := problems.Errors()
	warnings := len(problems) - errs
	if errs > 0 {
		fmt.Fprintf(s.Out, "%s: %s, %s\n", path, count(errs, "error"), count(warnings, "warning"))
		return
	}
	fmt.Fprintf(s.Out, "%s: fine: %s, %s, %s", path, count(len(loaded.Objectives), "objective"), count(loaded.Jobs(), "scrape config"), count(loaded.HookCount(), "hook"))
	switch n := len(loaded.Policies); {
	case n == 1:
		fmt.Fprint(s.Out, ", 1 budget policy")
	case n > 1:
		fmt.Fprintf(s.Out, ", %d budget policies", n)
	}
	if warnings > 0 {
		fmt.Fprintf(s.Out, "; %s", count(warnings, "warning"))
	}
	fmt.Fprintln(s.Out)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
