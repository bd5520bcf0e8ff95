// Package prometheus scrapes targets that expose Prometheus text, OpenMetrics or protobuf, and of
// each answer reads only the series that some objective wants. Lines of other metrics are skipped
// by name while the body streams by; wanted ones go through Prometheus' own parser, relabelling and
// label rules, so that a series has here the labels it has there.
//
// For an objective on card_auth_total, this answer
//
//	# TYPE card_auth_total counter
//	card_auth_total{outcome="approved"} 1027
//	card_auth_total{outcome="technical"} 3
//	go_goroutines 42
//
// becomes one [collector.Cycle] with two samples of the target card/10.0.0.7:9090/5f0c…:
//
//	{__name__="card_auth_total", instance="10.0.0.7:9090", job="card", outcome="approved"} 1027
//	{__name__="card_auth_total", instance="10.0.0.7:9090", job="card", outcome="technical"} 3
//
// An answer that is cut off, malformed where it is wanted, too large or too late is a failed cycle
// without samples.
package prometheus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"

	"github.com/assayer-io/assayer/collector"
)

// Deps is what a Provider is wired to. The zero value works: nothing is logged or counted.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer // takes the metrics of service discovery while Run runs
	Version    string                // of the agent, for the User-Agent header
}

// Provider discovers targets and scrapes them.
type Provider struct {
	deps      Deps
	scratches *scratches
	want      atomic.Pointer[interest]
	serial    string        // tells the revisions of this provider from those of another
	wake      chan struct{} // a reload waits to be applied

	mu      sync.Mutex
	reloads int
	pools   map[string]*pool             // by job name
	finders map[string]discovery.Configs // by job name

	known map[collector.Target]collector.Job // last jobs; only Run's goroutine uses it
}

// New makes a provider of a valid cfg. It opens no connection.
func New(cfg Config, deps Deps) (*Provider, error) {
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Registerer == nil {
		deps.Registerer = prometheus.NewRegistry()
	}
	p := &Provider{deps: deps, scratches: &scratches{}, serial: rand.Text(), wake: make(chan struct{}, 1)}
	p.SetInterest(collector.Interest{})
	if err := p.Reload(cfg); err != nil {
		return nil, err
	}
	return p, nil
}

// SetInterest replaces what is wanted; scrapes that begin later go by it.
func (p *Provider) SetInterest(in collector.Interest) { p.want.Store(newInterest(in)) }

// Reload replaces the configuration. Targets whose settings stay the same are not disturbed. On
// an error nothing changes.
func (p *Provider) Reload(cfg Config) error {
	apply, err := p.Prepare(cfg)
	if err == nil {
		apply()
	}
	return err
}

// Prepare does all of a reload that can fail and gives what puts cfg in force; until that is called
// nothing changes.
func (p *Provider) Prepare(cfg Config) (apply func(), err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	revision := fmt.Sprintf("%s.%d", p.serial, p.reloads)
	p.reloads++
	p.mu.Unlock()
	pools, finders := map[string]*pool{}, map[string]discovery.Configs{}
	for _, sc := range cfg.ScrapeConfigs {
		if pools[sc.JobName], err = newPool(&cfg, sc, p.scratches, revision); err != nil {
			return nil, err
		}
		finders[sc.JobName] = sc.discovery(cfg.ExtraDiscovery)
	}
	return func() { p.replace(pools, finders) }, nil
}

// replace puts pools and finders in force, keeping the pools there are where settings are the same.
func (p *Provider) replace(pools map[string]*pool, finders map[string]discovery.Configs) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, fresh := range pools {
		if old := p.pools[name]; old != nil && sameSettings(old, fresh) {
			pools[name] = old
		}
	}
	for name, old := range p.pools {
		if pools[name] != old {
			old.client.CloseIdleConnections()
		}
	}
	p.pools, p.finders = pools, finders
	p.poke()
}

// poke has Run look at the configuration.
func (p *Provider) poke() {
	select {
	case p.wake <- struct{}{}:
	default: // one is waiting already and will find what there is
	}
}

// sameSettings reports whether targets of a can go on under b: all is equal but for where targets
// come from.
func sameSettings(a, b *pool) bool {
	return a.interval == b.interval && a.timeout == b.timeout && reflect.DeepEqual(a.cfg.settings(), b.cfg.settings())
}

// settings is sc without its discovery.
func (sc ScrapeConfig) settings() ScrapeConfig {
	sc.StaticConfigs, sc.FileSDConfigs, sc.DNSSDConfigs, sc.HTTPSDConfigs, sc.Others = nil, nil, nil, nil, nil
	return sc
}

// Run discovers targets until ctx ends, and tells update of each change.
func (p *Provider) Run(ctx context.Context, update func([]collector.Job)) error {
	ctx, cancel := context.WithCancel(ctx)
	metrics, err := discovery.CreateAndRegisterSDMetrics(p.deps.Registerer)
	if err != nil {
		cancel()
		return fmt.Errorf("registering the metrics of service discovery: %w", err)
	}
	defer unregister(metrics)
	manager := discovery.NewManager(ctx, slog.New(newQuiet(p.deps.Logger.Handler())), p.deps.Registerer, metrics, discovery.Name("collector"), discovery.Updatert(discoveryThrottle))
	if manager == nil {
		cancel()
		return errors.New("making the discovery manager: its metrics are taken")
	}
	defer manager.UnregisterMetrics()
	d := &discoveries{manager: manager}
	defer func() {
		cancel()
		d.wait()
		p.closeIdle()
	}()
	return p.follow(ctx, d, update)
}

