package grafana

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/deploy"
)

const (
	messagePrefix = "assayer apply "
	sumLength     = 16 // of the content, in a version's message
	searchLimit   = 1000
	maxSearch     = 100 // pages
)

// canonical writes a value so that equal ones have equal texts: keys sorted, indented, nothing escaped for HTML.
func canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// decode reads JSON and keeps numbers as they are written.
func decode(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode(into)
}

// dashboardText is what of a dashboard is compared: all but what Grafana counts, and the folder it is in.
func dashboardText(model map[string]any, folder string) ([]byte, error) {
	plain := map[string]any{}
	for k, v := range model {
		if k != "id" && k != "version" && k != "iteration" {
			plain[k] = v
		}
	}
	return canonical(map[string]any{"folderUid": folder, "dashboard": plain})
}

func wantedDashboard(data []byte, folder string) (deploy.Object, error) {
	var model map[string]any
	if err := decode(data, &model); err != nil {
		return deploy.Object{}, err
	}
	uid, _ := model["uid"].(string)
	title, _ := model["title"].(string)
	if !strings.HasPrefix(uid, uidPrefix) || strings.HasPrefix(uid, folderPrefix) || len(uid) > maxUID || title == "" {
		return deploy.Object{}, fmt.Errorf("uid %q, allowed: %s… with at most %d characters, and a title", uid, uidPrefix, maxUID)
	}
	tags, _ := model["tags"].([]any)
	if !slices.Contains(tags, any(tag)) {
		return deploy.Object{}, fmt.Errorf("dashboard %s lacks the tag %s", uid, tag)
	}
	text, err := dashboardText(model, folder)
	return deploy.Object{Kind: KindDashboard, Name: uid, Text: text, Data: wantDashboard{model, folder}}, err
}

type wantDashboard struct {
	model  map[string]any
	folder string
}

// dashboardAnswer is a dashboard as the API gives it.
type dashboardAnswer struct {
	Dashboard json.RawMessage `json:"dashboard"`
	Meta      struct {
		FolderUID   string    `json:"folderUid"`
		Version     int       `json:"version"`
		UpdatedBy   string    `json:"updatedBy"`
		Updated     time.Time `json:"updated"`
		Provisioned bool      `json:"provisioned"`
	} `json:"meta"`
}

// dashboards reads ours and those that are wanted.
func (t *Target) dashboards(ctx context.Context, wanted []deploy.Object) ([]deploy.Found, error) {
	want := map[string]*deploy.Object{}
	var uids []string
	for i, w := range wanted {
		if w.Kind == KindDashboard {
			want[w.Name] = &wanted[i]
			uids = append(uids, w.Name)
		}
	}
	tagged, err := t.search(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing dashboards: %w", err)
	}
	for _, uid := range tagged {
		if want[uid] == nil {
			uids = append(uids, uid)
		}
	}
	var out []deploy.Found
	for _, uid := range uids {
		f, err := t.dashboard(ctx, uid, want[uid])
		if err != nil {
			return nil, fmt.Errorf("reading dashboard %s: %w", uid, err)
		}
		if f != nil {
			out = append(out, *f)
		}
	}
	return out, nil
}

// search lists the UIDs of all dashboards with our tag in our folder.
func (t *Target) search(ctx context.Context) ([]string, error) {
	var out []string
	for page := 1; page <= maxSearch; page++ {
		q := url.Values{"type": {"dash-db"}, "tag": {tag}, "limit": {strconv.Itoa(searchLimit)}, "page": {strconv.Itoa(page)}}
		data, err := t.client.Do(ctx, deploy.Call{Method: http.MethodGet, Path: []string{"api", "search"}, Query: q})
		if err != nil {
			return nil, err
		}
		var hits []struct {
			UID       string `json:"uid"`
			FolderUID string `json:"folderUid"`
		}
		if err := json.Unmarshal(data, &hits); err != nil {
			return nil, fmt.Errorf("the answer to GET /api/search is not Grafana's: %w", err)
		}
		for _, h := range hits {
			if strings.HasPrefix(h.UID, uidPrefix) && h.FolderUID == t.folder {
				out = append(out, h.UID)
			}
		}
		if len(hits) < searchLimit {
			return out, nil
		}
	}
	return nil, fmt.Errorf("there are more than %d dashboards with the tag %s", maxSearch*searchLimit, tag)
}

