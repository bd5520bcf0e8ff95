// Package fakegrafana is a FAKE of the part of Grafana's HTTP API that deploying uses:
//
//	POST /api/dashboards/db   {"dashboard": {"uid": "assayer-on-call", "version": 3, …}, "folderUid": "…", "overwrite": false}
//	412                       {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
//
// It is a fake because no Grafana server can be had where the tests run. It was written from the API's documentation
// (dashboard, folder, search, versions and alerting provisioning), and holds every request to it: method, path, headers,
// and bodies through the strict decoders of Grafana's own foundation SDK. It keeps versions with their messages and who
// made them, and provenance. What a real server would do beyond the documentation, it cannot show.
package fakegrafana

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Version is one version of a dashboard.
type Version struct {
	Model   map[string]any
	Message string
	By      string
	At      time.Time
}

// Dashboard is one dashboard with all its versions, the newest last.
type Dashboard struct {
	Folder      string
	Provisioned bool
	Versions    []Version
}

// Folder is one folder.
type Folder struct {
	Title   string
	Version int
}

// Group is one rule group.
type Group struct {
	Interval int64
	Rules    []map[string]any
}

// Grafana is one fake server. Its fields may be changed through Change while it runs.
type Grafana struct {
	URL   string
	Token string // that calls must have
	OrgID string // that the header must name; empty: it must not be there

	t  testing.TB
	mu sync.Mutex

	Dashboards map[string]*Dashboard
	Folders    map[string]*Folder
	Groups     map[[2]string]*Group  // by folder and title
	ReadOnly   bool                  // whatever writes is 403
	FailAfter  int                   // writes that succeed; those after them are 500. Below 0: all do
	Before     func(r *http.Request) // called before each request is served, unlocked; nil: nothing
	Now        func() time.Time

	writes []string // method and path of each write that was done
}

// Start starts one that is empty; it ends with the test. A request against the documentation fails the test.
func Start(t testing.TB) *Grafana {
	t.Helper()
	g := New(t)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.URL = server.URL
	return g
}

// New makes one that the caller serves.
func New(t testing.TB) *Grafana {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	return &Grafana{t: t, Token: "glsa_secret", Dashboards: map[string]*Dashboard{}, Folders: map[string]*Folder{}, Groups: map[[2]string]*Group{}, FailAfter: -1,
		Now: func() time.Time { at = at.Add(time.Second); return at }}
}

// Change gives fn the server to itself.
func (g *Grafana) Change(fn func(*Grafana)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fn(g)
}

// Writes lists what was written so far.
func (g *Grafana) Writes() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.writes)
}

// Edit saves a dashboard as somebody does on its page.
func (g *Grafana) Edit(uid, by string, change func(model map[string]any)) {
	g.Change(func(g *Grafana) {
		d := g.Dashboards[uid]
		model := clone(d.newest().Model)
		change(model)
		d.Versions = append(d.Versions, Version{Model: model, By: by, At: g.Now()})
	})
}

func (d *Dashboard) newest() Version { return d.Versions[len(d.Versions)-1] }

// clone copies what was decoded from JSON, or can be written as such.
func clone(m map[string]any) map[string]any {
	out := map[string]any{}
	if data, err := json.Marshal(m); err != nil || unmarshal(data, &out) != nil {
		return nil // nothing in a test's body is so
	}
	return out
}

func unmarshal(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode(into)
}

// answer is what a handler gives back.
type answer struct {
	code int
	body any
}

func said(code int, format string, args ...any) answer {
	return answer{code, map[string]any{"message": fmt.Sprintf(format, args...)}}
}

// ServeHTTP implements http.Handler.
func (g *Grafana) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.Before != nil {
		g.Before(r)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.serve(r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.code)
	if a.body != nil && a.code != http.StatusNoContent {
		_ = json.NewEncoder(w).Encode(a.body) // the client has gone
	}
}

