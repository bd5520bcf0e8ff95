package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/web"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/money"
)

const defaultServer = "http://127.0.0.1:9797"

func newStatus(s Streams) *cobra.Command {
	var server string
	var asJSON, groups bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show every objective of a running agent, worst first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := call(cmd.Context(), server, http.MethodGet, "/api/v1/slos", nil)
			if err != nil {
				return err
			}
			active, err := activePolicies(cmd.Context(), server)
			if err != nil {
				return err
			}
			rails, err := askRails(cmd.Context(), server)
			if err != nil {
				return err
			}
			if asJSON {
				return writeStatus(s.Out, body, active, rails)
			}
			var answer struct {
				SLOs []slo.Status `json:"slos"`
			}
			if err := json.Unmarshal(body, &answer); err != nil {
				return fmt.Errorf("reading the answer of %s: %w", server, err)
			}
			lines := inFamilies(answer.SLOs)
			if !groups {
				lines = fold(lines)
			}
			return errors.Join(printStatus(s.Out, lines, isTerminal(s.Out)), printPolicies(s.Out, active), printRails(s.Out, rails, time.Now()))
		},
	}
	cmd.Flags().StringVar(&server, "server", defaultServer, "URL of the agent")
	cmd.Flags().BoolVar(&groups, "groups", false, fmt.Sprintf("show every group of an objective, not the worst %d", shownGroups))
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the API's JSON, under policies what holds and under rails how movements of money stand")
	return cmd
}

// shownGroups is how many groups of an objective are shown unless all are asked for.
const shownGroups = 3

// line is one status to print.
type line struct {
	slo.Status
	more int // above 0: so many groups, of which this is the worst
}

func printStatus(out io.Writer, lines []line, colour bool) error {
	if len(lines) == 0 {
		_, err := fmt.Fprintln(out, "no objectives; name some under objectives: in the agent file")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, paint(colour, "", "STATE")+"\t")
	err := row(w, "OBJECTIVE", "TARGET", "WINDOW", "LEFT", "BURN", "FIRING", "WHY")
	for _, l := range lines {
		fmt.Fprint(w, paint(colour, l.State, string(l.State))+"\t")
		err = errors.Join(err, row(w, l.cells()...))
		for _, m := range l.Members {
			fmt.Fprint(w, paint(colour, m.State, string(m.State))+"\t")
			err = errors.Join(err, row(w, "  "+m.Objective, "-", "-", "-", "-", "-",
				fmt.Sprintf("weight %s, %s of errors, counted as %s", short(m.Weight), percent(m.ErrorRatio), m.Counted)))
		}
	}
	return errors.Join(err, w.Flush())
}

// cells are those of a line beside its state.
func (l *line) cells() []string {
	if l.more > 0 {
		return []string{fmt.Sprintf("  and %d more", l.more), "-", "-", "-", "-", "-", fmt.Sprintf("%s is the worst of them; --groups shows all", strings.TrimPrefix(l.Name, l.Parent))}
	}
	burn := ""
	if len(l.Tiers) > 0 {
		burn = fmt.Sprintf("%s× in %s", short(l.Tiers[0].LongBurnRate), l.Tiers[0].LongWindow)
	}
	name, why := l.Name, l.Reason
	if l.Parent != "" {
		name = "  " + strings.TrimPrefix(l.Name, l.Parent) // [region=eu]
	}
	if outlook := web.Outlook(l.ErrorBudget, l.At); outlook != "" && l.ErrorBudget.RemainingRatio > 0 {
		why += "; gone " + strings.ReplaceAll(outlook, "\u00a0", " ")
	}
	return []string{name, promise(l.Objective), l.Window, left(l.Status), burn, cmp.Or(strings.Join(l.Firing, " "), "-"), why}
}

// inFamilies puts objectives worst first, each followed by its groups; the worst of a family decides where
// it stands.
func inFamilies(all []slo.Status) []line {
	rank := func(s slo.Status) int { return slices.Index(slo.States(), s.State) }
	slices.SortFunc(all, func(a, b slo.Status) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.ErrorBudget.RemainingRatio, b.ErrorBudget.RemainingRatio), strings.Compare(a.Name, b.Name))
	})
	root := func(s slo.Status) string { return cmp.Or(s.Parent, s.Name) }
	place := map[string]int{}
	for i, s := range all {
		if _, known := place[root(s)]; !known {
			place[root(s)] = i
		}
	}
	slices.SortStableFunc(all, func(a, b slo.Status) int {
		return cmp.Or(cmp.Compare(place[root(a)], place[root(b)]), cmp.Compare(min(1, len(a.Parent)), min(1, len(b.Parent))))
	})
	lines := make([]line, len(all))
	for i, s := range all {
		lines[i].Status = s
	}
	return lines
}

