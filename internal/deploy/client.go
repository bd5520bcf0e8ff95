package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/prometheus/common/config"

	"github.com/assayer-io/assayer/internal/problem"
)

const (
	maxAnswerBytes  = 64 << 20
	maxMessageRunes = 500
	attempts        = 4
	firstPause      = 500 * time.Millisecond // before the second attempt; doubles
	maxPause        = 10 * time.Second       // however long Retry-After asks for
)

// HTTPConfig says how a server is called.
type HTTPConfig struct {
	URL     string                  `yaml:"url"`     // http or https, without user and password
	Timeout time.Duration           `yaml:"timeout"` // of one call
	HTTP    config.HTTPClientConfig `yaml:",inline"` // authorization, tls_config, proxy_url, … as in Prometheus
}

// DefaultHTTP gives the defaults.
func DefaultHTTP() HTTPConfig {
	c := HTTPConfig{Timeout: 30 * time.Second, HTTP: config.DefaultHTTPClientConfig}
	c.HTTP.FollowRedirects = false
	return c
}

// Problems lists what is wrong. The inline HTTP settings have their own Validate.
func (c HTTPConfig) Problems() problem.List {
	var l problem.List
	u, err := url.Parse(c.URL) // it may hold a token, so it is not repeated
	switch {
	case c.URL == "":
		l = append(l, problem.Problem{Path: "url", Message: problem.NoValue, Allowed: "an http or https URL"})
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		l = append(l, problem.Problem{Path: "url", Message: "is not one that can be called", Allowed: "an absolute http or https URL"})
	case u.User != nil:
		l = append(l, problem.Problem{Path: "url", Message: "holds a user or password, which would end up in logs", Allowed: "a URL without them; use basic_auth"})
	case u.Fragment != "" || u.RawQuery != "":
		l = append(l, problem.Problem{Path: "url", Message: "has more than a path", Allowed: "a URL without ? and #"})
	}
	if c.Timeout < 100*time.Millisecond || c.Timeout > 10*time.Minute {
		l = append(l, problem.Problem{Path: "timeout", Got: c.Timeout.String(), Allowed: "a duration from 100ms to 10m0s"})
	}
	if c.HTTP.FollowRedirects {
		l = append(l, problem.Problem{Path: "follow_redirects", Message: "a redirect would lead to a place nobody chose", Got: "true", Allowed: "false"})
	}
	return l
}

// SetDirectory makes relative paths relative to dir.
func (c *HTTPConfig) SetDirectory(dir string) { c.HTTP.SetDirectory(dir) }

