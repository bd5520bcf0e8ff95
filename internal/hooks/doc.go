// Package hooks decides whether a burning objective is answered by an action, and sees the action
// through. [Decide] is pure: statuses, change log, policy and clock in; act, hold or deny out, with
// reasons. [Queue] keeps what came of it in a journal that survives crashes, writes the audit log
// before and after, asks people where the policy says so, and verifies on data from after the action.
//
// What an action looks like in the API and in the journal:
//
//	{"id": "5b1c…", "hook": "card-rollback", "kind": "webhook", "mode": "auto", "state": "verified",
//	 "objective": "card-auth-availability", "service": "card-auth", "tier": "page-1h",
//	 "reasons": ["page-1h fires since 10:04:10Z: 21.3× over 1h and 180× over 5m, limit 14.4×",
//	             "deploy v42 at 10:03:55Z came 10s before the burn began at 10:04:05Z",
//	             "v41 is recorded good: it met its objectives for 3h0m0s, 10m0s is needed"],
//	 "change": {"revision": "v42", …}, "to_revision": "v41", …}
//
// # When nothing happens
//
// A decision that is not to act is one of two. Hold: the moment is wrong, and the next evaluation may
// decide otherwise (unknown state, paused, another action under way, everything burns at once). Deny:
// a rule forbids it (no change recorded, no good revision known, cooldown, cap, already answered).
// Either is recorded and audited once for each episode and set of rules, not at each evaluation.
//
// # Budget policies
//
// What calls a hook is a firing tier, or a budget policy's rule that names it ([Queue.Follow]). A rule can
// also demand that a person approves whatever is done about an objective: an auto hook then asks. Neither opens a
// way past any rule here, and a freeze does not concern hooks: it is never a reason to keep a bad revision.
//
// # Episodes
//
// An episode is one tier of one objective firing since one moment, or one rule of a budget policy holding
// for it since one moment, and one hook answers it at most once. Two tiers that fire in the same burn are one burn: an action taken or proposed since the burn
// began answers both. The burn began when the burn rate of the shortest window rose above 1 and
// ends when it falls back; if the agent did not see it rise, it does not know what came first and holds.
//
// # Crashes
//
// Intent is in the journal before the call, that the call begins as well, and the result after it. At a
// restart an action without a result is sent again with the same idempotency key if its kind allows
// that (delivery is at least once; the receiver drops what it has already done), its episode still
// stands, its hook still may and nothing is paused; otherwise it becomes failed with "outcome unknown
// after restart". One whose call had not begun is sent or superseded. Cooldowns and caps are computed
// from the journal and so survive as well. Hooks in mode auto stay paused after every start until
// somebody resumes them, unless their policy sets resume_on_start.
//
// # Verification
//
// An action is verified once a known status shows the tier's short burn rate below 1 (the rate at which the
// budget just lasts), that short window lies wholly after the call, and good events came
// in the window's newer half: silence after an action is not recovery. Until verify_timeout after
// the first moment that could be judged, it is watched; then it is unverified, people take over,
// and an auto hook demotes itself to approve until an approved action of it has been verified.
package hooks
