package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/exclusions"
	"github.com/assayer-io/assayer/slo"
)

func newExclusions(s Streams) *cobra.Command {
	var server string
	cmd := &cobra.Command{Use: "exclusions", Short: "List, add and remove what is taken out of error budgets or corrected in them"}
	cmd.PersistentFlags().StringVar(&server, "server", defaultServer, "URL of the agent")
	cmd.AddCommand(newExclusionsList(s, &server), newExclusionsAdd(s, &server), newExclusionsRemove(s, &server))
	return cmd
}

func newExclusionsList(s Streams, server *string) *cobra.Command {
	var objective string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show all exclusions and corrections, newest first, removed ones too", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := "/api/v1/exclusions"
			if objective != "" {
				path += "?" + url.Values{"objective": {objective}}.Encode()
			}
			body, err := call(cmd.Context(), *server, http.MethodGet, path, nil)
			if err != nil {
				return err
			}
			if asJSON {
				_, err := s.Out.Write(body)
				return err
			}
			return printExclusions(s, body)
		},
	}
	cmd.Flags().StringVar(&objective, "objective", "", "only those of this objective")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the API's JSON")
	return cmd
}

func printExclusions(s Streams, body []byte) error {
	var answer struct {
		Exclusions []exclusions.Entry `json:"exclusions"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("reading the agent's answer: %w", err)
	}
	if len(answer.Exclusions) == 0 {
		return row(s.Out, "no exclusions")
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	err := row(w, "ID", "OBJECTIVES", "FROM", "TO", "EFFECT", "WHO", "WHY")
	for _, e := range answer.Exclusions {
		err = errors.Join(err, row(w, e.ID, strings.Join(e.Objectives, " "), e.From.UTC().Format(time.RFC3339), e.To.UTC().Format(time.RFC3339), effect(e), e.Who, e.Why))
	}
	return errors.Join(err, w.Flush())
}

// effect says what an entry does now.
func effect(e exclusions.Entry) string {
	text := "excluded"
	if c := e.Correction; c != nil {
		var parts []string
		for _, part := range []struct {
			n    float64
			what string
		}{{c.Good, "good"}, {c.Bad, "bad"}, {c.Excluded, "excluded"}} {
			if part.n != 0 {
				parts = append(parts, fmt.Sprintf("%+.15g %s", part.n, part.what))
			}
		}
		text = strings.Join(parts, " ")
	}
	if e.RemovedAt != nil {
		text = "none: removed by " + e.RemovedBy
	}
	return text
}

func newExclusionsAdd(s Streams, server *string) *cobra.Command {
	var e exclusions.Entry
	var from, to string
	var correction slo.Correction
	var asJSON bool
	cmd := &cobra.Command{
		Use: "add", Short: "Take a stretch of time out of error budgets, or correct what was counted in it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkWho(e.Who); err != nil {
				return err
			}
			var wrongFrom, wrongTo error
			now := time.Now()
			e.From, wrongFrom = parseMoment("--from", from, now)
			e.To, wrongTo = parseMoment("--to", to, now)
			if err := errors.Join(wrongFrom, wrongTo); err != nil {
				return err
			}
			if cmd.Flags().Changed("good") || cmd.Flags().Changed("bad") || cmd.Flags().Changed("excluded") {
				e.Correction = &correction
			}
			body, err := json.Marshal(struct {
				slo.Exclusion
				Who string `json:"who"`
				Why string `json:"why"`
			}{e.Exclusion, e.Who, e.Why})
			if err != nil {
				return err
			}
			answer, err := call(cmd.Context(), *server, http.MethodPost, "/api/v1/exclusions", bytes.NewReader(body))
			if err != nil {
				return err
			}
			return sayExclusion(s, answer, asJSON, "in force")
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&e.Objectives, "objective", nil, "name of an objective, with * for any letters; may be repeated")
	f.StringVar(&e.ID, "id", "", "name of your own, such as a ticket; adding the same twice under it does nothing")
	f.StringVar(&from, "from", "", "RFC 3339 such as 2026-11-21T10:00:00Z, or how long ago such as 2h")
	f.StringVar(&to, "to", "0s", "likewise; 0s is now")
	f.StringVar(&e.Why, "why", "", "the reason, for whoever reads the numbers and for the audit log; required")
	f.StringVar(&e.Who, "who", os.Getenv("USER"), "who says so")
	f.Float64Var(&correction.Good, "good", 0, "correct instead of excluding: good events to add, negative to take away")
	f.Float64Var(&correction.Bad, "bad", 0, "likewise, bad events")
	f.Float64Var(&correction.Excluded, "excluded", 0, "likewise, excluded events")
	f.BoolVar(&asJSON, "json", false, "print the API's JSON")
	return cmd
}

func newExclusionsRemove(s Streams, server *string) *cobra.Command {
	var by string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "remove ID", Short: "Restore the numbers as they are without an exclusion", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkWho(by); err != nil {
				return err
			}
			body, err := json.Marshal(map[string]string{"by": by})
			if err != nil {
				return err
			}
			answer, err := call(cmd.Context(), *server, http.MethodDelete, "/api/v1/exclusions/"+url.PathEscape(args[0]), bytes.NewReader(body))
			if err != nil {
				return err
			}
			return sayExclusion(s, answer, asJSON, "removed")
		},
	}
	cmd.Flags().StringVar(&by, "who", os.Getenv("USER"), "who says so")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the API's JSON")
	return cmd
}

func checkWho(who string) error {
	if strings.TrimSpace(who) == "" {
		return errors.New("--who: missing, allowed: your name; it is shown and audited")
	}
	return nil
}

// sayExclusion tells what has become of one.
func sayExclusion(s Streams, answer []byte, asJSON bool, now string) error {
	if asJSON {
		_, err := s.Out.Write(answer)
		return err
	}
	var e exclusions.Entry
	if err := json.Unmarshal(answer, &e); err != nil {
		return fmt.Errorf("reading the agent's answer: %w", err)
	}
	return row(s.Out, fmt.Sprintf("%s is %s: %s from %s to %s", e.ID, now, strings.Join(e.Objectives, " "), e.From.UTC().Format(time.RFC3339), e.To.UTC().Format(time.RFC3339)))
}

// parseMoment reads a time, or how long before now it is.
func parseMoment(flag, text string, now time.Time) (time.Time, error) {
	if ago, err := model.ParseDuration(text); err == nil {
		return now.Add(-time.Duration(ago)), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%s: got %q, allowed: RFC 3339 such as 2026-11-21T10:00:00Z, or how long ago such as 2h", flag, text)
	}
	return at, nil
}
