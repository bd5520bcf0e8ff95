// Package burnrate is the table of burn-alert windows and the arithmetic of their factors.
//
// A tier says "p % of the budget spent in T". Burning at rate b for T of a window W spends
// b × T ÷ W of the budget, so the factor is p × W ÷ T. For 30 days the table below gives the
// 14.4, 6, 3 and 1 of the SRE workbook, chapter 5; for any other window the factors differ:
//
//	page-1h    1h / 5m   2 %  × 14.40
//	page-6h    6h / 30m  5 %  ×  6.00
//	ticket-1d  1d / 2h  10 %  ×  3.00
//	ticket-3d  3d / 6h  10 %  ×  1.00
package burnrate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Allowed is the ratio of bad events that a target allows. Twelve decimals undo the rounding of 1 − 0.99 in binary, which
// would leave a crumb of a budget that is spent to the last event.
func Allowed(target float64) float64 { return math.Round((1-target)*1e12) / 1e12 }

// Severity says how fast somebody has to look.
type Severity string

// Page wakes somebody; Ticket waits for working hours.
const (
	Page   Severity = "page"
	Ticket Severity = "ticket"
)

// Tier is one leg of a burn alert: it fires while the burn rate over both windows is at or above
// the factor.
type Tier struct {
	Name        string
	Severity    Severity
	Long, Short time.Duration
	BudgetRatio float64 // share of the whole budget that burning at Factor spends in Long
	Factor      float64 // burn rate
	// OfRemaining measures against what is left of the budget: the factor shrinks with it, down to 1.
	OfRemaining bool
}

// minFactor keeps out tiers that would fire on a service that exactly keeps its promise. The
// workbook's slowest leg is 1 for 30 days and becomes 0.93 for 28 days, which is meant to stay.
const minFactor = 0.9

// rule is one row of the table before the objective's window is known.
type rule struct {
	severity    Severity
	long, short time.Duration
	budget      float64
}

func table() []rule {
	return []rule{
		{Page, time.Hour, 5 * time.Minute, 0.02},
		{Page, 6 * time.Hour, 30 * time.Minute, 0.05},
		{Ticket, 24 * time.Hour, 2 * time.Hour, 0.10},
		{Ticket, 72 * time.Hour, 6 * time.Hour, 0.10},
	}
}

// Tiers gives the tiers for an objective whose budget window is w. Rows whose factor would fall
// below 0.9 are left out. When no page is left (w under 45 hours) the table's windows are scaled
// by w ÷ 30 d instead, which keeps its factors.
func Tiers(w time.Duration) []Tier {
	var out []Tier
	pages := 0
	for _, r := range table() {
		t := New(r.severity, r.long, r.short, r.budget, w)
		if t.Factor < minFactor {
			continue
		}
		if t.Severity == Page {
			pages++
		}
		out = append(out, t)
	}
	if pages > 0 {
		return out
	}
	out = out[:0]
	scale := float64(w) / float64(30*24*time.Hour)
	for _, r := range table() {
		out = append(out, New(r.severity, scaled(r.long, scale), scaled(r.short, scale), r.budget, w))
	}
	return out
}

func scaled(d time.Duration, by float64) time.Duration {
	return max(time.Second, time.Duration(float64(d)*by).Round(time.Second))
}

// New makes one tier: budget is the share of the budget of window w that may be spent in long.
func New(s Severity, long, short time.Duration, budget float64, w time.Duration) Tier {
	return Tier{
		Name:        string(s) + "-" + Text(long),
		Severity:    s,
		Long:        long,
		Short:       short,
		BudgetRatio: budget,
		Factor:      budget * float64(w) / float64(long),
	}
}

// AgainstRemaining is the tier that measures against what is left of the budget; its name ends in -left.
func (t Tier) AgainstRemaining() Tier {
	t.OfRemaining = true
	t.Name += "-left"
	return t
}

// FactorText spells the factor the way labels carry it, to three decimals: 14.4, 6, 0.933.
func (t Tier) FactorText() string {
	return strconv.FormatFloat(math.Round(t.Factor*1000)/1000, 'f', -1, 64)
}

// Text spells a duration the way windows are named everywhere in Assayer: the largest units that
// fit exactly, days at most. 90 minutes is 1h30m, 24 hours is 1d, 1500 ms is 1s500ms.
func Text(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	if b.Len() == 0 {
		return "1ms"
	}
	return b.String()
}

// Urgency is how soon a leg needs a person, in the words that alert routing uses as severity.
type Urgency string

// Critical is for within minutes, High for within hours; Medium and Low become tickets.
const (
	Critical Urgency = "critical"
	High     Urgency = "high"
	Medium   Urgency = "medium"
	Low      Urgency = "low"
)

// UrgencyOf is that of the leg t among all legs of its objective: the fastest of its severity is the more urgent of
// the two that the severity has.
func UrgencyOf(t Tier, all []Tier) Urgency {
	fastest := true
	for _, other := range all {
		fastest = fastest && (other.Severity != t.Severity || other.Long >= t.Long)
	}
	switch {
	case t.Severity == Page && fastest:
		return Critical
	case t.Severity == Page:
		return High
	case fastest:
		return Medium
	}
	return Low
}
