// Package artifact holds what was generated, before it goes anywhere: named files in memory.
//
//	rules/native-card-auth.yaml   rules       2,914 bytes
//	dashboards/on-call.json       dashboard  48,120 bytes
package artifact

// Kind says what a file is for, and so which destinations want it.
type Kind string

// The kinds of artifacts.
const (
	Rules         Kind = "rules"          // a Prometheus rule file
	RuleTests     Kind = "rule-tests"     // a promtool unit test of rule files
	RuleObjects   Kind = "rule-objects"   // PrometheusRule objects
	Alertmanager  Kind = "alertmanager"   // a whole Alertmanager configuration
	AlertTemplate Kind = "alert-template" // notification texts of Alertmanager
	GrafanaRules  Kind = "grafana-rules"  // Grafana-managed alert rules, as a provisioning file
	Runbook       Kind = "runbook"        // Markdown
	Dashboard     Kind = "dashboard"      // as Grafana's dashboard API takes it
	Manifest      Kind = "manifest"       // Kubernetes objects other than rules
	Terraform     Kind = "terraform"      // Terraform's JSON syntax
	Provisioning  Kind = "provisioning"   // a file of Grafana's provisioning that points at others
)

// File is one generated file.
type File struct {
	Path string // slash-separated, relative, clean
	Kind Kind
	Data []byte
}
