package recording

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/assayer-io/assayer/collector"
)

// Options say how samples become looks.
type Options struct {
	// TargetLabels are the labels whose values together name a target; nil: job and instance.
	TargetLabels []string
	// Interval is how often every target was looked at; 0: the median of the time between its looks.
	Interval time.Duration
	// From and To bound what is read, both included; zero: everything.
	From, To time.Time
}

// ErrNothing: the recording has no sample of any series that an objective reads.
var ErrNothing = errors.New("the recording has no sample of any series that the objectives read")

// errDown is why a look failed of which the recording only says up 0.
var errDown = errors.New("the recording says that the target was down: up 0")

// Reader gives a recording as looks at targets, in order of time and, within a millisecond, of targets.
type Reader struct {
	parts    []Part
	targets  []*target // every one, by name
	queue    queue     // those that have looks left, or their leaving
	looks    int       // targets of queue that have looks left
	from, to int64     // of what is read
	samples  []collector.Sample
	unusable []*collector.Series
}

// target is one place that was looked at.
type target struct {
	id       collector.Target
	group    string
	interval time.Duration
	up       *cursor // nil: not recorded
	cursors  []*cursor
	nextMs   int64
	lastMs   int64 // of the latest look; 0: none
	left     bool  // its leaving has been told, or nothing is to be told
}

