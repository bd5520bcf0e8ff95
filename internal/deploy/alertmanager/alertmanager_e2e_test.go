//go:build e2e

package alertmanager_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// A real Alertmanager runs what was applied, tells it again in its own words, and goes on with what it had when it
// refuses more.
func TestRealAlertmanager(t *testing.T) {
	dir := t.TempDir()
	am := servers.StartAlertmanagerIn(t, dir, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
	file := filepath.Join(dir, "alertmanager.yml")
	one := target(t, &server{file: file, url: am.URL("")})
	err := apply(t, one, configuration(t))
	if err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("a file that is not ours: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := apply(t, one, configuration(t)); err != nil {
		t.Fatal(err)
	}
	if p := plan(t, one, configuration(t)); p.Drifted() {
		t.Errorf("left is %+v", p)
	}
	next := configuration(t, "continue: true", "continue: false", "severity = critical", `severity="critical", team!=ops`)
	if err := apply(t, one, next); err != nil {
		t.Fatal(err)
	}
	before := read(t, file)
	bad := configuration(t, "group_wait: 0s", "group_wait: soon")
	if err := apply(t, one, bad); err == nil || !strings.Contains(err.Error(), "put back as before, and reloaded: alertmanager.yml") || read(t, file) != before {
		t.Errorf("refused: %v", err)
	}
	if p := plan(t, one, next); p.Drifted() {
		t.Errorf("after a refusal: %+v", p)
	}
}