// InDirectory puts dir in front of a relative path; an empty one stays empty.
func InDirectory(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Dial opens a connection; nil in its place is the network.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Client calls one server. Calls are bounded in time and in what they read.
type Client struct {
	base    *url.URL
	client  *http.Client
	timeout time.Duration
	header  http.Header
	held    atomic.Int64 // by how many connections are to be kept between calls
}

// NewClient makes a client of a valid configuration. The header is sent with every call.
func NewClient(c HTTPConfig, header http.Header, dial Dial) (*Client, error) {
	if err := c.Problems().Err(); err != nil {
		return nil, err
	}
	if err := c.HTTP.Validate(); err != nil {
		return nil, err
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	opts := []config.HTTPClientOption{config.WithUserAgent("assayer")}
	if dial != nil {
		opts = append(opts, config.WithDialContextFunc(dial))
	}
	client, err := config.NewClientFromConfig(c.HTTP, "deploy", opts...)
	if err != nil {
		return nil, err
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: u, client: client, timeout: c.Timeout, header: header}, nil
}

// Hold keeps connections open between calls until release is called, which has to be once.
func (c *Client) Hold() (release func()) {
	c.held.Add(1)
	return func() {
		if c.held.Add(-1) == 0 {
			c.client.CloseIdleConnections()
		}
	}
}

// Call is one request and how it may be made.
type Call struct {
	Method string
	Path   []string // elements; each is escaped
	Query  url.Values
	Header http.Header
	Body   any // sent as JSON; nil: none
	// Once says that a second call would not do the same as the first alone: it is sent again only if it was not taken.
	Once bool
}

// Do makes a call and gives the body of a 2xx answer. Network faults, 429 and 5xx are tried again up to three times, with
// growing pauses, unless the call says Once: then only 429 is. Any other answer is a [StatusError].
func (c *Client) Do(ctx context.Context, call Call) ([]byte, error) {
	defer c.Hold()()
	var body []byte
	if call.Body != nil {
		var err error
		if body, err = json.Marshal(call.Body); err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
	}
	for n := 1; ; n++ {
		data, err := c.once(ctx, call, body)
		if err == nil || n == attempts || !again(err, call.Once) || ctx.Err() != nil {
			return data, err
		}
		if err := pause(ctx, backoff(n, err)); err != nil {
			return nil, err
		}
	}
}

func (c *Client) once(ctx context.Context, call Call, body []byte) ([]byte, error) {
	limited, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("no answer within %s", c.timeout))
	defer cancel()
	u := c.base.JoinPath(escaped(call.Path)...)
	u.RawQuery = call.Query.Encode()
	req, err := http.NewRequestWithContext(limited, call.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("making the request")
	}
	for _, h := range []http.Header{c.header, call.Header} {
		maps.Copy(req.Header, h)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, c.unanswered(ctx, limited, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return nil, c.unanswered(ctx, limited, err)
	case len(data) > maxAnswerBytes:
		return nil, fmt.Errorf("the answer of %s is larger than %d bytes", c.base.Host, maxAnswerBytes)
	case resp.StatusCode/100 == 2:
		return data, nil
	}
	return nil, &StatusError{Host: c.base.Host, Code: resp.StatusCode, Call: call.Method + " " + u.EscapedPath(), Message: message(data), after: retryAfter(resp.Header.Get("Retry-After"))}
}

// escaped keeps what stands in one element of a path in it.
func escaped(path []string) []string {
	out := make([]string, len(path))
	for i, p := range path {
		if out[i] = url.PathEscape(p); p == "." || p == ".." {
			out[i] = strings.ReplaceAll(p, ".", "%2E")
		}
	}
	return out
}

// unanswered says why a call brought no answer, without its URL. It is no fault of the server that ctx has ended.
func (c *Client) unanswered(ctx, limited context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("calling %s: %w", c.base.Host, cause)
	}
	if cause := context.Cause(limited); cause != nil {
		err = cause
	} else if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &UnreachableError{c.base.Host, err}
}

// UnreachableError is a call that brought no answer.
type UnreachableError struct {
	Host string
	Err  error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s gives no answer: %v; check that it runs and that the setting url is its address", e.Host, e.Err)
}
func (e *UnreachableError) Unwrap() error { return e.Err }

// StatusError is an answer other than 2xx.
type StatusError struct {
	Host    string
	Code    int
	Call    string
	Message string // what the server said, shortened
	after   time.Duration
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s answers %d %s to %s", e.Host, e.Code, http.StatusText(e.Code), e.Call)
	if e.Message != "" {
		text += ": " + e.Message
	}
	switch {
	case e.Code/100 == 3:
		text += "; redirects are not followed: write the address itself into the setting url"
	case e.Code == http.StatusUnauthorized:
		text += "; check the setting authorization (credentials_file) or basic_auth"
	case e.Code == http.StatusForbidden:
		text += "; what is written in the setting authorization may read but not do this, or the server is read-only"
	case e.Code == http.StatusMethodNotAllowed:
		text += "; the server, or a proxy before it, is read-only, or the setting url is not its address"
	}
	return text
}

// HasStatus reports whether err is an answer with one of these codes.
func HasStatus(err error, codes ...int) bool {
	s, ok := errors.AsType[*StatusError](err)
	for _, code := range codes {
		if ok && s.Code == code {
			return true
		}
	}
	return false
}

// message takes out of an answer what it says, as one short line.
func message(data []byte) string {
	var said struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	text := string(data[:min(len(data), 64<<10)])
	if json.Unmarshal(data, &said) == nil && said.Message+said.Error != "" {
		text = said.Message + said.Error
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "�"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if runes := []rune(text); len(runes) > maxMessageRunes {
		text = string(runes[:maxMessageRunes]) + " …"
	}
	return text
}

func again(err error, once bool) bool {
	if s, ok := errors.AsType[*StatusError](err); ok {
		return s.Code == http.StatusTooManyRequests || s.Code >= 500 && !once
	}
	_, unreachable := errors.AsType[*UnreachableError](err)
	return unreachable && !once
}

func backoff(n int, err error) time.Duration {
	if s, ok := errors.AsType[*StatusError](err); ok && s.after > 0 {
		return min(s.after, maxPause)
	}
	d := firstPause << (n - 1)
	return d + rand.N(d/2)
}

func retryAfter(value string) time.Duration {
	s, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(s) * time.Second
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Until calls try, with pauses between, until it gives nil or the time is up; then it gives the last error.
func Until(ctx context.Context, within time.Duration, try func(context.Context) error) error {
	end := time.NewTimer(within)
	defer end.Stop()
	for every := 50 * time.Millisecond; ; every = min(2*every, time.Second) {
		err := try(ctx)
		if err == nil {
			return nil
		}
		next := time.NewTimer(every)
		select {
		case <-next.C:
		case <-end.C:
			next.Stop()
			return err
		case <-ctx.Done():
			next.Stop()
			return errors.Join(err, context.Cause(ctx))
		}
	}
}
