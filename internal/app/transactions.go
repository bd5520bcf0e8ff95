package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/httpin"
	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/internal/backup"
	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/reason"
)

// transactionsPlan is the section collectors.transactions as configured, with all files it names.
type transactionsPlan struct {
	section config.Section
	cfg     transactions.Config
	rails   rail.Set
	reasons *reason.Table
	rates   *transactions.Rates
	sources []sourcePlan
	http    httpin.Config
	bodies  map[string]transactions.Decoder // by media type
}

// readTransactions reads the section. One that is not written is a collector that nothing is told.
func readTransactions(s config.Section, c config.Config) (collectorPlan, problem.List) {
	plan := collectorPlan{make: idleProvider, prepare: func(provider) (func(), error) { return func() {}, nil }}
	if !s.Written() {
		return plan, nil
	}
	both := struct {
		Config transactions.Config `yaml:",inline"`
		HTTP   strictyaml.Node     `yaml:"http"`
	}{Config: transactions.Default()}
	problems := s.Decode(&both)
	p := &transactionsPlan{section: s, cfg: both.Config}
	problems = append(problems, p.readHTTP(both.HTTP)...)
	problems = append(problems, p.readRails(c)...)
	problems = append(problems, p.readReasons(c)...)
	problems = append(problems, p.readRates(c)...)
	problems = append(problems, p.readSources(c)...)
	plan.transactions = p
	// Its series carry no labels of a target.
	plan.jobs = []job{{name: string(transactions.TargetName), interval: c.Global.ScrapeInterval, targets: []map[string]string{{}}, yields: metricname.OfMovements}}
	plan.make = func(d Deps) (provider, error) {
		return transactions.NewProvider(d.Tracker, c.Global.ScrapeInterval), nil
	}
	return plan, problems
}

// glob lists the files of patterns relative to the agent file; a pattern that finds none is a mistake.
func (p *transactionsPlan) glob(key string, patterns []string, c config.Config, read func(file string, data []byte) problem.List) problem.List {
	var problems problem.List
	for _, pattern := range patterns {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(c.Dir, pattern)
		}
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			problems = append(problems, p.section.Problem(problem.Problem{Path: key, Message: "finds no file", Got: pattern}))
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				problems = append(problems, p.section.Problem(problem.Problem{Path: key, Message: err.Error()}))
				continue
			}
			problems = append(problems, read(file, data)...)
		}
	}
	return problems
}

func (p *transactionsPlan) readRails(c config.Config) problem.List {
	set, err := rail.Builtin()
	if err != nil {
		return problem.List{p.section.Problem(problem.Problem{Message: err.Error()})}
	}
	p.rails = set
	return p.glob("rail_files", p.cfg.RailFiles, c, func(file string, data []byte) problem.List {
		rails, found := rail.Parse(file, data)
		p.rails = p.rails.With(rails)
		return found
	})
}

func (p *transactionsPlan) readReasons(c config.Config) problem.List {
	table, err := reason.Builtin()
	if err != nil {
		return problem.List{p.section.Problem(problem.Problem{Message: err.Error()})}
	}
	p.reasons = table
	return p.glob("reason_files", p.cfg.ReasonFiles, c, func(file string, data []byte) problem.List {
		pack, found := reason.Parse(file, data)
		p.reasons = p.reasons.With(pack)
		return found
	})
}

func (p *transactionsPlan) readRates(c config.Config) problem.List {
	if p.cfg.RatesFile == "" {
		return nil
	}
	tell := func(err error) problem.List {
		return problem.List{p.section.Problem(problem.Problem{Path: "rates_file", Message: err.Error(), Got: p.cfg.RatesFile})}
	}
	if c.Global.ReportingCurrency == "" {
		return tell(errors.New("has rates into no currency: global.reporting_currency is not set"))
	}
	path := p.cfg.RatesFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.Dir, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return tell(err)
	}
	defer f.Close()
	if p.rates, err = transactions.ReadRates(f); err != nil {
		return tell(err)
	}
	return nil
}

// years are those that calendars of rails are made for: deadlines of now, and of what replay looks back at.
const firstYear, lastYear = 1990, 2150

// rules gives what the tracker goes by. Calendars of the objectives' documents come before those built in.
func (l *Loaded) rules() (transactions.Rules, error) {
	p := l.transactions()
	r := transactions.Rules{
		Rails: map[string]*rail.Rail{}, Calendars: map[string]*calendar.Business{}, Reasons: p.reasons, Rates: p.rates,
		Reporting: l.Config.Global.ReportingCurrency, Assets: p.cfg.Assets, Config: p.cfg,
	}
	for i := range p.rails.All() {
		one := &p.rails.All()[i]
		r.Rails[one.Name] = one
		for _, name := range []string{one.Calendar, one.Deadline.Settles} {
			if err := l.calendar(name, r.Calendars); err != nil {
				return r, fmt.Errorf("rail %s: %w", one.Name, err)
			}
		}
	}
	return r, nil
}

