package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/config"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/hooks/webhook"
	"github.com/assayer-io/assayer/internal/secret"
)

const canary = "canary-9c41"

// receiver is a deployment system on a network in memory, so that time can be faked.
type receiver struct {
	mu      sync.Mutex
	seen    []seen
	answer  func(n int, w http.ResponseWriter, r *http.Request) // n counts from 1
	conns   chan net.Conn
	closed  chan struct{}
	closing sync.Once
}

type seen struct {
	header http.Header
	body   []byte
	at     time.Time
}

func newReceiver(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	r := &receiver{answer: answer, conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: r, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(r)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return r
}

func (r *receiver) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.closed:
		return nil, net.ErrClosed
	}
}

func (r *receiver) Close() error {
	r.closing.Do(func() { close(r.closed) })
	return nil
}

func (r *receiver) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (r *receiver) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case r.conns <- theirs:
		return ours, nil
	case <-r.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	r.seen = append(r.seen, seen{req.Header.Clone(), body, time.Now()})
	n := len(r.seen)
	r.mu.Unlock()
	r.answer(n, w, req)
}

func (r *receiver) calls() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

// status answers with the codes in order, then with the last one.
func status(codes ...int) func(int, http.ResponseWriter, *http.Request) {
	return func(n int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(codes[min(n, len(codes))-1]) }
}

func valid() webhook.Config {
	c := webhook.Default()
	c.URL, c.Secret = "http://deploy.bank.example/rollback?token="+canary, secret.New(canary)
	c.Headers = map[string]secret.String{"X-Api-Key": secret.New(canary)}
	return c
}

func hook(t *testing.T, c webhook.Config, r *receiver, logs io.Writer) *webhook.Hook {
	t.Helper()
	d := webhook.Deps{Now: time.Now, Logger: slog.New(slog.NewTextHandler(logs, nil))}
	if r != nil {
		d.Dial = r.dial
	}
	h, err := webhook.New(c, d)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func action(t *testing.T) hooks.Action {
	t.Helper()
	data, err := os.ReadFile("testdata/rollback/action.json")
	if err != nil {
		t.Fatal(err)
	}
	var a hooks.Action
	if err := json.Unmarshal(data, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCall(t *testing.T) {
	want, err := os.ReadFile("testdata/rollback/want.json")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, status(202))
		attempts, err := hook(t, valid(), r, io.Discard).Run(t.Context(), action(t))
		if err != nil || attempts != 1 || len(r.calls()) != 1 {
			t.Fatalf("%d attempts, %d calls, %v", attempts, len(r.calls()), err)
		}
		got := r.calls()[0]
		var indented bytes.Buffer
		if err := json.Indent(&indented, got.body, "", "  "); err != nil {
			t.Fatal(err)
		}
		if indented.String()+"\n" != string(want) {
			t.Errorf("body is\n%s\nwant\n%s", indented.String(), want)
		}
		// The signature, worked out from its description.
		mac := hmac.New(sha256.New, []byte(canary))
		fmt.Fprintf(mac, "%d.%s", time.Now().Unix(), got.body)
		for name, want := range map[string]string{
			"Content-Type": "application/json", "Idempotency-Key": "5b1c0f6f2a9d4e7788aa3c10", "X-Api-Key": canary, "User-Agent": "assayer",
			"X-Assayer-Signature": fmt.Sprintf("t=%d,v1=%x", time.Now().Unix(), mac.Sum(nil)),
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
			}
		}
	})
}

func TestServerErrorsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, status(500, 503, 200))
		attempts, err := hook(t, valid(), r, io.Discard).Run(t.Context(), action(t))
		calls := r.calls()
		if err != nil || attempts != 3 || len(calls) != 3 {
			t.Fatalf("%d attempts, %d calls, %v", attempts, len(calls), err)
		}
		for i, low := range []time.Duration{time.Second, 2 * time.Second} {
			if pause := calls[i+1].at.Sub(calls[i].at); pause < low || pause > low*3/2 {
				t.Errorf("pause %d is %s, want %s to %s", i+1, pause, low, low*3/2)
			}
		}
		deliveries := map[string]bool{}
		for _, c := range calls {
			deliveries[c.header.Get(webhook.DeliveryHeader)] = true
			if c.header.Get(webhook.IdempotencyHeader) != "5b1c0f6f2a9d4e7788aa3c10" || !bytes.Equal(c.body, calls[0].body) {
				t.Errorf("an attempt differs: %v %s", c.header, c.body)
			}
			if err := webhook.Verify([]byte(canary), c.header.Get(webhook.SignatureHeader), c.body, c.at, time.Second); err != nil {
				t.Errorf("an attempt's signature: %v", err)
			}
		}
		if len(deliveries) != 3 {
			t.Errorf("%d delivery ids for 3 attempts", len(deliveries))
		}
	})
}

