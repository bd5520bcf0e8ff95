package rail

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/money"
)

const (
	maxWait    = 400 * 24 * time.Hour // between receipt and deadline
	maxDays    = 250                  // business days, a year's
	maxWindows = 100
	maxBuckets = 60
	maxLimits  = 200
	maxBlocks  = 1_000_000
)

const deadlineAllowed = "exactly one of within, endOfDay, windows and confirmations"

// deadline reads when a movement has to have settled.
func (r *reader) deadline() {
	n, in, out := r.n.At("deadline"), &r.spec.Deadline, &r.rail.Deadline
	written := 0
	for _, key := range []string{"within", "endOfDay", "windows", "confirmations"} {
		if n.At(key).Exists() {
			written++
		}
	}
	if written != 1 {
		r.add(n.Problem(problem.Problem{Message: fmt.Sprintf("has %d of them", written), Allowed: deadlineAllowed}))
	}
	if in.Within != nil {
		if out.Within = *in.Within; out.Within <= 0 || out.Within > maxWait {
			r.add(n.At("within").Wrong("a duration above 0, up to 400d"))
		}
	}
	r.endOfDay(n.At("endOfDay"), in.EndOfDay)
	r.windows(n.At("windows"), in.Windows)
	r.confirmations(n.At("confirmations"), in.Confirmations)
	byDay := n.At("endOfDay").Exists() || n.At("windows").Exists()
	if out.Settles = r.optional(n.At("settles")); out.Settles != "" && !byDay {
		r.add(n.At("settles").Problem(problem.Problem{Message: "is for endOfDay and windows", Got: out.Settles}))
	}
}

func (r *reader) endOfDay(n strictyaml.Node, in *endOfDaySpec) {
	if in == nil {
		return
	}
	r.rail.Deadline.EndOfDay = &EndOfDay{Days: r.days(n.At("days"), in.Days), Minute: r.minute(n.At("at"))}
	cutOff := n.At("cutOff")
	if !cutOff.Exists() {
		return
	}
	r.rail.Deadline.CutOff = r.word(cutOff.At("name"))
	if cutOff.At("at").Exists() {
		r.rail.Deadline.CutOffAt = r.minute(cutOff.At("at"))
	}
	if in.Days == 0 && r.rail.Deadline.CutOffAt > r.rail.Deadline.EndOfDay.Minute {
		r.add(cutOff.At("at").Wrong("a time before the deadline of that day"))
	}
}

func (r *reader) days(n strictyaml.Node, days int) int {
	if days < 0 || days > maxDays {
		r.add(n.Wrong(fmt.Sprintf("business days from 0 to %d", maxDays)))
	}
	return days
}

func (r *reader) windows(n strictyaml.Node, in []windowSpec) {
	if n.IsList() && (len(in) == 0 || len(in) > maxWindows) {
		r.add(n.Wrong(fmt.Sprintf("a list of 1 to %d windows", maxWindows)))
	}
	for i := range in {
		at := n.At(fmt.Sprintf("[%d]", i))
		w := Window{Name: r.word(at.At("name")), CutOff: r.minute(at.At("cutOff")), At: r.minute(at.At("at")), Days: r.days(at.At("days"), in[i].Days)}
		earlier := r.rail.Deadline.Windows
		switch {
		case w.Days == 0 && w.At < w.CutOff:
			r.add(at.At("at").Wrong("a time after the window's cut-off, or days: 1"))
		case len(earlier) > 0 && w.CutOff <= earlier[len(earlier)-1].CutOff:
			r.add(at.At("cutOff").Wrong("a time after the cut-off of the window before it"))
		case len(earlier) > 0 && w.CutOff >= earlier[0].CutOff+24*60:
			r.add(at.At("cutOff").Wrong("a time before the next day's first window"))
		case slices.ContainsFunc(earlier, func(o Window) bool { return o.Name == w.Name }):
			r.add(at.At("name").Problem(problem.Problem{Message: "a window of this name is there already", Got: w.Name}))
		}
		r.rail.Deadline.Windows = append(earlier, w)
	}
}

