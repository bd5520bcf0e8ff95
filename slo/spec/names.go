package spec

import "strings"

// NameMatches reports whether name is what pattern says, in which each * stands for any letters, none
// included. All other characters stand for themselves.
func NameMatches(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, found := strings.CutPrefix(name, first)
	for found {
		var part string
		if part, rest, star = strings.Cut(rest, "*"); !star {
			return strings.HasSuffix(name, part)
		}
		_, name, found = strings.Cut(name, part)
	}
	return false
}

// MaxName is how many letters a name has at most.
const MaxName = maxName

// DNSLabel makes of any text what may be in a name: "Main page (EU)" becomes main-page-eu. It does not shorten.
func DNSLabel(text string) string { return slug(text) }
