package docs_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
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

// TestNativeAlerts holds alerts that rules on raw series raise themselves to the same table.
func TestNativeAlerts(t *testing.T) {
	want := map[string]string{}
	for _, row := range tables(t, "alert-rules.md", "alerts") {
		want[codes(row[0])[0]] = row[2] + ", " + row[3]
	}
	bad, total := selector(t, `tx_total{outcome="bad"}`), selector(t, "tx_total")
	o := spec.Objective{
		Name: "card-auth", Service: "card", Target: 0.999, Method: spec.Occurrences, Indicator: spec.Indicator{Ratio: &spec.Ratio{Bad: bad, Total: total}},
		Window: spec.Window{Text: "30d", Length: 30 * 24 * time.Hour, Rolling: true},
	}
	files, _ := prometheus.Native([]alerts.Objective{{Objective: o, Tiers: burnrate.Tiers(o.Window.Length)}}, alerts.Options{})
	seen := map[string]bool{}
	for _, g := range files[0].Groups {
		for _, r := range g.Rules {
			if got := model.Duration(r.For).String() + ", " + model.Duration(r.KeepFiringFor).String(); r.Alert != "" && got != want[r.Alert] {
				t.Errorf("%s waits and is kept for %s, in the table for %s", r.Alert, got, want[r.Alert])
			}
			seen[r.Alert] = true
		}
	}
	for _, name := range []string{alerts.BudgetBurn, alerts.BudgetExhausted, alerts.Unobserved} {
		if !seen[name] {
			t.Errorf("there is no %s", name)
		}
	}
}

// TestUnhealthyConditions compares what the table says of each condition's wait with the rules.
func TestUnhealthyConditions(t *testing.T) {
	written := map[string]string{}
	for _, row := range tables(t, "alert-rules.md", "alerts") {
		if codes(row[0])[0] != alerts.AgentUnhealthy {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-z_]+)` \\(([^)]*)\\)").FindAllStringSubmatch(row[1], -1) {
			written[m[1]] = strings.NewReplacer("at once", "0s", " min", "m").Replace(m[2])
		}
	}
	have := map[string]string{}
	for _, r := range prometheus.Agent(nil, alerts.Options{})[0].Groups[0].Rules {
		if r.Alert == alerts.AgentUnhealthy {
			have[r.Labels["condition"]] = model.Duration(r.For).String()
		}
	}
	if !maps.Equal(written, have) {
		t.Errorf("the table says %v, the rules %v", written, have)
	}
}

func selector(t *testing.T, text string) *spec.Selector {
	t.Helper()
	m, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
	if err != nil {
		t.Fatal(err)
	}
	return &spec.Selector{Text: text, Matchers: m}
}
