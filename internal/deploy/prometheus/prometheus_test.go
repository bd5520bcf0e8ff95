package prometheus_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/prometheus"
)

// server loads rule files as Prometheus does. What a real one does is tested end to end.
type server struct {
	dir string
	url string

	mu      sync.Mutex
	groups  []map[string]any
	reloads int
	refuse  string // answer to a reload; empty: taken
	late    bool   // reloads after it has answered, and says nothing of what it refuses, as vmalert does
	down    bool
	ignores bool // loads another folder
	health  string

	id       string            // of groups; vmalert alone has it
	external map[string]string // labels that it adds, as vmalert does
	others   []map[string]any  // groups of other folders

	asked    chan struct{} // gets a value at a reload, which is then not answered; nil: all are
	onReload func()
}

func serve(t *testing.T, dir string) *server {
	t.Helper()
	s := &server{dir: dir, health: "ok"}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "POST /-/reload":
		s.reloads++
		if s.onReload != nil {
			s.onReload()
		}
		if s.asked != nil {
			s.asked <- struct{}{}
			<-r.Context().Done()
			return
		}
		if s.refuse != "" && strings.Contains(s.text(), "REFUSE") {
			if !s.late {
				http.Error(w, s.refuse, http.StatusInternalServerError)
			}
			return
		}
		s.load()
	case "GET /api/v1/rules":
		if s.down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"groups": slices.Concat(s.groups, s.others)}})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *server) files() []string {
	names, _ := filepath.Glob(filepath.Join(s.dir, "*.yaml"))
	return names
}

func (s *server) text() string {
	all := ""
	for _, name := range s.files() {
		data, _ := os.ReadFile(name)
		all += string(data)
	}
	return all
}

func (s *server) load() {
	s.groups = nil
	if s.ignores {
		return
	}
	for _, name := range s.files() {
		var file struct {
			Groups []struct {
				Name     string
				Interval model.Duration
				Labels   map[string]string
				Rules    []struct {
					Record, Alert, Expr string
					For                 model.Duration
					Keep                model.Duration `yaml:"keep_firing_for"`
					Labels, Annotations map[string]string
				}
			}
		}
		keep := "keepFiringFor"
		if s.id != "" {
			keep = "keep_firing_for"
		}
		data, _ := os.ReadFile(name)
		_ = yaml.Unmarshal(data, &file)
		for _, g := range file.Groups {
			rules := []map[string]any{}
			for _, r := range g.Rules {
				labels := maps.Clone(g.Labels)
				if labels == nil {
					labels = map[string]string{}
				}
				maps.Copy(labels, r.Labels)
				maps.Copy(labels, s.external)
				rules = append(rules, map[string]any{
					"labels": labels, "annotations": r.Annotations, "duration": time.Duration(r.For).Seconds(), keep: time.Duration(r.Keep).Seconds(),
					"name": r.Record + r.Alert, "query": strings.ReplaceAll(r.Expr, "(", "( "), "health": s.health, "lastError": strings.TrimPrefix(s.health, "ok"),
				})
			}
			s.groups = append(s.groups, map[string]any{"name": g.Name, "file": name, "rules": rules, "interval": time.Duration(g.Interval).Seconds(), "id": s.id})
		}
	}
}

