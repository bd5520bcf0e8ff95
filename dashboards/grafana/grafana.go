// Package grafana makes Grafana's screens: one file a screen, each a table of panels whose queries name only series
// that the agent publishes.
//
//	assayer-on-call      Assayer: on call     Burn now | Budget left | Own technical success by rail | …
//	assayer-executive    Assayer: executive   Money on time | Money at risk now | Budget by product | …
//
// Queries are written for a fleet: counters are summed over agents, and of what several agents say about one
// objective the worst counts.
package grafana

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/slo/money"
)

// DefaultFolder is where screens live unless the options say otherwise.
const DefaultFolder = "Assayer"

// All makes every screen, in a fixed order; the same input gives the same bytes. It fails on a reporting currency
// that is no active code of ISO 4217 and on an agent selector that is no list of matchers.
func All(in dashboards.Input) ([]dashboards.Dashboard, error) {
	g := &gen{in: in}
	if err := g.check(); err != nil {
		return nil, err
	}
	var all []dashboards.Dashboard
	for _, s := range g.screens() {
		data, err := s.encode()
		if err != nil {
			return nil, fmt.Errorf("making the screen %s: %w", s.uid, err)
		}
		all = append(all, dashboards.Dashboard{
			UID: s.uid, Title: s.title, Folder: cmp.Or(in.Options.Folder, DefaultFolder), Tags: s.tags(), JSON: data,
		})
	}
	return all, nil
}

// gen is what all screens are made from.
type gen struct {
	in     dashboards.Input
	digits int    // of the reporting currency's minor unit
	errors string // what aboutErrors said, which is asked a dozen times
}

func (g *gen) check() error {
	if c := g.in.Options.Currency; c != "" {
		digits, known := money.MinorDigits(c)
		if !known {
			return fmt.Errorf("making screens: the currency %q is no active code of ISO 4217, such as EUR", c)
		}
		g.digits = digits
	}
	if s := g.in.Options.AgentSelector; s != "" {
		if _, err := parser.NewParser(parser.Options{}).ParseMetricSelector("{" + s + "}"); err != nil {
			return fmt.Errorf("making screens: the agent selector %q is no list of matchers, such as job=\"assayer\": %w", s, err)
		}
	}
	return nil
}

func (g *gen) screens() []screen {
	all := []screen{
		g.onCall(), g.executive(), g.service(), g.objective(), g.settlement(), g.compliance(), g.cost(), g.agent(),
	}
	for i := range all {
		all[i].links = g.ways()
		all[i].marks = g.marks()
	}
	return all
}

// encode writes a screen as Grafana's dashboard API takes it, with its keys in order.
func (s *screen) encode() ([]byte, error) {
	built, err := s.build()
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(built)
	if err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	// Once more by way of maps, whose keys are sorted.
	var sorted any
	if err := json.Unmarshal(plain, &sorted); err != nil {
		return nil, fmt.Errorf("sorting JSON: %w", err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // queries stay readable
	enc.SetIndent("", "  ")
	if err := enc.Encode(sorted); err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return out.Bytes(), nil
}
