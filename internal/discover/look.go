package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/collector/prometheus"
)

// Bounds on a look at everything.
const (
	maxTargets    = 10        // of one service that are read; replicas expose the same
	maxSeries     = 1_000_000 // of all targets together; targets beyond it are not read
	maxBody       = 64 << 20  // bytes of the answer of a target given by its URL
	looksAtOnce   = 4
	settle        = 10 * time.Second // how long service discovery may take to find a target for every job
	settleBetween = 2 * time.Second  // how long no news means that it has found all
)

// Options say how to look. Now and Wait are required.
type Options struct {
	// Watch is how long to wait for a second look, by which rates are told; 0: one look is made.
	Watch time.Duration
	Now   func() time.Time
	Wait  func(context.Context, time.Duration) error // returns after that long, or with the context's error
	// Scoped is set when services are told apart by labels that the agent will give their series too.
	Scoped bool
	// Unnamed is set when nothing says what the targets are called: services then have no name.
	Unnamed bool
	// Version is the agent's, for the User-Agent header.
	Version string
}

// Failure is a target that could not be read, and why. Neither holds what looks like a secret.
type Failure struct {
	Service string // it is of
	Target  string // its address without what a URL may hold beside it
	Err     error
}

// TargetConfig makes a scrape config of one URL, read within timeout under the job's name. Redirects are
// not followed: they may lead anywhere. Credentials in the URL are refused.
func TargetConfig(address, job string, timeout time.Duration) (prometheus.Config, error) {
	const allowed = "allowed: http://HOST:PORT/metrics"
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return prometheus.Config{}, fmt.Errorf("the target's URL cannot be read, %s", allowed) // the error repeats it
	case u.User != nil || strings.Contains(u.Path, "@"): // a slash in a password ends the host before it
		return prometheus.Config{}, errors.New("the target's URL has credentials in it, which every list of processes shows; allowed: an agent file whose scrape config has basic_auth")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return prometheus.Config{}, fmt.Errorf("the target's URL has the scheme %.20q and the host %.100q, %s", u.Scheme, u.Host, allowed)
	}
	if u.Port() == "" && strings.HasSuffix(u.Host, ":") {
		u.Host = strings.TrimSuffix(u.Host, ":")
	}
	sc := prometheus.DefaultScrapeConfig()
	sc.JobName, sc.Scheme, sc.Params = cmp.Or(job, "target"), u.Scheme, u.Query()
	sc.MetricsPath = cmp.Or(u.Path, "/metrics")
	sc.ScrapeInterval, sc.ScrapeTimeout = model.Duration(timeout), model.Duration(timeout)
	sc.BodySizeLimit = maxBody
	sc.HTTPClient = promconfig.DefaultHTTPClientConfig
	sc.HTTPClient.FollowRedirects = false
	sc.StaticConfigs = []*targetgroup.Group{{Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(u.Host)}}}}
	cfg := prometheus.Default()
	cfg.ScrapeConfigs = []prometheus.ScrapeConfig{sc}
	if err := cfg.Validate(); err != nil {
		return prometheus.Config{}, fmt.Errorf("making a scrape config of the URL: %w", err)
	}
	return cfg, nil
}

// Read looks at the targets of cfg, at most ten of a service, once or twice. Services come in order of
// their names. An error means that nothing could be begun or that ctx has ended.
func Read(ctx context.Context, cfg prometheus.Config, o Options) ([]*Service, []Failure, error) {
	p, err := prometheus.New(cfg, prometheus.Deps{Version: o.Version})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the scrape configs: %w", err)
	}
	p.SetInterest(collector.Interest{AllNames: true, Histograms: true, Match: func(labels.Labels) bool { return true }})
	ctx, cancel := context.WithCancel(ctx)
	updates, ended := make(chan []collector.Job), make(chan error, 1)
	go func() {
		ended <- p.Run(ctx, func(jobs []collector.Job) {
			select {
			case updates <- jobs:
			case <-ctx.Done():
			}
		})
	}()
	running := true
	defer func() {
		if cancel(); running {
			<-ended //nolint:errcheck // it was told to end
		}
	}()
	jobs, err := found(ctx, cfg, updates, ended)
	if err != nil {
		running = false
		return nil, nil, err
	}
	// What discovery finds from here on comes too late.
	var late sync.WaitGroup
	late.Go(func() {
		for {
			select {
			case <-updates:
			case <-ctx.Done():
				return
			}
		}
	})
	defer late.Wait()
	defer cancel()
	r := newReader(jobs, o)
	err = r.read(ctx)
	return r.services, r.failures, err
}

// found waits until discovery has found targets for every job and no more come, or for as long as that may take.
func found(ctx context.Context, cfg prometheus.Config, updates <-chan []collector.Job, ended <-chan error) ([]collector.Job, error) {
	var jobs []collector.Job
	all := time.NewTimer(settle)
	defer all.Stop()
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case jobs = <-updates:
			groups := map[string]bool{}
			for _, j := range jobs {
				groups[j.Group] = true
			}
			if written(cfg) {
				return jobs, nil
			}
			if len(groups) == len(cfg.ScrapeConfigs) {
				quiet.Reset(settleBetween)
			}
		case <-quiet.C:
			return jobs, nil
		case <-all.C:
			return jobs, nil
		case err := <-ended:
			return nil, cmp.Or(err, context.Cause(ctx), errors.New("service discovery has ended"))
		}
	}
}

