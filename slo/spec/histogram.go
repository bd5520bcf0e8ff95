package spec

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

// histogramRatio reads a ratioMetric whose good is what a histogram has at or below a limit.
func (l *loader) histogramRatio(n strictyaml.Node, in *ratioMetric) *Histogram {
	before := l.problems.Errors()
	l.countersOnly(n, in)
	if in.Bad != nil {
		l.add(n.Problem(problem.Problem{Path: "bad", Message: "what is not at or below the limit is bad without being told", Allowed: "good alone, or total with it"}))
	}
	l.query(n.At("good"), in.Good, "below")
	spec := n.At("good.metricSource.spec")
	query := l.histogram(spec.At("query"))
	name := ""
	if query != nil {
		name = query.MetricName()
	}
	below := l.below(spec.At("below"), name)
	if in.Total != nil {
		l.query(n.At("total"), in.Total)
		at := n.At("total.metricSource.spec.query")
		if total := l.selector(at, false); total != nil && query != nil && !sameSeries(total, query) {
			l.add(at.Problem(problem.Problem{Message: "is not the histogram of good, whose own count is the total", Got: at.Shown(), Allowed: query.Text + ", or no total"}))
		}
	}
	if l.problems.Errors() > before {
		return nil
	}
	return &Histogram{Query: *query, Below: below}
}

// histogram reads a selector that names a histogram by its own name, or nil.
func (l *loader) histogram(n strictyaml.Node) *Selector {
	s := l.selector(n, true)
	if s == nil {
		return nil
	}
	name := s.MetricName()
	base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count"), "_sum")
	fixed := false
	for _, m := range s.Matchers {
		fixed = fixed || m.Name == "le" || m.Name == "quantile"
	}
	if base != name || name == "" || fixed {
		p := n.Wrong("the histogram's own name, without _bucket and le")
		if name != "" && base != name {
			p.Message = "did you mean " + base + "?"
		}
		l.add(p)
		return nil
	}
	return s
}

const belowAllowed = "a duration such as 500ms or 2s, or a number in the histogram's own unit"

// finerUnit is the end of the name of a histogram that is certainly not in seconds.
var finerUnit = regexp.MustCompile(`_(milliseconds|ms|microseconds|us|nanoseconds|ns)$`)

// below reads a limit in the histogram's own unit. A duration is one in seconds.
func (l *loader) below(n strictyaml.Node, histogram string) float64 {
	if n.IsNumber() {
		var limit float64
		l.problems = append(l.problems, n.Decode(&limit)...)
		return limit
	}
	d, err := model.ParseDuration(n.Text())
	if err != nil || d <= 0 {
		l.add(n.Wrong(belowAllowed))
		return 0
	}
	if m := finerUnit.FindStringSubmatch(histogram); m != nil {
		unit := map[byte]time.Duration{'m': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}[strings.Replace(m[1], "micro", "u", 1)[0]]
		l.add(n.Problem(problem.Problem{Message: "a duration is taken in seconds, and the histogram's name says " + m[1], Got: n.Shown(),
			Allowed: strconv.FormatFloat(float64(d)/float64(unit), 'f', -1, 64) + ", a number in the histogram's own unit"}))
	}
	return time.Duration(d).Seconds()
}

// sameSeries reports whether two selectors have the same matchers, in whatever order.
func sameSeries(a, b *Selector) bool {
	if len(a.Matchers) != len(b.Matchers) {
		return false
	}
	has := map[string]bool{}
	for _, m := range a.Matchers {
		has[m.String()] = true
	}
	for _, m := range b.Matchers {
		if !has[m.String()] {
			return false
		}
	}
	return true
}

// needsQuantile reports whether s selects only series that have a quantile, which those of a summary
// do beside its count and its sum.
func needsQuantile(s *Selector) bool {
	for _, m := range s.Matchers {
		if m.Name == "quantile" && !m.Matches("") {
			return true
		}
	}
	return false
}
