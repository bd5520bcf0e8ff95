// Package grafana deploys dashboards, their folder, and Grafana-managed alert rules through Grafana's HTTP API:
//
//	GET  /api/search?type=dash-db&tag=assayer     what is there
//	POST /api/folders                             {"uid": "assayer-folder-assayer", "title": "Assayer"}
//	POST /api/dashboards/db                       {"dashboard": {…, "version": 7}, "overwrite": false, "message": "assayer apply 9f2c…"}
//	PUT  /api/v1/provisioning/folder/…/rule-groups/…
//
// All is in one folder, which is known by its UID. A dashboard there is ours when its UID begins with assayer- and it has
// the tag assayer; a rule group when the UIDs of all its rules begin so. What is in the folder of another agent is
// another's: UIDs of rules have the folder in them, so that both have their rules, and dashboards, whose UIDs are fixed
// since links lead to them, are there once. What was applied last is noted in the message of a dashboard's version and in an
// annotation of a group's first rule, so that an edit by hand is told from an older version of ours. Folders are never
// deleted, since they may hold what others put there.
//
// Grafana refuses a dashboard that was changed meanwhile by its version. Rule groups have none: they are read once more
// right before they are written.
package grafana

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
)

// Kinds of objects.
const (
	KindFolder    = "folder"
	KindDashboard = "dashboard"
	KindRuleGroup = "rule-group"
)

const (
	uidPrefix    = "assayer-"
	folderPrefix = "assayer-folder-"
	tag          = "assayer"
	maxUID       = 40
	provisioned  = "it is provisioned from a file on Grafana's server; remove that file, or do not deploy to Grafana from here"
)

// Target is one organisation of a Grafana server. It implements [deploy.Target].
type Target struct {
	cfg    Config
	folder string // its UID
	client *deploy.Client
}

// New makes a target of a valid configuration. It calls nobody.
func New(c Config) (*Target, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("making grafana target: %w", err)
	}
	header := http.Header{}
	if c.OrgID > 0 {
		header.Set("X-Grafana-Org-Id", strconv.FormatInt(c.OrgID, 10))
	}
	client, err := deploy.NewClient(c.Server, header, nil)
	if err != nil {
		return nil, fmt.Errorf("making grafana target: %w", err)
	}
	return &Target{c, folderUID(c.Folder), client}, nil
}

// Wanted implements [deploy.Target]: folders, then dashboards, then rule groups.
func (t *Target) Wanted(files []artifact.File) ([]deploy.Object, error) {
	var dashboards, groups []deploy.Object
	for _, f := range files {
		switch f.Kind {
		case artifact.Dashboard:
			o, err := wantedDashboard(f.Data, t.folder)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", f.Path, err)
			}
			dashboards = append(dashboards, o)
		case artifact.GrafanaRules:
			found, err := t.wantedGroups(f.Data)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", f.Path, err)
			}
			groups = append(groups, found...)
		}
	}
	all := slices.Concat(dashboards, groups)
	if len(all) > 0 {
		text, err := canonical(map[string]any{"title": t.cfg.Folder})
		if err != nil {
			return nil, err
		}
		all = slices.Insert(all, 0, deploy.Object{Kind: KindFolder, Name: t.folder, Text: text, Data: t.cfg.Folder})
	}
	seen := map[string]bool{}
	for _, o := range all {
		keys := []string{o.Kind + " " + o.Name}
		if g, ok := o.Data.(ruleGroup); ok {
			for _, r := range g.Rules {
				keys = append(keys, fmt.Sprint("rule ", r["uid"]))
			}
		}
		for _, key := range keys {
			if seen[key] {
				return nil, fmt.Errorf("there are two of %s", key)
			}
			seen[key] = true
		}
	}
	return all, nil
}

// Deployed implements [deploy.Target].
func (t *Target) Deployed(ctx context.Context, wanted []deploy.Object) (deploy.State, error) {
	defer t.client.Hold()()
	var s deploy.State
	for _, read := range []func(context.Context, []deploy.Object) ([]deploy.Found, error){t.folders, t.dashboards, t.groups} {
		found, err := read(ctx, wanted)
		if err != nil {
			return s, err
		}
		s.Found = append(s.Found, found...)
	}
	return s, nil
}

