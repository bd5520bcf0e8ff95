package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/slo/policy"
)

// activePolicies asks an agent which rules of budget policies hold.
func activePolicies(ctx context.Context, server string) ([]policy.Verdict, error) {
	body, err := call(ctx, server, http.MethodGet, "/api/v1/policies", nil)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Policies []policy.Verdict `json:"policies"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("reading the policies of %s: %w", server, err)
	}
	return slices.DeleteFunc(answer.Policies, func(v policy.Verdict) bool { return !v.Active || v.Since == nil }), nil
}

// writeStatus writes the API's objectives with the policies that hold and the rails beside them.
func writeStatus(out io.Writer, objectives []byte, active []policy.Verdict, rails []transactions.Summary) error {
	var all struct {
		SLOs     json.RawMessage        `json:"slos"`
		Policies []policy.Verdict       `json:"policies"`
		Rails    []transactions.Summary `json:"rails"`
	}
	if err := json.Unmarshal(objectives, &all); err != nil {
		return fmt.Errorf("reading objectives: %w", err)
	}
	all.Rails = rails
	all.Policies = slices.Concat([]policy.Verdict{}, active)
	return json.NewEncoder(out).Encode(all)
}

// printPolicies lists what holds, below the objectives.
func printPolicies(out io.Writer, active []policy.Verdict) error {
	if len(active) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	err := row(w, "POLICY", "THEN", "OBJECTIVE", "SINCE", "WHY")
	for _, v := range active {
		then := string(v.Then)
		if v.Hook != "" {
			then += " " + v.Hook
		}
		err = errors.Join(err, row(w, v.Name(), then, v.Objective, v.Since.UTC().Format(time.RFC3339), v.Why))
	}
	return errors.Join(err, w.Flush())
}