func (g *Grafana) serve(r *http.Request) answer {
	if r.Header.Get("Authorization") != "Bearer "+g.Token {
		return said(http.StatusUnauthorized, "Invalid API key")
	}
	if got := r.Header.Get("X-Grafana-Org-Id"); got != g.OrgID {
		g.t.Errorf("%s %s: X-Grafana-Org-Id is %q, want %q", r.Method, r.URL, got, g.OrgID)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return said(http.StatusBadRequest, "bad request data")
	}
	writes := r.Method != http.MethodGet
	if (r.Method == http.MethodPost || r.Method == http.MethodPut) && r.Header.Get("Content-Type") != "application/json" {
		g.t.Errorf("%s %s: Content-Type is %q", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	switch {
	case writes && g.ReadOnly:
		return said(http.StatusForbidden, "You'll need additional permissions to perform this action. Permissions needed: dashboards:write")
	case writes && g.FailAfter == 0:
		return said(http.StatusInternalServerError, "database is locked")
	}
	a := g.route(r, body)
	if writes && a.code/100 == 2 {
		g.writes = append(g.writes, r.Method+" "+r.URL.EscapedPath())
		g.FailAfter--
	}
	return a
}

func (g *Grafana) route(r *http.Request, body []byte) answer {
	mux := []struct {
		pattern string
		serve   func(r *http.Request, body []byte) answer
	}{
		{"GET /api/search", g.search},
		{"GET /api/folders/{uid}", g.getFolder},
		{"POST /api/folders", g.createFolder},
		{"PUT /api/folders/{uid}", g.updateFolder},
		{"POST /api/dashboards/db", g.saveDashboard},
		{"GET /api/dashboards/uid/{uid}", g.getDashboard},
		{"DELETE /api/dashboards/uid/{uid}", g.deleteDashboard},
		{"GET /api/dashboards/uid/{uid}/versions", g.versions},
		{"GET /api/v1/provisioning/alert-rules", g.listRules},
		{"GET /api/v1/provisioning/alert-rules/export", g.exportRules},
		{"DELETE /api/v1/provisioning/alert-rules/{uid}", g.deleteRule},
		{"GET /api/v1/provisioning/folder/{folder}/rule-groups/{group}", g.getGroup},
		{"PUT /api/v1/provisioning/folder/{folder}/rule-groups/{group}", g.putGroup},
	}
	found := answer{}
	m := http.NewServeMux()
	for _, one := range mux {
		m.HandleFunc(one.pattern, func(_ http.ResponseWriter, r *http.Request) { found = one.serve(r, body) })
	}
	m.ServeHTTP(httptest.NewRecorder(), r)
	if found.code == 0 {
		g.t.Errorf("%s %s is not in the documentation, or the fake lacks it", r.Method, r.URL)
		return said(http.StatusNotFound, "Not found")
	}
	return found
}

// strict decodes a body in which nothing is unknown.
func (g *Grafana) strict(r *http.Request, body []byte, into any) bool {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		g.t.Errorf("%s %s: the body is not as documented: %v", r.Method, r.URL, err)
		return false
	}
	return true
}

func (g *Grafana) search(r *http.Request, _ []byte) answer {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	page, _ := strconv.Atoi(q.Get("page"))
	if q.Get("type") != "dash-db" || limit < 1 || limit > 5000 || page < 1 {
		g.t.Errorf("search for %s", r.URL.RawQuery)
		return said(http.StatusBadRequest, "bad request")
	}
	hits := []map[string]any{}
	for _, uid := range slices.Sorted(maps.Keys(g.Dashboards)) {
		d := g.Dashboards[uid]
		if tags, _ := d.newest().Model["tags"].([]any); slices.Contains(tags, any(q.Get("tag"))) {
			hits = append(hits, map[string]any{"uid": uid, "title": d.newest().Model["title"], "type": "dash-db", "tags": tags, "folderUid": d.Folder})
		}
	}
	from := min(len(hits), (page-1)*limit)
	return answer{http.StatusOK, hits[from:min(len(hits), from+limit)]}
}

func (g *Grafana) getFolder(r *http.Request, _ []byte) answer {
	uid := r.PathValue("uid")
	f := g.Folders[uid]
	if f == nil {
		return said(http.StatusNotFound, "folder not found")
	}
	return answer{http.StatusOK, map[string]any{"uid": uid, "title": f.Title, "version": f.Version, "url": "/dashboards/f/" + uid}}
}

func (g *Grafana) createFolder(r *http.Request, body []byte) answer {
	var f struct{ UID, Title, ParentUID string }
	if !g.strict(r, body, &f) || f.Title == "" || len(f.UID) > 40 {
		return said(http.StatusBadRequest, "folder title cannot be empty")
	}
	if g.Folders[f.UID] != nil || g.titled(f.Title) {
		return said(http.StatusConflict, "a folder with the same name already exists")
	}
	g.Folders[f.UID] = &Folder{f.Title, 1}
	return answer{http.StatusOK, map[string]any{"uid": f.UID, "title": f.Title, "version": 1}}
}

func (g *Grafana) titled(title string) bool {
	for _, f := range g.Folders {
		if f.Title == title {
			return true
		}
	}
	return false
}

func (g *Grafana) updateFolder(r *http.Request, body []byte) answer {
	var f struct {
		Title     string
		Version   int
		Overwrite bool
	}
	if !g.strict(r, body, &f) {
		return said(http.StatusBadRequest, "bad request data")
	}
	have := g.Folders[r.PathValue("uid")]
	switch {
	case have == nil:
		return said(http.StatusNotFound, "folder not found")
	case f.Version != have.Version && !f.Overwrite:
		return said(http.StatusPreconditionFailed, "the folder has been changed by someone else")
	}
	*have = Folder{f.Title, have.Version + 1}
	return answer{http.StatusOK, map[string]any{"title": f.Title, "version": have.Version}}
}

func (g *Grafana) saveDashboard(r *http.Request, body []byte) answer {
	var save struct {
		Dashboard json.RawMessage
		FolderUID string
		Message   string
		Overwrite bool
	}
	if !g.strict(r, body, &save) {
		return said(http.StatusBadRequest, "bad request data")
	}
	// The SDK knows no null ID, which the documentation asks for.
	model := map[string]any{}
	if err := unmarshal(save.Dashboard, &model); err != nil {
		return said(http.StatusBadRequest, "bad request data")
	}
	if id, there := model["id"]; there && id != nil {
		g.t.Errorf("dashboard %v has the ID %v of another server", model["uid"], id)
	}
	delete(model, "id")
	data, err := json.Marshal(model)
	if err != nil {
		return said(http.StatusBadRequest, "bad request data")
	}
	var typed dashboard.Dashboard
	if err := typed.UnmarshalJSONStrict(data); told(err) {
		g.t.Errorf("dashboard %v is none of the SDK's: %v", model["uid"], err)
		return said(http.StatusBadRequest, "invalid dashboard")
	}
	if typed.Uid == nil || typed.Title == nil || *typed.Title == "" || len(*typed.Uid) > 40 {
		return said(http.StatusBadRequest, "Dashboard title cannot be empty")
	}
	if save.FolderUID != "" && g.Folders[save.FolderUID] == nil {
		return said(http.StatusNotFound, "folder not found")
	}
	return g.keep(*typed.Uid, model, save.FolderUID, save.Message, save.Overwrite)
}

func (g *Grafana) keep(uid string, model map[string]any, folder, message string, overwrite bool) answer {
	d := g.Dashboards[uid]
	version, _ := model["version"].(json.Number).Int64()
	switch {
	case d == nil:
		d = &Dashboard{}
		g.Dashboards[uid] = d
	case d.Provisioned:
		return said(http.StatusBadRequest, "Cannot save provisioned dashboard")
	case !overwrite && version != int64(len(d.Versions)):
		return answer{http.StatusPreconditionFailed, map[string]any{"status": "version-mismatch", "message": "The dashboard has been changed by someone else"}}
	}
	d.Folder = folder
	d.Versions = append(d.Versions, Version{Model: model, Message: message, By: "sa-assayer", At: g.Now()})
	return answer{http.StatusOK, map[string]any{"uid": uid, "status": "success", "version": len(d.Versions)}}
}

func (g *Grafana) getDashboard(r *http.Request, _ []byte) answer {
	uid := r.PathValue("uid")
	d := g.Dashboards[uid]
	if d == nil {
		return said(http.StatusNotFound, "Dashboard not found")
	}
	model := clone(d.newest().Model)
	model["id"], model["version"] = 42, len(d.Versions)
	return answer{http.StatusOK, map[string]any{"dashboard": model, "meta": map[string]any{
		"folderUid": d.Folder, "version": len(d.Versions), "updatedBy": d.newest().By, "updated": d.newest().At, "provisioned": d.Provisioned,
	}}}
}

func (g *Grafana) deleteDashboard(r *http.Request, _ []byte) answer {
	uid := r.PathValue("uid")
	if g.Dashboards[uid] == nil {
		return said(http.StatusNotFound, "Dashboard not found")
	}
	delete(g.Dashboards, uid)
	return said(http.StatusOK, "Dashboard %s deleted", uid)
}

func (g *Grafana) versions(r *http.Request, _ []byte) answer {
	d := g.Dashboards[r.PathValue("uid")]
	if d == nil {
		return said(http.StatusNotFound, "Dashboard not found")
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	list := []map[string]any{}
	for i := len(d.Versions) - 1; i >= 0 && len(list) < limit; i-- {
		v := d.Versions[i]
		list = append(list, map[string]any{"version": i + 1, "message": v.Message, "createdBy": v.By, "created": v.At})
	}
	return answer{http.StatusOK, map[string]any{"continueToken": "", "versions": list}}
}
