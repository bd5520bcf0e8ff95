package reason

// Anomaly is a jump of the share of one kind of customers' declines.
type Anomaly struct {
	Group string `json:"group"` // rail/counterparty
	Class Class  `json:"class"`
	Why   string `json:"why"` // in one sentence, with the numbers
}

// Shares watches shares of classes, group by group.
type Shares struct{}

// NewShares watches nothing yet.
func NewShares() *Shares { return &Shares{} }

// Observe takes one movement in that has ended.
func (*Shares) Observe(int64, string, Class) {}

// Anomalies are the jumps that last at a moment.
func (*Shares) Anomalies(int64) []Anomaly { return nil }
