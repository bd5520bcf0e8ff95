package problem_test

import (
	"testing"

	"github.com/assayer-io/assayer/internal/problem"
)

func TestMergeTellsNothingTwice(t *testing.T) {
	at := func(path, message, got, allowed string) problem.Problem {
		return problem.Problem{File: "f", Line: 1, Column: 1, Path: path, Message: message, Got: got, Allowed: allowed}
	}
	elsewhere := func(p problem.Problem, line int) problem.Problem { p.Line = line; return p }
	warning := at("a", "odd", "", "")
	warning.Warning = true
	other := at("a", "", "5x", "")
	other.File = "g"
	for name, tc := range map[string]struct {
		first, later problem.Problem
		kept         bool
	}{
		"same path":                         {at("a.b", "", "5x", ""), elsewhere(at("a.b", "", "0s", ""), 2), false},
		"below what could not be read":      {at("a", "", "a list", "a mapping"), at("a.b[0]", problem.NoValue, "", ""), false},
		"below nothing":                     {at("a[1]", problem.NoValue, "", ""), at("a[1].b", problem.NoValue, "", ""), false},
		"everything below the whole file":   {at("", "", "a list", "a mapping"), at("a", problem.NoValue, "", ""), false},
		"an alias of the same value":        {at("a.b", "", "5x", ""), at("c.b", "", "5x", ""), false},
		"the field that was meant":          {at("a.nmae", "unknown field, did you mean name?", "", "name"), elsewhere(at("a.name", problem.NoValue, "", ""), 2), false},
		"the field that was meant, at top":  {at("nmae", "unknown field, did you mean name?", "", "name"), at("name", problem.NoValue, "", ""), false},
		"a quoted field":                    {at(`a["na me"]`, "unknown field, did you mean name?", "", "name"), at("a.name", problem.NoValue, "", ""), false},
		"a choice among misspelt fields":    {at("a.abov", "unknown field, did you mean above?", "", "above, below"), at("a", "needs one", "", "above or below"), false},
		"a judgement of a wrong field":      {at("a.oauth2.x", "unknown field", "", ""), at("a", "oauth2 token_url must be configured", "", ""), false},
		"a judgement of another field":      {at("a.basic_auth.x", "unknown field", "", ""), at("a", "oauth2 token_url must be configured", "", ""), true},
		"another field at the same place":   {at("a.foo", "unknown field", "", ""), at("a.name", problem.NoValue, "", "a name"), true},
		"beside":                            {at("a.b", "", "5x", ""), elsewhere(at("a.bc", "", "5x", ""), 2), true},
		"below what is wrong with the rest": {at("a", "one of b and c", "", ""), at("a.d", "", "0s", ""), true},
		"around":                            {at("a.b", "", "5x", ""), at("a", "one of c and d", "", ""), true},
		"after a warning":                   {warning, at("a", "", "5x", ""), true},
		"another file":                      {other, at("a", "", "5x", ""), true},
	} {
		t.Run(name, func(t *testing.T) {
			got := problem.List{tc.first}.Merge(problem.List{tc.later})
			if kept := len(got) == 2; kept != tc.kept || got[0] != tc.first {
				t.Errorf("%v: kept is %v, want %v", got, kept, tc.kept)
			}
		})
	}
	same := problem.List{at("a", "one", "", ""), at("a", "two", "", "")}
	if got := (problem.List)(nil).Merge(same); len(got) != 2 {
		t.Errorf("what one look found is all kept, got %v", got)
	}
}

func TestHasAt(t *testing.T) {
	l := problem.List{{File: "f", Path: "a.b[0].c"}, {File: "f", Path: "w", Warning: true}}
	for path, want := range map[string]bool{"a": true, "a.b": true, "a.b[0].c": true, "": true, "a.bb": false, "a.b[1]": false, "a.b[0].c.d": false, "w": false} {
		if got := l.HasAt("f", path); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
	if l.HasAt("g", "a") {
		t.Error("found in another file")
	}
}
