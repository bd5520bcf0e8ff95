package deploy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/config"

	"github.com/assayer-io/assayer/internal/deploy"
)

// server serves a handler over pipes, so that time can be the test's.
func server(t *testing.T, handler http.HandlerFunc) deploy.Dial {
	t.Helper()
	l := &pipes{make(chan net.Conn), make(chan struct{})}
	s := &http.Server{Handler: handler}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		here, there := net.Pipe()
		select {
		case l.accept <- there:
			return here, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

type pipes struct {
	accept chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func client(t *testing.T, dial deploy.Dial) *deploy.Client {
	t.Helper()
	c := deploy.DefaultHTTP()
	c.URL, c.Timeout = "http://grafana.example/base", 5*time.Second
	c.HTTP.Authorization = &config.Authorization{Type: "Bearer", Credentials: canary}
	one, err := deploy.NewClient(c, http.Header{"X-Of": {"all"}}, dial)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func TestCallsAreTriedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		once  bool
		code  int
		calls int64
		took  time.Duration // at least
	}{
		"server error":            {false, 503, 4, 3500 * time.Millisecond},
		"server error, not twice": {true, 503, 1, 0},
		"too many":                {false, 429, 4, 6 * time.Second},
		"too many, not taken":     {true, 429, 4, 6 * time.Second},
		"bad request":             {false, 400, 1, 0},
		"wrong token":             {false, 401, 1, 0},
		"moved":                   {false, 302, 1, 0},
		"fine":                    {false, 200, 1, 0},
		"silent":                  {false, 0, 4, 23500 * time.Millisecond}, // 4 × 5 s and the pauses
		"silent, not twice":       {true, 0, 1, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int64
				c := client(t, server(t, func(w http.ResponseWriter, r *http.Request) {
					calls.Add(1)
					if r.Header.Get("Authorization") != "Bearer "+canary || r.Header.Get("X-Of") != "all" || r.URL.EscapedPath() != "/base/a%2Fb/%2E%2E/c%20d" {
						t.Errorf("got %s with %v", r.URL.EscapedPath(), r.Header)
					}
					_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the caller has gone
					switch tt.code {
					case 0:
						<-r.Context().Done()
						return
					case 429:
						w.Header().Set("Retry-After", "2")
					case 302:
						w.Header().Set("Location", "http://evil.example/")
					}
					w.WriteHeader(tt.code)
					_, _ = w.Write([]byte(`{"message": "because\u001b[2J of ` + strings.Repeat("x", 2000) + `"}`))
				}))
				began := time.Now()
				_, err := c.Do(t.Context(), deploy.Call{Method: http.MethodPut, Path: []string{"a/b", "..", "c d"}, Body: map[string]int{"a": 1}, Once: tt.once})
				if took := time.Since(began); calls.Load() != tt.calls || took < tt.took || took > tt.took*3/2+time.Second {
					t.Errorf("%d calls in %v, want %d in %v", calls.Load(), took, tt.calls, tt.took)
				}
				if (err == nil) != (tt.code == 200) {
					t.Fatalf("error is %v", err)
				}
				if err != nil && (strings.Contains(err.Error(), canary) || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\x1b")) {
					t.Errorf("error is %q", err)
				}
				if tt.code > 0 && tt.code != 200 && !deploy.HasStatus(err, tt.code) {
					t.Errorf("error is %v", err)
				}
			})
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") })
		_, err := c.Do(t.Context(), deploy.Call{Method: http.MethodGet})
		if err == nil || !strings.Contains(err.Error(), "grafana.example gives no answer: connection refused; check that it runs and that the setting url") {
			t.Errorf("error is %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := c.Do(ctx, deploy.Call{Method: http.MethodGet}); err == nil || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// Whoever stops a call is not told to look after the server.
func TestStoppedCall(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	c := client(t, func(ctx context.Context, _, _ string) (net.Conn, error) {
		cancel(errors.New("interrupted"))
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if _, err := c.Do(ctx, deploy.Call{Method: http.MethodGet}); err == nil || err.Error() != "calling grafana.example: interrupted" {
		t.Errorf("error is %v", err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	c := client(t, server(t, func(w http.ResponseWriter, _ *http.Request) {
		part := make([]byte, 1<<20)
		for range 65 {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}))
	if _, err := c.Do(t.Context(), deploy.Call{Method: http.MethodGet}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error is %v", err)
	}
}

func TestHTTPConfigProblems(t *testing.T) {
	for name, change := range map[string]func(*deploy.HTTPConfig){
		"none":      func(c *deploy.HTTPConfig) { c.URL = "" },
		"relative":  func(c *deploy.HTTPConfig) { c.URL = "/x?t=" + canary },
		"user":      func(c *deploy.HTTPConfig) { c.URL = "http://u:" + canary + "@h/" },
		"query":     func(c *deploy.HTTPConfig) { c.URL = "http://h/?token=" + canary },
		"broken":    func(c *deploy.HTTPConfig) { c.URL = "http://h/%zz" + canary },
		"timeout":   func(c *deploy.HTTPConfig) { c.Timeout = 0 },
		"redirects": func(c *deploy.HTTPConfig) { c.HTTP.FollowRedirects = true },
	} {
		c := deploy.DefaultHTTP()
		c.URL = "https://h:3000/grafana"
		if err := c.Problems().Err(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		err := c.Problems().Err()
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := deploy.NewClient(c, nil, nil); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
