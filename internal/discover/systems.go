package discover

import (
	"cmp"
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/reason"
	"github.com/assayer-io/assayer/slo/spec"
)

//go:embed systems/*.yaml
var builtin embed.FS

// maxSystemFile bounds one file of the table.
const maxSystemFile = 64 << 10

// System is one known kind of software: how it is recognised and what is proposed for it. Every signal whose
// series are there is proposed.
type System struct {
	Name        string           `yaml:"name"`
	Title       string           `yaml:"title"`
	Source      string           `yaml:"source"`      // where its metrics are described
	Date        string           `yaml:"date"`        // when that was looked at, YYYY-MM-DD
	Fingerprint []string         `yaml:"fingerprint"` // metric names, all of which only it has
	Owns        []string         `yaml:"owns"`        // beginnings of names that are not judged by their looks any more
	Documents   []systemDocument `yaml:"documents"`
	// Rails names a metric whose label rail says for which rails a document that names the rail alone is proposed.
	Rails string `yaml:"rails"`
}

// systemDocument is one document proposed; its name is put behind that of the service.
type systemDocument struct {
	Name       string         `yaml:"name"`
	Errors     *systemErrors  `yaml:"errors"`
	Latency    *systemLatency `yaml:"latency"`
	Traffic    *systemTraffic `yaml:"traffic"`
	Saturation *systemGauge   `yaml:"saturation"`
}

type systemErrors struct {
	Why       string           `yaml:"why"`
	Good      selector         `yaml:"good"`
	Bad       selector         `yaml:"bad"`
	Total     selector         `yaml:"total"`
	Excluded  selector         `yaml:"excluded"`
	Objective strictyaml.Ratio `yaml:"objective"` // at most; what is seen may make it lower
}

type systemLatency struct {
	Why       string           `yaml:"why"`
	Histogram selector         `yaml:"histogram"`
	Below     float64          `yaml:"below"` // in the histogram's unit, at least; the bound at or above it is taken
	Objective strictyaml.Ratio `yaml:"objective"`
}

type systemTraffic struct {
	Why   string   `yaml:"why"`
	Total selector `yaml:"total"`
}

type systemGauge struct {
	Why       string           `yaml:"why"`
	Gauge     selector         `yaml:"gauge"`
	Below     *float64         `yaml:"below"`
	Above     *float64         `yaml:"above"`
	Objective strictyaml.Ratio `yaml:"objective"`
}

// selector is one of the table's own; nil: none is written.
type selector struct{ *spec.Selector }

// UnmarshalNode reads a plain series selector that fixes a name.
func (s *selector) UnmarshalNode(n strictyaml.Node) problem.List {
	ms, err := parser.NewParser(parser.Options{}).ParseMetricSelector(n.Text())
	if err != nil {
		return problem.List{n.Wrong(`a selector such as x{y="z"}`)}
	}
	s.Selector = &spec.Selector{Text: n.Text(), Matchers: ms}
	if s.MetricName() == "" {
		return problem.List{n.Wrong("a selector that fixes a metric's name")}
	}
	return nil
}

// Table is what is known beforehand: systems by their metrics, the names of rails, and reason codes.
type Table struct {
	Systems []System
	rails   []string
	codes   map[string]map[string]bool // by scheme: its codes, of whatever list
}

// Known reads what is built in. An error means that the build is broken.
func Known() (*Table, error) {
	systems, err := readSystems()
	if err != nil {
		return nil, err
	}
	rails, err := rail.Builtin()
	if err != nil {
		return nil, err
	}
	reasons, err := reason.Builtin()
	if err != nil {
		return nil, err
	}
	codes := map[string]map[string]bool{}
	for _, scheme := range reasons.Schemes() {
		if scheme == "http" || scheme == "grpc" { // which every service has, whatever it does
			continue
		}
		codes[scheme] = map[string]bool{}
		for _, list := range append(reasons.Lists(scheme), "") {
			for _, code := range reasons.Codes(scheme, list) {
				codes[scheme][code] = true
			}
		}
	}
	return &Table{systems, rails.Names(), codes}, nil
}

func readSystems() ([]System, error) {
	entries, err := builtin.ReadDir("systems")
	if err != nil {
		return nil, fmt.Errorf("reading the known systems: %w", err)
	}
	var out []System
	for _, e := range entries {
		name := "systems/" + e.Name()
		data, err := builtin.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading the known systems: %w", err)
		}
		var s System
		docs, problems := strictyaml.Parse(name, data, maxSystemFile)
		for _, d := range docs {
			problems = append(problems, d.Decode(&s)...)
		}
		if err := cmp.Or(problems.Err(), s.check(strings.TrimSuffix(e.Name(), ".yaml"))); err != nil {
			return nil, fmt.Errorf("reading the known systems: %w", err)
		}
		out = append(out, s)
	}
	// Who asks for more names is the more special: etcd before any gRPC server.
	slices.SortStableFunc(out, func(a, b System) int { return cmp.Compare(len(b.Fingerprint), len(a.Fingerprint)) })
	return out, nil
}

var systemName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

func (sys *System) check(file string) error {
	_, err := time.Parse(time.DateOnly, sys.Date)
	if sys.Name != file || !systemName.MatchString(sys.Name) || sys.Title == "" || sys.Source == "" || err != nil || len(sys.Fingerprint) == 0 || len(sys.Owns) == 0 {
		return fmt.Errorf("system %q of %sys.yaml lacks its name, title, source, date, fingerprint or what it owns", sys.Name, file)
	}
	return nil
}

// isA reports whether the service has every name of the fingerprint.
func (s *Service) isA(sys *System) bool {
	return !slices.ContainsFunc(sys.Fingerprint, func(name string) bool { return !s.has(name) })
}

func (sys *System) owns(name string) bool {
	return slices.ContainsFunc(sys.Owns, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// signals are those of a document of the table whose series are there, and notes on those that cannot be proposed.
func (s *Service) signals(d *systemDocument) (out []Signal, notes []string) {
	add := func(sig Signal, ok bool) {
		switch {
		case ok:
			out = append(out, sig)
		case sig.refused != "":
			notes = append(notes, fmt.Sprintf("No objective on %s: %s.", sig.Kind, strings.TrimSuffix(sig.refused, ".")))
		}
	}
	if e := d.Errors; e != nil {
		add(s.errors(e.Why, legs{s.scoped(e.Good.Selector), s.scoped(e.Bad.Selector), s.scoped(e.Total.Selector), s.scoped(e.Excluded.Selector)}, float64(e.Objective)))
	}
	if l := d.Latency; l != nil {
		add(s.latency(l.Why, s.scoped(l.Histogram.Selector), l.Below, float64(l.Objective)))
	}
	if t := d.Traffic; t != nil {
		add(s.traffic(t.Why, s.scoped(t.Total.Selector)))
	}
	if g := d.Saturation; g != nil {
		add(s.saturation(g.Why, s.scoped(g.Gauge.Selector), limits{g.Below, g.Above}, float64(g.Objective)))
	}
	return out, notes
}
