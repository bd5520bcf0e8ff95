// Package discover reads what targets expose and proposes objectives for it: a commented file of
// GoldenSignals documents to edit, and a list of services that no objective reads.
//
//	# Known by its metrics: PostgreSQL (postgres_exporter).
//	apiVersion: assayer.dev/v1
//	kind: GoldenSignals
//	metadata:
//	  name: postgresql
//	spec:
//	  # PostgreSQL has no counter of all transactions, so both ends of one are named.
//	  # Seen since the targets started: 13 of 1402 bad (0.927 %).
//	  errors:
//	    good: 'pg_stat_database_xact_commit'
//	    bad: 'pg_stat_database_xact_rollback'
//	    objective: 98%
//
// Targets are looked at by the Prometheus collector with an interest in every series, so that a series
// has here the name and labels that the agent's own look will give it. A known system is recognised by
// names that only it has, from one file a system in the folder systems; of others the names and the
// values of labels are judged. What is proposed is loaded as objectives and matched against what was
// seen before it is handed out.
package discover
