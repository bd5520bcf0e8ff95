package generate

import (
	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/alertmanager"
	"github.com/assayer-io/assayer/internal/artifact"
)

// routing is Alertmanager's configuration with its templates.
func routing(in *Input, _ []alerts.File) ([]artifact.File, error) {
	if !in.wants(Routing) {
		return nil, nil
	}
	data, err := alertmanager.Config(in.Objectives, in.Routing)
	if err != nil {
		return nil, err // it says which file is wrong and where
	}
	return []artifact.File{
		{Path: "alertmanager/alertmanager.yaml", Kind: artifact.Alertmanager, Data: data},
		{Path: "alertmanager/" + alertmanager.TemplateName, Kind: artifact.AlertTemplate, Data: alertmanager.Template()},
	}, nil
}
