// Package config reads the agent file, assayer.yaml, strictly: what it does not know it refuses,
// and it reports every mistake at once.
//
//	assayer.yaml:3:20: error: global.scrape_timeout: is longer than the scrape interval, got "20s", allowed: at most 15s
//
// It knows no kind of collector, exporter, hook or place to deploy to. Their sections are kept as [Section], and who
// knows the kind decodes them over the kind's own defaults.
package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// maxFileBytes bounds the agent file, which may list many targets.
const maxFileBytes = 4 << 20

// Config is the agent file. Paths in it are absolute or relative to the working directory: those
// written relative to the file have its folder in front.
type Config struct {
	Global     Global      `yaml:"global"`
	Storage    Storage     `yaml:"storage"`
	Objectives []string    `yaml:"objectives"` // glob patterns
	Collectors Collectors  `yaml:"collectors"`
	Exporters  Exporters   `yaml:"exporters"`
	Alerting   notYet      `yaml:"alerting"`
	BurnAlerts []BurnAlert `yaml:"burn_alerts"` // empty: the table of slo/burnrate
	Hooks      Hooks       `yaml:"hooks"`
	Audit      Audit       `yaml:"audit"`
	Web        Web         `yaml:"web"`
	Generate   Section     `yaml:"generate"`
	Deploy     Deploy      `yaml:"deploy"`
	Dir        string      `yaml:"-"` // the file's folder, which paths inside sections are relative to
}

// Global holds what more than one part of the agent needs.
type Global struct {
	ScrapeInterval     time.Duration     `yaml:"scrape_interval"`
	ScrapeTimeout      time.Duration     `yaml:"scrape_timeout"` // default: 10 s, but never longer than the interval
	EvaluationInterval time.Duration     `yaml:"evaluation_interval"`
	ReportingCurrency  string            `yaml:"reporting_currency"` // ISO 4217; empty: none
	MinCoverageRatio   strictyaml.Ratio  `yaml:"min_coverage_ratio"` // below it an objective's state is unknown
	ExternalLabels     map[string]string `yaml:"external_labels"`
	FastPage           bool              `yaml:"fast_page"` // the tier page-fast is on
}

// Storage says where and for how long state is kept.
type Storage struct {
	Path               string        `yaml:"path"`
	Retention          time.Duration `yaml:"retention"`
	CheckpointInterval time.Duration `yaml:"checkpoint_interval"`
}

// BurnAlert is one tier that replaces the default table: it fires while Budget of the whole error
// budget would be spent in Long.
type BurnAlert struct {
	Long     time.Duration     `yaml:"long"`
	Short    time.Duration     `yaml:"short"`
	Budget   strictyaml.Ratio  `yaml:"budget"`
	Severity burnrate.Severity `yaml:"severity"`
	Of       string            `yaml:"of"` // remaining: of what is left of the budget; empty: of the whole
}

// Audit says where the audit log is written.
type Audit struct {
	Path string `yaml:"path"` // default: audit.jsonl in storage.path
}

// Web is about the page and the API. Where and how they listen are flags.
type Web struct {
	ExternalURL string `yaml:"external_url"` // how people reach the page
}

// Default is what an empty file means, before paths are resolved.
func Default() Config {
	return Config{
		Global:  Global{ScrapeInterval: 15 * time.Second, ScrapeTimeout: 10 * time.Second, EvaluationInterval: 5 * time.Second, MinCoverageRatio: 0.9, FastPage: true},
		Storage: Storage{Path: "data", Retention: 400 * 24 * time.Hour, CheckpointInterval: 10 * time.Second},
	}
}

// Load reads the agent file. With an error among the problems the Config is not to be used.
func Load(path string) (Config, problem.List) {
	data, err := readFile(path)
	if err != nil {
		return Config{}, problem.List{{File: path, Message: err.Error()}}
	}
	return Parse(path, data)
}

// readFile reads one byte more than is allowed, so that Parse can tell.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the agent file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the agent file: %w", err)
	}
	return data, nil
}

// Parse reads the content of an agent file called name. With an error among the problems the
// Config is not to be used.
func Parse(name string, data []byte) (Config, problem.List) {
	c := Default()
	docs, problems := strictyaml.Parse(name, data, maxFileBytes)
	var root strictyaml.Node
	if len(docs) > 0 {
		root = docs[0]
		problems = append(problems, root.Decode(&c)...)
	}
	if len(docs) > 1 {
		problems = append(problems, docs[1].Problem(problem.Problem{Message: "has a second document", Got: strconv.Itoa(len(docs)) + " documents", Allowed: "one"}))
	}
	if problems.Err() == nil {
		for _, missing := range []struct {
			path string
			none bool
		}{{"objectives", len(c.Objectives) == 0}, {"collectors", len(c.Collectors) == 0}} {
			if missing.none {
				p := root.Problem(problem.Problem{Path: missing.path, Message: "has no value, so there is nothing to watch", Warning: true})
				p.File, p.Path = name, missing.path
				problems = append(problems, p)
			}
		}
	}
	for _, unused := range []string{"global.external_labels"} {
		if n := root.At(unused); n.Exists() {
			problems = append(problems, n.Problem(problem.Problem{Message: "is read but not used by this version", Warning: true}))
		}
	}
	c.resolve(filepath.Dir(name))
	problems.Sort()
	return c, problems
}

// resolve puts dir in front of relative paths.
func (c *Config) resolve(dir string) {
	join := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	c.Dir = dir
	c.Storage.Path = join(c.Storage.Path)
	c.Audit.Path = join(c.Audit.Path)
	if c.Audit.Path == "" {
		c.Audit.Path = filepath.Join(c.Storage.Path, "audit.jsonl")
	}
	for i, pattern := range c.Objectives {
		c.Objectives[i] = join(pattern)
	}
}
