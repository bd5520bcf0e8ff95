// Package directory deploys generated files into a folder, as they are:
//
//	out/.assayer-manifest.json   which of the files are ours, and what was written last
//	out/rules/native-card-auth.yaml
//	out/dashboards/assayer-on-call.json
//
// Files of the folder that are not in the manifest are never touched.
package directory

import (
	"context"
	"fmt"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
)

// Target is one folder. It implements [deploy.Target].
type Target struct{ files deploy.Files }

// New makes a target of a valid configuration. It touches nothing.
func New(c Config) (*Target, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("making directory target: %w", err)
	}
	return &Target{deploy.Files{Dir: c.Dir}}, nil
}

// Wanted implements [deploy.Target]: all files.
func (t *Target) Wanted(files []artifact.File) ([]deploy.Object, error) {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Path
	}
	out, err := t.files.Objects(names, func(i int) []byte { return files[i].Data })
	for i := range out {
		if files[i].Kind == artifact.Alertmanager {
			out[i].Mode = 0o640 // receivers may hold secrets: not for everybody to read
		}
	}
	return out, err
}

// Deployed implements [deploy.Target].
func (t *Target) Deployed(_ context.Context, wanted []deploy.Object) (deploy.State, error) {
	return t.files.Deployed(wanted)
}

// Begin implements [deploy.Target].
func (t *Target) Begin(_ context.Context, p deploy.Plan) (deploy.Session, error) {
	return t.files.Begin(p)
}
