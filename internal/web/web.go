// Package web serves the page, the JSON API and the probes over HTTP. It owns no state: it reads
// what other parts know through the small interfaces it declares, and passes on what people decide.
//
//	GET  /api/v1/slos                    {"slos": [{"name": "card-auth-availability", "state": "exhausted", …}]}
//	GET  /api/v1/slos/{name}             {"name": "card-auth-availability", …}
//	GET  /api/v1/slos/{name}/history     {"name": …, "window": "1h", "points": [{"at": …, "burn_rate": 4, …}]}
//	POST /api/v1/actions/{id}/approve    {"by": "anna"}
//
// Errors are {"error": "…"} with the next step in the sentence. The page is rendered here, carries
// no inline style or script, and fetches nothing from anywhere else.
package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/policy"
)

// Objectives is where results come from. What Statuses returns is not changed by either side.
type Objectives interface {
	Statuses() []slo.Status
	// History gives points moments between from and to, oldest first: the burn rate over window and
	// the budget left at each.
	History(name, window string, from, to time.Time, points int) ([]slo.Point, error)
}

// Actions is what hooks propose and do; a *hooks.Queue. The last four record who asked.
type Actions interface {
	List() []hooks.Action
	Condition() hooks.Condition
	Approve(ctx context.Context, id, who string) error
	Reject(id, who string) error
	Pause(who, why string) error
	Resume(who string) error
}

// Changes is the record of deployments, flag flips and configuration changes; a *hooks.ChangeLog.
type Changes interface {
	// List gives the changes of a service, or of all when service is empty.
	List(service string) []hooks.Change
	// Record stores c and returns it as stored, with a time and an ID if it had none. The same
	// change may be recorded again; a different one under the same ID is hooks.ErrConflict, and what
	// is wrong with it comes as a problem.List. by is who asked, "" if nobody logged in.
	Record(c hooks.Change, by string) (hooks.Change, error)
}

// Health is what is wrong with the agent itself.
type Health interface {
	Ready() bool
	Problems() []health.Problem
}

// Target is how one thing the agent looks at is doing.
type Target struct {
	Name            string    `json:"target"`
	Collector       string    `json:"collector"` // prometheus
	Up              bool      `json:"up"`
	LastLook        time.Time `json:"last_look"`        // zero: not yet
	DurationSeconds float64   `json:"duration_seconds"` // of the last look
	IntervalSeconds float64   `json:"interval_seconds"`
	Samples         int       `json:"samples"`  // kept by the last look
	Overruns        uint64    `json:"overruns"` // looks left out because the one before had not ended
	Dropped         Drops     `json:"dropped"`
	Error           string    `json:"error,omitempty"`
}

// Drops counts samples of one target that an objective wanted and that could not be used, since the
// agent's start.
type Drops struct {
	NotFinite   uint64 `json:"not_finite"`    // NaN or an infinity
	OutOfBounds uint64 `json:"out_of_bounds"` // stamped with a time too far from the look's
	Duplicate   uint64 `json:"duplicate"`     // the same series once more in one answer
}

// Milliseconds is the duration of the last look.
func (t Target) Milliseconds() float64 { return t.DurationSeconds * 1000 }

// Deps is everything the server reads. Objectives, Health and Now are required; what else is nil
// is neither shown nor served.
type Deps struct {
	Objectives Objectives
	Health     Health
	Now        func() time.Time

	Actions Actions
	Changes Changes
	// Exclusions is what people took out of budgets or corrected in them.
	Exclusions Exclusions
	Targets    func() []Target
	// Policies are what budget policies said at the last evaluation. Neither side changes them.
	Policies func() []policy.Verdict
	// Settlement is how the movements of money stand that the agent follows.
	Settlement func() Settlement
	Reload     func(ctx context.Context) error
	Metrics    http.Handler
	Backup     func(http.ResponseWriter, *http.Request) // answers GET and HEAD
	Log        *slog.Logger

	Version string
	// Refresh is how often an open page asks for news; 2 s if 0.
	Refresh time.Duration
	// Hosts are names besides localhost under which a loopback listener may be asked, such as the
	// one a reverse proxy on this machine passes on.
	Hosts []string
	// More adds routes by their pattern ("/api/v1/gate"). They get the same guards.
	More map[string]http.Handler
}

