package prometheus

import (
	"time"

	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/problem"
)

// Config is one entry of the section deploy.
type Config struct {
	Dir    string            `yaml:"dir"`    // a folder whose *.yaml files the server loads rules from
	Settle time.Duration     `yaml:"settle"` // how long the server may take to have new rules
	Server deploy.HTTPConfig `yaml:",inline"`
}

// Default gives the defaults.
func Default() Config { return Config{Settle: 30 * time.Second, Server: deploy.DefaultHTTP()} }

// Validate returns every problem.
func (c Config) Validate() error {
	l := c.Server.Problems()
	if c.Dir == "" {
		l = append(l, problem.Problem{Path: "dir", Message: problem.NoValue, Allowed: "the folder that the server loads rules from"})
	}
	if c.Settle < time.Second || c.Settle > 10*time.Minute {
		l = append(l, problem.Problem{Path: "settle", Got: c.Settle.String(), Allowed: "a duration from 1s to 10m0s"})
	}
	l.Sort()
	return l.Err()
}

// SetDirectory makes relative paths relative to dir.
func (c *Config) SetDirectory(dir string) {
	c.Dir = deploy.InDirectory(dir, c.Dir)
	c.Server.SetDirectory(dir)
}

// Place is the folder that is written.
func (c Config) Place() string { return c.Dir }
