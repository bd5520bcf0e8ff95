package promtool

import (
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/spec"
)

// labelsFor makes up the labels of a series that every selector of match selects and none of avoid, and reports whether
// there seem to be any. A selector that is nil says nothing.
func labelsFor(match, avoid []*spec.Selector) (labels.Labels, bool) {
	var wanted []*labels.Matcher
	for _, s := range match {
		if s != nil {
			wanted = append(wanted, s.Matchers...)
		}
	}
	return search(wanted, avoid)
}

// search goes through the ways to escape each selector of avoid: by one of its matchers.
func search(wanted []*labels.Matcher, avoid []*spec.Selector) (labels.Labels, bool) {
	for len(avoid) > 0 && avoid[0] == nil {
		avoid = avoid[1:]
	}
	if len(avoid) == 0 {
		return satisfy(wanted)
	}
	if made, ok := search(wanted, avoid[1:]); ok && !avoid[0].Matches(made) {
		return made, true
	}
	for _, m := range avoid[0].Matchers {
		inverse, err := m.Inverse()
		if err != nil {
			continue
		}
		if made, ok := search(append(slices.Clip(wanted), inverse), avoid[1:]); ok {
			return made, true
		}
	}
	return labels.EmptyLabels(), false
}

// satisfy looks for values that all of wanted accept, label by label. A label that may be anything is left out.
func satisfy(wanted []*labels.Matcher) (labels.Labels, bool) {
	byName := map[string][]*labels.Matcher{}
	for _, m := range wanted {
		byName[m.Name] = append(byName[m.Name], m)
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	for name, ms := range byName {
		value, ok := accepted(ms)
		if !ok {
			return labels.EmptyLabels(), false
		}
		b.Set(name, value)
	}
	return b.Labels(), true
}

// accepted is the first value that all of ms, which are about one label, accept.
func accepted(ms []*labels.Matcher) (string, bool) {
	var tries []string
	for _, m := range ms {
		switch m.Type {
		case labels.MatchEqual:
			tries = append(tries, m.Value)
		case labels.MatchRegexp:
			tries = append(tries, m.SetMatches()...)
			tries = append(tries, example(m.Value))
		}
	}
	// Values for labels of which is only known what they are not.
	tries = append(tries, "ok", "a", "b", "200", "500", "1", "", "other-value")
	for _, v := range tries {
		ok := true
		for _, m := range ms {
			ok = ok && m.Matches(v)
		}
		if ok {
			return v, true
		}
	}
	return "", false
}

// example is a short text that the expression matches in most cases; who uses it looks whether it does.
func example(expr string) string {
	re, err := syntax.Parse(expr, syntax.Perl|syntax.DotNL)
	if err != nil {
		return ""
	}
	var b strings.Builder
	writeExample(&b, re.Simplify())
	return b.String()
}

func writeExample(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			b.WriteRune(inClass(re.Rune))
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('0')
	case syntax.OpCapture, syntax.OpPlus:
		writeExample(b, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			writeExample(b, sub)
		}
	case syntax.OpAlternate:
		writeExample(b, re.Sub[0])
	case syntax.OpRepeat:
		for range re.Min {
			writeExample(b, re.Sub[0])
		}
	}
}

// inClass prefers what is easy to read of a class given as pairs of first and last.
func inClass(pairs []rune) rune {
	for _, r := range "a0A_-." {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] <= r && r <= pairs[i+1] {
				return r
			}
		}
	}
	return pairs[0]
}

// seriesText spells labels as promtool's input wants a series: its name before the braces.
func seriesText(ls labels.Labels) string {
	name, rest := ls.Get(labels.MetricName), labels.NewBuilder(ls).Del(labels.MetricName).Labels()
	if rest.IsEmpty() {
		return name
	}
	return name + rest.String()
}
