package iso8583

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moov-io/iso4217"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/slo/money"
)

// event is what a message tells; false: nothing of a payment.
func event(cfg Config, m message, now func() time.Time) (e transactions.Event, told bool, err error) {
	if len(m.mti) != 4 || strings.Trim(m.mti, "0123456789") != "" {
		return e, false, fmt.Errorf("%s: allowed: a message type of four digits, such as 0100", cfg.MTIKey)
	}
	e = transactions.Event{Rail: cfg.Rail, Direction: cfg.Direction, Role: cfg.Role, At: m.at}
	if told, err = state(cfg, &e, m); err != nil || !told {
		return e, told, err
	}
	identify(cfg, &e, m)
	if cfg.Direction == "in" {
		e.Counterparty = strings.TrimSpace(m.fields[32])
	}
	if e.At.IsZero() {
		if e.At, err = transmitted(m.fields[7], now()); err != nil {
			return e, false, err
		}
	}
	return e, true, amount(&e, m)
}

// state reads the message type: its second digit says what it is about, its third who speaks.
func state(cfg Config, e *transactions.Event, m message) (told bool, err error) {
	code := strings.TrimSpace(m.fields[39])
	answer := m.mti[2] == '1' || m.mti[2] == '3'
	switch about := m.mti[1]; {
	case (about == '1' || about == '2') && m.mti[2] == '0':
		e.State = "received"
	case (about == '1' || about == '2') && m.mti[2] == '1':
		if code == "" {
			return false, errors.New("an answer without its response code (field 39)")
		}
		outcome(cfg, e, code)
	case (about == '1' || about == '2') && m.mti[2] == '2' && code != "": // somebody decided for the issuer
		outcome(cfg, e, code)
	case about == '4' && answer:
		// What was not answered in time is now undone: it has failed, and whose fault it was nobody says.
		e.State = "declined"
		reason(e, "68")
	case about == '4' && code == "17":
		e.State = "reversed" // by the customer
	case about == '4':
		e.State = "in_doubt"
		reason(e, code)
	default:
		return false, nil
	}
	return true, nil
}

func outcome(cfg Config, e *transactions.Event, code string) {
	reason(e, code)
	switch {
	case slices.Contains(cfg.Approved, code), len(code) == 3 && code[0] == '0':
		e.State = "approved"
	case code == "68": // too late: until the reversal is answered
		e.State = "in_doubt"
	default:
		e.State = "declined"
	}
}

func reason(e *transactions.Event, code string) {
	if code != "" && len(code) <= 4 {
		e.Reason.Scheme, e.Reason.List, e.Reason.Code = "iso8583", "f39", code
	}
}

// identify takes the fields of the configuration if any is told, else the trace number and the time of
// transmission, of a reversal those of its original (field 90: message type, trace number, time, …).
func identify(cfg Config, e *transactions.Event, m message) {
	var parts []string
	told := false
	for _, n := range cfg.IDFields {
		v := strings.TrimSpace(m.fields[n])
		parts, told = append(parts, v), told || v != ""
	}
	if told {
		e.ID = strings.Join(parts, " ")
		return
	}
	trace, sent := m.fields[11], m.fields[7]
	if original := m.fields[90]; m.mti[1] == '4' && len(original) >= 20 {
		trace, sent = original[4:10], original[10:20]
	}
	if trace != "" && sent != "" {
		e.ID = "stan " + trace + " " + sent
	}
}

// transmitted reads MMDDhhmmss in UTC, in the year that brings it nearest to now.
func transmitted(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, errors.New("a message without a time: neither its own key nor field 7")
	}
	best := time.Time{}
	for year := now.UTC().Year() - 1; year <= now.UTC().Year()+1; year++ {
		at, err := time.Parse("20060102150405", fmt.Sprintf("%04d%s", year, text))
		if err == nil && (best.IsZero() || at.Sub(now).Abs() < best.Sub(now).Abs()) {
			best = at
		}
	}
	if best.IsZero() {
		return best, errors.New("field 7: allowed: a time MMDDhhmmss")
	}
	return best, nil
}

// amount is in minor units of a currency that is named by number.
func amount(e *transactions.Event, m message) error {
	minor := strings.TrimLeft(strings.TrimSpace(m.fields[4]), "0")
	if m.fields[4] == "" || m.fields[49] == "" {
		return nil
	}
	if strings.Trim(minor, "0123456789") != "" {
		return errors.New("field 4: allowed: an amount of digits")
	}
	currency, known := iso4217.Lookup(m.fields[49])
	if !known {
		return errors.New("field 49: allowed: a currency of ISO 4217, as a number or code")
	}
	digits, known := money.MinorDigits(currency.Code)
	if !known {
		digits = int(currency.DecimalPlaces)
	}
	if short := digits + 1 - len(minor); short > 0 {
		minor = strings.Repeat("0", short) + minor
	}
	e.Amount, e.Currency = minor[:len(minor)-digits], currency.Code
	if digits > 0 {
		e.Amount += "." + minor[len(minor)-digits:]
	}
	return nil
}
