package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/artifact"
)

// maxFolderFiles bounds what ReadFolder reads.
const maxFolderFiles = 200_000

// ReadFolder reads a folder that generated files were written into. What a file is for is told from its content. Files
// whose names begin with a dot are left out, and so is what is no plain file.
func ReadFolder(dir string) ([]artifact.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("reading generated files: %w", err)
	}
	defer root.Close()
	var out []artifact.File
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(d.Name(), ".") && name != "." && d.IsDir():
			return fs.SkipDir
		case !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "."):
			return nil
		case len(out) == maxFolderFiles:
			return fmt.Errorf("%s holds more than %d files", dir, maxFolderFiles)
		}
		data, err := readFile(root, name)
		if err != nil {
			return err
		}
		out = append(out, artifact.File{Path: name, Kind: kindOf(name, data), Data: data})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading generated files: %w", err)
	}
	return out, nil
}

// kindOf tells what a generated file is for. Files that none of our destinations wants alone are manifests.
func kindOf(name string, data []byte) artifact.Kind {
	var top struct {
		Kind   string `yaml:"kind" json:"kind"`
		Groups []struct {
			Folder string `yaml:"folder" json:"folder"`
		} `yaml:"groups" json:"groups"`
		Tests     []any  `yaml:"tests" json:"tests"`
		Receivers []any  `yaml:"receivers" json:"receivers"`
		UID       string `yaml:"uid" json:"uid"`
		Schema    int    `yaml:"schemaVersion" json:"schemaVersion"`
		Providers []any  `yaml:"providers" json:"providers"`
		Resource  any    `yaml:"resource" json:"resource"`
	}
	switch path.Ext(name) {
	case ".md":
		return artifact.Runbook
	case ".tmpl":
		return artifact.AlertTemplate
	case ".json":
		if json.Unmarshal(data, &top) != nil {
			return artifact.Manifest
		}
	case ".yaml", ".yml":
		if yaml.NewDecoder(bytes.NewReader(data)).Decode(&top) != nil {
			return artifact.Manifest
		}
	}
	switch {
	case top.Kind == "PrometheusRule":
		return artifact.RuleObjects
	case top.Kind != "":
		return artifact.Manifest
	case top.Tests != nil:
		return artifact.RuleTests
	case len(top.Groups) > 0 && top.Groups[0].Folder != "":
		return artifact.GrafanaRules
	case top.Groups != nil:
		return artifact.Rules
	case top.Receivers != nil:
		return artifact.Alertmanager
	case top.UID != "" && top.Schema > 0:
		return artifact.Dashboard
	case top.Providers != nil:
		return artifact.Provisioning
	case top.Resource != nil:
		return artifact.Terraform
	}
	return artifact.Manifest
}
