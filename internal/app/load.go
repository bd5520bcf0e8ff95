package app

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/generate"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

// LoadOptions say what to read.
type LoadOptions struct {
	Path   string    // the agent file
	Strict bool      // refuse objectives that OpenSLO's schema forbids
	Now    time.Time // to warn of built-in calendars whose data end; zero: no warning
	Folder string    // of Grafana, in place of generate.grafana.folder; empty: that of the section
}

// Loaded is a configuration that has been read, with everything it names.
type Loaded struct {
	Config     config.Config
	Objectives []spec.Objective
	Policies   []spec.BudgetPolicy
	Calendars  []*calendar.Business
	Builtins   []string                 // built-in calendars that the documents use
	plans      map[string]collectorPlan // by kind
	hooks      []hookPlan
	deploy     []deployPlan
	generate   generate.Config
}

// Load reads the agent file, the objectives and every section, and checks them against each other.
// It starts nothing and connects to nothing. With an error among the problems Loaded is incomplete.
func Load(opts LoadOptions) (Loaded, problem.List) {
	cfg, problems := config.Load(opts.Path)
	l := Loaded{Config: cfg, plans: map[string]collectorPlan{}, generate: generate.Default()}
	for _, s := range cfg.Collectors {
		read := collectorKinds()[s.Kind]
		if read == nil {
			problems = append(problems, s.UnknownKind(slices.Sorted(maps.Keys(collectorKinds()))))
			continue
		}
		plan, found := read(s, cfg)
		l.plans[s.Kind] = plan
		problems = append(problems, found...)
	}
	for kind, read := range collectorKinds() {
		if _, written := l.plans[kind]; !written {
			// It has nothing to look at, and a reload can give it something.
			l.plans[kind], _ = read(config.Section{Kind: kind}, cfg)
		}
	}
	for _, s := range cfg.Exporters {
		problems = append(problems, s.UnknownKind(nil))
	}
	for _, s := range cfg.Hooks {
		if s.Kind == "" {
			continue // told of already
		}
		read := hookKinds()[s.Kind]
		if read == nil {
			problems = append(problems, s.UnknownKind(slices.Sorted(maps.Keys(hookKinds()))))
			continue
		}
		plan, found := read(s, cfg)
		l.hooks = append(l.hooks, plan)
		problems = append(problems, found...)
	}
	if cfg.Generate.Written() {
		problems = append(problems, cfg.Generate.Decode(&l.generate)...)
	}
	problems = append(problems, l.readDeploy(cmp.Or(opts.Folder, l.generate.Grafana.Folder))...)
	how := spec.Options{Strict: opts.Strict, ScrapeInterval: l.interval(problems), Now: opts.Now, Currency: cfg.Global.ReportingCurrency}
	if p := l.transactions(); p != nil {
		how.Rails = p.rails
	}
	set, found := spec.LoadGlobs(cfg.Objectives, "", how)
	l.Objectives, l.Policies, l.Calendars, l.Builtins = set.Objectives, set.Policies, set.Calendars, set.Builtins
	problems = append(problems, found...)
	if problems.Errors() == 0 { // a mistake in one part would show as several between parts
		problems = append(problems, l.crossCheck()...)
	}
	problems.Sort()
	// A hook's name is checked where hooks are listed and where its policy is read.
	return l, slices.CompactFunc(problems, func(a, b problem.Problem) bool {
		return a.Got != "" && a.Got == b.Got && a.Path == b.Path && a.File == b.File && a.Line == b.Line && a.Column == b.Column
	})
}

// crossCheck finds what is wrong between parts that are right by themselves.
func (l *Loaded) crossCheck() problem.List {
	var problems problem.List
	var names []string
	looks := map[string]time.Duration{} // how often what feeds an objective is looked at
	for i := range l.Objectives {
		o := &l.Objectives[i]
		names = append(names, o.Name)
		if o.Composite == nil {
			problems = append(problems, l.checkObjective(o, looks)...)
		}
	}
	for i := range l.Objectives { // a composite knows no more than its slowest member
		o := &l.Objectives[i]
		if o.Composite == nil {
			continue
		}
		interval := time.Duration(0)
		for _, m := range o.Composite.Members {
			interval = max(interval, looks[m.Objective])
		}
		problems = append(problems, l.checkTiers(o, interval)...)
	}
	for i := range l.Policies {
		problems = append(problems, l.checkPolicy(&l.Policies[i])...)
		problems = append(problems, l.checkReach(&l.Policies[i])...)
	}
	for _, h := range l.hooks {
		for _, p := range h.policy.Unmatched(names) {
			problems = append(problems, h.section.Problem(p))
		}
	}
	return problems
}