// NewReader merges parts, which it closes with Close, also when it fails. Only wanted series are read.
func NewReader(ctx context.Context, parts []Part, w Wanted, o Options) (*Reader, error) {
	r := &Reader{parts: parts, from: math.MinInt64, to: end - 1}
	if !o.From.IsZero() {
		r.from = o.From.UnixMilli()
	}
	if !o.To.IsZero() {
		r.to = o.To.UnixMilli()
	}
	err := r.prepare(ctx, w, o)
	if err == nil && len(r.queue) == 0 {
		err = ErrNothing
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Reader) prepare(ctx context.Context, w Wanted, o Options) error {
	if err := r.collect(ctx, w, o); err != nil {
		return err
	}
	for _, t := range r.targets {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		t.interval = o.Interval
		if t.interval == 0 {
			var err error
			if t.interval, err = t.measure(); err != nil {
				return err
			}
		}
		if err := t.begin(); err != nil {
			return err
		}
		if t.nextMs != end {
			r.queue = append(r.queue, t)
			r.looks++
		}
	}
	heap.Init(&r.queue)
	first, last := int64(end), int64(math.MinInt64)
	for _, p := range r.parts {
		from, to := p.Bounds()
		first, last = min(first, from), max(last, to)
	}
	r.from, r.to = max(r.from, first), min(r.to, last)
	return nil
}

// collect finds the series of every part and sorts them by target.
func (r *Reader) collect(ctx context.Context, w Wanted, o Options) error {
	names := o.TargetLabels
	if len(names) == 0 {
		names = []string{"job", "instance"}
	}
	targets, series := map[collector.Target]*target{}, map[uint64]*cursor{}
	for _, p := range slices.SortedStableFunc(slices.Values(r.parts), byBounds) {
		from, to := p.Bounds()
		if to < r.from || from > r.to {
			continue
		}
		err := p.Series(ctx, func(ls labels.Labels, ref uint64) error {
			if !w.Series(ls) {
				return nil
			}
			made := collector.NewSeries(ls)
			c := series[made.Hash]
			if c == nil {
				if len(series) >= MaxSeries {
					return fmt.Errorf("%w: more than %d", ErrTooManySeries, MaxSeries)
				}
				c = &cursor{series: made, from: r.from, to: r.to}
				series[made.Hash] = c
				targetOf(targets, ls, names).add(c, w)
			}
			c.places = append(c.places, place{p, from, ref})
			return nil
		})
		if err != nil {
			return err
		}
	}
	r.keep(targets)
	return nil
}

func byBounds(a, b Part) int {
	af, at := a.Bounds()
	bf, bt := b.Bounds()
	return cmp.Or(cmp.Compare(af, bf), cmp.Compare(at, bt))
}

// targetOf finds or makes the target that a series belongs to.
func targetOf(targets map[collector.Target]*target, ls labels.Labels, names []string) *target {
	values := make([]string, len(names))
	found := false
	for i, name := range names {
		values[i] = ls.Get(name)
		found = found || values[i] != ""
	}
	id := collector.Target("recording")
	if found {
		id = collector.Target(strings.Join(values, "/"))
	}
	t := targets[id]
	if t == nil {
		t = &target{id: id, group: ls.Get("job")}
		targets[id] = t
	}
	return t
}

// add gives a target one more series. An up is also a series like others where an objective reads it.
func (t *target) add(c *cursor, w Wanted) {
	if c.series.Labels.Get(labels.MetricName) != Up || t.up != nil {
		t.cursors = append(t.cursors, c)
		return
	}
	t.up = c
	if w.Match != nil && w.Match(c.series.Labels) {
		again := *c
		t.cursors = append(t.cursors, &again)
	}
}

// keep leaves out targets that have nothing but an up, unless others of their group have more: live, every
// target of a job is looked at.
func (r *Reader) keep(targets map[collector.Target]*target) {
	groups := map[string]bool{}
	for _, t := range targets {
		if len(t.cursors) > 0 {
			groups[t.group] = true
		}
	}
	for _, t := range targets {
		if len(t.cursors) > 0 || t.group != "" && groups[t.group] {
			slices.SortFunc(t.cursors, func(a, b *cursor) int { return labels.Compare(a.series.Labels, b.series.Labels) })
			r.targets = append(r.targets, t)
		}
	}
	slices.SortFunc(r.targets, byName)
}

func byName(a, b *target) int { return strings.Compare(string(a.id), string(b.id)) }

// begin moves every cursor to its first sample.
func (t *target) begin() error {
	if t.up != nil {
		if err := t.up.next(); err != nil {
			return err
		}
	}
	for _, c := range t.cursors {
		if err := c.next(); err != nil {
			return err
		}
	}
	t.plan()
	return nil
}

// plan finds out when the target was looked at next: when its up was recorded, or, without one, when
// any of its series was.
func (t *target) plan() {
	if t.up != nil && t.up.at != end {
		t.nextMs = t.up.at
		return
	}
	t.nextMs = end
	for _, c := range t.cursors {
		t.nextMs = min(t.nextMs, c.at)
	}
}

// Intervals tells for every target how often it was looked at.
func (r *Reader) Intervals() map[collector.Target]time.Duration {
	out := make(map[collector.Target]time.Duration, len(r.targets))
	for _, t := range r.targets {
		out[t.id] = t.interval
	}
	return out
}

// Series calls yield with every series that is read and how often its target was looked at.
func (r *Reader) Series(yield func(ls labels.Labels, interval time.Duration)) {
	for _, t := range r.targets {
		for _, c := range t.cursors {
			yield(c.series.Labels, t.interval)
		}
	}
}

// Bounds are the times between which looks can lie.
func (r *Reader) Bounds() (from, to time.Time) {
	return time.UnixMilli(r.from).UTC(), time.UnixMilli(r.to).UTC()
}

// Next gives the next look, or io.EOF after the last. Its samples are valid until the next call.
func (r *Reader) Next() (collector.Cycle, error) {
	for r.looks > 0 {
		t := r.queue[0]
		at := t.nextMs
		if t.over() { // it is never seen again although the recording goes on
			heap.Pop(&r.queue)
			if t.left {
				continue
			}
			return collector.Cycle{Target: t.id, Group: t.group, At: time.UnixMilli(at), Interval: t.interval, Gone: true}, nil
		}
		c, told, err := r.look(t, at)
		if err != nil {
			return collector.Cycle{}, err
		}
		t.plan()
		if t.nextMs == end {
			r.looks--
			// Live, discovery would have said so by the time of the next look.
			t.nextMs = t.lastMs + (t.interval + t.interval/2).Milliseconds()
			t.left = t.left || t.lastMs == 0
			t.up, t.cursors = nil, nil
		}
		heap.Fix(&r.queue, 0)
		if told {
			return c, nil
		}
	}
	return collector.Cycle{}, io.EOF
}

// over reports whether only the target's leaving is left to be told.
func (t *target) over() bool { return t.up == nil && t.cursors == nil }

// look takes the samples of one moment. told is false when it tells nothing: only that series have
// ended, and not whether the target was reached.
func (r *Reader) look(t *target, at int64) (c collector.Cycle, told bool, err error) {
	c = collector.Cycle{Target: t.id, Group: t.group, At: time.UnixMilli(at), Interval: t.interval}
	r.samples, r.unusable = r.samples[:0], r.unusable[:0]
	for _, cur := range t.cursors {
		if err := r.take(cur, at); err != nil {
			return c, false, err
		}
	}
	told = len(r.samples)+len(r.unusable) > 0
	if up := t.up; up != nil && up.at == at {
		v := up.value
		if err := up.next(); err != nil {
			return c, false, err
		}
		switch {
		case value.IsStaleNaN(v):
			told, c.Gone = t.lastMs != 0 && !t.left, true
			t.left = true
			return c, told, nil
		case v == 0:
			c.Err, t.lastMs, t.left = errDown, at, false
			return c, true, nil
		}
		told = true
	}
	if told {
		t.lastMs, t.left = at, false
	}
	c.Samples, c.Unusable = r.samples, r.unusable
	return c, told, nil
}

// take adds what a series shows at a look: its latest sample, with its own time where that is not the
// look's.
func (r *Reader) take(c *cursor, at int64) error {
	if c.at > at {
		return nil
	}
	s := collector.Sample{Series: c.series}
	stale := false
	for c.at <= at {
		s.Value, s.Histogram, s.AtMs, stale = c.value, c.histogram, c.at, c.stale()
		if err := c.next(); err != nil {
			return err
		}
	}
	switch {
	case stale:
	case math.IsNaN(s.Value) || math.IsInf(s.Value, 0):
		r.unusable = append(r.unusable, s.Series)
	default:
		if s.AtMs == at {
			s.AtMs = 0
		}
		r.samples = append(r.samples, s)
	}
	return nil
}

// Close closes every part.
func (r *Reader) Close() error {
	var errs []error
	for _, p := range r.parts {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// queue orders targets by their next look.
type queue []*target

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].nextMs != q[j].nextMs {
		return q[i].nextMs < q[j].nextMs
	}
	return q[i].id < q[j].id
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	if t, ok := x.(*target); ok {
		*q = append(*q, t)
	}
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
