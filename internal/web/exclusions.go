package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/exclusions"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo"
)

// Exclusions is the record of what was taken out of budgets or corrected in them; an *exclusions.Store.
type Exclusions interface {
	List(exclusions.Objective) []exclusions.Entry
	// Add records e and puts it in force. What is wrong with it comes as a problem.List.
	Add(e exclusions.Entry) (exclusions.Entry, error)
	Remove(id, by string) (exclusions.Entry, error)
}

// listExclusions answers with the newest first; ?objective= leaves out those of others.
func (s *Server) listExclusions(w http.ResponseWriter, r *http.Request) {
	s.writeJSON(w, http.StatusOK, map[string]any{"exclusions": s.deps.Exclusions.List(s.objectiveNamed(r.FormValue("objective")))})
}

func (s *Server) objectiveNamed(name string) exclusions.Objective {
	st, _ := s.find(name)
	return exclusions.Objective{Name: name, Parent: st.Parent}
}

// addExclusion records what the body says in the name of whoever logged in, else of who it says.
func (s *Server) addExclusion(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		slo.Exclusion
		Who string `json:"who"`
		Why string `json:"why"`
	}
	if !decode(w, r, &wanted) {
		return
	}
	e := exclusions.Entry{Exclusion: wanted.Exclusion, Who: wanted.Who, Why: wanted.Why}
	if user, _, ok := r.BasicAuth(); ok && user != "" {
		e.Who = user
	}
	stored, err := s.deps.Exclusions.Add(e)
	if err != nil {
		s.refuseExclusion(w, err)
		return
	}
	s.writeJSON(w, http.StatusCreated, stored)
}

func (s *Server) removeExclusion(w http.ResponseWriter, r *http.Request) {
	d, ok := readDecision(w, r)
	if !ok {
		return
	}
	gone, err := s.deps.Exclusions.Remove(r.PathValue("id"), d.By)
	if err != nil {
		s.refuseExclusion(w, err)
		return
	}
	s.writeJSON(w, http.StatusOK, gone)
}

func (s *Server) refuseExclusion(w http.ResponseWriter, err error) {
	if wrong, ok := errors.AsType[problem.List](err); ok {
		var texts []string
		for _, p := range wrong {
			texts = append(texts, strings.TrimPrefix(p.String(), ": error: "))
		}
		writeError(w, http.StatusBadRequest, "%s", strings.Join(texts, "; "))
		return
	}
	for cause, status := range map[error]int{
		exclusions.ErrNotFound: http.StatusNotFound, exclusions.ErrConflict: http.StatusConflict, exclusions.ErrFull: http.StatusConflict,
	} {
		if errors.Is(err, cause) {
			writeError(w, status, "%v; /api/v1/exclusions lists them all", err)
			return
		}
	}
	s.deps.Log.Error("changing exclusions", "err", err)
	writeError(w, http.StatusInternalServerError, "%v; nothing was changed", err)
}

// exclusionRow is an exclusion that touches what a page shows.
type exclusionRow struct {
	exclusions.Entry
	Effect string
	Future bool // it has not begun
}

// exclusionsView shows those in force that touch the window of an objective or are still to come.
func (s *Server) exclusionsView(st slo.Status, now time.Time) (out []exclusionRow) {
	if s.deps.Exclusions == nil {
		return nil
	}
	for _, e := range s.deps.Exclusions.List(exclusions.Objective{Name: st.Name, Parent: st.Parent}) {
		if e.RemovedAt != nil || !e.To.After(now.Add(-st.WindowSize)) {
			continue
		}
		row := exclusionRow{Entry: e, Effect: "excluded", Future: e.From.After(now)}
		if c := e.Correction; c != nil {
			row.Effect = "corrected by"
			for _, part := range []struct {
				n    float64
				what string
			}{{c.Good, "good"}, {c.Bad, "bad"}, {c.Excluded, "excluded"}} {
				if part.n == 0 {
					continue
				}
				sign := "+"
				if part.n < 0 {
					sign = ""
				}
				row.Effect += " " + sign + amount(part.n, st.Currency) + " " + part.what
			}
		}
		out = append(out, row)
	}
	return out
}
