package fixlog

import (
	"bytes"
	"strconv"
)

// tag is the number of a field.
type tag int

// The fields that are read.
const (
	clOrdID             tag = 11
	execID              tag = 17
	msgSeqNum           tag = 34
	msgType             tag = 35
	orderID             tag = 37
	ordStatus           tag = 39
	origClOrdID         tag = 41
	refSeqNum           tag = 45
	senderCompID        tag = 49
	sendingTime         tag = 52
	targetCompID        tag = 56
	transactTime        tag = 60
	cxlRejReason        tag = 102
	ordRejReason        tag = 103
	origSendingTime     tag = 122
	execType            tag = 150
	refMsgType          tag = 372
	sessionRejectReason tag = 373
	businessRejectRefID tag = 379
	businessRejReason   tag = 380

	checkSum tag = 10
)

// message is the fields that are read, by tag: of several the first, since what repeats is in groups behind it.
type message map[tag]string

func read(t tag) bool {
	switch t {
	case clOrdID, execID, msgSeqNum, msgType, orderID, ordStatus, origClOrdID, refSeqNum, senderCompID, sendingTime, targetCompID,
		transactTime, cxlRejReason, ordRejReason, origSendingTime, execType, refMsgType, sessionRejectReason, businessRejectRefID, businessRejReason:
		return true
	}
	return false
}

// isLength tells of fields that say how many bytes the data in the next one have: those may hold separators.
func isLength(t tag) bool {
	switch t {
	case 90, 93, 95, 212, 348, 350, 352, 354, 358, 360, 362, 364, 445, 618, 621:
		return true
	}
	return false
}

// next is the first message of a line, and what is behind it.
func next(line []byte) (m message, rest []byte, found bool, err error) {
	begin := bytes.Index(line, []byte("8=FIX"))
	if begin < 0 {
		return nil, nil, false, nil
	}
	line = bytes.TrimRight(line[begin:], "\r\n")
	separator := separatorOf(line)
	if separator == "" {
		return nil, nil, false, &mistake{"a message without a separator behind BeginString (tag 8); allowed: SOH, a bar or ^A"}
	}
	m = message{}
	data := 0 // bytes of the field that comes now, if it is data
	for len(line) > 0 {
		from := 0
		if equals := bytes.IndexByte(line, '='); data > 0 && equals > 0 && data < len(line)-equals {
			from = equals + 1 + data
		}
		field, behind := line, []byte(nil)
		if i := bytes.Index(line[from:], []byte(separator)); i >= 0 {
			field, behind = line[:from+i], line[from+i+len(separator):]
		}
		line = behind
		name, value, _ := bytes.Cut(field, []byte{'='})
		number, convErr := strconv.Atoi(string(name))
		t := tag(number)
		data = 0
		switch {
		case convErr != nil: // a separator within a text, in a log that shows it as a bar
		case t == checkSum:
			return m, line, true, nil
		case isLength(t):
			data, _ = strconv.Atoi(string(value)) // what is no number is no length
		case read(t):
			if _, has := m[t]; !has {
				m[t] = string(value)
			}
		}
	}
	return nil, nil, false, &mistake{"a message that is cut off: it has no CheckSum (tag 10)"}
}

// separatorOf is what stands behind the first field; empty: nothing that can be.
func separatorOf(line []byte) string {
	for i, c := range line {
		switch c {
		case '\x01':
			return "\x01"
		case '|':
			return "|"
		case '^':
			if bytes.HasPrefix(line[i:], []byte("^A")) {
				return "^A"
			}
		}
	}
	return ""
}
