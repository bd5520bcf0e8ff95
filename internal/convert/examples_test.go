package convert_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/convert"
	"github.com/assayer-io/assayer/internal/convert/openslo"
	"github.com/assayer-io/assayer/internal/convert/pyrra"
	"github.com/assayer-io/assayer/internal/convert/sloth"
	"github.com/assayer-io/assayer/slo/spec"
)

func formats() []convert.Format {
	return []convert.Format{sloth.Format(), pyrra.Format(), openslo.Format()}
}

// peer is a tool whose module holds examples.
type peer struct {
	module, requires string   // folder below internal/testkit, and what its go.mod requires
	folders          []string // that hold examples
	files            map[string]string
}

// notObjectives is the outcome of a file that holds none: rules that the tool made, parts of its deployment.
const notObjectives = "no objectives"

// Outcomes are how many objectives come of a file, and the losses. They were worked out by reading the files.
func peers() []peer {
	return []peer{
		{module: "slothrules", requires: "github.com/slok/sloth", folders: []string{"examples", "test/integration", "internal/alert/windows"}, files: slothFiles()},
		{module: "pyrrarules", requires: "github.com/pyrra-dev/pyrra", folders: []string{"examples"}, files: pyrraFiles()},
		{module: "openslofiles", requires: "github.com/OpenSLO/go-sdk", folders: []string{"pkg"}, files: openSLOFiles()},
	}
}

func slothFiles() map[string]string {
	const (
		common = "1: alert-annotations 1, alert-labels 3, alert-name 1"
		two    = "2: alert-annotations 2, alert-labels 6, alert-name 2"
	)
	all := map[string]string{
		"examples/_gen/*":                    notObjectives,
		"examples/windows/*":                 windows,
		"internal/alert/windows/*":           windows,
		"test/integration/crd/*":             notObjectives,
		"test/integration/*/windows/7d.yaml": windows,
	}
	maps.Copy(all, in("examples", map[string]string{
		"contrib-denominator-corrected.yaml": "1: alert-annotations 1, alert-labels 3, alert-name 1, slo-plugin 1",
		"contrib-slo-plugins.yml":            "2: alert-annotations 2, alert-labels 6, alert-name 2, renamed 1, slo-plugin 2", // one name has 64 letters
		"getting-started.yml":                common,
		"home-wifi.yml":                      "0: needs-polling 2",
		"k8s-getting-started.yml":            common,
		"k8s-home-wifi.yml":                  "0: needs-polling 2",
		"k8s-multifile.yml":                  two,
		"kubernetes-apiserver.yml":           two,
		"multifile.yml":                      two,
		"no-alerts.yml":                      "1: disabled-alert 2",
		"openslo-getting-started.yml":        alpha,
		"openslo-kubernetes-apiserver.yml":   "3: assumed 3",
		"plugin-getting-started.yml":         "0: plugin-sli 1",
		"plugin-k8s-getting-started.yml":     "0: plugin-sli 1",
		"raw-home-wifi.yml":                  "1: alert-labels 2, alert-name 1",
		"slo-plugin-getting-started.yml":     "1: alert-annotations 1, alert-labels 3, alert-name 1, slo-plugin 2",
		"slo-plugin-k8s-getting-started.yml": "1: alert-annotations 1, alert-labels 3, alert-name 1, slo-plugin 2",
		"victoria-metrics.yml":               "0: unparsable-query 2", // MetricsQL
	}))
	maps.Copy(all, slothTests())
	return all
}

// in puts a folder before the names of files.
func in(folder string, files map[string]string) map[string]string {
	out := map[string]string{}
	for name, outcome := range files {
		out[folder+"/"+name] = outcome
	}
	return out
}

// alpha: whether the window rolls is not said. windows: those are no objectives.
const (
	alpha   = "1: assumed 1"
	windows = "0: alert-windows 1"
)

