package convert

import (
	"slices"
	"strings"
	"unicode"

	"github.com/prometheus/prometheus/model/labels"
)

// filler stands where a tool fills in a window. It is a range that nobody writes, so that a range that
// was written can be told from it.
const filler = "7919s"

// windowNames are what people call the window that a tool fills in; there is no standard.
func windowNames() []string {
	return []string{"window", "range", "interval", "rate_interval", "__range", "__interval", "__rate_interval"}
}

// fillIn puts a duration where a template has a place for a window, which is all that stands in brackets behind a
// selector. A window anywhere else is a part of a name or a number, and is refused. What is in quotes stays as it
// is: PromQL's own parser says later what stands there.
func fillIn(query string) (string, *reason) {
	var out strings.Builder
	for i := 0; i < len(query); {
		end := skipQuoted(query, i)
		if end > i {
			out.WriteString(query[i:end])
			i = end
			continue
		}
		name, end := placeholder(query, i)
		switch {
		case end == i:
			out.WriteByte(query[i])
			i++
			continue
		case !slices.Contains(windowNames(), strings.ToLower(name)):
			return "", &reason{TemplateVariable, "nothing fills in " + query[i:end]}
		case query[i] == '[':
			out.WriteString("[" + filler + "]")
		case !inBrackets(query, i, end):
			return "", polled("has the window " + query[i:end] + " elsewhere than in a range")
		default:
			out.WriteString(filler)
		}
		i = end
	}
	return out.String(), nil
}

// inBrackets reports whether query[i:end] is all that a range or the length of a subquery consists of.
func inBrackets(query string, i, end int) bool {
	after := strings.TrimLeftFunc(query[end:], unicode.IsSpace)
	return strings.HasSuffix(strings.TrimRightFunc(query[:i], unicode.IsSpace), "[") && (strings.HasPrefix(after, "]") || strings.HasPrefix(after, ":"))
}

// skipQuoted returns the end of the text or comment that begins at i, or i if none does.
func skipQuoted(query string, i int) int {
	switch quote := query[i]; quote {
	case '#':
		if n := strings.IndexByte(query[i:], '\n'); n >= 0 {
			return i + n
		}
		return len(query)
	case '"', '\'', '`':
		for j := i + 1; j < len(query); j++ {
			switch {
			case query[j] == '\\' && quote != '`':
				j++
			case query[j] == quote:
				return j + 1
			}
		}
		return len(query)
	}
	return i
}

// placeholder returns the name and the end of the placeholder that begins at i: {{.window}}, $window, ${window:x}
// or [window]. The end is i if there is none.
func placeholder(query string, i int) (name string, end int) {
	rest := query[i:]
	switch {
	case strings.HasPrefix(rest, "{{"):
		inner, _, ok := strings.Cut(rest[2:], "}}")
		if !ok {
			return "", i
		}
		return strings.TrimPrefix(strings.TrimSpace(strings.Trim(inner, "-")), "."), i + len(inner) + 4
	case strings.HasPrefix(rest, "${"):
		inner, _, ok := strings.Cut(rest[2:], "}")
		if !ok {
			return "", i
		}
		name, _, _ = strings.Cut(inner, ":")
		return name, i + len(inner) + 3
	case rest[0] == '$':
		name = word(rest[1:])
		if name == "" {
			return "", i
		}
		return name, i + 1 + len(name)
	case rest[0] == '[':
		inner, _, ok := strings.Cut(rest[1:], "]")
		name = strings.TrimSpace(inner)
		if !ok || name == "" || word(name) != name || unicode.IsDigit(rune(name[0])) {
			return "", i
		}
		return name, i + len(inner) + 2
	}
	return "", i
}

// word is the longest beginning of s that could be the name of a variable.
func word(s string) string {
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return s[:i]
		}
	}
	return s
}

// isTemplate reports whether a matcher's value has a variable in it that nobody fills in: {{…}}, ${…} or $word.
// In a pattern $ is the end of the value, so that only a word behind it is taken for a variable: it matches nothing
// there. What is escaped is meant.
func isTemplate(m *labels.Matcher) bool {
	if strings.Contains(m.Value, "{{") {
		return true
	}
	pattern := m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp
	for i := 0; i < len(m.Value); i++ {
		switch {
		case pattern && m.Value[i] == '\\':
			i++
		case m.Value[i] == '$':
			if name, _ := placeholder(m.Value, i); name != "" && !unicode.IsDigit(rune(name[0])) {
				return true
			}
		}
	}
	return false
}
