//go:build e2e

package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/generate"
)

// TestGeneratedForms: whatever they are wrapped in, rules are read by promtool and routing by amtool.
func TestGeneratedForms(t *testing.T) {
	t.Parallel()
	receivers := filepath.Join(t.TempDir(), "receivers.yaml")
	put(t, receivers, "- {name: pager}\n- {name: ticket}\n- {name: deadman}\n")
	var plain map[string]string
	for _, form := range generate.Forms() {
		dir := t.TempDir()
		tool(t, ".", binary, "generate", "--objectives", filepath.Join("..", "examples", "*", "slo", "*.yaml"), "--receivers", receivers, "--form", string(form), "--out", dir)
		rules := rulesIn(t, dir)
		if plain == nil {
			plain = rules
		}
		if !maps.Equal(plain, rules) { // all are read below, once
			t.Errorf("the rules of form %s are not those of form %s: %v, %v", form, generate.Files, slices.Sorted(maps.Keys(rules)), slices.Sorted(maps.Keys(plain)))
		}
		checkRouting(t, dir)
	}
	dir := t.TempDir()
	for name, text := range plain {
		put(t, filepath.Join(dir, name), text)
	}
	checkRules(t, dir)
}

// TestGeneratedTests: what is written to be deployed together, by one command, passes its own tests.
func TestGeneratedTests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tool(t, ".", binary, "generate", "--objectives", filepath.Join("..", "examples", "replay", "slo.yaml"),
		"--parts", "agent-rules,native-rules,rule-tests", "--agent-selector", `job="assayer"`, "--out", dir)
	tests, err := filepath.Glob(filepath.Join(dir, "rule-tests", "*.yaml"))
	must(t, err)
	if len(tests) != 5 {
		t.Errorf("there are %d files of tests, want one of the agent's rules and four of native ones", len(tests))
	}
	tool(t, filepath.Join(dir, "rule-tests"), "promtool", append([]string{"test", "rules"}, tests...)...)
}

// rulesIn are the rule files in a folder of generated files, by name, taken out of what they are wrapped in and spelled
// alike.
func rulesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	add := func(name string, groups any) {
		data, err := yaml.Marshal(groups)
		must(t, err)
		out[name] = string(data)
	}
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" || filepath.Base(filepath.Dir(path)) != "rules" {
			return err
		}
		data, err := os.ReadFile(path)
		must(t, err)
		var object struct {
			Kind   string
			Spec   any               // of a PrometheusRule
			Data   map[string]string // of a ConfigMap
			Groups any               // of a rule file
		}
		must(t, yaml.Unmarshal(data, &object))
		switch object.Kind {
		case "PrometheusRule":
			add(d.Name(), object.Spec)
		case "ConfigMap":
			for name, text := range object.Data {
				must(t, yaml.Unmarshal([]byte(text), &object))
				add(name, map[string]any{"groups": object.Groups})
			}
		default:
			add(d.Name(), map[string]any{"groups": object.Groups})
		}
		return nil
	}))
	if len(out) == 0 {
		t.Errorf("no rules in %s", dir)
	}
	return out
}

func checkRules(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	must(t, err)
	tool(t, dir, "promtool", append([]string{"check", "rules"}, files...)...)
}

func checkRouting(t *testing.T, dir string) {
	t.Helper()
	tool(t, filepath.Join(dir, "alertmanager"), "amtool", "check-config", "alertmanager.yaml")
}
