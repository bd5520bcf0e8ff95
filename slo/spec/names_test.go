package spec_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/slo/spec"
)

func TestNameMatches(t *testing.T) {
	for pattern, names := range map[string]map[string]bool{
		"card-auth":  {"card-auth": true, "card-auth2": false, "": false},
		"card-*":     {"card-": true, "card-auth[region=eu]": true, "acard-": false},
		"*":          {"": true, "a/b": true},
		"*-errors":   {"a-errors": true, "errors": false, "a-errors-b": false},
		"a*b*c":      {"abc": true, "a1b2b3c": true, "acb": false},
		"a*a":        {"aa": true, "a": false},
		"card[x=?]*": {"card[x=?]1": true, "card1": false},
	} {
		for name, want := range names {
			if got := spec.NameMatches(pattern, name); got != want {
				t.Errorf("%q of %q: got %v, want %v", pattern, name, got, want)
			}
		}
	}
}

// FuzzNameMatches: a regular expression says the same.
func FuzzNameMatches(f *testing.F) {
	f.Add("card-*", "card-auth")
	f.Add("*a*", "bab")
	f.Add("a*aa", "aaa")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		var parts []string
		for part := range strings.SplitSeq(pattern, "*") {
			parts = append(parts, regexp.QuoteMeta(part))
		}
		re, err := regexp.Compile(`(?s)\A` + strings.Join(parts, ".*") + `\z`)
		if err != nil || strings.ToValidUTF8(pattern+name, "") != pattern+name {
			return
		}
		if got, want := spec.NameMatches(pattern, name), re.MatchString(name); got != want {
			t.Errorf("%q of %q: got %v, want %v", pattern, name, got, want)
		}
	})
}
