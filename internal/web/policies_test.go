package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/slo/policy"
	"github.com/assayer-io/assayer/slo/spec"
)

func TestPoliciesOverTheAPI(t *testing.T) {
	f := newFixture()
	_, body := ask(t, f.server(t), "GET", "/api/v1/policies", "")
	var answer struct {
		Policies []policy.Verdict `json:"policies"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Policies) != 3 || !answer.Policies[0].Active || answer.Policies[2].Active {
		t.Errorf("%v: %s", err, body)
	}
	f.verdicts = nil
	if _, body := ask(t, f.server(t), "GET", "/api/v1/policies", ""); strings.TrimSpace(body) != `{"policies":[]}` {
		t.Errorf("without policies: %s", body)
	}
}

// TestPoliciesOnThePage: what holds is there with what follows and why, and nothing else is.
func TestPoliciesOnThePage(t *testing.T) {
	f := newFixture()
	_, page := ask(t, f.server(t), "GET", "/", "")
	for _, want := range []string{"Budget policies that hold", "changes are frozen", "actions need approval", "card/freeze", "below 25 % and ends at 35 %.", "Releases wait."} {
		if !strings.Contains(text(mainOf(page)), want) {
			t.Errorf("the overview lacks %q", want)
		}
	}
	if strings.Contains(page, `<a href="/slo/ledger-freshness">ledger`) {
		t.Error("the overview shows a policy that does not hold")
	}
	_, page = ask(t, f.server(t), "GET", "/slo/card-auth-availability", "")
	if got := text(mainOf(page)); !strings.Contains(got, "changes are frozen") || strings.Contains(got, "actions need approval") {
		t.Errorf("the objective's own page: %s", got)
	}
	if _, page := ask(t, f.server(t), "GET", "/slo/ledger-freshness", ""); strings.Contains(page, "Budget policies") {
		t.Error("a policy that does not hold is on the objective's page")
	}
}

func TestManyPoliciesAreCounted(t *testing.T) {
	f := newFixture()
	f.verdicts = nil
	for i := range 14 {
		f.verdicts = append(f.verdicts, holds(f.now, "page", fmt.Sprint("o", i), spec.NotifyPage))
	}
	_, page := ask(t, f.server(t), "GET", "/", "")
	if got := text(mainOf(page)); !strings.Contains(got, "4 more at /api/v1/policies") {
		t.Errorf("got %s", got)
	}
}
