package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/httpin"
	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

// sourcePlan is one way in as configured, not yet made.
type sourcePlan struct {
	name string
	make func(Deps) (transactions.Source, error)
}

// sourceDeps are what sources are wired to.
type sourceDeps struct {
	decoders map[string]transactions.Decoder // by format
	log      *slog.Logger
}

// sourceKind reads one entry of collectors.transactions.sources.
type sourceKind func(n strictyaml.Node, dir string) (func(Deps) (transactions.Source, error), problem.List)

// sourceOf makes a sourceKind of a variant's defaults, whose Config has name, kind and format among its keys, and
// its constructor. The settings of formats stand beside them.
func sourceOf[C any](defaults func() C, make func(c C, d sourceDeps) (transactions.Source, error)) sourceKind {
	return func(n strictyaml.Node, dir string) (func(Deps) (transactions.Source, error), problem.List) {
		both := struct {
			Variant C       `yaml:",inline"`
			Formats formats `yaml:",inline"`
		}{Variant: defaults()}
		problems := n.Decode(&both)
		if v, ok := any(&both.Variant).(interface{ SetDirectory(dir string) }); ok {
			v.SetDirectory(dir)
		}
		decoders, found := both.Formats.decoders(n, n.At("format").Text())
		return func(d Deps) (transactions.Source, error) {
			return make(both.Variant, sourceDeps{decoders, d.Log.With("component", "transactions")})
		}, append(problems, found...)
	}
}

// formats are the settings of formats that have any.
type formats struct {
	ISO20022 strictyaml.Node `yaml:"iso20022"`
	NACHA    strictyaml.Node `yaml:"nacha"`
	FIX      strictyaml.Node `yaml:"fix"`
	ISO8583  strictyaml.Node `yaml:"iso8583"`
}

// formatKind reads the settings of one format.
type formatKind func(n strictyaml.Node) (transactions.Decoder, problem.List)

func formatOf[C any](defaults func() C, make func(C) (transactions.Decoder, error)) formatKind {
	return func(n strictyaml.Node) (transactions.Decoder, problem.List) {
		c := defaults()
		if problems := n.Decode(&c); problems.Err() != nil {
			return nil, problems
		}
		d, err := make(c)
		if err != nil {
			return nil, problem.List{n.Problem(problem.Problem{Message: err.Error()})}
		}
		return d, nil
	}
}

// decoders makes those of the format used and of all that settings are written for.
func (f *formats) decoders(at strictyaml.Node, used string) (map[string]transactions.Decoder, problem.List) {
	var problems problem.List
	out := map[string]transactions.Decoder{}
	for name, read := range formatKinds() {
		n := at.At(name)
		if !n.Exists() && name != used && name != "ndjson" {
			continue
		}
		d, found := read(n)
		out[name] = d
		problems = append(problems, found...)
	}
	if used != "" && formatKinds()[used] == nil {
		problems = append(problems, at.At("format").Wrong(strings.Join(slices.Sorted(maps.Keys(formatKinds())), ", ")))
	}
	return out, problems
}

// readHTTP reads how events are taken over HTTP: XML only where its settings are written.
func (p *transactionsPlan) readHTTP(n strictyaml.Node) problem.List {
	both := struct {
		Config  httpin.Config `yaml:",inline"`
		Formats formats       `yaml:",inline"`
	}{Config: httpin.Default()}
	problems := n.Decode(&both)
	p.http = both.Config
	decoders, found := both.Formats.decoders(n, "")
	p.bodies = map[string]transactions.Decoder{}
	for media, format := range map[string]string{"application/json": "ndjson", "application/x-ndjson": "ndjson", "application/cloudevents+json": "ndjson",
		"application/cloudevents-batch+json": "ndjson", "application/xml": "iso20022", "text/xml": "iso20022"} {
		if d := decoders[format]; d != nil {
			p.bodies[media] = d
		}
	}
	return append(problems, found...)
}

func (p *transactionsPlan) readSources(c config.Config) problem.List {
	var problems problem.List
	lines := map[string]int{}
	for _, n := range p.cfg.Sources {
		name, kind := n.At("name"), n.At("kind")
		read := sourceKinds()[kind.Text()]
		switch {
		case !config.ValidName(name.Text()):
			problems = append(problems, name.Wrong("lower-case letters, digits and dashes, at most 63"))
		case lines[name.Text()] > 0:
			problems = append(problems, name.Problem(problem.Problem{Message: fmt.Sprintf("a source of this name is already on line %d", lines[name.Text()]), Got: name.Text()}))
		case read == nil:
			problems = append(problems, kind.Wrong(strings.Join(slices.Sorted(maps.Keys(sourceKinds())), ", ")))
		default:
			lines[name.Text()] = name.Line()
			make, found := read(n, c.Dir)
			problems = append(problems, found...)
			p.sources = append(p.sources, sourcePlan{name.Text(), make})
		}
	}
	return problems
}

// sources runs the ways in, and other ones after a reload.
type sources struct {
	app     *App
	mu      sync.Mutex
	next    []namedSource
	changed chan struct{}
}

type namedSource struct {
	name   string
	source transactions.Source
}

// prepare makes all sources of a plan; run takes them up.
func (s *sources) prepare(plans []sourcePlan) error {
	apply, err := s.make(plans)
	if err == nil {
		apply()
	}
	return err
}

func (s *sources) make(plans []sourcePlan) (apply func(), err error) {
	var all []namedSource
	for _, p := range plans {
		one, err := p.make(s.app.deps())
		if err != nil {
			return nil, fmt.Errorf("making source %s: %w", p.name, err)
		}
		all = append(all, namedSource{p.name, one})
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.next = all
		if s.changed != nil {
			close(s.changed)
		}
		s.changed = make(chan struct{})
	}, nil
}

// run runs them until ctx ends; it calls held once all that are there at the start hold deadlines.
func (s *sources) run(ctx context.Context, held func()) {
	for ctx.Err() == nil {
		s.mu.Lock()
		all, changed := s.next, s.changed
		s.mu.Unlock()
		round, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		for _, one := range all {
			release := s.app.tracker.Hold()
			wg.Go(func() {
				defer release()
				s.keep(round, one, release)
			})
		}
		held()
		select {
		case <-ctx.Done():
		case <-changed:
		}
		cancel()
		wg.Wait()
	}
}

// sourceRetry is how long a source that has ended rests before it is run again.
const sourceRetry = 10 * time.Second

// keep runs one source, again and again if it ends by itself.
func (s *sources) keep(ctx context.Context, one namedSource, caughtUp func()) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.app.health.Clear(health.SourceFailing, one.name)
			return
		case <-timer.C:
		}
		err := one.source.Run(ctx, s.app.tracker, caughtUp)
		if ctx.Err() != nil {
			continue
		}
		s.app.health.Report(health.SourceFailing, one.name, err)
		s.app.log.Error("a source of transactions has ended, it is begun again", "source", one.name, "err", err, "in", sourceRetry)
		timer.Reset(sourceRetry)
	}
}
