package alertmanager

import _ "embed" // for the template

//go:embed assayer.tmpl
var templateText string

// Template is the text of [TemplateName]: the definitions assayer.title, assayer.text, assayer.runbook,
// assayer.dashboard and assayer.agent, which receivers may use.
//
//	[FIRING:1] critical card-auth card-auth-errors ErrorBudgetBurn
func Template() []byte { return []byte(templateText) }
