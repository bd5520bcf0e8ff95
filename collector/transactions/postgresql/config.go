package postgresql

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/secret"
)

// Config is one entry of collectors.transactions.sources of the kind postgresql. Lay it over [Default].
type Config struct {
	Name             string        `yaml:"name"` // of the source: its position is kept under it
	Kind             string        `yaml:"kind"` // postgresql
	DSN              secret.String `yaml:"dsn"`  // a connection string or URL of libpq's
	DSNFile          string        `yaml:"dsn_file"`
	PasswordFile     string        `yaml:"password_file"` // in place of a password in the DSN; both files are read again at each login
	Query            string        `yaml:"query"`         // takes the watermark as $1 and the number of rows as $2
	Watermark        string        `yaml:"watermark"`     // the column that the query orders by
	WatermarkType    string        `yaml:"watermark_type"`
	Start            string        `yaml:"start"`   // of that type; rows behind it are read at first; empty: all
	Overlap          string        `yaml:"overlap"` // a duration or a number: how far back each poll reads again
	Rows             int           `yaml:"rows"`    // read at once
	PollInterval     time.Duration `yaml:"poll_interval"`
	StatementTimeout time.Duration `yaml:"statement_timeout"`
}

// The types of a watermark.
const (
	timestamps = "timestamptz"
	numbers    = "bigint"
)

// Default gives the defaults. The overlap's depends on the type of the watermark: 1m, or 1000.
func Default() Config {
	return Config{Kind: "postgresql", WatermarkType: timestamps, Rows: 1000, PollInterval: 5 * time.Second, StatementTimeout: 30 * time.Second}
}

// Validate returns every problem, as a [problem.List] with paths relative to the section.
func (c Config) Validate() error {
	var l problem.List
	wrong := func(path, message, got, allowed string) {
		l = append(l, problem.Problem{Path: path, Message: message, Got: got, Allowed: allowed})
	}
	needed := map[string]string{"name": c.Name, "watermark": c.Watermark}
	for _, key := range slices.Sorted(maps.Keys(needed)) {
		if needed[key] == "" {
			wrong(key, problem.NoValue, "", "text")
		}
	}
	if c.Kind != "postgresql" {
		wrong("kind", "", c.Kind, "postgresql")
	}
	if c.DSN.IsZero() == (c.DSNFile == "") {
		wrong("dsn", "", "", "dsn or dsn_file, and not both")
	}
	if !strings.Contains(c.Query, "$1") || !strings.Contains(c.Query, "$2") {
		wrong("query", "does not take the watermark as $1 and the number of rows as $2", "", "SELECT … WHERE updated_at > $1 ORDER BY updated_at LIMIT $2")
	}
	if c.WatermarkType != timestamps && c.WatermarkType != numbers {
		wrong("watermark_type", "", c.WatermarkType, "timestamptz, bigint")
	} else {
		if _, err := c.start(); err != nil {
			wrong("start", "", c.Start, err.Error())
		}
		if _, err := c.overlap(); err != nil {
			wrong("overlap", "", c.Overlap, err.Error())
		}
	}
	if c.Rows < 1 || c.Rows > 100_000 {
		wrong("rows", "", fmt.Sprint(c.Rows), "1 to 100000")
	}
	duration := func(key string, got, least time.Duration) {
		if got < least || got > time.Hour {
			wrong(key, "", got.String(), least.String()+" to 1h0m0s")
		}
	}
	duration("poll_interval", c.PollInterval, 100*time.Millisecond)
	duration("statement_timeout", c.StatementTimeout, 10*time.Millisecond)
	return l.Err()
}

// start is the first watermark, in the units of value.
func (c Config) start() (int64, error) {
	if c.Start == "" {
		return math.MinInt64, nil
	}
	v, err := parseMark(c.WatermarkType, c.Start)
	if err != nil && c.WatermarkType == timestamps {
		return 0, fmt.Errorf("a time such as 2026-11-21T10:00:00Z")
	}
	if err != nil {
		return 0, fmt.Errorf("a whole number")
	}
	return v, nil
}

// overlap is how far back each poll reads again, in the units of value.
func (c Config) overlap() (int64, error) {
	if c.WatermarkType == numbers {
		if c.Overlap == "" {
			return 1000, nil
		}
		n, err := strconv.ParseInt(c.Overlap, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt32 {
			return 0, fmt.Errorf("a whole number from 0 to %d", math.MaxInt32)
		}
		return n, nil
	}
	if c.Overlap == "" {
		return time.Minute.Microseconds(), nil
	}
	d, err := model.ParseDuration(c.Overlap)
	if err != nil || time.Duration(d) > 24*time.Hour {
		return 0, fmt.Errorf("a duration from 0s to 1d")
	}
	return time.Duration(d).Microseconds(), nil
}

// SetDirectory makes relative paths relative to dir.
func (c *Config) SetDirectory(dir string) {
	for _, path := range []*string{&c.DSNFile, &c.PasswordFile} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}
