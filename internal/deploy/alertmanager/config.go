package alertmanager

import (
	"path/filepath"
	"time"

	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/problem"
)

// Config is one entry of the section deploy.
type Config struct {
	File   string            `yaml:"file"`   // the server's configuration file
	Settle time.Duration     `yaml:"settle"` // how long the server may take to have it in force
	Server deploy.HTTPConfig `yaml:",inline"`
}

// Default gives the defaults.
func Default() Config { return Config{Settle: 30 * time.Second, Server: deploy.DefaultHTTP()} }

// Validate returns every problem.
func (c Config) Validate() error {
	l := c.Server.Problems()
	if base := filepath.Base(c.File); c.File == "" || base == "." || base == ".." || base == string(filepath.Separator) {
		l = append(l, problem.Problem{Path: "file", Got: c.File, Allowed: "the path of the server's configuration file"})
	}
	if c.Settle < time.Second || c.Settle > 10*time.Minute {
		l = append(l, problem.Problem{Path: "settle", Got: c.Settle.String(), Allowed: "a duration from 1s to 10m0s"})
	}
	l.Sort()
	return l.Err()
}

// SetDirectory makes relative paths relative to dir.
func (c *Config) SetDirectory(dir string) {
	c.File = deploy.InDirectory(dir, c.File)
	c.Server.SetDirectory(dir)
}

// Place is the file that is written.
func (c Config) Place() string { return c.File }
