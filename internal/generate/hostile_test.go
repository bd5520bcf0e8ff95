package generate_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/alertmanager"
	"github.com/assayer-io/assayer/internal/deploy/directory"
	"github.com/assayer-io/assayer/internal/deploy/grafana"
	"github.com/assayer-io/assayer/internal/deploy/prometheus"
	"github.com/assayer-io/assayer/internal/generate"
	"github.com/assayer-io/assayer/slo/spec"
)

// hostile are names that people give services and teams, and some that nobody should.
func hostile() []string {
	long := strings.Repeat("payments-", 34)[:300]
	return []string{
		"card-auth", "Card-Auth", "card_auth", "card auth", "card/auth", "../../etc/passwd", "..", ".", "/etc/passwd", `C:\auth`, "card-auth.yaml",
		"crédit", "кредит", "信用", "\u202egnp.exe", "a\x00b", "line\nbreak", "cr\r\nlf", "\ttab", `"quoted"`, "'", "`", "${a}", "%{b}", "$${c}", "{{ .Labels }}",
		"# comment", "- item", "key: value", "&anchor", "*alias", "!!binary x", "<b>", "|", "null", "true", "1e3", "~", " ", "-", "agent", "assayer-agent",
		strings.Repeat("a", 300), strings.Repeat("a", 301), strings.Repeat("A", 300), long, long[:299] + "x", strings.Repeat("é", 150),
	}
}

// hostileInput has one objective a name, as it would be read from a file.
func hostileInput(t *testing.T, change func(*generate.Config)) generate.Input {
	t.Helper()
	in := input(t, change)
	var docs strings.Builder
	for i, name := range hostile() {
		text, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&docs, "---\napiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata: {name: s%d, displayName: %s, labels: {team: %s}}\n", i, text, text)
		fmt.Fprintf(&docs, "spec: {service: %s, description: %s, errors: {bad: 'x_total{code=\"%d\"}', total: x_total, objective: 99.9%%}}\n", text, text, i)
	}
	set, problems := spec.Load([]spec.File{{Name: "slo.yaml", Data: []byte(docs.String())}}, spec.Options{ScrapeInterval: 15 * time.Second})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if len(set.Objectives) != len(hostile()) {
		t.Fatalf("%d objectives of %d names", len(set.Objectives), len(hostile()))
	}
	in.Objectives = generate.Objectives(set.Objectives, nil)
	return in
}

// Whatever services and teams are called, and in whatever form: no file leaves the folder, none is broken, and no two are
// one, also where a file system does not tell A from a.
func TestHostileNames(t *testing.T) {
	for _, form := range generate.Forms() {
		for _, without := range []generate.Part{generate.RuleTests, generate.GrafanaRules} {
			t.Run(fmt.Sprintf("%s without %s", form, without), func(t *testing.T) {
				in := hostileInput(t, func(c *generate.Config) {
					c.Form, c.Parts = form, slices.DeleteFunc(generate.Parts(), func(p generate.Part) bool {
						return p == without || p == generate.RuleTests && form != generate.Files // they are the same in every form, and many
					})
				})
				out, err := generate.Generate(in)
				if err != nil {
					t.Fatal(err)
				}
				rules := checkNames(t, out.Files)
				if want := len(hostile()) + 1; rules != want {
					t.Errorf("%d files of rules, want %d: one a service, and the agent's", rules, want)
				}
				written(t, out.Files)
				if form == generate.Files {
					taken(t, out.Files)
				}
			})
		}
	}
}

// checkNames holds files, and the objects in them, to what takes them, and counts those of rules.
func checkNames(t *testing.T, files []artifact.File) (rules int) {
	t.Helper()
	object := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	seen, kinds := map[string]string{}, map[artifact.Kind]int{}
	once := func(what, file string) {
		if other, twice := seen[strings.ToLower(what)]; twice {
			t.Errorf("%s and %s both have %.100q", other, file, what)
		}
		seen[strings.ToLower(what)] = file
	}
	for _, f := range files {
		once("path "+f.Path, f.Path)
		kinds[f.Kind]++
		if strings.Contains(f.Path, "/rules/") || strings.HasPrefix(f.Path, "rules/") {
			rules++
		}
		if f.Path != path.Clean(f.Path) || !filepath.IsLocal(f.Path) || len(path.Base(f.Path)) > 230 || strings.Trim(f.Path, "abcdefghijklmnopqrstuvwxyz0123456789-./READM") != "" {
			t.Errorf("the path %.300q cannot be written everywhere", f.Path)
		}
		if err := readable(f); err != nil {
			t.Errorf("%s: %v", f.Path, err)
		}
		switch {
		case strings.HasPrefix(f.Path, "kubernetes/"):
			var o struct {
				Kind     string
				Metadata struct{ Name string }
			}
			read(t, f.Data, &o)
			once(o.Kind+" "+o.Metadata.Name, f.Path)
			if !object.MatchString(o.Metadata.Name) || len(o.Metadata.Name) > 253 {
				t.Errorf("%s is called %q, which Kubernetes refuses", f.Path, o.Metadata.Name)
			}
		case f.Kind == artifact.Terraform:
			checkTerraform(t, f.Data)
		}
	}
	return rules
}