// discoveries run the manager once there is something to discover. It wakes ten times a second, which an
// agent whose targets are all written down can do without.
type discoveries struct {
	manager *discovery.Manager
	running sync.WaitGroup
	started bool
}

// apply puts discoveries in force. It returns what they find when that is known at once; else the manager
// will tell.
func (d *discoveries) apply(finders map[string]discovery.Configs) (found map[string][]*targetgroup.Group, known bool, err error) {
	if !d.started {
		if found, known = written(finders); known {
			return found, true, nil
		}
		d.started = true
		d.running.Go(func() { _ = d.manager.Run() }) // returns the context's error
	}
	return nil, false, d.manager.ApplyConfig(finders)
}

// wait returns once the manager, whose context has ended, has let go.
func (d *discoveries) wait() {
	if !d.started {
		return
	}
	for range d.manager.SyncCh() { // closed then
	}
	d.running.Wait()
}

// written are the targets of every job, if all of them are written in the configuration.
func written(finders map[string]discovery.Configs) (map[string][]*targetgroup.Group, bool) {
	out := make(map[string][]*targetgroup.Group, len(finders))
	for name, configs := range finders {
		for _, c := range configs {
			groups, static := c.(discovery.StaticConfig)
			if !static {
				return nil, false
			}
			out[name] = append(out[name], groups...)
		}
	}
	return out, true
}

// discoveryThrottle is how often changes are passed on at most.
const discoveryThrottle = time.Second

// settleTime is how long after a reload a job without targets is taken for one whose new discovery
// has not answered yet, and keeps the targets it had.
const settleTime = 30 * time.Second

// follow passes on what is discovered.
func (p *Provider) follow(ctx context.Context, d *discoveries, update func([]collector.Job)) error {
	p.known = map[collector.Target]collector.Job{}
	p.poke()
	found := map[string][]*targetgroup.Group{} // as it was discovered
	using := map[string][]*targetgroup.Group{} // with what unsettled jobs had before
	var applied map[string]discovery.Configs
	unsettled := map[string]bool{}
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
			fresh := p.discoveries()
			for name, finders := range fresh {
				if old, ok := applied[name]; ok && !reflect.DeepEqual(old, finders) {
					unsettled[name] = true
				}
			}
			settled = time.After(settleTime)
			now, known, err := d.apply(fresh)
			if err != nil {
				return fmt.Errorf("starting discovery: %w", err)
			}
			if applied = fresh; known {
				found, settled = now, nil
				clear(unsettled)
			}
		case <-settled:
			clear(unsettled)
		case synced, ok := <-d.manager.SyncCh():
			if !ok {
				return nil
			}
			found = synced
		}
		next := maps.Clone(found)
		for name := range unsettled {
			if len(next[name]) == 0 {
				next[name] = using[name]
			} else {
				delete(unsettled, name)
			}
		}
		using = next
		update(p.jobs(using))
	}
}

func unregister(m *discovery.SDMetrics) {
	for _, mechanism := range m.MechanismMetrics {
		mechanism.Unregister()
	}
	m.RefreshManager.Unregister()
}

func (p *Provider) discoveries() map[string]discovery.Configs {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.finders
}

func (p *Provider) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pool := range p.pools {
		pool.client.CloseIdleConnections()
	}
}

// jobs turns what was discovered into jobs, keeping the sources of targets that stay.
func (p *Provider) jobs(groups map[string][]*targetgroup.Group) []collector.Job {
	p.mu.Lock()
	pools := p.pools
	p.mu.Unlock()
	known := map[collector.Target]collector.Job{}
	var out []collector.Job
	for name, pool := range pools {
		targets, over, broken := pool.bounded(groups[name])
		if broken != nil {
			p.deps.Logger.Warn("targets that cannot be scraped", "job", name, "err", broken)
		}
		if over != nil {
			p.deps.Logger.Error("too many targets, failing them all", "job", name, "err", over)
		}
		for _, t := range targets {
			if _, twice := known[t.id]; twice {
				continue
			}
			job := p.job(pool, t, over)
			known[t.id] = job
			out = append(out, job)
		}
	}
	p.known = known
	return out
}

// job makes the job of one target, or takes the one there is.
func (p *Provider) job(pool *pool, t target, over error) collector.Job {
	job := collector.Job{
		Target: t.id, Interval: t.interval, Timeout: t.timeout, Revision: pool.revision,
		Labels: t.public, URL: t.url, Group: pool.cfg.JobName,
	}
	if over != nil {
		job.Revision += "/over"
	}
	if old, ok := p.known[t.id]; ok && old.Revision == job.Revision && old.Interval == job.Interval && old.Timeout == job.Timeout {
		return old
	}
	if over != nil {
		job.Source = failing{over}
		return job
	}
	src, err := newSource(pool, t, &p.want, p.deps.Version)
	if err != nil {
		job.Source = failing{err}
		return job
	}
	job.Source = src
	return job
}