// minLooks is how many looks the shortest window of an objective has to hold.
const minLooks = 4

// checkObjective finds what is wrong between an objective and what feeds it, and notes how often that is
// looked at.
func (l *Loaded) checkObjective(o *spec.Objective, looks map[string]time.Duration) problem.List {
	var problems problem.List
	interval := time.Duration(0) // of the fastest job that can feed it
	for _, s := range o.Selectors() {
		fed := false
		for _, p := range l.plans {
			for _, j := range p.jobs {
				if j.feeds(s) {
					fed = true
					if interval == 0 || j.interval < interval {
						interval = j.interval
					}
				}
			}
		}
		if !fed {
			problems = append(problems, problem.Problem{File: o.File, Line: o.Line, Path: o.Name, Message: "no configured collector yields this series, so the objective will stay unknown", Got: s.Text,
				Allowed: "a selector that some scrape config's targets match", Warning: true})
		}
	}
	looks[o.Name] = interval
	return append(problems, l.checkTiers(o, interval)...)
}

// checkPolicy finds hooks and tiers that a policy names and that do not exist.
func (l *Loaded) checkPolicy(p *spec.BudgetPolicy) problem.List {
	var problems problem.List
	var calls []string
	for _, h := range l.hooks {
		calls = append(calls, h.policy.Name)
	}
	tiers := []string{"any", string(burnrate.Page), string(burnrate.Ticket), slo.FastTier}
	for _, o := range l.Objectives {
		if slices.ContainsFunc(p.Objectives, func(pattern string) bool { return spec.NameMatches(pattern, o.Name) }) {
			for _, t := range slo.TiersFor(o.Window.Length, o.MinTierWindow, l.engineOptions().Tiers) {
				tiers = append(tiers, t.Name)
			}
		}
	}
	slices.Sort(tiers)
	tiers = slices.Compact(tiers)
	for _, r := range p.Rules {
		if r.Hook != "" && !slices.Contains(calls, r.Hook) {
			problems = append(problems, r.At.Problem(problem.Problem{Path: "hook", Got: r.Hook,
				Message: "no hook has this name" + strictyaml.DidYouMean(r.Hook, calls), Allowed: "the name of one of the agent file's hooks"}))
		}
		if r.Firing != "" && !slices.Contains(tiers, r.Firing) {
			problems = append(problems, r.At.Problem(problem.Problem{Path: "when.firing", Got: r.Firing,
				Message: "none of the policy's objectives has this tier", Allowed: strings.Join(tiers, ", "), Warning: true}))
		}
	}
	return problems
}

// checkTiers tells the objective how short its burn tiers may be, and finds those that would fire on noise,
// always or never.
func (l *Loaded) checkTiers(o *spec.Objective, interval time.Duration) problem.List {
	o.MinTierWindow = minLooks * interval
	var problems problem.List
	tell := func(p problem.Problem) {
		p.File, p.Line, p.Path = o.File, o.Line, o.Name
		problems = append(problems, p)
	}
	custom := l.engineOptions().Tiers
	short := func(t burnrate.Tier) string {
		return fmt.Sprintf("burn alert %s looks at %s, which holds fewer than %d looks at one every %v", t.Name, burnrate.Text(t.Short), minLooks, interval)
	}
	all, kept := slo.TiersFor(o.Window.Length, 0, custom), slo.TiersFor(o.Window.Length, o.MinTierWindow, custom)
	switch i := slices.IndexFunc(all, func(t burnrate.Tier) bool { return t.Short < o.MinTierWindow }); {
	case i < 0:
	case len(kept) == 0 || len(custom) > 0:
		tell(problem.Problem{Message: short(all[i]), Allowed: "a longer window, a shorter scrape_interval, or burn_alerts of your own"})
	default:
		tell(problem.Problem{Message: short(all[i]) + " and is left out", Allowed: "a shorter scrape_interval, or burn_alerts of your own", Warning: true})
	}
	for _, t := range kept {
		switch {
		case len(custom) > 0 && t.Factor < 1:
			tell(problem.Problem{Message: fmt.Sprintf("burn alert %s fires at %.2f times the even burn, on a service that keeps its promise", t.Name, t.Factor),
				Allowed: "a budget that is a larger share than long is of the window", Warning: true})
		case o.Target > 0 && o.Target < 1 && t.Factor > 1/(1-o.Target)*(1+1e-9):
			tell(problem.Problem{Message: fmt.Sprintf("burn alert %s can never fire: it asks for %.4g times the even burn, and a total outage is %.4g times", t.Name, t.Factor, 1/(1-o.Target)),
				Allowed: "a higher objective, a shorter window, or burn_alerts of your own", Warning: true})
		}
	}
	return problems
}

