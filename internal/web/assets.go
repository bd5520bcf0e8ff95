package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/health"
)

//go:embed static templates
var embedded embed.FS

// asset is one file of the page under a name that changes with its content, so that browsers may
// keep it for ever.
type asset struct {
	content     []byte
	contentType string
}

type assets struct {
	files map[string]asset  // by hashed name: app.3f9a0c1d2e4b.css
	urls  map[string]string // by plain name: app.css
}

func loadAssets() (assets, error) {
	a := assets{files: map[string]asset{}, urls: map[string]string{}}
	entries, err := embedded.ReadDir("static")
	if err != nil {
		return a, err
	}
	types := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
	for _, e := range entries {
		content, err := embedded.ReadFile("static/" + e.Name())
		if err != nil {
			return a, err
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(e.Name())
		hashed := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.files[hashed] = asset{content, types[ext]}
		a.urls[e.Name()] = "/static/" + hashed
	}
	return a, nil
}

func (s *Server) serveStatic(w http.ResponseWriter, r *http.Request) {
	f, ok := s.assets.files[r.PathValue("file")]
	if !ok {
		s.serveMissing(w, "This file does not exist", "The agent may have been updated since the page was loaded; load the page again.")
		return
	}
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(f.content) // the client is gone if this fails
}

func parseTemplates(a assets, now func() time.Time) (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"static":   func(name string) string { return a.urls[name] },
		"stamp":    func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"utc":      func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"ago":      func(t time.Time) string { return ago(now().Sub(t)) },
		"percent":  percent,
		"share":    share,
		"burn":     burnText,
		"count":    count,
		"amount":   amount,
		"n":        func(n int) string { return count(float64(n)) },
		"words":    func(name health.Name) string { return strings.ReplaceAll(string(name), "_", " ") },
		"sentence": sentence,
		"word":     stateWord,
		"span":     span,
		"until":    func(t time.Time) string { return until(t.Sub(now())) },
		"count64":  func(n int64) string { return count(float64(n)) },
		"money":    func(text string) string { return strings.ReplaceAll(text, " ", space) },
	}).ParseFS(embedded, "templates/*.html")
}
