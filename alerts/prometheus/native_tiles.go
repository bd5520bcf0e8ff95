package prometheus

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/spec"
)

// watched records which targets were scraped before the present tile began, of the jobs that feed the service: what
// appears on one of them has just been born. Once a file, since there may be thousands of targets; where all selectors
// name their jobs, no others are read.
func (b *fileBuilder) watched() {
	var feeding []string
	for i := range b.objectives {
		feeding = append(feeding, b.objectives[i].counters()...)
	}
	slices.Sort(feeding)
	feeding = slices.Compact(feeding)
	if len(feeding) == 0 {
		return
	}
	expr := fmt.Sprintf("max_over_time(%s[%s] offset %s) == 1\nand on (job) group by (job) (\n  %s\n)",
		selector("up", b.jobs()...), text(b.lookback), text(b.interval), strings.Join(feeding, "\n  or\n  "))
	b.fast = append(b.fast, alerts.Rule{Record: NativeTargetUp, Expr: expr, Labels: map[string]string{metricname.Service: b.service}})
}

// jobs is a matcher of the jobs that selectors of counters name; none where one of them does not.
func (b *fileBuilder) jobs() []*labels.Matcher {
	var all []string
	for i := range b.objectives {
		for _, s := range b.objectives[i].counting() {
			named := false
			for _, m := range s.Matchers {
				if m.Name != "job" || named {
					continue
				}
				switch {
				case m.Type == labels.MatchEqual && m.Value != "":
					all, named = append(all, regexp.QuoteMeta(m.Value)), true
				case m.Type == labels.MatchRegexp && !m.Matches(""):
					all, named = append(all, m.Value), true
				}
			}
			if !named {
				return nil
			}
		}
	}
	slices.Sort(all)
	return []*labels.Matcher{{Type: labels.MatchRegexp, Name: "job", Value: strings.Join(slices.Compact(all), "|")}}
}

// counting are the selectors whose growth n counts, that of a histogram without the suffix of its counters.
func (n *nativeObjective) counting() []*spec.Selector {
	i := &n.Indicator
	var all []*spec.Selector
	switch {
	case i.Ratio != nil:
		all = []*spec.Selector{i.Ratio.Good, i.Ratio.Bad, i.Ratio.Total}
	case i.Histogram != nil:
		all = []*spec.Selector{&i.Histogram.Query}
	case i.Traffic != nil:
		all = []*spec.Selector{&i.Traffic.Total}
	case i.RawRatio != nil:
		all = []*spec.Selector{i.RawRatio.Events}
	}
	return slices.DeleteFunc(all, func(s *spec.Selector) bool { return s == nil })
}

// counters are the selectors of the series whose growth n counts.
func (n *nativeObjective) counters() []string {
	suffix := ""
	if n.Indicator.Histogram != nil {
		suffix = "_count"
	}
	var out []string
	for _, s := range n.counting() {
		out = append(out, raw(s, suffix))
	}
	return out
}

// tiles records the target of n, and what it counted since the evaluation before: all events and bad ones.
func (b *fileBuilder) tiles(n *nativeObjective) {
	b.record(n, NativeObjectiveRatio, "vector("+numeral(n.Target)+")")
	if team := alerts.Team(&n.Objective.Objective); team != "" {
		b.fast[len(b.fast)-1].Labels[alerts.LabelTeam] = team
	}
	c := counting{fileBuilder: b, n: n}
	c.count()
	if n.GroupBy != nil {
		c.by = n.GroupBy.Labels
		c.count()
	}
}

// counting writes the tiles of one objective, whole or by groups.
type counting struct {
	*fileBuilder
	n  *nativeObjective
	by []string // labels of the groups; nil: the whole
}

func (c *counting) count() {
	i := &c.n.Indicator
	switch {
	case c.n.Method != spec.Occurrences:
		c.slices()
	case i.Ratio != nil && i.Ratio.Latency:
		c.below(c.raw(i.Ratio.Total, ""), c.raw(i.Ratio.Good, ""), "on (job, instance)")
	case i.Ratio != nil:
		c.ratio(i.Ratio)
	case i.Histogram != nil:
		count, bucket := c.histogram(i.Histogram)
		c.below(count, bucket, "ignoring (le)")
	case i.RawRatio != nil && i.RawRatio.Events != nil:
		c.spokenFor(i.RawRatio)
	default:
		c.samples()
	}
}

// raw is the text of a selector of raw series; for groups without what cannot name one.
func (c *counting) raw(s *spec.Selector, suffix string, more ...*labels.Matcher) string {
	for _, name := range c.by {
		more = append(more, groupable(name))
	}
	return raw(s, suffix, more...)
}

// total and bad record the two tiles.
func (c *counting) total(expr string) { c.record(c.n, NativeTotalEvents(c.interval), expr) }
func (c *counting) bad(expr string)   { c.record(c.n, NativeBadEvents(c.interval), expr) }

// saved is what a rule before recorded of the whole, or of each group.
func (c *counting) saved(metric string) string {
	if c.by == nil {
		return "sum(" + c.n.of(metric, equal(metricname.Group, "")) + ")"
	}
	return "sum by (group) (" + c.n.of(metric, &labels.Matcher{Type: labels.MatchNotEqual, Name: metricname.Group}) + ")"
}

