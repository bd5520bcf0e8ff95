package cli

import (
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/grafana"
)

// TestWhatStaysOfOtherParts: --parts lets what belongs to other parts stay, wherever it is deployed, and nothing of its own.
func TestWhatStaysOfOtherParts(t *testing.T) {
	for _, tt := range []struct {
		parts, to, kind, name string
		stays                 bool
	}{
		{"", "grafana", grafana.KindRuleGroup, "assayer-folder-assayer/agent", false},
		{"dashboards", "grafana", grafana.KindRuleGroup, "assayer-folder-assayer/agent", true},
		{"dashboards", "grafana", grafana.KindDashboard, "assayer-on-call", false},
		{"native-rules,grafana-rules", "grafana", grafana.KindDashboard, "assayer-on-call", true},
		{"native-rules,grafana-rules", "grafana", grafana.KindRuleGroup, "assayer-folder-assayer/agent", false},
		{"alertmanager", "alertmanager", deploy.KindFile, "old.tmpl", false},
		{"native-rules", "prometheus", deploy.KindFile, "assayer-agent.yaml", true},
		{"native-rules", "prometheus", deploy.KindFile, "native-card.yaml", false},
		{"native-rules", "directory", deploy.KindFile, "alertmanager/alertmanager.yaml", true},
		{"runbooks", "directory", deploy.KindFile, "rules/native-card.yaml", true},
		{"runbooks", "directory", deploy.KindFile, "runbooks/card.md", false},
		{"dashboards", "directory", deploy.KindFile, "terraform/assayer.tf.json", true}, // which has rules, too
	} {
		var f deployFlags
		if tt.parts != "" {
			f.parts = strings.Split(tt.parts, ",")
		}
		if f.keeps(app.Destination{Kind: tt.to}, tt.kind, tt.name) != tt.stays {
			t.Errorf("--parts %s: %s of %s: stays is %t, want %t", tt.parts, tt.name, tt.to, !tt.stays, tt.stays)
		}
	}
}
