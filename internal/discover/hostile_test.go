package discover_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/discover"
)

// TestHostileTargets: whatever a target answers, the look ends with a reason or with few words.
func TestHostileTargets(t *testing.T) {
	text := func(w http.ResponseWriter) { w.Header().Set("Content-Type", textFormat) }
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	tests := map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>Sign in</html>")
		}, "a page for people, so name the path of its metrics"},
		"a page that says it is text": {func(w http.ResponseWriter, _ *http.Request) {
			text(w)
			_, _ = io.WriteString(w, "<html>Sign in</html>\n")
		}, "malformed line"},
		"garbage": {func(w http.ResponseWriter, _ *http.Request) {
			text(w)
			_, _ = w.Write([]byte("\x00\x01\xff\xfe{{{\n\n\x7f"))
		}, "scraping"},
		"JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"connections": 1}`)
		}, "no metrics format"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusFound)
		}, "redirect is not followed"},
		"a refusal": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "401"},
		"no end": {func(w http.ResponseWriter, _ *http.Request) {
			text(w)
			line := []byte(strings.Repeat("# nothing\n", 100_000))
			for {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}, "body is larger"},
		"ten million series": {func(w http.ResponseWriter, _ *http.Request) {
			text(w)
			var b strings.Builder
			for i := range 10_000_000 {
				if fmt.Fprintf(&b, "x_total{id=\"%d\"} 1\n", i); b.Len() > 1<<20 {
					if _, err := io.WriteString(w, b.String()); err != nil {
						return
					}
					b.Reset()
				}
			}
		}, "more than 200000 wanted series"},
		"a line without end": {func(w http.ResponseWriter, _ *http.Request) {
			text(w)
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
					return
				}
			}
		}, "line is longer"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			text(w)
			_, _ = io.WriteString(w, "x_total 1\ny_tot")
		}, "ends within a line"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(tt.answer)
			t.Cleanup(s.Close)
			services, failures := read(t, s.URL, options())
			if len(failures) != 1 || !strings.Contains(failures[0].Err.Error(), tt.want) {
				t.Errorf("failures are %v, want one with %q", failures, tt.want)
			}
			if docs, _ := discover.Propose(services, systems(t)); len(docs) > 0 {
				t.Errorf("something is proposed: %v", docs)
			}
		})
	}
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

// TestOwnCertificate: a certificate of no known authority is refused, and the message says what to do.
func TestOwnCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	_, failures := read(t, s.URL, options())
	if len(failures) != 1 || !strings.Contains(failures[0].Err.Error(), "tls_config of an agent file's scrape config") {
		t.Errorf("failures are %v", failures)
	}
}

// TestSlow: a target that never ends its answer takes the time it is given, and no more.
func TestSlow(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", textFormat)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	cfg, err := discover.TargetConfig(s.URL, "", 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	_, failures, err := discover.Read(t.Context(), cfg, options())
	if err != nil || len(failures) != 1 || !strings.Contains(failures[0].Err.Error(), "timed out after 50ms") {
		t.Errorf("failures are %v, %v", failures, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := discover.Read(ctx, cfg, options()); err == nil {
		t.Error("a look that was called off ends without an error")
	}
}

// TestMadeUpNames: names that a target makes up as it runs become few documents, and say so.
func TestMadeUpNames(t *testing.T) {
	var b strings.Builder
	for i := range 5_000 {
		fmt.Fprintf(&b, "a%d_requests_total{code=\"200\"} 1\n", i)
	}
	services, _ := read(t, expose(t, textFormat, b.String()), options())
	docs, left := discover.Propose(services, systems(t))
	if len(docs) != 20 || len(left) != 1 || !strings.Contains(left[0], "480 more") {
		t.Errorf("%d documents, left out: %v", len(docs), left)
	}
	load(t, discover.Render(nil, docs, left))
}

func TestTargetConfig(t *testing.T) {
	for address, want := range map[string]string{
		"http://user:hunter2@localhost:9090/metrics": "credentials", "http://user:1/hunter2@localhost/": "credentials", "ftp://localhost/metrics": "scheme", "http:///metrics": "host", "http://%zz/": "cannot be read",
	} {
		if _, err := discover.TargetConfig(address, "", time.Second); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	var asked atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String())
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(s.Close)
	_, failures := read(t, s.URL+"?format=prometheus&token=hunter2", options())
	if asked.Load() != "/metrics?format=prometheus&token=hunter2" {
		t.Errorf("asked for %s", asked.Load())
	}
	if len(failures) != 1 || strings.Contains(fmt.Sprint(failures), "hunter2") {
		t.Errorf("failures are %v", failures)
	}
}