func (r *reader) confirmations(n strictyaml.Node, in *confirmationsSpec) {
	if in == nil {
		return
	}
	if in.Blocks < 1 || in.Blocks > maxBlocks {
		r.add(n.At("blocks").Wrong(fmt.Sprintf("a whole number from 1 to %d", maxBlocks)))
	}
	if in.BlockTime <= 0 || in.BlockTime > 24*time.Hour {
		r.add(n.At("blockTime").Wrong("a duration above 0, up to 1d"))
	}
	if in.Grace < 0 || in.Grace > maxWait {
		r.add(n.At("grace").Wrong("a duration up to 400d"))
	}
	if in.Blocks > 0 && in.BlockTime > maxWait/time.Duration(in.Blocks) {
		r.add(n.At("blockTime").Wrong("at most 400d for all blocks together"))
	}
	r.rail.Deadline.Confirmations = &Confirmations{Blocks: in.Blocks, BlockTime: in.BlockTime, Grace: in.Grace}
}

// buckets reads the bounds of the histogram. The limit itself has to be one, and half of it, so that what
// kept to them is counted and not guessed.
func (r *reader) buckets() {
	n := r.n.At("buckets")
	if len(r.spec.Buckets) == 0 || len(r.spec.Buckets) > maxBuckets {
		r.add(n.Wrong(fmt.Sprintf("a list of 1 to %d durations such as [1s, 5s, 10s]", maxBuckets)))
	}
	for i, b := range r.spec.Buckets {
		if at := n.At(fmt.Sprintf("[%d]", i)); b <= 0 || i > 0 && b <= r.spec.Buckets[i-1] {
			r.add(at.Wrong("a duration above the one before it"))
		}
		r.rail.Buckets = append(r.rail.Buckets, b.Seconds())
	}
	if r.problems.HasAt(r.n.File(), r.n.At("deadline").Path()) {
		return
	}
	d := r.rail.Deadline
	limit := d.Within
	if c := d.Confirmations; c != nil {
		limit = time.Duration(c.Blocks)*c.BlockTime + c.Grace
	}
	for _, bound := range []time.Duration{limit / 2, limit} {
		if bound > 0 && !slices.Contains(r.rail.Buckets, bound.Seconds()) && n.Exists() {
			r.add(n.Problem(problem.Problem{Message: "the deadline and half of it have to be among the bounds", Allowed: model.Duration(bound).String() + " too"}))
		}
	}
}

// amount reads what a single movement weighs at most.
func (r *reader) amount(n strictyaml.Node) string {
	if !n.Exists() {
		return ""
	}
	if m, err := money.ParseMinor(n.Text(), 4); err != nil || m.IsZero() {
		r.add(n.Wrong("an amount above 0 in major units such as 10000, without a currency"))
	}
	return n.Text()
}

func (r *reader) limits() {
	list := r.n.At("limits")
	if len(r.spec.Limits) > maxLimits {
		r.add(list.Wrong(fmt.Sprintf("at most %d limits", maxLimits)))
	}
	for i, in := range r.spec.Limits {
		n := list.At(fmt.Sprintf("[%d]", i))
		l := Limit{Name: r.word(n.At("name")), Value: r.text(n.At("value"), "the figure, such as 10s"), Text: in.Text,
			Source: r.text(n.At("source"), "where it is written"), AsOf: r.date(n.At("asOf"))}
		if until := n.At("until"); until.Exists() {
			if l.Until = r.date(until); l.Until.Compare(l.AsOf) < 0 {
				r.add(until.Wrong("a date after asOf"))
			}
		}
		if slices.ContainsFunc(r.rail.Limits, func(o Limit) bool { return o.Name == l.Name && o.AsOf == l.AsOf }) {
			r.add(n.At("name").Problem(problem.Problem{Message: "a limit of this name and date is there already", Got: l.Name}))
		}
		r.rail.Limits = append(r.rail.Limits, l)
	}
}

// The objectives that a rail may propose: their names, which come after that of the document.
const (
	Errors      = "errors"
	Value       = "value"
	CappedValue = "capped-value"
	Latency     = "latency"
	Traffic     = "traffic"
	Saturation  = "saturation"
)

func proposalNames() []string {
	return []string{Errors, Value, CappedValue, Latency, Traffic, Saturation}
}

