package rulerun

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// memory is a storage for PromQL.
type memory struct {
	byName map[string]map[string]*recorded
}

type recorded struct {
	labels labels.Labels
	points []chunks.Sample
}

func newMemory() *memory { return &memory{byName: map[string]map[string]*recorded{}} }

// add puts a sample among those of its series. Like Prometheus it takes no second one for a moment.
func (m *memory) add(ls labels.Labels, at time.Duration, v float64) error {
	name, t := ls.Get(labels.MetricName), at.Milliseconds()
	if m.byName[name] == nil {
		m.byName[name] = map[string]*recorded{}
	}
	key := ls.String()
	one := m.byName[name][key]
	if one == nil {
		one = &recorded{labels: ls}
		m.byName[name][key] = one
	}
	i := sort.Search(len(one.points), func(i int) bool { return one.points[i].T() >= t })
	if i < len(one.points) && one.points[i].T() == t {
		return fmt.Errorf("a second sample of %s at %s", key, at)
	}
	one.points = slices.Insert(one.points, i, chunks.Sample(point{t, v}))
	return nil
}

// Querier implements storage.Queryable.
func (m *memory) Querier(mint, maxt int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		set := &listed{next: -1}
		for name, all := range m.byName {
			if !named(matchers, name) {
				continue
			}
			for _, s := range all {
				if !matchAll(matchers, s.labels) {
					continue
				}
				from := sort.Search(len(s.points), func(i int) bool { return s.points[i].T() >= mint })
				to := sort.Search(len(s.points), func(i int) bool { return s.points[i].T() > maxt })
				if from < to {
					set.all = append(set.all, storage.NewListSeries(s.labels, s.points[from:to]))
				}
			}
		}
		sort.Slice(set.all, func(i, j int) bool { return labels.Compare(set.all[i].Labels(), set.all[j].Labels()) < 0 })
		return set
	}}, nil
}

func named(matchers []*labels.Matcher, name string) bool {
	for _, m := range matchers {
		if m.Name == labels.MetricName && !m.Matches(name) {
			return false
		}
	}
	return true
}

func matchAll(matchers []*labels.Matcher, ls labels.Labels) bool {
	for _, m := range matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// point is one sample of a float series.
type point struct {
	t int64
	f float64
}

func (p point) T() int64                    { return p.t }
func (point) ST() int64                     { return 0 }
func (p point) F() float64                  { return p.f }
func (point) H() *histogram.Histogram       { return nil }
func (point) FH() *histogram.FloatHistogram { return nil }
func (point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample         { return p }

// listed is a set of series in memory.
type listed struct {
	all  []storage.Series
	next int
}

func (l *listed) Next() bool                        { l.next++; return l.next < len(l.all) }
func (l *listed) At() storage.Series                { return l.all[l.next] }
func (l *listed) Err() error                        { return nil }
func (l *listed) Warnings() annotations.Annotations { return nil }
