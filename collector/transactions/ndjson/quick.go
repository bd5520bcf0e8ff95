package ndjson

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

// quick reads an event that is written as programs write it: on one line, known keys, each once, strings of printable
// ASCII without escapes, times in UTC. That takes a third of the parser's time. At anything else it gives up and says
// nothing: the parser then reads the object from its beginning, and knows what is wrong with it, if anything is.
type quick struct {
	b    []byte // from the object's brace on, possibly far beyond its end
	at   int
	keys int // so many were read, those of objects within it included
	d    *decoder
}

// quick reads the object that b begins with into e, and returns how long it is; 0: e means nothing.
func (d *decoder) quick(b []byte, e *transactions.Event) int {
	q := quick{b: b, d: d}
	if !q.object(func(f field) bool { return q.member(f, e) }) {
		return 0
	}
	return q.at
}

// object reads an object, with at least one member. Of each key, member reads the value.
func (q *quick) object(member func(field) bool) bool {
	if q.token() != '{' {
		return false
	}
	var seen uint32
	for {
		f, ok := q.key()
		if !ok || seen>>f&1 != 0 || !member(f) {
			return false
		}
		seen |= 1 << f
		if end := q.token(); end != ',' {
			return end == '}'
		}
	}
}

// field is a key of events, or of the objects in them.
type field uint8

const (
	keyUnknown field = iota
	keyUETR
	keyID
	keyEndToEndID
	keyReference
	keyParties
	keyRail
	keyState
	keyDirection
	keyRole
	keyCounterparty
	keyAt
	keyDeadline
	keyAmount
	keyValue
	keyCurrency
	keyReason
	keyScheme
	keyList
	keyCode
)

// fieldOf is the field called so.
func fieldOf(key []byte) field {
	switch string(key) {
	case "uetr":
		return keyUETR
	case "id":
		return keyID
	case "end_to_end_id":
		return keyEndToEndID
	case "reference":
		return keyReference
	case "parties":
		return keyParties
	case "rail":
		return keyRail
	case "state":
		return keyState
	case "direction":
		return keyDirection
	case "role":
		return keyRole
	case "counterparty":
		return keyCounterparty
	case "at":
		return keyAt
	case "deadline":
		return keyDeadline
	case "amount":
		return keyAmount
	case "value":
		return keyValue
	case "currency":
		return keyCurrency
	case "reason":
		return keyReason
	case "scheme":
		return keyScheme
	case "list":
		return keyList
	case "code":
		return keyCode
	}
	return keyUnknown
}

// member reads the value of a key of events.
func (q *quick) member(f field, e *transactions.Event) bool {
	switch f {
	case keyUETR:
		return q.string(&e.UETR)
	case keyID:
		return q.string(&e.ID)
	case keyEndToEndID:
		return q.string(&e.EndToEndID)
	case keyReference:
		return q.string(&e.Reference)
	case keyParties:
		return q.string(&e.Parties)
	case keyRail:
		return q.name(&q.d.last.rail, &e.Rail)
	case keyState:
		return q.name(&q.d.last.state, &e.State)
	case keyDirection:
		return q.name(&q.d.last.direction, &e.Direction)
	case keyRole:
		return q.name(&q.d.last.role, &e.Role)
	case keyCounterparty:
		return q.name(&q.d.last.counterparty, &e.Counterparty)
	case keyAt:
		return q.time(&e.At)
	case keyDeadline:
		return q.time(&e.Deadline)
	case keyAmount:
		return q.null() || q.object(func(f field) bool { return q.amount(f, e) })
	case keyReason:
		return q.null() || q.object(func(f field) bool { return q.reason(f, e) })
	}
	return false
}

// amount reads a member of {"value":"12.34","currency":"EUR"}.
func (q *quick) amount(f field, e *transactions.Event) bool {
	switch f {
	case keyValue:
		return q.string(&e.Amount)
	case keyCurrency:
		return q.name(&q.d.last.currency, &e.Currency)
	}
	return false
}

// reason reads a member of {"scheme":"iso20022","list":"status","code":"AC04"}.
func (q *quick) reason(f field, e *transactions.Event) bool {
	switch f {
	case keyScheme:
		return q.name(&q.d.last.scheme, &e.Reason.Scheme)
	case keyList:
		return q.name(&q.d.last.list, &e.Reason.List)
	case keyCode:
		return q.name(&q.d.last.code, &e.Reason.Code)
	}
	return false
}

// peek is the next byte, 0 at the end.
func (q *quick) peek() byte {
	if q.at < len(q.b) {
		return q.b[q.at]
	}
	return 0
}

// spaces goes past spaces.
func (q *quick) spaces() {
	for q.peek() == ' ' {
		q.at++
	}
}

// token goes past spaces and one byte, and returns that.
func (q *quick) token() byte {
	q.spaces()
	c := q.peek()
	q.at++
	return c
}

// written is a key, and how it was written with its colon and what is before and between.
type written struct {
	text string
	key  field
}

// maxWritten bounds written.text, in bytes.
const maxWritten = 32

