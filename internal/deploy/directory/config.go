package directory

import (
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/problem"
)

// Config is one entry of the section deploy.
type Config struct {
	Dir string `yaml:"dir"` // relative to the agent file; made when it does not exist
}

// Default gives the defaults.
func Default() Config { return Config{} }

// Validate returns every problem.
func (c Config) Validate() error {
	if c.Dir == "" {
		return problem.List{{Path: "dir", Message: problem.NoValue, Allowed: "a folder"}}
	}
	return nil
}

// SetDirectory makes a relative path relative to dir.
func (c *Config) SetDirectory(dir string) { c.Dir = deploy.InDirectory(dir, c.Dir) }

// Place is the folder that is written.
func (c Config) Place() string { return c.Dir }
