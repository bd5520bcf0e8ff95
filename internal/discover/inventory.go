package discover

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	prom "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo/histogram"
	"github.com/assayer-io/assayer/slo/spec"
)

// Service is what the targets of one service expose.
type Service struct {
	Name    string // value of the label that ServiceLabel finds
	Job     string
	Targets int           // in discovery
	Watched time.Duration // between two looks, of the target with the longest; 0: there was one

	failed   int // targets that could not be read
	scope    []*labels.Matcher
	families map[string]*family // by metric name
}

// Unreadable reports whether none of the service's targets could be read.
func (s *Service) Unreadable() bool { return s.failed > 0 && s.failed == min(s.Targets, maxTargets) }

// family is every series of one name.
type family struct {
	name   string
	series []point
}

// point is one series with its value, and what it grew by until the second look.
type point struct {
	labels    labels.Labels
	value     float64
	grown     float64
	histogram *prom.FloatHistogram // of a native histogram
	was       *prom.FloatHistogram // that of the first look, in the buckets of the second; nil: it had nothing
	at        int                  // place in its family
}

// add takes the first look at a target.
func (s *Service) add(samples []collector.Sample) map[uint64]point {
	out := make(map[uint64]point, len(samples))
	for _, sample := range samples {
		name := sample.Series.Labels.Get(model.MetricNameLabel)
		f := s.families[name]
		if f == nil {
			f = &family{name: name}
			s.families[name] = f
		}
		p := point{labels: sample.Series.Labels, value: sample.Value, histogram: sample.Histogram, at: len(f.series)}
		f.series = append(f.series, p)
		out[sample.Series.Hash] = p
	}
	return out
}

// again takes the second look. Series that are new count from zero, since the target was there before.
func (s *Service) again(samples []collector.Sample, first map[uint64]point, apart time.Duration) {
	s.Watched = max(s.Watched, apart)
	for _, sample := range samples {
		before, known := first[sample.Series.Hash]
		if !known {
			s.add([]collector.Sample{sample})
			name := sample.Series.Labels.Get(model.MetricNameLabel)
			series := s.families[name].series
			series[len(series)-1].grown = sample.Value
			continue
		}
		p := &s.families[before.labels.Get(model.MetricNameLabel)].series[before.at]
		p.value, p.grown, p.histogram, p.was = sample.Value, sample.Value-before.value, sample.Histogram, nil
		if p.grown < 0 { // it began anew
			p.grown = sample.Value
		} else if sample.Histogram != nil && before.histogram != nil {
			p.was = histogram.Since(before.histogram, sample.Histogram)
		}
	}
}

// finish puts series in order, so that what is said of them does not depend on who answered first.
func (s *Service) finish() {
	for _, f := range s.families {
		slices.SortFunc(f.series, func(a, b point) int { return labels.Compare(a.labels, b.labels) })
	}
}

// names lists the metric names there are, in order.
func (s *Service) names() []string { return slices.Sorted(maps.Keys(s.families)) }

// has reports whether any of the service's series is of that name.
func (s *Service) has(name string) bool { return s.families[name] != nil }

// counted is what a selector finds.
type counted struct {
	series  int
	now     float64 // of counters: grown by between two looks
	ever    float64 // of counters: since their targets started
	highest float64 // of gauges
	lowest  float64
}

// count adds up what sel matches, by the code that matches samples to objectives.
func (s *Service) count(sel *spec.Selector) counted {
	out := counted{highest: math.Inf(-1), lowest: math.Inf(1)}
	for _, f := range s.selected(sel) {
		for _, p := range f.series {
			if !sel.Matches(p.labels) {
				continue
			}
			out.series++
			out.now += p.grown
			out.ever += p.value
			out.highest, out.lowest = max(out.highest, p.value), min(out.lowest, p.value)
		}
	}
	return out
}

func (s *Service) selected(sel *spec.Selector) []*family {
	if f := s.families[sel.MetricName()]; f != nil {
		return []*family{f}
	}
	return nil
}

// span is a native histogram with what it had at the beginning; nil: nothing.
type span struct{ now, was *prom.FloatHistogram }

// below is how many observations of the span kept to a limit, +Inf for all of them.
func (h span) below(limit float64) float64 {
	n := histogram.Below(h.now, limit)
	if math.IsInf(limit, 1) {
		n = h.now.Count
	}
	if h.was == nil {
		return n
	}
	if math.IsInf(limit, 1) {
		return n - h.was.Count
	}
	return n - histogram.Below(h.was, limit)
}

// bound is one bucket of a histogram, over all series: how many observations are at most le.
type bound struct{ le, count float64 }

// buckets adds up the classic buckets of a histogram whose selector is sel, and the bounds that every one
// of its series has, of what was counted between two looks if live; native holds native ones in place of them.
func (s *Service) buckets(sel *spec.Selector, live bool) (bounds []bound, native []span) {
	name := sel.MetricName()
	if f := s.families[name]; f != nil {
		for _, p := range f.series {
			if p.histogram == nil || !sel.Matches(p.labels) {
				continue
			}
			h := span{now: p.histogram}
			if live {
				h.was = p.was
			}
			native = append(native, h)
		}
	}
	f := s.families[name+bucketSuffix]
	if f == nil {
		return nil, native
	}
	sums, has, most := map[float64]float64{}, map[float64]int{}, 0
	rest := nameless(sel.Matchers)
	for _, p := range f.series {
		le, err := strconv.ParseFloat(p.labels.Get(model.BucketLabel), 64)
		if err != nil || math.IsNaN(le) || !allMatch(rest, p.labels) {
			continue
		}
		if live {
			sums[le] += p.grown
		} else {
			sums[le] += p.value
		}
		has[le]++
		most = max(most, has[le])
	}
	for le, sum := range sums {
		if has[le] == most { // a limit that some series lack would be interpolated there
			bounds = append(bounds, bound{le, sum})
		}
	}
	slices.SortFunc(bounds, func(a, b bound) int { return cmp.Compare(a.le, b.le) })
	return bounds, native
}

const (
	bucketSuffix = "_bucket"
	countSuffix  = "_count"
	sumSuffix    = "_sum"
	totalSuffix  = "_total"
)

// nameless are the matchers but for that of the metric's name.
func nameless(ms []*labels.Matcher) []*labels.Matcher {
	return slices.DeleteFunc(slices.Clone(ms), func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel })
}

func allMatch(ms []*labels.Matcher, ls labels.Labels) bool {
	return (&spec.Selector{Matchers: ms}).Matches(ls)
}

// values counts the series of a family by the value of a label; a family without the label has none.
func (f *family) values(label string) map[string]float64 {
	out := map[string]float64{}
	for _, p := range f.series {
		if v := p.labels.Get(label); v != "" {
			out[v] += p.value
		}
	}
	return out
}

// labelNames lists the labels that any of the family's series has, in order.
func (f *family) labelNames() []string {
	seen := map[string]bool{}
	for _, p := range f.series {
		p.labels.Range(func(l labels.Label) {
			if !strings.HasPrefix(l.Name, "__") {
				seen[l.Name] = true
			}
		})
	}
	return slices.Sorted(maps.Keys(seen))
}
