//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// tap passes requests on to a server and remembers when each that was answered began and ended. The
// agent scrapes through it, so that a test knows what the agent has seen without asking the agent.
type tap struct {
	address string

	mu    sync.Mutex
	looks []look
}

// look is one completed scrape.
type look struct {
	began, ended time.Time
}

func newTap(t *testing.T, server string) *tap {
	t.Helper()
	s := &tap{}
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server})
	pass.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // a server that is away is part of some tests
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		pass.ServeHTTP(w, r)
		if r.Context().Err() != nil {
			return // the agent has given up, or is no more
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.looks = append(s.looks, look{began, time.Now()})
	}))
	t.Cleanup(listener.Close)
	s.address = strings.TrimPrefix(listener.URL, "http://")
	return s
}

// since returns the scrapes that began after a moment and have ended.
func (s *tap) since(after time.Time) []look {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []look
	for _, l := range s.looks {
		if l.began.After(after) {
			found = append(found, l)
		}
	}
	return found
}

// awaitScrapes waits until n scrapes that began after a moment have ended, and returns when the
// last of them ended.
func (s *tap) awaitScrapes(t *testing.T, after time.Time, n int) time.Time {
	t.Helper()
	var found []look
	eventually(t, func(context.Context) error {
		if found = s.since(after); len(found) < n {
			return fmt.Errorf("the agent has scraped %d times, waiting for %d", len(found), n)
		}
		return nil
	})
	return found[n-1].ended
}
