package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

// askRails asks an agent how movements of money stand, rail by rail; one that follows none has no rails.
func askRails(ctx context.Context, server string) ([]transactions.Summary, error) {
	body, err := call(ctx, server, http.MethodGet, "/api/v1/transactions", nil)
	if no, answered := errors.AsType[*refusal](err); answered && no.status == http.StatusNotFound {
		return []transactions.Summary{}, nil
	}
	if err != nil {
		return nil, err
	}
	answer := struct {
		Rails []transactions.Summary `json:"rails"`
	}{}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("reading the rails of %s: %w", server, err)
	}
	slices.SortStableFunc(answer.Rails, func(a, b transactions.Summary) int {
		return cmp.Or(cmp.Compare(b.Overdue.Count, a.Overdue.Count), strings.Compare(a.Rail, b.Rail))
	})
	return slices.Concat([]transactions.Summary{}, answer.Rails), nil
}

// printRails lists rails below the objectives, the one with most overdue first.
func printRails(out io.Writer, rails []transactions.Summary, now time.Time) error {
	if len(rails) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	err := row(w, "RAIL", "OPEN", "OVERDUE", "IN DOUBT", "OLDEST", "BREAKS", "NEXT CUT-OFF", "WHY")
	for i := range rails {
		r := &rails[i]
		oldest, cutOff, breaks := "-", "-", "-"
		if r.Open.Count > 0 {
			oldest = railSpan(r.OldestSeconds)
		}
		if r.Breaks != nil {
			breaks = pile(r, *r.Breaks)
		}
		if r.NextCutOff != nil {
			cutOff = fmt.Sprintf("%s (in %s), %s before it", r.NextCutOff.UTC().Format(time.RFC3339), railSpan(r.NextCutOff.Sub(now).Seconds()), pile(r, r.Due))
		}
		err = errors.Join(err, row(w, r.Rail, pile(r, r.Open), pile(r, r.Overdue), pile(r, r.InDoubt), oldest, breaks, cutOff, cmp.Or(whyRail(r), "-")))
	}
	return errors.Join(err, w.Flush())
}

// whyRail says what of a rail somebody should look at.
func whyRail(r *transactions.Summary) string {
	var why []string
	switch {
	case r.NextCutOff == nil || r.Due.Count == 0:
	case r.DrainSeconds == nil:
		why = append(why, "nothing settles at present")
	case r.DrainRatio > 1:
		why = append(why, "what is due takes "+railSpan(*r.DrainSeconds)+", more than is left")
	}
	for _, a := range r.Anomalies {
		why = append(why, a.Why)
	}
	return strings.Join(why, "; ")
}

// pile writes a count and, where amounts are known, what they come to: 12 (345.67 EUR, 1.00 USD).
func pile(r *transactions.Summary, p transactions.Pile) string {
	text := group(fmt.Sprint(p.Count))
	if amounts := r.Amounts(p); len(amounts) > 0 {
		text += " (" + strings.Join(amounts, ", ") + ")"
	}
	return text
}

func railSpan(seconds float64) string {
	return time.Duration(min(max(0, seconds), 1e9) * float64(time.Second)).Round(time.Second).String()
}
