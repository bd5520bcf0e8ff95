package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo"
)

// Bounds of what people may send, in bytes.
const (
	maxBody    = 64 << 10
	maxName    = 100
	maxLabel   = 200
	maxSummary = 1000
	// clockSkew is how far ahead the clock of whoever records a change may be.
	clockSkew = 10 * time.Second
)

// decode reads one JSON object. An empty body is an empty object. It answers itself when the body
// cannot be used.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, err = dec.Token(); err == nil || isSyntax(err) {
			err = errors.New("more follows the first object, and one is allowed")
		}
	}
	if err == nil || errors.Is(err, io.EOF) {
		return true
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		writeError(w, http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxBody)
		return false
	}
	writeError(w, http.StatusBadRequest, "reading the body: %v; send one JSON object", err)
	return false
}

func isSyntax(err error) bool {
	_, ok := errors.AsType[*json.SyntaxError](err)
	return ok
}

// checkText names what is wrong with one text that a person sent, or "".
func checkText(field, text string, limit int) string {
	switch {
	case len(text) > limit:
		return fmt.Sprintf("%s: %d bytes, allowed: at most %d", field, len(text), limit)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Sprintf("%s: got %q, allowed: text without control characters", field, text)
	}
	return ""
}

// decision is the body of every request by which a person decides. Only a pause keeps the reason.
type decision struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// readDecision finds out who decides: the person who logged in, else the one the body names.
func readDecision(w http.ResponseWriter, r *http.Request) (decision, bool) {
	var d decision
	if !decode(w, r, &d) {
		return d, false
	}
	if user, _, ok := r.BasicAuth(); ok && user != "" {
		d.By = user
	}
	d.By, d.Reason = strings.TrimSpace(d.By), strings.TrimSpace(d.Reason)
	var wrong []string
	if d.By == "" {
		wrong = append(wrong, `by: missing; send {"by": "your name"} or log in`)
	}
	wrong = append(wrong, checkText("by", d.By, maxName), checkText("reason", d.Reason, maxSummary))
	return d, !refused(w, wrong)
}

// refused answers 400 when one of the texts is not empty.
func refused(w http.ResponseWriter, wrong []string) bool {
	wrong = slices.DeleteFunc(wrong, func(s string) bool { return s == "" })
	if len(wrong) == 0 {
		return false
	}
	writeError(w, http.StatusBadRequest, "%s", strings.Join(wrong, "; "))
	return true
}

func (s *Server) approve(w http.ResponseWriter, r *http.Request) {
	s.decide(w, r, func(id string, d decision) error { return s.deps.Actions.Approve(r.Context(), id, d.By) })
}

func (s *Server) reject(w http.ResponseWriter, r *http.Request) {
	s.decide(w, r, func(id string, d decision) error { return s.deps.Actions.Reject(id, d.By) })
}

// decide passes a decision on and answers with the action as it then stands.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, do func(id string, d decision) error) {
	id := r.PathValue("id")
	d, ok := readDecision(w, r)
	if !ok {
		return
	}
	if err := do(id, d); err != nil {
		writeError(w, refusal(err), "%v; /api/v1/actions shows where each action stands", err)
		return
	}
	list := s.deps.Actions.List()
	if i := slices.IndexFunc(list, func(a hooks.Action) bool { return a.ID == id }); i >= 0 {
		s.writeJSON(w, http.StatusOK, list[i])
		return
	}
	s.writeJSON(w, http.StatusOK, map[string]string{"id": id})
}

// refusal is the status that fits what the hooks said to a person.
func refusal(err error) int {
	for status, causes := range map[int][]error{
		http.StatusNotFound:   {hooks.ErrNoAction},
		http.StatusBadRequest: {hooks.ErrNameRequired},
		http.StatusForbidden:  {hooks.ErrOwnChange},
		http.StatusConflict:   {hooks.ErrNotWaiting, hooks.ErrSuperseded, hooks.ErrHeldBack, hooks.ErrPaused},
	} {
		if slices.ContainsFunc(causes, func(cause error) bool { return errors.Is(err, cause) }) {
			return status
		}
	}
	return http.StatusInternalServerError
}

