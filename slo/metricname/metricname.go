// Package metricname spells the metrics and labels that Assayer exports, once. Exporters, alert
// rules and dashboards take them from here, so they cannot drift apart.
package metricname

import "strings"

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
	Observed              = "assayer_slo_observed"                                  // 1 while enough is seen to judge, else 0
	Info                  = "assayer_slo_info"                                      // + Team, Method, Window, DisplayName; always 1
	TierInfo              = "assayer_slo_tier_info"                                 // + Tier, Severity, Urgency, LongWindow, ShortWindow, Factor; always 1
)

// Metrics about what the agent does.
const (
	PolicyActive     = "assayer_policy_active"      // + Policy, Rule, Then, SLO, Service; 1 while it holds
	HookActionsTotal = "assayer_hook_actions_total" // + Hook, Kind, Result
	BuildInfo        = "assayer_build_info"

	CollectorCycles        = "assayer_collector_cycles_total"         // + Collector, Result
	CollectorCyclesSkipped = "assayer_collector_cycles_skipped_total" // + Collector
	SamplesRejected        = "assayer_samples_rejected_total"         // + Reason
	Targets                = "assayer_targets"                        // + Collector, Up
	ConfigReloaded         = "assayer_config_last_reload_successful"
	ServicesDiscovered     = "assayer_services_discovered" // of the targets in discovery
	ServicesCovered        = "assayer_services_covered"    // of those, services of which an objective reads a series

	DriftedObjects    = "assayer_drifted_objects"                    // + Target, Kind
	DriftLastCheck    = "assayer_drift_last_check_timestamp_seconds" // + Target
	DriftChecksFailed = "assayer_drift_checks_failed_total"          // + Target
)

// Metrics about movements of money, from the collector of transactions; each but the first two carries the label Rail.
// Objectives read them like any other series. Values are in minor units of Currency.
const (
	TransactionEvents       = "assayer_transaction_events_total"        // + Result
	TransactionsUnmapped    = "assayer_transactions_unmapped_codes"     // distinct reason codes of the last day that no pack knows
	Transactions            = "assayer_transactions_total"              // + Direction, Class, Outcome, EndToEnd; counted once, when it ended or its deadline passed
	TransactionsValue       = "assayer_transactions_value_total"        // likewise, + Currency
	TransactionsCapped      = "assayer_transactions_capped_value_total" // likewise; each movement up to the rail's cap
	TransactionsUnvalued    = "assayer_transactions_unvalued_total"     // + Currency; no rate into the reporting currency
	TransactionsSettlement  = "assayer_transactions_settlement_seconds" // histogram, + Le
	TransactionsReturns     = "assayer_transactions_returns_total"      // + Direction, Class, Outcome, EndToEnd
	TransactionsConflicts   = "assayer_transactions_conflicts_total"    // told of two different ends
	TransactionsLateConfirm = "assayer_transactions_late_confirmations_total"
	TransactionsAbandoned   = "assayer_transactions_abandoned_total"
	TransactionsDuplicates  = "assayer_transactions_duplicate_suspects_total"
	ReconciliationItems     = "assayer_reconciliation_items_total" // + Outcome

	TransactionsOpen         = "assayer_transactions_open"
	TransactionsOpenValue    = "assayer_transactions_open_value"  // + Currency, Age
	TransactionsOpenByAge    = "assayer_transactions_open_by_age" // + Age
	TransactionsOldest       = "assayer_transactions_oldest_open_age_seconds"
	TransactionsOverdue      = "assayer_transactions_overdue"
	TransactionsOverdueValue = "assayer_transactions_overdue_value" // + Currency
	TransactionsInDoubt      = "assayer_transactions_in_doubt"
	TransactionsInDoubtValue = "assayer_transactions_in_doubt_value" // + Currency
	NextCutOff               = "assayer_next_cutoff_timestamp_seconds"
	TransactionsDue          = "assayer_transactions_due"           // open and not overdue, of the business day of the next cut-off or an earlier one
	TransactionsDueValue     = "assayer_transactions_due_value"     // + Currency
	TransactionsDrainSeconds = "assayer_transactions_drain_seconds" // at the pace of the last ten minutes
	TransactionsDrainRatio   = "assayer_transactions_drain_ratio"   // of the time left before the next cut-off; at most 1000
	ReconciliationBreaks     = "assayer_reconciliation_breaks"
	BusinessShareAnomalies   = "assayer_transactions_business_share_anomalies"
	BusinessShareDropped     = "assayer_transactions_business_share_dropped_total" // no label; too many counterparties to watch
	TransactionsDamaged      = "assayer_transactions_damaged"                      // no label; movements that cannot be read
)

// OfMovements reports whether a name is that of a series about movements of money.
func OfMovements(name string) bool {
	return strings.HasPrefix(name, strings.TrimSuffix(TransactionEvents, "_events_total")) || strings.HasPrefix(name, strings.TrimSuffix(ReconciliationItems, "items_total")) || name == NextCutOff
}

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
	Target   = "target"
	Result   = "result"

	Collector = "collector"
	Reason    = "reason"
	Up        = "up" // true or false

	Team        = "team"
	Method      = "method"
	DisplayName = "display_name"
	Urgency     = "urgency" // a burnrate.Urgency
	LongWindow  = "long_window"
	ShortWindow = "short_window"
	Factor      = "factor" // as burnrate.Tier.FactorText spells it

	Rail      = "rail"
	Direction = "direction"
	Class     = "class"
	EndToEnd  = "end_to_end"
	Age       = "age"
	Le        = "le"
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
