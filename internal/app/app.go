// Package app is the composition root: it reads the configuration, wires every part of the agent and
// gives the whole a life: New, Start, Addr, Reload, Stop. It alone, with internal/cli, sees
// everything; kinds.go is the one list of variants.
//
// New does all that can fail and starts nothing. Stop ends what New and Start began, last first:
// looks at targets end, a last evaluation and checkpoint are made, running hooks are waited for, the
// audit log is closed at the very end.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/journal"
	exporter "github.com/assayer-io/assayer/exporters/prometheus"
	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/exclusions"
	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/internal/version"
	"github.com/assayer-io/assayer/internal/web"
	"github.com/assayer-io/assayer/slo"
)

// Options say what to run. ConfigPath and ListenAddress are required.
type Options struct {
	ConfigPath    string
	ListenAddress string // of the page, the API and /metrics; port 0 takes a free one
	WebConfigFile string // TLS and authentication in Prometheus' format; "" is plain HTTP
	Repair        bool   // rebuild a damaged store from what can be read
	Log           *slog.Logger
	Now           func() time.Time // default time.Now
}

// App is one agent.
type App struct {
	opts Options
	log  *slog.Logger
	now  func() time.Time

	db       storage.DB
	store    *storage.Bolt // the same, for its snapshots
	audit    *audit.Log
	engine   *slo.Engine
	runner   *collector.Runner
	changes  *hooks.ChangeLog
	excluded *exclusions.Store
	queue    *hooks.Queue
	health   *health.Tracker
	exporter *exporter.Exporter
	registry *prometheus.Registry
	server   *http.Server
	listener net.Listener

	statuses atomic.Pointer[[]slo.Status]
	failed   chan error
	alarms   chan struct{} // something is to be judged soon; holds at most one

	saving       sync.Mutex // held during a checkpoint
	backingUp    sync.Mutex // held while a backup is sent
	reloading    sync.Mutex // held by Reload, and by Stop until no other reload can begin
	reloadFailed atomic.Bool
	saveFailed   atomic.Bool
	auditFailed  atomic.Bool
	auditRetried time.Time          // this and overruns are only the evaluation's own
	overruns     map[string]overrun // by target
	told         transitions        // likewise
	calendarsOn  string             // likewise: the day on which the ends of calendars were looked at,
	calendarsOf  *Loaded            // and whose
	policies     budgetPolicies
	tracker      *transactions.Tracker // nil: no movements of money are followed
	journal      *journal.Journal      // of the movements; nil likewise
	sources      *sources
	drift        *deploy.Watcher
	providers    map[string]provider
	current      atomic.Pointer[Loaded]

	stops   []stop // in order of making
	started bool
	stopped bool
}

// stop undoes one thing that New or Start did.
type stop struct {
	name string
	fn   func(context.Context) error
}

// New reads the configuration and wires everything, restores what is stored and binds the listener.
// Nothing runs yet. On an error everything is let go of again. A configuration with mistakes gives a
// problem.List.
func New(ctx context.Context, opts Options) (_ *App, err error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	a := &App{opts: opts, log: opts.Log, now: opts.Now, failed: make(chan error, 1), alarms: make(chan struct{}, 1), providers: map[string]provider{},
		told: transitions{log: opts.Log}}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.unwind(ctx))
		}
	}()
	loaded, problems := Load(LoadOptions{Path: opts.ConfigPath, Now: a.now()})
	if err := problems.Err(); err != nil {
		return nil, err
	}
	if err := toolkit.Validate(opts.WebConfigFile); err != nil {
		return nil, fmt.Errorf("reading --web.config.file %s: %w; allowed: Prometheus' web configuration format, passwords as bcrypt hashes; nothing was started", opts.WebConfigFile, err)
	}
	for _, p := range problems {
		a.log.Warn("configuration", "problem", p.String())
	}
	a.current.Store(&loaded)
	a.health = health.New(a.now, health.Conditions())
	a.health.Set(health.Starting, "", "the first evaluation has not been made yet")
	for _, step := range []func(context.Context) error{a.openStore, a.openAudit, a.openTransactions, a.makeEngine, a.makeHooks, a.makeDrift, a.makeExporter, a.makeCollectors, a.makeWeb} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *App) onStop(name string, fn func(context.Context) error) {
	a.stops = append(a.stops, stop{name, fn})
}

func (a *App) openStore(context.Context) error {
	dir := a.loaded().Config.Storage.Path
	if a.opts.Repair {
		res, err := storage.Repair(dir, a.now().Unix())
		if err != nil {
			return fmt.Errorf("repairing the store: %w", err)
		}
		if res.Old != "" {
			a.log.Warn("store rebuilt from what could be read", "values_kept", res.Kept, "values_lost", res.Lost, "damaged_file", res.Old)
		}
	}
	db, err := storage.Open(dir)
	if err != nil {
		return err
	}
	a.db, a.store = db, db
	a.onStop("store", func(context.Context) error { return db.Close() })
	return nil
}

