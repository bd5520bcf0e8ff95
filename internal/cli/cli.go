// Package cli turns command lines into calls, one file a command, and results into text for people
// or JSON for programs.
//
//	$ assayer status
//	STATE      OBJECTIVE                TARGET   WINDOW  LEFT    BURN         FIRING   WHY
//	exhausted  card-auth-errors         99.95 %  30d     -300 %  22.4× in 1h  page-1h  budget is overspent …
//	ok         instant-transfer-errors  99.9 %   30d     99.1 %  0.3× in 1h   -        99.1 % of the budget left …
//
// Exit codes: 0 fine, 1 it failed, 2 it worked and the answer is "no" (a broken chain, a denial).
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/version"
)

// Streams are what a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitNo     = 2
)

// errNo is returned by commands that worked and whose answer is "no"; they have said why already.
var errNo = errors.New("the answer is no")

// errSaid is returned by commands that failed and have told the user everything already.
var errSaid = errors.New("failed")

// say tells all problems, and fails if one of them is a reason to refuse.
func say(s Streams, problems problem.List) error {
	for _, p := range problems {
		fmt.Fprintln(s.Err, p)
	}
	if problems.Errors() > 0 {
		return errSaid
	}
	return nil
}

// UntilSignal ends ctx when the process is told to end. Told a second time, it ends at once, whatever has not ended by itself.
func UntilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// Run executes one command line and returns the process's exit code.
func Run(ctx context.Context, args []string, s Streams) int {
	root := newRoot(s)
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errNo):
		return exitNo
	case errors.Is(err, errSaid):
	default:
		if problems, ok := errors.AsType[problem.List](err); ok {
			err = fmt.Errorf("%s, nothing was started\n%w", count(problems.Errors(), "error"), problems)
		}
		fmt.Fprintf(s.Err, "assayer: %v\n", err)
	}
	return exitFailed
}

func newRoot(s Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "assayer",
		Short: "Exact service-level objectives and safe automatic action for systems that move money",
		Long: `Assayer collects metrics, keeps exact error budgets, shows them, exports them, and calls a hook
when a budget burns. Start with: assayer demo`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version.Version,
	}
	root.SetVersionTemplate(version.String() + "\n")
	root.AddCommand(
		newRun(s), newDemo(s), newCheck(s), newExpand(s), newGenerate(s), newDiff(s), newApply(s), newImport(s), newStatus(s), newBackup(s), newRestore(s), newReplay(s), newDiscover(s), newClassify(s), newActions(s), newExclusions(s), newAudit(s), newVersion(s),
	)
	explain(root)
	return root
}

// isTerminal reports whether w is a terminal a person looks at; NO_COLOR and a dumb terminal say no.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
