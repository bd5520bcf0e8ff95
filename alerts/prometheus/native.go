package prometheus

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/internal/parallel"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/spec"
)

// Native makes the rules that go on when no agent is there: from raw series, one file a service, and says of which
// objectives and legs PromQL cannot tell what the agent can. Files come in order of their services, refusals in order
// of the objectives.
//
// A file has two groups. In the first, every Interval, each objective counts the events since the evaluation before:
// a tile. Tiles telescope, as each ends where the next begins, so a window is a sum of tiles, and nothing is
// extrapolated. The second, every five minutes, does the same with tiles of five minutes for windows of days, so that
// a month costs 8,640 samples and not 200,000 for each raw series. All but the tiles is done once for all objectives of a
// service.
//
// While the agent sees an objective, its alerts are held back: the agent then raises them itself, from more. With
// [alerts.Options].Joined, Agent's rules do both, and where an alert is called for is recorded; see [NativeFiring].
func Native(objs []alerts.Objective, o alerts.Options) ([]alerts.File, []alerts.Refusal) {
	s := newSettings(o)
	var refused []alerts.Refusal
	byService := map[string][]nativeObjective{}
	for i := range objs {
		obj := &objs[i]
		if why := refusal(obj); why != "" {
			refused = append(refused, alerts.Refusal{Objective: obj.Name, Reason: why})
			continue
		}
		n := nativeObjective{Objective: obj}
		for _, t := range obj.Tiers {
			if why := s.refusedLeg(&t); why != "" {
				refused = append(refused, alerts.Refusal{Objective: obj.Name, Leg: t.Name, Reason: why})
				continue
			}
			n.legs = append(n.legs, t)
		}
		if !obj.Window.Rolling {
			refused = append(refused, alerts.Refusal{Objective: obj.Name, Leg: LegBudget, Reason: "PromQL has no windows that begin with a calendar's period: what is left of the budget is not known, the legs are"})
		}
		byService[obj.Service] = append(byService[obj.Service], n)
	}
	services := slices.Sorted(maps.Keys(byService))
	files := make([]alerts.File, len(services))
	parallel.Do(len(files), func(i int) {
		b := &fileBuilder{settings: s, service: services[i], objectives: byService[services[i]]}
		files[i] = b.file()
	})
	return files, refused
}

// LegBudget stands in a Refusal for the records of what is left of an objective's budget.
const LegBudget = "budget"

// settings are Options with what follows from them.
type settings struct {
	scrape   time.Duration
	interval time.Duration // of tiles, of the first group, and of the agent's rules
	slow     time.Duration // of the second group: the first multiple of interval that is at least 5 m
	lookback time.Duration // how long a series may be gone and still be the same
	agent    string        // matchers, without braces
	joined   bool          // the alerts are raised elsewhere
	links    alerts.Links
}

func newSettings(o alerts.Options) settings {
	s := settings{scrape: o.Scrape(), interval: o.Interval, agent: o.AgentSelector, joined: o.Joined, links: o.Links}
	if s.interval <= 0 {
		s.interval = 30 * time.Second
	}
	s.interval = max(s.interval, s.scrape)
	s.slow = s.interval * ((slowest + s.interval - 1) / s.interval)
	s.lookback = max(5*time.Minute, 4*s.scrape)
	return s
}

const (
	slowest = 5 * time.Minute
	// fastest is the shortest window that slow tiles can tell: shorter ones would hold fewer than six of them.
	fastest = 30 * time.Minute
	// longest is the longest window that is summed from fast tiles: 720 of them by default.
	longest = 6 * time.Hour
)

// refusal says why PromQL cannot do justice to an objective, or "".
func refusal(o *alerts.Objective) string {
	switch {
	case o.Composite != nil:
		return "a composite is computed from what its members' ledgers hold, and from which of them are unknown since when"
	case o.Calendar != nil:
		return "PromQL knows no business calendars: what happens while " + o.Calendar.Name + " is closed would count"
	case o.Weight != nil && o.Method != spec.Occurrences:
		return "slices that are weighed by amounts of money need the ledger"
	case o.Indicator.Traffic != nil && o.Indicator.Traffic.AtLeastPerSecond <= 0:
		return "what traffic is expected is learnt from the same hours of past days, which the agent remembers"
	}
	if why := uncountable(o); why != "" {
		return why
	}
	for _, sel := range o.Selectors() {
		if sel.MetricName() == "" {
			return "the selector " + sel.Text + " names no single metric, and PromQL cannot subtract series of which only the names differ"
		}
		for _, m := range sel.Matchers {
			if !legacyName(m.Name) {
				return fmt.Sprintf("Prometheus 2 cannot read the label %q", m.Name)
			}
		}
	}
	if g := o.GroupBy; g != nil {
		for _, name := range g.Labels {
			if !legacyName(name) {
				return fmt.Sprintf("Prometheus 2 cannot read the label %q", name)
			}
		}
	}
	return ""
}

// legacyName reports whether every Prometheus takes name for one of a label without quotes.
func legacyName(name string) bool {
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// nativeObjective is an objective with those of its legs that PromQL can judge.
type nativeObjective struct {
	*alerts.Objective
	legs []tier
}

// labels are those of everything that is recorded of an objective; groups have one more. Who owns it is said with the
// target alone: a team that gets another name would make new series of all others, which begin anew.
func (n *nativeObjective) labels() map[string]string {
	return map[string]string{metricname.SLO: n.Name, metricname.Service: n.Service}
}

// fileBuilder writes the rules of one service.
type fileBuilder struct {
	settings
	service    string
	objectives []nativeObjective
	fast, late []alerts.Rule // of the two groups

	recorded      map[time.Duration]bool // windows that are recorded for all objectives
	budgetWindows []time.Duration        // of which it is recorded what is left
}

func (b *fileBuilder) file() alerts.File {
	legs := b.legs()
	b.watched()
	f := alerts.File{Name: ObjectName("native-" + b.service)}
	for i := range b.objectives {
		b.tiles(&b.objectives[i])
		f.Objectives = append(f.Objectives, b.objectives[i].Name)
	}
	b.windows(legs)
	b.budgets()
	for i := range legs {
		b.leg(&legs[i])
	}
	b.state()
	f.Groups = []alerts.Group{
		{Name: f.Name + "-page", Interval: b.interval, Rules: b.fast},
		{Name: f.Name + "-ticket", Interval: b.slow, Rules: b.late},
	}
	return f
}

func (b *fileBuilder) record(n *nativeObjective, name, expr string) {
	b.fast = append(b.fast, alerts.Rule{Record: name, Expr: expr, Labels: n.labels()})
}