// ratio counts events with counters, total and bad in the order in which one needs the other. A counter that nobody
// has seen yet has counted nothing, as long as the other one is there.
func (c *counting) ratio(r *spec.Ratio) {
	total, bad := c.saved(NativeTotalEvents(c.interval)), c.saved(NativeBadEvents(c.interval))
	grown := func(s *spec.Selector) string { return c.sum(c.grown(c.raw(s, ""))) }
	switch {
	case r.Total == nil:
		c.bad(orZero(grown(r.Bad), c.sum(finite("last_over_time("+c.raw(r.Good, "")+"["+text(c.lookback)+"])"))))
		c.total("(\n" + indented(orZero(grown(r.Good), bad)) + "\n)\n+ " + bad)
	case r.Good == nil:
		c.total(grown(r.Total))
		c.bad(orZero(grown(r.Bad), total))
	default:
		c.total(grown(r.Total))
		c.bad(total + "\n- (\n" + indented(orZero(grown(r.Good), total)) + "\n)")
	}
}

// below counts what a histogram counted, and as good what is in the bucket of a limit. Where there is no such bucket
// nothing is known, and nothing counted; which bucket a count belongs to says where. Who writes a ratio may take only
// some series for good, so that there it is the target.
func (c *counting) below(count, bucket, where string) {
	c.total(c.sum("(\n" + indented(c.grown(count)) + "\n)\nand " + where + " last_over_time(" + bucket + "[" + text(c.lookback) + "])"))
	c.bad(c.saved(NativeTotalEvents(c.interval)) + "\n- " + c.sum(c.grown(bucket)))
}

// histogram is the count of a classic histogram and the bucket whose bound is the limit.
func (c *counting) histogram(h *spec.Histogram) (count, bucket string) {
	return c.raw(&h.Query, "_count"), c.raw(&h.Query, "_bucket", equal(labels.BucketLabel, numeral(h.Below)))
}

// orZero is a, or 0 where there is none but there is b.
func orZero(a, b string) string { return a + "\nor 0 * " + b }

// grown is by how much each series of a selector grew since the evaluation before.
func (c *counting) grown(sel string) string {
	unit := 0.0
	if w := c.n.Weight; w != nil && w.By == nil {
		unit = w.MinorUnit
	}
	return c.grownIn(c.interval, sel, unit)
}

// grownIn is by how much each series of a selector grew in (t − width, t], in whole minor units of its own if unit is
// not 0: from the last sample before to the last one within, across failed scrapes as long as lookback. What it is
// compared with is
//
//   - its last value before;
//   - or nothing, when it was born on a target that had been scraped. If it was there an hour or a day ago with no more
//     than now, it was only away, and what it had counted before is no news;
//   - or its first sample, a baseline.
//
// Where that gives less than nothing the counter began anew, and grew to its peak before. Samples that are no numbers
// take their series out of the tile.
func (c *counting) grownIn(width time.Duration, sel string, unit float64) string {
	in := func(v string) string {
		switch unit {
		case 0:
			return v
		case 1:
			return "round(" + v + ")"
		}
		return "round(" + v + " * " + numeral(unit) + ")"
	}
	back, w := text(c.lookback), text(width)
	now := "last_over_time(" + sel + "[" + back + "])"
	before := "last_over_time(" + sel + "[" + back + "] offset " + w + ")"
	first := "min_over_time(" + sel + "[" + w + "])"
	peak := "max_over_time(" + sel + "[" + w + "])"
	up := selector(NativeTargetUp, equal(metricname.Service, c.service))
	if width > c.interval {
		up += " offset " + text(width-c.interval)
	}
	base := "(\n" + indented(before+
		"\nor 0 * (\n"+indented(first+" and on (job, instance) "+up+"\nunless "+sel+" offset 1h <= "+first+"\nunless "+sel+" offset 1d <= "+first)+"\n)"+
		"\nor "+first) + "\n)"
	return "(\n" + indented(in(now)+" - "+in(base)+" >= 0\nor "+in(now)+" + clamp_min("+in(peak)+" - "+in(before)+", 0) >= 0") + "\n) < Inf"
}

// sum adds up a vector over all series, or by groups, named as the agent names them.
func (c *counting) sum(vector string) string {
	if c.by == nil {
		return "sum(\n" + indented(vector) + "\n)"
	}
	by := slices.Sorted(slices.Values(c.by))
	expr := "sum by (" + strings.Join(by, ", ") + ") (\n" + indented(vector) + "\n)"
	for _, name := range by {
		expr = fmt.Sprintf("label_replace(%s, %q, %q, %q, %q)", expr, name, `"$1"`, name, `(.*[,=\] ].*)`)
		expr = fmt.Sprintf("label_replace(%s, %q, %q, %q, %q)", expr, name, name+"=$1", name, `(.*)`)
	}
	for i, name := range by {
		by[i] = fmt.Sprintf("%q", name)
	}
	return fmt.Sprintf("sum by (group) (label_join(%s, \"group\", \",\", %s))", expr, strings.Join(by, ", "))
}

// groupable matches the values of a label that PromQL can put into the name of a group as they are, or in quotes: the
// agent would escape the others. They count in the whole.
func groupable(name string) *labels.Matcher {
	return &labels.Matcher{Type: labels.MatchRegexp, Name: name, Value: `(?: |[^"\\\pC\pZ]){0,128}`}
}

// text spells a duration as PromQL and the names of records have it.
func text(d time.Duration) string { return burnrate.Text(d) }

func indented(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }
