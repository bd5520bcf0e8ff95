package webhook_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/hooks/webhook"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/secret"
)

func TestConfigProblems(t *testing.T) {
	if err := valid().Validate(); err != nil {
		t.Fatalf("the valid configuration: %v", err)
	}
	for name, tt := range map[string]struct {
		path   string
		change func(*webhook.Config)
	}{
		"no url":       {"url", func(c *webhook.Config) { c.URL = "" }},
		"relative":     {"url", func(c *webhook.Config) { c.URL = "/rollback?token=" + canary }},
		"file":         {"url", func(c *webhook.Config) { c.URL = "file:///etc/passwd" }},
		"no host":      {"url", func(c *webhook.Config) { c.URL = "http://:80/" }},
		"user":         {"url", func(c *webhook.Config) { c.URL = "http://u:" + canary + "@h/" }},
		"fragment":     {"url", func(c *webhook.Config) { c.URL = "http://h/#" + canary }},
		"broken":       {"url", func(c *webhook.Config) { c.URL = "http://h/%zz" + canary }},
		"no secret":    {"secret", func(c *webhook.Config) { c.Secret = secret.String{} }},
		"two secrets":  {"secret_file", func(c *webhook.Config) { c.SecretFile = "f" }},
		"no timeout":   {"timeout", func(c *webhook.Config) { c.Timeout = 0 }},
		"long timeout": {"timeout", func(c *webhook.Config) { c.Timeout = time.Hour }},
		"own header":   {"headers.x-assayer-signature", func(c *webhook.Config) { c.Headers["x-assayer-signature"] = secret.New("x") }},
		"key header":   {"headers.idempotency-key", func(c *webhook.Config) { c.Headers["idempotency-key"] = secret.New("x") }},
		"header name":  {"headers.a b", func(c *webhook.Config) { c.Headers["a b"] = secret.New("x") }},
		"header value": {"headers.X-A", func(c *webhook.Config) { c.Headers["X-A"] = secret.New(canary + "\r\nX-B: c") }},
		"redirects":    {"follow_redirects", func(c *webhook.Config) { c.HTTP.FollowRedirects = true }},
		"too many headers": {"headers", func(c *webhook.Config) {
			for i := range 20 {
				c.Headers["X-"+strings.Repeat("a", i+1)] = secret.New("x")
			}
		}},
	} {
		c := valid()
		tt.change(&c)
		err := c.Validate()
		var list problem.List
		if !errors.As(err, &list) || len(list) != 1 || list[0].Path != tt.path || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %v, want a problem at %s", name, err, tt.path)
		}
		if _, err := webhook.New(c, webhook.Deps{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}); err == nil {
			t.Errorf("%s: New took it", name)
		}
	}
}

func TestConfigFromYAML(t *testing.T) {
	c := webhook.Default()
	err := yaml.Unmarshal([]byte(`
url: https://deploy.bank.example/rollback
secret: `+canary+`
timeout: 3s
headers: {X-Team: payments}
tls_config: {insecure_skip_verify: true}
basic_auth: {username: u, password: `+canary+`}
`), &c)
	if err != nil || c.Validate() != nil {
		t.Fatalf("got %v, %v", err, c.Validate())
	}
	if c.Timeout != 3*time.Second || c.Secret.Reveal() != canary || c.Headers["X-Team"].Reveal() != "payments" ||
		!c.HTTP.TLSConfig.InsecureSkipVerify || c.HTTP.BasicAuth.Username != "u" || c.HTTP.FollowRedirects {
		t.Errorf("got %+v", c)
	}
	out, err := yaml.Marshal(c)
	if err != nil || strings.Contains(string(out), canary) {
		t.Errorf("shown as %s, %v", out, err)
	}
}
