package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/audit"
)

func newAudit(s Streams) *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Verify and show an audit log"}
	cmd.AddCommand(newAuditVerify(s), newAuditShow(s))
	return cmd
}

func newAuditVerify(s Streams) *cobra.Command {
	var asJSON bool
	var opts audit.VerifyOptions
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Check that nothing in an audit log was changed, removed or cut off",
		Long: `Check every hash of the chain, every signed checkpoint and the signed head beside the file. Exit code 2
when the log is not what was written; the first wrong line is named.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			report, err := audit.VerifyFile(args[0], opts)
			broken, isBroken := errors.AsType[*audit.BrokenError](err)
			if err != nil && !isBroken {
				return err
			}
			if asJSON {
				answer := map[string]any{"intact": !isBroken, "report": report}
				if isBroken {
					answer["line"], answer["reason"] = broken.Line, broken.Reason
				}
				if err := json.NewEncoder(s.Out).Encode(answer); err != nil {
					return err
				}
			} else if isBroken {
				fmt.Fprintf(s.Out, "%s: BROKEN at line %d: %s\nintact before it: %s\n", args[0], broken.Line, broken.Reason, plural(report.Entries, "entry", "entries"))
			} else if report.Entries == 0 {
				fmt.Fprintf(s.Out, "%s: intact: no entries yet\n", args[0])
			} else {
				fmt.Fprintf(s.Out, "%s: intact: %s from %s to %s, %s\n", args[0], plural(report.Entries, "entry", "entries"),
					report.First.UTC().Format(time.RFC3339), report.Last.UTC().Format(time.RFC3339), plural(report.Checkpoints, "signed checkpoint", "signed checkpoints"))
			}
			if isBroken {
				return errNo
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&opts.ChainOnly, "chain-only", false, "check hashes and order without signatures; a cut tail is then not noticed")
	return cmd
}

func newAuditShow(s Streams) *cobra.Command {
	return &cobra.Command{
		Use: "show FILE", Short: "Show an audit log's entries, oldest first", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
			err := row(w, "SEQ", "AT", "ACTOR", "TYPE", "RISK", "STATUS", "WHAT")
			if err != nil {
				return err
			}
			_, err = audit.VerifyFile(args[0], audit.VerifyOptions{ChainOnly: true, Each: func(e audit.Entry) error {
				return row(w, strconv.FormatUint(e.Seq, 10), e.Timestamp.UTC().Format(time.RFC3339), e.Actor, e.Type, string(e.Risk), string(e.Outcome), e.Description)
			}})
			return errors.Join(w.Flush(), err)
		},
	}
}

func plural[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
