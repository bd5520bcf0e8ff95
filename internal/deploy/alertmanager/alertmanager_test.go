package alertmanager_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/alertmanager"
)

// server loads a configuration as Alertmanager does. What a real one does is tested end to end.
type server struct {
	file, url string

	mu      sync.Mutex
	running string
	refuse  bool
	ignores bool
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{file: filepath.Join(t.TempDir(), "alertmanager.yml"), running: "route: {receiver: old}\nreceivers: [{name: old}]\n"}
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
		data, err := os.ReadFile(s.file)
		if err != nil || s.refuse && strings.Contains(string(data), "refuse") {
			http.Error(w, "failed to reload config: unknown thing", http.StatusInternalServerError)
			return
		}
		if !s.ignores {
			s.running = strings.ReplaceAll(string(data), "'http://127.0.0.1:9/pager'", "<secret>")
		}
	case "GET /api/v2/status":
		_ = json.NewEncoder(w).Encode(map[string]any{"config": map[string]any{"original": s.running}})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func target(t *testing.T, s *server) *alertmanager.Target {
	t.Helper()
	c := alertmanager.Default()
	c.File, c.Server.URL, c.Settle = s.file, s.url, time.Second
	one, err := alertmanager.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func configuration(t *testing.T, replace ...string) []artifact.File {
	t.Helper()
	data, err := os.ReadFile("testdata/tiers/alertmanager.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return []artifact.File{
		{Path: "alertmanager/alertmanager.yaml", Kind: artifact.Alertmanager, Data: []byte(strings.NewReplacer(replace...).Replace(string(data)))},
		{Path: "alertmanager/assayer.tmpl", Kind: artifact.AlertTemplate, Data: []byte("{{ define \"x\" }}{{ end }}\n")},
		{Path: "rules/a.yaml", Kind: artifact.Rules},
	}
}

func plan(t *testing.T, one deploy.Target, files []artifact.File) deploy.Plan {
	t.Helper()
	p, err := deploy.Make(t.Context(), "alertmanager", one, files)
	if err != nil {
		t.Fatal(err)
	}
	p.Explain()
	return p
}

func apply(t *testing.T, one deploy.Target, files []artifact.File) error {
	t.Helper()
	return deploy.Apply(t.Context(), one, plan(t, one, files), deploy.ApplyOptions{})
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestConfigurationIsInForce(t *testing.T) {
	s := serve(t)
	one := target(t, s)
	first := configuration(t)
	if err := apply(t, one, first); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if p := plan(t, one, first); p.Drifted() {
		t.Errorf("left is %+v", p)
	}
	if err := os.Chmod(s.file, 0o600); err != nil {
		t.Fatal(err)
	}
	second := configuration(t, "continue: true", "continue: false", "pager'", "hunter2canary'")
	p := plan(t, one, second)
	if len(p.Steps) != 2 || p.Steps[1].Op != deploy.Update || strings.Contains(p.Steps[1].Diff, "hunter2canary") || !strings.Contains(p.Steps[1].Diff, "+      continue: false") {
		t.Errorf("plan is %+v", p)
	}
	if err := apply(t, one, second); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s.file+".assayer-backup"); got != string(first[0].Data) {
		t.Errorf("kept is\n%s", got)
	}
	for _, name := range []string{s.file, s.file + ".assayer-backup"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s is %v, %v", name, info.Mode(), err)
		}
	}
	s.mu.Lock()
	s.running = string(first[0].Data)
	s.mu.Unlock()
	if p := plan(t, one, second); !strings.Contains(p.Pending, "the server runs another configuration") {
		t.Errorf("plan is %+v", p)
	}
	if err := apply(t, one, second); err != nil || plan(t, one, second).Drifted() {
		t.Error(err)
	}
}

func TestRefusedConfigurationIsTakenBack(t *testing.T) {
	for name, prepare := range map[string]func(s *server){"refused": func(s *server) { s.refuse = true }, "ignored": func(s *server) { s.ignores = true }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			one := target(t, s)
			if err := apply(t, one, configuration(t)); err != nil {
				t.Fatal(err)
			}
			before := read(t, s.file)
			s.mu.Lock()
			prepare(s)
			s.mu.Unlock()
			next := configuration(t, "pager", "refuse")
			err := apply(t, one, next)
			if err == nil || !strings.Contains(err.Error(), "put back as before, and reloaded: alertmanager.yml") || read(t, s.file) != before {
				t.Errorf("error is %v, the file\n%s", err, read(t, s.file))
			}
			if p := plan(t, one, configuration(t)); p.Drifted() {
				t.Errorf("left is %+v", p)
			}
			s.mu.Lock()
			s.refuse, s.ignores = false, false
			s.mu.Unlock()
			if err := apply(t, one, next); err != nil {
				t.Error(err)
			}
		})
	}
}