func (s *Server) pause(w http.ResponseWriter, r *http.Request) {
	s.setPaused(w, r, func(d decision) error { return s.deps.Actions.Pause(d.By, d.Reason) })
}

func (s *Server) resume(w http.ResponseWriter, r *http.Request) {
	s.setPaused(w, r, func(d decision) error { return s.deps.Actions.Resume(d.By) })
}

func (s *Server) setPaused(w http.ResponseWriter, r *http.Request, do func(decision) error) {
	d, ok := readDecision(w, r)
	if !ok {
		return
	}
	if err := do(d); err != nil {
		writeError(w, refusal(err), "%v; /api/v1/actions shows whether hooks are paused", err)
		return
	}
	c := s.deps.Actions.Condition()
	s.writeJSON(w, http.StatusOK, map[string]any{"paused": c.Paused != nil, "condition": c})
}

func (s *Server) recordChange(w http.ResponseWriter, r *http.Request) {
	var c hooks.Change
	if !decode(w, r, &c) {
		return
	}
	now := s.deps.Now()
	if c.Kind == "" {
		c.Kind = "deploy"
	}
	user, _, _ := r.BasicAuth()
	if c.Author == "" {
		c.Author = user
	}
	if refused(w, checkChange(c, now)) {
		return
	}
	stored, err := s.deps.Changes.Record(c, user)
	_, wrong := errors.AsType[problem.List](err)
	switch {
	case wrong:
		writeError(w, http.StatusBadRequest, "%v", err)
		return
	case errors.Is(err, hooks.ErrConflict):
		writeError(w, http.StatusConflict, "%v; leave out the id, or send the change as it was first recorded", err)
		return
	case err != nil:
		s.deps.Log.Error("recording a change", "service", c.Service, "err", err)
		writeError(w, http.StatusInternalServerError, "recording the change: %v; send it again", err)
		return
	}
	s.writeJSON(w, http.StatusCreated, struct {
		hooks.Change
		Warning string `json:"warning,omitempty"`
	}{stored, s.changeWarning(stored.Service)})
}

// changeWarning says that a change is of no use, most likely because its service is misspelled. While
// the agent cannot say which objectives there are it is "".
func (s *Server) changeWarning(service string) string {
	if !s.deps.Health.Ready() || slices.ContainsFunc(s.deps.Objectives.Statuses(), func(st slo.Status) bool { return st.Service == service }) {
		return ""
	}
	return fmt.Sprintf("no objective names the service %q, so no hook will act on this change; /api/v1/slos shows the services that there are", service)
}

func checkChange(c hooks.Change, now time.Time) []string {
	wrong := []string{
		checkText("id", c.ID, maxName), checkText("service", c.Service, maxLabel), checkText("revision", c.Revision, maxLabel),
		checkText("author", c.Author, maxName), checkText("summary", c.Summary, maxSummary),
	}
	if strings.TrimSpace(c.Service) == "" {
		wrong = append(wrong, `service: missing; name the service as its objectives do, such as "card-auth"`)
	}
	if strings.TrimSpace(c.Revision) == "" {
		wrong = append(wrong, `revision: missing; name what is running now, such as "v42" or a commit`)
	}
	if kinds := []string{"deploy", "flag", "config", "rollback"}; !slices.Contains(kinds, c.Kind) {
		wrong = append(wrong, fmt.Sprintf("kind: got %q, allowed: %s", c.Kind, strings.Join(kinds, ", ")))
	}
	if c.At.After(now.Add(clockSkew)) {
		wrong = append(wrong, fmt.Sprintf("at: %s lies in the future (it is %s); record a change when it has happened", stamp(c.At), stamp(now)))
	}
	return wrong
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	err := s.deps.Reload(r.Context())
	if err == nil {
		s.writeJSON(w, http.StatusOK, map[string]string{"status": "reloaded"})
		return
	}
	status := http.StatusInternalServerError
	if _, ok := errors.AsType[problem.List](err); ok {
		status = http.StatusUnprocessableEntity
	}
	writeError(w, status, "%v", err)
}