// fold leaves the worst groups of each family and one line for the rest, if that is shorter.
func fold(families []line) []line {
	groups := map[string]int{}
	for _, l := range families {
		groups[l.Parent]++
	}
	var out []line
	seen := map[string]int{}
	for _, l := range families {
		n := seen[l.Parent]
		seen[l.Parent]++
		more := groups[l.Parent] - shownGroups
		switch {
		case l.Parent == "" || n < shownGroups || more == 1:
			out = append(out, l)
		case n == shownGroups:
			out = append(out, line{l.Status, more})
		}
	}
	return out
}

// paint colours text by state. Every cell of a column gets the same number of invisible bytes, so
// that columns stay aligned.
func paint(colour bool, state slo.State, text string) string {
	if !colour {
		return text
	}
	code := map[slo.State]string{slo.OK: "32", slo.Burning: "33", slo.Exhausted: "31", slo.Unknown: "36"}[state]
	if code == "" {
		code = "39"
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// left is what is left of the error budget, in money too where that is what it counts. Before any target has fed the objective nobody knows.
func left(s slo.Status) string {
	if s.NeverFed() {
		return "-"
	}
	text := percent(s.ErrorBudget.RemainingRatio)
	if s.Currency != "" {
		text += " (" + money.Text((s.Events.Good+s.Events.Bad)*(1-s.Objective)-s.Events.Bad, s.Currency) + ")"
	}
	return text
}

// promise writes an objective exactly as it was made.
func promise(ratio float64) string {
	return strconv.FormatFloat(math.Round(ratio*1e8)/1e6, 'f', -1, 64) + " %"
}

func percent(ratio float64) string { return digits(ratio*100, 4) + " %" }

func short(f float64) string { return digits(f, 3) }

// digits writes a number in so many significant digits, but never fewer than its whole part has:
// 99.95, 0.001, -25,810.
func digits(f float64, n int) string {
	text := strconv.FormatFloat(f, 'g', n, 64)
	if !strings.Contains(text, "e") {
		return group(text)
	}
	if math.Abs(f) >= 1 {
		return group(strconv.FormatFloat(f, 'f', 0, 64))
	}
	rounded, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// group sets commas between the thousands of a decimal number: -25810 is -25,810.
func group(text string) string {
	whole, fraction, isFraction := strings.Cut(text, ".")
	first := len(whole) - len(strings.TrimLeft(whole, "+-"))
	for i := len(whole) - 3; i > first; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if isFraction {
		return whole + "." + fraction
	}
	return whole
}

// Bounds of one call of an agent.
const (
	callTimeout = 30 * time.Second
	maxAnswer   = 64 << 20
)

// call asks a running agent and returns the body of its answer.
func call(ctx context.Context, server, method, path string, body io.Reader) ([]byte, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("--server: got %q, allowed: a URL such as %s", server, defaultServer)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("no answer within %v", callTimeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(server, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", u.Redacted(), err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if inURL, ok := errors.AsType[*url.Error](err); ok {
		err = inURL.Err // the address stands beside it
	}
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w; is an agent running there? Start one with: assayer run --config assayer.yaml, or name its address with --server", u.Redacted(), err)
	}
	defer res.Body.Close()
	return readAnswer(res, u.Redacted())
}

func readAnswer(res *http.Response, server string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", server, err)
	}
	if len(data) > maxAnswer {
		return nil, fmt.Errorf("reading the answer of %s: it is longer than %d bytes", server, maxAnswer)
	}
	if res.StatusCode/100 == 2 {
		if !json.Valid(data) {
			return nil, fmt.Errorf("reading the answer of %s: it is not JSON; is it an agent's address?", server)
		}
		return data, nil
	}
	var failed struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(data, &failed) == nil && failed.Error != "" {
		return nil, &refusal{res.StatusCode, failed.Error}
	}
	return nil, fmt.Errorf("%s answers %s; is it an agent's address?", server, res.Status)
}

// refusal is an agent's answer that is none, in its own words.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }
