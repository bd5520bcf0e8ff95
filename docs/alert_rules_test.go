package docs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// TestAgentAlerts compares the table of alerts with the rules on the agent's series.
func TestAgentAlerts(t *testing.T) {
	var written, have []string
	for _, row := range tables(t, "alert-rules.md", "alerts") {
		name := codes(row[0])[0]
		severity := strings.Join(codes(row[4]), " ")
		if name == alerts.BudgetBurn { // its legs say so
			if severity != strings.Join([]string{string(burnrate.Critical), string(burnrate.High), string(burnrate.Medium), string(burnrate.Low)}, " ") {
				t.Errorf("%s has severities %s", name, severity)
			}
			severity = ""
		}
		written = append(written, strings.Join([]string{name, row[2], row[3], severity}, ", "))
	}
	for _, r := range prometheus.Agent(nil, alerts.Options{})[0].Groups[0].Rules {
		switch r.Alert {
		case "":
		case alerts.AgentUnhealthy:
			if line := r.Alert + ", 0s to 15m, 5m, high medium low"; !slices.Contains(have, line) {
				have = append(have, line)
			}
		default:
			severity := r.Labels[alerts.LabelSeverity]
			if r.Alert == alerts.AgentAbsent { // by what is then watched by nobody
				severity += " " + string(prometheus.AbsentSeverity(nil, alerts.Options{Joined: true}))
			}
			have = append(have, strings.Join([]string{r.Alert, model.Duration(r.For).String(), model.Duration(r.KeepFiringFor).String(), severity}, ", "))
		}
	}
	wantSame(t, "alerts", written, have)
}
