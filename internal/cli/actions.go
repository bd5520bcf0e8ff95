package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/hooks"
)

func newActions(s Streams) *cobra.Command {
	var server string
	cmd := &cobra.Command{Use: "actions", Short: "List, approve, reject, pause and resume what hooks do"}
	cmd.PersistentFlags().StringVar(&server, "server", defaultServer, "URL of the agent")
	cmd.AddCommand(
		newActionsList(s, &server),
		newDecision(s, &server, "approve", "Let an action that waits for approval run"),
		newDecision(s, &server, "reject", "Refuse an action that waits for approval"),
		newPause(s, &server),
		newResume(s, &server),
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
			return printActions(s, body)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the API's JSON")
	return cmd
}

func printActions(s Streams, body []byte) error {
	var answer struct {
		Condition hooks.Condition `json:"condition"`
		Actions   []hooks.Action  `json:"actions"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("reading the agent's answer: %w", err)
	}
	if err := printCondition(s, answer.Condition); err != nil {
		return err
	}
	if len(answer.Actions) == 0 {
		_, err := fmt.Fprintln(s.Out, "no actions yet")
		return err
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	err := row(w, "AT", "ID", "HOOK", "STATE", "OBJECTIVE", "TIER", "WHY")
	for _, a := range answer.Actions {
		why := cmp.Or(a.Error, a.Verification, strings.Join(a.Reasons, "; "))
		err = errors.Join(err, row(w, a.CreatedAt.UTC().Format(time.RFC3339), a.ID, a.Hook, string(a.State), a.Objective, a.Tier, why))
	}
	return errors.Join(err, w.Flush())
}

// printCondition says what keeps hooks from acting, and what ends that.
func printCondition(s Streams, c hooks.Condition) error {
	var err error
	if c.Paused != nil {
		err = row(s.Out, "hooks are paused "+c.Paused.String()+"; let them act again with: assayer actions resume")
	}
	if len(c.Waiting) > 0 {
		err = errors.Join(err, row(s.Out, "waiting since the agent's start: "+strings.Join(c.Waiting, ", ")+"; let them act with: assayer actions resume"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Demoted)) {
		err = errors.Join(err, row(s.Out, name+" asks before it acts: "+c.Demoted[name]))
	}
	return err
}

// newDecision makes approve or reject, which the API calls the same.
func newDecision(s Streams, server *string, verb, short string) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := decide(cmd.Context(), *server, "/api/v1/actions/"+url.PathEscape(args[0])+"/"+verb, by, nil)
			if err != nil {
				return err
			}
			var a hooks.Action
			if err := json.Unmarshal(body, &a); err != nil {
				return fmt.Errorf("reading the agent's answer: %w", err)
			}
			return row(s.Out, fmt.Sprintf("%s of %s is now %s", a.ID, a.Hook, a.State))
		},
	}
	addBy(cmd, &by)
	return cmd
}

func newPause(s Streams, server *string) *cobra.Command {
	var by, reason string
	cmd := &cobra.Command{
		Use: "pause", Short: "Stop every hook from acting, at once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if strings.TrimSpace(reason) == "" {
				return errors.New(`--reason: missing, allowed: why hooks must not act now, such as "database migration"; it is shown and audited`)
			}
			if _, err := decide(cmd.Context(), *server, "/api/v1/actions/pause", by, &reason); err != nil {
				return err
			}
			return row(s.Out, fmt.Sprintf("hooks are paused by %s: %s", by, reason))
		},
	}
	addBy(cmd, &by)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever finds hooks paused and for the audit log; required")
	return cmd
}

func newResume(s Streams, server *string) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "resume", Short: "Let hooks act again", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := decide(cmd.Context(), *server, "/api/v1/actions/resume", by, nil); err != nil {
				return err
			}
			return row(s.Out, "hooks may act again")
		},
	}
	addBy(cmd, &by)
	return cmd
}

func addBy(cmd *cobra.Command, by *string) {
	cmd.Flags().StringVar(by, "by", os.Getenv("USER"), "who decides, for the audit log")
}

// decide tells the agent what a person has decided; reason may be nil.
func decide(ctx context.Context, server, path, by string, reason *string) ([]byte, error) {
	if strings.TrimSpace(by) == "" {
		return nil, errors.New("--by: missing, allowed: your name; it is shown and audited")
	}
	body, err := json.Marshal(struct {
		By     string  `json:"by"`
		Reason *string `json:"reason,omitempty"`
	}{by, reason})
	if err != nil {
		return nil, err
	}
	return call(ctx, server, http.MethodPost, path, bytes.NewReader(body))
}
