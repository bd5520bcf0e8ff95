package spec

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

const selectorAllowed = `a plain series selector such as x{y="z"}; other PromQL needs the promql collector, which this version does not have`

// placeholders are what people write for a window that a tool fills in; there is no standard.
var placeholders = regexp.MustCompile(`\{\{-?\s*\.?\w+\s*-?\}\}|\$\{\w+(:\w+)?\}|\$\w+`)

var wordAsRange = regexp.MustCompile(`\[\s*[A-Za-z_]+\s*\]`)

// selector reads a series selector, or reports what to write in place of what stands there. For a
// counter, streaming what is inside sum(rate(...)) means the same; for a gauge it would not.
func (l *loader) selector(n strictyaml.Node, counter bool) *Selector {
	text := strings.TrimSpace(n.Text())
	if text == "" {
		l.add(n.Wrong(selectorAllowed))
		return nil
	}
	if known, ok := l.selectors[text]; ok {
		return &Selector{Text: text, Matchers: known}
	}
	expr, err := l.promql.ParseExpr(text)
	if vs, ok := expr.(*parser.VectorSelector); ok && err == nil && isPlain(vs) {
		s := &Selector{Text: text, Matchers: vs.LabelMatchers}
		if s.MetricName() == "" {
			l.warn(n.Problem(problem.Problem{Message: "fixes no metric name, so series of every name are looked at", Got: n.Shown()}))
		} else {
			l.selectors[text] = s.Matchers
		}
		return s
	}
	p := n.Wrong(selectorAllowed)
	filled := wordAsRange.ReplaceAllString(placeholders.ReplaceAllString(text, "5m"), "[5m]")
	if again, errAgain := l.promql.ParseExpr(filled); errAgain == nil {
		if vs := onlySelector(again); vs != nil && counter {
			p.Message = "write " + vs.String() + " instead, its increase over every window is taken for you"
		}
	} else if err != nil {
		p.Message = "not valid PromQL: " + err.Error()
	}
	l.add(p)
	return nil
}

func isPlain(vs *parser.VectorSelector) bool {
	return vs.OriginalOffset == 0 && vs.OriginalOffsetExpr == nil && vs.Timestamp == nil && vs.StartOrEnd == 0 && !vs.Anchored && !vs.Smoothed
}

// onlySelector finds x in sum(rate(x[5m])) and its like, whose meaning streaming x keeps.
func onlySelector(e parser.Expr) *parser.VectorSelector {
	switch e := e.(type) {
	case *parser.VectorSelector:
		if isPlain(e) {
			return e
		}
	case *parser.MatrixSelector:
		return onlySelector(e.VectorSelector)
	case *parser.ParenExpr:
		return onlySelector(e.Expr)
	case *parser.AggregateExpr:
		if e.Op == parser.SUM {
			return onlySelector(e.Expr)
		}
	case *parser.Call:
		if len(e.Args) == 1 && (e.Func.Name == "rate" || e.Func.Name == "increase" || e.Func.Name == "irate") {
			return onlySelector(e.Args[0])
		}
	}
	return nil
}

// counterSelector reads a selector of counters that are added up.
func (l *loader) counterSelector(n strictyaml.Node) *Selector {
	s := l.selector(n, true)
	if s == nil {
		return nil
	}
	if needsQuantile(s) {
		p := n.Wrong(fmt.Sprintf(`every event of the summary: %s_count; or a thresholdMetric on the quantile, judged with budgetingMethod Timeslices`, s.MetricName()))
		p.Message = "selects quantiles of a summary, which are no counters and cannot be added up"
		l.add(p)
	}
	if histogram, one := s.bucket(); histogram != "" && !one {
		p := n.Wrong(fmt.Sprintf(`one bucket such as %s_bucket{le="2"}, with a number for le, or every event: %s_count`, histogram, histogram))
		p.Message = "selects several buckets of a histogram, and most events are in more than one"
		l.add(p)
	}
	return s
}

// bucket returns the histogram's name and whether s selects exactly one bucket of it. A selector
// of several buckets counts most events more than once.
func (s *Selector) bucket() (histogram string, one bool) {
	histogram, ok := strings.CutSuffix(s.MetricName(), "_bucket")
	if !ok {
		return "", false
	}
	for _, m := range s.Matchers {
		if m.Name == "le" && m.Type == labels.MatchEqual {
			_, err := strconv.ParseFloat(m.Value, 64)
			return histogram, err == nil
		}
	}
	return histogram, false
}
