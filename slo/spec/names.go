package spec

import "strings"

// NameMatches reports whether name is what pattern says, in which each * stands for any letters, none
// included. All other characters stand for themselves.
func NameMatches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	name, found := strings.CutPrefix(name, parts[0])
	if !found {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, name, found = strings.Cut(name, part); !found {
			return false
		}
	}
	return strings.HasSuffix(name, parts[last])
}
