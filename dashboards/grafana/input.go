package grafana

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/spec"
)

// workbook are the windows and factors shown where no objectives are known beforehand.
const workbook = 30 * 24 * time.Hour

// pages are the paging legs of all objectives.
func (g *gen) pages() []burnrate.Tier {
	var all []burnrate.Tier
	for i := range g.in.Objectives {
		all = append(all, g.in.Objectives[i].Tiers...)
	}
	if len(all) == 0 {
		all = burnrate.Tiers(workbook)
	}
	return slices.DeleteFunc(all, func(t burnrate.Tier) bool { return t.Severity != burnrate.Page || t.OfRemaining })
}

// pageWindows are the windows that paging legs look at, the shortest first, as the agent spells them.
func (g *gen) pageWindows() []string {
	sizes := map[time.Duration]bool{}
	for _, t := range g.pages() {
		sizes[t.Long], sizes[t.Short] = true, true
	}
	var out []string
	for _, d := range slices.Sorted(maps.Keys(sizes)) {
		out = append(out, burnrate.Text(d))
	}
	return out
}

// burnLimits are the lowest factor at which any objective pages, and the lowest of the fastest legs.
func (g *gen) burnLimits() []limit {
	slow, fast := 0.0, 0.0
	least := func(so, t float64) float64 {
		if so == 0 {
			return t
		}
		return min(so, t)
	}
	fastest := map[time.Duration]bool{}
	for _, t := range g.pages() {
		slow = least(slow, t.Factor)
		fastest[t.Long] = true
	}
	if len(fastest) == 0 { // nothing pages
		return above(6, 14.4)
	}
	shortest := slices.Min(slices.Collect(maps.Keys(fastest)))
	for _, t := range g.pages() {
		if t.Long == shortest {
			fast = least(fast, t.Factor)
		}
	}
	if slow >= fast {
		return []limit{{fast, red}}
	}
	return above(slow, fast)
}

// railObjective is an objective about the movements of one rail, each counting once.
type railObjective struct {
	rail, slo string
	target    float64
}

// railObjectives are the objectives that count a rail's movements by outcome, one a rail: that of errors, which is
// the first by name.
func (g *gen) railObjectives() []railObjective {
	of := map[string]*spec.Objective{}
	for i := range g.in.Objectives {
		o := &g.in.Objectives[i].Objective
		if o.Indicator.Ratio == nil || o.Method != spec.Occurrences {
			continue
		}
		for _, s := range o.Selectors() {
			if rail := ownRail(s); rail != "" && (of[rail] == nil || o.Name < of[rail].Name) {
				of[rail] = o
			}
		}
	}
	var all []railObjective
	for _, rail := range slices.Sorted(maps.Keys(of)) {
		all = append(all, railObjective{rail, of[rail].Name, of[rail].Target})
	}
	return all
}

// onTimeLimits are red below the least that any objective about a rail promises, and amber where half of what that
// allows is used.
func (g *gen) onTimeLimits() []limit {
	least := 1.0
	for _, o := range g.railObjectives() {
		least = min(least, o.target)
	}
	if least == 1 {
		return below(0.999, 0.99)
	}
	return below((1+least)/2, least)
}

// aboutErrors matches the objectives whose bad events are failures of a service: those that golden-signals documents
// name so, and of the others that are known beforehand the ratios of counters and the watches on presence. How many
// were slow, or for how long there was too little traffic, is no downtime.
func (g *gen) aboutErrors() string {
	if g.errors != "" {
		return g.errors
	}
	patterns := []string{errorsSLO}
	golden := regexp.MustCompile("^(?:" + errorsSLO + ")$")
	for i := range g.in.Objectives {
		o := &g.in.Objectives[i].Objective
		failures := o.Indicator.Presence != nil || o.Indicator.Ratio != nil && !o.Indicator.Ratio.Latency
		if failures && !golden.MatchString(o.Name) {
			patterns = append(patterns, regexp.QuoteMeta(o.Name))
		}
	}
	slices.Sort(patterns[1:])
	g.errors = like(metricname.SLO, strings.Join(slices.Compact(patterns), "|"))
	return g.errors
}

// ownRail is the one rail of which a selector counts what we answer for, or "".
func ownRail(s *spec.Selector) string {
	equal := map[string]string{}
	for _, m := range s.Matchers {
		if m.Type == labels.MatchEqual {
			equal[m.Name] = m.Value
		}
	}
	if equal[labels.MetricName] != metricname.Transactions || equal[metricname.Outcome] == "" {
		return ""
	}
	return equal[metricname.Rail]
}

// promised is what is promised of each rail's movements: of those with an objective what the agent goes by.
// It is empty without any.
func (g *gen) promised() string {
	var parts []string
	for _, o := range g.railObjectives() {
		parts = append(parts, withLabel(maxBy("", g.of(metricname.ObjectiveRatio, is(metricname.SLO, o.slo), whole())), metricname.Rail, o.rail))
	}
	return either(parts)
}

// timeLimits is how long each rail's movements may take, of those rails that have movements and whose scheme says so in
// so many seconds.
func (g *gen) timeLimits() string {
	var parts []string
	for i := range g.in.Rails {
		if r := &g.in.Rails[i]; r.Deadline.Within > 0 {
			parts = append(parts, withLabel("vector("+strconv.FormatFloat(r.Deadline.Within.Seconds(), 'f', -1, 64)+")", metricname.Rail, r.Name))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + either(parts) + ") and on (rail) " + g.of(metricname.TransactionsOpen, ofRail())
}

// limited adds a dashed line where there is something to draw it from.
func limited(queries []query, expr, legend string) []query {
	if expr == "" {
		return queries
	}
	return append(queries, query{expr: expr, legend: legend, limit: true})
}
