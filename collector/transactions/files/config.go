package files

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/problem"
)

// Config is one entry of collectors.transactions.sources of the kind files. Lay it over [Default].
type Config struct {
	Name   string   `yaml:"name"`   // of the source: its position is kept under it
	Kind   string   `yaml:"kind"`   // files
	Paths  []string `yaml:"paths"`  // glob patterns of files, and folders, whose files are meant
	Format string   `yaml:"format"` // ndjson, iso8583, fix: read as they grow; iso20022, nacha: read whole, once

	PollInterval time.Duration `yaml:"poll_interval"` // between two looks
	Settle       time.Duration `yaml:"settle"`        // a document or an archive is read when it has not changed for so long
	DoneDir      string        `yaml:"done_dir"`      // where documents go that were read; empty: they stay
	FailedDir    string        `yaml:"failed_dir"`    // where documents go that could not be read to their end; empty: they stay
	MaxFiles     int           `yaml:"max_files"`     // open logs, and apart from them documents that were read and stay
	MaxBytes     int64         `yaml:"max_bytes"`     // of a document, and of what an archive inflates to
}

// formats says of which formats a file grows by lines that stand for themselves.
func formats() map[string]bool {
	return map[string]bool{"ndjson": true, "iso8583": true, "fix": true, "iso20022": false, "nacha": false}
}

// Default gives the defaults.
func Default() Config {
	return Config{Kind: "files", Format: "ndjson", PollInterval: time.Second, Settle: 5 * time.Second, MaxFiles: 500, MaxBytes: 1 << 30}
}

// Validate returns every problem, as a [problem.List] with paths relative to the section.
func (c Config) Validate() error {
	var l problem.List
	wrong := func(path, message, got, allowed string) {
		l = append(l, problem.Problem{Path: path, Message: message, Got: got, Allowed: allowed})
	}
	if c.Name == "" {
		wrong("name", problem.NoValue, "", "a name that no other source has")
	}
	if c.Kind != "files" {
		wrong("kind", "", c.Kind, "files")
	}
	if len(c.Paths) == 0 {
		wrong("paths", problem.NoValue, "", "glob patterns such as /var/log/switch/*.ndjson")
	}
	for i, p := range c.Paths {
		if _, err := filepath.Match(p, ""); err != nil || p == "" {
			wrong(fmt.Sprintf("paths[%d]", i), "", p, "a glob pattern such as /var/log/switch/*.ndjson")
		}
	}
	lines, known := formats()[c.Format]
	if !known {
		wrong("format", "", c.Format, strings.Join(slices.Sorted(maps.Keys(formats())), ", "))
	}
	for key, dir := range map[string]string{"done_dir": c.DoneDir, "failed_dir": c.FailedDir} {
		switch {
		case dir != "" && known && lines:
			wrong(key, "is for documents, and files of the format "+c.Format+" grow", dir, "nothing")
		case dir != "" && c.reads(dir):
			wrong(key, "is read by paths itself, so its files would be read again", dir, "another folder")
		}
	}
	duration := func(key string, got, least, most time.Duration) {
		if got < least || got > most {
			wrong(key, "", got.String(), fmt.Sprintf("%v to %v", least, most))
		}
	}
	duration("poll_interval", c.PollInterval, 10*time.Millisecond, time.Hour)
	duration("settle", c.Settle, 0, 24*time.Hour)
	if c.MaxFiles < 1 || c.MaxFiles > 10_000 {
		wrong("max_files", "", fmt.Sprint(c.MaxFiles), "1 to 10000")
	}
	if c.MaxBytes < 1<<10 || c.MaxBytes > 1<<40 {
		wrong("max_bytes", "", fmt.Sprint(c.MaxBytes), "1024 to 1099511627776")
	}
	l.Sort()
	return l.Err()
}

// reads reports whether files in dir would be found by the paths.
func (c Config) reads(dir string) bool {
	for _, p := range c.Paths {
		whole, _ := filepath.Match(filepath.Clean(p), filepath.Clean(dir))
		inside, _ := filepath.Match(filepath.Dir(filepath.Clean(p)), filepath.Clean(dir))
		if whole || inside {
			return true
		}
	}
	return false
}

// SetDirectory makes relative paths relative to dir.
func (c *Config) SetDirectory(dir string) {
	c.Paths = slices.Clone(c.Paths)
	for i := range c.Paths {
		c.Paths[i] = under(dir, c.Paths[i])
	}
	c.DoneDir, c.FailedDir = under(dir, c.DoneDir), under(dir, c.FailedDir)
}

func under(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
