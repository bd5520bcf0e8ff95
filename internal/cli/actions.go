package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/hooks"
)

func newActions(s Streams) *cobra.Command {
	var server, by, reason string
	cmd := &cobra.Command{Use: "actions", Short: "List, approve, reject, pause and resume what hooks do"}
	cmd.PersistentFlags().StringVar(&server, "server", defaultServer, "URL of the agent")
	decide := func(use, short, path string, args int) *cobra.Command {
		c := &cobra.Command{
			Use: use, Short: short, Args: cobra.ExactArgs(args),
			RunE: func(cmd *cobra.Command, args []string) error {
				if len(args) == 1 {
					path = "/api/v1/actions/" + url.PathEscape(args[0]) + path
				}
				body, err := json.Marshal(map[string]string{"by": by, "reason": reason})
				if err != nil {
					return err
				}
				_, err = call(cmd.Context(), server, http.MethodPost, path, bytes.NewReader(body))
				return err
			},
		}
		c.Flags().StringVar(&by, "by", os.Getenv("USER"), "who decides, for the audit log")
		c.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
		return c
	}
	cmd.AddCommand(
		newActionsList(s, &server),
		decide("approve ID", "Let an action that waits for approval run", "/approve", 1),
		decide("reject ID", "Refuse an action that waits for approval", "/reject", 1),
		decide("pause", "Stop every hook from acting, at once", "/api/v1/actions/pause", 0),
		decide("resume", "Let hooks act again", "/api/v1/actions/resume", 0),
	)
	return cmd
}

func newActionsList(s Streams, server *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show the latest actions", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := call(cmd.Context(), *server, http.MethodGet, "/api/v1/actions", nil)
			if err != nil {
				return err
			}
			if asJSON {
				_, err := s.Out.Write(body)
				return err
			}
			var answer struct {
				Paused  bool           `json:"paused"`
				Actions []hooks.Action `json:"actions"`
			}
			if err := json.Unmarshal(body, &answer); err != nil {
				return fmt.Errorf("reading the answer of %s: %w", *server, err)
			}
			if answer.Paused {
				fmt.Fprintln(s.Out, "hooks are paused; let them act again with: assayer actions resume")
			}
			w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "AT\tID\tHOOK\tSTATE\tOBJECTIVE\tTIER\tWHY")
			for _, a := range answer.Actions {
				why := cmp.Or(a.Error, a.Verification, strings.Join(a.Reasons, "; "))
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.CreatedAt.UTC().Format(time.RFC3339), a.ID, a.Hook, a.State, a.Objective, a.Tier, why)
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the API's JSON")
	return cmd
}