// What runs is told again by the server in its own words, with defaults and without secrets; what a newer one adds is
// nobody's business. What is another setting is seen.
func TestWhatRunsIsTheSame(t *testing.T) {
	wanted := `route: {receiver: a, group_wait: 60s, repeat_interval: 4h, routes: [{receiver: a, group_interval: 5m}]}
receivers:
  - name: a
    slack_configs: [{channel: '#x', api_url: 'https://h/secret', send_resolved: true, timeout: 60s, fields: [{title: t, short: true}]}]
    webhook_configs: [{url: 'http://h/', max_alerts: 3}]
time_intervals:
  - {name: n, time_intervals: [{times: [{start_time: '09:00', end_time: '17:00'}], weekdays: ['monday:friday'], location: Europe/Amsterdam}]}
`
	told := `global: {resolve_timeout: 5m, new_setting: 1}
new_section: {a: b}
route:
  receiver: a
  group_wait: 1m
  repeat_interval: 4h
  new_of_route: true
  routes: [{receiver: a, group_interval: 5m, continue: false}]
receivers:
- name: a
  slack_configs:
  - {send_resolved: true, channel: '#x', api_url: <secret>, timeout: 1m, http_config: {follow_redirects: true}, fields: [{title: t, short: true}], title: default}
  webhook_configs:
  - {url: <secret>, max_alerts: 3, timeout: 0s}
time_intervals:
- name: n
  time_intervals:
  - {times: [{start_time: "09:00", end_time: "17:00"}], weekdays: ["monday:friday"], location: Europe/Amsterdam}
  new_of_interval: 1
`
	s := serve(t)
	one := target(t, s)
	files := []artifact.File{{Path: "am.yaml", Kind: artifact.Alertmanager, Data: []byte(wanted)}}
	if err := apply(t, one, files); err != nil {
		t.Fatal(err)
	}
	running := func(text string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running = text
	}
	for _, text := range []string{told, strings.ReplaceAll(told, "monday:friday", "workdays of a newer server"), strings.ReplaceAll(told, "max_alerts: 3, ", "")} {
		running(text)
		if p := plan(t, one, files); p.Pending != "" {
			t.Errorf("it is not taken for the same: %s", p.Pending)
		}
	}
	for _, change := range [][2]string{
		{"group_wait: 1m", "group_wait: 2m"}, {"repeat_interval: 4h", "repeat_interval: 5h"}, {"group_interval: 5m", "group_interval: 6m"},
		{"09:00", "08:00"}, {"monday:friday", "monday:thursday"}, {"Europe/Amsterdam", "UTC"}, {"channel: '#x'", "channel: '#y'"},
		{"send_resolved: true", "send_resolved: false"}, {"max_alerts: 3", "max_alerts: 4"}, {"title: t,", "title: u,"}, {"[{title: t, short: true}]", "[]"},
		{"short: true}]", "short: true}, {title: u}]"}, {"timeout: 1m", "timeout: 2m"},
	} {
		running(strings.Replace(told, change[0], change[1], 1))
		if p := plan(t, one, files); !strings.Contains(p.Pending, "the server runs another configuration") {
			t.Errorf("%s is not seen", change[1])
		}
	}
}

func TestFileOfOthersIsNotTouched(t *testing.T) {
	s := serve(t)
	if err := os.WriteFile(s.file, []byte("route: {receiver: theirs}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := apply(t, target(t, s), configuration(t))
	if err == nil || !strings.Contains(err.Error(), "assayer has not written; move it away") || read(t, s.file) != "route: {receiver: theirs}\n" {
		t.Errorf("error is %v", err)
	}
}

func TestConfigurationsThatNoServerWouldTake(t *testing.T) {
	one := target(t, serve(t))
	for name, text := range map[string]string{
		"no YAML":       "route: [",
		"unknown":       "routes: {}",
		"no route":      "receivers: [{name: a}]",
		"no receiver":   "route: {receiver: a}",
		"sub receiver":  "{route: {receiver: a, routes: [{receiver: b}]}, receivers: [{name: a}]}",
		"empty route":   "{route: {receiver: a, routes: [null]}, receivers: [{name: a}]}",
		"twice":         "{route: {receiver: a}, receivers: [{name: a}, {name: a}]}",
		"nameless":      "{route: {receiver: a}, receivers: [{name: a}, {}]}",
		"root matchers": "{route: {receiver: a, matchers: [a=b]}, receivers: [{name: a}]}",
		"root muted":    "{route: {receiver: a, mute_time_intervals: [x]}, receivers: [{name: a}], time_intervals: [{name: x}]}",
		"interval":      "{route: {receiver: a, routes: [{mute_time_intervals: [x]}]}, receivers: [{name: a}]}",
	} {
		files := []artifact.File{{Path: "am.yaml", Kind: artifact.Alertmanager, Data: []byte(text)}}
		if _, err := deploy.Make(t.Context(), "alertmanager", one, files); err == nil || !strings.Contains(err.Error(), "am.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The server would not start without a file.
	if _, err := deploy.Make(t.Context(), "alertmanager", one, nil); err == nil || !strings.Contains(err.Error(), "no configuration of Alertmanager was generated") {
		t.Errorf("nothing: %v", err)
	}
	two := append(configuration(t), configuration(t)...)
	if _, err := deploy.Make(t.Context(), "alertmanager", one, two); err == nil {
		t.Error("two configurations are taken")
	}
}

func TestConfigProblems(t *testing.T) {
	for path, change := range map[string]func(*alertmanager.Config){
		"url":    func(c *alertmanager.Config) { c.Server.URL = "" },
		"file":   func(c *alertmanager.Config) { c.File = "/" },
		"settle": func(c *alertmanager.Config) { c.Settle = time.Hour },
	} {
		c := alertmanager.Default()
		c.File, c.Server.URL = "f", "http://h"
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzConfiguration(f *testing.F) {
	data, err := os.ReadFile("testdata/tiers/alertmanager.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("{route: {receiver: a, routes: [{routes: [null]}]}, receivers: [{name: a}]}"))
	c := alertmanager.Default()
	c.File, c.Server.URL = "none", "http://h"
	one, err := alertmanager.New(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := one.Wanted([]artifact.File{{Path: "a", Kind: artifact.Alertmanager, Data: data}})
		if err == nil && len(all) != 1 {
			t.Errorf("became %+v", all)
		}
	})
}
