package deploy_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/assayer-io/assayer/internal/deploy"
)

const canary = "hunter2canary"

func TestDiffHidesSecrets(t *testing.T) {
	for name, text := range map[string]string{
		"plain":     "global:\n  smtp_auth_password: " + canary + "\nreceivers: []\n",
		"quoted":    `{"receivers": [{"name": "a", "webhook_configs": [{"url": "https://h/` + canary + `"}]}]}`,
		"block":     "receivers:\n- name: a\n  slack_configs:\n  - api_url: |\n      https://h/\n      " + canary + "\n    channel: x\n",
		"folded":    "x:\n  token: >-\n\n    a\n\n    " + canary + "\n  y: 1\n",
		"two lines": "secret: \"abc\n  " + canary + "\"\nafter: 1\n",
		"list":      "tokens:\n- a\n- " + canary + "\n- b\n",
		"mapping":   "receivers:\n- webhook_configs:\n  - http_config:\n      authorization:\n        credentials: {a: b,\n           c: " + canary + "}\n",
		"url":       "server: https://user:" + canary + "@host/path\n",
		"comment":   "a: 1\n# password: " + canary + "\nb: 2 # token " + canary + "\n",
		"broken":    "a: [1\npassword: " + canary + "\n",
		"last":      "a: 1\npassword: " + canary,
		"headers":   "receivers:\n- webhook_configs:\n  - http_config: {http_headers: {X-A: {values: [" + canary + "]}}}\n",
		"documents": "a: 1\n---\npassword: " + canary + "\n---\nb: 1\n",
	} {
		for _, sides := range [][2]string{{"", text}, {text, ""}, {text, strings.ReplaceAll(text, canary, "other"+canary)}} {
			if got := deploy.Diff("alertmanager.yaml", []byte(sides[0]), []byte(sides[1])); strings.Contains(got, canary) || got == "" {
				t.Errorf("%s: shown as\n%s", name, got)
			}
		}
	}
	text := "receivers:\n- name: a\n  webhook_configs:\n  - url: https://h/" + canary + "\n    max_alerts: %d\n  password_file: /etc/p\n"
	got := deploy.Diff("am.yml", fmt.Appendf(nil, text, 1), fmt.Appendf(nil, text, 2))
	for _, want := range []string{"-    max_alerts: 1\n", "+    max_alerts: 2\n", "   - url: <hidden>\n", " password_file: /etc/p\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	if got := deploy.Diff("am.yml", []byte("password: a\n"), []byte("password: b\n")); got != "(only hidden values differ)\n" {
		t.Errorf("got %q", got)
	}
}

func TestDiffIsBounded(t *testing.T) {
	long := "description: " + strings.Repeat("é", 1_000_000) + "\n"
	got := deploy.Diff("a.yaml", []byte(long+"x: 1\n"), []byte(strings.Replace(long, "é\n", "e\n", 1)+"x: 1\n"))
	if len(got) > 2000 || strings.Count(got, "1000014 characters, hash ") != 2 || !utf8.ValidString(got) {
		t.Errorf("%d bytes: %.600s", len(got), got)
	}
	lines := strings.Split(got, "\n")
	if lines[3][1:] == lines[4][1:] {
		t.Errorf("both sides look the same:\n%s", got)
	}
	many := strings.Repeat("a: 1\n", 10_000)
	if got := deploy.Diff("a.md", nil, []byte(many)); strings.Count(got, "\n") > 402 || !strings.Contains(got, "more lines") {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
	if got := deploy.Diff("a.md", nil, make([]byte, 9<<20)); !strings.Contains(got, "too large to show") || len(got) > 200 {
		t.Errorf("got %.200s", got)
	}
	if got := deploy.Diff("a.md", nil, []byte("\x1b[2Jgone\rover\x00\n")); strings.ContainsAny(got, "\x1b\r\x00") {
		t.Errorf("got %q", got)
	}
	if got := deploy.Diff("a", []byte("x"), []byte("x")); got != "" {
		t.Errorf("got %q", got)
	}
}

func FuzzDiff(f *testing.F) {
	for _, s := range []string{"a: 1", "password: x", "{", "a: {b: [1, 2]}\n", "x: |\n  y\n", "- a\n- b", "\xff", "a: &x [*x]", "token:\nb: c", "? {a: b}\n: c\n"} {
		f.Add("a.yaml", []byte(s), []byte("a: 1\n"))
	}
	f.Fuzz(func(t *testing.T, name string, was, want []byte) {
		got := deploy.Diff(name, was, want)
		if (got == "") != (string(was) == string(want)) {
			t.Errorf("%q to %q is %q", was, want, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			t.Errorf("%q", got)
		}
	})
}
