package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/dashboards"
	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/parallel"
)

// maxConfigMapBytes is what the Kubernetes API takes as the data of one ConfigMap.
const maxConfigMapBytes = 1 << 20

// wrap puts rule files and dashboards into the form that was asked for.
func (in *Input) wrap(rules []alerts.File, screens []dashboards.Dashboard) ([]artifact.File, error) {
	switch in.Form {
	case ConfigMaps:
		return in.configMaps(rules, screens)
	case Operators:
		return in.operators(rules, screens)
	case Terraform:
		return in.terraform(rules, screens)
	case Provisioning:
		return in.provisioning(rules, screens)
	case Files, "":
		return in.plain(rules, screens)
	}
	return nil, fmt.Errorf("making files: unknown form %q", in.Form)
}

func rulePath(f alerts.File) string { return "rules/" + f.Name + ".yaml" }

func screenPath(d dashboards.Dashboard) string { return "dashboards/" + d.UID + ".json" }

// ruleFiles are the rules as Prometheus reads them.
func ruleFiles(rules []alerts.File) []artifact.File {
	out := make([]artifact.File, len(rules))
	parallel.Do(len(rules), func(i int) {
		out[i] = artifact.File{Path: rulePath(rules[i]), Kind: artifact.Rules, Data: prometheus.Encode(rules[i])}
	})
	return out
}

func screenFiles(folder string, screens []dashboards.Dashboard) []artifact.File {
	var out []artifact.File
	for _, d := range screens {
		out = append(out, artifact.File{Path: path.Join(folder, screenPath(d)), Kind: artifact.Dashboard, Data: d.JSON})
	}
	return out
}

// plain is every file as its reader takes it.
func (in *Input) plain(rules []alerts.File, screens []dashboards.Dashboard) ([]artifact.File, error) {
	out := append(ruleFiles(rules), screenFiles("", screens)...)
	groups, err := in.grafanaRules("grafana/alert-rules.json")
	return append(out, groups...), err
}

// configMap is a Kubernetes ConfigMap.
type configMap struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   metadata          `yaml:"metadata"`
	Data       map[string]string `yaml:"data"`
}

type metadata struct {
	Name        string            `yaml:"name"`
	Namespace   string            `yaml:"namespace,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// managedBy is the label by which generated objects are known.
const managedBy = "app.kubernetes.io/managed-by"

func (in *Input) metadata(name string, labels ...string) metadata {
	m := metadata{Name: prometheus.ObjectName(name), Namespace: in.Kubernetes.Namespace, Labels: map[string]string{managedBy: "assayer"}}
	for i := 0; i+1 < len(labels); i += 2 {
		m.Labels[labels[i]] = labels[i+1]
	}
	maps.Copy(m.Labels, in.Kubernetes.Labels)
	return m
}

// configMaps are for the sidecars that copy what carries their label: grafana_dashboard of the Grafana chart,
// and prometheus_rule for rule files.
func (in *Input) configMaps(rules []alerts.File, screens []dashboards.Dashboard) ([]artifact.File, error) {
	var out []artifact.File
	for _, f := range rules {
		file, err := in.configMap("rules", f.Name, f.Name+".yaml", prometheus.Encode(f), in.metadata("assayer-rules-"+f.Name, "prometheus_rule", "1"))
		if err != nil {
			return nil, err
		}
		out = append(out, file)
	}
	for _, d := range screens {
		m := in.metadata(d.UID, "grafana_dashboard", "1")
		m.Annotations = map[string]string{"grafana_folder": d.Folder}
		file, err := in.configMap("dashboards", d.UID, d.UID+".json", d.JSON, m)
		if err != nil {
			return nil, err
		}
		out = append(out, file)
	}
	groups, err := in.grafanaRules("alert-rules.json")
	for _, g := range groups {
		file, err := in.configMap("grafana", "alert-rules", "assayer.json", g.Data, in.metadata("assayer-grafana-alert-rules", "grafana_alert", "1"))
		if err != nil {
			return nil, err
		}
		out = append(out, file)
	}
	return out, err
}

func (in *Input) configMap(folder, name, key string, data []byte, m metadata) (artifact.File, error) {
	if len(data) > maxConfigMapBytes {
		return artifact.File{}, fmt.Errorf("making ConfigMap %s: %s has %d bytes, Kubernetes takes %d; use another form, or fewer objectives a service", m.Name, key, len(data), maxConfigMapBytes)
	}
	object, err := toYAML(configMap{APIVersion: "v1", Kind: "ConfigMap", Metadata: m, Data: map[string]string{key: string(data)}})
	return artifact.File{Path: "kubernetes/" + folder + "/" + name + ".yaml", Kind: artifact.Manifest, Data: object}, err
}

// grafanaDashboard is an object of the Grafana operator, version 5.
type grafanaDashboard struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   metadata `yaml:"metadata"`
	Spec       struct {
		InstanceSelector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"instanceSelector"`
		Folder string `yaml:"folder"`
		UID    string `yaml:"uid"`
		JSON   string `yaml:"json"`
	} `yaml:"spec"`
}

