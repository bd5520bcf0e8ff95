// Package audit keeps a log that shows when it was touched. Each entry is one line of JSON, on disk
// before [Log.Append] returns, and carries the hash of the entry before it:
//
//	{"agent_id":"pay-1","timestamp":"2026-11-21T10:00:00Z","action_category":"HIGH","action_type":"hook_action_intent",
//	 "description":"rolling card-auth back from v42 to v41","affected_systems":["card-auth"],"risk_level":"HIGH",
//	 "compliance_flags":[],"success_status":"PARTIAL","duration_seconds":0,"resources_used":[],"impact_assessment":"",
//	 "validation_required":true,"seq":7,"prev_hash":"5f1d…","hash":"03ab…","actor":"agent","evidence":{"id":"9c1e…"}}
//
// (on one line in the file). The hash is the SHA-256 of the line, without its line break, as it reads
// with "hash":"". The first entry has seq 1 and a prev_hash of 64 zeros.
//
// A chain alone does not tell when its end was cut off, or when all of it was written anew. So every
// so many entries, and on Close, a checkpoint entry holds a signature (ed25519) of the entry before it,
// and a file beside the log holds the signature of the last entry. The files:
//
//	audit.jsonl        the log, locked while it is open
//	audit.jsonl.head   {"seq":7,"hash":"03ab…","timestamp":"…","signature":"…"}, replaced at each append
//	audit.jsonl.key    private key, PEM, mode 0600; whoever has it can write a new history
//	audit.jsonl.pub    public key, PEM; keep a copy elsewhere, verify against the copy
//	audit.jsonl.torn   what crashes left half-written, moved aside
//
// A copy of the .head or of any checkpoint kept on another machine proves that the log up to there is
// what it was then.
package audit