// Begin implements [deploy.Target]. Every change is in force by itself, so there is nothing to note.
func (t *Target) Begin(context.Context, deploy.Plan) (deploy.Session, error) {
	return session{t, t.client.Hold()}, nil
}

type session struct {
	*Target
	release func()
}

// Do implements [deploy.Session].
func (s session) Do(ctx context.Context, step deploy.Step) error {
	switch step.Kind {
	case KindFolder:
		return s.putFolder(ctx, step)
	case KindDashboard:
		if step.Op == deploy.Delete {
			return s.deleteDashboard(ctx, step)
		}
		return s.putDashboard(ctx, step)
	case KindRuleGroup:
		return s.changeGroup(ctx, step)
	}
	return fmt.Errorf("no such kind: %s", step.Kind)
}

// Commit implements [deploy.Session].
func (session) Commit(context.Context) error { return nil }

// End implements [deploy.Session].
func (s session) End() error {
	s.release()
	return nil
}

// get reads an object; found is false when there is none.
func (t *Target) get(ctx context.Context, into any, path ...string) (found bool, err error) {
	data, err := t.client.Do(ctx, deploy.Call{Method: http.MethodGet, Path: path})
	if deploy.HasStatus(err, http.StatusNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, fmt.Errorf("the answer to GET /%s is not Grafana's: %w", strings.Join(path, "/"), err)
	}
	return true, nil
}

// folder is a folder as the API tells of it.
type folder struct {
	UID     string `json:"uid"`
	Title   string `json:"title"`
	Version int    `json:"version"`
}

// slug makes of a title what may stand in a UID.
func slug(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case r <= unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			fmt.Fprintf(&b, "u%x", r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}

// folderUID is stable, so that a folder that was renamed by hand is found again.
func folderUID(title string) string {
	uid := folderPrefix + slug(title)
	if len(uid) > maxUID {
		uid = uid[:maxUID-9] + "-" + deploy.Sum([]byte(title))[:8]
	}
	return uid
}

// folders reads those that are wanted. Others are nobody's business: they stay.
func (t *Target) folders(ctx context.Context, wanted []deploy.Object) ([]deploy.Found, error) {
	var out []deploy.Found
	for _, w := range wanted {
		if w.Kind != KindFolder {
			continue
		}
		var f folder
		found, err := t.get(ctx, &f, "api", "folders", w.Name)
		if err != nil {
			return nil, fmt.Errorf("reading folder %s: %w", w.Name, err)
		}
		if !found {
			continue
		}
		text, err := canonical(map[string]any{"title": f.Title})
		if err != nil {
			return nil, err
		}
		out = append(out, deploy.Found{Object: deploy.Object{Kind: KindFolder, Name: w.Name, Text: text}, Ours: true, Version: strconv.Itoa(f.Version), Edited: "by an unknown hand: it has another title"})
	}
	return out, nil
}

func (t *Target) putFolder(ctx context.Context, step deploy.Step) error {
	call := deploy.Call{Method: http.MethodPost, Path: []string{"api", "folders"}, Body: map[string]any{"uid": step.Name, "title": step.Want.Data}, Once: true}
	if step.Op == deploy.Update {
		version, err := strconv.Atoi(step.Was.Version)
		if err != nil {
			return fmt.Errorf("reading the folder's version: %w", err)
		}
		call.Method, call.Path = http.MethodPut, append(call.Path, step.Name)
		call.Body = map[string]any{"title": step.Want.Data, "version": version, "overwrite": false}
	}
	_, err := t.client.Do(ctx, call)
	if deploy.HasStatus(err, http.StatusPreconditionFailed, http.StatusConflict) {
		return fmt.Errorf("%w (or another folder has this title: %w)", deploy.ErrChanged, err)
	}
	return err
}
