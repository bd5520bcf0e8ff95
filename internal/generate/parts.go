package generate

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/alertmanager"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/alerts/promtool"
	"github.com/assayer-io/assayer/alerts/runbook"
	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/parallel"
	"github.com/assayer-io/assayer/slo/rail"
)

// routing is Alertmanager's configuration with its templates.
func (in *Input) routing() ([]artifact.File, error) {
	data, err := alertmanager.Config(in.Objectives, in.Routing)
	if err != nil {
		return nil, err // it says which file is wrong and where
	}
	return []artifact.File{
		{Path: "alertmanager/alertmanager.yaml", Kind: artifact.Alertmanager, Data: data},
		{Path: "alertmanager/" + alertmanager.TemplateName, Kind: artifact.AlertTemplate, Data: alertmanager.Template()},
	}, nil
}

// tests are unit tests of the rules, beside their folder.
func (in *Input) tests(rules []alerts.File) ([]artifact.File, error) {
	made := make([][]promtool.File, len(rules))
	errs := make([]error, len(rules))
	byName := map[string]int{}
	for i, o := range in.Objectives {
		byName[o.Name] = i
	}
	parallel.Do(len(rules), func(i int) {
		objs := in.Objectives
		if of := rules[i].Objectives; len(of) > 0 {
			objs = make([]alerts.Objective, len(of))
			for k, name := range of {
				objs[k] = in.Objectives[byName[name]]
			}
		}
		made[i], errs[i] = promtool.Tests(rules[i:i+1], objs, in.Rules)
	})
	var out []artifact.File
	for _, files := range made {
		for _, f := range files {
			out = append(out, artifact.File{Path: "rule-tests/" + f.Name, Kind: artifact.RuleTests, Data: f.Data})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("making tests of rules: %w", err)
	}
	return out, nil
}

// runbooks are one page an objective, and an index.
func (in *Input) runbooks(rules []alerts.File, refusals []alerts.Refusal) []artifact.File {
	rails, native, refused := map[string]*rail.Rail{}, map[string][]alerts.File{}, map[string][]alerts.Refusal{}
	for i := range in.Rails {
		rails[in.Rails[i].Name] = &in.Rails[i]
	}
	for _, f := range rules {
		for _, name := range f.Objectives {
			native[name] = append(native[name], f)
		}
	}
	for _, r := range refusals {
		refused[r.Objective] = append(refused[r.Objective], r)
	}
	out := []artifact.File{{Path: "runbooks/" + runbook.IndexName, Kind: artifact.Runbook, Data: runbook.Index(in.Objectives)}}
	pages := make([]artifact.File, len(in.Objectives))
	parallel.Do(len(pages), func(i int) {
		o := in.Objectives[i]
		page := runbook.Markdown(runbook.Input{
			Objective: o, Rail: rails[o.Labels["rail"]], Hooks: in.Hooks[o.Name], Native: native[o.Name], Refused: refused[o.Name], Options: in.Rules,
		})
		pages[i] = artifact.File{Path: "runbooks/" + runbook.FileName(o.Name), Kind: artifact.Runbook, Data: page}
	})
	return append(out, pages...)
}

// PartsAt are the parts whose files stand at a path, in whatever form they were made, with or without their folder. Tests
// are of the part of their rules, too.
func PartsAt(name string) []Part {
	rules := NativeRules
	if strings.HasPrefix(path.Base(name), prometheus.AgentFile) {
		rules = AgentRules
	}
	for _, place := range []struct {
		folder string
		parts  []Part
	}{
		{"alertmanager", []Part{Routing}}, {"rule-tests", []Part{RuleTests, rules}}, {"runbooks", []Part{Runbooks}},
		{"dashboards", []Part{DashboardPart}}, {"grafana", []Part{GrafanaRules}}, {"alerting", []Part{GrafanaRules}},
		{"terraform", []Part{DashboardPart, GrafanaRules}},
	} {
		if slices.Contains(strings.Split(path.Dir(name), "/"), place.folder) {
			return place.parts
		}
	}
	return []Part{rules}
}
