package transactions

import (
	"errors"
	"fmt"
	"time"

	"github.com/assayer-io/assayer/internal/strictyaml"
)

// Config is the section collectors.transactions of the agent file.
type Config struct {
	// RailFiles and ReasonFiles are glob patterns of a user's own rails and packs of reason codes; what they
	// say comes before what is built in.
	RailFiles   []string `yaml:"rail_files"`
	ReasonFiles []string `yaml:"reason_files"`
	// RatesFile holds daily rates into the reporting currency; without it only amounts in that currency have a value.
	RatesFile string `yaml:"rates_file"`
	// Assets are what is paid in beside ISO 4217's currencies, by their digits after the point: {ETH: 18}.
	Assets map[string]int `yaml:"assets"`
	// ClosedRetention is for how long a closed movement is known: events told twice, and returns, find it.
	ClosedRetention time.Duration `yaml:"closed_retention"`
	// MaxRecords bounds open and lately closed movements together.
	MaxRecords int `yaml:"max_records"`
	// ConfirmationDelay is how much later than it happened a settlement may be told: a deadline fires that
	// much after it has passed, and what was settled in time and told in time is good.
	ConfirmationDelay time.Duration `yaml:"confirmation_delay"`
	// Reconcile says for each rail how long after a settlement the other side has to have told it too; what it
	// has not is a break. Rails that are not in it are not reconciled.
	Reconcile map[string]time.Duration `yaml:"reconcile"`
	// DuplicateWindow is how soon after another a movement of the same amount between the same parties is
	// suspected of being one paid twice; 0: never.
	DuplicateWindow time.Duration `yaml:"duplicate_window"`
	// CatchUpTimeout is how long deadlines wait, after a start, for sources that have not caught up.
	CatchUpTimeout time.Duration `yaml:"catch_up_timeout"`
	// Sources are the ways in beside POST /api/v1/transactions, each with a name and a kind.
	Sources []strictyaml.Node `yaml:"sources"`
}

// maxRecordsAllowed keeps record numbers in 32 bits and the files in bounds.
const maxRecordsAllowed = 200_000_000

// Default is the section when nothing is written.
func Default() Config {
	return Config{ClosedRetention: 48 * time.Hour, MaxRecords: 20_000_000, ConfirmationDelay: time.Second, DuplicateWindow: 10 * time.Minute, CatchUpTimeout: 2 * time.Minute}
}

// Validate finds values that cannot be.
func (c Config) Validate() error {
	var errs []error
	if c.ClosedRetention < time.Minute || c.ClosedRetention > 400*24*time.Hour {
		errs = append(errs, fmt.Errorf("closed_retention: got %v, allowed: 1m to 400d", c.ClosedRetention))
	}
	if c.MaxRecords < 1000 || c.MaxRecords > maxRecordsAllowed {
		errs = append(errs, fmt.Errorf("max_records: got %d, allowed: 1000 to %d", c.MaxRecords, maxRecordsAllowed))
	}
	if c.ConfirmationDelay < 0 || c.ConfirmationDelay > 24*time.Hour {
		errs = append(errs, fmt.Errorf("confirmation_delay: got %v, allowed: 0s to 24h", c.ConfirmationDelay))
	}
	if c.CatchUpTimeout < 0 || c.CatchUpTimeout > 24*time.Hour {
		errs = append(errs, fmt.Errorf("catch_up_timeout: got %v, allowed: 0s to 24h", c.CatchUpTimeout))
	}
	if c.DuplicateWindow < 0 || c.DuplicateWindow > 24*time.Hour {
		errs = append(errs, fmt.Errorf("duplicate_window: got %v, allowed: 0s to 24h", c.DuplicateWindow))
	}
	for rail, within := range c.Reconcile {
		if within <= 0 || within > c.ClosedRetention {
			errs = append(errs, fmt.Errorf("reconcile.%s: got %v, allowed: above 0s, and no longer than closed_retention, %v", rail, within, c.ClosedRetention))
		}
	}
	for asset, digits := range c.Assets {
		if digits < 0 || digits > 30 {
			errs = append(errs, fmt.Errorf("assets.%s: got %d digits, allowed: 0 to 30", asset, digits))
		}
	}
	return errors.Join(errs...)
}
