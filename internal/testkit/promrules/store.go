package promrules

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// store keeps float samples in memory: the real one writes files, which takes many times as long.
type store struct {
	series []*series
	byHash map[uint64]*series
	byName map[string][]*series
}

type series struct {
	labels  labels.Labels
	samples []chunks.Sample
}

func newStore() *store {
	return &store{byHash: map[uint64]*series{}, byName: map[string][]*series{}}
}

func (s *store) put(ls labels.Labels, at int64, v float64) error {
	one := s.byHash[ls.Hash()]
	if one == nil {
		one = &series{labels: ls.Copy()}
		s.byHash[ls.Hash()] = one
		s.series = append(s.series, one)
		name := ls.Get(labels.MetricName)
		s.byName[name] = append(s.byName[name], one)
	}
	if n := len(one.samples); n > 0 && one.samples[n-1].T() >= at {
		switch last := one.samples[n-1]; {
		case last.T() > at:
			return fmt.Errorf("%s: %w", ls, storage.ErrOutOfOrderSample)
		case math.Float64bits(last.F()) != math.Float64bits(v):
			return fmt.Errorf("%s: %w", ls, storage.ErrDuplicateSampleForTimestamp)
		}
		return nil
	}
	one.samples = append(one.samples, point{at, v})
	return nil
}

// Querier makes it a storage for PromQL.
func (s *store) Querier(mint, maxt int64) (storage.Querier, error) {
	return querier{s, mint, maxt}, nil
}

type querier struct {
	*store
	mint, maxt int64
}

func (q querier) Select(_ context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	from, to := q.mint, q.maxt
	if hints != nil {
		from, to = hints.Start, hints.End
	}
	candidates := q.series
	for _, m := range matchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			candidates = q.byName[m.Value]
		}
	}
	set := &found{next: -1, from: from, to: to}
	for _, one := range candidates {
		if matchAll(matchers, one.labels) {
			set.all = append(set.all, one)
		}
	}
	return set
}

func matchAll(matchers []*labels.Matcher, ls labels.Labels) bool {
	for _, m := range matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.ErrUnsupported
}

func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.ErrUnsupported
}

func (querier) Close() error { return nil }

// found is a set of series within bounds of time.
type found struct {
	all      []*series
	next     int
	from, to int64
}

func (f *found) Next() bool {
	for f.next++; f.next < len(f.all); f.next++ {
		if from, to := f.bounds(); from < to {
			return true
		}
	}
	return false
}

func (f *found) bounds() (from, to int) {
	s := f.all[f.next]
	from = sort.Search(len(s.samples), func(i int) bool { return s.samples[i].T() >= f.from })
	to = from + sort.Search(len(s.samples)-from, func(i int) bool { return s.samples[from+i].T() > f.to })
	return from, to
}

func (f *found) At() storage.Series {
	from, to := f.bounds()
	return storage.NewListSeries(f.all[f.next].labels, f.all[f.next].samples[from:to])
}

func (*found) Err() error                        { return nil }
func (*found) Warnings() annotations.Annotations { return nil }

// point is one sample of a float series.
type point struct {
	t int64
	v float64
}

func (p point) T() int64                    { return p.t }
func (point) ST() int64                     { return 0 }
func (p point) F() float64                  { return p.v }
func (point) H() *histogram.Histogram       { return nil }
func (point) FH() *histogram.FloatHistogram { return nil }
func (point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample         { return p }
