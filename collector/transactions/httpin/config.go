package httpin

import (
	"errors"
	"fmt"
)

// Config bounds what one request may bring and how many may be under way: the section
// collectors.transactions.http of the agent file.
type Config struct {
	MaxBytes    int64 `yaml:"max_bytes"`    // of a body, as sent and also inflated
	MaxEvents   int   `yaml:"max_events"`   // in a request
	MaxRequests int   `yaml:"max_requests"` // read at the same time; more are answered 429
}

// Default gives the defaults: 32 MiB, 10,000 events, 16 requests.
func Default() Config { return Config{MaxBytes: 32 << 20, MaxEvents: 10_000, MaxRequests: 16} }

// Validate finds values that cannot be.
func (c Config) Validate() error {
	var errs []error
	check := func(key string, got, least, most int64) {
		if got < least || got > most {
			errs = append(errs, fmt.Errorf("%s: got %d, allowed: %d to %d", key, got, least, most))
		}
	}
	check("max_bytes", c.MaxBytes, 1<<10, 1<<30)
	check("max_events", int64(c.MaxEvents), 1, 1_000_000)
	check("max_requests", int64(c.MaxRequests), 1, 1000)
	return errors.Join(errs...)
}
