package hooks

import (
	"time"

	"github.com/assayer-io/assayer/slo"
)

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

// The states of an action. All are final but WaitingApproval, Running and Verifying.
const (
	Denied          State = "denied"           // the rules forbade it; Reasons say which
	Held            State = "held"             // not at that moment; Reasons say why
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

// FinalStates lists the states that an action does not leave.
func FinalStates() []State {
	return []State{Denied, Held, Observed, Recommended, Rejected, Expired, Superseded, Failed, Verified, Unverified}
}

// Final reports whether an action stays in s for good.
func (s State) Final() bool { return s != WaitingApproval && s != Running && s != Verifying }

// Action is one decision of one hook and what became of it. Its JSON form is the API's.
type Action struct {
	ID         string    `json:"id"` // also the idempotency key
	Hook       string    `json:"hook"`
	Kind       string    `json:"kind"` // webhook
	Mode       Mode      `json:"mode"`
	State      State     `json:"state"`
	Objective  string    `json:"objective"`
	Service    string    `json:"service"`
	Tier       string    `json:"tier"`             // that fires, or by whose windows a policy's call is judged
	Policy     string    `json:"policy,omitempty"` // budget policy/rule that calls the hook; empty: the tier does
	Reasons    []string  `json:"reasons"`          // why it acts, holds or is denied, each one sentence
	Rules      []string  `json:"rules"`            // names of the rules that held or denied it
	Episode    string    `json:"episode"`          // what it answers, at most once
	Evidence   *Evidence `json:"evidence"`
	Change     *Change   `json:"change"` // the change it undoes
	ToRevision string    `json:"to_revision,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	Attempts   int       `json:"attempts"`
	Error      string    `json:"error,omitempty"`
	DecidedBy  string    `json:"decided_by,omitempty"` // who approved or rejected
	Resends    int       `json:"resends,omitempty"`    // after restarts, with the same ID
	Queued     bool      `json:"queued,omitempty"`     // running, but it waits for its turn: no call has gone out
	// StartedAt is when the call was decided for good; cooldowns and caps count from it. Nil: never.
	StartedAt *time.Time `json:"started_at"`
	// CalledAt is when the call had succeeded; verification uses only data from after it.
	CalledAt *time.Time `json:"called_at"`
	// Verification says what the data from after the action shows.
	Verification string `json:"verification,omitempty"`
}

// called reports whether the world outside may have been touched.
func (a *Action) called() bool { return a.StartedAt != nil && a.State != Superseded }

// Evidence is what the status said when the decision was taken.
type Evidence struct {
	Since          time.Time        `json:"since"` // start of the tier's firing
	LongWindow     string           `json:"long_window"`
	ShortWindow    string           `json:"short_window"`
	Factor         float64          `json:"factor"`
	LongBurnRate   float64          `json:"long_burn_rate"`
	ShortBurnRate  float64          `json:"short_burn_rate"`
	BurnRates      slo.WindowValues `json:"burn_rates"`
	RemainingRatio float64          `json:"remaining_ratio"` // of the error budget
	Coverage       float64          `json:"coverage_ratio"`
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