func slothTests() map[string]string {
	const (
		base  = "2: alert-annotations 1, alert-labels 3, alert-name 1, disabled-alert 2"
		multi = "4: alert-annotations 2, alert-labels 6, alert-name 2, disabled-alert 4"
		// pageAlert and ticketAlert are the object's spelling, which the plain form does not read.
		misspelt = "2: alert-annotations 1, alert-labels 1, alert-name 1, disabled-alert 2, ignored-field 2"
		tooMuch  = "1: alert-annotations 1, alert-labels 1, alert-name 1, ignored-field 2, invalid-value 1" // 101 %
	)
	return in("test/integration/prometheus/testdata", map[string]string{
		"in-base.yaml": base, "in-base-k8s.yaml": base, "in-invalid-version.yaml": notObjectives,
		"in-multifile.yaml": multi, "in-multifile-k8s.yaml": multi, "in-openslo.yaml": alpha,
		"in-sli-plugin.yaml":         "0: plugin-sli 1",
		"in-slo-plugin.yaml":         "1: disabled-alert 2, slo-plugin 2",
		"in-slo-plugin-k8s.yaml":     "1: disabled-alert 2, slo-plugin 2",
		"validate/good/good-aa.yaml": misspelt, "validate/good/good-ab.yaml": misspelt, "validate/good/good-ba.yaml": misspelt,
		"validate/good/good-k8s.yaml": base, "validate/good/good-multi-k8s.yaml": multi, "validate/good/good-multi.yaml": multi,
		"validate/good/good-openslo.yaml": alpha,
		"validate/bad/bad-aa.yaml":        tooMuch, "validate/bad/bad-ab.yaml": tooMuch, "validate/bad/bad-ba.yaml": tooMuch,
		"validate/bad/bad-k8s.yaml": "0: invalid-value 2", // no service
		// An alert without a name is wrong for sloth, and not here, where alerts are not named.
		"validate/bad/bad-multi-k8s.yaml": "4: alert-annotations 2, alert-labels 6, alert-name 1, disabled-alert 4",
		"validate/bad/bad-multi.yaml":     "3: alert-annotations 2, alert-labels 6, alert-name 2, disabled-alert 2, invalid-value 1",
		// 28 days are wrong for sloth, which has no windows for them.
		"validate/bad/bad-openslo.yaml": alpha,
		// Services and names are the same in both documents.
		"validate_with_duplicates/bad-prom-multi-duplicates.yaml":       "2: alert-annotations 1, alert-labels 1, alert-name 1, disabled-alert 2, duplicate-name 2, ignored-field 2",
		"validate_with_duplicates/k8s/bad-k8s-1-duplicate.yaml":         base,
		"validate_with_duplicates/k8s/bad-k8s-1-original.yaml":          base,
		"validate_with_duplicates/openslo/bad-openslo-1-duplicate.yaml": alpha,
		"validate_with_duplicates/openslo/bad-openslo-1-original.yaml":  alpha,
		"validate_with_duplicates/prom/bad-prom-1-duplicate.yaml":       misspelt,
		"validate_with_duplicates/prom/bad-prom-1-original.yaml":        misspelt,
	})
}

func pyrraFiles() map[string]string {
	const service = "1: assumed 1" // pyrra knows no services
	all := map[string]string{
		"examples/docker-compose/*.yaml":         notObjectives,
		"examples/docker-compose/prometheus/*":   notObjectives,
		"examples/docker-compose/pyrra/*":        service,
		"examples/grafana/*":                     notObjectives,
		"examples/kubernetes/manifests*/pyrra-*": notObjectives,
		"examples/kubernetes/manifests*/setup/*": notObjectives,
		"examples/openshift/manifests/pyrra-*":   notObjectives,
		"examples/openshift/manifests/setup/*":   notObjectives,
		"examples/mimir/mimir-values.yaml":       notObjectives,
		"examples/mimir/example-slo.yaml":        service,
		"examples/nginx.yaml":                    "2: assumed 2",
	}
	for _, name := range []string{"caddy-response-latency", "parca-grpc-queryrange-errors", "prometheus-http", "prometheus-operator", "prometheus-probe-success",
		"pyrra-connect-errors", "pyrra-connect-latency", "pyrra-filesystem-errors", "pyrra-kubernetes-errors", "thanos-grpc", "thanos-http"} {
		all["examples/"+name+".yaml"] = service
	}
	for _, folder := range []string{"kubernetes/manifests", "kubernetes/manifests-webhook", "openshift/manifests"} {
		for _, name := range []string{"apiserver-read-cluster-latency", "apiserver-read-namespace-latency", "apiserver-read-resource-latency",
			"apiserver-read-response-errors", "apiserver-write-response-errors", "coredns-response-errors", "kubelet-request-errors", "kubelet-runtime-errors",
			"prometheus-notification-errors", "prometheus-operator-http-errors", "prometheus-operator-reconcile-errors", "prometheus-query-errors",
			"prometheus-rule-evaluation-failures", "prometheus-sd-kubernetes-errors"} {
			all["examples/"+folder+"/slos/slo-"+name+".yaml"] = service
		}
	}
	return all
}

