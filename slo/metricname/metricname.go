// Package metricname spells the metrics and labels that Assayer exports, once. Exporters, alert
// rules and dashboards take them from here, so they cannot drift apart.
package metricname

// Metrics about objectives; each carries the labels SLO and Service, and of a group of an objective Group.
const (
	SLIEventsTotal        = "assayer_sli_events_total"                              // + Outcome; of objectives that count events
	SLIValueTotal         = "assayer_sli_value_total"                               // + Outcome, Currency; of objectives that count money, in minor units
	ObjectiveRatio        = "assayer_slo_objective_ratio"                           //
	ErrorRatio            = "assayer_slo_error_ratio"                               // + Window
	BurnRate              = "assayer_slo_burn_rate"                                 // + Window
	BudgetRemainingRatio  = "assayer_slo_error_budget_remaining_ratio"              // absent before any target has fed it
	BudgetExhaustionTime  = "assayer_slo_budget_exhaustion_timestamp_seconds"       // absent when not in sight
	BudgetExhaustionBound = "assayer_slo_budget_exhaustion_bound_timestamp_seconds" // + Bound; absent when not in sight
	CoverageRatio         = "assayer_slo_coverage_ratio"                            //
	WindowFilledRatio     = "assayer_slo_window_filled_ratio"                       //
	SLOState              = "assayer_slo_state"                                     // + State; 1 for the present one
	Firing                = "assayer_slo_firing"                                    // + Tier, Severity
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
	Group    = "group" // region=eu,scheme=sepa: ordered by label; only groups have it
	Outcome  = "outcome"
	Currency = "currency"
	Bound    = "bound"
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

// Values of the label Bound.
const (
	Earliest = "earliest"
	Latest   = "latest"
)

// Values of the label Outcome.
const (
	Good     = "good"
	Bad      = "bad"
	Excluded = "excluded"
	Pending  = "pending"
)