// calendar finds one by its name, unless it is there already.
func (l *Loaded) calendar(name string, known map[string]*calendar.Business) error {
	if name == "" || known[name] != nil {
		return nil
	}
	if i := slices.IndexFunc(l.Calendars, func(b *calendar.Business) bool { return b.Name == name }); i >= 0 {
		known[name] = l.Calendars[i]
		return nil
	}
	b, _, err := calendar.Builtin(name, firstYear, lastYear)
	known[name] = b
	return err
}

// transactions is the section's plan; nil: it is not written.
func (l *Loaded) transactions() *transactionsPlan { return l.plans["transactions"].transactions }

// idle is a collector that has nothing to look at.
type idle struct{}

func idleProvider(Deps) (provider, error) { return idle{}, nil }

func (idle) Run(ctx context.Context, update func([]collector.Job)) error {
	update(nil)
	<-ctx.Done()
	return nil
}

func (idle) SetInterest(collector.Interest) {}

// openTransactions opens the journal of movements, if there is a section for them.
func (a *App) openTransactions(context.Context) error {
	p := a.loaded().transactions()
	if p == nil {
		return nil
	}
	rules, err := a.loaded().rules()
	if err != nil {
		return fmt.Errorf("reading rails: %w", err)
	}
	log := a.log.With("component", "transactions")
	j, err := journal.Open(a.journalDir(), journal.Options{MaxRecords: p.cfg.MaxRecords, Log: log})
	if err != nil {
		return fmt.Errorf("opening the journal of transactions: %w", err)
	}
	a.journal = j
	a.onStop("journal of transactions", func(context.Context) error { return j.Close() })
	a.tracker, err = transactions.New(transactions.Deps{Journal: j, Rules: rules, Now: a.now, Log: log})
	if err != nil {
		return fmt.Errorf("following transactions: %w", err)
	}
	a.sources = &sources{app: a}
	return a.sources.prepare(p.sources)
}

func (a *App) journalDir() string { return backup.JournalDir(a.loaded().Config.Storage.Path) }

// startTransactions follows movements and reads sources until Stop.
func (a *App) startTransactions(ctx context.Context) {
	if a.tracker == nil {
		return
	}
	release := a.tracker.Hold() // nothing fires before the sources hold deadlines themselves
	a.background(ctx, "transactions", func(ctx context.Context) {
		if err := a.tracker.Run(ctx); err != nil {
			a.fail(fmt.Errorf("following transactions: %w", err))
		}
	})
	a.background(ctx, "sources of transactions", func(ctx context.Context) { a.sources.run(ctx, release) })
}

// reloadTransactions does all of a reload that can fail, and gives the rest.
func (a *App) reloadTransactions(next *Loaded) (apply func(), err error) {
	p := next.transactions()
	switch {
	case p == nil && a.tracker == nil:
		return func() {}, nil
	case p == nil || a.tracker == nil:
		return nil, errors.New("reloading: collectors.transactions cannot come or go while the agent runs; restart it")
	case p.cfg.MaxRecords != a.loaded().transactions().cfg.MaxRecords:
		return nil, errors.New("reloading: collectors.transactions.max_records cannot change while the agent runs; restart it")
	case next.Config.Global.ReportingCurrency != a.loaded().Config.Global.ReportingCurrency:
		return nil, errors.New("reloading: global.reporting_currency cannot change while the agent runs: what was counted in one would go on in another; restart it")
	}
	rules, err := next.rules()
	if err != nil {
		return nil, fmt.Errorf("reloading rails: %w", err)
	}
	swap, err := a.sources.make(p.sources)
	if err != nil {
		return nil, err
	}
	return func() {
		if err := a.tracker.SetRules(rules); err != nil {
			a.log.Error("rails stay those from before", "err", err)
		}
		swap()
	}, nil
}

// transactionRoutes are the routes about movements.
func (a *App) transactionRoutes() map[string]http.Handler {
	if a.tracker == nil {
		return nil
	}
	return map[string]http.Handler{"/api/v1/transactions": a.transactionsHandler()}
}

// transactionsHandler takes events in, and says how each rail stands.
func (a *App) transactionsHandler() http.Handler {
	p := a.loaded().transactions()
	in := httpin.New(httpin.Deps{Sink: a.tracker, Decoders: p.bodies, Limits: p.http, Log: a.log.With("component", "transactions"), Stopping: a.tracker.Stopped()})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			in.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		answer := struct {
			Rails    []transactions.Summary      `json:"rails"`
			Unmapped []transactions.UnmappedCode `json:"unmapped_codes"`
		}{append([]transactions.Summary{}, a.tracker.Summaries()...), append([]transactions.UnmappedCode{}, a.tracker.Unmapped()...)}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			a.log.Debug("answering about transactions", "err", err)
		}
	})
}
