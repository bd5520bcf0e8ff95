package ndjson

import (
	"github.com/assayer-io/assayer/collector/transactions"
)

// outermost reads the parser's whole object: an event or a CloudEvent, which says so by a key that events do not have.
func (p *parser) outermost(e *transactions.Event) *mistake {
	wrong := p.event(e, p.raw, true)
	if wrong == nil && !p.other {
		return nil
	}
	// The key may stand elsewhere, or behind what is wrong, so the envelope is then looked at key by key.
	c, bad := p.envelope()
	switch {
	case c.version == nil && wrong != nil:
		return wrong
	case bad != nil:
		return bad
	case c.version == nil:
		return nil
	}
	*e = transactions.Event{}
	return p.cloudEvent(e, c)
}

// event reads the object val. Originals are one level deep.
func (p *parser) event(e *transactions.Event, val []byte, outer bool) *mistake {
	seen := seenKeys{p: p}
	return p.object(val, func(f member) *mistake {
		bit, wrong := p.ids(e, f)
		if bit == 0 {
			bit, wrong = p.facts(e, f)
		}
		if bit == 0 && outer && string(f.key) == "original" {
			bit, wrong = 1<<20, p.original(e, f.value)
		}
		if bit == 0 {
			p.other = p.other || string(f.key) == "specversion"
			return p.ignored(f.value)
		}
		return seen.finish(bit, f, wrong)
	})
}

// ids reads the keys that identify a movement; 0: it is another key.
func (p *parser) ids(e *transactions.Event, f member) (bit uint32, wrong *mistake) {
	switch string(f.key) {
	case "id":
		bit = 1 << 0
		e.ID, wrong = p.string(f.value)
	case "uetr":
		bit = 1 << 1
		e.UETR, wrong = p.string(f.value)
	case "end_to_end_id":
		bit = 1 << 2
		e.EndToEndID, wrong = p.string(f.value)
	case "reference":
		bit = 1 << 3
		e.Reference, wrong = p.string(f.value)
	}
	return bit, wrong
}

// facts reads the keys that say what happened; 0: it is another key.
func (p *parser) facts(e *transactions.Event, f member) (bit uint32, wrong *mistake) {
	switch string(f.key) {
	case "rail":
		bit = 1 << 4
		e.Rail, wrong = p.name(f.value)
	case "state":
		bit = 1 << 5
		e.State, wrong = p.name(f.value)
	case "at":
		bit = 1 << 6
		e.At, wrong = p.time(f.value)
	case "amount":
		bit = 1 << 7
		wrong = p.amount(e, f.value)
	case "reason":
		bit = 1 << 8
		wrong = p.reason(e, f.value)
	case "direction":
		bit = 1 << 9
		e.Direction, wrong = p.name(f.value)
	case "role":
		bit = 1 << 10
		e.Role, wrong = p.name(f.value)
	case "counterparty":
		bit = 1 << 11
		e.Counterparty, wrong = p.name(f.value)
	case "deadline":
		bit = 1 << 12
		e.Deadline, wrong = p.time(f.value)
	case "parties":
		bit = 1 << 14
		e.Parties, wrong = p.string(f.value)
	case "external":
		bit = 1 << 13
		e.External, wrong = p.boolean(f.value)
	}
	return bit, wrong
}

func (p *parser) amount(e *transactions.Event, val []byte) *mistake {
	seen := seenKeys{p: p}
	return p.object(val, func(f member) (wrong *mistake) {
		var bit uint32
		switch string(f.key) {
		case "value":
			bit = 1
			// A string: a number may have gone through a floating point variable of the sender's.
			e.Amount, wrong = p.string(f.value)
		case "currency":
			bit = 2
			e.Currency, wrong = p.name(f.value)
		default:
			return p.ignored(f.value)
		}
		return seen.finish(bit, f, wrong)
	})
}

func (p *parser) reason(e *transactions.Event, val []byte) *mistake {
	seen := seenKeys{p: p}
	return p.object(val, func(f member) (wrong *mistake) {
		var bit uint32
		switch string(f.key) {
		case "scheme":
			bit = 1
			e.Reason.Scheme, wrong = p.name(f.value)
		case "list":
			bit = 2
			e.Reason.List, wrong = p.name(f.value)
		case "code":
			bit = 4
			e.Reason.Code, wrong = p.name(f.value)
		default:
			return p.ignored(f.value)
		}
		return seen.finish(bit, f, wrong)
	})
}

func (p *parser) original(e *transactions.Event, val []byte) *mistake {
	if isNull(val) {
		return nil
	}
	e.Original = new(transactions.Event)
	return p.event(e.Original, val, false)
}

const twice = "stands twice in one object"

// seenKeys refuses keys that stand twice: who reads the first and who reads the last would book differently.
type seenKeys struct {
	p    *parser
	bits uint32
}

// finish places what is wrong with the value of a key, if anything, or says that it is not the first.
func (s *seenKeys) finish(bit uint32, f member, wrong *mistake) *mistake {
	if wrong == nil && s.bits&bit != 0 {
		wrong = s.p.wrong(f.value, twice)
	}
	s.bits |= bit
	if wrong != nil {
		return wrong.under(f.key)
	}
	return nil
}