func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func target(t *testing.T, s *server) *prometheus.Target {
	t.Helper()
	c := prometheus.Default()
	c.Dir, c.Server.URL, c.Settle = s.dir, s.url, time.Second
	one, err := prometheus.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func rules(t *testing.T, replace ...string) []artifact.File {
	t.Helper()
	data, err := os.ReadFile("testdata/burn/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(replace...).Replace(string(data))
	return []artifact.File{{Path: "rules/agent.yaml", Kind: artifact.Rules, Data: []byte(text)}, {Path: "dashboards/x.json", Kind: artifact.Dashboard, Data: []byte("{}")}}
}

func plan(t *testing.T, one deploy.Target, files []artifact.File) deploy.Plan {
	t.Helper()
	p, err := deploy.Make(t.Context(), "prometheus", one, files)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func apply(t *testing.T, one deploy.Target, files []artifact.File) error {
	t.Helper()
	return deploy.Apply(t.Context(), one, plan(t, one, files), deploy.ApplyOptions{PruneAll: true})
}

func content(t *testing.T, s *server) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "agent.yaml"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

func TestRulesAreInForce(t *testing.T) {
	s := serve(t, t.TempDir())
	one := target(t, s)
	if err := apply(t, one, rules(t)); err != nil {
		t.Fatal(err)
	}
	if p := plan(t, one, rules(t)); p.Drifted() || s.reloads != 1 || len(s.groups) != 1 {
		t.Errorf("%+v after %d reloads", p, s.reloads)
	}
	// Killed after the files were written: the next one finds that the server was not told.
	s.set(func() { s.groups = nil })
	p := plan(t, one, rules(t))
	if !p.Drifted() || !strings.Contains(p.Pending, "the server does not run assayer") {
		t.Errorf("plan is %+v", p)
	}
	if err := apply(t, one, rules(t)); err != nil || s.reloads != 2 || plan(t, one, rules(t)).Drifted() {
		t.Errorf("%v after %d reloads", err, s.reloads)
	}
	if err := apply(t, one, nil); err != nil || len(s.groups) != 0 || content(t, s) != "" {
		t.Errorf("%v, and %v are in force", err, s.groups)
	}
}

func TestRefusedRulesAreTakenBack(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(s *server)
		says    string
	}{
		"by the reload":           {func(s *server) { s.refuse = "bad rule\n" }, "500 Internal Server Error to POST /-/reload: bad rule"},
		"without a word":          {func(s *server) { s.refuse, s.late = "x", true }, "the server runs other rules in assayer"},
		"another folder":          {func(s *server) { s.ignores = true }, "is the folder among its rule files?"},
		"gone before it is asked": {func(s *server) { s.down = true }, "502"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait
			s := serve(t, t.TempDir())
			one := target(t, s)
			if err := apply(t, one, rules(t)); err != nil {
				t.Fatal(err)
			}
			before := content(t, s)
			next := rules(t, "page-1h", "REFUSE", "== 1", "== 2")
			p := plan(t, one, next)
			s.set(func() { tt.prepare(s) })
			err := deploy.Apply(t.Context(), one, p, deploy.ApplyOptions{})
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "put back as before, and reloaded: agent.yaml") {
				t.Errorf("error is %v", err)
			}
			if content(t, s) != before {
				t.Errorf("the file is now\n%s", content(t, s))
			}
			s.set(func() { s.refuse, s.down, s.ignores = "", false, false; s.load() })
			if p := plan(t, one, rules(t)); p.Drifted() {
				t.Errorf("left is %+v", p)
			}
			if err := apply(t, one, next); err != nil || plan(t, one, next).Drifted() {
				t.Errorf("the next apply: %v", err)
			}
		})
	}
}

