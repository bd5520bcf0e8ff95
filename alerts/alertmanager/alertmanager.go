// Package alertmanager makes the whole configuration of an Alertmanager, 0.25 or later: who is told of which alert, how
// soon and how often, which alerts keep still while a worse one fires, and when tickets wait for opening hours. Who is
// told stays the user's: the receivers are a file of theirs that is taken over as it is.
//
//	route:
//	  receiver: ticket
//	  routes:
//	    - {receiver: deadman, matchers: ['alertname="AssayerDeadMansSwitch"'], …}
//	    - {receiver: pager, matchers: ['severity="critical"'], group_wait: 10s, repeat_interval: 5m, continue: true}
//	    - {receiver: escalation, matchers: ['severity="critical"'], group_wait: 15m, …}
//	    - {receiver: chat, matchers: ['severity="high"'], repeat_interval: 4h, continue: true}
//	    - {receiver: pager, matchers: ['severity="high"'], group_wait: 1h, …}
//	    - {receiver: ticket, matchers: ['severity=~"medium|low"'], routes: [{matchers: ['slo=~"sct-.*"'], active_time_intervals: [open-target]}]}
//
// Escalation is a second route whose group_wait is how long nobody may have ended the alert. Alertmanager counts that
// wait from the alert's own start, also over its restarts, and drops a group in silence when all of it has ended in the
// wait; inhibition and silences hold as for the first route. So no rule is needed that measures time once more.
package alertmanager

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo/calendar"
)

// Role is what a receiver is for. Receivers are found by it: the one named pager, and for a team of its own
// <team>-pager.
type Role string

// The roles. Without Chat its alerts go to Pager; without Escalation nothing comes after Pager.
const (
	Pager      Role = "pager"      // critical at once, high when it lasts
	Escalation Role = "escalation" // critical that lasts
	Chat       Role = "chat"       // high at once
	Ticket     Role = "ticket"     // medium and low, and whatever nothing else takes
	DeadMan    Role = "deadman"    // has to be told again and again, and is itself alarmed when it is not
)

// TemplateName is the file that [Template] is to be written to, beside the configuration.
const TemplateName = "assayer.tmpl"

// Options say what of the configuration is not in the objectives.
type Options struct {
	// File is where Receivers was read from, for messages. Receivers is YAML: a list of receivers in Alertmanager's own
	// form, or a mapping with that list as receivers and, if wanted, global and templates.
	File      string
	Receivers []byte
	// Roles gives the receiver of a role, or of <team>-<role>, another name than that: {"ticket": "jira"}. Several may
	// share one.
	Roles map[string]string
	// AgentTeam is who is told of the agent's own trouble, if the receivers have any of <AgentTeam>-<role>; empty is assayer.
	AgentTeam string

	GroupBy []string // labels of what makes one notification; empty: alertname, service
	// Environments are labels that tell environments apart which share this Alertmanager, such as cluster: as a rule
	// external labels of their Prometheus servers. An alert keeps only those still that have the same, and what makes one
	// notification has them too.
	Environments   []string
	ResolveTimeout time.Duration // 0: what global says, or Alertmanager's own 5 min
	// Today decides for which days holidays and clock changes are written out: its year and the next.
	Today calendar.Date

	// What is 0 in these is as [DefaultTiming] has it.
	Critical, High, Tickets, DeadMan Timing
	// For how long an alert may fire before the next role is told; 0 is 15 min for critical and 1 h for high.
	EscalateCritical, EscalateHigh time.Duration
}

// Timing is how soon people are told.
type Timing struct {
	Wait     time.Duration // before the first notification, for alerts that belong to it
	Interval time.Duration // between looks at whether something has changed
	Repeat   time.Duration // between notifications while nothing has
}

