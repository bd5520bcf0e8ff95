package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/assayer-io/assayer/internal/replay"
)

// replayAnswer is what --json prints. The keys after the first are there only if they were asked for.
type replayAnswer struct {
	replay.Result
	Actions    *[]replay.Action   `json:"actions,omitempty"` // --config with hooks
	Compared   *compared          `json:"compared,omitempty"`
	Backfilled *replay.Backfilled `json:"backfilled,omitempty"`
}

// compared is what --compare adds.
type compared struct {
	replay.Result
	Differences []replay.Difference `json:"differences"`
}

// print gives the result as JSON or as tables.
func (r *replaying) print(results []replay.Result) error {
	answer := replayAnswer{Result: results[0]}
	if r.dry != nil {
		actions := append([]replay.Action{}, r.dry.Actions()...)
		answer.Actions = &actions
	}
	if len(results) > 1 {
		answer.Compared = &compared{results[1], replay.Compare(results[0], results[1])}
	}
	if r.store != nil {
		answer.Backfilled = &r.store.filled
	}
	if r.flags.asJSON {
		out := json.NewEncoder(r.streams.Out)
		out.SetIndent("", "  ")
		return out.Encode(answer)
	}
	err := errors.Join(printObjectives(r.streams.Out, answer.Result), printFirings(r.streams.Out, answer.Result))
	if answer.Actions != nil {
		err = errors.Join(err, printDecisions(r.streams.Out, *answer.Actions))
	}
	if answer.Compared != nil {
		err = errors.Join(err, printDifferences(r.streams.Out, answer.Compared.Differences))
	}
	if b := answer.Backfilled; b != nil {
		_, wrong := fmt.Fprintf(r.streams.Out, "\nfilled: %s\n", strings.Join(b.Objectives, ", "))
		err = errors.Join(err, wrong)
		if len(b.Kept) > 0 {
			_, wrong = fmt.Fprintf(r.streams.Out, "left as they are, since the agent has counts of them: %s\n", strings.Join(b.Kept, ", "))
			err = errors.Join(err, wrong)
		}
	}
	return err
}

func printDecisions(out io.Writer, actions []replay.Action) error {
	if len(actions) == 0 {
		_, err := fmt.Fprintln(out, "\nno hook would have done anything")
		return err
	}
	_, err := fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	err = errors.Join(err, row(w, "HOOK", "AT", "OBJECTIVE", "TIER", "WOULD HAVE", "WHY"))
	for _, a := range actions {
		err = errors.Join(err, row(w, a.Hook, clockTime(a.At), a.Objective, a.Tier, a.Outcome, strings.Join(a.Reasons, "; ")))
	}
	return errors.Join(err, w.Flush())
}

// printDifferences shows both definitions side by side: the one of --objectives is here, that of
// --compare there.
func printDifferences(out io.Writer, all []replay.Difference) error {
	_, err := fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	err = errors.Join(err, row(w, "OBJECTIVE", "LEFT", "LEFT THERE", "BAD", "BAD THERE", "FIRST FIRED", "FIRST FIRED THERE", "DETECTED AFTER", "DETECTED AFTER THERE", "ONLY HERE", "ONLY THERE"))
	for _, d := range all {
		a, b := sideCells(d.First), sideCells(d.Second)
		cells := []string{d.Name}
		for i := range a {
			cells = append(cells, a[i], b[i])
		}
		err = errors.Join(err, row(w, cells...))
	}
	return errors.Join(err, w.Flush())
}

// sideCells are: left, bad, first fired, detected after, and what fired only on this side.
func sideCells(s *replay.Side) [5]string {
	cells := [5]string{"-", "-", "-", "-", "-"}
	if s == nil {
		return cells
	}
	cells[0], cells[1] = percent(s.Remaining), events(s.Bad)
	if s.FirstFiring != nil {
		cells[2], cells[3] = clockTime(*s.FirstFiring), inSeconds(*s.FirstDetectionSeconds)
	}
	var only []string
	for _, f := range s.Only {
		only = append(only, f.Tier+" at "+clockTime(f.From))
	}
	if len(only) > 0 {
		cells[4] = strings.Join(only, ", ")
	}
	return cells
}

// events writes a count: whole, or to two digits where slices or samples count in parts.
func events(n float64) string {
	if n == math.Trunc(n) {
		return group(fmt.Sprintf("%.0f", n))
	}
	return group(fmt.Sprintf("%.2f", n))
}

func printObjectives(out io.Writer, res replay.Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	err := row(w, "OBJECTIVE", "STATE", "EVENTS", "BAD", "LEFT AT END", "LOWEST", "NOT SEEN FOR", "COUNTS BEGIN")
	for _, o := range res.Objectives {
		began, lowest := "never", "-"
		if !o.Began.IsZero() {
			began, lowest = clockTime(o.Began), percent(o.LowestRemaining)
		}
		err = errors.Join(err, row(w, o.Name, string(o.State), events(o.Events.Good+o.Events.Bad), events(o.Events.Bad), left(o.Status), lowest,
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
