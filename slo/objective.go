package slo

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

// objective is one promise with everything the engine keeps for it.
type objective struct {
	spec.Objective
	id         uint64 // of name and indicator: what the ledger's numbers mean
	epoch      int64  // targets last seen in an earlier epoch have not been seen for this objective
	watchedMs  int64  // when the engine was first told of it
	ledger     *ledger
	slicer     *slicer // nil when events are counted one by one
	tiers      []tier
	sequential *sequential // nil: no fast tier
	fast       tier        // of sequential
	windows    []window    // distinct, shortest first, the budget's own last
	period     *calendar.Period
	totalsHigh Events // of cum, held up so that they never fall
	// Totals are told only once they are durable: after a crash they would else fall.
	totalsStoring, totalsDurable Events

	reach        time.Duration // the longest window of a composite that this is a member of
	parent       *objective    // of a group: the grouped objective it belongs to
	group        map[string]string
	values       []string // of a group: the labels' values in the order of GroupBy
	groups       groups   // of a grouped objective
	exclusion    overlay
	state        State   // at the last evaluation
	asked        []int64 // instants that composites of which it is a member want to know exactly
	periodMs     int64   // a moment of the period that a composite's members remember the start of
	blindMs      int64   // since when nothing can be said; 0: it can
	met          bool    // it was not blind yet when this process began to count it, or has been for long since
	blindWhy     string
	shownMs      int64   // the last look that showed a series of it
	paceMs       int64   // the slowest interval of the targets that feed it, as far as there are any
	owedBad      float64 // of a raw ratio that speaks for events: the rest of one that failed and is not booked yet
	alarmed      bool    // bad events were booked since the last evaluation
	runs         []run   // the latest looks with failures, oldest first
	windowEvents float64 // in a whole budget window, at the rate of the last evaluation

	acc     []increment     // of the cycle under way
	accAt   map[stretch]int // stretch → index into acc
	touched bool            // acc is in use
}

// window is one stretch of time that statuses report on.
type window struct {
	text   string
	length time.Duration // rolling
	budget bool          // the objective's own window, possibly calendar-aligned
}

// tier is a burn alert leg with its state.
type tier struct {
	burnrate.Tier
	long, short int // which of the objective's windows they are
	firing      bool
	sinceMs     int64
	why         string
	urgency     burnrate.Urgency // among the objective's legs
	factorText  string
}

// stretch is the time over which events are spread evenly, (from, to]; equal: booked at to.
type stretch struct{ from, to int64 }

// increment is what one cycle brought for one objective over one stretch of time.
type increment struct {
	stretch
	good, bad   float64
	total       float64
	excluded    float64
	hasTotal    bool
	gauge, fine float64 // samples of gauges seen, and how many of them, or what part, kept to the limit
	weight      float64 // minor units moved
}

// objectiveID hashes the name and everything that gives counts their meaning. Changing the target
// or the window keeps the ledger; changing what is counted begins a new one.
func objectiveID(o *spec.Objective) uint64 {
	h := xxhash.New()
	write := func(parts ...string) {
		for _, p := range parts {
			_, _ = h.WriteString(p)
			_, _ = h.Write([]byte{0})
		}
	}
	write(o.Name, string(o.Method), o.Slice.String())
	for _, s := range selectorsOf(o) {
		write(string('0'+byte(s.role)), s.Text)
	}
	if o.Method != spec.Occurrences {
		write(formatFloat(o.SliceTarget))
	}
	if t := o.Indicator.Threshold; t != nil {
		write(string(t.Op), formatFloat(t.Value))
	}
	if t := o.Indicator.Traffic; t != nil {
		write(formatFloat(t.AtLeastPerSecond), formatFloat(t.AtLeastOfExpected))
	}
	if i := o.Indicator.Histogram; i != nil {
		write("below", formatFloat(i.Below))
	}
	if i := o.Indicator.RawRatio; i != nil {
		write("success", strconv.FormatBool(i.Success))
	}
	if w := o.Weight; w != nil {
		write("weight", w.Currency, formatFloat(w.MinorUnit))
	}
	if o.Calendar != nil {
		write("calendar", o.Calendar.Name)
	}
	if c := o.Composite; c != nil {
		write("composite", string(c.Method))
		for _, m := range c.Members {
			write(m.Objective, formatFloat(m.Weight))
		}
	}
	return h.Sum64()
}

func newObjective(o spec.Objective, opts Options, now, epoch int64, reach time.Duration) *objective {
	obj := &objective{Objective: o, id: objectiveID(&o), epoch: epoch, watchedMs: now, reach: reach}
	obj.start(opts, now)
	return obj
}

// start gives an objective everything that follows from what it promises.
func (o *objective) start(opts Options, now int64) {
	o.configure(opts)
	o.ledger = newLedger(o.finest(), o.keep(opts))
	if o.Method != spec.Occurrences && o.Composite == nil {
		o.slicer = newSlicer(o.Objective)
	}
	if o.GroupBy != nil {
		o.groups.byKey = map[string]*objective{}
	}
	o.shownMs = now
	o.anchor(now)
	o.ledger.changed = true // its epoch is state too, even if no series is ever seen
}

