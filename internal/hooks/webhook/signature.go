package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Headers of a call.
const (
	SignatureHeader   = "X-Assayer-Signature" // t=<unix seconds>,v1=<hex HMAC-SHA-256 of "t.body">
	DeliveryHeader    = "X-Assayer-Delivery"  // one for each attempt
	IdempotencyHeader = "Idempotency-Key"     // one for each action, the same at every attempt
)

// Errors of Verify.
var (
	ErrMalformed = errors.New("the signature header is malformed")
	ErrExpired   = errors.New("the signature is too old or from the future")
	ErrMismatch  = errors.New("the signature does not match the body")
)

// Sign gives the value of SignatureHeader for a body sent at a moment.
func Sign(secret, body []byte, at time.Time) string {
	unix := at.Unix()
	return fmt.Sprintf("t=%d,v1=%s", unix, hex.EncodeToString(mac(secret, body, unix)))
}

// Verify is for receivers: it reports whether header signs body with secret and is at most tolerance
// older or newer than now. It compares in constant time. A receiver also has to drop
// idempotency keys it has already acted on.
func Verify(secret []byte, header string, body []byte, now time.Time, tolerance time.Duration) error {
	stamp, sum, ok := strings.Cut(header, ",v1=")
	digits, ok2 := strings.CutPrefix(stamp, "t=")
	if !ok || !ok2 || len(digits) > 12 || strings.Trim(digits, "0123456789") != "" || len(sum) != 2*sha256.Size {
		return ErrMalformed
	}
	unix, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return ErrMalformed
	}
	got, err := hex.DecodeString(sum)
	if err != nil {
		return ErrMalformed
	}
	if len(secret) == 0 || !hmac.Equal(got, mac(secret, body, unix)) {
		return ErrMismatch
	}
	if age := now.Sub(time.Unix(unix, 0)); age > tolerance || age < -tolerance {
		return ErrExpired
	}
	return nil
}

func mac(secret, body []byte, unix int64) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(strconv.AppendInt(nil, unix, 10))
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}
