package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

func newRule(p spec.BudgetPolicy, in spec.PolicyRule) rule {
	r := rule{PolicyRule: in, policy: p.Name, objectives: p.Objectives, condition: condition(in)}
	begins, ends := r.limits()
	r.says, r.ends = "; the policy "+r.verb()+" "+begins, " and ends "+ends
	return r
}

// figure is what a rule looks at, in one status.
type figure struct {
	met, cleared bool   // never both
	held         bool   // it cannot be known
	text         string // what it is, a clause
}

// figure reads what the rule is about. Comparisons are written so that NaN is neither met nor cleared.
func (r *rule) figure(s *slo.Status) figure {
	f := figure{held: !s.Observed || s.State == ""}
	left := s.ErrorBudget.RemainingRatio
	switch {
	case r.RemainingBelow != nil:
		f.met, f.cleared = left < *r.RemainingBelow, left >= max(r.until(*r.RemainingBelow), *r.RemainingBelow)
		f.text = percent(left) + " of the budget is left"
	case r.Exhausted:
		f.met, f.cleared = left <= 0, left > 0 && left >= r.until(0)
		f.text = percent(left) + " of the budget is left"
	case r.Firing != "":
		names := firing(s, r.Firing)
		f.met, f.cleared = len(names) > 0, len(names) == 0
		f.text = "no burn alert fires"
		if f.met {
			f.text = strings.Join(names, " and ") + choose(len(names) == 1, " fires", " fire")
		} else if r.Firing != anyTier {
			f.text = r.Firing + " does not fire"
		}
	default:
		rate, known := s.BurnRates.Get(burnrate.Text(r.Over))
		if !known {
			return figure{held: true, text: "no burn rate over " + burnrate.Text(r.Over) + " is known"}
		}
		f.met, f.cleared = rate > r.BurnAbove, rate <= min(r.until(r.BurnAbove), r.BurnAbove)
		f.text = "the burn rate over " + burnrate.Text(r.Over) + " is " + times(rate)
	}
	return f
}

// until is the rule's limit for its end; without one it is that for its beginning.
func (r *rule) until(limit float64) float64 {
	if r.Until != nil {
		return *r.Until
	}
	return limit
}

// anyTier is every burn alert.
const anyTier = "any"

// firing lists the tiers of s that fire and are called what, or have it for a severity.
func firing(s *slo.Status, what string) []string {
	var out []string
	for _, t := range s.Tiers {
		if t.Firing && (what == anyTier || what == t.Name || what == string(t.Severity)) {
			out = append(out, t.Name)
		}
	}
	return out
}

// why is the figure, what the rule makes of it and, while something waits, since when.
func (r *rule) why(s *slo.Status, f figure, st state) string {
	out := f.text + r.says
	if st.Active {
		out += r.ends
	}
	switch {
	case f.held && s.Observed && s.Filled < st.Filled:
		out += fmt.Sprintf("; it stays, since only %s of the window has been watched and it began on %s", percent(s.Filled), percent(st.Filled))
	case f.held:
		out += "; that cannot be known now, so everything stays as it was"
		if s.Reason != "" && !s.Observed {
			out += ": " + s.Reason
		}
	case st.Pending.IsZero():
	case st.Active:
		out += ", which is so since " + clock(st.Pending)
	default:
		out += ", which is met since " + clock(st.Pending)
	}
	return out
}

// limits says when the rule begins and when it ends, each as the end of a sentence.
func (r *rule) limits() (begins, ends string) {
	switch {
	case r.RemainingBelow != nil:
		begins, ends = "below "+percent(*r.RemainingBelow), "at "+percent(max(r.until(*r.RemainingBelow), *r.RemainingBelow))
	case r.Exhausted && r.until(0) > 0:
		begins, ends = "at 0 %", "at "+percent(r.until(0))
	case r.Exhausted:
		begins, ends = "at 0 %", "above 0 %"
	case r.Firing == anyTier:
		begins, ends = "while any burn alert fires", "when none does"
	case r.Firing != "":
		begins, ends = "while "+r.Firing+" fires", "when it does not"
	default:
		begins, ends = "above "+times(r.BurnAbove), "at "+times(min(r.until(r.BurnAbove), r.BurnAbove))
	}
	if r.For > 0 {
		begins += " for " + burnrate.Text(r.For)
	}
	if r.ClearFor > 0 {
		ends += " for " + burnrate.Text(r.ClearFor)
	}
	return begins, ends
}

func (r *rule) verb() string {
	switch r.Then {
	case spec.Freeze:
		return "freezes changes"
	case spec.DemandApproval:
		return "demands approval"
	case spec.NotifyPage:
		return "pages"
	case spec.NotifyTicket:
		return "asks for a ticket"
	case spec.CallHook:
		return "calls hook " + r.Hook
	}
	return string(r.Then)
}

// condition is all of a rule that its state depends on.
func condition(r spec.PolicyRule) string {
	r.Message = ""
	limit := func(f *float64) string {
		if f == nil {
			return "-"
		}
		return strconv.FormatFloat(*f, 'g', -1, 64)
	}
	return fmt.Sprintf("%s %g %s %q %t until %s for %s clear %s then %s %q", limit(r.RemainingBelow), r.BurnAbove, r.Over,
		r.Firing, r.Exhausted, limit(r.Until), r.For, r.ClearFor, r.Then, r.Hook)
}

// percent writes a ratio with four significant digits: 23.1 %.
func percent(ratio float64) string {
	p := ratio * 100
	if math.Abs(p) >= 1000 {
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	}
	return strconv.FormatFloat(p, 'g', 4, 64) + " %"
}

func times(rate float64) string { return strconv.FormatFloat(rate, 'g', 3, 64) + "×" }

func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func choose(first bool, one, other string) string {
	if first {
		return one
	}
	return other
}
