package docs_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/hooks/webhook"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// firstCodes lists the first column.
func firstCodes(rows [][]string) []string {
	var out []string
	for _, row := range rows {
		out = append(out, codes(row[0])...)
	}
	return out
}

func TestModesAndStates(t *testing.T) {
	code := read(t, "../internal/hooks/action.go")
	wantSame(t, "modes", firstCodes(tables(t, "actions.md", "modes")), submatches(`\bMode += "(\w+)"`, code))
	states := tables(t, "actions.md", "states")
	wantSame(t, "states", firstCodes(states), submatches(`\bState += "(\w+)"`, code))
	for _, row := range states {
		if state := codes(row[0])[0]; hooks.State(state).Final() != (row[1] == "yes") {
			t.Errorf("%s: final is written as %q", state, row[1])
		}
	}
}

func TestRules(t *testing.T) {
	var have, written []string
	for _, m := range regexp.MustCompile(`d\.(hold|deny)\("(\w+)"`).FindAllStringSubmatch(read(t, "../internal/hooks/decide.go"), -1) {
		have = append(have, m[2]+" "+m[1])
	}
	for _, row := range tables(t, "actions.md", "rules") {
		written = append(written, codes(row[0])[0]+" "+row[1])
	}
	wantSame(t, "rules", written, have)
}

func TestAuditTypes(t *testing.T) {
	code := sources(t, "internal/hooks", "internal/app", "internal/audit", "internal/exclusions", "internal/replay")
	have := submatches(`"((?:hooks?|policy|configuration|audit|exclusion)_[a-z_]+)"`, code)
	for _, name := range submatches(`(?:\bType: |auditLife\()"([a-z_]+)"`, code) {
		if !slices.Contains(have, name) {
			have = append(have, name)
		}
	}
	wantSame(t, "audit types", firstCodes(tables(t, "actions.md", "audit types")), have)
}

// TestHealthConditions: the table has those that the agent sets, as they are.
func TestHealthConditions(t *testing.T) {
	names := map[string]string{} // constant to name
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) +Name = "(\w+)"`).FindAllStringSubmatch(read(t, "../internal/health/conditions.go"), -1) {
		names[m[1]] = m[2]
	}
	var have []string
	for _, constant := range submatches(`\bhealth\.(\w+)`, sources(t, "internal/app")) {
		if name, ok := names[constant]; ok {
			have = append(have, name)
		}
	}
	rows := tables(t, "operations.md", "health")
	wantSame(t, "health conditions", firstCodes(rows), have)
	for _, row := range rows {
		name := codes(row[0])[0]
		i := slices.IndexFunc(health.Conditions(), func(c health.Condition) bool { return string(c.Name) == name })
		if i < 0 {
			t.Errorf("%s is no condition", name)
			continue
		}
		c := health.Conditions()[i]
		if want := []string{string(c.Severity), burnrate.Text(c.TimeToVisible), map[bool]string{true: "yes"}[c.NotReady]}; !slices.Equal(row[1:4], want) {
			t.Errorf("%s is written as %v, the code has %v", name, row[1:4], want)
		}
	}
}

// verify reports whether body was signed with secret, at most five minutes before or after now.
func verify(secret, body []byte, header string, now time.Time) bool {
	stamp, sum, ok := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	unix, err := strconv.ParseInt(stamp, 10, 64)
	if !ok || err != nil || now.Sub(time.Unix(unix, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	want, err := hex.DecodeString(sum)
	return err == nil && hmac.Equal(want, mac.Sum(nil))
}

// TestGoReceiver: the manual shows the function above, and it agrees with who signs.
func TestGoReceiver(t *testing.T) {
	for _, f := range fences(t, "go", "") {
		if !strings.Contains(read(t, "actions_test.go"), "\n"+f.text+"\n") {
			t.Errorf("%s shows other code than this file has:\n%s", f.page, f.text)
		}
	}
	now := time.Now()
	secret, body := []byte("hunter2"), []byte(`{"version":1}`)
	header := webhook.Sign(secret, body, now)
	for what, ok := range map[string]bool{
		"the call":       verify(secret, body, header, now),
		"another body":   !verify(secret, []byte(`{"version":2}`), header, now),
		"another secret": !verify([]byte("hunter3"), body, header, now),
		"an old call":    !verify(secret, body, header, now.Add(6*time.Minute)),
		"a cut header":   !verify(secret, body, header[:20], now),
	} {
		if !ok {
			t.Errorf("wrong about %s", what)
		}
	}
}

// TestShellReceiver runs the manual's script on a call that was signed, and on one that was changed.
func TestShellReceiver(t *testing.T) {
	for _, f := range fences(t, "sh", "") {
		for body, want := range map[string]bool{`{"version":1}`: true, `{"version":2}`: false} {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "secret"), "hunter2\n")
			write(t, filepath.Join(dir, "header"), webhook.Sign([]byte("hunter2"), []byte(`{"version":1}`), time.Now())+"\n")
			write(t, filepath.Join(dir, "body"), body)
			cmd := exec.CommandContext(t.Context(), "sh", "-c", f.text)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if (err == nil) != want {
				t.Errorf("%s: body %s: %v\n%s", f.page, body, err, out)
			}
		}
	}
}