// defaults fills in what o leaves open: minutes for what is critical, hours for what is high. The dead man's
// repetition is shorter than its interval, or every second one would come a hair too soon and be left out.
func (o Options) defaults() Options {
	fill := func(t *Timing, wait, interval, repeat time.Duration) {
		for i, d := range []*time.Duration{&t.Wait, &t.Interval, &t.Repeat} {
			if *d == 0 {
				*d = []time.Duration{wait, interval, repeat}[i]
			}
		}
	}
	fill(&o.Critical, 10*time.Second, time.Minute, 5*time.Minute)
	fill(&o.High, 30*time.Second, 5*time.Minute, 4*time.Hour)
	fill(&o.Tickets, time.Minute, 10*time.Minute, 24*time.Hour)
	fill(&o.DeadMan, time.Second, time.Minute, 50*time.Second)
	if o.EscalateCritical == 0 {
		o.EscalateCritical = 15 * time.Minute
	}
	if o.EscalateHigh == 0 {
		o.EscalateHigh = time.Hour
	}
	if len(o.GroupBy) == 0 {
		o.GroupBy = []string{model.AlertNameLabel, "service"}
	}
	if !slices.Contains(o.GroupBy, "...") {
		for _, l := range o.Environments {
			if !slices.Contains(o.GroupBy, l) {
				o.GroupBy = append(slices.Clip(o.GroupBy), l)
			}
		}
	}
	if o.AgentTeam == "" {
		o.AgentTeam = "assayer"
	}
	return o
}

// Config writes the configuration for objs, whose calendars say when their tickets wait; calendars of one name are
// taken to be one. The error is a [problem.List] of what is wrong with the receivers or the options; it never repeats
// what receivers are made of.
func Config(objs []alerts.Objective, o Options) ([]byte, error) {
	o = o.defaults()
	base, problems := readReceivers(o)
	problems = append(problems, o.check()...)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	intervals := businessTimes(objs, o.Today.Year)
	r := router{Options: o, base: base, objs: objs, intervals: intervals}
	ours := config{Route: r.root(), Inhibit: inhibitions(o.Environments)}
	for _, i := range intervals {
		ours.Intervals = append(ours.Intervals, i.named()...)
	}
	base.complete(o)
	var generated yaml.Node
	if err := generated.Encode(ours); err != nil {
		return nil, fmt.Errorf("writing the routes: %w", err)
	}
	base.root.Content = append(base.root.Content, generated.Content...)
	var out bytes.Buffer
	out.WriteString("# Generated by Assayer from objectives and receivers; a change made here is lost when it is generated again.\n")
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(base.root); err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	return out.Bytes(), nil
}

// check finds what Alertmanager would refuse.
func (o Options) check() (found problem.List) {
	for _, l := range o.GroupBy {
		if l != "..." && !slices.Contains(o.Environments, l) && !model.LegacyValidation.IsValidLabelName(l) {
			found = append(found, problem.Problem{Path: "group_by", Got: l, Allowed: "names of labels, or ... alone for all labels"})
		}
	}
	if slices.Contains(o.GroupBy, "...") && len(o.GroupBy) > 1 {
		found = append(found, problem.Problem{Path: "group_by", Got: strings.Join(o.GroupBy, ", "), Allowed: "names of labels, or ... alone for all labels"})
	}
	for _, l := range o.Environments {
		if !model.LegacyValidation.IsValidLabelName(l) {
			found = append(found, problem.Problem{Path: "environment_labels", Got: l, Allowed: "names of labels"})
		}
	}
	if o.Today.Year < 1 {
		found = append(found, problem.Problem{Path: "today", Message: problem.NoValue, Allowed: "a date such as 2026-11-22"})
	}
	for name, d := range map[string]time.Duration{"resolve_timeout": o.ResolveTimeout, "escalate_critical": o.EscalateCritical, "escalate_high": o.EscalateHigh} {
		found = append(found, tooShort(name, d, 0)...)
	}
	for name, t := range map[string]Timing{"critical": o.Critical, "high": o.High, "tickets": o.Tickets, "deadman": o.DeadMan} {
		found = append(found, tooShort(name+".wait", t.Wait, 0)...)
		found = append(found, tooShort(name+".interval", t.Interval, time.Millisecond)...)
		found = append(found, tooShort(name+".repeat", t.Repeat, time.Millisecond)...)
	}
	found.Sort()
	return found
}

func tooShort(path string, d, least time.Duration) problem.List {
	if d >= least {
		return nil
	}
	return problem.List{{Path: path, Got: d.String(), Allowed: "a duration of at least " + least.String()}}
}

// text spells a duration as Alertmanager reads it.
func text(d time.Duration) string { return model.Duration(d).String() }
