// Package prometheus deploys rule files into the folder from which Prometheus, or vmalert, loads them, makes the server
// reload, and checks that it runs them:
//
//	rules/native-card-auth.yaml   written, synced, moved into place
//	POST /-/reload                200
//	GET  /api/v1/rules            has the groups card-auth-page and card-auth-ticket, with these rules
//
// When the server refuses the reload, or does not have the rules in time, or the apply stops before, the files are put back
// as they were when they were last in force, and it reloads again: a file that it refuses would keep it from starting
// later. vmalert reloads after it has answered, so that the check alone tells.
package prometheus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"path"
	"slices"
	"time"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
)

// Target is one server with its rule folder. It implements [deploy.Target].
type Target struct {
	files  deploy.Files
	client *deploy.Client
	settle time.Duration
}

// New makes a target of a valid configuration. It calls nobody.
func New(c Config) (*Target, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("making prometheus target: %w", err)
	}
	client, err := deploy.NewClient(c.Server, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("making prometheus target: %w", err)
	}
	return &Target{deploy.Files{Dir: c.Dir, Undo: true}, client, c.Settle}, nil
}

// Wanted implements [deploy.Target]: the rule files, without their folder, since servers load *.yaml of one. Each is
// read as the server will.
func (t *Target) Wanted(files []artifact.File) ([]deploy.Object, error) {
	rules := slices.DeleteFunc(slices.Clone(files), func(f artifact.File) bool { return f.Kind != artifact.Rules })
	names, groups := make([]string, len(rules)), make([][]group, len(rules))
	fileOf := map[string]string{}
	for i, f := range rules {
		names[i] = path.Base(f.Path)
		found, err := check(f.Data)
		if err != nil {
			return nil, fmt.Errorf("checking %s: %w", f.Path, err)
		}
		for _, g := range found {
			if other, twice := fileOf[g.name]; twice {
				return nil, fmt.Errorf("%s and %s both have a group %s", other, f.Path, g.name)
			}
			fileOf[g.name] = f.Path
		}
		groups[i] = found
	}
	out, err := t.files.Objects(names, func(i int) []byte { return rules[i].Data })
	for i := range out {
		out[i].Data = groups[i]
	}
	return out, err
}

// written gives the groups that Wanted has read.
func written(wanted []deploy.Object) ([]group, error) {
	var out []group
	for _, w := range wanted {
		groups, ok := w.Data.([]group)
		if !ok {
			return nil, errors.New("the plan is none of Prometheus'")
		}
		out = append(out, groups...)
	}
	return out, nil
}

// Deployed implements [deploy.Target]. Files that are as wanted and that the server does not run are pending.
func (t *Target) Deployed(ctx context.Context, wanted []deploy.Object) (deploy.State, error) {
	s, err := t.files.Deployed(wanted)
	if err != nil {
		return s, err
	}
	running, err := t.running(ctx)
	if err != nil {
		return s, err
	}
	if s.Pending != "" {
		return s, nil
	}
	texts := map[string]string{}
	for _, f := range s.Found {
		texts[f.Name] = string(f.Text)
	}
	var there []deploy.Object
	for _, w := range wanted {
		if text, ok := texts[w.Name]; ok && text == string(w.Text) {
			there = append(there, w)
		}
	}
	groups, err := written(there)
	if err != nil {
		return s, err
	}
	if err := missing(groups, running); err != nil {
		s.Pending = "the files are in place, but " + err.Error()
	}
	return s, nil
}

// Begin implements [deploy.Target].
func (t *Target) Begin(_ context.Context, p deploy.Plan) (deploy.Session, error) {
	var wanted []deploy.Object
	for _, step := range p.Steps {
		if step.Want != nil {
			wanted = append(wanted, *step.Want)
		}
	}
	groups, err := written(wanted)
	if err != nil {
		return nil, err
	}
	files, err := t.files.Begin(p)
	if err != nil {
		return nil, err
	}
	return &session{files, t, groups}, nil
}

// session is a session of files that ends with a reload.
type session struct {
	*deploy.FileSession
	target *Target
	wanted []group
}

// Commit implements [deploy.Session].
func (s *session) Commit(ctx context.Context) error {
	var running []runningGroup
	err := s.target.reload(ctx)
	if err == nil {
		err = deploy.Until(ctx, s.target.settle, func(ctx context.Context) (err error) {
			if running, err = s.target.running(ctx); err != nil {
				return err
			}
			return missing(s.wanted, running)
		})
	}
	if err == nil {
		err = s.FileSession.Commit(ctx)
	}
	if err != nil {
		return err
	}
	return failing(s.wanted, running)
}

// Undo implements [deploy.Undoer].
func (s *session) Undo(ctx context.Context, why error) error {
	return s.TakeBack(ctx, why, s.target.reload)
}