// checkTerraform holds the names of resources to what Terraform takes, and gives the names of the groups of Grafana's rules.
func checkTerraform(t *testing.T, data []byte) (groups []string) {
	t.Helper()
	var tf struct {
		Resource map[string]map[string]struct{ Name string }
	}
	read(t, data, &tf)
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for kind, all := range tf.Resource {
		for resource, r := range all {
			if !name.MatchString(resource) {
				t.Errorf("Terraform refuses %s %q", kind, resource)
			}
			if kind == "grafana_rule_group" {
				groups = append(groups, r.Name)
			}
		}
	}
	slices.Sort(groups)
	if n := len(groups); len(slices.Compact(groups)) != n {
		t.Error("two groups of rules have one name")
	}
	return groups
}

// Without the agent's rules each service has two groups of alerts in Grafana, and each of them a resource: none takes
// another one's place.
func TestHostileNamesInTerraform(t *testing.T) {
	out, err := generate.Generate(hostileInput(t, func(c *generate.Config) {
		c.Form, c.Parts = generate.Terraform, []generate.Part{generate.NativeRules, generate.GrafanaRules}
	}))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(out.Files, func(f artifact.File) bool { return f.Kind == artifact.Terraform })
	if groups := checkTerraform(t, out.Files[i].Data); len(groups) != 2*len(hostile())+1 {
		t.Errorf("%d groups of rules for %d services and the data source", len(groups), len(hostile()))
	}
}

// written puts files into a folder beside which there is another: it holds just them, and nothing is beside it.
func written(t *testing.T, files []artifact.File) {
	t.Helper()
	around := t.TempDir()
	dir := filepath.Join(around, "deep", "out")
	to, err := directory.New(directory.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := deploy.Make(t.Context(), "out", to, files)
	if err == nil {
		err = deploy.Apply(t.Context(), to, plan, deploy.ApplyOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	var beside []string
	for _, of := range []string{around, filepath.Dir(dir)} {
		entries, err := os.ReadDir(of)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			beside = append(beside, e.Name())
		}
	}
	if !slices.Equal(beside, []string{"deep", "out"}) {
		t.Errorf("beside the folder there is %q", beside)
	}
	there, err := deploy.ReadFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(byPath(there), byPath(files)) {
		t.Errorf("the folder holds %d files, %d were made", len(there), len(files))
	}
}

// taken: what Prometheus, Alertmanager and Grafana are to get is what they take.
func taken(t *testing.T, files []artifact.File) {
	t.Helper()
	p, a, g := prometheus.Default(), alertmanager.Default(), grafana.Default()
	p.Dir, a.File = t.TempDir(), filepath.Join(t.TempDir(), "alertmanager.yml")
	p.Server.URL, a.Server.URL, g.Server.URL = "http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1"
	for name, make := range map[string]func() (deploy.Target, error){
		"Prometheus":   func() (deploy.Target, error) { return prometheus.New(p) },
		"Alertmanager": func() (deploy.Target, error) { return alertmanager.New(a) },
		"Grafana":      func() (deploy.Target, error) { return grafana.New(g) },
	} {
		to, err := make()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Wanted(files); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two names of 300 letters that differ in the last have objects of two names, and what belongs to them is told apart.
func TestLongNames(t *testing.T) {
	in := hostileInput(t, func(c *generate.Config) { c.Form, c.Parts = generate.ConfigMaps, []generate.Part{generate.NativeRules} })
	in.Objectives = slices.DeleteFunc(in.Objectives, func(o alerts.Objective) bool { return len(o.Service) < 300 })
	out, err := generate.Generate(in)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range out.Files {
		var o struct{ Metadata struct{ Name string } }
		read(t, f.Data, &o)
		names[o.Metadata.Name] = true
	}
	if len(names) != len(in.Objectives) || len(names) < 5 {
		t.Errorf("%d ConfigMaps for %d services", len(names), len(in.Objectives))
	}
}
