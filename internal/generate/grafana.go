package generate

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/assayer-io/assayer/alerts/grafana"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/internal/artifact"
)

// terraformFolder is the uid, and the resource's name, of the folder in Terraform's file.
const terraformFolder = "assayer"

func (in *Input) grafanaOptions() grafana.Options {
	return grafana.Options{Folder: in.Dashboards.Folder, FolderUID: terraformFolder, Datasource: in.Datasource}
}

// grafanaRules are the alerts as Grafana manages them, as a file that it reads at its start; none unless asked for.
func (in *Input) grafanaRules(path string) ([]artifact.File, error) {
	if !in.wants(GrafanaRules) {
		return nil, nil
	}
	data, err := grafana.Provisioning(in.alerting, in.grafanaOptions())
	if err != nil {
		return nil, fmt.Errorf("making Grafana's alert rules: %w", err)
	}
	return []artifact.File{{Path: path, Kind: artifact.GrafanaRules, Data: data}}, nil
}

// terraformRules adds a resource for each group of Grafana's rules.
func (in *Input) terraformRules(add func(kind, name string, body any)) error {
	if !in.wants(GrafanaRules) {
		return nil
	}
	groups, err := grafana.Groups(in.alerting, in.grafanaOptions())
	if err != nil {
		return fmt.Errorf("making Grafana's alert rules: %w", err)
	}
	for _, g := range groups {
		var body grafanaGroup
		if err := json.Unmarshal(g.JSON, &body); err != nil {
			return fmt.Errorf("making Terraform's file of group %s: %w", g.Title, err)
		}
		var rules []any
		for i := range body.Rules {
			rules = append(rules, body.Rules[i].terraform())
		}
		add("grafana_rule_group", strings.ReplaceAll(prometheus.ObjectName(g.Title), "-", "_"), map[string]any{
			"name": literal(body.Title), "folder_uid": "${grafana_folder." + terraformFolder + ".uid}", "interval_seconds": body.Interval, "rule": rules,
		})
	}
	return nil
}

// grafanaGroup is what of a rule group in the form of Grafana's API goes into Terraform.
type grafanaGroup struct {
	Title    string        `json:"title"`
	Interval int64         `json:"interval"`
	Rules    []grafanaRule `json:"rules"`
}

type grafanaRule struct {
	UID           string            `json:"uid"`
	Title         string            `json:"title"`
	Condition     string            `json:"condition"`
	NoDataState   string            `json:"noDataState"`
	ExecErrState  string            `json:"execErrState"`
	For           string            `json:"for"`
	KeepFiringFor string            `json:"keep_firing_for"`
	Labels        map[string]string `json:"labels"`
	Annotations   map[string]string `json:"annotations"`
	Data          []struct {
		RefID             string           `json:"refId"`
		DatasourceUID     string           `json:"datasourceUid"`
		Model             json.RawMessage  `json:"model"`
		RelativeTimeRange map[string]int64 `json:"relativeTimeRange"`
	} `json:"data"`
}

// terraform is the block rule of the provider's resource grafana_rule_group.
func (r *grafanaRule) terraform() map[string]any {
	literals := func(m map[string]string) map[string]string {
		out := map[string]string{}
		for k, v := range m {
			out[k] = literal(v)
		}
		return out
	}
	var data []any
	for _, d := range r.Data {
		data = append(data, map[string]any{
			"ref_id": d.RefID, "datasource_uid": literal(d.DatasourceUID), "model": literal(string(d.Model)), "relative_time_range": d.RelativeTimeRange,
		})
	}
	return map[string]any{
		"uid": r.UID, "name": literal(r.Title), "condition": r.Condition, "no_data_state": r.NoDataState, "exec_err_state": r.ExecErrState,
		"for": r.For, "keep_firing_for": r.KeepFiringFor, "labels": literals(r.Labels), "annotations": literals(r.Annotations), "data": data,
	}
}
