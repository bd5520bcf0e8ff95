package slo

import (
	"encoding/json"
	"time"

	"github.com/assayer-io/assayer/slo/burnrate"
)

// State is the one-word answer for an objective.
type State string

// The four states. Unknown means too little was observed to say: it is never all-clear and never a
// reason to act.
const (
	OK        State = "ok"
	Burning   State = "burning"
	Exhausted State = "exhausted"
	Unknown   State = "unknown"
)

// States lists every state in the order in which screens show them, worst first.
func States() []State { return []State{Exhausted, Burning, Unknown, OK} }

// Status is what the engine knows of one objective at one moment. Its JSON form is the API's.
type Status struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name,omitempty"`
	Service     string `json:"service"`
	Team        string `json:"-"` // who owns it; "" if nobody says so
	// Parent and Group are set for one group of a grouped objective: Name is then such as
	// card-auth[region=eu].
	Parent string            `json:"parent,omitempty"`
	Group  map[string]string `json:"group,omitempty"`
	// Currency is set where budgets count money: Events are then minor units of it.
	Currency  string    `json:"currency,omitempty"`
	Objective float64   `json:"objective"`
	Window    string    `json:"window"`
	Method    string    `json:"budgeting_method"`
	State     State     `json:"state"`
	Reason    string    `json:"reason"` // one sentence with its numbers
	At        time.Time `json:"at"`
	// Observed: enough is seen now to judge. A state that is unknown although Observed is true only
	// waits for its window to fill.
	Observed    bool           `json:"observed"`
	Problem     string         `json:"problem,omitempty"` // what is wrong with how it is measured
	Events      Events         `json:"events"`
	ErrorBudget Budget         `json:"error_budget"`
	BurnRates   WindowValues   `json:"burn_rates"`
	ErrorRatios WindowValues   `json:"error_ratios"`
	Coverage    float64        `json:"coverage_ratio"` // of the window since watching began
	Filled      float64        `json:"filled_ratio"`   // share of the window that lies after watching began
	Firing      []string       `json:"firing"`
	Tiers       []TierStatus   `json:"tiers"`
	Composite   string         `json:"composite,omitempty"` // method of a composite objective
	Members     []MemberStatus `json:"members,omitempty"`
	// Counted is what was counted since the ledger began and never falls while the agent runs; Totals is
	// as much of it as a crash cannot take back, which is what /metrics exports.
	Counted    Events        `json:"-"`
	Totals     Events        `json:"-"` // since the ledger began; never falls; what /metrics exports
	WindowSize time.Duration `json:"-"`
	Watched    time.Duration `json:"-"` // how much of the window lies after watching began; of a calendar window, of its period so far
}

// NeverFed reports whether nothing was ever seen of the objective: its budget is then no number.
func (s *Status) NeverFed() bool {
	return s.State == Unknown && s.Filled == 0 && s.Events == (Events{})
}

// Events are counts over the objective's window. They are whole numbers unless the counters
// behind them carry fractions.
type Events struct {
	Good     float64 `json:"good"`
	Bad      float64 `json:"bad"`
	Excluded float64 `json:"excluded"`
	Pending  float64 `json:"pending"`
}

// Budget is what is left of the error budget: 1 untouched, 0 spent, negative overspent.
type Budget struct {
	RemainingRatio float64    `json:"remaining_ratio"`
	ExhaustsAt     *time.Time `json:"exhausts_at"` // nil: not at the present rate within the window
	// ExhaustsEarliest and ExhaustsLatest bound ExhaustsAt with 95 % confidence, given how few errors the
	// rate is estimated from. nil: not within the window.
	ExhaustsEarliest *time.Time `json:"exhausts_earliest,omitempty"`
	ExhaustsLatest   *time.Time `json:"exhausts_latest,omitempty"`
}

// MemberStatus is what one member brings to a composite objective.
type MemberStatus struct {
	Objective  string  `json:"objective"`
	Weight     float64 `json:"weight"`
	State      State   `json:"state"`
	ErrorRatio float64 `json:"error_ratio"` // over the composite's own window, as it is counted there
	Counted    string  `json:"counted"`     // measured, or what it is taken as: ignored, good, bad, unknown
}

// Exclusion takes a stretch of time out of budgets, or corrects what was counted in it.
type Exclusion struct {
	ID         string    `json:"id"`
	Objectives []string  `json:"objectives"` // names, with * for any letters; groups go with their parent
	From       time.Time `json:"from"`
	To         time.Time `json:"to"` // after From
	// Correction is nil for an exclusion, which moves all that was counted in (From, To] to excluded.
	// Otherwise it is added to what was counted, as if it had happened at To.
	Correction *Correction `json:"correction,omitempty"`
}

// Correction is a change of counts; a window never holds fewer than no events of a kind.
type Correction struct {
	Good     float64 `json:"good"`
	Bad      float64 `json:"bad"`
	Excluded float64 `json:"excluded"`
}

// TierStatus is one leg of the burn alert with the numbers behind its answer.
type TierStatus struct {
	Name          string            `json:"name"`
	Severity      burnrate.Severity `json:"severity"`
	LongWindow    string            `json:"long_window"`
	ShortWindow   string            `json:"short_window"`
	Factor        float64           `json:"factor"`
	LongBurnRate  float64           `json:"long_burn_rate"`
	ShortBurnRate float64           `json:"short_burn_rate"`
	LongCoverage  float64           `json:"long_coverage_ratio"`
	Firing        bool              `json:"firing"`
	Since         *time.Time        `json:"since"`             // start of the present firing
	Why           string            `json:"why"`               // one sentence; "" while both windows are below the factor
	Evidence      Evidence          `json:"evidence,omitzero"` // of the fast tier, whose windows are for reference only

	Urgency    burnrate.Urgency `json:"-"`
	FactorText string           `json:"-"` // the factor while the whole budget is left, as labels carry it
}

// Evidence is what a sequential test holds against chance.
type Evidence struct {
	LogLikelihoodRatio float64 `json:"log_likelihood_ratio"` // for an outage
	Limit              float64 `json:"limit"`                // the tier fires from here on; 0: nothing was looked at yet
	ErrorBound         float64 `json:"error_bound"`          // false pages a budget window, at most, for independent failures
}

// WindowValue is one number over one window.
type WindowValue struct {
	Window string
	Value  float64
}

// WindowValues marshals as an object in its own order, shortest window first.
type WindowValues []WindowValue

// Get returns the value for a window and whether there is one.
func (w WindowValues) Get(window string) (float64, bool) {
	for _, v := range w {
		if v.Window == window {
			return v.Value, true
		}
	}
	return 0, false
}

// MarshalJSON writes {"5m":0.2,"1h":4}.
func (w WindowValues) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, v := range w {
		if i > 0 {
			out = append(out, ',')
		}
		key, err := json.Marshal(v.Window)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(v.Value)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes, in the order written.
func (w *WindowValues) UnmarshalJSON(data []byte) error {
	*w = nil
	var m map[string]float64
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	for _, key := range objectKeys(data) {
		*w = append(*w, WindowValue{key, m[key]})
	}
	return nil
}

// Point is one moment of an objective's past, computed from its ledger.
type Point struct {
	At             time.Time `json:"at"`
	BurnRate       float64   `json:"burn_rate"`
	RemainingRatio float64   `json:"remaining_ratio"`
	Events         float64   `json:"events"`         // good and bad in the burn rate's window
	Coverage       float64   `json:"coverage_ratio"` // of the burn rate's window
}