// operators are objects for the operators of Prometheus and Grafana.
func (in *Input) operators(rules []alerts.File, screens []dashboards.Dashboard) ([]artifact.File, error) {
	var out []artifact.File
	for _, f := range rules {
		m := in.metadata("assayer-" + f.Name)
		object := prometheus.EncodeObject(f, prometheus.ObjectMeta{Name: m.Name, Namespace: m.Namespace, Labels: m.Labels})
		out = append(out, artifact.File{Path: "kubernetes/rules/" + f.Name + ".yaml", Kind: artifact.RuleObjects, Data: object})
	}
	for _, d := range screens {
		g := grafanaDashboard{APIVersion: "grafana.integreatly.org/v1beta1", Kind: "GrafanaDashboard", Metadata: in.metadata(d.UID)}
		g.Spec.InstanceSelector.MatchLabels = map[string]string{"dashboards": "grafana"}
		g.Spec.Folder, g.Spec.UID, g.Spec.JSON = d.Folder, d.UID, string(d.JSON)
		object, err := toYAML(g)
		if err != nil {
			return nil, err
		}
		out = append(out, artifact.File{Path: "kubernetes/dashboards/" + d.UID + ".yaml", Kind: artifact.Manifest, Data: object})
	}
	groups, err := in.grafanaRules("grafana/alert-rules.json")
	return append(out, groups...), err
}

// provider is the file that makes Grafana read a folder of dashboards.
type provider struct {
	APIVersion int `yaml:"apiVersion"`
	Providers  []struct {
		Name            string            `yaml:"name"`
		Folder          string            `yaml:"folder"`
		Type            string            `yaml:"type"`
		DisableDeletion bool              `yaml:"disableDeletion"`
		AllowUIUpdates  bool              `yaml:"allowUiUpdates"`
		Options         map[string]string `yaml:"options"`
	} `yaml:"providers"`
}

// dashboardsPath is where the provisioning file looks for dashboards, beside itself in Grafana's own folder.
const dashboardsPath = "/etc/grafana/provisioning/dashboards/assayer"

// provisioning is laid out as Grafana's folder /etc/grafana/provisioning.
func (in *Input) provisioning(rules []alerts.File, screens []dashboards.Dashboard) ([]artifact.File, error) {
	out := ruleFiles(rules)
	if len(screens) > 0 {
		p := provider{APIVersion: 1}
		p.Providers = append(p.Providers, struct {
			Name            string            `yaml:"name"`
			Folder          string            `yaml:"folder"`
			Type            string            `yaml:"type"`
			DisableDeletion bool              `yaml:"disableDeletion"`
			AllowUIUpdates  bool              `yaml:"allowUiUpdates"`
			Options         map[string]string `yaml:"options"`
		}{"assayer", screens[0].Folder, "file", false, false, map[string]string{"path": dashboardsPath}})
		data, err := toYAML(p)
		if err != nil {
			return nil, err
		}
		out = append(out, artifact.File{Path: "provisioning/dashboards/assayer.yaml", Kind: artifact.Provisioning, Data: data})
		for _, d := range screens {
			out = append(out, artifact.File{Path: "provisioning/dashboards/assayer/" + d.UID + ".json", Kind: artifact.Dashboard, Data: d.JSON})
		}
	}
	groups, err := in.grafanaRules("provisioning/alerting/assayer.json")
	return append(out, groups...), err
}

// terraform is one file for Grafana's provider; rules of Prometheus have no resource there and stay files.
func (in *Input) terraform(rules []alerts.File, screens []dashboards.Dashboard) ([]artifact.File, error) {
	out := ruleFiles(rules)
	resources := map[string]map[string]any{}
	add := func(kind, name string, body any) {
		if resources[kind] == nil {
			resources[kind] = map[string]any{}
		}
		resources[kind][name] = body
	}
	if len(screens) > 0 || in.wants(GrafanaRules) {
		add("grafana_folder", terraformFolder, map[string]any{"uid": terraformFolder, "title": literal(in.Dashboards.Folder)})
	}
	for _, d := range screens {
		add("grafana_dashboard", strings.ReplaceAll(d.UID, "-", "_"), map[string]any{
			"folder": "${grafana_folder." + terraformFolder + ".uid}", "config_json": literal(string(d.JSON)), "overwrite": true,
		})
	}
	if err := in.terraformRules(add); err != nil {
		return nil, err
	}
	if len(resources) == 0 {
		return out, nil
	}
	data, err := json.MarshalIndent(map[string]any{
		"terraform": map[string]any{"required_providers": map[string]any{"grafana": map[string]any{"source": "grafana/grafana", "version": ">= 3.0.0"}}},
		"resource":  resources,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("making Terraform's file: %w", err)
	}
	return append(out, artifact.File{Path: "terraform/assayer.tf.json", Kind: artifact.Terraform, Data: append(data, '\n')}), nil
}

// literal keeps Terraform from reading a text as a template: in its JSON syntax every string is one.
func literal(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(s)
}

// toYAML writes with two spaces; long texts are kept as blocks.
func toYAML(v any) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing YAML: %w", err)
	}
	return b.Bytes(), nil
}