// written reports whether every target stands in the configuration, so that the first answer is all.
func written(cfg prometheus.Config) bool {
	return !slices.ContainsFunc(cfg.ScrapeConfigs, func(sc prometheus.ScrapeConfig) bool {
		return len(sc.FileSDConfigs)+len(sc.DNSSDConfigs)+len(sc.HTTPSDConfigs)+len(sc.Others) > 0
	})
}

// reader looks at targets and sorts what they expose into services.
type reader struct {
	o     Options
	looks []*look

	mu       sync.Mutex
	left     int // series that may still be kept
	services []*Service
	failures []Failure
}

// look is one target with what it exposed first.
type look struct {
	job     collector.Job
	service *Service
	first   map[uint64]point // by the series' hash
	at      time.Time
}

func newReader(jobs []collector.Job, o Options) *reader {
	r := &reader{o: o, left: maxSeries}
	slices.SortFunc(jobs, func(a, b collector.Job) int { return strings.Compare(string(a.Target), string(b.Target)) })
	known := map[[2]string]*Service{}
	for _, j := range jobs {
		label, name := ServiceLabel(j.Labels)
		key := [2]string{j.Labels.Get(model.JobLabel), name}
		s := known[key]
		if s == nil {
			s = &Service{Name: name, Job: key[0], families: map[string]*family{}}
			if o.Unnamed {
				s.Name, s.Job = "", ""
			}
			if o.Scoped {
				s.scope = scopeOf(j.Labels, label)
			}
			known[key] = s
			r.services = append(r.services, s)
		}
		if s.Targets++; s.Targets <= maxTargets {
			r.looks = append(r.looks, &look{job: j, service: s})
		}
	}
	slices.SortFunc(r.services, func(a, b *Service) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Job, b.Job))
	})
	return r
}

// scopeOf are the matchers that tell a service's series from those of others.
func scopeOf(ls labels.Labels, label string) []*labels.Matcher {
	var out []*labels.Matcher
	for _, name := range []string{model.JobLabel, label} {
		if value := ls.Get(name); value != "" && (name != label || label != model.JobLabel || len(out) == 0) {
			out = append(out, labels.MustNewMatcher(labels.MatchEqual, name, value))
		}
	}
	return slices.CompactFunc(out, func(a, b *labels.Matcher) bool { return a.Name == b.Name })
}

func (r *reader) read(ctx context.Context) error {
	r.all(ctx)
	if r.o.Watch > 0 && ctx.Err() == nil {
		if err := r.o.Wait(ctx, r.o.Watch); err != nil {
			return err
		}
		r.all(ctx)
	}
	for _, s := range r.services {
		s.finish()
	}
	slices.SortFunc(r.failures, func(a, b Failure) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Target, b.Target))
	})
	return context.Cause(ctx)
}

// all looks at every target, a few at once.
func (r *reader) all(ctx context.Context) {
	work := make(chan *look)
	var wg sync.WaitGroup
	for range looksAtOnce {
		wg.Go(func() {
			for l := range work {
				r.once(ctx, l)
			}
		})
	}
	for _, l := range r.looks {
		work <- l
	}
	close(work)
	wg.Wait()
}

// once looks at one target. One that failed the first time is not looked at again.
func (r *reader) once(ctx context.Context, l *look) {
	if l.service == nil {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.job.Timeout, fmt.Errorf("%w after %s", collector.ErrTimeout, l.job.Timeout))
	defer cancel()
	l.job.Source.Collect(ctx, r.o.Now(), func(c collector.Cycle) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if l.first == nil {
			if r.left -= len(c.Samples); r.left < 0 {
				r.left += len(c.Samples)
				c.Err = fmt.Errorf("not read, since the targets before it expose close to %d series", maxSeries)
			}
		}
		if c.Err != nil {
			r.failures = append(r.failures, Failure{Service: l.service.Name, Target: bare(l.job.URL), Err: readable(c.Err)})
			l.service.failed++
			l.service = nil
			return
		}
		if l.first == nil {
			l.at, l.first = c.At, l.service.add(c.Samples)
			return
		}
		l.service.again(c.Samples, l.first, c.At.Sub(l.at))
	})
}

// readable is an error without anything sensitive that it repeats of an answer.
func readable(err error) error {
	text := maskText(err.Error())
	for _, known := range []struct{ sign, hint string }{ // the first that fits
		{"answers HTTP status 30", ", and the redirect is not followed: name the address itself"},
		{"x509: ", "; tls_config of an agent file's scrape config says which authority is trusted"},
		{`"text/html`, ": it is a page for people, so name the path of its metrics, such as /metrics"},
	} {
		if strings.Contains(text, known.sign) {
			return errors.New(text + known.hint)
		}
	}
	return errors.New(text)
}

// bare is a URL without its parameters, which may be secrets.
func bare(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "a target whose URL cannot be read"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// serviceLabels say which service a target is of, the first that it has. Those with underscores are what
// service discovery of Kubernetes makes of the recommended labels.
func serviceLabels() []string {
	return []string{"service", "app_kubernetes_io_name", "app", "k8s_app", model.JobLabel}
}

// ServiceLabel gives the label that says which service a target with these labels is of, and its value:
// service, the labels that Kubernetes recommends, or job. A target without any has neither.
func ServiceLabel(ls labels.Labels) (name, value string) {
	for _, name := range serviceLabels() {
		if value := ls.Get(name); value != "" {
			return name, value
		}
	}
	return "", ""
}
