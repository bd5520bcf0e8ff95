package prometheus

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// quiet passes the same message on once a minute at most. Discovery says what is wrong with a file at
// each refresh; if the log lies in the folder that it watches, saying so is a change that makes it
// refresh, and say so again, without end.
type quiet struct {
	slog.Handler
	scope string // attributes and groups given by With
	said  *said
}

// said remembers what was passed on when; handlers made by With share it.
type said struct {
	mu sync.Mutex
	at map[string]time.Time
}

const (
	quietFor = time.Minute
	maxSaid  = 1000
)

func newQuiet(h slog.Handler) quiet {
	return quiet{Handler: h, said: &said{at: map[string]time.Time{}}}
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	var key strings.Builder
	fmt.Fprintf(&key, "%s %s %s", r.Level, q.scope, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&key, " %s", a)
		return true
	})
	if !q.said.due(key.String(), r.Time) {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

func (s *said) due(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.at[key]; ok && now.Sub(last) < quietFor {
		return false
	}
	if len(s.at) >= maxSaid {
		clear(s.at)
	}
	s.at[key] = now
	return true
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quiet{q.Handler.WithAttrs(attrs), q.scope + fmt.Sprint(attrs), q.said}
}

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler {
	return quiet{q.Handler.WithGroup(name), q.scope + name, q.said}
}
