package iso20022

import (
	"fmt"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

func (d *decoder) get(f field) string { return d.facts.values[f] }

// transaction hands on what the message says of the transaction whose element has just closed.
func (d *decoder) transaction() error {
	switch d.message {
	case "pain.001":
		return d.order()
	case "pacs.008", "pacs.009":
		return d.transfer()
	case "pain.002", "pacs.002":
		return d.status()
	case "pacs.004":
		return d.returned()
	case "pacs.028":
		return d.enquiry()
	default:
		return d.booking()
	}
}

// identified is an event with what identifies its movement. A sender's InstrId is unique in its message only.
func (d *decoder) identified(message string) transactions.Event {
	e := transactions.Event{
		UETR: d.get(uetr), ID: d.get(txID), EndToEndID: d.get(endToEndID), Reference: d.get(clearingRef),
		Rail: d.cfg.Rail, Role: d.cfg.Role,
	}
	if e.ID == "" && message != "" && d.get(instrID) != "" {
		e.ID = message + "/" + d.get(instrID)
	}
	return e
}

// about is an event of a payment, with everything but what happened and when.
func (d *decoder) about(message string) transactions.Event {
	e := d.identified(message)
	e.Amount, e.Currency = d.get(amount), d.get(currency)
	e.Direction = d.direction()
	e.Counterparty = d.counterparty(e.Direction)
	return e
}

// direction is that of the payment: as configured, or as our institution is on one side of it.
func (d *decoder) direction() string {
	from, to := d.get(instructing), d.get(instructed)
	if d.message == "pacs.002" || d.message == "pain.002" {
		from, to = to, from // a status travels against the payment
	}
	switch {
	case d.cfg.Direction != "":
		return d.cfg.Direction
	case d.own(d.get(debtorAgent)):
		return "out"
	case d.own(d.get(creditorAgent)):
		return "in"
	case d.own(from):
		return "out"
	case d.own(to):
		return "in"
	}
	return ""
}

// counterparty is the institution on the other side.
func (d *decoder) counterparty(direction string) string {
	from, to := d.get(instructing), d.get(instructed)
	if d.message == "pacs.002" || d.message == "pain.002" {
		from, to = to, from
	}
	near, far := d.get(creditorAgent), to
	switch direction {
	case "in":
		near, far = d.get(debtorAgent), from
	case "":
		return ""
	}
	if near == "" {
		near = far
	}
	return institution(near)
}

// order is received when it was created. One for a later day counts as ordered on that day (PSD2 Art. 78(2)), of
// which nobody can tell yet; the transfer made then opens the movement.
func (d *decoder) order() error {
	e := d.about(d.get(msgID))
	e.State = "received"
	var err error
	if e.At, err = d.time(created); err != nil {
		return err
	}
	day, err := d.time(executionDate)
	if err != nil || day.After(e.At) {
		return err
	}
	return d.emit(e)
}

// transfer tells of a payment that arrived, or that we sent: that was received when its first agent accepted it,
// from when on schemes count.
func (d *decoder) transfer() error {
	e := d.about(d.get(msgID))
	if e.Reference == "" && d.get(count) == "1" {
		e.Reference = d.get(msgID) // a status of the whole message is one of its only transaction
	}
	at, err := d.time(created)
	if err != nil {
		return err
	}
	first, err := d.time(accepted)
	if err != nil {
		return err
	}
	if !first.IsZero() || e.Direction == "in" {
		received := e
		received.State, received.At = "received", first
		if first.IsZero() {
			received.At = at
		}
		if err := d.emit(received); err != nil || e.Direction == "in" {
			return err
		}
	}
	e.State, e.At = "sent", at
	return d.emit(e)
}

// state is that of the rail for the status told; empty: it is none.
func (d *decoder) state() (string, error) {
	code := d.get(status)
	if !statusCode(code) {
		return "", &fault{"a status that is not a code of four letters"}
	}
	if state, known := d.statuses[code]; known {
		return state, nil
	}
	// The sink knows no such state and refuses the event by name: a new code must look neither good nor bad.
	return code, nil
}

// status may lack its own code: then it has its group's.
func (d *decoder) status() error {
	state, err := d.state()
	if err != nil || state == "" {
		return err
	}
	e := d.about(d.get(originalMsgID))
	e.State = state
	if e.At, err = d.time(created); err != nil {
		return err
	}
	when, err := d.time(effective)
	if err != nil {
		return err
	}
	if state == "settled" && !when.IsZero() {
		e.At = when
	}
	d.reason(&e, "status")
	return d.emit(e)
}

// ofGroup is the status of a whole group. Of a group of one the message's identifier stands for the transaction;
// of others none is known, and the sink says so for each that would have ended its payments.
func (d *decoder) ofGroup() (e transactions.Event, worth bool, err error) {
	if d.get(status) == "" {
		return e, false, nil
	}
	state, err := d.state()
	if err != nil || state == "" {
		return e, false, err
	}
	e = transactions.Event{Rail: d.cfg.Rail, Role: d.cfg.Role, State: state, Direction: d.direction()}
	if n := d.get(count); n == "" || n == "1" {
		e.Reference = d.get(originalMsgID)
	} else if state == "received" || state == "accepted" {
		return e, false, nil
	}
	e.At, err = d.time(created)
	d.reason(&e, "status")
	return e, true, err
}

// returned is a movement of its own, the other way.
func (d *decoder) returned() error {
	original := d.identified(d.get(originalMsgID))
	e := d.about("")
	e.UETR, e.EndToEndID, e.Reference = "", "", ""
	e.ID, e.State = d.get(returnID), "returned"
	switch d.cfg.Direction {
	case "in":
		e.Direction = "out"
	case "out":
		e.Direction = "in"
	default:
		// The agents of the original are on the sides they were on then, those of the message on today's.
		e.Direction = d.side()
	}
	e.Counterparty = d.counterpartyOfReturn(e.Direction)
	var err error
	if original.At, err = d.time(settlementDate); err != nil {
		return err
	}
	if e.At, err = d.time(created); err != nil {
		return err
	}
	e.Original = &original
	d.reason(&e, "return")
	return d.emit(e)
}

func (d *decoder) side() string {
	switch {
	case d.own(d.get(instructing)), d.own(d.get(creditorAgent)):
		return "out"
	case d.own(d.get(instructed)), d.own(d.get(debtorAgent)):
		return "in"
	}
	return ""
}

func (d *decoder) counterpartyOfReturn(direction string) string {
	other, agent := debtorAgent, instructed
	switch direction {
	case "in":
		other, agent = creditorAgent, instructing
	case "":
		return ""
	}
	if d.get(other) != "" {
		return institution(d.get(other))
	}
	return institution(d.get(agent))
}

// enquiry: whoever asks does not know.
func (d *decoder) enquiry() error {
	e := d.about(d.get(originalMsgID))
	e.State = "in_doubt"
	var err error
	if e.At, err = d.time(created); err != nil {
		return err
	}
	return d.emit(e)
}

// booking is a transaction of an account's entry. It waits for the next one or the entry's end: only of a single
// transaction the entry's amount is the amount.
func (d *decoder) booking() error {
	if err := d.handOnHeld(); err != nil {
		return err
	}
	d.entry.n++
	e, ok, err := d.booked()
	if err == nil && ok {
		d.entry.event = &e
	}
	return err
}

func (d *decoder) handOnHeld() error {
	if d.entry.event == nil {
		return nil
	}
	e := *d.entry.event
	d.entry.event = nil
	return d.emit(e)
}

// closeEntry hands on what waits, or the entry itself when it names no transactions.
func (d *decoder) closeEntry() error {
	if d.entry.n == 0 {
		e, ok, err := d.booked()
		if err != nil || !ok {
			return err
		}
		d.entry.event = &e
	}
	if e := d.entry.event; d.entry.n == 1 && e != nil && e.Amount == "" {
		e.Amount, e.Currency = d.get(amount), d.get(currency)
	}
	return d.handOnHeld()
}

// booked is false for entries that are not booked: those pending or expected prove nothing.
func (d *decoder) booked() (transactions.Event, bool, error) {
	if d.get(status) != "BOOK" {
		return transactions.Event{}, false, nil
	}
	e := d.identified(d.get(originalMsgID))
	e.External, e.State = true, "settled"
	if d.facts.own[amount] {
		e.Amount, e.Currency = d.get(amount), d.get(currency)
	}
	switch d.get(creditDebit) {
	case "CRDT":
		e.Direction = "in"
	case "DBIT":
		e.Direction = "out"
	default:
		return e, false, &fault{"an entry without CdtDbtInd, which is CRDT or DBIT"}
	}
	if e.UETR == "" && e.ID == "" && e.EndToEndID == "" && e.Reference == "" {
		e.Reference = d.get(bookingRef)
	}
	if r := d.get(reversal); r == "true" || r == "1" || d.get(reasonCode) != "" {
		original := e
		original.Amount, original.Currency, original.Direction, original.State, original.External = "", "", "", "", false
		e.UETR, e.EndToEndID, e.Reference, e.ID = "", "", "", d.get(bookingRef)
		e.State, e.Original = "returned", &original
		d.reason(&e, "return")
	}
	var err error
	e.At, err = d.time(booked)
	if err == nil && e.At.IsZero() {
		e.At, err = d.time(created)
	}
	return e, true, err
}

func (d *decoder) reason(e *transactions.Event, list string) {
	if code := d.get(reasonCode); code != "" && len(code) <= 35 {
		e.Reason.Scheme, e.Reason.List, e.Reason.Code = "iso20022", list, code
	}
}

// time reads a date or a time; zero: there is none.
func (d *decoder) time(f field) (time.Time, error) {
	text := d.get(f)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly, "2006-01-02Z07:00"} {
		if at, err := time.ParseInLocation(layout, text, d.zone); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, &fault{fmt.Sprintf("%s: allowed: a time such as 2026-11-21T10:00:00.123Z or a date such as 2026-11-21", timeName(f))}
}

func timeName(f field) string {
	switch f {
	case created:
		return "CreDtTm"
	case accepted:
		return "AccptncDtTm"
	case effective:
		return "FctvIntrBkSttlmDt"
	case executionDate:
		return "ReqdExctnDt"
	case booked:
		return "BookgDt"
	default:
		return "IntrBkSttlmDt"
	}
}