const (
	defaultRefresh = 2 * time.Second
	maxHeaderBytes = 16 << 10
)

// Server answers requests. Make one with [New].
type Server struct {
	deps    Deps
	assets  assets
	page    *template.Template
	started time.Time
	handler http.Handler
	sparks  sparks
}

// New makes a server; nothing listens yet.
func New(d Deps) (*Server, error) {
	if d.Objectives == nil || d.Health == nil || d.Now == nil {
		return nil, errors.New("making the web server: objectives, health and the clock are required")
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Refresh <= 0 {
		d.Refresh = defaultRefresh
	}
	s := &Server{deps: d, started: d.Now()}
	var err error
	if s.assets, err = loadAssets(); err != nil {
		return nil, fmt.Errorf("reading embedded assets: %w", err)
	}
	if s.page, err = parseTemplates(s.assets, d.Now); err != nil {
		return nil, fmt.Errorf("reading embedded templates: %w", err)
	}
	s.handler = s.guard(s.routes())
	return s, nil
}

// Handler answers every route, guards included.
func (s *Server) Handler() http.Handler { return s.handler }

// HTTPServer is a server for Handler that a slow or greedy client cannot hold up. The caller
// listens, serves and shuts down.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      time.Minute, // a reload may take its time
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.deps.Log.Handler(), slog.LevelWarn),
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	get := func(pattern string, h http.HandlerFunc) {
		mux.Handle(pattern, methods{http.MethodGet: h})
	}
	post := func(pattern string, h http.HandlerFunc) {
		mux.Handle(pattern, methods{http.MethodPost: h})
	}
	get("/{$}", s.servePage)
	get("/fragment", s.serveFragment)
	get("/slo/{name}", s.serveDetail)
	get("/slo/{name}/fragment", s.serveDetailFragment)
	get("/static/{file}", s.serveStatic)
	get("/-/healthy", s.healthy)
	get("/-/ready", s.ready)
	get("/api/v1/slos", s.listObjectives)
	get("/api/v1/slos/{name}", s.showObjective)
	get("/api/v1/slos/{name}/history", s.showHistory)
	get("/api/v1/targets", s.listTargets)
	get("/api/v1/health", s.showHealth)
	if s.deps.Policies != nil {
		get("/api/v1/policies", s.listPolicies)
	}
	if s.deps.Metrics != nil {
		mux.Handle("/metrics", methods{http.MethodGet: s.deps.Metrics.ServeHTTP})
	}
	if s.deps.Backup != nil {
		mux.Handle("/api/v1/backup", methods{http.MethodGet: s.deps.Backup})
	}
	if s.deps.Reload != nil {
		post("/-/reload", s.reload)
	}
	if s.deps.Changes != nil {
		mux.Handle("/api/v1/changes", methods{http.MethodGet: s.listChanges, http.MethodPost: s.recordChange})
	}
	if s.deps.Exclusions != nil {
		mux.Handle("/api/v1/exclusions", methods{http.MethodGet: s.listExclusions, http.MethodPost: s.addExclusion})
		mux.Handle("/api/v1/exclusions/{id}", methods{http.MethodDelete: s.removeExclusion})
	}
	if s.deps.Actions != nil {
		get("/api/v1/actions", s.listActions)
		post("/api/v1/actions/pause", s.pause)
		post("/api/v1/actions/resume", s.resume)
		post("/api/v1/actions/{id}/approve", s.approve)
		post("/api/v1/actions/{id}/reject", s.reject)
	}
	for pattern, h := range s.deps.More {
		mux.Handle(pattern, h)
	}
	mux.HandleFunc("/", s.notFound)
	return mux
}

// methods answers by method, so that a wrong one gets an error in the API's own form.
type methods map[string]http.HandlerFunc

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if h, ok := m[method]; ok {
		h(w, r)
		return
	}
	var allowed []string
	for _, known := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		if m[known] != nil {
			allowed = append(allowed, known)
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeError(w, http.StatusMethodNotAllowed, "method %s is not allowed here; use %s", r.Method, strings.Join(allowed, " or "))
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/-/") {
		writeError(w, http.StatusNotFound, "nothing is served at %s by this agent; start at /api/v1/slos", r.URL.Path)
		return
	}
	s.serveMissing(w, "This page does not exist", "The address may be mistyped.")
}
