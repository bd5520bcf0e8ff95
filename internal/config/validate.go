package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/burnrate"
)

var currency = regexp.MustCompile(`^[A-Z]{3}$`)

// UnmarshalNode lays n over g. A timeout that is not written follows the interval down.
func (g *Global) UnmarshalNode(n strictyaml.Node) problem.List {
	type plain Global
	usual := *g
	problems := n.Decode((*plain)(g))
	intervalRead := !problems.HasAt(n.File(), n.At("scrape_interval").Path()) && g.ScrapeInterval > 0
	if !n.At("scrape_timeout").Exists() {
		g.ScrapeTimeout = min(g.ScrapeTimeout, g.ScrapeInterval)
	}
	var wrong problem.List
	for _, p := range g.mistakes(intervalRead) {
		wrong = append(wrong, n.Problem(p))
	}
	g.mend(usual)
	return problems.Merge(wrong)
}

// mend puts the usual intervals in place of impossible ones, so that what depends on them is not
// found wrong for their sake.
func (g *Global) mend(usual Global) {
	if g.ScrapeInterval <= 0 {
		g.ScrapeInterval = usual.ScrapeInterval
	}
	if g.ScrapeTimeout <= 0 || g.ScrapeTimeout > g.ScrapeInterval {
		g.ScrapeTimeout = min(usual.ScrapeTimeout, g.ScrapeInterval)
	}
}

func (g *Global) mistakes(intervalRead bool) problem.List {
	ps := positive("scrape_interval", g.ScrapeInterval)
	ps = append(ps, positive("evaluation_interval", g.EvaluationInterval)...)
	if g.ScrapeInterval > 0 { // else the timeout may be the interval
		ps = append(ps, positive("scrape_timeout", g.ScrapeTimeout)...)
	}
	if intervalRead && g.ScrapeTimeout > g.ScrapeInterval {
		ps = append(ps, problem.Problem{Path: "scrape_timeout", Message: "is longer than the scrape interval", Got: burnrate.Text(g.ScrapeTimeout), Allowed: "at most " + burnrate.Text(g.ScrapeInterval)})
	}
	if g.ReportingCurrency != "" && !currency.MatchString(g.ReportingCurrency) {
		ps = append(ps, problem.Problem{Path: "reporting_currency", Got: g.ReportingCurrency, Allowed: "three capital letters of ISO 4217 such as EUR"})
	}
	if g.MinCoverageRatio == 0 {
		ps = append(ps, problem.Problem{Path: "min_coverage_ratio", Message: "with nothing observed nothing can be said", Got: "0", Allowed: "a ratio above 0, at most 1"})
	}
	for name := range g.ExternalLabels {
		if !model.LegacyValidation.IsValidLabelName(name) || strings.HasPrefix(name, "__") {
			ps = append(ps, problem.Problem{Path: "external_labels[" + fmt.Sprintf("%q", name) + "]", Message: "not a label name", Got: name, Allowed: "letters, digits and _, not beginning with a digit or __"})
		}
	}
	ps.Sort()
	return ps
}

func positive(path string, d time.Duration) problem.List {
	if d > 0 {
		return nil
	}
	return problem.List{{Path: path, Got: burnrate.Text(d), Allowed: "a duration above 0"}}
}

// Validate reports what cannot be kept.
func (s *Storage) Validate() error {
	ps := positive("checkpoint_interval", s.CheckpointInterval)
	if s.Path == "" {
		ps = append(ps, problem.Problem{Path: "path", Message: "has no value", Allowed: "a folder"})
	}
	if s.Retention < time.Hour {
		ps = append(ps, problem.Problem{Path: "retention", Got: burnrate.Text(s.Retention), Allowed: "at least 1h, and as long as the longest window"})
	}
	return ps.Err()
}

// Validate reports what is no tier.
func (b *BurnAlert) Validate() error {
	ps := append(positive("long", b.Long), positive("short", b.Short)...)
	if b.Long > 0 && b.Short >= b.Long {
		ps = append(ps, problem.Problem{Path: "short", Message: "is not shorter than the long window", Got: burnrate.Text(b.Short), Allowed: "below " + burnrate.Text(b.Long)})
	}
	if b.Budget <= 0 {
		ps = append(ps, problem.Problem{Path: "budget", Message: "is what may be spent in the long window", Allowed: "a share of the budget such as 2%"})
	}
	if b.Severity != burnrate.Page && b.Severity != burnrate.Ticket {
		ps = append(ps, problem.Problem{Path: "severity", Got: string(b.Severity), Allowed: "page or ticket"})
	}
	if b.Of != "" && b.Of != ofRemaining {
		ps = append(ps, problem.Problem{Path: "of", Got: b.Of, Allowed: ofRemaining + ", or nothing for the whole budget"})
	}
	return ps.Err()
}

// ofRemaining measures a tier against what is left of the budget.
const ofRemaining = "remaining"

// OfRemaining reports whether the tier measures against what is left of the budget.
func (b *BurnAlert) OfRemaining() bool { return b.Of == ofRemaining }

// Tier is what the entry stands for, for an objective whose window is w.
func (b *BurnAlert) Tier(w time.Duration) burnrate.Tier {
	t := burnrate.New(b.Severity, b.Long, b.Short, float64(b.Budget), w)
	if b.OfRemaining() {
		t = t.AgainstRemaining()
	}
	return t
}

// Validate checks parts against each other.
func (c *Config) Validate() error {
	var ps problem.List
	seen := map[string]int{}
	shortest := 4 * c.Global.ScrapeInterval
	for i, b := range c.BurnAlerts {
		at := fmt.Sprintf("burn_alerts[%d]", i)
		if b.Short < shortest {
			ps = append(ps, problem.Problem{Path: at + ".short", Message: "holds fewer than four scrapes", Got: burnrate.Text(b.Short), Allowed: "at least " + burnrate.Text(shortest)})
		}
		name := b.Tier(0).Name
		if first, again := seen[name]; again {
			ps = append(ps, problem.Problem{Path: at + ".long", Message: fmt.Sprintf("burn_alerts[%d] is called %s too", first, name), Got: burnrate.Text(b.Long)})
			continue
		}
		seen[name] = i
	}
	return ps.Err()
}

// Validate checks the address.
func (w *Web) Validate() error {
	u, err := url.Parse(w.ExternalURL)
	if w.ExternalURL == "" || (err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil) {
		return nil
	}
	return problem.List{{Path: "external_url", Message: "not the address of a page", Allowed: "such as https://assayer.example.com/"}}
}
