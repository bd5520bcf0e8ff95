package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/deploy"
)

// applied is what came of one plan, for the JSON answer.
type applied struct {
	Target  string `json:"target"`
	Changed int    `json:"changed"` // objects that were changed, also when a later change failed and they were put back: the error tells
	Error   string `json:"error,omitempty"`
}

func newApply(s Streams) *cobra.Command {
	var f deployFlags
	var o deploy.ApplyOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use: "apply", Short: "Deploy what is generated",
		Long: `Show what differs as diff does, then make it so: create, update, and delete what is ours and no longer
generated. What others made is never touched. An apply that was interrupted is completed by the next one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			places, err := f.read(s)
			if err != nil {
				return err
			}
			plans, err := f.plans(cmd.Context(), places, o.PruneAll)
			if !asJSON {
				if err = errors.Join(err, printPlans(s.Out, plans)); err != nil && len(plans) == 0 {
					return err
				}
			}
			done := []applied{}
			for _, p := range plans {
				i := slices.IndexFunc(places, func(d placement) bool { return d.Name == p.Target })
				one, failed := applyOne(cmd.Context(), places[i], p, o, s)
				done, err = append(done, one), errors.Join(err, failed)
				if failed == nil && !asJSON {
					err = errors.Join(err, tellApplied(s, p, one))
				}
			}
			if asJSON {
				err = errors.Join(err, json.NewEncoder(s.Out).Encode(map[string]any{"plans": plans, "applied": done}))
			}
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&o.KeepEdits, "keep-edits", false, "refuse to overwrite or delete what somebody edited since the last apply")
	cmd.Flags().BoolVar(&o.PruneAll, "prune-all", false, "delete also what belongs to parts that --parts does not name, and the last one of a kind")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func applyOne(ctx context.Context, to placement, p deploy.Plan, o deploy.ApplyOptions, s Streams) (applied, error) {
	one := applied{Target: to.Name}
	bar := newProgress(s.Err)
	o.Progress = func(done, all int, _ *deploy.Step) {
		one.Changed = done
		bar.show("applying", float64(done), float64(all))
	}
	err := deploy.Apply(ctx, to.Target, p, o)
	bar.clear()
	if err != nil {
		one.Error = err.Error()
		return one, fmt.Errorf("%s: %w", to.Name, err)
	}
	return one, nil
}

func tellApplied(s Streams, p deploy.Plan, one applied) error {
	text := one.Target + ": nothing to do"
	if p.Drifted() {
		text = fmt.Sprintf("%s: %s, in force", one.Target, count(one.Changed, "change"))
	}
	_, err := fmt.Fprintln(s.Out, text)
	return err
}
