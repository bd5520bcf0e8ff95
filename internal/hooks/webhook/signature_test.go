package webhook_test

import (
	"errors"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/hooks/webhook"
)

func TestVerify(t *testing.T) {
	now := time.Unix(1795255200, 0)
	// Made with: printf '1795255200.{"a":1}' | openssl dgst -sha256 -hmac s3cret
	const header = "t=1795255200,v1=24939418e5eb85ce115ba1b7668fcc81f3a59dc8b43c2018a0ec918f29ea4ef0"
	body := `{"a":1}`
	for name, tt := range map[string]struct {
		secret, header, body string
		now                  time.Time
		want                 error
	}{
		"as sent":         {"s3cret", header, body, now, nil},
		"five minutes":    {"s3cret", header, body, now.Add(5 * time.Minute), nil},
		"replayed":        {"s3cret", header, body, now.Add(5*time.Minute + time.Second), webhook.ErrExpired},
		"from the future": {"s3cret", header, body, now.Add(-6 * time.Minute), webhook.ErrExpired},
		"other body":      {"s3cret", header, `{"a":2}`, now, webhook.ErrMismatch},
		"other secret":    {"s3cres", header, body, now, webhook.ErrMismatch},
		"no secret":       {"", webhook.Sign(nil, []byte(body), now), body, now, webhook.ErrMismatch},
		"other time":      {"s3cret", "t=1795255201" + header[12:], body, now, webhook.ErrMismatch},
		"nothing":         {"s3cret", "", body, now, webhook.ErrMalformed},
		"no time":         {"s3cret", header[13:], body, now, webhook.ErrMalformed},
		"negative time":   {"s3cret", "t=-1" + header[12:], body, now, webhook.ErrMalformed},
		"huge time":       {"s3cret", "t=99999999999999999999" + header[12:], body, now, webhook.ErrMalformed},
		"short":           {"s3cret", header[:40], body, now, webhook.ErrMalformed},
		"not hex":         {"s3cret", header[:len(header)-1] + "g", body, now, webhook.ErrMalformed},
		"more after it":   {"s3cret", header + ",v1=00", body, now, webhook.ErrMalformed},
	} {
		err := webhook.Verify([]byte(tt.secret), tt.header, []byte(tt.body), tt.now, 5*time.Minute)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	key, body, now := []byte("s3cret"), []byte(`{"a":1}`), time.Unix(1795255200, 0)
	good := webhook.Sign(key, body, now)
	for _, seed := range []string{good, "", "t=,v1=", "t=1,v1=", "v1=00,t=1", good + " ", "t=01795255200" + good[12:]} {
		f.Add(seed, body)
	}
	f.Fuzz(func(t *testing.T, header string, got []byte) {
		err := webhook.Verify(key, header, got, now, time.Minute)
		if err == nil && string(got) != string(body) {
			t.Errorf("%q passed for %q", header, got)
		}
	})
}
