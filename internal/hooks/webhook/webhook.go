// Package webhook asks a deployment system, over HTTP, to do what a hook decided:
//
//	POST /rollback HTTP/1.1
//	Content-Type: application/json
//	Idempotency-Key: 5b1c0f6f2a9d4e7788aa3c10
//	X-Assayer-Delivery: 6d0b…
//	X-Assayer-Signature: t=1795255200,v1=9f2c…
//
//	{"version": 1, "id": "5b1c…", "hook": "card-rollback", "service": "card-auth",
//	 "from_revision": "v42", "to_revision": "v41", "reason": "page-1h fires since …", …}
//
// Delivery is at least once: an attempt whose answer was lost, and an action under way when the agent
// was killed, are sent again with the same key, and the receiver drops keys it has already acted on.
// Server errors, 429 and network faults are tried up to three times; any other answer but 2xx is
// final. After five failures in a row a breaker keeps further calls in for five minutes.
package webhook

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/common/config"
	"github.com/sony/gobreaker/v2"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/secret"
)

const (
	maxAttempts      = 3
	firstPause       = time.Second      // before the second attempt; doubles
	maxPause         = 30 * time.Second // however long Retry-After asks for
	maxAnswerBytes   = 64 << 10
	breakerFailures  = 5
	breakerOpenFor   = 5 * time.Minute
	userAgent        = "assayer"
	contentType      = "application/json"
	deliveryIDLength = 16
)

// Deps are what a webhook works with; both but Dial are required.
type Deps struct {
	Now    func() time.Time
	Logger *slog.Logger
	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network
}

// Hook calls one target. It is safe for concurrent use.
type Hook struct {
	cfg     Config
	host    string // all that is ever told of the URL
	secret  secret.Source
	client  *http.Client
	breaker *gobreaker.CircuitBreaker[struct{}]
	now     func() time.Time
	log     *slog.Logger
}

var (
	_ hooks.Runner  = (*Hook)(nil)
	_ hooks.Breaker = (*Hook)(nil)
)

// New makes a hook from a valid configuration. It calls nobody.
func New(cfg Config, d Deps) (*Hook, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("making webhook: %w", err)
	}
	if err := cfg.HTTP.Validate(); err != nil {
		return nil, fmt.Errorf("making webhook: %w", err)
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("making webhook: %w", errors.Unwrap(err))
	}
	opts := []config.HTTPClientOption{config.WithUserAgent(userAgent), config.WithKeepAlivesDisabled()}
	if d.Dial != nil {
		opts = append(opts, config.WithDialContextFunc(d.Dial))
	}
	client, err := config.NewClientFromConfig(cfg.HTTP, "webhook", opts...)
	if err != nil {
		return nil, fmt.Errorf("making webhook: %w", err)
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h := &Hook{cfg: cfg, host: u.Host, secret: secret.Source{Inline: cfg.Secret, File: cfg.SecretFile}, client: client, now: d.Now, log: d.Logger}
	h.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         h.host,
		MaxRequests:  1,
		Timeout:      breakerOpenFor,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool { return err == nil || !retryable(err) },
		IsExcluded:   func(err error) bool { return err != nil && !retryable(err) && !answered(err) },
		OnStateChange: func(host string, from, to gobreaker.State) {
			// A probe that fails goes from half-open back to open; that is no news.
			if from == gobreaker.StateClosed && to == gobreaker.StateOpen {
				h.log.Error("webhook target keeps failing, calls are kept in", "host", host, "failures", breakerFailures, "for", breakerOpenFor)
			} else if to == gobreaker.StateClosed {
				h.log.Info("webhook target answers again", "host", host)
			}
		},
	})
	return h, nil
}

// Idempotent implements hooks.Runner: the receiver drops keys it has seen.
func (h *Hook) Idempotent() bool { return true }

// BreakerOpen implements hooks.Breaker.
func (h *Hook) BreakerOpen() bool { return h.breaker.State() == gobreaker.StateOpen }

// Run implements hooks.Runner.
func (h *Hook) Run(ctx context.Context, a hooks.Action) (attempts int, err error) {
	body, err := json.Marshal(payload(a))
	if err != nil {
		return 0, fmt.Errorf("encoding payload: %w", err)
	}
	for {
		sent := false
		_, err = h.breaker.Execute(func() (struct{}, error) {
			sent = true
			return struct{}{}, h.post(ctx, a.ID, body)
		})
		if sent {
			attempts++
		}
		switch {
		case err == nil:
			return attempts, nil
		case !sent:
			return attempts, fmt.Errorf("calling %s: it kept failing, so calls are kept in for up to %s: %w", h.host, breakerOpenFor, err)
		case !retryable(err) || attempts >= maxAttempts:
			return attempts, fmt.Errorf("calling %s: %w", h.host, err)
		}
		if err := pause(ctx, backoff(attempts, err)); err != nil {
			return attempts, fmt.Errorf("calling %s: giving up before attempt %d: %w", h.host, attempts+1, err)
		}
	}
}

// post makes one attempt.
func (h *Hook) post(ctx context.Context, id string, body []byte) error {
	key, err := h.secret.Load()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.Timeout, fmt.Errorf("no answer within %s", h.cfg.Timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("making request")
	}
	for name, value := range h.cfg.Headers {
		req.Header.Set(name, value.Reveal())
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set(IdempotencyHeader, id)
	req.Header.Set(DeliveryHeader, deliveryID())
	req.Header.Set(SignatureHeader, Sign([]byte(key.Reveal()), body, h.now()))
	resp, err := h.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return &networkError{withoutURL(err)}
	}
	defer resp.Body.Close()
	// The answer is drained, never kept or told: it may repeat what was sent.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswerBytes))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &statusError{resp.StatusCode, retryAfter(resp.Header.Get("Retry-After"), h.now())}
}

func deliveryID() string {
	return crand.Text()[:deliveryIDLength]
}

// networkError is an attempt that brought no answer.
type networkError struct{ err error }

func (e *networkError) Error() string { return e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// withoutURL takes the URL, which may hold a token, out of a client's error.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// statusError is an answer other than 2xx.
type statusError struct {
	code       int
	retryAfter time.Duration // 0: not said
}

func (e *statusError) Error() string {
	if e.code/100 == 3 {
		return fmt.Sprintf("it answered %d, and redirects are not followed", e.code)
	}
	return fmt.Sprintf("it answered %d %s", e.code, http.StatusText(e.code))
}

// retryable reports whether the same call may do better later.
func retryable(err error) bool {
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.code >= 500 || s.code == http.StatusTooManyRequests
	}
	if _, ok := errors.AsType[*networkError](err); ok {
		return !errors.Is(err, context.Canceled)
	}
	return false
}

// answered reports whether the target gave an answer, whatever it was.
func answered(err error) bool {
	_, ok := errors.AsType[*statusError](err)
	return ok
}

// backoff is the pause before the next attempt: what the target asked for, within bounds, or 1 s,
// 2 s, … each with up to half of it added at random.
func backoff(attempts int, err error) time.Duration {
	if s, ok := errors.AsType[*statusError](err); ok && s.retryAfter > 0 {
		return min(s.retryAfter, maxPause)
	}
	d := firstPause << (attempts - 1)
	return d + rand.N(d/2)
}

// retryAfter reads seconds or an HTTP date; 0 for anything else.
func retryAfter(value string, now time.Time) time.Duration {
	if s, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
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