func (t *Target) reload(ctx context.Context) error {
	// A refused reload is 500; asking again would not help.
	_, err := t.client.Do(ctx, deploy.Call{Method: http.MethodPost, Path: []string{"-", "reload"}, Once: true})
	if deploy.HasStatus(err, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed) {
		return fmt.Errorf("asking for a reload: %w; Prometheus takes it when started with --web.enable-lifecycle", err)
	}
	if err != nil {
		return fmt.Errorf("asking for a reload: %w", err)
	}
	return nil
}

// runningGroup is a group as the server tells of it. Times are seconds.
type runningGroup struct {
	ID       string        `json:"id"` // vmalert alone has it
	Name     string        `json:"name"`
	Interval float64       `json:"interval"`
	Rules    []runningRule `json:"rules"`
}

// runningRule is a rule as the server tells of it. What older ones do not tell is nil.
type runningRule struct {
	Name        string            `json:"name"`
	Query       string            `json:"query"`
	Duration    *float64          `json:"duration"`
	Keep        *float64          `json:"keepFiringFor"`
	KeepVM      *float64          `json:"keep_firing_for"` // vmalert's name for it
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Health      string            `json:"health"`
	LastError   string            `json:"lastError"`
}

func (t *Target) running(ctx context.Context) ([]runningGroup, error) {
	data, err := t.client.Do(ctx, deploy.Call{Method: http.MethodGet, Path: []string{"api", "v1", "rules"}})
	if err != nil {
		return nil, fmt.Errorf("asking for the rules in force: %w", err)
	}
	var answer struct {
		Status string `json:"status"`
		Data   struct {
			Groups []runningGroup `json:"groups"`
		} `json:"data"`
	}
	if err := json.Unmarshal(data, &answer); err != nil || answer.Status != "success" {
		return nil, fmt.Errorf("asking for the rules in force: the answer is none of Prometheus or vmalert (status %.20q)", answer.Status)
	}
	return answer.Data.Groups, nil
}

// missing says which groups the server does not have as they are written.
func missing(wanted []group, running []runningGroup) error {
	have, common := map[string][]runningGroup{}, everywhere(running)
	for _, g := range running {
		have[g.Name] = append(have[g.Name], g)
	}
	var absent, other []string
	for _, g := range wanted {
		switch {
		case len(g.rules) == 0: // servers may leave it out
		case len(have[g.name]) == 0:
			absent = append(absent, g.name)
		case !slices.ContainsFunc(have[g.name], func(r runningGroup) bool { return g.runs(r, common) }):
			other = append(other, g.name)
		}
	}
	switch {
	case len(absent) > 0:
		return fmt.Errorf("the server does not run %s: is the folder among its rule files?", deploy.Some(absent))
	case len(other) > 0:
		return fmt.Errorf("the server runs other rules in %s: it has not loaded these files, or refused them (its log says why)", deploy.Some(other))
	}
	return nil
}

// runs reports whether r holds the rules of g. The labels in common are of every rule that the server runs.
func (g group) runs(r runningGroup, common map[string]bool) bool {
	if len(r.Rules) != len(g.rules) || g.interval != 0 && r.Interval != 0 && !near(g.interval, &r.Interval) {
		return false
	}
	for i, one := range r.Rules {
		if !g.rules[i].is(one, r.ID != "", common) {
			return false
		}
	}
	return true
}

// is reports whether a rule runs as it is written. vmalert adds labels that it was started with to all of its rules.
func (r rule) is(one runningRule, vmalert bool, common map[string]bool) bool {
	labels := with(nil, one.Labels)
	if vmalert {
		maps.DeleteFunc(labels, func(name, _ string) bool { _, ours := r.labels[name]; return !ours && common[name] })
	}
	return one.Name == r.name && (one.Query == r.expr || spelled(one.Query) == r.expr) &&
		near(r.wait, one.Duration) && near(r.keep, cmp.Or(one.Keep, one.KeepVM)) &&
		maps.Equal(labels, r.labels) && maps.Equal(with(nil, one.Annotations), r.annotations)
}

// near reports whether two times are the same to a millisecond; a time that is not told is.
func near(want float64, told *float64) bool {
	return told == nil || math.Abs(want-*told) < time.Millisecond.Seconds()
}

// everywhere gives the names of labels that all rules have.
func everywhere(running []runningGroup) map[string]bool {
	count, all := map[string]int{}, 0
	for _, g := range running {
		all += len(g.Rules)
		for _, r := range g.Rules {
			for name := range r.Labels {
				count[name]++
			}
		}
	}
	out := map[string]bool{}
	for name, n := range count {
		out[name] = n == all
	}
	return out
}

// failing says which of the rules the server cannot evaluate.
func failing(wanted []group, running []runningGroup) error {
	ours := map[string]bool{}
	for _, g := range wanted {
		ours[g.name] = true
	}
	var bad []string
	for _, g := range running {
		for _, r := range g.Rules {
			if ours[g.Name] && (r.Health == "err" || r.LastError != "") {
				bad = append(bad, fmt.Sprintf("%s of %s (%.200s)", r.Name, g.Name, r.LastError))
			}
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("everything is in force, but the server cannot evaluate %s", deploy.Some(bad))
	}
	return nil
}
