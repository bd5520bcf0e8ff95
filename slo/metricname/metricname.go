// Package metricname spells the metrics and labels that Assayer exports, once. Exporters, alert
// rules and dashboards take them from here, so they cannot drift apart.
package metricname

// Metrics about objectives; each carries the labels SLO and Service.
const (
	SLIEventsTotal       = "assayer_sli_events_total"                        // + Outcome
	ObjectiveRatio       = "assayer_slo_objective_ratio"                     //
	ErrorRatio           = "assayer_slo_error_ratio"                         // + Window
	BurnRate             = "assayer_slo_burn_rate"                           // + Window
	BudgetRemainingRatio = "assayer_slo_error_budget_remaining_ratio"        // absent before any target has fed it
	BudgetExhaustionTime = "assayer_slo_budget_exhaustion_timestamp_seconds" // absent when not in sight
	CoverageRatio        = "assayer_slo_coverage_ratio"                      //
	WindowFilledRatio    = "assayer_slo_window_filled_ratio"                 //
	SLOState             = "assayer_slo_state"                               // + State; 1 for the present one
	Firing               = "assayer_slo_firing"                              // + Tier, Severity
)

// Metrics about what the agent does.
const (
	PolicyActive     = "assayer_policy_active"      // + Policy, Rule, Then, SLO, Service; 1 while it holds
	HookActionsTotal = "assayer_hook_actions_total" // + Hook, Kind, Result
	BuildInfo        = "assayer_build_info"
)

// Labels.
const (
	SLO      = "slo"
	Service  = "service"
	Outcome  = "outcome"
	Window   = "window"
	State    = "state"
	Tier     = "tier"
	Severity = "severity"
	Policy   = "policy"
	Rule     = "rule"
	Then     = "then"
	Hook     = "hook"
	Kind     = "kind"
	Result   = "result"
)

// Values of the label Outcome.
const (
	Good     = "good"
	Bad      = "bad"
	Excluded = "excluded"
	Pending  = "pending"
)