// feeds reports whether the job's targets can carry a series that s selects, as far as the
// configuration tells.
func (j job) feeds(s *spec.Selector) bool {
	if name := s.MetricName(); j.yields != nil && name != "" && !j.yields(name) {
		return false
	}
	if j.relabels {
		return true
	}
	if j.targets == nil { // discovered: only the job's name is known
		return agrees(s, map[string]string{"job": j.name})
	}
	return slices.ContainsFunc(j.targets, func(given map[string]string) bool { return agrees(s, given) })
}

// agrees reports whether no matcher of s contradicts the labels given, which are those of a target and so
// those of its series.
func agrees(s *spec.Selector, given map[string]string) bool {
	return !slices.ContainsFunc(s.Matchers, func(m *labels.Matcher) bool {
		value, set := given[m.Name]
		return set && !m.Matches(value)
	})
}

// interval is how often objectives are fed at best. While the agent file has mistakes it is not
// known, and nothing is held against it.
func (l *Loaded) interval(problems problem.List) time.Duration {
	if problems.Errors() > 0 {
		return time.Millisecond
	}
	return l.fastest()
}

// fastest is the shortest interval of any job; the global one when there is none.
func (l *Loaded) fastest() time.Duration {
	shortest := time.Duration(0)
	for _, p := range l.plans {
		for _, j := range p.jobs {
			if shortest == 0 || j.interval < shortest {
				shortest = j.interval
			}
		}
	}
	if shortest == 0 {
		return l.Config.Global.ScrapeInterval
	}
	return shortest
}

func (l *Loaded) engineOptions() slo.Options {
	opts := slo.Options{MinCoverage: float64(l.Config.Global.MinCoverageRatio), Retention: l.Config.Storage.Retention, NoFastTier: !l.Config.Global.FastPage}
	for _, b := range l.Config.BurnAlerts {
		opts.Tiers = append(opts.Tiers, slo.TierRule{Severity: b.Severity, Long: b.Long, Short: b.Short, BudgetRatio: float64(b.Budget), OfRemaining: b.OfRemaining()})
	}
	return opts
}

func (l *Loaded) policies() []hooks.Policy {
	var out []hooks.Policy
	for _, h := range l.hooks {
		out = append(out, h.policy)
	}
	return out
}

// runners makes what each hook calls, by the hook's name.
func (l *Loaded) runners(d Deps) (map[string]hooks.Runner, error) {
	out := map[string]hooks.Runner{}
	for _, h := range l.hooks {
		r, err := h.make(d)
		if err != nil {
			return nil, fmt.Errorf("making hook %s: %w", h.policy.Name, err)
		}
		out[h.policy.Name] = r
	}
	return out, nil
}

// refresh is how often an open page asks for news: as often as there can be any.
func (l *Loaded) refresh() time.Duration {
	return min(2*time.Second, max(500*time.Millisecond, l.Config.Global.EvaluationInterval))
}

// Jobs is how many groups of targets are configured.
func (l *Loaded) Jobs() int {
	n := 0
	for _, p := range l.plans {
		if p.transactions == nil { // its series have a job too
			n += len(p.jobs)
		}
	}
	return n
}

// HookCount is how many hooks are configured.
func (l *Loaded) HookCount() int { return len(l.hooks) }