func openSLOFiles() map[string]string {
	const (
		noWindow = "1: assumed 1, ignored-field 2" // and dimensions of the queries, twice
		none     = "0:"
	)
	all := map[string]string{}
	for folder, files := range map[string]map[string]string{
		"pkg/openslo/v1/examples": {
			"alert_conditions.yaml": "0: alert-policy 2", "alert_notification_targets.yaml": "0: alert-policy 2", "alert_policies.yaml": "0: alert-policy 3",
			"data_sources.yaml": "0: data-source 2", "services.yaml": none,
			"slis.yaml": "0: needs-polling 1, other-data-source 2", // Datadog, AppDynamics; the fourth is converted
			"slos.yaml": "1: ignored-field 1",                      // op beside a ratio
		},
		"pkg/openslo/v1alpha/examples": {
			"services.yaml": none,
			"slos.yaml":     "1: other-data-source 1",
		},
		"pkg/openslo/v2alpha/examples": {
			"alert_conditions.yaml": "0: alert-policy 2", "alert_notification_targets.yaml": "0: alert-policy 2", "alert_policies.yaml": "0: alert-policy 3",
			"data_sources.yaml": "0: data-source 2", "services.yaml": none,
			// One that is converted is asked of a source which nothing says is Prometheus; one is Datadog's language, one has no query.
			"slis.yaml": "0: assumed 1, invalid-value 1, needs-polling 2, unparsable-query 1",
			"slos.yaml": "1: assumed 2, ignored-field 1",
		},
		"pkg/openslosdk/test_data/decode": {
			"sequence_of_objects.json": none, "sequence_of_objects.yaml": none, "single_object.json": none, "single_object.yaml": none, "two_documents.yaml": none,
			"v1_slos.yaml":             noWindow,
			"v2alpha_data_source.yaml": "0: data-source 1, renamed 1",
			"v2alpha_slos.yaml":        "0: invalid-value 1, other-data-source 1, unparsable-query 1", // one without objectives
		},
		"pkg/openslosdk/test_data/encode": {"v1_slo.json": noWindow, "v1_slo.yaml": noWindow},
		"pkg/openslosdk/test_data/export/inputs": {
			"custom_config.yaml": "0: alert-policy 1, needs-polling 1", "v1_alert_policies.yaml": "0: alert-policy 2", "v1_slo.yaml": "0: alert-policy 1, needs-polling 1",
		},
		"pkg/openslosdk/test_data/export/outputs": {
			"custom_config.yaml": "0: alert-policy 1, needs-polling 1", "v1_alert_policies.yaml": "0: alert-policy 4",
			"v1_slo.yaml": "0: alert-policy 5, needs-polling 2", // the indicator has a document of its own
		},
		"pkg/openslosdk/test_data/inline/inputs": {
			"custom_config.yaml": "0: alert-policy 1, missing-reference 1", "v1_alert_policies_invalid_condition.yaml": "0: alert-policy 1",
			"v1_alert_policies_invalid_target.yaml": "0: alert-policy 1", "v1_alert_policies_keep_refs.yaml": "0: alert-policy 3",
			"v1_alert_policies_remove_refs.yaml": "0: alert-policy 7", "v1_slo.yaml": "0: alert-policy 2, needs-polling 3",
			"v1_slo_invalid_policy.yaml": "0: needs-polling 2", "v1_slo_invalid_sli.yaml": "0: missing-reference 1, needs-polling 1",
			"v1_slo_invalid_target.yaml": "0: needs-polling 2",
		},
		"pkg/openslosdk/test_data/inline/outputs": {
			"custom_config.yaml": "0: alert-policy 1, missing-reference 1", "v1_alert_policies_keep_refs.yaml": "0: alert-policy 3",
			"v1_alert_policies_remove_refs.yaml": "0: alert-policy 4", "v1_slo.yaml": "0: needs-polling 2",
		},
	} {
		for name, outcome := range files {
			all[folder+"/"+name] = outcome
		}
	}
	return all
}

// moduleDir is where the module is in the cache; it is downloaded if it is not there.
func (p peer) moduleDir(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", p.requires)
	cmd.Dir = filepath.Join("..", "testkit", p.module)
	out, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if err := json.Unmarshal(out, &answer); err != nil || answer.Dir == "" {
		t.Fatalf("go mod download %s: %v %s", p.requires, err, answer.Error)
	}
	if err != nil {
		t.Fatalf("go mod download %s: %v", p.requires, err)
	}
	return answer.Dir
}

