package slo

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

// Options configure an engine. The zero value is ready for use.
type Options struct {
	// MinCoverage is the share of a window that must have been observed for its objective's state
	// to be known, in (0, 1]. 0 means 0.9.
	MinCoverage float64
	// Retention is how far back the ledger reaches at least. 0 means twice the objective's window,
	// 35 days at least.
	Retention time.Duration
	// Tiers replaces the burn-alert table of package burnrate for every objective.
	Tiers []TierRule
	// NoFastTier leaves out the tier page-fast, which finds total outages before any window can.
	NoFastTier bool
}

// TierRule is one leg of a burn alert before an objective's window is known.
type TierRule struct {
	Severity    burnrate.Severity
	Long, Short time.Duration
	BudgetRatio float64 // share of the budget that may be spent in Long, in (0, 1]
	OfRemaining bool    // of what is left of the budget, not of the whole
}

const defaultMinCoverage = 0.9

// Engine counts and judges. It is safe for concurrent use; nothing it does blocks.
type Engine struct {
	mu             sync.Mutex
	opts           Options
	objectives     []*objective // sorted by name
	byName         map[string]*objective
	byID           map[uint64]*objective
	byMetric       map[string][]selector // selectors that fix the metric's name
	anyMetric      []selector            // those that do not
	targets        map[collector.Target]*target
	exclusions     []Exclusion
	epoch          int64 // grows whenever an objective is added
	generation     int64 // grows whenever the set of selectors changes
	touched        []*objective
	gathered       []gathered // histograms of the look under way; here to be allocated once
	ratios         []ratioOf  // likewise, of raw ratios
	spoken         []spokenFor
	gatheredAt     map[uint64]int // hash of the derived series → index into gathered
	last           []Status       // of the latest evaluation, and the generation that it was of
	lastGeneration int64
	measures       []measure // of the objective being evaluated; here to be allocated once
	rejected       Rejected
	sweptMs        int64
	dead           []string // keys to delete at the next checkpoint
	dying          []string // keys that the checkpoint under way deletes
	headStoring    []byte   // the state of the engine itself in the checkpoint under way
	headDurable    []byte   // and in the last one that is durable
	storing        []*objective
	restored       bool // targets and epoch have been read back
	urgent         bool // a baseline was taken since the last checkpoint
	alarmed        bool // bad events were booked since Alarmed was asked last
}

// Rejected counts samples that could not be used, by reason.
type Rejected struct {
	OutOfOrder uint64 // not after the series' previous sample
	NotFinite  uint64 // NaN or infinite
	Negative   uint64 // a counter below zero
	// Implausible: more events at once than can be counted exactly, 2^53.
	Implausible uint64
}

// New makes an engine without objectives.
func New(opts Options) *Engine {
	if opts.MinCoverage == 0 {
		opts.MinCoverage = defaultMinCoverage
	}
	return &Engine{opts: opts, byName: map[string]*objective{}, byID: map[uint64]*objective{}, targets: map[collector.Target]*target{}, gatheredAt: map[uint64]int{}}
}

// SetOptions replaces the options but the retention; the next Apply puts them in force.
func (e *Engine) SetOptions(o Options) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if o.MinCoverage == 0 {
		o.MinCoverage = defaultMinCoverage
	}
	o.Retention = e.opts.Retention
	e.opts = o
}

// Apply replaces the set of objectives at moment now. An objective whose name and indicator are
// unchanged keeps its counts, even if its target or window is new. The counts of others, and the
// first time those of targets, are read back from what earlier checkpoints stored, unless stored is
// nil. On an error nothing is changed.
func (e *Engine) Apply(objectives []spec.Objective, now time.Time, stored Scan) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := restoring{epoch: e.epoch + 1, byID: map[uint64]*objective{}, fresh: map[uint64]*objective{}}
	all := make([]*objective, len(objectives))
	reach := reaches(objectives)
	for i, s := range objectives {
		id := objectiveID(&s)
		obj := e.byID[id]
		if obj == nil {
			obj = newObjective(s, e.opts, now.UnixMilli(), next.epoch, reach[s.Name])
			next.fresh[id] = obj
		}
		obj.reach = reach[s.Name]
		next.byID[id], all[i] = obj, obj
	}
	if stored != nil {
		if err := next.read(stored, e.opts, now, !e.restored); err != nil {
			return err
		}
		e.restored = true
	}
	for i, obj := range all {
		if next.fresh[obj.id] == nil {
			stand := obj.groupsStand(&objectives[i])
			obj.reconfigure(objectives[i], e.opts, now.UnixMilli())
			e.dead = append(e.dead, obj.regroup(stand, e.opts, now.UnixMilli())...)
		}
		for _, child := range obj.groups.byKey {
			next.byID[child.id] = child
			all = append(all, child)
		}
	}
	e.epoch, e.byID, e.objectives = next.epoch, next.byID, all
	e.dead = append(e.dead, next.dead...)
	maps.Copy(e.targets, next.targets)
	e.reindex()
	return nil
}

// reindex derives everything that follows from the set of objectives.
func (e *Engine) reindex() {
	e.generation++
	e.byName, e.byMetric, e.anyMetric = map[string]*objective{}, map[string][]selector{}, nil
	slices.SortFunc(e.objectives, func(a, b *objective) int { return strings.Compare(a.Name, b.Name) })
	for _, obj := range e.objectives {
		e.byName[obj.Name] = obj
		if obj.parent == nil { // a group is fed with what its parent selects
			e.index(obj)
		}
	}
	e.overlay()
	for _, t := range e.targets {
		t.members = slices.DeleteFunc(t.members, func(m *member) bool { return e.byID[m.obj.id] != m.obj })
	}
}

func (e *Engine) index(obj *objective) {
	for _, s := range selectorsOf(&obj.Objective) {
		s.obj = obj
		if name := s.MetricName(); name != "" {
			e.byMetric[name] = append(e.byMetric[name], s)
		} else {
			e.anyMetric = append(e.anyMetric, s)
		}
	}
}

// Interest says which series some objective reads. It stays valid until the next Apply.
func (e *Engine) Interest() collector.Interest {
	e.mu.Lock()
	defer e.mu.Unlock()
	byMetric, anyMetric := e.byMetric, e.anyMetric
	native := func(s selector) bool { return s.role == roleNative }
	in := collector.Interest{Epoch: e.epoch, Names: make(map[string]struct{}, len(byMetric)), AllNames: len(anyMetric) > 0}
	in.Histograms = slices.ContainsFunc(anyMetric, native)
	for name, selectors := range byMetric {
		in.Names[name] = struct{}{}
		in.Histograms = in.Histograms || slices.ContainsFunc(selectors, native)
	}
	in.Match = func(ls labels.Labels) bool {
		matches := func(s selector) bool { return s.Matches(ls) }
		return slices.ContainsFunc(byMetric[ls.Get(labels.MetricName)], matches) || slices.ContainsFunc(anyMetric, matches)
	}
	return in
}

// reaches says how far back the members of composites are asked about.
func reaches(objectives []spec.Objective) map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, o := range objectives {
		if o.Composite != nil {
			for _, m := range o.Composite.Members {
				out[m.Objective] = max(out[m.Objective], o.Window.Length)
			}
		}
	}
	return out
}

// Alarmed reports whether bad events were booked since it was asked last. Nothing can begin to fire
// without any, so an evaluation right after them is as good as one after every look.
func (e *Engine) Alarmed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.alarmed
	e.alarmed = false
	return was
}

// Rejected returns how many samples could not be used so far.
func (e *Engine) Rejected() Rejected {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rejected
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
