// Package alertmanager deploys Alertmanager's configuration file, makes the server reload it, and checks that it runs it:
//
//	alertmanager.yml                         written, synced, moved into place
//	assayer.tmpl                             likewise: the templates that it names
//	alertmanager.yml.assayer-backup          what was there before
//	alertmanager.yml.assayer-manifest.json   that it is ours, and what was written last
//	alertmanager.yml.assayer-undo.json       what was last in force, until the new one is
//	POST /-/reload                           200
//	GET  /api/v2/status                      has these routes, receivers, inhibitions and intervals
//
// When the server refuses it, everything is put back as it was when it was last in force, and reloaded.
package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
)

const (
	manifestSuffix = ".assayer-manifest.json"
	backupSuffix   = ".assayer-backup"
)

// Target is one server with its configuration file. It implements [deploy.Target].
type Target struct {
	files  deploy.Files
	name   string // of the file
	client *deploy.Client
	settle time.Duration
}

// New makes a target of a valid configuration. It calls nobody.
func New(c Config) (*Target, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("making alertmanager target: %w", err)
	}
	client, err := deploy.NewClient(c.Server, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("making alertmanager target: %w", err)
	}
	name := filepath.Base(c.File)
	// It may hold secrets: not for everybody to read.
	return &Target{deploy.Files{Dir: filepath.Dir(c.File), Manifest: name + manifestSuffix, Mode: 0o640, Undo: true}, name, client, c.Settle}, nil
}

// Wanted implements [deploy.Target]: the one Alertmanager configuration, once it has been checked, after the templates
// that it names, which lie beside it.
func (t *Target) Wanted(files []artifact.File) ([]deploy.Object, error) {
	var found *artifact.File
	var names []string
	var data [][]byte
	for i, f := range files {
		switch {
		case f.Kind == artifact.AlertTemplate:
			names, data = append(names, path.Base(f.Path)), append(data, f.Data)
		case f.Kind == artifact.Alertmanager && found != nil:
			return nil, fmt.Errorf("%s and %s are both whole configurations of Alertmanager, and it has one", found.Path, f.Path)
		case f.Kind == artifact.Alertmanager:
			found = &files[i]
		}
	}
	if found == nil {
		// Without this, the file would be deleted, and the server would not start again.
		return nil, errors.New("no configuration of Alertmanager was generated: it needs receivers, in generate.alertmanager.receivers")
	}
	whole, err := read(found.Data)
	if err != nil {
		return nil, fmt.Errorf("checking %s: %w", found.Path, err)
	}
	names, data = append(names, t.name), append(data, found.Data)
	out, err := t.files.Objects(names, func(i int) []byte { return data[i] })
	if err != nil {
		return nil, err
	}
	out[len(out)-1].Data = whole
	return out, nil
}

// Deployed implements [deploy.Target]. A file that is as wanted and that the server does not run is pending.
func (t *Target) Deployed(ctx context.Context, wanted []deploy.Object) (deploy.State, error) {
	s, err := t.files.Deployed(wanted)
	if err != nil {
		return s, err
	}
	running, err := t.running(ctx)
	if err != nil || s.Pending != "" {
		return s, err
	}
	want := wanted[len(wanted)-1]
	if slices.ContainsFunc(s.Found, func(f deploy.Found) bool { return f.Name == t.name && bytes.Equal(f.Text, want.Text) }) {
		if err := same(want, running); err != nil {
			s.Pending = "the file is in place, but " + err.Error()
		}
	}
	return s, nil
}

// Begin implements [deploy.Target].
func (t *Target) Begin(_ context.Context, p deploy.Plan) (deploy.Session, error) {
	files, err := t.files.Begin(p)
	if err != nil {
		return nil, err
	}
	s := &session{FileSession: files, target: t}
	for _, step := range p.Steps {
		if step.Want != nil && step.Name == t.name {
			s.wanted = *step.Want
		}
	}
	return s, nil
}

// session is a session of one file that ends with a reload.
type session struct {
	*deploy.FileSession
	target *Target
	wanted deploy.Object
}

// Do implements [deploy.Session]: what is there is kept beside it first.
func (s *session) Do(ctx context.Context, step deploy.Step) error {
	if step.Name == s.target.name {
		if err := s.Keep(step.Name, step.Name+backupSuffix); err != nil {
			return fmt.Errorf("keeping a copy of what is there: %w", err)
		}
	}
	return s.FileSession.Do(ctx, step)
}

// Commit implements [deploy.Session].
func (s *session) Commit(ctx context.Context) error {
	err := s.target.reload(ctx)
	if err == nil {
		err = deploy.Until(ctx, s.target.settle, func(ctx context.Context) error {
			running, err := s.target.running(ctx)
			if err != nil {
				return err
			}
			return same(s.wanted, running)
		})
	}
	if err != nil {
		return err
	}
	return s.FileSession.Commit(ctx)
}

// Undo implements [deploy.Undoer].
func (s *session) Undo(ctx context.Context, why error) error {
	return s.TakeBack(ctx, why, s.target.reload)
}

func (t *Target) reload(ctx context.Context) error {
	if _, err := t.client.Do(ctx, deploy.Call{Method: http.MethodPost, Path: []string{"-", "reload"}, Once: true}); err != nil {
		return fmt.Errorf("asking for a reload: %w", err)
	}
	return nil
}

// running gives the configuration in force, with its secrets hidden by the server.
func (t *Target) running(ctx context.Context) ([]byte, error) {
	data, err := t.client.Do(ctx, deploy.Call{Method: http.MethodGet, Path: []string{"api", "v2", "status"}})
	if err != nil {
		return nil, fmt.Errorf("asking for the configuration in force: %w", err)
	}
	var status struct {
		Config struct {
			Original string `json:"original"`
		} `json:"config"`
	}
	if err := json.Unmarshal(data, &status); err != nil || status.Config.Original == "" {
		return nil, errors.New("asking for the configuration in force: the answer is none of Alertmanager")
	}
	return []byte(status.Config.Original), nil
}

// same reports whether the configuration that runs is the one that is wanted. The server writes it anew, with defaults and
// hidden secrets, so what is compared is its structure.
func same(wanted deploy.Object, running []byte) error {
	want, ok := wanted.Data.(*file)
	if !ok {
		return errors.New("the plan is none of Alertmanager's")
	}
	have, err := decode(running, false)
	if err != nil {
		return fmt.Errorf("what the server says it runs cannot be read: %w", err)
	}
	if !reflect.DeepEqual(want.outline(), have.outline()) {
		return errors.New("the server runs another configuration")
	}
	if name := want.differs(have); name != "" {
		return fmt.Errorf("the server runs another configuration: %s is another there", name)
	}
	return nil
}