func (a *App) openAudit(context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("naming the agent: %w", err)
	}
	a.audit, err = audit.Open(a.loaded().Config.Audit.Path, audit.Options{AgentID: host, Now: a.now})
	if err != nil {
		return err
	}
	a.onStop("audit log", func(context.Context) error {
		if a.started {
			a.auditLife("agent_stop", "the agent was told to stop and has stopped")
		}
		return a.audit.Close()
	})
	return nil
}

func (a *App) makeEngine(context.Context) error {
	a.engine = slo.New(a.loaded().engineOptions())
	var err error
	// Before budgets are restored: what the store has for exclusions waits for them.
	if a.excluded, err = exclusions.New(exclusions.Deps{DB: a.db, Audit: auditor{a}, Now: a.now, Objectives: a.objectiveNames, Apply: a.exclude}); err != nil {
		return err
	}
	if err := a.engine.Apply(a.loaded().Objectives, a.now(), a.db.Scan); err != nil {
		return fmt.Errorf("restoring budgets: %w", err)
	}
	if err := a.makePolicies(); err != nil {
		return err
	}
	a.onStop("budgets", func(context.Context) error { return a.checkpoint() })
	return nil
}

func (a *App) makeHooks(context.Context) error {
	var err error
	if a.changes, err = hooks.NewChangeLog(a.db, auditor{a}, a.now); err != nil {
		return err
	}
	runners, err := a.loaded().runners(a.deps())
	if err != nil {
		return err
	}
	a.queue, err = hooks.New(hooks.Deps{
		DB: a.db, Audit: auditor{a}, Changes: a.changes, Policies: a.loaded().policies(), Actions: runners, Now: a.now,
		Logger: a.log.With("component", "hooks"),
	})
	if err != nil {
		return err
	}
	a.onStop("hooks", a.queue.Stop)
	return nil
}

func (a *App) makeExporter(context.Context) error {
	a.registry = prometheus.NewRegistry()
	a.exporter = exporter.New(exporter.Deps{
		Version: version.Version, Revision: version.Revision(), Actions: a.actionCounts, Policies: a.policyStates, Self: a.registry, Log: a.log.With("component", "exporter"),
	})
	parts := []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), selfCollector{a}, coverageCollector{a}, driftCollector{a.drift}}
	if a.tracker != nil {
		parts = append(parts, transactionCollector{a.tracker})
	}
	for _, c := range parts {
		if err := a.registry.Register(c); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

func (a *App) makeCollectors(context.Context) error {
	a.runner = collector.NewRunner(a.observe, 0, a.log.With("component", "collector"))
	for name, plan := range a.loaded().plans {
		p, err := plan.make(a.deps())
		if err != nil {
			return fmt.Errorf("making collector %s: %w", name, err)
		}
		p.SetInterest(a.engine.Interest())
		a.providers[name] = p
	}
	return nil
}

func (a *App) makeWeb(ctx context.Context) error {
	metrics, err := a.exporter.Handler()
	if err != nil {
		return err
	}
	w, err := web.New(web.Deps{
		Objectives: objectives{a}, Health: a.health, Now: a.now, Actions: a.queue, Changes: a.changes, Exclusions: a.excluded, Targets: a.targets, Policies: a.Verdicts,
		Reload: a.Reload, Metrics: metrics, Log: a.log.With("component", "web"), Version: version.Version, Refresh: a.loaded().refresh(),
		Hosts:  a.loaded().hostNames(),
		Backup: a.serveBackup,
		More:   a.transactionRoutes(), Settlement: a.settlement(),
	})
	if err != nil {
		return err
	}
	a.server = w.HTTPServer()
	var lc net.ListenConfig
	if a.listener, err = lc.Listen(ctx, "tcp", a.opts.ListenAddress); err != nil {
		return fmt.Errorf("listening: %w (choose another address with --web.listen-address)", err)
	}
	a.onStop("listener", func(context.Context) error { return ignoreClosed(a.listener.Close()) })
	return nil
}

// Addr is the host and port the agent listens on.
func (a *App) Addr() string { return a.listener.Addr().String() }

// Failed yields an error when the agent can no longer do its work, at most once.
func (a *App) Failed() <-chan error { return a.failed }

// fail reports the first error that ends the agent's work.
func (a *App) fail(err error) {
	select {
	case a.failed <- err:
	default:
	}
}

// Stop ends everything, last begun first, within ctx, and joins what went wrong. A second call does
// nothing.
func (a *App) Stop(ctx context.Context) error {
	a.reloading.Lock()
	before := a.stopped
	a.stopped = true
	a.reloading.Unlock() // before the web server waits for a request that waits for the lock
	if before {
		return nil
	}
	a.health.Set(health.Stopping, "", "the agent was told to stop")
	err := a.unwind(ctx)
	a.log.Info("stopped")
	return err
}

func (a *App) unwind(ctx context.Context) error {
	var errs []error
	for _, v := range slices.Backward(a.stops) {
		if err := v.fn(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", v.name, err))
		}
	}
	a.stops = nil
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