// dashboard reads one; nil: there is none. want is nil when it is to go.
func (t *Target) dashboard(ctx context.Context, uid string, want *deploy.Object) (*deploy.Found, error) {
	var answer dashboardAnswer
	there, err := t.get(ctx, &answer, "api", "dashboards", "uid", uid)
	if err != nil || !there {
		return nil, err
	}
	var model map[string]any
	if err := decode(answer.Dashboard, &model); err != nil {
		return nil, fmt.Errorf("the answer is not Grafana's: %w", err)
	}
	text, err := dashboardText(model, answer.Meta.FolderUID)
	if err != nil {
		return nil, err
	}
	f := &deploy.Found{Object: deploy.Object{Kind: KindDashboard, Name: uid, Text: text}, Version: strconv.Itoa(answer.Meta.Version)}
	tags, _ := model["tags"].([]any)
	switch {
	case answer.Meta.Provisioned:
		f.Foreign = provisioned
		return f, nil
	case !slices.Contains(tags, any(tag)):
		f.Foreign = "a dashboard with this UID is there without the tag " + tag + "; delete it, or give it the tag if it is ours"
		return f, nil
	}
	if in := answer.Meta.FolderUID; in != t.folder && strings.HasPrefix(in, folderPrefix) {
		f.Foreign = fmt.Sprintf("it is in the folder with the UID %s, which another agent deploys to; deploy to another organisation (org_id) or without the part dashboards, or delete it there if that was this agent's folder before", in)
		return f, nil
	}
	f.Ours = true
	if want != nil && bytes.Equal(text, want.Text) {
		return f, nil
	}
	sum, err := t.applied(ctx, uid)
	if err != nil {
		return nil, err
	}
	switch {
	case want != nil && sum == deploy.Sum(want.Text)[:sumLength]:
		// Nobody has saved it since: it was moved to another folder, or this Grafana keeps it in another form.
		data, ok := want.Data.(wantDashboard)
		if f.Same = ok && data.folder == answer.Meta.FolderUID; !f.Same {
			f.Edited = "by somebody: it was moved to another folder"
		}
	case sum == "":
		f.Edited = fmt.Sprintf("by %s at %s, since it was last applied", answer.Meta.UpdatedBy, answer.Meta.Updated.UTC().Format(time.RFC3339))
	}
	return f, nil
}

// applied gives the start of the hash of what was applied, if the newest version is ours, else nothing.
func (t *Target) applied(ctx context.Context, uid string) (string, error) {
	data, err := t.client.Do(ctx, deploy.Call{Method: http.MethodGet, Path: []string{"api", "dashboards", "uid", uid, "versions"}, Query: url.Values{"limit": {"1"}}})
	if err != nil {
		return "", fmt.Errorf("reading its versions: %w", err)
	}
	type version struct {
		Message string `json:"message"`
	}
	var list []version // before Grafana 11
	if json.Unmarshal(data, &list) != nil {
		var paged struct {
			Versions []version `json:"versions"`
		}
		if err := json.Unmarshal(data, &paged); err != nil {
			return "", fmt.Errorf("reading its versions: the answer is not Grafana's: %w", err)
		}
		list = paged.Versions
	}
	if len(list) == 0 {
		return "", nil
	}
	sum, _ := strings.CutPrefix(list[0].Message, messagePrefix)
	if sum == list[0].Message {
		return "", nil
	}
	return sum, nil
}

func (t *Target) putDashboard(ctx context.Context, step deploy.Step) error {
	want, ok := step.Want.Data.(wantDashboard)
	if !ok {
		return errors.New("the plan is none of Grafana's")
	}
	model := maps.Clone(want.model)
	version := 0
	if step.Was != nil {
		var err error
		if version, err = strconv.Atoi(step.Was.Version); err != nil {
			return fmt.Errorf("reading its version: %w", err)
		}
	}
	model["id"], model["version"] = nil, version
	_, err := t.client.Do(ctx, deploy.Call{Method: http.MethodPost, Path: []string{"api", "dashboards", "db"}, Once: true, Body: map[string]any{
		"dashboard": model, "folderUid": want.folder, "overwrite": false, "message": messagePrefix + deploy.Sum(step.Want.Text)[:sumLength],
	}})
	if deploy.HasStatus(err, http.StatusPreconditionFailed) {
		return fmt.Errorf("%w (%w)", deploy.ErrChanged, err)
	}
	return err
}

func (t *Target) deleteDashboard(ctx context.Context, step deploy.Step) error {
	now, err := t.dashboard(ctx, step.Name, nil)
	if err != nil || now == nil {
		return err
	}
	if !now.Ours || now.Version != step.Was.Version {
		return deploy.ErrChanged
	}
	_, err = t.client.Do(ctx, deploy.Call{Method: http.MethodDelete, Path: []string{"api", "dashboards", "uid", step.Name}})
	if deploy.HasStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}
