package prometheus

import (
	"fmt"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

// uncountable says why the samples or slices of an objective cannot be counted, or "".
func uncountable(o *alerts.Objective) string {
	i := &o.Indicator
	switch {
	case o.Method != spec.Occurrences && i.RawRatio != nil && i.RawRatio.Events != nil:
		return "slices of ratios that speak for events need each look's ratio with its events"
	case o.GroupBy != nil && (o.Method != spec.Occurrences || i.Threshold != nil || i.RawRatio != nil):
		return "only counters have groups in rules"
	case o.Weight != nil && i.Ratio == nil && i.Histogram == nil:
		return "only counters can be amounts of money in rules"
	}
	return ""
}

// finite leaves the numbers of a gauge: comparisons drop NaN.
func finite(sel string) string { return "(" + sel + " > -Inf < Inf)" }

// within is a subquery that sees each sample of a gauge that is scraped regularly once, as steps are as far apart as
// scrapes: those of (t − width, t].
func (c *counting) within(expr string, width time.Duration) string {
	return fmt.Sprintf("(%s)[%s:%s]", expr, text(width-time.Millisecond), text(c.scrape))
}

// failing are the samples of a gauge that break the limit.
func failing(t *spec.Threshold, sel string) string {
	op := map[spec.Op]string{spec.LessThan: ">=", spec.LessOrEqual: ">", spec.GreaterThan: "<=", spec.GreaterOrEqual: "<"}[t.Op]
	return finite(sel) + " " + op + " " + numeral(t.Value)
}

// errorRatio is the error ratio that a gauge tells, where it tells one.
func errorRatio(r *spec.RawRatio, sel string) string {
	if r.Success {
		return "1 - (" + sel + " >= 0 <= 1)"
	}
	return sel + " >= 0 <= 1"
}

// samples counts the samples of gauges: each is an event, bad or, of a ratio, partly bad.
func (c *counting) samples() {
	all, bad := c.sampled(c.interval)
	c.total(all)
	c.bad(orZero(bad, c.saved(NativeTotalEvents(c.interval))))
}

// sampled counts samples in (t − width, t], all and bad ones.
func (c *counting) sampled(width time.Duration) (all, bad string) {
	if r := c.n.Indicator.RawRatio; r != nil {
		sel := c.raw(&r.Query, "")
		return "sum(count_over_time(" + c.within(sel+" >= 0 <= 1", width) + "))", "sum(sum_over_time(" + c.within(errorRatio(r, sel), width) + "))"
	}
	t := c.n.Indicator.Threshold
	sel := c.raw(&t.Query, "")
	return "sum(count_over_time(" + c.within(finite(sel), width) + "))", "sum(count_over_time(" + c.within(failing(t, sel), width) + "))"
}

// spokenFor counts events of which a gauge with the same labels says what share failed.
func (c *counting) spokenFor(r *spec.RawRatio) {
	events, ratio := "(\n"+indented(c.grown(c.raw(r.Events, "")))+"\n)\n", c.raw(&r.Query, "")
	c.total("sum(\n" + indented(events+"and "+ratio+" >= 0 <= 1") + "\n)")
	c.bad("sum(\n" + indented(events+"* ("+errorRatio(r, ratio)+")") + "\n)")
}

// slices counts the slices that ended in (t − interval, t], a scrape ago, so that what belongs to them has been
// scraped: the steps of a subquery are the ends of slices, since both are multiples of their length. Bad ones are 1, or
// as much of one as was bad.
func (c *counting) slices() {
	none := "0 * sum(" + c.n.of(NativeObjectiveRatio) + ")"
	ended := func(fn, verdict string) string {
		return fmt.Sprintf("sum(\n  %s((\n%s\n  )[%s:%s] offset %s)\n)\nor %s", fn, indented(indented(verdict)), text(c.interval-time.Millisecond), text(c.n.Slice), text(c.scrape), none)
	}
	verdict := c.verdict()
	if i := &c.n.Indicator; c.n.Method == spec.Timeslices && i.Presence == nil && i.Traffic == nil {
		// The share of good ones that a slice needs says which share of bad ones is too much.
		verdict = "(\n" + indented(verdict) + "\n) > bool " + numeral(burnrate.Allowed(c.n.SliceTarget))
	}
	c.total(ended("count_over_time", verdict))
	c.bad(ended("sum_over_time", verdict))
}

// verdict is the error ratio of the slice that ends now, where anything is known of it.
func (c *counting) verdict() string {
	sum := func(sel string) string { return c.sum(c.grownIn(c.n.Slice, sel, 0)) }
	switch i := &c.n.Indicator; {
	case i.Presence != nil:
		return c.presence(c.raw(&i.Presence.Query, ""))
	case i.Traffic != nil:
		return c.floor(i.Traffic, c.raw(&i.Traffic.Total, ""))
	case i.Histogram != nil:
		count, bucket := c.histogram(i.Histogram)
		return c.ofSlice(count, sum(count)+" - "+sum(bucket), sum(count))
	case i.Ratio == nil:
		all, bad := c.sampled(c.n.Slice)
		return fmt.Sprintf("(%s or 0 * %s) / %s", bad, all, all)
	case i.Ratio.Total == nil:
		good, bad := c.raw(i.Ratio.Good, ""), c.raw(i.Ratio.Bad, "")
		failed := "(\n" + indented(orZero(sum(bad), sum(good))) + "\n)"
		return c.ofSlice(good+" or "+bad, failed, "(\n"+indented("("+orZero(sum(good), sum(bad))+") + "+failed)+"\n)")
	}
	r := c.n.Indicator.Ratio
	sel := c.raw(r.Total, "")
	total := sum(sel)
	switch {
	case r.Good == nil:
		return c.ofSlice(sel, "("+orZero(sum(c.raw(r.Bad, "")), total)+")", total)
	case r.Latency: // without the bucket nothing is known
		return c.ofSlice(sel, total+" - "+sum(c.raw(r.Good, "")), total)
	}
	return c.ofSlice(sel, total+" - ("+orZero(sum(c.raw(r.Good, "")), total)+")", total)
}

// ofSlice is the error ratio of the events of a slice in which there were samples of a selector; one without events is
// good.
func (c *counting) ofSlice(sel, bad, total string) string {
	ratio := "clamp_min(" + bad + ", 0) / (" + total + " > 0)\nor " + total + " == 0"
	return "(\n" + indented(ratio) + "\n)\nand count(max_over_time((" + sel + ")[" + text(c.n.Slice-time.Millisecond) + ":" + text(c.scrape) + "]))"
}

// presence is 0 where a series was there in the slice, and 1 where targets that showed it within a day answered
// without it.
func (c *counting) presence(sel string) string {
	slice := text(c.n.Slice - time.Millisecond)
	return fmt.Sprintf("0 * count(count_over_time(%s[%s]))\nor clamp_max(count(max_over_time(up[%s]) == 1 and on (job, instance) last_over_time(%s[1d])), 1)",
		sel, slice, slice, sel)
}

// floor is 1 where the rate of a slice was below the limit, and 0 else; nothing where less than nine tenths of it were
// scraped.
func (c *counting) floor(t *spec.Traffic, sel string) string {
	slice := text(c.n.Slice - time.Millisecond)
	return fmt.Sprintf("%s < bool %s\nand avg(avg_over_time(up[%s]) and on (job, instance) last_over_time(%s[%s])) >= 0.9",
		c.sum(c.grownIn(c.n.Slice, sel, 0)), numeral(t.AtLeastPerSecond*c.n.Slice.Seconds()), slice, sel, text(c.n.Slice+c.lookback))
}
