package fixlog

import (
	"fmt"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

// order is a message about an order, or about a request to cancel or replace one.
type order struct {
	cfg     Config
	message message
	emit    func(transactions.Event) error

	at            time.Time
	client, venue string
	direction     string
	counterparty  string
}

func (o *order) tell() error {
	kind := o.message[msgType]
	answer := false
	switch kind {
	case "":
		return &mistake{"a message without MsgType (tag 35)"}
	case "D", "F", "G":
	case "8", "9", "j", "3":
		answer = true
	default:
		return nil
	}
	if err := o.session(answer); err != nil {
		return err
	}
	switch kind {
	case "8":
		return o.report()
	case "9":
		return o.refused(o.message[clOrdID], "", "cxl_rej_reason", cxlRejReason)
	case "j":
		if !order372(o.message[refMsgType]) {
			return nil
		}
		return o.refused(o.message[businessRejectRefID], o.message[refSeqNum], "business_reject_reason", businessRejReason)
	case "3":
		if !order372(o.message[refMsgType]) {
			return nil
		}
		return o.refused("", o.message[refSeqNum], "session_reject_reason", sessionRejectReason)
	default:
		return o.request()
	}
}

// order372 tells whether a refused message was an order or a request about one.
func order372(refused string) bool { return refused == "D" || refused == "F" || refused == "G" }

// session reads who talks to whom and when. A resent message has the time at which it was sent first.
func (o *order) session(answer bool) error {
	o.client, o.venue = o.message[senderCompID], o.message[targetCompID]
	if answer {
		o.client, o.venue = o.venue, o.client
	}
	if o.client == "" || o.venue == "" {
		return &mistake{"a message without SenderCompID or TargetCompID (tags 49, 56)"}
	}
	o.direction = o.cfg.Direction
	for _, own := range o.cfg.Own {
		if o.direction == "" && own == o.client {
			o.direction = "out"
		} else if o.direction == "" && own == o.venue {
			o.direction = "in"
		}
	}
	switch o.direction {
	case "out":
		o.counterparty = institution(o.venue)
	case "in":
		o.counterparty = institution(o.client)
	}
	for _, t := range []tag{origSendingTime, sendingTime, transactTime} {
		text := o.message[t]
		if text == "" {
			continue
		}
		at, err := time.Parse("20060102-15:04:05", text)
		if err != nil {
			return &mistake{fmt.Sprintf("tag %d: allowed: a time such as 20261121-10:00:00.123", t)}
		}
		o.at = at
		return nil
	}
	return &mistake{"a message without SendingTime (tag 52)"}
}

// event identifies an order by what its client calls it and by a reference, both as of this session.
func (o *order) event(state, id, reference string) transactions.Event {
	return transactions.Event{
		ID: o.scoped("", id), Reference: reference, Rail: o.cfg.Rail, State: state, At: o.at,
		Direction: o.direction, Role: o.cfg.Role, Counterparty: o.counterparty,
	}
}

// scoped makes an identifier unique beyond the session; empty stays empty.
func (o *order) scoped(kind, id string) string {
	if id == "" {
		return ""
	}
	scope := o.client + ">" + o.venue + " " + kind
	if o.cfg.DailyIDs {
		scope += o.at.Format("20060102 ")
	}
	return scope + id
}

// numbered refers to a message of the client's by its number, which begins anew with sessions, so it is of a day.
func (o *order) numbered(number string) string {
	if number == "" {
		return ""
	}
	return o.client + ">" + o.venue + " #" + o.at.Format("20060102 ") + number
}

// request is an order, or one to cancel or replace an order, which is a movement of its own.
func (o *order) request() error {
	if o.message[clOrdID] == "" {
		return &mistake{"an order without ClOrdID (tag 11)"}
	}
	return o.emit(o.event("received", o.message[clOrdID], o.numbered(o.message[msgSeqNum])))
}

// refused is a message that says no to a request.
func (o *order) refused(id, number, list string, code tag) error {
	e := o.event("rejected", id, o.numbered(number))
	o.reason(&e, list, code)
	return o.emit(e)
}

func (o *order) reason(e *transactions.Event, list string, code tag) {
	if text := o.message[code]; text != "" && len(text) <= 8 {
		e.Reason.Scheme, e.Reason.List, e.Reason.Code = "fix", list, text
	}
}

// report is an execution report. Before FIX 4.1 it has no ExecType, and the order's status says the same.
func (o *order) report() error {
	what := o.message[execType]
	if what == "" {
		what = o.message[ordStatus]
	}
	id, reference := o.message[clOrdID], ""
	if venues := o.message[orderID]; venues != "NONE" {
		reference = o.scoped("order ", venues)
	}
	switch what {
	case "":
		return &mistake{"an execution report without ExecType and OrdStatus (tags 150, 39)"}
	case "6", "E": // of the request to cancel or replace
		return o.emit(o.event("pending_new", id, ""))
	case "5":
		return o.emit(o.event("acknowledged", id, ""))
	case "4":
		if original := o.message[origClOrdID]; original != "" {
			if err := o.emit(o.event("acknowledged", id, "")); err != nil {
				return err
			}
			id = original
		}
	case "G", "H":
		return o.bust(id, reference)
	}
	state, told := o.state(what)
	if !told {
		return nil
	}
	e := o.event(state, id, reference)
	if state == "rejected" {
		o.reason(&e, "ord_rej_reason", ordRejReason)
	}
	return o.emit(e)
}

// state is that of the order; false: the report says nothing of it. What FIX does not have is handed on, so that
// it is refused by name.
func (o *order) state(what string) (state string, told bool) {
	switch what {
	case "A":
		return "pending_new", true
	case "0":
		return "acknowledged", true
	case "1":
		return "partially_filled", true
	case "2":
		return "filled", true
	case "F":
		if o.message[ordStatus] == "2" {
			return "filled", true
		}
		return "partially_filled", true
	case "3", "C":
		return "expired", true
	case "4":
		return "cancelled", true
	case "8":
		return "rejected", true
	case "7", "9", "B", "D", "I", "J", "K", "L":
		return "", false
	}
	if len(what) > 8 {
		what = what[:8]
	}
	return what, true
}

// bust is a trade that was cancelled or corrected: what had been done is taken back.
func (o *order) bust(id, reference string) error {
	original := o.event("", id, reference)
	e := o.event("returned", "", o.scoped("execution ", o.message[execID]))
	e.Original = &original
	o.reason(&e, "exec_type", execType)
	return o.emit(e)
}
