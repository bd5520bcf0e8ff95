package files_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/collector/transactions/files"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

func TestConfig(t *testing.T) {
	good := files.Default()
	good.Name, good.Paths = "s", []string{"/var/log/*.log"}
	if err := good.Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for want, change := range map[string]func(*files.Config){
		"name":          func(c *files.Config) { c.Name = "" },
		"kind":          func(c *files.Config) { c.Kind = "file" },
		"paths":         func(c *files.Config) { c.Paths = nil },
		"paths[0]":      func(c *files.Config) { c.Paths = []string{"[a"} },
		"format":        func(c *files.Config) { c.Format = "csv" },
		"poll_interval": func(c *files.Config) { c.PollInterval = 0 },
		"settle":        func(c *files.Config) { c.Settle = -1 },
		"max_files":     func(c *files.Config) { c.MaxFiles = 0 },
		"max_bytes":     func(c *files.Config) { c.MaxBytes = 0 },
		"done_dir":      func(c *files.Config) { c.DoneDir = "/done" },
		"failed_dir":    func(c *files.Config) { c.Format, c.FailedDir = "nacha", "/var/log" },
	} {
		c := good
		change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), ": "+want+":") || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: got %v", want, err)
		}
		if _, err := files.New(c, files.Deps{Log: slog.New(slog.DiscardHandler)}); err == nil {
			t.Errorf("%s: New took it", want)
		}
	}
	if _, err := files.New(good, files.Deps{Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("New took a format without a decoder")
	}
	c := files.Config{Paths: []string{"a/*", "/b"}, DoneDir: "d"}
	c.SetDirectory("/etc/x")
	if fmt.Sprint(c.Paths, c.DoneDir, c.FailedDir) != "[/etc/x/a/* /b]/etc/x/d" {
		t.Errorf("got %v %q %q", c.Paths, c.DoneDir, c.FailedDir)
	}
}

func TestConfigFromYAML(t *testing.T) {
	data, err := os.ReadFile("testdata/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	nodes, problems := strictyaml.Parse("config.yaml", data, 1<<20)
	if len(nodes) != 1 || problems != nil {
		t.Fatalf("got %d documents, %v", len(nodes), problems)
	}
	c := files.Default()
	if problems := nodes[0].Decode(&c); problems != nil || c.MaxFiles != 100 || c.Settle.String() != "10s" || c.DoneDir != "done" {
		t.Errorf("got %+v, %v", c, problems)
	}
}