// key reads a key, its colon and spaces around them. Programs write the same keys in the same order each time, so it is
// held against the one that stood there in the event before.
func (q *quick) key() (field, bool) {
	n := q.keys
	q.keys++
	if n < len(q.d.keys) {
		k := &q.d.keys[n]
		if end := q.at + len(k.text); end <= len(q.b) && string(q.b[q.at:end]) == k.text {
			q.at = end
			q.spaces()
			return k.key, true
		}
	}
	from := q.at
	q.spaces()
	text, ok := q.text()
	if !ok || q.token() != ':' {
		return keyUnknown, false
	}
	key := fieldOf(text)
	if end := q.at; n <= len(q.d.keys) && end-from <= maxWritten && key != keyUnknown {
		q.d.keys = append(q.d.keys[:n], written{string(q.b[from:end]), key})
	}
	q.spaces()
	return key, key != keyUnknown
}

// text reads a string.
func (q *quick) text() ([]byte, bool) {
	if q.peek() != '"' {
		return nil, false
	}
	from := q.at + 1
	n := plain(q.b[from:])
	if n < 0 {
		return nil, false
	}
	q.at = from + n + 1
	return q.b[from : from+n], true
}

// null goes past null, if that is what is there.
func (q *quick) null() bool {
	if q.at+4 > len(q.b) || string(q.b[q.at:q.at+4]) != "null" {
		return false
	}
	q.at += 4
	return true
}

func (q *quick) string(into *string) bool {
	text, ok := q.text()
	if !ok {
		return q.null()
	}
	*into = string(text)
	return true
}

// name is string for one of a few different ones; last is where its key keeps the one before, which most events have
// too.
func (q *quick) name(last, into *string) bool {
	if q.quoted(*last) {
		*into = *last
		return true
	}
	text, ok := q.text()
	if !ok {
		return q.null()
	}
	if *into = q.d.name(text); len(text) <= maxNameLen {
		*last = *into
	}
	return true
}

// quoted goes past s between quotes, if that is what is there. In s there is nothing that would be escaped.
func (q *quick) quoted(s string) bool {
	end := q.at + 1 + len(s)
	if end >= len(q.b) || q.b[q.at] != '"' || q.b[end] != '"' || string(q.b[q.at+1:end]) != s {
		return false
	}
	q.at = end + 1
	return true
}

// time reads a time such as 2026-11-21T10:00:00.25Z.
func (q *quick) time(into *time.Time) bool {
	text, ok := q.text()
	if !ok {
		return q.null()
	}
	*into, ok = q.d.days.time(text)
	return ok
}

// plain is how long the string is that b begins with behind its opening quote; -1: it does not end there, or holds an
// escape or anything but printable ASCII.
func plain(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for i := 0; i+8 <= len(b); i += 8 {
		// Eight bytes at a time. Of each that is a quote, a backslash, below a space or beyond ASCII the highest bit is
		// set; so may be those of bytes behind one, but none before the first.
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^ones*'"', x^ones*'\\'
		special := ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*' ')&^x | x) & highs
		if special == 0 {
			continue
		}
		if i += bits.TrailingZeros64(special) / 8; b[i] == '"' {
			return i
		}
		return -1
	}
	for i := len(b) &^ 7; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i
		case c == '\\', c < ' ', c >= 0x80:
			return -1
		}
	}
	return -1
}

// days reads times of one day fast: most are of today.
type days struct {
	text [10]byte // 2026-11-21; zeros, as no day is written, at first
	unix int64    // its first second
}

// time reads a time of RFC 3339 in UTC with at most nine digits behind the point.
func (d *days) time(text []byte) (time.Time, bool) {
	const form = "2026-11-21T10:00:00Z"
	if len(text) < len(form) || text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[len(text)-1] != 'Z' {
		return time.Time{}, false
	}
	if string(text[:10]) != string(d.text[:]) {
		day, err := time.Parse(time.DateOnly, string(text[:10]))
		if err != nil {
			return time.Time{}, false
		}
		d.text, d.unix = [10]byte(text), day.Unix()
	}
	h, okH := two(text[11:], 24)
	m, okM := two(text[14:], 60)
	s, okS := two(text[17:], 60)
	ns, okN := nanoseconds(text[19 : len(text)-1])
	return time.Unix(d.unix+h*3600+m*60+s, ns).UTC(), okH && okM && okS && okN
}

// two reads a number of two digits below limit.
func two(b []byte, limit int64) (int64, bool) {
	tens, ones := b[0]-'0', b[1]-'0'
	n := int64(tens)*10 + int64(ones)
	return n, tens < 10 && ones < 10 && n < limit
}

// nanoseconds reads nothing, or a point and up to nine digits.
func nanoseconds(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, true
	}
	if b[0] != '.' || len(b) < 2 || len(b) > 10 {
		return 0, false
	}
	n := int64(0)
	for i := 1; i < 10; i++ {
		n *= 10
		if i < len(b) {
			digit := b[i] - '0'
			if digit > 9 {
				return 0, false
			}
			n += int64(digit)
		}
	}
	return n, true
}