func TestAnswersThatAreFinal(t *testing.T) {
	for code, says := range map[int]string{400: "400 Bad Request", 401: "401", 403: "403", 404: "404", 409: "409", 422: "422", 301: "redirects are not followed", 307: "redirects are not followed"} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://elsewhere.example/")
				w.WriteHeader(code)
			})
			attempts, err := hook(t, valid(), r, io.Discard).Run(t.Context(), action(t))
			if err == nil || !strings.Contains(err.Error(), says) || attempts != 1 || len(r.calls()) != 1 {
				t.Errorf("%d: %d attempts, %d calls, %v", code, attempts, len(r.calls()), err)
			}
		})
	}
}

func TestRetryAfterIsKeptWithinBounds(t *testing.T) {
	for value, want := range map[string][2]time.Duration{
		"7":                             {7 * time.Second, 7 * time.Second},
		"3600":                          {30 * time.Second, 30 * time.Second},
		"Sat, 01 Jan 2000 00:00:09 GMT": {9 * time.Second, 9 * time.Second}, // the bubble begins at midnight
		"soon":                          {time.Second, 1500 * time.Millisecond},
		"-5":                            {time.Second, 1500 * time.Millisecond},
		"99999999999999999999":          {time.Second, 1500 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				if n == 1 {
					w.Header().Set("Retry-After", value)
					w.WriteHeader(429)
				}
			})
			if _, err := hook(t, valid(), r, io.Discard).Run(t.Context(), action(t)); err != nil {
				t.Fatal(err)
			}
			if got := r.calls()[1].at.Sub(r.calls()[0].at); got < want[0] || got > want[1] {
				t.Errorf("Retry-After %q: paused %s, want %s to %s", value, got, want[0], want[1])
			}
		})
	}
}

func TestNoAnswerInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		began := time.Now()
		attempts, err := hook(t, valid(), r, io.Discard).Run(t.Context(), action(t))
		if err == nil || !strings.Contains(err.Error(), "calling deploy.bank.example: no answer within 10s") || attempts != 3 {
			t.Errorf("%d attempts, %v", attempts, err)
		}
		if took := time.Since(began); took < 33*time.Second || took > 35*time.Second {
			t.Errorf("gave up after %s", took)
		}
	})
}

func TestEndingTheContextEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, status(500))
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		attempts, err := hook(t, valid(), r, io.Discard).Run(ctx, action(t))
		if !errors.Is(err, context.DeadlineExceeded) || attempts != 1 {
			t.Errorf("%d attempts, %v", attempts, err)
		}
	})
}

// Rule 22: a target that fails for an hour gets a bounded number of calls and one report.
func TestTargetThatFailsForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing sync.Mutex
		code := 500
		r := newReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			failing.Lock()
			defer failing.Unlock()
			w.WriteHeader(code)
		})
		var logs bytes.Buffer
		h := hook(t, valid(), r, &logs)
		keptIn := 0
		if h.BreakerOpen() {
			t.Error("the breaker is open before any call")
		}
		for began := time.Now(); time.Since(began) < time.Hour; <-time.After(10 * time.Second) {
			if _, err := h.Run(t.Context(), action(t)); err == nil {
				t.Fatal("a failing target was called with success")
			} else if strings.Contains(err.Error(), "calls are kept in") {
				keptIn++
				if !h.BreakerOpen() {
					t.Fatal("calls are kept in and the breaker is said to be closed")
				}
			}
		}
		// Five until the breaker opens, then one each five minutes.
		if got := len(r.calls()); got > 5+12 || got < 5+10 {
			t.Errorf("%d calls in an hour", got)
		}
		if keptIn < 300 {
			t.Errorf("%d runs were told that calls are kept in", keptIn)
		}
		if got := strings.Count(logs.String(), "level=ERROR"); got != 1 {
			t.Errorf("reported %d times: %s", got, logs.String())
		}
		failing.Lock()
		code = 200
		failing.Unlock()
		<-time.After(6 * time.Minute)
		if _, err := h.Run(t.Context(), action(t)); err != nil {
			t.Errorf("after the target came back: %v", err)
		}
		if _, err := h.Run(t.Context(), action(t)); err != nil {
			t.Errorf("after the target came back, second call: %v", err)
		}
		if h.BreakerOpen() {
			t.Error("the breaker is open after calls that succeeded")
		}
	})
}

func TestAnswersThatRefuseDoNotOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, status(403))
		h := hook(t, valid(), r, io.Discard)
		for range 20 {
			_, _ = h.Run(t.Context(), action(t))
		}
		if got := len(r.calls()); got != 20 {
			t.Errorf("%d of 20 calls went out", got)
		}
	})
}

func TestEndlessAnswerIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrote := 0
		r := newReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			for chunk := bytes.Repeat([]byte("x"), 4096); ; wrote += len(chunk) {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		})
		if _, err := hook(t, valid(), r, io.Discard).Run(t.Context(), action(t)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if wrote > 1<<20 {
			t.Errorf("%d bytes of answer were taken", wrote)
		}
	})
}

// Rule 23: secrets are in no log and no error, whatever goes wrong.
func TestSecretsStayOutOfLogsAndErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(int, http.ResponseWriter, *http.Request)
		change func(*webhook.Config)
	}{
		"server error": {status(500), nil},
		"refused":      {status(403), nil},
		"redirect":     {status(302), nil},
		"echo": {func(_ int, w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			fmt.Fprint(w, r.Header, r.URL)
		}, nil},
		"hangs up":      {func(int, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil},
		"no answer":     {func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil},
		"basic auth":    {status(401), func(c *webhook.Config) { c.HTTP.BasicAuth = &config.BasicAuth{Username: "u", Password: canary} }},
		"secret file":   {status(500), func(c *webhook.Config) { c.Secret, c.SecretFile = secret.String{}, "/does/not/exist" }},
		"bearer":        {status(500), func(c *webhook.Config) { c.HTTP.Authorization = &config.Authorization{Credentials: canary} }},
		"not reachable": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := valid()
				if tt.change != nil {
					tt.change(&c)
				}
				var logs bytes.Buffer
				r := newReceiver(t, tt.answer)
				if tt.answer == nil {
					_ = r.Close()
				}
				h := hook(t, c, r, &logs)
				told := ""
				for range 3 { // until the breaker opens
					if _, err := h.Run(t.Context(), action(t)); err != nil {
						told += fmt.Sprintf("%v %+v %#v", err, err, err)
					}
				}
				if told == "" {
					t.Fatal("nothing failed")
				}
				told += logs.String() + fmt.Sprintf("%v %+v", c.Secret, c.Headers)
				if strings.Contains(told, canary) {
					t.Errorf("a secret was told: %s", told)
				}
			})
		})
	}
}

func TestSecretFileIsReadAtEachCall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, status(200))
		c := valid()
		c.Secret, c.SecretFile = secret.String{}, path
		h := hook(t, c, r, io.Discard)
		for i, key := range []string{"one", "two"} {
			if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Run(t.Context(), action(t)); err != nil {
				t.Fatal(err)
			}
			got := r.calls()[i]
			if err := webhook.Verify([]byte(key), got.header.Get(webhook.SignatureHeader), got.body, time.Now(), time.Minute); err != nil {
				t.Errorf("call %d: %v", i+1, err)
			}
		}
	})
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // no second attempt
	defer cancel()
	c := valid()
	c.URL = server.URL
	if _, err := hook(t, c, nil, io.Discard).Run(ctx, action(t)); err == nil {
		t.Error("a certificate of nobody was trusted")
	}
	c.HTTP.TLSConfig.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	if _, err := hook(t, c, nil, io.Discard).Run(t.Context(), action(t)); err != nil {
		t.Errorf("with its certificate: %v", err)
	}
}