// reconfigure puts another target, window or calendar in force; what is counted stays.
func (o *objective) reconfigure(s spec.Objective, opts Options, now int64) {
	o.Objective = s
	o.configure(opts)
	o.ledger.rebucket(o.finest(), o.keep(opts))
	o.anchor(now)
	if s.GroupBy != nil && o.groups.byKey == nil {
		o.groups.byKey = map[string]*objective{}
	}
}

func (o *objective) finest() time.Duration { return finestBucket(o.windows[0].length) }

// keep is how far back the ledger must reach.
func (o *objective) keep(opts Options) time.Duration {
	if opts.Retention > 0 {
		return max(opts.Retention, o.Window.Length, o.reach)
	}
	return max(2*o.Window.Length, o.reach, 35*24*time.Hour)
}

// configure derives what depends on the objective's target and window but not on what is counted.
func (o *objective) configure(opts Options) {
	var old []tier
	old, o.tiers, o.windows, o.period = o.tiers, nil, nil, nil
	legs := TiersFor(o.Window.Length, o.MinTierWindow, opts.Tiers)
	for _, t := range legs {
		next := tier{Tier: t, urgency: burnrate.UrgencyOf(t, legs), factorText: t.FactorText()}
		if i := slices.IndexFunc(old, func(x tier) bool { return x.Name == t.Name }); i >= 0 {
			next.firing, next.sinceMs, next.why = old[i].firing, old[i].sinceMs, old[i].why
		}
		o.tiers = append(o.tiers, next)
		o.windows = append(o.windows, window{text: burnrate.Text(t.Short), length: t.Short}, window{text: burnrate.Text(t.Long), length: t.Long})
	}
	slices.SortFunc(o.windows, func(a, b window) int { return cmp.Compare(a.length, b.length) })
	o.windows = slices.CompactFunc(o.windows, func(a, b window) bool { return a.length == b.length })
	o.windows = slices.DeleteFunc(o.windows, func(w window) bool { return w.length == o.Window.Length })
	o.windows = append(o.windows, window{text: o.Window.Text, length: o.Window.Length, budget: true})
	for i := range o.tiers {
		t := &o.tiers[i]
		t.long = slices.IndexFunc(o.windows, func(w window) bool { return w.length == t.Long })
		t.short = slices.IndexFunc(o.windows, func(w window) bool { return w.length == t.Short })
	}
	o.configureFast(opts)
	if w := o.Window; !w.Rolling {
		o.period = &calendar.Period{Unit: calendar.Unit(w.Unit), Count: w.Count, Anchor: w.Anchor}
	}
}

// configureFast gives the fast tier what depends on target and window, and keeps what it has seen.
func (o *objective) configureFast(opts Options) {
	old := o.sequential
	o.sequential = newSequential(&o.Objective, o.allowed())
	if o.sequential == nil || len(o.tiers) == 0 || opts.NoFastTier {
		o.sequential, o.fast = nil, tier{}
		return
	}
	if old != nil {
		o.sequential.restore(&old.fastState)
	}
	shortest := o.windows[0]
	o.sequential.quietMs = shortest.length.Milliseconds()
	o.fast.Tier = fastRule(shortest.length)
	o.fast.urgency, o.fast.factorText = burnrate.Critical, o.fast.FactorText() // it tells of outages only
}

// anchor makes the ledger remember the counts at each calendar period's start.
func (o *objective) anchor(now int64) {
	o.ledger.following, o.ledger.nextMs, o.periodMs = nil, 0, now
	if o.period == nil {
		return
	}
	p := *o.period
	o.ledger.following = func(t int64) int64 { return p.Next(time.UnixMilli(t)).UnixMilli() }
	if o.ledger.nowMs == 0 { // the first samples may carry timestamps from before the present period
		o.ledger.nextMs = p.Start(time.UnixMilli(now)).UnixMilli()
		return
	}
	o.ledger.nextMs = o.ledger.following(o.ledger.nowMs) // a period may have begun since
}

// TiersFor gives the burn-alert tiers of an objective whose budget window is w: those of the table of
// package burnrate whose short window is at least min, or custom where it is not empty. Custom tiers
// as long as the window are left out.
func TiersFor(w, min time.Duration, custom []TierRule) []burnrate.Tier {
	if len(custom) == 0 {
		return slices.DeleteFunc(burnrate.Tiers(w), func(t burnrate.Tier) bool { return t.Short < min })
	}
	var out []burnrate.Tier
	for _, c := range custom {
		if c.Long < w {
			t := burnrate.New(c.Severity, c.Long, c.Short, c.BudgetRatio, w)
			if c.OfRemaining {
				t = t.AgainstRemaining()
			}
			out = append(out, t)
		}
	}
	return out
}

// edge is where the window that ends at now begins.
func (o *objective) edge(w window, now int64) int64 {
	if w.budget && o.period != nil {
		return o.period.Start(time.UnixMilli(now)).UnixMilli()
	}
	return now - w.length.Milliseconds()
}
