// Package iso20022 reads events of movements of money from ISO 20022 messages: orders, interbank transfers, their
// statuses, returns and enquiries, and the entries of accounts that prove a booking.
//
//	pacs.008, ours, accepted 10:00:00.1     → received at 10:00:00.1, and sent when the message was created
//	pacs.002, ACSC                          → settled
//	pacs.002, RJCT, AC04                    → rejected, iso20022/status AC04
//	pacs.004, AC06                          → returned, iso20022/return AC06: a movement of its own, with its original
//	camt.054, an entry BOOK that is a debit → settled, out, told by the other side
//
// Names, accounts and remittance texts are skipped, never stored. Memory is bounded whatever the size of a
// file: transactions are handed on as their elements close.
package iso20022

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

// Config says what messages do not say themselves.
type Config struct {
	Rail string `yaml:"rail"` // of the payments
	// Direction of the payments that are told of, in or out, seen from us; what returns them goes the other way.
	// Empty: from the agents, by Own.
	Direction string   `yaml:"direction"`
	Own       []string `yaml:"own_bics"` // BICs or clearing member numbers that are ours; eight characters of a BIC are all its branches
	Role      string   `yaml:"role"`     // ours, see reason.Context; empty: the rail's
	// TimeZone is that of times without an offset, and of dates.
	TimeZone string `yaml:"time_zone"`
	// Statuses are states of the rail by transaction status, laid over the built-in ones; an empty state leaves
	// the status out.
	Statuses map[string]string `yaml:"statuses"`
}

// Default is the configuration when nothing is written; it lacks the rail.
func Default() Config { return Config{TimeZone: "UTC"} }

// Validate finds values that cannot be.
func (c Config) Validate() error {
	var errs []error
	if c.Rail == "" {
		errs = append(errs, errors.New("rail: has no value, allowed: the name of a rail, such as sct-inst"))
	}
	if c.Direction != "" && c.Direction != "in" && c.Direction != "out" {
		errs = append(errs, fmt.Errorf("direction: got %q, allowed: in, out, or nothing", c.Direction))
	}
	for i, own := range c.Own {
		if institution(own) == "" {
			errs = append(errs, fmt.Errorf("own_bics[%d]: got %q, allowed: a BIC or a clearing member's number", i, own))
		}
	}
	if _, err := time.LoadLocation(c.TimeZone); err != nil {
		errs = append(errs, fmt.Errorf("time_zone: got %q, allowed: a name such as Europe/Berlin", c.TimeZone))
	}
	for status := range c.Statuses {
		if !statusCode(status) {
			errs = append(errs, fmt.Errorf("statuses: got %q, allowed: codes of four letters, such as ACSC", status))
		}
	}
	return errors.Join(errs...)
}

// New returns a decoder of XML: one document or several, one after the other or within envelopes of any kind,
// such as the business application header's. It may be used by several goroutines at once.
//
// Each Document's namespace says which message it is: pain.001, pain.002, pacs.002, pacs.004, pacs.008,
// pacs.009, pacs.028, camt.052, camt.053 or camt.054, of any version. Others are passed over; an input that
// holds only such, but for administrative ones (admi, head), is an error.
func New(cfg Config) (transactions.Decoder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(cfg.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("loading the time zone: %w", err)
	}
	s := shared{cfg: cfg, zone: zone, statuses: statuses(cfg.Statuses), messages: messages(), name: regexp.MustCompile(`[a-z]{4}\.\d{3}\.\d{3}\.\d{2}`)}
	return func(r io.Reader, emit func(transactions.Event) error) error {
		d := decoder{shared: s, in: newTokens(r), emit: emit}
		return d.run()
	}, nil
}

// shared is what all uses of a decoder read and none changes.
type shared struct {
	cfg      Config
	zone     *time.Location
	statuses map[string]string
	messages map[string]*node
	name     *regexp.Regexp // of a message and its version within a namespace
}

// statuses are the built-in states of transaction statuses under those of the configuration. Those that only
// say how an account was verified (RCVC …) are none.
func statuses(own map[string]string) map[string]string {
	m := map[string]string{
		"RCVD": "received",
		"PDNG": "accepted", "PATC": "accepted", "ACTC": "accepted", "ACCP": "accepted", "ACFC": "accepted", "ACFW": "accepted",
		"ACSP": "accepted", "ACPD": "accepted", "PRES": "accepted", "RVNC": "accepted", "ACWC": "accepted", "ACIS": "accepted",
		// The banks have settled and the customer has nothing.
		"ACWP": "accepted_without_posting",
		"ACSC": "settled", "ACCC": "settled", "CPUC": "settled",
		"RJCT": "rejected", "BLCK": "blocked", "CANC": "cancelled",
		"PART": "", "RCVC": "", "RVMC": "", "RVNM": "", "RVNA": "", "RVCM": "",
	}
	maps.Copy(m, own)
	return m
}

// statusCode tells whether s has the form of a status.
func statusCode(s string) bool {
	return len(s) == 4 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// institution is s if it can be a BIC or a member number of a clearing system, else empty.
func institution(s string) string {
	if len(s) < 3 || len(s) > 35 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return ""
	}
	return s
}

// own tells whether an institution is one of ours.
func (s *shared) own(agent string) bool {
	for _, own := range s.cfg.Own {
		if agent == own || len(own) == 8 && len(agent) == 11 && strings.HasPrefix(agent, own) {
			return true
		}
	}
	return false
}
