package web

import (
	"net/http"
	"time"

	"github.com/assayer-io/assayer/slo/policy"
	"github.com/assayer-io/assayer/slo/spec"
)

// listPolicies answers with every rule of every budget policy for every objective it is about.
func (s *Server) listPolicies(w http.ResponseWriter, _ *http.Request) {
	list := s.deps.Policies()
	if list == nil {
		list = []policy.Verdict{}
	}
	s.writeJSON(w, http.StatusOK, map[string]any{"policies": list})
}

// policiesView shows what budget policies demand now.
type policiesView struct {
	List []policyRow
	More int
}

type policyRow struct {
	policy.Verdict
	Words string // what follows: changes are frozen
	Tone  string
	Since time.Time
	URL   string // of the objective; "" on its own page
}

// policiesView lists what holds, of one objective or, when objective is "", of all. It is nil when nothing does.
func (s *Server) policiesView(objective string) *policiesView {
	if s.deps.Policies == nil {
		return nil
	}
	v := &policiesView{}
	for _, p := range s.deps.Policies() {
		if !p.Active || p.Since == nil || objective != "" && p.Objective != objective {
			continue
		}
		if len(v.List) == maxRecent {
			v.More++
			continue
		}
		row := policyRow{Verdict: p, Since: *p.Since}
		row.Words, row.Tone = consequence(p)
		if objective == "" {
			row.URL = objectiveURL(p.Objective)
		}
		v.List = append(v.List, row)
	}
	if len(v.List) == 0 {
		return nil
	}
	return v
}

// consequence says in a few words what a policy demands, and picks their weight on screen.
func consequence(v policy.Verdict) (words, tone string) {
	switch v.Then {
	case spec.Freeze:
		return "changes are frozen", "bad"
	case spec.DemandApproval:
		return "actions need approval", "ask"
	case spec.NotifyPage:
		return "page", "bad"
	case spec.CallHook:
		return "calls hook " + v.Hook, "ask"
	}
	return string(v.Then), "warning"
}
