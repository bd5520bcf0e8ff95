package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/secret"
)

const canary = "canary-7f3a"

type holder struct {
	Public secret.String
	hidden secret.String
}

func TestNothingShowsTheText(t *testing.T) {
	s := secret.New(canary)
	h := holder{Public: s, hidden: s}
	shown := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%e", "%p", "%T", "%5.2v", "%!"} {
		shown["value "+verb] = fmt.Sprintf(verb, s)
		shown["pointer "+verb] = fmt.Sprintf(verb, &s)
		shown["struct "+verb] = fmt.Sprintf(verb, h)
		shown["struct pointer "+verb] = fmt.Sprintf(verb, &h)
		shown["list "+verb] = fmt.Sprintf(verb, []secret.String{s})
	}
	shown["error"] = fmt.Errorf("calling with %v: %w", s, os.ErrExist).Error()
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var buf bytes.Buffer
		slog.New(handler(&buf)).Info("msg", "secret", s, "holder", h, "any", any(&h))
		shown["slog "+name] = buf.String()
	}
	js, err := json.Marshal(map[string]any{"s": s, "p": &s, "h": h})
	shown["json"] = string(js)
	ys, err2 := yaml.Marshal(map[string]any{"s": s, "p": &s, "h": struct{ S secret.String }{s}})
	shown["yaml"] = string(ys)
	xs, err3 := xml.Marshal(h)
	shown["xml"] = string(xs)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	for how, text := range shown {
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) || strings.Contains(text, fmt.Sprintf("%X", canary)) {
			t.Errorf("%s shows the secret: %s", how, text)
		}
	}
	for _, how := range []string{"value %v", "value %d", "json", "yaml", "slog text"} {
		if !strings.Contains(shown[how], "***") {
			t.Errorf("%s shows %q, want ***", how, shown[how])
		}
	}
	if s.Reveal() != canary {
		t.Errorf("Reveal gives %q", s.Reveal())
	}
}

func TestEmptySecretShowsAsEmpty(t *testing.T) {
	out, err := json.Marshal(struct {
		A secret.String
		B secret.String `json:",omitzero"`
	}{})
	if err != nil || string(out) != `{"A":""}` {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestDecodes(t *testing.T) {
	var y struct{ Secret secret.String }
	if err := yaml.Unmarshal([]byte("secret: "+canary), &y); err != nil || y.Secret.Reveal() != canary {
		t.Errorf("yaml gives %q, %v", y.Secret.Reveal(), err)
	}
	var j struct{ Secret secret.String }
	if err := json.Unmarshal([]byte(`{"secret":"`+canary+`"}`), &j); err != nil || j.Secret.Reveal() != canary {
		t.Errorf("json gives %q, %v", j.Secret.Reveal(), err)
	}
}

func TestFileIsReadAgainAtEachUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	src := secret.Source{File: path}
	for content, want := range map[string]string{"one\n": "one", "two": "two", "three\r\n": "three", " four \n\n": " four \n"} {
		write(t, path, content)
		got, err := src.Load()
		if err != nil || got.Reveal() != want {
			t.Errorf("file %q gives %q, %v; want %q", content, got.Reveal(), err, want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	big, empty := filepath.Join(dir, "big"), filepath.Join(dir, "empty")
	write(t, big, strings.Repeat(canary, secret.MaxFileBytes/len(canary)+1))
	write(t, empty, "\n")
	for name, tt := range map[string]struct {
		src  secret.Source
		want string
	}{
		"missing file": {secret.Source{File: filepath.Join(dir, "none")}, "no such file"},
		"directory":    {secret.Source{File: dir}, "is a directory"},
		"too large":    {secret.Source{File: big}, "larger than 65536 bytes"},
		"empty file":   {secret.Source{File: empty}, "is empty"},
		"both":         {secret.Source{File: big, Inline: secret.New(canary)}, "both"},
		"neither":      {secret.Source{}, "no secret"},
	} {
		_, err := tt.src.Load()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %v, want it to say %q", name, err, tt.want)
		}
	}
	if _, err := (secret.Source{Inline: secret.New("x")}).Load(); err != nil {
		t.Errorf("inline: %v", err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
