package hooks

import "time"

// Mode is how far a hook may go by itself.
type Mode string

// The four modes, each going one step further than the one before.
const (
	Observe   Mode = "observe"   // records what it would have done
	Recommend Mode = "recommend" // also proposes it to people
	Approve   Mode = "approve"   // acts once a person has approved
	Auto      Mode = "auto"      // acts by itself
)

// State is where an action stands in its life.
type State string

// The states of an action. Denied, Observed, Recommended, Rejected, Expired, Superseded, Failed,
// Verified and Unverified are final.
const (
	Denied          State = "denied"           // the rules forbade it; Reasons say which
	Observed        State = "observed"         // mode observe: would have acted
	Recommended     State = "recommended"      // mode recommend: proposed to people
	WaitingApproval State = "waiting_approval" // mode approve: a person has to decide
	Rejected        State = "rejected"         // a person said no
	Expired         State = "expired"          // nobody decided in time
	Superseded      State = "superseded"       // a newer change or a pause came between
	Running         State = "running"          // intent is journalled, the call is under way
	Failed          State = "failed"           // the call did not succeed
	Verifying       State = "verifying"        // the call succeeded; watching data from after it
	Verified        State = "verified"         // data from after the action shows recovery
	Unverified      State = "unverified"       // it does not; people take over
)

// Action is one decision of one hook and what became of it. Its JSON form is the API's.
type Action struct {
	ID         string    `json:"id"` // also the idempotency key
	Hook       string    `json:"hook"`
	Kind       string    `json:"kind"` // webhook
	Mode       Mode      `json:"mode"`
	State      State     `json:"state"`
	Objective  string    `json:"objective"`
	Service    string    `json:"service"`
	Tier       string    `json:"tier"`
	Reasons    []string  `json:"reasons"` // why it acts, holds or is denied, each one sentence
	Change     *Change   `json:"change"`  // the change it undoes
	ToRevision string    `json:"to_revision,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	Attempts   int       `json:"attempts"`
	Error      string    `json:"error,omitempty"`
	DecidedBy  string    `json:"decided_by,omitempty"` // who approved or rejected
	// CalledAt is when the call had succeeded; verification uses only data from after it.
	CalledAt *time.Time `json:"called_at"`
	// Verification says what the data from after the action shows.
	Verification string `json:"verification,omitempty"`
}

// Change is a recorded deployment, flag flip or configuration change of one service.
type Change struct {
	ID       string    `json:"id"`
	Service  string    `json:"service"`
	Kind     string    `json:"kind"` // deploy, flag, config, rollback
	Revision string    `json:"revision"`
	At       time.Time `json:"at"`
	Author   string    `json:"author,omitempty"`
	Summary  string    `json:"summary,omitempty"`
}
