package grafana

import (
	"fmt"

	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/problem"
)

// Config is one entry of the section deploy.
type Config struct {
	// Folder is the title of the folder for screens and rules. It says what is ours: another agent has another.
	Folder string `yaml:"folder"`
	OrgID  int64  `yaml:"org_id"` // 0: the token's own
	// Editable lets people change alert rules on Grafana's pages, where they would otherwise be locked.
	Editable bool              `yaml:"editable"`
	Server   deploy.HTTPConfig `yaml:",inline"`
}

// Default gives the defaults.
func Default() Config { return Config{Folder: "Assayer", Server: deploy.DefaultHTTP()} }

// UsualFolder sets the folder for when none is written.
func (c *Config) UsualFolder(title string) { c.Folder = title }

// Validate returns every problem.
func (c Config) Validate() error {
	l := c.Server.Problems()
	if slug(c.Folder) == "" {
		l = append(l, problem.Problem{Path: "folder", Got: c.Folder, Allowed: "a title with a letter or digit"})
	}
	if c.OrgID < 0 {
		l = append(l, problem.Problem{Path: "org_id", Got: fmt.Sprint(c.OrgID), Allowed: "the number of an organisation"})
	}
	l.Sort()
	return l.Err()
}

// SetDirectory makes relative paths relative to dir.
func (c *Config) SetDirectory(dir string) { c.Server.SetDirectory(dir) }
