package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/assayer-io/assayer/slo"
)

// staleAfter is how old a result may be before the page says so.
const staleAfter = time.Minute

// verdict is the one sentence for somebody who reads only one.
type verdict struct {
	State         slo.State // the worst there is; "" without objectives
	Words         string    // 1 of 12 objectives is burning
	More          string    // what else is not well
	At            time.Time // of the newest result; zero: none yet
	Stale         bool
	AgentProblems int
}

// judge sums up statuses, which are sorted worst first. It calls nothing well that is unknown.
func judge(statuses []slo.Status, now time.Time) verdict {
	if len(statuses) == 0 {
		return verdict{Words: "No objectives yet"}
	}
	n := map[slo.State]int{}
	v := verdict{State: statuses[0].State}
	for _, st := range statuses {
		n[st.State]++
		if st.At.After(v.At) {
			v.At = st.At
		}
	}
	v.Stale = !v.At.IsZero() && now.Sub(v.At) > staleAfter
	total := len(statuses)
	phrases := map[slo.State]func(n int, of string) string{
		slo.Exhausted: func(n int, of string) string { return of + choose(n, " has", " have") + " spent the error budget" },
		slo.Burning:   func(n int, of string) string { return of + choose(n, " is", " are") + " burning" },
		slo.Unknown:   func(_ int, of string) string { return of + " cannot be judged" },
	}
	switch v.State {
	case slo.OK:
		v.Words = "All " + plural(total, "", "objectives") + " are within budget"
		if total == 1 {
			v.Words = "The objective is within budget"
		}
	default:
		v.Words = phrases[v.State](n[v.State], count(float64(n[v.State]))+" of "+plural(total, "objective", "objectives"))
	}
	var more []string
	for _, state := range []slo.State{slo.Burning, slo.Unknown} {
		if state != v.State && n[state] > 0 {
			more = append(more, phrases[state](n[state], count(float64(n[state]))))
		}
	}
	if v.State != slo.OK && n[slo.OK] > 0 {
		more = append(more, count(float64(n[slo.OK]))+choose(n[slo.OK], " is", " are")+" within budget")
	}
	if len(more) > 0 {
		v.More = sentence(strings.Join(more, ", "))
	}
	return v
}

func choose(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Title is short enough for a browser's tab.
func (v verdict) Title() string {
	if v.State == "" || v.State == slo.OK {
		return v.Words + " · Assayer"
	}
	count, _, _ := strings.Cut(v.Words, " ")
	return count + " " + string(v.State) + " · Assayer"
}

// stateWord is the state as the first word of something.
func stateWord(s slo.State) string {
	if s == slo.OK {
		return "OK"
	}
	return sentenceCase(string(s))
}

// row is one objective in the list, and the head of its own page.
type row struct {
	slo.Status
	URL      string
	Budget   budget
	Burns    []burn
	Tiers    []slo.TierStatus // that fire
	Spark    chart
	LowCover bool
	Groups   *groupsView
	Labels   string // of a group: region=eu, scheme=sepa
}

// budget is what is left of the error budget, as a bar and in words.
type budget struct {
	Text  string
	Bar   float64 // length of the bar, 0 to 100
	Level string  // good, low, spent or unknown
	Note  string  // gone in 3 h 20 min
}

// burn is the burn rate over one window, marked when it is above what a tier allows.
type burn struct {
	Window string
	Text   string
	Level  string // page, ticket or ""
	Title  string
}

const (
	lowBudget   = 0.2
	lowCoverage = 0.95
	sparkPoints = 60
)

func (s *Server) row(st slo.Status, now time.Time) row {
	r := row{Status: st, URL: objectiveURL(st.Name), Budget: budgetOf(st, now), Burns: burnsOf(st), LowCover: st.Coverage < lowCoverage, Labels: groupLabels(st.Group)}
	for _, t := range st.Tiers {
		if t.Firing {
			r.Tiers = append(r.Tiers, t)
		}
	}
	r.Spark = s.spark(st, now)
	return r
}

func budgetOf(st slo.Status, now time.Time) budget {
	left := st.ErrorBudget.RemainingRatio
	if st.NeverFed() {
		return budget{Text: "-", Level: "unknown", Note: "nothing seen yet"}
	}
	b := budget{Text: share(left), Bar: 100 * min(max(left, 0), 1), Level: "good"}
	switch {
	case left <= 0:
		b.Level, b.Note = "spent", "spent"
		if left < 0 {
			b.Note = "overspent"
		}
	case left < lowBudget:
		b.Level = "low"
	}
	if st.State == slo.Unknown {
		b.Level, b.Note = "unknown", "as far as was seen"
		if st.Observed {
			b.Note = "window not full yet"
		}
	}
	if at := st.ErrorBudget.ExhaustsAt; at != nil && left > 0 {
		b.Note = "gone " + Outlook(st.ErrorBudget, now)
	}
	return b
}

// Outlook says when a budget will be spent, seen from now: in 3 h (between 2 h and 6 h). It is "" when
// that is not in sight. Numbers and units are joined by no-break spaces.
func Outlook(b slo.Budget, now time.Time) string {
	if b.ExhaustsAt == nil {
		return ""
	}
	in := func(at *time.Time) string { return span(max(at.Sub(now), 0)) }
	text := "in " + in(b.ExhaustsAt)
	switch {
	case b.ExhaustsEarliest != nil && b.ExhaustsLatest != nil:
		text += " (between " + in(b.ExhaustsEarliest) + " and " + in(b.ExhaustsLatest) + ")"
	case b.ExhaustsEarliest != nil:
		text += " (" + in(b.ExhaustsEarliest) + " at the earliest)"
	}
	return text
}

func burnsOf(st slo.Status) []burn {
	var out []burn
	for _, w := range st.BurnRates {
		b := burn{Window: w.Window, Text: burnText(w.Value)}
		for _, t := range st.Tiers {
			if (t.LongWindow == w.Window || t.ShortWindow == w.Window) && t.Factor > 0 && w.Value >= t.Factor && b.Level == "" {
				b.Level = string(t.Severity)
				b.Title = fmt.Sprintf("at or above %s× of %s", burnText(t.Factor), t.Name)
			}
		}
		out = append(out, b)
	}
	return out
}
