package slo

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// ErrNotFound: there is no objective of that name.
var ErrNotFound = errors.New("no such objective")

// Bounds of one History call.
const (
	maxPoints        = 2000
	minYear, maxYear = 1970, 2200
)

// History computes an objective's past from its ledger: points moments from `from` to `to`, each
// with the burn rate over the window that ends there and the budget that was left. window is a
// duration such as 1h.
func (e *Engine) History(name, window string, from, to time.Time, points int) ([]Point, error) {
	w, err := model.ParseDuration(window)
	if err != nil || w <= 0 {
		return nil, fmt.Errorf("window %q is not a duration such as 1h", window)
	}
	if points < 2 || points > maxPoints || !from.Before(to) {
		return nil, fmt.Errorf("points must be between 2 and %d and from before to", maxPoints)
	}
	if from.Year() < minYear || to.Year() > maxYear {
		return nil, fmt.Errorf("from and to must lie between the years %d and %d", minYear, maxYear)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	o := e.byName[name]
	if o == nil {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	members := e.memberObjectives(o)
	out := make([]Point, points)
	step := to.Sub(from) / time.Duration(points-1)
	for i := range out {
		out[i] = o.point(members, from.Add(time.Duration(i)*step).UnixMilli(), time.Duration(w).Milliseconds())
	}
	return out, nil
}

func (o *objective) point(members []memberNow, at, windowMs int64) Point {
	m := o.past(members, at-windowMs, at)
	budget := o.past(members, o.edge(o.windows[len(o.windows)-1], at), at)
	return Point{At: time.UnixMilli(at).UTC(), BurnRate: o.burn(m), RemainingRatio: o.remaining(budget), Events: m.total(), Coverage: m.known()}
}

// past measures the window (from, to] of the past, both edges rounded down to a bucket.
func (o *objective) past(members []memberNow, from, to int64) measure {
	if o.Composite == nil {
		return o.measure(from, to, nil)
	}
	return o.combine(members, to-from, func(n *memberNow) (measure, float64) { return n.obj.measureBut(n.spans, from, to, nil), 0 })
}

// memberObjectives are the members of a composite with what their ledgers hold: whether they were
// unknown at some moment of the past is not kept.
func (e *Engine) memberObjectives(o *objective) []memberNow {
	if o.Composite == nil {
		return nil
	}
	var out []memberNow
	for _, m := range o.Composite.Members {
		if obj := e.byName[m.Objective]; obj != nil {
			out = append(out, memberNow{Member: m, obj: obj, counted: measured, spans: obj.exclusion.with(&o.exclusion)})
		}
	}
	return out
}
