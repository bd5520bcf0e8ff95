//go:build e2e

package prometheus_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/prometheus"
	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// A real Prometheus runs what was applied, and goes on with what it had when it refuses more.
func TestRealPrometheus(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rules")
	prom := servers.StartPrometheus(t, "rule_files: ['"+dir+"/*.yaml']\n")
	one := target(t, &server{dir: dir, url: prom.URL("")})
	if err := apply(t, one, rules(t)); err != nil {
		t.Fatal(err)
	}
	if p := plan(t, one, rules(t)); p.Drifted() {
		t.Errorf("left is %+v", p)
	}
	// It is killed and starts with them.
	if err := apply(t, one, rules(t, "page-1h", "page-6h")); err != nil {
		t.Error(err)
	}
	// Templates are the one thing that the server reads and the check before does not.
	bad := rules(t, "{{ $labels.slo }}", "{{ $labels.")
	before := content(t, &server{dir: dir})
	err := apply(t, one, bad)
	if err == nil || !strings.Contains(err.Error(), "put back as before, and reloaded: agent.yaml") || content(t, &server{dir: dir}) != before {
		t.Errorf("refused rules: %v", err)
	}
	if p := plan(t, one, rules(t, "page-1h", "page-6h")); p.Drifted() {
		t.Errorf("after a refusal: %+v", p)
	}
	// A file edited by hand is drift; so is one that was reloaded with an edit.
	if err := os.WriteFile(filepath.Join(dir, "agent.yaml"), []byte("groups: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := plan(t, one, rules(t)); !p.Drifted() || !p.Steps[0].Edited {
		t.Errorf("plan is %+v", p)
	}
	files := append(rules(t), artifact.File{Path: "rules/second.yaml", Kind: artifact.Rules, Data: []byte("groups: [{name: second, rules: [{record: 'a:b', expr: \"up{x='\\\\n\\\"'} offset 5m or vector(1)\"}]}]\n")})
	if err := apply(t, one, files); err != nil {
		t.Fatal(err)
	}
	if err := apply(t, one, rules(t)); err != nil { // second.yaml goes
		t.Fatal(err)
	}
	if p := plan(t, one, rules(t)); p.Drifted() {
		t.Errorf("left is %+v", p)
	}
	// A server that loads another folder.
	other := target(t, &server{dir: t.TempDir(), url: prom.URL("")})
	if err := apply(t, other, []artifact.File{files[2]}); err == nil || !strings.Contains(err.Error(), "is the folder among its rule files?") {
		t.Errorf("another folder: %v", err)
	}
	prom.Stop()
	if _, err := deploy.Make(t.Context(), "prometheus", one, rules(t)); err == nil || !strings.Contains(err.Error(), "gives no answer") {
		t.Errorf("stopped: %v", err)
	}
}

// A real vmalert reloads after it has answered and does not say what it refuses; it is asked what it runs.
func TestRealVMAlert(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "theirs.yaml"), []byte("groups: [{name: theirs, rules: [{record: 'x:y', expr: up}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	vm := servers.StartVMAlert(t, dir+"/*.yaml", servers.StartPrometheus(t, "{}").URL(""))
	c := prometheus.Default()
	c.Dir, c.Server.URL, c.Settle = dir, vm.URL(""), 10*time.Second
	one, err := prometheus.New(c)
	if err != nil {
		t.Fatal(err)
	}
	// It takes up a change of a group at its next evaluation.
	rules := func(t *testing.T, replace ...string) []artifact.File {
		t.Helper()
		return rules(t, append(replace, "interval: 30s", "interval: 1s")...)
	}
	for _, files := range [][]artifact.File{rules(t), rules(t, "== 1", "== 2", "page-1h", "page-6h")} {
		if err := apply(t, one, files); err != nil {
			t.Fatal(err)
		}
		if p := plan(t, one, files); p.Drifted() {
			t.Errorf("left is %+v", p)
		}
	}
	before := content(t, &server{dir: dir})
	bad := rules(t, "{{ $labels.slo }}", "{{ $labels.", "== 1", "== 3")
	if err := apply(t, one, bad); err == nil || !strings.Contains(err.Error(), "put back as before, and reloaded: agent.yaml") || content(t, &server{dir: dir}) != before {
		t.Errorf("refused rules: %v", err)
	}
	if err := apply(t, one, nil); err != nil || content(t, &server{dir: dir}) != "" {
		t.Errorf("all of ours is to go: %v", err)
	}
}
