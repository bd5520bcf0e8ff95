package alertmanager

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
)

// config is what we write of a configuration, beside the user's own sections.
type config struct {
	Route     route      `yaml:"route"`
	Inhibit   []inhibit  `yaml:"inhibit_rules"`
	Intervals []interval `yaml:"time_intervals,omitempty"`
}

type route struct {
	Receiver string   `yaml:"receiver,omitempty"`
	Matchers []string `yaml:"matchers,omitempty,flow"`
	GroupBy  []string `yaml:"group_by,omitempty,flow"`
	Wait     string   `yaml:"group_wait,omitempty"`
	Interval string   `yaml:"group_interval,omitempty"`
	Repeat   string   `yaml:"repeat_interval,omitempty"`
	Mute     []string `yaml:"mute_time_intervals,omitempty,flow"`
	Active   []string `yaml:"active_time_intervals,omitempty,flow"`
	Continue bool     `yaml:"continue,omitempty"`
	Routes   []route  `yaml:"routes,omitempty"`
}

type inhibit struct {
	Source []string `yaml:"source_matchers,flow"`
	Target []string `yaml:"target_matchers,flow"`
	Equal  []string `yaml:"equal,omitempty,flow"`
}

// router lays out the tree. In it the first child that matches takes an alert, unless it says continue.
type router struct {
	Options
	base      *base
	objs      []alerts.Objective
	intervals []business
}

func (r *router) root() route {
	top := r.timed(r.base.receiver("", Ticket), r.Tickets)
	top.GroupBy = r.GroupBy
	deadMan := r.timed(r.base.receiver("", DeadMan), r.DeadMan, is("alertname", alerts.DeadMansSwitch))
	deadMan.GroupBy = []string{"..."} // each Prometheus has a switch of its own
	top.Routes = append(top.Routes, deadMan)
	teams := r.base.teams()
	if slices.Contains(teams, r.AgentTeam) {
		own := route{Receiver: r.base.receiver(r.AgentTeam, Ticket), Routes: r.severities(r.AgentTeam, nil)}
		own.Matchers = []string{oneOf("alertname", alerts.AgentAbsent, alerts.AgentUnhealthy, alerts.ConfigDrifted)}
		top.Routes = append(top.Routes, own)
	}
	for _, team := range teams {
		own := route{Receiver: r.base.receiver(team, Ticket), Matchers: []string{is(alerts.LabelTeam, team)}}
		own.Routes = r.severities(team, func(o *alerts.Objective) bool { return alerts.Team(&o.Objective) == team })
		top.Routes = append(top.Routes, own)
	}
	top.Routes = append(top.Routes, r.severities("", func(o *alerts.Objective) bool {
		return !slices.Contains(teams, alerts.Team(&o.Objective))
	})...)
	return top
}

// severities are the routes of one team's alerts, "" for everybody; mine picks its objectives.
func (r *router) severities(team string, mine func(*alerts.Objective) bool) []route {
	critical := is(alerts.LabelSeverity, string(burnrate.Critical))
	high := is(alerts.LabelSeverity, string(burnrate.High))
	pager, chat, ticket := r.base.receiver(team, Pager), r.base.receiver(team, Chat), r.base.receiver(team, Ticket)
	out := []route{r.timed(pager, r.Critical, critical)}
	if second := r.base.receiver(team, Escalation); second != "" {
		out = append(out, later(&out[0], second, r.EscalateCritical, r.Critical.Repeat))
	}
	out = append(out, r.timed(chat, r.High, high))
	if chat != pager {
		out = append(out, later(&out[len(out)-1], pager, r.EscalateHigh, r.High.Repeat))
	}
	tickets := r.timed(ticket, r.Tickets, oneOf(alerts.LabelSeverity, string(burnrate.Medium), string(burnrate.Low)))
	tickets.Routes = r.opening(mine)
	return append(out, tickets)
}

// later tells a further receiver of what first matches, once it has lasted; no more often than it waits.
func later(first *route, receiver string, after, repeat time.Duration) route {
	second := *first
	first.Continue = true
	second.Receiver, second.Wait = receiver, text(after)
	second.Repeat = text(max(after, repeat))
	return second
}

// opening holds tickets back while the calendars of their objectives are closed. An interval is not handed down to
// routes below, so these are leaves.
func (r *router) opening(mine func(*alerts.Objective) bool) (out []route) {
	if mine == nil {
		return nil
	}
	for _, b := range r.intervals {
		var names []string
		for i := range r.objs {
			if o := &r.objs[i]; o.Calendar != nil && o.Calendar.Name == b.name && mine(o) {
				names = append(names, o.Name)
			}
		}
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		leaf := route{Matchers: []string{oneOf(metricname.SLO, names...)}, Active: []string{b.openName()}}
		if len(b.closed) > 0 {
			leaf.Mute = []string{b.closedName()}
		}
		out = append(out, leaf)
	}
	return out
}

func (r *router) timed(receiver string, t Timing, matchers ...string) route {
	return route{Receiver: receiver, Matchers: matchers, Wait: text(t.Wait), Interval: text(t.Interval), Repeat: text(t.Repeat)}
}

// inhibitions keep an alert still while a worse one says the same. Labels that both lack count as equal, so
// a group's legs meet only those of that group, and the whole's only the whole's: that the whole burns does not say
// which group does.
//
// A leg that pages also keeps back that the budget is exhausted: it tells the same people at once, with what is left.
// When it ends and the budget is still spent, that is told then, since the freeze that follows from it goes on. Tickets do not:
// an exhausted budget is more urgent than they are. Nor does exhaustion keep back a burn, which is what can be ended.
//
// That no agent is there keeps nothing back: an objective is then called unobserved by the rules on raw series, of which
// nothing comes either, and so nobody watches it at all.
//
// Nothing of one environment says anything of another, though objectives be called alike in both.
func inhibitions(environments []string) []inhibit {
	same := slices.Concat([]string{metricname.SLO, metricname.Service, metricname.Group}, environments)
	burn := is("alertname", alerts.BudgetBurn)
	severity := func(u ...burnrate.Urgency) string {
		var words []string
		for _, s := range u {
			words = append(words, string(s))
		}
		return oneOf(alerts.LabelSeverity, words...)
	}
	return []inhibit{
		{Source: []string{burn, severity(burnrate.Critical)}, Target: []string{burn, severity(burnrate.High, burnrate.Medium, burnrate.Low)}, Equal: same},
		{Source: []string{burn, severity(burnrate.High)}, Target: []string{burn, severity(burnrate.Medium, burnrate.Low)}, Equal: same},
		{Source: []string{burn, severity(burnrate.Medium)}, Target: []string{burn, severity(burnrate.Low)}, Equal: same},
		{Source: []string{burn, severity(burnrate.Critical, burnrate.High)}, Target: []string{is("alertname", alerts.BudgetExhausted)}, Equal: same},
	}
}

// is and oneOf are matchers. Values are quoted by Alertmanager's rules, which know no escapes but these.
func is(label, value string) string { return label + "=" + quote(value) }

func oneOf(label string, values ...string) string {
	if len(values) == 1 {
		return is(label, values[0])
	}
	literal := make([]string, len(values))
	for i, v := range values {
		literal[i] = regexp.QuoteMeta(v)
	}
	return label + "=~" + quote(strings.Join(literal, "|"))
}

func quote(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}