// proposals reads the objectives that a document of this rail has without writing them.
func (r *reader) proposals() {
	all := r.n.At("objectives")
	for _, e := range all.Entries() {
		if !slices.Contains(proposalNames(), e.Key) {
			r.add(all.UnknownField(e.Key, proposalNames()))
		}
	}
	for _, name := range proposalNames() {
		if n := all.Field(name); n.Exists() {
			in := r.spec.Objectives[name]
			r.rail.Proposals = append(r.rail.Proposals, r.proposal(n, name, &in))
		}
	}
}

func (r *reader) proposal(n strictyaml.Node, name string, in *proposalSpec) Proposal {
	p := Proposal{Name: name, Signal: name, Window: in.Window, Text: in.Text, Gauge: in.Gauge}
	allowed := map[string]bool{}
	switch name {
	case Value, CappedValue:
		p.Signal, p.Weight = Errors, map[string]string{Value: "value", CappedValue: "capped"}[name]
		if name == CappedValue && r.rail.Capped == "" && !r.n.At("cappedAmount").Exists() {
			r.add(n.Problem(problem.Problem{Message: "needs a cappedAmount of the rail"}))
		}
	case Latency:
		allowed["below"] = true
		p.Below = r.latency(n.At("below"))
	case Traffic:
		allowed["atLeast"] = true
		if in.AtLeast == nil || *in.AtLeast <= 0 {
			r.add(n.At("atLeast").Wrong("a share of what is expected, above 0%, such as 50%"))
		} else {
			p.AtLeast = float64(*in.AtLeast)
		}
	case Saturation:
		allowed["below"], allowed["gauge"] = true, true
		p.Below = r.saturation(n, in.Gauge)
	}
	for _, key := range []string{"below", "gauge", "atLeast"} {
		if at := n.At(key); at.Exists() && !allowed[key] {
			r.add(at.Problem(problem.Problem{Message: "is not for " + name, Got: at.Shown()}))
		}
	}
	if in.Objective == nil {
		r.add(n.At("objective").Wrong("a percentage such as 99.9%"))
	} else {
		p.Objective = float64(*in.Objective)
	}
	if w, err := model.ParseDuration(in.Window); err != nil || time.Duration(w) < time.Hour || time.Duration(w) > maxWait {
		r.add(n.At("window").Wrong("a duration such as 30d, from 1h to 400d"))
	}
	return p
}

// latency reads a limit that is one of the bounds: what is between two bounds is not known.
func (r *reader) latency(n strictyaml.Node) float64 {
	d, err := model.ParseDuration(n.Text())
	below := time.Duration(d).Seconds()
	if err != nil || !slices.Contains(r.rail.Buckets, below) {
		r.add(n.Wrong("a duration that is one of the buckets"))
	}
	return below
}

// gauges are those that say how near a rail is to what it can carry.
func gauges() []string { return []string{"drain_ratio", "in_doubt", "open", "overdue"} }

func (r *reader) saturation(n strictyaml.Node, gauge string) float64 {
	if !slices.Contains(gauges(), gauge) {
		r.add(n.At("gauge").Wrong(strings.Join(gauges(), ", ")))
	}
	below, err := strconv.ParseFloat(n.At("below").Text(), 64)
	if err != nil || !n.At("below").IsNumber() || !(below > 0 && below <= 1e15) {
		r.add(n.At("below").Wrong("a number above 0"))
		return 0
	}
	return below
}

func units() []string { return []string{"ms", "s", "m", "h", "d"} }

// hints reads what is for people: words about the signals, and units.
func (r *reader) hints() {
	signals := []string{Latency, Traffic, Errors, Saturation}
	all := r.n.At("signals")
	for _, e := range all.Entries() {
		if !slices.Contains(signals, e.Key) {
			r.add(all.UnknownField(e.Key, signals))
		}
	}
	for _, name := range signals {
		if text := r.spec.Signals[name]; text != "" {
			r.rail.Signals = append(r.rail.Signals, Signal{Name: name, Text: text})
		}
	}
	in := r.spec.Dashboard
	for _, key := range []string{"timeUnit", "rateUnit"} {
		if at := r.n.At("dashboard." + key); at.Exists() && !slices.Contains(units(), at.Text()) {
			r.add(at.Wrong(strings.Join(units(), ", ")))
		}
	}
	r.rail.Dashboard = Dashboard(in)
}
