package convert

import (
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// single returns the one selector whose series are what c counts, or false. Two selectors become one when they
// differ in one label that each fixes to another value, so that no series is in both; and one less another is
// one when the second is the first with one matcher more.
func (c *counted) single() (term, bool) {
	if c.constant != 0 || len(c.terms) == 0 {
		return term{}, false
	}
	var plus, minus []term
	for _, t := range c.sorted() {
		switch {
		case t.part != events && len(c.terms) > 1:
			return term{}, false
		case c.terms[t] == 1:
			plus = append(plus, t)
		case c.terms[t] == -1:
			minus = append(minus, t)
		default:
			return term{}, false
		}
	}
	if len(plus) == 0 {
		return term{}, false
	}
	for len(plus) > 1 {
		joined, ok := union(plus[0].selector, plus[1].selector)
		if !ok {
			return term{}, false
		}
		plus = append([]term{{selector: joined, part: events}}, plus[2:]...)
	}
	for _, m := range minus {
		less, ok := without(plus[0].selector, m.selector)
		if !ok {
			return term{}, false
		}
		plus[0].selector = less
	}
	return plus[0], true
}

func matchersOf(selector string) []*labels.Matcher {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(selector)
	if vs, ok := expr.(*parser.VectorSelector); ok && err == nil {
		return vs.LabelMatchers
	}
	return nil
}

// apart splits the matchers of two selectors into those that both have, and the others of each.
func apart(a, b string) (both, onlyA, onlyB []*labels.Matcher) {
	inB := map[string]bool{}
	for _, m := range matchersOf(b) {
		inB[m.String()] = true
	}
	for _, m := range matchersOf(a) {
		if inB[m.String()] {
			both = append(both, m)
			delete(inB, m.String())
		} else {
			onlyA = append(onlyA, m)
		}
	}
	for _, m := range matchersOf(b) {
		if inB[m.String()] {
			onlyB = append(onlyB, m)
		}
	}
	return both, onlyA, onlyB
}

// union is the selector of the series of two that have none in common.
func union(a, b string) (string, bool) {
	both, x, y := apart(a, b)
	if len(x) != 1 || len(y) != 1 || x[0].Name != y[0].Name || y[0].Type != labels.MatchEqual {
		return "", false
	}
	pattern := regexp.QuoteMeta(x[0].Value)
	switch {
	case x[0].Type == labels.MatchRegexp && isUnion(x[0].Value):
		pattern = x[0].Value // made here, of values that were fixed
		if x[0].Matches(y[0].Value) {
			return "", false
		}
	case x[0].Type != labels.MatchEqual:
		return "", false
	}
	m, err := labels.NewMatcher(labels.MatchRegexp, x[0].Name, pattern+"|"+regexp.QuoteMeta(y[0].Value))
	if err != nil {
		return "", false
	}
	return spelled(nameIn(both), append(both, m)), true
}

// isUnion reports whether a pattern is nothing but values to choose from.
func isUnion(pattern string) bool {
	for value := range strings.SplitSeq(pattern, "|") {
		plain := strings.ReplaceAll(value, `\`, "")
		if regexp.QuoteMeta(plain) != value {
			return false
		}
	}
	return true
}

// without is the selector of the series of a that are not among those of b, all of which are of a.
func without(a, b string) (string, bool) {
	both, x, y := apart(a, b)
	if len(x) != 0 || len(y) != 1 || y[0].Name == labels.MetricName {
		return "", false
	}
	m, err := y[0].Inverse()
	if err != nil {
		return "", false
	}
	return spelled(nameIn(both), append(both, m)), true
}

func nameIn(matchers []*labels.Matcher) string {
	for _, m := range matchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}