// examples lists all YAML and JSON below the peer's folders.
func (p peer) examples(t *testing.T) (dir string, names []string) {
	t.Helper()
	dir = p.moduleDir(t)
	for _, folder := range p.folders {
		err := filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
			if err == nil && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) && !d.IsDir() {
				name, _ := filepath.Rel(dir, path) // path is below dir
				names = append(names, filepath.ToSlash(name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir, names
}

// expected finds the outcome in the table, whose names may be patterns.
func (p peer) expected(name string) (pattern, outcome string) {
	if outcome, ok := p.files[name]; ok {
		return name, outcome
	}
	for _, pattern := range slices.Sorted(maps.Keys(p.files)) {
		if ok, _ := filepath.Match(pattern, name); ok { // a bad pattern matches nothing, and is told as gone
			return pattern, p.files[pattern]
		}
	}
	return "", ""
}

func read(t *testing.T, name string) spec.File {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return spec.File{Name: name, Data: data}
}

// outcome tells how many objectives came of a file, and the losses.
func outcome(r convert.Result) string {
	if len(r.Problems) > 0 {
		return notObjectives
	}
	losses := map[convert.Loss]int{}
	for _, n := range r.Notices {
		losses[n.Kind]++
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(losses)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, losses[kind]))
	}
	return strings.TrimSpace(fmt.Sprintf("%d: %s", len(r.Objectives), strings.Join(parts, ", ")))
}

// TestEveryExample converts every file that ships with the three tools, and loads what was made of it.
func TestEveryExample(t *testing.T) {
	for _, p := range peers() {
		t.Run(p.requires, func(t *testing.T) {
			dir, names := p.examples(t)
			met := map[string]bool{}
			for _, name := range names {
				pattern, want := p.expected(name)
				met[pattern] = true
				result := convert.Convert([]spec.File{read(t, filepath.Join(dir, name))}, formats(), convert.Options{})
				if got := outcome(result); got != want {
					t.Errorf("%s: got %q, want %q\n%v\n%v", name, got, want, result.Problems, told(result))
				}
				load(t, result)
			}
			for pattern := range p.files {
				if !met[pattern] {
					t.Errorf("%s is in the table and not in the module", pattern)
				}
			}
		})
	}
}

func told(r convert.Result) string {
	var lines []string
	for _, n := range r.Notices {
		lines = append(lines, n.String())
	}
	return strings.Join(lines, "\n")
}

// load reads what was made as the agent does, strictly, and compares what it holds with what is told of it.
func load(t *testing.T, r convert.Result) []spec.Objective {
	t.Helper()
	var files []spec.File
	for _, o := range r.Outputs {
		files = append(files, spec.File{Name: o.File, Data: o.Data})
	}
	set, problems := spec.Load(files, spec.Options{Strict: true})
	if problems.Err() != nil {
		t.Fatalf("what was made does not load: %v", problems)
	}
	var have, said []string
	for _, o := range set.Objectives {
		have = append(have, o.File+" "+o.Name)
	}
	for _, o := range r.Objectives {
		said = append(said, o.Output+" "+o.Name)
	}
	slices.Sort(have)
	slices.Sort(said)
	if !slices.Equal(have, said) {
		t.Fatalf("made %v, told of %v", have, said)
	}
	return set.Objectives
}

// TestAllAtOnce: files of all tools in one run, as with a folder of them, make names that are unique.
func TestAllAtOnce(t *testing.T) {
	for _, p := range peers() {
		dir, names := p.examples(t)
		var files []spec.File
		want := 0
		for _, name := range names {
			if _, outcome := p.expected(name); outcome != notObjectives {
				files = append(files, read(t, filepath.Join(dir, name)))
				var n int
				if _, err := fmt.Sscanf(outcome, "%d:", &n); err != nil {
					t.Fatal(err)
				}
				want += n
			}
		}
		result := convert.Convert(files, formats(), convert.Options{})
		duplicates := 0
		for _, n := range result.Notices {
			if n.Kind == convert.DuplicateName {
				duplicates++
			}
		}
		load(t, result)
		if result.Problems.Err() != nil || len(result.Objectives) == 0 || len(result.Objectives) > want {
			t.Errorf("%s: %d objectives of %d, %v", p.requires, len(result.Objectives), want, result.Problems)
		}
		if len(result.Objectives) < want && duplicates == 0 {
			t.Errorf("%s: %d objectives are missing", p.requires, want-len(result.Objectives))
		}
	}
}
