package nacha

import (
	"fmt"
	"strings"
	"time"

	"github.com/moov-io/ach"

	"github.com/assayer-io/assayer/collector/transactions"
)

type decoder struct {
	cfg  Config
	at   time.Time
	emit func(transactions.Event) error
}

// file hands on what every entry tells, in the order of batches: domestic ones, then international ones.
func (d *decoder) file(f *ach.File) error {
	for _, b := range f.Batches {
		for _, e := range b.GetEntries() {
			if err := d.entry(b.GetHeader().ODFIIdentification, e); err != nil {
				return err
			}
		}
	}
	for _, b := range f.IATBatches {
		for _, e := range b.Entries {
			same := &ach.EntryDetail{Amount: e.Amount, TraceNumber: e.TraceNumber, RDFIIdentification: e.RDFIIdentification, Addenda98: e.Addenda98, Addenda99: e.Addenda99}
			if err := d.entry(b.Header.ODFIIdentification, same); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry of nothing but a notice moves no money: a prenotification, a remittance of zero. Only a correction counts.
func (d *decoder) entry(odfi string, e *ach.EntryDetail) error {
	switch {
	case e.Addenda98 != nil:
		return d.emit(d.correction(e.Addenda98))
	case e.Addenda98Refused != nil || e.Amount == 0:
		return nil
	case e.Addenda99 != nil:
		return d.emit(d.returned(e, e.Addenda99.OriginalTrace, e.Addenda99.ReturnCode, e.Addenda99.OriginalDFI))
	case e.Addenda99Dishonored != nil:
		a := e.Addenda99Dishonored
		return d.emit(d.dispute(e, a.ReturnTraceNumber, a.DishonoredReturnReasonCode, d.cfg.Direction))
	case e.Addenda99Contested != nil:
		a := e.Addenda99Contested
		return d.emit(d.dispute(e, a.DishonoredReturnTraceNumber, a.ContestedReturnCode, other(d.cfg.Direction)))
	}
	event := d.event("sent", e.TraceNumber, d.cfg.Direction)
	event.Amount, event.Currency = dollars(e.Amount), "USD"
	event.Counterparty = institution(e.RDFIIdentification)
	if d.cfg.Direction == "in" {
		event.Counterparty = institution(odfi)
	}
	return d.emit(event)
}

func (d *decoder) event(state, reference, direction string) transactions.Event {
	return transactions.Event{
		Reference: strings.TrimSpace(reference), Rail: d.cfg.Rail, State: state, At: d.at,
		Direction: direction, Role: d.cfg.Role,
	}
}

// returned is a movement of its own, the other way; from is the bank that returns it.
func (d *decoder) returned(e *ach.EntryDetail, original, code, from string) transactions.Event {
	event := d.dispute(e, original, code, other(d.cfg.Direction))
	if d.cfg.Direction == "out" {
		event.Counterparty = institution(from)
	}
	return event
}

// dispute brings back an entry, or a return when it is dishonoured, or that when it is contested.
func (d *decoder) dispute(e *ach.EntryDetail, original, code, direction string) transactions.Event {
	event := d.event("returned", e.TraceNumber, direction)
	event.Amount, event.Currency = dollars(e.Amount), "USD"
	event.Original = &transactions.Event{Reference: strings.TrimSpace(original), Rail: d.cfg.Rail}
	event.Reason.Scheme, event.Reason.List, event.Reason.Code = "nacha", "return", code
	return event
}

// correction says that the entry was posted, and that the next one has to be written differently.
func (d *decoder) correction(a *ach.Addenda98) transactions.Event {
	event := d.event("corrected", a.OriginalTrace, d.cfg.Direction)
	if d.cfg.Direction == "out" {
		event.Counterparty = institution(a.OriginalDFI)
	}
	event.Reason.Scheme, event.Reason.List, event.Reason.Code = "nacha", "return", a.ChangeCode
	return event
}

func other(direction string) string {
	if direction == "in" {
		return "out"
	}
	return "in"
}

// institution is a routing number without its check digit, else empty.
func institution(s string) string {
	s = strings.TrimSpace(s)
	if len(s) < 8 || strings.Trim(s, "0123456789") != "" {
		return ""
	}
	return s[:8]
}

func dollars(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }
