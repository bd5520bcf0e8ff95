package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
)

// Bounds of one look into the past.
const (
	defaultPoints = 120
	maxPoints     = 1000
	defaultRange  = 6 * time.Hour
	maxRange      = 800 * 24 * time.Hour
)

func (s *Server) writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.deps.Log.Error("encoding an answer", "err", err)
		writeError(w, http.StatusInternalServerError, "the answer could not be written; see the agent's log")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client is gone if this fails
}

func writeError(w http.ResponseWriter, status int, format string, args ...any) {
	body, err := json.Marshal(map[string]string{"error": fmt.Sprintf(format, args...)})
	if err != nil { // a string always encodes
		body = []byte(`{"error": "unknown"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func (s *Server) healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "Assayer is alive.\n")
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if s.deps.Health.Ready() {
		_, _ = io.WriteString(w, "Assayer is ready.\n")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, "Assayer is not ready; /api/v1/health says why.\n")
}

// plain fills what must be a list, never null, in the API's answers.
func plain(st slo.Status) slo.Status {
	if st.Firing == nil {
		st.Firing = []string{}
	}
	if st.Tiers == nil {
		st.Tiers = []slo.TierStatus{}
	}
	return st
}

func (s *Server) listObjectives(w http.ResponseWriter, _ *http.Request) {
	statuses := s.deps.Objectives.Statuses()
	out := make([]slo.Status, len(statuses))
	for i, st := range statuses {
		out[i] = plain(st)
	}
	s.writeJSON(w, http.StatusOK, map[string]any{"slos": out})
}

func (s *Server) find(name string) (slo.Status, bool) {
	statuses := s.deps.Objectives.Statuses()
	i := slices.IndexFunc(statuses, func(st slo.Status) bool { return st.Name == name })
	if i < 0 {
		return slo.Status{}, false
	}
	return plain(statuses[i]), true
}

// named finds the objective in the path, or answers 404.
func (s *Server) named(w http.ResponseWriter, r *http.Request) (slo.Status, bool) {
	st, ok := s.find(r.PathValue("name"))
	if !ok {
		writeError(w, http.StatusNotFound, "no objective is called %q; /api/v1/slos lists all there are", r.PathValue("name"))
	}
	return st, ok
}

func (s *Server) showObjective(w http.ResponseWriter, r *http.Request) {
	if st, ok := s.named(w, r); ok {
		s.writeJSON(w, http.StatusOK, st)
	}
}

func (s *Server) showHistory(w http.ResponseWriter, r *http.Request) {
	st, ok := s.named(w, r)
	if !ok {
		return
	}
	q, err := s.historyQuery(r, st)
	if err != nil {
		writeError(w, http.StatusBadRequest, "%v", err)
		return
	}
	points, err := s.deps.Objectives.History(st.Name, q.window, q.from, q.to, q.points)
	if err != nil {
		s.deps.Log.Error("reading history", "slo", st.Name, "err", err)
		writeError(w, http.StatusInternalServerError, "reading the history of %q: %v", st.Name, err)
		return
	}
	if points == nil {
		points = []slo.Point{}
	}
	s.writeJSON(w, http.StatusOK, map[string]any{
		"name": st.Name, "window": q.window, "from": q.from.UTC(), "to": q.to.UTC(), "points": points,
	})
}

type historyQuery struct {
	window   string
	from, to time.Time
	points   int
}

func (s *Server) historyQuery(r *http.Request, st slo.Status) (historyQuery, error) {
	q := historyQuery{window: cmp.Or(r.FormValue("window"), defaultWindow(st)), to: s.deps.Now(), points: defaultPoints}
	if _, ok := st.BurnRates.Get(q.window); !ok {
		return q, fmt.Errorf("window: got %q, allowed: %s", q.window, strings.Join(windows(st), ", "))
	}
	var err error
	if v := r.FormValue("to"); v != "" {
		if q.to, err = parseTime(v); err != nil {
			return q, fmt.Errorf("to: %w", err)
		}
	}
	q.from = q.to.Add(-defaultRange)
	if v := r.FormValue("from"); v != "" {
		if q.from, err = parseTime(v); err != nil {
			return q, fmt.Errorf("from: %w", err)
		}
	}
	if !q.from.Before(q.to) || q.to.Sub(q.from) > maxRange {
		return q, fmt.Errorf("from %s to %s: from must lie before to, at most %d days", stamp(q.from), stamp(q.to), maxRange/(24*time.Hour))
	}
	if v := r.FormValue("points"); v != "" {
		if q.points, err = strconv.Atoi(v); err != nil || q.points < 2 || q.points > maxPoints {
			return q, fmt.Errorf("points: got %q, allowed: a whole number from 2 to %d", v, maxPoints)
		}
	}
	return q, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// parseTime reads RFC 3339 or Unix seconds.
func parseTime(v string) (time.Time, error) {
	if sec, err := strconv.ParseFloat(v, 64); err == nil && math.Abs(sec) < 1e11 {
		return time.UnixMilli(int64(sec * 1000)).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return t, fmt.Errorf("got %q, allowed: RFC 3339 such as 2026-11-21T10:00:00Z, or Unix seconds", v)
	}
	return t, nil
}

func windows(st slo.Status) []string {
	var out []string
	for _, w := range st.BurnRates {
		out = append(out, w.Window)
	}
	return out
}

// defaultWindow is the long window of the fastest tier: slow enough to be calm, fast enough to see
// an incident.
func defaultWindow(st slo.Status) string {
	for _, t := range st.Tiers {
		if _, ok := st.BurnRates.Get(t.LongWindow); ok {
			return t.LongWindow
		}
	}
	if len(st.BurnRates) > 0 {
		return st.BurnRates[0].Window
	}
	return ""
}

func (s *Server) actions() []hooks.Action {
	if s.deps.Actions == nil {
		return nil
	}
	out := slices.Clone(s.deps.Actions.List())
	slices.SortStableFunc(out, func(a, b hooks.Action) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return out
}

func (s *Server) changes(service string) []hooks.Change {
	out := slices.Clone(s.deps.Changes.List(service))
	slices.SortStableFunc(out, func(a, b hooks.Change) int { return b.At.Compare(a.At) })
	return out
}

func (s *Server) targets() []Target {
	if s.deps.Targets == nil {
		return nil
	}
	out := slices.Clone(s.deps.Targets())
	slices.SortStableFunc(out, func(a, b Target) int {
		if a.Up != b.Up {
			if b.Up {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Collector, b.Collector), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// listActions answers with the newest first.
func (s *Server) listActions(w http.ResponseWriter, _ *http.Request) {
	list := s.actions()
	if list == nil {
		list = []hooks.Action{}
	}
	for i := range list {
		if list[i].Reasons == nil {
			list[i].Reasons = []string{}
		}
	}
	c := s.deps.Actions.Condition()
	s.writeJSON(w, http.StatusOK, map[string]any{"paused": c.Paused != nil, "condition": c, "actions": list})
}

// listChanges answers with the newest first; ?service= leaves out the others'.
func (s *Server) listChanges(w http.ResponseWriter, r *http.Request) {
	list := s.changes(r.FormValue("service"))
	if list == nil {
		list = []hooks.Change{}
	}
	s.writeJSON(w, http.StatusOK, map[string]any{"changes": list})
}

// listTargets answers with those that are down first.
func (s *Server) listTargets(w http.ResponseWriter, _ *http.Request) {
	list := s.targets()
	if list == nil {
		list = []Target{}
	}
	s.writeJSON(w, http.StatusOK, map[string]any{"targets": list})
}

func (s *Server) showHealth(w http.ResponseWriter, _ *http.Request) {
	problems := s.deps.Health.Problems()
	if problems == nil {
		problems = []health.Problem{}
	}
	s.writeJSON(w, http.StatusOK, map[string]any{
		"ready": s.deps.Health.Ready(), "problems": problems, "version": s.deps.Version,
		"started_at": s.started.UTC(), "uptime_seconds": s.deps.Now().Sub(s.started).Seconds(),
	})
}