// A server that keeps what it had, and says nothing, is seen by whatever changed.
func TestEveryChangeIsSeen(t *testing.T) {
	rule := "groups: [{name: a, interval: 30s, labels: {team: x}, rules: [{alert: A, expr: up, for: 1m, keep_firing_for: 2m, labels: {severity: page}, annotations: {summary: s}}, {record: b, expr: up}]}]\n"
	file := func(text string) []artifact.File {
		return []artifact.File{{Path: "rules/a.yaml", Kind: artifact.Rules, Data: []byte(text)}}
	}
	changes := map[string][]string{
		"expression": {"expr: up", "expr: down"}, "interval": {"30s", "31s"}, "group's labels": {"team: x", "team: y"}, "for": {"for: 1m", "for: 61s"},
		"keep firing": {"2m", "3m"}, "labels": {"page", "ticket"}, "a label more": {"{severity: page}", "{severity: page, a: b}"},
		"a label less": {"labels: {severity: page}, ", ""}, "annotations": {"summary: s", "summary: t"}, "an annotation less": {"{summary: s}", "{}"},
		"a rule more": {"{record: b", "{record: c, expr: up}, {record: b"}, "a rule less": {", {record: b, expr: up}", ""},
	}
	for _, vmalert := range []bool{false, true} {
		for name, replace := range changes {
			s := serve(t, t.TempDir())
			if vmalert { // which says so, and was started with a label for all of its rules
				s.id, s.external = "1", map[string]string{"region": "eu"}
			}
			one := target(t, s)
			if err := apply(t, one, file(rule)); err != nil {
				t.Fatal(err)
			}
			if p := plan(t, one, file(strings.ReplaceAll(rule, "1m", "60s"))); p.Pending != "" {
				t.Errorf("another spelling of the same time: %s", p.Pending)
			}
			changed := strings.NewReplacer(replace...).Replace(rule)
			if err := os.WriteFile(filepath.Join(s.dir, "a.yaml"), []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			if p := plan(t, one, file(changed)); !strings.Contains(p.Pending, "the server runs other rules in a") {
				t.Errorf("%s, of vmalert %t: not seen", name, vmalert)
			}
		}
	}
}

// Labels that vmalert was started with are on all of its rules, and may be ours as well.
func TestLabelsOfVMAlert(t *testing.T) {
	rule := "groups: [{name: a, rules: [{alert: A, expr: up, labels: {severity: page}}]}]\n"
	file := func(text string) []artifact.File {
		return []artifact.File{{Path: "rules/a.yaml", Kind: artifact.Rules, Data: []byte(text)}}
	}
	s := serve(t, t.TempDir())
	s.id, s.external = "1", map[string]string{"region": "eu"}
	one := target(t, s)
	if err := apply(t, one, file(rule)); err != nil {
		t.Error(err)
	}
	if err := apply(t, one, file(strings.Replace(rule, "{severity: page}", "{severity: page, region: eu}", 1))); err != nil {
		t.Error(err)
	}
}

func TestRulesThatFailAreTold(t *testing.T) {
	s := serve(t, t.TempDir())
	s.health = "many-to-many matching"
	one := target(t, s)
	err := apply(t, one, rules(t))
	if err == nil || !strings.Contains(err.Error(), "everything is in force, but the server cannot evaluate slo:burn:rate1h of assayer (many-to-many matching), ErrorBudgetBurn") {
		t.Errorf("error is %v", err)
	}
	if plan(t, one, rules(t)).Drifted() {
		t.Error("what is in force is called drift")
	}
	// Others' rules are others' business.
	failing := s.groups[0]["rules"]
	s = serve(t, t.TempDir())
	s.others = []map[string]any{{"name": "theirs", "rules": failing}}
	if err := apply(t, target(t, s), rules(t)); err != nil {
		t.Error(err)
	}
}

func TestNoLifecycle(t *testing.T) {
	dir := t.TempDir()
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			http.Error(w, "Lifecycle API is not enabled.", http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte(`{"status": "success", "data": {"groups": []}}`))
	}))
	defer h.Close()
	err := apply(t, target(t, &server{dir: dir, url: h.URL}), rules(t))
	if err == nil || !strings.Contains(err.Error(), "--web.enable-lifecycle") {
		t.Errorf("error is %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

func TestRuleFilesThatNoServerWouldTake(t *testing.T) {
	s := serve(t, t.TempDir())
	one := target(t, s)
	for name, text := range map[string]string{
		"no YAML":       "groups: [",
		"unknown field": "groups: [{name: a, rule: []}]",
		"no name":       "groups: [{rules: []}]",
		"twice":         "groups: [{name: a}, {name: a}]",
		"both":          "groups: [{name: a, rules: [{record: a, alert: b, expr: up}]}]",
		"neither":       "groups: [{name: a, rules: [{expr: up}]}]",
		"expression":    "groups: [{name: a, rules: [{alert: b, expr: 'sum('}]}]",
		"metric":        "groups: [{name: a, rules: [{record: 'a b', expr: up}]}]",
		"for":           "groups: [{name: a, rules: [{record: a, for: 1m, expr: up}]}]",
		"label":         "groups: [{name: a, rules: [{alert: a, expr: up, labels: {'a-b': c}}]}]",
		"documents":     "groups: []\n---\ngroups: []",
	} {
		files := []artifact.File{{Path: "rules/x.yaml", Kind: artifact.Rules, Data: []byte(text)}}
		if _, err := deploy.Make(t.Context(), "prometheus", one, files); err == nil || !strings.Contains(err.Error(), "rules/x.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
	twice := append(rules(t), artifact.File{Path: "rules/other.yaml", Kind: artifact.Rules, Data: rules(t)[0].Data})
	if _, err := deploy.Make(t.Context(), "prometheus", one, twice); err == nil || !strings.Contains(err.Error(), "both have a group assayer") {
		t.Errorf("one group in two files: %v", err)
	}
	long := rules(t, "burns", strings.Repeat("x", 1_000_000)+`\" {{ 😀`)
	if err := apply(t, one, long); err != nil {
		t.Errorf("a million characters: %v", err)
	}
}

func TestConfigProblems(t *testing.T) {
	for path, change := range map[string]func(*prometheus.Config){
		"url":    func(c *prometheus.Config) { c.Server.URL = "" },
		"dir":    func(c *prometheus.Config) { c.Dir = "" },
		"settle": func(c *prometheus.Config) { c.Settle = 0 },
	} {
		c := prometheus.Default()
		c.Dir, c.Server.URL = "d", "http://h"
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzRuleFile(f *testing.F) {
	data, err := os.ReadFile("testdata/burn/agent.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("groups: [{name: a, rules: [{alert: a, expr: up, labels: {a: b}}]}]"))
	c := prometheus.Default()
	c.Dir, c.Server.URL = "none", "http://h"
	one, err := prometheus.New(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := one.Wanted([]artifact.File{{Path: "rules/a.yaml", Kind: artifact.Rules, Data: data}})
		if err == nil && (len(all) != 1 || string(all[0].Text) != string(data)) {
			t.Errorf("became %+v", all)
		}
	})
}
