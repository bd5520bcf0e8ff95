package demo

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"text/template"

	"github.com/assayer-io/assayer/internal/paysim"
)

// What a team would write, as files: the agent's configuration and the objectives.
//
//go:embed assayer.yaml.tmpl slo/*.yaml
var written embed.FS

// files is the demo's folder.
type files struct {
	dir       string
	temporary bool
}

func (f files) audit() string { return filepath.Join(f.dir, "data", "audit.jsonl") }

// writeFiles puts the configuration, the objectives and the webhook's secret into dir and returns the
// path of the configuration.
func writeFiles(dir, secret string, company *paysim.Simulator) (string, error) {
	config, err := render(dir, company)
	if err != nil {
		return "", err
	}
	content := map[string][]byte{"assayer.yaml": config, "rollback.secret": []byte(secret)}
	names, err := fs.Glob(written, "slo/*.yaml")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if content[name], err = written.ReadFile(name); err != nil {
			return "", err
		}
	}
	for name, data := range content {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "assayer.yaml"), nil
}

func render(dir string, company *paysim.Simulator) ([]byte, error) {
	// A Go string literal in double quotes is a YAML one too, whatever the folder is called.
	path := func(elem ...string) string { return strconv.Quote(filepath.Join(append([]string{dir}, elem...)...)) }
	text, err := written.ReadFile("assayer.yaml.tmpl")
	if err != nil {
		return nil, err
	}
	tmpl, err := template.New("assayer.yaml").Option("missingkey=error").Funcs(template.FuncMap{"path": path}).Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = tmpl.Execute(&b, map[string]any{"Services": company.Services(), "Admin": company.AdminURL()})
	if err != nil {
		return nil, fmt.Errorf("writing assayer.yaml: %w", err)
	}
	return b.Bytes(), nil
}
