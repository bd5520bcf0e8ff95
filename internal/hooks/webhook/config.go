package webhook

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"golang.org/x/net/http/httpguts"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/secret"
)

// Config is the section of one webhook. Lay it over [Default].
type Config struct {
	URL        string                   `yaml:"url"` // http or https, without user and password
	Secret     secret.String            `yaml:"secret"`
	SecretFile string                   `yaml:"secret_file"` // read again at each call; exactly one of the two
	Timeout    time.Duration            `yaml:"timeout"`     // of one attempt
	Headers    map[string]secret.String `yaml:"headers"`     // sent beside ours
	HTTP       config.HTTPClientConfig  `yaml:",inline"`     // tls_config, authorization, proxy_url, … as in Prometheus
}

// Default gives the defaults.
func Default() Config {
	c := Config{Timeout: 10 * time.Second, HTTP: config.DefaultHTTPClientConfig}
	c.HTTP.FollowRedirects = false
	return c
}

const maxHeaders = 20

// Validate returns every problem, as a [problem.List] with paths relative to the section. The inline
// HTTP settings have their own Validate; [New] calls both.
func (c Config) Validate() error {
	var l problem.List
	wrong := func(path, message, got, allowed string) {
		l = append(l, problem.Problem{Path: path, Message: message, Got: got, Allowed: allowed})
	}
	// A URL may hold tokens, so what was written is not repeated.
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		wrong("url", "is required", "", "an http or https URL")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		wrong("url", "is not one that can be called", "", "an absolute http or https URL")
	case u.User != nil:
		wrong("url", "holds a user or password, which would end up in logs", "", "a URL without them; use basic_auth")
	case u.Fragment != "":
		wrong("url", "has a fragment, which is never sent", "", "a URL without #")
	}
	switch {
	case c.Secret.IsZero() && c.SecretFile == "":
		wrong("secret", "is required: the receiver has to know who calls", "", "secret or secret_file")
	case !c.Secret.IsZero() && c.SecretFile != "":
		wrong("secret_file", "is set beside secret", c.SecretFile, "one of the two")
	}
	if c.Timeout < 100*time.Millisecond || c.Timeout > time.Minute {
		wrong("timeout", "", c.Timeout.String(), "a duration from 100ms to 1m0s")
	}
	if len(c.Headers) > maxHeaders {
		wrong("headers", "", fmt.Sprint(len(c.Headers), " headers"), fmt.Sprint("at most ", maxHeaders))
	}
	for name, value := range c.Headers {
		switch {
		case !httpguts.ValidHeaderFieldName(name) || ours(name):
			wrong("headers."+name, "", name, "a header name that the hook does not set itself")
		case !httpguts.ValidHeaderFieldValue(value.Reveal()):
			wrong("headers."+name, "holds characters that cannot be sent", "", "printable characters")
		}
	}
	if c.HTTP.FollowRedirects {
		wrong("follow_redirects", "a redirect would send the call to a place nobody chose", "true", "false")
	}
	l.Sort()
	return l.Err()
}

// ours reports whether the hook or HTTP itself sets a header.
func ours(name string) bool {
	switch name = http.CanonicalHeaderKey(name); name {
	case "Content-Type", "Content-Length", "Host", "User-Agent", "Connection", "Transfer-Encoding", IdempotencyHeader:
		return true
	}
	return strings.HasPrefix(name, "X-Assayer-")
}

// SetDirectory makes relative file paths relative to dir.
func (c *Config) SetDirectory(dir string) {
	c.HTTP.SetDirectory(dir)
	if c.SecretFile != "" && !filepath.IsAbs(c.SecretFile) {
		c.SecretFile = filepath.Join(dir, c.SecretFile)
	}
}
