package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/assayer-io/assayer/internal/replay"
)

// print gives the result as JSON or as tables.
func (r *replaying) print(results []replay.Result) error {
	if r.flags.asJSON {
		out := json.NewEncoder(r.streams.Out)
		out.SetIndent("", "  ")
		return out.Encode(results[0])
	}
	return errors.Join(printObjectives(r.streams.Out, results[0]), printFirings(r.streams.Out, results[0]))
}

func printObjectives(out io.Writer, res replay.Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	err := row(w, "OBJECTIVE", "STATE", "EVENTS", "BAD", "LEFT AT END", "LOWEST", "NOT SEEN FOR", "COUNTS BEGIN")
	for _, o := range res.Objectives {
		began, lowest := "never", "-"
		if !o.Began.IsZero() {
			began, lowest = clockTime(o.Began), percent(o.LowestRemaining)
		}
		err = errors.Join(err, row(w, o.Name, string(o.State), group(fmt.Sprintf("%.0f", o.Events.Good+o.Events.Bad)), group(fmt.Sprintf("%.0f", o.Events.Bad)), left(o.Status), lowest,
			o.Unseen.Round(time.Second).String(), began))
	}
	return errors.Join(err, w.Flush())
}

func printFirings(out io.Writer, res replay.Result) error {
	n := 0
	for _, o := range res.Objectives {
		n += len(o.Firings)
	}
	if n == 0 {
		_, err := fmt.Fprintln(out, "\nno tier would have fired")
		return err
	}
	_, err := fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	err = errors.Join(err, row(w, "OBJECTIVE", "TIER", "FROM", "TO", "DETECTED AFTER", "RESET AFTER", "SPENT", "WHY"))
	for _, o := range res.Objectives {
		for _, f := range o.Firings {
			to, reset := "-", "-"
			if f.To != nil {
				to, reset = clockTime(*f.To), inSeconds(*f.ResetSeconds)
			}
			err = errors.Join(err, row(w, o.Name, f.Tier, clockTime(f.From), to, inSeconds(f.DetectionSeconds), reset, percent(f.BudgetSpent), f.Why))
		}
	}
	return errors.Join(err, w.Flush())
}

func clockTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func inSeconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}
