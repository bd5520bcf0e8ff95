package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/assayer-io/assayer/alerts/runbook"
	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/generate"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/spec"
)

// maxReceiversBytes bounds the file of Alertmanager's receivers.
const maxReceiversBytes = 1 << 20

// GenerateOptions say what to generate from: an agent file, or objectives alone, or the objectives instead of those that
// the agent file names.
type GenerateOptions struct {
	Config     string   // agent file; empty: none
	Objectives []string // patterns, relative to the working directory
	Strict     bool
	Now        time.Time
	// Whole refuses a pattern that names no file: what is made is going to replace what was made before.
	Whole bool
	// Change lays what was said on the command line over the section generate.
	Change func(*generate.Config)
}

// LoadGenerate reads everything that `assayer generate` makes things from. With an error among the problems the Input is
// not to be used.
func LoadGenerate(o GenerateOptions) (generate.Input, problem.List) {
	l := Loaded{Config: config.Default(), generate: generate.Default()}
	var problems problem.List
	if o.Config != "" {
		l, problems = Load(LoadOptions{Path: o.Config, Strict: o.Strict, Now: o.Now})
		if o.Whole && len(o.Objectives) == 0 {
			refuseEmpty(problems)
		}
	}
	if len(o.Objectives) > 0 && problems.Errors() == 0 {
		how := spec.Options{Strict: o.Strict, ScrapeInterval: l.fastest(), Now: o.Now, Currency: l.Config.Global.ReportingCurrency}
		if p := l.transactions(); p != nil {
			how.Rails = p.rails
		}
		set, found := spec.LoadGlobs(o.Objectives, "", how)
		if o.Whole {
			refuseEmpty(found)
		}
		l.Objectives, problems = set.Objectives, append(problems, found...)
		for i := range l.Objectives {
			l.Objectives[i].MinTierWindow = minLooks * how.ScrapeInterval
		}
	}
	if problems.Errors() > 0 {
		return generate.Input{}, problems
	}
	c := l.generate
	if o.Change != nil {
		o.Change(&c)
		if err := c.Validate(); err != nil {
			return generate.Input{}, append(problems, asProblems(err)...)
		}
	}
	in, err := l.generateInput(c, o.Now)
	if err != nil {
		problems = append(problems, problem.Problem{File: o.Config, Message: err.Error()})
	}
	return in, problems
}

// refuseEmpty makes errors of warnings about patterns that name no file.
func refuseEmpty(l problem.List) {
	for i := range l {
		if spec.NamesNothing(l[i]) {
			l[i].Warning, l[i].Allowed = false, "patterns that name a file each: what was made from the files of before would be deleted"
		}
	}
}

// asProblems gives an error its parts, if it has any.
func asProblems(err error) problem.List {
	if l, ok := errors.AsType[problem.List](err); ok {
		return l
	}
	return problem.List{{Message: err.Error()}}
}

// generateInput is what things are made from by c: what was loaded, the files that c names, and the day, which decides
// for which years holidays are written out.
func (l *Loaded) generateInput(c generate.Config, now time.Time) (generate.Input, error) {
	in := generate.Input{Objectives: generate.Objectives(l.Objectives, l.engineOptions().Tiers)}
	in.Rules.ScrapeInterval = l.fastest()
	in.Dashboards.Currency, in.Hooks = l.Config.Global.ReportingCurrency, l.hooksByObjective()
	if p := l.transactions(); p != nil {
		in.Dashboards.Assets = p.cfg.Assets
	}
	if c.Alertmanager.Receivers != "" && !filepath.IsAbs(c.Alertmanager.Receivers) {
		c.Alertmanager.Receivers = filepath.Join(l.Config.Dir, c.Alertmanager.Receivers)
	}
	var err error
	if in.Rails, err = l.railsInUse(); err != nil {
		return in, err
	}
	if in.Routing.Receivers, err = readReceivers(c.Alertmanager.Receivers); err != nil {
		return in, err
	}
	y, m, d := now.UTC().Date()
	in.Routing.Today = calendar.Date{Year: y, Month: m, Day: d}
	return c.Input(in), nil
}

// railsInUse are those that movements are followed on, and those that objectives name.
func (l *Loaded) railsInUse() ([]rail.Rail, error) {
	if p := l.transactions(); p != nil && p.section.Written() {
		return p.rails.All(), nil
	}
	rails, err := rail.Builtin()
	if err != nil {
		return nil, fmt.Errorf("reading rails: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(rails.All()), func(r rail.Rail) bool {
		return !slices.ContainsFunc(l.Objectives, func(o spec.Objective) bool { return o.Labels["rail"] == r.Name })
	}), nil
}

// hooksByObjective says which hooks may answer when an objective burns.
func (l *Loaded) hooksByObjective() map[string][]runbook.Hook {
	out := map[string][]runbook.Hook{}
	for i := range l.Objectives {
		name := l.Objectives[i].Name
		for _, h := range l.hooks {
			if h.policy.Selects(name) {
				out[name] = append(out[name], runbook.Hook{Name: h.policy.Name, Mode: string(h.policy.Mode)})
			}
		}
	}
	return out
}

// readReceivers reads a file of Alertmanager's receivers; no name, no receivers.
func readReceivers(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading receivers: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxReceiversBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading receivers: %w", err)
	case len(data) > maxReceiversBytes:
		return nil, fmt.Errorf("reading receivers: %s has more than %d bytes", path, maxReceiversBytes)
	}
	return data, nil
}
